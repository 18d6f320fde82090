"""The host's state as values to show, read through the ports; change nothing.

A part that cannot be read shows the reason in its place, and the rest is shown nevertheless: the
host may be broken.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from attrs import frozen

from t3safe.domain import events as ev
from t3safe.domain.disk_space import NightPaths, Room, rooms
from t3safe.domain.errors import PortError
from t3safe.domain.forecast import Known, Offered, Timer, next_run
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.membership import Membership
from t3safe.domain.ports import SnapshotInfo
from t3safe.domain.runs import MoveRecord, RunRecord, deferral
from t3safe.domain.unmapped import Unmapped
from t3safe.domain.versions import Version, days_behind
from t3safe.usecases.host import Host, Reader, all_people, owner_policy, refusals
from t3safe.usecases.run import offered
from t3safe.usecases.survey import ahead_of_builds, standing_of, unmapped_serves


@frozen
class PersonStatus:
    """One person: `build` is empty while fenced, `problem` says what could not be read.

    `running` is None when unknown.  `started` is since when the serve runs (UTC), None when it does
    not run or that is unknown.
    `days_behind` is by the days in the versions, None where they or the registry do not tell.
    `since` (UTC) is when `came_by`, a run, put them on the build; None where no run of the journal
    did, and `came_by` then is `adopted`, or `by hand` where a run had put another build there.
    `generation` names that of t3 which they run, empty where it is not known.
    `snapshots` and `snapshot_bytes` are None where they cannot be read.
    """

    person: str
    build: str
    since: datetime | None
    came_by: str
    fenced: bool
    running: bool | None
    started: datetime | None
    days_behind: int | None
    readiness: str
    why: str
    ledger: int | None
    generation: str
    snapshots: int | None
    snapshot_bytes: int | None
    deferred_since: datetime | None
    deferred_for: str
    problem: str


@frozen
class HostStatus:
    """The host as a whole; texts are empty when there is nothing to say.

    `newest` is where the registry's tag points.  Where the registry was not asked (frozen, pinned)
    or did not answer, `newest_trouble` says why and `newest` is what was known last, empty if
    nothing.  `newest_at` is when the registry said so.  `days_behind` is that of last-good.
    `fleet` is None without one.
    `timers` are empty where there is no systemd.  `unmapped` are serves that run for nobody in the
    user map.
    """

    people: tuple[PersonStatus, ...]
    frozen: str
    pin: str
    pin_note: str
    held: tuple[tuple[str, str], ...]
    refused: tuple[tuple[str, str], ...]
    default: str
    last_good: str
    previous_good: str
    builds: tuple[str, ...]
    unfinished: str
    last_run: str
    last_outcome: str
    last_reason: str
    last_closed: datetime | None
    newest: str
    newest_at: datetime | None
    newest_trouble: str
    days_behind: int | None
    next_run: str
    timers: tuple[Timer, ...]
    rooms: tuple[Room, ...]
    unmapped: tuple[Unmapped, ...]
    problems: tuple[str, ...]
    fleet: Membership | None = None


@frozen
class Around:
    """What `status` needs beside the ports; each raises only PortErrors."""

    known: Callable[[], Known | None]
    """What the registry offered last."""
    places: Callable[[], NightPaths]
    timers: Callable[[], tuple[Timer, ...]]
    weigh: Callable[[str], int]
    """The size of a person's data in bytes."""


def host_status(host: Host, around: Around) -> HostStatus:
    """Read all that `status` shows."""
    read = Reader()
    people, map_problems = read(partial(all_people, host)) or ((), ())
    read.problems.extend(f"user map {problem}" for problem in map_problems)
    selection, chosen = host.ports.selection, read(host.ports.choices.chosen)
    last = read(lambda: next(iter(host.ports.journal.runs()), None))
    refused = read(partial(refusals, host)) or ()
    policy_pin = host.rules.policy.pin
    unfinished = read(host.ports.journal.unfinished)
    frozen = read(host.ports.switch.frozen) or ""
    offered = Offered(problem="frozen") if frozen else _offered(host)
    known = _known(host, offered, around)
    newest = known.newest if known is not None else None
    last_good = read(selection.last_good)
    stored = {name: read(partial(host.ports.personal_data.snapshots, name)) for name in people}
    sizes = [
        infos[-1].stored.size if infos else read(partial(around.weigh, name)) or 0
        for name, infos in stored.items()
    ]
    places = read(around.places)
    return HostStatus(
        people=tuple(person_status(host, name, stored[name], newest) for name in people),
        frozen=frozen,
        pin=str(policy_pin or (chosen and chosen.pin) or ""),
        pin_note="by configuration" if policy_pin else (chosen.pin_note if chosen else ""),
        held=tuple((str(version), note) for version, note in (chosen.held if chosen else ())),
        refused=tuple((str(version), why) for version, why in refused),
        default=str(read(selection.default) or ""),
        last_good=str(last_good or ""),
        previous_good=str(read(selection.previous_good) or ""),
        builds=tuple(str(build) for build in read(host.ports.builds.present) or ()),
        unfinished=unfinished or "",
        last_run=last.run if last else "",
        last_outcome=_outcome(last),
        last_reason=last.ended.reason if last and last.ended else "",
        last_closed=last.closed if last else None,
        newest=str(newest or ""),
        newest_at=known.at if known is not None else None,
        newest_trouble=offered.problem,
        days_behind=days_behind(last_good, newest),
        next_run=read(lambda: _next_run(host, people, offered))
        or "unknown: see what could not be read",
        timers=read(around.timers) or (),
        rooms=rooms(places, sizes) if places is not None else (),
        unmapped=read(partial(unmapped_serves, host, people)) or (),
        problems=tuple(read.problems),
        fleet=host.ports.permit.membership(),
    )


