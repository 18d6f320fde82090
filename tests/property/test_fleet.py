"""Slots under any interleaving: each quoted rule of the design on generated histories."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from t3safe.domain.fleet.orders import freeze, set_policy, thaw
from t3safe.domain.fleet.records import FleetFreeze, FleetPolicy, FleetRuling, Holder, Ring
from t3safe.domain.fleet.rings import (
    FleetMemory,
    Instant,
    Member,
    failed_hosts,
    may_open,
    place,
    promoted_hosts,
    remember,
)
from t3safe.domain.fleet.slots import (
    Lost,
    after_lost_take,
    evict,
    fence,
    held,
    release,
    take,
)
from t3safe.domain.fleet.view import Commit, Transaction, View, view_of
from t3safe.simulation.fleetstore import Loss, MemoryCluster, MemoryFleet
from tests.support.fleets import ARTIFACT, AT, BUILD, PLATFORM, fleet_of, holder, report, verdict

HOSTS = st.sampled_from(["m1", "m2", "m3", "m4"])
RUNS = st.sampled_from(["run-1", "run-2"])
LOSSES = st.none() | st.sampled_from(Loss)
RING = "main"


class SlotMachine(RuleBasedStateMachine):
    """Several hosts read at one time and write at another; answers get lost; a person evicts.

    Whatever the order: "holders never exceed the limit", at the moment of each commit.
    """

    views = Bundle("views")
    sent = Bundle("sent")

    def __init__(self) -> None:
        super().__init__()
        self.cluster = MemoryCluster()
        self.store = MemoryFleet(self.cluster)
        self.limit = 0
        self.known: frozenset[tuple[str, str]] = frozenset()

    @initialize(limit=st.integers(1, 3))
    def begin(self, limit: int) -> None:
        """Write the first policy."""
        self.set_limit(limit)

    @rule(limit=st.integers(1, 3))
    def set_limit(self, limit: int) -> None:
        """Let a person change the limit; present holders stay."""
        policy = FleetPolicy((Ring(RING, limit=limit),))
        assert self.store.transact(set_policy(self.store.view(), policy)).commit is Commit.DONE
        self.limit = limit

    @rule(target=views)
    def read(self) -> View:
        """Let a host read, to decide later."""
        return self.store.view()

    @rule(target=sent, view=views, host=HOSTS, run=RUNS, loss=LOSSES)
    def take(self, view: View, host: str, run: str, loss: Loss | None) -> object:
        """Take a slot by what was read some time ago."""
        asked = take(view, RING, holder(host, run))
        if not isinstance(asked, Transaction):
            return multiple()
        self._send(asked, loss)
        return asked, holder(host, run)

    @rule(view=views, host=HOSTS, run=RUNS, loss=LOSSES)
    def release(self, view: View, host: str, run: str, loss: Loss | None) -> None:
        """Release a slot by what was read some time ago, also late."""
        before = self._holders()
        asked = release(view, RING, host, run)
        if asked is not None:
            self._send(asked, loss)
        assert before - self._holders() <= {(host, run)}

    @rule(view=views, host=HOSTS, loss=LOSSES)
    def evict(self, view: View, host: str, loss: Loss | None) -> None:
        """Let a person release a host's slot in its place."""
        asked = evict(view, RING, host, "evicted")
        if asked is not None:
            self._send(asked, loss)

    @rule(view=views)
    def freeze_or_thaw(self, view: View) -> None:
        """Let a person freeze the fleet, or lift a freeze."""
        self.store.transact(thaw(view) or freeze(FleetFreeze("m1", "wait", AT)))

    @rule()
    def deliver(self) -> None:
        """Do what was late."""
        self.cluster.deliver()

    @rule(lost=consumes(sent))
    def settle(self, lost: tuple[Transaction, Holder]) -> None:
        """Settle a lost answer: what it says of the slot stays true, whatever arrives late."""
        asked, who = lost
        view = self.store.view()
        found = after_lost_take(asked, view, RING, who)
        if found is Lost.OPEN:
            assert self.store.transact(fence(view, RING)).commit is Commit.DONE
        before = self._holders()
        assert ((who.host, who.run) in before) is (found is Lost.TAKEN)
        late = [one for one in self.cluster.late if one == asked]
        assert not any(self.cluster.commit(one) for one in late)
        assert self._holders() == before

    @invariant()
    def limit_holds(self) -> None:
        """Hosts that are new among the holders came in within the limit, each host once."""
        now = self._holders()
        hosts = [host for host, _ in now]
        assert len(set(hosts)) == len(hosts)
        if {host for host, _ in now} - {host for host, _ in self.known}:
            assert len(now) <= self.limit
        self.known = now

    def _send(self, transaction: Transaction, loss: Loss | None) -> None:
        self.store.losses.append(loss)
        self.store.transact(transaction)

    def _holders(self) -> frozenset[tuple[str, str]]:
        slots = self.store.view().holders(RING)
        return frozenset((one.host, one.run) for one in slots.holders)


TestSlots = SlotMachine.TestCase


@given(st.lists(HOSTS, max_size=3, unique=True), HOSTS, RUNS)
def test_taking_twice_is_one_holder(others: list[str], host: str, run: str) -> None:
    """Taking is idempotent by host and run, whoever else holds."""
    _, store = fleet_of(FleetPolicy((Ring(RING, limit=4),)))
    for one in [*others, host, host]:
        asked = take(store.view(), RING, holder(one, run))
        if isinstance(asked, Transaction):
            store.transact(asked)
    assert held(store.view(), RING, host, run)
    holders = store.view().holders(RING).holders
    assert sorted(one.host for one in holders) == sorted({*others, host})


@given(st.lists(HOSTS, min_size=1, unique=True), st.integers(0, 50))
def test_places_are_a_permutation(hosts: list[str], salt: int) -> None:
    """Two hosts never have the same place, in whatever order the reports are read."""
    reports = [report(host, position=salt % 3 or None if host == "m1" else None) for host in hosts]
    places = [place(host, BUILD, reports) for host in hosts]
    assert sorted(places) == list(range(len(hosts)))
    assert places == [place(host, BUILD, reports[::-1]) for host in hosts]


@given(
    st.lists(st.tuples(HOSTS, st.sampled_from(FleetRuling)), unique=True),
    st.integers(0, 3),
)
def test_silence_and_refusal_are_never_success(
    rulings: list[tuple[str, FleetRuling]], failed_max: int
) -> None:
    """A host never counts as failed and as promoted, and no order of rulings changes either."""
    policy = FleetPolicy((Ring("canary"), Ring(RING)), failed_max=failed_max)
    _, store = fleet_of(policy, report("m1", "canary"), report("m2"))
    seen = store.view()
    view = view_of(seen.cluster, seen.revision, ())
    found = tuple(verdict(host, ruling) for host, ruling in rulings)
    for order in (found, found[::-1]):
        view = attrs.evolve(view, verdicts=order)
        failed, promoted = failed_hosts(view, BUILD, ()), promoted_hosts(view, ARTIFACT)
        assert not set(failed) & promoted
        assert set(failed) | promoted == {host for host, _ in rulings}
    seen = attrs.evolve(seen, verdicts=found)
    now = Instant("boot", 0)
    memory = remember(FleetMemory(), seen, BUILD, now)
    who = Member("m2", "install-m2", RING, PLATFORM)
    if may_open(seen, who, ARTIFACT, memory, now) is None:
        assert ("m1", FleetRuling.PROMOTED) in rulings
        assert len(failed_hosts(seen, BUILD, ())) <= failed_max
