"""What a person does with the fleet: policy, join, leave; and what a lost answer means."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

import pytest
from attrs import define, evolve

from t3safe.domain.errors import FleetError, FleetErrorKind
from t3safe.domain.fleet.records import FleetPolicy, Ring
from t3safe.domain.fleet.slots import take
from t3safe.domain.fleet.view import POLICY, Transaction, View, host_key
from t3safe.domain.versions import Version
from t3safe.simulation.fleetstore import Loss, MemoryCluster, MemoryFleet, Outage
from t3safe.usecases.fleet import (
    ATTEMPTS,
    join,
    leave,
    set_first_policy,
    set_policy,
    shown_policy,
)
from tests.support.fleets import AT, BUILD, TWO_RINGS, fleet_of, holder, report, three_hosts

OTHER = FleetPolicy((Ring("main", 3),))


@define
class BusyFleet(MemoryFleet):
    """Another host writes a key after each view, so that what was decided is not met."""

    key: str = POLICY

    def view(self, build: Version | None = None) -> View:
        """Read, then let the other host write."""
        found = MemoryFleet.view(self, build)
        self.cluster.put_garbage(self.key)
        return found


def refused(error: pytest.ExceptionInfo[FleetError]) -> str:
    """Give the message of an error that the fleet's state is the reason of."""
    assert error.value.kind is FleetErrorKind.STATE
    assert str(error.value).isprintable()
    return str(error.value)


def test_first_policy_is_written_once() -> None:
    """The same one again is no error and writes nothing."""
    _, store = fleet_of(None)

    assert set_first_policy(store, TWO_RINGS)
    before = store.view()
    assert not set_first_policy(store, TWO_RINGS)

    assert before.policy == TWO_RINGS
    assert store.view() == before


def test_first_policy_never_replaces_another_one() -> None:
    """The error names the version that is there."""
    _, store = fleet_of(evolve(TWO_RINGS, version=1))
    before = store.view()

    with pytest.raises(FleetError) as error:
        set_first_policy(store, OTHER)

    assert "policy already (version 1); show it with `t3safe fleet policy`" in refused(error)
    assert store.view() == before


def test_first_policy_never_replaces_one_that_cannot_be_read() -> None:
    """It may be that of a newer t3safe."""
    cluster, store = fleet_of(None)
    cluster.put_garbage(POLICY)

    with pytest.raises(FleetError) as error:
        set_first_policy(store, OTHER)

    assert "policy already (one that cannot be read)" in refused(error)


def test_policy_is_written_as_the_next_version() -> None:
    """The version in the record that is given does not count."""
    _, store = fleet_of(TWO_RINGS)

    done = set_policy(store, evolve(OTHER, version=9), replace=False)

    assert (done.version, done.written, done.problems) == (2, True, ())
    assert shown_policy(store) == evolve(OTHER, version=2)


def test_policy_that_is_in_force_is_not_written_again() -> None:
    """Its version stays."""
    _, store = fleet_of(TWO_RINGS)
    before = store.view()

    done = set_policy(store, evolve(TWO_RINGS, version=7), replace=False)

    assert (done.version, done.written) == (1, False)
    assert store.view() == before


def test_policy_can_be_the_first_one() -> None:
    """Then it has the first version."""
    _, store = fleet_of(None)

    done = set_policy(store, OTHER, replace=False)

    assert (done.version, done.written) == (1, True)
    assert shown_policy(store) == OTHER


def test_hosts_whose_ring_a_policy_lacks_are_named() -> None:
    """It is written all the same: the hosts are changed after it."""
    _, store = three_hosts()

    done = set_policy(store, OTHER, replace=False)

    assert done.problems == ("c1 is in ring canary, which the policy does not have",)


def test_policy_that_cannot_be_read_is_replaced_only_on_request() -> None:
    """It may be that of a newer t3safe."""
    cluster, store = fleet_of(None)
    cluster.put_garbage(POLICY)

    with pytest.raises(FleetError) as error:
        set_policy(store, OTHER, replace=False)
    assert "cannot be read: cannot be read: not JSON; `t3safe fleet policy FILE" in refused(error)

    assert set_policy(store, OTHER, replace=True).version == 1
    assert shown_policy(store) == OTHER


def test_policy_that_is_not_there_cannot_be_shown() -> None:
    """Missing and damaged are told apart, each with its next command."""
    cluster, store = fleet_of(None)
    with pytest.raises(FleetError) as error:
        shown_policy(store)
    assert refused(error) == "the fleet has no policy: write one with `t3safe fleet init`"

    cluster.put_garbage(POLICY)
    with pytest.raises(FleetError) as error:
        shown_policy(store)
    assert "cannot be read: not JSON; write another one with" in refused(error)


def test_host_joins_with_its_report() -> None:
    """It is new once; joining again renews the report."""
    _, store = fleet_of(TWO_RINGS)

    assert join(store, report("m1"), replace=False)
    later = evolve(report("m1", "canary"), at=AT + timedelta(days=1), t3safe="1.1", platform="x")
    assert not join(store, later, replace=False)

    assert store.view().hosts == {"m1": later}


def test_joining_again_keeps_what_runs_wrote() -> None:
    """Only ring, version, platform and time are renewed."""
    _, store = fleet_of(
        TWO_RINGS, evolve(report("m1", position=2), runs=BUILD, run="r1", outcome="promoted")
    )

    join(store, evolve(report("m1", "canary"), t3safe="1.1"), replace=False)

    kept = store.view().hosts["m1"]
    assert (kept.runs, kept.run, kept.outcome, kept.position) == (BUILD, "r1", "promoted", 2)
    assert (kept.ring, kept.t3safe) == ("canary", "1.1")


