"""Nights on an overloaded host: nobody is moved, no build is blamed, and it is loud if it lasts."""

from __future__ import annotations

import attrs
from attrs import frozen

from fakes.world import NEW, OLD, World, host, small_world
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.move import Status
from t3safe.domain.policy import SkipReason
from t3safe.domain.pressure import Pressure, Stall
from t3safe.engine import Performer
from t3safe.usecases.host import Host, Result, deferrals
from t3safe.usecases.rollback import go_back
from t3safe.usecases.run import drain, run
from tests.scenarios.nights import DAY, host_fails, night, running, statuses, untouched

BUSY = Pressure(cpu=Stall(99, 99), processors=2)


class NoHooks:
    """A host without hooks."""

    def call(self, hook_event: object) -> str:
        """Do nothing."""
        return ""


@frozen
class LoadedAfter:
    """Performs, and overloads the host once this person has been paired."""

    world: World
    person: str
    perform: Performer

    def __call__(self, effect: fx.Effect, /) -> ev.Answer:
        """Perform the effect."""
        answer = self.perform(effect)
        if isinstance(effect, fx.VerifyPairing) and effect.person == self.person:
            loads(self.world)
        return answer


def loads(world: World) -> None:
    """Overload the host from here on."""
    world.pressure = BUSY


def test_an_overloaded_host_is_later_and_nothing_is_begun() -> None:
    """No run is opened, nothing is installed, rehearsed or touched; calm again, it goes on."""
    world = small_world("ann", "bob")
    loads(world)
    mark = len(world.log)

    result = night(world)

    assert result.stayed is SkipReason.LATER
    assert "programs wait for a processor 99 % of the time" in result.reason
    assert untouched(world, mark)
    assert (world.journal.written, world.store, world.frozen) == ({}, {OLD}, "")
    world.pressure = Pressure()
    assert night(world).outcome is ev.Outcome.PROMOTED


def test_a_drain_is_held_up_too_and_a_way_back_is_not() -> None:
    """Whoever asks by hand is not kept from going back."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    world.rest("bob")
    loads(world)
    mark = len(world.log)

    assert night(world, drain).stayed is SkipReason.LATER
    assert untouched(world, mark)
    world.on("start", "ann", lambda at: setattr(at, "pressure", Pressure()))
    went = night(world, lambda wired: go_back(wired, "ann", OLD, "", force=True), giving_up=True)
    assert went.run
    assert running(world)["ann"] == OLD


def test_whoever_is_next_waits_once_the_host_is_overloaded() -> None:
    """The load comes between the first look at bob and the last: he stays as he is, deferred."""
    world = small_world("ann", "bob")
    before = world.people["bob"].pid

    def loaded(wired: Host) -> Result:
        engine = wired.engine
        later = attrs.evolve(engine, perform=LoadedAfter(world, "bob", engine.perform))
        return run(attrs.evolve(wired, engine=later))

    world.owner_hooks = NoHooks()
    result = night(world, loaded)

    assert statuses(result) == {"ann": Status.MOVED, "bob": Status.DEFERRED}
    assert world.people["bob"].pid == before
    (deferral,) = deferrals(host(world))
    assert "the host is overloaded" in deferral.reason
    assert host(world).ports.verdicts.refused(world.fingerprint) == ()


def test_a_gate_without_time_is_no_verdict() -> None:
    """The load comes with the rehearsals: later, and the build is not refused."""
    world = small_world("ann", "bob")
    world.on("rehearse", NEW.text, loads)
    before = dict(running(world))

    result = night(world)

    assert result.outcome is ev.Outcome.LATER
    assert running(world) == before
    assert host(world).ports.verdicts.refused(world.fingerprint) == ()
    assert world.frozen == ""


def test_a_serve_without_time_is_never_the_builds_fault() -> None:
    """The load comes as ann starts: she is taken back, and nothing is held against the build."""
    world = small_world("ann", "bob")

    def overload(at: World) -> None:
        loads(at)
        host_fails(at, "overloaded")

    world.on("start", "ann", overload)

    night(world)

    assert host(world).ports.verdicts.refused(world.fingerprint) == ()


def test_a_bake_without_time_promotes_nothing_and_blames_nobody() -> None:
    """Everybody stays on the new build; the bake is made up for on a calm night."""
    world = small_world("ann", "bob")
    world.on("watch", NEW.text, loads)

    result = night(world)

    assert result.outcome is ev.Outcome.LATER
    assert running(world) == {"ann": NEW, "bob": NEW}
    assert host(world).ports.verdicts.refused(world.fingerprint) == ()
    assert night(world).stayed is SkipReason.LATER
    world.pressure = Pressure()
    assert night(world).outcome is ev.Outcome.PROMOTED


def test_nights_that_are_all_held_up_become_loud() -> None:
    """From the third day on, and quiet again after a night on which somebody could be moved."""
    world = small_world("ann", "bob")
    loads(world)
    loud = []
    for _ in range(6):
        result = night(world)
        loud.append(any(line.startswith("HOST OVERLOADED") for line in result.warnings))
        world.advance(DAY)
    assert loud == [False, False, False, True, True, True]

    world.pressure = Pressure()
    assert night(world).warnings == ()
    assert world.held_up is None
    loads(world)
    assert night(world).warnings == ()


def test_a_night_with_nothing_to_do_ends_the_hold_up() -> None:
    """Held up once, and all is done a week later: the next hold-up begins anew."""
    world = small_world("ann")
    night(world)
    world.held_up = world.clock
    world.advance(7 * DAY)

    assert night(world).stayed is SkipReason.NOTHING

    assert world.held_up is None
