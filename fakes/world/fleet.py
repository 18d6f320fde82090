"""Hosts of a fleet over fake worlds: each with a permit over one cluster in memory."""

from __future__ import annotations

from attrs import define, field

from fakes.world import fakeports as plain
from fakes.world.core import World
from t3safe.domain.fleet import orders
from t3safe.domain.fleet.port import FleetStore
from t3safe.domain.fleet.records import FleetPolicy, HostReport, Ring
from t3safe.domain.fleet.rings import Instant, Member
from t3safe.simulation.fleetstore import MemoryCluster, MemoryFleet, MemoryNotebook
from t3safe.usecases.permit import FleetLine, FleetParts, FleetPermit

PLATFORM = "linux-x86_64-glibc"


@define
class FleetHostFake:
    """One host of a fleet: its way to the cluster, and what it remembers.

    `boot` changes with a restart.  Its monotonic clock is that of its world.
    """

    member: Member
    store: MemoryFleet
    notebook: MemoryNotebook = field(factory=MemoryNotebook)
    boot: str = "boot-1"

    def permit(self, world: World, store: FleetStore | None = None) -> FleetPermit:
        """The permit of this host over its world, as one process has it; `store` is another way."""
        parts = FleetParts(
            plain.FakeBuilds(world),
            world.journal,
            plain.FakeSelection(world),
            plain.FakePeople(world),
            plain.FakeClock(world),
        )
        line = FleetLine(store or self.store, self.member)

        def now() -> Instant:
            return Instant(self.boot, world.clock.timestamp())

        ring = self.member.ring
        return FleetPermit(ring, lambda: line, self.notebook, now, parts, version="1.0")


def founded(*rings: Ring, cluster: MemoryCluster | None = None) -> MemoryCluster:
    """Give a cluster, a new one if none is named, a policy with these rings."""
    cluster = cluster or MemoryCluster()
    store = MemoryFleet(cluster)
    store.transact(orders.set_policy(store.view(), FleetPolicy(rings or (Ring("canary"),))))
    return cluster


def entered(
    store: FleetStore, world: World, name: str, ring: str = "canary", install: str = ""
) -> Member:
    """Let the host of this world join the fleet behind a store."""
    report = HostReport(name, install or f"install-{name}", ring, "1.0", PLATFORM, world.clock)
    store.transact(orders.join(store.view(), report))
    return Member(name, report.install, ring, PLATFORM)


def joined(
    cluster: MemoryCluster, world: World, name: str, ring: str = "canary", install: str = ""
) -> FleetHostFake:
    """Let the host of this world join, and follow the fleet from now on."""
    member = entered(MemoryFleet(cluster), world, name, ring, install)
    made = FleetHostFake(member, MemoryFleet(cluster))
    world.fleet = made.permit
    return made
