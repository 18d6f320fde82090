"""When hooks are called: one example for each way that something begins and ends."""

from __future__ import annotations

import pytest

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.hook_events import (
    HookEvent,
    Moment,
    hook_events,
    not_opened,
    one_line,
    opening,
)
from t3safe.domain.rollout import Rollout, decide, evolve, opened
from tests.property.traces import best_answer
from tests.unit.domain.plans import IDLE, L30, L32, NEW, OLD, build_fault, plan

Called = tuple[str, str, str]


class OccasionsSeen:
    """Drives a rollout, and keeps the moment, person and outcome of each hook event."""

    def __init__(self, of: ev.Plan) -> None:
        self.rollout: Rollout = opened(of)
        self.called: list[Called] = []
        self.last: list[HookEvent] = []

    def take(self, event: ev.Event) -> None:
        """Let one event happen."""
        before, self.rollout = self.rollout, evolve(self.rollout, event)
        self.last = list(hook_events(before, event, self.rollout))
        self.called += [(one.moment.value, one.person, one.outcome) for one in self.last]

    def start(self) -> fx.Effect:
        """Journal the intent of the next effect."""
        effect = decide(self.rollout)
        assert not isinstance(effect, ev.Ended)
        self.take(ev.Started(self.rollout.seq + 1, effect, NOW))
        return effect

    def answer(self, answer: ev.Answer) -> None:
        """Answer the effect under way."""
        self.take(ev.Finished(self.rollout.seq, answer, NOW))

    def until(self, kind: type[fx.Effect], *, times: int = 1) -> None:
        """Answer well until such an effect comes up for so many times; it is not started."""
        while True:
            choice = decide(self.rollout)
            assert not isinstance(choice, ev.Ended)
            times -= isinstance(choice, kind)
            if times == 0:
                return
            self.answer(best_answer(self.start()))

    def end(self) -> list[Called]:
        """Answer well to the end."""
        while not isinstance(choice := decide(self.rollout), ev.Ended):
            self.answer(best_answer(self.start()))
        self.take(ev.Closed(choice, NOW))
        return self.called


def test_a_healthy_night_has_a_before_and_an_after_for_each_person_and_the_run() -> None:
    """One person after the other; the run's own end comes last."""
    assert OccasionsSeen(plan("ann", "ben")).end() == [
        ("before-canary", "ann", ""),
        ("after-canary", "ann", "moved"),
        ("before-canary", "ben", ""),
        ("after-canary", "ben", "moved"),
        ("after-run", "", "promoted"),
    ]


def test_the_hooks_before_a_canary_come_before_the_last_look_and_once() -> None:
    """Rule 1: with its intent, not with its answer, and not again when the look is tried again."""
    told = OccasionsSeen(plan("ann", attempts_max=2))
    told.until(fx.Assess, times=2)
    assert told.called == []
    assert told.start() == fx.Assess("ann")
    assert told.called == [("before-canary", "ann", "")]
    told.answer(ev.Failed(Fault.HOST, "no"))
    told.start()
    told.answer(IDLE)
    assert told.start() == fx.Fence("ann")
    assert told.called == [("before-canary", "ann", "")]


@pytest.mark.parametrize("happens", ["busy", "stop", "crash"])
def test_whoever_stays_after_their_hooks_were_called_is_told_of(happens: str) -> None:
    """Rule 3: work that began meanwhile, and a process that died, end what was begun."""
    told = OccasionsSeen(plan("ann"))
    told.until(fx.Assess, times=2)
    if happens == "stop":
        told.take(ev.StopAsked(NOW))
        assert told.end() == [("after-run", "", "interrupted")], "nothing was begun for anybody"
        return
    told.start()
    if happens == "busy":
        told.answer(ev.Assessed(ev.Readiness.BUSY, "at work"))
        assert [one.reason for one in told.last] == ["at work"]
    else:
        told.take(ev.Resumed(NOW))
    assert told.end()[:2] == [("before-canary", "ann", ""), ("after-canary", "ann", "deferred")]


def test_a_stop_between_two_tries_of_the_look_ends_what_was_begun() -> None:
    """Rule 3: the hooks were called though nothing is under way."""
    told = OccasionsSeen(plan("ann", attempts_max=3))
    told.until(fx.Assess, times=2)
    told.start()
    told.answer(ev.Failed(Fault.HOST, "no"))
    told.take(ev.StopAsked(NOW))
    assert told.called == [("before-canary", "ann", ""), ("after-canary", "ann", "deferred")]


def test_a_stop_between_the_look_and_the_fence_ends_what_was_begun() -> None:
    """Rule 3: nobody was touched, but the hooks were called."""
    told = OccasionsSeen(plan("ann"))
    told.until(fx.Fence)
    told.take(ev.StopAsked(NOW))
    assert told.called == [("before-canary", "ann", ""), ("after-canary", "ann", "deferred")]


def test_whoever_is_busy_at_the_first_look_has_no_hooks() -> None:
    """Nothing was to happen to them."""
    told = OccasionsSeen(plan("ann"))
    told.until(fx.Assess)
    told.start()
    told.answer(ev.Assessed(ev.Readiness.BUSY, "at work"))
    assert told.end() == [("after-run", "", "deferred")]


def test_a_build_that_fails_has_the_way_back_inside_of_the_canary() -> None:
    """Rule 2: the way back leads from the new build to the old, and tells why."""
    told = OccasionsSeen(plan("ann"))
    told.until(fx.Start)
    told.start()
    told.answer(build_fault("it died"))
    assert told.last == [
        HookEvent(Moment.BEFORE_ROLLBACK, "r1", "ann", NEW.text, OLD.text, "", "it died")
    ]
    assert told.end() == [
        ("before-canary", "ann", ""),
        ("before-rollback", "ann", ""),
        ("after-rollback", "ann", "rolled-back"),
        ("after-canary", "ann", "rolled-back"),
        ("after-run", "", "rolled-back"),
    ]


