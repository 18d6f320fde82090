"""Who runs which build: one symbolic link a person, and the launcher that follows it."""

from t3safe.adapters.selection.launcher import render_launcher
from t3safe.adapters.selection.links import SymlinkSelection

__all__ = ["SymlinkSelection", "render_launcher"]
