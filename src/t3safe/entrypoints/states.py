"""Commands about people's state sets: snapshots, and going back on purpose."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import attrs
import click

from t3safe.domain.ports import SnapshotInfo
from t3safe.domain.retention import SnapshotKind
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
@click.argument("person")
@as_json_option
@click.pass_obj
def snapshots(app: App, person: str, *, as_json: bool) -> None:
    """List what a person can be put back to, oldest first."""
    with app.host("run") as wired:
        known_person(wired, person)
        found = [_snapshot_body(info) for info in wired.host.perform.states.snapshots(person)]
    if as_json:
        terminal.print_json("snapshots", found)
        return
    rows = (tuple(str(body[key]) for key in _SNAPSHOT_COLUMNS) for body in found)
    terminal.print_table(_SNAPSHOT_COLUMNS, rows)


_SNAPSHOT_COLUMNS = ("id", "kind", "taken", "build", "ledger", "bytes")


def _snapshot_body(info: SnapshotInfo) -> dict[str, Any]:
    return {
        "id": info.stored.id,
        "kind": info.stored.kind.value,
        "taken": info.stored.taken.isoformat(),
        "build": str(info.build or ""),
        "ledger": info.ledger.level,
        "bytes": info.stored.size,
        "rows": dict(info.rows),
    }


@click.command()
@click.argument("person")
@click.argument("snapshot_id", metavar="SNAPSHOT")
@force_option
@yes_option
@as_json_option
@click.pass_obj
def restore(
    app: App, person: str, snapshot_id: str, *, force: bool, yes: bool, as_json: bool
) -> NoReturn:
    """Put a person's state back to a snapshot, with the build that wrote it."""
    ask(f"put {person} back to {snapshot_id}? What is there now is kept as a snapshot", yes=yes)
    with app.acting("run", aside=as_json) as wired:
        known_person(wired, person)
        result = wired.host.go_back(person, None, snapshot_id, force=force)
        leave(wired, result, as_json=as_json)


@click.command()
@click.argument("person")
@click.option("--to", "build", type=VERSION, help="The build to go back to (default: before).")
@force_option
@yes_option
@as_json_option
@click.pass_obj
def rollback(
    app: App, person: str, build: Version | None, *, force: bool, yes: bool, as_json: bool
) -> NoReturn:
    """Take one person back to an older build, with the state that it knows."""
    where = str(build) if build else "the build before"
    ask(f"take {person} back to {where}? What is there now is kept as a snapshot", yes=yes)
    with app.acting("run", aside=as_json) as wired:
        known_person(wired, person)
        result = wired.host.go_back(person, build, "", force=force)
        leave(wired, result, as_json=as_json)
