"""Pruning by hand: what nobody may lose stays, whatever the limits are."""

from __future__ import annotations

import pytest

from fakes.world import NEW, NEWER, OLD, FaultKind, World, drive, host, small_world, version
from fakes.world.faults import effect
from t3safe.domain.errors import PersonalDataError
from t3safe.domain.retention import SnapshotKind
from t3safe.interpreter import Limits
from t3safe.usecases.rollback import go_back, way_back
from t3safe.usecases.snapshots import judge, prune
from tests.scenarios.nights import DAY, night, publish, running, take_ann_back

NONE = Limits(snapshots_keep=0, snapshots_bytes_max=0)


def kept(world: World) -> set[str]:
    """Name the snapshots of ann that there are."""
    return set(world.people["ann"].snapshots)


def test_without_any_room_the_way_back_and_the_newest_stay() -> None:
    """Everything else goes; the rollback that was shown still works afterwards."""
    world = small_world("ann")
    night(world)
    wired = host(world, limits=NONE)
    for number in range(3):
        wired.ports.personal_data.snapshot("ann", f"by-hand-{number}", SnapshotKind.ONLINE, NEW)
    way = way_back(wired, "ann", None, "").snapshot
    before = kept(world)
    told = judge(wired, "ann")
    assert kept(world) == before
    assert prune(wired, "ann") == told
    assert kept(world) == {item.stored.id for item in told if item.kept}
    assert {way, "by-hand-2"} <= kept(world) < before
    assert [item.kept for item in prune(wired, "ann")] == [True] * len(kept(world))
    night(world, take_ann_back, giving_up=True)
    assert running(world) == {"ann": OLD}


def test_what_undoes_the_last_way_back_stays() -> None:
    """The rows that it gave up exist nowhere else."""
    world = small_world("ann")
    night(world)
    back = night(world, take_ann_back, giving_up=True)
    assert back.rollout is not None
    rest = back.rollout.moves[0].rest
    assert rest is not None
    wired = host(world, limits=NONE)
    prune(wired, "ann")
    assert rest.snapshot in kept(world)
    again = night(
        world, lambda one: go_back(one, "ann", None, rest.snapshot, force=False), giving_up=True
    )
    assert again.rollout is not None
    assert running(world) == {"ann": NEW}


def test_the_way_back_outlives_nights_that_moved_nobody() -> None:
    """A later run that did not touch the person does not unpin what the earlier one took."""
    world = small_world("ann")
    night(world)
    way = way_back(host(world), "ann", None, "").snapshot
    world.people["ann"].inputs = 1
    publish(world, version("0.0.28-nightly.20260620.600"), 33)
    night(world)
    prune(host(world, limits=NONE), "ann")
    assert way in kept(world)


def test_a_clock_that_is_a_year_ahead_for_a_night_costs_nobody_the_way_back() -> None:
    """What that night took is not the newest for a year: later nights push it out as usual."""
    world = small_world("ann")
    tight = Limits(snapshots_keep=2)
    world.clock_ahead = 365 * DAY
    night(world, limits=tight)
    world.clock_ahead = 0.0
    publish(world, NEWER, 33)
    night(world, limits=tight)
    way = way_back(host(world), "ann", None, "")
    assert (way.old, way.build) == (NEWER, NEW)
    world.people["ann"].inputs = 1
    for number in range(3):
        publish(world, version(f"0.0.28-nightly.20260620.{600 + number}"), 34)
        night(world, limits=tight)
    assert way_back(host(world), "ann", None, "") == way
    world.people["ann"].inputs = 0
    night(world, take_ann_back, giving_up=True)
    assert running(world) == {"ann": NEW}


def test_while_a_run_is_unfinished_nothing_is_pruned() -> None:
    """Its rollback points are in use."""
    world = small_world("ann")
    wired = host(world, limits=NONE)
    driven = drive(world, faults=[effect(9, FaultKind.CRASH_AFTER)])
    assert driven.violations == ()
    newest = next(iter(world.journal.written))
    del world.journal.written[newest][-1]
    before = kept(world)
    with pytest.raises(PersonalDataError, match="t3safe recover"):
        prune(wired, "ann")
    assert kept(world) == before
