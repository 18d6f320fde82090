"""Laws of `decide` and `evolve` under any sequence of answers, however unlikely."""

from __future__ import annotations

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from fakes.playbook import NOW, fold
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.gate import EMPTY, OnPersonFailure, Ruling
from t3safe.domain.moves import Status
from t3safe.domain.rollout import Rollout, decide, evolve, opened
from t3safe.domain.versions import Version
from tests.unit.domain.plans import L30, L32, NEW, OLD, STRANGE, rehearsal

_PEOPLE = ("alice", "bob", "carol")

_FAILED = st.builds(ev.Failed, st.sampled_from(Fault), st.sampled_from(["no", "disk full"]))
_DONE = st.just(ev.Done())
_PAIRINGS = st.one_of(
    st.just(ev.Paired()),
    st.builds(ev.NotPaired, st.sampled_from(Fault), st.just("no cookie")),
)
_LEDGERS = st.sampled_from([L30, L30, L32, STRANGE])
_INSPECTED = st.builds(
    ev.Inspected,
    selected=st.sampled_from([None, OLD, NEW, Version.parse("0.0.26")]),
    running=st.booleans(),
    ledger=st.none() | _LEDGERS,
    restoring=st.booleans(),
)


@st.composite
def rehearsals(draw: st.DrawFn, effect: fx.Rehearse) -> ev.Rehearsed:
    """Draw a rehearsal of each subject, most of them good."""
    good = st.sampled_from([True, True, True, True, False])
    return ev.Rehearsed(
        tuple(
            rehearsal(subject.person, effect.build, "" if draw(good) else "it died")
            for subject in effect.subjects
        )
    )


def good_answers(effect: fx.Effect) -> st.SearchStrategy[ev.Answer]:
    """Everything that a port may answer to an effect short of a failure."""
    match effect:
        case fx.Assess():
            states = [ev.Readiness.IDLE] * 4 + list(ev.Readiness)
            return st.builds(ev.Assessed, st.sampled_from(states), st.just("because"))
        case fx.Verify():
            return st.one_of(st.just(ev.Paired()), _PAIRINGS)
        case fx.SnapshotOnline(snapshot=name) | fx.SnapshotAtRest(snapshot=name):
            return st.builds(ev.Snapshotted, st.just(name), _LEDGERS, st.just(1))
        case fx.Rehearse():
            return rehearsals(effect)
        case fx.Inspect():
            return _INSPECTED
        case fx.Quarantine(snapshot=name):
            return st.just(ev.Quarantined(name))
        case fx.Bake(people):
            broken = st.builds(
                ev.BakeBroken, st.sampled_from(people), st.sampled_from(Fault), st.just("no")
            )
            return st.one_of(_DONE, _DONE, broken)
        case _:
            return _DONE


_PLANS = st.builds(
    ev.Plan,
    run=st.just("r1"),
    kind=st.sampled_from([ev.Kind.RUN, ev.Kind.RUN, *ev.Kind]),
    candidate=st.just(NEW),
    base=st.just(OLD),
    moves=st.builds(
        lambda people, restore: tuple(ev.MovePlan(who, OLD, NEW, restore) for who in people),
        st.lists(st.sampled_from(_PEOPLE), unique=True, max_size=3),
        st.sampled_from(["", "chosen"]),
    ),
    attempts_max=st.sampled_from([1, 3]),
    on_person_failure=st.sampled_from(OnPersonFailure),
    force=st.booleans(),
    everybody=st.just(_PEOPLE),
)


