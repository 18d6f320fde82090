"""The one seam at which faults are injected: around the performer, and around the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from attrs import define

from fakes.world.core import Crash, World
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import ports
from t3safe.domain.errors import Fault, JournalError
from t3safe.engine import Performer

HANG_SECONDS = 600.0
"""How much virtual time passes before a call that hangs is given up."""


class Kind(StrEnum):
    """What goes wrong with one call."""

    FAIL_BEFORE = "fail-before"
    FAIL_AFTER = "fail-after"
    CRASH_BEFORE = "crash-before"
    CRASH_AFTER = "crash-after"
    HANG = "hang"


Schedule = Mapping[int, Kind]
"""Which call (counted from 0, over every process of the test) suffers what."""


@define
class Faulty:
    """Performs as `inner` does, but for the calls in the schedule."""

    inner: Performer
    schedule: Schedule
    world: World
    calls: int = 0

    def __call__(self, effect: fx.Effect, /) -> ev.Answer:
        """Perform, fail before or after, hang, or die."""
        kind = self.schedule.get(self.calls)
        self.calls += 1
        if kind is None:
            return self.inner(effect)
        self.world.log.append(("fault", kind, type(effect).__name__))
        match kind:
            case Kind.CRASH_BEFORE:
                raise Crash
            case Kind.FAIL_BEFORE:
                return ev.Failed(Fault.HOST, "injected")
            case Kind.HANG:
                self.world.advance(HANG_SECONDS)
                return ev.Failed(Fault.HOST, f"injected: no answer after {HANG_SECONDS:.0f} s")
            case Kind.FAIL_AFTER:
                self.inner(effect)
                return ev.Failed(Fault.HOST, "injected, though it was done")
            case Kind.CRASH_AFTER:
                self.inner(effect)
                raise Crash


@define
class FaultyJournal:
    """Writes as `inner` does, but for the calls of `append` in the schedule."""

    inner: ports.Journal
    schedule: Schedule
    world: World
    calls: int = 0

    def append(self, run: str, event: ev.Event) -> None:
        """Write, fail before or after, hang, or die."""
        kind = self.schedule.get(self.calls)
        self.calls += 1
        if kind is None:
            self.inner.append(run, event)
            return
        self.world.log.append(("fault", kind, f"journal {type(event).__name__}"))
        if kind is Kind.HANG:
            self.world.advance(HANG_SECONDS)
        if kind in {Kind.FAIL_AFTER, Kind.CRASH_AFTER}:
            self.inner.append(run, event)
        if kind in {Kind.CRASH_BEFORE, Kind.CRASH_AFTER}:
            raise Crash
        message = "cannot write to the journal: injected"
        raise JournalError(message)

    def events(self, run: str) -> tuple[ev.Event, ...]:
        """Every event of a run, in order."""
        return self.inner.events(run)

    def unfinished(self) -> str | None:
        """The run that was opened and not closed."""
        return self.inner.unfinished()

    def runs(self) -> Iterable[ports.RunRecord]:
        """Every run, newest first."""
        return self.inner.runs()
