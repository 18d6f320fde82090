"""The status of a fleet for a person: on a terminal, and as one page that needs nothing else.

The page has no script, and its content policy forbids the network.  What other hosts wrote is
escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from rich.table import Table
from rich.text import Text

from t3safe.domain.errors import FleetError
from t3safe.domain.text import duration, moment
from t3safe.entrypoints import rendering
from t3safe.entrypoints.wiring.fleet import FleetAccess
from t3safe.usecases.fleet_status import FleetHost, FleetRing, FleetStatus

RING_COLUMNS = ("ring", "at a time", "hosts", "held by", "released last")
HOST_COLUMNS = (
    *("host", "ring", "build", "last run", "people", "behind"),
    *("alive", "reported", "t3safe", "waits for"),
)


def screen(found: FleetStatus) -> Iterator[Text | Table]:
    """Yield the parts of the screen; they contain no markup."""
    for label, said in facts(found):
        yield _line(label, said)
    yield rendering.table_of(RING_COLUMNS, map(ring_row, found.rings))
    yield rendering.table_of(HOST_COLUMNS, map(host_row, found.hosts))
    for problem in found.problems:
        yield Text(problem, style="yellow")


def _line(label: str, said: str) -> Text:
    return Text(f"{label:>9}  {said}")


def facts(found: FleetStatus) -> Iterator[tuple[str, str]]:
    """Yield what is to be said of the whole fleet and of this host, each with its label."""
    yield "fleet", f"{found.fleet} (cluster {found.cluster}, revision {found.revision})"
    yield "this host", f"{found.host}, {_state(found)}"
    if found.cut_off is not None:
        yield "CUT OFF", f"runs could not ask since {moment(found.cut_off)}; {SENDS}"
    yield "policy", "none" if found.policy is None else f"version {found.policy}"
    if found.hosts:
        yield "hosts", _summary(found.hosts)
    if found.frozen:
        yield "FROZEN", found.frozen
    for one in found.halts:
        yield "halted", f"{one.build}: {one.reason}"
    for ring in found.rings:
        for slot in ring.slots:
            if slot.silent is not None:
                what = f"{slot.host} holds a slot of ring {ring.name} for run {slot.run}"
                quiet = f"no report for {duration(slot.silent)}"
                how = f"`t3safe fleet release {slot.host} --reason TEXT` gives it to others"
                yield "SILENT", f"{what}, {quiet}; {how}"


SENDS = "`t3safe fleet sync` sends what is left"


def _state(found: FleetStatus) -> str:
    if not found.joined:
        return "not in the fleet"
    turn = found.turn
    which = f", place {turn.place} of {turn.hosts} for {turn.build}" if turn is not None else ""
    return f"in ring {found.ring}{which}"


def _summary(hosts: tuple[FleetHost, ...]) -> str:
    """Count hosts by build, and those that do not show as alive."""
    builds = Counter(f"on {one.build}" if one.build else "without a build" for one in hosts)
    counted = ", ".join(f"{count} {what}" for what, count in builds.most_common())
    dead = sum(not one.alive for one in hosts)
    return f"{len(hosts)}: {counted}" + (f"; {dead} not alive" if dead else "")


def ring_row(ring: FleetRing) -> tuple[str, ...]:
    """Return a row of the table of rings."""
    held = ", ".join(f"{slot.host} (run {slot.run} of {slot.build})" for slot in ring.slots)
    return ring.name, str(ring.limit), str(ring.hosts), held, ring.note


def host_row(one: FleetHost) -> tuple[str, ...]:
    """Return a row of the table of hosts."""
    return (
        f"{one.host} (this)" if one.this else one.host,
        one.ring,
        str(one.build or "none yet"),
        one.outcome or "none yet",
        str(one.people),
        str(one.behind),
        "yes" if one.alive else "no",
        moment(one.reported),
        one.t3safe,
        one.waits_for,
    )


def page(found: FleetStatus, at: datetime) -> str:
    """Make the page."""
    from jinja2 import (  # noqa: PLC0415 - slow to load, and few ask for it
        Environment,
        PackageLoader,
        StrictUndefined,
    )

    environment = Environment(
        loader=PackageLoader("t3safe.entrypoints"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("fleet.html.j2").render(
        fleet=found.fleet,
        at=moment(at),
        facts=tuple(facts(found)),
        problems=found.problems,
        tables=(
            ("Rings", RING_COLUMNS, tuple(map(ring_row, found.rings))),
            ("Hosts", HOST_COLUMNS, tuple(map(host_row, found.hosts))),
        ),
    )


def known_here(access: FleetAccess) -> Iterator[Text]:
    """Yield what this host knows of its fleet without asking it."""
    yield _line("this host", f"{access.host}, ring {access.ring}")
    try:
        memory = access.notebook.load()
    except FleetError as error:
        yield Text(str(error), style="yellow")
        return
    if memory.cut_off is not None:
        yield _line("CUT OFF", f"runs could not ask since {moment(memory.cut_off)}")
    if memory.build is not None:
        yield _line("release", f"{memory.build} was the last one that a run asked for")
    if memory.waits:
        yield _line("waits", memory.waits)
    for one in memory.watched:
        what = f"{one.host} held a slot of ring {one.ring} for run {one.run} of {one.build}"
        yield _line("slot", what)
