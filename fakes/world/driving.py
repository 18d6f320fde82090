"""Driving t3safe over a world through faults to its end, judged after every step.

A process that died is followed by the next one, as a timer or a boot would start it: `recover`.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen

from fakes import invariants
from fakes.world.core import Crash, World
from fakes.world.faults import FaultyJournal, Schedule
from fakes.world.hostviews import Services
from fakes.world.wiring import NO_FAULTS, FaultyProcesses, host
from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError
from t3safe.domain.rollout import Rollout
from t3safe.engine import Limits
from t3safe.operations import Host, Result, Rules

Operation = Callable[[Host], Result | None]
"""What a process does: `Host.run`, `Host.drain`, ..."""

PROCESSES_MAX = 50
"""More processes than any schedule of faults kills."""


@define
class Watch:
    """Judges the world after every event of the journal, and keeps what it saw wrong."""

    world: World
    violations: list[str] = field(factory=list)
    events: int = 0

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:  # noqa: ARG002
        """Judge the world as it is now."""
        self.events += 1
        self.violations.extend(invariants.now(self.world))


@frozen
class Driven:
    """What came of it: the last result, every violation, and how much there was to go wrong."""

    result: Result | None
    outcome: str
    """The outcome's own word, empty where no run was opened."""
    violations: tuple[str, ...]
    processes: int
    calls: int
    """Effects performed, over all processes."""
    events: int


def drive(
    world: World,
    operation: Operation = Host.run,
    *,
    rules: Rules | None = None,
    limits: Limits | None = None,
    effects: Schedule = NO_FAULTS,
    journal: Schedule = NO_FAULTS,
    power: bool = False,
) -> Driven:
    """Run an operation to its end through these faults, recovering after every death.

    With `power` a death is a power cut of the whole host, followed by a boot: first recovery
    without serves, then every unit, then recovery.  Never raises for a fault of the schedule;
    AssertionError where it does not settle.
    """
    before, runs = invariants.remember(world), len(world.journal.written)
    watch = Watch(world)
    wrap = FaultyProcesses(world, effects)
    written = FaultyJournal(world.journal, journal, world)
    asked = [operation]
    for count in range(1, PROCESSES_MAX):
        wired = host(world, rules, limits=limits, wrap=wrap, journal=written, observer=watch)
        try:
            result = [step(wired) for step in asked][-1]
        except (Crash, JournalError):
            watch.violations.extend(invariants.now(world))
            if power:
                world.power_cut()
            asked = [_before_units, _units, Host.recover] if power else [Host.recover]
            continue
        outcome = outcome_of(result) or _outcome_since(world, runs)
        found = [*watch.violations, *invariants.end(world, before, outcome)]
        return Driven(result, outcome, tuple(dict.fromkeys(found)), count, wrap.calls, watch.events)
    message = f"did not settle within {PROCESSES_MAX} processes"
    raise AssertionError(message)


def _before_units(wired: Host) -> Result | None:
    return wired.recover(boot=True)


def _units(wired: Host) -> Result | None:
    assert isinstance(wired.perform.services, Services), "it is wired over a world"
    wired.perform.services.world.boot()
    return None


def outcome_of(result: Result | None) -> str:
    """The outcome's own word, empty where there is none."""
    return str(result.outcome) if result is not None and result.outcome is not None else ""


def _outcome_since(world: World, runs: int) -> str:
    """How a run that was opened since ended: its process died right after closing it."""
    if len(world.journal.written) == runs:
        return ""
    newest = next(iter(world.journal.runs()))
    return str(newest.ended.outcome) if newest.ended is not None else ""
