"""The values that metrics are made from.

Rules:

1. An unreadable value is None, never a value that looks healthy.
2. Four causes hold while the newest run that can confirm or clear them confirms them: the gate is
   broken, a human is needed, a build is refused, a person was rolled back.  A deferred or
   interrupted run confirms and clears nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen

from t3safe.domain.events import Outcome
from t3safe.domain.membership import Membership
from t3safe.domain.retention import Stored
from t3safe.domain.runs import Deferral, RunRecord
from t3safe.domain.versions import Version, days_behind


@frozen
class PersonMetrics:
    """One person: their build (None while fenced or unreadable) and their snapshots.

    `fenced` and `snapshots` are None when they cannot be read.
    """

    person: str
    build: Version | None
    fenced: bool | None = False
    snapshots: tuple[Stored, ...] | None = None


@frozen
class HostMetrics:
    """The host at one moment (rule 1).

    `frozen` is why the host is frozen, empty when it is not.  `runs` are the newest runs, newest
    first, as far back as needed here.  `ends` counts runs by outcome, `verdicts` the remembered
    verdicts by ruling.  `ended` is each command with its last end, even if it did nothing.
    `problems` says what could not be read.  `fleet` is None without one.
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
    fleet: Membership | None = None

    @property
    def behind(self) -> int | None:
        """How many days last-good is behind the newest offered build; None when unknown."""
        return days_behind(self.last_good, self.newest)

    def speaking(self, outcome: Outcome) -> RunRecord | None:
        """Return the newest run that confirms this outcome; None when it is cleared (rule 2)."""
        run = next((run for run in self.runs or () if run.speaks(outcome)), None)
        ended = run.ended if run is not None else None
        return run if ended is not None and ended.outcome is outcome else None


ALERTS: Final = (
    Outcome.GATE_BROKEN,
    Outcome.NEEDS_HUMAN,
    Outcome.ROLLED_BACK,
    Outcome.REFUSED,
)
"""The outcomes of rule 2."""


def asked(newest_first: Iterable[RunRecord]) -> Iterator[RunRecord]:
    """Yield runs until each alert is confirmed or cleared, which a run that is over does."""
    open_questions = set(ALERTS)
    for run in newest_first:
        yield run
        open_questions -= {outcome for outcome in open_questions if run.speaks(outcome)}
        if not open_questions:
            return


def last_closed(runs: Iterable[RunRecord]) -> RunRecord | None:
    """Return the newest run that is over; `runs` are newest first."""
    return next((record for record in runs if record.closed is not None), None)
