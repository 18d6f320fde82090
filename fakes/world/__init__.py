"""One fake world behind every port: deterministic, in virtual time, and nasty on purpose.

`World` is the truth, `ports_of` gives the ports onto it, `wiring.host` is t3safe over them, and
`faults` is the one seam at which faults are injected.  `fakes.invariants` judges the world and
knows nothing of the engine.
"""

from __future__ import annotations

from fakes.world.core import EPOCH, Crash, PowerCut, World
from fakes.world.faults import (
    FaultKind,
    Faulty,
    FaultyJournal,
    Schedule,
    Seam,
)
from fakes.world.model import Defect, FakeBuild, FakePerson, Snap, schema, version
from fakes.world.processes import Driven, JudgeObserver, drive
from fakes.world.scenes import NEW, NEWER, NEWEST, OLD, make_build, small_world
from fakes.world.wiring import host, ports_of
from t3safe.simulation.journal import MemoryJournal

__all__ = [
    "EPOCH",
    "NEW",
    "NEWER",
    "NEWEST",
    "OLD",
    "Crash",
    "Defect",
    "Driven",
    "FakeBuild",
    "FakePerson",
    "FaultKind",
    "Faulty",
    "FaultyJournal",
    "JudgeObserver",
    "MemoryJournal",
    "PowerCut",
    "Schedule",
    "Seam",
    "Snap",
    "World",
    "drive",
    "host",
    "make_build",
    "ports_of",
    "schema",
    "small_world",
    "version",
]
