"""Whether the disks have room for what a night writes, at today's sizes; all in bytes.

Rules:

1. A night may keep a copy of everybody beside the serve, and of one person another at rest and a
   quarantine: the largest counts three times.
2. Rehearsals that run at a time each have a copy, which V2's first start copies once more.
3. Whoever has no snapshot yet counts as much as their set weighs now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import frozen

_COPIES: Final = 3
_REHEARSED: Final = 2


@frozen
class Disk:
    """A folder, and how many bytes are free where it is."""

    folder: str
    free: int


@frozen
class NightPaths:
    """Where a night writes.

    `rehearsals` is how many run at a time, `build` what one more build and npm's own work take.
    """

    backups: Disk
    tmpdir: Disk
    store: Disk
    rehearsals: int
    build: int


@frozen
class Room:
    """What is free in a folder, beside what is needed there and for what."""

    what: str
    folder: str
    free: int
    need: int

    @property
    def enough(self) -> bool:
        """Whether it fits."""
        return self.free >= self.need


def rooms(places: NightPaths, newest: Iterable[int]) -> tuple[Room, ...]:
    """Hold each place against what a night writes there; `newest` are everybody's sizes.

    Rules 1 to 3.
    """
    sizes = tuple(newest)
    largest = max(sizes, default=0)
    copies = sum(sizes) + (_COPIES - 1) * largest
    return (
        _room("a night's snapshots", places.backups, copies),
        _room("rehearsals", places.tmpdir, _REHEARSED * places.rehearsals * largest),
        _room("one more build and npm's work", places.store, places.build),
    )


def _room(what: str, place: Disk, need: int) -> Room:
    return Room(what, place.folder, place.free, need)
