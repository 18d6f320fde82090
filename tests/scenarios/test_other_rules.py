"""A run that other rules decided is taken over from its records alone, and strands nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
import pytest

from fakes.invariants import Judge
from fakes.world import Crash, FaultKind, JudgeObserver, World, drive, host
from fakes.world.faults import Faulty, FaultyJournal, Seam, journal
from fakes.world.processes import outcome_of
from t3safe import engine
from t3safe.domain import events as ev
from t3safe.domain import moves, rollout_state
from t3safe.domain.errors import DamagedJournalError
from t3safe.domain.move import Move, Step
from t3safe.domain.rollout_state import Rollout
from t3safe.usecases.host import Host
from t3safe.usecases.recover import recover
from tests.scenarios.nights import take_ann_back
from tests.scenarios.test_recovery import DEATHS, SCENES


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("kind", DEATHS)
def test_recovery_from_the_records_alone_keeps_every_promise(
    monkeypatch: pytest.MonkeyPatch, scene: str, kind: FaultKind
) -> None:
    """The process dies before and after each write, and no run folds by the rules (I7)."""
    make, operation, giving_up = SCENES[scene]
    base = make()
    whole = drive(base.clone(), operation, giving_up=giving_up)
    monkeypatch.setattr(engine, "fold", _follows_no_rule)
    for index in range(whole.events):
        world = base.clone()
        driven = drive(world, operation, faults=[journal(index, kind)], giving_up=giving_up)
        assert driven.violations == (), (index, driven.outcome)
        assert driven.processes == 2
        assert world.journal.unfinished() is None


def _follows_no_rule(_: Iterable[ev.Event]) -> Rollout:
    raise DamagedJournalError("other rules decided this")


@pytest.mark.long
@pytest.mark.parametrize("scene", SCENES)
def test_recovery_that_dies_itself_is_taken_over_again(
    monkeypatch: pytest.MonkeyPatch, scene: str
) -> None:
    """Two deaths: what the second process did by its own rules counts with the rest."""
    make, operation, giving_up = SCENES[scene]
    base = make()
    whole = drive(base.clone(), operation, giving_up=giving_up)
    monkeypatch.setattr(engine, "fold", _follows_no_rule)
    for index in range(whole.events):
        for later in range(1, 12, 2):
            faults = [journal(at, FaultKind.CRASH_AFTER) for at in (index, index + later)]
            driven = drive(base.clone(), operation, faults=faults, giving_up=giving_up)
            assert driven.violations == (), (index, later, driven.outcome)


def _looks_once_more(todo: tuple[Step, ...]) -> tuple[Step, ...]:
    return (Step.ASSESS, *todo) if Step.FENCE in todo else todo


def _looks_once_less(todo: tuple[Step, ...]) -> tuple[Step, ...]:
    return todo[2:] if todo[:2] == (Step.ASSESS, Step.PRECHECK) else todo


def _stops_before_the_fence(todo: tuple[Step, ...]) -> tuple[Step, ...]:
    if Step.SNAPSHOT not in todo or Step.FENCE not in todo:
        return todo
    at = todo.index(Step.FENCE)
    return (*todo[:at], Step.STOP, Step.FENCE, *todo[at + 2 :])


def _fences_twice(todo: tuple[Step, ...]) -> tuple[Step, ...]:
    if Step.FENCE not in todo:
        return todo
    at = todo.index(Step.FENCE)
    return (*todo[:at], Step.FENCE, Step.STOP, *todo[at:])


def _stops_before_it_selects_the_old(todo: tuple[Step, ...]) -> tuple[Step, ...]:
    if Step.RESTORE_REST not in todo:
        return todo
    at = todo.index(Step.SELECT_OLD)
    return (*todo[:at], Step.FENCE, Step.STOP, *todo[at:])


CHANGES: dict[str, Callable[[tuple[Step, ...]], tuple[Step, ...]]] = {
    "looks once more": _looks_once_more,
    "looks once less": _looks_once_less,
    "stops before the fence": _stops_before_the_fence,
    "fences twice": _fences_twice,
    "stops before it selects the old build": _stops_before_it_selects_the_old,
}
"""What the steps of a move are by other rules, in place of what they are by ours."""


SAME = {
    ("looks once less", "going back"),
    ("stops before it selects the old build", "healthy"),
    ("stops before it selects the old build", "going back"),
}
"""Where such a step is never taken."""


def _changed(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[tuple[Step, ...]], tuple[Step, ...]]
) -> None:
    """Let the rules be others: each way that a move begins, forward or back, has other steps."""

    def other(inner: Callable[..., Move]) -> Callable[..., Move]:
        def begun(*words: object, **more: object) -> Move:
            move = inner(*words, **more)
            return attrs.evolve(move, todo=change(move.todo))

        return begun

    monkeypatch.setattr(moves, "begin", other(moves.begin))
    monkeypatch.setattr(moves, "go_back", other(moves.go_back))
    # The reasons have other words, too.
    reasons_of = rollout_state.reasons_of
    monkeypatch.setattr(rollout_state, "reasons_of", lambda some: f"it was so: {reasons_of(some)}")


@pytest.mark.long
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_run_of_another_t3safe_is_settled_wherever_it_was_cut_off(
    monkeypatch: pytest.MonkeyPatch, scene: str, change: str
) -> None:
    """Its process dies after each write under its own rules; ours take over (I1, I2, I7)."""
    make, operation, giving_up = SCENES[scene]
    base = make()
    strange = cuts = 0
    while True:
        world = base.clone()
        judge = Judge.of(world, giving_up=giving_up)
        with monkeypatch.context() as other:
            _changed(other, CHANGES[change])
            if not _dies(world, judge, operation, cuts):
                break
        strange += _follows_other_rules(world)
        outcome, wrong = _recovered(world, judge)
        assert wrong == [], (cuts, outcome)
        cuts += 1
    assert cuts >= 20
    assert bool(strange) != ((change, scene) in SAME)


def _dies(world: World, judge: Judge, operation: Callable[[Host], object], at: int) -> bool:
    """Let a process die after this write; whether it came so far."""
    seam = Seam.of(world, [journal(at, FaultKind.CRASH_AFTER)])
    watch = JudgeObserver(judge)
    wired = host(
        world,
        wrap=lambda inner: Faulty(inner, seam),
        journal=FaultyJournal(world.journal, seam),
        observer=watch,
    )
    try:
        operation(wired)
    except Crash:
        return True
    finally:
        assert watch.violations == []
    return False


def _recovered(world: World, judge: Judge) -> tuple[str, list[str]]:
    """Let the next process settle what was left, judged as the first one was; how it ended."""
    watch = JudgeObserver(judge)
    recovered = recover(host(world, observer=watch))
    assert world.journal.unfinished() is None
    newest = next(iter(world.journal.runs()), None)
    ended = newest.ended if newest is not None and recovered is None else None
    outcome = str(ended.outcome) if ended is not None else outcome_of(recovered)
    return outcome, [*watch.violations, *judge.end(outcome)]


def _follows_other_rules(world: World) -> bool:
    run = world.journal.unfinished()
    if run is None:
        return False
    try:
        engine.fold(world.journal.events(run))
    except DamagedJournalError:
        return True
    return False


def test_a_run_that_goes_back_on_purpose_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recounted, a way back that restores on purpose is still that."""
    make, _, _ = SCENES["going back"]
    world = make()
    monkeypatch.setattr(engine, "fold", _follows_no_rule)
    driven = drive(world, take_ann_back, faults=[journal(9, FaultKind.CRASH_AFTER)], giving_up=True)
    assert driven.violations == ()
    assert driven.outcome == "refused"
    assert driven.result is not None
    assert "left unchanged" in driven.result.reason
