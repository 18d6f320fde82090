"""What places and moments are called, and how many of them are said at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise, zip_longest

from attrs import frozen

from fakes.statechart.breaks import Moment
from fakes.statechart.charts import Spot
from fakes.statechart.explore import Exploration
from fakes.statechart.words import Place
from t3safe.domain.moves import Goal, Step
from t3safe.domain.rollout import Stage


@frozen
class Names:
    """What places are called in one lane, and in which order they come."""

    order: tuple[Place | Stage, ...]
    again: Mapping[tuple[Goal, Step], int]

    @classmethod
    def of(cls, found: Iterable[Exploration]) -> Names:
        """Read them off everything that was reached in a lane."""
        rollouts = (known.states[number] for known in found for number in known.real.numbers)
        todos = dict.fromkeys((move.goal, move.todo) for one in rollouts for move in one.moves)
        before: dict[Place, dict[Place, None]] = {}
        for goal, todo in todos:
            places = [Place.first(goal, todo[done:]) for done in range(len(todo))]
            for earlier, later in pairwise(places):
                before.setdefault(later, {})[earlier] = None
            before.update((place, {}) for place in places if place not in before)
        again: dict[tuple[Goal, Step], int] = {}
        for at in before:
            again[at.goal, at.step] = max(again.get((at.goal, at.step), 0), at.again)
        return cls((*Stage, *_in_order(before)), again)

    def name(self, at: Place | Stage) -> str:
        """Name a place, also where a move has the same step twice."""
        if not isinstance(at, Place):
            return f"{at}"
        later = at.again < self.again[at.goal, at.step]
        return f"{at.step} again" if later else f"{at.step}"

    def called(self, spot: Spot, goal: Goal | None) -> str:
        """Name a spot of a chart; a step towards another goal with that goal."""
        if not isinstance(spot, Place):
            return f"{spot}"
        return self.name(spot) if spot.goal is goal else f"{spot.goal}: {self.name(spot)}"


def _in_order(before: Mapping[Place, Iterable[Place]]) -> tuple[Place, ...]:
    """Put places behind those that come before them; as they were found where that goes round."""
    try:
        return tuple(TopologicalSorter(before).static_order())
    except CycleError:
        return tuple(before)


ByLane = Mapping[str, Collection[Moment]]


@frozen
class Moments:
    """Says moments as spans, given all that there are in each lane."""

    names: Mapping[str, Names]
    there: ByLane

    def say(self, some: ByLane) -> str:
        """Say when; lanes of the same moments together, and not at all where all are alike."""
        texts: dict[str, list[str]] = {}
        for lane, moments in some.items():
            if moments:
                text = "; ".join(self._goals(lane, set(moments)))
                texts.setdefault(text, []).append(lane)
        if len(texts) == 1:
            return next(iter(texts))
        return "<br/>".join(f"{', '.join(lanes)}: {text}" for text, lanes in texts.items())

    def _goals(self, lane: str, some: set[Moment]) -> Iterator[str]:
        names = self.names[lane]
        for goal in (None, *Goal):
            line = [at for at in names.order if _goal(at) is goal]
            slots = [Moment(at, begun) for at in line for begun in (False, True)]
            there = [slot for slot in slots if slot in self.there[lane]]
            if goal is not None and there and some.issuperset(there):
                yield f"**{goal}**, at any step"
            elif not some.isdisjoint(there):
                spans = (_span(names, there, *span) for span in _runs(there, some))
                yield (f"**{goal}**: " if goal else "") + ", ".join(spans)


def _goal(at: Place | Stage) -> Goal | None:
    return at.goal if isinstance(at, Place) else None


def _runs(slots: Sequence[Moment], some: set[Moment]) -> Iterator[tuple[Moment, Moment]]:
    first: Moment | None = None
    for slot, following in zip_longest(slots, slots[1:]):
        if slot not in some:
            continue
        first = first or slot
        if following not in some:
            yield first, slot
            first = None


def _span(names: Names, there: Collection[Moment], first: Moment, last: Moment) -> str:
    """Say a span; whether a step was begun is said only where it may also be otherwise."""
    begun = " begun" if first.begun and Moment(first.at, begun=False) in there else ""
    not_begun = " not begun" if not last.begun and Moment(last.at, begun=True) in there else ""
    if first == last:
        return f"{names.name(first.at)}{begun}{not_begun}"
    if first.at == last.at:
        return names.name(first.at)
    return f"{names.name(first.at)}{begun} to {names.name(last.at)}{not_begun}"
