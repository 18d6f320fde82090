"""The store of builds, filled by the real npm."""

from t3safe.adapters.builds.headers import NodeHeaders
from t3safe.adapters.builds.manifest import BuildManifest
from t3safe.adapters.builds.npm import Npm
from t3safe.adapters.builds.store import BuildStore

__all__ = ["BuildManifest", "BuildStore", "NodeHeaders", "Npm"]
