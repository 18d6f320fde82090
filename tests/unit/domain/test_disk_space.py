"""What a night needs is told from everybody's last snapshots."""

from __future__ import annotations

import pytest

from t3safe.domain.disk_space import Disk, NightPaths, Room, rooms

PLACES = NightPaths(Disk("/b", 100), Disk("/t", 50), Disk("/s", 10), rehearsals=2, build=11)


def test_a_night_needs_every_copy_and_the_largest_three_times() -> None:
    """Rule 1 for snapshots, rule 2 for rehearsals, twice; the store needs what a build takes."""
    assert rooms(PLACES, (10, 30)) == (
        Room("a night's snapshots", "/b", 100, 100),
        Room("rehearsals", "/t", 50, 120),
        Room("one more build and npm's work", "/s", 10, 11),
    )


@pytest.mark.parametrize(("free", "enough"), [(99, False), (100, True), (101, True)])
def test_what_just_fits_is_enough(free: int, enough: bool) -> None:
    """As many bytes as are needed are enough, one less is not."""
    assert Room("snapshots", "/b", free, 100).enough is enough


def test_a_host_without_people_needs_no_room_for_copies() -> None:
    """Only a build takes room there."""
    assert [room.need for room in rooms(PLACES, ())] == [0, 0, 11]
