"""Hundreds of hosts of one fleet in virtual time: how a build goes through its rings.

Rules:

1. Each host is a fake world (`fakes.world`) with the real `run` and `drain`, the real engine and
   the real permit; only the store is in memory.  A night of it takes 6 ms.  What the host of
   `t3safe simulate` has beyond that (diaries, releases, incidents) decides nothing here.
2. Each host has a clock of its own, which goes on with what it does.  Requests reach the store in
   the order of these clocks: a host waits in `request` until no other host is behind it.
3. A host runs in a thread of its own, and one thread goes on at a time.  So it always gives one
   outcome.
4. At night the timer of each host fires within an hour, as drawn; the drains follow each hour.
   The hourly `fleet sync` is left out: two requests each, which change nothing here.
"""

from __future__ import annotations

import argparse
import heapq
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from attrs import define, field, frozen

from fakes.world import NEW, Defect, World, host, small_world
from fakes.world.fleet import FleetHostFake, founded, joined
from t3safe.domain.fleet.records import Holders, Ring
from t3safe.domain.fleet.view import SLOTS, Transaction
from t3safe.simulation.fleetstore import MemoryCluster, MemoryFleet
from t3safe.usecases.run import drain, run

DAY: Final = 86_400.0
HOUR: Final = 3_600.0
REQUEST: Final = 0.007
"""Seconds that a request takes (measured on three nodes)."""
DRAINS: Final = 4
NIGHTS_MAX: Final = 30
RINGS: Final = ("canary", "early", "rest")


@define
class SharedTime:
    """Lets one thread go on at a time, the one whose clock is behind all others."""

    _due: list[tuple[float, int, threading.Event]] = field(factory=list)
    _turn: Iterator[int] = field(factory=count)
    _errors: list[BaseException] = field(factory=list)

    def wait(self, moment: float) -> None:
        """Return once no other thread is behind this moment."""
        if self._due and self._due[0][0] <= moment:
            mine = self._add(moment)
            self._go_on()
            mine.wait()

    def run(self, lives: Iterator[Callable[[], None]]) -> None:
        """Run these to their end.  Raises what one of them raised."""
        threads = [self._thread(live, self._add(0.0)) for live in lives]
        for thread in threads:
            thread.start()
        self._go_on()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _thread(self, live: Callable[[], None], turn: threading.Event) -> threading.Thread:
        def lives() -> None:
            turn.wait()
            try:
                live()
            except BaseException as error:  # noqa: BLE001 - `run` raises it
                self._errors.append(error)
            self._go_on()

        return threading.Thread(target=lives, daemon=True)

    def _add(self, moment: float) -> threading.Event:
        mine = threading.Event()
        heapq.heappush(self._due, (moment, next(self._turn), mine))
        return mine

    def _go_on(self) -> None:
        if self._due:
            heapq.heappop(self._due)[2].set()


@define
class WatchedCluster(MemoryCluster):
    """Counts who holds a slot of a ring at most at a time."""

    most: Counter[str] = field(factory=Counter)

    def commit(self, transaction: Transaction) -> bool:
        """Do a transaction."""
        done = MemoryCluster.commit(self, transaction)
        for change in transaction.changes if done else ():
            if isinstance(change.record, Holders):
                ring = change.key.removeprefix(SLOTS)
                self.most[ring] = max(self.most[ring], len(change.record.holders))
        return done


@define
class TimedFleet(MemoryFleet):
    """One host's way to the cluster, in its turn (rule 2)."""

    world: World = field(kw_only=True)
    time: SharedTime = field(kw_only=True)

    def _begin(self) -> None:
        self.world.advance(REQUEST)
        self.time.wait(self.world.now)
        MemoryFleet._begin(self)


