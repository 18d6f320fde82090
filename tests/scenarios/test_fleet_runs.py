"""Runs of hosts in a fleet: who starts, who holds the slot, and what the others learn."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from attrs import evolve

from fakes.world import NEW, NEWER, OLD, Crash, Defect, World, host, small_world
from fakes.world.faults import FaultKind, FaultyJournal, Seam, journal
from fakes.world.fleet import FleetHostFake, founded, joined
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.fleet import orders, rings
from t3safe.domain.fleet.records import FleetFreeze, FleetRuling, Ring
from t3safe.domain.fleet.slots import evict
from t3safe.domain.fleet.view import Transaction, View
from t3safe.domain.policy import SkipReason
from t3safe.simulation.fleetstore import Loss, MemoryCluster, MemoryFleet, Outage
from t3safe.usecases.check import check
from t3safe.usecases.host import Host, Result
from t3safe.usecases.recover import recover
from t3safe.usecases.run import drain, run
from tests.scenarios.nights import DAY, night, performed, publish, take_ann_back

TWO_RINGS = (Ring("canary"), Ring("rest"))


def _host(
    cluster: MemoryCluster, name: str, ring: str = "canary", *defects: Defect
) -> tuple[World, FleetHostFake]:
    world = small_world("ann", "bob", candidate=defects)
    return world, joined(cluster, world, name, ring)


def _look(cluster: MemoryCluster) -> View:
    return MemoryFleet(cluster).view(NEW)


def _holders(cluster: MemoryCluster, ring: str = "canary") -> list[str]:
    return [one.host for one in _look(cluster).holders(ring).holders]


def _occupied(cluster: MemoryCluster, host: str = "other") -> None:
    """Let another host hold the one slot of ring canary."""
    world = small_world("eve")
    other = joined(cluster, world, host)
    taken = other.permit(world).take_slot(fx.TakeSlot("canary", "r9", NEW, "1" * 64))
    assert isinstance(taken, ev.SlotTaken)


def _stays(world: World, operation: Callable[[Host], Result] = run) -> Result:
    """Run and see that nothing was opened and nobody was touched."""
    links = {name: person.link for name, person in world.people.items()}
    result = night(world, operation)
    assert result.rollout is None
    assert {name: person.link for name, person in world.people.items()} == links
    return result


# A good night.


def test_a_host_alone_in_its_ring_moves_and_gives_its_slot_back() -> None:
    """The others learn that it promoted, of which bytes, and how many people it moved."""
    cluster = founded()
    world, member = _host(cluster, "a")
    result = night(world)
    assert (result.outcome, result.warnings) == (ev.Outcome.PROMOTED, ())
    view = _look(cluster)
    assert view.holders("canary").holders == ()
    (verdict,) = view.verdicts
    assert (verdict.host, verdict.ruling, verdict.moved) == ("a", FleetRuling.PROMOTED, 2)
    report = view.hosts["a"]
    assert (report.runs, report.outcome, report.people, report.behind) == (NEW, "promoted", 2, 0)
    assert view.alive == {"a"}
    assert member.store.requests <= 12


def test_the_slot_is_held_while_people_move_and_bake() -> None:
    """Until the run is closed: a second host that asks meanwhile gets none."""
    cluster = founded()
    world, _ = _host(cluster, "a")
    seen: list[list[str]] = []
    for port, what in (("fence", "ann"), ("watch", NEW.text)):
        world.on(port, what, lambda _: seen.append(_holders(cluster)))
    night(world)
    assert seen == [["a"], ["a"]]
    assert _holders(cluster) == []


def test_whoever_gets_no_slot_waits_and_the_drain_moves_them() -> None:
    """All people are deferred with the holder's name; the gate has run, nobody was touched."""
    cluster = founded()
    world, _ = _host(cluster, "b")
    _occupied(cluster)
    result = night(world)
    assert result.outcome is ev.Outcome.DEFERRED
    assert result.rollout is not None
    assert all("other" in move.reason for move in result.rollout.moves)
    assert not any(isinstance(effect, fx.Assess | fx.Fence) for effect in performed(world))
    assert world.last_good == OLD
    store = MemoryFleet(cluster)
    store.transact(_released(store.view(), "other"))
    world.advance(DAY)
    assert night(world, drain).outcome is ev.Outcome.PROMOTED
    assert _holders(cluster) == []


