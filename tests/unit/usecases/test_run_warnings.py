"""What a run warns of beside its outcome: a stale host, long waits, an overload."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from attrs import evolve

from fakes.world import EPOCH, NEW, NEWER, OLD, Defect, World, host, small_world
from t3safe.domain import events as ev
from t3safe.domain.policy import SkipReason
from t3safe.domain.pressure import Pressure
from t3safe.usecases.host import Host, Result, Rules
from t3safe.usecases.run import candidate, drain, run
from t3safe.usecases.survey import survey
from tests.unit.usecases.runs import (
    ALWAYS,
    DAY,
    ON_NEW,
    RESTORED,
    deferred,
    plans,
    publish,
    written,
)

OVERLOAD: Final = (
    "the host is overloaded: the load average is 5.0 for each processor (`pressure.load_max` is 4)"
)


def test_a_host_is_stale_by_what_it_runs_after_the_run() -> None:
    """A promoted build is compared with the tag, not the build before it."""
    world = small_world("ann")
    promoted = run(host(world, Rules(stale_after=ALWAYS)))
    assert (promoted.outcome, promoted.warnings) == (ev.Outcome.PROMOTED, ())
    world = small_world("ann", candidate=[Defect.SHRINKS])
    refused = run(host(world, Rules(stale_after=ALWAYS)))
    assert refused.outcome is ev.Outcome.REFUSED
    assert refused.warnings == (f"STALE: {OLD} is 1 days behind {NEW}",)


def test_a_host_may_be_so_far_behind_as_the_owner_says() -> None:
    """On the last such day it is not stale; without last-good no one can tell."""
    world = small_world("ann")
    publish(world, NEWER)
    warned = {}
    for days in (1, 2):
        wired = host(world, Rules(stale_after=days * DAY))
        warned[days] = candidate(wired, survey(wired, repair=False))[1]
    assert warned == {1: (f"STALE: {OLD} is 2 days behind {NEWER}",), 2: ()}
    world.last_good = None
    wired = host(world, Rules(stale_after=ALWAYS))
    assert candidate(wired, survey(wired, repair=False))[1] == ()


def test_people_who_wait_for_too_long_are_named() -> None:
    """With the build, the day and the reason; also when the map cannot be read any more."""
    world = small_world("ann", "ben")
    written(world, deferred("ann", hours=-8 * 24))
    wired = host(world)
    seen = evolve(survey(wired, repair=False), warnings=("of the survey",))
    world.people_unknown = "the map is gone"
    text = (
        f"DEFERRED TOO LONG: ann waits for {NEW} since 2026-06-08 (ann is deferred);"
        " `t3safe drain` moves them when idle"
    )
    assert candidate(wired, seen)[1] == ("of the survey", text)
    patient = evolve(wired, rules=Rules(deferred_max=9 * DAY))
    assert candidate(patient, seen)[1] == ("of the survey",)


def test_an_overloaded_host_is_loud_once_that_lasts() -> None:
    """The other warnings stay, and the time when it began."""
    world = small_world("ann")
    world.pressure = Pressure(load=5.0)
    world.launcher_replaced = "it was replaced"
    first = run(host(world))
    began = world.clock
    assert first == Result(
        None, OVERLOAD, stayed=SkipReason.LATER, held_up=True, warnings=(RESTORED,)
    )
    assert world.held_up == began
    world.held_up = EPOCH - 4 * DAY
    world.launcher_replaced = "it was replaced"
    loud = "HOST OVERLOADED: no run could move anybody since 2026-06-12 03:00 UTC"
    assert run(host(world)) == evolve(first, warnings=(RESTORED, loud))
    assert (plans(world), world.held_up) == ([], EPOCH - 4 * DAY)


def held_up_after(world: World, operation: Callable[[Host], Result]) -> datetime | None:
    """Return since when runs are held up, after an operation on a host that was held up."""
    world.held_up = EPOCH - DAY
    assert not operation(host(world)).held_up
    return world.held_up


def test_a_hold_up_is_over_once_a_run_was_opened_or_there_is_nothing_to_do() -> None:
    """Where no one waits to be moved, a drain says nothing about it."""
    world = small_world("ann")
    operations = (drain, run, run)
    since = [held_up_after(world, operation) for operation in operations]
    assert since == [EPOCH - DAY, None, None]
    assert [plan.kind for plan in plans(world)] == [ev.Kind.RUN]
    assert run(host(world)) == Result(None, ON_NEW, stayed=SkipReason.NOTHING)
