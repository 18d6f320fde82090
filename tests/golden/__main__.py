"""Write the journals of the present format beside this file: `python -m tests.golden`.

Run it before the format's number is raised; what is there of an earlier format is never changed.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from fakes.world import NEW, NEWER, Defect, World, drive, small_world
from fakes.world.faults import FaultKind, WorldFault, journal
from t3safe.adapters.journal import SqliteJournal, codec
from t3safe.domain import events as ev
from t3safe.domain import gate
from t3safe.usecases.run import drain
from tests.scenarios.nights import DAY, publish, take_ann_back
from tests.unit.adapters.test_journal import ANSWERS, EFFECTS, NOW, PLAN


def _nights() -> World:
    """Two people moved and one deferred, then drained; then one of them back, with a restore."""
    world = small_world("ann", "bob", "cid")
    world.work("cid")
    drive(world)
    world.rest("cid")
    world.advance(DAY)
    drive(world, drain)
    world.advance(DAY)
    drive(world, take_ann_back, giving_up=True)
    return world


def _rolled_back() -> World:
    world = small_world("ann", "bob", candidate=[Defect.MUTE], victims=["bob"])
    drive(world)
    return world


def _refused() -> World:
    world = small_world("ann", "bob", candidate=[Defect.SHRINKS])
    drive(world)
    return world


def _baked_again() -> World:
    world = small_world("ann")
    world.on("watch", NEW.text, lambda at: setattr(at, "dispatch_up", False))
    drive(world)
    world.dispatch_up = True
    drive(world)
    publish(world, NEWER, 33)
    world.advance(DAY)
    drive(world)
    return world


def _interrupted(at: int) -> World:
    world = small_world("ann", "bob", candidate=[Defect.MUTE], victims=["ann"])
    faults: Iterable[WorldFault] = [journal(at, FaultKind.CRASH_AFTER)]
    drive(world, faults=faults)
    return world


WORLDS: dict[str, Callable[[], World]] = {
    "nights": _nights,
    "rolled-back": _rolled_back,
    "refused": _refused,
    "baked-again": _baked_again,
    "interrupted-fenced": lambda: _interrupted(17),
    "interrupted-exposed": lambda: _interrupted(25),
    "interrupted-going-back": lambda: _interrupted(35),
}


def write(world: World, path: Path) -> None:
    """Write what happened in a world as the present t3safe writes it, as SQL."""
    with tempfile.TemporaryDirectory() as folder:
        kept = SqliteJournal(Path(folder) / "journal.sqlite")
        for run, events in world.journal.written.items():
            for event in events:
                kept.append(run, event)
        for build, (verdict, fingerprint) in world.verdicts.items():
            assert isinstance(verdict, gate.Verdict), build
            kept.record(verdict, fingerprint, world.clock)
        kept.close()
        with closing(sqlite3.connect(kept.path)) as opened:
            path.write_text("\n".join(opened.iterdump()) + "\n")


def records() -> str:
    """Give one record of each kind, as the present t3safe writes it, one a line."""
    events: tuple[ev.Event, ...] = (
        ev.Opened(PLAN, NOW),
        *(ev.Started(number, effect, NOW) for number, effect in enumerate(EFFECTS, 1)),
        *(ev.Finished(number, answer, NOW) for number, answer in enumerate(ANSWERS, 1)),
        ev.Resumed(NOW),
        ev.StopAsked(NOW),
        ev.Closed(ev.Ended(ev.Outcome.LATER, "x"), NOW),
    )
    return "".join(f"{codec.encode(event)}\n" for event in events)


def main(folder: Path) -> None:
    """Write every journal, and one record of each kind, into a folder."""
    folder.mkdir(parents=True)
    (folder / "records.jsonl").write_text(records())
    for name, make in WORLDS.items():
        write(make(), folder / f"{name}.sql")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
