"""Going back on purpose: what it would cost, and how it is undone.

Rules:

1. Where the older build knows what is in the set by now, only the selection moves and no row is
   given up.  Otherwise a snapshot is put back, and every row that it does not hold leaves the set.
2. What leaves is kept: the move copies the set at rest first, and the undo puts that copy back.
3. What could not be counted is said, and never shown as nothing.
4. Everybody's way back leaves the build to which the newest run or drain moved somebody.  Only
   those who are on it still go, each to the build that they came from; so whoever does it again
   moves nobody further back, and nobody forward.  Where a build is named, whoever is on a newer
   one goes to that.
5. One person after another.  Whoever is at work, or whose serve is stopped, is passed over;
   anything else that does not end well ends it before the next person.
6. Where no run tells which build wrote a set, a snapshot does whose ledger is just that of the set:
   the build that wrote the snapshot knows every migration that is there, and makes no new one (I1).
   A build is started again on that alone only where it had not failed (no quarantine).
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
    """What a way back would cost: rows a table (`file:table`) that leave the person's data.

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
    """Give the command that undoes a person's way back; empty where nothing was moved."""
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

    `by_run` is false where a person asked for it, and no run or drain made it.
    """

    person: str
    old: Version
    new: Version
    by_run: bool


@frozen
class Retreat:
    """Whom everybody's way back concerns.

    `leaves` is the build that is left, None where one to go to was named or no run moved anybody.
    `back` says who goes to which build, `staying` who stays and why; `stuck` are those who should
    go and of whom nothing tells where to.
    """

    leaves: Version | None
    back: tuple[tuple[str, Version], ...] = ()
    staying: tuple[tuple[str, str], ...] = ()
    stuck: tuple[tuple[str, str], ...] = ()


def retreat(
    present: tuple[tuple[str, Version], ...], build: Version | None, newest_first: Iterable[Arrival]
) -> Retreat:
    """Tell who goes back where (rule 4); `present` is what each person runs, in order.

    Arrivals are read no further than needed, and not at all where a build is named.
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
    """What became of one person in everybody's way back."""

    BACK = "back"
    PASSED_OVER = "passed-over"
    FAILED = "failed"
    NOT_REACHED = "not-reached"
    STUCK = "stuck"
    """There is no way back for them; known before anybody was touched."""


@frozen
class Fared:
    """One person's fate, with why where it is not that they are back."""

    person: str
    fate: PersonOutcome
    reason: str = ""


def fate_of(outcome: ev.Outcome | None) -> PersonOutcome:
    """Tell a person's fate from how their way back ended (rule 5); None: nothing was begun."""
    match outcome:
        case ev.Outcome.MOVED:
            return PersonOutcome.BACK
        case ev.Outcome.DEFERRED:
            return PersonOutcome.PASSED_OVER
        case _:
            return PersonOutcome.FAILED


def summed_up(fared: Iterable[Fared]) -> tuple[tuple[PersonOutcome, str], ...]:
    """Say in a line for each fate that somebody has who they are, and what helps."""
    people = tuple(fared)
    return tuple(
        (fate, f"{_HEADS[fate]}: {', '.join(found)}{_HELP.get(fate, '')}")
        for fate in PersonOutcome
        if (found := [_named(item) for item in people if item.fate is fate])
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
    """Tell which of the store's `builds` wrote a set with this ledger; None where none can be told.

    With `unfailed` what a failed build left tells nothing (rule 6).
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
