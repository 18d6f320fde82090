"""One step of one person's move: the whole move that comes of an answer, word for word.

The playbooks in `test_moves` tell the stories; here nothing of a move may change but what is said.
"""

from __future__ import annotations

import pytest
from attrs import evolve as changed

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import moves
from t3safe.domain.errors import Fault
from t3safe.domain.events import InvalidEvent
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.move import Goal, Move, Status, Step
from t3safe.domain.versions import Version
from tests.unit.domain.plans import DONE, IDLE, L30, L32, NEW, OLD, STRANGE, host_fault, snapshot

PLAN = ev.MovePlan("alice", OLD, NEW)
INTO_OLD = (Step.SELECT_OLD, Step.START, Step.VERIFY_OLD)
INTO_OLD_DATA = (
    *(Step.LOOK, Step.FENCE, Step.STOP, Step.QUARANTINE, Step.RESTORE_REST),
    *INTO_OLD,
)
BUSY = ev.Assessed(ev.Readiness.BUSY, "a turn is in flight")

FORWARD = Move(PLAN, Status.MOVING)
FENCED = changed(FORWARD, fenced=True)
RESTED = changed(FENCED, rest=snapshot("s1"))
EXPOSED = changed(RESTED, new_build_may_have_run=True)
BACK = changed(EXPOSED, goal=Goal.BACK, reason="no cookie", fault=Fault.BUILD)
LOST = changed(EXPOSED, todo=(Step.INSPECT,), had_activity=True)


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
            at(FORWARD, Step.ASSESS, Step.PRECHECK), IDLE, at(FORWARD, Step.PRECHECK), id="idle"
        ),
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
            at(FORWARD, Step.INSPECT),
            host_fault("no permission"),
            settled(FORWARD, Status.DEFERRED, "no permission"),
            id="not to be looked at, untouched",
        ),
        pytest.param(
            at(FORWARD, Step.INSPECT),
            found(OLD),
            settled(FORWARD, Status.DEFERRED, "interrupted before anything was touched"),
            id="interrupted untouched",
        ),
        pytest.param(
            at(FENCED, Step.INSPECT),
            found(None),
            changed(FENCED, goal=Goal.CANCEL, todo=INTO_OLD, reason="interrupted"),
            id="interrupted with the fence up",
        ),
        pytest.param(
            at(FENCED, Step.SNAPSHOT),
            snapshot("s1", STRANGE),
            changed(
                FENCED,
                goal=Goal.CANCEL,
                todo=INTO_OLD,
                rest=snapshot("s1", STRANGE),
                reason=f"{NEW} does not know state.sqlite: 31_Foreign of the stopped set",
            ),
            id="a set that the new build does not know",
        ),
        pytest.param(
            at(changed(FENCED, goal=Goal.CANCEL, reason="disk full"), Step.INSPECT),
            host_fault("no permission"),
            changed(
                FENCED,
                goal=Goal.CANCEL,
                todo=INTO_OLD,
                reason="disk full; then: no permission",
            ),
            id="not to be looked at while giving up",
        ),
        pytest.param(
            at(changed(BACK, had_activity=True), Step.LOOK, Step.FENCE),
            IDLE,
            at(BACK, Step.FENCE),
            id="not at work on the new build",
        ),
        pytest.param(
            at(BACK, Step.LOOK, Step.FENCE),
            BUSY,
            settled(
                BACK,
                Status.NEEDS_HUMAN,
                f"no cookie; then: not taken off {NEW} while busy (a turn is in flight); "
                "`t3safe rollback alice --force` does not wait for it",
            ),
            id="at work on the new build",
        ),
        pytest.param(
            at(BACK, Step.LOOK, Step.FENCE),
            host_fault("no permission"),
            settled(
                BACK,
                Status.NEEDS_HUMAN,
                f"no cookie; then: not taken off {NEW} while busy (unknown: "
                "no permission); `t3safe rollback alice --force` does not wait for it",
            ),
            id="perhaps at work on the new build",
        ),
        pytest.param(
            at(BACK, Step.RESTORE_REST, *INTO_OLD),
            DONE,
            changed(BACK, restored=True, todo=INTO_OLD),
            id="restored",
        ),
        pytest.param(
            at(BACK, Step.RESTORE_REST, *INTO_OLD),
            host_fault("disk full"),
            changed(
                BACK,
                goal=Goal.LAST_RESORT,
                todo=(Step.INSPECT,),
                reason="no cookie; then: disk full",
            ),
            id="not restored",
        ),
        pytest.param(
            LOST,
            ev.Inspected(None, running=False, ledger=L30, restoring=True),
            changed(
                LOST,
                goal=Goal.BACK,
                reason="interrupted",
                todo=INTO_OLD_DATA,
            ),
            id="half replaced",
        ),
        pytest.param(
            LOST,
            found(None),
            changed(LOST, goal=Goal.CANCEL, reason="interrupted", todo=INTO_OLD),
            id="fenced and as before",
        ),
        pytest.param(
            LOST,
            found(OLD),
            changed(
                LOST,
                goal=Goal.CANCEL,
                reason="interrupted",
                todo=(Step.START, Step.VERIFY_OLD),
            ),
            id="on the old build and as before",
        ),
        pytest.param(
            LOST,
            found(OLD, ledger=L32),
            changed(
                LOST,
                goal=Goal.BACK,
                reason="interrupted",
                todo=INTO_OLD_DATA,
            ),
            id="on the old build and migrated",
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
            changed(BACK, goal=Goal.FORWARD, had_activity=True, todo=(Step.START, Step.VERIFY_NEW)),
            id="on the new build after all",
        ),
        pytest.param(
            changed(BACK, todo=(Step.INSPECT,), had_activity=True, quarantine="q1", restored=True),
            found(None, running=True),
            changed(
                BACK,
                goal=Goal.LAST_RESORT,
                todo=(Step.INSPECT,),
                had_activity=True,
                quarantine="q1",
                restored=True,
                reason="no cookie; then: the data is not what was restored",
            ),
            id="somebody was at the restored set",
        ),
        pytest.param(
            LOST,
            ev.Inspected(Version.parse("9.9.9"), running=True, ledger=L30),
            settled(
                LOST,
                Status.NEEDS_HUMAN,
                "9.9.9 is selected for alice, which this rollout did not choose",
            ),
            id="on a build that nobody chose",
        ),
    ],
)
def test_a_step_changes_just_this(move: Move, answer: ev.Answer, after: Move) -> None:
    """Status, goal, steps, marks and reason: whatever is not named stays as it was."""
    assert moves.answered(move, answer, L32) == after


