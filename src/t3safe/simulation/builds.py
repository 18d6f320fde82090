"""What a release does on a host: its facts, with what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from hashlib import blake2b, sha256
from itertools import chain
from typing import Any, Final

import attrs
from attrs import field, frozen

from t3safe.domain import events as ev
from t3safe.domain.checks import IdentityFacts, judge_identity
from t3safe.domain.errors import BuildError, Fault
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.lockfile import SharedLock
from t3safe.domain.policy import Track
from t3safe.domain.versions import Version
from t3safe.simulation.diary import DAY
from t3safe.simulation.history import History, Layout, LoopbackCookie, PackageKind, RemoteCookie
from t3safe.simulation.incidents import BY_ITSELF, OF_HOSTS, OF_NOBODY, Behaviour, Incidents
from t3safe.simulation.rows import Rows, missing, union
from t3safe.t3.generations import BEFORE_SCOPES, V1, V2, Generation
from t3safe.t3.harmless import AUTO_PULL
from t3safe.t3.package import LAUNCHER, NAME, NODE_PROGRAM, REPOSITORY
from t3safe.t3.serve_log import UNDECODABLE
from t3safe.t3.sign_in import CookieNames, cookie_name

AUTH_MIGRATIONS: Final = (31, 32)
"""Both rebuild the sign-in tables.  An older binary on a database that has one of them mints
nothing and pairs nobody (measured on 30 and 32); across other migrations none was seen to."""
_REMOTE: Final = "0.0.0.0"  # noqa: S104 - what units bind to, only named here
_PORT: Final = 3799
_DRILLED_AT: Final = 3.4 * 3600.0
"""Seconds into its day at which a release of a drill comes out: right before most timers fire."""
PARTS_LAST: Final = timedelta(hours=8)
"""How long a release that is published in parts cannot be installed; an assumption: the reports
say minutes to hours."""


def lock_text(build: Version) -> str:
    """Return the lock file of a build that was made up: the same on every host."""
    return f"what npm installs of {build}"


def artifact(build: Version, lock: str = "") -> ev.Staged:
    """Return the bytes of a build that was made up, those of every host without a lock file."""
    text = lock or lock_text(build)
    return ev.Staged(sha256(text.encode()).hexdigest(), "linux-x86_64-glibc-node24")


def followed(build: Version, shared: SharedLock) -> str:
    """Return the text of a published lock file that fits.  Raises BuildError."""
    if shared.file.text.partition(", ")[0] == lock_text(build):
        return shared.file.text
    what = f"the lock file of host {shared.host} does not fit this host's registry"
    message = f"cannot stage {build}: {what}: t3: it is another one; nothing was installed"
    raise BuildError(message, fault=Fault.LATER)


@frozen(eq=False)
class SimulatedBuild:
    """One release as it behaves: its facts as in `PastRelease`, and what is wrong with it.

    `channel` is the track whose tag may point at it, None for a preview.  `drill` names the
    incident for which it was made up.
    """

    version: Version
    channel: Track | None
    available: float
    schema: int
    pairing: str
    loopback_cookie: LoopbackCookie
    node: str
    layout: Layout
    remote_cookie: RemoteCookie
    package: PackageKind
    faults: frozenset[Behaviour] = frozenset()
    assumed: tuple[str, ...] = ()
    drill: str = ""
    healthy: bool = field(init=False)
    generation: Generation = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "healthy", not self.faults - OF_NOBODY and bool(self.pairing))
        scoped = self.pairing == V1.sign_in.path
        generation = V2 if self.layout == "v2" else V1 if scoped else BEFORE_SCOPES
        object.__setattr__(self, "generation", generation)

    @property
    def second(self) -> bool:
        """Whether it keeps people's state in a second file."""
        return self.generation is V2

    @property
    def launched(self) -> bool:
        """Whether its program only starts a native one, which does the work."""
        return self.package == "launcher"

    def cookie(self, *, loopback: bool) -> str:
        """The name of the session cookie that it sets on such a bind."""
        names = CookieNames.PLAIN
        if loopback and self.loopback_cookie == "scoped":
            names = CookieNames.LOOPBACK
        elif not loopback and self.remote_cookie == "environment":
            names = CookieNames.ENVIRONMENT
        return cookie_name(names, "127.0.0.1" if loopback else _REMOTE, _PORT, "here", "set")

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
            # What a launcher starts is executed itself, so nothing is launched.
            entry=LAUNCHER if self.launched else NODE_PROGRAM,
        )


