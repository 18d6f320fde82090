"""The contracts of the ports, on the fake world: what holds of the real adapters holds of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import attrs
import pytest
from attrs import frozen

from fakes.world import (
    EPOCH,
    NEW,
    OLD,
    Defect,
    FakeBuild,
    FakePerson,
    World,
    make_build,
    schema,
    small_world,
)
from fakes.world.fakeports import FakeBuilds, FakeRegistry, FakeSelection
from fakes.world.hostports import FakeGate, FakePersonalData, FakeServices
from fakes.world.model import EVENTS, Content, seen
from t3safe.contracts.builds import BuildsContract
from t3safe.contracts.gate import GateContract
from t3safe.contracts.personaldata import OLD as OLD_LEDGER
from t3safe.contracts.personaldata import PersonalDataContract
from t3safe.contracts.registry import RegistryContract
from t3safe.contracts.selection import SelectionContract
from t3safe.contracts.services import ServicesContract
from t3safe.domain.effects import Subject
from t3safe.domain.ledgers import Ledger, Migration
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.sign_in import PLAIN_COOKIE


def empty_world() -> World:
    """A host with two people who have nothing, and a registry that offers nothing."""
    return World(
        people={name: FakePerson(name, None, writing=False) for name in ("alice", "bob")},
        builds={},
        tag=OLD,
        store=set(),
        default=None,
        last_good=None,
    )


@frozen
class FakeBuildsBench:
    world: World
    port: FakeBuilds

    def publish(self, version: Version, *, foreign: bool = False, complete: bool = True) -> None:
        """Let a version be installable: the real package, a foreign one, or one in parts."""
        defects = [Defect.FOREIGN] if foreign else [] if complete else [Defect.IN_PARTS]
        self.world.publish(make_build(version.text, 32, *defects))

    def withdraw(self, version: Version) -> None:
        """Let a version not be installable any more."""
        del self.world.builds[version]

    def drift(self) -> None:
        """Let a new installation be another one."""
        self.world.floats = ", with other dependencies"

    def traces(self) -> object:
        """Give everything that the store holds."""
        return frozenset(self.world.store), frozenset(self.world.partial)


class TestBuildsOfTheWorld(BuildsContract):
    """The contract of Builds."""

    @pytest.fixture
    def bench(self) -> FakeBuildsBench:
        """A store over a registry that offers nothing yet."""
        world = empty_world()
        return FakeBuildsBench(world, FakeBuilds(world))


@frozen
class FakeRegistryBench:
    world: World
    port: FakeRegistry

    def publish(self, version: str, *, tag: str | None = None, complete: bool = True) -> None:
        """Publish a version on its own day."""
        fake = make_build(version, 32, *([] if complete else [Defect.IN_PARTS]))
        self.world.builds[fake.version] = attrs.evolve(fake, age_days=_age(fake))
        if tag is not None:
            self.tag(tag, version)

    def tag(self, name: str, version: str | None) -> None:
        """Point a tag at a version, or take it away."""
        self.world.told_tags[name] = version

    def down(self) -> None:
        """Let nothing answer any more."""
        self.world.registry_down = "no answer"


def _age(fake: FakeBuild) -> float:
    day = fake.version.published_on
    return float((EPOCH.date() - day).days) if day is not None else 1.0


class TestRegistryOfTheWorld(RegistryContract):
    """The contract of Registry."""

    @pytest.fixture
    def bench(self) -> FakeRegistryBench:
        """A registry that knows no tag."""
        world = empty_world()
        world.told_tags = {"nightly": None, "latest": None}
        return FakeRegistryBench(world, FakeRegistry(world))


@frozen
class FakeSelectionBench:
    world: World
    port: FakeSelection

    def hold(self, *builds: Version) -> None:
        """Let the store hold these builds."""
        for build in builds:
            self.world.builds[build] = make_build(build.text, 32)
            self.world.store.add(build)


class TestSelectionOfTheWorld(SelectionContract):
    """The contract of Selection."""

    @pytest.fixture
    def bench(self) -> FakeSelectionBench:
        """A host on which nothing was ever selected."""
        world = empty_world()
        return FakeSelectionBench(world, FakeSelection(world))


@frozen
class FakePersonalDataWorld:
    world: World
    states: FakePersonalData

    def _content(self, person: str) -> Content:
        return seen(self.world.people[person].databases[V1_DATABASE])

    def _write(self, person: str, content: Content) -> None:
        databases = self.world.people[person].databases
        databases[V1_DATABASE] = (databases[V1_DATABASE][0], content)

    def found(
        self,
        person: str,
        ledger: Iterable[tuple[int, str]] = OLD_LEDGER,
        events: int = 3,
        database: str = V1_DATABASE,
    ) -> None:
        """Give a person a database and the small files that a serve needs."""
        tables = {EVENTS: (1 << events) - 1}
        self.world.people[person].databases[database] = (Content(Ledger.of(ledger), tables), None)

    def serve(self, person: str) -> None:
        """Let a serve run on the person's set."""
        self.world.pids += 1
        self.world.people[person].pid = self.world.pids

    def commit(self, person: str, events: int) -> None:
        """Let the person's serve commit so many more events."""
        ledger, tables = self._content(person)
        held = tables[EVENTS].bit_length()
        rows = tables[EVENTS] | ((1 << events) - 1) << held
        self._write(person, Content(ledger, {**tables, EVENTS: rows}))

    def migrate(self, person: str, number: int, name: str) -> None:
        """Let the person's serve run a migration."""
        ledger, tables = self._content(person)
        self._write(person, Content(Ledger((*ledger.entries, Migration(number, name))), tables))

    def run_turn(self, person: str, thread: str, since: str) -> None:
        """Let a turn be in flight in a thread."""
        assert thread == "thread-1", "the world knows one thread"
        began = (datetime.fromisoformat(since) - EPOCH).total_seconds()
        self.world.people[person].turn = began
        self.world.people[person].last_activity = began

    def serve_pid(self, person: str) -> int:
        """The process of the person's serve."""
        return self.world.people[person].pid or 0

    def hold(self, person: str) -> int:
        """Let a process beside the serve have the person's set open; its pid."""
        self.world.people[person].foreign = 4242
        return 4242

    def let_go(self, person: str) -> None:
        """End that process."""
        self.world.people[person].foreign = 0

    def set_clock_ahead(self, days: int) -> None:
        """Let the host's clock be ahead by so many days, 0 for right again."""
        self.world.clock_ahead = days * 86_400.0

    def end(self, person: str, *, killed: bool = False) -> None:
        """End the person's serve, in order or by SIGKILL."""
        if not killed:
            self.world.halt(person)
        self.world.people[person].pid = None

    def damage(self, person: str) -> None:
        """Make the person's database something that SQLite cannot read."""
        self.world.people[person].unreadable = "state.sqlite is not a database"

    def damage_snapshot(self, person: str, snapshot: str) -> None:
        """Change a byte of a sealed snapshot."""
        self.world.damage_snapshot(person, snapshot)

    def events(self, person: str) -> tuple[str, ...]:
        """The events that the person's database holds."""
        rows = self._content(person).tables[EVENTS]
        return tuple(str(row) for row in range(rows.bit_length()) if rows >> row & 1)

    def secret(self, person: str) -> bytes:
        """The person's signing key."""
        return self.world.people[person].secret

    def lose_secret(self, person: str) -> None:
        """Take the person's signing key away."""
        self.world.people[person].secret = b""

    def databases(self, person: str) -> tuple[str, ...]:
        """The names of the person's databases."""
        return tuple(sorted(self.world.people[person].databases))


