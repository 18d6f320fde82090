"""The contracts of pairing, people and the freeze switch, on the fake world."""

from __future__ import annotations

import pytest
from attrs import evolve, frozen

from fakes.world import NEW, OLD, Defect, FakePerson, World, small_world
from fakes.world.fakeports import DurableSwitch, FakePeople
from fakes.world.hostports import FakePairing
from t3safe.contracts.pairing import PairingContract
from t3safe.contracts.people import PeopleContract
from t3safe.contracts.switch import SwitchContract
from t3safe.domain.people import MapProblem
from t3safe.domain.versions import Version


@frozen
class FakePairingBench:
    world: World
    port: FakePairing
    build: Version = OLD
    other: Version = NEW

    def run(self, person: str, build: Version) -> None:
        """Let the person's unit run this build from now on."""
        self.world.store.add(build)
        self.world.people[person].link = build
        self.end(person)
        self.world.launch(person)

    def end(self, person: str) -> None:
        """Let the person's serve end."""
        self.world.halt(person)

    def spoil(self, person: str) -> None:
        """Let the person's serve pair nobody."""
        build = self.world.builds[self.build]
        self.world.builds[self.build] = evolve(
            build, defects=frozenset({Defect.MUTE}), victims=frozenset({person})
        )

    def dispatch_down(self) -> None:
        """Let the dispatch refuse every connection."""
        self.world.dispatch_up = False


class TestFakePairing(PairingContract):
    """The contract of Pairing."""

    @pytest.fixture
    def pairing(self) -> FakePairingBench:
        """Give alice and bob on OLD."""
        world = small_world("alice", "bob")
        return FakePairingBench(world, FakePairing(world))


@frozen
class FakePeopleBench:
    world: World
    port: FakePeople

    def have(self, *names: str) -> None:
        """Let these be the people."""
        self.world.people = {name: FakePerson(name, OLD) for name in names}

    def skip(self, line: int, reason: str) -> None:
        """Let this line be skipped."""
        self.world.map_problems = (MapProblem(line, reason),)

    def lose(self) -> None:
        """Let nobody be able to tell who is there."""
        self.world.people_unknown = "the user map is gone"


class TestPeople(PeopleContract):
    """The contract of People."""

    @pytest.fixture
    def people(self) -> FakePeopleBench:
        """Give a host of nobody."""
        world = small_world()
        return FakePeopleBench(world, FakePeople(world))


@frozen
class FakeSwitchBench:
    port: DurableSwitch


class TestDurableSwitch(SwitchContract):
    """The contract of Switch."""

    @pytest.fixture
    def switch(self) -> FakeSwitchBench:
        """Give a host that is not frozen."""
        return FakeSwitchBench(DurableSwitch(small_world()))
