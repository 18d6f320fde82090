"""What a look at the host concludes: one finding a precondition, with the command that fixes it.

Rules:

1. Facts come in as values; nothing here looks at anything.
2. A finding that is not ok names what was seen and what fixes it.
3. What could not be looked at is unknown, never ok.
4. One cause is told once: a check that could not be made for a cause that another check tells is
   skipped, and says so.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from enum import StrEnum

from attrs import frozen

from t3safe.domain import text
from t3safe.domain.disk_space import Room
from t3safe.domain.gate import engine_problem
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.obstacles import Obstacle
from t3safe.domain.pressure import Pressure, PressureLimits, overloaded, shown
from t3safe.domain.unmapped import Unmapped
from t3safe.t3 import package
from t3safe.t3.files import is_of_t3
from t3safe.t3.generations import strange_set
from t3safe.t3.sign_in import SOCKET_PATH
from t3safe.t3.updater import Traces


class Health(StrEnum):
    """How a precondition stands."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    PROBLEM = "problem"


class Precondition(StrEnum):
    """The preconditions, in the order in which they are told."""

    NPM = "npm"
    NODE = "node"
    PROGRAM = "program"
    REGISTRY = "registry"
    LAUNCHER = "launcher"
    INSTALLERS = "installers"
    UPDATER = "updater"
    DISPATCH = "dispatch"
    COOKIES = "cookies"
    PATHS = "paths"
    PROTOCOLS = "protocols"
    UNITS = "units"
    TIMERS = "timers"
    HOOKS = "hooks"
    USERS = "users"
    SANDBOX = "sandbox"
    USER_MAP = "user-map"
    SERVES = "serves"
    DATA = "data"
    GENERATIONS = "generations"
    DISK = "disk"
    LOAD = "load"
    CLOCK = "clock"
    JOURNAL = "journal"
    NOTES = "notes"
    UNFINISHED = "unfinished"
    SNAPSHOTS = "snapshots"
    FOLDERS = "folders"
    NOTIFICATIONS = "notifications"


@frozen
class Finding:
    """One conclusion; `fix` is empty where nothing is to be fixed."""

    check: Precondition
    level: Health
    seen: str
    fix: str = ""


def ok(check: Precondition, seen: str) -> Finding:
    """Conclude that a precondition holds."""
    return Finding(check, Health.OK, seen)


def unknown(check: Precondition, why: str) -> Finding:
    """Conclude that nobody can tell (rule 3)."""
    fix = "run `t3safe doctor` as the user that runs t3safe; fix what the line names"
    return Finding(check, Health.UNKNOWN, why, fix)


def _problem(check: Precondition, seen: str, fix: str) -> Finding:
    return Finding(check, Health.PROBLEM, seen, fix)


def _warning(check: Precondition, seen: str, fix: str) -> Finding:
    return Finding(check, Health.WARNING, seen, fix)


