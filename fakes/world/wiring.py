"""t3safe itself over the fake world: interpreter, engine and use cases as in production."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from attrs import frozen

from fakes.world import fakeports as plain
from fakes.world import hostports
from fakes.world.core import World
from t3safe.domain import ports
from t3safe.engine import Performer
from t3safe.hooks import HookCalls
from t3safe.interpreter import Interpreter, Limits, allowed, never
from t3safe.loadguard import LoadGuard
from t3safe.person import IdleCheck
from t3safe.rules import AlwaysPermitted
from t3safe.simulation.decisions import MemoryChoices, MemoryVerdicts
from t3safe.usecases.host import Host, Rules, may_always_open, wired


def ports_of(world: World, journal: ports.Journal | None = None) -> ports.Ports:
    """Every port onto this world; `journal` replaces the world's own."""
    return ports.Ports(
        registry=plain.FakeRegistry(world),
        builds=plain.FakeBuilds(world),
        selection=plain.FakeSelection(world),
        services=hostports.FakeServices(world),
        personal_data=hostports.FakePersonalData(world),
        gate=hostports.FakeGate(world),
        pairing=hostports.FakePairing(world),
        verdicts=MemoryVerdicts(world),
        switch=plain.DurableSwitch(world),
        choices=MemoryChoices(world),
        people=plain.FakePeople(world),
        clock=plain.FakeClock(world),
        residents=plain.FakeResidents(world),
        journal=journal if journal is not None else world.journal,
        permit=AlwaysPermitted() if world.fleet is None else world.fleet(world),
    )


def interpreter(
    world: World,
    seen: ports.Ports,
    limits: Limits | None = None,
    stop: Callable[[], bool] = never,
) -> Interpreter:
    """The interpreter over these ports."""
    limits = limits or Limits()
    return Interpreter(seen, IdleCheck(seen, limits.quiet, world.advance), limits, stop)


def host(
    world: World,
    rules: Rules | None = None,
    *,
    limits: Limits | None = None,
    wrap: Callable[[Performer], Performer] = lambda performer: performer,
    journal: ports.Journal | None = None,
    observer: ports.Observer | None = None,
    stop: Callable[[], bool] = never,
) -> Host:
    """t3safe over this world, as one process would wire it.

    `wrap` puts something around the performer and `journal` replaces the world's own, both for
    faults; `observer` sees every event, for checks after each step.
    """
    seen = ports_of(world, journal)
    guard = LoadGuard(plain.FakeLoad(world), hold_ups=plain.FakeHoldUps(world))
    calls = (
        HookCalls(world.owner_hooks, guard.overloaded) if world.owner_hooks is not None else None
    )
    watching = (observer,) if observer is not None else ()
    return wired(
        seen,
        rules or Rules(),
        _Names(world),
        limits=limits,
        guard=guard,
        observers=watching if calls is None else (*watching, calls),
        stop=stop,
        pause=world.advance,
        may_open=may_always_open if calls is None else calls.may_open,
        veto=allowed if calls is None else calls.veto,
        wrap=wrap,
    )


@frozen
class _Names:
    world: World

    def __call__(self, now: datetime) -> str:  # noqa: ARG002 - the world counts instead
        self.world.runs += 1
        return f"r{self.world.runs:03d}"
