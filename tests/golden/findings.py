"""What `doctor` concludes from each kind of facts, as a person reads it, in `findings.txt`.

`python -m tests.golden.findings` writes that file.  Read what changed before it is committed.

Rules:

1. A case is judged when it is asked for, never on import: so a change to a judgement is seen here.
2. Each judgement has a case for every way out of it, and for both sides of every limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from attrs import evolve

from fakes.world import EPOCH, NEW, NEWER, OLD
from t3safe.domain import text
from t3safe.domain.disk_space import Room
from t3safe.domain.doctor import findings, machine, people
from t3safe.domain.doctor.findings import Finding, Precondition
from t3safe.domain.doctor.machine import Folder
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.obstacles import held
from t3safe.domain.pressure import Pressure, PressureLimits, Stall
from t3safe.domain.unmapped import Unmapped
from t3safe.t3.files import V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import BEFORE_SCOPES, V1, V2
from t3safe.t3.package import LIBRARIES, MACHINES, NativeHost
from t3safe.t3.sign_in import BOOTSTRAP, BROWSER_SESSION, PLAIN_COOKIE
from t3safe.t3.updater import NO_TRACES, ServiceState, Traces
from tests.support.personaldata import LATER_DATABASE

WRITTEN: Final = Path(__file__).with_name("findings.txt")
_MARK: Final = "# "

Case = Callable[[], Finding | tuple[Finding, ...]]

NODES: Final = "^22.16 || ^23.11 || >=24.10"
FITS, TOO_OLD = "24.10.0", "20.1.0"
MACHINE: Final = "x86_64"
LOADER: Final = MACHINES[MACHINE].loader
DISPATCH: Final = "127.0.0.1:3780"
T3: Final = "/usr/bin/t3"
TIMER: Final = "t3-autoupdate.timer"
MAP: Final = "/etc/t3/users"
START: Final = "systemctl start t3-serve@ann.service"
SOUND: Final = Folder("/var/lib/t3-autoupdate", there=True, ours=True, mode=0o755)
PRIVATE: Final = Folder("/srv/t3-backups/ann", there=True, ours=True, mode=0o700)
MIB: Final = 1024**2
MINUTE: Final = timedelta(minutes=1)
LIMITS: Final = PressureLimits()

_FIRST: Final = (1, BEFORE_SCOPES.marked_by)
OF_V1: Final = SetLedger.of({V1_DATABASE: Ledger.of([_FIRST, (31, V1.marked_by)])})
OF_V2: Final = SetLedger.of(
    {V2_DATABASE: Ledger.of([_FIRST, (31, V1.marked_by), (55, V2.marked_by)])}
)
OF_V3: Final = SetLedger.of({LATER_DATABASE: Ledger.of([_FIRST])})
OTHER: Final = SetLedger.of({V1_DATABASE: Ledger.of([(1, "Other")])})
NOT_T3S: Final = SetLedger.of({"notes.sqlite": Ledger.of([_FIRST])})


def _host(*libraries: str, machine: str = MACHINE) -> NativeHost:
    return NativeHost(machine, frozenset(libraries))


def _hooks(
    runs: int,
    *,
    refused: tuple[tuple[str, str], ...] = (),
    idle: tuple[str, ...] = (),
    strange: tuple[str, ...] = (),
) -> tuple[Finding, ...]:
    return machine.judge_hooks(runs, refused, idle, strange)


def _generation(
    ran: SetLedger | None,
    holds: SetLedger,
    candidate: SetLedger | None = None,
    *,
    build: str = OLD.text,
    to: str = NEW.text,
) -> Finding:
    """Judge the generation of ann, whose data has 120 MiB."""
    new = people.Candidate(to, candidate)
    return people.judge_generation("ann", build, (ran, holds), 120 * MIB, new)


def _load(
    pressure: Pressure, since: timedelta | None = None, limits: PressureLimits = LIMITS
) -> Finding:
    return people.judge_load(pressure, limits, None if since is None else EPOCH - since)


MACHINE_CASES: Final[Mapping[str, Case]] = {
    "npm is found": lambda: machine.judge_npm("npm", "/usr/bin/npm"),
    "npm is not found": lambda: machine.judge_npm("npm10", ""),
    "node prints no version": lambda: machine.judge_node("", ((OLD.text, NODES),)),
    "node fits no builds": lambda: machine.judge_node(FITS, ()),
    "node fits all builds": lambda: machine.judge_node(FITS, ((OLD.text, NODES), (NEW.text, ""))),
    "node is too old for the second build": lambda: machine.judge_node(
        TOO_OLD, ((OLD.text, ">=20"), (NEW.text, NODES), (NEWER.text, ">=26"))
    ),
    "node fits the offered build": lambda: machine.judge_offered(NEW.text, NODES, FITS),
    "the offered build needs nothing of an unknown node": lambda: machine.judge_offered(
        NEW.text, "", ""
    ),
    "node is too old for the offered build": lambda: machine.judge_offered(
        NEW.text, NODES, TOO_OLD
    ),
    "the native program finds all it needs": lambda: machine.judge_program(
        _host(LOADER, *LIBRARIES), (NEW.text,)
    ),
    "a library is missing, and no build needs it yet": lambda: machine.judge_program(
        _host(LOADER), ()
    ),
    "a library is missing, and a build needs it": lambda: machine.judge_program(
        _host(LOADER), (NEW.text, NEWER.text)
    ),
    "the loader is missing": lambda: machine.judge_program(_host(*LIBRARIES), (NEW.text,)),
    "no native program is made for this machine": lambda: machine.judge_program(
        _host(machine="riscv64"), ()
    ),
    "native modules can be compiled": lambda: machine.judge_compiling(FITS, "/usr", ()),
    "headers may be fetched": lambda: machine.judge_compiling(FITS, "", (), fetched=True),
    "headers are here, and may be fetched": lambda: machine.judge_compiling(
        FITS, "/usr", (), fetched=True
    ),
    "headers are missing": lambda: machine.judge_compiling(FITS, "", ()),
    "headers of an unknown node are missing": lambda: machine.judge_compiling("", "", ()),
    "compilers are missing": lambda: machine.judge_compiling(FITS, "/usr", ("make", "g++")),
    "compilers are missing, headers may be fetched": lambda: machine.judge_compiling(
        FITS, "", ("make",), fetched=True
    ),
    "compilers and headers are missing": lambda: machine.judge_compiling(FITS, "", ("g++",)),
    "the registry answers": lambda: machine.judge_registry(NEW.text, ""),
    "the registry does not answer": lambda: machine.judge_registry("", "no answer within 10 s"),
    "npm asks the same registry": lambda: machine.judge_one_registry("a.example", "a.example"),
    "npm names no registry": lambda: machine.judge_one_registry("a.example", ""),
    "npm asks another registry": lambda: machine.judge_one_registry("a.example", "b.example"),
    "the host has no launcher": lambda: machine.judge_launcher("", "is not ours"),
    "the launcher is t3safe's": lambda: machine.judge_launcher(T3, ""),
    "the launcher was replaced": lambda: machine.judge_launcher(T3, "is not ours"),
    "nobody else installs t3": lambda: machine.judge_installers(T3, T3, ()),
    "there is no t3 on the PATH": lambda: machine.judge_installers("", T3, ()),
    "nothing comes before a launcher that is not there": lambda: machine.judge_installers(
        "/usr/local/bin/t3", "", ()
    ),
    "another t3 comes first, and two jobs install one": lambda: machine.judge_installers(
        "/usr/local/bin/t3", T3, ("/etc/cron.d/t3", "/etc/cron.daily/npm")
    ),
    "a job installs a t3": lambda: machine.judge_installers(T3, T3, ("/etc/cron.d/t3",)),
    "nobody has a t3 in the home": lambda: machine.judge_programs("ann", ()),
    "ann has two t3 in the home": lambda: machine.judge_programs("ann", ("bin/t3", "t3/bin/t3")),
    "the dispatch answers": lambda: machine.judge_dispatch(DISPATCH, ""),
    "the dispatch does not answer": lambda: machine.judge_dispatch(DISPATCH, "cannot be reached"),
    "no serve has a cookie": lambda: machine.judge_cookies((), (PLAIN_COOKIE,)),
    "all cookies are known": lambda: machine.judge_cookies(
        (("ann", PLAIN_COOKIE), ("ben", f"{PLAIN_COOKIE}_abc")),
        (PLAIN_COOKIE, f"{PLAIN_COOKIE}_[a-f]+"),
    ),
    "one cookie only begins like a known one": lambda: machine.judge_cookies(
        (("ann", PLAIN_COOKIE), ("ben", f"{PLAIN_COOKIE}_abc")), (PLAIN_COOKIE,)
    ),
    "a cookie of 64 letters is shown whole": lambda: machine.judge_cookies(
        (("ann", f"{'c' * 63}1"),), ()
    ),
    "a longer cookie is cut": lambda: machine.judge_cookies((("ann", f"{'c' * 64}1"),), ()),
    "all serves take sign-ins at a known path": lambda: machine.judge_paths(
        (("ann", (BOOTSTRAP,)), ("ben", (BROWSER_SESSION,))), (BROWSER_SESSION, BOOTSTRAP)
    ),
    "a serve has no known path": lambda: machine.judge_paths(
        (("ann", ()), ("ben", (BOOTSTRAP,))), (BROWSER_SESSION, BOOTSTRAP)
    ),
    "all serves speak a known protocol": lambda: machine.judge_protocols(
        (("ann", 1), ("ben", 2)), (1, 2)
    ),
    "a serve speaks an unknown protocol": lambda: machine.judge_protocols(
        (("ann", 1), ("ben", 2)), (1,)
    ),
    "units are as they should be": lambda: machine.judge_units((), (), ()),
    "units are missing, changed, not enabled": lambda: machine.judge_units(
        ("/etc/systemd/system/a.service",), ("/etc/systemd/system/b.service",), (TIMER,)
    ),
    "timers are as they should be": lambda: machine.judge_timers(()),
    "a person's own timers are as they should be": lambda: machine.judge_timers((), own=True),
    "a timer makes up for missed nights": lambda: machine.judge_timers((TIMER, "b.timer")),
    "a person's own timer makes up, and does not linger": lambda: machine.judge_timers(
        (TIMER,), own=True, lingers=False
    ),
    "rehearsals cannot run": lambda: machine.judge_sandbox(
        "plain", "unshare: Operation not permitted", "sysctl kernel.unprivileged_userns_clone=1"
    ),
    "rehearsals cannot run, and nothing helps": lambda: machine.judge_sandbox("", "no user"),
    "rehearsals are plain processes": lambda: machine.judge_sandbox("plain", ""),
    "rehearsals are kept apart": lambda: machine.judge_sandbox("namespace", ""),
    "there are no hooks": lambda: _hooks(0),
    "two hooks are run": lambda: _hooks(2),
    "some hooks are not run": lambda: _hooks(
        1,
        refused=(("before-run.d/10-x", "others may write to it"),),
        idle=("after-run.d/20-y",),
        strange=("before_run.d",),
    ),
    "all users exist": lambda: machine.judge_users(()),
    "two users are missing": lambda: machine.judge_users(("t3safe-npm", "t3safe-gate")),
    "ann has no folder of snapshots yet": lambda: machine.judge_persons_folder(
        "ann", Folder("/srv/t3-backups/ann", there=False)
    ),
    "ann's folder is another user's": lambda: machine.judge_persons_folder(
        "ann", evolve(PRIVATE, ours=False)
    ),
    "ann's folder is hers alone": lambda: machine.judge_persons_folder("ann", PRIVATE),
    "the group reads ann's folder": lambda: machine.judge_persons_folder(
        "ann", evolve(PRIVATE, mode=0o740)
    ),
    "others enter ann's folder": lambda: machine.judge_persons_folder(
        "ann", evolve(PRIVATE, mode=0o701)
    ),
    "a folder of ours is missing": lambda: machine.judge_folder(Folder(SOUND.path, there=False)),
    "a folder of ours is another user's": lambda: machine.judge_folder(evolve(SOUND, ours=False)),
    "a folder of t3safe is ok": lambda: machine.judge_folder(SOUND),
    "the group writes to a folder of ours": lambda: machine.judge_folder(evolve(SOUND, mode=0o775)),
    "others write to a folder of ours": lambda: machine.judge_folder(evolve(SOUND, mode=0o702)),
    "a folder of ours has only its path": lambda: machine.judge_folder(
        Folder(SOUND.path, there=True)
    ),
    "a folder of ours lets nobody in": lambda: machine.judge_folder(
        Folder(SOUND.path, there=True, ours=True)
    ),
    "notifications are off": lambda: machine.judge_notifications((), installed=False),
    "Apprise is not installed": lambda: machine.judge_notifications(
        (("1 json", ""),), installed=False, exposed="/etc/t3safe.toml"
    ),
    "notifications go to two ends": lambda: machine.judge_notifications(
        (("1 json", ""), ("2 mailto", "")), installed=True
    ),
    "one end is no URL, and others may read them all": lambda: machine.judge_notifications(
        (("1 json", ""), ("2 ?", "not a URL")), installed=True, exposed="/etc/t3safe.toml"
    ),
    "the file of URLs cannot be used": lambda: machine.judge_no_ends("cannot read /etc/urls"),
}

PEOPLE_CASES: Final[Mapping[str, Case]] = {
    "t3's own updater left nothing": lambda: people.judge_updater("ann", NO_TRACES),
    "t3's own updater left three traces": lambda: people.judge_updater(
        "ann",
        Traces(
            (NEWER.text,), ServiceState(NEWER.text, "committed", OLD.text, NEWER.text), unit=True
        ),
    ),
    "the user map is ok": lambda: people.judge_map(3, (), MAP),
    "two lines of the user map are wrong": lambda: people.judge_map(
        1, ("line 2: no '=' between login and user", "line 3: 'root' is not a login"), MAP
    ),
    "there is no user map": lambda: people.judge_no_map("it does not exist; write one; now", MAP),
    "ann is fenced": lambda: people.judge_serve("ann", START, fenced=True, running=True),
    "ann's serve does not run": lambda: people.judge_serve(
        "ann", START, fenced=False, running=False
    ),
    "ann's serve runs": lambda: people.judge_serve("ann", START, fenced=False, running=True),
    "ann can be moved": lambda: people.judge_data("ann", None, ""),
    "a process has ann's data open, which the run said": lambda: people.judge_data(
        "ann", held("ann", "process 42 (less) has a database open"), "the rehearsal failed"
    ),
    "the newest run left ann behind": lambda: people.judge_data(
        "ann", None, "the rehearsal failed"
    ),
    "ann's data cannot be read": lambda: people.judge_unreadable(
        "ann", "cannot read the data of ann: file is not a database"
    ),
    "ann is on V1, as the candidate": lambda: _generation(OF_V1, OF_V1, OF_V1),
    "ann is on V1, the candidate is of V2": lambda: _generation(OF_V1, OF_V1, OF_V2),
    "ann's build was never measured": lambda: _generation(None, OF_V1, OF_V1),
    "ann is on the candidate": lambda: _generation(OF_V1, OF_V1, OF_V1, to=OLD.text),
    "the candidate was never measured": lambda: _generation(OF_V1, OF_V1),
    "the candidate is of no known generation": lambda: _generation(OF_V1, OF_V1, OF_V3),
    "ann is on V2 beside V1": lambda: _generation(
        OF_V2, SetLedger((*OF_V1.databases, *OF_V2.databases)), OF_V2
    ),
    "ann is on V2 alone": lambda: _generation(OF_V2, OF_V2, OF_V2),
    "ann works on V1, and has tried V2": lambda: _generation(
        OF_V1, SetLedger((*OF_V1.databases, *OF_V2.databases)), OF_V1
    ),
    "only ann's data tells its generation": lambda: _generation(OTHER, OF_V1, OF_V1),
    "ann has a database of a later generation": lambda: _generation(
        OF_V2, SetLedger((*OF_V2.databases, *OF_V3.databases)), OF_V2
    ),
    "ann's ledger is of no known generation": lambda: _generation(None, OTHER, OF_V1),
    "ann's build and ledger are of no known generation": lambda: _generation(OTHER, OTHER, OF_V1),
    "ann has no data yet": lambda: _generation(OF_V1, SetLedger()),
    "ann has a database that is not t3's": lambda: _generation(OF_V1, NOT_T3S),
    "ann has a database that is not t3's beside one": lambda: _generation(
        OF_V1, SetLedger((*NOT_T3S.databases, *OF_V1.databases)), OF_V1
    ),
    "ann's selection leads nowhere": lambda: people.judge_dead_link(
        "ann", "cannot tell what ann runs: a link to 0.0.27, which is gone"
    ),
    "a serve of nobody in the map": lambda: people.judge_unmapped(Unmapped("carl", 5, OLD.text)),
    "there is room": lambda: people.judge_room(Room("rehearsals", "/tmp", 10 * MIB, 10 * MIB)),
    "there is no room": lambda: people.judge_room(
        Room("rehearsals", "/tmp", 10 * MIB - 1, 10 * MIB)
    ),
    "the load is not measured": lambda: _load(Pressure()),
    "the host has room for work": lambda: _load(
        Pressure(Stall(99, 9), Stall(1, 2), 0.5, processors=2)
    ),
    "the host is overloaded now": lambda: _load(Pressure(Stall(99, 95), processors=2)),
    "by its own limits the host is overloaded now": lambda: _load(
        Pressure(Stall(60, 55), processors=2), limits=PressureLimits(cpu=50)
    ),
    "the host was overloaded, and is not now": lambda: _load(
        Pressure(Stall(1, 2), processors=4), since=3 * MINUTE
    ),
    "the clock is right": lambda: people.judge_clock(EPOCH, EPOCH, date(2026, 6, 17)),
    "the clock is right, and nothing is known": lambda: people.judge_clock(EPOCH, None, None),
    "the clock is before the last run": lambda: people.judge_clock(EPOCH, EPOCH + MINUTE, None),
    "the clock is before a build": lambda: people.judge_clock(EPOCH, None, date(2026, 6, 18)),
    "the clock is before a build, after the last run": lambda: people.judge_clock(
        EPOCH, EPOCH - MINUTE, date(2026, 6, 18)
    ),
    "no time of ann's is after now": lambda: people.judge_times("ann", ()),
    "two times of ann's are after now": lambda: people.judge_times(
        "ann",
        (
            f"an activity is dated {text.moment(EPOCH + 9 * MINUTE)}, which is after now",
            f"snapshot s1 is dated {text.moment(EPOCH + MINUTE)}, which is after now",
        ),
    ),
    "the journal is intact": lambda: people.judge_journal("/var/lib/t3/journal", ""),
    "the journal is damaged": lambda: people.judge_journal(
        "/var/lib/t3/journal", "row 3 missing from index"
    ),
    "a newer t3safe wrote the journal": lambda: people.judge_newer_journal(
        "the journal was written by t3safe 99.1, in format 30"
    ),
    "runs explain every build": lambda: people.judge_unexplained((), OLD.text),
    "no run explains two builds": lambda: people.judge_unexplained(
        (("ann", NEW.text), ("ben", NEWER.text)), OLD.text
    ),
    "all notes can be read": lambda: people.judge_notes(()),
    "two notes cannot be read": lambda: people.judge_notes(
        ("cannot read /var/lib/t3/last-good", "cannot read /var/lib/t3/choices")
    ),
    "no run is unfinished": lambda: people.judge_unfinished(""),
    "a run is unfinished": lambda: people.judge_unfinished("20260615T040000Z-ab"),
    "ann has no snapshot yet": lambda: people.judge_snapshot("ann"),
    "ann's snapshot is intact": lambda: people.judge_snapshot("ann", "s1"),
    "ann's snapshot is damaged": lambda: people.judge_snapshot(
        "ann", "s1", "cannot use snapshot s1 of ann: it fails quick_check"
    ),
}

FINDINGS_CASES: Final[Mapping[str, Case]] = {
    "something holds": lambda: findings.ok(Precondition.HOOKS, "no hooks"),
    "something could not be looked at": lambda: findings.unknown(
        Precondition.HOOKS, "cannot read /etc/t3safe/hooks: permission denied"
    ),
    "one cause keeps several checks from being made": lambda: findings.without_repeats(
        (
            findings.unknown(Precondition.UPDATER, "no user map; write one"),
            people.judge_no_map("no user map", MAP),
            findings.unknown(Precondition.SERVES, "no user map"),
            findings.unknown(Precondition.HOOKS, "permission denied"),
            findings.unknown(Precondition.SNAPSHOTS, "permission denied"),
        )
    ),
}

CASES: Final[Mapping[str, Case]] = {**MACHINE_CASES, **PEOPLE_CASES, **FINDINGS_CASES}


def told(name: str) -> str:
    """Say what a case comes to: level, precondition, what was seen, what fixes it."""
    judged = CASES[name]()
    lines = []
    for found in judged if isinstance(judged, tuple) else (judged,):
        lines.append(f"{found.level} {found.check}: {found.seen}")
        if found.fix:
            lines.append(f"    fix: {found.fix}")
    return "\n".join(lines)


def reviewed() -> dict[str, str]:
    """Give what each case came to when the file was written, in its order."""
    sections = WRITTEN.read_text(encoding="utf-8").removeprefix(_MARK).split(f"\n\n{_MARK}")
    heads = (section.partition("\n") for section in sections)
    return {name: body.rstrip("\n") for name, _, body in heads}


def main() -> None:
    """Write what every case comes to now."""
    sections = (f"{_MARK}{name}\n{told(name)}".rstrip() for name in CASES)
    WRITTEN.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
