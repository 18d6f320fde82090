"""Hosts that take and release slots, the right way and three wrong ways, step by step.

A step ends with each `yield`: others may act there.  Each host records what it asked and what it
was told.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from typing import Final

from attrs import define, field, frozen

from t3safe.domain.errors import FleetError
from t3safe.domain.fleet.orders import set_policy
from t3safe.domain.fleet.port import FleetStore
from t3safe.domain.fleet.records import FleetPolicy, Holder, Holders, Ring
from t3safe.domain.fleet.slots import (
    Held,
    Lost,
    NoSlot,
    after_lost_take,
    evict,
    release,
    take,
)
from t3safe.domain.fleet.view import (
    Change,
    Commit,
    Expected,
    Transaction,
    View,
    slots_key,
)
from t3safe.domain.versions import Version
from t3safe.simulation.fleetstore import Loss, MemoryCluster, MemoryFleet
from tests.support.slothistory import SlotAsk, SlotHistory

RING: Final = "main"
_BUILD: Final = Version.parse("0.0.29-nightly.20260721.864")
_AT: Final = datetime(2026, 7, 21, 4, 0, tzinfo=UTC)
Steps = Generator[None, None, bool | None]


def _holder(host: str, run: str) -> Holder:
    return Holder(host, run, _BUILD, "a" * 64, _AT)


@frozen
class RightSlots:
    """As t3safe does it."""

    store: FleetStore

    def take(self, host: str, run: str) -> Steps:
        """Take a slot; True if the host holds one, False if none is free, None if unknown."""
        who = _holder(host, run)
        while True:
            asked = take(self.store.view(), RING, who)
            yield
            if isinstance(asked, Held):
                return True
            if isinstance(asked, NoSlot):
                return False
            lost = True
            while lost:
                commit = self.store.transact(asked).commit
                yield
                if commit is Commit.DONE:
                    return True
                lost = commit is Commit.UNKNOWN
                if lost:
                    found = after_lost_take(asked, self.store.view(), RING, who)
                    yield
                    if found is Lost.TAKEN:
                        return True
                    lost = found is Lost.OPEN

    def release(self, host: str, run: str) -> Steps:
        """Release the slot of this run."""
        return (yield from self._leave(lambda view: release(view, RING, host, run)))

    def evict(self, host: str) -> Steps:
        """Release a host's slot in its place."""
        return (yield from self._leave(lambda view: evict(view, RING, host, "evicted")))

    def _leave(self, make: Callable[[View], Transaction | None]) -> Steps:
        while True:
            asked = make(self.store.view())
            yield
            if asked is None:
                return True
            commit = self.store.transact(asked).commit
            yield
            if commit is Commit.DONE:
                return True


@frozen
class LeasedSlots(RightSlots):
    """Wrong: the slot hangs on a lease, as with etcd's lock API, and the host believes in it."""

    cluster: MemoryCluster = field(factory=MemoryCluster)

    def take(self, host: str, run: str) -> Steps:
        """Create the key with a lease of ten seconds."""
        key = slots_key(RING)
        yield
        asked = Transaction((Expected(key, 0),), (Change(key, Holders((_holder(host, run),))),))
        self.cluster.read(None)
        if self.store.transact(asked).commit is not Commit.DONE:
            yield
            return False
        self.cluster.leases[key] = self.cluster.now() + 10
        yield
        return True

    def release(self, host: str, run: str) -> Steps:
        """Delete the key if it is still this host's."""
        view = self.store.view()
        yield
        if [(one.host, one.run) for one in view.holders(RING).holders] == [(host, run)]:
            key = slots_key(RING)
            self.store.transact(Transaction((view.expect(key),), (Change(key, None),)))
        return True


