"""The record of a run as one value, which the journal keeps beside the run's events.

Rules:

1. The record comes from the events of the run alone.  `decide` never uses it.
2. A person waits since the first run that deferred them and was followed by no move, also by hand.
   The reason is that of the newest.  A check and a rollback on request defer no one.
3. An outcome holds for the host until a newer run confirms or clears it.  A deferred or interrupted
   run does neither.
4. The events of a run may be pruned once it is over and old.  Age is counted back from the oldest
   of the newest `RUNS_NEEDED`, not from the clock: a clock that is ahead for a night must prune
   nothing.  The record of the run stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice, pairwise
from typing import Final

from attrs import frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.move import Move, Status
from t3safe.domain.rollout_state import Rollout, used_by
from t3safe.domain.versions import Version

RUNS_NEEDED: Final = 30
"""How many of the newest runs keep their events; the old builds of their moves stay in the
store."""

ON_NEW: Final = frozenset({Status.MOVED, Status.KEPT})
"""The statuses of a move that ended on the new build."""

_SILENT: Final = frozenset({ev.Outcome.LATER, ev.Outcome.INTERRUPTED, ev.Outcome.DEFERRED})
_UNTOUCHED: Final = frozenset({ev.Outcome.REFUSED, ev.Outcome.GATE_BROKEN})
"""Outcomes of a run that touched no person: they clear no need for a human."""


@frozen
class MoveRecord:
    """The record of one person's move: the builds, and its status.

    `ran` is the build that may have run last.  `used` are the snapshots that the move took after it
    stopped the serve, and the one that it restored.  `put` is the last build that the run selected
    for them and `put_at` (UTC) when; None when it selected none.
    """

    run: str
    kind: ev.Kind
    opened: datetime
    person: str
    old: Version
    new: Version
    status: Status = Status.WAITING
    reason: str = ""
    ran: Version | None = None
    used: tuple[str, ...] = ()
    put: Version | None = None
    put_at: datetime | None = None


@frozen
class RunRecord:
    """One run: how it began and, if it did, how it ended; times are UTC."""

    run: str
    kind: ev.Kind
    candidate: Version
    opened: datetime
    ended: ev.Ended | None = None
    closed: datetime | None = None
    moves: tuple[MoveRecord, ...] = ()
    baking: tuple[str, ...] = ()

    @property
    def people(self) -> tuple[str, ...]:
        """The people to move or to watch."""
        return (*(move.person for move in self.moves), *self.baking)

    def explains(self) -> Iterator[tuple[str, Version]]:
        """Yield the builds that it explains, by person; a check explains none."""
        if self.kind is ev.Kind.CHECK:
            return
        for move in self.moves:
            yield move.person, move.old
            yield move.person, move.new
        for person in self.baking:
            yield person, self.candidate

    def speaks(self, outcome: ev.Outcome) -> bool:
        """Whether this run confirms or clears the outcome (rule 3)."""
        if self.ended is None or self.ended.outcome in _SILENT:
            return False
        if outcome in {ev.Outcome.GATE_BROKEN, ev.Outcome.REFUSED}:
            return self.kind is not ev.Kind.BACK and self.kind is not ev.Kind.BAKE
        return self.kind is not ev.Kind.CHECK and self.ended.outcome not in _UNTOUCHED


@frozen
class Deferral:
    """A person who waits to be moved, to which build, since when (UTC), and why."""

    person: str
    build: Version
    since: datetime
    reason: str


def record(rollout: Rollout, events: tuple[ev.Event, ...]) -> RunRecord:
    """Return the record of a run; its `events` fold to `rollout`."""
    plan, last = rollout.plan, events[-1]
    ended, closed = (last.ended, last.at) if isinstance(last, ev.Closed) else (None, None)
    opened, put = events[0].at, _put(events)
    moves = tuple(_move(plan, opened, move, put.get(move.person)) for move in rollout.moves)
    return RunRecord(plan.run, plan.kind, plan.candidate, opened, ended, closed, moves, plan.baking)


def _move(
    plan: ev.Plan, opened: datetime, move: Move, put: tuple[Version, datetime] | None
) -> MoveRecord:
    return MoveRecord(
        run=plan.run,
        kind=plan.kind,
        opened=opened,
        person=move.person,
        old=move.plan.old,
        new=move.plan.new,
        status=move.status,
        reason=move.reason,
        ran=move.plan.new if move.new_build_may_have_run else move.plan.old,
        used=used_by(move),
        put=put[0] if put is not None else None,
        put_at=put[1] if put is not None else None,
    )


def _put(events: Iterable[ev.Event]) -> dict[str, tuple[Version, datetime]]:
    """Return the last build that a run selected for each person, and when."""
    put: dict[str, tuple[Version, datetime]] = {}
    steps = (event for event in events if isinstance(event, ev.Started | ev.Finished))
    for step in pairwise(steps):
        match step:
            case ev.Started(effect=fx.Select(person, build)), ev.Finished(answer=ev.Done(), at=at):
                put[person] = build, at
            case _:
                continue
    return put


def deferral(moves: Iterable[MoveRecord]) -> Deferral | None:
    """Return how long a person waits (rule 2), None when they do not; `moves` are newest first."""
    newest: MoveRecord | None = None
    since: list[datetime] = []
    for move in moves:
        if move.status in ON_NEW:
            break
        if move.status is Status.DEFERRED and move.kind is not ev.Kind.BACK:
            newest = newest or move
            since.append(move.opened)
    # A run of a clock that was ahead does not make the wait younger.
    if newest is None:
        return None
    return Deferral(newest.person, newest.new, min(since), newest.reason)


def overdue(waiting: Iterable[Deferral], now: datetime, limit: timedelta) -> tuple[Deferral, ...]:
    """Return the people who wait for longer than the limit."""
    return tuple(item for item in waiting if now - item.since > limit)


def prunable_before(newest_first: Iterable[RunRecord], keep: timedelta) -> datetime | None:
    """Return the time (UTC) before which a run is old (rule 4); None with too few runs."""
    opened = [run.opened for run in islice(newest_first, RUNS_NEEDED)]
    return min(opened) - keep if len(opened) == RUNS_NEEDED else None
