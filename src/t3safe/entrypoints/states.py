"""Commands about people's state sets: snapshots, and going back on purpose."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import attrs
import click

from t3safe.domain.ports import SnapshotInfo
from t3safe.domain.retention import SnapshotKind
from t3safe.entrypoints import terminal
from t3safe.entrypoints.common import (
    App,
    as_json_option,
    known_person,
)
from t3safe.entrypoints.exits import Exit


@click.command()
@click.argument("people", nargs=-1)
@as_json_option
@click.pass_obj
def verify(app: App, people: tuple[str, ...], *, as_json: bool) -> NoReturn:
    """Check snapshots against their manifests, and builds against what was installed."""
    with app.host("run") as wired:
        for person in people:
            known_person(wired, person)
        found = wired.verify(people or wired.host.everybody()[0])
    if as_json:
        terminal.print_json("verify", [attrs.asdict(item) for item in found])
    for item in found if not as_json else ():
        click.echo(f"{item.what}: {item.problem or 'ok'}")
    sys.exit(Exit.REFUSED if any(item.problem for item in found) else Exit.OK)


@click.command()
@click.argument("person")
@click.pass_obj
def snapshot(app: App, person: str) -> None:
    """Copy a person's state beside the running serve."""
    with app.acting("run") as wired:
        known_person(wired, person)
        build = wired.host.perform.selection.selected(person).build
        name = wired.host.name_run(wired.host.engine.clock.now())
        taken = wired.host.perform.states.snapshot(person, name, SnapshotKind.ONLINE, build)
    click.echo(f"{taken.snapshot}: ledger {taken.ledger.level}, {taken.size} bytes")


@click.command()
@click.argument("people", metavar="[PERSON]...", nargs=-1)
@as_json_option
@click.pass_obj
def snapshots(app: App, people: tuple[str, ...], *, as_json: bool) -> None:
    """List what people can be put back to, everybody where none is named; oldest first."""
    with app.host("run") as wired:
        for person in people:
            known_person(wired, person)
        states = wired.host.perform.states
        found = [
            _snapshot_body(info)
            for person in people or wired.host.everybody()[0]
            for info in states.snapshots(person)
        ]
    if as_json:
        terminal.print_json("snapshots", found)
        return
    rows = (tuple(str(body[key]) for key in _SNAPSHOT_COLUMNS) for body in found)
    terminal.print_table(_SNAPSHOT_COLUMNS, rows)


_SNAPSHOT_COLUMNS = ("person", "id", "kind", "taken", "build", "ledger", "bytes")


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
