"""The store of a fleet in memory, behind the port FleetStore of each host.

Rules:

1. It has etcd's meaning: each transaction that is done has a revision of its own, and a key that
   was deleted and made again is not the old one.
2. A fault is the host's: others may reach the same cluster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum

from attrs import define, field, frozen

from t3safe.domain.errors import FleetError, FleetErrorKind
from t3safe.domain.fleet.records import Record
from t3safe.domain.fleet.rings import FleetMemory
from t3safe.domain.fleet.view import (
    LOCK_FILES,
    LOCKS,
    VERDICTS,
    Commit,
    Committed,
    KeyEntry,
    Transaction,
    Unreadable,
    View,
    alive_key,
    lock_file_key,
    lock_key,
    verdicts_key,
    view_of,
)
from t3safe.domain.lockfile import LockFile
from t3safe.domain.versions import Version


@define
class MemoryCluster:
    """What all hosts of a fleet share; `now` gives seconds, by which leases end."""

    cluster: str = "1"
    revision: int = 1
    entries: dict[str, KeyEntry] = field(factory=dict)
    leases: dict[str, float] = field(factory=dict)
    now: Callable[[], float] = lambda: 0.0
    late: deque[Transaction] = field(factory=deque)
    """Transactions whose answer was lost, and which are not done yet."""

    def commit(self, transaction: Transaction) -> bool:
        """Do a transaction; return whether its conditions held."""
        self._expire()
        for expected in transaction.expected:
            if self._revision_of(expected.key) != expected.revision:
                return False
        if any(one.record is not None or one.key in self.entries for one in transaction.changes):
            self.revision += 1
        for change in transaction.changes:
            self.leases.pop(change.key, None)
            if change.record is None:
                self.entries.pop(change.key, None)
            else:
                self.entries[change.key] = KeyEntry(change.key, change.record, self.revision)
        return True

    def deliver(self) -> None:
        """Do what was late, as far as its conditions still hold."""
        while self.late:
            self.commit(self.late.popleft())

    def put_alive(self, host: str, seconds: int) -> None:
        """Write a key that ends with its lease."""
        key = alive_key(host)
        self.revision += 1
        self.entries[key] = KeyEntry(key, Unreadable("has no content"), self.revision)
        self.leases[key] = self.now() + seconds

    def put_garbage(self, key: str) -> None:
        """Write what no t3safe can read."""
        self.revision += 1
        self.entries[key] = KeyEntry(key, Unreadable("cannot be read: not JSON"), self.revision)

    def wipe(self, cluster: str) -> None:
        """Lose everything, and begin again as another cluster."""
        self.cluster, self.revision = cluster, 1
        self.entries.clear()
        self.leases.clear()
        self.late.clear()

    def read(self, build: Version | None) -> View:
        """Read all entries, those of builds for one build only."""
        self._expire()
        return view_of(self.cluster, self.revision, self._of(build))

    def record(self, key: str) -> Record | None:
        """Return one record, None if there is none that can be read."""
        entry = self.entries.get(key)
        return None if entry is None or isinstance(entry.record, Unreadable) else entry.record

    def _of(self, build: Version | None) -> Iterator[KeyEntry]:
        lock, verdicts = (lock_key(build), verdicts_key(build)) if build is not None else ("", "")
        for key, entry in sorted(self.entries.items()):
            if not key.startswith((VERDICTS, LOCKS, LOCK_FILES)) or (
                build is not None and (key == lock or key.startswith(verdicts))
            ):
                yield entry

    def _revision_of(self, key: str) -> int:
        entry = self.entries.get(key)
        return entry.revision if entry is not None else 0

    def _expire(self) -> None:
        for key in [key for key, until in self.leases.items() if until <= self.now()]:
            del self.leases[key], self.entries[key]
            self.revision += 1


@define
class MemoryNotebook:
    """What one host remembers, in memory; `unreadable` is why it cannot be read."""

    memory: FleetMemory = field(factory=FleetMemory)
    unreadable: str = ""

    def load(self) -> FleetMemory:
        """Return what is remembered."""
        if self.unreadable:
            raise FleetError(self.unreadable, FleetErrorKind.STATE)
        return self.memory

    def keep(self, memory: FleetMemory) -> None:
        """Remember this and nothing else."""
        self.memory, self.unreadable = memory, ""


class Loss(StrEnum):
    """How the answer of a transaction is lost."""

    BEFORE = "before"
    """It never reaches the store."""
    AFTER = "after"
    """It is done."""
    LATE = "late"
    """It is done when the cluster delivers what is late, if its conditions hold then."""


@frozen
class Outage:
    """Why a host cannot use the store."""

    reason: str = "no endpoint answers"
    kind: FleetErrorKind = FleetErrorKind.UNREACHABLE


@define
class MemoryFleet:
    """One host's way to the cluster; `losses` befall its next transactions, one each."""

    cluster: MemoryCluster
    outage: Outage | None = None
    losses: deque[Loss | None] = field(factory=deque)
    requests: int = 0

    def view(self, build: Version | None = None) -> View:
        """Read the fleet as it is now."""
        self._begin()
        return self.cluster.read(build)

    def transact(self, transaction: Transaction) -> Committed:
        """Make all changes, if every condition holds."""
        self._begin()
        loss = self.losses.popleft() if self.losses else None
        if loss is Loss.LATE:
            self.cluster.late.append(transaction)
        done = loss in {None, Loss.AFTER} and self.cluster.commit(transaction)
        if loss is not None:
            return Committed(Commit.UNKNOWN, reason="the answer was lost")
        commit = Commit.DONE if done else Commit.NOT_MET
        return Committed(commit, self.cluster.revision, self.cluster.cluster)

    def lock_file(self, digest: str) -> LockFile | None:
        """Return the published lock file with this digest."""
        self._begin()
        record = self.cluster.record(lock_file_key(digest))
        if record is None:
            return None
        if not isinstance(record, LockFile) or record.digest != digest:
            message = f"the fleet's lock file {digest} has another digest"
            raise FleetError(message, FleetErrorKind.GARBAGE)
        return record

    def alive(self, host: str, seconds: int) -> None:
        """Show the host as alive for so long."""
        self._begin()
        self.cluster.put_alive(host, seconds)

    def _begin(self) -> None:
        self.requests += 1
        if self.outage is not None:
            message = f"cannot reach the fleet: {self.outage.reason}"
            raise FleetError(message, self.outage.kind)
