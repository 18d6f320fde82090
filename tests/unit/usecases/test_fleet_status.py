"""The fleet as one host sees it: what the store holds, and what the host remembers."""

from __future__ import annotations

import pytest
from attrs import evolve

from t3safe.domain.errors import FleetError, FleetErrorKind
from t3safe.domain.fleet import rings
from t3safe.domain.fleet.orders import freeze, halt
from t3safe.domain.fleet.port import FleetNotebook
from t3safe.domain.fleet.publications import publish_report
from t3safe.domain.fleet.records import FleetFreeze, Halt
from t3safe.domain.fleet.rings import FleetMemory, Instant, KnownStore
from t3safe.domain.fleet.slots import evict, take
from t3safe.domain.fleet.view import POLICY, Transaction, host_key, slots_key
from t3safe.simulation.fleetstore import MemoryFleet, MemoryNotebook, Outage
from t3safe.usecases.fleet_status import (
    FleetHost,
    FleetPlace,
    FleetRing,
    FleetSlot,
    FleetStatus,
    FleetTurn,
    fleet_status,
)
from tests.support.fleets import AT, BUILD, TWO_RINGS, fleet_of, holder, report, three_hosts

NO_EDGE = "the fleet's policy has no ring edge, which this host's `fleet.ring` names"
NOW = Instant("boot-1", 10_000.0)
M1 = FleetPlace("lab", "m1", "main", "install-m1")


def seen(
    store: MemoryFleet,
    place: FleetPlace = M1,
    notebook: FleetNotebook | None = None,
    now: Instant = NOW,
) -> FleetStatus:
    """Look at the fleet from a host that remembers nothing, unless it is given."""
    return fleet_status(store, place, notebook or MemoryNotebook(), now)


def _does(store: MemoryFleet, transaction: object) -> None:
    assert isinstance(transaction, Transaction)
    store.transact(transaction)


def test_status_shows_what_the_store_holds() -> None:
    """Rings in order with hosts and slots, hosts by ring, halts, the freeze."""
    _, store = three_hosts()
    taken = take(store.view(), "main", holder("m1"))
    assert isinstance(taken, Transaction)
    store.transact(taken)
    store.transact(halt(Halt(BUILD, "c1", "run-1", "it died", AT)))
    store.transact(freeze(FleetFreeze("c1", "wait", AT)))
    view = store.view()

    found = seen(store, FleetPlace("lab", "m2", "main", "install-m2"))

    assert (found.fleet, found.host, found.ring, found.joined) == ("lab", "m2", "main", True)
    assert (found.cluster, found.revision, found.policy) == (view.cluster, view.revision, 1)
    assert found.frozen == "wait (host c1, 2026-07-21 04:00 UTC)"
    assert [(one.build, one.reason) for one in found.halts] == [
        (BUILD, "it died (host c1, run run-1)")
    ]
    slot = FleetSlot("m1", "run-1", BUILD, AT)
    assert found.rings == (FleetRing("canary", 1, 1, ()), FleetRing("main", 2, 2, (slot,)))
    platform = report("c1").platform
    assert found.hosts == (
        FleetHost("c1", "canary", "1.0", platform, AT, this=False),
        FleetHost("m1", "main", "1.0", platform, AT, this=False),
        FleetHost("m2", "main", "1.0", platform, AT, this=True),
    )
    assert found.problems == ()


def test_status_of_an_empty_store_says_what_is_missing() -> None:
    """The policy, and this host in it."""
    _, store = fleet_of(None)

    found = seen(store, FleetPlace("lab", "m1", "main", ""))

    assert (found.policy, found.joined, found.rings, found.hosts) == (None, False, (), ())
    assert found.problems == (
        "the fleet has no policy: write one with `t3safe fleet init`",
        "m1 is not in the fleet: run `t3safe fleet join`",
    )


def test_status_names_what_does_not_fit() -> None:
    """Another host of this name, rings that the policy lacks, records that cannot be read."""
    cluster, store = fleet_of(TWO_RINGS, report("m1"), report("a9", "gone"))
    for key in (slots_key("main"), host_key("m2")):
        cluster.put_garbage(key)

    found = seen(store, FleetPlace("lab", "m1", "edge", "other"))

    assert not found.joined
    assert not any(one.this for one in found.hosts)
    assert [one.host for one in found.hosts] == ["m1", "a9"]
    assert found.problems == (
        f"{NO_EDGE}; change it, or the policy with `t3safe fleet policy FILE`",
        "another host has the name m1: change `fleet.host` of one of them",
        "a9 is in ring gone, which the policy does not have",
        "slots/main: cannot be read: not JSON",
        "hosts/m2: cannot be read: not JSON",
    )


