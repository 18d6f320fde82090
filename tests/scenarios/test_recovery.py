"""Deaths, power cuts and stops on the way, and what the next process makes of them."""

from __future__ import annotations

import itertools

import pytest

from fakes.invariants import Judge
from fakes.world import (
    NEW,
    OLD,
    Crash,
    Defect,
    FaultKind,
    JudgeObserver,
    World,
    drive,
    host,
    small_world,
)
from fakes.world.faults import journal
from t3safe.domain import events as ev
from t3safe.domain.policy import SkipReason
from t3safe.usecases.recover import recover
from t3safe.usecases.run import run
from tests.scenarios.nights import (
    DAY,
    night,
    operations_since,
    running,
    take_ann_back,
)


def _healthy() -> World:
    world = small_world("ann", "bob", "cid")
    world.work("cid")
    for person in world.people.values():
        person.minting = True
    return world


def _failing() -> World:
    world = small_world("ann", "bob", "cid", candidate=[Defect.MUTE], victims=["bob"])
    for person in world.people.values():
        person.minting = True
    return world


def _restoring() -> World:
    world = small_world("ann", "bob")
    assert drive(world).outcome == "promoted"
    return world


SCENES = {
    "healthy": (_healthy, run, False),
    "failing": (_failing, run, False),
    "going back": (_restoring, take_ann_back, True),
}
"""How the host stands, what is done, and whether that restores on purpose."""

DEATHS = [
    FaultKind.CRASH_BEFORE,
    FaultKind.CRASH_AFTER,
    FaultKind.POWER_BEFORE,
    FaultKind.POWER_AFTER,
]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("kind", DEATHS)
def test_recovery_after_a_death_at_every_record_keeps_every_promise(
    scene: str, kind: FaultKind
) -> None:
    """The process dies before and after each write of the journal, then recovers (I7)."""
    make, operation, giving_up = SCENES[scene]
    base = make()
    whole = drive(base.clone(), operation, giving_up=giving_up)
    assert whole.violations == ()

    for index in range(whole.events):
        world = base.clone()
        fault = journal(index, kind)
        driven = drive(world, operation, faults=[fault], giving_up=giving_up)
        assert driven.violations == (), (index, driven.outcome)
        assert driven.processes == 2
        assert world.journal.unfinished() is None


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("power", [False, True], ids=["killed", "power-cut"])
def test_recovery_after_a_death_inside_every_operation_keeps_every_promise(
    scene: str, power: bool
) -> None:
    """The process dies after each sub-step of each operation, then recovers (I7)."""
    make, operation, giving_up = SCENES[scene]
    base = make()
    whole = base.clone()
    drive(whole, operation, giving_up=giving_up)

    for number in range(base.substeps + 1, whole.substeps + 1):
        world = base.clone()
        world.crash_at = number
        world.lost = frozenset() if power else None
        driven = drive(world, operation, giving_up=giving_up)
        assert driven.violations == (), (number, driven.outcome)
        assert driven.processes == 2


def test_a_run_after_an_interruption_goes_on_with_the_rest() -> None:
    """The next run settles what was left and then moves whoever had not been begun."""
    world = small_world("ann", "bob")
    broken = drive(world, faults=[journal(30, FaultKind.CRASH_AFTER)])
    assert broken.outcome == "interrupted"

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEW, "bob": NEW}


def test_a_run_that_was_cut_off_after_its_last_move_is_promoted_by_a_later_run() -> None:
    """Everybody is on the build already; it still has to bake and to become the default."""
    world = small_world("ann")
    world.on("watch", NEW.text, lambda at: setattr(at, "dispatch_up", False))
    assert night(world).outcome is ev.Outcome.LATER
    world.dispatch_up = True

    night(world)

    assert world.default == NEW
    assert world.last_good == NEW


def test_a_bake_that_was_made_up_for_is_not_made_again_by_later_nights() -> None:
    """Cut off twice, baked on the third night; every night after that has nothing to do."""
    world = small_world("ann", "bob")
    world.on("watch", NEW.text, lambda at: setattr(at, "dispatch_up", False))
    assert night(world).outcome is ev.Outcome.LATER
    world.advance(DAY)
    world.dispatch_up = True
    world.on("watch", NEW.text, lambda at: setattr(at, "dispatch_up", False))
    assert night(world).outcome is ev.Outcome.LATER
    world.advance(DAY)
    world.dispatch_up = True

    made_up = night(world)

    assert made_up.outcome is ev.Outcome.PROMOTED
    assert made_up.reason == f"{NEW}: baked ann, bob"
    for _ in range(3):
        world.advance(DAY)
        known, mark = len(world.journal.written), len(world.log)
        assert night(world).stayed is SkipReason.NOTHING
        assert len(world.journal.written) == known
        assert "watch" not in operations_since(world, mark)


def test_a_run_that_finds_another_unfinished_settles_it_first() -> None:
    """A person left fenced by a dead process has a serve again before anything else is done."""
    world = _died_after("fence")
    assert world.people["ann"].fenced

    judge = Judge.of(world)
    watch = JudgeObserver(judge)
    result = run(host(world, observer=watch))

    assert running(world) == {"ann": NEW, "bob": NEW}
    assert result.outcome is ev.Outcome.PROMOTED
    assert [*watch.violations, *judge.end("promoted")] == []


def _died_after(operation: str) -> World:
    """A host of two on which a run died right after the first sub-step of an operation."""
    base = small_world("ann", "bob")
    for number in itertools.count(1):
        world = base.clone()
        world.crash_at = base.substeps + number
        with pytest.raises(Crash):
            run(host(world))
        if world.log[-1][0] == operation:
            return world
    raise AssertionError


def test_a_power_cut_while_fenced_lets_no_unit_start_until_recovery() -> None:
    """At boot the fence holds; recovery before the units lifts it, and everybody has a serve."""
    world = _died_after("fence")
    world.power_cut()

    assert not world.launch("ann")
    mark = len(world.log)
    waits = recover(host(world), boot=True)

    assert waits is not None
    assert waits.outcome is None
    assert not world.people["ann"].fenced
    assert not operations_since(world, mark) & {"start", "verify"}
    world.boot()
    settled = recover(host(world))
    assert settled is not None
    assert settled.outcome is ev.Outcome.INTERRUPTED
    assert running(world) == {"ann": OLD, "bob": OLD}


def test_a_stop_that_is_asked_for_ends_at_the_next_safe_point() -> None:
    """Whoever is in between is settled, nobody new is begun, nothing is promoted."""
    world = small_world("ann", "bob")
    asked: list[bool] = []
    world.on("fence", "ann", lambda _: asked.append(True))
    judge = Judge.of(world)

    result = run(host(world, stop=lambda: bool(asked)))

    assert result.outcome is ev.Outcome.INTERRUPTED
    assert running(world) == {"ann": NEW, "bob": OLD}
    assert judge.end("interrupted") == []
