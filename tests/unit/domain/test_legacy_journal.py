"""A run is rebuilt from its records as the rules themselves tell of it."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.legacy_journal import rebuilt
from t3safe.domain.move import Goal, Status
from t3safe.domain.moves import touched
from t3safe.domain.rollout import decide, evolve
from t3safe.domain.rollout_state import Rollout, used_by
from t3safe.engine import fold
from tests.property.traces import DrawnRollout, traces
from tests.unit.domain.plans import L32, plan

ON_NEW = {Status.MOVED, Status.KEPT}
WAITS = {Status.DEFERRED, Status.NOT_RUNNING, Status.BROKEN_BEFORE, Status.REFUSED}
"""Ends that are one answer, which was recorded."""
RUN = plan("alice")


@pytest.mark.long
@given(trace=traces())
def test_every_end_is_recounted_as_the_rules_have_it(trace: DrawnRollout) -> None:
    """Who is on the new build, who waits and why, and which snapshots count.

    Where a person is needed it may be told instead how they were seen last.
    """
    ruled, told = fold(trace.journal), rebuilt(trace.journal)
    assert told is not None
    assert (told.plan, told.ending, told.closed) == (ruled.plan, ruled.ending, True)
    for by_rule, move in zip(ruled.moves, told.moves, strict=True):
        assert move.new_build_may_have_run == by_rule.new_build_may_have_run
        assert {*used_by(move)} >= {*used_by(by_rule)}, "a copy that the rules keep is not kept"
        if by_rule.status is not Status.NEEDS_HUMAN:
            assert (move.status in ON_NEW) == (by_rule.status in ON_NEW)
        if move.status in WAITS:
            assert move.status is by_rule.status


@pytest.mark.long
@given(trace=traces())
def test_wherever_a_run_was_cut_off_a_look_comes_first(trace: DrawnRollout) -> None:
    """Recounted at any moment, whoever may be in between is looked at, nobody else is begun, and
    what was done to them counts as the rules have it.
    """
    for length in range(1, len(trace.journal)):
        events = trace.journal[:length]
        ruled, told = fold(events), rebuilt(events)
        assert told is not None
        assert (told.plan, told.seq, told.closed) == (ruled.plan, ruled.seq, False)
        choice = decide(evolve(told, ev.Resumed(NOW)))
        for by_rule, move in zip(ruled.moves, told.moves, strict=True):
            assert (move.new_build_may_have_run, move.rest) == (
                by_rule.new_build_may_have_run,
                by_rule.rest,
            )
            assert move.fenced >= by_rule.fenced
        if ruled.current is not None and touched(ruled.current):
            move = told.moves[ruled.turn]
            asks = isinstance(choice, fx.Revisit) and move.status is Status.MOVED
            assert asks or choice == fx.Inspect(move.person)
            assert move.quarantine in {ruled.current.quarantine, ""}
            assert move.restored <= ruled.current.restored
        else:
            assert not isinstance(choice, fx.Fence | fx.Stop | fx.Select | fx.Start | fx.Restore)


def test_records_that_cannot_be_a_run_are_damage() -> None:
    """A record that is missing may be of anything: nothing is guessed."""
    opening, looks = ev.Opened(RUN, NOW), fx.Assess("alice")
    for events in (
        (),
        (ev.Closed(ev.Ended(ev.Outcome.LATER, "x"), NOW),),
        (opening, ev.Started(2, looks, NOW)),
        (opening, ev.Started(1, looks, NOW), ev.Started(2, looks, NOW)),
        (opening, ev.Finished(1, ev.Done(), NOW)),
        (opening, ev.Started(1, looks, NOW), ev.Finished(2, ev.Done(), NOW)),
        (opening, opening),
    ):
        assert rebuilt(events) is None
    whole = rebuilt((opening, ev.StopAsked(NOW), ev.Resumed(NOW)))
    assert whole is not None
    assert not whole.closed


def test_whoever_was_looked_at_untouched_after_a_crash_waits() -> None:
    """Another t3safe may have looked, found nothing done to them, and left them for another run."""
    looked = ev.Inspected(RUN.moves[0].old, running=True, ledger=None)
    told = rebuilt(
        (
            ev.Opened(RUN, NOW),
            ev.Started(1, fx.Assess("alice"), NOW),
            ev.Resumed(NOW),
            ev.Started(2, fx.Inspect("alice"), NOW),
            ev.Finished(2, looked, NOW),
            ev.Closed(ev.Ended(ev.Outcome.LATER, "interrupted"), NOW),
        )
    )
    assert told is not None
    (move,) = told.moves
    assert (move.status, move.reason) == (Status.DEFERRED, "interrupted")
    assert not move.new_build_may_have_run


def test_whom_a_copy_held_up_before_the_gate_was_refused() -> None:
    """Nothing was copied, and nothing was done to them."""
    held = ev.Assessed(ev.Readiness.BUSY, "an old copy: move it away")
    told = _recounted(RUN, (fx.SnapshotOnline("alice", "s1"), held))
    (move,) = told.moves
    assert (move.status, move.reason, move.online) == (Status.REFUSED, held.reason, "")


VERIFIED = [
    (ev.NotPaired(Fault.ENVIRONMENT, "no answer on 3780"), Status.KEPT, Fault.HOST),
    (ev.NotPaired(Fault.BUILD, "500 from the serve"), Status.MOVING, Fault.BUILD),
    (ev.Failed(Fault.BUILD, "it died"), Status.MOVING, Fault.BUILD),
]


@pytest.mark.parametrize(("answer", "status", "fault"), VERIFIED)
def test_what_the_verification_of_the_new_build_said_counts(
    answer: ev.NotPaired | ev.Failed, status: Status, fault: Fault
) -> None:
    """Who pairs at the serve alone stays there; a failure of the build is held against it."""
    plan = RUN
    part = plan.moves[0]
    told = _recounted(
        plan,
        (fx.Fence("alice"), ev.Done()),
        (fx.Stop("alice"), ev.Done()),
        (fx.SnapshotAtRest("alice", "s1", part.old), ev.Snapshotted("s1", L32, 1)),
        (fx.Select("alice", part.new), ev.Done()),
        (fx.Start("alice"), ev.Done()),
        (fx.VerifyPairing("alice", part.new), answer),
    )
    (move,) = told.moves
    assert (move.status, move.fault, move.reason) == (status, fault, answer.reason)


def _events(plan: ev.Plan, *steps: tuple[fx.Effect, ev.Answer]) -> list[ev.Event]:
    """The records of a run that did so much."""
    events: list[ev.Event] = [ev.Opened(plan, NOW)]
    for number, (effect, answer) in enumerate(steps, 1):
        events += [ev.Started(number, effect, NOW), ev.Finished(number, answer, NOW)]
    return events


def _recounted(plan: ev.Plan, *steps: tuple[fx.Effect, ev.Answer]) -> Rollout:
    """Recount a run that did so much and was cut off after it."""
    told = rebuilt(_events(plan, *steps))
    assert told is not None
    return told


def test_a_bake_that_was_cut_off_is_begun_again() -> None:
    """It looks only, so nothing is lost."""
    new = RUN.candidate
    baking = attrs.evolve(RUN, kind=ev.Kind.BAKE, moves=(), baking=("alice",))
    told = _recounted(baking, (fx.Bake(("alice",), new, 1.0), ev.Failed(Fault.HOST, "no")))
    assert isinstance(decide(evolve(told, ev.Resumed(NOW))), fx.Bake)


def test_whoever_is_kept_since_the_dispatch_could_not_be_asked_stays() -> None:
    """They are on the new build, which pairs at the serve."""
    plan = RUN
    done, new = ev.Done(), plan.candidate
    told = _recounted(
        plan,
        (fx.Fence("alice"), done),
        (fx.SnapshotAtRest("alice", "rest", plan.base), ev.Snapshotted("rest", L32, 1)),
        (fx.Select("alice", new), done),
        (fx.VerifyPairing("alice", new), ev.NotPaired(Fault.ENVIRONMENT, "no answer")),
    )
    assert told.moves[0].status is Status.KEPT
    assert not isinstance(decide(evolve(told, ev.Resumed(NOW))), fx.Inspect)


def test_whoever_is_on_a_new_build_without_a_copy_at_rest_needs_a_person() -> None:
    """There is no way back that could be gone unseen."""
    plan = RUN
    told = _recounted(plan, (fx.Select("alice", plan.candidate), ev.Done()))
    assert told.moves[0].status is Status.NEEDS_HUMAN
    assert isinstance(decide(evolve(told, ev.Resumed(NOW))), fx.Freeze)


FORWARD: list[tuple[fx.Effect, ev.Answer]] = [
    (fx.Fence("alice"), ev.Done()),
    (fx.Stop("alice"), ev.Done()),
    (fx.SnapshotAtRest("alice", "s1", RUN.moves[0].old), ev.Snapshotted("s1", L32, 1)),
    (fx.Select("alice", RUN.moves[0].new), ev.Done()),
    (fx.Start("alice"), ev.Done()),
]
NEW = RUN.moves[0].new


def test_a_person_who_is_found_on_the_new_build_after_a_way_back_was_begun_is_on_it() -> None:
    """The quarantine is kept, and the restore counts for nothing: the new build may run again."""
    told = _recounted(
        RUN,
        *FORWARD,
        (fx.VerifyPairing("alice", NEW), ev.NotPaired(Fault.BUILD, "500")),
        (fx.Quarantine("alice", "q1", NEW, "s1"), ev.Quarantined("q1")),
        (fx.Restore("alice", "s1"), ev.Done()),
        (fx.Inspect("alice"), ev.Inspected(NEW, running=True, ledger=L32)),
    )
    (move,) = told.moves
    assert (move.goal, move.earlier, move.quarantine) == (Goal.FORWARD, ("q1",), "")
    assert (move.restored, move.rows) == (False, ())


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (ev.Assessed(ev.Readiness.BUSY, "a turn runs"), Status.NEEDS_HUMAN),
        (ev.Failed(Fault.HOST, "it cannot be asked"), Status.NEEDS_HUMAN),
        (ev.Assessed(ev.Readiness.IDLE), Status.MOVED),
    ],
)
def test_a_person_at_work_on_the_new_build_needs_a_human(
    answer: ev.Assessed | ev.Failed, status: Status
) -> None:
    """They are not taken back while they work; one who is idle is where the move left them."""
    paired = (fx.VerifyPairing("alice", NEW), ev.Paired())
    events = _events(RUN, *FORWARD, paired, (fx.Assess("alice", certain=True), answer))
    told = rebuilt((*events, ev.Closed(ev.Ended(ev.Outcome.NEEDS_HUMAN, "x"), NOW)))
    assert told is not None
    (move,) = told.moves
    assert move.status is status


def test_a_run_that_could_not_sign_in_at_its_end_left_a_human_to_look() -> None:
    """Whether the person pairs was not seen any more."""
    steps = (*FORWARD, (fx.VerifyPairing("alice", NEW), ev.Paired()))
    unseen = ev.Failed(Fault.ENVIRONMENT, "the dispatch is down")
    events = _events(RUN, *steps, (fx.Revisit(("alice",), NEW), unseen))
    ended = ev.Closed(ev.Ended(ev.Outcome.NEEDS_HUMAN, unseen.reason), NOW)
    told = rebuilt((*events, ended))
    assert told is not None
    (move,) = told.moves
    assert (move.status, move.reason) == (Status.NEEDS_HUMAN, unseen.reason)


@pytest.mark.parametrize(
    ("effect", "answer", "status"),
    [
        (fx.Assess("alice"), ev.Assessed(ev.Readiness.BUSY, "why"), Status.DEFERRED),
        (fx.Assess("alice"), ev.Failed(Fault.HOST, "why"), Status.DEFERRED),
        (fx.Assess("alice"), ev.Assessed(ev.Readiness.NOT_RUNNING, "why"), Status.NOT_RUNNING),
        (
            fx.VerifyPairing("alice", RUN.base),
            ev.NotPaired(Fault.BUILD, "why"),
            Status.BROKEN_BEFORE,
        ),
        (fx.VerifyPairing("alice", RUN.base), ev.Failed(Fault.HOST, "why"), Status.BROKEN_BEFORE),
    ],
)
def test_a_person_who_was_left_alone_waits_for_the_reason_that_was_given(
    effect: fx.Effect, answer: ev.Answer, status: Status
) -> None:
    """Nothing was done to them."""
    (move,) = _recounted(RUN, (effect, answer)).moves
    assert (move.status, move.reason) == (status, "why")


def test_a_bake_that_broke_is_held_against_the_person_whom_it_broke_for() -> None:
    """The others of the bake are as they were."""
    broke = ev.BakeBroken("alice", Fault.BUILD, "500 from the serve")
    steps = (*FORWARD, (fx.VerifyPairing("alice", NEW), ev.Paired()))
    (move,) = _recounted(RUN, *steps, (fx.Bake(("alice",), NEW, 60.0), broke)).moves
    assert (move.fault, move.reason) == (broke.fault, broke.reason)
    other = ev.BakeBroken("bob", Fault.BUILD, "500 from the serve")
    (move,) = _recounted(RUN, *steps, (fx.Bake(("alice", "bob"), NEW, 60.0), other)).moves
    assert move.reason == ""
