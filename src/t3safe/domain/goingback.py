"""Going back on purpose: what it would cost, and how it is undone.

Rules:

1. Where the older build knows what is in the set by now, only the selection moves and no row is
   given up.  Otherwise a snapshot is put back, and every row that it does not hold leaves the set.
2. What leaves is kept: the move copies the set at rest first, and the undo puts that copy back.
3. What could not be counted is said, and never shown as nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from attrs import frozen

from t3safe.domain import events as ev
from t3safe.domain.moves import Move, Status
from t3safe.domain.versions import Version


@frozen
class WayBack:
    """The way from one build to another; `taken` (UTC) is when `snapshot` was.

    `restore` says whether the snapshot is put back, or only tells what the build knows.
    """

    person: str
    old: Version
    build: Version
    snapshot: str
    taken: datetime
    restore: bool


@frozen
class Preview:
    """What a way back would cost: rows a table (`file:table`) that leave the set.

    `uncounted` says why they could not be counted; `work` why the person seems to be at work.
    """

    way: WayBack
    rows: tuple[ev.RowsKept, ...] = ()
    uncounted: str = ""
    work: str = ""


def told(preview: Preview, now: datetime) -> tuple[str, ...]:
    """Say a preview in lines for a person."""
    return tuple(_lines(preview, now))


def _lines(preview: Preview, now: datetime) -> Iterator[str]:
    way = preview.way
    yield f"{way.person}: from {way.old} to {way.build}"
    if preview.work:
        yield f"  at work: {preview.work}; without `--force` they are left as they are"
    if not way.restore:
        yield f"  nothing is restored: {way.build} knows what is there, and every row stays"
        return
    yield f"  snapshot {way.snapshot} is put back, taken {_age(now - way.taken)} ago"
    if preview.uncounted:
        yield f"  what would leave the set could not be counted: {preview.uncounted}"
    elif not preview.rows:
        yield "  nothing was written since"
    for row in preview.rows:
        yield f"  {row.rows} rows of {row.table}, written since, leave the set"
    yield "  what is there now is kept as a snapshot first"


def _age(since: timedelta) -> str:
    minutes = max(0, int(since.total_seconds()) // 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"  # noqa: PLR2004 - two days


def undo(move: Move) -> str:
    """Give the command that undoes a person's way back; empty where nothing was moved."""
    if move.status is not Status.MOVED:
        return ""
    if not move.plan.restore:
        return f"t3safe rollback {move.person} --to {move.plan.old}"
    assert move.rest is not None, "whoever was moved has an at-rest snapshot"
    return f"t3safe restore {move.person} {move.rest.snapshot}"
