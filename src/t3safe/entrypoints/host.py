"""Commands for the host itself: `adopt`, `eject`, `units`, `serves`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

import click

from t3safe.domain.errors import PortError
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.scope import Scope
from t3safe.domain.versions import Version
from t3safe.entrypoints.app import (
    VERSION,
    App,
    ask,
    known_person,
    one_or_all,
    wait_option,
    yes_option,
)
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.wiring.live import Live
from t3safe.usecases.host import all_people


@click.command()
@click.argument("build", metavar="VERSION", type=VERSION)
@wait_option
@click.pass_obj
def adopt(app: App, build: Version, wait: float) -> None:
    """Take over a host on which all serves run VERSION; restart no serve."""
    with app.acting("run", wait) as wired:
        done = wired.adopt(build)
    for line in done:
        click.echo(line)
    click.echo("running serves are not restarted; the next run moves people when they are idle")


@click.command()
@click.option(
    "--to",
    "build",
    type=VERSION,
    help="The build to install globally (default: the current).",
)
@yes_option
@click.pass_obj
def eject(app: App, build: Version | None, *, yes: bool) -> None:
    """Give the host back to one global t3; restart no serve."""
    ask("give this host back to one global t3, which any installer can replace?", yes=yes)
    with app.acting("run") as wired:
        done = wired.eject(build)
    for line in done:
        click.echo(line)
    click.echo("`t3safe units remove` removes the timers; builds and snapshots stay")


@click.group()
def units() -> None:
    """Manage t3safe's own systemd units, and the OS users that it needs."""


@units.command("show")
@click.pass_obj
def units_show(app: App) -> None:
    """Print the units that `install` writes."""
    with app.host("run") as wired:
        files = wired.units().files()
    for path, text in files:
        click.echo(f"# {path}\n{text}")


@units.command("install")
@click.pass_obj
def units_install(app: App) -> None:
    """Create the OS users, write the units, enable the timers; start nothing."""
    with app.acting("run") as wired:
        own = wired.units()
        done = own.install()
    for line in done or ("nothing changed",):
        click.echo(line)
    timers = " ".join(name for name in own.enabled if name.endswith(".timer"))
    click.echo(_TIMERS[app.settings.scope].format(timers))


_TIMERS = {
    Scope.SYSTEM: "the timers start with the next boot, or now: systemctl start {}",
    Scope.USER: "the timers start with your next login, or now: systemctl --user start {}\n"
    "so that they run while you are not logged in: loginctl enable-linger",
}


@units.command("remove")
@click.pass_obj
def units_remove(app: App) -> None:
    """Stop the timers and remove the units; keep OS users, builds and snapshots."""
    with app.acting("run") as wired:
        done = wired.units().remove()
    for line in done or ("nothing was installed",):
        click.echo(line)


@click.group()
def serves() -> None:
    """Start and stop serves through `services.manager`."""


_all_option = click.option("--all", "for_all", is_flag=True, help="All people.")


@serves.command("start")
@click.argument("person", required=False)
@_all_option
@wait_option
@click.pass_obj
def serves_start(app: App, person: str | None, wait: float, *, for_all: bool) -> NoReturn:
    """Start the serve of one person or of all people, if it does not run."""
    _each(app, one_or_all(app, person, for_all=for_all), wait, _start)


@serves.command("stop")
@click.argument("person", required=False)
@_all_option
@wait_option
@click.pass_obj
def serves_stop(app: App, person: str | None, wait: float, *, for_all: bool) -> NoReturn:
    """Stop the serve of one person or of all people, even if they are busy."""
    _each(app, one_or_all(app, person, for_all=for_all), wait, _stop)


def _each(
    app: App, person: str | None, wait: float, act: Callable[[Live, str], LogLine]
) -> NoReturn:
    with app.acting("run", wait, journal=False) as wired:
        if person is not None:
            known_person(wired, person)
        people = all_people(wired.host)[0] if person is None else (person,)
        lines = [_tried(wired, name, act) for name in people]
    sys.exit(Exit.LATER if any(line.level is LogLevel.WARNING for line in lines) else Exit.OK)


def _tried(wired: Live, person: str, act: Callable[[Live, str], LogLine]) -> LogLine:
    """Act for one person; an error is reported and does not stop the others."""
    try:
        line = act(wired, person)
    except PortError as error:
        line = LogLine(LogLevel.WARNING, str(error), person)
    wired.say(line)
    return line


def _start(wired: Live, person: str) -> LogLine:
    ports = wired.host.ports
    if ports.selection.selected(person).fenced:
        why = "a run left them in transition; `t3safe recover` settles it"
        return LogLine(LogLevel.WARNING, f"cannot start the serve of {person}: {why}", person)
    if ports.services.status(person).running:
        return LogLine(LogLevel.INFO, f"the serve of {person} runs already", person)
    ports.services.start(person)
    return LogLine(LogLevel.INFO, f"the serve of {person} is started", person)


def _stop(wired: Live, person: str) -> LogLine:
    wired.host.ports.services.stop(person)
    return LogLine(LogLevel.INFO, f"the serve of {person} is stopped", person)
