"""Real processes, and a wait for what is to happen with them."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def eventually(true: Callable[[], bool]) -> None:
    """Wait for a condition, for as long as a loaded machine may take; fails after that."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
