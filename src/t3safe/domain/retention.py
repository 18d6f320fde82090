"""Retention: which snapshots and builds may be pruned.

Rules:

1. A pinned snapshot (a rollback point in use) is never pruned, whatever the limits say.
2. Of the rest the newest stay, up to `keep` snapshots and `bytes_max` bytes per person, pinned ones
   included.  The newest snapshot of a person always stays, and so does the newest taken at rest:
   nights without a move take online copies, and these must not push out the only way back.
3. Quarantines hold rows that exist nowhere else.  Their number counts separately, also up to
   `keep`, so that quarantines and ways back do not push each other out.  In bytes quarantines come
   first.
4. Builds in use, the default, last-good and previous-good are never pruned; of the rest the newest
   `keep` stay.
5. When a person prunes by hand, the way back and the snapshots of the last run that touched the
   person are pinned.
6. Snapshots are ordered by the sequence of their sealing, not by the clock: a clock that was ahead
   for one night must not make its snapshots the newest for a year.  Snapshots without a number are
   from an earlier t3safe: they are older than any with one, and the clock orders them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from attrs import frozen

from t3safe.domain.versions import Version


class SnapshotKind(StrEnum):
    """How a snapshot was taken."""

    ONLINE = "online"
    """Taken while the serve ran, for rehearsals and as a second line."""
    REST = "rest"
    """Taken after the stop: a rollback restores it."""
    QUARANTINE = "quarantine"
    """The data that a failed build left; kept because its rows exist nowhere else."""


@frozen
class Stored:
    """A sealed snapshot, for retention; `taken` is UTC, `size` is in bytes.

    `sequence` counts a person's snapshots in the order in which they were sealed; 0 is unknown.
    """

    id: str
    kind: SnapshotKind
    taken: datetime
    size: int
    sequence: int = 0


def prunable_snapshots(
    stored: tuple[Stored, ...], pinned: frozenset[str], keep: int, bytes_max: int
) -> tuple[str, ...]:
    """Return the snapshots of one person that may be deleted, oldest first (rules 1 to 3)."""
    kept_count = Counter(
        item.kind is SnapshotKind.QUARANTINE for item in stored if item.id in pinned
    )
    kept_bytes = sum(item.size for item in stored if item.id in pinned)
    spared = _spared(stored)
    pruned: list[Stored] = []
    loose = [item for item in stored if item.id not in pinned]
    for item in sorted(loose, key=_worth, reverse=True):
        apart = item.kind is SnapshotKind.QUARANTINE
        fits = kept_count[apart] < keep and kept_bytes + item.size <= bytes_max
        if fits or item.id in spared:
            kept_count[apart] += 1
            kept_bytes += item.size
        else:
            pruned.append(item)
    return tuple(item.id for item in sorted(pruned, key=age))


def ways_back(
    stored: Iterable[tuple[Stored, Version | None]], builds: Container[Version]
) -> Mapping[str, str]:
    """Name a person's ways back, each with why it is kept (rule 7).

    `stored` has the build that wrote each snapshot, `builds` are those that stay in the store.
    """
    newest: dict[Version, Stored] = {}
    for item, build in stored:
        if item.kind is SnapshotKind.REST and build is not None and build in builds:
            newest[build] = max(newest.get(build, item), item, key=age)
    return {item.id: f"the way back to {build}" for build, item in newest.items()}


def _spared(stored: tuple[Stored, ...]) -> frozenset[str]:
    """Return the newest snapshot, and the newest that was taken at rest."""
    at_rest = tuple(item for item in stored if item.kind is SnapshotKind.REST)
    return frozenset(max(items, key=age).id for items in (stored, at_rest) if items)


@frozen
class Judged:
    """Whether one snapshot is kept, and why."""

    stored: Stored
    kept: bool
    why: str


def judged(
    stored: tuple[Stored, ...], pinned: Mapping[str, str], keep: int, bytes_max: int
) -> tuple[Judged, ...]:
    """Judge every snapshot of one person, oldest first; `pinned` maps snapshots to why they stay.

    It prunes what `prunable_snapshots` names.
    """
    pruned = prunable_snapshots(stored, frozenset(pinned), keep, bytes_max)
    spared = _spared(stored)
    newest = max(stored, key=age, default=None)
    return tuple(
        Judged(item, item.id not in pruned, _why(item, pruned, spared, newest, pinned))
        for item in sorted(stored, key=age)
    )


def _why(
    item: Stored,
    pruned: tuple[str, ...],
    spared: frozenset[str],
    newest: Stored | None,
    pinned: Mapping[str, str],
) -> str:
    if item.id in pruned:
        return "beyond the limits of snapshots or bytes for each person"
    if item.id in pinned:
        return pinned[item.id]
    if item.id in spared:
        return "the newest" if item == newest else "the newest taken at rest"
    return "within the limits"


def age(item: Stored) -> tuple[int, datetime, str]:
    """Return the key that sorts a person's snapshots from the oldest to the newest (rule 6)."""
    return item.sequence, item.taken, item.id


def _worth(item: Stored) -> tuple[bool, tuple[int, datetime, str]]:
    return item.kind is SnapshotKind.QUARANTINE, age(item)


def prunable_builds(
    builds: tuple[Version, ...], needed: frozenset[Version], keep: int
) -> tuple[Version, ...]:
    """Return the builds that may be deleted, oldest first (rule 4).

    `needed` are the builds in use, the default, last-good and previous-good.
    """
    loose = sorted(set(builds) - needed)
    return tuple(loose[: max(0, len(loose) - keep)])
