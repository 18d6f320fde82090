"""Judge the machine: programs, registry, sign-in, units, users, folders, notifications."""

from __future__ import annotations

import re

from attrs import frozen

from t3safe.domain.checks import engine_problem
from t3safe.domain.doctor.findings import (
    Finding,
    Precondition,
    ok,
    problem,
    warning,
)
from t3safe.t3 import package
from t3safe.t3.sign_in import SOCKET_PATH


def judge_npm(name: str, path: str) -> Finding:
    """Judge whether npm is there; `path` is empty where it was not found."""
    if path:
        return ok(Precondition.NPM, path)
    fix = f"install npm, or set `npm` in the configuration to its path: command -v {name}"
    return problem(Precondition.NPM, f"there is no {name} on the PATH", fix)


def judge_node(version: str, needs: tuple[tuple[str, str], ...]) -> Finding:
    """Judge whether the node of the units fits the builds; `needs` are (build, engines.node)."""
    if not version:
        fix = "install node, or set `gate.node` to the node that the units run"
        return problem(Precondition.NODE, "`node --version` prints no version", fix)
    for build, engines in needs:
        error = engine_problem(engines, version)
        if error:
            fix = f"install a node that satisfies {engines}, then `t3safe check {build}`"
            return problem(Precondition.NODE, f"{build}: {error}", fix)
    return ok(Precondition.NODE, f"node {version} fits {len(needs)} builds")


def judge_offered(newest: str, engines: str, version: str) -> Finding:
    """Judge whether the node of the units fits the newest offered build, before npm installs it."""
    error = engine_problem(engines, version)
    if not error:
        return ok(Precondition.NODE, f"node {version or 'unknown'} fits {newest}, which is offered")
    fix = f"install a node that satisfies {engines}: the gate refuses {newest} until then"
    return warning(Precondition.NODE, f"{newest}, which is offered: {error}", fix)


def judge_program(host: package.NativeHost, builds: tuple[str, ...]) -> Finding:
    """Judge whether this host has all that t3's native program is known to need.

    `builds` are those of the store that have one: if anything is missing, they cannot start.
    """
    lacks = package.lacks(host)
    if not lacks:
        return ok(
            Precondition.PROGRAM, "this host has all that t3's native program is known to need"
        )
    seen = "; ".join(lack.what for lack in lacks)
    fix = "; ".join(dict.fromkeys(lack.fix for lack in lacks))
    if builds:
        return problem(Precondition.PROGRAM, f"{builds[0]} cannot start: {seen}", fix)
    since = f"releases from {package.NATIVE_SINCE} on cannot be installed"
    return warning(Precondition.PROGRAM, f"{since}: {seen}", fix)


def judge_compiling(
    node: str, headers: str, missing: tuple[str, ...], *, fetched: bool = False
) -> Finding:
    """Judge whether native modules can be compiled: compiler, make, Python, headers of this node.

    `headers` is the folder of the headers, empty when there are none; `missing` are programs.
    `fetched` says that install scripts may fetch headers.
    """
    lacks, installs = list(missing), []
    if missing:
        installs.append("apt-get install g++ make python3")
    if not headers and not fetched:
        lacks.append(f"the headers of node {node or 'unknown'}")
        installs.append(
            "apt-get install libnode-dev, if node is Debian's; otherwise unpack the headers of"
            " exactly this node, and set `npm_node_headers` to the folder that holds include/node"
        )
    if lacks:
        seen = f"a build with a module that must be compiled cannot be installed without {lacks[0]}"
        seen = ", ".join((seen, *lacks[1:]))
        return warning(Precondition.NPM, seen, "; ".join(installs))
    where = f"node's headers are in {headers}/include/node" if headers else "headers are fetched"
    return ok(Precondition.NPM, f"native modules can be compiled: {where}")


def judge_registry(tag: str, error: str) -> Finding:
    """Judge whether the registry answers with a version for the track's tag."""
    if error:
        return problem(Precondition.REGISTRY, error, "npm ping; npm config get registry")
    return ok(Precondition.REGISTRY, f"the registry offers {tag}")


def judge_one_registry(asked: str, npm: str) -> Finding:
    """Judge whether t3safe (`asked`) and the npm of the caller use one registry; both are hosts."""
    if not npm or asked == npm:
        return ok(Precondition.REGISTRY, f"t3safe asks {asked}, by hand and by the timer")
    seen = f"t3safe asks {asked}, by hand and by the timer; your npm asks {npm}"
    fix = "set `registry` in the configuration to the right one"
    return warning(Precondition.REGISTRY, seen, fix)


def judge_launcher(path: str, found: str) -> Finding:
    """Judge whether the launcher is t3safe's; `path` is empty when the host keeps none."""
    if not path:
        return ok(Precondition.LAUNCHER, "this host has no launcher")
    if not found:
        return ok(Precondition.LAUNCHER, f"{path} is t3safe's launcher")
    fix = "`t3safe adopt VERSION` installs it; after that every `t3safe run` restores it"
    return problem(Precondition.LAUNCHER, f"{path} {found}", fix)


