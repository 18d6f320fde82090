"""Laws of `decide` and `evolve` under any sequence of answers, however unlikely."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import given, settings

from fakes.playbook import fold
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.gate import EMPTY, Ruling
from t3safe.domain.move import Goal, Move, Status
from t3safe.domain.rollout import decide
from t3safe.domain.rollout_state import Rollout
from tests.property.traces import PEOPLE, DrawnRollout, traces
from tests.unit.domain.plans import L32, NEW, OLD

pytestmark = pytest.mark.long


EXAMPLES: Final = settings.default.max_examples if settings.default else 100
"""Of a law; laws of what comes seldom (a last resort, a rollback that ends well) take more."""


@given(trace=traces())
def test_every_rollout_ends_and_is_the_fold_of_its_journal(trace: DrawnRollout) -> None:
    """`decide` and `evolve` are total and deterministic; fold the journal to resume."""
    assert fold(trace.journal) == trace.rollout
    assert trace.rollout.closed


@given(trace=traces())
def test_without_crashes_a_rollout_ends_within_its_budget(trace: DrawnRollout) -> None:
    """Rule 6: an effect is tried `attempts_max` times.  Each person has at most 9 steps forward,
    8 back (the question about their work among them) and 5 of the last resort (look, stop, look,
    select, start), and one pairing of the others after them; there are at most 13 effects around
    them and one control for each person.
    """
    plan = trace.rollout.plan
    if not trace.crashes:
        most = 13 + len(plan.moves) * (1 + 1 + 9 + 8 + 5 + 1)
        assert len(trace.effects) <= most * plan.attempts_max


@given(trace=traces())
def test_the_same_effect_is_not_tried_beyond_its_attempts(trace: DrawnRollout) -> None:
    """Rule 6: an effect is tried `attempts_max` times, unless it is the build's own fault."""
    most, tries = trace.rollout.plan.attempts_max, 1
    for (before, answer), following in zip(
        zip(trace.effects, trace.answers, strict=True), trace.effects[1:], strict=False
    ):
        again = isinstance(answer, ev.Failed) and _what(before) == _what(following)
        tries = tries + 1 if again else 1
        assert tries <= most
        if again and isinstance(answer, ev.Failed):
            assert answer.fault is not Fault.BUILD
            assert not isinstance(before, fx.Bake)
            assert not (isinstance(before, fx.StageBuild) and answer.fault is Fault.HOST)


@given(trace=traces())
def test_one_person_at_a_time(trace: DrawnRollout) -> None:
    """Rule 2: one person at a time; no effect is about anybody but the one in transition."""
    for state in trace.states:
        moving = [move.person for move in state.moves if move.status is Status.MOVING]
        assert len(moving) <= 1
        if moving and state.pending is not None:
            assert _person(state.pending) == moving[0]


@given(trace=traces())
def test_nobody_is_touched_before_the_gate_has_passed(trace: DrawnRollout) -> None:
    """Rule 1, I3: nobody is touched before the candidate has passed the gate on a copy of every
    affected person's set and on an empty one.
    """
    if trace.rollout.plan.kind is ev.Kind.BACK:
        return
    passed = [
        place
        for place, effect, answer in trace.answered(fx.RecordVerdict)
        if isinstance(effect, fx.RecordVerdict)
        and effect.verdict.ruling is Ruling.PASSED
        and answer == ev.Done()
    ]
    for place, effect in enumerate(trace.effects):
        if isinstance(effect, fx.Assess | fx.Fence | fx.Stop | fx.Select | fx.Start | fx.Restore):
            assert passed
            assert passed[0] < place
    touched = {_person(effect) for _, effect, _ in trace.answered(fx.Fence)}
    good = {found.subject for found in trace.rollout.rehearsals if found.passed}
    assert touched <= good
    assert not touched or EMPTY in good