class TestPersonalDataOfTheWorld(PersonalDataContract):
    """The contract of PersonalData."""

    @pytest.fixture
    def world(self) -> FakePersonalDataWorld:
        """Two people without a state set."""
        world = empty_world()
        return FakePersonalDataWorld(world, FakePersonalData(world))


FLAWS = {
    "": [],
    "chokes-on-old-rows": [Defect.CHOKES],
    "silent": [Defect.SILENT],
    "loses-events": [Defect.SHRINKS],
    "pairs-nobody": [Defect.PAIRLESS],
    "unknown-cookie": [],
    "works-once": [Defect.FORGETFUL],
    "noisy": [Defect.NOISY],
}


@frozen
class FakeGateBench:
    world: World
    port: FakeGate

    def release(self, flaw: str = "") -> Version:
        """Let the store hold a build that migrates, with one flaw."""
        fake = make_build(NEW.text, 32, *FLAWS[flaw])
        if flaw == "unknown-cookie":
            fake = attrs.evolve(fake, cookie=f"{PLAIN_COOKIE}_0a1b2c3d4e5f")
        self.world.publish(fake)
        self.world.store.add(NEW)
        return NEW

    def snapshot(self, person: str, *, old_rows: bool = False) -> Subject:
        """Seal an online snapshot of a person with work, at an older schema."""
        self.world.people[person].old_rows = old_rows
        FakePersonalData(self.world).snapshot(person, "online", SnapshotKind.ONLINE, OLD)
        return Subject(person, "online")

    def traces(self) -> object:
        """Every snapshot and every process."""
        people = self.world.people.values()
        return [(person.pid, dict(person.snapshots), dict(person.databases)) for person in people]


class TestGateOfTheWorld(GateContract):
    """The contract of Gate."""

    @pytest.fixture
    def bench(self) -> FakeGateBench:
        """A host with two people at work, who rest while the gate works."""
        world = small_world("alice", "bob")
        for person in world.people.values():
            person.writing = False
        return FakeGateBench(world, FakeGate(world))


@frozen
class FakeServicesBench:
    world: World
    port: FakeServices

    def work(self, person: str) -> None:
        """Let an agent named codex work from now on in every serve of this person."""
        self.world.people[person].agents = ("codex",)

    def crash(self, person: str) -> None:
        """Let the serve's main process die by itself."""
        self.world.people[person].pid = None

    def left(self, person: str) -> bool:
        """Whether any process of the person's serve lives."""
        return self.world.people[person].pid is not None


class TestServicesOfTheWorld(ServicesContract):
    """The contract of Services."""

    @pytest.fixture
    def services(self) -> FakeServicesBench:
        """Two units that are not started."""
        world = small_world("alice", "bob")
        for name in world.people:
            world.halt(name)
        return FakeServicesBench(world, FakeServices(world))


def test_the_world_makes_sets_as_the_builds_know_them() -> None:
    """A first start makes every database of the build, at the build's own level."""
    world = empty_world()
    build = make_build(OLD.text, 30, v2=2)
    world.publish(build)
    world.store.add(OLD)
    world.default = OLD

    assert world.launch("alice")

    assert world.people["alice"].ledger() == schema(30, v2=2)
