"""The runs of the journal, folded into rollouts; each that is over is folded once per process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from attrs import define, field

from t3safe.domain import events as ev
from t3safe.domain import ports
from t3safe.domain.errors import PortError
from t3safe.domain.moves import Status
from t3safe.domain.rollout import Rollout
from t3safe.domain.runretention import EVERY, Kept, prunable, until
from t3safe.domain.summary import after, deferrals
from t3safe.domain.versions import Version
from t3safe.domain.vitals import Deferral
from t3safe.engine import rollout_of


@define
class Runs:
    """Reads runs from the journal.  Its methods raise JournalError.

    `_over` holds the rollouts of runs that are over: they never change again.
    """

    journal: ports.Journal
    _over: dict[str, Rollout] = field(factory=dict, init=False)

    def folded(self, run: str) -> Rollout:
        """Give the rollout of a run."""
        known = self._over.get(run)
        return known or self.remembered(rollout_of(self.journal.events(run)))

    def remembered(self, rollout: Rollout) -> Rollout:
        """Keep a rollout that is over."""
        if rollout.closed:
            self._over[rollout.plan.run] = rollout
        return rollout

    def rollouts(self) -> Iterator[tuple[ports.RunRecord, Rollout]]:
        """Every run that could change who runs or waits for what, newest first."""
        for record in self.journal.runs():
            if record.plan.kind is not ev.Kind.CHECK:
                yield record, self.folded(record.plan.run)

    def deferrals(self, people: tuple[str, ...] = ()) -> tuple[Deferral, ...]:
        """Who of these `people` waits to be moved, of everybody where none are named."""
        waiting = deferrals(self.summary())
        return tuple(item for item in waiting if not people or item.person in people)

    def summary(self) -> ports.Summary:
        """What all runs come to; only those are read that the journal's own summary lacks."""
        journal = self.journal
        anchor = journal.anchor()
        # The newest that names a run which is there: another is of a journal that was lost.
        kept = (anchor.summary if anchor is not None else None, journal.summary())
        known = {summary.run: summary for summary in kept if summary is not None}
        found = ports.Summary()
        later: list[ports.RunRecord] = []
        for record in journal.runs():
            if record.plan.run in known:
                found = known[record.plan.run]
                break
            later.append(record)
        for record in reversed(later):
            events = journal.events(record.plan.run)
            known_rollout = self._over.get(record.plan.run)
            rollout = known_rollout or self.remembered(rollout_of(events))
            found = after(found, record, rollout, events)
        return found

    def left_in_a_run(self, person: str) -> Version | None:
        """The build that a person's newest move left them on; None where no run moved them."""
        for record in self.journal.runs():
            for move in self.folded(record.plan.run).moves:
                if move.person == person and move.status is not Status.WAITING:
                    return move.plan.new if move.exposed else move.plan.old
        return None


def prune_runs(on: ports.Ports, runs: Runs, keep: timedelta) -> None:
    """Keep what all runs come to, and throw away old runs that nothing needs (`runretention`).

    Where either fails the newest run has ended all the same; the next one tries again.
    """
    journal = on.journal
    with suppress(PortError):
        if journal.unfinished() is not None:
            return
        summary = runs.summary()
        journal.keep(summary)
        before, anchor = until(journal.runs(), keep), journal.anchor()
        if before is None or (anchor is not None and before < anchor.until + EVERY):
            return
        snapshots = (
            (person.name, info.stored.id)
            for person in on.people.load().people
            for info in on.states.snapshots(person.name)
        )
        named = frozenset(past.run for past in summary.people)
        kept = Kept(frozenset(on.builds.present()), frozenset(snapshots), named)
        every = ((record, runs.folded(record.plan.run)) for record in journal.runs())
        journal.prune(prunable(every, before, kept), before, summary)
