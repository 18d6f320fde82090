"""Replayed hosts: the same engine and rules over the ports of the simulation."""

from __future__ import annotations

import gc
import tempfile
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import assert_never

from t3safe.adapters.registry import NpmRegistry, RegistryAddress
from t3safe.bootstrap.rules import AlwaysPermitted, limits, rules
from t3safe.configuration import Settings
from t3safe.domain.ports import Ports
from t3safe.simulation import decisions
from t3safe.simulation import ports as ports_of_replay
from t3safe.simulation.fleet import Fleet, PolicyKind, UpdaterSettings
from t3safe.simulation.history import History, told_by_registry
from t3safe.simulation.journal import MemoryJournal
from t3safe.simulation.policies import Blind, NightLogObserver, Safe, Seed, Updater
from t3safe.simulation.replay import Replay
from t3safe.simulation.scenario import ReplayScenario
from t3safe.simulation.scores import PolicyRun
from t3safe.simulation.world import SimulatedWorld
from t3safe.t3.package import REPOSITORY
from t3safe.usecases.host import wired


def simulate(scenario: ReplayScenario, name: str) -> PolicyRun:
    """Replay every night of a scenario under one of its policies."""
    # Hundreds of thousands of small values live until the end: looking for cycles among them
    # again and again finds none.
    gc.freeze()
    gc.disable()
    try:
        world = scenario.world()
        kind = scenario.fleet.policies[name].kind
        updater = replayed(name, scenario.fleet, world)
        return Replay(world, updater, kind.value, scenario.days).run()
    finally:
        gc.enable()


def simulate_all(
    scenario: ReplayScenario, names: tuple[str, ...], jobs: int
) -> tuple[PolicyRun, ...]:
    """Replay under each policy, `jobs` at a time, in the order asked.

    A small host is replayed here: it takes less time than the start of another process.
    """
    if jobs == 1 or len(names) == 1 or len(scenario.fleet.people) < _WORTH_A_PROCESS:
        return tuple(simulate(scenario, name) for name in names)
    # The longest first, so that the others fill the time beside it.
    safe_first = sorted(names, key=lambda name: _is_safe(scenario, name), reverse=True)
    with ProcessPoolExecutor(min(jobs, len(names)), get_context("spawn")) as pool:
        futures = {name: pool.submit(simulate, scenario, name) for name in safe_first}
        return tuple(futures[name].result() for name in names)


_WORTH_A_PROCESS = 50
"""People from whom on another process is worth its start (measured: 0.6 s, a policy's nights)."""


def _is_safe(scenario: ReplayScenario, name: str) -> bool:
    return scenario.fleet.policies[name].kind is PolicyKind.T3SAFE


def fetched_history(npm: str, known: History, at: datetime) -> History:
    """Ask the registry that this npm is set to for every release.  Raises RegistryError."""
    with tempfile.TemporaryDirectory(prefix="t3safe-history-") as folder:
        address = RegistryAddress(Path(folder) / "registry.json", npm)
        told = NpmRegistry(address).metadata()
    own = [item for item in told if not item.repository or REPOSITORY in item.repository]
    about = f"What the registry told of the npm package t3 on {at:%Y-%m-%d}; {known.about}"
    return told_by_registry(about, ((i.version, i.published, i.node) for i in own), known)


def replayed(name: str, fleet: Fleet, world: SimulatedWorld) -> Updater:
    """One of the fleet's updaters over a replayed host, ready for its first night."""
    settings = fleet.policies[name]
    match settings.kind:
        case PolicyKind.BLIND:
            return Blind(name, world)
        case PolicyKind.SEED:
            return Seed(name, world, settings.bind)
        case PolicyKind.T3SAFE:
            return replay(name, settings, world)
        case never:
            assert_never(never)


def replay(name: str, settings: UpdaterSettings, world: SimulatedWorld) -> Safe:
    """Wire t3safe itself over a replayed host: the same engine and rules, other ports."""
    builds, states = (
        ports_of_replay.SimulatedBuilds(world),
        ports_of_replay.SimulatedPersonalData(world),
    )
    selection, switch = (
        ports_of_replay.SimulatedSelection(world, builds),
        decisions.MemorySwitch(world),
    )
    choices, clock = decisions.MemoryChoices(world), ports_of_replay.SimulatedClock(world)
    live_settings = Settings(
        track=world.track, policy=settings.policy, gate=settings.gate, rollout=settings.rollout
    )
    ports = Ports(
        builds=builds,
        selection=selection,
        services=ports_of_replay.SimulatedServices(world),
        personal_data=states,
        gate=ports_of_replay.SimulatedGate(world, builds, states, settings.gate),
        pairing=ports_of_replay.SimulatedPairing(world),
        verdicts=decisions.MemoryVerdicts(world),
        switch=switch,
        clock=clock,
        residents=ports_of_replay.SimulatedResidents(world),
        journal=MemoryJournal(forgets=True),
        registry=ports_of_replay.SimulatedRegistry(world),
        people=ports_of_replay.SimulatedPeople(world),
        choices=choices,
        permit=AlwaysPermitted(),
    )
    host = wired(
        ports,
        rules(live_settings),
        lambda at: f"{at:%Y%m%dT%H%M%S.%fZ}",
        limits=limits(live_settings),
        observers=(NightLogObserver(lambda: safe.tonight, len(world.people)),),
    )
    safe = Safe(name, world, host, builds, selection, switch, choices)
    safe.begin()
    return safe
