"""t3safe itself over the fake world: interpreter, engine and operations as in production."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from attrs import frozen

from fakes.world import hostviews
from fakes.world import views as plain
from fakes.world.core import World
from t3safe.domain import ports
from t3safe.engine import Engine, Interpreter, Limits, Performer, never
from t3safe.loadguard import LoadGuard
from t3safe.operations import Host, Rules


@frozen
class Views:
    """Every port, as a view onto one world; `journal` stands for itself."""

    registry: plain.Registry
    builds: plain.Builds
    selection: plain.Selection
    services: hostviews.Services
    states: hostviews.StateSets
    gate: hostviews.Gate
    pairing: hostviews.Pairing
    verdicts: plain.Verdicts
    switch: plain.Switch
    choices: plain.Choices
    people: plain.People
    clock: plain.Clock
    load: plain.Load
    hold_ups: plain.HoldUps
    residents: plain.Residents
    journal: ports.Journal


def views(world: World) -> Views:
    """Every port onto this world."""
    return Views(
        registry=plain.Registry(world),
        builds=plain.Builds(world),
        selection=plain.Selection(world),
        services=hostviews.Services(world),
        states=hostviews.StateSets(world),
        gate=hostviews.Gate(world),
        pairing=hostviews.Pairing(world),
        verdicts=plain.Verdicts(world),
        switch=plain.Switch(world),
        choices=plain.Choices(world),
        people=plain.People(world),
        clock=plain.Clock(world),
        load=plain.Load(world),
        hold_ups=plain.HoldUps(world),
        residents=plain.Residents(world),
        journal=world.journal,
    )


def interpreter(
    seen: Views, limits: Limits | None = None, stop: Callable[[], bool] = never
) -> Interpreter:
    """The interpreter over these ports."""
    return Interpreter(
        builds=seen.builds,
        selection=seen.selection,
        services=seen.services,
        states=seen.states,
        gate=seen.gate,
        pairing=seen.pairing,
        verdicts=seen.verdicts,
        switch=seen.switch,
        clock=seen.clock,
        residents=seen.residents,
        journal=seen.journal,
        limits=limits or Limits(),
        stop=stop,
        pause=seen.clock.world.advance,
    )


def host(
    world: World,
    rules: Rules | None = None,
    *,
    limits: Limits | None = None,
    wrap: Callable[[Performer], Performer] | None = None,
    journal: ports.Journal | None = None,
    observer: ports.Observer | None = None,
    stop: Callable[[], bool] = never,
) -> Host:
    """t3safe over this world, as one process would wire it.

    `wrap` puts something around the performer and `journal` replaces the world's own, both for
    faults; `observer` is told of every event, for checks after each step.
    """
    seen = views(world)
    performer = interpreter(seen, limits, stop)
    engine = Engine(
        perform=wrap(performer) if wrap is not None else performer,
        journal=journal if journal is not None else world.journal,
        clock=seen.clock,
        observer=observer if observer is not None else plain.Observer(),
        stop=stop,
    )
    return Host(
        engine=engine,
        perform=performer,
        registry=seen.registry,
        people=seen.people,
        choices=seen.choices,
        permit=plain.Permit(world),
        rules=rules if rules is not None else Rules(),
        name_run=_Names(world),
        guard=LoadGuard(seen.load, hold_ups=seen.hold_ups),
    )


@frozen
class _Names:
    world: World

    def __call__(self, now: datetime) -> str:  # noqa: ARG002 - the world counts instead
        self.world.runs += 1
        return f"r{self.world.runs:03d}"