@define(eq=False)
class SimulatedMember:
    """One host: its nights until all hosts have the build, or until the last night."""

    name: str
    world: World
    fleet: FleetHostFake
    requests: list[int] = field(factory=list)
    """How many it made, by night."""

    @property
    def has_it(self) -> bool:
        """Whether it promoted the build."""
        return self.world.last_good == NEW

    @property
    def touched(self) -> bool:
        """Whether it moved anybody at all."""
        return any(operation == "fence" for operation, _, _ in self.world.log)

    def night(self, begin: float, draw: random.Random) -> None:
        """Run and drain, with what the timers draw."""
        before, fires = self.fleet.store.requests, begin + draw.random() * HOUR
        for at, operation in (
            (fires, run),
            *((fires + n * HOUR, drain) for n in range(1, 1 + DRAINS)),
        ):
            self.world.advance(max(0.0, at - self.world.now))
            operation(host(self.world))
        self.requests.append(self.fleet.store.requests - before)


@frozen
class FleetOutcome:
    """What came of a build in a fleet."""

    hosts: int
    nights: int
    """Until all hosts had it, or the last one that was simulated."""
    promoted: int
    touched: int
    """Hosts on which somebody was moved."""
    most: dict[str, int]
    """Holders at a time, by ring."""
    limits: dict[str, int]
    mean: float
    """Requests per host and night."""
    worst: int
    """Requests of one host in one night."""

    def __str__(self) -> str:
        rings = ", ".join(
            f"{name} {self.most[name]} of {self.limits[name]}" for name in self.limits
        )
        return (
            f"{self.hosts:>5} {self.nights:>7} {self.promoted:>9} {self.touched:>8}"
            f" {self.mean:>15.1f} {self.worst:>9}   {rings}"
        )


HEAD: Final = "hosts  nights  promoted  touched  requests/night  at most   holders at most"


def sizes_of(hosts: int) -> tuple[int, int, int]:
    """Return how many hosts each ring has: 1 %, 10 %, the rest."""
    first, second = max(1, hosts // 100), max(1, hosts // 10)
    return first, second, hosts - first - second


def simulated(hosts: int, *defects: Defect, nights: int = NIGHTS_MAX) -> FleetOutcome:
    """Let a build go through a fleet of so many hosts; `defects` are those of the build."""
    sizes = sizes_of(hosts)
    rings = (
        Ring(RINGS[0], limit=1),
        Ring(RINGS[1], limit=max(1, sizes[1] // 5), opens_next=50),
        Ring(RINGS[2], limit=max(1, sizes[2] // 5)),
    )
    cluster, shared = WatchedCluster(), SharedTime()
    founded(*rings, cluster=cluster)
    members = [
        _member(cluster, shared, f"{ring.name}{number:03d}", ring.name, defects)
        for ring, size in zip(rings, sizes, strict=True)
        for number in range(size)
    ]

    def life(member: SimulatedMember) -> Callable[[], None]:
        def lives() -> None:
            for night in range(nights):
                shared.wait(night * DAY)
                if all(one.has_it for one in members):
                    return
                member.night(night * DAY, random.Random(f"{member.name}/{night}"))

        return lives

    shared.run(life(member) for member in members)
    made = [number for member in members for number in member.requests]
    return FleetOutcome(
        hosts,
        max(len(member.requests) for member in members),
        sum(member.has_it for member in members),
        sum(member.touched for member in members),
        {ring.name: cluster.most[ring.name] for ring in rings},
        {ring.name: ring.limit for ring in rings},
        sum(made) / len(made),
        max(made),
    )


def _member(
    cluster: MemoryCluster,
    shared: SharedTime,
    name: str,
    ring: str,
    defects: tuple[Defect, ...],
) -> SimulatedMember:
    world = small_world("ann", candidate=defects, victims=["ann"] if defects else [])
    world.terse = True
    fleet = joined(cluster, world, name, ring)
    fleet.store = TimedFleet(cluster, world=world, time=shared)
    return SimulatedMember(name, world, fleet)


def main() -> None:
    """Print what comes of a good build and of a bad one."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--hosts", type=int, nargs="+", default=[50, 100, 200, 500])
    hosts: list[int] = options.parse_args().hosts
    began = time.monotonic()
    print(HEAD)
    for number in hosts:
        print(simulated(number), flush=True)
    print("a build that fails its first person in production:")
    print(simulated(max(hosts), Defect.MUTE, nights=3))
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
