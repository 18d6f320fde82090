"""`t3safe status`: show the host's state, once or until Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

import click
from rich.table import Table
from rich.text import Text

from t3safe.domain import text
from t3safe.domain.disk_space import Room
from t3safe.domain.membership import Membership
from t3safe.domain.ports import Registry
from t3safe.entrypoints import rendering
from t3safe.entrypoints.app import App, as_json_option
from t3safe.entrypoints.screen import look_on, terminal, watch_option
from t3safe.entrypoints.wiring.live import Live, live
from t3safe.usecases.status import Around, HostStatus, PersonStatus, host_status

_ASKED_EVERY = 300.0
"""Seconds for which `--watch` keeps the registry's answer."""


@click.command()
@watch_option
@as_json_option
@click.pass_obj
def status(app: App, watch: float | None, *, as_json: bool) -> None:
    """Show who runs which build, and what happens next."""
    if watch is not None:
        _watch(app, watch, as_json=as_json)
    with app.host("run", aside=as_json) as wired:
        found = host_status(wired.brief(), _around(wired))
    if as_json:
        rendering.print_json("status", found)
    else:
        _print(found)


def _around(wired: Live) -> Around:
    return Around(wired.notes.offer, wired.places, wired.timers, wired.personal_data().weight)


def _watch(app: App, seconds: float, *, as_json: bool) -> NoReturn:
    console = terminal("t3safe status", as_json=as_json)
    wired = live(app.settings, "run", lambda _: None, app.stop)
    registry: Registry = wired.brief(keep=_ASKED_EVERY).ports.registry

    def look() -> Iterator[Text | Table]:
        try:
            return _shown(host_status(wired.brief(registry), _around(wired)))
        finally:
            wired.close()

    look_on(console, seconds, look)


def _print(found: HostStatus) -> None:
    console = rendering.wide()
    for part in _shown(found):
        console.print(part, soft_wrap=isinstance(part, Text))


def _shown(found: HostStatus) -> Iterator[Text | Table]:
    """Yield the parts of the screen; they contain no markup."""
    for label, said in _host_lines(found):
        yield Text(f"{label:>12}  {said}")
    yield rendering.table_of(_PERSON_COLUMNS, map(_person_row, found.people))
    for person in found.people:
        if person.problem:
            yield Text(f"{person.person}: {person.problem}", style="yellow")
    for stranger in found.unmapped:
        yield Text(str(stranger), style="yellow")
    for problem in found.problems:
        yield Text(problem, style="yellow")


def _host_lines(found: HostStatus) -> Iterator[tuple[str, str]]:
    yield "last-good", found.last_good or "none yet"
    yield "default", found.default or "none yet"
    yield "newest", _newest(found)
    yield "next run", found.next_run
    for timer in found.timers:
        starts = text.moment(timer.next) or timer.trouble or "disabled: nothing starts it"
        yield "timer", f"{timer.name}: {starts}"
    if not found.timers:
        yield "timer", "no timer"
    yield from _decided(found)
    if found.fleet is not None:
        yield from _fleet(found.fleet)
    if found.last_run:
        closed = f" {text.moment(found.last_closed)}" if found.last_closed is not None else ""
        yield "last run", f"{found.last_run}:{closed} {found.last_outcome}: {found.last_reason}"
    for room in found.rooms:
        yield "disk", _room(room)


def _decided(found: HostStatus) -> Iterator[tuple[str, str]]:
    """Yield what keeps the next run from acting, or from a build."""
    if found.frozen:
        yield "FROZEN", found.frozen
    if found.pin:
        yield "pinned", f"{found.pin} ({found.pin_note})"
    for version, note in found.held:
        yield "held", f"{version} ({note})"
    for version, why in found.refused:
        yield "refused", f"{version}: {why}"
    if found.unfinished:
        yield "unfinished", f"{found.unfinished}; `t3safe recover` settles it"


def _fleet(found: Membership) -> Iterator[tuple[str, str]]:
    """Yield what this host knows of its fleet; nobody is asked."""
    which = f", place {found.place} for {found.build}" if found.place is not None else ""
    yield "fleet", f"ring {found.ring}{which}"
    if found.waits:
        yield "waits", found.waits
    if found.cut_off is not None:
        since = text.moment(found.cut_off)
        yield "CUT OFF", f"from the fleet since {since}: no run starts; `t3safe fleet status`"
    for line in found.trouble:
        yield "FLEET", line


def _newest(found: HostStatus) -> str:
    if not found.newest:
        return f"unknown: {found.newest_trouble}"
    lag = f"; last-good is {found.days_behind} days behind" if found.days_behind else ""
    if not found.newest_trouble:
        return f"{found.newest}{lag}"
    return f"{found.newest} as of {text.moment(found.newest_at)}{lag}; now: {found.newest_trouble}"


def _room(room: Room) -> str:
    short = "" if room.enough else "NOT ENOUGH: "
    free, need = text.size(room.free), text.size(room.need)
    return f"{short}{room.folder}: {free} free, {room.what} at today's sizes take {need}"


_PERSON_COLUMNS = (
    *("person", "build", "since", "days behind", "ledger", "serve"),
    *("state", "deferred since", "snapshots"),
)


def _person_row(person: PersonStatus) -> tuple[str, ...]:
    return (
        person.person,
        "fenced" if person.fenced else person.build,
        text.moment(person.since) or person.came_by,
        "" if person.days_behind is None else str(person.days_behind),
        "?" if person.ledger is None else str(person.ledger),
        _serve(person),
        f"{person.readiness}: {person.why}" if person.why else person.readiness,
        text.moment(person.deferred_since),
        _snapshots(person),
    )


def _snapshots(person: PersonStatus) -> str:
    if person.snapshots is None or person.snapshot_bytes is None:
        return "?"
    return f"{person.snapshots} ({text.size(person.snapshot_bytes)})"


def _serve(person: PersonStatus) -> str:
    if person.running is None:
        return "?"
    if not person.running:
        return "stopped"
    return f"since {text.moment(person.started)}" if person.started is not None else "running"
