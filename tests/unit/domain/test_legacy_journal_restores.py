"""A restore of data that the present build wrote keeps the build; only the data changes."""

from __future__ import annotations

import attrs
import pytest

from t3safe.domain import effects as fx
from t3safe.domain.errors import Fault
from t3safe.domain.move import Goal, Status
from tests.unit.domain.legacy_runs import (
    CHOSEN,
    FENCE,
    ON_OLD,
    PUT_CHOSEN,
    QUARANTINE,
    RESTORE,
    START,
    STOP,
    STOPPED,
    TO_OLD,
    Did,
    alice_after,
    failed,
    found,
    not_paired,
)
from tests.unit.domain.plans import OLD

SAME = attrs.evolve(CHOSEN, new=OLD)
PUT: tuple[Did, ...] = (*STOPPED, PUT_CHOSEN, TO_OLD, START)
PUT_BACK: tuple[Did, ...] = (
    *PUT,
    not_paired(OLD, Fault.BUILD),
    FENCE,
    STOP,
    QUARANTINE,
    RESTORE,
    TO_OLD,
    START,
)
DIED: Did = (fx.Start("alice"), None)

KEEPS_BUILD: dict[str, tuple[tuple[Did, ...], Status, Goal]] = {
    "moved": ((*PUT, ON_OLD), Status.MOVED, Goal.FORWARD),
    "kept": ((*PUT, not_paired(OLD, Fault.ENVIRONMENT)), Status.KEPT, Goal.FORWARD),
    "not paired": ((*PUT, not_paired(OLD, Fault.BUILD)), Status.NEEDS_HUMAN, Goal.FORWARD),
    "moved after a crash": ((*PUT, DIED, found(OLD), ON_OLD), Status.MOVED, Goal.FORWARD),
    "rolled back": ((*PUT_BACK, ON_OLD), Status.ROLLED_BACK, Goal.BACK),
    "rolled back after a crash": (
        (*PUT_BACK, DIED, found(OLD), ON_OLD),
        Status.ROLLED_BACK,
        Goal.BACK,
    ),
}


@pytest.mark.parametrize(("steps", "status", "goal"), KEEPS_BUILD.values(), ids=KEEPS_BUILD)
def test_a_restore_of_the_present_build_is_judged_by_its_data(
    steps: tuple[Did, ...], status: Status, goal: Goal
) -> None:
    """The same build is the new one on the chosen data, and the old one on the data before."""
    move = alice_after(*steps, part=SAME)
    assert (move.status, move.goal, move.new_build_may_have_run) == (status, goal, True)
    assert move.restored == (status is Status.ROLLED_BACK)


def test_a_restore_of_the_present_build_that_was_cancelled_put_nothing_in_place() -> None:
    """The chosen data was not restored; the person is on their own data."""
    stop = failed(fx.Stop("alice"), Fault.HOST)
    move = alice_after(FENCE, stop, TO_OLD, START, ON_OLD, part=SAME)
    assert (move.status, move.goal) == (Status.RETURNED, Goal.CANCEL)
    assert not move.new_build_may_have_run
