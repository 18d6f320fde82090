"""Commands for snapshots of people's data: take, list, verify and prune."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

import click

from t3safe.domain import events as ev
from t3safe.domain.effects import SnapshotOnline
from t3safe.domain.errors import PortError
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.ports import SnapshotInfo
from t3safe.domain.retention import Judged, SnapshotKind
from t3safe.domain.text import moment, size
from t3safe.entrypoints import rendering
from t3safe.entrypoints.app import (
    App,
    as_json_option,
    known_person,
    one_or_all,
)
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.wiring.live import Live, Verified
from t3safe.usecases.host import all_people
from t3safe.usecases.snapshots import judge, prune


@click.command()
@click.argument("people", metavar="[PERSON]...", nargs=-1)
@as_json_option
@click.pass_obj
def verify(app: App, people: tuple[str, ...], *, as_json: bool) -> NoReturn:
    """Verify snapshots against their manifests, and builds against what was installed."""
    with app.host("run", aside=as_json) as wired:
        found = wired.verify(_named(wired, people))
    _tell_verified(found, as_json=as_json)


def _named(wired: Live, people: tuple[str, ...]) -> tuple[str, ...]:
    """Return the named people, all people when none is named."""
    for person in people:
        known_person(wired, person)
    return people or all_people(wired.host)[0]


def _tell_verified(found: list[Verified], *, as_json: bool) -> NoReturn:
    if as_json:
        rendering.print_json("verify", found)
    for item in found if not as_json else ():
        click.echo(f"{item.what}: {item.problem or 'ok'}")
    sys.exit(Exit.REFUSED if any(item.problem for item in found) else Exit.OK)


@click.command()
@click.argument("person", required=False)
@click.option("--all", "for_all", is_flag=True, help="All people, one after another.")
@as_json_option
@click.pass_obj
def snapshot(app: App, person: str | None, *, for_all: bool, as_json: bool) -> NoReturn:
    """Take a snapshot of one person or of all people while the serve runs."""
    person = one_or_all(app, person, for_all=for_all)
    with app.acting("run", aside=as_json) as wired:
        if person is not None:
            known_person(wired, person)
            found = [_copied(wired, person)]
        else:
            found = [_tried(app, wired, name) for name in all_people(wired.host)[0]]
    if as_json:
        rendering.print_json("snapshot", found)
    sys.exit(Exit.LATER if any(item["problem"] for item in found) else Exit.OK)


def _tried(app: App, wired: Live, person: str) -> dict[str, Any]:
    """Take one person's snapshot; an error is reported and does not stop the others."""
    try:
        if not app.stop():
            return _copied(wired, person)
        problem = f"no snapshot of {person}: asked to stop"
    except PortError as error:
        problem = str(error)
    wired.say(LogLine(LogLevel.WARNING, problem, person))
    return {"person": person, "problem": problem}


def _copied(wired: Live, person: str) -> dict[str, Any]:
    taken = take(wired, person)
    text = f"{taken.snapshot}: ledger {taken.ledger.level}, {size(taken.size)}"
    wired.say(LogLine(LogLevel.INFO, f"snapshot of {person} taken: {text}", person))
    return {
        "person": person,
        "id": taken.snapshot,
        "ledger": taken.ledger.level,
        "bytes": taken.size,
        "problem": "",
    }


def take(wired: Live, person: str) -> ev.Snapshotted:
    """Take an online snapshot of a person, under an id of its own.  Raises PortError."""
    host = wired.host
    build = host.ports.selection.selected(person).build
    name = host.name_run(host.ports.clock.now())
    copy = partial(host.ports.personal_data.snapshot, person, name, SnapshotKind.ONLINE, build)
    return wired.heart.during(SnapshotOnline(person, name), copy)


class _Listing(click.Group):
    """A group whose default command is `list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `list` before people and options."""
        first = args[0] if args else ""
        known = first in self.commands or first in ctx.help_option_names
        return super().parse_args(ctx, args if known else ["list", *args])


@click.group(cls=_Listing, subcommand_metavar="[COMMAND] [PERSON]...")
def snapshots() -> None:
    """List (the default), verify or prune snapshots."""


