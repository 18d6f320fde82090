"""What the transitions come to: the stages of a rollout, and the ways of one person's move.

The charts show what happens without interruption; what a crash does is in `breaks.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs
from attrs import define, field, frozen

from fakes.statechart.explore import Part
from fakes.statechart.words import Place, Said, needed, place_of, said, shortest, words
from t3safe.domain import events as ev
from t3safe.domain.moves import Move, Status
from t3safe.domain.rollout import Rollout, Stage

Spot = Place | Status | Stage | ev.Outcome | str
"""What an arrow leaves or meets; a text is a verdict, or where everything begins."""

BEGIN: Final = "begin"


@define(eq=False)
class Arrows:
    """Arrows between spots in the order of their discovery, with all that makes one go there."""

    said: dict[tuple[Spot, Spot], dict[Said, None]] = field(factory=dict)

    def add(self, source: Spot, target: Spot, label: Said | None = None) -> None:
        """Add an arrow, or one more reason for it."""
        reasons = self.said.setdefault((source, target), {})
        if label is not None:
            reasons[label] = None

    def drawn(self) -> tuple[Arrow, ...]:
        """Give each arrow once, with the shortest label that tells it from the others."""
        everything: dict[Spot, list[Said]] = {}
        for (source, _), reasons in self.said.items():
            everything.setdefault(source, []).extend(reasons)
        return tuple(
            Arrow(source, target, shortest(reasons, everything[source]) if reasons else "")
            for (source, target), reasons in self.said.items()
        )


@frozen
class Arrow:
    """One arrow of a chart."""

    source: Spot
    target: Spot
    label: str


def move_arrows(parts: Iterable[Part]) -> tuple[Arrow, ...]:
    """Give the arrows of one person's move: between its steps, and to how it settles."""
    arrows = Arrows()
    for part in parts:
        first = part.whole.states[0]
        forced = Said("forced") if first.plan.force else None
        for move in first.moves:
            if move.status is Status.MOVING:
                arrows.add(Status.WAITING, place_of(move), forced)
        for before, event, after in part.steps():
            if isinstance(event, ev.Finished):
                for source, target in _moved(before, after):
                    arrows.add(source, target, _reason(before, event.answer, source, target))
    return arrows.drawn()


def _moved(before: Rollout, after: Rollout) -> Iterator[tuple[Place | Status, Place | Status]]:
    for old, new in zip(before.moves, after.moves, strict=True):
        if old is not new:
            source, target = place_of(old), place_of(new)
            if source != target:
                yield source, target


def _reason(before: Rollout, answer: ev.Answer, source: Spot, target: Spot) -> Said | None:
    if isinstance(source, Place):
        return said(answer, before)
    if source is Status.WAITING and isinstance(target, Place):
        return None
    assert before.pending is not None, "an answer has its effect"
    told, effect = said(answer, before), words(type(before.pending))
    return told if told.word.startswith(effect) else Said(f"{effect}: {told.word}", told.fact)


def stage_arrows(parts: Iterable[Part]) -> tuple[Arrow, ...]:
    """Give the arrows of a rollout: between its stages, and to how it ends.

    Out of the stage of moving they name the statuses of which somebody has one.
    """
    arrows = Arrows()
    leaving: dict[Spot, set[frozenset[str]]] = {}
    for part in parts:
        arrows.add(BEGIN, _stage(part.whole.states[0]))
        for before, event, after in part.steps():
            source, target = _stage(before), _stage(after)
            if not isinstance(event, ev.Finished) or source == target:
                continue
            if source is Stage.MOVING:
                leaving.setdefault(target, set()).add(statuses(after.moves))
                arrows.add(source, target)
            elif not isinstance(source, ev.Outcome):
                arrows.add(source, target, said(event.answer, before))
    return tuple(
        attrs.evolve(one, label=_statuses_needed(leaving[one.target]))
        if one.source is Stage.MOVING
        else one
        for one in arrows.drawn()
    )


def _statuses_needed(sets: Iterable[frozenset[str]]) -> str:
    """Name the fewest statuses of which somebody has one; and another beside, where need be."""
    sets = set(sets)
    first = needed(sets, tuple(Status))
    others = needed({some.difference(first) for some in sets}, tuple(Status))
    return f"{', '.join(first)} beside {', '.join(others)}" if others else ", ".join(first)


def _stage(rollout: Rollout) -> Spot:
    """Tell where a rollout stands; while it closes, how it ends."""
    if rollout.stage is Stage.CLOSING and rollout.ending is not None:
        return rollout.ending.outcome
    if rollout.stage is Stage.VERDICT and rollout.verdict is not None:
        return f"{rollout.stage}: {rollout.verdict.ruling}"
    return rollout.stage


def statuses(moves: Iterable[Move]) -> frozenset[str]:
    """Give the statuses that people have."""
    return frozenset(move.status for move in moves)
