"""The transient unit in which a person's worker runs: as the person, and with less than they have.

Rules:

1. It is the person, with no capability, no network, no socket of a daemon, and no way to more.
2. It sees the person's home and the person's folder of snapshots, and of everybody else neither.
3. Memory, tasks and time are capped, apart from ours: a person who takes their own worker over
   gains nothing by it and keeps nobody waiting for longer than the worker may take.

Both folders are named by paths of which no part is the person's to change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.adapters._support import transient
from t3safe.adapters._support.identity import Identity
from t3safe.adapters._support.transient import Job

MEMORY_MAX: Final = 1024**3
"""A worker copies page by page; SQLite's cache takes some MB, an answer 16 at most."""
TASKS_MAX: Final = 16


@frozen
class Cells:
    """What the units of workers share; `destination` is the folder of everybody's snapshots."""

    destination: Path

    def job(self, person: Identity, timeout: float) -> Job:
        """Give a unit for a worker of this person."""
        snapshots = self.destination / person.name
        properties = (
            *transient.as_person(
                person.name,
                person.home,
                memory_max=MEMORY_MAX,
                tasks_max=TASKS_MAX,
                timeout=timeout,
            ),
            f"TemporaryFileSystem={self.destination}:ro",
            f"BindPaths=-{snapshots}",
        )
        environment = {"HOME": person.home, "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
        return Job(transient.new_name("person"), properties, environment)
