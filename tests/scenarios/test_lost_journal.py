"""A night after the journal was lost: whoever is fenced is looked at, nobody is guessed about."""

from __future__ import annotations

from functools import partial

import pytest

from fakes.world import NEW, OLD, Crash, Defect, World, drive, host, small_world
from fakes.world.journal import MemoryJournal
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import NoWayBackError
from t3safe.engine import Performer
from t3safe.operations import Host
from tests.scenarios.nights import night, operations_since, running, selected

RECOVER = Host.recover
AT_BOOT = partial(Host.recover, boot=True)


def _lose_journal(world: World) -> None:
    """Let the journal be as it is once a broken one was set aside."""
    world.journal.become(MemoryJournal())


def _die(world: World, what: type[fx.Effect]) -> None:
    """Let a run's process die before such an effect, and lose the journal."""

    def dying(inner: Performer) -> Performer:
        def perform(effect: fx.Effect, /) -> ev.Answer:
            if isinstance(effect, what):
                raise Crash
            return inner(effect)

        return perform

    with pytest.raises(Crash):
        host(world, wrap=dying).run()
    _lose_journal(world)


def _cut_off_before(what: type[fx.Effect]) -> World:
    """Give a host on which the process died before this effect on ann, and the journal with it."""
    world = small_world("ann", "bob")
    for person in world.people.values():
        person.minting = True
    _die(world, what)
    return world


@pytest.mark.parametrize("what", [fx.Stop, fx.SnapshotAtRest, fx.Select])
def test_a_fence_that_no_run_tells_of_is_lifted_by_looking(what: type[fx.Effect]) -> None:
    """The build that wrote what is there signs in again, with every row; bob is not touched."""
    world = _cut_off_before(what)
    assert selected(world) == {"ann": None, "bob": OLD}
    rows, serves = world.people["ann"].rows(), running(world)

    result = night(world, RECOVER)

    assert result.outcome is ev.Outcome.MOVED
    assert selected(world) == {"ann": OLD, "bob": OLD}
    assert running(world) == {"ann": OLD, "bob": serves["bob"]}
    assert rows & ~world.people["ann"].rows() == 0
    assert night(world).outcome is ev.Outcome.PROMOTED


def test_the_next_run_lifts_the_fence_before_anything_else() -> None:
    """Nobody has to give a command; the night goes on as any."""
    world = _cut_off_before(fx.Select)
    assert night(world).outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEW, "bob": NEW}


def test_a_person_can_go_back_before_the_fence_was_lifted() -> None:
    """The snapshot tells what was left, so the command works without a run that tells."""
    world = _cut_off_before(fx.Select)
    rows = world.people["ann"].rows()
    result = night(world, lambda wired: wired.go_back("ann", OLD, "", force=True))
    assert result.outcome is ev.Outcome.MOVED
    assert running(world)["ann"] == OLD
    assert rows & ~world.people["ann"].rows() == 0


def test_at_boot_the_fence_is_lifted_and_the_serve_is_left_to_its_unit() -> None:
    """What needs a serve is done by the next command."""
    world = _cut_off_before(fx.Select)
    mark = len(world.log)
    driven = drive(world, AT_BOOT)
    assert driven.violations == ()
    assert selected(world)["ann"] == OLD
    assert "start" not in operations_since(world, mark)
    assert night(world, RECOVER).outcome is ev.Outcome.MOVED
    assert running(world)["ann"] == OLD


def test_what_no_snapshot_explains_stays_fenced_and_needs_a_person() -> None:
    """The new build migrated the set and failed: neither build is started on a guess (I1)."""
    world = small_world("ann", "bob", candidate=[Defect.MUTE])
    _die(world, fx.Quarantine)
    before, serves, mark = selected(world), running(world), len(world.log)
    assert before["ann"] is None

    for operation in (RECOVER, Host.run, Host.drain):
        result = night(world, operation)
        assert result.outcome is ev.Outcome.NEEDS_HUMAN
        assert "ann is fenced" in result.reason

    with pytest.raises(NoWayBackError, match="NEEDS A HUMAN in the runbook"):
        host(world).go_back("ann", None, "", force=True)
    assert (selected(world), running(world)) == (before, serves)
    assert not operations_since(world, mark) & {"select", "start", "restore", "fence", "stop"}


def test_a_set_that_cannot_be_read_stays_fenced() -> None:
    """Unknown is no match; the line says what could not be read."""
    world = _cut_off_before(fx.Select)
    before, mark = selected(world), len(world.log)
    world.people["ann"].unreadable = "it is garbage"
    result = night(world, RECOVER)
    assert result.outcome is ev.Outcome.NEEDS_HUMAN
    assert result.warnings == (result.reason,)
    assert selected(world) == before
    assert not operations_since(world, mark) & {"select", "start", "restore"}


def test_nobody_fenced_means_nothing_to_recover() -> None:
    """A journal that is new is no reason to touch anybody."""
    world = small_world("ann", "bob")
    night(world)
    _lose_journal(world)
    mark = len(world.log)
    assert host(world).recover() is None
    assert not operations_since(world, mark) & {"select", "start", "stop", "fence", "restore"}
