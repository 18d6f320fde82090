"""Which runs of the journal may be thrown away.

Rules:

1. A run that is not over stays, and so do the newest `RUNS_NEEDED`.
2. Age is counted back from the oldest of those, not from the clock: a clock that is ahead for a
   night must throw nothing away.
3. A run stays while it is the newest that answers a question which is asked of old runs: what
   somebody ran last and came from, which snapshots their last move used, which builds are
   explained and which are not baked, what an alert says.  It stays, too, while a snapshot that it
   took or went back to is kept, and while the summary names it.
4. Questions about a build are asked of builds in the store alone: nobody can run another.
5. What all runs come to is kept with what is thrown away (see `summary`).  It takes the place of
   the runs for who waits since when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from attrs import frozen

from t3safe.domain import events as ev
from t3safe.domain.moves import Move, Status
from t3safe.domain.ports import RunRecord
from t3safe.domain.rollout import Rollout, used_by
from t3safe.domain.summary import ON_NEW
from t3safe.domain.versions import Version
from t3safe.domain.vitals import speaks

RUNS_NEEDED: Final = 30
"""How many of the newest runs stay; what they would have moved people from stays in the store."""

EVERY: Final = timedelta(days=30)
"""How often it is looked for what may go: that reads every run."""

ALERTS: Final = (ev.Outcome.GATE_BROKEN, ev.Outcome.NEEDS_HUMAN)
"""One end of each kind that an alert asks for (see `vitals`)."""

Question = tuple[object, ...]


@frozen
class Kept:
    """What is kept: builds in the store, each person's snapshots, runs that the summary names."""

    builds: frozenset[Version] = frozenset()
    snapshots: frozenset[tuple[str, str]] = frozenset()
    runs: frozenset[str] = frozenset()


def until(newest_first: Iterable[RunRecord], keep: timedelta) -> datetime | None:
    """Give the time (UTC) before which a run is old (rule 2); None where there are too few runs."""
    opened = [record.opened for record in islice(newest_first, RUNS_NEEDED)]
    return min(opened) - keep if len(opened) == RUNS_NEEDED else None


def prunable(
    newest_first: Iterable[tuple[RunRecord, Rollout]], before: datetime, kept: Kept
) -> tuple[str, ...]:
    """Name the runs that were opened `before` (UTC) and that nothing needs, oldest first."""
    gone: list[str] = []
    answered: set[Question] = set()
    candidate: Version | None = None
    for number, (record, rollout) in enumerate(newest_first):
        questions = set(_answers(record, rollout, kept))
        if tries(record):
            candidate = candidate or record.plan.candidate
            questions.add(("candidate", record.plan.candidate == candidate))
        over = record.closed is not None and record.plan.run not in kept.runs
        old = number >= RUNS_NEEDED and record.opened < before
        if over and old and questions <= answered:
            gone.append(record.plan.run)
        answered |= questions
    return tuple(reversed(gone))


def tries(record: RunRecord) -> bool:
    """Whether a run was to bring people to its candidate for good."""
    return record.plan.kind not in {ev.Kind.BACK, ev.Kind.CHECK}


def explains(plan: ev.Plan) -> Iterator[tuple[str, Version]]:
    """Give the builds that a run accounts for, by person; a check touches nobody."""
    if plan.kind is ev.Kind.CHECK:
        return
    for move in plan.moves:
        yield move.person, move.old
        yield move.person, move.new
    for person in plan.baking:
        yield person, plan.candidate


def _answers(record: RunRecord, rollout: Rollout, kept: Kept) -> Iterator[Question]:
    """Name the questions that a run answers (rule 3)."""
    for move in rollout.moves:
        yield from _of_move(move, kept)
        if move.status in ON_NEW:
            yield from _of_arrival(record, move, kept)
    for person, build in explains(record.plan):
        if build in kept.builds:
            yield "explains", person, build
    if record.ended is not None:
        yield from _of_end(record, record.ended.outcome)


def _of_end(record: RunRecord, outcome: ev.Outcome) -> Iterator[Question]:
    yield from (("alert", asked) for asked in ALERTS if speaks(record, asked))
    if outcome is ev.Outcome.PROMOTED and tries(record):
        yield ("promoted",)


def _of_move(move: Move, kept: Kept) -> Iterator[Question]:
    used = used_by(move)
    if used:
        yield "used", move.person
    for snapshot in used:
        if (move.person, snapshot) in kept.snapshots:
            yield "snapshot", move.person, snapshot
    if move.status is not Status.WAITING:
        yield "left", move.person


def _of_arrival(record: RunRecord, move: Move, kept: Kept) -> Iterator[Question]:
    build = move.plan.new
    if record.plan.kind in {ev.Kind.RUN, ev.Kind.DRAIN}:
        yield ("arrival by a run",)
    if build in kept.builds and move.plan.old < build:
        yield "came up", move.person, build
    if record.plan.candidate in kept.builds and tries(record):
        yield "moved", move.person, record.plan.candidate