def _released(view: View, host: str) -> Transaction:
    transaction = evict(view, "canary", host, "a person said so")
    assert transaction is not None
    return transaction


# Who may not start.


def test_a_frozen_fleet_starts_nothing() -> None:
    """The reason names where it was said; the host itself is not frozen."""
    cluster = founded()
    world, _ = _host(cluster, "a")
    frozen = FleetFreeze("z", "maintenance", world.clock)
    MemoryFleet(cluster).transact(orders.freeze(frozen))
    result = _stays(world)
    assert (result.stayed, "maintenance (host z" in result.reason) == (SkipReason.LATER, True)
    assert not world.frozen


def test_a_build_that_failed_in_production_elsewhere_is_not_tried() -> None:
    """One host found it, at its first person; the other refuses it before npm and the gate."""
    cluster = founded()
    first, _ = _host(cluster, "a", "canary", Defect.MUTE)
    second, _ = _host(cluster, "b", "canary", Defect.MUTE)
    first.builds[NEW] = evolve(first.builds[NEW], victims=frozenset({"ann"}))
    assert night(first).outcome is ev.Outcome.ROLLED_BACK
    view = _look(cluster)
    assert [one.ruling for one in view.verdicts] == [FleetRuling.FAILED]
    assert view.holders("canary").holders == ()
    result = _stays(second)
    assert result.stayed is SkipReason.REFUSED
    assert all(word in result.reason for word in (NEW.text, "host a", "r001"))
    assert NEW not in second.store
    assert (result.known, _stays(second).known) == (False, True)


def test_a_build_that_a_gate_refused_elsewhere_is_not_tried() -> None:
    """Where the bytes are the same; a halt needs a failure in production."""
    cluster = founded()
    first, _ = _host(cluster, "a", "canary", Defect.SHRINKS)
    second, _ = _host(cluster, "b")
    assert night(first).outcome is ev.Outcome.REFUSED
    view = _look(cluster)
    assert ([one.ruling for one in view.verdicts], view.halts) == ([FleetRuling.REFUSED], {})
    assert not any(name in view.verdicts[0].reason for name in ("ann", "bob"))
    assert _stays(second).stayed is SkipReason.REFUSED
    assert NEW in _look(cluster).halts, "one failed host is more than the budget of none"


def test_a_ring_waits_for_the_one_before() -> None:
    """And opens once its host has promoted."""
    cluster = founded(*TWO_RINGS)
    first, _ = _host(cluster, "a")
    second, member = _host(cluster, "b", "rest")
    result = _stays(second)
    assert result.stayed is SkipReason.LATER
    assert "ring rest waits for ring canary: 0 of 1 host(s)" in result.reason
    assert _look(cluster).hosts["b"].waits_for == result.reason
    night(first)
    assert night(second).outcome is ev.Outcome.PROMOTED
    assert member.notebook.memory.waits == ""


def test_a_host_that_is_cut_off_starts_nothing_and_says_since_when() -> None:
    """The time is that of the first question without an answer; once it answers all is sent."""
    cluster = founded()
    world, member = _host(cluster, "a")
    member.store.outage = Outage()
    first = _stays(world)
    world.advance(DAY)
    second = _stays(world)
    assert first.stayed is second.stayed is SkipReason.LATER
    assert first.reason == second.reason
    assert "cannot reach the fleet" in first.reason
    assert any("FLEET CUT OFF" in line for line in second.warnings)
    member.store.outage = None
    assert night(world).outcome is ev.Outcome.PROMOTED
    assert member.notebook.memory.cut_off is None


def test_a_store_that_was_wiped_starts_nothing_until_a_person_joins_again() -> None:
    """It is another cluster, or an older copy; nothing is written into it."""
    cluster = founded()
    world, _ = _host(cluster, "a")
    night(world)
    publish(world, NEWER, 33)
    world.advance(DAY)
    cluster.wipe("2")
    assert "etcd is another one" in _stays(world).reason
    assert cluster.entries == {}


def test_two_hosts_of_one_name_do_not_both_start() -> None:
    """The one that joined is in the fleet; the other asks for a person and writes nothing."""
    cluster = founded()
    first, _ = _host(cluster, "a")
    second = small_world("ann")
    member = joined(cluster, second, "a", install="another")
    taken = member.permit(second).take_slot(fx.TakeSlot("canary", "r9", NEW, "1" * 64))
    assert isinstance(taken, ev.SlotTaken)
    revision = cluster.revision
    result = _stays(first)
    assert result.stayed is SkipReason.LATER
    assert "another host has the name a" in result.reason
    assert cluster.revision == revision
    assert _holders(cluster) == ["a"]


