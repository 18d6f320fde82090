"""Histories of slots, judged by what shares no code with them; wrong slots must be found."""

from __future__ import annotations

import pytest

from tests.support.slothistory import Answer, SlotAsk, SlotCall, SlotHistory, Who, judge
from tests.support.slotusers import (
    CarelessSlots,
    LeasedSlots,
    RightSlots,
    StaleSlots,
    played,
)

A, B, C = ("a", "1"), ("b", "1"), ("c", "1")
TAKE, RELEASE, EVICT, READ = SlotAsk
Told = tuple[SlotAsk, Who, float, float, Answer]


def of(*calls: Told) -> SlotHistory:
    """Make a history."""
    history = SlotHistory()
    history.calls.extend(SlotCall(*call) for call in calls)
    return history


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("seed", range(40))
def test_slots_are_right_in_any_order(seed: int, limit: int) -> None:
    """Answers lost before, after and late; hosts evicted; four hosts at once."""
    assert judge(played(RightSlots, seed, limit), limit) == ""


@pytest.mark.parametrize("kind", [LeasedSlots, CarelessSlots, StaleSlots])
def test_each_wrong_slot_is_found(kind: type[RightSlots]) -> None:
    """A leased lock, a release without a compare, a read from a member that lags.

    Most orders show it.
    """
    found = [judge(played(kind, seed), 1) for seed in range(20)]
    assert sum(map(bool, found)) >= 10


def test_double_holder_is_named() -> None:
    """The one that came later is among what no order explains."""
    history = of((TAKE, A, 0, 1, True), (TAKE, B, 2, 3, True))
    assert judge(history, 2) == ""
    assert judge(history, 1) == ("no order explains, with at most 1 holder(s): take b/1 -> True")


RIGHT: tuple[tuple[Told, ...], ...] = (
    (),
    ((TAKE, A, 0, 1, True), (RELEASE, A, 2, 3, True), (TAKE, B, 4, 5, True)),
    ((TAKE, A, 0, 9, True), (TAKE, B, 1, 2, False), (READ, A, 3, 4, frozenset({A}))),
    ((TAKE, A, 0, 9, True), (RELEASE, A, 1, 8, True), (TAKE, B, 2, 7, True)),
    ((TAKE, A, 0, 1, True), (TAKE, A, 2, 3, True), (READ, A, 4, 5, frozenset({A}))),
    (
        (TAKE, A, 0, 1, True),
        (TAKE, ("a", "2"), 2, 3, True),
        (RELEASE, A, 4, 5, True),
        (TAKE, B, 6, 7, False),
    ),
    ((TAKE, A, 0, float("inf"), None), (READ, A, 1, 2, frozenset()), (TAKE, B, 3, 4, False)),
    ((TAKE, A, 0, float("inf"), None), (TAKE, B, 3, 4, True)),
    ((TAKE, A, 0, 1, True), (RELEASE, A, 2, float("inf"), None), (TAKE, B, 3, 4, True)),
    (
        (TAKE, A, 0, 1, True),
        (EVICT, ("a", ""), 2, 3, True),
        (TAKE, B, 4, 5, True),
        (RELEASE, A, 6, 7, True),
        (READ, A, 8, 9, frozenset({B})),
    ),
    ((READ, A, 0, float("inf"), None),),
)
WRONG: tuple[tuple[Told, ...], ...] = (
    ((TAKE, A, 0, 1, False),),
    ((TAKE, A, 0, 1, True), (READ, A, 2, 3, frozenset())),
    ((TAKE, A, 0, 1, True), (RELEASE, A, 2, 3, True), (READ, A, 4, 5, frozenset({A}))),
    ((TAKE, A, 0, 1, True), (RELEASE, ("a", "2"), 2, 3, True), (TAKE, B, 4, 5, True)),
    ((READ, A, 0, 1, frozenset({A, B})),),
    ((TAKE, A, 0, float("inf"), None), (READ, A, 1, 2, frozenset({A})), (TAKE, B, 3, 4, True)),
    (
        (TAKE, A, 0, 1, True),
        (EVICT, ("a", ""), 2, 3, True),
        (TAKE, B, 4, 5, True),
        (RELEASE, A, 6, 7, True),
        (TAKE, C, 8, 9, True),
    ),
)


@pytest.mark.parametrize("calls", RIGHT)
def test_history_that_some_order_explains_is_right(calls: tuple[Told, ...]) -> None:
    """Calls that overlap, answers that were lost, one host that takes again."""
    assert judge(of(*calls), 1) == ""


@pytest.mark.parametrize("calls", WRONG)
def test_history_that_no_order_explains_is_wrong(calls: tuple[Told, ...]) -> None:
    """One answer is enough."""
    assert judge(of(*calls), 1)
