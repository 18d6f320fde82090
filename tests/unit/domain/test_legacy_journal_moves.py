"""What each intent and each copy says about a person when a run is rebuilt."""

from __future__ import annotations

import attrs
import pytest

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.move import Goal, Move, Status
from t3safe.domain.versions import Version
from tests.unit.domain.legacy_runs import (
    ALICE,
    BACK,
    BROKEN,
    BUSY,
    CANCELLED,
    CHOSEN,
    COPY,
    EXPOSED,
    FAILED,
    FENCE,
    IN_TRANSITION,
    MOVED,
    ON_OLD,
    OTHER,
    PUT_BY,
    PUT_CHOSEN,
    QUARANTINE,
    QUARANTINED,
    RESTED,
    RESTORE,
    RESTORED,
    STOP,
    STOP_HELD,
    STOPPED,
    TO_NEW,
    Did,
    alice_after,
    failed,
    found,
    not_paired,
)
from tests.unit.domain.plans import DONE, IDLE, NEW, OLD, PAIRED, snapshot

# Intents.

INTENTS = {
    "a fence": ((), fx.Fence("alice"), IN_TRANSITION),
    "a stop": ((), fx.Stop("alice"), IN_TRANSITION),
    "a copy at rest": ((), fx.SnapshotAtRest("alice", "s1", OLD), IN_TRANSITION),
    "the new build": (STOPPED, fx.Select("alice", NEW), EXPOSED),
    "the old build": (STOPPED, fx.Select("alice", OLD), attrs.evolve(RESTED, goal=Goal.CANCEL)),
    "some build": (STOPPED, fx.Select("alice", OTHER), attrs.evolve(RESTED, goal=Goal.CANCEL)),
    "a quarantine": (
        STOPPED,
        fx.Quarantine("alice", "q1", NEW, "s1"),
        attrs.evolve(RESTED, goal=Goal.BACK),
    ),
    "a restore": (STOPPED, fx.Restore("alice", "s1"), attrs.evolve(RESTED, goal=Goal.BACK)),
    "a fence on the new build": (
        MOVED,
        fx.Fence("alice"),
        attrs.evolve(EXPOSED, goal=Goal.BACK),
    ),
    "a stop on the new build": (BROKEN, fx.Stop("alice"), attrs.evolve(FAILED, goal=Goal.BACK)),
    "a copy at rest on the new build": (
        BROKEN,
        fx.SnapshotAtRest("alice", "s2", NEW),
        attrs.evolve(FAILED, goal=Goal.BACK),
    ),
    "the old build after the new one": (
        BROKEN,
        fx.Select("alice", OLD),
        attrs.evolve(FAILED, goal=Goal.BACK),
    ),
    "some build after the new one": (
        BROKEN,
        fx.Select("alice", OTHER),
        attrs.evolve(FAILED, goal=Goal.CANCEL),
    ),
    "a quarantine after the new build": (
        BROKEN,
        fx.Quarantine("alice", "q1", NEW, "s1"),
        attrs.evolve(FAILED, goal=Goal.BACK),
    ),
    "the old build after a restore": (
        (*QUARANTINED, RESTORE),
        fx.Select("alice", OLD),
        RESTORED,
    ),
    "the old build after a restore that the new build did not need": (
        (*STOPPED, RESTORE),
        fx.Select("alice", OLD),
        attrs.evolve(RESTED, goal=Goal.BACK, restored=True, reselecting=True),
    ),
    "the new build after a way back": (
        BACK,
        fx.Select("alice", NEW),
        attrs.evolve(PUT_BY, goal=Goal.FORWARD, rows=()),
    ),
    "a fence after a cancelled move": (
        CANCELLED,
        fx.Fence("alice"),
        attrs.evolve(RESTED, goal=Goal.CANCEL),
    ),
    "a start": (STOPPED, fx.Start("alice"), RESTED),
    "a start before anything": ((), fx.Start("alice"), Move(ALICE)),
    "a question": ((), fx.Assess("alice"), Move(ALICE)),
}


