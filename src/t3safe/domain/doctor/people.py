"""Judge people, their snapshots, and what their moves depend on."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from attrs import frozen

from t3safe.domain import text
from t3safe.domain.disk_space import Room
from t3safe.domain.doctor.findings import (
    Finding,
    Precondition,
    ok,
    problem,
    warning,
)
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.obstacles import Obstacle
from t3safe.domain.pressure import Pressure, PressureLimits, overloaded, shown
from t3safe.domain.unmapped import Unmapped
from t3safe.t3.files import is_of_t3
from t3safe.t3.generations import strange_set
from t3safe.t3.updater import Traces


def judge_updater(person: str, traces: Traces) -> tuple[Finding, ...]:
    """Judge whether t3's own updater can move a person past the gate."""
    found = tuple(
        warning(
            Precondition.UPDATER,
            f"{person}: trace of t3's own updater: {trace.what} ({trace.means})",
            f"ask {person} to do it: {trace.fix}",
        )
        for trace in traces.found()
    )
    return found or (ok(Precondition.UPDATER, f"{person}: no trace of t3's own updater"),)


def judge_map(people: int, problems: tuple[str, ...], path: str) -> tuple[Finding, ...]:
    """Judge whether every line of the user map can be used."""
    found = tuple(
        warning(Precondition.USER_MAP, f"{path} {problem}", f"fix that line of {path}")
        for problem in problems
    )
    return found or (ok(Precondition.USER_MAP, f"{people} people"),)


def judge_no_map(why: str, path: str) -> Finding:
    """Conclude that the user map names nobody, or cannot be read: no run can begin."""
    fix = f"write lines `login=os_user` into {path}, or set `user_map` to another file"
    return problem(Precondition.USER_MAP, why.partition("; ")[0], fix)


def judge_serve(person: str, start: str, *, fenced: bool, running: bool) -> Finding:
    """Judge whether a person's serve can run, and runs; `start` is the command that starts it."""
    if fenced:
        seen = f"{person} is fenced: neither serve nor sign-in can start"
        return problem(Precondition.SERVES, seen, "t3safe recover")
    if not running:
        seen = f"the serve of {person} does not run"
        return warning(Precondition.SERVES, seen, start)
    return ok(Precondition.SERVES, f"{person}: running")


def judge_data(person: str, obstacle: Obstacle | None, left_behind: str) -> Finding:
    """Judge whether a person's data can be moved; `left_behind` is why the newest run did not.

    What is seen now goes before what that run said.
    """
    if obstacle is not None:
        return problem(Precondition.DATA, f"{person}: {obstacle.seen}", obstacle.fix)
    if left_behind:
        fix = f"see One person's data in the runbook; `t3safe status` shows {person}"
        return problem(
            Precondition.DATA, f"{person} was not moved by the newest run: {left_behind}", fix
        )
    return ok(Precondition.DATA, f"{person}: can be moved")


@frozen
class Candidate:
    """The newest build that may be tried; `schema` is None until the gate has measured it."""

    build: str
    schema: SetLedger | None


def judge_generation(
    person: str, build: str, schemas: tuple[SetLedger | None, SetLedger], size: int, to: Candidate
) -> Finding:
    """Judge whether the generation of a person's data is known, and that of the candidate.

    `schemas` are of their build (None if it was never measured) and of their data, `size` is the
    size of the data in bytes.
    """
    ran, held = schemas
    strange = strange_set(held.names)
    if strange:
        fix = f"update t3safe, which may know it; ask {person} which t3 ran on it"
        return problem(
            Precondition.GENERATIONS,
            f"the data of {person} was written by an unknown t3: {strange}",
            fix,
        )
    now = (ran and ran.generation) or held.generation
    names = tuple(filter(is_of_t3, held.names))
    if not names:
        return ok(Precondition.GENERATIONS, f"{person}: no data yet")
    live = "unknown" if now is None else now.name
    seen = f"{person}: {live} ({build}, {', '.join(names)})"
    after = _candidate(held, size, to)
    if now is None:
        fix = f"t3safe check {build}: the gate names what is new"
        return problem(Precondition.GENERATIONS, f"{seen}: matches no known generation of t3", fix)
    return ok(Precondition.GENERATIONS, seen if to.build == build else f"{seen}; {after}")


def _candidate(held: SetLedger, size: int, to: Candidate) -> str:
    if to.schema is None:
        return f"candidate {to.build}: the gate finds its generation"
    found = to.schema.generation
    if found is None:
        return f"candidate {to.build}: unknown, {to.schema.strangeness}"
    copies = found.copied_from in held.names and found.database not in held.names
    first = f": the first start copies up to {text.size(size)}, only once" if copies else ""
    return f"candidate {to.build}: {found}{first}"


def judge_unreadable(person: str, why: str) -> Finding:
    """Conclude that a person's data cannot be read, so that no copy of it can be taken."""
    fix = f"fix what the line names; `t3safe snapshots {person}` lists what can be restored"
    return problem(Precondition.DATA, why, fix)


