"""A person's data as files and databases: found, read and counted.  Standard library only."""

from __future__ import annotations

from typing import Final

NOTE: Final = ".t3safe-build"
"""In a base directory: the build that the launcher started there last."""
