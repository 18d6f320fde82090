"""A host to simulate: its people, its dispatch, what befalls it, who fixes it, which policies.

The shape of a fleet file (TOML).  Times of day are UTC.  Everything random is drawn from `seed`,
so one fleet gives one outcome.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Final

import attrs
from attrs import field, frozen

from t3safe.configuration import (
    GateSettings,
    PolicySettings,
    RolloutSettings,
    between,
    out_of_range,
)
from t3safe.domain.people import valid_person
from t3safe.domain.policy import Track
from t3safe.domain.versions import Version
from t3safe.simulation.history import HistoryError
from t3safe.t3.generations import GENERATIONS
from t3safe.t3.sign_in import BOOTSTRAP, PLAIN_COOKIE

PEOPLE_MAX: Final = 100_000
_DAY_HOURS: Final = 24
_PROTOCOLS: Final = tuple(sorted({each.sign_in.protocol for each in GENERATIONS}))


@frozen
class PersonSettings:
    """One person and their data.

    They work from `opens` to `closes` (equal times: day and night), on week-ends only if
    `weekends`.  `busy` is the share of that time with a turn in flight.  `forgets` is the chance
    that the last turn of a day waits for an approval until the next morning.  `since` is the day
    of their oldest row, `size_mb` what their state weighs.  `sister` data came from a sister
    product, with a ledger of its own names.  A `wrapped` agent hangs below another process, where
    a look at the serve's own children does not find it.
    """

    name: str
    opens: time = time(9)
    closes: time = time(18)
    weekends: bool = False
    busy: float = field(default=0.3, metadata=between(0, 1))
    forgets: float = field(default=0.0, metadata=between(0, 1))
    since: date = date(2026, 3, 20)
    size_mb: float = field(default=100.0, metadata=between(0, math.inf))
    sister: bool = False
    collides: bool = False
    """Another migration stands in their ledger under an id that t3 uses later."""
    old_events: bool = False
    """Their log holds an event that builds from 0.0.42 on cannot decode."""
    large_events: bool = False
    """Their log holds payloads of tens of megabytes."""
    trial: date | None = None
    """On this day somebody started a preview of V2 on their data: its copy of it is still there."""
    wrapped: bool = False


@frozen
class Lesson:
    """From a day on the dispatch knows more."""

    on: date
    paths: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    protocols: tuple[int, ...] = ()


@frozen
class SimulatedDispatch:
    """What the dispatch knows at first, and what it learns when; cookies as in the settings.

    `protocols` are those of a serve's web socket that it passes on: both, unless it drops what
    stands behind the path of a request.
    """

    paths: tuple[str, ...] = (BOOTSTRAP,)
    cookies: tuple[str, ...] = (PLAIN_COOKIE,)
    protocols: tuple[int, ...] = _PROTOCOLS
    learns: tuple[Lesson, ...] = ()


class Mishap(StrEnum):
    """What can befall a host."""

    DISPATCH_DOWN = "dispatch-down"
    DISK_NEARLY_FULL = "disk-nearly-full"
    REBOOT = "reboot"
    TAG_BACK = "tag-back"
    """The track's tag points at `to`, an older version, for a while."""
    TRACK = "track"
    """A person decides to follow the track `to`, and moves everybody across."""
    NODE = "node"
    """The units run node `to` for a while."""
    WEDGED = "wedged"
    """The serve of `person` is active and answers nobody, for a while."""
    REGISTRY_DOWN = "registry-down"
    GATE_DOWN = "gate-down"
    """Whatever is rehearsed fails, for a reason of this host's: an updater's check is broken."""


@frozen
class HostEvent:
    """Something that befalls the host `at` a moment, for `minutes` (0: at once, or for good)."""

    kind: Mishap
    at: datetime
    minutes: float = field(default=0.0, metadata=between(0, math.inf))
    to: str = ""
    person: str = ""


@frozen
class OperatorSettings:
    """The person who is called: comes `hours` after a night that needs one.

    `comes` false leaves everything as it is: nobody thaws, fixes or teaches the dispatch.
    """

    comes: bool = True
    hours: float = 5.0


class PolicyKind(StrEnum):
    """The updaters that can be simulated."""

    BLIND = "blind"
    SEED = "seed"
    T3SAFE = "t3safe"


class Bind(StrEnum):
    """Where the seed's health check binds."""

    LOOPBACK = "loopback"
    REMOTE = "remote"