@given(trace=traces())
def test_a_host_of_a_fleet_touches_nobody_without_a_slot(trace: DrawnRollout) -> None:
    """Rule 7: it is taken after the gate and once; a rollout without a ring takes none."""
    taken = trace.answered(fx.TakeSlot)
    held = [place for place, _, answer in taken if isinstance(answer, ev.SlotTaken)]
    assert len(taken) <= (1 if trace.rollout.plan.ring else 0)
    for place, effect in enumerate(trace.effects):
        if trace.rollout.plan.ring and isinstance(effect, fx.Assess | fx.Fence | fx.Stop):
            assert held
            assert held[0] < place
    plan = trace.rollout.plan
    wanted = [effect for _, effect, _ in taken]
    lock = trace.rollout.staged.lock if trace.rollout.staged else ""
    assert all(one == fx.TakeSlot(plan.ring, plan.run, plan.candidate, lock) for one in wanted)


@given(trace=traces())
def test_nobody_is_stopped_who_was_not_just_seen_idle(trace: DrawnRollout) -> None:
    """I4: a user with work in flight is never interrupted; asked again right before the fence."""
    plan = trace.rollout.plan
    seen: dict[str, ev.Answer | None] = {}
    fenced: set[str] = set()
    for effect, answer in zip(trace.effects, trace.answers, strict=True):
        who = _person(effect)
        if isinstance(effect, fx.Assess):
            seen[who] = answer
        if isinstance(effect, fx.Fence) and who not in fenced and not plan.force:
            fenced.add(who)
            told = seen.get(who)
            assert isinstance(told, ev.Assessed)
            assert told.readiness is not ev.Readiness.BUSY
        if isinstance(effect, fx.Stop) and not plan.force:
            assert who in fenced


@given(trace=traces())
def test_the_new_build_is_selected_only_with_a_rollback_point(trace: DrawnRollout) -> None:
    """Restores come from a snapshot taken at rest after the stop; without one there is no move.

    And the new build must know every migration of the set at rest (I1), going back on purpose too
    where the plan tells what it knows; except where an older set is put in place of it.
    """
    plan = trace.rollout.plan
    knows = {move.person: move.knows for move in plan.moves if not move.restore}
    points: dict[str, ev.Snapshotted] = {}
    for effect, answer in zip(trace.effects, trace.answers, strict=True):
        if isinstance(effect, fx.SnapshotAtRest) and isinstance(answer, ev.Snapshotted):
            points[effect.person] = answer
        if isinstance(effect, fx.Select) and effect.build == NEW:
            assert effect.person in points
            known = knows.get(effect.person) if plan.kind is ev.Kind.BACK else L32
            assert known is None or points[effect.person].ledger.known_to(known)


@given(trace=traces())
def test_nothing_is_restored_before_it_is_quarantined(trace: DrawnRollout) -> None:
    """I2: what the failed build wrote is kept in quarantine before the set is replaced."""
    kept: dict[str, int] = {}
    started: dict[str, int] = {}
    for place, (effect, answer) in enumerate(zip(trace.effects, trace.answers, strict=True)):
        who = _person(effect)
        if isinstance(effect, fx.Quarantine) and isinstance(answer, ev.Quarantined):
            kept[who] = place
        if isinstance(effect, fx.Start):
            started[who] = place
        if isinstance(effect, fx.Restore) and effect.snapshot != "chosen":
            assert who in kept
            assert kept[who] > started.get(who, -1)


