"""Turns itself into a serve: detached, logged, with its pid file written.  Standard library only.

It is started by its path (`python -I daemon.py`) with a job as JSON on its standard input.  Its
standard output is closed without a word once the serve runs, else it has the error.

Rules:

1. The pid file is durable before the serve's program is executed, so that there is never a serve
   without one.
2. The lock that the caller holds is held here too until then: what waits for it finds the file.
3. The serve keeps nothing of ours: no descriptor, no ignored signal, no terminal, no parent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any, NoReturn

FAILED = 127
"""Exit status of a child that could not become the serve; a shell's for a missing program."""


def main() -> None:
    """Read a job; the child becomes the serve, this process ends."""
    job = json.load(sys.stdin)
    if os.fork() != 0:
        os._exit(0)
    errors = os.dup(1)
    os.set_inheritable(errors, False)
    try:
        _become(job)
    except OSError as error:
        os.write(errors, f"{error.filename or job['argv'][0]}: {error.strerror}".encode())
        os._exit(FAILED)


def _become(job: dict[str, Any]) -> NoReturn:
    os.set_inheritable(job["lock"], False)
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    _streams(job["log"])
    _write_pid(job["pid_file"])
    try:
        # What Python ignores would stay ignored in the serve.
        for name in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(name, signal.SIG_DFL)
        os.execvpe(job["argv"][0], job["argv"], job["env"])  # noqa: S606 - a list, no shell
    except OSError:
        os.unlink(job["pid_file"])
        raise


def _streams(log: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    written = os.open(log, flags, 0o600)
    for source, target in ((null, 0), (written, 1), (written, 2)):
        os.dup2(source, target)
    for source in (null, written):
        os.close(source)


def _write_pid(path: str) -> None:
    content = {"pid": os.getpid(), "began": began(os.getpid()), "boot": boot()}
    fresh = path + ".new"
    with open(fresh, "w", encoding="ascii") as file:  # noqa: PTH123 - a start without pathlib
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


def began(pid: int) -> int:
    """When a process was made, in clock ticks since the boot; 0 when there is none or it is dead.

    With the boot's id it tells a process from a later one of the same pid, and unlike a time of
    day it does not change when the clock is set.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in {b"Z", b"X"} else int(fields[19])


def boot() -> str:
    """Give the id of this boot."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
        return file.read().strip()


if __name__ == "__main__":
    main()
