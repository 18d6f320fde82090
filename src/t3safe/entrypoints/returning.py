"""Going back on purpose: shown first, then asked, then done, with the command that undoes it."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any, NoReturn

import attrs
import click

from t3safe.bootstrap.live import Live
from t3safe.domain.errors import NoWayBackError
from t3safe.domain.goingback import Preview, told, undo
from t3safe.domain.narrate import Level, Line
from t3safe.domain.versions import Version
from t3safe.entrypoints import terminal
from t3safe.entrypoints.common import (
    VERSION,
    App,
    as_json_option,
    ask,
    force_option,
    known_person,
    leave,
    yes_option,
)
from t3safe.entrypoints.exits import Exit

dry_run_option = click.option("--dry-run", is_flag=True, help="Only show what it would cost.")


@click.command()
@click.argument("person")
@click.argument("snapshot_id", metavar="SNAPSHOT")
@dry_run_option
@force_option
@yes_option
@as_json_option
@click.pass_obj
def restore(app: App, /, person: str, snapshot_id: str, **how: bool) -> NoReturn:
    """Put a person's state back to a snapshot, with the build that wrote it."""
    _go(app, person, None, snapshot_id, how)


@click.command()
@click.argument("person")
@click.option("--to", "build", type=VERSION, help="The build to go back to (default: before).")
@dry_run_option
@force_option
@yes_option
@as_json_option
@click.pass_obj
def rollback(app: App, /, person: str, build: Version | None, **how: bool) -> NoReturn:
    """Take one person back to an older build, with the state that it knows."""
    _go(app, person, build, "", how)


def _go(
    app: App, person: str, build: Version | None, snapshot: str, how: dict[str, bool]
) -> NoReturn:
    as_json = how["as_json"]
    with app.host("run", aside=as_json) as wired:
        known_person(wired, person)
        # Beside a run that acts there may be no way back yet, or another than when it is over.
        with nullcontext() if how["dry_run"] else wired.locked(0.0):
            shown = _shown(wired, person, build, snapshot, said=not as_json)
    if how["dry_run"]:
        if as_json:
            terminal.print_json("going-back", _body(shown))
        sys.exit(Exit.OK)
    ask(f"take {person} back?", yes=how["yes"])
    with app.acting("run", aside=as_json) as wired:
        if wired.host.engine.journal.unfinished() is None:
            _unchanged(wired, shown, build, snapshot)
        result = wired.host.go_back(person, build, snapshot, force=how["force"])
        for move in result.rollout.moves if result.rollout is not None else ():
            if command := undo(move):
                wired.say(Line(Level.INFO, f"to undo this: {command}", person))
        leave(wired, result, as_json=as_json)


def _shown(
    wired: Live, person: str, build: Version | None, snapshot: str, *, said: bool
) -> Preview:
    shown = wired.host.preview(person, build, snapshot)
    for line in told(shown, wired.host.engine.clock.now()) if said else ():
        click.echo(line)
    return shown


def _unchanged(wired: Live, shown: Preview, build: Version | None, snapshot: str) -> None:
    """Do only what was shown: another run may have acted while the question stood."""
    person = shown.way.person
    if wired.host.preview(person, build, snapshot).way != shown.way:
        message = f"cannot take {person} back: the way changed since it was shown"
        raise NoWayBackError(f"{message}; give the command again")


def _body(shown: Preview) -> dict[str, Any]:
    way = attrs.asdict(shown.way) | {"old": str(shown.way.old), "build": str(shown.way.build)}
    rows = {row.table: row.rows for row in shown.rows}
    return {**way, "rows": rows, "uncounted": shown.uncounted, "work": shown.work}
