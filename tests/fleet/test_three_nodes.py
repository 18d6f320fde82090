"""Each fault of three real etcd nodes at each step of a host's run, with a second host beside it.

The nodes are in network namespaces where that is allowed.  Elsewhere they are on loopback, and only
the tests of the minority's side are skipped.  The slots are judged twice: from what the hosts asked
and were answered, and from all revisions of the key in etcd.
"""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from enum import StrEnum
from typing import Final

import pytest
from attrs import define, field

from fakes.etcdnodes import EtcdNodes, NodeRelay
from fakes.relay import RelayLoss
from fakes.world import NEW, OLD, Crash, World, drive, host, small_world
from fakes.world.fleet import FleetHostFake, entered
from t3safe.adapters.fleet.gateway import FleetDeadlines
from t3safe.adapters.fleet.store import EtcdFleet
from t3safe.domain.fleet import orders, rings
from t3safe.domain.fleet.port import FleetStore
from t3safe.domain.fleet.records import (
    FleetPolicy,
    Holders,
    Ring,
)
from t3safe.domain.fleet.view import Commit, Committed, Transaction, View, slots_key
from t3safe.domain.lockfile import LockFile
from t3safe.domain.versions import Version
from t3safe.simulation.fleetstore import MemoryCluster, MemoryFleet
from t3safe.usecases.recover import recover
from t3safe.usecases.run import drain, run
from tests.scenarios.nights import night
from tests.support.etcds import fleet_at
from tests.support.fleetsteps import (
    ON_THE_HOST,
    FleetStep,
    SlotAccount,
    SteppedStore,
    Strike,
    stepped,
    ticking,
)
from tests.support.slothistory import SlotAsk, SlotHistory, Who, judge

RING: Final = "canary"
BRIEF: Final = FleetDeadlines(connect=0.5, answer=0.7, total=2.0)
PATIENT: Final = FleetDeadlines(connect=5, answer=20, total=60)
ROUNDS_MAX: Final = 20
"""Nights after the fault; one or two are enough."""
HOUR: Final = 3_600.0
_BEFORE_MOVING: Final = frozenset(
    {FleetStep.ASK, FleetStep.FOLLOW, FleetStep.LOOK, FleetStep.LOCK, FleetStep.TAKE}
)


class NodeFault(StrEnum):
    """What happens to the nodes right before a step of host `a`."""

    ANSWER_LOST = "answer lost"
    """The nodes do what they were asked."""
    MINORITY = "minority side"
    """The leader is cut off from the others, and host `a` reaches only it; `b` the others."""
    LEADER_KILLED = "leader killed"
    LEADER_STOPPED = "leader stopped"
    ALL_DOWN = "all down"
    WIPED = "wiped"


@define
class RecordingStore:
    """Implements FleetStore over another one, and records what its host asks of the slots."""

    inner: FleetStore
    host: str
    histories: list[SlotHistory]
    seen: frozenset[Who] = frozenset()

    def view(self, build: Version | None = None) -> View:
        """Read the fleet."""
        history = self.histories[-1]
        call = history.begin(SlotAsk.READ)
        found = self.inner.view(build)
        self.seen = _who(found.holders(RING))
        history.end(call, self.seen)
        return found

    def transact(self, transaction: Transaction) -> Committed:
        """Send a transaction; one that was not met did nothing and is no call."""
        after = next((one.record for one in transaction.changes if _is_slot(one.record)), None)
        if not isinstance(after, Holders):
            return self.inner.transact(transaction)
        history = self.histories[-1]
        mine = {who for who in _who(after) if who[0] == self.host}
        left = {who for who in self.seen - _who(after) if who[0] == self.host}
        asked, who = (SlotAsk.TAKE, mine.pop()) if mine else (SlotAsk.RELEASE, left.pop())
        call = history.begin(asked, who)
        done = self.inner.transact(transaction)
        if done.commit is Commit.DONE:
            history.end(call, answer=True)
        elif done.commit is Commit.NOT_MET:
            history.calls.remove(call)
        return done

    def lock_file(self, digest: str) -> LockFile | None:
        """Read a lock file."""
        return self.inner.lock_file(digest)

    def alive(self, host: str, seconds: int) -> None:
        """Show the host as alive."""
        self.inner.alive(host, seconds)


