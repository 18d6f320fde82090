"""`t3safe fleet`: the fleet that this host belongs to.

Each command is one question or one change of the fleet's store.  It needs no lock: it touches
nothing that a run touches.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from t3safe.adapters.clock import SystemClock
from t3safe.adapters.fleet.policyfile import policy_text, read_policy
from t3safe.domain.errors import FleetError, PortError, UnusableError
from t3safe.domain.fleet.records import FleetFreeze, FleetPolicy, Halt, Ring, shareable
from t3safe.domain.fleet.rings import FleetMemory, joined
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.text import moment
from t3safe.domain.versions import Version
from t3safe.entrypoints import fleet_view, rendering
from t3safe.entrypoints.app import VERSION, App, as_json_option, wait_option, who
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.screen import look_on, terminal, watch_option
from t3safe.entrypoints.wiring.fleet import FleetAccess, fleet_access
from t3safe.entrypoints.wiring.live import Live
from t3safe.usecases import fleet as usecases
from t3safe.usecases.fleet_status import FleetStatus


@click.group()
def fleet() -> None:
    """Show and set up the fleet of this host.

    A fleet is several hosts that share an etcd: `[fleet]` of the configuration names it.  Its
    policy says which hosts take a build first, and how many move people at a time.
    """


@contextmanager
def _failing(what: str) -> Iterator[None]:
    """Say in the error what could not be done."""
    try:
        yield
    except FleetError as error:
        message = f"{what}: {error}"
        raise FleetError(message, error.kind) from error


@fleet.command("init")
@click.argument("rings", metavar="[RING...]", nargs=-1)
@click.pass_obj
def fleet_init(app: App, rings: tuple[str, ...]) -> None:
    """Write the fleet's first policy.

    RING... are its rings in the order in which they open; without them there is one, that of this
    host.  In each ring one host may move people at a time.
    """
    access = fleet_access(app.settings)
    names = rings or (access.ring,)
    policy = FleetPolicy(tuple(map(Ring, names)))
    with _failing(f"no policy was written for fleet {access.fleet}"):
        written = usecases.set_first_policy(access.store, policy)
    state = "has its first policy" if written else "has exactly this policy already"
    click.echo(f"fleet {access.fleet} {state}, with the ring(s) {', '.join(names)}")
    click.echo("`t3safe fleet join` lets this host join")


@fleet.command("join")
@click.option("--replace", is_flag=True, help="Take the name over from a host that is gone.")
@click.pass_obj
def fleet_join(app: App, *, replace: bool) -> None:
    """Let this host join, or renew its record after its ring changed."""
    access = fleet_access(app.settings)
    with _failing(f"{access.host} did not join fleet {access.fleet}"):
        new = usecases.join(access.store, access.report(), replace=replace)
        access.notebook.keep(joined(_remembered(access)))
    where = f"fleet {access.fleet} in ring {access.ring}"
    said = f"{access.host} joined {where}" if new else f"{access.host} is in {where}"
    click.echo(f"{said}")


def _remembered(access: FleetAccess) -> FleetMemory:
    """Return what the host remembers, nothing if that cannot be read."""
    try:
        return access.notebook.load()
    except FleetError:
        return FleetMemory()


@fleet.command("sync")
@wait_option
@click.pass_obj
def fleet_sync(app: App, wait: float) -> None:
    """Release the slot of a run that is over, and publish what runs found.

    A timer calls it.  `run` and `drain` do the same at their end.
    """
    fleet_access(app.settings)
    with app.acting("fleet sync", wait) as wired:
        lines = wired.host.ports.permit.send()
        for line in lines:
            wired.say(LogLine(LogLevel.WARNING, line))
    sys.exit(Exit.LATER if lines else Exit.OK)


@fleet.command("leave")
@click.pass_obj
def fleet_leave(app: App) -> None:
    """Let this host leave; `join` takes it in again."""
    access = fleet_access(app.settings)
    with _failing(f"{access.host} did not leave fleet {access.fleet}"):
        was = usecases.leave(access.store, access.host, access.place().install)
    state = "left" if was else "is not in"
    click.echo(f"{access.host} {state} fleet {access.fleet}")


@fleet.command("policy")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Write over a policy that cannot be read.")
@click.pass_obj
def fleet_policy(app: App, file: Path | None, *, replace: bool) -> None:
    """Print the fleet's policy as TOML, or set it from FILE.

    FILE is checked before anything is written.  What is printed can be edited and given back.
    """
    if file is None and replace:
        raise click.UsageError("`--replace` needs FILE")
    wanted = _policy_of(file) if file is not None else None
    access = fleet_access(app.settings)
    if wanted is None:
        with _failing(f"cannot show the policy of fleet {access.fleet}"):
            click.echo(policy_text(usecases.shown_policy(access.store)), nl=False)
        return
    with _failing(f"the policy of fleet {access.fleet} was not set"):
        done = usecases.set_policy(access.store, wanted, replace=replace)
    state = "is set" if done.written else "is in force already, nothing was written"
    click.echo(f"policy of fleet {access.fleet}: version {done.version} {state}")
    for problem in done.problems:
        click.echo(f"t3safe: {problem}", err=True)


def _policy_of(file: Path) -> FleetPolicy:
    try:
        return read_policy(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnusableError(f"{file}: is not UTF-8; nothing was written") from error
    except UnusableError as error:
        raise UnusableError(f"{file}: {error}; nothing was written") from error


# Orders: what a person says to all hosts.


_BY_HAND: Final = "by-hand"
"""The run of a halt that no run gave."""
_reason_option = click.option(
    "--reason", required=True, metavar="TEXT", help="Why: all hosts of the fleet show it."
)


def _shared(wired: Live, reason: str) -> str:
    """Return a reason without secrets and names of people, as the other hosts may read it."""
    people: tuple[str, ...] = ()
    with suppress(PortError):
        people = tuple(person.name for person in wired.host.ports.people.load().people)
    text = shareable(reason, people)
    if not text:
        raise click.UsageError("`--reason` is empty: say why")
    return text


def _done(wired: Live, line: str) -> None:
    """Print what was done, and write it to this host's log, which may name the person."""
    wired.say(LogLine(LogLevel.INFO, f"{line} (by {who()})"))


