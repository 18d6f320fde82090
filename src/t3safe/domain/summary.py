"""What all runs so far come to for each person, so that they need not all be read again.

Rules:

1. It is folded from runs in the order in which they began; `run` is the newest that it counts.
2. It is no truth of its own: without it the same is found by reading every run.
3. Somebody waits since the first run that deferred them and was followed by no move, by hand
   included; the words are those of the newest.  A check and a way back defer nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import attrs

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.moves import Move, Status
from t3safe.domain.ports import Past, RunRecord, Summary
from t3safe.domain.rollout import Rollout
from t3safe.domain.versions import Version
from t3safe.domain.vitals import Deferral

ON_NEW = frozenset({Status.MOVED, Status.KEPT})
"""Ends on the new build."""


def after(
    before: Summary, record: RunRecord, rollout: Rollout, events: Iterable[ev.Event]
) -> Summary:
    """Add one run to what was before it."""
    if record.plan.kind is ev.Kind.CHECK:
        return attrs.evolve(before, run=record.plan.run)
    people = {past.person: past for past in before.people}
    defers = record.plan.kind is not ev.Kind.BACK
    puts = moves_somebody(record)
    told = tuple(events) if puts else ()
    for move in rollout.moves:
        past = people.get(move.person) or Past(move.person)
        past = _waits(past, move, record.opened, defers=defers)
        put = put_there(told, move.person)
        if put is not None:
            past = attrs.evolve(past, build=put[0], at=put[1], run=record.plan.run)
        people[move.person] = past
    return Summary(record.plan.run, tuple(people.values()))


def _waits(past: Past, move: Move, opened: datetime, *, defers: bool) -> Past:
    """Rule 3."""
    if move.status in ON_NEW:
        return attrs.evolve(past, waits_for=None, since=None, why="")
    if move.status is not Status.DEFERRED or not defers:
        return past
    # A run of a clock that was ahead does not make the wait younger.
    since = min(past.since or opened, opened)
    return attrs.evolve(past, waits_for=move.plan.new, since=since, why=move.reason)


def deferrals(summary: Summary) -> tuple[Deferral, ...]:
    """Give those who wait."""
    return tuple(
        Deferral(past.person, past.waits_for, past.since, past.why)
        for past in summary.people
        if past.waits_for is not None and past.since is not None
    )


def put_there(events: Iterable[ev.Event], person: str) -> tuple[Version, datetime] | None:
    """Give the build that a run put in place last for a person, and when; None if it put none."""
    last: tuple[Version, datetime] | None = None
    effect: fx.Effect | None = None
    for event in events:
        match event, effect:
            case ev.Started(effect=begun), _:
                effect = begun
            case ev.Finished(answer=ev.Done(), at=at), fx.Select(whose, build) if whose == person:
                last = (build, at)
            case _:
                continue
    return last


def moves_somebody(record: RunRecord) -> bool:
    """Whether a run may have put a build in place for anybody."""
    ended = record.ended
    untouched = ended is not None and ended.outcome in _UNTOUCHED
    return record.plan.kind is not ev.Kind.CHECK and bool(record.plan.moves) and not untouched


_UNTOUCHED: Final = frozenset({ev.Outcome.REFUSED, ev.Outcome.GATE_BROKEN})
