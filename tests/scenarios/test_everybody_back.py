"""Everybody back on purpose: one after another, and never further than asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import define

from fakes.world import NEW, OLD, Defect, FaultKind, World, drive, host, small_world
from fakes.world.faults import JournalAround, effect
from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError
from t3safe.domain.rollback import PersonOutcome
from t3safe.usecases.host import Host, Result
from t3safe.usecases.recover import settle
from t3safe.usecases.rollback import Took, look, take_back
from tests.scenarios.nights import night, publish, running, untouched


def back(took: list[Took], *, force: bool = False) -> Callable[[Host], Result | None]:
    """Give the operation that takes everybody back and notes how each fared."""

    def operation(wired: Host) -> Result | None:
        left = settle(wired)
        if left is not None:
            return left
        took[:] = take_back(wired, look(wired, None), force=force)
        return took[-1].result if took else None

    return operation


def outcomes(took: list[Took]) -> dict[str, PersonOutcome]:
    """Name everybody's outcome."""
    return {each.fared.person: each.fared.outcome for each in took}


def everybody(world: World, *, force: bool = False) -> dict[str, PersonOutcome]:
    """Take everybody back without faults; every promise must be kept."""
    took: list[Took] = []
    driven = drive(world, back(took, force=force), giving_up=True)
    assert driven.violations == ()
    assert world.journal.unfinished() is None
    return outcomes(took)


def test_everybody_goes_back_to_the_build_they_came_from_and_no_further() -> None:
    """The second call finds nobody: neither the build before that, nor the one that was left."""
    world = small_world("ann", "bob")
    night(world)
    assert everybody(world) == {"ann": PersonOutcome.BACK, "bob": PersonOutcome.BACK}
    assert running(world) == {"ann": OLD, "bob": OLD}
    mark = len(world.log)
    assert everybody(world) == {}
    assert untouched(world, mark)
    assert look(host(world), None).leaves == NEW


def test_whoever_is_at_work_is_passed_over_and_taken_the_next_time() -> None:
    """The others go; nobody is interrupted, and the same command goes on later."""
    world = small_world("ann", "bob", "cid")
    night(world)
    world.people["bob"].inputs = 1
    assert everybody(world) == {
        "ann": PersonOutcome.BACK,
        "bob": PersonOutcome.PASSED_OVER,
        "cid": PersonOutcome.BACK,
    }
    assert running(world) == {"ann": OLD, "bob": NEW, "cid": OLD}
    world.people["bob"].inputs = 0
    assert everybody(world) == {"bob": PersonOutcome.BACK}
    assert running(world)["bob"] == OLD


def test_a_failure_stops_it_before_the_next_person() -> None:
    """Whoever comes after is not reached and not touched."""
    world = small_world("ann", "bob")
    night(world)
    took: list[Took] = []
    tries = [effect(at, FaultKind.FAIL_BEFORE) for at in (2, 3, 4)]
    driven = drive(world, back(took), faults=tries, giving_up=True)
    assert driven.violations == ()
    assert outcomes(took) == {"ann": PersonOutcome.FAILED, "bob": PersonOutcome.NOT_REACHED}
    assert running(world)["bob"] == NEW


@pytest.mark.parametrize("at", range(1, 9))
def test_a_death_on_the_way_is_recovered_and_the_command_goes_on(at: int) -> None:
    """One person is in transition at most; given again it takes back whoever is left."""
    world = small_world("ann", "bob")
    night(world)
    took: list[Took] = []
    driven = drive(world, back(took), faults=[effect(at, FaultKind.CRASH_AFTER)], giving_up=True)
    assert driven.violations == ()
    everybody(world)
    assert running(world) == {"ann": OLD, "bob": OLD}


def test_without_a_run_that_moved_anybody_nothing_happens() -> None:
    """There is nothing to leave."""
    world = small_world("ann")
    mark = len(world.log)
    whole = look(host(world), None)
    assert (whole.leaves, whole.ways) == (None, ())
    assert everybody(world) == {}
    assert untouched(world, mark)


def test_a_build_that_left_the_store_is_no_way_back_and_keeps_nobody_else() -> None:
    """It is told before anybody is touched, and again at the end."""
    world = small_world("ann", "bob")
    night(world)
    world.store.discard(OLD)
    whole = look(host(world), None)
    assert [person for person, _ in whole.stuck] == ["ann", "bob"]
    assert all("is not in the store" in why for _, why in whole.stuck)
    assert everybody(world) == {"ann": PersonOutcome.STUCK, "bob": PersonOutcome.STUCK}
    assert running(world) == {"ann": NEW, "bob": NEW}


def test_a_named_build_takes_those_on_newer_ones_alone() -> None:
    """Whoever is on it stays; a way of the same schema gives up no row."""
    world = small_world("ann", "bob")
    publish(world, NEW, 30)
    world.people["bob"].inputs = 1
    night(world)
    world.people["bob"].inputs = 0
    before = world.people["ann"].rows()
    whole = look(host(world), OLD)
    assert [(way.person, way.build, way.restore) for way in whole.ways] == [("ann", OLD, False)]
    assert whole.staying == (("bob", f"on {OLD}"),)
    list(take_back(host(world), whole, force=False))
    assert running(world) == {"ann": OLD, "bob": OLD}
    assert before & ~world.people["ann"].rows() == 0


def test_a_build_that_failed_everybody_is_not_what_is_left() -> None:
    """A run that took its people back itself moved nobody."""
    world = small_world("ann", candidate=[Defect.MUTE])
    night(world)
    assert look(host(world), None).leaves is None
    assert everybody(world) == {}
    assert running(world) == {"ann": OLD}


@define
class Failing(JournalAround):
    """A journal that cannot be written from a person's run on."""

    person: str

    def append(self, run: str, event: ev.Event) -> None:
        """Write an event, unless it opens that person's run."""
        if isinstance(event, ev.Opened) and event.plan.moves[0].person == self.person:
            message = "cannot write the journal"
            raise JournalError(message)
        self.inner.append(run, event)


def test_a_journal_that_fails_ends_it_there() -> None:
    """Nothing may be done without it: it is no person's failure, and nobody else is touched."""
    world = small_world("ann", "bob", "cid")
    night(world)
    took: list[Took] = []
    wired = host(world, journal=Failing(world.journal, "bob"))
    with pytest.raises(JournalError):
        took.extend(take_back(wired, look(wired, None), force=False))
    assert running(world) == {"ann": OLD, "bob": NEW, "cid": NEW}
    assert world.journal.unfinished() is None
    assert everybody(world) == {"bob": PersonOutcome.BACK, "cid": PersonOutcome.BACK}
