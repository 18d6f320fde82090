"""What a rollback of one person plans and restores, and what it refuses to touch."""

from __future__ import annotations

import pytest

from fakes.world import NEW, NEWER, OLD, Defect, World, drive, host, small_world
from t3safe.domain import events as ev
from t3safe.domain.errors import NoWayBackError
from t3safe.usecases.host import Result
from t3safe.usecases.rollback import go_back
from tests.scenarios.nights import operations_since, running, selected, untouched
from tests.unit.usecases.hosts import lose_link
from tests.unit.usecases.rollbacks import REST, knows, on_new, take


def plan_of(result: Result) -> ev.Plan:
    """What was planned."""
    assert result.rollout is not None
    return result.rollout.plan


def planned(world: World, move: ev.MovePlan, *, force: bool) -> ev.Plan:
    """Plan the first run here that moves one person."""
    return ev.Plan(
        run="r001",
        kind=ev.Kind.BACK,
        candidate=move.new,
        base=move.old,
        moves=(move,),
        force=force,
        all_people=tuple(world.people),
    )


def test_going_back_restores_the_snapshot_with_the_build_that_wrote_it() -> None:
    """The plan names both and what the build knows; the others stay where they are."""
    world = on_new("ann", "ben")
    move = ev.MovePlan("ann", NEW, OLD, "before", knows=knows(world, "before"))
    result = go_back(host(world), "ann", None, "", force=False)
    assert (result.outcome, result.run) == (ev.Outcome.MOVED, "r001")
    assert plan_of(result) == planned(world, move, force=False)
    assert running(world) == {"ann": OLD, "ben": NEW}
    assert world.people["ann"].ledger() == knows(world, "before")


def test_going_back_to_a_build_that_knows_the_data_restores_nothing() -> None:
    """Not even a damaged snapshot stops it, and every row stays."""
    world = on_new("ann", level=30)
    world.people["ann"].commit()
    world.damage_snapshot("ann", "before")
    rows, mark = world.people["ann"].rows(), len(world.log)
    move = ev.MovePlan("ann", NEW, OLD, "", knows=knows(world, "before"))
    result = go_back(host(world), "ann", OLD, "", force=False)
    assert result.outcome is ev.Outcome.MOVED
    assert plan_of(result) == planned(world, move, force=False)
    assert "restore" not in operations_since(world, mark)
    assert world.people["ann"].rows() & rows == rows


def test_the_named_snapshot_is_the_one_that_is_restored() -> None:
    """Not a newer one of the same build."""
    world = on_new("ann", level=30)
    take(world, "newest", REST, OLD)
    move = ev.MovePlan("ann", NEW, OLD, "before", knows=knows(world, "before"))
    result = go_back(host(world), "ann", None, "before", force=False)
    assert plan_of(result) == planned(world, move, force=False)


def test_the_named_build_is_the_one_that_is_gone_back_to() -> None:
    """Not the one of a newer way back."""
    world = on_new("ann")
    world.store.add(NEWER)
    take(world, "newest", REST, NEWER)
    move = ev.MovePlan("ann", NEW, OLD, "before", knows=knows(world, "before"))
    result = go_back(host(world), "ann", OLD, "", force=False)
    assert plan_of(result) == planned(world, move, force=False)


def test_nobody_is_stopped_for_a_damaged_snapshot() -> None:
    """It is checked before the run is opened; another person's is not asked for."""
    world = on_new("ann", "ben")
    world.damage_snapshot("ann", "before")
    mark, before = len(world.log), (selected(world), running(world))
    with pytest.raises(NoWayBackError) as error:
        go_back(host(world), "ann", None, "", force=True)
    assert str(error.value) == (
        "cannot roll ann back: cannot use snapshot before of ann: it fails quick_check; "
        "nothing was changed"
    )
    assert (selected(world), running(world)) == before
    assert untouched(world, mark)
    assert list(world.journal.runs()) == []
    assert go_back(host(world), "ben", None, "", force=True).outcome is ev.Outcome.MOVED


@pytest.mark.parametrize("force", [True, False])
def test_a_busy_person_goes_back_only_by_force(force: bool) -> None:
    """Else the move is deferred, and nobody is touched."""
    world = on_new("ann")
    world.people["ann"].inputs = 1
    mark = len(world.log)
    result = go_back(host(world), "ann", None, "", force=force)
    assert plan_of(result).force is force
    assert result.outcome is (ev.Outcome.MOVED if force else ev.Outcome.DEFERRED)
    assert running(world) == {"ann": OLD if force else NEW}
    assert untouched(world, mark) is not force


@pytest.mark.parametrize(
    ("link", "serves", "force"),
    [("dead", False, True), ("dead", True, False), ("sound", False, False)],
)
def test_without_a_build_that_can_start_and_a_serve_there_is_no_work_to_wait_for(
    link: str, serves: bool, force: bool
) -> None:
    """A serve that still runs may be at work, and one that was stopped can start again."""
    world = on_new("ann", "ben", level=30)
    take(world, "own", REST, NEW)
    if link == "dead":
        lose_link(world, "ann")
    if not serves:
        world.halt("ann")
    result = go_back(host(world), "ann", OLD, "", force=False)
    move = ev.MovePlan("ann", NEW, OLD, "", knows=knows(world, "before"))
    assert plan_of(result) == planned(world, move, force=force)


def unfinished(*defects: Defect) -> World:
    """A host whose newest run has ended, but for its closing."""
    world = small_world("ann", candidate=defects)
    drive(world)
    del world.journal.written["r001"][-1]
    world.journal.closed.clear()
    return world


def test_an_unfinished_run_is_settled_before_anybody_goes_back() -> None:
    """One that did not end well is the answer, and nobody is rolled back after it."""
    world = unfinished()
    result = go_back(host(world), "ann", None, "", force=True)
    assert (result.outcome, result.run) == (ev.Outcome.MOVED, "r002")
    assert running(world) == {"ann": OLD}
    failed = unfinished(Defect.MUTE)
    result = go_back(host(failed), "ann", None, "", force=True)
    assert (result.outcome, result.run) == (ev.Outcome.ROLLED_BACK, "r001")
    assert [run.run for run in failed.journal.runs()] == ["r001"]
