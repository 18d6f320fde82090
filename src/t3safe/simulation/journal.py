"""The journal in memory: an appended event outlives the death of any simulated process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from attrs import define, field

from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError
from t3safe.domain.runs import MoveRecord, RunRecord, record
from t3safe.engine import rollout_of


@define(eq=False)
class MemoryJournal:
    """Implements the port Journal; `broken` makes every call fail with that reason.

    With `forgets` the events of a run that is over are let go once a newer one is over.
    """

    written: dict[str, list[ev.Event]] = field(factory=dict)
    broken: str = ""
    forgets: bool = False
    closed: dict[str, RunRecord] = field(factory=dict)
    """What each run came to that was over when somebody asked."""

    def become(self, other: MemoryJournal) -> None:
        """Hold what the other one holds; the events are shared, being values."""
        self.written = {run: list(events) for run, events in other.written.items()}
        self.broken, self.closed = other.broken, dict(other.closed)

    def append(self, run: str, event: ev.Event) -> None:
        """Write one event of a run."""
        self._usable()
        known = self.written.get(run)
        if known is None:
            if not isinstance(event, ev.Opened):
                raise JournalError(f"cannot write to run {run}: it was never opened")
            self.written[run] = [event]
            return
        known.append(event)
        if self.forgets and isinstance(event, ev.Closed):
            for over in self.closed:
                self.written[over].clear()
            self._record(run)

    def events(self, run: str) -> tuple[ev.Event, ...]:
        """Every event of a run, in order."""
        self._usable()
        return tuple(self.written.get(run, ()))

    def unfinished(self) -> str | None:
        """The run that was opened and not closed."""
        self._usable()
        for run, events in self.written.items():
            if events and not isinstance(events[-1], ev.Closed):
                return run
        return None

    def runs(self) -> Iterable[RunRecord]:
        """Every run, newest first."""
        self._usable()
        return map(self._record, reversed(tuple(self.written)))

    def moves(self, person: str) -> Iterator[MoveRecord]:
        """What every run but a check came to for a person, newest first."""
        for run in self.runs():
            if run.kind is not ev.Kind.CHECK:
                yield from (move for move in run.moves if move.person == person)

    def ends(self) -> Mapping[ev.Outcome, int]:
        """How many runs ended in each way."""
        return Counter(run.ended.outcome for run in self.runs() if run.ended is not None)

    def prune(self, before: datetime) -> None:
        """Delete the events of runs that are over and were opened before this."""
        self._usable()
        for run in self.runs():
            if run.closed is not None and run.opened < before:
                self.written[run.run].clear()

    def _record(self, run: str) -> RunRecord:
        known = self.closed.get(run)
        if known is not None:
            return known
        events = tuple(self.written[run])
        found = record(rollout_of(events), events)
        if found.closed is not None:
            self.closed[run] = found
        return found

    def _usable(self) -> None:
        if self.broken:
            raise JournalError(f"cannot use the journal: {self.broken}")
