"""The fleet as one host sees it: what the store holds, and what this host remembers.

Rules:

1. Nothing is changed, neither in the store nor in what the host remembers.
2. A holder is silent by this host's own clock, since it last saw a report that was new to it.
3. What cannot be read is a problem, and the rest is shown nevertheless.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from attrs import frozen

from t3safe.domain.errors import FleetError
from t3safe.domain.fleet import rings
from t3safe.domain.fleet.port import FleetNotebook, FleetStore
from t3safe.domain.fleet.records import HostReport
from t3safe.domain.fleet.rings import FleetMemory, Instant
from t3safe.domain.fleet.view import POLICY, View
from t3safe.domain.versions import Version
from t3safe.usecases.fleet import no_policy, without_ring


@frozen
class FleetSlot:
    """A slot that a host holds, since when by that host's clock.

    `silent` is for how many seconds this host saw no new report of it, None unless that is longer
    than the policy's deadline (rule 2).
    """

    host: str
    run: str
    build: Version
    since: datetime
    silent: float | None = None


@frozen
class FleetRing:
    """A ring of the policy: its limit, its hosts, its slots that are held.

    `note` says who lost a slot last, and why.
    """

    name: str
    limit: int
    hosts: int
    slots: tuple[FleetSlot, ...]
    note: str = ""


@frozen
class FleetHost:
    """A host of the fleet as it reported itself, when by its own clock.

    `this` is whether it is the host on which the question was asked.  `build` is the one that it
    promoted last, `outcome` that of its last `run`.  `people` and `behind` are counts.
    """

    host: str
    ring: str
    t3safe: str
    platform: str
    reported: datetime
    this: bool
    alive: bool = False
    build: Version | None = None
    run: str = ""
    outcome: str = ""
    people: int = 0
    behind: int = 0
    waits_for: str = ""


@frozen
class FleetHalt:
    """A build that is halted, and why."""

    build: Version
    reason: str


@frozen
class FleetTurn:
    """The place of this host in its ring for the release that it saw last, from 1."""

    build: Version
    place: int
    hosts: int


@frozen
class FleetStatus:
    """The fleet at one revision of one cluster, as one host sees it."""

    fleet: str
    host: str
    ring: str
    joined: bool
    turn: FleetTurn | None
    """None before it joined, and before it saw a release."""
    cut_off: datetime | None
    """Since when its runs could not ask the fleet, None if the last one could."""
    cluster: str
    revision: int
    policy: int | None
    """The version of the policy, None without one that can be read."""
    frozen: str
    halts: tuple[FleetHalt, ...]
    rings: tuple[FleetRing, ...]
    hosts: tuple[FleetHost, ...]
    stopped: str
    """Why no run of this host starts before a person acts, empty if none."""
    problems: tuple[str, ...]


@frozen
class FleetPlace:
    """The fleet, host and ring of this host's configuration; `install` is empty before it joins."""

    fleet: str
    host: str
    ring: str
    install: str


def fleet_status(
    store: FleetStore, place: FleetPlace, notebook: FleetNotebook, now: Instant
) -> FleetStatus:
    """Read the fleet as it is now.  Raises FleetError if the store cannot be read."""
    view = store.view()
    memory, unread = _remembered(notebook)
    own = view.hosts.get(place.host)
    joined = own is not None and own.install == place.install
    watched = rings.remember(memory, view, None, now)
    stops = [line for line in (unread, rings.wiped(memory.known, view)) if line]
    stops += _stops(view, place, joined=joined)
    return FleetStatus(
        place.fleet,
        place.host,
        place.ring,
        joined,
        _turn(view, place.host, memory.build) if joined else None,
        memory.cut_off,
        view.cluster,
        view.revision,
        view.policy.version if view.policy is not None else None,
        view.frozen,
        tuple(FleetHalt(build, why) for build, why in sorted(view.halts.items())),
        tuple(_rings(view, watched, now)),
        tuple(_hosts(view, place.host if joined else "")),
        stops[0] if stops else "",
        (*stops, *_problems(view, place, joined=joined)),
    )


def _remembered(notebook: FleetNotebook) -> tuple[FleetMemory, str]:
    """Return what this host remembers, and why that cannot be read (rule 3)."""
    try:
        return notebook.load(), ""
    except FleetError as error:
        return FleetMemory(), str(error)


def _turn(view: View, host: str, build: Version | None) -> FleetTurn | None:
    if build is None:
        return None
    reports = view.hosts.values()
    inside = sum(one.ring == view.hosts[host].ring for one in reports)
    return FleetTurn(build, rings.place(host, build, reports) + 1, inside)


def _rings(view: View, memory: FleetMemory, now: Instant) -> Iterator[FleetRing]:
    quiet = {
        (one.ring, one.host, one.run): now.seconds - one.since.seconds
        for one in rings.silent_now(memory, view, now)
    }
    for ring in view.policy.rings if view.policy is not None else ():
        inside = [report for report in view.hosts.values() if report.ring == ring.name]
        held = view.holders(ring.name)
        slots = (
            FleetSlot(
                one.host, one.run, one.build, one.since, quiet.get((ring.name, one.host, one.run))
            )
            for one in held.holders
        )
        yield FleetRing(ring.name, ring.limit, len(inside), tuple(slots), held.note)


def _hosts(view: View, this: str) -> Iterator[FleetHost]:
    order = [ring.name for ring in view.policy.rings] if view.policy is not None else []

    def place(report: HostReport) -> tuple[int, str, str]:
        at = order.index(report.ring) if report.ring in order else len(order)
        return at, report.ring, report.host

    for one in sorted(view.hosts.values(), key=place):
        yield FleetHost(
            one.host,
            one.ring,
            one.t3safe,
            one.platform,
            one.at,
            one.host == this,
            one.host in view.alive,
            one.runs,
            one.run,
            one.outcome,
            one.people,
            one.behind,
            one.waits_for,
        )


def _stops(view: View, place: FleetPlace, *, joined: bool) -> Iterator[str]:
    """Yield what keeps this host from starting before a person acts."""
    if view.policy is None:
        yield no_policy(view)
    elif view.policy.ring(place.ring) is None:
        how = "change it, or the policy with `t3safe fleet policy FILE`"
        which = "which this host's `fleet.ring` names"
        yield f"the fleet's policy has no ring {place.ring}, {which}; {how}"
    if place.host not in view.hosts:
        yield f"{place.host} is not in the fleet: run `t3safe fleet join`"
    elif not joined:
        yield f"another host has the name {place.host}: change `fleet.host` of one of them"


def _problems(view: View, place: FleetPlace, *, joined: bool) -> Iterator[str]:
    """Yield what else does not fit."""
    own = view.hosts.get(place.host)
    if joined and own is not None and own.ring != place.ring:
        how = "run `t3safe fleet join` again"
        yield f"{place.host} joined in ring {own.ring}, and `fleet.ring` is {place.ring}: {how}"
    if view.policy is not None:
        yield from without_ring(view, view.policy)
    for key, why in sorted(view.damaged.items()):
        if key != POLICY:
            yield f"{key}: {why}"
    yield from view.problems
