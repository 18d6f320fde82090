"""Rollback on request: one person, or all people one after another.

The rules are those of `domain.rollback`.  Each person gets a rollout of their own.  So a crash
leaves one person in transition; `recover` settles them, and the same command goes on with the rest.
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
    leads_back,
    outcome_for_person,
    retreat,
)
from t3safe.domain.runs import ON_NEW
from t3safe.domain.versions import Version
from t3safe.person import chosen
from t3safe.usecases.host import Host, Result, all_people, left_in_a_run, start
from t3safe.usecases.recover import plan_back, settle, writer_of
from t3safe.usecases.survey import astray


def preview(host: Host, person: str, build: Version | None, snapshot: str) -> Preview:
    """Return what `go_back` with the same arguments would cost; change nothing.

    Raises NoWayBackError when there is no way back.
    """
    return cost(host, way_back(host, person, build, snapshot))


def cost(host: Host, way: WayBack) -> Preview:
    """Count what a way back would cost; change nothing."""
    person, work = way.person, _at_work(host, way.person)
    if not way.restore:
        return Preview(way, work=work)
    try:
        rows = host.ports.personal_data.rows_written(person, way.snapshot)
    except PersonalDataError as error:
        return Preview(way, uncounted=str(error), work=work)
    return Preview(way, rows, work=work)


def way_back(host: Host, person: str, build: Version | None, snapshot: str) -> WayBack:
    """Return the way that `go_back` with the same arguments would take.  Raises NoWayBackError."""
    way, _ = _found_way(host, person, build, snapshot)
    return way


def go_back(
    host: Host, person: str, build: Version | None, snapshot: str, *, force: bool
) -> Result:
    """Roll one person back on request: to `build`, or to what `snapshot` holds.

    Without either, to the previous build.  The person loses rows only when that build does not know
    the present ledger; the at-rest snapshot, which the move takes first, keeps them.  A damaged
    snapshot stops no serve.  Raises NoWayBackError when there is no way back.
    """
    left = settle(host)
    if left is not None:
        return left
    way, knows = _found_way(host, person, build, snapshot)
    restore = way.snapshot if way.restore else ""
    if restore:
        _require_sound(host, person, restore)
    move = ev.MovePlan(person, way.old, way.build, restore, knows=knows)
    # With a dead link and no running serve, there is no work to wait for.
    stopped = bool(astray(host, person)) and not host.ports.services.status(person).running
    return start(host, plan_back(host, move, force=force or stopped))


def present(host: Host, person: str) -> Version:
    """Return the build that a person runs, or ran last when they are fenced or their link is dead.

    Raises NoWayBackError when neither a run nor a snapshot names it.
    """
    return chosen(host.ports, person) or _left_by(host, person)


def pins(host: Host, person: str) -> dict[str, str]:
    """Return the snapshots of a person that may not be pruned by hand, each with why.

    Raises NoWayBackError when the last build of a fenced person is unknown.
    """
    pinned: dict[str, str] = {}
    for move in host.ports.journal.moves(person):
        if move.used:
            pinned = dict.fromkeys(move.used, f"run {move.run} took or restored it")
            break
    old = present(host, person)
    for info in reversed(host.ports.personal_data.snapshots(person)):
        if leads_back(info, old):
            return {**pinned, info.stored.id: f"the way back to {info.build}"}
    return pinned


def arrivals(host: Host) -> Iterator[Arrival]:
    """Yield each move that ended on its new build, newest first; read lazily."""
    for record in host.ports.journal.runs():
        by_run = record.kind in {ev.Kind.RUN, ev.Kind.DRAIN}
        for move in record.moves:
            if move.status in ON_NEW:
                yield Arrival(move.person, move.old, move.new, by_run)


def _at_work(host: Host, person: str) -> str:
    """Return why the idle rule defers a person, empty when it does not; unknown is busy."""
    try:
        assessed = host.idle.assess(person)
    except PortError as error:
        return str(error)
    return assessed.reason if assessed.readiness is ev.Readiness.BUSY else ""


def _require_sound(host: Host, person: str, snapshot: str) -> None:
    try:
        host.ports.personal_data.verify(person, snapshot)
    except PersonalDataError as error:
        message = f"cannot roll {person} back: {error}; nothing was changed"
        raise NoWayBackError(message) from error


def _found_way(
    host: Host, person: str, build: Version | None, snapshot: str
) -> tuple[WayBack, SetLedger]:
    """Return the way back, and what the build at its end knows.  Raises NoWayBackError."""
    people, _ = all_people(host)
    if person not in people:
        message = f"cannot roll {person} back: no such person in the user map"
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
        message = f"cannot roll {person} back: {info.build} is not in the store; {how}"
        raise NoWayBackError(message)
    restore = bool(snapshot) or _must_restore(host, person, info)
    stored = info.stored
    return WayBack(person, old, info.build, stored.id, stored.taken, restore), info.ledger


def _must_restore(host: Host, person: str, info: SnapshotInfo) -> bool:
    """Whether the older build does not know the present data, or that is unknown."""
    try:
        return not host.ports.personal_data.ledger(person).known_to(info.ledger)
    except PersonalDataError:
        return True


def _left_by(host: Host, person: str) -> Version:
    """Return the build that ran last on the data of a person for whom no build can start now."""
    build = left_in_a_run(host, person) or writer_of(host, person, unfailed=False)
    if build is None:
        message = f"cannot roll {person} back: no build can start, and neither a run nor a"
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
        # It is not restored: it only shows that the build knows the data.
        if build is not None and info.build == build and not _must_restore(host, person, info):
            return info
    what = f"snapshot {snapshot}" if snapshot else f"at-rest snapshot of {build or 'another'}"
    message = f"cannot roll {person} back: no {what}; `t3safe snapshots {person}` lists them"
    raise NoWayBackError(message)


@frozen
class Whole:
    """The rollback of all people: who goes back, and how.

    `leaves` is the build that they leave, None when a target was named or no run moved a person.
    `staying` are people who stay, `stuck` those without a way back, each with why.
    """

    leaves: Version | None
    ways: tuple[WayBack, ...]
    staying: tuple[tuple[str, str], ...]
    stuck: tuple[tuple[str, str], ...]


@frozen
class Took:
    """How it ended for one person; `result` is None when nothing was tried."""

    fared: Fared
    result: Result | None = None


def look(host: Host, build: Version | None) -> Whole:
    """Return who would be rolled back, without the cost; change nothing."""
    people, _ = all_people(host)
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
    """Roll people back one after another; yield each when they have settled.

    The first outcome that is neither back nor skipped stops it, and so does a request to stop.  The
    remaining people are yielded as not reached.  Raises JournalError.
    """
    going = True
    for way in whole.ways:
        if not going or host.engine.stop():
            going = False
            yield Took(Fared(way.person, PersonOutcome.NOT_REACHED))
            continue
        took = _one(host, way, force=force)
        going = took.fared.outcome in {PersonOutcome.BACK, PersonOutcome.PASSED_OVER}
        yield took
    yield from (Took(Fared(person, PersonOutcome.STUCK, why)) for person, why in whole.stuck)


def _one(host: Host, way: WayBack, *, force: bool) -> Took:
    try:
        result = go_back(host, way.person, way.build, "", force=force)
    except JournalError:
        raise
    except PortError as error:
        result = Result(None, str(error), stayed=SkipReason.LATER)
    outcome = outcome_for_person(result.outcome)
    reason = "" if outcome is PersonOutcome.BACK else result.reason
    return Took(Fared(way.person, outcome, reason), result)
