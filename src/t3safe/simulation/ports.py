"""The ports of t3safe over the replayed host: the same engine, other ends.

What a call costs in virtual time is measured where it could be (see `SECONDS`).  A power cut of the
host goes through as it is: it ends the process in the middle of whatever it did.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, time
from typing import Final

import attrs
from attrs import define, field, frozen

from t3safe.domain import checks, ports
from t3safe.domain import events as ev
from t3safe.domain.errors import (
    BuildError,
    DispatchError,
    Fault,
    PersonalDataError,
    RegistryError,
    SelectionError,
    ServiceError,
)
from t3safe.domain.idle import Activity, Sample, TurnMark
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.lockfile import SharedLock
from t3safe.domain.obstacles import V1Copy
from t3safe.domain.people import Person as Mapped
from t3safe.domain.people import UserMap
from t3safe.domain.policy import Offer, Release, Track
from t3safe.domain.retention import SnapshotKind, Stored
from t3safe.domain.versions import Version
from t3safe.simulation import rows as rowset
from t3safe.simulation.builds import (
    Data,
    SimulatedBuild,
    artifact,
    followed,
    lock_text,
    serve_problem,
)
from t3safe.simulation.diary import stamp
from t3safe.simulation.fleet import Mishap
from t3safe.simulation.incidents import Behaviour
from t3safe.simulation.person import SimulatedPerson
from t3safe.simulation.world import SimulatedWorld
from t3safe.t3.generations import EVENT_LOG, V1
from t3safe.t3.updater import NO_TRACES, Traces

SECONDS: Final = {
    "registry": 0.5,
    "npm": 20.0,
    "fence": 0.05,
    "stop": 0.4,
    "start": 1.3,
    "verify": 5.0,
    "rehearse": 8.0,
    "empty": 6.0,
}
"""npm 10 to 25 s; a start 1.0 to 1.4 s; a stop 0.07 s to 1.1 s; a verification two seconds and
three of staying; a rehearsal two starts, two mints and a stop, with the soak on top."""
COPY_PER_MB: Final = 0.0018
"""Seconds: a one-step backup of 104 MB took 0.18 to 0.22 s."""
EVENTS: Final = f"{V1.database}:{EVENT_LOG}"
_MB: Final = 1024**2


@frozen
class SimulatedRegistry:
    """The registry, with what was out by then."""

    world: SimulatedWorld

    def offer(self, track: Track, *, history: bool) -> Offer:
        world = self.world
        world.pass_time(SECONDS["registry"])
        tag = None if Mishap.REGISTRY_DOWN in world.lasting else world.tagged(track)
        if tag is None:
            message = f"cannot read the tag {track}; the next run asks again"
            raise RegistryError(message, fault=Fault.LATER)
        if not history:
            return Offer(tag.version)
        out = (build for build in world.builds if build.available <= world.now)
        releases = tuple(Release(build.version, stamp(build.available)) for build in out)
        return Offer(tag.version, releases)


@define(eq=False)
class SimulatedBuilds:
    """The store."""

    world: SimulatedWorld
    store: dict[Version, SimulatedBuild] = field(factory=dict)
    locks: dict[Version, str] = field(factory=dict)

    def stage(self, build: Version, shared: SharedLock | None = None) -> ev.Staged:
        if build in self.store:
            return artifact(build, self.lock_file(build))
        world = self.world
        found = world.build(build)
        world.pass_time(SECONDS["npm"])
        problem, fault = self._problem(found)
        if found is None or problem:
            raise BuildError(f"cannot stage {build}: {problem}", fault=fault)
        self.locks[build] = lock_text(build) if shared is None else followed(build, shared)
        self.store[build] = found
        return artifact(build, self.locks[build])

    def staged(self, build: Version) -> ev.Staged | None:
        return artifact(build, self.lock_file(build)) if build in self.store else None

    def _problem(self, found: SimulatedBuild | None) -> tuple[str, Fault]:
        world = self.world
        if Mishap.DISK_NEARLY_FULL in world.lasting:
            return "no space left on the device", Fault.HOST
        if found is None or Mishap.REGISTRY_DOWN in world.lasting or world.in_parts(found):
            return "the registry has no tarball of it yet", Fault.LATER
        if Behaviour.FOREIGN_PACKAGE in found.faults:
            facts = found.identity(world.node)
            return checks.judge_identity(found.version, facts).reason, Fault.BUILD
        if Behaviour.UNBUILT in found.faults:
            return "node-pty was not built, `t3 --version` prints nothing", Fault.LATER
        return "", Fault.HOST

    def lock_file(self, build: Version) -> str:
        return self.locks.get(build, lock_text(build))

    def present(self) -> tuple[Version, ...]:
        return tuple(sorted(self.store))

    def remove(self, build: Version) -> None:
        self.store.pop(build, None)

    def schema(self, build: Version) -> SetLedger | None:
        held = self.store.get(build)
        return self.world.schemas.of_build(held) if held is not None else None


@define(eq=False)
class SimulatedSelection:
    """Links, fence and default."""

    world: SimulatedWorld
    store: SimulatedBuilds
    good: Version | None = None
    before: Version | None = None

    def selected(self, person: str) -> ports.Selected:
        found = self.world.selected(self.world.people[person])
        return ports.Selected(found.version if found is not None else None)

    def has_own(self, person: str) -> bool:
        found = self.world.people[person]
        return found.fenced or found.link is not None

    def linked(self) -> tuple[str, ...]:
        return tuple(sorted(filter(self.has_own, self.world.people)))

    def select(self, person: str, build: Version) -> None:
        found, world = self.world.people[person], self.world
        if found.link is not None and found.link.version == build and not found.fenced:
            return
        held = self.store.store.get(build)
        if held is None:
            raise SelectionError(f"cannot select {build} for {person}: it is not in the store")
        world.pass_time(SECONDS["fence"])
        found.link, found.fenced = held, False
        world.touch(found)

    def clear(self, person: str) -> None:
        """Nothing is in flight between two moments of this host."""

    def starting(self, person: str) -> bool:  # noqa: ARG002
        """Whether anything has begun to start: a mint is over within its moment here."""
        return False

    def fence(self, person: str) -> None:
        found = self.world.people[person]
        self.world.pass_time(SECONDS["fence"])
        found.fenced = True
        self.world.touch(found)

    def default(self) -> Version:
        return self.world.default.version

    def promote(self, build: Version) -> None:
        """Make it the default and last-good; everybody has a link of their own by now."""
        if self.good != build:
            self.before, self.good = self.good, build
        self.world.default = self.store.store[build]

    def last_good(self) -> Version | None:
        return self.good

    def previous_good(self) -> Version | None:
        return self.before

    def ensure_launcher(self) -> str:
        """Nobody replaces it here."""
        return ""


@frozen
class SimulatedServices:
    """The service manager."""

    world: SimulatedWorld

    def status(self, person: str) -> ports.ServeStatus:
        found = self.world.people[person]
        if found.running is None:
            return ports.ServeStatus(running=False)
        agents = ("claude",) if found.turn(self.world.now) is not None else ()
        return ports.ServeStatus(
            running=True, main_pid=1, started=stamp(found.since), agents=agents
        )

    def sample(self, person: str) -> Sample:  # noqa: ARG002
        """People here work in turns alone."""
        return Sample("", self.world.now)

    def stop(self, person: str) -> None:
        self.world.pass_time(SECONDS["stop"])
        self.world.stop(self.world.people[person])

    def start(self, person: str) -> None:
        """Start what is selected; that it dies soon is for whoever asks it next."""
        found = self.world.people[person]
        self.world.pass_time(SECONDS["start"])
        if found.fenced:
            raise ServiceError(f"cannot start the serve of {person}: being updated, exit status 75")
        if not self.world.start(found):
            message = f"cannot start the serve of {person}: {found.died}"
            raise ServiceError(message, fault=Fault.HOST)


@define(eq=False)
class SimulatedPersonalData:
    """State sets and their snapshots."""

    world: SimulatedWorld
    kept: dict[str, dict[str, tuple[ports.SnapshotInfo, Data]]] = field(factory=dict)

    def snapshot(
        self, person: str, snapshot: str, kind: SnapshotKind, build: Version | None
    ) -> ev.Snapshotted:
        world, found = self.world, self.world.people[person]
        size = found.settings.size_mb
        world.pass_time(0.05 + size * COPY_PER_MB)
        if kind is not SnapshotKind.ONLINE and found.running is not None:
            raise PersonalDataError(f"cannot copy the set of {person}: a process holds it")
        found.sync(world.now)
        ledger = world.schemas.of_data(found.data)
        stored = Stored(snapshot, kind, stamp(world.now), int(size * _MB))
        if kind is SnapshotKind.QUARANTINE:
            found.kept = rowset.union(found.kept, found.data.all_rows())
        info = ports.SnapshotInfo(stored, person, build, ledger, ())
        self.kept.setdefault(person, {})[snapshot] = (info, found.data)
        return ev.Snapshotted(snapshot, ledger, stored.size)

    def rows_since(self, person: str, snapshot: str, since: str) -> tuple[ev.RowsKept, ...]:
        return self._more(person, self.kept[person][snapshot][1], since)

    def rows_written(self, person: str, since: str) -> tuple[ev.RowsKept, ...]:
        found = self.world.people[person]
        found.sync(self.world.now)
        return self._more(person, found.data, since)

    def _more(self, person: str, data: Data, since: str) -> tuple[ev.RowsKept, ...]:
        count = rowset.missing(data.all_rows(), self.kept[person][since][1].all_rows())
        return (ev.RowsKept(EVENTS, count),) if count else ()

    def restore(self, person: str, snapshot: str) -> None:
        found, mine = self.world.people[person], self.kept.get(person, {})
        self.world.pass_time(0.2 + found.settings.size_mb * COPY_PER_MB)
        if found.running is not None or snapshot not in mine:
            raise PersonalDataError(f"cannot restore {person} from {snapshot}")
        self.world.restore(found, mine[snapshot][1], whole=True)

    def restoring(self, person: str) -> bool:  # noqa: ARG002
        """A restore is at once here."""
        return False

    def ledger(self, person: str) -> SetLedger:
        return self.world.schemas.of_data(self.world.people[person].data)

    def updater(self, person: str) -> Traces:  # noqa: ARG002
        """Find nothing: nobody updates t3 here but the policies."""
        return NO_TRACES

    def holder(self, person: str, own: tuple[int, ...]) -> str:  # noqa: ARG002
        """Nobody but serves opens a set here."""
        return ""

    def activity(self, person: str) -> Activity:
        now, found = self.world.now, self.world.people[person]
        turn = found.turn(now)
        started = stamp(found.since) if found.running is not None else None
        known = Activity(tracked=True, serve_started=started, copied=self._copied(found))
        if turn is not None and turn.waits:
            return attrs.evolve(known, approvals=1)
        if turn is not None and found.running is not None:
            # The mark is set as the turn begins, and the serve has been up since before that.
            since = max(float(turn.start), found.since)
            return attrs.evolve(known, turns=(TurnMark("a thread", stamp(since)),))
        last = found.diary.last_end(now)
        return attrs.evolve(known, last_activity=stamp(last) if last else None)

    def _copied(self, person: SimulatedPerson) -> V1Copy | None:
        """V1's database beside the copy that V2 made of it; that of a trial is from its day."""
        person.sync(self.world.now)
        first, second = person.data.rows, person.data.second
        now, trial = stamp(self.world.now), person.settings.trial
        if second is None:
            return None
        if not rowset.missing(first, second):
            return V1Copy(now, now)
        copied = datetime.combine(trial, time(), UTC) if trial is not None else None
        return V1Copy(now, copied, now if rowset.missing(second, first) else None)

    def snapshots(self, person: str) -> tuple[ports.SnapshotInfo, ...]:
        return tuple(info for info, _ in self.kept.get(person, {}).values())

    def verify(self, person: str, snapshot: str) -> None:
        """Nothing rots here."""

    def remove(self, person: str, snapshot: str) -> None:
        self.kept.get(person, {}).pop(snapshot, None)


