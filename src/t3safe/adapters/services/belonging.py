"""Which processes belong to a serve, where no control group says it.

Rule: what belongs to a serve is its main process, its session, the descendants of anything in it,
and every process that bears its mark in the environment: also a child that detached itself, also
when the serve is gone.  We ourselves never belong to it, though somebody may call us from a serve's
terminal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import psutil

MARK: Final = "T3SAFE_SERVE"
"""The variable that tells whose serve a process belongs to."""
_NEVER: Final = frozenset({0, 1})
"""The kernel and the first process, whose descendants everybody is."""


def belonging(leader: int | None, mark: str) -> set[psutil.Process]:
    """Find the living processes of the serve whose main process and session `leader` is or was."""
    parents: dict[psutil.Process, int] = {}
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.pid in _NEVER or process.status() == psutil.STATUS_ZOMBIE:
                continue
            parents[process] = process.ppid()
            if leader in {process.pid, os.getsid(process.pid)} or _marked(process, mark):
                found.add(process)
    return {member for member in _with_descendants(found, parents) if member.pid != os.getpid()}


def lives(process: psutil.Process) -> bool:
    """Whether that very process still runs; one that nobody reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def began(pid: int) -> datetime | None:
    """When a process was made; None when it is gone."""
    try:
        return datetime.fromtimestamp(psutil.Process(pid).create_time(), UTC)
    except psutil.NoSuchProcess:
        return None


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except (psutil.AccessDenied, OSError):
        # Somebody else's process: it cannot be one of ours, which all run as we do.
        return False


def _with_descendants(
    members: set[psutil.Process], parents: Mapping[psutil.Process, int]
) -> set[psutil.Process]:
    found = set(members)
    while True:
        pids = {member.pid for member in found}
        more = {process for process, parent in parents.items() if parent in pids} - found
        if not more:
            return found
        found |= more
