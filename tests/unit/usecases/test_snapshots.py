"""Which snapshots are kept and why, and that the others alone are removed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import evolve

from fakes.world import NEW, OLD, World, host, small_world
from t3safe.domain.errors import NoWayBackError, PersonalDataError
from t3safe.domain.move import Status
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.versions import Version
from t3safe.interpreter import Limits
from t3safe.usecases.host import Host
from t3safe.usecases.snapshots import judge, prune
from tests.unit.usecases.hosts import GONE, WrittenRuns, record

ROOM = 10**9
REST, ONLINE, QUARANTINE = SnapshotKind.REST, SnapshotKind.ONLINE, SnapshotKind.QUARANTINE
TAKEN: tuple[tuple[str, SnapshotKind, Version], ...] = (
    ("gone", REST, GONE),
    ("back", REST, OLD),
    ("used", ONLINE, OLD),
    ("loose", ONLINE, OLD),
    ("rest", REST, NEW),
    ("failed", QUARANTINE, NEW),
    ("last", ONLINE, NEW),
)
BEYOND = "beyond the limits of snapshots or bytes for each person"
ALWAYS = {
    "back": f"the way back to {OLD}",
    "used": "run r2 took or restored it",
    "rest": f"the way back to {NEW}",
    "last": "the newest",
}
"""What stays, whatever the limits are."""


def kept_on_new() -> World:
    """Let ann run NEW, with every kind of snapshot; ben has one of his own."""
    world = small_world("ann", "ben")
    world.store.add(NEW)
    world.halt("ann")
    world.people["ann"].link = NEW
    states = host(world).ports.personal_data
    for snapshot, kind, build in TAKEN:
        states.snapshot("ann", snapshot, kind, build)
    states.snapshot("ben", "loose", ONLINE, OLD)
    moved = record("r2", ("ann", Status.MOVED))
    used = evolve(moved, moves=tuple(evolve(move, used=("used",)) for move in moved.moves))
    world.journal = WrittenRuns(records=(used, record("r1", ("ben", Status.MOVED))))
    return world


def limited(world: World, keep: int, bytes_max: int = ROOM) -> Host:
    """Wire a host that keeps so many snapshots of each person."""
    return host(world, limits=Limits(snapshots_keep=keep, snapshots_bytes_max=bytes_max))


def whys(wired: Host) -> Iterator[tuple[str, bool, str]]:
    """Yield ann's snapshots, whether each is kept, and why."""
    return ((item.stored.id, item.kept, item.why) for item in judge(wired, "ann"))


def test_without_room_the_ways_back_and_the_newest_stay() -> None:
    """Each says why; a way back to a build that is gone is none, and the order is that of age."""
    expected = [(name, name in ALWAYS, ALWAYS.get(name, BEYOND)) for name, _, _ in TAKEN]
    assert list(whys(limited(kept_on_new(), keep=0))) == expected
    assert list(whys(limited(kept_on_new(), keep=10, bytes_max=0))) == expected


def test_with_room_for_all_the_rest_is_within_the_limits() -> None:
    """Nothing that is pinned says so."""
    expected = [(name, True, ALWAYS.get(name, "within the limits")) for name, _, _ in TAKEN]
    assert list(whys(limited(kept_on_new(), keep=10))) == expected


def test_judging_changes_nothing_and_pruning_removes_what_it_says() -> None:
    """Nothing of anybody else's; a second time there is nothing left to remove."""
    world = kept_on_new()
    wired = limited(world, keep=0)
    before = dict(world.people["ann"].snapshots)
    judged = judge(wired, "ann")
    assert world.people["ann"].snapshots == before
    assert prune(wired, "ann") == judged
    assert set(world.people["ann"].snapshots) == set(ALWAYS)
    assert set(world.people["ben"].snapshots) == {"loose"}
    assert all(item.kept for item in prune(wired, "ann"))
    assert set(world.people["ann"].snapshots) == set(ALWAYS)


def test_while_a_run_is_unfinished_nothing_is_judged_or_removed() -> None:
    """Its rollback points are in use; what settles it is named."""
    world = kept_on_new()
    world.journal = WrittenRuns(open_run="r3")
    wired = limited(world, keep=0)
    before = dict(world.people["ann"].snapshots)
    for command in (judge, prune):
        with pytest.raises(PersonalDataError) as error:
            command(wired, "ann")
        assert str(error.value) == (
            "cannot prune the snapshots of ann: run r3 is unfinished; `t3safe recover` settles it"
        )
    assert world.people["ann"].snapshots == before


def test_of_a_fenced_person_whose_build_is_unknown_nothing_is_removed() -> None:
    """Which way back they need is not known."""
    world = small_world("ann")
    world.people["ann"].fenced = True
    host(world).ports.personal_data.snapshot("ann", "s1", ONLINE, None)
    with pytest.raises(NoWayBackError):
        prune(limited(world, keep=0), "ann")
    assert set(world.people["ann"].snapshots) == {"s1"}
