"""The same bytes on all hosts of a fleet: who publishes, who follows, and what does not fit."""

from __future__ import annotations

from fakes.world import NEW, OLD, World, small_world
from fakes.world.fakeports import UNSHARED
from fakes.world.fleet import founded, joined
from t3safe.domain import events as ev
from t3safe.domain.fleet import publications
from t3safe.domain.fleet.records import Ring
from t3safe.domain.fleet.view import Change, Transaction, View, lock_file_key
from t3safe.domain.lockfile import LockFile
from t3safe.simulation.builds import artifact, lock_text
from t3safe.simulation.fleetstore import MemoryCluster, MemoryFleet
from t3safe.usecases.check import check
from t3safe.usecases.host import Result
from tests.scenarios.nights import DAY, night


def _host(cluster: MemoryCluster, name: str) -> World:
    world = small_world("ann", "bob")
    joined(cluster, world, name)
    return world


def _look(cluster: MemoryCluster) -> View:
    return MemoryFleet(cluster).view(NEW)


def _passed_alone(world: World) -> None:
    """Let the host check NEW, and install what npm resolves there: not what others have."""
    world.floats = ", with other dependencies"
    assert night(world, lambda wired: check(wired, NEW)).outcome is ev.Outcome.PASSED
    world.advance(DAY)


def test_later_hosts_install_what_the_first_one_published() -> None:
    """Though npm would install something else there by now."""
    cluster = founded()
    first = _host(cluster, "a")
    second = _host(cluster, "b")
    night(first)
    second.floats = ", with other dependencies"
    assert night(second).outcome is ev.Outcome.PROMOTED
    view = _look(cluster)
    assert second.locks[NEW] == first.locks[NEW]
    assert {one.artifact.lock for one in view.verdicts} == {artifact(NEW).lock}
    assert [one.host for one in view.verdicts] == ["a", "b"]


def test_a_host_that_had_other_bytes_installs_the_published_ones() -> None:
    """Its own check found nothing wrong with others: the gate judges again, then it moves."""
    cluster = founded()
    first = _host(cluster, "a")
    second = _host(cluster, "b")
    _passed_alone(second)
    assert second.locks[NEW] != lock_text(NEW)
    night(first)
    assert night(second).outcome is ev.Outcome.PROMOTED
    assert second.locks[NEW] == first.locks[NEW]


def test_a_host_that_publishes_second_waits_and_its_next_run_moves() -> None:
    """It installed before the other host published: no slot, then the published bytes."""
    cluster = founded(Ring("canary", limit=2))
    first = _host(cluster, "a")
    second = _host(cluster, "b")
    second.floats = ", with other dependencies"
    promoted: list[Result] = []
    second.on("rehearse", NEW.text, lambda _: promoted.append(night(first)))
    denied = night(second)
    assert denied.outcome is ev.Outcome.DEFERRED
    assert denied.rollout is not None
    assert all("is not the same here as on host a" in move.reason for move in denied.rollout.moves)
    assert second.people["ann"].link == OLD
    assert [result.outcome for result in promoted] == [ev.Outcome.PROMOTED]
    second.hooks.clear()
    second.advance(DAY)
    assert night(second).outcome is ev.Outcome.PROMOTED
    assert second.locks[NEW] == first.locks[NEW]


def test_other_bytes_that_somebody_needs_stay() -> None:
    """A rollback may lead to them: the host gets no slot, and moves nobody to them."""
    cluster = founded()
    first = _host(cluster, "a")
    second = _host(cluster, "b")
    _passed_alone(second)
    second.previous_good = NEW
    night(first)
    assert night(second).outcome is ev.Outcome.DEFERRED
    assert second.locks[NEW] != first.locks[NEW]
    assert {person.link for person in second.people.values()} == {OLD}


def test_a_published_lock_that_does_not_fit_moves_nobody() -> None:
    """A hostile member published it: the host says so each night, and installs nothing."""
    cluster = founded()
    world = _host(cluster, "b")
    hostile = publications.publish_lock(NEW, "a", LockFile("no lock"))
    MemoryFleet(cluster).transact(hostile)
    result = night(world)
    assert result.outcome is ev.Outcome.LATER
    assert "lock file of host a does not fit" in result.reason
    assert (NEW in world.store, world.people["ann"].link) == (False, OLD)


def test_a_published_lock_whose_text_is_gone_is_later() -> None:
    """Nothing is installed in its place."""
    cluster = founded()
    world = _host(cluster, "b")
    store = MemoryFleet(cluster)
    file = LockFile("no lock")
    store.transact(publications.publish_lock(NEW, "a", file))
    store.transact(Transaction((), (Change(lock_file_key(file.digest), None),)))
    result = night(world)
    assert result.outcome is ev.Outcome.LATER
    assert "the fleet lacks the lock file" in result.reason
    assert NEW not in world.store


def test_a_lock_that_cannot_be_shared_is_not_published() -> None:
    """The host moves, and the next one installs as it would alone."""
    cluster = founded()
    world = _host(cluster, "a")
    world.floats = UNSHARED
    assert night(world).outcome is ev.Outcome.PROMOTED
    assert _look(cluster).lock is None
    second = _host(cluster, "b")
    assert night(second).outcome is ev.Outcome.PROMOTED
