"""Going back on purpose: one person, or everybody one after another.

Rules are those of `domain.rollback`.  Each person goes back by a rollout of their own, so a crash
leaves one person in transition, whom `recover` settles; the same command then goes on with the
others.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError, NoWayBackError, PersonalDataError, PortError
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.policy import SkipReason
from t3safe.domain.ports import SnapshotInfo
from t3safe.domain.rollback import (
    Arrival,
    Fared,
    PersonOutcome,
    Preview,
    WayBack,
    fate_of,
    leads_back,
    retreat,
)
from t3safe.domain.runs import ON_NEW
from t3safe.domain.versions import Version
from t3safe.person import chosen
from t3safe.usecases.host import Host, Result, everybody, left_in_a_run, start
from t3safe.usecases.recover import plan_back, settle, writer_of
from t3safe.usecases.survey import astray


def preview(host: Host, person: str, build: Version | None, snapshot: str) -> Preview:
    """Tell what `go_back` with the same words would cost; looks only.

    Raises NoWayBackError where there is no way back.
    """
    return cost(host, way_back(host, person, build, snapshot))


def cost(host: Host, way: WayBack) -> Preview:
    """Count what a way back would cost; looks only."""
    person, work = way.person, _at_work(host, way.person)
    if not way.restore:
        return Preview(way, work=work)
    try:
        rows = host.ports.personal_data.rows_written(person, way.snapshot)
    except PersonalDataError as error:
        return Preview(way, uncounted=str(error), work=work)
    return Preview(way, rows, work=work)


def way_back(host: Host, person: str, build: Version | None, snapshot: str) -> WayBack:
    """Find the way that `go_back` with the same words would take.  Raises NoWayBackError."""
    way, _ = _found_way(host, person, build, snapshot)
    return way


def go_back(
    host: Host, person: str, build: Version | None, snapshot: str, *, force: bool
) -> Result:
    """Take one person back on purpose: to `build`, or to what `snapshot` holds.

    Without either, to the build before.  Rows are given up only where the build does not know
    the present ledger; they are kept in the at-rest snapshot that the move takes first.
    Nobody is stopped for a snapshot that is damaged.  Raises NoWayBackError when there is no
    way back.
    """
    left = settle(host)
    if left is not None:
        return left
    way, knows = _found_way(host, person, build, snapshot)
    restore = way.snapshot if way.restore else ""
    if restore:
        _require_sound(host, person, restore)
    move = ev.MovePlan(person, way.old, way.build, restore, knows=knows)
    # Whose selection leads nowhere has no serve that could be left as it is.
    stopped = bool(astray(host, person)) and not host.ports.services.status(person).running
    return start(host, plan_back(host, move, force=force or stopped))


def present(host: Host, person: str) -> Version:
    """The build that a person runs, or ran last where a failed move left them fenced.

    The same where their selection leads nowhere.  Raises NoWayBackError where neither a run nor
    a snapshot tells what they ran.
    """
    return chosen(host.ports, person) or _left_by(host, person)


def pins(host: Host, person: str) -> dict[str, str]:
    """Name the snapshots of a person that nobody may prune by hand, each with why.

    Raises NoWayBackError where nothing tells what a fenced person ran.
    """
    pinned: dict[str, str] = {}
    for move in host.ports.journal.moves(person):
        if move.used:
            pinned = dict.fromkeys(move.used, f"run {move.run} took it or went back to it")
            break
    old = present(host, person)
    for info in reversed(host.ports.personal_data.snapshots(person)):
        if leads_back(info, old):
            return {**pinned, info.stored.id: f"the way back to {info.build}"}
    return pinned


def arrivals(host: Host) -> Iterator[Arrival]:
    """Every move that ended on its new build, newest first; read as far as they are asked."""
    for record in host.ports.journal.runs():
        by_run = record.kind in {ev.Kind.RUN, ev.Kind.DRAIN}
        for move in record.moves:
            if move.status in ON_NEW:
                yield Arrival(move.person, move.old, move.new, by_run)


def _at_work(host: Host, person: str) -> str:
    """Why the idle rule would leave a person as they are; unknown is busy."""
    try:
        assessed = host.idle.assess(person)
    except PortError as error:
        return str(error)
    return assessed.reason if assessed.readiness is ev.Readiness.BUSY else ""


def _require_sound(host: Host, person: str, snapshot: str) -> None:
    try:
        host.ports.personal_data.verify(person, snapshot)
    except PersonalDataError as error:
        message = f"cannot take {person} back: {error}; nobody was touched"
        raise NoWayBackError(message) from error


def _found_way(
    host: Host, person: str, build: Version | None, snapshot: str
) -> tuple[WayBack, SetLedger]:
    """Find the way back, and what the build at its end knows.  Raises NoWayBackError."""
    people, _ = everybody(host)
    if person not in people:
        message = f"cannot take {person} back: no such person in the user map"
        raise NoWayBackError(message)
    try:
        old = present(host, person)
    except NoWayBackError:
        if build is None:
            raise
        old = build
    info = _way_back(host, person, old, build, snapshot)
    assert info.build is not None, "a way back names its build"
    if info.build not in host.ports.builds.present():
        how = f"`t3safe check {info.build}` installs it"
        message = f"cannot take {person} back: {info.build} is not in the store; {how}"
        raise NoWayBackError(message)
    restore = bool(snapshot) or _must_restore(host, person, info)
    stored = info.stored
    return WayBack(person, old, info.build, stored.id, stored.taken, restore), info.ledger


def _must_restore(host: Host, person: str, info: SnapshotInfo) -> bool:
    """Whether the older build does not know what is in the set by now, or nobody can tell."""
    try:
        return not host.ports.personal_data.ledger(person).known_to(info.ledger)
    except PersonalDataError:
        return True


def _left_by(host: Host, person: str) -> Version:
    """The build that ran last on the set of a person for whom none can start now."""
    build = left_in_a_run(host, person) or writer_of(host, person, unfailed=False)
    if build is None:
        message = f"cannot take {person} back: no build can start, and neither a run nor a"
        message += " snapshot tells what wrote the data; see NEEDS A HUMAN in the runbook"
        raise NoWayBackError(message)
    return build


def _way_back(
    host: Host, person: str, old: Version, build: Version | None, snapshot: str
) -> SnapshotInfo:
    known = host.ports.personal_data.snapshots(person)
    for info in reversed(known):
        if snapshot and info.stored.id == snapshot and info.build is not None:
            return info
        if not snapshot and leads_back(info, old, build):
            return info
    for info in reversed(known):
        # Nothing is restored from it: it only tells that the build knows what is there.
        if build is not None and info.build == build and not _must_restore(host, person, info):
            return info
    what = f"snapshot {snapshot}" if snapshot else f"at-rest snapshot of {build or 'another'}"
    message = f"cannot take {person} back: no {what}; `t3safe snapshots {person}` lists them"
    raise NoWayBackError(message)


@frozen
class Whole:
    """Whom everybody's way back concerns, and how each would go.

    `leaves` is the build that is left, None where one to go to was named or no run moved anybody.
    `staying` are people whom it does not concern, `stuck` those without a way back, each with why.
    """

    leaves: Version | None
    ways: tuple[WayBack, ...]
    staying: tuple[tuple[str, str], ...]
    stuck: tuple[tuple[str, str], ...]


@frozen
class Took:
    """How it ended for one person; `result` is None where nothing was tried."""

    fared: Fared
    result: Result | None = None


def look(host: Host, build: Version | None) -> Whole:
    """Tell whom it concerns, without counting what it would cost; looks only."""
    people, _ = everybody(host)
    runs: list[tuple[str, Version]] = []
    stuck: list[tuple[str, str]] = []
    for person in people:
        try:
            runs.append((person, present(host, person)))
        except NoWayBackError as error:
            stuck.append((person, str(error)))
    plan = retreat(tuple(runs), build, arrivals(host))
    ways: list[WayBack] = []
    for person, target in plan.back:
        try:
            ways.append(way_back(host, person, target, ""))
        except NoWayBackError as error:
            stuck.append((person, str(error)))
    return Whole(plan.leaves, tuple(ways), plan.staying, (*stuck, *plan.stuck))


def take_back(host: Host, whole: Whole, *, force: bool) -> Iterator[Took]:
    """Take people back one after another; each is told when they have settled.

    The first end that is neither back nor passed over stops it, a wish to stop too; the others are
    told as not reached.  Raises JournalError.
    """
    going = True
    for way in whole.ways:
        if not going or host.engine.stop():
            going = False
            yield Took(Fared(way.person, PersonOutcome.NOT_REACHED))
            continue
        took = _one(host, way, force=force)
        going = took.fared.fate in {PersonOutcome.BACK, PersonOutcome.PASSED_OVER}
        yield took
    yield from (Took(Fared(person, PersonOutcome.STUCK, why)) for person, why in whole.stuck)


def _one(host: Host, way: WayBack, *, force: bool) -> Took:
    try:
        result = go_back(host, way.person, way.build, "", force=force)
    except JournalError:
        raise
    except PortError as error:
        result = Result(None, str(error), stayed=SkipReason.LATER)
    fate = fate_of(result.outcome)
    reason = "" if fate is PersonOutcome.BACK else result.reason
    return Took(Fared(way.person, fate, reason), result)