@fleet.command("freeze")
@_reason_option
@click.pass_obj
def fleet_freeze(app: App, reason: str) -> None:
    """Block the runs of all hosts until `t3safe fleet thaw`.

    A run that moves people already goes on.
    """
    access = fleet_access(app.settings)
    with app.host("run") as wired, _failing(f"cannot freeze fleet {access.fleet}"):
        at = wired.host.ports.clock.now()
        record = FleetFreeze(access.host, _shared(wired, reason), at)
        found = usecases.freeze(access.store, record)
        if not found.given:
            click.echo(f"fleet {access.fleet} is frozen already: {found.why}")
            return
        _done(wired, f"fleet {access.fleet} is frozen: {found.why}")
    click.echo("`t3safe fleet thaw` allows runs again")


@fleet.command("thaw")
@click.pass_obj
def fleet_thaw(app: App) -> None:
    """Allow the runs of all hosts again."""
    access = fleet_access(app.settings)
    with app.host("run") as wired, _failing(f"cannot thaw fleet {access.fleet}"):
        if usecases.thaw(access.store):
            _done(wired, f"fleet {access.fleet} is thawed")
        else:
            click.echo(f"fleet {access.fleet} is not frozen")


@fleet.command("halt")
@click.argument("build", metavar="VERSION", type=VERSION)
@_reason_option
@click.pass_obj
def fleet_halt(app: App, build: Version, reason: str) -> None:
    """Let no host start VERSION until `t3safe fleet lift`.

    A run that moves people to it already goes on.
    """
    access = fleet_access(app.settings)
    with app.host("run") as wired, _failing(f"cannot halt {build} in fleet {access.fleet}"):
        at = wired.host.ports.clock.now()
        record = Halt(build, access.host, _BY_HAND, _shared(wired, reason), at)
        found = usecases.halt(access.store, record)
        if not found.given:
            click.echo(f"{build} is halted already in fleet {access.fleet}: {found.why}")
            return
        _done(wired, f"{build} is halted in fleet {access.fleet}: {found.why}")
    click.echo(f"`t3safe fleet lift {build}` lets hosts try it again")