@frozen
class CarelessSlots(RightSlots):
    """Wrong: a release writes what it believes, and compares nothing."""

    def release(self, host: str, run: str) -> Steps:
        """Write the slots without this host, as they were when it was decided."""
        slots = self.store.view().holders(RING)
        yield
        rest = tuple(one for one in slots.holders if one.host != host)
        self.store.transact(Transaction((), (Change(slots_key(RING), Holders(rest)),)))
        yield
        return True


@frozen
class StaleSlots(RightSlots):
    """Wrong: all that is read comes from a member that was cut off some time ago."""


@define
class LaggingFleet(MemoryFleet):
    """Reads what was true up to four reads ago, as a serializable read may."""

    _seen: View | None = None
    _reads: int = 0

    def view(self, build: Version | None = None) -> View:
        """Give what this member knows."""
        self._reads += 1
        if self._seen is None or self._reads % 5 == 0:
            self._seen = MemoryFleet.view(self, build)
        return self._seen


HOSTS: Final = ("m1", "m2", "m3", "m4")


def played(kind: type[RightSlots], seed: int, limit: int = 1, rounds: int = 60) -> SlotHistory:
    """Let four hosts, a person and a reader act in an order that the seed draws."""
    draw = random.Random(seed)
    tick = iter(range(1_000_000))
    history = SlotHistory(now=lambda: float(next(tick)))
    time_now = [0.0]
    cluster = MemoryCluster(now=lambda: time_now[0])
    person = MemoryFleet(cluster)
    person.transact(set_policy(person.view(), FleetPolicy((Ring(RING, limit=limit),))))
    acting: list[Iterator[None]] = []
    way = LaggingFleet if kind is StaleSlots else MemoryFleet
    stores = {name: way(cluster) for name in (*HOSTS, "person", "reader")}
    users = {name: _user(kind, store, cluster) for name, store in stores.items()}
    runs = dict.fromkeys(HOSTS, 0)
    busy: set[str] = set()
    for _ in range(rounds):
        time_now[0] += draw.random() * 4
        name = draw.choice([*HOSTS, *HOSTS, "person", "reader"])
        if name not in busy:
            busy.add(name)
            acting.append(_act(draw, name, users[name], history, runs, busy))
        if draw.random() < 0.15:
            stores[draw.choice(HOSTS)].losses.append(draw.choice(list(Loss)))
        if draw.random() < 0.2:
            cluster.deliver()
        for _ in range(draw.randrange(1, 4)):
            if acting:
                one = draw.choice(acting)
                if next(one, "over") == "over":
                    acting.remove(one)
    for one in acting:
        for _ in one:
            pass
    return history


def _user(kind: type[RightSlots], store: MemoryFleet, cluster: MemoryCluster) -> RightSlots:
    return LeasedSlots(store, cluster) if kind is LeasedSlots else kind(store)


def _act(
    draw: random.Random,
    name: str,
    user: RightSlots,
    history: SlotHistory,
    runs: dict[str, int],
    busy: set[str],
) -> Iterator[None]:
    if name == "reader":
        call = history.begin(SlotAsk.READ)
        yield
        slots = user.store.view().holders(RING).holders
        history.end(call, frozenset((one.host, one.run) for one in slots))
    elif name == "person":
        host = draw.choice(HOSTS)
        yield from recorded(history, SlotAsk.EVICT, (host, ""), user.evict(host))
    elif draw.random() < 0.5:
        runs[name] += 1
        who = (name, f"run-{runs[name]}")
        yield from recorded(history, SlotAsk.TAKE, who, user.take(*who))
    else:
        who = (name, f"run-{runs[name]}")
        yield from recorded(history, SlotAsk.RELEASE, who, user.release(*who))
    busy.discard(name)


def recorded(
    history: SlotHistory, asked: SlotAsk, who: tuple[str, str], steps: Steps
) -> Iterator[None]:
    """Record what is asked and answered around the steps."""
    call = history.begin(asked, who)
    try:
        answer = yield from steps
    except FleetError:
        answer = None
    history.end(call, answer)
