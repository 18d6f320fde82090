"""A rehearsal's transient unit: what it may see, use and last.

Rules:

1. It has a user of its own, made with the unit and gone with it: two rehearsals at a time are two
   users, and nothing on the host is theirs but the room that they are given.
2. Of the host it sees the system, read-only, and its own build: no home, no other build, nothing
   of t3safe's own, no socket of a daemon.
3. It has a loopback of its own and no other network.
4. Memory, tasks and time are capped.  Everything in it ends with its worker.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.adapters._support import transient
from t3safe.adapters._support.transient import Job

WHAT: Final = "gate"
TASKS_MAX: Final = 512
"""A serve has some 40 threads, and npm-installed tools that it probes as many again."""
_ADMITTED_SECONDS: Final = 30.0
_POLL: Final = 0.01


@frozen
class Cells:
    """What the units of rehearsals share; `hidden` are paths that none may see.

    `store` is the store of builds, `memory_max` in bytes, for a serve with a mint beside it.
    """

    store: Path
    hidden: tuple[Path, ...]
    memory_max: int

    def job(self, program: Path, folder: Path, limit: float) -> Job:
        """Give the unit for a rehearsal of this program in this room, for so many seconds."""
        build = program.parent.parent.parent
        properties = (
            *transient.HARDENED,
            *transient.NO_NETWORK,
            *transient.NO_RUNTIME,
            "DynamicUser=yes",
            "ProtectHome=yes",
            f"BindPaths={folder}",
            f"TemporaryFileSystem={self.store}:ro",
            f"BindReadOnlyPaths={build}",
            *(f"InaccessiblePaths=-{path}" for path in self.hidden),
            f"MemoryMax={self.memory_max}",
            f"TasksMax={TASKS_MAX}",
            f"RuntimeMaxSec={limit:.0f}",
        )
        environment = {"HOME": str(folder / "home"), "LC_ALL": "C.UTF-8", "PATH": os.defpath}
        return Job(transient.new_name(WHAT), properties, environment)


def admit(job: Job, folder: Path, ended: Callable[[], bool]) -> None:
    """Give the room to the unit's user, once there is one.  Raises OSError.

    The room is ours alone until then, so that nobody can have put a link into it.  `ended` tells
    that the unit will not start any more.
    """
    deadline = time.monotonic() + _ADMITTED_SECONDS
    while (user := job.user()) is None:
        if ended() or time.monotonic() > deadline:
            message = f"{job.name} does not start"
            raise TimeoutError(message)
        time.sleep(_POLL)
    for path, folders, names in os.walk(folder, topdown=False):
        for name in (*folders, *names):
            os.chown(Path(path, name), user, user, follow_symlinks=False)
    os.chown(folder, user, user, follow_symlinks=False)


def sweep() -> None:
    """End the units that an earlier gate left behind.  Raises OSError."""
    transient.end(f"{transient.PREFIX}{WHAT}-*.service")