@define(repr=False)
class Trace:
    """A whole rollout under drawn answers: every state, effect and answer of it."""

    rollout: Rollout
    journal: list[ev.Event]
    states: list[Rollout] = field(factory=list)
    effects: list[fx.Effect] = field(factory=list)
    answers: list[ev.Answer | None] = field(factory=list)
    crashes: int = 0

    def __repr__(self) -> str:
        """Tell the story alone; the states follow from it."""
        story = zip(self.effects, self.answers, strict=False)
        return "\n".join(f"{effect} -> {_brief(answer)}" for effect, answer in story)

    def take(self, event: ev.Event) -> None:
        """Let one event happen."""
        self.rollout = evolve(self.rollout, event)
        self.journal.append(event)
        self.states.append(self.rollout)

    @property
    def ended(self) -> ev.Ended:
        """How it ended."""
        last = self.journal[-1]
        assert isinstance(last, ev.Closed)
        return last.ended

    def answered(self, kind: type[fx.Effect]) -> list[tuple[int, fx.Effect, ev.Answer | None]]:
        """Every effect of a kind with its answer and its place."""
        pairs = zip(self.effects, self.answers, strict=True)
        return [
            (place, effect, answer)
            for place, (effect, answer) in enumerate(pairs)
            if isinstance(effect, kind)
        ]


