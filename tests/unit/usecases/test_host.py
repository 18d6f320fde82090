"""How a host is wired, how a plan starts and resumes, and what is read of the journal for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from attrs import define, evolve, field

from fakes.world import EPOCH, NEW, NEWER, OLD, World, host, ports_of, small_world
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError
from t3safe.domain.hook_events import Moment
from t3safe.domain.move import Status
from t3safe.domain.policy import Skip, SkipReason
from t3safe.domain.pressure import Pressure
from t3safe.engine import Engine, Performer, rollout_of
from t3safe.interpreter import Interpreter, Limits
from t3safe.loadguard import LoadGuard
from t3safe.person import IdleCheck
from t3safe.usecases.host import (
    Host,
    Result,
    Rules,
    holding,
    left_in_a_run,
    resume,
    start,
    unwell,
    wired,
)
from tests.unit.usecases.hosts import NotedPermit, OwnerHooks, WrittenRuns, record

OVERLOAD = (
    "the host is overloaded: the load average is 5.0 for each processor (`pressure.load_max` is 4)"
)


def plan_for(world: World, *, kind: ev.Kind = ev.Kind.RUN) -> ev.Plan:
    """Plan a move of all people of the world to NEW."""
    people = tuple(world.people)
    moves = tuple(ev.MovePlan(person, OLD, NEW) for person in people)
    return ev.Plan("r001", kind, NEW, OLD, moves, all_people=people)


def everything(_: fx.Effect) -> bool:
    """Let each effect wait."""
    return True


def pruning(effect: fx.Effect) -> bool:
    """Let the last effect of a run wait."""
    return isinstance(effect, fx.Prune)


def asking(world: World, permit: NotedPermit) -> Host:
    """Wire the world to this permit."""
    found = host(world)
    return evolve(found, ports=evolve(found.ports, permit=permit))


# The wiring.


def test_what_a_process_gives_reaches_the_part_that_uses_it() -> None:
    """The engine drives what wraps the interpreter; both learn of a stop; the rest is kept."""
    world = small_world("ann")
    ports, rules, limits = ports_of(world), Rules(bake=7.0), Limits(timedelta(minutes=3), 2)
    inner: list[Performer] = []

    def performs(_: fx.Effect, /) -> ev.Answer:
        return ev.Done()

    def wrap(performer: Performer) -> Performer:
        inner.append(performer)
        return performs

    def stop() -> bool:
        return False

    def may_open(_: ev.Plan) -> str:
        return "not this one"

    def veto() -> str:
        return "not now"

    def name(_: datetime) -> str:
        return "r007"

    def pause(_: float) -> None:
        pass

    class Watches:
        def saw(self, *_: object) -> None:
            """See an event."""

    watches = (Watches(),)
    guard = LoadGuard(loud_after=timedelta(days=1))
    found = wired(
        ports,
        rules,
        name,
        limits=limits,
        guard=guard,
        observers=watches,
        stop=stop,
        pause=pause,
        may_open=may_open,
        veto=veto,
        wrap=wrap,
    )
    idle = IdleCheck(ports, timedelta(minutes=3), pause)
    engine = Engine(performs, ports.journal, ports.clock, watches, stop)
    assert found == Host(ports, engine, idle, limits, rules, name, guard, may_open)
    assert inner == [Interpreter(ports, idle, limits, stop, veto)]


# Starting and resuming.


def test_an_overloaded_host_opens_no_run_and_asks_no_permit() -> None:
    """The result says that the host holds it up."""
    world, permit = small_world("ann"), NotedPermit()
    world.pressure = Pressure(load=5.0)
    assert start(asking(world, permit), plan_for(world)) == Result(
        None, OVERLOAD, stayed=SkipReason.LATER, held_up=True
    )
    assert (permit.plans, world.journal.written) == ([], {})


def test_a_rollback_starts_on_an_overloaded_host() -> None:
    """Only what a timer starts is held up."""
    world = small_world("ann")
    world.pressure = Pressure(load=5.0)
    result = start(host(world), plan_for(world, kind=ev.Kind.BACK), everything)
    assert result.run == "r001"


def test_a_permit_that_refuses_a_plan_opens_no_run() -> None:
    """The permit is asked about the whole plan, and its reason is the result's."""
    no = Skip(SkipReason.REFUSED, "it failed on another host", known=True)
    world, permit = small_world("ann"), NotedPermit(says=no)
    plan = plan_for(world)
    assert start(asking(world, permit), plan) == Result(
        None, no.reason, stayed=SkipReason.REFUSED, known=True
    )
    assert (permit.plans, world.journal.written) == ([plan], {})


def test_the_permit_is_asked_before_any_hook() -> None:
    """Nothing is announced that may not happen anyway."""
    world, hooks = small_world("ann"), OwnerHooks()
    world.owner_hooks = hooks
    permit = NotedPermit(says=Skip(SkipReason.LATER, "another host moves now"))
    assert start(asking(world, permit), plan_for(world)).reason == "another host moves now"
    assert hooks.called == []


