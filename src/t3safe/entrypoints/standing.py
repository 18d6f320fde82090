"""`t3safe status`: how the host stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click
from rich.table import Table

from t3safe.entrypoints import terminal
from t3safe.entrypoints.common import App, as_json_option
from t3safe.overview import HostStatus, PersonStatus, host_status


@click.command()
@as_json_option
@click.pass_obj
def status(app: App, *, as_json: bool) -> None:
    """Who runs what, and what happens next."""
    with app.host("run", aside=as_json) as wired:
        found = host_status(wired.brief())
    if as_json:
        terminal.print_json("status", found)
    else:
        print_status(found)


def print_status(status: HostStatus) -> None:
    """Print how the host stands, for a person."""
    console = terminal.wide()
    for label, text in _host_lines(status):
        console.print(f"{label:>12}  {text}", markup=False, highlight=False, soft_wrap=True)
    table = Table(*_PERSON_COLUMNS, box=None, pad_edge=False, header_style="bold")
    for person in status.people:
        table.add_row(*_person_row(person))
    console.print(table)
    for problem in status.problems:
        console.print(problem, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _host_lines(status: HostStatus) -> Iterator[tuple[str, str]]:
    yield "last-good", status.last_good or "none yet"
    yield "default", status.default or "none yet"
    yield "newest", _newest(status)
    yield "next run", status.next_run
    if status.frozen:
        yield "FROZEN", status.frozen
    if status.pin:
        yield "pinned", f"{status.pin} ({status.pin_note})"
    for version, note in status.held:
        yield "held", f"{version} ({note})"
    for version, why in status.refused:
        yield "refused", f"{version}: {why}"
    if status.unfinished:
        yield "unfinished", f"{status.unfinished}; `t3safe recover` settles it"
    if status.last_run:
        yield "last run", f"{status.last_run}: {status.last_outcome}: {status.last_reason}"


def _newest(status: HostStatus) -> str:
    if not status.newest:
        return f"not known: {status.newest_trouble}"
    lag = f"; last-good is {status.days_behind} days behind" if status.days_behind else ""
    return f"{status.newest}{lag}"


_PERSON_COLUMNS = (
    *("person", "build", "days behind", "ledger", "serve"),
    *("state", "deferred since", "snapshots"),
)


def _person_row(person: PersonStatus) -> tuple[str, ...]:
    return (
        person.person,
        "fenced" if person.fenced else person.build,
        "" if person.days_behind is None else str(person.days_behind),
        "?" if person.ledger is None else str(person.ledger),
        _serve(person),
        f"{person.readiness}: {person.why}" if person.why else person.readiness,
        _day(person.deferred_since),
        f"{person.snapshots} ({terminal.size(person.snapshot_bytes)})",
    )


def _serve(person: PersonStatus) -> str:
    if not person.running:
        return "stopped"
    return f"since {_day(person.started)}" if person.started is not None else "running"


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else ""