# Lost answers.


@pytest.mark.parametrize("loss", list(Loss))
def test_a_lost_answer_to_the_slot_is_read_again(loss: Loss) -> None:
    """The run holds its slot once, and gives it back."""
    cluster = founded()
    world, member = _host(cluster, "a")
    member.store.losses.append(loss)
    assert night(world).outcome is ev.Outcome.PROMOTED
    cluster.deliver()
    assert _holders(cluster) == []


def test_a_slot_that_comes_too_late_is_given_back_by_the_next_sync() -> None:
    """All answers are lost: the run ends and moves nobody."""
    cluster = founded()
    world, member = _host(cluster, "a")
    member.store.losses.extend([None, *[Loss.LATE] * 3])
    result = night(world)
    assert result.outcome is ev.Outcome.LATER
    assert world.people["ann"].link == OLD
    cluster.deliver()
    assert _holders(cluster) == ["a"]
    assert member.permit(world).send() == ()
    assert _holders(cluster) == []


def test_two_hosts_never_hold_one_slot() -> None:
    """Whatever is lost and late: the second is denied while the first moves."""
    cluster = founded()
    world, member = _host(cluster, "a")
    other, _ = _host(cluster, "b")
    member.store.losses.append(Loss.AFTER)
    both: list[Result] = []
    world.on("watch", NEW.text, lambda _: both.append(night(other)))
    assert night(world).outcome is ev.Outcome.PROMOTED
    assert [result.outcome for result in both] == [ev.Outcome.DEFERRED]


def test_no_slot_is_taken_before_the_lock_file_is_published_for_certain() -> None:
    """Else another host could publish other bytes, and both would move people to theirs."""
    cluster = founded()
    world, member = _host(cluster, "a")
    member.store.losses.extend([Loss.BEFORE] * 3)
    assert night(world).outcome is ev.Outcome.LATER
    assert (_holders(cluster), _look(cluster).lock) == ([], None)
    member.store.losses.append(Loss.BEFORE)
    assert night(world).outcome is ev.Outcome.PROMOTED
    assert _look(cluster).lock is not None


def test_a_copy_of_the_store_without_the_own_slot_is_an_older_one() -> None:
    """The host remembers the revision of its slot, so its next run asks for a person."""
    cluster = founded()
    world, _ = _host(cluster, "a")
    copy = dict(cluster.entries), cluster.revision

    def restore(_: World) -> None:
        cluster.entries, cluster.revision = copy

    world.on("watch", NEW.text, restore)
    assert any("restored from an older copy" in line for line in night(world).warnings)
    publish(world, NEWER, 33)
    world.advance(DAY)
    assert "restored from an older copy" in _stays(world).reason


# What is sent later.


def test_what_two_runs_found_is_sent_at_once_each_about_its_build() -> None:
    """The fleet could not be reached when either was over."""
    cluster = founded()
    world, member = _host(cluster, "a")
    cut_off = partial(setattr, member.store, "outage", Outage())
    for build, level in ((NEW, 32), (NEWER, 33)):
        publish(world, build, level)
        world.on("watch", build.text, lambda _: cut_off())
        assert night(world).outcome is ev.Outcome.PROMOTED
        member.store.outage = None
        world.advance(DAY)
    assert member.permit(world).send() == ()
    for build in (NEW, NEWER):
        (verdict,) = member.store.view(build).verdicts
        assert (verdict.artifact.build, verdict.ruling) == (build, FleetRuling.PROMOTED)
    assert _holders(cluster) == []


def test_a_halt_that_a_person_lifts_does_not_come_back() -> None:
    """Also if the host could not send all after it published the halt."""
    cluster = founded()
    world, member = _host(cluster, "a", "canary", Defect.MUTE)
    world.builds[NEW] = evolve(world.builds[NEW], victims=frozenset({"ann"}))
    member.store.losses.extend([None] * 4 + [Loss.BEFORE] * 3)
    assert any("FLEET CUT OFF" in line for line in night(world).warnings)
    lifted = orders.lift(_look(cluster), NEW)
    assert lifted is not None
    MemoryFleet(cluster).transact(lifted)
    assert member.permit(world).send() == ()
    assert (_look(cluster).halts, _look(cluster).verdicts) == ({}, ())


