"""What supervises code that is not ours: it adopts every orphan, and leaves nothing running.

What leaves its process group, its session or its parent is still below a subreaper (prctl(2)).
Standard library only: it is a part of programs that begin quickly.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress
from typing import Final

from t3safe.domain.text import duration

ENDING_MAX: Final = 20.0
"""Seconds for the kernel to end killed processes; writes to a slow disk hold them up."""
PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_POLL: Final = 0.005

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class StubbornError(Exception):
    """Raised when killed processes do not end."""


def prctl(option: int, value: int) -> None:
    """Change what the kernel does with this process.  Raises OSError."""
    if _LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")


def adopt_orphans() -> None:
    """Become the parent of every orphan below, none of whom can gain privileges.

    Raises OSError.
    """
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def end_all() -> tuple[str, ...]:
    """Kill and reap everything below this process; the names of what still ran.

    Raises StubbornError.
    """
    names: dict[int, str] = {}
    deadline = time.monotonic() + ENDING_MAX
    while time.monotonic() < deadline:
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return tuple(names.values())
        if not reaped:
            for pid, name in _children():
                names.setdefault(pid, name)
                # Its id is not used again before it is reaped here; a thread may have done that.
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_POLL)
    message = f"processes did not end within {duration(ENDING_MAX)} of being killed"
    raise StubbornError(message)


def _children() -> list[tuple[int, str]]:
    """Find the children of this process, with their names; what is below them comes to us."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:  # noqa: PTH123 - without pathlib
                    named, _, rest = file.read().rpartition(b")")
            except OSError:
                continue
            if rest.split()[1:2] == [b"%d" % os.getpid()]:
                name = named.partition(b"(")[2].decode("utf-8", "replace")
                found.append((int(entry), name))
    return found
