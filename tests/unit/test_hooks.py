"""Hooks around the engine: what a failure keeps from happening, and what it does not."""

from __future__ import annotations

from contextlib import suppress

from attrs import define, field

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.hook_events import HookEvent, Moment
from t3safe.domain.moves import Status
from t3safe.domain.rollout import Rollout, decide, evolve, opened
from t3safe.hooks import HookCalls
from tests.property.traces import best_answer
from tests.unit.domain.plans import build_fault, plan


@define
class Outside:
    """Hooks, observer, permit and performer in one, which keeps the order of what happens.

    `failing` are moments (and people) whose hooks fail, `broken` those at which they raise;
    `answers` are given in the place of the best ones; `deaf` is an observer that always fails.
    """

    failing: tuple[tuple[Moment, str], ...] = ()
    broken: tuple[Moment, ...] = ()
    refused: str = ""
    answers: dict[fx.Effect, ev.Answer] = field(factory=dict)
    deaf: bool = False
    happened: list[str] = field(factory=list)

    def call(self, hook_event: HookEvent) -> str:
        """Be the hooks."""
        self.happened.append(
            f"{hook_event.moment} {hook_event.person} {hook_event.reason}".rstrip()
        )
        if hook_event.moment in self.broken:
            raise RuntimeError("a defect")
        return "hook failed" if (hook_event.moment, hook_event.person) in self.failing else ""

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:
        """Be the observer."""
        if self.deaf:
            raise BrokenPipeError
        self.happened.append(f"saw {type(event).__name__}")

    def may_start(self, _: ev.Plan) -> str:
        """Be the permit."""
        return self.refused

    def __call__(self, effect: fx.Effect, /) -> ev.Answer:
        """Be the performer."""
        self.happened.append(f"did {type(effect).__name__} {getattr(effect, 'person', '')}".strip())
        return self.answers.get(effect) or best_answer(effect)

    def hooked(self) -> HookCalls:
        """Give the calls of these hooks."""
        return HookCalls(self, self)


def driven(outside: Outside, of: ev.Plan) -> Rollout:
    """Drive a plan to its end, as engine and interpreter do."""
    hooked, rollout = outside.hooked(), opened(of)

    def record(event: ev.Event) -> None:
        nonlocal rollout
        before, rollout = rollout, evolve(rollout, event)
        with suppress(BrokenPipeError):
            outside.saw(before, event, rollout)
        hooked.saw(before, event, rollout)

    while not isinstance(choice := decide(rollout), ev.Ended):
        record(ev.Started(rollout.seq + 1, choice, NOW))
        why = hooked.veto() if isinstance(choice, fx.Assess) else ""
        answer = ev.Assessed(ev.Readiness.BUSY, why) if why else outside(choice)
        record(ev.Finished(rollout.seq, answer, NOW))
    record(ev.Closed(choice, NOW))
    return rollout


def statuses(rollout: Rollout) -> dict[str, Status]:
    """How everybody stands."""
    return {move.person: move.status for move in rollout.moves}


def test_a_permit_is_asked_before_the_hooks() -> None:
    """Nothing is announced that may not happen anyway."""
    outside = Outside(refused="another host moves")
    assert outside.hooked().may_start(plan("ann")) == "another host moves"
    assert outside.happened == []
    assert Outside().hooked().may_start(plan("ann")) == ""


def test_a_failing_hook_before_a_run_is_a_refused_permit_and_is_ended() -> None:
    """Rule 1; whatever the hooks before it prepared is put right by those after a run."""
    outside = Outside(failing=((Moment.BEFORE_RUN, ""),))
    assert outside.hooked().may_start(plan("ann")) == "hook failed"
    assert outside.happened == ["before-run", "after-run  hook failed"]


def test_a_check_asks_no_hook() -> None:
    """It touches nobody."""
    outside = Outside(failing=((Moment.BEFORE_RUN, ""),))
    assert outside.hooked().may_start(plan("ann", kind=ev.Kind.CHECK)) == ""
    assert outside.happened == []


def test_a_failing_hook_before_a_canary_leaves_that_person_alone() -> None:
    """Rule 2: nobody looks, fences or stops; the next person is moved."""
    outside = Outside(failing=((Moment.BEFORE_CANARY, "ann"),))
    ended = driven(outside, plan("ann", "ben"))
    assert statuses(ended) == {"ann": Status.DEFERRED, "ben": Status.MOVED}
    assert ended.moves[0].reason == "hook failed"
    assert outside.happened.count("did Assess ann") == 1, "the look before their hooks alone"
    assert "did Fence ann" not in outside.happened
    assert "after-canary ann hook failed" in outside.happened


def test_the_look_is_made_after_the_hook() -> None:
    """Rule 3."""
    outside = Outside()
    driven(outside, plan("ann"))
    here = outside.happened.index("before-canary ann")
    assert outside.happened[here : here + 4] == [
        "before-canary ann",
        "did Assess ann",
        "saw Finished",
        "saw Started",
    ]
    assert outside.happened[here + 4] == "did Fence ann"


def test_a_failing_hook_before_a_rollback_keeps_nobody() -> None:
    """Rule 4: the way back is the same, and the hooks after it are called."""
    wrong: dict[fx.Effect, ev.Answer] = {fx.Start("ann"): build_fault("it died")}
    every = tuple((moment, "ann") for moment in Moment if not moment.decides)
    calm = driven(Outside(answers=dict(wrong)), plan("ann"))
    outside = Outside(answers=dict(wrong), failing=every)
    ended = driven(outside, plan("ann"))
    assert ended == calm
    assert "before-rollback ann it died" in outside.happened


def test_a_defect_in_the_hooks_is_a_hook_that_failed() -> None:
    """An observer must not fail: somebody may be without a serve."""
    every = driven(Outside(broken=tuple(Moment)), plan("ann", "ben"))
    assert statuses(every) == {"ann": Status.DEFERRED, "ben": Status.DEFERRED}
    assert "defect in the hooks of before-canary: RuntimeError: a defect" in every.moves[0].reason
    no = Outside(broken=tuple(Moment)).hooked().may_start(plan("ann"))
    assert no == "defect in the hooks of before-run: RuntimeError: a defect"
    outside = Outside(broken=(Moment.BEFORE_ROLLBACK,))
    outside.answers[fx.Start("ann")] = build_fault("it died")
    calm = Outside(answers=dict(outside.answers))
    assert driven(outside, plan("ann")) == driven(calm, plan("ann"))