def test_a_hook_that_refuses_opens_no_run() -> None:
    """The result is later, with what the hook said."""
    world = small_world("ann")
    world.owner_hooks = OwnerHooks({Moment.BEFORE_RUN: "a backup is at work"})
    permit = NotedPermit()
    plan = plan_for(world)
    assert start(asking(world, permit), plan) == Result(
        None, "a backup is at work", stayed=SkipReason.LATER
    )
    assert (permit.plans, world.journal.written) == ([plan], {})


@pytest.mark.parametrize("waits", [everything, pruning])
def test_a_run_that_waits_stays_open(waits: Callable[[fx.Effect], bool]) -> None:
    """Also one of which only the last effect is left, so that its end is decided already."""
    world = small_world("ann")
    result = start(host(world), plan_for(world), waits)
    rollout = rollout_of(world.journal.events("r001"))
    assert result == Result(None, "waits until the serves are up", run="r001", rollout=rollout)
    assert (rollout.ending is not None) is (waits is pruning)
    assert world.journal.unfinished() == "r001"


def test_an_open_run_is_resumed_up_to_what_waits_and_then_to_its_end() -> None:
    """A run that touched no one ends as interrupted; without one there is nothing to resume."""
    world = small_world("ann")
    assert resume(host(world)) is None
    start(host(world), plan_for(world), everything)
    waiting = resume(host(world), everything)
    rollout = rollout_of(world.journal.events("r001"))
    assert waiting == Result(None, "waits until the serves are up", run="r001", rollout=rollout)
    assert world.people["ann"].link == OLD
    ended = resume(host(world))
    rollout = rollout_of(world.journal.events("r001"))
    assert rollout.ending is not None
    assert ended == Result(
        ev.Outcome.INTERRUPTED, rollout.ending.reason, run="r001", rollout=rollout
    )
    assert resume(host(world)) is None


@pytest.mark.parametrize("outcome", [None, *ev.Outcome])
def test_no_run_begins_after_a_bad_end_or_one_that_waits(outcome: ev.Outcome | None) -> None:
    """Rolled back and needs human are bad; all other ends let the next run begin."""
    result = Result(outcome, "because")
    bad = {None, ev.Outcome.ROLLED_BACK, ev.Outcome.NEEDS_HUMAN}
    assert unwell(result) == (result if outcome in bad else None)
    assert unwell(None) is None


# Pruning the journal.


@define(eq=False)
class PrunedRuns(WrittenRuns):
    """Written runs that know up to when they were pruned; it fails where a reason is given."""

    pruned: list[datetime] = field(factory=list)
    prune_fails: str = ""

    def prune(self, before: datetime) -> None:
        """Remember the time."""
        self.pruned.append(before)
        if self.prune_fails:
            raise JournalError(self.prune_fails)


def old_runs(count: int, prune_fails: str = "") -> PrunedRuns:
    """Write so many runs, one a day, the newest at the epoch."""
    records = tuple(record(f"old{days}", hours=-24 * days) for days in range(count))
    return PrunedRuns(records=records, prune_fails=prune_fails)


@pytest.mark.parametrize("prune_fails", ["", "the disk is full"])
def test_a_run_that_ended_prunes_what_is_old_before_the_runs_that_are_needed(
    prune_fails: str,
) -> None:
    """By the owner's age, back from the 30th newest; a failure leaves the result as it is."""
    world = small_world("ann")
    world.journal = journal = old_runs(35, prune_fails)
    rules = Rules(journal_keep=timedelta(days=3))
    result = start(host(world, rules), plan_for(world))
    assert result.outcome is ev.Outcome.PROMOTED
    assert journal.pruned == [EPOCH - timedelta(days=29 + 3)]


def test_too_few_runs_or_a_run_that_waits_prune_nothing() -> None:
    """Nothing is old while every run is needed, and nothing is pruned before a run is over."""
    world = small_world("ann")
    world.journal = few = old_runs(29)
    assert start(host(world), plan_for(world)).outcome is ev.Outcome.PROMOTED
    assert few.pruned == []
    world = small_world("ann")
    world.journal = many = old_runs(35)
    assert start(host(world), plan_for(world), everything).outcome is None
    assert many.pruned == []


# What is read.


def test_a_frozen_host_holds_at_last_good() -> None:
    """Without a last-good build it holds at what each person runs."""
    world = small_world("ann")
    assert holding(host(world)) == OLD.text
    world.last_good = None
    assert holding(host(world)) == "the present builds"


def test_the_newest_move_that_began_says_what_it_left_a_person_on() -> None:
    """A move that never began is passed over, and so is that of another person."""
    world = small_world("ann", "ben", "eva")
    waited = record("r3", ("ann", Status.WAITING), ("ben", Status.MOVED))
    moved = record("r2", ("ann", Status.MOVED), ("ben", Status.MOVED))
    older = record("r1", ("ann", Status.MOVED))
    ran = {"r3": NEWER, "r2": NEW, "r1": OLD}
    world.journal = WrittenRuns(
        records=tuple(
            evolve(run, moves=tuple(evolve(move, ran=ran[run.run]) for move in run.moves))
            for run in (waited, moved, older)
        )
    )
    wired_host = host(world)
    found = [left_in_a_run(wired_host, person) for person in ("ann", "ben", "eva")]
    assert found == [NEW, NEWER, None]
