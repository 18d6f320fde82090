"""A night after the journal was lost: whoever is fenced is looked at, nobody is guessed about."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from fakes.world import NEW, NEWER, OLD, Crash, Defect, World, drive, host, small_world
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import NoWayBackError
from t3safe.engine import Performer
from t3safe.entrypoints.app import exit_of
from t3safe.entrypoints.exits import Exit
from t3safe.simulation.journal import MemoryJournal
from t3safe.usecases.host import Host, Result
from t3safe.usecases.recover import recover, unexplained
from t3safe.usecases.rollback import go_back
from t3safe.usecases.run import drain, run
from tests.scenarios.nights import (
    night,
    operations_since,
    publish,
    running,
    selected,
    untouched,
)

RECOVER = recover
AT_BOOT = partial(recover, boot=True)


def _lose_journal(world: World) -> None:
    """Let the journal be as it is once a broken one was set aside."""
    world.journal.become(MemoryJournal())


def _die(world: World, before: Callable[[fx.Effect], bool]) -> None:
    """Let a run's process die before such an effect, and lose the journal."""

    def dying(inner: Performer) -> Performer:
        def perform(effect: fx.Effect, /) -> ev.Answer:
            if before(effect):
                raise Crash
            return inner(effect)

        return perform

    with pytest.raises(Crash):
        run(host(world, wrap=dying))
    _lose_journal(world)


def _is(what: type[fx.Effect]) -> Callable[[fx.Effect], bool]:
    return lambda effect: isinstance(effect, what)


def _signs_in_on_the_new_build(effect: fx.Effect) -> bool:
    return isinstance(effect, fx.VerifyPairing) and effect.build == NEW


def _cut_off_before(what: type[fx.Effect]) -> World:
    """Give a host on which the process died before this effect on ann, and the journal with it."""
    world = small_world("ann", "bob")
    for person in world.people.values():
        person.minting = True
    _die(world, _is(what))
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
    result = night(world, lambda wired: go_back(wired, "ann", OLD, "", force=True))
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
    _die(world, _is(fx.Quarantine))
    before, serves, mark = selected(world), running(world), len(world.log)
    assert before["ann"] is None

    for operation in (RECOVER, run, drain):
        result = night(world, operation)
        assert result.outcome is ev.Outcome.NEEDS_HUMAN
        assert "ann is fenced" in result.reason

    with pytest.raises(NoWayBackError, match="NEEDS A HUMAN in the runbook"):
        go_back(host(world), "ann", None, "", force=True)
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
    assert recover(host(world)) is None
    assert not operations_since(world, mark) & {"select", "start", "stop", "fence", "restore"}


@pytest.mark.parametrize("whole_folder", [False, True])
@pytest.mark.parametrize("operation", [run, drain, RECOVER])
def test_whoever_was_left_on_a_build_that_pairs_nobody_is_found(
    operation: Callable[[Host], Result | None], *, whole_folder: bool
) -> None:
    """Nothing is "nothing to do": the line names them and the way back, and nobody is moved."""
    world = small_world("ann", "bob", candidate=[Defect.MUTE])
    _die(world, _signs_in_on_the_new_build)
    if whole_folder:
        world.last_good = world.previous_good = None
    before, serves, mark = selected(world), running(world), len(world.log)
    assert before == {"ann": NEW, "bob": OLD}
    assert unexplained(host(world)) == (("ann", NEW),)

    for _ in range(2):
        result = operation(host(world))
        assert result is not None
        assert result.outcome is ev.Outcome.NEEDS_HUMAN
        assert exit_of(result) is Exit.NEEDS_HUMAN
        assert "ann is on" in result.reason
        assert "`t3safe rollback ann`" in result.reason
        assert "bob" not in result.reason
    assert (selected(world), running(world)) == (before, serves)
    assert untouched(world, mark)

    back = night(world, lambda wired: go_back(wired, "ann", None, "", force=True), giving_up=True)
    assert back.outcome is ev.Outcome.MOVED
    assert running(world) == {"ann": OLD, "bob": OLD}
    assert unexplained(host(world)) == ()


def test_whoever_signs_in_on_a_build_that_no_run_explains_is_named() -> None:
    """The run goes on as ever, with a loud line about them; once moved they are explained."""
    world = small_world("ann", "bob")
    _die(world, _is(fx.Bake))
    assert selected(world) == {"ann": NEW, "bob": NEW}
    recovered = recover(host(world))
    assert recovered is not None
    assert exit_of(recovered) is Exit.OK
    assert [line.partition(";")[2] for line in recovered.warnings] == [" sign-in works there"] * 2
    publish(world, NEWER, 33)

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert any(line.startswith("UNEXPLAINED BUILD: ") for line in result.warnings)
    assert unexplained(host(world)) == ()
    assert night(world).warnings == ()


def test_where_nobody_can_sign_in_it_is_said_that_nobody_can_tell() -> None:
    """A dispatch that is down is held against no build; the next run asks again."""
    world = small_world("ann", "bob")
    _die(world, _is(fx.Bake))
    world.dispatch_up = False
    result = run(host(world))
    assert exit_of(result) is Exit.LATER
    assert "cannot tell whether sign-in works" in result.reason
    assert len(result.warnings) == 2


def test_a_frozen_host_says_so_and_asks_nobody() -> None:
    """The alert that people wait for comes first."""
    world = small_world("ann", candidate=[Defect.MUTE])
    _die(world, _signs_in_on_the_new_build)
    world.frozen = "look"
    assert exit_of(run(host(world))) is Exit.FROZEN


@pytest.mark.parametrize("busy", [True, False])
def test_with_its_journal_nobody_is_unexplained(busy: bool) -> None:
    """Deferred, moved and not promoted, taken back on purpose: a run tells of each."""
    world = small_world("ann", "bob")
    if busy:
        world.work("bob")
    night(world)
    night(world, lambda wired: go_back(wired, "ann", None, "", force=True), giving_up=True)
    assert selected(world)["ann"] == OLD
    assert unexplained(host(world)) == ()
    assert night(world, drain).warnings == ()