def _die(_: World) -> None:
    raise Crash


def _is_slot(record: object) -> bool:
    return isinstance(record, Holders)


def _who(slots: Holders) -> frozenset[Who]:
    return frozenset((one.host, one.run) for one in slots.holders)


@define
class HostsOnNodes(Strike):
    """Two hosts of one ring with one slot; the fault strikes once, before a step of host `a`."""

    nodes: EtcdNodes
    name: str
    step: FleetStep
    fault: NodeFault
    person: EtcdFleet = field(init=False)
    ways: dict[str, list[NodeRelay]] = field(factory=dict)
    worlds: dict[str, World] = field(factory=dict)
    members: dict[str, FleetHostFake] = field(factory=dict)
    stores: dict[str, SteppedStore] = field(factory=dict)
    histories: list[SlotHistory] = field(factory=lambda: [SlotHistory()])
    accounts: list[SlotAccount] = field(factory=list)
    closed: list[NodeRelay] = field(factory=list)
    struck: bool = False
    waits: bool = False
    """Whether host `b` runs right after this step."""

    def founded(self, stack: ExitStack) -> None:
        """Write the policy and let both hosts join, each with ways of its own to the nodes."""
        ways = [stack.enter_context(self.nodes.way(node)) for node in range(3)]
        self.person = self._store(ways, PATIENT)
        self._policy()
        for name in ("a", "b"):
            self.ways[name] = [stack.enter_context(self.nodes.way(node)) for node in range(3)]
            world = self.worlds[name] = small_world("ann")
            member = entered(self.person, world, name, RING)
            self.members[name] = FleetHostFake(member, MemoryFleet(MemoryCluster()))
            store = RecordingStore(self._store(self.ways[name], BRIEF), name, self.histories)
            strike = self if name == "a" else Strike()
            self.stores[name] = stepped(world, self.members[name], strike, store)

    def _store(self, ways: list[NodeRelay], deadlines: FleetDeadlines) -> EtcdFleet:
        urls = [f"http://127.0.0.1:{way.port}" for way in ways]
        return fleet_at(*urls, name=self.name, deadlines=deadlines)

    def _policy(self) -> None:
        policy = FleetPolicy((Ring(RING),))
        assert self.person.transact(orders.set_policy(self.person.view(), policy)).commit is (
            Commit.DONE
        )

    def before(self, step: FleetStep, sent: Transaction | None) -> None:
        """Strike; the other host runs meanwhile, and if the answer to a write is lost after it."""
        if self.struck or step is not self.step:
            return
        self.struck = True
        self._strike()
        self.waits = self.fault is NodeFault.ANSWER_LOST and sent is not None
        if not self.waits:
            self._rival()

    def after(self, step: FleetStep, sent: Transaction | None) -> None:
        """End the loss of answers."""
        if self.waits:
            self.waits = False
            for way in self.ways["a"]:
                way.forget()
            self._rival()

    def _rival(self) -> None:
        """Let host `b` run; if it gets the slot, it dies with it while its people bake."""
        self.worlds["b"].on("watch", NEW.text, _die)
        with suppress(Crash):
            run(host(self.worlds["b"]))

    def _strike(self) -> None:
        nodes = self.nodes
        match self.fault:
            case NodeFault.ANSWER_LOST:
                for way in self.ways["a"]:
                    way.lose(RelayLoss.ANSWER, "/v3/")
            case NodeFault.MINORITY:
                self._cut_off(nodes.leader())
            case NodeFault.LEADER_KILLED:
                nodes.kill(nodes.leader())
            case NodeFault.LEADER_STOPPED:
                nodes.signal(nodes.leader(), signal.SIGSTOP)
            case NodeFault.ALL_DOWN:
                nodes.kill(0, 1, 2)
            case NodeFault.WIPED:
                self.accounts.append(self._account())
                nodes.wipe()
                self.histories.append(SlotHistory())

    def _cut_off(self, leader: int) -> None:
        self.nodes.cut_off(leader)
        others = [way for node, way in enumerate(self.ways["a"]) if node != leader]
        self.closed = [*others, self.ways["b"][leader]]
        for way in self.closed:
            way.down()

    def other_side_acts(self) -> None:
        """Host `b` got the slot on the side of the majority, and `a` on the other moved nobody."""
        if self.fault is NodeFault.MINORITY and self.step in _BEFORE_MOVING:
            assert self.worlds["a"].people["ann"].link == OLD
            assert self.worlds["b"].journal.unfinished() is not None

    def heal(self) -> None:
        """Make the nodes well; a person founds a fleet that was wiped again."""
        for way in self.closed:
            way.up()
        for way in self.ways["a"]:
            way.forget()
        self.nodes.heal()
        if self.fault is NodeFault.WIPED:
            self._policy()
            for name, member in self.members.items():
                entered(self.person, self.worlds[name], name, RING)
                member.notebook.keep(rings.joined(member.notebook.load()))

    def goes_on(self) -> None:
        """Let nights come until both hosts have the build and nobody holds a slot."""
        for world in self.worlds.values():
            assert drive(world, recover).violations == ()
        for _ in range(ROUNDS_MAX):
            sent = [self._sends(world) for world in self.worlds.values()]
            if all(sent) and self._done():
                return
            for world in self.worlds.values():
                world.advance(HOUR)
                night(world, run)
                night(world, drain)
        pytest.fail("the fleet does not come to rest")

    @staticmethod
    def _sends(world: World) -> bool:
        assert world.fleet is not None
        return world.fleet(world).send() == ()

    def _done(self) -> bool:
        have_it = all(world.last_good == NEW for world in self.worlds.values())
        return have_it and not self.person.view().holders(RING).holders

    def judged(self) -> None:
        """Judge what was answered and what was done; in the end each slot was released once."""
        self.accounts.append(self._account())
        for history in self.histories:
            assert judge(history, 1) == ""
        for account in self.accounts:
            assert judge(account.history, 1) == ""
            assert account.most <= 1
        last = self.accounts[-1]
        assert set(last.left.values()) <= {1}
        assert last.taken == last.left

    def _account(self) -> SlotAccount:
        """Read all revisions of the slots, the oldest first."""
        key = base64.b64encode((self.person.prefix + slots_key(RING)).encode()).decode()
        found: list[frozenset[Who]] = []
        revision, version = 0, 2
        while version > 1:
            (node, *_) = self.nodes.running()
            kvs = self.nodes.post(node, "kv/range", key=key, revision=str(revision)).get("kvs", [])
            if not kvs:
                break
            value = json.loads(base64.b64decode(kvs[0]["value"]))
            holders = value.get("holders", [])
            found.append(frozenset((one["host"], one["run"]) for one in holders))
            revision, version = int(kvs[0]["mod_revision"]) - 1, int(kvs[0]["version"])
        account = SlotAccount(SlotHistory(ticking()))
        held: frozenset[Who] = frozenset()
        for after in reversed(found):
            account.note(held, after)
            held = after
        return account