@given(trace=traces())
def test_only_what_was_baked_is_promoted(trace: DrawnRollout) -> None:
    """Rule 4: only a rollout that moved somebody bakes, and only one that baked promotes."""
    baked = [
        (place, effect) for place, effect, answer in trace.answered(fx.Bake) if answer == ev.Done()
    ]
    moved = set(trace.rollout.plan.baking) | {move.person for move in trace.rollout.moves}
    for _, effect, _ in trace.answered(fx.Bake):
        assert isinstance(effect, fx.Bake)
        assert effect.people
        assert trace.rollout.plan.kind in {ev.Kind.RUN, ev.Kind.DRAIN, ev.Kind.BAKE}
        assert set(effect.people) <= moved
    for place, effect, _ in trace.answered(fx.Promote):
        assert baked
        assert baked[-1][0] < place
        assert effect == fx.Promote(NEW, PEOPLE)
        watched = baked[-1][1]
        assert isinstance(watched, fx.Bake)
        now = {move.person for move in trace.rollout.moves if move.status is Status.MOVED}
        assert set(watched.people) == now | set(trace.rollout.plan.baking)
    assert (trace.ended.outcome is not ev.Outcome.PROMOTED) or trace.answered(fx.Promote)


@settings(max_examples=4 * EXAMPLES)
@given(trace=traces())
def test_a_person_who_was_rolled_back_ends_the_rollout(trace: DrawnRollout) -> None:
    """Rule 3: the host is frozen, everybody else stays, nothing is promoted."""
    back = [move for move in trace.rollout.moves if move.status is Status.ROLLED_BACK]
    seen_late = [answer for _, _, answer in trace.answered(fx.Revisit) if _blames(answer)]
    assert len(back) <= 1 + len(seen_late)
    if back and trace.rollout.plan.kind is not ev.Kind.BACK:
        assert all(_reason_of(move) in trace.ended.reason for move in back)
        assert trace.answered(fx.Freeze)
        assert trace.ended.outcome in {ev.Outcome.ROLLED_BACK, ev.Outcome.NEEDS_HUMAN}
        assert not trace.answered(fx.Promote)


@settings(max_examples=4 * EXAMPLES)
@given(trace=traces())
def test_a_build_that_failed_in_production_is_refused_whatever_follows(trace: DrawnRollout) -> None:
    """Rule 3: by each of those whom it failed, also where the way back fails; and it is frozen."""
    refused = [
        effect
        for _, effect, _ in trace.answered(fx.RecordVerdict)
        if isinstance(effect, fx.RecordVerdict) and effect.verdict.in_production
    ]
    assert all(effect.verdict.ruling is Ruling.REFUSED for effect in refused)
    bad = {Status.ROLLED_BACK, Status.ENVIRONMENT, Status.NEEDS_HUMAN}
    failed = [
        move for move in trace.rollout.moves if move.status in bad and move.fault is Fault.BUILD
    ]
    kind = trace.rollout.plan.kind
    if kind in {ev.Kind.RUN, ev.Kind.DRAIN}:
        why = "; ".join(_reason_of(move) for move in failed)
        reasons = {effect.verdict.reasons for effect in refused}
        assert reasons == ({(f"in production, {why}",)} if failed else set())
    if refused:
        assert kind is not ev.Kind.BACK
        assert trace.answered(fx.Freeze)
        assert not trace.answered(fx.Promote)


@settings(max_examples=4 * EXAMPLES)
@given(trace=traces())
def test_a_build_is_refused_in_production_only_for_what_it_did_itself(trace: DrawnRollout) -> None:
    """I6: somebody whom it was selected for must have met its own fault, as told by an answer."""
    met: dict[str, bool] = {}
    for effect, answer in zip(trace.effects, trace.answers, strict=True):
        if isinstance(effect, fx.Select) and effect.build == NEW:
            met.setdefault(effect.person, False)
        if isinstance(answer, ev.Failed | ev.NotPaired) and answer.fault is Fault.BUILD:
            met.update({who: True for who in met if who == _person(effect)})
        if isinstance(answer, ev.BakeBroken) and answer.fault is Fault.BUILD:
            met[answer.person] = True
        if isinstance(effect, fx.RecordVerdict) and effect.verdict.in_production:
            (reason,) = effect.verdict.reasons
            told = {who for who in met if reason.startswith(f"in production, {who}")}
            assert any(met[who] for who in told)