def test_an_answer_to_another_step_is_told_with_the_person() -> None:
    """A damaged journal, or an engine that is wrong, is found by the message."""
    with pytest.raises(InvalidEvent) as told:
        moves.answered(at(FORWARD, Step.FENCE), ev.Paired(), L32)

    assert str(told.value) == "Paired is no answer to fence of alice"


@pytest.mark.parametrize("step", list(Step))
def test_what_an_intent_marks_is_plain_truth(step: Step) -> None:
    """Each mark is true or false and nothing else, also where it was not set before."""
    for goal in Goal:
        marked = moves.intend(
            at(changed(EXPOSED, goal=goal, new_build_may_have_run=False, fenced=False), step)
        )
        new = step in {Step.SELECT_NEW, Step.RESTORE_CHOSEN}
        assert marked.fenced is (step is Step.FENCE)
        assert marked.new_build_may_have_run is new
        assert marked.reselecting is (goal is Goal.BACK and step is Step.SELECT_OLD)
        assert marked.stopped is (goal is Goal.LAST_RESORT and step is Step.STOP)


@pytest.mark.parametrize("restore", ["", "s0"])
def test_a_set_that_is_given_up_is_kept_as_that(restore: str) -> None:
    """Only where an older one is put in its place."""
    move = at(changed(FENCED, plan=changed(PLAN, restore=restore)), Step.SNAPSHOT)

    assert moves.effect_of(move, "s1") == fx.SnapshotAtRest(
        "alice", "s1", OLD, giving_up=restore != ""
    )


@pytest.mark.parametrize(
    ("move", "touched"),
    [
        (FORWARD, False),
        (changed(FORWARD, fenced=True), True),
        (changed(FORWARD, new_build_may_have_run=True), True),
        (changed(FORWARD, goal=Goal.CANCEL), True),
    ],
)
def test_each_mark_alone_says_that_somebody_may_have_been_touched(
    move: Move, *, touched: bool
) -> None:
    """Whoever may have been is not left as they are."""
    assert moves.touched(move) is touched
