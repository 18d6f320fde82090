"""Starts and stops people's serves by hand: where t3safe runs them itself, nothing else does.

A stop asks nobody whether the person is at work: whoever gives the command knows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

import click

from t3safe.bootstrap.live import Live
from t3safe.domain.errors import PortError
from t3safe.domain.messages import Level, Line
from t3safe.entrypoints.common import App, known_person, one_or_all, wait_option
from t3safe.entrypoints.exits import Exit
from t3safe.usecases.host import everybody


@click.group()
def serves() -> None:
    """Start and stop serves, by whatever `services.manager` says."""


_all_option = click.option("--all", "everybody", is_flag=True, help="Everybody, one by one.")


@serves.command("start")
@click.argument("person", required=False)
@_all_option
@wait_option
@click.pass_obj
def serves_start(app: App, person: str | None, wait: float, *, everybody: bool) -> NoReturn:
    """Start the serve of one person or of everybody, where it does not run."""
    _each(app, one_or_all(app, person, everybody=everybody), wait, _start)


@serves.command("stop")
@click.argument("person", required=False)
@_all_option
@wait_option
@click.pass_obj
def serves_stop(app: App, person: str | None, wait: float, *, everybody: bool) -> NoReturn:
    """Stop the serve of one person or of everybody, also of who is at work."""
    _each(app, one_or_all(app, person, everybody=everybody), wait, _stop)


def _each(app: App, person: str | None, wait: float, act: Callable[[Live, str], Line]) -> NoReturn:
    with app.acting("run", wait, journal=False) as wired:
        if person is not None:
            known_person(wired, person)
        people = everybody(wired.host)[0] if person is None else (person,)
        lines = [_tried(wired, name, act) for name in people]
    sys.exit(Exit.LATER if any(line.level is Level.WARNING for line in lines) else Exit.OK)


def _tried(wired: Live, person: str, act: Callable[[Live, str], Line]) -> Line:
    """Do it for one person; what hinders it is told, and hinders no other."""
    try:
        line = act(wired, person)
    except PortError as error:
        line = Line(Level.WARNING, str(error), person)
    wired.say(line)
    return line


def _start(wired: Live, person: str) -> Line:
    ports = wired.host.ports
    if ports.selection.selected(person).fenced:
        why = "a run left them in transition; `t3safe recover` settles it"
        return Line(Level.WARNING, f"cannot start the serve of {person}: {why}", person)
    if ports.services.status(person).running:
        return Line(Level.INFO, f"the serve of {person} runs already", person)
    ports.services.start(person)
    return Line(Level.INFO, f"the serve of {person} is started", person)


def _stop(wired: Live, person: str) -> Line:
    wired.host.ports.services.stop(person)
    return Line(Level.INFO, f"the serve of {person} is stopped", person)
