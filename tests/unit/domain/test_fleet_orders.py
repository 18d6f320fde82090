"""What a person says to the fleet, and what hosts publish."""

from __future__ import annotations

from attrs import evolve

from t3safe.domain.fleet.orders import (
    CHANGES_MAX,
    freeze,
    halt,
    join,
    leave,
    lift,
    set_policy,
    thaw,
)
from t3safe.domain.fleet.port import FleetStore
from t3safe.domain.fleet.publications import publish_lock, publish_report, publish_verdict
from t3safe.domain.fleet.records import (
    FleetFreeze,
    FleetRuling,
    Halt,
)
from t3safe.domain.fleet.view import Commit, Transaction
from t3safe.domain.lockfile import LockFile
from tests.support.fleets import AT, BUILD, OTHER, TWO_RINGS, fleet_of, report, verdict


def done(store: FleetStore, transaction: Transaction | None) -> Commit:
    """Do what there is to do."""
    assert transaction is not None
    return store.transact(transaction).commit


def test_policies_are_counted_and_one_replaces_what_was_read() -> None:
    """Of two that read the same policy the second is not met."""
    _, store = fleet_of(None)
    before = store.view()
    assert done(store, set_policy(before, TWO_RINGS)) is Commit.DONE
    assert done(store, set_policy(before, TWO_RINGS)) is Commit.NOT_MET
    assert done(store, set_policy(store.view(), TWO_RINGS)) is Commit.DONE
    assert store.view().policy == evolve(TWO_RINGS, version=2)


def test_first_reason_of_a_freeze_stays_until_it_is_lifted() -> None:
    """A second freeze is not met; a thaw without a freeze has nothing to do."""
    _, store = fleet_of()
    assert thaw(store.view()) is None
    assert done(store, freeze(FleetFreeze("m1", "first", AT))) is Commit.DONE
    assert done(store, freeze(FleetFreeze("m2", "second", AT))) is Commit.NOT_MET
    assert store.view().frozen.startswith("first")
    assert done(store, thaw(store.view())) is Commit.DONE
    assert store.view().frozen == ""


def test_lift_lets_a_build_be_tried_again() -> None:
    """The halt and the rulings against the build go; promotions and other builds stay."""
    _, store = fleet_of()
    assert lift(store.view(BUILD), BUILD) is None
    done(store, halt(Halt(BUILD, "m1", "run-1", "it failed", AT)))
    done(store, halt(Halt(OTHER, "m1", "run-1", "it failed", AT)))
    for ruling in FleetRuling:
        done(store, publish_verdict(verdict("m1", ruling)))
    assert done(store, halt(Halt(BUILD, "m2", "run-2", "too", AT))) is Commit.NOT_MET
    assert done(store, lift(store.view(BUILD), BUILD)) is Commit.DONE
    view = store.view(BUILD)
    assert set(view.halts) == {OTHER}
    assert [one.ruling for one in view.verdicts] == [FleetRuling.PROMOTED]
    assert lift(view, BUILD) is None


def test_lift_of_many_rulings_keeps_to_what_one_transaction_takes() -> None:
    """The rest goes with the next order."""
    _, store = fleet_of()
    for number in range(CHANGES_MAX + 5):
        done(store, publish_verdict(verdict(f"m{number}", FleetRuling.REFUSED)))
    lifted = lift(store.view(BUILD), BUILD)
    assert lifted is not None
    assert len(lifted.changes) == CHANGES_MAX
    done(store, lifted)
    assert len(store.view(BUILD).verdicts) == 5


def test_host_joins_and_leaves() -> None:
    """Of two that take a name at once the second is not met; who left has nothing to leave."""
    _, store = fleet_of()
    before = store.view()
    assert done(store, join(before, report("m1"))) is Commit.DONE
    assert done(store, join(before, evolve(report("m1"), install="other"))) is Commit.NOT_MET
    store.alive("m1", 60)
    assert done(store, leave(store.view(), "m1")) is Commit.DONE
    view = store.view()
    assert (view.hosts, view.alive) == ({}, frozenset())
    assert leave(view, "m1") is None


def test_host_replaces_its_own_report_only() -> None:
    """Not that of another host of its name, and not after it left."""
    _, store = fleet_of(TWO_RINGS, report("m1"))
    newer = evolve(report("m1"), outcome="promoted")
    assert done(store, publish_report(store.view(), newer)) is Commit.DONE
    assert store.view().hosts == {"m1": newer}
    assert publish_report(store.view(), evolve(newer, install="other")) is None
    assert publish_report(store.view(), report("m2")) is None


def test_report_that_changed_meanwhile_is_not_replaced() -> None:
    """It may be another host's by now: it is read again first."""
    _, store = fleet_of(TWO_RINGS, report("m1"))
    seen, newer = store.view(), evolve(report("m1"), outcome="promoted")
    assert done(store, publish_report(store.view(), evolve(newer, people=2))) is Commit.DONE
    assert done(store, publish_report(seen, newer)) is Commit.NOT_MET
    assert store.view().hosts == {"m1": evolve(newer, people=2)}


def test_publishing_twice_changes_nothing() -> None:
    """The first verdict of a host stays, and the first lock file of a build."""
    _, store = fleet_of()
    first = verdict("m1", FleetRuling.REFUSED)
    assert done(store, publish_verdict(first)) is Commit.DONE
    assert done(store, publish_verdict(evolve(first, reason="other"))) is Commit.NOT_MET
    file = LockFile("{}")
    assert done(store, publish_lock(BUILD, "m1", file)) is Commit.DONE
    assert done(store, publish_lock(BUILD, "m2", LockFile("[]"))) is Commit.NOT_MET
    view = store.view(BUILD)
    assert view.verdicts == (first,)
    assert view.lock is not None
    assert (view.lock.host, view.lock.digest) == ("m1", file.digest)
    assert store.lock_file(file.digest) == file
    assert store.lock_file(LockFile("[]").digest) is None
    assert store.view(OTHER).verdicts == ()


def test_order_that_takes_something_back_means_what_was_read() -> None:
    """A freeze, a halt or a host that came since stays."""
    _, store = fleet_of(TWO_RINGS, report("m1"))
    done(store, freeze(FleetFreeze("m1", "first", AT)))
    done(store, halt(Halt(BUILD, "m1", "run-1", "first", AT)))
    before = store.view(BUILD)
    for order in (thaw(before), lift(before, BUILD), leave(before, "m1")):
        assert done(store, order) is Commit.DONE
    done(store, freeze(FleetFreeze("m1", "second", AT)))
    done(store, halt(Halt(BUILD, "m1", "run-1", "second", AT)))
    done(store, join(store.view(), report("m1")))
    for order in (thaw(before), lift(before, BUILD), leave(before, "m1")):
        assert done(store, order) is Commit.NOT_MET
