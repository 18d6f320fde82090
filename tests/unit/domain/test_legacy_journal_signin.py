"""What each inspection and verification says about a person when a run is rebuilt."""

from __future__ import annotations

import attrs
import pytest

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.move import Goal, Move, Status
from tests.unit.domain.legacy_runs import (
    ALICE,
    BACK,
    BROKE_ELSEWHERE,
    BROKE_HERE,
    BROKEN,
    BUSY,
    CANCELLED,
    EXPOSED,
    FAILED,
    FENCE,
    FORWARD,
    IN_TRANSITION,
    MOVED,
    ON_NEW,
    ON_OLD,
    OTHER,
    PUT_BY,
    RESTED,
    RESTORED,
    RUN,
    STOP_HELD,
    STOPPED,
    TO_OLD,
    Did,
    alice_after,
    ended,
    failed,
    found,
    not_paired,
)
from tests.unit.domain.plans import DONE, IDLE, NEW, OLD

INSPECTED: dict[str, tuple[tuple[Did, ...], Did, Move]] = {
    "on the new build": (FORWARD, found(NEW), EXPOSED),
    "on the new build after a way back": (
        BACK,
        found(NEW),
        attrs.evolve(PUT_BY, goal=Goal.FORWARD, rows=()),
    ),
    "on the new build that the run did not select": (STOPPED, found(NEW), RESTED),
    "on the old build after the new one": (
        FORWARD,
        found(OLD),
        attrs.evolve(EXPOSED, goal=Goal.BACK),
    ),
    "on the old build after a way back": (BACK, found(OLD), RESTORED),
    "on the old build": (STOPPED, found(OLD), attrs.evolve(RESTED, goal=Goal.CANCEL)),
    "on some build": (FORWARD, found(OTHER), EXPOSED),
    "fenced": (FORWARD, found(None), EXPOSED),
    "not seen": (STOPPED, failed(fx.Inspect("alice")), attrs.evolve(RESTED, reason="why")),
    "not seen after a failure": (BROKEN, failed(fx.Inspect("alice")), FAILED),
    "no answer": (MOVED, (fx.Inspect("alice"), None), EXPOSED),
}


@pytest.mark.parametrize(("before", "did", "move"), INSPECTED.values(), ids=INSPECTED)
def test_an_inspection_counts_more_than_what_was_seen_before_it(
    before: tuple[Did, ...], did: Did, move: Move
) -> None:
    """The selected build says where the move heads; the person has to be verified again."""
    assert alice_after(*before, did) == move


VERIFIED: dict[str, tuple[tuple[Did, ...], Did, Move]] = {
    "moved": (FORWARD, ON_NEW, attrs.evolve(EXPOSED, status=Status.MOVED)),
    "no answer": (FORWARD, (fx.VerifyPairing("alice", NEW), None), EXPOSED),
    "on a new build that was not selected": (STOPPED, ON_NEW, RESTED),
    "on the old build while the move heads forward": (STOPPED, ON_OLD, RESTED),
    "returned": (
        CANCELLED,
        ON_OLD,
        attrs.evolve(RESTED, goal=Goal.CANCEL, status=Status.RETURNED),
    ),
    "deferred": (
        (FENCE, STOP_HELD, TO_OLD),
        ON_OLD,
        attrs.evolve(
            IN_TRANSITION, goal=Goal.CANCEL, status=Status.DEFERRED, held=True, reason="why"
        ),
    ),
    "returned without a restore": (
        (*BROKEN, TO_OLD),
        ON_OLD,
        attrs.evolve(FAILED, goal=Goal.BACK, status=Status.RETURNED),
    ),
    "rolled back": (BACK, ON_OLD, attrs.evolve(RESTORED, status=Status.ROLLED_BACK)),
    "kept": (
        FORWARD,
        not_paired(NEW, Fault.ENVIRONMENT),
        attrs.evolve(EXPOSED, status=Status.KEPT, reason="why"),
    ),
    "not paired on the new build": (
        FORWARD,
        not_paired(NEW, Fault.BUILD),
        attrs.evolve(EXPOSED, fault=Fault.BUILD, reason="why"),
    ),
    "not asked on the new build": (
        FORWARD,
        failed(fx.VerifyPairing("alice", NEW), Fault.ENVIRONMENT),
        attrs.evolve(EXPOSED, fault=Fault.ENVIRONMENT, reason="why"),
    ),
    "not paired on the old build": (
        CANCELLED,
        not_paired(OLD, Fault.BUILD),
        attrs.evolve(RESTED, goal=Goal.CANCEL, status=Status.ENVIRONMENT, reason="why"),
    ),
    "not asked on the old build": (
        CANCELLED,
        failed(fx.VerifyPairing("alice", OLD)),
        attrs.evolve(RESTED, goal=Goal.CANCEL, status=Status.ENVIRONMENT, reason="why"),
    ),
    "not paired after a way back": (
        BACK,
        not_paired(OLD, Fault.HOST),
        attrs.evolve(PUT_BY, status=Status.ENVIRONMENT),
    ),
}


