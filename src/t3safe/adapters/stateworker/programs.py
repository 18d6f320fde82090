"""Whether programs are at known places of a person's home; standard library only.

Only whether something is at a place is told, never how a person named it.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path


def programs(home: str, places: list[str]) -> list[str]:
    """Those of `places` (patterns below the home) where something can be executed; nothing is."""
    return [place for place in places if _there(f"{glob.escape(home)}/{place}")]


def _there(pattern: str) -> bool:
    return any(Path(path).is_file() and os.access(path, os.X_OK) for path in glob.iglob(pattern))