@settings(max_examples=2 * EXAMPLES)
@given(trace=traces())
def test_after_one_who_could_not_be_moved_nobody_is_begun_or_promoted(trace: DrawnRollout) -> None:
    """What gave up one move, or kept the dispatch from being asked, may be in everybody's way."""
    ending = {Status.RETURNED, Status.KEPT}
    begun: set[str] | None = None
    for state in trace.states:
        now = {move.person for move in state.moves if move.status is not Status.WAITING}
        if begun is not None:
            assert now == begun
        if any(move.status in ending for move in state.moves):
            begun = now
    if begun is not None:
        assert trace.ended.outcome is not ev.Outcome.PROMOTED
        assert not trace.answered(fx.Promote)


@settings(max_examples=4 * EXAMPLES)
@given(trace=traces())
def test_the_last_resort_chooses_no_build_over_a_serve_that_runs(trace: DrawnRollout) -> None:
    """I1, rule 5 of the moves: a serve behind the fence is stopped and looked at again, once; what
    it left at rest decides.
    """
    stops: dict[str, int] = {}
    seen: ev.Answer | None = None
    for before, state, event in zip(
        trace.states, trace.states[1:], trace.journal[2:], strict=False
    ):
        move = before.current
        if move is None or move.goal is not Goal.LAST_RESORT or not move.new_build_may_have_run:
            continue
        if isinstance(event, ev.Started) and isinstance(event.effect, fx.Select):
            assert not isinstance(seen, ev.Inspected) or not seen.running
        if not isinstance(event, ev.Finished) or not isinstance(before.pending, fx.Inspect):
            continue
        seen = event.answer
        fenced = isinstance(seen, ev.Inspected) and seen.selected is None
        if fenced and isinstance(seen, ev.Inspected) and seen.running:
            after = next(found for found in state.moves if found.person == move.person)
            stopped = decide(state) == fx.Stop(move.person)
            assert stopped or after.status is Status.NEEDS_HUMAN
            stops[move.person] = stops.get(move.person, 0) + stopped
            assert stops[move.person] <= 1


@settings(max_examples=4 * EXAMPLES)
@given(trace=traces())
def test_the_old_build_is_not_selected_on_what_a_look_says_it_does_not_know(
    trace: DrawnRollout,
) -> None:
    """I1: what was seen last, and not replaced since, decides; also in the last resort."""
    points: dict[str, ev.Snapshotted] = {}
    exposed: set[str] = set()
    seen: dict[str, ev.Inspected] = {}
    for effect, answer in zip(trace.effects, trace.answers, strict=True):
        who = _person(effect)
        if isinstance(effect, fx.SnapshotAtRest) and isinstance(answer, ev.Snapshotted):
            points[who] = answer
        if _exposes(effect):
            exposed.add(who)
        if isinstance(effect, fx.Restore):
            seen.pop(who, None)
        if isinstance(effect, fx.Inspect) and isinstance(answer, ev.Inspected):
            seen[who] = answer
        if isinstance(effect, fx.Select) and effect.build == OLD and who in exposed & seen.keys():
            ledger = seen[who].ledger
            assert ledger is not None
            assert ledger.known_to(points[who].ledger)
            assert not seen[who].restoring


@given(trace=traces())
def test_where_the_old_build_does_not_pair_either_only_a_fault_of_its_own_is_held_against_the_new(
    trace: DrawnRollout,
) -> None:
    """Rule 7 of the moves, I6: a broken dispatch is never reported as a bad build.

    What the build itself did to that person or another one still is (rule 3).
    """
    statuses = {move.status for move in trace.rollout.moves}
    if Status.ENVIRONMENT in statuses:
        assert trace.ended.outcome is ev.Outcome.NEEDS_HUMAN
        met = [move for move in trace.rollout.moves if move.status is Status.ENVIRONMENT]
        own = trace.rollout.plan.kind is not ev.Kind.BACK and any(
            move.fault is Fault.BUILD for move in met
        )
        others = statuses & {Status.ROLLED_BACK, Status.NEEDS_HUMAN}
        assert bool(trace.answered(fx.Freeze)) is (own or bool(others))
        for move in met:
            if move.fault is not Fault.BUILD:
                assert not any(f"{move.person}: " in reason for reason in _refusals(trace))
    if Status.NEEDS_HUMAN in statuses:
        assert trace.ended.outcome is ev.Outcome.NEEDS_HUMAN
        assert trace.answered(fx.Freeze)