def judge_dead_link(person: str, why: str) -> Finding:
    """Conclude that the selection of a person is a dead link: no serve and no sign-in can start."""
    return problem(Precondition.SERVES, why, f"t3safe rollback {person} --to VERSION")


def judge_unmapped(found: Unmapped) -> Finding:
    """Conclude that a serve runs for a person who is not in the user map."""
    return problem(Precondition.SERVES, found.seen, found.fix)


def judge_room(room: Room) -> Finding:
    """Judge whether a folder has enough disk space for what a night writes there."""
    free, need = f"{text.size(room.free)} free", text.size(room.need)
    seen = f"{room.folder}: {free}, {room.what} at today's sizes take {need}"
    if room.enough:
        return ok(Precondition.DISK, seen)
    return problem(Precondition.DISK, seen, f"free space there: du -xsh {room.folder}/*")


def judge_load(pressure: Pressure, limits: PressureLimits, held_up: datetime | None) -> Finding:
    """Judge the load; `held_up` is since when an overloaded host has deferred all runs."""
    seen = f"{shown(pressure)}; {pressure.processors or 'unknown'} processors"
    fix = "see what runs at that hour (top, iotop), or move the timer; `pressure.*` sets the limits"
    if held_up is not None:
        since = f"an overloaded host has deferred all runs since {text.moment(held_up)}"
        return problem(Precondition.LOAD, f"{since}; now: {seen}", fix)
    why = overloaded(pressure, limits)
    if why:
        return warning(Precondition.LOAD, f"a run would move no one now: {why}", fix)
    return ok(Precondition.LOAD, seen)


def judge_clock(now: datetime, journal: datetime | None, published: date | None) -> Finding:
    """Judge whether the clock is behind a past event; dates without a time get one day more."""
    fix = "timedatectl set-ntp true; timedatectl status"
    if journal is not None and now < journal:
        seen = f"it is {text.moment(now)}, before the journal's last run ({text.moment(journal)})"
        return problem(Precondition.CLOCK, seen, fix)
    if published is not None and now.date() + timedelta(days=1) < published:
        seen = f"it is {text.moment(now)}, before an installed build was published ({published})"
        return problem(Precondition.CLOCK, seen, fix)
    return ok(Precondition.CLOCK, text.moment(now))


def judge_times(person: str, after: tuple[str, ...]) -> tuple[Finding, ...]:
    """Judge whether a time in a person's data is in the future; `after` names each such time."""
    fix = "such times are ignored; check whether the clock was once set ahead"
    return tuple(warning(Precondition.CLOCK, f"{person}: {each}", fix) for each in after)


def judge_journal(path: str, error: str) -> Finding:
    """Judge whether the journal passes SQLite's own check; `error` is the first error of it."""
    if error:
        fix = "t3safe recover; it keeps the file under another name and restarts no serve"
        return problem(Precondition.JOURNAL, f"{path}: {error}", fix)
    return ok(Precondition.JOURNAL, f"{path} is intact")


def judge_newer_journal(error: str) -> Finding:
    """Conclude that a newer t3safe wrote the journal: this one refuses every command that acts."""
    fix = "install the t3safe that the line names, or a newer one; do not change the journal"
    return problem(Precondition.JOURNAL, error, fix)


def judge_unexplained(
    unexplained: tuple[tuple[str, str], ...], last_good: str
) -> tuple[Finding, ...]:
    """Judge whether a run explains each build other than last-good.

    `unexplained` are (person, build).
    """
    fix = "t3safe recover; it signs in as that person; if that fails, it names the rollback"
    return tuple(
        warning(
            Precondition.JOURNAL,
            f"no run explains why {person} is on {build}, not on last-good ({last_good})",
            fix,
        )
        for person, build in unexplained
    )


def judge_notes(errors: tuple[str, ...]) -> tuple[Finding, ...]:
    """Judge whether pins, holds and the list of proven builds can be read.

    Each of `errors` names its file.
    """
    fix = "fix that file, or restore it from a backup of the host; then `t3safe status`"
    found = tuple(problem(Precondition.NOTES, error, fix) for error in errors)
    return found or (ok(Precondition.NOTES, "pins, holds and proven builds can be read"),)


def judge_unfinished(run: str) -> Finding:
    """Judge whether a run is unfinished."""
    if run:
        return problem(Precondition.UNFINISHED, f"run {run} is unfinished", "t3safe recover")
    return ok(Precondition.UNFINISHED, "no run is unfinished")


def judge_snapshot(person: str, snapshot: str = "", error: str = "") -> Finding:
    """Judge whether a snapshot matches its manifest; `snapshot` is empty if the person has none."""
    if not snapshot:
        return ok(Precondition.SNAPSHOTS, f"{person}: none yet; the first run takes one")
    if error:
        fix = f"t3safe snapshot {person}; `t3safe snapshots {person}` lists others"
        return problem(Precondition.SNAPSHOTS, error, fix)
    return ok(Precondition.SNAPSHOTS, f"{person}: {snapshot} is intact")