@fleet.command("lift")
@click.argument("build", metavar="VERSION", type=VERSION)
@click.pass_obj
def fleet_lift(app: App, build: Version) -> None:
    """Let hosts try VERSION again: lift its halt, and delete what hosts found against it."""
    access = fleet_access(app.settings)
    with app.host("run") as wired, _failing(f"cannot lift the halt of {build}"):
        if not usecases.lift(access.store, build):
            click.echo(f"fleet {access.fleet} holds nothing against {build}")
            return
        _done(wired, f"{build} may be tried again in fleet {access.fleet}")
    click.echo(f"a host that refused it does so until `t3safe allow {build}` there")


@fleet.command("release")
@click.argument("host", metavar="HOST")
@_reason_option
@click.pass_obj
def fleet_release(app: App, host: str, reason: str) -> None:
    """Take the slot of HOST away, for a host that is gone or silent.

    HOST may still be moving people: nothing remote can stop it.  Then more hosts move people at a
    time than the policy allows.
    """
    access = fleet_access(app.settings)
    with app.host("run") as wired, _failing(f"cannot release {host} in fleet {access.fleet}"):
        shared = _shared(wired, reason)
        released = usecases.release(access.store, host, access.host, shared)
        for one in released:
            what = f"run {one.holder.run} of {one.holder.build}, since {moment(one.holder.since)}"
            _done(wired, f"{host} lost its slot of ring {one.ring} ({what}): {shared}")
    if released:
        click.echo(f"{host} may still be moving people: nothing remote can stop it")
    else:
        click.echo(f"{host} holds no slot in fleet {access.fleet}")


@fleet.command("status")
@watch_option
@click.option(
    "--html",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write it as a page that needs nothing else.",
)
@as_json_option
@click.pass_obj
def fleet_status(app: App, watch: float | None, file: Path | None, *, as_json: bool) -> None:
    """Show rings, hosts, slots and halts as the fleet's store holds them.

    Without an answer of the store it shows what this host knows, and exits with 12.
    """
    if watch is not None:
        if file is not None:
            raise click.UsageError("`--watch` does not go with `--html`")
        console = terminal("t3safe fleet status", as_json=as_json)
        access = fleet_access(app.settings)
        look_on(console, watch, lambda: _looked(access))
    access = fleet_access(app.settings)
    try:
        found = _status(access)
    except FleetError:
        if not as_json:
            _print(fleet_view.known_here(access))
        raise
    if file is not None:
        _write(file, fleet_view.page(found, SystemClock().now()))
    if as_json:
        rendering.print_json("fleet-status", found)
    else:
        _print(fleet_view.screen(found))


def _status(access: FleetAccess) -> FleetStatus:
    with _failing(f"cannot show fleet {access.fleet}"):
        return access.status()


def _looked(access: FleetAccess) -> Iterator[Text | Table]:
    """Yield the screen; an error is shown, and the next refresh tries again."""
    try:
        found = _status(access)
    except FleetError as error:
        yield from fleet_view.known_here(access)
        yield Text(str(error), style="yellow")
    else:
        yield from fleet_view.screen(found)


def _print(parts: Iterable[Text | Table]) -> None:
    console = rendering.wide()
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnusableError(f"{file}: cannot be written: {error.strerror}") from error
