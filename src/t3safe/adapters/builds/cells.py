"""The transient units in which npm works: what they may see, use and last.

Rules:

1. Of the host they see the system, read-only, and the one folder that they work in: no home, no
   build, nothing of t3safe's own, no socket of a daemon.
2. npm itself reaches the network, for the registry, before any code of a package has run.  Install
   scripts and the installed program do not, unless the host's owner says so: on the host's loopback
   is a dispatch that believes whoever speaks to it.
3. Memory, tasks and time are capped.  Everything in it ends with npm.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.adapters._support import transient
from t3safe.adapters._support.transient import Job

MEMORY_MAX: Final = 4 * 1024**3
"""A compiler of node-pty takes some hundred MB; npm itself holds what it unpacks."""
TASKS_MAX: Final = 1024


@frozen
class Cells:
    """What npm's units share: its user, the store, and paths that none may see."""

    user: str
    store: Path
    hidden: tuple[Path, ...]
    script_network: bool = False

    def job(self, folder: Path, timeout: float, *, trusted: bool) -> Job:
        """Give a unit that works in this folder; `trusted` says that it runs no package's code."""
        reach = () if trusted or self.script_network else transient.NO_NETWORK
        properties = (
            *transient.HARDENED,
            *transient.NO_RUNTIME,
            # Where the names of hosts are looked up.
            "BindReadOnlyPaths=-/run/systemd/resolve",
            *reach,
            f"User={self.user}",
            "ProtectHome=yes",
            f"TemporaryFileSystem={self.store}:ro",
            f"BindPaths={folder}",
            *(f"InaccessiblePaths=-{path}" for path in self.hidden),
            f"MemoryMax={MEMORY_MAX}",
            f"TasksMax={TASKS_MAX}",
            f"RuntimeMaxSec={timeout + 60:.0f}",
        )
        return Job(transient.new_name("npm"), properties)
