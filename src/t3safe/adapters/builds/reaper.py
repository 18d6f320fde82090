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

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any, NoReturn

from t3safe.adapters._support.subreaper import (
    PR_SET_PDEATHSIG,
    StubbornError,
    adopt_orphans,
    end_all,
    prctl,
)


class _ToldToEndError(Exception):
    """Raised in the middle of the wait when this process is told to end."""


def main() -> int:
    """Read a job, run it, print its end."""
    signal.signal(signal.SIGTERM, _told)
    job = json.loads(sys.stdin.readline())
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    adopt_orphans()
    if job["parent"] is not None and os.getppid() != job["parent"]:
        return 1
    threading.Thread(target=_end_with_input, daemon=True).start()
    ended: dict[str, Any] = {"status": None, "timed_out": False, "problem": ""}
    try:
        ended["status"] = _command(job).wait(job["timeout"])
    except subprocess.TimeoutExpired:
        ended["timed_out"] = True
    except OSError as error:
        ended["problem"] = str(error)
    except _ToldToEndError:
        ended["problem"] = "it was told to end"
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            end_all()
        except StubbornError as error:
            ended["problem"] = str(error)
    sys.stdout.write(json.dumps(ended))
    return 0


def _end_with_input() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _told(*_: object) -> NoReturn:
    raise _ToldToEndError


def _command(job: dict[str, Any]) -> subprocess.Popen[bytes]:
    who = job["user"] is not None
    return subprocess.Popen(
        job["argv"],
        env=job["env"],
        cwd=job["cwd"],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=sys.stderr,
        start_new_session=True,
        umask=0o022,
        user=job["user"],
        group=job["group"],
        extra_groups=[] if who else None,
    )


if __name__ == "__main__":
    sys.exit(main())