@pytest.mark.parametrize(("before", "did", "move"), VERIFIED.values(), ids=VERIFIED)
def test_a_verification_says_on_which_build_a_person_is(
    before: tuple[Did, ...], did: Did, move: Move
) -> None:
    """A failure of the old build keeps the first reason, and puts the way back by."""
    assert alice_after(*before, did) == move


LOOKED: dict[str, tuple[tuple[Did, ...], Did, Move]] = {
    "busy": (
        MOVED,
        (fx.Assess("alice", certain=True), BUSY),
        attrs.evolve(EXPOSED, reason="why"),
    ),
    "unknown": (
        MOVED,
        failed(fx.Assess("alice", certain=True)),
        attrs.evolve(EXPOSED, reason="why"),
    ),
    "idle": (
        MOVED,
        (fx.Assess("alice", certain=True), IDLE),
        attrs.evolve(EXPOSED, status=Status.MOVED),
    ),
    "no answer": (
        MOVED,
        (fx.Assess("alice", certain=True), None),
        attrs.evolve(EXPOSED, status=Status.MOVED),
    ),
    "busy by a guess": (
        MOVED,
        (fx.Assess("alice"), BUSY),
        attrs.evolve(EXPOSED, status=Status.MOVED),
    ),
    "busy before the new build": (STOPPED, (fx.Assess("alice", certain=True), BUSY), RESTED),
}


@pytest.mark.parametrize(("before", "did", "move"), LOOKED.values(), ids=LOOKED)
def test_a_person_who_may_be_busy_on_the_new_build_needs_a_human(
    before: tuple[Did, ...], did: Did, move: Move
) -> None:
    """They are not rolled back while they work; only visible work counts."""
    assert alice_after(*before, did) == move


@pytest.mark.parametrize(
    "effect", [fx.Bake(("alice", "bob"), NEW, 60.0), fx.Revisit(("alice",), NEW)]
)
def test_a_broken_bake_blames_the_person_for_whom_it_broke(effect: fx.Effect) -> None:
    """The others of the bake are as they were."""
    moved = attrs.evolve(EXPOSED, status=Status.MOVED)
    broken = attrs.evolve(moved, fault=Fault.BUILD, reason="why")
    assert alice_after(*MOVED, (effect, BROKE_HERE)) == broken
    assert alice_after(*MOVED, (effect, BROKE_ELSEWHERE)) == moved


def test_a_bake_that_could_not_watch_blames_no_person() -> None:
    """It says nothing about a person."""
    watched = failed(fx.Bake(("alice",), NEW, 60.0))
    assert alice_after(*MOVED, watched) == attrs.evolve(EXPOSED, status=Status.MOVED)


# The end of a run.


def _revisited(*answers: ev.Answer | None) -> Move:
    revisit = fx.Revisit(("alice",), NEW)
    return alice_after(*MOVED, *((revisit, answer) for answer in answers))


def test_a_person_whose_sign_in_was_not_seen_at_the_end_needs_a_human() -> None:
    """The last answer counts."""
    unseen = ev.Failed(Fault.ENVIRONMENT, "the dispatch is down")
    moved = attrs.evolve(EXPOSED, status=Status.MOVED)
    assert _revisited(DONE, unseen) == attrs.evolve(EXPOSED, reason=unseen.reason)
    assert _revisited(unseen, DONE) == moved
    assert _revisited(DONE) == moved


def test_a_person_who_is_not_on_the_new_build_is_not_verified_at_the_end() -> None:
    """A way back that ended well needs no further look."""
    unseen = failed(fx.Revisit(("alice",), NEW))
    rolled_back = attrs.evolve(RESTORED, status=Status.ROLLED_BACK)
    assert alice_after(*BACK, ON_OLD, unseen) == rolled_back


def test_each_person_is_rebuilt_from_their_own_steps() -> None:
    """Steps of several people may come in any order."""
    run = attrs.evolve(RUN, moves=(ALICE, attrs.evolve(ALICE, person="bob")))
    steps = (*FORWARD, (fx.Assess("bob"), BUSY), ON_NEW)
    seen = [(move.person, move.status) for move in ended(run, *steps).moves]
    assert seen == [("alice", Status.MOVED), ("bob", Status.DEFERRED)]
