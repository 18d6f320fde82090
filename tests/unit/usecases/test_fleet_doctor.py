"""What `doctor` finds of the fleet: what stops this host, what a person should look at."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from t3safe.domain.doctor.findings import Finding, Health, Precondition, worst
from t3safe.domain.errors import FleetError, FleetErrorKind, UnusableError
from t3safe.domain.fleet import rings
from t3safe.domain.fleet.rings import FleetMemory, Instant, KnownStore
from t3safe.domain.fleet.slots import take
from t3safe.domain.fleet.view import POLICY, Transaction, host_key
from t3safe.simulation.fleetstore import MemoryFleet, MemoryNotebook
from t3safe.usecases.fleet_doctor import AHEAD, judge_fleet, judge_unreached, judge_unusable
from t3safe.usecases.fleet_status import FleetPlace, fleet_status
from tests.support.fleets import AT, TWO_RINGS, fleet_of, holder, report, three_hosts

NOW = Instant("boot-1", 10_000.0)
M1 = FleetPlace("lab", "m1", "main", "install-m1")


def examined(
    store: MemoryFleet,
    place: FleetPlace = M1,
    memory: FleetMemory | None = None,
    now: Instant = NOW,
) -> tuple[Finding, ...]:
    """Examine the fleet at the time of all its reports."""
    notebook = MemoryNotebook(memory or FleetMemory())
    findings = judge_fleet(fleet_status(store, place, notebook, now), AT)
    assert {found.check for found in findings} == {Precondition.FLEET}
    assert all(found.fix for found in findings if found.level is not Health.OK)
    return findings


def test_host_that_has_joined_a_sound_fleet_is_ok() -> None:
    """One finding names its ring."""
    _, store = three_hosts()
    (found,) = examined(store)
    assert found.level is Health.OK
    assert "m1 is in ring main of lab, with 3 host(s)" in found.seen


@pytest.mark.parametrize(
    ("place", "seen", "fix"),
    [
        (evolve(M1, host="m9"), "m9 is not in the fleet", "run `t3safe fleet join`"),
        (evolve(M1, install="other"), "another host has the name m1", "change `fleet.host`"),
        (evolve(M1, ring="edge"), "the fleet's policy has no ring edge", "`t3safe fleet policy"),
    ],
)
def test_what_stops_this_host_is_a_problem(place: FleetPlace, seen: str, fix: str) -> None:
    """With the command that lets it start."""
    _, store = three_hosts()
    found = examined(store, place)[0]
    assert found.level is Health.PROBLEM
    assert seen in found.seen
    assert fix in found.fix


def test_policy_that_is_missing_or_cannot_be_read_is_a_problem() -> None:
    """Each with its own next command."""
    cluster, store = fleet_of(None, report("m1"))
    assert "`t3safe fleet init`" in examined(store)[0].fix
    cluster.put_garbage(POLICY)
    (found,) = examined(store)
    assert (found.level, "cannot be read: not JSON" in found.seen) == (Health.PROBLEM, True)
    assert "--replace" in found.fix


def test_store_that_was_wiped_is_a_problem() -> None:
    """Even where all else fits again."""
    _, store = three_hosts()
    (found,) = examined(store, memory=FleetMemory(known=KnownStore("9", 1)))
    assert (found.level, "etcd is another one" in found.seen) == (Health.PROBLEM, True)
    assert "`t3safe fleet join`" in found.fix


def test_what_concerns_other_hosts_is_a_warning() -> None:
    """A silent holder, a record that cannot be read, a report that is to come, a time cut off."""
    cluster, store = fleet_of(
        TWO_RINGS, report("m1"), evolve(report("m2"), at=AT + AHEAD + timedelta(seconds=1))
    )
    taken = take(store.view(), "main", holder("m2"))
    assert isinstance(taken, Transaction)
    store.transact(taken)
    memory = rings.remember(FleetMemory(), store.view(), None, NOW)
    cluster.put_garbage(host_key("m3"))
    late = Instant(NOW.boot, NOW.seconds + TWO_RINGS.slot_deadline + 1)
    findings = examined(store, M1, evolve(memory, cut_off=AT), late)
    assert worst(findings) is Health.WARNING
    said = [(found.seen, found.fix) for found in findings]
    for part, how in (
        ("runs could not ask it since 2026-07-21 04:00 UTC", "t3safe fleet sync"),
        ("m2 holds a slot of ring main for run run-1", "`t3safe fleet release m2 --reason TEXT`"),
        ("m2 reported at 2026-07-21 04:10 UTC", "timedatectl"),
        ("hosts/m3: cannot be read", "t3safe fleet status"),
    ):
        assert any(part in seen and how in fix for seen, fix in said), said
    assert len(said) == 4


def test_report_within_ten_minutes_to_come_is_no_finding() -> None:
    """Clocks differ a little."""
    _, store = fleet_of(TWO_RINGS, report("m1"), evolve(report("m2"), at=AT + AHEAD))
    assert worst(examined(store)) is Health.OK


def test_fleet_that_cannot_be_asked_is_a_problem_with_what_to_do() -> None:
    """The configuration, a file, or the store."""
    error = FleetError(
        "cannot reach the fleet: a; b cannot be reached; check etcd", FleetErrorKind.UNREACHABLE
    )
    found = judge_unreached(error)
    assert (found.level, found.fix) == (Health.PROBLEM, "check etcd")
    assert found.seen == "cannot reach the fleet: a; b cannot be reached"
    mode = judge_unusable(UnusableError("`fleet.credentials`: others may read it; run `chmod`"))
    assert (mode.level, mode.fix) == (Health.PROBLEM, "run `chmod`")
    plain = judge_unusable(UnusableError("fleet.ca: /x: holds no certificate (PEM)"))
    assert "docs/fleet.md" in plain.fix
