"""Hosts with what earlier runs left on them, for the tests of `run` and `drain`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from fakes.world import NEW, World, make_build
from fakes.world.scenes import LEVELS
from t3safe.domain import events as ev
from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.move import Status
from t3safe.domain.policy import Window
from t3safe.domain.runs import RunRecord
from t3safe.domain.versions import Version
from tests.unit.usecases.hosts import WrittenRuns, record

DAY: Final = timedelta(days=1)
ALWAYS: Final = timedelta(0)
RESTORED: Final = "LAUNCHER RESTORED: it was replaced"
ON_NEW: Final = f"nothing to do: everyone is on {NEW} (nightly)"


def written(world: World, *records: RunRecord) -> WrittenRuns:
    """Give the world a journal with these records, the newest first."""
    world.journal = journal = WrittenRuns(records=records)
    return journal


def deferred(*people: str, new: Version = NEW, hours: float = -24) -> RunRecord:
    """Write the run that deferred these people, a day before the epoch."""
    moves = tuple((person, Status.DEFERRED) for person in people)
    return record("r1", *moves, outcome=ev.Outcome.DEFERRED, new=new, hours=hours)


def stopped(*moves: tuple[str, Status], new: Version = NEW) -> RunRecord:
    """Write a run that was interrupted after these moves."""
    return record("r1", *moves, outcome=ev.Outcome.INTERRUPTED, new=new, hours=-24)


def put_on(world: World, build: Version, *names: str) -> None:
    """Let these people run a build of the store."""
    world.store.add(build)
    for name in names:
        world.halt(name)
        world.people[name].link = build
        world.launch(name)


def publish(world: World, *builds: Version) -> None:
    """Publish builds without a defect; the tag points at the last."""
    world.publish(*(make_build(build.text, LEVELS[build]) for build in builds))


def refuse(world: World, build: Version) -> None:
    """Let this gate have refused a build."""
    world.verdicts[build] = (Verdict(build, Ruling.REFUSED, ("it loses rows",)), world.fingerprint)


def plans(world: World) -> list[ev.Plan]:
    """Return the plans that were opened, in order."""
    firsts = [events[0] for events in world.journal.written.values()]
    return [first.plan for first in firsts if isinstance(first, ev.Opened)]


def called(world: World, operation: str) -> bool:
    """Whether a port was called so."""
    return any(entry[0] == operation for entry in world.log)


def outside(world: World) -> Window:
    """Return a maintenance window that opens in an hour, by the host's local time."""
    local = world.clock.astimezone()
    hours = (local + timedelta(hours=1), local + timedelta(hours=2))
    return Window(hours[0].time(), hours[1].time())


def named(at: datetime) -> str:
    """Name a run by its time."""
    return f"{at:run-%H%M}"