@pytest.fixture(scope="module")
def nodes(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdNodes]:
    """Give three nodes."""
    with EtcdNodes(tmp_path_factory.mktemp("nodes")) as made:
        yield made


def _cases() -> list[tuple[FleetStep, NodeFault]]:
    return [
        (step, fault)
        for step in FleetStep
        for fault in NodeFault
        if step is not FleetStep.HALT
        and (fault is not NodeFault.ANSWER_LOST or step not in ON_THE_HOST)
    ]


@pytest.mark.parametrize(("step", "fault"), _cases())
def test_no_fault_of_the_nodes_breaks_a_host_or_a_limit(
    nodes: EtcdNodes, fleet_name: str, step: FleetStep, fault: NodeFault
) -> None:
    """Slots stay within the limit and are released once; both hosts get the build."""
    if fault is NodeFault.MINORITY and nodes.network.why_not:
        pytest.skip(f"no network namespaces here, so no node is cut off: {nodes.network.why_not}")
    hosts = HostsOnNodes(nodes, fleet_name, step, fault)
    with ExitStack() as stack:
        hosts.founded(stack)
        try:
            assert drive(hosts.worlds["a"]).violations == ()
            assert hosts.struck
            hosts.other_side_acts()
        finally:
            hosts.heal()
        hosts.goes_on()
        hosts.judged()
