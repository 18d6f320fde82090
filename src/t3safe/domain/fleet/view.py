"""The fleet as one host reads it, and transactions: what is written under which conditions.

Rules:

1. A view is of one moment: every record, its revision and the cluster's revision belong together.
2. A transaction writes all or nothing.  It writes only if each expected key still has the expected
   revision; 0 means that there is no such key.
3. A transaction whose answer was lost is UNKNOWN: it may have been done, and may still be done
   later.  Read, then decide.
4. A record that cannot be read is never taken for a missing one: a freeze or a halt holds, slots
   and policy are `damaged`, a report or a verdict is a `problem`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from attrs import define, field, frozen

from t3safe.domain.fleet.records import (
    FleetFreeze,
    FleetPolicy,
    FleetVerdict,
    Halt,
    Holders,
    HostReport,
    PublishedLock,
    Record,
)
from t3safe.domain.text import moment
from t3safe.domain.versions import InvalidVersion, Version

POLICY: Final = "policy"
FREEZE: Final = "freeze"
HALTS: Final = "halt/"
SLOTS: Final = "slots/"
HOSTS: Final = "hosts/"
ALIVE: Final = "alive/"
VERDICTS: Final = "verdicts/"
LOCKS: Final = "locks/"
LOCK_FILES: Final = "lockfiles/"


def halt_key(build: Version) -> str:
    """Return the key of the halt of a build."""
    return f"{HALTS}{build}"


def slots_key(ring: str) -> str:
    """Return the key of the slots of a ring."""
    return f"{SLOTS}{ring}"


def host_key(host: str) -> str:
    """Return the key of a host's report."""
    return f"{HOSTS}{host}"


def alive_key(host: str) -> str:
    """Return the key that lives as long as a host says that it does."""
    return f"{ALIVE}{host}"


def verdicts_key(build: Version) -> str:
    """Return what the keys of all verdicts on a build begin with."""
    return f"{VERDICTS}{build}/"


def verdict_key(verdict: FleetVerdict) -> str:
    """Return the key of a verdict: one for each ruling, so that a later one can be added."""
    about = verdict.artifact
    place = f"{about.lock}/{about.platform}/{verdict.host}/{verdict.ruling}"
    return f"{verdicts_key(about.build)}{place}"


def lock_key(build: Version) -> str:
    """Return the key that says which lock file the hosts install a build from."""
    return f"{LOCKS}{build}"


def lock_file_key(digest: str) -> str:
    """Return the key of a lock file's text."""
    return f"{LOCK_FILES}{digest}"


@frozen
class Expected:
    """A condition: the key was last written at this revision, 0 if it must not exist (rule 2)."""

    key: str
    revision: int


@frozen
class Change:
    """What is written to a key; None deletes it."""

    key: str
    record: Record | None


@frozen
class Transaction:
    """Changes that are made all together, if every condition holds."""

    expected: tuple[Expected, ...]
    changes: tuple[Change, ...]


class Commit(StrEnum):
    """What became of a transaction."""

    DONE = "done"
    NOT_MET = "not met"
    """A condition did not hold; nothing was written."""
    UNKNOWN = "unknown"
    """The answer was lost (rule 3)."""


@frozen
class Committed:
    """What became of a transaction, at which revision of which cluster (0 and empty if unknown)."""

    commit: Commit
    revision: int = 0
    cluster: str = ""
    reason: str = ""
    """Why it is unknown."""


