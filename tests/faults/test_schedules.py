"""Any few faults at once: whatever goes wrong wherever, every promise is kept at every step."""

from __future__ import annotations

from functools import cache

import pytest
from attrs import frozen
from hypothesis import example, given
from hypothesis import strategies as st

from fakes.world import Defect, Kind, World, drive, small_world
from fakes.world.driving import Operation
from fakes.world.faults import Schedule
from t3safe.operations import Host, Result, Rules

UNBLAMED = "nothing is held against the build"
"""A start that the host failed comes first, so the build's own defect is never seen."""
BLAMED = "nothing is wrong with it"
"""Has a test of its own in `test_single_faults`."""


@frozen
class Trouble:
    """Everything that goes wrong in one example."""

    effects: Schedule
    journal: Schedule
    substep: int = 0
    power: bool = False
    attempts: int = 1
    stop_lies: int = 0
    start_fails: int = 0
    restore_fails: int = 0


troubles = st.builds(
    Trouble,
    effects=st.dictionaries(st.integers(0, 45), st.sampled_from(Kind), max_size=5),
    journal=st.dictionaries(st.integers(0, 90), st.sampled_from(Kind), max_size=2),
    substep=st.integers(0, 70),
    power=st.booleans(),
    attempts=st.integers(1, 3),
    stop_lies=st.integers(0, 2),
    start_fails=st.integers(0, 4),
    restore_fails=st.integers(0, 3),
)


@cache
def _base(scene: str) -> World:
    if scene == "back":
        world = small_world("ann", "bob")
        assert drive(world).outcome == "promoted"
    elif scene == "healthy":
        world = small_world("ann", "bob", "cid")
    else:
        world = small_world("ann", "bob", "cid", candidate=[Defect(scene)], victims=["ann", "bob"])
    for person in world.people.values():
        person.minting = True
    return world


def _operation(scene: str) -> Operation:
    return _take_ann_back if scene == "back" else Host.run


def _take_ann_back(wired: Host) -> Result:
    return wired.go_back("ann", None, "", force=True)


@pytest.mark.parametrize("scene", ["healthy", Defect.MUTE.value, Defect.LOSES.value, "back"])
@given(trouble=troubles)
@example(Trouble({10: Kind.FAIL_AFTER, 11: Kind.FAIL_BEFORE}, {}))
@example(Trouble({12: Kind.FAIL_AFTER, 13: Kind.FAIL_BEFORE, 14: Kind.FAIL_AFTER}, {}))
def test_any_few_faults_settle_with_every_promise_kept(scene: str, trouble: Trouble) -> None:
    """I1 to I7 hold under any schedule of faults, and no run is left open."""
    world = _base(scene).clone()
    world.crash_at = world.substeps + trouble.substep if trouble.substep else 0
    ann = world.people["ann"]
    ann.stop_lies, ann.start_fails = trouble.stop_lies, trouble.start_fails
    ann.restore_fails = trouble.restore_fails

    driven = drive(
        world,
        _operation(scene),
        rules=Rules(attempts_max=trouble.attempts),
        effects=trouble.effects,
        journal=trouble.journal,
        power=trouble.power,
    )

    excused = (BLAMED, UNBLAMED) if trouble.start_fails else (BLAMED,)
    left = [text for text in driven.violations if not any(word in text for word in excused)]
    assert left == []
    assert world.journal.unfinished() is None
