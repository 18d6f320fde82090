"""A check rehearses a build on copies of all people's data and touches no person."""

from __future__ import annotations

from fakes.world import NEW, OLD, Defect, FakePerson, World, drive, host, small_world
from fakes.world.core import settled
from t3safe.domain import events as ev
from t3safe.domain.people import MapProblem
from t3safe.usecases.check import check
from tests.scenarios.nights import running, selected, untouched


def test_a_build_is_rehearsed_for_all_people_and_nobody_is_touched() -> None:
    """The plan is a check; whoever is fenced is left out, and every warning is passed on."""
    world = small_world("ann", "ben", "cid")
    world.people["ben"].fenced = True
    world.people["eva"] = FakePerson("eva", None)
    settled(world, "eva")
    world.launcher_replaced = "replaced"
    world.map_problems = (MapProblem(3, "no '=' between login and user"),)
    before, mark = (selected(world), running(world)), len(world.log)

    result = check(host(world), NEW)

    assert result.outcome is ev.Outcome.PASSED
    assert result.rollout is not None
    plan = result.rollout.plan
    assert (plan.kind, plan.candidate, plan.base) == (ev.Kind.CHECK, NEW, OLD)
    assert [move.person for move in plan.moves] == ["ann", "cid", "eva"]
    assert result.warnings == (
        "user map line 3: no '=' between login and user; that line is skipped",
    )
    rehearsed = {who for what, who, _ in world.log[mark:] if what == "gate-passed"}
    assert rehearsed == {"", "ann", "cid", "eva"}
    assert untouched(world, mark)
    assert (selected(world), running(world)) == before
    assert (world.launcher_replaced, world.people["eva"].link) == ("replaced", None)


def test_a_build_that_fails_is_refused() -> None:
    """The reason is that of the gate; without warnings there are none."""
    world = small_world("ann", candidate=[Defect.SHRINKS])
    result = check(host(world), NEW)
    assert result.outcome is ev.Outcome.REFUSED
    assert "rows of" in result.reason
    assert result.warnings == ()


def stuck() -> World:
    """A run that is unfinished and cannot end well: ann's data can be neither kept nor restored."""
    world = small_world("ann", candidate=[Defect.MUTE])
    world.people["ann"].restore_fails = 99
    driven = drive(world)
    assert driven.outcome == "needs-human"
    del world.journal.written["r001"][-1]
    return world


def test_an_unfinished_run_that_ends_badly_comes_first() -> None:
    """Its end is the answer, and nothing is rehearsed."""
    world = stuck()
    mark = len(world.log)
    result = check(host(world), NEW)
    assert (result.outcome, result.run) == (ev.Outcome.NEEDS_HUMAN, "r001")
    assert not any(what == "rehearse" for what, _, _ in world.log[mark:])
    assert list(world.journal.written) == ["r001"]
