"""What t3's own updater left with a person; standard library only.

Only what `t3.updater` knows is looked at; nothing is executed, and nothing else is told.
"""

from __future__ import annotations

import glob
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from t3safe.t3 import updater


def updates(base: str, home: str) -> dict[str, Any]:
    """Look for traces below the base directory and the home."""
    programs = glob.iglob(f"{glob.escape(base)}/{updater.PROGRAMS}")
    unit = Path(home, updater.UNIT_FILE)
    return {
        "versions": updater.versions_of(filter(_executable, programs)),
        "state": updater.state_of(_read(Path(base, updater.STATE))),
        "linked": updater.version_of(_target(Path(home, updater.LINK))),
        "unit": unit.is_file() or unit.is_symlink(),
        "pending": Path(base, updater.PENDING).exists(),
    }


def _executable(path: str) -> bool:
    return Path(path).is_file() and os.access(path, os.X_OK)


def _read(path: Path) -> bytes:
    """Read a plain file that is not too long; nothing where there is none."""
    with suppress(OSError):
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(opened, "rb") as file:  # noqa: PTH123 - a descriptor
            if Path(path).is_file():
                content = file.read(updater.STATE_MAX + 1)
                return content if len(content) <= updater.STATE_MAX else b""
    return b""


def _target(link: Path) -> str:
    return os.path.realpath(link) if link.is_symlink() else ""


def programs(home: str, places: list[str]) -> list[str]:
    """Those of `places` (patterns below the home) where something can be executed; nothing is."""
    return [place for place in places if _there(f"{glob.escape(home)}/{place}")]


def _there(pattern: str) -> bool:
    return any(Path(path).is_file() and os.access(path, os.X_OK) for path in glob.iglob(pattern))