@snapshots.command("list")
@click.argument("people", metavar="[PERSON]...", nargs=-1)
@as_json_option
@click.pass_obj
def snapshots_list(app: App, people: tuple[str, ...], *, as_json: bool) -> None:
    """List snapshots, oldest first; of all people if none is named."""
    with app.host("run") as wired:
        states = wired.host.ports.personal_data
        found = [
            _snapshot_body(info)
            for person in _named(wired, people)
            for info in states.snapshots(person)
        ]
    if as_json:
        rendering.print_json("snapshots", found)
        return
    _table(_SNAPSHOT_COLUMNS, found)


@snapshots.command("verify")
@click.argument("people", metavar="[PERSON]...", nargs=-1)
@as_json_option
@click.pass_obj
def snapshots_verify(app: App, people: tuple[str, ...], *, as_json: bool) -> NoReturn:
    """Verify snapshots against their manifests: digests, integrity, ledger, row counts."""
    with app.host("run", aside=as_json) as wired:
        found = wired.verify_snapshots(_named(wired, people))
    _tell_verified(found, as_json=as_json)


@snapshots.command("prune")
@click.argument("people", metavar="[PERSON]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only show what would be pruned.")
@as_json_option
@click.pass_obj
def snapshots_prune(app: App, people: tuple[str, ...], *, dry_run: bool, as_json: bool) -> NoReturn:
    """Prune snapshots beyond the limits of retention; say why each is kept or not.

    A person's newest snapshot, the one to roll back to, and those of the last run that moved them
    are always kept.
    """
    found: list[dict[str, Any]] = []
    problems: dict[str, str] = {}
    opened = app.host("run", aside=as_json) if dry_run else app.acting("run", aside=as_json)
    with opened as wired:
        for person in _named(wired, people):
            try:
                told = judge(wired.host, person) if dry_run else prune(wired.host, person)
            except PortError as error:
                wired.say(LogLine(LogLevel.WARNING, str(error), person))
                problems[person] = str(error)
                continue
            found += (_judged_body(person, item, dry_run=dry_run) for item in told)
    if as_json:
        rendering.print_json("prune", {"snapshots": found, "problems": problems})
    else:
        _table(_PRUNE_COLUMNS, found)
        freed = sum(item["bytes"] for item in found if item["fate"] != "kept")
        click.echo(f"{size(freed)} {'would be' if dry_run else 'were'} pruned")
    sys.exit(Exit.LATER if problems else Exit.OK)


def _judged_body(person: str, item: Judged, *, dry_run: bool) -> dict[str, Any]:
    gone = "would go" if dry_run else "pruned"
    return {
        "person": person,
        "id": item.stored.id,
        "kind": item.stored.kind.value,
        "taken": item.stored.taken.isoformat(),
        "bytes": item.stored.size,
        "fate": "kept" if item.kept else gone,
        "why": item.why,
    }


def _table(columns: tuple[str, ...], found: Iterable[Mapping[str, object]]) -> None:
    rows = (tuple(_cell(key, body[key]) for key in columns) for body in found)
    heading = tuple(_HEADINGS.get(key, key) for key in columns)
    rendering.print_table(heading, rows)


def _cell(key: str, value: object) -> str:
    """Return a value of a document as text for a person."""
    match key, value:
        case "taken", str():
            return moment(datetime.fromisoformat(value))
        case "bytes", int():
            return size(value)
        case _:
            return str(value)


_HEADINGS = {"bytes": "size", "fate": "outcome"}
_SNAPSHOT_COLUMNS = ("person", "id", "kind", "taken", "build", "ledger", "bytes")
_PRUNE_COLUMNS = ("person", "id", "kind", "taken", "bytes", "fate", "why")


def _snapshot_body(info: SnapshotInfo) -> dict[str, Any]:
    return {
        "person": info.person,
        "id": info.stored.id,
        "kind": info.stored.kind.value,
        "taken": info.stored.taken.isoformat(),
        "build": str(info.build or ""),
        "ledger": info.ledger.level,
        "bytes": info.stored.size,
        "rows": dict(info.rows),
    }