@cache
def node_problem(build: SimulatedBuild, node: str) -> str:
    """Why a serve of this build ends in silence under this node; empty when it does not."""
    facts = IdentityFacts(NAME, REPOSITORY, (NAME,), build.node, node, build.version.text)
    result = judge_identity(build.version, facts)
    return "" if result.passed else result.reason


_AT_FIRST: Final[dict[str, Any]] = {
    "schema": 0,
    "pairing": "",
    "loopback_cookie": "plain",
    "node": "",
    "layout": "v1",
    "remote_cookie": "plain",
    "package": "node",
}
"""What is assumed before anything is known."""


def builds(history: History, incidents: Incidents) -> tuple[SimulatedBuild, ...]:
    """Give every release as it behaves, in the order in which they came out.

    What is not known of one is taken from the nearest release before it that says it, and said in
    `assumed`.
    """
    facts = dict(_AT_FIRST)
    sources = dict.fromkeys(facts, "nothing")
    found: list[SimulatedBuild] = []
    for release in history.releases:
        assumed: list[str] = []
        for name, before in facts.items():
            value = getattr(release, name)
            if value is None:
                assumed.append(f"{name} {before} as of {sources[name]}")
            else:
                facts[name], sources[name] = value, release.version.text
        if release.out_on is not None:
            assumed.append(f"out at {release.available:%Y-%m-%d %H:%M}: only its day is known")
        found.append(
            SimulatedBuild(
                release.version,
                release.channel.track,
                release.available.timestamp(),
                **facts,
                faults=incidents.of(release),
                assumed=tuple(assumed),
            )
        )
    return tuple(found)