@frozen
class View:
    """All that a host reads of its fleet, at one revision of one cluster (rule 1).

    `verdicts` and `lock` are about the one build that was asked for.  `halts` has a reason for each
    halted build.  `revisions` has the revision of each key that was read.
    """

    cluster: str
    revision: int
    policy: FleetPolicy | None = None
    frozen: str = ""
    """Why the fleet is frozen, empty if it is not; also what cannot be read freezes (rule 4)."""
    halts: Mapping[Version, str] = field(factory=dict)
    slots: Mapping[str, Holders] = field(factory=dict)
    hosts: Mapping[str, HostReport] = field(factory=dict)
    alive: frozenset[str] = frozenset()
    verdicts: tuple[FleetVerdict, ...] = ()
    lock: PublishedLock | None = None
    revisions: Mapping[str, int] = field(factory=dict)
    damaged: Mapping[str, str] = field(factory=dict)
    """Why a key that decides cannot be read: the policy, or the slots of a ring."""
    problems: tuple[str, ...] = ()
    """Records that were left out, one line each."""

    def revision_of(self, key: str) -> int:
        """Return the revision at which a key was written last, 0 if it does not exist."""
        return self.revisions.get(key, 0)

    def expect(self, key: str) -> Expected:
        """Return the condition that a key is still as it was read."""
        return Expected(key, self.revision_of(key))

    def holders(self, ring: str) -> Holders:
        """Return who holds the slots of a ring."""
        return self.slots.get(ring, Holders())


@frozen
class Unreadable:
    """A record that this t3safe cannot read, and why."""

    why: str


@frozen
class KeyEntry:
    """One key as it was read; its revision is at least 1."""

    key: str
    record: Record | Unreadable
    revision: int


def view_of(cluster: str, revision: int, entries: Iterable[KeyEntry]) -> View:
    """Make a view of what was read (rule 4); the verdicts and the lock are of one build."""
    reader = _Reader()
    for entry in entries:
        reader.take(entry)
    return View(
        cluster,
        revision,
        reader.policy,
        reader.frozen,
        reader.halts,
        reader.slots,
        reader.hosts,
        frozenset(reader.alive),
        tuple(reader.verdicts),
        reader.lock,
        reader.revisions,
        reader.damaged,
        tuple(reader.problems),
    )


@define
class _Reader:
    policy: FleetPolicy | None = None
    frozen: str = ""
    lock: PublishedLock | None = None
    halts: dict[Version, str] = field(factory=dict)
    slots: dict[str, Holders] = field(factory=dict)
    hosts: dict[str, HostReport] = field(factory=dict)
    alive: list[str] = field(factory=list)
    verdicts: list[FleetVerdict] = field(factory=list)
    revisions: dict[str, int] = field(factory=dict)
    damaged: dict[str, str] = field(factory=dict)
    problems: list[str] = field(factory=list)

    def take(self, entry: KeyEntry) -> None:
        key, record = entry.key, entry.record
        self.revisions[key] = entry.revision
        folder, _, name = key.rpartition("/")
        if folder == "alive":
            self.alive.append(name)
        elif folder == "halt":
            self._halt(key, name, record)
        elif key == FREEZE:
            self.frozen = _why_frozen(record)
        elif isinstance(record, Unreadable):
            if key == POLICY or folder == "slots":
                self.damaged[key] = record.why
            else:
                self.problems.append(f"{key}: {record.why}")
        else:
            self._readable(key, name, record)

    def _halt(self, key: str, name: str, record: Record | Unreadable) -> None:
        try:
            build = Version.parse(name)
        except InvalidVersion:
            self.problems.append(f"{key}: does not name a version")
            return
        if isinstance(record, Halt):
            self.halts[build] = f"{record.reason} (host {record.host}, run {record.run})"
        else:
            self.halts[build] = f"its halt cannot be read ({_why(record)})"

    def _readable(self, key: str, name: str, record: Record) -> None:
        if isinstance(record, FleetPolicy) and key == POLICY:
            self.policy = record
        elif isinstance(record, Holders) and key == slots_key(name):
            self.slots[name] = record
        elif isinstance(record, HostReport) and key == host_key(record.host):
            self.hosts[name] = record
        elif isinstance(record, FleetVerdict) and key == verdict_key(record):
            self.verdicts.append(record)
        elif isinstance(record, PublishedLock) and key == lock_key(record.build):
            self.lock = record
        else:
            self.problems.append(f"{key}: holds a record of another key")


def _why_frozen(record: Record | Unreadable) -> str:
    if isinstance(record, FleetFreeze):
        return f"{record.reason} (host {record.host}, {moment(record.at)})"
    return f"the freeze cannot be read ({_why(record)})"


def _why(record: Record | Unreadable) -> str:
    return record.why if isinstance(record, Unreadable) else "it holds a record of another key"
