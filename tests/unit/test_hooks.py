"""Which hooks are called around a run, with what they are told, and what their refusals do."""

from __future__ import annotations

import pytest
from attrs import define, evolve, field

from fakes.world import NEW, OLD, World, host, small_world
from t3safe.domain import events as ev
from t3safe.domain.hook_events import HookEvent, Moment
from t3safe.domain.move import Status
from t3safe.domain.policy import SkipReason
from t3safe.domain.pressure import Pressure
from t3safe.domain.rollout_state import Rollout
from t3safe.hooks import HookCalls
from t3safe.usecases.host import Result
from t3safe.usecases.run import run
from tests.unit.usecases.hosts import OwnerHooks

Seen = tuple[Rollout | None, ev.Event, Rollout]

BEFORE_RUN = HookEvent(Moment.BEFORE_RUN, "r001", old=OLD.text, new=NEW.text)
MOVES = (ev.MovePlan("ann", OLD, NEW),)
PLAN = ev.Plan("r001", ev.Kind.RUN, NEW, OLD, MOVES)


@define
class Watch:
    """Keeps what an observer is shown."""

    seen: list[Seen] = field(factory=list)

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:
        """See an event."""
        self.seen.append((before, event, after))


def night() -> list[Seen]:
    """Return what an observer sees of a night on which ann is moved."""
    watch = Watch()
    assert run(host(small_world("ann"), observer=watch)).outcome is ev.Outcome.PROMOTED
    return watch.seen


def shown(calls: HookCalls, seen: list[Seen], up_to: Moment, hooks: OwnerHooks) -> None:
    """Show the calls a night, until the hooks of this moment were called."""
    for before, event, after in seen:
        calls.saw(before, event, after)
        if hooks.called and hooks.called[-1].moment is up_to:
            return
    raise AssertionError(f"{up_to} never came")


# Before a run.


def test_hooks_that_succeed_let_the_run_start() -> None:
    """They are told of the run and its two builds."""
    hooks = OwnerHooks()
    assert HookCalls(hooks).may_open(PLAN) == ""
    assert hooks.called == [BEFORE_RUN]


def test_a_hook_that_fails_refuses_the_run() -> None:
    """The hooks after a run learn why, because those before it were called."""
    hooks = OwnerHooks({Moment.BEFORE_RUN: "a backup is at work"})
    assert HookCalls(hooks).may_open(PLAN) == "a backup is at work"
    ended = evolve(
        BEFORE_RUN, moment=Moment.AFTER_RUN, outcome="later", reason="a backup is at work"
    )
    assert hooks.called == [BEFORE_RUN, ended]


@pytest.mark.parametrize("kind", [ev.Kind.CHECK, ev.Kind.BACK])
def test_a_check_and_a_rollback_have_no_hooks_before_them(kind: ev.Kind) -> None:
    """Nothing can refuse them."""
    hooks = OwnerHooks({Moment.BEFORE_RUN: "no"})
    plan = evolve(PLAN, kind=kind)
    assert HookCalls(hooks).may_open(plan) == ""
    assert hooks.called == []


def test_hooks_that_raise_refuse_the_run_with_the_defect() -> None:
    """The reason names the moment, the kind of the error and its text."""
    hooks = OwnerHooks(raises=ValueError("not a number"))
    assert HookCalls(hooks).may_open(PLAN) == (
        "defect in the hooks of before-run: ValueError: not a number"
    )


# During a run.


def test_each_hook_of_a_night_is_told_what_happens() -> None:
    """Before and after the run, and around the move of each person."""
    hooks = OwnerHooks()
    world = small_world("ann")
    world.owner_hooks = hooks
    result = run(host(world))
    assert result.outcome is ev.Outcome.PROMOTED
    before = HookEvent(Moment.BEFORE_CANARY, "r001", "ann", OLD.text, NEW.text)
    assert hooks.called == [
        BEFORE_RUN,
        before,
        evolve(before, moment=Moment.AFTER_CANARY, outcome=Status.MOVED.value),
        evolve(
            BEFORE_RUN,
            moment=Moment.AFTER_RUN,
            outcome="promoted",
            reason=result.reason,
        ),
    ]


def test_a_failing_hook_keeps_one_person_as_they_are() -> None:
    """They are deferred with the hook's reason; their serve runs on."""
    world = small_world("ann")
    pid = world.people["ann"].pid
    world.owner_hooks = OwnerHooks({Moment.BEFORE_CANARY: "ann holds a talk"})
    result = run(host(world))
    assert result.rollout is not None
    (move,) = result.rollout.moves
    assert (move.status, "ann holds a talk" in move.reason) == (Status.DEFERRED, True)
    assert (world.people["ann"].link, world.people["ann"].pid) == (OLD, pid)


def test_a_refusal_is_told_once() -> None:
    """The next person is asked for anew; a hook of another moment refuses nobody."""
    failing = {Moment.BEFORE_CANARY: "not now", Moment.AFTER_CANARY: "the mail is down"}
    hooks = OwnerHooks(dict(failing))
    calls, seen = HookCalls(hooks), night()
    assert calls.veto() == ""
    shown(calls, seen, Moment.BEFORE_CANARY, hooks)
    assert [calls.veto(), calls.veto()] == ["not now", ""]
    hooks.called.clear()
    shown(calls, seen, Moment.AFTER_CANARY, hooks)
    assert calls.veto() == "not now"
    del hooks.fails[Moment.BEFORE_CANARY]
    hooks.called.clear()
    shown(calls, seen, Moment.AFTER_CANARY, hooks)
    assert calls.veto() == ""


def test_an_overloaded_host_refuses_the_next_person_after_the_hook() -> None:
    """The hook's own reason goes first, and no hook of another moment asks for the load."""
    asked: list[Moment] = []
    hooks = OwnerHooks()

    def overloaded() -> str:
        asked.append(hooks.called[-1].moment)
        return "the host is overloaded"

    calls, seen = HookCalls(hooks, overloaded), night()
    shown(calls, seen, Moment.AFTER_RUN, hooks)
    assert calls.veto() == "the host is overloaded"
    assert asked == [Moment.BEFORE_CANARY]
    hooks.fails[Moment.BEFORE_CANARY] = "not now"
    shown(calls, seen, Moment.BEFORE_CANARY, hooks)
    assert calls.veto() == "not now"
    assert asked == [Moment.BEFORE_CANARY]


def test_a_host_that_is_overloaded_by_now_moves_no_further_person() -> None:
    """The first was moved; the second stays, deferred with the load as the reason."""
    world = small_world("ann", "ben")

    def work(hook_event: HookEvent) -> None:
        if (hook_event.moment, hook_event.person) == (Moment.BEFORE_CANARY, "ben"):
            world.pressure = Pressure(load=5.0)

    world.owner_hooks = OwnerHooks(does=work)
    result = run(host(world))
    assert result.rollout is not None
    statuses = {move.person: move.status for move in result.rollout.moves}
    assert statuses == {"ann": Status.MOVED, "ben": Status.DEFERRED}
    assert "the load average is 5.0" in result.rollout.moves[1].reason
    assert world.people["ben"].link == OLD


def test_a_run_that_its_hooks_refuse_is_later() -> None:
    """No run is opened, and no one is touched."""
    world: World = small_world("ann")
    world.owner_hooks = OwnerHooks({Moment.BEFORE_RUN: "a backup is at work"})
    assert run(host(world)) == Result(None, "a backup is at work", stayed=SkipReason.LATER)
    assert (world.journal.written, world.people["ann"].link) == ({}, OLD)
