"""Rollback on request: its cost, and its undo.

Rules:

1. When the older build knows the present data, only the selection changes and no row is lost.
   Otherwise a snapshot is restored, and each row that it does not hold leaves the data.
2. These rows are kept: the move copies the data at rest first, and the undo restores that copy.
3. A count that failed is reported, and never shown as zero.
4. The rollback of all people leaves the build to which the newest run or drain moved a person.
   Only people who are still on it go, each to the build that they came from.  So a repeated command
   moves no one further back, and no one forward.  When a build is named, each person on a newer
   one goes to it.
5. People go one after another.  A busy person, or one whose serve is stopped, is skipped.  Any
   other outcome but success ends it before the next person.
6. When no run says which build wrote the data, a snapshot with exactly the same ledger does: its
   build knows every migration of the data, and makes no new one (I1).  This alone starts a build
   again only when it had not failed (no quarantine).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import frozen

from t3safe.domain import events as ev
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.move import Move, Status
from t3safe.domain.ports import SnapshotInfo
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.versions import Version


@frozen
class WayBack:
    """The way from one build to another; `taken` (UTC) is when `snapshot` was.

    `restore` says whether the snapshot is restored, or only shows what the build knows.
    """

    person: str
    old: Version
    build: Version
    snapshot: str
    taken: datetime
    restore: bool


@frozen
class Preview:
    """What a way back would cost: rows per table (`file:table`) that leave the person's data.

    `uncounted` says why they could not be counted, `work` why the person is busy.
    """

    way: WayBack
    rows: tuple[ev.RowsKept, ...] = ()
    uncounted: str = ""
    work: str = ""


def preview_lines(preview: Preview, now: datetime) -> tuple[str, ...]:
    """Return a preview as lines for a person."""
    return tuple(_lines(preview, now))


def _lines(preview: Preview, now: datetime) -> Iterator[str]:
    way = preview.way
    yield f"{way.person}: from {way.old} to {way.build}"
    if preview.work:
        yield f"  busy: {preview.work}; without `--force` they are not rolled back"
    if not way.restore:
        yield f"  nothing is restored: {way.build} knows what is there, and every row stays"
        return
    yield f"  snapshot {way.snapshot} is put back, taken {_age(now - way.taken)} ago"
    if preview.uncounted:
        lost = f"rows that would leave {way.person}'s data"
        yield f"  {lost} could not be counted: {preview.uncounted}"
    elif not preview.rows:
        yield "  nothing was written since"
    for row in preview.rows:
        yield f"  {row.rows} rows of {row.table}, written since, leave {way.person}'s data"
    yield "  what is there now is kept as a snapshot first"


def _age(since: timedelta) -> str:
    minutes = max(0, int(since.total_seconds()) // 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"  # noqa: PLR2004 - two days


def undo(move: Move) -> str:
    """Return the command that undoes a person's rollback; empty when they were not moved."""
    if move.status not in {Status.MOVED, Status.KEPT}:
        return ""
    if not move.plan.restore:
        return f"t3safe rollback {move.person} --to {move.plan.old}"
    assert move.rest is not None, "whoever was moved has an at-rest snapshot"
    return f"t3safe restore {move.person} {move.rest.snapshot}"


# Everybody at once.


@frozen
class Arrival:
    """A person's move that ended on its new build.

    `by_run` is false when a person asked for it; a run or drain did not make it.
    """

    person: str
    old: Version
    new: Version
    by_run: bool


@frozen
class Retreat:
    """The rollback of all people: who goes where.

    `leaves` is the build that they leave, None when a target was named or no run moved a person.
    `back` says who goes to which build, `staying` who stays and why.  `stuck` are people who should
    go and whose previous build is unknown.
    """

    leaves: Version | None
    back: tuple[tuple[str, Version], ...] = ()
    staying: tuple[tuple[str, str], ...] = ()
    stuck: tuple[tuple[str, str], ...] = ()