def drilled(
    found: tuple[SimulatedBuild, ...], incidents: Incidents, track: Track
) -> Iterator[SimulatedBuild]:
    """Make up a release for every incident that can be enacted, a day apart, each fixed after.

    They follow the last release and take its facts over: only what went wrong is known of them.
    For an incident of the host a sound release comes out on its night.
    """
    last = max(found, key=lambda build: build.available)
    major, minor, patch = last.version.text.partition("-")[0].split(".")
    wrong = [
        (each.id, frozenset({each.behaviour} - OF_HOSTS))
        for each in incidents.incidents
        if each.behaviour is not None and each.behaviour not in BY_ITSELF
    ]
    sound = ("", frozenset[Behaviour]())
    for number, (incident, faults) in enumerate(chain(*((each, sound) for each in wrong)), 1):
        suffix = f"-nightly.20990101.{number}" if track is Track.NIGHTLY else ""
        yield attrs.evolve(
            last,
            version=Version.parse(f"{major}.{minor}.{int(patch) + number}{suffix}"),
            channel=track,
            available=(last.available // DAY + 1 + number) * DAY + _DRILLED_AT,
            faults=faults,
            assumed=("made up for a drill, with the facts of the last release",),
            drill=incident,
        )


@frozen
class Data:
    """What a person's state set holds: one database, two once a build has made the second.

    `level` and `second_level` are the highest migrations of the two ledgers.  The second is a copy
    of the first, made once by whichever build opens first; after that the two never meet again.
    `strange` names a migration that no release of t3 has under that id (a sister product's), as
    (id, name).  `traits` are the faults of builds that show on it.
    """

    level: int
    rows: Rows
    second: Rows | None = None
    second_level: int = 0
    strange: tuple[int, str] | None = None
    traits: frozenset[Behaviour] = frozenset()

    def seen_by(self, build: SimulatedBuild) -> Rows:
        """The rows that a serve of this build shows."""
        return self.second if build.second and self.second is not None else self.rows

    def level_for(self, build: SimulatedBuild) -> int:
        """The highest migration in the database that this build starts on."""
        return self.second_level if build.second and self.second is not None else self.level

    def all_rows(self) -> Rows:
        """The rows that are in either database."""
        return self.rows if self.second is None else union(self.rows, self.second)

    def hidden_from(self, build: SimulatedBuild) -> int:
        """How many rows of the set a serve of this build does not show."""
        return missing(self.all_rows(), self.seen_by(build)) if self.second is not None else 0

    def known_to(self, build: SimulatedBuild) -> bool:
        """Whether the build knows its ledger and shows all rows; else it is apart from its data."""
        return self.level_for(build) <= build.schema and not self.hidden_from(build)

    def opened_by(self, build: SimulatedBuild) -> Data:
        """The set once a program of this build has opened it."""
        if not build.second:
            return attrs.evolve(self, level=max(self.level, build.schema))
        level = max(self.level_for(build), build.schema)
        return attrs.evolve(self, second=self.seen_by(build), second_level=level)


@frozen(eq=False)
class Schemas:
    """Ledgers as the domain has them, made once: by the two levels and the strange migration."""

    names: dict[int, str]
    _made: dict[object, SetLedger] = field(factory=dict)

    @classmethod
    def of(cls, history: History) -> Schemas:
        """The ledgers of a history's migrations."""
        return cls({migration.id: migration.name for migration in history.migrations})

    def of_data(self, data: Data) -> SetLedger:
        """What is in a person's databases."""
        levels = {V1.database: data.level}
        if data.second is not None:
            levels[V2.database] = data.second_level
        return self._get(levels, data.strange)

    def of_build(self, build: SimulatedBuild) -> SetLedger:
        """What a build knows, as empty data shows it."""
        return self._get({build.generation.database: build.schema}, None)

    def _get(self, levels: dict[str, int], strange: tuple[int, str] | None) -> SetLedger:
        key = (tuple(levels.items()), strange)
        found = self._made.get(key)
        if found is None:
            ledgers = {name: self._ledger(level, strange) for name, level in levels.items()}
            found = self._made[key] = SetLedger.of(ledgers)
        return found

    def _ledger(self, level: int, strange: tuple[int, str] | None) -> Ledger:
        names = {number: name for number, name in self.names.items() if number <= level}
        if strange is not None:
            names[strange[0]] = strange[1]
        return Ledger.of(names.items())


def auth_broken(build: SimulatedBuild, data: Data) -> bool:
    """Whether a sign-in migration lies between what a build knows and what it starts on."""
    level = data.level_for(build)
    return any(build.schema < number <= level for number in AUTH_MIGRATIONS)


NEVER_RUNS: Final = frozenset({Behaviour.UNBUILT, Behaviour.FOREIGN_PACKAGE})
UNDECODED: Final = frozenset({Behaviour.OLD_ROWS, Behaviour.OLD_TURNS})
"""What keeps a serve that runs from showing old data."""
_CRASHES: Final = {
    Behaviour.SISTER_DATA: "crash-loops: migration 24 fails on a sister's data",
    Behaviour.ID_COLLISION: f"ends: no such column: {AUTO_PULL}",
    Behaviour.OLD_EVENTS: "crash-loops: it cannot decode an old event of the log",
    Behaviour.LARGE_EVENTS: "runs out of memory: its page of events is too large",
}
_DEATH_AFTER: Final = (20.0, 82.0)
"""Seconds after a start at which the serve of Behaviour.DIES_AFTER_BOOT is dead (measured)."""


def data_crash(build: SimulatedBuild, data: Data) -> str:
    """Why a serve of the build ends as it starts on this data; empty if it runs."""
    for behaviour, what in _CRASHES.items():
        if behaviour in data.traits & build.faults:
            return f"the serve of {build.version} {what}"
    return ""


def serve_problem(build: SimulatedBuild, data: Data) -> str:
    """Why a serve of the build that runs pairs nobody or shows nothing, at itself."""
    if auth_broken(build, data):
        return (
            f"the serve of {build.version} answers 500: it knows migrations up to"
            f" {build.schema}, the database is at {data.level_for(build)}"
        )
    if not build.pairing:
        return f"{build.version} has no pairing"
    if Behaviour.NO_COOKIE in build.faults:
        return f"{build.version} answers 200 and sets no cookie"
    if data.traits & build.faults & UNDECODED:
        return f"{build.version} cannot decode old rows: {UNDECODABLE}"
    return ""


def life(person: str, build: SimulatedBuild) -> float:
    """Seconds that a serve of Behaviour.DIES_AFTER_BOOT lives, the same each time."""
    digest = blake2b(f"{person}/{build.version}".encode(), digest_size=2).digest()
    least, most = _DEATH_AFTER
    return least + (most - least) * int.from_bytes(digest, "big") / 65_535
