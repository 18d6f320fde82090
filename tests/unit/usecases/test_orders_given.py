"""Orders of a person to the whole fleet: once, twice, after a lost answer, and cut off."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest
from attrs import frozen

from t3safe.domain.errors import FleetError, FleetErrorKind
from t3safe.domain.fleet.orders import CHANGES_MAX
from t3safe.domain.fleet.publications import publish_verdict
from t3safe.domain.fleet.records import REASON_MAX, FleetFreeze, FleetRuling, Halt
from t3safe.domain.fleet.slots import take
from t3safe.domain.fleet.view import FREEZE, Committed, Transaction, View, halt_key, slots_key
from t3safe.simulation.fleetstore import Loss, MemoryCluster, MemoryFleet, Outage
from t3safe.usecases import fleet
from t3safe.usecases.fleet import ATTEMPTS, OrderGiven
from tests.support.fleets import AT, BUILD, OTHER, fleet_of, holder, three_hosts, verdict

FROZEN = FleetFreeze("m1", "disk swap", AT)
HALTED = Halt(BUILD, "m1", "by-hand", "it lost a row", AT)


@frozen
class OrderTried:
    """An order with something to do, and whether the fleet is as it asks."""

    name: str
    give: Callable[[MemoryFleet], object]
    holds: Callable[[View], bool]
    before: Callable[[MemoryFleet], object] = lambda _: None


ORDERS = (
    OrderTried("freeze", lambda store: fleet.freeze(store, FROZEN).given, lambda v: bool(v.frozen)),
    OrderTried(
        "thaw", fleet.thaw, lambda v: not v.frozen, lambda store: fleet.freeze(store, FROZEN)
    ),
    OrderTried("halt", lambda store: fleet.halt(store, HALTED).given, lambda v: BUILD in v.halts),
    OrderTried(
        "lift",
        lambda store: fleet.lift(store, BUILD),
        lambda v: not v.halts,
        lambda store: fleet.halt(store, HALTED),
    ),
    OrderTried(
        "release",
        lambda store: fleet.release(store, "m1", "m2", "its disk died"),
        lambda v: not v.holders("main").holders,
        lambda store: _take(store, "main", "m1"),
    ),
)
each_order = pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)


def _take(store: MemoryFleet, ring: str, host: str) -> None:
    taken = take(store.view(), ring, holder(host))
    assert isinstance(taken, Transaction)
    store.transact(taken)


def _holders(store: MemoryFleet, ring: str = "main") -> list[str]:
    return [one.host for one in store.view().holders(ring).holders]


def test_freeze_is_given_once() -> None:
    """The second one is told the first reason, and changes nothing."""
    _, store = fleet_of()
    assert fleet.freeze(store, FROZEN) == OrderGiven(given=True, why="disk swap")
    before = store.view()
    again = fleet.freeze(store, FleetFreeze("m2", "another reason", AT))
    assert not again.given
    assert again.why.startswith("disk swap (host m1")
    assert store.view() == before


def test_thaw_lifts_a_freeze_and_says_if_there_is_none() -> None:
    """Also a freeze that cannot be read."""
    cluster, store = fleet_of()
    assert not fleet.thaw(store)
    fleet.freeze(store, FROZEN)
    assert fleet.thaw(store)
    cluster.put_garbage(FREEZE)
    assert fleet.thaw(store)
    assert store.view().frozen == ""


def test_halt_is_given_once_for_each_build() -> None:
    """The first reason stays; another build is another halt."""
    _, store = fleet_of()
    assert fleet.halt(store, HALTED) == OrderGiven(given=True, why="it lost a row")
    again = fleet.halt(store, Halt(BUILD, "m2", "by-hand", "another reason", AT))
    assert (again.given, again.why) == (False, "it lost a row (host m1, run by-hand)")
    assert fleet.halt(store, Halt(OTHER, "m2", "by-hand", "too", AT)).given
    assert set(store.view().halts) == {BUILD, OTHER}


def test_halt_that_cannot_be_read_is_in_force() -> None:
    """And can be lifted."""
    cluster, store = fleet_of()
    cluster.put_garbage(halt_key(BUILD))
    assert not fleet.halt(store, HALTED).given
    assert fleet.lift(store, BUILD)
    assert store.view().halts == {}


def test_lift_finishes_however_many_rulings_there_are() -> None:
    """More than one transaction takes; promotions stay, and lifting again finds nothing."""
    _, store = fleet_of()
    fleet.halt(store, HALTED)
    for number in range(2 * CHANGES_MAX + 5):
        store.transact(publish_verdict(verdict(f"m{number}", FleetRuling.REFUSED)))
    store.transact(publish_verdict(verdict("c1", FleetRuling.PROMOTED)))
    assert fleet.lift(store, BUILD)
    view = store.view(BUILD)
    assert (view.halts, [one.host for one in view.verdicts]) == ({}, ["c1"])
    assert not fleet.lift(store, BUILD)


def test_lift_against_hosts_that_refuse_all_the_time_ends() -> None:
    """With an error that names the build."""

    class RefusingFleet(MemoryFleet):
        def transact(self, transaction: Transaction) -> Committed:
            done = MemoryFleet.transact(self, transaction)
            self.cluster.commit(publish_verdict(verdict("m1", FleetRuling.REFUSED)))
            return done

    store = RefusingFleet(MemoryCluster())
    fleet.halt(store, HALTED)
    with pytest.raises(FleetError, match=f"hosts refuse {BUILD} at the same time"):
        fleet.lift(store, BUILD)


def test_release_takes_every_slot_of_one_host_away() -> None:
    """It gives ring and run of each; others keep theirs, and the slots say who did it and why."""
    _, store = three_hosts()
    for ring, host in (("canary", "m1"), ("main", "m1"), ("main", "m2")):
        _take(store, ring, host)
    released = fleet.release(store, "m1", "m2", "its disk died")
    assert [(one.ring, one.holder) for one in released] == [
        ("canary", holder("m1")),
        ("main", holder("m1")),
    ]
    assert (_holders(store, "canary"), _holders(store)) == ([], ["m2"])
    assert store.view().holders("main").note == "m1 was released on m2: its disk died"
    before = store.view()
    assert fleet.release(store, "m1", "m2", "its disk died") == ()
    assert store.view() == before


def test_release_with_the_longest_reason_fits_its_note() -> None:
    """Its end is cut off."""
    _, store = three_hosts()
    _take(store, "main", "m1")
    assert fleet.release(store, "m1", "m2", "x" * REASON_MAX)
    assert len(store.view().holders("main").note) == REASON_MAX


def test_slots_that_cannot_be_read_are_not_written_over() -> None:
    """A slot of another ring is released; without one the error names the ring."""
    cluster, store = three_hosts()
    _take(store, "canary", "c1")
    cluster.put_garbage(slots_key("main"))
    assert [one.ring for one in fleet.release(store, "c1", "m2", "gone")] == ["canary"]
    with pytest.raises(FleetError, match="slots/main: cannot be read") as error:
        fleet.release(store, "m1", "m2", "gone")
    assert error.value.kind is FleetErrorKind.STATE


def test_slot_that_its_host_gives_back_meanwhile_is_not_counted() -> None:
    """Nothing was taken away."""

    class QuickFleet(MemoryFleet):
        def transact(self, transaction: Transaction) -> Committed:
            self.cluster.commit(transaction)
            return MemoryFleet.transact(self, transaction)

    _, store = three_hosts()
    _take(store, "main", "m1")
    assert fleet.release(QuickFleet(store.cluster), "m1", "m2", "gone") == ()


def _begun(order: OrderTried) -> MemoryFleet:
    _, store = three_hosts()
    order.before(store)
    assert not order.holds(store.view())
    return store


@pytest.mark.parametrize("loss", list(Loss))
@each_order
def test_lost_answer_is_read_again(order: OrderTried, loss: Loss) -> None:
    """Whether it was done, was not, or is done late: the order was given, and holds."""
    store = _begun(order)
    store.losses = deque([loss])
    assert order.give(store)
    store.cluster.deliver()
    assert order.holds(store.view())


@each_order
def test_order_without_answers_is_unknown(order: OrderTried) -> None:
    """It claims neither yes nor no."""
    store = _begun(order)
    store.losses = deque([Loss.BEFORE] * ATTEMPTS)
    with pytest.raises(FleetError, match="it is unknown whether it was done"):
        order.give(store)


@each_order
def test_order_of_a_host_that_is_cut_off_fails(order: OrderTried) -> None:
    """With the reason of the store."""
    store = _begun(order)
    before = store.cluster.revision
    store.outage = Outage("etcd1 is down")
    with pytest.raises(FleetError, match="etcd1 is down") as error:
        order.give(store)
    assert error.value.kind is FleetErrorKind.UNREACHABLE
    assert store.cluster.revision == before
