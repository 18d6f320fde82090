"""The process that asked: its question, its end, and what it hears while a copy grows.

1. The question is one line of JSON on standard input.  The parent keeps the input open for as long
   as it wants the worker to live: when it dies, by whatever means, the input ends and the worker
   ends at once, so that a later t3safe never meets one still at work.
2. A copy is watched by names and sizes alone.  It must not open a database: closing it would drop
   the locks of this process (see `holders`).
"""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from t3safe.adapters._support.reports import report

ORPHANED: Final = 75
"""Exit status of a worker whose parent has gone."""
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


def asked() -> dict[str, Any]:
    """Read the question; from now on the worker ends with its parent."""
    question: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    if os.geteuid() != question["uid"]:
        sys.exit("the worker does not run as the person")
    threading.Thread(target=_die_with_parent, daemon=True).start()
    return question


def _die_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(ORPHANED)
