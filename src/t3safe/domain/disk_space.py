"""Whether the disks have space for what a night writes, at today's sizes; all in bytes.

Rules:

1. A night may keep one online copy of each person, and of one person also an at-rest copy and a
   quarantine: the largest counts three times.
2. Each concurrent rehearsal has a copy, and V2's first start copies that again.
3. A person without a snapshot counts with the present size of their data.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import frozen

_COPIES: Final = 3
_REHEARSED: Final = 2


@frozen
class Disk:
    """A folder, and the free bytes on its file system."""

    folder: str
    free: int


@frozen
class NightPaths:
    """Where a night writes.

    `rehearsals` is how many run at a time, `build` the size of one more build and npm's own files.
    """

    backups: Disk
    tmpdir: Disk
    store: Disk
    rehearsals: int
    build: int


@frozen
class Room:
    """The free and the needed bytes in a folder, and what needs them."""

    what: str
    folder: str
    free: int
    need: int

    @property
    def enough(self) -> bool:
        """Whether there is enough space."""
        return self.free >= self.need


def rooms(places: NightPaths, newest: Iterable[int]) -> tuple[Room, ...]:
    """Return the space in each folder against what a night writes there (rules 1 to 3).

    `newest` are the sizes of each person's newest copy.
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
