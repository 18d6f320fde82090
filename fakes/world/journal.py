"""A journal in memory that keeps its promise: what was appended is there, whoever dies next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from attrs import define, field

from t3safe.domain import events as ev
from t3safe.domain import ports
from t3safe.domain.errors import JournalError


@define
class MemoryJournal:
    """Runs and their events; `broken` makes every call fail with that reason."""

    written: dict[str, list[ev.Event]] = field(factory=dict)
    broken: str = ""
    kept: ports.Summary | None = None
    held: ports.Anchor | None = None

    def become(self, other: MemoryJournal) -> None:
        """Hold what the other one holds; the events are shared, being values."""
        self.written = {run: list(events) for run, events in other.written.items()}
        self.broken, self.kept, self.held = other.broken, other.kept, other.held

    def append(self, run: str, event: ev.Event) -> None:
        """Write one event of a run."""
        self._usable()
        known = self.written.get(run)
        if known is None:
            if not isinstance(event, ev.Opened):
                message = f"cannot write to run {run}: it was never opened"
                raise JournalError(message)
            self.written[run] = [event]
            return
        known.append(event)

    def events(self, run: str) -> tuple[ev.Event, ...]:
        """Every event of a run, in order."""
        self._usable()
        return tuple(self.written.get(run, ()))

    def unfinished(self) -> str | None:
        """The run that was opened and not closed."""
        self._usable()
        for run, events in self.written.items():
            if not isinstance(events[-1], ev.Closed):
                return run
        return None

    def runs(self) -> Iterable[ports.RunRecord]:
        """Every run, newest first."""
        self._usable()
        return (_record(events) for events in reversed(self.written.values()))

    def summary(self) -> ports.Summary | None:
        """The summary that was kept last."""
        self._usable()
        return self.kept

    def keep(self, summary: ports.Summary) -> None:
        """Keep a summary."""
        self._usable()
        self.kept = summary

    def anchor(self) -> ports.Anchor | None:
        """What is held of runs that were thrown away."""
        self._usable()
        return self.held

    def prune(self, runs: tuple[str, ...], until: datetime, summary: ports.Summary) -> None:
        """Throw runs away, all or none; the digest is left to the real one."""
        self._usable()
        known, gone = self.held, [self.written[run] for run in runs]
        ends = Counter(dict(known.ends) if known else {})
        for events in gone:
            last = events[-1]
            if not isinstance(last, ev.Closed):
                message = "cannot prune a run that is not over"
                raise JournalError(message)
            ends[last.ended.outcome.value] += 1
        for run in runs:
            del self.written[run]
        self.held = ports.Anchor(
            runs=len(runs) + (known.runs if known else 0),
            events=sum(map(len, gone)) + (known.events if known else 0),
            digest="",
            until=until,
            ends=tuple(sorted(ends.items())),
            summary=summary,
        )

    def _usable(self) -> None:
        if self.broken:
            message = f"cannot use the journal: {self.broken}"
            raise JournalError(message)


def _record(events: list[ev.Event]) -> ports.RunRecord:
    first, last = events[0], events[-1]
    assert isinstance(first, ev.Opened), "append sees to it"
    ended: ev.Ended | None = None
    closed: datetime | None = None
    if isinstance(last, ev.Closed):
        ended, closed = last.ended, last.at
    return ports.RunRecord(first.plan, first.at, ended, closed)
