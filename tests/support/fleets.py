"""A small fleet for tests: two rings, three hosts, one build."""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import evolve

from t3safe.domain.fleet.orders import join, set_policy
from t3safe.domain.fleet.records import (
    Artifact,
    FleetPolicy,
    FleetRuling,
    FleetVerdict,
    Holder,
    HostReport,
    Ring,
)
from t3safe.domain.fleet.view import Commit
from t3safe.domain.versions import Version
from t3safe.simulation.fleetstore import MemoryCluster, MemoryFleet

BUILD = Version.parse("0.0.29-nightly.20260721.864")
OTHER = Version.parse("0.0.29-nightly.20260722.871")
LOCK = "a" * 64
OTHER_LOCK = "b" * 64
PLATFORM = "linux-x64-glibc"
AT = datetime(2026, 7, 21, 4, 0, tzinfo=UTC)
ARTIFACT = Artifact(BUILD, LOCK, PLATFORM)
TWO_RINGS = FleetPolicy((Ring("canary"), Ring("main", limit=2)), slot_deadline=3_600)


def holder(host: str, run: str = "run-1", build: Version = BUILD) -> Holder:
    """Make a holder."""
    return Holder(host, run, build, LOCK, AT)


def report(host: str, ring: str = "main", position: int | None = None) -> HostReport:
    """Make the report of a host that has joined; its `install` follows from its name."""
    return HostReport(host, f"install-{host}", ring, "1.0", PLATFORM, AT, position)


def verdict(
    host: str, ruling: FleetRuling, artifact: Artifact = ARTIFACT, moved: int = 1
) -> FleetVerdict:
    """Make a verdict on an artifact."""
    return FleetVerdict(artifact, host, "run-1", ruling, AT, "soak: it died", moved)


def fleet_of(
    policy: FleetPolicy | None = TWO_RINGS, *reports: HostReport
) -> tuple[MemoryCluster, MemoryFleet]:
    """Make a cluster with a policy and with hosts that joined, and a way to it."""
    cluster = MemoryCluster()
    store = MemoryFleet(cluster)
    if policy is not None:
        assert store.transact(set_policy(store.view(), policy)).commit is Commit.DONE
    for one in reports:
        assert store.transact(join(store.view(), one)).commit is Commit.DONE
    return cluster, store


def three_hosts(**changed: object) -> tuple[MemoryCluster, MemoryFleet]:
    """Make a fleet of one canary host and two of the main ring."""
    policy = evolve(TWO_RINGS, **changed)  # type: ignore[arg-type]
    return fleet_of(policy, report("c1", "canary"), report("m1"), report("m2"))
