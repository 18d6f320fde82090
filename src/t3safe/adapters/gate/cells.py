"""A rehearsal's transient unit: what it may see, use and last.

Rules:

1. It has a user of its own, made with the unit and gone with it: two rehearsals at a time are two
   users, and nothing on the host is theirs but the room that they are given.
2. Of the host it sees the system's folders, node and its own build, read-only: no home, no project
   wherever it lies, no folder that everybody may write to, no other build, nothing of t3safe's own,
   no socket of a daemon.
3. It has a loopback of its own and no other network.
4. Memory, tasks and time are capped.  Everything in it ends with its worker.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.adapters._support import transient
from t3safe.adapters._support.transient import Job
from t3safe.adapters.gate.view import is_system, worker_folders
from t3safe.domain.allowance import Allowance

WHAT: Final = "gate"
TASKS_MAX: Final = 512
"""A serve has some 40 threads, and npm-installed tools that it probes as many again."""
HERE: Final = b"\n"
"""The first word of a worker."""
_ADMITTED_SECONDS: Final = 60.0
"""For a unit, and for a slow machine to load the worker in it."""
_CREDENTIALS: Final = struct.Struct("iII")
"""struct ucred: process, user and group (unix(7))."""


_LEFT: Final = frozenset(
    {
        *("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "sys", "nix", "gnu"),
        *("dev", "proc", "run", "tmp", "home", "root"),
    }
)
"""Folders at the top of a host that are the system's, or a unit's own by other properties."""


@frozen
class Cells:
    """What the units of rehearsals share; `hidden` are paths that none may see.

    `store` is the store of builds, `memory` in bytes, for a serve with a mint beside it.
    """

    store: Path
    hidden: tuple[Path, ...]
    memory: Allowance

    def job(self, program: Path, folder: Path, limit: float, memory_max: int) -> Job:
        """Give the unit for a rehearsal of this program in this room, for so many seconds."""
        build = str(program.parent.parent.parent)
        covered = (*foreign_folders(), str(self.store))
        shown = (each for each in (*worker_folders(), build) if not is_system(each))
        properties = (
            *transient.HARDENED,
            *transient.NO_NETWORK,
            *transient.NO_RUNTIME,
            "DynamicUser=yes",
            "ProtectHome=yes",
            f"BindPaths={folder}",
            *(f"TemporaryFileSystem={path}:ro" for path in covered),
            *(f"BindReadOnlyPaths={path}" for path in shown),
            *(f"InaccessiblePaths=-{path}" for path in self.hidden),
            f"MemoryMax={memory_max}",
            f"TasksMax={TASKS_MAX}",
            f"RuntimeMaxSec={limit:.0f}",
        )
        environment = {"HOME": str(folder / "home"), "LC_ALL": "C.UTF-8", "PATH": os.defpath}
        return Job(transient.new_name(WHAT), properties, environment)


def foreign_folders(root: str = "/") -> tuple[str, ...]:
    """Name the folders at the top of the host that are not the system's: projects may lie there."""
    with os.scandir(root) as entries:
        found = (each.path for each in entries if each.is_dir(follow_symlinks=False))
        return tuple(sorted(path for path in found if path.rpartition("/")[2] not in _LEFT))


def admit(worker: socket.socket, folder: Path) -> None:
    """Give the room to the unit's user, once the worker in it has said `HERE`.  Raises OSError.

    Who that is, is the kernel's word.  The room is ours alone until then, so that nobody can have
    put a link into it.
    """
    user = _user_behind(worker)
    for path, folders, names in os.walk(folder, topdown=False):
        for name in (*folders, *names):
            os.chown(Path(path, name), user, user, follow_symlinks=False)
    os.chown(folder, user, user, follow_symlinks=False)


def _user_behind(worker: socket.socket) -> int:
    """Hear the first word, and of whom it is."""
    worker.settimeout(_ADMITTED_SECONDS)
    said, ancillary, _, _ = worker.recvmsg(len(HERE), socket.CMSG_SPACE(_CREDENTIALS.size))
    worker.settimeout(None)
    for level, kind, data in ancillary:
        if said == HERE and (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            _, user, _ = _CREDENTIALS.unpack(data)
            if user != 0:
                return int(user)
    message = "the unit ended, or it runs as root"
    raise ConnectionError(message)


def telling_who(worker: socket.socket) -> None:
    """Have the kernel tell who writes to the other end; before anybody does."""
    worker.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)


def sweep() -> None:
    """End the units that an earlier gate left behind.  Raises OSError."""
    transient.end(f"{transient.PREFIX}{WHAT}-*.service")
