"""Who may move people now."""

from __future__ import annotations

import pytest
from attrs import evolve

from t3safe.domain.fleet.orders import freeze, halt, set_policy
from t3safe.domain.fleet.records import FleetFreeze, FleetPolicy, Halt, Holders, Ring
from t3safe.domain.fleet.slots import (
    Held,
    Lost,
    NoSlot,
    after_lost_take,
    evict,
    fence,
    held,
    release,
    take,
)
from t3safe.domain.fleet.view import Commit, Expected, Transaction
from t3safe.simulation.fleetstore import Loss, MemoryFleet
from tests.support.fleets import AT, BUILD, OTHER, TWO_RINGS, fleet_of, holder, three_hosts


def taken(store: MemoryFleet, ring: str, host: str, run: str = "run-1") -> Commit:
    """Take a slot that is free."""
    asked = take(store.view(), ring, holder(host, run))
    assert isinstance(asked, Transaction)
    return store.transact(asked).commit


def refused(store: MemoryFleet, ring: str, host: str) -> str:
    """Say why a slot is not to be had."""
    asked = take(store.view(), ring, holder(host))
    assert isinstance(asked, NoSlot)
    return asked.reason


def names(store: MemoryFleet, ring: str) -> list[str]:
    """Name the holders of a ring."""
    return [one.host for one in store.view().holders(ring).holders]


def test_taking_a_slot_expects_all_that_was_read() -> None:
    """No freeze, no halt, the policy and the slots as they were."""
    _, store = fleet_of()
    asked = take(store.view(), "main", holder("m1"))
    assert isinstance(asked, Transaction)
    assert asked.expected == (
        Expected("freeze", 0),
        Expected(f"halt/{BUILD}", 0),
        Expected("policy", 2),
        Expected("slots/main", 0),
    )
    assert store.transact(asked).commit is Commit.DONE
    assert held(store.view(), "main", "m1", "run-1") == Held(3)
    assert held(store.view(), "main", "m1", "run-2") is None


def test_limit_of_the_ring_is_kept() -> None:
    """Two may move, the third is told who does; another ring has slots of its own."""
    _, store = fleet_of()
    assert taken(store, "main", "m1") is Commit.DONE
    assert taken(store, "main", "m2") is Commit.DONE
    assert refused(store, "main", "m3") == "ring main has 2 slot(s), and m1, m2 hold(s) them"
    assert taken(store, "canary", "c1") is Commit.DONE


def test_two_hosts_that_read_the_same_cannot_both_take() -> None:
    """The second transaction is not met: the slots have another revision."""
    _, store = fleet_of()
    before = store.view()
    first, second = (take(before, "main", holder(host)) for host in ("m1", "m2"))
    assert isinstance(first, Transaction)
    assert isinstance(second, Transaction)
    assert store.transact(first).commit is Commit.DONE
    assert store.transact(second).commit is Commit.NOT_MET
    assert names(store, "main") == ["m1"]


def test_taking_twice_is_one_holder() -> None:
    """The same run holds already; a later run of the same host takes its own entry over."""
    _, store = fleet_of()
    taken(store, "canary", "c1")
    assert take(store.view(), "canary", holder("c1")) == Held(3)
    assert taken(store, "canary", "c1", "run-2") is Commit.DONE
    assert [one.run for one in store.view().holders("canary").holders] == ["run-2"]


def test_freeze_and_halt_close_the_slots() -> None:
    """Before they are read, and between reading and taking."""
    _, store = fleet_of()
    before = take(store.view(), "main", holder("m1"))
    assert isinstance(before, Transaction)
    store.transact(halt(Halt(BUILD, "c1", "run-1", "it failed", AT)))
    assert store.transact(before).commit is Commit.NOT_MET
    assert "is halted: it failed" in refused(store, "main", "m1")
    other = take(store.view(), "main", holder("m1", build=OTHER))
    assert isinstance(other, Transaction)
    store.transact(freeze(FleetFreeze("c1", "wait", AT)))
    assert store.transact(other).commit is Commit.NOT_MET
    assert refused(store, "main", "m1") == (
        "the fleet is frozen: wait (host c1, 2026-07-21 04:00 UTC)"
    )


def test_changed_policy_makes_a_taking_void() -> None:
    """A lower limit holds from the moment at which it was written."""
    _, store = fleet_of()
    asked = take(store.view(), "main", holder("m1"))
    assert isinstance(asked, Transaction)
    store.transact(set_policy(store.view(), FleetPolicy((Ring("main"),))))
    assert store.transact(asked).commit is Commit.NOT_MET
    taken(store, "main", "m1")
    assert "ring main has 1 slot(s)" in refused(store, "main", "m2")


@pytest.mark.parametrize("policy", [None, TWO_RINGS])
def test_ring_that_the_policy_does_not_have_gives_no_slot(policy: FleetPolicy | None) -> None:
    """Also without any policy."""
    _, store = fleet_of(policy)
    assert refused(store, "edge", "m1") == "the fleet's policy has no ring edge"