@settings(max_examples=4 * EXAMPLES)
@given(trace=traces())
def test_whoever_was_moved_and_not_baked_is_paired_once_more(trace: DrawnRollout) -> None:
    """Rule 5: whoever was moved and will not be baked is looked at once more before the end.

    Except where a person is called for somebody already.  Nothing is done to them after that.
    """
    plan, final = trace.rollout.plan, trace.rollout.moves
    if plan.kind is ev.Kind.BACK:
        assert not trace.answered(fx.Revisit)
        return
    watched = plan.baking + tuple(move.person for move in final if move.status is Status.MOVED)
    if not watched or any(move.status in _CALLED for move in final):
        return
    seen = sorted([*trace.answered(fx.Bake), *trace.answered(fx.Revisit)], key=lambda one: one[0])
    place, effect, answer = seen[-1]
    assert isinstance(effect, fx.Bake | fx.Revisit)
    assert (effect.people, effect.build) == (watched, NEW)
    if isinstance(answer, ev.Failed) or _blames(answer):
        assert plan.baking
        assert trace.ended.outcome is ev.Outcome.NEEDS_HUMAN
    elif isinstance(effect, fx.Bake):
        assert answer == ev.Done()
        assert trace.answered(fx.Promote)
    assert not any(_person(later) in watched for later in trace.effects[place + 1 :])


@settings(max_examples=4 * EXAMPLES)
@given(trace=traces())
def test_where_nobody_can_tell_whether_they_pair_a_human_is_called(trace: DrawnRollout) -> None:
    """A last pairing that fails to the end is no proof: the end is never a good or a quiet one."""
    seen = trace.answered(fx.Revisit)
    if seen and isinstance(seen[-1][2], ev.Failed):
        assert trace.ended.outcome is ev.Outcome.NEEDS_HUMAN
        assert bool(trace.answered(fx.Freeze)) is not bool(trace.rollout.plan.baking)
        assert not trace.answered(fx.Promote)


@settings(max_examples=4 * EXAMPLES)
@given(trace=traces())
def test_whoever_had_time_to_work_is_not_stopped_while_at_work(trace: DrawnRollout) -> None:
    """Rule 8 of the moves: whoever had time to work on the new build (through a bake, since a
    crash) is not taken back from it while work in flight is seen: a person is asked instead.

    A stop right after a look is the last resort's, for a serve behind its fence.
    """
    at_work: set[str] = set()
    before: fx.Effect | None = None
    for effect, answer, active in _with_time_to_work(trace):
        who = _person(effect)
        last_resort = isinstance(effect, fx.Stop) and isinstance(before, fx.Inspect)
        if isinstance(effect, fx.Fence | fx.Stop | fx.Restore) and not last_resort:
            assert who not in active
        if isinstance(effect, fx.Assess) and effect.certain:
            assert who in active
            if isinstance(answer, ev.Assessed) and not _free(answer):
                at_work.add(who)
        if not isinstance(answer, ev.Failed):
            # An effect that failed is tried again: what came before it still did.
            before = effect
    for move in trace.rollout.moves:
        if move.person in at_work:
            assert move.status is Status.NEEDS_HUMAN
            assert "--force`" in move.reason, "the command that does it all the same"