_HAPPENINGS = st.sampled_from([*["answer"] * 12, "fail", "fail", "crash", "stop"])


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Draw a plan and drive it to its end; a journal may hold up to four crashes."""
    plan = draw(_PLANS)
    trace = Trace(opened(plan), [ev.Opened(plan, NOW)])
    bound = 60 * (1 + len(plan.moves)) * plan.attempts_max
    for _ in range(bound * 5):
        decided = decide(trace.rollout)
        assert decide(trace.rollout) == decided, "decide is a function of the state alone"
        if isinstance(decided, ev.Ended):
            trace.take(ev.Closed(decided, NOW))
            return trace
        happens = draw(_HAPPENINGS)
        if happens == "stop":
            trace.take(ev.StopAsked(NOW))
            continue
        trace.effects.append(decided)
        trace.take(ev.Started(trace.rollout.seq + 1, decided, NOW))
        if happens == "crash" and trace.crashes < 4:
            trace.crashes += 1
            trace.answers.append(None)
            trace.take(ev.Resumed(NOW))
            continue
        answer = draw(_FAILED if happens == "fail" else good_answers(decided))
        trace.answers.append(answer)
        trace.take(ev.Finished(trace.rollout.seq, answer, NOW))
    raise AssertionError(f"no end within {bound * 5} steps")


@given(trace=traces())
def test_every_rollout_ends_and_is_the_fold_of_its_journal(trace: Trace) -> None:
    """`decide` and `evolve` are total and deterministic; fold the journal to resume."""
    assert fold(trace.journal) == trace.rollout
    assert trace.rollout.closed


@given(trace=traces())
def test_without_crashes_a_rollout_ends_within_its_budget(trace: Trace) -> None:
    """Rule 6: an effect is tried `attempts_max` times.  Each person has at most 9 steps forward,
    7 back and 3 of the last resort, one more way back after the bake, and there are at most 12
    effects around them and one control for each person.
    """
    plan = trace.rollout.plan
    if not trace.crashes:
        most = 12 + len(plan.moves) * (1 + 1 + 9 + 7 + 3)
        assert len(trace.effects) <= most * plan.attempts_max


@given(trace=traces())
def test_the_same_effect_is_not_tried_beyond_its_attempts(trace: Trace) -> None:
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


@given(trace=traces())
def test_one_person_at_a_time(trace: Trace) -> None:
    """Rule 2: one person at a time; no effect is about anybody but the one in transition."""
    for state in trace.states:
        moving = [move.person for move in state.moves if move.status is Status.MOVING]
        assert len(moving) <= 1
        if moving and state.pending is not None:
            assert _person(state.pending) == moving[0]


@given(trace=traces())
def test_nobody_is_touched_before_the_gate_has_passed(trace: Trace) -> None:
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
def test_nobody_is_stopped_who_was_not_just_seen_idle(trace: Trace) -> None:
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
def test_the_new_build_is_selected_only_with_a_rollback_point(trace: Trace) -> None:
    """Restores come from a snapshot taken at rest after the stop; without one there is no move.

    And the new build must know every migration of the set at rest (I1).
    """
    points: dict[str, ev.Snapshotted] = {}
    for effect, answer in zip(trace.effects, trace.answers, strict=True):
        if isinstance(effect, fx.SnapshotAtRest) and isinstance(answer, ev.Snapshotted):
            points[effect.person] = answer
        if isinstance(effect, fx.Select) and effect.build == NEW:
            assert effect.person in points
            if trace.rollout.plan.kind is not ev.Kind.BACK:
                assert points[effect.person].ledger.known_to(L32)


@given(trace=traces())
def test_nothing_is_restored_before_it_is_quarantined(trace: Trace) -> None:
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
def test_only_what_was_baked_is_promoted(trace: Trace) -> None:
    """Rule 4: only a rollout that moved somebody bakes, and only one that baked promotes."""
    baked = [
        (place, effect) for place, effect, answer in trace.answered(fx.Bake) if answer == ev.Done()
    ]
    for _, effect, _ in trace.answered(fx.Bake):
        assert isinstance(effect, fx.Bake)
        assert effect.people
        assert trace.rollout.plan.kind in {ev.Kind.RUN, ev.Kind.DRAIN}
    for place, _, _ in trace.answered(fx.Promote):
        assert baked
        assert baked[-1][0] < place
        assert any(move.status is Status.MOVED for move in trace.rollout.moves)
    assert (trace.ended.outcome is not ev.Outcome.PROMOTED) or trace.answered(fx.Promote)


@given(trace=traces())
def test_a_person_who_was_rolled_back_ends_the_rollout(trace: Trace) -> None:
    """Rule 3: the build is refused from then on, the host is frozen, everybody else stays."""
    back = [move for move in trace.rollout.moves if move.status is Status.ROLLED_BACK]
    assert len(back) <= 1
    refused = [
        effect
        for _, effect, _ in trace.answered(fx.RecordVerdict)
        if isinstance(effect, fx.RecordVerdict) and effect.verdict.in_production
    ]
    if back and trace.rollout.plan.kind is not ev.Kind.BACK:
        assert refused
        assert all(effect.verdict.ruling is Ruling.REFUSED for effect in refused)
        assert trace.answered(fx.Freeze)
        assert trace.ended.outcome in {ev.Outcome.ROLLED_BACK, ev.Outcome.NEEDS_HUMAN}
        assert not trace.answered(fx.Promote)
    else:
        assert not refused


@given(trace=traces())
def test_where_the_old_build_does_not_pair_either_nothing_is_held_against_the_new(
    trace: Trace,
) -> None:
    """Rule 7 of the moves, I6: a broken dispatch is never reported as a bad build."""
    statuses = {move.status for move in trace.rollout.moves}
    if Status.ENVIRONMENT in statuses:
        assert trace.ended.outcome is ev.Outcome.NEEDS_HUMAN
        assert not trace.answered(fx.Freeze)
    if Status.NEEDS_HUMAN in statuses:
        assert trace.ended.outcome is ev.Outcome.NEEDS_HUMAN
        assert trace.answered(fx.Freeze)


@given(trace=traces())
def test_whoever_was_fenced_is_let_go_or_a_human_is_called(trace: Trace) -> None:
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
def test_after_a_crash_a_look_comes_before_anything_else(trace: Trace) -> None:
    """Rule 6 of the moves: an effect without an answer is unknown, so look before acting."""
    after = False
    for before, event in zip(trace.states, trace.journal[2:], strict=False):
        if after and isinstance(event, ev.Started) and before.current is not None:
            assert event.effect == fx.Inspect(before.current.person)
        if not isinstance(event, ev.StopAsked):
            after = isinstance(event, ev.Resumed)


@given(trace=traces())
def test_nobody_new_is_begun_after_a_crash_or_a_wish_to_stop(trace: Trace) -> None:
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


def _brief(answer: ev.Answer | None) -> str:
    match answer:
        case None:
            return "died"
        case ev.Rehearsed(rehearsals):
            return ", ".join(f"{found.subject or 'empty'}: {found.passed}" for found in rehearsals)
        case _:
            return str(answer)


def _person(effect: fx.Effect) -> str:
    return str(getattr(effect, "person", ""))