@frozen
class UpdaterSettings:
    """One policy of the comparison.

    `bind` is where the seed's check binds.  `policy`, `gate` and `rollout` are those of t3safe.
    """

    kind: PolicyKind
    bind: Bind = Bind.LOOPBACK
    policy: PolicySettings = field(factory=PolicySettings)
    gate: GateSettings = field(factory=GateSettings)
    rollout: RolloutSettings = field(factory=RolloutSettings)


@frozen
class Fleet:
    """A whole host.

    `start` is the version that everybody runs at first; empty takes what the track's tag names on
    the first night.  `night` is when the updater's timer fires, `drains` when t3safe's second
    timer does.  `since` and `until` bound the nights; without them the whole history of the track
    is replayed.
    """

    people: tuple[PersonSettings, ...]
    name: str = "a host"
    seed: int = 1
    admin: str = "wizard"
    start: str = ""
    track: Track = Track.NIGHTLY
    night: time = time(4)
    drains: tuple[time, ...] = (time(5), time(6), time(7), time(8))
    node: str = "24.10.0"
    since: date | None = None
    until: date | None = None
    dispatch: SimulatedDispatch = field(factory=SimulatedDispatch)
    events: tuple[HostEvent, ...] = ()
    operator: OperatorSettings = field(factory=OperatorSettings)
    policies: dict[str, UpdaterSettings] = field(
        factory=lambda: {kind.value: UpdaterSettings(kind) for kind in PolicyKind}
    )

    def check(self) -> None:
        """Raise HistoryError for what no host can be."""
        names, hours = [person.name for person in self.people], self.operator.hours
        for found in (
            *_of_names(names),
            *(bad for each in self.people for bad in out_of_range(each, f"people.{each.name}.")),
            *(bad for n, each in enumerate(self.events) for bad in _of_event(n, each, names)),
            "" if self.policies else "policies: there is none to compare",
            _version("start", self.start) if self.start else "",
            "" if 0 < hours < _DAY_HOURS else f"operator.hours: {hours} is not between 0 and 24",
        ):
            if found:
                raise HistoryError(found)

    def tracks(self) -> tuple[Track, ...]:
        """The tracks that are followed, one after another."""
        turns = sorted(
            (event for event in self.events if event.kind is Mishap.TRACK), key=lambda turn: turn.at
        )
        return (self.track, *(Track(turn.to) for turn in turns))

    def scaled(self, count: int) -> Fleet:
        """The same host with so many people: each is like one of these, with days of their own.

        The gate has as many jobs more as there are people more: such a host has cores to match.
        Raises HistoryError for a number that no host has.
        """
        if not 1 <= count <= PEOPLE_MAX:
            raise HistoryError(f"--people {count} is not between 1 and {PEOPLE_MAX}")
        models = self.people
        people = tuple(
            attrs.evolve(models[n % len(models)], name=_numbered(models, n)) for n in range(count)
        )
        known = {person.name for person in people}
        factor = max(1, count // len(models))
        return attrs.evolve(
            self,
            people=people,
            events=tuple(item for item in self.events if not item.person or item.person in known),
            policies={
                name: attrs.evolve(item, gate=attrs.evolve(item.gate, jobs=item.gate.jobs * factor))
                for name, item in self.policies.items()
            },
        )


def _numbered(models: tuple[PersonSettings, ...], number: int) -> str:
    turn, place = divmod(number, len(models))
    return f"{models[place].name}-{turn:04d}" if turn else models[place].name


def _of_names(names: list[str]) -> Iterator[str]:
    if not names:
        yield "people: a host has somebody"
    for name, count in Counter(names).items():
        if not valid_person(name):
            yield f"people: {name!r} is not a person's user name"
        if count > 1:
            yield f"people: {name!r} is there twice"


def _of_event(number: int, event: HostEvent, names: list[str]) -> Iterator[str]:
    where = f"events.{number}"
    yield from out_of_range(event, f"{where}.")
    match event.kind:
        case Mishap.TAG_BACK:
            yield _version(f"{where}.to", event.to)
        case Mishap.TRACK if event.to not in set(Track):
            yield f"{where}.to: {event.to!r} is not a track; nightly or latest"
        case Mishap.NODE if not event.to:
            yield f"{where}.to: which node?"
        case Mishap.WEDGED if event.person not in names:
            yield f"{where}.person: {event.person!r} is not a person of this host"
        case _:
            return


def _version(where: str, text: str) -> str:
    try:
        Version.parse(text)
    except ValueError as error:
        return f"{where}: {error}"
    return ""


def at(day: date, moment: time) -> datetime:
    """The moment of a day, in UTC."""
    return datetime.combine(day, moment, UTC)
