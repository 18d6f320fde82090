"""One step of one person's move: the whole move that comes of an answer, word for word.

The stories in `test_moves` tell the rest; these hold what no story shows, so that nothing of a move
changes but what is said.
"""

from __future__ import annotations

import pytest
from attrs import evolve as changed

from t3safe.domain import events as ev
from t3safe.domain import moves
from t3safe.domain.errors import Fault
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.move import Goal, Move, Status, Step
from t3safe.domain.versions import Version
from tests.unit.domain.plans import IDLE, L30, L32, NEW, OLD, host_fault, snapshot

PLAN = ev.MovePlan("alice", OLD, NEW)
INTO_OLD = (Step.SELECT_OLD, Step.START, Step.VERIFY_OLD)
FORWARD = Move(PLAN, Status.MOVING)
FENCED = changed(FORWARD, fenced=True)
RESTED = changed(FENCED, rest=snapshot("s1"))
EXPOSED = changed(RESTED, new_build_may_have_run=True)
BACK = changed(EXPOSED, goal=Goal.BACK, reason="no cookie", fault=Fault.BUILD)


def found(
    selected: Version | None, *, running: bool = False, ledger: SetLedger = L30
) -> ev.Inspected:
    """Tell how a person was found."""
    return ev.Inspected(selected, running, ledger)


def at(move: Move, *todo: Step) -> Move:
    """Put a move before these steps."""
    return changed(move, todo=todo)


def settled(move: Move, status: Status, reason: str) -> Move:
    """End a move."""
    return changed(move, status=status, todo=(), reason=reason)


@pytest.mark.parametrize(
    ("move", "answer", "after"),
    [
        pytest.param(
            at(FORWARD, Step.ASSESS),
            host_fault("no permission"),
            settled(
                FORWARD,
                Status.DEFERRED,
                "cannot find out whether the serve is busy: no permission",
            ),
            id="unknown is busy",
        ),
        pytest.param(
            at(FENCED, Step.INSPECT),
            found(None),
            changed(FENCED, goal=Goal.CANCEL, todo=INTO_OLD, reason="interrupted"),
            id="interrupted with the fence up",
        ),
        pytest.param(
            at(changed(BACK, had_activity=True), Step.LOOK, Step.FENCE),
            IDLE,
            at(BACK, Step.FENCE),
            id="not at work on the new build",
        ),
        pytest.param(
            changed(
                BACK,
                todo=(Step.INSPECT,),
                had_activity=True,
                quarantine="q1",
                rows=(ev.RowsKept("state:rows", 1),),
                restored=True,
                reselecting=True,
            ),
            found(NEW),
            changed(
                BACK,
                goal=Goal.FORWARD,
                had_activity=True,
                todo=(Step.START, Step.VERIFY_NEW),
                earlier=("q1",),
            ),
            id="on the new build after all",
        ),
    ],
)
def test_a_step_changes_just_this(move: Move, answer: ev.Answer, after: Move) -> None:
    """Status, goal, steps, marks and reason: whatever is not named stays as it was."""
    assert moves.answered(move, answer, L32) == after
