"""One fake world behind every port: deterministic, in virtual time, and nasty on purpose.

`World` is the truth, `views` are the ports onto it, `wiring.host` is t3safe over them, `faults` is
the one seam at which faults are injected.  `fakes.invariants` judges the world and knows nothing
of the engine.
"""

from __future__ import annotations

from fakes.world.core import EPOCH, Crash, PowerCut, World
from fakes.world.faults import Fault, Faulty, FaultyJournal, Kind, Place, Schedule, Seam
from fakes.world.model import Defect, FakeBuild, FakePerson, Snap, schema, version
from fakes.world.processes import Driven, Watch, drive
from fakes.world.scenes import NEW, NEWER, NEWEST, OLD, make_build, small_world
from fakes.world.wiring import host, views
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
    "Fault",
    "Faulty",
    "FaultyJournal",
    "Kind",
    "MemoryJournal",
    "Place",
    "PowerCut",
    "Schedule",
    "Seam",
    "Snap",
    "Watch",
    "World",
    "drive",
    "host",
    "make_build",
    "schema",
    "small_world",
    "version",
    "views",
]