def retreat(
    present: tuple[tuple[str, Version], ...], build: Version | None, newest_first: Iterable[Arrival]
) -> Retreat:
    """Return who goes back where (rule 4); `present` is each person's build, in order.

    It reads arrivals as far as needed, and none when a build is named.
    """
    if build is not None:
        back = tuple((person, build) for person, runs in present if runs > build)
        return Retreat(None, back, _staying(present, {person for person, _ in back}))
    arrivals = iter(newest_first)
    seen: list[Arrival] = []
    for arrival in arrivals:
        seen.append(arrival)
        if arrival.by_run:
            return _leaving(present, arrival.new, seen, arrivals)
    return Retreat(None, staying=_staying(present, set()))


def _leaving(
    present: tuple[tuple[str, Version], ...],
    leaves: Version,
    seen: list[Arrival],
    older: Iterator[Arrival],
) -> Retreat:
    concerned = [person for person, runs in present if runs == leaves]
    came: dict[str, Version] = {}
    for arrival in (*seen, *older):
        if arrival.new == leaves and arrival.old < leaves:
            came.setdefault(arrival.person, arrival.old)
    why = f"on {leaves}, and no run tells what they ran before"
    return Retreat(
        leaves,
        back=tuple((person, came[person]) for person in concerned if person in came),
        staying=_staying(present, set(concerned)),
        stuck=tuple((person, why) for person in concerned if person not in came),
    )


def _staying(
    present: tuple[tuple[str, Version], ...], concerned: set[str]
) -> tuple[tuple[str, str], ...]:
    return tuple((person, f"on {runs}") for person, runs in present if person not in concerned)


class PersonOutcome(StrEnum):
    """One person's outcome in the rollback of all people."""

    BACK = "back"
    PASSED_OVER = "passed-over"
    FAILED = "failed"
    NOT_REACHED = "not-reached"
    STUCK = "stuck"
    """There is no way back for them; found before the rollback began."""


@frozen
class Fared:
    """One person's outcome, with the reason unless they are back."""

    person: str
    outcome: PersonOutcome
    reason: str = ""


def outcome_for_person(outcome: ev.Outcome | None) -> PersonOutcome:
    """Return a person's outcome from that of their rollout (rule 5); None: it did not begin."""
    match outcome:
        case ev.Outcome.MOVED:
            return PersonOutcome.BACK
        case ev.Outcome.DEFERRED:
            return PersonOutcome.PASSED_OVER
        case _:
            return PersonOutcome.FAILED


def summary(fared: Iterable[Fared]) -> tuple[tuple[PersonOutcome, str], ...]:
    """Return one line for each outcome, with its people and the next command."""
    people = tuple(fared)
    return tuple(
        (outcome, f"{_HEADS[outcome]}: {', '.join(found)}{_HELP.get(outcome, '')}")
        for outcome in PersonOutcome
        if (found := [_named(item) for item in people if item.outcome is outcome])
    )


def _named(item: Fared) -> str:
    return f"{item.person} ({item.reason})" if item.reason else item.person


_HEADS = {
    PersonOutcome.BACK: "back",
    PersonOutcome.PASSED_OVER: "skipped",
    PersonOutcome.FAILED: "failed",
    PersonOutcome.NOT_REACHED: "not reached",
    PersonOutcome.STUCK: "left where they are",
}
_HELP = {
    PersonOutcome.PASSED_OVER: "; give the command again when they are idle, or with `--force`",
    PersonOutcome.NOT_REACHED: "; fix what failed, then run the command again",
    PersonOutcome.STUCK: "; `t3safe snapshots` lists what they can be put back to by hand",
}


def writer(
    newest_last: tuple[SnapshotInfo, ...],
    present: SetLedger,
    builds: tuple[Version, ...],
    *,
    unfailed: bool,
) -> Version | None:
    """Return which of the store's `builds` wrote data with this ledger; None when unknown.

    With `unfailed` quarantines do not count (rule 6).
    """
    for info in reversed(newest_last):
        failed = info.stored.kind is SnapshotKind.QUARANTINE
        if info.ledger == present and info.build in builds and not (failed and unfailed):
            return info.build
    return None


def leads_back(info: SnapshotInfo, present: Version | None, build: Version | None = None) -> bool:
    """Whether a snapshot taken at rest is of the wanted build, or of another than the present."""
    if build is None:
        return info.build not in {None, present} and info.stored.kind is SnapshotKind.REST
    return info.build == build and info.stored.kind is not SnapshotKind.ONLINE
