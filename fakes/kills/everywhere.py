"""Which places there are: every record of every scenario, and draws from a seed inside the steps.

Nothing here is a list by hand of what the engine does: a run that nothing strikes is traced, and
its records and changing calls are the places.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from fakes.kills.places import DISKS, KillPlace, RecordedStep

_T = TypeVar("_T")
Traces = Mapping[str, tuple[RecordedStep, ...]]
"""The steps of each scenario, by its name."""

CHANGING: Final = frozenset(
    {
        *("Fence", "Freeze", "Promote", "Prune", "Quarantine", "RecordVerdict", "Restore"),
        *("Select", "SnapshotAtRest", "SnapshotOnline", "Stage", "Start", "Stop"),
    }
)
"""Effects that leave something behind: done and not on record differs from on record."""
INSIDE: Final = {
    "Stage": 8,
    "SnapshotOnline": 2,
    "Fence": 3,
    "SnapshotAtRest": 8,
    "Select": 5,
    "Start": 1,
    "Quarantine": 4,
    "Restore": 10,
    "Promote": 3,
    "Freeze": 1,
    "Prune": 1,
}
"""How many places are drawn before a changing call of each effect, over all scenarios."""
WHILE: Final = {
    "Stage": (4, 1.2),
    "Rehearse": (3, 2.5),
    "Stop": (1, 0.1),
    "SnapshotAtRest": (2, 0.1),
    "Start": (2, 0.1),
    "Verify": (2, 0.6),
    "Quarantine": (1, 0.1),
    "Restore": (2, 0.1),
    "Bake": (1, 0.2),
}
"""How many places are drawn at any moment of each effect, and its length in seconds."""
SOME: Final = {"drain": 4, "second": 16}
"""How many records are struck of scenarios that are much like another one."""
TWICE: Final = 8
"""How many recoveries are killed too."""
FULL_INSIDE: Final = 2
"""How many places are drawn inside the steps for each disk."""
WRITES_TO: Final = {
    "store": ("Stage", "Fence", "Select", "Promote"),
    "state": ("Stage", "Rehearse", "RecordVerdict", "Fence", "Stop", "Select", "Verify", "Promote"),
    "backups": ("SnapshotOnline", "SnapshotAtRest", "Quarantine", "Prune"),
    "home": ("SnapshotAtRest", "Start", "Restore"),
    "all": (
        *("Stage", "SnapshotOnline", "Rehearse", "Fence", "SnapshotAtRest", "Select", "Start"),
        *("Quarantine", "Restore", "RecordVerdict", "Freeze", "Promote"),
    ),
}
"""The effects that begin with each disk full."""


def everywhere(traces: Traces, seed: int, *, disks: bool) -> Iterator[KillPlace]:
    """Name all places; `disks` says whether disks can be filled here."""
    chance = random.Random(seed)
    texts = [
        *_records(traces, chance),
        *_calls(traces, chance),
        *_moments(traces, chance),
        *_twice(traces, chance),
        *_asked(traces, chance),
        *_speechless(traces),
        *(_full(traces, chance) if disks else ()),
    ]
    yield from map(KillPlace.parse, dict.fromkeys(texts))


def effect_of(label: str) -> str:
    """Name the effect that a record is about, empty where it is about none."""
    parts = label.partition("~")[0].split(".")
    return parts[1] if parts[0] in {"Started", "Finished"} else ""


def _records(traces: Traces, chance: random.Random) -> Iterator[str]:
    """Kill after every record, and before those that tell of something done.

    What a scenario does as the good run does is struck after the records alone, and a drain is a
    run for fewer people, of which some records do.  So do some of the way back from V2.
    """
    for name, steps in traces.items():
        struck = _drawn(chance, steps[1:], SOME[name]) if name in SOME else steps[1:]
        for step in struck:
            if _done(step.label) and _own(name, step.label):
                yield f"{name}:kill:before:{step.label}"
            yield f"{name}:kill:after:{step.label}"


def _done(label: str) -> bool:
    return label.startswith("Finished") and effect_of(label) in CHANGING


def _own(name: str, label: str) -> bool:
    """Whether a scenario does this otherwise than the good run does it for the first person."""
    if name == "good":
        return not label.endswith(".ben")
    return name == "back" or label.endswith((".ben", ".ben~2", ".Freeze", ".RecordVerdict~2"))


def _begun(traces: Traces, fits: Callable[[str], bool]) -> list[tuple[str, RecordedStep]]:
    return [
        (name, step)
        for name, steps in traces.items()
        for step in steps
        if step.label.startswith("Started") and fits(effect_of(step.label))
    ]


def _inside(begun: list[tuple[str, RecordedStep]]) -> list[str]:
    """Name every changing call of these steps."""
    return [
        f"{name}|{who}:{step.label}:{number}"
        for name, step in begun
        for who, calls in (("cli", step.cli), ("worker", step.worker))
        for number in range(1, len(calls) + 1)
    ]


def _placed(spot: str, fault: str) -> str:
    name, _, rest = spot.partition("|")
    return f"{name}:{fault}:{rest}"


def _drawn(chance: random.Random, some: Sequence[_T], count: int) -> list[_T]:
    return chance.sample(some, min(count, len(some)))


def _kill(chance: random.Random) -> str:
    return chance.choice(("kill", "kill-alone"))


def _calls(traces: Traces, chance: random.Random) -> Iterator[str]:
    for effect, count in INSIDE.items():
        spots = _inside(_begun(traces, effect.__eq__))
        for spot in _drawn(chance, spots, count):
            yield _placed(spot, _kill(chance))


def _moments(traces: Traces, chance: random.Random) -> Iterator[str]:
    for effect, (count, length) in WHILE.items():
        begun = _begun(traces, effect.__eq__)
        for name, step in chance.choices(begun, k=count) if begun else ():
            yield f"{name}:{_kill(chance)}:delay:{step.label}:{chance.uniform(0, length):.3f}"


def _twice(traces: Traces, chance: random.Random) -> Iterator[str]:
    """Kill in the middle of a move, and then the recovery from that."""
    canary = {"canary": traces["canary"]}
    begun = _begun(canary, {"Fence", "Start", "Restore", "Select"}.__contains__)
    for name, step in chance.choices(begun, k=TWICE) if begun else ():
        person = step.label.partition("~")[0].rpartition(".")[2]
        then = chance.choice(
            (
                "after:Resumed",
                f"after:Started.Inspect.{person}",
                f"before:Finished.Inspect.{person}",
                f"after:Finished.Inspect.{person}",
                "before:Closed",
            )
        )
        yield f"{name}:kill:after:{step.label}+kill:{then}"
    # Whoever was moved before the crash is looked at once more, which can be cut off too.
    for then in ("after:Started.Revisit", "before:Finished.Revisit", "after:Finished.Revisit"):
        yield f"good:kill:after:Started.Stop.ben+kill:{then}"


def _asked(traces: Traces, chance: random.Random) -> Iterator[str]:
    """Ask to end at the begin of each effect, and in the middle of some."""
    for name in ("good", "canary"):
        for step in traces[name]:
            back = step.label.endswith((".ben~2", "Quarantine.ben", "Restore.ben", ".Freeze"))
            asked = _own("good", step.label) if name == "good" else back
            if step.label.startswith("Started") and asked:
                yield f"{name}:term:after:{step.label}"
    spots = _inside(_begun(traces, {"SnapshotAtRest", "Restore", "Quarantine"}.__contains__))
    for spot in _drawn(chance, spots, 4):
        yield _placed(spot, "term-all")
    for effect, length in (("Stage", 0.6), ("Rehearse", 2.5), ("Bake", 0.2)):
        delay = chance.uniform(0, length)
        yield f"good:term-all:delay:Started.{effect}:{delay:.3f}"


def _speechless(traces: Traces) -> Iterator[str]:
    """Let the journal fail in the middle of a move, there and back."""
    canary = {"canary": traces["canary"]}
    for _, step in _begun(canary, {"Stop", "Select", "Start", "Restore"}.__contains__):
        if step.label.endswith((".ben", ".ben~2")):
            yield f"canary:journal:after:{step.label}"


def _full(traces: Traces, chance: random.Random) -> Iterator[str]:
    for disk in DISKS:
        begun = _begun(
            {name: traces[name] for name in ("good", "canary")}, WRITES_TO[disk].__contains__
        )
        for name, step in begun:
            # What the two have in common is struck once, and so is what is done for each person.
            first = name == "canary" and not step.label.endswith((".ann", ".ann~2"))
            if first or effect_of(step.label) == "Promote":
                yield f"{name}:full-{disk}:after:{step.label}"
        spots = _inside(begun)
        for spot in _drawn(chance, spots, FULL_INSIDE):
            yield _placed(spot, f"full-{disk}")
    yield "good:full-state:cli:start:5"
    yield "good:full-state:before:Closed"
