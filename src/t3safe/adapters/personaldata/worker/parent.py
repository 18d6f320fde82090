"""The process that asked: its question, its end, and the progress of a copy that it is sent.

1. The question is one line of JSON on standard input.  The parent keeps the input open for as long
   as the worker may live: when the parent dies, the input ends and the worker ends at once, so that
   a later t3safe never meets one still running.
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
"""Is called with the bytes that there are, and with the bytes that are expected."""


def grown(path: str) -> int:
    """Give the bytes of all files below a folder; a file that goes away meanwhile counts 0."""
    total = 0
    for root, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                status = os.lstat(f"{root}/{name}")
                total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total


def watch(path: str, total: int, say: Say) -> None:
    """Report the size of a folder each `EVERY_SECONDS`, until it is renamed or gone."""
    while True:
        time.sleep(EVERY_SECONDS)
        if not os.path.isdir(path):  # noqa: PTH112 - as all of the worker names paths
            return
        say(grown(path), total)


def watching(say: Say) -> Callable[[str, int], None]:
    """Give what starts a thread that watches a folder which will grow to so many bytes."""
    return lambda path, total: threading.Thread(
        target=watch, args=(path, total, say), daemon=True
    ).start()


def to_parent(done: int, total: int) -> None:
    """Report the progress of a copy to the process that asked."""
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