def test_name_of_another_host_is_not_taken_by_accident() -> None:
    """Two hosts of one name differ in `install`; a person may take over the name of a lost one."""
    _, store = three_hosts()
    mine = evolve(report("m1"), install="other")

    with pytest.raises(FleetError) as error:
        join(store, mine, replace=False)
    assert "another host has the name m1" in refused(error)
    assert "`fleet.host`" in str(error.value)
    assert "`t3safe fleet join --replace`" in str(error.value)
    assert store.view().hosts["m1"] == report("m1")

    assert join(store, mine, replace=True)
    assert store.view().hosts["m1"] == mine


def test_record_that_cannot_be_read_is_not_written_over_by_accident() -> None:
    """It may be that of this host under a newer t3safe; another host's record does not matter."""
    cluster, store = fleet_of(TWO_RINGS)
    cluster.put_garbage(host_key("m1"))

    with pytest.raises(FleetError) as error:
        join(store, report("m1"), replace=False)
    said = "the fleet's record of m1 cannot be read (hosts/m1: cannot be read: not JSON)"
    assert said in refused(error)
    assert "`t3safe fleet join --replace` writes over it" in str(error.value)

    assert join(store, report("m2"), replace=False)
    assert join(store, report("m1"), replace=True)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (None, "the fleet has no policy"),
        (TWO_RINGS, "no ring edge, only canary, main; change `fleet.ring`"),
    ],
)
def test_host_joins_only_a_ring_of_the_policy(policy: FleetPolicy | None, said: str) -> None:
    """Else nothing is written."""
    _, store = fleet_of(policy)

    with pytest.raises(FleetError) as error:
        join(store, report("m1", "edge"), replace=True)

    assert said in refused(error)
    assert store.view().hosts == {}


def test_host_leaves_and_has_left() -> None:
    """Its sign of life goes with its report; leaving again changes nothing."""
    _, store = three_hosts()
    store.alive("m1", 60)

    assert leave(store, "m1", "install-m1")
    assert not leave(store, "m1", "install-m1")

    view = store.view()
    assert (set(view.hosts), view.alive) == ({"c1", "m2"}, frozenset())


@pytest.mark.parametrize("install", ["", "other"])
def test_host_does_not_let_another_one_leave(install: str) -> None:
    """Whether it never joined, or another took its name."""
    _, store = three_hosts()

    with pytest.raises(FleetError) as error:
        leave(store, "m1", install)

    assert "the m1 in the fleet is not this host" in refused(error)
    assert "`t3safe fleet join --replace`" in str(error.value)
    assert "m1" in store.view().hosts


def test_host_that_holds_a_slot_does_not_leave() -> None:
    """Its slot would stay behind; the slot of another host does not matter."""
    _, store = three_hosts()
    taken = take(store.view(), "main", holder("m1", "run-7"))
    assert isinstance(taken, Transaction)
    store.transact(taken)

    with pytest.raises(FleetError) as error:
        leave(store, "m1", "install-m1")

    assert "m1 holds a slot of ring main for run run-7" in refused(error)
    assert leave(store, "m2", "install-m2")


@pytest.mark.parametrize("loss", list(Loss))
def test_lost_answer_ends_in_what_was_asked(loss: Loss) -> None:
    """Whether it was done, was not, or is done late: the host has joined, once."""
    cluster, store = fleet_of(TWO_RINGS)
    store.losses = deque([loss])

    assert join(store, report("m1"), replace=False)
    cluster.deliver()

    assert store.view().hosts == {"m1": report("m1")}


def test_lost_answer_of_a_policy_counts_as_written() -> None:
    """Its version is the one that is in force."""
    _, store = fleet_of(TWO_RINGS)
    store.losses = deque([Loss.AFTER])

    done = set_policy(store, OTHER, replace=False)

    assert (done.version, done.written) == (2, True)
    assert shown_policy(store).version == 2


def test_answers_that_are_lost_again_and_again_are_unknown() -> None:
    """The error says so and claims neither yes nor no."""
    _, store = fleet_of(None)
    store.losses = deque([Loss.BEFORE] * ATTEMPTS)

    with pytest.raises(FleetError) as error:
        set_first_policy(store, OTHER)

    said = "it is unknown whether it was done: the answer was lost; run the command again"
    assert (str(error.value), error.value.kind) == (said, FleetErrorKind.UNREACHABLE)


def test_change_is_decided_again_when_another_wrote_meanwhile() -> None:
    """Not for ever: then the error asks for the command again."""
    store = BusyFleet(MemoryCluster(), key=host_key("m1"))
    set_first_policy(store, TWO_RINGS)

    with pytest.raises(FleetError) as error:
        join(store, report("m1"), replace=True)

    assert refused(error) == "others change the fleet at the same time; run the command again"
    assert store.requests == 2 + 2 * ATTEMPTS


@pytest.mark.parametrize("kind", [FleetErrorKind.UNREACHABLE, FleetErrorKind.CREDENTIALS])
def test_store_that_fails_is_told_as_it_failed(kind: FleetErrorKind) -> None:
    """Whatever was asked."""
    _, store = three_hosts()
    store.outage = Outage("etcd1 is down", kind)

    for ask in (
        lambda: set_first_policy(store, OTHER),
        lambda: set_policy(store, OTHER, replace=False),
        lambda: shown_policy(store),
        lambda: join(store, report("m1"), replace=False),
        lambda: leave(store, "m1", "install-m1"),
    ):
        with pytest.raises(FleetError, match="etcd1 is down") as error:
            ask()
        assert error.value.kind is kind