def _known(host: Host, offered: Offered, around: Around) -> Known | None:
    """Return the registry's offer of now, or else its last known one."""
    if offered.offer is not None:
        return Known(offered.offer.tag, host.ports.clock.now())
    return around.known()


def _offered(host: Host) -> Offered:
    """Ask the registry; an unreachable registry is not a problem of this host."""
    try:
        offer = offered(host, owner_policy(host))
        return Offered(offer, problem="" if offer else "pinned: tracking is off")
    except PortError as error:
        return Offered(problem=str(error))


def _next_run(host: Host, people: tuple[str, ...], offered: Offered) -> str:
    """Forecast the next run.  Raises PortError: a journal that is unreadable says nothing."""
    unfinished = host.ports.journal.unfinished() is not None
    local = host.ports.clock.now().astimezone()
    standing = standing_of(host, people)
    return next_run(owner_policy(host), standing, offered, local, unfinished=unfinished)


def _outcome(record: RunRecord | None) -> str:
    if record is None:
        return ""
    return record.ended.outcome.value if record.ended else "unfinished"


def person_status(
    host: Host,
    person: str,
    snapshots: tuple[SnapshotInfo, ...] | None,
    newest: Version | None,
) -> PersonStatus:
    """Read one person's status; `problem` names what cannot be read."""
    read = Reader()
    selected = read(lambda: host.ports.selection.selected(person))
    status = read(lambda: host.ports.services.status(person))
    unknown = ev.Assessed(ev.Readiness.BUSY, "unknown is busy")
    assessed = read(lambda: host.idle.assess(person)) or unknown
    ledger = read(lambda: host.ports.personal_data.ledger(person))
    ahead = read(lambda: ahead_of_builds(host, person, ledger)) if ledger is not None else None
    if ahead is not None:
        read.problems.append(str(ahead))
    build = selected.build if selected else None
    moves = read(lambda: tuple(host.ports.journal.moves(person))) or ()
    put, waits = next((move for move in moves if move.put is not None), None), deferral(moves)
    return PersonStatus(
        person=person,
        build=str(build or ""),
        since=put.put_at if put is not None and put.put == build else None,
        came_by=_came_by(build, put),
        fenced=bool(selected and selected.fenced),
        running=status.running if status else None,
        started=status.started if status else None,
        days_behind=days_behind(build, newest),
        readiness=assessed.readiness.value,
        why=assessed.reason,
        ledger=ledger.level if ledger is not None else None,
        generation=read(lambda: _generation(host, build, ledger)) or "",
        snapshots=None if snapshots is None else len(snapshots),
        snapshot_bytes=None if snapshots is None else sum(info.stored.size for info in snapshots),
        deferred_since=waits.since if waits is not None else None,
        deferred_for=waits.build.text if waits is not None else "",
        problem="; ".join(read.problems),
    )


def _generation(host: Host, build: Version | None, ledger: SetLedger | None) -> str:
    """Name a person's generation of t3, by their build, or else by their data."""
    schema = host.ports.builds.schema(build) if build is not None else None
    found = (schema or ledger or SetLedger()).generation
    return found.name if found is not None else ""


def _came_by(build: Version | None, put: MoveRecord | None) -> str:
    """Name the run that put a person on their build, or what else did; empty while fenced."""
    if build is None:
        return ""
    if put is None:
        return "adopted"
    return put.run if put.put == build else "by hand"
