"""What stands in the chart is true and short."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from fakes.statechart.words import Said, boxes, needed, shortest, words
from t3safe.domain import effects as fx

SPACE = tuple(product("ab", "cde", "fg"))

DONE, BUSY = Said("done"), Said("busy")
BUILD, HOST, LATER = Said("failed", "build"), Said("failed", "host"), Said("failed", "later")


def holds(box: tuple[str, ...], point: tuple[str, ...]) -> bool:
    """Whether a box holds a point, read as a person reads it."""
    return all(
        not side or (value != side[4:] if side.startswith("not ") else value in side.split(" or "))
        for side, value in zip(box, point, strict=True)
    )


@given(points=st.sets(st.sampled_from(SPACE)))
def test_boxes_hold_every_point_and_no_other(points: set[tuple[str, ...]]) -> None:
    """Whoever reads the rows of a table finds what happens, and nothing that does not."""
    found = boxes(sorted(points), SPACE)
    assert {point for point in SPACE if any(holds(box, point) for box in found)} == points


def test_a_box_may_hold_what_never_comes() -> None:
    """Only points of the space have to be told apart."""
    assert boxes([("a", "c")], [("a", "c"), ("b", "d")]) == [("", "c")]


def test_a_word_alone_where_all_its_answers_lead_there() -> None:
    """Facts are named only where answers of one word lead to several places."""
    everything = [DONE, BUSY, BUILD, HOST, LATER]
    assert shortest([BUILD, HOST, LATER, BUSY], everything) == "failed or busy"
    assert shortest([BUILD], everything) == "failed (build)"
    assert shortest([HOST, LATER], everything) == "failed (not build)"
    assert shortest([DONE, BUSY, LATER], everything) == "done, busy or failed (later)"


@given(sets=st.sets(st.frozensets(st.sampled_from("abcd"), min_size=1)))
def test_each_set_holds_one_of_those_that_are_needed(sets: set[frozenset[str]]) -> None:
    """An arrow names statuses of which somebody has one, and none that could be left out."""
    some = needed(sets, "abcd")
    assert all(not one.isdisjoint(some) for one in sets)
    for left_out in some:
        rest = set(some) - {left_out}
        assert any(one.isdisjoint(rest) for one in sets)


def test_classes_are_named_in_plain_words() -> None:
    """The chart speaks of effects and answers as the log does."""
    assert words(fx.SnapshotAtRest) == "snapshot at rest"