@pytest.mark.parametrize("key", ["policy", "slots/main"])
def test_damaged_record_gives_no_slot(key: str) -> None:
    """What cannot be read is never overwritten by taking."""
    cluster, store = fleet_of()
    cluster.put_garbage(key)
    assert refused(store, "main", "m1") == "no slot of ring main: cannot be read: not JSON"


def test_release_gives_back_this_runs_slot_only() -> None:
    """It needs no policy and works in a freeze; a second one has nothing to do."""
    _, store = fleet_of()
    taken(store, "main", "m1")
    taken(store, "main", "m2")
    store.transact(freeze(FleetFreeze("c1", "wait", AT)))
    assert release(store.view(), "main", "m1", "run-2") is None
    given_back = release(store.view(), "main", "m1", "run-1")
    assert given_back is not None
    assert given_back.expected == (Expected("slots/main", 4),)
    assert store.transact(given_back).commit is Commit.DONE
    assert names(store, "main") == ["m2"]
    assert release(store.view(), "main", "m1", "run-1") is None


def test_late_release_of_an_evicted_host_changes_nothing() -> None:
    """Neither before nor after another host has taken the slot."""
    _, store = three_hosts()
    taken(store, "canary", "c1")
    late = release(store.view(), "canary", "c1", "run-1")
    assert late is not None
    evicted = evict(store.view(), "canary", "c1", "c1 evicted on m1: its disk died")
    assert evicted is not None
    store.transact(evicted)
    assert store.view().holders("canary") == Holders(note="c1 evicted on m1: its disk died")
    assert store.transact(late).commit is Commit.NOT_MET
    taken(store, "canary", "m2")
    assert release(store.view(), "canary", "c1", "run-1") is None
    assert names(store, "canary") == ["m2"]
    assert evict(store.view(), "canary", "c1", "again") is None


@pytest.mark.parametrize(
    ("loss", "found"), [(Loss.AFTER, Lost.TAKEN), (Loss.BEFORE, Lost.OPEN), (Loss.LATE, Lost.OPEN)]
)
def test_lost_answer_is_settled_by_reading(loss: Loss, found: Lost) -> None:
    """The slots say whether it was done; else it may still be."""
    _, store = fleet_of()
    asked = take(store.view(), "main", holder("m1"))
    assert isinstance(asked, Transaction)
    store.losses.append(loss)
    assert store.transact(asked).commit is Commit.UNKNOWN
    assert after_lost_take(asked, store.view(), "main", holder("m1")) is found


def test_lost_transaction_is_over_once_the_slots_were_written() -> None:
    """It can never be done later: decide again."""
    cluster, store = fleet_of()
    asked = take(store.view(), "main", holder("m1"))
    assert isinstance(asked, Transaction)
    store.losses.append(Loss.LATE)
    store.transact(asked)
    taken(store, "main", "m2")
    assert after_lost_take(asked, store.view(), "main", holder("m1")) is Lost.NOT_TAKEN
    cluster.deliver()
    assert names(store, "main") == ["m2"]


def test_trying_a_lost_taking_again_makes_one_holder() -> None:
    """Whichever of the two is done first makes the other void."""
    cluster, store = fleet_of()
    asked = take(store.view(), "main", holder("m1"))
    assert isinstance(asked, Transaction)
    store.losses.append(Loss.LATE)
    store.transact(asked)
    assert store.transact(asked).commit is Commit.DONE
    cluster.deliver()
    assert names(store, "main") == ["m1"]


def test_fence_keeps_a_lost_taking_from_being_done_later() -> None:
    """A run that goes on without its slot leaves none behind."""
    cluster, store = fleet_of()
    taken(store, "main", "m2")
    asked = take(store.view(), "main", holder("m1"))
    assert isinstance(asked, Transaction)
    store.losses.append(Loss.LATE)
    store.transact(asked)
    assert store.transact(fence(store.view(), "main")).commit is Commit.DONE
    cluster.deliver()
    assert names(store, "main") == ["m2"]
    assert store.view().holders("main") == Holders((evolve(holder("m2")),))


def test_note_of_an_eviction_stays_while_others_take_and_release() -> None:
    """It is replaced by the next eviction only."""
    _, store = fleet_of()
    taken(store, "main", "m1")
    evicted = evict(store.view(), "main", "m1", "m1 evicted on m2: its disk died")
    assert evicted is not None
    store.transact(evicted)
    taken(store, "main", "m2")
    given_back = release(store.view(), "main", "m2", "run-1")
    assert given_back is not None
    for transaction in (None, given_back):
        if transaction is not None:
            store.transact(transaction)
        assert store.view().holders("main").note == "m1 evicted on m2: its disk died"


def test_fence_is_not_met_once_the_slots_were_written() -> None:
    """It would undo what was written."""
    _, store = fleet_of()
    late = fence(store.view(), "main")
    taken(store, "main", "m1")
    assert store.transact(late).commit is Commit.NOT_MET
    assert names(store, "main") == ["m1"]
