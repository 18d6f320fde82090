"""Where a rollback of one person leads, what stays pinned for it, and why there is none."""

from __future__ import annotations

import pytest
from attrs import evolve

from fakes.world import NEW, NEWER, OLD, World, host
from t3safe.domain.errors import NoWayBackError
from t3safe.domain.move import Status
from t3safe.domain.rollback import WayBack
from t3safe.domain.versions import Version
from t3safe.usecases.host import Host
from t3safe.usecases.rollback import go_back, pins, present, preview, way_back
from tests.scenarios.nights import running, selected, untouched
from tests.unit.usecases.hosts import WrittenRuns, record
from tests.unit.usecases.rollbacks import (
    LISTS,
    ONLINE,
    QUARANTINE,
    REST,
    UNKNOWN,
    on_new,
    take,
    taken,
)


def refused(wired: Host, world: World, build: Version | None, snapshot: str = "") -> str:
    """Say why ann is not rolled back; nobody is touched, and no run is opened."""
    mark, before = len(world.log), (selected(world), running(world))
    why = set()
    for command in (way_back, preview):
        with pytest.raises(NoWayBackError) as error:
            command(wired, "ann", build, snapshot)
        why.add(str(error.value))
    with pytest.raises(NoWayBackError) as error:
        go_back(wired, "ann", build, snapshot, force=True)
    why.add(str(error.value))
    assert (selected(world), running(world)) == before
    assert untouched(world, mark)
    assert list(world.journal.runs()) == []
    (only,) = why
    return only


# The way back.


def test_the_way_back_is_the_newest_at_rest_snapshot_of_another_build() -> None:
    """Later ones of the present build, and what was copied while the serve ran, are none."""
    world = on_new("ann")
    take(world, "later", REST, NEW)
    take(world, "lost", REST, None)
    take(world, "online", ONLINE, OLD)
    take(world, "failed", QUARANTINE, OLD)
    expected = WayBack("ann", NEW, OLD, "before", taken(world, "before"), restore=True)
    assert way_back(host(world), "ann", None, "") == expected


def test_a_named_build_is_gone_back_to_however_old_its_snapshot_is() -> None:
    """Also when it is kept as a quarantine, and when another way back is newer."""
    world = on_new("ann")
    world.store.add(NEWER)
    take(world, "newest", REST, NEWER)
    take(world, "own", REST, NEW)
    wired = host(world)
    assert way_back(wired, "ann", OLD, "").snapshot == "before"
    assert way_back(wired, "ann", None, "").snapshot == "newest"
    take(world, "failed", QUARANTINE, OLD)
    expected = WayBack("ann", NEW, OLD, "failed", taken(world, "failed"), restore=False)
    assert way_back(wired, "ann", OLD, "") == expected


def test_a_named_snapshot_is_restored_whatever_its_kind() -> None:
    """Also one that the build would not need, and not a newer one."""
    world = on_new("ann", level=30)
    take(world, "online", ONLINE, OLD)
    take(world, "newest", REST, OLD)
    wired = host(world)
    for name in ("before", "online", "newest"):
        expected = WayBack("ann", NEW, OLD, name, taken(world, name), restore=True)
        assert way_back(wired, "ann", None, name) == expected


def test_nothing_is_restored_for_a_build_that_knows_the_present_data() -> None:
    """Data that cannot be read counts as unknown to it."""
    world = on_new("ann", level=30)
    expected = WayBack("ann", NEW, OLD, "before", taken(world, "before"), restore=False)
    assert way_back(host(world), "ann", None, "") == expected
    world.people["ann"].unreadable = "it is garbage"
    assert way_back(host(world), "ann", None, "") == evolve(expected, restore=True)