def without_repeats(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Let each cause be told by one finding, a problem where there is one (rule 4)."""
    told = {found.seen: found for found in reversed(findings)}
    told |= {found.seen: found for found in findings if found.level is Health.PROBLEM}
    return tuple(
        Finding(
            found.check,
            Health.UNKNOWN,
            f"{SKIPPED}{found.seen}",
            f"see {told[found.seen].check}",
        )
        if found.level is Health.UNKNOWN and told[found.seen] is not found
        else found
        for found in findings
    )


SKIPPED = "skipped: "


def worst(findings: tuple[Finding, ...]) -> Health:
    """Give the most serious level: a problem before unknown, before a warning."""
    order = (Health.OK, Health.WARNING, Health.UNKNOWN, Health.PROBLEM)
    return max((found.level for found in findings), key=order.index, default=Health.OK)


def judge_npm(name: str, path: str) -> Finding:
    """Judge whether npm is there; `path` is empty where it was not found."""
    if path:
        return ok(Precondition.NPM, path)
    fix = f"install npm, or set `npm` in the configuration to its path: command -v {name}"
    return _problem(Precondition.NPM, f"there is no {name} on the PATH", fix)


def judge_node(version: str, needs: tuple[tuple[str, str], ...]) -> Finding:
    """The node of the units fits the builds; `needs` are (build, engines.node)."""
    if not version:
        fix = "install node, or set `gate.node` to the node that the units run"
        return _problem(Precondition.NODE, "`node --version` prints no version", fix)
    for build, engines in needs:
        trouble = engine_problem(engines, version)
        if trouble:
            fix = f"install a node that satisfies {engines}, then `t3safe check {build}`"
            return _problem(Precondition.NODE, f"{build}: {trouble}", fix)
    return ok(Precondition.NODE, f"node {version} fits {len(needs)} builds")


def judge_offered(newest: str, engines: str, version: str) -> Finding:
    """The node of the units fits the newest build that is offered, before it is installed."""
    trouble = engine_problem(engines, version)
    if not trouble:
        return ok(Precondition.NODE, f"node {version or 'unknown'} fits {newest}, which is offered")
    fix = f"install a node that satisfies {engines}: the gate refuses {newest} until then"
    return _warning(Precondition.NODE, f"{newest}, which is offered: {trouble}", fix)


def judge_program(host: package.NativeHost, builds: tuple[str, ...]) -> Finding:
    """This host has what t3's native program takes, as far as that is known before it is run.

    `builds` are those of the store that have one: they cannot be started where anything is missing.
    """
    lacks = package.lacks(host)
    if not lacks:
        return ok(Precondition.PROGRAM, "t3's native program finds what it is known to need")
    seen = "; ".join(lack.what for lack in lacks)
    fix = "; ".join(dict.fromkeys(lack.fix for lack in lacks))
    if builds:
        return _problem(Precondition.PROGRAM, f"{builds[0]} cannot be started: {seen}", fix)
    since = f"releases from {package.NATIVE_SINCE} on cannot be installed"
    return _warning(Precondition.PROGRAM, f"{since}: {seen}", fix)


def judge_compiling(
    node: str, headers: str, missing: tuple[str, ...], *, fetched: bool = False
) -> Finding:
    """What compiles a native module is here, and node's headers that fit.

    `headers` is their folder, empty where there are none; `missing` are programs.  `fetched` says
    that install scripts may fetch headers.
    """
    lacks, installs = list(missing), []
    if missing:
        installs.append("apt-get install g++ make python3")
    if not headers and not fetched:
        lacks.append(f"the headers of node {node or 'unknown'}")
        installs.append(
            "apt-get install libnode-dev, where node is Debian's; else unpack those of this very"
            " node, and set `npm_node_headers` to the folder that holds include/node"
        )
    if lacks:
        seen = f"a build with a module that must be compiled cannot be installed without {lacks[0]}"
        seen = ", ".join((seen, *lacks[1:]))
        return _warning(Precondition.NPM, seen, "; ".join(installs))
    where = f"node's headers are in {headers}/include/node" if headers else "headers are fetched"
    return ok(Precondition.NPM, f"native modules can be compiled: {where}")


def judge_registry(tag: str, trouble: str) -> Finding:
    """The registry answers, and the track's tag points somewhere."""
    if trouble:
        return _problem(Precondition.REGISTRY, trouble, "npm ping; npm config get registry")
    return ok(Precondition.REGISTRY, f"it offers {tag}")


def judge_one_registry(asked: str, npm: str) -> Finding:
    """Commands by hand, timers and the npm of whoever looks have one registry; both are hosts."""
    if not npm or asked == npm:
        return ok(Precondition.REGISTRY, f"t3safe asks {asked}, by hand and by the timer")
    seen = f"t3safe asks {asked}, by hand and by the timer; your npm asks {npm}"
    fix = "set `registry` in the configuration to the right one"
    return _warning(Precondition.REGISTRY, seen, fix)


def judge_launcher(path: str, found: str) -> Finding:
    """The launcher is ours; `path` is empty where the host has none to keep."""
    if not path:
        return ok(Precondition.LAUNCHER, "this host has no launcher")
    if not found:
        return ok(Precondition.LAUNCHER, f"{path} is ours")
    fix = "`t3safe adopt VERSION` installs it; after that every `t3safe run` restores it"
    return _problem(Precondition.LAUNCHER, f"{path} {found}", fix)


def judge_installers(first: str, launcher: str, callers: tuple[str, ...]) -> tuple[Finding, ...]:
    """Nothing comes before the launcher on the PATH, and nobody else installs a global t3.

    `first` is the first `t3` on the PATH, `callers` are files that install one.
    """
    found = []
    if first and launcher and first != launcher:
        seen = f"{first} comes before {launcher} on the PATH and bypasses the gate"
        found.append(_problem(Precondition.INSTALLERS, seen, f"rm {first}"))
    for caller in callers:
        fix = f"remove the call from {caller}: t3safe installs and gates builds itself"
        found.append(_problem(Precondition.INSTALLERS, f"{caller} installs a global t3", fix))
    return tuple(found) or (ok(Precondition.INSTALLERS, "no other program installs t3"),)


def judge_programs(person: str, places: tuple[str, ...]) -> Finding:
    """Nothing in a person's home bypasses the launcher; `places` are below the home."""
    if not places:
        return ok(Precondition.INSTALLERS, f"{person}: no other t3 in the home")
    seen = f"{person} has another t3 in the home ({', '.join(places)}), which bypasses the gate"
    fix = f"ask {person} to run: npm uninstall -g t3"
    return _warning(Precondition.INSTALLERS, seen, fix)


def judge_updater(person: str, traces: Traces) -> tuple[Finding, ...]:
    """t3's own updater takes nobody past the gate."""
    found = tuple(
        _warning(
            Precondition.UPDATER,
            f"{person} has {trace.what}, of t3's own updater: {trace.means}",
            f"ask {person} to do it: {trace.fix}",
        )
        for trace in traces.found()
    )
    return found or (ok(Precondition.UPDATER, f"{person}: no trace of t3's own updater"),)


def judge_dispatch(address: str, trouble: str) -> Finding:
    """The dispatch answers at its address; `trouble` is empty where it does."""
    if not trouble:
        return ok(Precondition.DISPATCH, f"{address} answers")
    fix = "systemctl status t3-dispatch; or set `dispatch` (T3_DISPATCH) to its address"
    return _problem(Precondition.DISPATCH, f"{address} {trouble}", fix)


def judge_cookies(
    cookies: tuple[tuple[str, str], ...], known: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Every serve's cookie is one that the dispatch knows; `cookies` are (person, name)."""
    found = tuple(
        _problem(
            Precondition.COOKIES,
            f"the serve of {person} uses the cookie {name[:64]!a}, which the dispatch is not said "
            "to know",
            "update the dispatch, then add the name to `dispatch_knows.cookies`",
        )
        for person, name in cookies
        if not any(re.fullmatch(pattern, name) for pattern in known)
    )
    return found or (ok(Precondition.COOKIES, f"{len(cookies)} serves use a known cookie"),)


def judge_paths(
    taken: tuple[tuple[str, tuple[str, ...]], ...], known: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Every serve takes a credential at a path that the dispatch knows.

    `taken` are (person, those of the `known` paths that the serve has).
    """
    found = tuple(
        _problem(
            Precondition.PATHS,
            f"the serve of {person} has none of the paths that the dispatch is said to know: "
            f"{', '.join(known)}",
            "update the dispatch, then add the path to `dispatch_knows.paths`",
        )
        for person, paths in taken
        if not paths
    )
    return found or (ok(Precondition.PATHS, f"{len(taken)} serves take sign-ins at a known path"),)


def judge_protocols(
    spoken: tuple[tuple[str, int], ...], known: tuple[int, ...]
) -> tuple[Finding, ...]:
    """Every serve's web socket has a protocol that the dispatch passes on.

    `spoken` are (person, protocol).
    """
    found = tuple(
        _problem(
            Precondition.PROTOCOLS,
            f"the web socket of the serve of {person} needs protocol {protocol}, which the "
            "dispatch is not said to pass on",
            f"make the dispatch pass on the query of {SOCKET_PATH}, then add it to "
            "`dispatch_knows.protocols`",
        )
        for person, protocol in spoken
        if protocol not in known
    )
    return found or (ok(Precondition.PROTOCOLS, f"{len(spoken)} serves speak a known protocol"),)


def judge_units(
    missing: tuple[str, ...], changed: tuple[str, ...], disabled: tuple[str, ...]
) -> tuple[Finding, ...]:
    """t3safe's own units are there, unchanged and enabled."""
    fix = "t3safe units install"
    found = (
        *(_problem(Precondition.UNITS, f"{path} is missing", fix) for path in missing),
        *(
            _warning(Precondition.UNITS, f"{path} is not what t3safe writes", fix)
            for path in changed
        ),
        *(_problem(Precondition.UNITS, f"{name} is not enabled", fix) for name in disabled),
    )
    return found or (ok(Precondition.UNITS, "installed, unchanged, enabled"),)


def judge_timers(
    persistent: tuple[str, ...], *, own: bool = False, lingers: bool = True
) -> tuple[Finding, ...]:
    """No timer makes up for a missed night in the middle of the day, and each runs at night.

    `own` says that they are a person's own, `lingers` that these run without a session of theirs.
    """
    whose = " --user" if own else ""
    found = tuple(
        _problem(
            Precondition.TIMERS,
            f"{name} is Persistent: after a night off it runs in the daytime",
            f"systemctl{whose} revert {name}; t3safe units install",
        )
        for name in persistent
    )
    if not lingers:
        seen = "your serve and your timers run only while you are logged in"
        how = "loginctl enable-linger; where that is denied, as root: loginctl enable-linger NAME"
        found = (*found, _problem(Precondition.TIMERS, seen, how))
    return found or (ok(Precondition.TIMERS, "none is Persistent"),)


def judge_sandbox(kind: str, why: str, how: str = "") -> Finding:
    """A rehearsal is kept apart, or is not to be; `why` is why none can be, `how` what to do."""
    if why:
        return _problem(Precondition.SANDBOX, f"rehearsals cannot run here: {why}", how)
    if kind == "plain":
        seen = (
            "rehearsals are plain processes (`gate.sandbox`): a build can read and write what "
            "its user can, worktrees and projects too, and uses the host's own network"
        )
        return _warning(Precondition.SANDBOX, seen, 'set `gate.sandbox` to "auto"')
    return ok(Precondition.SANDBOX, f"each rehearsal has a {kind} of its own")


def judge_hooks(
    runs: int, refused: tuple[tuple[str, str], ...], idle: tuple[str, ...], strange: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Every file among the hooks is one that is run; `runs` are, `refused` are (name, why).

    `idle` are not executable, `strange` lie where no moment looks.
    """
    how = "only root, or the user of t3safe, may own or write it and its folders (docs/hooks.md)"
    found = (
        *(
            _problem(Precondition.HOOKS, f"{name} is never run: {why}", f"{how}, or remove it")
            for name, why in refused
        ),
        *(
            _warning(Precondition.HOOKS, f"{name} is not executable", "chmod +x it, or remove it")
            for name in idle
        ),
        *(
            _warning(
                Precondition.HOOKS, f"{name} is not a folder of hooks", "docs/hooks.md names them"
            )
            for name in strange
        ),
    )
    return found or (ok(Precondition.HOOKS, f"{runs} that may run"),)


def judge_users(missing: tuple[str, ...]) -> tuple[Finding, ...]:
    """The users that npm and the gate run as exist."""
    found = tuple(
        _problem(Precondition.USERS, f"there is no user {name}", "t3safe units install")
        for name in missing
    )
    return found or (ok(Precondition.USERS, "all needed users exist"),)


def judge_map(people: int, problems: tuple[str, ...], path: str) -> tuple[Finding, ...]:
    """Every line of the user map is one that can be used."""
    found = tuple(
        _warning(Precondition.USER_MAP, f"{path} {problem}", f"fix that line of {path}")
        for problem in problems
    )
    return found or (ok(Precondition.USER_MAP, f"{people} people"),)


def judge_no_map(why: str, path: str) -> Finding:
    """Conclude that the user map names nobody, or cannot be read: no run can begin."""
    fix = f"write lines `login=os_user` into {path}, or set `user_map` to another file"
    return _problem(Precondition.USER_MAP, why, fix)


def judge_serve(person: str, start: str, *, fenced: bool, running: bool) -> Finding:
    """A person's serve can run, and does; `start` is the command that starts it."""
    if fenced:
        seen = f"{person} is fenced: neither serve nor sign-in can start"
        return _problem(Precondition.SERVES, seen, "t3safe recover")
    if not running:
        seen = f"the serve of {person} does not run"
        return _warning(Precondition.SERVES, seen, start)
    return ok(Precondition.SERVES, f"{person}: running")


def judge_data(person: str, obstacle: Obstacle | None, left_behind: str) -> Finding:
    """Nothing is wrong with a person's data; `left_behind` is why the newest run did not move it.

    What is seen now explains more than what a run said.
    """
    if obstacle is not None:
        return _problem(Precondition.DATA, f"{person}: {obstacle.seen}", obstacle.fix)
    if left_behind:
        fix = f"see One person's data in the runbook; `t3safe status` shows {person}"
        return _problem(
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
    """A person's set is of a generation of t3 that is known, and so is what comes next.

    `schemas` are of their build (None where it was never measured) and of their set, `size` is that
    of the set in bytes.
    """
    ran, held = schemas
    strange = strange_set(held.names)
    if strange:
        fix = "update t3safe, which may know it; ask {person} which t3 ran on it"
        return _problem(
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
        return _problem(Precondition.GENERATIONS, f"{seen}, which no known generation has", fix)
    return ok(Precondition.GENERATIONS, seen if to.build == build else f"{seen}; {after}")


def _candidate(held: SetLedger, size: int, to: Candidate) -> str:
    if to.schema is None:
        return f"candidate {to.build}: the gate finds its generation"
    found = to.schema.generation
    if found is None:
        return f"candidate {to.build}: unknown, {to.schema.strangeness}"
    copies = found.copied_from in held.names and found.database not in held.names
    first = f": the first start copies up to {text.size(size)}, once and for all" if copies else ""
    return f"candidate {to.build}: {found}{first}"


def judge_unreadable(person: str, why: str) -> Finding:
    """Conclude that a person's data cannot be read, so that no copy of it can be taken."""
    fix = f"fix what the line names; `t3safe snapshots {person}` lists what can be restored"
    return _problem(Precondition.DATA, why, fix)


def judge_dead_link(person: str, why: str) -> Finding:
    """A person's selection leads nowhere: neither serve nor sign-in can start."""
    return _problem(Precondition.SERVES, why, f"t3safe rollback {person} --to VERSION")


def judge_unmapped(found: Unmapped) -> Finding:
    """A serve runs for nobody in the user map."""
    return _problem(Precondition.SERVES, found.seen, found.fix)


def judge_room(room: Room) -> Finding:
    """A folder has room for what a night writes there."""
    free, need = f"{text.size(room.free)} free", text.size(room.need)
    seen = f"{room.folder}: {free}, {room.what} at today's sizes take {need}"
    if room.enough:
        return ok(Precondition.DISK, seen)
    return _problem(Precondition.DISK, seen, f"free space there: du -xsh {room.folder}/*")


def judge_load(pressure: Pressure, limits: PressureLimits, held_up: datetime | None) -> Finding:
    """The host has processors and disks to spare; `held_up` is since when it had none for runs."""
    seen = f"{shown(pressure)}; {pressure.processors or 'unknown'} processors"
    fix = "see what runs at that hour (top, iotop), or move the timer; `pressure.*` sets the limits"
    if held_up is not None:
        since = f"an overloaded host has deferred all runs since {text.moment(held_up)}"
        return _problem(Precondition.LOAD, f"{since}; now: {seen}", fix)
    why = overloaded(pressure, limits)
    if why:
        return _warning(Precondition.LOAD, f"a run would move no one now: {why}", fix)
    return ok(Precondition.LOAD, seen)


def judge_clock(now: datetime, journal: datetime | None, published: date | None) -> Finding:
    """The clock is not behind what already happened; a day is allowed for dates without a time."""
    fix = "timedatectl set-ntp true; timedatectl status"
    if journal is not None and now < journal:
        seen = f"it is {text.moment(now)}, before the journal's last run ({text.moment(journal)})"
        return _problem(Precondition.CLOCK, seen, fix)
    if published is not None and now.date() + timedelta(days=1) < published:
        seen = f"it is {text.moment(now)}, before an installed build was published ({published})"
        return _problem(Precondition.CLOCK, seen, fix)
    return ok(Precondition.CLOCK, text.moment(now))


def judge_times(person: str, after: tuple[str, ...]) -> tuple[Finding, ...]:
    """No time of a person's is after now; `after` says of each what it is and when."""
    fix = "such times are ignored; check whether the clock was once set ahead"
    return tuple(_warning(Precondition.CLOCK, f"{person}: {each}", fix) for each in after)


def judge_journal(path: str, trouble: str) -> Finding:
    """The journal passes SQLite's own check; `trouble` is its first complaint."""
    if trouble:
        fix = "t3safe recover; it keeps the file under another name and restarts no serve"
        return _problem(Precondition.JOURNAL, f"{path}: {trouble}", fix)
    return ok(Precondition.JOURNAL, f"{path} is sound")


def judge_newer_journal(trouble: str) -> Finding:
    """A newer t3safe wrote the journal: until that one is back no command that acts does."""
    fix = "install the t3safe that the line names, or a newer one; do not change the journal"
    return _problem(Precondition.JOURNAL, trouble, fix)


def judge_unexplained(
    unexplained: tuple[tuple[str, str], ...], last_good: str
) -> tuple[Finding, ...]:
    """A run tells why each person is on another build than last-good; these are on `build`."""
    fix = "t3safe recover; it signs in as that person, and names the rollback where that fails"
    return tuple(
        _warning(
            Precondition.JOURNAL,
            f"no run explains why {person} is on {build}, not on last-good ({last_good})",
            fix,
        )
        for person, build in unexplained
    )


def judge_notes(troubles: tuple[str, ...]) -> tuple[Finding, ...]:
    """What was noted beside the journal can be read: pins and holds, the proven builds.

    `troubles` name the file each.
    """
    fix = "fix that file, or restore it from a backup of the host; then `t3safe status`"
    found = tuple(_problem(Precondition.NOTES, trouble, fix) for trouble in troubles)
    return found or (ok(Precondition.NOTES, "pins, holds and proven builds can be read"),)


def judge_unfinished(run: str) -> Finding:
    """No run was left in the middle."""
    if run:
        return _problem(Precondition.UNFINISHED, f"run {run} is unfinished", "t3safe recover")
    return ok(Precondition.UNFINISHED, "no run is unfinished")


def judge_snapshot(person: str, snapshot: str, trouble: str) -> Finding:
    """A snapshot is what its manifest says; `snapshot` is empty where the person has none."""
    if not snapshot:
        return ok(Precondition.SNAPSHOTS, f"{person}: none yet; the first run takes one")
    if trouble:
        fix = f"t3safe snapshot {person}; `t3safe snapshots {person}` lists others"
        return _problem(Precondition.SNAPSHOTS, trouble, fix)
    return ok(Precondition.SNAPSHOTS, f"{person}: {snapshot} is whole")


@frozen
class Folder:
    """A folder of t3safe's own as it was found; `mode` are its permission bits."""

    path: str
    there: bool
    ours: bool = False
    mode: int = 0


_OTHERS_WRITE = 0o022
_OTHERS_ANYTHING = 0o077


def judge_persons_folder(person: str, folder: Folder) -> Finding:
    """A person's snapshots are theirs, and nobody else reads them; none yet is well."""
    if not folder.there:
        return ok(Precondition.FOLDERS, f"{person}: no folder of snapshots yet")
    if not folder.ours:
        seen = f"{folder.path} does not belong to {person}"
        return _problem(Precondition.FOLDERS, seen, f"chown -h {person} {folder.path}")
    if folder.mode & _OTHERS_ANYTHING:
        seen = f"other users can read {folder.path} (mode {folder.mode:04o})"
        return _problem(
            Precondition.FOLDERS, seen, f"runuser -u {person} -- chmod 700 {folder.path}"
        )
    return ok(Precondition.FOLDERS, f"{folder.path}: mode {folder.mode:04o}")


def judge_folder(folder: Folder) -> Finding:
    """A folder of ours is there, ours, and nobody else's to write."""
    if not folder.there:
        seen = f"{folder.path} is not a folder"
        return _problem(
            Precondition.FOLDERS, seen, f"mkdir -p {folder.path}; or `t3safe units install`"
        )
    if not folder.ours:
        seen = f"{folder.path} belongs to another user"
        return _problem(Precondition.FOLDERS, seen, f"chown $(id -un) {folder.path}")
    if folder.mode & _OTHERS_WRITE:
        seen = f"other users can write to {folder.path} (mode {folder.mode:04o})"
        return _problem(Precondition.FOLDERS, seen, f"chmod go-w {folder.path}")
    return ok(Precondition.FOLDERS, f"{folder.path}: mode {folder.mode:04o}")


def judge_notifications(
    ends: tuple[tuple[str, str], ...], *, installed: bool, exposed: str = ""
) -> tuple[Finding, ...]:
    """What sends is installed, and every end can be told.

    `ends` are (name, why it cannot be told), `exposed` is a file with URLs that others may read.
    """
    if not ends:
        return (ok(Precondition.NOTIFICATIONS, "notifications are off"),)
    if not installed:
        fix = "pip install 't3safe[notify]', into the environment that runs t3safe"
        return (
            _problem(
                Precondition.NOTIFICATIONS,
                "Apprise is not installed: no notification is sent",
                fix,
            ),
        )
    fix = "fix that address in `notify.urls` or `notify.urls_file`; then `t3safe notify test`"
    found = [_problem(Precondition.NOTIFICATIONS, f"{end}: {why}", fix) for end, why in ends if why]
    if exposed:
        seen = f"other users can read {exposed}, which holds `notify.urls`: they are secrets"
        fix = f"chmod 600 {exposed}; or move them into a separate file, `notify.urls_file`"
        found.append(_warning(Precondition.NOTIFICATIONS, seen, fix))
    names = ", ".join(end for end, _ in ends)
    return tuple(found) or (ok(Precondition.NOTIFICATIONS, f"notifications go to {names}"),)


def judge_no_ends(why: str) -> Finding:
    """Conclude that the file of URLs cannot be used."""
    fix = "fix what the line names; then `t3safe notify test`"
    return _problem(Precondition.NOTIFICATIONS, why, fix)