def judge_installers(first: str, launcher: str, callers: tuple[str, ...]) -> tuple[Finding, ...]:
    """Judge whether the launcher is first on the PATH, and only t3safe installs a t3.

    `first` is the first `t3` on the PATH, `callers` are files that install one.
    """
    found = []
    if first and launcher and first != launcher:
        seen = f"{first} comes before {launcher} on the PATH and bypasses the gate"
        found.append(problem(Precondition.INSTALLERS, seen, f"rm {first}"))
    for caller in callers:
        fix = f"remove the call from {caller}: t3safe installs and gates builds itself"
        found.append(problem(Precondition.INSTALLERS, f"{caller} installs a global t3", fix))
    return tuple(found) or (ok(Precondition.INSTALLERS, "no other program installs t3"),)


def judge_programs(person: str, places: tuple[str, ...]) -> Finding:
    """Judge whether a t3 in a person's home bypasses the launcher; `places` are below the home."""
    if not places:
        return ok(Precondition.INSTALLERS, f"{person}: no other t3 in the home")
    seen = f"{person} has another t3 in the home ({', '.join(places)}), which bypasses the gate"
    fix = f"ask {person} to run: npm uninstall -g t3"
    return warning(Precondition.INSTALLERS, seen, fix)


def judge_dispatch(address: str, error: str) -> Finding:
    """Judge whether the dispatch answers at its address; `error` is empty when it does."""
    if not error:
        return ok(Precondition.DISPATCH, f"{address} answers")
    fix = "systemctl status t3-dispatch; or set `dispatch` (T3_DISPATCH) to its address"
    return problem(Precondition.DISPATCH, f"{address} {error}", fix)


