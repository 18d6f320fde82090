"""What is explored: the whole, and the shorter bound that every change must pass."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from attrs import frozen

from fakes.explorer.scenes import ExploredScene, SceneCommand, Sort
from fakes.explorer.search import Exploration, Search


@frozen
class ExplorerTask:
    """A scene, the number of faults it is explored with, and whether the night after is played."""

    scene: ExploredScene
    faults: int
    next_night: bool = False

    def __str__(self) -> str:
        night = ", and the night after" if self.next_night else ""
        return f"{self.scene}, up to {self.faults} faults{night}"


def explore(task: ExplorerTask) -> Exploration:
    """Explore one scene."""
    return Search(task.scene, task.faults, next_night=task.next_night).run()


class Exhaustiveness(StrEnum):
    """How much is explored."""

    WHOLE = "whole"
    SHORT = "short"


def tasks(bound: Exhaustiveness) -> list[ExplorerTask]:
    """What a bound is made of, the longest first.

    Everybody is of the open sort where every mix is meant.
    """
    match bound:
        case Exhaustiveness.WHOLE:
            return [*_mixes((2, 2, 2, 2)), *_budgets(2), *_beside(2)]
        case Exhaustiveness.SHORT:
            return [*_mixes((2, 1, 1, 1)), *_budgets(1), *_beside(1)]


def _mixes(faults: tuple[int, ...]) -> Iterator[ExplorerTask]:
    """Runs of one to four people over every mix, without a second try of anything."""
    for people, most in reversed(tuple(enumerate(faults, 1))):
        yield ExplorerTask(ExploredScene(_open(people)), most)


def _budgets(most: int) -> Iterator[ExplorerTask]:
    """A retry budget hides mistakes, and can make some: the same with two tries, and with three."""
    yield ExplorerTask(ExploredScene(_open(1), attempts=2), most)
    yield ExplorerTask(ExploredScene(_open(1), attempts=3), most)
    yield ExplorerTask(ExploredScene(_open(2), attempts=3), 1, next_night=True)


def _beside(most: int) -> Iterator[ExplorerTask]:
    """Everything else that t3safe does to people, and the other policy."""
    yield ExplorerTask(ExploredScene(_open(2)), 1, next_night=True)
    yield ExplorerTask(ExploredScene(_open(1), refuse=True), most)
    yield ExplorerTask(ExploredScene(_open(2), refuse=True), 1)
    yield ExplorerTask(ExploredScene(_open(1), SceneCommand.DRAIN), most)
    yield ExplorerTask(ExploredScene(_open(2), SceneCommand.DRAIN), 1, next_night=True)
    yield ExplorerTask(ExploredScene((Sort.LOSES,)), most)
    yield ExplorerTask(ExploredScene((Sort.IDLE, Sort.LOSES)), most)
    yield ExplorerTask(ExploredScene((Sort.HELD, Sort.IDLE)), 1)
    yield ExplorerTask(ExploredScene((Sort.JOB, Sort.IDLE)), 1)
    yield ExplorerTask(ExploredScene((Sort.AHEAD, Sort.IDLE), refuse=True), 1)
    yield ExplorerTask(ExploredScene((Sort.OPEN, Sort.OUTSIDE)), 1, next_night=True)
    yield ExplorerTask(ExploredScene(_open(1), second=True), most)
    yield ExplorerTask(ExploredScene(_open(2), second=True), 1, next_night=True)
    yield ExplorerTask(ExploredScene((Sort.STALE, Sort.IDLE), second=True), 1)
    for attempts in (1, 2):
        yield ExplorerTask(ExploredScene(_idle(2), SceneCommand.BACK, attempts), 2)
        yield ExplorerTask(ExploredScene(_idle(2), SceneCommand.BAKE, attempts), 2)


def _open(people: int) -> tuple[Sort, ...]:
    return (Sort.OPEN,) * people


def _idle(people: int) -> tuple[Sort, ...]:
    return (Sort.IDLE,) * people