def test_an_online_copy_shows_that_a_named_build_knows_the_present_data() -> None:
    """It is not restored; without a named build, or with newer data, it leads nowhere."""
    world = on_new("ann", level=30)
    world.people["ann"].snapshots.clear()
    take(world, "online", ONLINE, OLD)
    take(world, "other", ONLINE, NEW)
    wired = host(world)
    expected = WayBack("ann", NEW, OLD, "online", taken(world, "online"), restore=False)
    assert way_back(wired, "ann", OLD, "") == expected
    none = "cannot roll ann back: no at-rest snapshot of {}; " + LISTS
    assert refused(wired, world, None) == none.format("another")
    world.run_elsewhere("ann", 34)
    assert refused(wired, world, OLD) == none.format(OLD)


def test_a_snapshot_that_is_not_there_or_of_no_build_is_no_way_back() -> None:
    """No other is taken in its place."""
    world = on_new("ann")
    take(world, "lost", REST, None)
    for name in ("lost", "nowhere"):
        why = f"cannot roll ann back: no snapshot {name}; {LISTS}"
        assert refused(host(world), world, None, name) == why


def test_nobody_goes_back_to_a_build_that_left_the_store() -> None:
    """What installs it again is named."""
    world = on_new("ann")
    world.store.discard(OLD)
    assert refused(host(world), world, None) == (
        f"cannot roll ann back: {OLD} is not in the store; `t3safe check {OLD}` installs it"
    )


def test_somebody_outside_the_map_is_not_rolled_back() -> None:
    """Even if there is a way back."""
    world = on_new("ann")
    world.people["ann"].mapped = False
    why = "cannot roll ann back: no such person in the user map"
    assert refused(host(world), world, None) == why


# What runs now.


def test_what_a_fenced_person_ran_is_told_by_a_run_before_any_snapshot() -> None:
    """A quarantine tells it, too: the data is not started on a guess, but left."""
    world = on_new("ann")
    take(world, "failed", QUARANTINE, NEW)
    world.halt("ann")
    world.people["ann"].fenced = True
    wired = host(world)
    assert present(wired, "ann") == NEW
    moved = record("r1", ("ann", Status.NEEDS_HUMAN), ("ben", Status.MOVED))
    ran = {"ann": NEWER, "ben": OLD}
    moves = tuple(evolve(move, ran=ran[move.person]) for move in moved.moves)
    world.journal = WrittenRuns(records=(evolve(moved, moves=moves),))
    assert present(host(world), "ann") == NEWER
    world.people["ann"].snapshots.clear()
    assert present(host(world), "ann") == NEWER


def test_where_nothing_tells_what_ran_only_a_named_build_leads_back() -> None:
    """It then stands for what is left, too."""
    world = on_new("ann")
    world.halt("ann")
    world.people["ann"].fenced = True
    expected = WayBack("ann", OLD, OLD, "before", taken(world, "before"), restore=True)
    assert way_back(host(world), "ann", OLD, "") == expected
    assert refused(host(world), world, None) == UNKNOWN.format("ann")


def test_a_selection_wins_over_what_runs_and_snapshots_tell() -> None:
    """It is what the next start runs."""
    world = on_new("ann")
    world.journal = WrittenRuns(records=(record("r1", ("ann", Status.MOVED), new=NEWER),))
    assert present(host(world), "ann") == NEW


# What must stay.


def test_the_way_back_and_what_the_last_run_used_are_pinned() -> None:
    """A snapshot of the present build is no way back, and a run that used none pins none."""
    world = on_new("ann")
    take(world, "own", REST, NEW)
    assert pins(host(world), "ann") == {"before": f"the way back to {OLD}"}
    newest, older = (record(run, ("ann", Status.MOVED)) for run in ("r2", "r1"))
    used = evolve(older, moves=tuple(evolve(move, used=("a", "b")) for move in older.moves))
    world.journal = WrittenRuns(records=(newest, used))
    because = "run r1 took or restored it"
    assert pins(host(world), "ann") == {
        "a": because,
        "b": because,
        "before": f"the way back to {OLD}",
    }
    del world.people["ann"].snapshots["before"]
    assert pins(host(world), "ann") == {"a": because, "b": because}
