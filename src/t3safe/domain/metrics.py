"""How the host stands, as values: what metrics are made from.

Rules:

1. What could not be read is None, never a value that says all is well.
2. The gate is broken, a person is needed, a build is refused or somebody was rolled back for as
   long as the newest run says so that speaks of it.  One that was put off or cut off is silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen

from t3safe.domain.events import Outcome
from t3safe.domain.retention import Stored
from t3safe.domain.runs import Deferral, RunRecord
from t3safe.domain.versions import Version, days_behind


@frozen
class PersonMetrics:
    """One person: what they run (None while fenced or where it cannot be read), and what is kept.

    `fenced` and `snapshots` are None where they cannot be read.
    """

    person: str
    build: Version | None
    fenced: bool | None = False
    snapshots: tuple[Stored, ...] | None = None


@frozen
class HostMetrics:
    """The host at one moment (rule 1).

    `frozen` is why the host is frozen, empty when it is not.  `runs` are the newest runs, newest
    first, as far back as is asked here; `ends` is how many runs ended in each way.
    `verdicts` counts what is remembered of builds by ruling.  `ended` is each command with when it
    ended last, also where it did nothing.  `problems` says what could not be read.
    """

    at: datetime
    people: tuple[PersonMetrics, ...] = ()
    frozen: str | None = None
    newest: Version | None = None
    last_good: Version | None = None
    default: Version | None = None
    stale_after: timedelta = timedelta(days=14)
    deferred_max: timedelta = timedelta(days=7)
    runs: tuple[RunRecord, ...] | None = None
    ends: Mapping[Outcome, int] = field(factory=dict)
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
        run = next((run for run in self.runs or () if run.speaks(outcome)), None)
        ended = run.ended if run is not None else None
        return run if ended is not None and ended.outcome is outcome else None


ALERTS: Final = (
    Outcome.GATE_BROKEN,
    Outcome.NEEDS_HUMAN,
    Outcome.ROLLED_BACK,
    Outcome.REFUSED,
)
"""Ends that are told for as long as the newest run that speaks of them says so."""


def asked(newest_first: Iterable[RunRecord]) -> Iterator[RunRecord]:
    """Give runs until one is over and each alert has been spoken of."""
    open_questions, over = set(ALERTS), False
    for run in newest_first:
        yield run
        over = over or run.closed is not None
        open_questions -= {outcome for outcome in open_questions if run.speaks(outcome)}
        if over and not open_questions:
            return


def last_closed(runs: Iterable[RunRecord]) -> RunRecord | None:
    """The newest run that is over; `runs` are newest first."""
    return next((record for record in runs if record.closed is not None), None)