def judge_cookies(
    cookies: tuple[tuple[str, str], ...], known: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Judge whether the dispatch knows every serve's cookie; `cookies` are (person, name)."""
    found = tuple(
        problem(
            Precondition.COOKIES,
            f"the serve of {person} uses the cookie {name[:64]!a}, which the dispatch is not "
            "known to accept",
            "update the dispatch, then add the name to `dispatch_knows.cookies`",
        )
        for person, name in cookies
        if not any(re.fullmatch(pattern, name) for pattern in known)
    )
    return found or (ok(Precondition.COOKIES, f"{len(cookies)} serves use a known cookie"),)


def judge_paths(
    taken: tuple[tuple[str, tuple[str, ...]], ...], known: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Judge whether every serve takes a credential at a path that the dispatch knows.

    `taken` are (person, those of the `known` paths that the serve has).
    """
    found = tuple(
        problem(
            Precondition.PATHS,
            f"the serve of {person} has none of the paths that the dispatch is known to use: "
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
    """Judge whether the dispatch passes on the protocol of every serve's web socket.

    `spoken` are (person, protocol).
    """
    found = tuple(
        problem(
            Precondition.PROTOCOLS,
            f"the web socket of the serve of {person} needs protocol {protocol}, which the "
            "dispatch is not known to pass on",
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
    """Judge whether t3safe's own units are installed, unchanged and enabled."""
    fix = "t3safe units install"
    found = (
        *(problem(Precondition.UNITS, f"{path} is missing", fix) for path in missing),
        *(
            warning(Precondition.UNITS, f"{path} is not what t3safe writes", fix)
            for path in changed
        ),
        *(problem(Precondition.UNITS, f"{name} is not enabled", fix) for name in disabled),
    )
    return found or (ok(Precondition.UNITS, "installed, unchanged, enabled"),)


def judge_timers(
    persistent: tuple[str, ...], *, own: bool = False, lingers: bool = True
) -> tuple[Finding, ...]:
    """Judge whether every timer runs at night, and never makes up for a missed night by day.

    `own` says that the timers are a person's own, `lingers` that these run when the person is not
    logged in.
    """
    whose = " --user" if own else ""
    found = tuple(
        problem(
            Precondition.TIMERS,
            f"{name} is Persistent: if the host was off at night, it runs in the daytime",
            f"systemctl{whose} revert {name}; t3safe units install",
        )
        for name in persistent
    )
    if not lingers:
        seen = "your serve and your timers run only while you are logged in"
        how = "loginctl enable-linger; where that is denied, as root: loginctl enable-linger NAME"
        found = (*found, problem(Precondition.TIMERS, seen, how))
    return found or (ok(Precondition.TIMERS, "none is Persistent"),)


def judge_sandbox(kind: str, why: str, how: str = "") -> Finding:
    """Judge the sandbox of rehearsals; `why` says why there is none, `how` what to do."""
    if why:
        return problem(Precondition.SANDBOX, f"rehearsals cannot run here: {why}", how)
    if kind == "plain":
        seen = (
            "rehearsals are plain processes (`gate.sandbox`): a build can read and write what "
            "its user can, worktrees and projects too, and uses the host's own network"
        )
        return warning(Precondition.SANDBOX, seen, 'set `gate.sandbox` to "auto"')
    return ok(Precondition.SANDBOX, f"each rehearsal runs in its own {kind}")


def judge_hooks(
    runs: int, refused: tuple[tuple[str, str], ...], idle: tuple[str, ...], strange: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Judge whether t3safe runs every file among the hooks: `runs` counts those that it runs.

    `refused` are (name, why), `idle` are not executable, `strange` are not in a folder of hooks.
    """
    how = "only root, or the user of t3safe, may own or write it and its folders (docs/hooks.md)"
    found = (
        *(
            problem(Precondition.HOOKS, f"{name} is never run: {why}", f"{how}, or remove it")
            for name, why in refused
        ),
        *(
            warning(Precondition.HOOKS, f"{name} is not executable", "chmod +x it, or remove it")
            for name in idle
        ),
        *(
            warning(
                Precondition.HOOKS, f"{name} is not a folder of hooks", "docs/hooks.md names them"
            )
            for name in strange
        ),
    )
    return found or (ok(Precondition.HOOKS, f"{runs} executable" if runs else "no hooks"),)


def judge_users(missing: tuple[str, ...]) -> tuple[Finding, ...]:
    """Judge whether the users that npm and the gate run as exist."""
    found = tuple(
        problem(Precondition.USERS, f"there is no user {name}", "t3safe units install")
        for name in missing
    )
    return found or (ok(Precondition.USERS, "all needed users exist"),)


@frozen
class Folder:
    """What was found of one of t3safe's own folders; `mode` has its permission bits."""

    path: str
    there: bool
    ours: bool = False
    mode: int = 0


_OTHERS_WRITE = 0o022


_OTHERS_ANYTHING = 0o077


def judge_persons_folder(person: str, folder: Folder) -> Finding:
    """Judge whether only the person can read their snapshots; no folder yet is ok."""
    if not folder.there:
        return ok(Precondition.FOLDERS, f"{person}: no folder of snapshots yet")
    if not folder.ours:
        seen = f"{folder.path} does not belong to {person}"
        return problem(Precondition.FOLDERS, seen, f"chown -h {person} {folder.path}")
    if folder.mode & _OTHERS_ANYTHING:
        seen = f"other users can read {folder.path} (mode {folder.mode:04o})"
        return problem(
            Precondition.FOLDERS, seen, f"runuser -u {person} -- chmod 700 {folder.path}"
        )
    return ok(Precondition.FOLDERS, f"{folder.path}: mode {folder.mode:04o}")


def judge_folder(folder: Folder) -> Finding:
    """Judge whether t3safe's folder exists, is t3safe's, and no other user can write to it."""
    if not folder.there:
        seen = f"{folder.path} is not a folder"
        return problem(
            Precondition.FOLDERS, seen, f"mkdir -p {folder.path}; or `t3safe units install`"
        )
    if not folder.ours:
        seen = f"{folder.path} belongs to another user"
        return problem(Precondition.FOLDERS, seen, f"chown $(id -un) {folder.path}")
    if folder.mode & _OTHERS_WRITE:
        seen = f"other users can write to {folder.path} (mode {folder.mode:04o})"
        return problem(Precondition.FOLDERS, seen, f"chmod go-w {folder.path}")
    return ok(Precondition.FOLDERS, f"{folder.path}: mode {folder.mode:04o}")


def judge_notifications(
    ends: tuple[tuple[str, str], ...], *, installed: bool, exposed: str = ""
) -> tuple[Finding, ...]:
    """Judge whether Apprise is installed and every end (destination) can be notified.

    `ends` are (name, why it cannot be notified), `exposed` is a file with URLs that other users
    can read.
    """
    if not ends:
        return (ok(Precondition.NOTIFICATIONS, "notifications are off"),)
    if not installed:
        fix = "pip install 't3safe[notify]', into the environment that runs t3safe"
        return (
            problem(
                Precondition.NOTIFICATIONS,
                "Apprise is not installed: no notification is sent",
                fix,
            ),
        )
    fix = "fix that address in `notify.urls` or `notify.urls_file`; then `t3safe notify test`"
    found = [problem(Precondition.NOTIFICATIONS, f"{end}: {why}", fix) for end, why in ends if why]
    if exposed:
        seen = f"other users can read {exposed}, which holds `notify.urls`: they are secrets"
        fix = f"chmod 600 {exposed}; or move them into a separate file, `notify.urls_file`"
        found.append(warning(Precondition.NOTIFICATIONS, seen, fix))
    names = ", ".join(end for end, _ in ends)
    return tuple(found) or (ok(Precondition.NOTIFICATIONS, f"notifications go to {names}"),)


def judge_no_ends(why: str) -> Finding:
    """Conclude that the file of URLs cannot be used."""
    fix = "fix what the line names; then `t3safe notify test`"
    return problem(Precondition.NOTIFICATIONS, why, fix)
