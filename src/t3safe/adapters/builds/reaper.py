"""Runs one command as another user and leaves nothing of it running.  Standard library only.

It is started by its path (`python -I reaper.py`), takes a job as a line of JSON on its standard
input, which stays open for as long as whoever started it lives, lets the command write to its own
standard error, and prints how the command ended as JSON on its standard output.

Rules:

1. Whatever the command started is ended before this process is, also what left the command's
   process group or was orphaned: this process is the subreaper of all of it.
2. It ends everything when the time is up, when it is told to end, and when its parent dies or its
   input ends.
3. The command and all of its children can gain no privileges.
4. It keeps its own user while the command runs as another, so that the command cannot end it.  In
   a unit both are one user: who ends it there ends the unit.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Final, NoReturn

from t3safe.domain.text import duration

ENDING_MAX: Final = 20.0
"""Seconds for the kernel to end killed processes; writes to a slow disk hold them up."""
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38


class _ToldToEndError(Exception):
    """Raised in the middle of the wait when this process is told to end."""


def main() -> int:
    """Read a job, run it, print its end."""
    signal.signal(signal.SIGTERM, _told)
    job = json.loads(sys.stdin.readline())
    _protect()
    if job["parent"] is not None and os.getppid() != job["parent"]:
        return 1
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        ended = _run(job)
    except OSError as error:
        ended = {"status": None, "timed_out": False, "problem": str(error)}
    except _ToldToEndError:
        ended = {"status": None, "timed_out": False, "problem": "it was told to end"}
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        clean = _end_everything()
    if not clean:
        ended["problem"] = f"processes it started did not end within {duration(ENDING_MAX)}"
    sys.stdout.write(json.dumps(ended))
    return 0


def _end_with_input() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _told(*_: object) -> NoReturn:
    raise _ToldToEndError


def _protect() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in (
        (_PR_SET_PDEATHSIG, signal.SIGTERM),
        (_PR_SET_CHILD_SUBREAPER, 1),
        (_PR_SET_NO_NEW_PRIVS, 1),
    ):
        if libc.prctl(option, int(value), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl {option} failed")


def _run(job: dict[str, Any]) -> dict[str, Any]:
    identity: dict[str, Any] = {}
    if job["user"] is not None:
        identity = {"user": job["user"], "group": job["group"], "extra_groups": []}
    command = subprocess.Popen(
        job["argv"],
        env=job["env"],
        cwd=job["cwd"],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=sys.stderr,
        start_new_session=True,
        umask=0o022,
        **identity,
    )
    try:
        return {"status": command.wait(job["timeout"]), "timed_out": False, "problem": ""}
    except subprocess.TimeoutExpired:
        return {"status": None, "timed_out": True, "problem": ""}


def _end_everything() -> bool:
    """Kill and reap until no child is left; orphans become children of this process."""
    deadline = time.monotonic() + ENDING_MAX
    while time.monotonic() < deadline:
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not reaped:
            for child in _children():
                os.kill(child, signal.SIGKILL)
            time.sleep(0.005)
    return False


def _children() -> list[int]:
    """Find the children of this process; none of their ids is reused before it is reaped here."""
    me = os.getpid()
    return [int(name) for name in os.listdir("/proc") if name.isdecimal() and _parent(name) == me]


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as handle:  # noqa: PTH123 - a start without pathlib
            return int(handle.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


if __name__ == "__main__":
    sys.exit(main())
