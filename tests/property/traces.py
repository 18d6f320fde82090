"""Rollouts under drawn answers, however unlikely: for laws of `decide`, `evolve` and `tell`."""

from __future__ import annotations

import attrs
from attrs import define, field
from hypothesis import strategies as st

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.gate import OnPersonFailure
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.rollout import decide, evolve, opened
from t3safe.domain.rollout_state import Rollout
from t3safe.domain.versions import Version
from t3safe.simulation.builds import artifact
from tests.unit.domain.plans import L30, L32, NEW, OLD, STRANGE, rehearsal

PEOPLE = ("alice", "bob", "carol")

_REASONS = st.sampled_from(
    ["no", "disk full", "was rolled back", "ROLLBACK FAILED", "FROZEN", "rolling back\nFROZEN"]
)
"""Some hold what alert rules match: a reason comes from outside and may say anything."""

_FAILED = st.builds(ev.Failed, st.sampled_from(Fault), _REASONS)
_DONE = st.just(ev.Done())
_PAIRINGS = st.one_of(
    st.just(ev.Paired()),
    st.builds(ev.NotPaired, st.sampled_from(Fault), _REASONS),
)
_LEDGERS = st.sampled_from([L30, L30, L32, STRANGE])
_INSPECTED = st.builds(
    ev.Inspected,
    selected=st.sampled_from([None, None, None, OLD, NEW, Version.parse("0.0.26")]),
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
        case fx.StageBuild(build):
            return st.just(artifact(build))
        case fx.TakeSlot():
            denied = st.builds(ev.SlotDenied, _REASONS)
            return st.one_of(st.just(ev.SlotTaken(7)), st.just(ev.SlotTaken(7)), denied)
        case fx.Assess(certain=certain):
            states = [ev.Readiness.IDLE] * (1 if certain else 4) + list(ev.Readiness)
            return st.builds(ev.Assessed, st.sampled_from(states), _REASONS)
        case fx.VerifyPairing():
            return st.one_of(st.just(ev.Paired()), _PAIRINGS)
        case fx.SnapshotOnline(snapshot=name) | fx.SnapshotAtRest(snapshot=name):
            return st.builds(ev.Snapshotted, st.just(name), _LEDGERS, st.just(1))
        case fx.Rehearse():
            return rehearsals(effect)
        case fx.Inspect():
            return _INSPECTED
        case fx.Quarantine(snapshot=name):
            return st.just(ev.Quarantined(name))
        case fx.Bake(people) | fx.Revisit(people):
            broken = st.builds(
                ev.BakeBroken, st.sampled_from(people), st.sampled_from(Fault), _REASONS
            )
            return st.one_of(_DONE, _DONE, broken)
        case _:
            return _DONE


def best_answer(effect: fx.Effect) -> ev.Answer:
    """Answer as on a healthy night."""
    match effect:
        case fx.StageBuild(build):
            return artifact(build)
        case fx.TakeSlot():
            return ev.SlotTaken(7)
        case fx.Assess():
            return ev.Assessed(ev.Readiness.IDLE)
        case fx.VerifyPairing():
            return ev.Paired()
        case fx.SnapshotOnline(snapshot=name) | fx.SnapshotAtRest(snapshot=name):
            return ev.Snapshotted(name, L30, 1)
        case fx.Rehearse(build, subjects):
            return ev.Rehearsed(tuple(rehearsal(one.person, build) for one in subjects))
        case fx.Quarantine(snapshot=name):
            return ev.Quarantined(name)
        case fx.Inspect():
            return ev.Inspected(OLD, running=True, ledger=L30)
        case _:
            return ev.Done()


@st.composite
def plans(draw: st.DrawFn) -> ev.Plan:
    """Draw a plan of any kind; what a kind does not use is left empty, as it is in production."""
    kind = draw(st.sampled_from([ev.Kind.RUN, ev.Kind.RUN, *ev.Kind]))
    some = st.lists(st.sampled_from(PEOPLE), unique=True)
    alone, back = kind is ev.Kind.BAKE, kind is ev.Kind.BACK
    people: list[str] = [] if alone else draw(some)
    restore = draw(st.sampled_from(["", "chosen"])) if back else ""
    known: SetLedger | None = draw(st.sampled_from([None, L30, L32])) if back else None
    return ev.Plan(
        run="r1",
        kind=kind,
        candidate=NEW,
        base=OLD,
        moves=tuple(ev.MovePlan(who, OLD, NEW, restore, known) for who in people),
        attempts_max=draw(st.sampled_from([1, 1, 3])),
        on_person_failure=draw(st.sampled_from(OnPersonFailure)),
        force=back and draw(st.booleans()),
        all_people=PEOPLE,
        baking=tuple(draw(some.filter(bool))) if alone else (),
        ring=draw(st.sampled_from(["", "canary"])) if kind in {ev.Kind.RUN, ev.Kind.DRAIN} else "",
    )


@define(repr=False)
class DrawnRollout:
    """A whole rollout under drawn answers: every state, effect and answer of it."""

    rollout: Rollout
    journal: list[ev.Event]
    states: list[Rollout] = field(factory=list)
    effects: list[fx.Effect] = field(factory=list)
    answers: list[ev.Answer | None] = field(factory=list)
    crashes: int = 0

    def __repr__(self) -> str:
        """Give the end of the story alone: hypothesis warns of a text above 30,000 characters."""
        story = zip(self.effects, self.answers, strict=False)
        return "\n".join(f"{effect} -> {_brief(answer)}" for effect, answer in story)[-20_000:]

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


def _any_answer(effect: fx.Effect, happens: str) -> st.SearchStrategy[ev.Answer]:
    return _FAILED if happens == "fail" else good_answers(effect)


_HAPPENINGS = st.sampled_from([*["answer"] * 12, "fail", "fail", "crash", "stop"])
_BAD_LUCK = st.sampled_from([*["answer"] * 6, "fail", "fail", "crash"])
"""One misfortune seldom comes alone: for whoever is on the new build, or on the way back."""


def _happenings(rollout: Rollout, *, unlucky: bool) -> st.SearchStrategy[str]:
    move = rollout.current
    return (
        _BAD_LUCK if unlucky and move is not None and move.new_build_may_have_run else _HAPPENINGS
    )


def _before(effect: fx.Effect) -> bool:
    """Whether an effect is the pairing on the old build, before anything is touched."""
    return isinstance(effect, fx.VerifyPairing) and effect.build == OLD


_TURNS: list[type[fx.Effect] | None] = [
    None,
    None,
    fx.Stop,
    fx.SnapshotAtRest,
    fx.Select,
    fx.Start,
    fx.VerifyPairing,
    fx.VerifyPairing,
    fx.Bake,
    fx.Bake,
]
"""At which step of the first way forward, or at the bake after it, all begins to go wrong.

None: anywhere, or nowhere.
"""


@st.composite
def traces(draw: st.DrawFn) -> DrawnRollout:
    """Draw a plan and drive it to its end; a journal may hold up to four crashes.

    It begins with a healthy stretch, so that errors meet every step alike and not the first ones
    above all.  Eight of ten stretches end with a step of somebody's way forward that fails, or with
    a bake that does.
    """
    plan, turn = draw(plans()), draw(st.sampled_from(_TURNS))
    plan = plan if turn is None else attrs.evolve(plan, attempts_max=1)
    unlucky = draw(st.booleans())
    healthy = draw(st.integers(0, 8 + 9 * len(plan.moves))) if turn is None else 10_000
    trace = DrawnRollout(opened(plan), [ev.Opened(plan, NOW)])
    bound = 60 * (1 + len(plan.moves)) * plan.attempts_max
    for _ in range(bound * 5):
        decided = decide(trace.rollout)
        assert decide(trace.rollout) == decided, "decide is a function of the state alone"
        if isinstance(decided, ev.Ended):
            trace.take(ev.Closed(decided, NOW))
            return trace
        smooth = len(trace.effects) < healthy
        happens = "answer" if smooth else draw(_happenings(trace.rollout, unlucky=unlucky))
        if smooth and isinstance(decided, turn or ()) and not _before(decided):
            happens, healthy, smooth = "fail", 0, False
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
        answer = best_answer(decided) if smooth else draw(_any_answer(decided, happens))
        trace.answers.append(answer)
        trace.take(ev.Finished(trace.rollout.seq, answer, NOW))
    raise AssertionError(f"no end within {bound * 5} steps")


def _brief(answer: ev.Answer | None) -> str:
    match answer:
        case None:
            return "died"
        case ev.Rehearsed(rehearsals):
            return ", ".join(f"{found.subject or 'empty'}: {found.passed}" for found in rehearsals)
        case _:
            return str(answer)
