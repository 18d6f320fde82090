"""A run that is rebuilt from its records agrees with the rules that decided it."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.legacy_journal import rebuilt
from t3safe.domain.move import Move, Status
from t3safe.domain.moves import touched
from t3safe.domain.rollout import decide, evolve
from t3safe.domain.rollout_state import Rollout, Stage, used_by
from t3safe.engine import fold
from tests.property.traces import DrawnRollout, traces
from tests.unit.domain.legacy_runs import (
    ALICE,
    BACK,
    FENCE,
    FORWARD,
    ON_NEW,
    ON_OLD,
    QUARANTINE,
    RUN,
    STOP_HELD,
    STOPPED,
    TO_NEW,
    TO_OLD,
    Did,
    cut_off,
    not_paired,
)
from tests.unit.domain.plans import DONE, IDLE, NEW, OLD, plan, rehearsed, subjects

ON_NEW_BUILD = {Status.MOVED, Status.KEPT}
WAITS = {Status.DEFERRED, Status.NOT_RUNNING, Status.BROKEN_BEFORE, Status.REFUSED}
"""Ends that are one answer, which was recorded."""


@pytest.mark.long
@given(trace=traces())
def test_every_end_is_rebuilt_as_the_rules_decided_it(trace: DrawnRollout) -> None:
    """Who is on the new build, who waits and why, and which snapshots count.

    Where a person needs a human, it may be how they were last seen instead.
    """
    ruled, rollout = fold(trace.journal), rebuilt(trace.journal)
    assert rollout is not None
    assert (rollout.plan, rollout.ending, rollout.closed) == (ruled.plan, ruled.ending, True)
    for by_rule, move in zip(ruled.moves, rollout.moves, strict=True):
        assert move.new_build_may_have_run == by_rule.new_build_may_have_run
        assert {*used_by(move)} >= {*used_by(by_rule)}, "a copy that the rules keep is not kept"
        if by_rule.status is not Status.NEEDS_HUMAN:
            assert (move.status in ON_NEW_BUILD) == (by_rule.status in ON_NEW_BUILD)
        if move.status in WAITS:
            assert move.status is by_rule.status


@pytest.mark.long
@given(trace=traces())
def test_wherever_a_run_was_cut_off_an_inspection_comes_first(trace: DrawnRollout) -> None:
    """Whoever may be in transition is inspected, no other person begins, and what was done to them
    counts as by the rules.
    """
    for length in range(1, len(trace.journal)):
        events = trace.journal[:length]
        ruled, rollout = fold(events), rebuilt(events)
        assert rollout is not None
        assert (rollout.plan, rollout.seq, rollout.closed) == (ruled.plan, ruled.seq, False)
        choice = decide(evolve(rollout, ev.Resumed(NOW)))
        for by_rule, move in zip(ruled.moves, rollout.moves, strict=True):
            assert (move.new_build_may_have_run, move.rest) == (
                by_rule.new_build_may_have_run,
                by_rule.rest,
            )
            assert move.fenced >= by_rule.fenced
        if ruled.current is not None and touched(ruled.current):
            move = rollout.moves[ruled.turn]
            asks = isinstance(choice, fx.Revisit) and move.status is Status.MOVED
            assert asks or choice == fx.Inspect(move.person)
            assert move.quarantine in {ruled.current.quarantine, ""}
            assert move.restored <= ruled.current.restored
        else:
            assert not isinstance(choice, fx.Fence | fx.Stop | fx.Select | fx.Start | fx.Restore)


LOOKS = fx.Assess("alice")


def _begun(seq: int) -> ev.Started:
    return ev.Started(seq, LOOKS, NOW)


def _done(seq: int) -> ev.Finished:
    return ev.Finished(seq, IDLE, NOW)


OPENED, RESUMED, STOP_ASKED = ev.Opened(RUN, NOW), ev.Resumed(NOW), ev.StopAsked(NOW)
CLOSED = ev.Closed(ev.Ended(ev.Outcome.LATER, "why"), NOW)

DAMAGED: dict[str, tuple[ev.Event, ...]] = {
    "nothing": (),
    "no beginning": (_begun(1), _done(1)),
    "an end alone": (CLOSED,),
    "a second beginning": (OPENED, OPENED),
    "a missing first number": (OPENED, _begun(2)),
    "a missing number": (OPENED, _begun(1), _done(1), _begun(3)),
    "a number twice": (OPENED, _begun(1), _done(1), _begun(1)),
    "two effects at once": (OPENED, _begun(1), _begun(2)),
    "an answer to nothing": (OPENED, _done(0)),
    "an answer to another effect": (OPENED, _begun(1), _done(2)),
    "two answers": (OPENED, _begun(1), _done(1), _done(1)),
    "an answer after a crash": (OPENED, _begun(1), RESUMED, _done(1)),
    "damage after a request to stop": (OPENED, STOP_ASKED, _begun(2)),
    "damage after a crash": (OPENED, RESUMED, _begun(2)),
    "records after the end": (OPENED, CLOSED, RESUMED),
}


@pytest.mark.parametrize("events", DAMAGED.values(), ids=DAMAGED)
def test_records_that_cannot_be_a_run_are_damage(events: tuple[ev.Event, ...]) -> None:
    """A record that is missing may be of anything: nothing is guessed."""
    assert rebuilt(events) is None


WHOLE: dict[str, tuple[tuple[ev.Event, ...], int]] = {
    "opened": ((OPENED,), 0),
    "begun": ((OPENED, _begun(1)), 1),
    "answered": ((OPENED, _begun(1), _done(1)), 1),
    "interrupted": ((OPENED, _begun(1), RESUMED), 1),
    "interrupted twice": ((OPENED, RESUMED, _begun(1), RESUMED, RESUMED), 1),
    "interrupted after an answer": ((OPENED, _begun(1), _done(1), RESUMED), 1),
    "gone on": ((OPENED, _begun(1), _done(1), _begun(2), RESUMED, _begun(3), _done(3)), 3),
    "asked to stop": ((OPENED, _begun(1), STOP_ASKED, _done(1), STOP_ASKED, _begun(2)), 2),
}


@pytest.mark.parametrize(("events", "seq"), WHOLE.values(), ids=WHOLE)
def test_an_unfinished_run_goes_on_after_its_last_effect(
    events: tuple[ev.Event, ...], seq: int
) -> None:
    """It is not over, and the next effect gets the next number."""
    rollout = rebuilt(events)
    assert rollout is not None
    assert (rollout.plan, rollout.seq, rollout.closed, rollout.ending) == (RUN, seq, False, None)


def test_a_run_that_is_over_is_rebuilt_as_it_ended() -> None:
    """Nothing remains to be done."""
    rollout = rebuilt((OPENED, _begun(1), _done(1), CLOSED))
    assert rollout == Rollout(RUN, Stage.CLOSING, (Move(ALICE),), ending=CLOSED.ended, closed=True)


# The stage of an unfinished run.

UNFINISHED: dict[str, tuple[ev.Kind, tuple[Did, ...], Stage]] = {
    "nobody was touched": (ev.Kind.RUN, ((LOOKS, IDLE),), Stage.STAGING),
    "one person was touched": (ev.Kind.RUN, (FENCE,), Stage.MOVING),
    "all are back": (ev.Kind.DRAIN, (*STOPPED, TO_OLD, ON_OLD), Stage.MOVING),
    "a rollback": (ev.Kind.BACK, (), Stage.MOVING),
    "a bake": (ev.Kind.BAKE, (), Stage.BAKING),
    "a bake that also moved": (ev.Kind.BAKE, (FENCE,), Stage.BAKING),
    "a check": (ev.Kind.CHECK, (), Stage.STAGING),
}


@pytest.mark.parametrize(("kind", "steps", "stage"), UNFINISHED.values(), ids=UNFINISHED)
def test_an_unfinished_run_is_in_the_stage_from_which_it_can_end(
    kind: ev.Kind, steps: tuple[Did, ...], stage: Stage
) -> None:
    """Before the first move it ends at once."""
    assert cut_off(attrs.evolve(RUN, kind=kind), *steps).stage is stage


def test_a_bake_that_was_cut_off_is_begun_again() -> None:
    """It looks only, so nothing is lost."""
    baking = attrs.evolve(RUN, kind=ev.Kind.BAKE, moves=(), baking=("alice",))
    rollout = cut_off(baking, (fx.Bake(("alice",), NEW, 1.0), ev.Failed(Fault.HOST, "no")))
    assert isinstance(decide(evolve(rollout, ev.Resumed(NOW))), fx.Bake)


def test_what_the_candidate_knows_is_what_its_last_rehearsal_measured() -> None:
    """A rehearsal of the control, or one without a result, says nothing about the candidate."""
    candidate, control = fx.Rehearse(NEW, subjects()), fx.Rehearse(OLD, subjects())
    first, last = rehearsed("alice"), rehearsed("alice", failing=("alice",))
    assert cut_off(RUN).rehearsals == ()
    steps: tuple[Did, ...] = ((candidate, first), (fx.StageBuild(NEW), DONE), (candidate, last))
    assert cut_off(RUN, *steps).rehearsals == last.rehearsals
    for other in (
        (control, rehearsed(build=OLD)),
        (candidate, ev.Failed(Fault.HOST, "no")),
        (candidate, None),
        FENCE,
    ):
        assert cut_off(RUN, *steps, other).rehearsals == last.rehearsals


# Whose turn it is.

TURNS: dict[str, tuple[tuple[Did, ...], Status]] = {
    "untouched": ((), Status.WAITING),
    "busy": (((LOOKS, ev.Assessed(ev.Readiness.BUSY, "why")),), Status.DEFERRED),
    "fenced": ((FENCE,), Status.MOVING),
    "on the new build, with a copy at rest": (FORWARD, Status.MOVING),
    "on the new build, without a copy at rest": ((TO_NEW,), Status.NEEDS_HUMAN),
    "moved": ((*FORWARD, ON_NEW), Status.MOVED),
    "kept": ((*FORWARD, not_paired(NEW, Fault.ENVIRONMENT)), Status.KEPT),
    "returned": ((*STOPPED, TO_OLD, ON_OLD), Status.RETURNED),
    "deferred": ((FENCE, STOP_HELD, TO_OLD, ON_OLD), Status.DEFERRED),
    "rolled back": ((*BACK, ON_OLD), Status.ROLLED_BACK),
    "not paired after the way back": ((*BACK, not_paired(OLD, Fault.HOST)), Status.MOVING),
    "inspected after they were moved": (
        (*FORWARD, ON_NEW, (fx.Inspect("alice"), None)),
        Status.MOVING,
    ),
}


@pytest.mark.parametrize(("steps", "status"), TURNS.values(), ids=TURNS)
def test_only_a_person_who_may_be_in_transition_is_inspected(
    steps: tuple[Did, ...], status: Status
) -> None:
    """A person without a way back needs a human; every other one ended as was seen."""
    rollout = cut_off(RUN, *steps)
    assert (rollout.moves[0].status, rollout.turn) == (status, 0)
    inspects = decide(evolve(rollout, ev.Resumed(NOW))) == fx.Inspect("alice")
    assert inspects == (status is Status.MOVING)


def _fenced(person: str) -> Did:
    return fx.Fence(person), DONE


@pytest.mark.parametrize(
    ("steps", "turn", "statuses"),
    [
        ((), 0, (Status.WAITING, Status.WAITING, Status.WAITING)),
        ((FENCE,), 0, (Status.MOVING, Status.WAITING, Status.WAITING)),
        ((*FORWARD, ON_NEW, _fenced("bob")), 1, (Status.MOVED, Status.MOVING, Status.WAITING)),
        ((FENCE, _fenced("bob")), 1, (Status.NEEDS_HUMAN, Status.MOVING, Status.WAITING)),
    ],
)
def test_the_last_person_in_transition_has_the_turn(
    steps: tuple[Did, ...], turn: int, statuses: tuple[Status, ...]
) -> None:
    """A run moves one person at a time; an earlier one whose end was not seen needs a human."""
    rollout = cut_off(plan("alice", "bob", "carol"), *steps)
    assert (rollout.turn, tuple(move.status for move in rollout.moves)) == (turn, statuses)


# A promotion.


@pytest.mark.parametrize("answer", [None, DONE])
def test_a_promotion_that_had_begun_is_finished(answer: ev.Answer | None) -> None:
    """The people were baked; what the run copied is not pruned."""
    promotion = fx.Promote(NEW, RUN.all_people)
    rollout = cut_off(RUN, *FORWARD, ON_NEW, QUARANTINE, (promotion, answer))
    assert rollout.stage is Stage.CLOSING
    assert rollout.closing == (promotion, fx.Prune(RUN.all_people, ("s1", "q1")))
    assert rollout.ending is not None
    assert rollout.ending.outcome is ev.Outcome.PROMOTED
    assert str(NEW) in rollout.ending.reason
    assert decide(evolve(rollout, ev.Resumed(NOW))) == promotion