@pytest.mark.parametrize(("before", "effect", "move"), INTENTS.values(), ids=INTENTS)
def test_an_intent_counts_without_an_answer(
    before: tuple[Did, ...], effect: fx.Effect, move: Move
) -> None:
    """The process died; what the effect makes possible counts as done."""
    assert alice_after(*before, (effect, None)) == move


@pytest.mark.parametrize("answer", [None, DONE])
def test_a_chosen_snapshot_counts_as_the_new_build_from_the_intent_on(
    answer: ev.Answer | None,
) -> None:
    """The data that the user chose was put in place; it is not the at-rest copy."""
    move = alice_after(*STOPPED, (PUT_CHOSEN[0], answer), part=CHOSEN)
    assert move == attrs.evolve(EXPOSED, plan=CHOSEN)


def test_steps_for_others_and_for_the_host_change_nothing() -> None:
    """An effect without a person concerns no move."""
    away = ev.BakeBroken("alice", Fault.BUILD, "why")
    others: tuple[Did, ...] = (
        (fx.StageBuild(NEW), DONE),
        (fx.Fence("bob"), DONE),
        (fx.Bake(("bob",), NEW, 1.0), away),
        (fx.Revisit(("bob",), NEW), away),
        (fx.Freeze("why"), DONE),
    )
    assert alice_after(*others) == Move(ALICE)
    assert alice_after(*MOVED, *others) == attrs.evolve(EXPOSED, status=Status.MOVED)


# Answers before the run touched the person.

UNTOUCHED: dict[str, tuple[Did, Move]] = {
    "copied": (
        (fx.SnapshotOnline("alice", "s0"), snapshot("s0")),
        Move(ALICE, online="s0"),
    ),
    "an old copy in the way": (
        (fx.SnapshotOnline("alice", "s0"), BUSY),
        Move(ALICE, Status.REFUSED, reason="why"),
    ),
    "not copied": (
        failed(fx.SnapshotOnline("alice", "s0")),
        Move(ALICE, Status.REFUSED, reason="why"),
    ),
    "busy": ((fx.Assess("alice"), BUSY), Move(ALICE, Status.DEFERRED, reason="why")),
    "unknown": (failed(fx.Assess("alice")), Move(ALICE, Status.DEFERRED, reason="why")),
    "not running": (
        (fx.Assess("alice"), ev.Assessed(ev.Readiness.NOT_RUNNING, "why")),
        Move(ALICE, Status.NOT_RUNNING, reason="why"),
    ),
    "idle": ((fx.Assess("alice"), IDLE), Move(ALICE)),
    "paired": (ON_OLD, Move(ALICE)),
    "not paired": (
        not_paired(OLD, Fault.BUILD),
        Move(ALICE, Status.BROKEN_BEFORE, reason="why"),
    ),
    "pairing failed": (
        failed(fx.VerifyPairing("alice", OLD)),
        Move(ALICE, Status.BROKEN_BEFORE, reason="why"),
    ),
}


@pytest.mark.parametrize(("did", "move"), UNTOUCHED.values(), ids=UNTOUCHED)
def test_an_answer_before_the_move_says_who_waits_and_why(did: Did, move: Move) -> None:
    """Nothing was done to the person."""
    assert alice_after(did) == move


@pytest.mark.parametrize(
    ("effect", "good", "online"),
    [
        (fx.SnapshotOnline("alice", "s0"), snapshot("s0"), "s0"),
        (fx.Assess("alice"), IDLE, ""),
        (fx.VerifyPairing("alice", OLD), PAIRED, ""),
    ],
)
def test_a_failure_that_was_tried_again_no_longer_counts(
    effect: fx.Effect, good: ev.Answer, online: str
) -> None:
    """Nor does it when the process died before the second attempt had an answer."""
    first = failed(effect, Fault.HOST)
    assert alice_after(first, (effect, good)) == Move(ALICE, online=online)
    assert alice_after(first, (effect, None)) == Move(ALICE)


@pytest.mark.parametrize("selected", [None, OLD, NEW])
def test_a_person_who_was_inspected_untouched_after_a_crash_waits(selected: Version | None) -> None:
    """Another t3safe may have inspected them and left them for the next run."""
    move = alice_after((fx.Assess("alice"), None), found(selected))
    assert move == Move(ALICE, Status.DEFERRED, reason="interrupted")


