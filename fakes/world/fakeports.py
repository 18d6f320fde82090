"""The ports as thin views onto the world: who is moved, which builds there are, what is remembered.

The ports onto people's serves and state sets are in `fakes.world.hostports`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from attrs import frozen

from fakes.world.core import SubStep, World
from fakes.world.model import Defect
from t3safe.domain import events as ev
from t3safe.domain import ports
from t3safe.domain.errors import (
    BuildError,
    DeadLinkError,
    Fault,
    PeopleError,
    RegistryError,
    SelectionError,
)
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.lockfile import SharedLock
from t3safe.domain.people import MapProblem, Person, UserMap, valid_person
from t3safe.domain.policy import Offer, Release, Track
from t3safe.domain.pressure import Pressure
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.simulation.builds import artifact, followed, lock_text
from t3safe.simulation.decisions import MemorySwitch

UNSHARED: Final = ", from a repository"
"""Ends a lock file that cannot be shared."""


@frozen
class FakeRegistry:
    """The registry: it can be down, and its tag can move between two reads."""

    world: World

    def offer(self, track: Track, *, history: bool) -> Offer:
        world = self.world
        world.begin("registry", track)
        if world.registry_down:
            raise self._later(track, world.registry_down)
        tag = self._tag(track)
        if not history:
            return Offer(tag)
        ready = [fake for fake in world.builds.values() if Defect.IN_PARTS not in fake.defects]
        releases = tuple(
            Release(fake.version, world.clock - timedelta(days=fake.age_days)) for fake in ready
        )
        if tag not in {release.version for release in releases}:
            raise self._later(track, f"{tag} is published in parts")
        return Offer(tag, releases)

    def _tag(self, track: Track) -> Version:
        world = self.world
        if track in world.told_tags:
            text = world.told_tags[track]
            if text is None:
                raise self._later(track, f"it has no tag {track}")
            try:
                return Version.parse(text)
            except InvalidVersion as error:
                raise self._later(track, f"it tells {text!r} as {track}") from error
        tag = world.tag
        if world.tags:
            tag, world.tags = world.tags[0], world.tags[1:]
        return tag

    @staticmethod
    def _later(track: Track, reason: str) -> RegistryError:
        message = f"cannot read the tag {track}: {reason}; the next run asks again"
        return RegistryError(message, fault=Fault.LATER)


@frozen
class FakeBuilds:
    """The build store: a stage can stop half-way and is then no build."""

    world: World

    def stage(self, build: Version, shared: SharedLock | None = None) -> ev.Staged:
        world = self.world
        if build in world.store:
            return artifact(build, world.locks.get(build, ""))
        world.begin("npm", build.text)
        problem, fault = self._problem(build)
        if problem:
            message = f"cannot stage {build}: {problem}"
            raise BuildError(message, fault=fault)
        floats = f"{lock_text(build)}{world.floats}"
        lock = floats if shared is None else followed(build, shared)
        world.play("stage", build.text, self._steps(build, lock))
        return artifact(build, lock)

    def staged(self, build: Version) -> ev.Staged | None:
        world = self.world
        return artifact(build, world.locks.get(build, "")) if build in world.store else None

    def _problem(self, build: Version) -> tuple[str, Fault]:
        world, fake = self.world, self.world.builds.get(build)
        if world.registry_down or world.npm_fails:
            return world.registry_down or world.npm_fails, Fault.LATER
        if world.disk_full:
            return "no space left on the device", Fault.HOST
        if fake is None or Defect.IN_PARTS in fake.defects:
            return "it is published in parts", Fault.LATER
        if Defect.FOREIGN in fake.defects:
            return "the package is a foreign one", Fault.BUILD
        return "", Fault.HOST

    def _steps(self, build: Version, lock: str) -> Iterator[SubStep]:
        world = self.world
        world.partial.clear()
        yield SubStep("partial", partial(world.partial.add, build), durable=False)
        yield SubStep("sealed", partial(self._seal, build, lock), durable=False)

    def _seal(self, build: Version, lock: str) -> None:
        self.world.partial.discard(build)
        self.world.locks[build] = lock
        self.world.store.add(build)

    def lock_file(self, build: Version) -> str:
        text = self.world.locks.get(build, lock_text(build))
        return "" if text.endswith(UNSHARED) else text

    def present(self) -> tuple[Version, ...]:
        return tuple(sorted(self.world.store))

    def remove(self, build: Version) -> None:
        self.world.begin("remove-build", build.text)
        removed = SubStep("removed", partial(self.world.store.discard, build), durable=False)
        self.world.play("remove-build", build.text, [removed])

    def schema(self, build: Version) -> SetLedger | None:
        """What a rehearsal has told that the build knows."""
        known = build in self.world.measured or build in self.world.trusted
        return self.world.builds[build].schema if known else None


@frozen
class FakeSelection:
    """Who runs which build."""

    world: World

    def has_own(self, person: str) -> bool:
        _named(person)
        found = self.world.people.get(person)
        return found is not None and (found.fenced or found.link is not None)

    def selected(self, person: str) -> ports.Selected:
        _named(person)
        found = self.world.people.get(person)
        if found is None:
            return ports.Selected(self._default(person))
        if found.fenced:
            return ports.Selected(None)
        if found.link is not None and found.link not in self.world.store:
            message = (
                f"cannot tell what {person} runs: their link leads to {found.link}, which is gone"
            )
            raise DeadLinkError(message)
        return ports.Selected(found.link or self._default(person))

    def linked(self) -> tuple[str, ...]:
        people = self.world.people.values()
        return tuple(sorted(found.name for found in people if found.fenced or found.link))

    def _default(self, person: str) -> Version:
        if self.world.default is None:
            message = f"cannot tell what {person} runs: nothing is selected; run `t3safe adopt`"
            raise SelectionError(message)
        return self.world.default

    def select(self, person: str, build: Version) -> None:
        _named(person)
        self.world.begin("select", person, build.text)
        self._have(build, f"select {build} for {person}")
        linked = SubStep(f"linked {build}", partial(self._link, person, build), durable=False)
        self.world.play("select", person, [linked])

    def _have(self, build: Version, what: str) -> None:
        if build not in self.world.store:
            message = f"cannot {what}: the store does not hold it"
            raise SelectionError(message)

    def _link(self, person: str, build: Version) -> None:
        found = self.world.people[person]
        found.link, found.fenced = build, False

    def clear(self, person: str) -> None:
        """Wait for what has begun to start: at worst it opens the data before it ends."""
        _named(person)
        found = self.world.people[person]
        self.world.begin("clear", person)
        if found.clings:
            found.clings -= 1
            message = (
                f"cannot clear {person}: process 4242 holds the start lock, also after SIGKILL"
            )
            raise SelectionError(message, fault=Fault.LATER)
        self.world.play(
            "clear", person, [SubStep("cleared", partial(self.world.open_late, person))]
        )

    def starting(self, person: str) -> bool:
        return bool(self.world.people[person].starting)

    def fence(self, person: str) -> None:
        _named(person)
        self.world.begin("fence", person, self.world.people[person].standing)
        linked = SubStep(
            "linked", partial(setattr, self.world.people[person], "fenced", True), False
        )
        self.world.play("fence", person, [linked])

    def default(self) -> Version | None:
        return self.world.default

    def promote(self, build: Version) -> None:
        self.world.begin("promote", build.text)
        self._have(build, f"promote {build}")
        self.world.play("promote", build.text, self._promotion(build))

    def _promotion(self, build: Version) -> Iterator[SubStep]:
        """As in production: previous-good, last-good, default, each durable before the next."""
        world, before = self.world, self.world.last_good
        if before is not None and before != build:
            yield SubStep("previous-good", partial(setattr, world, "previous_good", before))
        if before != build:
            yield SubStep("last-good", partial(setattr, world, "last_good", build))
        yield SubStep("default", partial(setattr, world, "default", build))

    def last_good(self) -> Version | None:
        return self.world.last_good

    def previous_good(self) -> Version | None:
        return self.world.previous_good

    def ensure_launcher(self) -> str:
        found, self.world.launcher_replaced = self.world.launcher_replaced, ""
        return found


def _named(person: str) -> None:
    if not valid_person(person):
        message = f"cannot tell what {person!r} runs: it is not a person's name"
        raise SelectionError(message)


@frozen
class DurableSwitch(MemorySwitch):
    """The freeze switch; the power can take the last change back."""

    world: World

    def freeze(self, reason: str) -> None:
        self.world.begin("freeze")
        frozen = SubStep("frozen", partial(super().freeze, reason), durable=False)
        self.world.play("freeze", "", [frozen])


@frozen
class FakePeople:
    """Who has a serve here; each person's login is their name."""

    world: World

    def load(self) -> UserMap:
        """The people, in the world's order."""
        if self.world.people_unknown:
            message = f"cannot tell who is here: {self.world.people_unknown}"
            raise PeopleError(message)
        mapped = [found for found in self.world.people.values() if found.mapped]
        people = tuple(Person(found.name, (found.name,)) for found in mapped if found.known)
        strange = tuple(
            MapProblem(line, f"{found.name!r} is no ordinary user of this host")
            for line, found in enumerate(mapped, 1)
            if not found.known
        )
        return UserMap(people, (*self.world.map_problems, *strange))


@frozen
class FakeResidents:
    """Who can run t3 here, by what is true in the world."""

    world: World

    def running(self) -> tuple[ports.Running, ...]:
        return tuple(
            ports.Running(found.name, found.pid, found.running, serves=True)
            for found in self.world.people.values()
            if found.pid is not None
        )

    def found(self, named: Collection[str]) -> tuple[ports.Resident, ...]:
        """Everybody who is listed or named with data, or has a serve that runs."""
        return tuple(
            ports.Resident(found.name, found.noted)
            for found in self.world.people.values()
            if found.pid is not None
            or ((found.listed or found.name in named) and found.known and found.databases)
        )


@frozen
class FakeClock:
    """Virtual time."""

    world: World

    def now(self) -> datetime:
        return self.world.clock


@frozen
class FakeLoad:
    """How hard the host is worked."""

    world: World

    def __call__(self) -> Pressure:
        """Measure now."""
        return self.world.pressure


@frozen
class FakeHoldUps:
    """Since when that has held runs up."""

    world: World

    def begun(self, now: datetime) -> datetime:
        self.world.held_up = self.world.held_up or now
        return self.world.held_up

    def over(self) -> None:
        self.world.held_up = None
