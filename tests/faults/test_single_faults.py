"""Every kind of fault at every call, one at a time: each way ends with every promise kept.

The places are the calls of the performer, the writes of the journal, and the sub-steps inside the
operations (a death only).  A death is tried twice: as a kill, and as a power cut with a boot.
`attempts_max` is tried at 1 too, because a retry budget hides mistakes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from attrs import frozen

from fakes.world import Defect, Kind, World, drive, small_world
from fakes.world.driving import Operation
from fakes.world.faults import Schedule
from t3safe.operations import Host, Result, Rules

pytestmark = pytest.mark.xdist_group("single-faults")

DEATHS = frozenset({Kind.CRASH_BEFORE, Kind.CRASH_AFTER})
BLAMED = "nothing is wrong with it"


def _healthy() -> World:
    world = small_world("ann", "bob", "cid")
    world.work("cid")
    return _nasty(world)


def _failing() -> World:
    world = small_world("ann", "bob", "cid", candidate=[Defect.MUTE], victims=["bob"])
    world.work("cid")
    return _nasty(world)


def _going_back() -> World:
    world = small_world("ann", "bob")
    assert drive(world).outcome == "promoted"
    return _nasty(world)


def _nasty(world: World) -> World:
    """Browsers of everybody mint at every moment."""
    for person in world.people.values():
        person.minting = True
    return world


def _take_ann_back(wired: Host) -> Result:
    return wired.go_back("ann", None, "", force=False)


SCENES: dict[str, tuple[Callable[[], World], Operation]] = {
    "two moved, one busy": (_healthy, Host.run),
    "second canary fails": (_failing, Host.run),
    "back on purpose": (_going_back, _take_ann_back),
}


@frozen
class Place:
    """Where the one fault is: `crash_at` is a sub-step, 0 for none."""

    effects: Schedule
    journal: Schedule
    crash_at: int
    power: bool

    def __str__(self) -> str:
        where = {"effects": dict(self.effects), "journal": dict(self.journal)}
        return f"{where} crash_at={self.crash_at} power={self.power}"


@frozen
class Explored:
    """What came of all runs: outcomes counted, and each violation with the place of its fault."""

    runs: int
    outcomes: tuple[tuple[str, int], ...]
    violations: tuple[str, ...]


def _places(calls: int, events: int, substeps: range) -> Iterator[Place]:
    for kind in Kind:
        for power in (False, True) if kind in DEATHS else (False,):
            for index in range(calls):
                yield Place({index: kind}, {}, 0, power)
            for index in range(events):
                yield Place({}, {index: kind}, 0, power)
    for power in (False, True):
        for number in substeps:
            yield Place({}, {}, number, power)


@cache
def explore(scene: str, attempts: int) -> Explored:
    """Run a scene once without a fault to count its places, then once for each."""
    make, operation = SCENES[scene]
    rules = Rules(attempts_max=attempts)
    base = make()
    whole = base.clone()
    clean = drive(whole, operation, rules=rules)
    assert clean.violations == ()
    outcomes: Counter[str] = Counter()
    violations: list[str] = []
    substeps = range(base.substeps + 1, whole.substeps + 1)
    for place in _places(clean.calls, clean.events, substeps):
        world = base.clone()
        world.crash_at = place.crash_at
        driven = drive(
            world,
            operation,
            rules=rules,
            effects=place.effects,
            journal=place.journal,
            power=place.power,
        )
        outcomes[driven.outcome or "not begun"] += 1
        violations.extend(f"{text} [{driven.outcome}, {place}]" for text in driven.violations)
        if world.journal.unfinished() is not None:
            violations.append(f"a run is left open [{place}]")
    return Explored(outcomes.total(), tuple(sorted(outcomes.items())), tuple(violations))


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("scene", SCENES)
def test_every_single_fault_ends_with_every_promise_kept(
    scene: str, attempts: int, record_property: Callable[[str, object], None]
) -> None:
    """I1 to I7 after every event and at the end, whatever one fault happens wherever."""
    found = explore(scene, attempts)

    told = ", ".join(f"{outcome} {count}" for outcome, count in found.outcomes)
    line = f"{scene}, attempts {attempts}: {found.runs} single faults ({told})"
    record_property("single faults", line)
    sys.stdout.write(f"{line}\n")
    assert [text for text in found.violations if BLAMED not in text] == []


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("scene", SCENES)
def test_no_single_fault_of_the_host_is_held_against_the_build(scene: str, attempts: int) -> None:
    """I6: a build that nothing is wrong with is not remembered as refused."""
    assert [text for text in explore(scene, attempts).violations if BLAMED in text] == []


@pytest.mark.parametrize("scene", SCENES)
def test_with_retries_no_single_fault_needs_a_human(scene: str) -> None:
    """One fault is what the retry budget is for."""
    assert "needs-human" not in dict(explore(scene, 3).outcomes)
