"""Programs that a person installed, and what t3's own updater left; standard library only.

Only what `t3.package` and `t3.updater` know is looked at, and reported; nothing is executed.
"""

from __future__ import annotations

import glob
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from t3safe.t3 import updater


def programs(base: str, places: list[str]) -> list[str]:
    """Give those of `places` (patterns beside the base directory) that hold a program."""
    home = os.path.dirname(base)
    return [place for place in places if _executables(home, place)]


def updates(base: str) -> dict[str, Any]:
    """Look for traces of the updater in and beside the base directory."""
    home = os.path.dirname(base)
    link, unit = Path(home, updater.LINK), Path(home, updater.UNIT_FILE)
    return {
        "versions": updater.versions_of(_executables(base, updater.PROGRAMS)),
        "state": updater.state_of(_read(Path(base, updater.STATE))),
        "linked": updater.version_of(os.path.realpath(link) if link.is_symlink() else ""),
        "unit": unit.is_file() or unit.is_symlink(),
        "pending": Path(base, updater.PENDING).exists(),
    }


def _executables(folder: str, pattern: str) -> list[str]:
    found = glob.iglob(f"{glob.escape(folder)}/{pattern}")
    return [path for path in found if Path(path).is_file() and os.access(path, os.X_OK)]


def _read(path: Path) -> bytes:
    """Read a plain file that is not too long; empty where there is none."""
    with suppress(OSError):
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(opened, "rb") as file:  # noqa: PTH123 - a descriptor
            if Path(path).is_file():
                content = file.read(updater.STATE_MAX + 1)
                return content if len(content) <= updater.STATE_MAX else b""
    return b""
