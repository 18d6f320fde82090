"""What counts when a way back does not end well: the next step, what is kept, who is blamed."""

from __future__ import annotations

import attrs
import pytest

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.move import Goal, Move, Status, Step
from t3safe.domain.moves import answered, touched
from t3safe.domain.rollout import decide, evolve, opened
from t3safe.domain.rollout_state import Rollout, used_by
from tests.property.traces import best_answer
from tests.unit.domain.plans import L32, NEW, OLD, plan, snapshot

PART = plan("alice").moves[0]
HOST = ev.Failed(Fault.HOST, "no space")
DEAF = ev.NotPaired(Fault.BUILD, "401")


def _doubted(**more: object) -> Move:
    """Give a person whose old build did not pair after a restore: their data is looked at."""
    move = Move(
        PART,
        Status.MOVING,
        Goal.BACK,
        (Step.INSPECT,),
        reason="it died",
        rest=snapshot("rest"),
        quarantine="q1",
        fenced=True,
        new_build_may_have_run=True,
        restored=True,
        doubted=True,
    )
    return attrs.evolve(move, **more)  # type: ignore[arg-type]


def test_a_second_way_back_keeps_the_reason_and_the_first_quarantine() -> None:
    """The data is not as before: it is quarantined and restored once more."""
    found = ev.Inspected(OLD, running=True, ledger=L32)
    move = answered(_doubted(), found, None)
    assert (move.goal, move.reason, move.again, move.doubted) == (Goal.BACK, "it died", True, False)
    assert (move.quarantine, move.earlier, move.restored) == ("", ("q1",), False)
    assert Step.QUARANTINE in move.todo
    assert Step.RESTORE_REST in move.todo


def test_a_restore_that_fails_on_the_second_way_back_is_the_last_resort() -> None:
    """The environment is not blamed for it: the person must not be left without a serve."""
    found = ev.Inspected(OLD, running=True, ledger=L32)
    move = answered(_doubted(), found, None)
    while move.todo[0] is not Step.RESTORE_REST:
        effect = Step(move.todo[0])
        good = ev.Quarantined("q2") if effect is Step.QUARANTINE else ev.Done()
        move = answered(move, good, None)
    move = answered(move, HOST, None)
    assert (move.goal, move.status, move.todo) == (
        Goal.LAST_RESORT,
        Status.MOVING,
        (Step.INSPECT,),
    )


def test_whoever_is_found_on_the_new_build_keeps_every_quarantine() -> None:
    """One may hold the only copy of what they wrote; the build itself is verified again."""
    move = _doubted(doubted=False, earlier=("q0",), restored=False)
    found = answered(move, ev.Inspected(NEW, running=True, ledger=L32), None)
    assert (found.goal, found.todo) == (Goal.FORWARD, (Step.START, Step.VERIFY_NEW))
    assert (found.quarantine, found.earlier, found.rows) == ("", ("q0", "q1"), ())
    assert {"q0", "q1"} <= {*used_by(found)}


@pytest.mark.parametrize(
    "changed", [{"fenced": True}, {"new_build_may_have_run": True}, {"goal": Goal.CANCEL}]
)
def test_each_trace_of_a_move_alone_makes_a_person_touched(changed: dict[str, object]) -> None:
    """Records of another t3safe may have any of them without the others."""
    assert not touched(Move(PART))
    assert touched(attrs.evolve(Move(PART), **changed))  # type: ignore[arg-type]


def _run(planned: ev.Plan, **answers: ev.Answer) -> Rollout:
    """Answer each effect well, but those whose class is named."""
    rollout = opened(planned)
    while not isinstance(effect := decide(rollout), ev.Ended):
        rollout = evolve(rollout, ev.Started(rollout.seq + 1, effect, NOW))
        answer = answers.get(type(effect).__name__, best_answer(effect))
        rollout = evolve(rollout, ev.Finished(rollout.seq, answer, NOW))
        if isinstance(effect, fx.RecordVerdict):
            assert not effect.verdict.in_production
    return rollout


def test_a_build_that_a_person_chose_to_go_back_to_is_not_refused() -> None:
    """It pairs nobody and the way out of it fails, too: the host is frozen, no build is blamed."""
    back = attrs.evolve(plan("alice"), kind=ev.Kind.BACK, attempts_max=1)
    rollout = _run(back, VerifyPairing=DEAF, Restore=HOST, Quarantine=HOST)
    assert rollout.ending is not None
    assert rollout.ending.outcome is ev.Outcome.NEEDS_HUMAN