def test_whoever_is_taken_back_during_the_bake_is_told_of_again() -> None:
    """Rule 3: that they were moved is no longer true."""
    told = OccasionsSeen(plan("ann"))
    told.until(fx.Bake)
    told.start()
    told.answer(ev.BakeBroken("ann", Fault.BUILD, "it died"))
    assert told.end()[1:5] == [
        ("after-canary", "ann", "moved"),
        ("before-rollback", "ann", ""),
        ("after-rollback", "ann", "rolled-back"),
        ("after-canary", "ann", "rolled-back"),
    ]


def test_a_move_that_is_given_up_is_no_rollback_unless_that_fails_too() -> None:
    """Nothing is restored; the last resort is a way back."""
    told = OccasionsSeen(plan("ann"))
    told.until(fx.SnapshotAtRest)
    told.start()
    told.answer(build_fault("no room"))
    assert told.last == []
    told.start()
    told.answer(build_fault("no link"))
    assert [one.moment for one in told.last] == [Moment.BEFORE_ROLLBACK]
    assert told.end()[1:4] == [
        ("before-rollback", "ann", ""),
        ("after-rollback", "ann", "needs-human"),
        ("after-canary", "ann", "needs-human"),
    ]


def test_a_way_back_that_a_crash_makes_needless_ends_with_the_look() -> None:
    """Rule 2: whoever is found on the new build is verified there, and moved after all."""
    told = OccasionsSeen(plan("ann"))
    told.until(fx.Start)
    told.start()
    told.answer(build_fault("it died"))
    told.start()
    told.take(ev.Resumed(NOW))
    assert told.start() == fx.Inspect("ann")
    told.answer(ev.Inspected(NEW, running=True, ledger=L32))
    assert told.end()[1:4] == [
        ("before-rollback", "ann", ""),
        ("after-rollback", "ann", "forward"),
        ("after-canary", "ann", "moved"),
    ]


@pytest.mark.parametrize("force", [True, False])
def test_going_back_on_purpose_has_hooks_of_a_rollback_alone(force: bool) -> None:
    """Rules 1 and 2: called before the look where there is one, else before the fence."""
    told = OccasionsSeen(plan("ann", kind=ev.Kind.BACK, restore="chosen", knows=L30, force=force))
    first = told.start()
    assert isinstance(first, fx.Fence if force else fx.Assess)
    (before,) = told.last
    assert (before.moment, before.old, before.new) == (
        Moment.BEFORE_ROLLBACK,
        OLD.text,
        NEW.text,
    )
    told.answer(best_answer(first))
    assert told.end() == [("before-rollback", "ann", ""), ("after-rollback", "ann", "moved")]


def test_a_failed_way_back_on_purpose_calls_its_hooks_once() -> None:
    """Rule 2: that it turns round is part of the same way back."""
    told = OccasionsSeen(plan("ann", kind=ev.Kind.BACK, restore="chosen", knows=L30))
    told.until(fx.Start)
    told.start()
    told.answer(build_fault("it died"))
    assert told.end() == [("before-rollback", "ann", ""), ("after-rollback", "ann", "rolled-back")]


def test_a_check_has_no_occasions() -> None:
    """Rule 4."""
    check = plan("ann", kind=ev.Kind.CHECK)
    assert OccasionsSeen(check).end() == []
    assert opening(check) is None
    assert hook_events(None, ev.Opened(plan("ann"), NOW), opened(plan("ann"))) == ()


def test_a_run_that_its_hooks_stop_ends_what_they_began() -> None:
    """Rule 3, where nothing was journaled."""
    before = opening(plan("ann"))
    assert before == HookEvent(Moment.BEFORE_RUN, "r1", old=OLD.text, new=NEW.text)
    ended = not_opened(before, "no backup")
    assert ended.environment() == {
        "T3SAFE_EVENT": "after-run",
        "T3SAFE_RUN": "r1",
        "T3SAFE_PERSON": "",
        "T3SAFE_FROM": OLD.text,
        "T3SAFE_TO": NEW.text,
        "T3SAFE_OUTCOME": "later",
        "T3SAFE_REASON": "no backup",
    }


def test_only_the_hooks_before_a_run_and_a_canary_may_say_no() -> None:
    """Rule 5; and what follows from a failure is said for each moment."""
    assert [moment for moment in Moment if moment.decides] == [
        Moment.BEFORE_RUN,
        Moment.BEFORE_CANARY,
    ]
    said = {moment: HookEvent(moment, "r1", "ann").consequence() for moment in Moment}
    assert "does not start" in said[Moment.BEFORE_RUN]
    assert said[Moment.BEFORE_CANARY].startswith("ann stays as they are")
    assert said[Moment.BEFORE_ROLLBACK] == "ann gets the rollback anyway"
    assert said[Moment.AFTER_ROLLBACK] == "nothing else depends on it"


def test_a_reason_reaches_a_hook_as_one_short_line_without_secrets() -> None:
    """A reason comes from outside: no line end, no escape, no token, no endless text."""
    reason = "it said\n\x1b[2Jtoken=abcdef0123456789\x00 " + "x " * 5000
    told = HookEvent(Moment.AFTER_RUN, "r1", reason=reason).environment()["T3SAFE_REASON"]
    assert told.startswith("it said [2Jtoken=[redacted] x x")
    assert len(told) == 1000
    assert one_line("a\tb\r\n c") == "a b c"
