"""A host of a fleet takes a slot after the gate, and moves nobody without one."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.events import InvalidEvent
from t3safe.domain.gate import OnPersonFailure
from t3safe.domain.move import Status
from t3safe.domain.rollout import decide, evolve, opened
from t3safe.domain.rollout_state import Rollout
from t3safe.simulation.builds import artifact
from tests.property.traces import best_answer
from tests.unit.domain.plans import NEW, plan, rehearsed

RUN = attrs.evolve(plan("alice", "bob"), ring="canary")
TAKE = fx.TakeSlot("canary", RUN.run, NEW, artifact(NEW).lock)


def _given(rollout: Rollout, answer: ev.Answer | None = None) -> Rollout:
    """Start what is decided and answer it, as on a healthy night unless said otherwise."""
    effect = decide(rollout)
    assert not isinstance(effect, ev.Ended)
    rollout = evolve(rollout, ev.Started(rollout.seq + 1, effect, NOW))
    return evolve(rollout, ev.Finished(rollout.seq, answer or best_answer(effect), NOW))


def _until(kind: type[fx.Effect], rollout: Rollout) -> Rollout:
    while not isinstance(decide(rollout), kind):
        rollout = _given(rollout)
    return rollout


def _wanting(planned: ev.Plan = RUN) -> Rollout:
    """Give the rollout that wants its slot next."""
    return _until(fx.TakeSlot, opened(planned))


def test_the_slot_is_taken_after_the_verdict_and_before_the_first_look_at_a_person() -> None:
    """It names ring, run, build and the lock file of what was installed."""
    rollout = _wanting()
    assert decide(rollout) == TAKE
    assert rollout.verdict is not None
    assert isinstance(decide(_given(rollout)), fx.Assess)


def test_a_slot_is_held_for_all_people_of_the_run() -> None:
    """It is taken once: the second person and the bake ask nobody."""
    rollout = _given(_wanting())
    while not isinstance(decide(rollout), ev.Ended):
        assert not isinstance(decide(rollout), fx.TakeSlot)
        rollout = _given(rollout)
    assert [move.status for move in rollout.moves] == [Status.MOVED, Status.MOVED]


def test_whoever_gets_no_slot_is_deferred_with_the_reason() -> None:
    """As a busy person is: the drain tries again."""
    why = "ring canary has 1 slot(s), and b holds it"
    rollout = _given(_wanting(), ev.SlotDenied(why))
    assert {(move.status, move.reason) for move in rollout.moves} == {(Status.DEFERRED, why)}
    rollout = _given(rollout)
    ended = decide(rollout)
    assert isinstance(ended, ev.Ended)
    assert (ended.outcome, why in ended.reason) == (ev.Outcome.DEFERRED, True)


def test_who_was_held_back_by_the_gate_is_not_deferred_for_want_of_a_slot() -> None:
    """What the gate found says more."""
    held = attrs.evolve(RUN, on_person_failure=OnPersonFailure.HOLD_BACK)
    rollout = _until(fx.Rehearse, opened(held))
    rollout = _given(rollout, rehearsed("alice", "bob", failing=("bob",)))
    rollout = _given(_until(fx.TakeSlot, rollout), ev.SlotDenied("no"))
    assert [move.status for move in rollout.moves] == [Status.DEFERRED, Status.HELD_BACK]


def test_where_nobody_may_move_no_slot_is_asked_for() -> None:
    """A slot that is not needed would keep another host waiting."""
    held = attrs.evolve(RUN, on_person_failure=OnPersonFailure.HOLD_BACK)
    rollout = _until(fx.Rehearse, opened(held))
    rollout = _given(rollout, rehearsed("alice", "bob", failing=("alice", "bob")))
    while not isinstance(decide(rollout), ev.Ended):
        assert not isinstance(decide(rollout), fx.TakeSlot)
        rollout = _given(rollout)


@pytest.mark.parametrize("fault", list(Fault))
def test_a_fleet_that_cannot_be_asked_ends_the_run_at_once(fault: Fault) -> None:
    """Later, with nobody touched; it is not tried again, as the permit has tried."""
    rollout = _given(_wanting(), ev.Failed(fault, "cannot reach the fleet"))
    assert {move.status for move in rollout.moves} == {Status.WAITING}
    assert isinstance(decide(rollout), fx.Prune)
    assert rollout.ending == ev.Ended(ev.Outcome.LATER, "cannot reach the fleet")


def _killed(rollout: Rollout) -> Rollout:
    return evolve(rollout, ev.Resumed(NOW))


def _stopped(rollout: Rollout) -> Rollout:
    return evolve(rollout, ev.StopAsked(NOW))


@pytest.mark.parametrize("end", [_killed, _stopped])
def test_an_end_before_the_answer_moves_nobody(end: Callable[[Rollout], Rollout]) -> None:
    """Whether the slot was taken or not: it is released once the run is closed."""
    rollout = _wanting()
    rollout = end(evolve(rollout, ev.Started(rollout.seq + 1, TAKE, NOW)))
    if rollout.pending is not None:
        rollout = evolve(rollout, ev.Finished(rollout.seq, ev.SlotTaken(3), NOW))
    assert isinstance(decide(rollout), fx.Prune)
    assert rollout.ending is not None
    assert rollout.ending.outcome is ev.Outcome.INTERRUPTED


def test_another_answer_cannot_follow() -> None:
    """Done says nothing of a slot."""
    rollout = _wanting()
    rollout = evolve(rollout, ev.Started(rollout.seq + 1, TAKE, NOW))
    with pytest.raises(InvalidEvent, match="Done is no answer while slot"):
        evolve(rollout, ev.Finished(rollout.seq, ev.Done(), NOW))


def test_what_an_older_t3safe_installed_has_no_known_lock_file() -> None:
    """Its journal says only that it is done; the slot is then asked for without one."""
    rollout = _until(fx.TakeSlot, _given(opened(RUN), ev.Done()))
    assert decide(rollout) == attrs.evolve(TAKE, lock="")


@pytest.mark.parametrize("kind", [ev.Kind.RUN, ev.Kind.DRAIN])
def test_without_a_fleet_no_slot_is_taken(kind: ev.Kind) -> None:
    """A plan without a ring is of a host of its own."""
    rollout = opened(attrs.evolve(RUN, kind=kind, ring=""))
    while not isinstance(decide(rollout), ev.Ended):
        assert not isinstance(decide(rollout), fx.TakeSlot)
        rollout = _given(rollout)