@frozen
class SimulatedPairing:
    """Pairing through the dispatch; each attempt mints with whatever is selected."""

    world: SimulatedWorld

    def verify(self, person: str, build: Version) -> ev.Paired | ev.NotPaired:
        self.world.pass_time(SECONDS["verify"])
        return self._pair(person, build)

    def _pair(self, person: str, build: Version) -> ev.Paired | ev.NotPaired:
        world, found = self.world, self.world.people[person]
        world.mint(found)
        running = found.running
        if running is not None and running.version != build:
            return ev.NotPaired(Fault.HOST, f"{running.version} answers, not {build}")
        problem = world.problem_of(found)
        if not problem:
            return ev.Paired("dispatch", SECONDS["verify"])
        alone = running is not None and not serve_problem(running, found.data)
        fault = (
            Fault.ENVIRONMENT if Mishap.DISPATCH_DOWN in world.lasting and alone else Fault.BUILD
        )
        return ev.NotPaired(fault, problem)

    def watch(
        self, people: tuple[str, ...], build: Version, seconds: float, stop: Callable[[], bool]
    ) -> ev.Done | ev.BakeBroken:
        """Watch pairing for so long, in ten looks; a look after which nothing happened stands."""
        fired = -1
        for _ in range(_LOOKS):
            self.world.pass_time(seconds / _LOOKS)
            if stop():
                message = f"cannot watch {build} to the end: asked to stop"
                raise DispatchError(message, fault=Fault.LATER)
            if fired == self.world.fired:
                continue
            fired = self.world.fired
            for person in people:
                answer = self._pair(person, build)
                if isinstance(answer, ev.NotPaired):
                    return ev.BakeBroken(person, answer.fault, answer.reason)
        return ev.Done()


_LOOKS: Final = 10


@frozen
class SimulatedPeople:
    """Who is here, the admin last."""

    world: SimulatedWorld

    def load(self) -> UserMap:
        names = sorted(self.world.people, key=lambda name: name == self.world.fleet.admin)
        return UserMap(tuple(Mapped(name, (name,)) for name in names), ())


@frozen
class SimulatedResidents:
    """Nobody runs t3 on a replayed host but its people."""

    world: SimulatedWorld

    def running(self) -> tuple[ports.Running, ...]:
        return tuple(
            ports.Running(name, 1, found.running.version, serves=True)
            for name, found in self.world.people.items()
            if found.running is not None
        )

    def found(self, _: Collection[str]) -> tuple[ports.Resident, ...]:
        return tuple(map(ports.Resident, self.world.people))


@frozen
class SimulatedClock:
    """Virtual time."""

    world: SimulatedWorld

    def now(self) -> datetime:
        return stamp(self.world.now)
