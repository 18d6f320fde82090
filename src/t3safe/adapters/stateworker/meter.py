"""Watches a copy grow, and tells how much of it is there; the copy itself knows nothing of it.

It only looks at names and sizes.  It must not open a database: closing it would drop the locks of
this process (see `holders`).
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from t3safe.adapters._support.reports import report

EVERY_SECONDS: Final = 1.0

Say = Callable[[int, int], None]
"""Is told how many bytes there are, and how many are expected."""


def grown(path: str) -> int:
    """Give the bytes of all files below a folder; what goes away meanwhile counts nothing."""
    total = 0
    for root, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                status = os.lstat(f"{root}/{name}")
                total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total


def _second() -> None:
    time.sleep(EVERY_SECONDS)


def watch(path: str, total: int, say: Say, pause: Callable[[], None] = _second) -> None:
    """Tell again and again how much of a folder is there, until it is renamed or gone."""
    while True:
        pause()
        if not os.path.isdir(path):  # noqa: PTH112 - as all of the worker names paths
            return
        say(grown(path), total)


def watching(say: Say) -> Callable[[str, int], None]:
    """Give what is to be told of a folder that will grow to so many bytes.

    It is watched by a thread of its own.
    """

    def begin(path: str, total: int) -> None:
        threading.Thread(target=watch, args=(path, total, say), daemon=True).start()

    return begin


def to_parent(done: int, total: int) -> None:
    """Tell the process that asked."""
    with suppress(OSError):
        os.write(2, report("copied", done, total))