@given(trace=traces())
def test_whoever_was_fenced_is_let_go_or_a_human_is_called(trace: DrawnRollout) -> None:
    """I1, I6: a fence that stays is the loudest end there is."""
    last: dict[str, fx.Effect] = {}
    for effect, answer in zip(trace.effects, trace.answers, strict=True):
        if isinstance(effect, fx.Fence) or (isinstance(effect, fx.Select) and answer == ev.Done()):
            last[_person(effect)] = effect
        if isinstance(effect, fx.Inspect) and isinstance(answer, ev.Inspected) and answer.selected:
            last.pop(effect.person, None)
    if trace.ended.outcome is not ev.Outcome.NEEDS_HUMAN:
        assert not any(isinstance(effect, fx.Fence) for effect in last.values())


@given(trace=traces())
def test_after_a_crash_a_look_comes_before_anything_else(trace: DrawnRollout) -> None:
    """Rule 6 of the moves: an effect without an answer is unknown, so look before acting."""
    after = False
    for before, event in zip(trace.states, trace.journal[2:], strict=False):
        if after and isinstance(event, ev.Started) and before.current is not None:
            assert event.effect == fx.Inspect(before.current.person)
        if not isinstance(event, ev.StopAsked):
            after = isinstance(event, ev.Resumed)


@given(trace=traces())
def test_nobody_new_is_begun_after_a_crash_or_a_wish_to_stop(trace: DrawnRollout) -> None:
    """Rule 5: nobody new is begun; whoever is in between is settled."""
    winding = False
    begun: set[str] = set()
    for state, event in zip(trace.states, trace.journal[1:], strict=True):
        now = {move.person for move in state.moves if move.status is not Status.WAITING}
        if winding:
            assert now - begun <= _settled_before_begun(state)
        begun = now
        winding = winding or isinstance(event, ev.Resumed | ev.StopAsked)


def _settled_before_begun(state: Rollout) -> set[str]:
    quiet = {Status.REFUSED, Status.HELD_BACK}
    return {move.person for move in state.moves if move.status in quiet}


def _what(effect: fx.Effect) -> tuple[object, ...]:
    """What an effect is about; a snapshot has a new id with each attempt."""
    return type(effect), _person(effect), getattr(effect, "build", None)


_CALLED = (Status.NEEDS_HUMAN, Status.ENVIRONMENT)


def _blames(answer: ev.Answer | None) -> bool:
    """Whether a bake or a last pairing says that the build no longer pairs somebody."""
    return isinstance(answer, ev.BakeBroken) and answer.fault is Fault.BUILD


def _exposes(effect: fx.Effect) -> bool:
    """Whether an effect puts the new build, or an older snapshot, in place."""
    return isinstance(effect, fx.Restore) or (isinstance(effect, fx.Select) and effect.build == NEW)


def _free(answer: ev.Answer | None) -> bool:
    """Whether somebody is seen not to be at work."""
    return isinstance(answer, ev.Assessed) and answer.readiness is not ev.Readiness.BUSY


def _with_time_to_work(
    trace: DrawnRollout,
) -> Iterator[tuple[fx.Effect, ev.Answer | None, frozenset[str]]]:
    """Give each effect, its answer, and who had time to work on the new build before it."""
    exposed: set[str] = set()
    active: set[str] = set()
    for effect, answer in zip(trace.effects, trace.answers, strict=True):
        who = _person(effect)
        yield effect, answer, frozenset(active)
        exposed |= {who} if _exposes(effect) else set()
        if answer is None:
            active |= exposed & {who}
        if isinstance(answer, ev.BakeBroken) and answer.fault is Fault.BUILD:
            active.add(answer.person)
        if isinstance(effect, fx.Assess) and effect.certain and _free(answer):
            active.discard(who)


def _reason_of(move: Move) -> str:
    return f"{move.person}: {move.reason}"


def _refusals(trace: DrawnRollout) -> list[str]:
    """Every reason for which the build was refused in production."""
    return [
        reason
        for _, effect, _ in trace.answered(fx.RecordVerdict)
        if isinstance(effect, fx.RecordVerdict) and effect.verdict.in_production
        for reason in effect.verdict.reasons
    ]


def _person(effect: fx.Effect) -> str:
    return str(getattr(effect, "person", ""))
