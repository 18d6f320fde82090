"""Hosts on which people run a new build, with snapshots of their data, for tests of rollbacks."""

from __future__ import annotations

from datetime import datetime, timedelta

from fakes.world import EPOCH, NEW, NEWER, World, host, make_build, small_world
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.versions import Version
from tests.unit.usecases.hosts import move_by_hand

REST, ONLINE, QUARANTINE = SnapshotKind.REST, SnapshotKind.ONLINE, SnapshotKind.QUARANTINE
LISTS = "`t3safe snapshots ann` lists them"
UNKNOWN = (
    "cannot roll {} back: no build can start, and neither a run nor a snapshot tells what wrote "
    "the data; see NEEDS A HUMAN in the runbook"
)


def on_new(*names: str, level: int = 32) -> World:
    """Let these people run NEW of this schema level; their serves write nothing by themselves."""
    world = small_world(*names)
    world.builds[NEW] = make_build(NEW.text, level)
    world.builds[NEWER] = make_build(NEWER.text, level)
    for person in world.people.values():
        person.writing = False
    move_by_hand(world, *names)
    return world


def take(world: World, snapshot: str, kind: SnapshotKind, build: Version | None) -> None:
    """Take one more snapshot of ann's data, written by this build."""
    serves = world.people["ann"].pid is not None
    if kind is not ONLINE:
        world.halt("ann")
    host(world).ports.personal_data.snapshot("ann", snapshot, kind, build)
    if serves:
        world.launch("ann")


def taken(world: World, snapshot: str, person: str = "ann") -> datetime:
    """When a snapshot was taken."""
    return EPOCH + timedelta(seconds=world.people[person].snapshots[snapshot].at)


def knows(world: World, snapshot: str, person: str = "ann") -> SetLedger:
    """What the build knows that wrote a snapshot."""
    return world.people[person].snapshots[snapshot].ledger