def test_status_says_that_the_ring_was_changed() -> None:
    """The fleet knows the ring in which the host joined."""
    _, store = three_hosts()

    found = seen(store, FleetPlace("lab", "m1", "canary", "install-m1"))

    assert found.joined
    said = "m1 joined in ring main, and `fleet.ring` is canary: run `t3safe fleet join` again"
    assert found.problems == (said,)


def test_status_shows_a_fleet_whose_policy_cannot_be_read() -> None:
    """The hosts are there, and the policy's problem is said once."""
    cluster, store = three_hosts()
    cluster.put_garbage(POLICY)

    found = seen(store, FleetPlace("lab", "m1", "main", "install-m1"))

    assert (found.policy, found.rings, len(found.hosts)) == (None, (), 3)
    (problem,) = found.problems
    assert problem.startswith("the fleet's policy cannot be read: ")


def test_hosts_show_what_they_run_and_wait_for() -> None:
    """As they reported it; alive are those whose lease lasts."""
    _, store = three_hosts()
    told = evolve(
        report("m1"), runs=BUILD, run="r9", outcome="promoted", people=3, behind=1, waits_for="x"
    )
    _does(store, publish_report(store.view(), told))
    store.alive("m1", 60)

    found = {one.host: one for one in seen(store).hosts}

    m1 = found["m1"]
    assert (m1.build, m1.run, m1.outcome) == (BUILD, "r9", "promoted")
    assert (m1.people, m1.behind, m1.waits_for) == (3, 1, "x")
    assert [name for name, one in found.items() if one.alive] == ["m1"]


def test_this_host_has_a_place_for_the_release_that_it_saw() -> None:
    """It is that of the rings, counted from 1; without a release there is none."""
    _, store = three_hosts()
    assert seen(store).turn is None
    notebook = MemoryNotebook(FleetMemory(build=BUILD, cut_off=AT))
    reports = store.view().hosts.values()
    for host in ("m1", "m2"):
        found = seen(store, FleetPlace("lab", host, "main", f"install-{host}"), notebook)
        assert found.turn == FleetTurn(BUILD, rings.place(host, BUILD, reports) + 1, 2)
        assert found.cut_off == AT
    assert seen(store, FleetPlace("lab", "m1", "main", "other"), notebook).turn is None


def test_holder_is_silent_once_the_deadline_is_over() -> None:
    """Measured here since its last new report; looking at it changes nothing that is remembered."""
    _, store = three_hosts()
    _does(store, take(store.view(), "main", holder("m2")))
    notebook = MemoryNotebook(rings.remember(FleetMemory(), store.view(), None, NOW))
    before = notebook.memory

    def silent(after: float) -> list[float | None]:
        now = Instant(NOW.boot, NOW.seconds + after)
        return [slot.silent for slot in seen(store, M1, notebook, now).rings[1].slots]

    assert silent(TWO_RINGS.slot_deadline) == [None]
    assert silent(TWO_RINGS.slot_deadline + 1) == [TWO_RINGS.slot_deadline + 1]
    _does(store, publish_report(store.view(), evolve(report("m2"), outcome="moved")))
    assert silent(TWO_RINGS.slot_deadline + 1) == [None]
    assert notebook.memory == before


def test_ring_says_who_lost_a_slot_last() -> None:
    """With the reason of the person who took it away."""
    _, store = three_hosts()
    _does(store, take(store.view(), "main", holder("m2")))
    _does(store, evict(store.view(), "main", "m2", "m2 was released on m1: gone"))
    assert [ring.note for ring in seen(store).rings] == ["", "m2 was released on m1: gone"]


def test_store_that_was_wiped_is_a_problem() -> None:
    """It says what to do."""
    _, store = three_hosts()
    notebook = MemoryNotebook(FleetMemory(known=KnownStore("9", 1)))
    (problem,) = seen(store, M1, notebook).problems
    assert "etcd is another one" in problem
    assert "`t3safe fleet join`" in problem


def test_memory_that_cannot_be_read_is_a_problem_and_no_end() -> None:
    """The fleet is shown as the store holds it."""
    _, store = three_hosts()
    found = seen(store, M1, MemoryNotebook(unreadable="the memory is damaged"))
    assert (found.problems, found.turn, len(found.hosts)) == (("the memory is damaged",), None, 3)


@pytest.mark.parametrize("kind", [FleetErrorKind.UNREACHABLE, FleetErrorKind.CREDENTIALS])
def test_store_that_fails_is_an_error_as_it_failed(kind: FleetErrorKind) -> None:
    """There is no status of a fleet that cannot be read."""
    _, store = three_hosts()
    store.outage = Outage("etcd1 is down", kind)
    with pytest.raises(FleetError, match="etcd1 is down") as error:
        seen(store)
    assert error.value.kind is kind
