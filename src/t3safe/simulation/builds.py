"""What a release does on a host: its facts, with what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Final

from attrs import field, frozen

from t3safe.domain.gate import IdentityFacts, judge_identity
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.policy import Track
from t3safe.domain.versions import Version
from t3safe.simulation.diary import DAY
from t3safe.simulation.history import History, Naming, resolved
from t3safe.simulation.incidents import (
    OF_HOSTS,
    OF_NOBODY,
    Behaviour,
    Incidents,
)
from t3safe.simulation.rows import Rows
from t3safe.t3.package import NAME, REPOSITORY
from t3safe.t3.sign_in import PLAIN_COOKIE

STATE: Final = "state.sqlite"
SECOND: Final = "statev2.sqlite"
PLAIN: Final = PLAIN_COOKIE
REMOTE_SCOPED: Final = f"{PLAIN_COOKIE}_5f2a90c41d7e"
AUTH_MIGRATIONS: Final = (31, 32)
"""Both rebuild the sign-in tables.  An older binary on a database that has one of them mints
nothing and pairs nobody (measured on 30 and 32); across other migrations none was seen to."""
_DRILLED_AT: Final = 3.4 * 3600.0
"""Seconds into its day at which a release of a drill comes out: right before most timers fire."""
PARTS_LAST: Final = timedelta(hours=8)
"""How long a release that is published in parts cannot be installed; an assumption: the reports
say minutes to hours."""


@frozen(eq=False)
class Build:
    """One release as it behaves; `drill` names the incident for which it was made up."""

    version: Version
    channel: Track
    available: float
    schema: int
    pairing: str
    loopback: Naming
    node: str
    faults: frozenset[Behaviour] = frozenset()
    assumed: tuple[str, ...] = ()
    drill: str = ""
    healthy: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "healthy", not self.faults - OF_NOBODY and bool(self.pairing))

    @property
    def second(self) -> bool:
        """Whether it keeps people's state in a second file."""
        return Behaviour.SECOND_FILE in self.faults

    def cookie(self, *, loopback: bool, port: int = 3799) -> str:
        """The name of the session cookie that it sets on such a bind."""
        if Behaviour.COOKIE_EVERYWHERE in self.faults:
            return REMOTE_SCOPED
        if loopback and self.loopback is Naming.SCOPED:
            return f"{PLAIN}_{port}_5f2a90c41d7e"
        return PLAIN

    def identity(self, node: str) -> IdentityFacts:
        """What its package and its program say under this node."""
        foreign = Behaviour.FOREIGN_PACKAGE in self.faults
        silent = Behaviour.UNBUILT in self.faults
        return IdentityFacts(
            name=NAME,
            repository="github.com/somebody/t3-time" if foreign else REPOSITORY,
            bins=() if foreign else (NAME,),
            engines=self.node,
            node=node,
            reported="" if silent else self.version.text,
        )


@cache
def node_trouble(build: Build, node: str) -> str:
    """Why a serve of this build ends in silence under this node; empty when it does not."""
    facts = IdentityFacts(NAME, REPOSITORY, (NAME,), build.node, node, build.version.text)
    result = judge_identity(build.version, facts)
    return "" if result.passed else result.reason


def builds(history: History, incidents: Incidents) -> tuple[Build, ...]:
    """Every release as it behaves, in the order in which they came out."""
    return tuple(
        Build(
            version=known.release.version,
            channel=known.release.channel,
            available=known.release.available.timestamp(),
            schema=known.schema,
            pairing=known.pairing,
            loopback=known.loopback_cookie,
            node=known.node,
            faults=incidents.of(known.release),
            assumed=known.assumed,
        )
        for known in resolved(history)
    )


def drilled(found: tuple[Build, ...], incidents: Incidents, track: Track) -> Iterator[Build]:
    """Make up a release for every incident that these never met, a day apart, each mended after.

    They follow the last release and take its facts over: only what went wrong is known of them.
    For an incident of the host a sound release comes out on its night.
    """
    last = max(found, key=lambda build: build.available)
    met = {fault for build in found for fault in build.faults}
    by_facts = {Behaviour.FACTS, Behaviour.ONE_WAY}
    number = 0
    lasting: frozenset[Behaviour] = frozenset()
    for incident in incidents.incidents:
        behaviour = incident.behaviour
        if behaviour is None or behaviour in met | by_facts:
            continue
        wrong = lasting if behaviour in OF_HOSTS else lasting | {behaviour}
        if behaviour is Behaviour.SECOND_FILE:
            # Whoever has the second file goes on with it.
            lasting = frozenset((behaviour,))
        number += 2
        yield _drill(last, track, number - 1, wrong | lasting, incident.id)
        yield _drill(last, track, number, lasting, "")


def _drill(
    last: Build, track: Track, number: int, faults: frozenset[Behaviour], incident: str
) -> Build:
    release = last.version.text.partition("-")[0]
    major, minor, patch = (int(part) for part in release.split("."))
    text = f"{major}.{minor}.{patch + number}"
    if track is Track.NIGHTLY:
        text = f"{text}-nightly.20990101.{number}"
    return Build(
        version=Version.parse(text),
        channel=track,
        available=(last.available // DAY + 1 + number) * DAY + _DRILLED_AT,
        schema=last.schema,
        pairing=last.pairing,
        loopback=last.loopback,
        node=last.node,
        faults=faults,
        assumed=("made up for a drill, with the facts of the last release",),
        drill=incident,
    )


@frozen
class Data:
    """What a person's state set holds: one database, two once a build has made the second.

    `level` is the highest migration of the ledger.  `strange` names a migration that no release of
    t3 has under that id (a sister product's), as (id, name).
    """

    level: int
    rows: Rows
    second: Rows | None = None
    strange: tuple[int, str] | None = None

    def seen_by(self, build: Build) -> Rows:
        """The rows that a serve of this build shows."""
        return self.second if build.second and self.second is not None else self.rows

    def known_to(self, build: Build) -> bool:
        """Whether the build knows the whole ledger; an older one is apart from its data."""
        return self.level <= build.schema and (self.second is None or build.second)


@frozen(eq=False)
class Schemas:
    """Ledgers as the domain has them, made once: by (level, second file, strange migration)."""

    names: dict[int, str]
    _made: dict[object, SetLedger] = field(factory=dict)

    @classmethod
    def of(cls, history: History) -> Schemas:
        """The ledgers of a history's migrations."""
        return cls({migration.id: migration.name for migration in history.migrations})

    def of_data(self, data: Data) -> SetLedger:
        """What is in a person's databases."""
        return self._get(data.level, second=data.second is not None, strange=data.strange)

    def of_build(self, build: Build) -> SetLedger:
        """What a build knows, as an empty set shows it."""
        return self._get(build.schema, second=build.second, strange=None)

    def _get(self, level: int, *, second: bool, strange: tuple[int, str] | None) -> SetLedger:
        key = (level, second, strange)
        found = self._made.get(key)
        if found is None:
            names = {number: name for number, name in self.names.items() if number <= level}
            ledger = Ledger.of(names.items())
            databases = {SECOND: ledger} if second else {}
            if strange is not None:
                ledger = Ledger.of({**names, strange[0]: strange[1]}.items())
            found = self._made[key] = SetLedger.of({STATE: ledger, **databases})
        return found


def auth_broken(build: Build, level: int) -> bool:
    """Whether a sign-in migration lies between what a build knows and what is there."""
    return any(build.schema < number <= level for number in AUTH_MIGRATIONS)
