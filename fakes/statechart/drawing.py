"""Which diagrams are drawn: arrows cut into charts small enough to be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from fakes.statechart.charts import BEGIN, Arrow, Spot
from fakes.statechart.mermaid import Link, Node, Style
from fakes.statechart.naming import Names
from fakes.statechart.words import Place
from t3safe.domain import events as ev
from t3safe.domain.moves import Goal, Status
from t3safe.domain.rollout import Stage

_TOUCHING: Final = tuple(Stage)[tuple(Stage).index(Stage.MOVING) :]
"""The stages from which on somebody may have been touched."""


def stages_before(arrows: Iterable[Arrow]) -> tuple[Link, ...]:
    """Draw the stages before anybody is touched; empty where there are none."""
    ours = [arrow for arrow in arrows if arrow.source not in _TOUCHING]
    if not any(arrow.source != BEGIN for arrow in ours):
        return ()
    return tuple(_stages(arrow, {*_TOUCHING}) for arrow in ours)


def stages_after(arrows: Iterable[Arrow]) -> tuple[Link, ...]:
    """Draw the stages from the first person's move on; empty where there are none."""
    ours = [arrow for arrow in arrows if {arrow.source, arrow.target} & {*_TOUCHING}]
    sources = {arrow.source for arrow in ours}
    return tuple(_stages(arrow, sources - {*_TOUCHING}) for arrow in ours)


def _stages(arrow: Arrow, elsewhere: set[Spot]) -> Link:
    """Draw an arrow between stages; each gets ends of its own, so that no arrows cross for them."""

    def node(spot: Spot) -> Node:
        if isinstance(spot, ev.Outcome):
            return Node(f"{arrow.source} {spot}", f"{spot}", Style.END)
        if spot == BEGIN:
            return Node(BEGIN, BEGIN, Style.BEGIN)
        return Node(f"{spot}", f"{spot}", Style.ELSEWHERE if spot in elsewhere else Style.STEP)

    return Link(node(arrow.source), node(arrow.target), arrow.label)


def steps_towards(goal: Goal, arrows: Iterable[Arrow], names: Names) -> tuple[Link, ...]:
    """Draw the steps towards a goal, and whence they are come to; empty where there are none."""

    def node(spot: Spot) -> Node:
        if not isinstance(spot, Place):
            style = Style.BEGIN if spot is Status.WAITING else Style.END
            return Node(f"{spot}", f"{spot}", style)
        style = Style.STEP if spot.goal is goal else Style.ELSEWHERE
        key = f"{spot.goal} {spot.step} {spot.again}"
        return Node(key, names.called(spot, goal), style)

    found: dict[Link, None] = {}
    for arrow in arrows:
        source, target = arrow.source, arrow.target
        origin = source.goal if isinstance(source, Place) else source
        if origin is goal or (goal is Goal.FORWARD and isinstance(source, Status)):
            found[Link(node(source), node(target), arrow.label)] = None
        elif isinstance(target, Place) and target.goal is goal:
            outside = Node(f"from {origin}", f"from {origin}", Style.ELSEWHERE)
            found[Link(outside, node(target), "")] = None
    steps = any(link.source.style is Style.STEP for link in found)
    return tuple(found) if steps else ()


def grouped(
    charts: Mapping[str, tuple[Link, ...]],
) -> Iterator[tuple[tuple[str, ...], tuple[Link, ...]]]:
    """Give each chart once, with the lanes that it is true of; no chart where nothing is drawn."""
    groups: dict[frozenset[Link], list[str]] = {}
    for title, links in charts.items():
        if links:
            groups.setdefault(frozenset(links), []).append(title)
    for titles in groups.values():
        yield tuple(titles), charts[titles[0]]
