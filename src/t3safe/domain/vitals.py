"""How the host stands, as values: what metrics are made from.

Rules:

1. What could not be read is None, never a value that says all is well.
2. The gate is broken, a person is needed, a build is refused or somebody was rolled back for as
   long as the newest run says so that speaks of it.  One that was put off or cut off is silent.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from t3safe.domain.events import Kind, Outcome
from t3safe.domain.ports import RunRecord
from t3safe.domain.retention import Stored
from t3safe.domain.versions import Version, days_behind

_SILENT: Final = frozenset({Outcome.LATER, Outcome.INTERRUPTED, Outcome.DEFERRED})
"""Ends that tell nothing new of the gate or of anybody."""


@frozen
class Deferral:
    """A person who waits to be moved, to which build, since when (UTC), and why."""

    person: str
    build: Version
    since: datetime
    reason: str


def overdue(waiting: Iterable[Deferral], now: datetime, limit: timedelta) -> tuple[Deferral, ...]:
    """Give those who wait for longer than the limit."""
    return tuple(item for item in waiting if now - item.since > limit)


@frozen
class PersonVitals:
    """One person: what they run (None while fenced or where it cannot be read), and what is kept.

    `fenced` and `snapshots` are None where they cannot be read.
    """

    person: str
    build: Version | None
    fenced: bool | None = False
    snapshots: tuple[Stored, ...] | None = None


@frozen
class Vitals:
    """The host at one moment (rule 1).

    `frozen` is why the host is frozen, empty when it is not.  `runs` are all runs that the journal
    keeps, newest first; `pruned` is how many others ended in each way.
    `verdicts` counts what is remembered of builds by ruling.  `ended` is each command with when it
    ended last, also where it did nothing.  `problems` says what could not be read.
    """

    at: datetime
    people: tuple[PersonVitals, ...] = ()
    frozen: str | None = None
    newest: Version | None = None
    last_good: Version | None = None
    default: Version | None = None
    stale_after: timedelta = timedelta(days=14)
    deferred_max: timedelta = timedelta(days=7)
    runs: tuple[RunRecord, ...] | None = None
    pruned: tuple[tuple[str, int], ...] = ()
    waiting: tuple[Deferral, ...] | None = None
    verdicts: tuple[tuple[str, int], ...] = ()
    ended: tuple[tuple[str, datetime], ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def behind(self) -> int | None:
        """How many days last-good is behind the newest build on offer; None where nobody knows."""
        return days_behind(self.last_good, self.newest)

    def speaking(self, outcome: Outcome) -> RunRecord | None:
        """The newest run that speaks of such an end, where it ended so (rule 2)."""
        for record in self.runs or ():
            if record.ended is not None and speaks(record, outcome):
                return record if record.ended.outcome is outcome else None
        return None

    def count(self) -> dict[Outcome, int]:
        """How many runs ended in each way."""
        ended = [record.ended.outcome for record in self.runs or () if record.ended is not None]
        gone = dict(self.pruned)
        return {outcome: ended.count(outcome) + gone.get(outcome, 0) for outcome in Outcome}


def speaks(record: RunRecord, outcome: Outcome) -> bool:
    """Whether such a run can say that this no longer holds, or that it does."""
    assert record.ended is not None, "asked of runs that are over"
    if record.ended.outcome in _SILENT:
        return False
    if outcome in {Outcome.GATE_BROKEN, Outcome.REFUSED}:
        return record.plan.kind in {Kind.RUN, Kind.DRAIN, Kind.CHECK}
    return record.plan.kind is not Kind.CHECK and record.ended.outcome not in _UNTOUCHED


_UNTOUCHED: Final = frozenset({Outcome.REFUSED, Outcome.GATE_BROKEN})
"""Ends of a run that came to nobody: they settle nothing for whoever needs a person."""


def last_closed(runs: Iterable[RunRecord]) -> RunRecord | None:
    """The newest run that is over; `runs` are newest first."""
    return next((record for record in runs if record.closed is not None), None)