def test_what_a_run_found_survives_that_the_host_joins_again() -> None:
    """The store was wiped while its people moved: the others learn the failure all the same."""
    cluster = founded()
    world, member = _host(cluster, "a", "canary", Defect.MUTE)
    world.builds[NEW] = evolve(world.builds[NEW], victims=frozenset({"ann"}))
    world.on("fence", "ann", lambda _: cluster.wipe("2"))
    assert any("etcd is another one" in line for line in night(world).warnings)
    founded(cluster=cluster)
    joined(cluster, small_world("ann"), "a")
    member.notebook.keep(rings.joined(member.notebook.load()))
    assert member.permit(world).send() == ()
    assert list(_look(cluster).halts) == [NEW]


def test_a_slot_in_a_ring_that_was_renamed_is_released() -> None:
    """The policy and the host's configuration have the new name; the slot is under the old one."""
    cluster = founded()
    world, member = _host(cluster, "a")
    world.on("watch", NEW.text, lambda _: setattr(member.store, "outage", Outage()))
    night(world)
    member.store.outage = None
    founded(Ring("first"), cluster=cluster)
    renamed = joined(cluster, world, "a", "first")
    renamed.notebook.keep(rings.joined(member.notebook.load()))
    assert _holders(cluster) == ["a"]
    assert renamed.permit(world).send() == ()
    assert _holders(cluster) == []


# Nobody asks the fleet to go back.


@pytest.mark.parametrize("at", range(1, 60))
def test_wherever_a_run_dies_the_slot_comes_back_and_recovery_asks_nobody(at: int) -> None:
    """Recovery sends nothing; the sync after it does, once."""
    cluster = founded()
    world, member = _host(cluster, "a")
    seam = Seam.of(world, [journal(at, FaultKind.CRASH_AFTER)])
    with suppress(Crash):
        run(host(world, journal=FaultyJournal(world.journal, seam)))
    before = member.store.requests
    recover(host(world))
    assert member.store.requests == before
    assert member.permit(world).send() == ()
    assert _holders(cluster) == []


def test_a_rollback_of_a_host_that_is_cut_off_asks_nobody() -> None:
    """Everybody goes back as on a host of its own."""
    cluster = founded()
    world, member = _host(cluster, "a")
    night(world)
    member.store.outage = Outage()
    before = member.store.requests
    assert night(world, take_ann_back, giving_up=True).outcome is ev.Outcome.MOVED
    assert world.people["ann"].link == OLD
    assert night(world, lambda wired: check(wired, NEW)).outcome is ev.Outcome.PASSED
    assert member.store.requests == before


def test_a_bake_of_a_host_that_is_cut_off_asks_nobody() -> None:
    """A stopped run had moved ann; the next one bakes for her, and only asks to move bob."""
    cluster = founded()
    world, member = _host(cluster, "a")
    assert run(host(world, stop=lambda: world.people["ann"].link == NEW)).outcome is (
        ev.Outcome.INTERRUPTED
    )
    assert _holders(cluster) == []
    member.store.outage = Outage()
    before = member.store.requests
    assert night(world).stayed is SkipReason.LATER
    newest = next(iter(world.journal.runs()))
    assert (newest.kind, newest.baking) == (ev.Kind.BAKE, ("ann",))
    assert (world.last_good, world.people["bob"].link) == (NEW, OLD)
    assert member.store.requests == before + 2, "to move bob, and to send what the bake found"


def test_what_was_found_while_cut_off_is_published_later() -> None:
    """Also by another command than the one that found it, and once."""
    cluster = founded()
    world, member = _host(cluster, "a")
    world.on("watch", NEW.text, lambda _: setattr(member.store, "outage", Outage()))
    result = night(world)
    assert result.outcome is ev.Outcome.PROMOTED
    assert any("FLEET CUT OFF" in line for line in result.warnings)
    member.store.outage = None
    assert _holders(cluster) == ["a"]
    assert member.permit(world).send() == ()
    assert [one.ruling for one in _look(cluster).verdicts] == [FleetRuling.PROMOTED]
    assert _holders(cluster) == []
    revision = cluster.revision
    assert member.permit(world).send() == ()
    assert cluster.revision == revision + 1, "only that it is alive"
