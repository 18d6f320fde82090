"""The bake of the people whom an interrupted run moved: who, when, and what follows."""

from __future__ import annotations

import pytest

from fakes.world import NEW, NEWER, OLD, Defect, World, host, small_world
from t3safe.domain import events as ev
from t3safe.domain.move import Status
from t3safe.domain.policy import Policy, SkipReason
from t3safe.usecases.host import Result, Rules
from t3safe.usecases.run import run
from tests.unit.usecases.hosts import record
from tests.unit.usecases.runs import (
    ALWAYS,
    ON_NEW,
    RESTORED,
    plans,
    publish,
    put_on,
    refuse,
    stopped,
    written,
)


def baked(world: World, *people: str, run_name: str = "r001") -> ev.Plan:
    """Return the plan of a bake of NEW."""
    return ev.Plan(
        run=run_name,
        kind=ev.Kind.BAKE,
        candidate=NEW,
        base=OLD,
        moves=(),
        bake=600.0,
        all_people=tuple(world.people),
        baking=people,
    )


def test_those_whom_an_interrupted_run_moved_are_baked_before_others_move() -> None:
    """Then the others move, on the host as the bake left it; it is repaired once."""
    world = small_world("ann", "ben")
    put_on(world, NEW, "ann")
    written(world, stopped(("ann", Status.MOVED)))
    world.launcher_replaced = "it was replaced"
    world.on("promote", NEW.text, lambda found: setattr(found, "launcher_replaced", "once more"))
    result = run(host(world))
    bake, moving = plans(world)
    assert bake == baked(world, "ann")
    assert (moving.run, moving.kind, moving.base) == ("r002", ev.Kind.RUN, NEW)
    assert [move.person for move in moving.moves] == ["ben"]
    assert (result.outcome, result.run) == (ev.Outcome.PROMOTED, "r002")
    assert (result.warnings, world.launcher_replaced) == ((RESTORED,), "once more")


def test_a_bake_that_fails_ends_the_run() -> None:
    """No other person moves to that build; the result is the bake's, with the warnings."""
    world = small_world("ann", "ben", candidate=[Defect.MUTE])
    put_on(world, NEW, "ann")
    written(world, stopped(("ann", Status.MOVED)))
    world.launcher_replaced = "it was replaced"
    result = run(host(world, Rules(stale_after=ALWAYS)))
    assert plans(world) == [baked(world, "ann")]
    assert result.run == "r001"
    assert result.outcome is not ev.Outcome.PROMOTED
    assert result.warnings == (RESTORED, f"STALE: {OLD} is 1 days behind {NEW}")
    assert world.people["ben"].link == OLD


def test_a_bake_alone_is_the_run_where_no_one_is_left_to_move() -> None:
    """How far the host is behind counts from the baked build."""
    world = small_world("ann")
    publish(world, NEWER)
    put_on(world, NEW, "ann")
    written(world, stopped(("ann", Status.MOVED)))
    rules = Rules(Policy(held=frozenset({NEWER})), stale_after=ALWAYS)
    result = run(host(world, rules))
    assert plans(world) == [baked(world, "ann")]
    assert (result.outcome, result.run) == (ev.Outcome.PROMOTED, "r001")
    assert result.warnings == (f"STALE: {NEW} is 1 days behind {NEWER}",)


def test_only_those_are_baked_whom_the_run_moved_and_who_are_still_there() -> None:
    """Moved or kept by that run, and on its build now."""
    world = small_world("ann", "ben", "cid", "dan", "eva")
    put_on(world, NEW, "ann", "cid", "dan")
    moves = (
        ("ann", Status.MOVED),
        ("ben", Status.MOVED),
        ("cid", Status.KEPT),
        ("dan", Status.REFUSED),
        ("eva", Status.DEFERRED),
    )
    written(world, stopped(*moves))
    run(host(world))
    assert plans(world)[0] == baked(world, "ann", "cid")


@pytest.mark.parametrize("kind", [ev.Kind.CHECK, ev.Kind.BACK])
def test_a_check_or_a_rollback_since_then_does_not_hide_the_run(kind: ev.Kind) -> None:
    """The run before it is baked; an unfinished record does not hide it either."""
    world = small_world("ann")
    put_on(world, NEW, "ann")
    since = record("r2", ("ann", Status.MOVED), kind=kind, new=NEWER, outcome=ev.Outcome.PROMOTED)
    open_run = record("r3", outcome=None)
    written(world, open_run, since, stopped(("ann", Status.MOVED)))
    run(host(world))
    assert plans(world) == [baked(world, "ann")]


def test_a_run_that_was_promoted_since_needs_no_bake() -> None:
    """What came before it was baked with it."""
    world = small_world("ann")
    put_on(world, NEW, "ann")
    world.last_good = world.default = NEW
    written(world, record("r2"), stopped(("ann", Status.MOVED)))
    assert run(host(world)) == Result(None, ON_NEW, stayed=SkipReason.NOTHING)
    assert plans(world) == []


def test_a_run_that_moved_no_one_has_no_bake() -> None:
    """The run goes on with those who wait."""
    world = small_world("ann", "ben")
    written(world, stopped(("ann", Status.DEFERRED)))
    run(host(world))
    assert [plan.kind for plan in plans(world)] == [ev.Kind.RUN]


def test_a_build_that_was_refused_since_is_not_baked() -> None:
    """No bake may promote it."""
    world = small_world("ann")
    put_on(world, NEW, "ann")
    refuse(world, NEW)
    written(world, stopped(("ann", Status.MOVED)))
    assert run(host(world)) == Result(None, ON_NEW, stayed=SkipReason.NOTHING)
    assert plans(world) == []


def test_people_move_on_to_a_newer_build_without_the_bake_of_the_older() -> None:
    """All of them, in one run."""
    world = small_world("ann", "ben")
    publish(world, NEWER)
    put_on(world, NEW, "ann")
    written(world, stopped(("ann", Status.MOVED)))
    run(host(world))
    assert [(plan.kind, plan.candidate) for plan in plans(world)] == [(ev.Kind.RUN, NEWER)]
    assert [move.person for move in plans(world)[0].moves] == ["ann", "ben"]
