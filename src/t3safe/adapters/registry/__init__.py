"""The package registry over HTTP, at the address that npm is set to."""

from t3safe.adapters.registry.address import RegistryAddress, RegistryLocation
from t3safe.adapters.registry.client import Metadata, NpmRegistry

__all__ = ["Metadata", "NpmRegistry", "RegistryAddress", "RegistryLocation"]