# Answers after the run touched the person.

COPIED: dict[str, tuple[tuple[Did, ...], Did, Move]] = {
    "the copy at rest": ((FENCE, STOP), COPY, RESTED),
    "a second copy at rest": (
        STOPPED,
        (fx.SnapshotAtRest("alice", "s2", OLD), snapshot("s2")),
        attrs.evolve(RESTED, rest=snapshot("s2")),
    ),
    "a copy of what the new build left": (
        BROKEN,
        (fx.SnapshotAtRest("alice", "s2", NEW), snapshot("s2")),
        attrs.evolve(FAILED, goal=Goal.BACK),
    ),
    "a quarantine": (
        (*BROKEN, FENCE, STOP),
        QUARANTINE,
        attrs.evolve(RESTORED, restored=False, reselecting=False),
    ),
    "a second quarantine": (
        BACK,
        (
            fx.Quarantine("alice", "q2", NEW, "s1"),
            ev.Quarantined("q2", (ev.RowsKept("state:b", 3),)),
        ),
        attrs.evolve(
            RESTORED,
            quarantine="q2",
            earlier=("q1",),
            rows=(ev.RowsKept("state:a", 2), ev.RowsKept("state:b", 3)),
        ),
    ),
    "no quarantine": (
        (*BROKEN, FENCE, STOP),
        failed(fx.Quarantine("alice", "q1", NEW, "s1"), Fault.HOST),
        attrs.evolve(FAILED, goal=Goal.BACK),
    ),
    "the restore": (QUARANTINED, RESTORE, attrs.evolve(RESTORED, reselecting=False)),
    "no restore": (
        QUARANTINED,
        failed(fx.Restore("alice", "s1"), Fault.HOST),
        attrs.evolve(RESTORED, restored=False, reselecting=False),
    ),
}


@pytest.mark.parametrize(("before", "did", "move"), COPIED.values(), ids=COPIED)
def test_every_copy_counts_and_what_it_was_taken_for(
    before: tuple[Did, ...], did: Did, move: Move
) -> None:
    """The at-rest copy is from before the new build; each quarantine is kept, with its rows."""
    assert alice_after(*before, did) == move


@pytest.mark.parametrize(
    "effect", [fx.Fence("alice"), fx.Stop("alice"), fx.SnapshotAtRest("alice", "s1", OLD)]
)
@pytest.mark.parametrize(("fault", "held"), [(Fault.LATER, True), (Fault.HOST, False)])
def test_a_failure_before_the_new_build_says_why_the_move_was_cancelled(
    effect: fx.Effect, fault: Fault, *, held: bool
) -> None:
    """Only what may be over later holds the data; the new build is not blamed."""
    move = alice_after(failed(effect, fault))
    assert move == attrs.evolve(IN_TRANSITION, held=held, reason="why")


def test_a_second_attempt_forgets_what_held_the_data() -> None:
    """It may have succeeded; once the data is copied, the reason is forgotten, too."""
    held = attrs.evolve(IN_TRANSITION, reason="why")
    assert alice_after(FENCE, STOP_HELD, (fx.Stop("alice"), None)) == held
    assert alice_after(FENCE, STOP_HELD, STOP, COPY) == RESTED


@pytest.mark.parametrize("effect", [fx.Select("alice", NEW), fx.Start("alice")])
@pytest.mark.parametrize("fault", [Fault.BUILD, Fault.LATER])
def test_a_failure_on_the_new_build_is_blamed_on_its_fault(effect: fx.Effect, fault: Fault) -> None:
    """It is why the person is rolled back."""
    move = alice_after(*STOPPED, TO_NEW, failed(effect, fault))
    assert move == attrs.evolve(EXPOSED, fault=fault, reason="why")


def test_a_failure_on_the_way_back_keeps_the_first_reason() -> None:
    """What turned the move back is to blame."""
    move = alice_after(*BROKEN, FENCE, failed(fx.Stop("alice"), Fault.LATER))
    assert move == attrs.evolve(FAILED, goal=Goal.BACK)
