"""Small hosts for tests of the simulation, and one way to replay them."""

from __future__ import annotations

from datetime import date, time
from functools import cache

import attrs

from t3safe.configuration import GateSettings
from t3safe.simulation import files
from t3safe.simulation.fleet import (
    Bind,
    Fleet,
    OperatorSettings,
    PersonSettings,
    PolicyKind,
    SimulatedDispatch,
    UpdaterSettings,
)
from t3safe.simulation.history import History
from t3safe.simulation.replay import simulate
from t3safe.simulation.scenario import ReplayScenario
from t3safe.simulation.scores import Night, PolicyRun
from t3safe.t3.sign_in import BOOTSTRAP, BROWSER_SESSION

BOTH = (BOOTSTRAP, BROWSER_SESSION)
ANN = PersonSettings("ann")
BEN = PersonSettings("ben", opens=time(10))
WIZARD = PersonSettings("wizard", opens=time(11))
BUSY = PersonSettings("zoe", opens=time(0), closes=time(0), busy=0.95, weekends=True)


def fleet(*people: PersonSettings, **changes: object) -> Fleet:
    """A calm host on which nothing befalls anybody, and whose dispatch knows both paths."""
    calm = Fleet(people or (ANN, BEN, WIZARD), dispatch=SimulatedDispatch(paths=BOTH))
    return attrs.evolve(calm, **changes)  # type: ignore[arg-type]


def between(first: str, last: str) -> dict[str, date]:
    """The bounds of a fleet's nights."""
    return {"since": date.fromisoformat(first), "until": date.fromisoformat(last)}


def until(version: str) -> History:
    """The package's own history up to a release."""
    known = files.history()
    last = next(found for found in known.releases if found.version.text == version)
    kept = tuple(found for found in known.releases if found.available <= last.available)
    return attrs.evolve(known, releases=kept)


def replayed(
    host: Fleet, policy: str, *, drill: bool = False, history: History | None = None
) -> PolicyRun:
    """Replay one policy on a host, on the package's own history where none is given."""
    made = ReplayScenario.of(host, history or files.history(), files.incidents(), drill=drill)
    return simulate(made, policy)


def night(run: PolicyRun, day: str) -> Night:
    """One night of a run."""
    return next(found for found in run.nights if found.day == day)


@cache
def default_run(policy: str, seed: int = 1) -> PolicyRun:
    """The package's own fleet under one policy."""
    return replayed(attrs.evolve(files.fleet(), seed=seed), policy)


NOBODY_COMES = OperatorSettings(comes=False)
HASTY = UpdaterSettings(PolicyKind.T3SAFE, gate=GateSettings(soak=0.0))
"""t3safe with a gate that does not soak: it lets a dying build through."""
REMOTE = {
    "blind": UpdaterSettings(PolicyKind.BLIND),
    "seed": UpdaterSettings(PolicyKind.SEED, bind=Bind.REMOTE),
    "t3safe": UpdaterSettings(PolicyKind.T3SAFE),
}
