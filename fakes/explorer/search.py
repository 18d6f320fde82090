"""All histories of a scene with at most so many faults, each judged after every step.

A state is explored once for each number of faults that may still come, the larger number first:
whoever reaches it again with no more to come is told what was found.  So every schedule is covered,
and how many there are is counted exactly, without each being played from its first step.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Hashable
from functools import partial
from time import perf_counter

import attrs
from attrs import define, field, frozen

from fakes.explorer.nights import next_night
from fakes.explorer.scenes import ExploredScene, Sort, sort_of
from fakes.explorer.states import state_of
from fakes.explorer.turns import Node, Phase, Player, pairs_of_faults, single_faults
from fakes.world.faults import Schedule
from fakes.world.model import Unsettled

Place = tuple[Hashable, int]
"""A state, and how many faults may still come."""

VIOLATIONS_MAX = 20
"""As many as are kept of one scene; one is enough to fail."""


@frozen
class Violation:
    """What was wrong, and the shortest history that was seen to lead there."""

    scene: ExploredScene
    schedule: Schedule
    text: str


@define
class Exploration:
    """What the exploration of one scene, or of many, came to.

    `schedules` are all that were covered, by their number of faults; `played` are those branches
    that were played until they met a state known already, or an end.
    """

    scenes: int = 0
    points: int = 0
    """Fault points: places of the history without a fault at which something can go wrong."""
    schedules: Counter[int] = field(factory=Counter)
    played: int = 0
    turns: int = 0
    states: int = 0
    outcomes: Counter[str] = field(factory=Counter)
    """Distinct ends, by outcome."""
    violations: list[Violation] = field(factory=list)
    seconds: float = 0.0

    def add(self, other: Exploration) -> None:
        """Take what another exploration came to."""
        self.scenes += other.scenes
        self.points += other.points
        self.schedules.update(other.schedules)
        self.played += other.played
        self.turns += other.turns
        self.states += other.states
        self.outcomes.update(other.outcomes)
        self.violations.extend(other.violations)
        self.seconds += other.seconds


@define
class Search:
    """Explores one scene with up to `faults` faults.

    With `first_only` it stops at the first violation.  Without `merge` no two states are one.
    """

    scene: ExploredScene
    faults: int
    first_only: bool = False
    merge: bool = True
    next_night: bool = False
    """Whether from every end one more night without faults is played."""
    player: Player = field(init=False)
    found: Exploration = field(factory=Exploration)
    _open: list[list[tuple[int, Node]]] = field(init=False)
    """What is to be explored, by how many faults may still come; each with its number."""
    _known: dict[Place, int] = field(factory=dict)
    _leads_to: list[list[tuple[int, int]]] = field(factory=list)
    """For each number: the numbers that it leads to, and with how many faults on the way."""
    _states: set[Hashable] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.player = Player(self.scene)
        self._open = [[] for _ in range(self.faults + 1)]

    def run(self) -> Exploration:
        """Explore everything that may come, and count it."""
        begun = perf_counter()
        self._reach(self.player.first(), self.faults)
        gc.disable()
        while not self._enough() and (left := self._nearest()) is not None:
            self._explore(*self._open[left].pop(), left)
        gc.enable()
        found = self.found
        if not self._enough():
            found.schedules = self._schedules()
        found.scenes, found.turns, found.states = 1, self.player.turns, len(self._states)
        found.seconds = perf_counter() - begun
        return found

    def _nearest(self) -> int | None:
        """Which to explore next: the fewest faults to come first, so that few moments are kept."""
        return next((left for left, nodes in enumerate(self._open) if nodes), None)

    def _enough(self) -> bool:
        return len(self.found.violations) >= (1 if self.first_only else VIOLATIONS_MAX)

    def _reach(self, node: Node, left: int) -> int:
        """Number the place; a new one is put by to be explored, unless it is an end."""
        state = self._state(node)
        known = self._known.get((state, left))
        if known is not None:
            return known
        number = self._known[state, left] = len(self._leads_to)
        self._leads_to.append([])
        self._states.add(state)
        if node.violations:
            self._violated(node)
        elif node.phase is Phase.ENDED:
            self._ended(node)
        else:
            self._open[left].append((number, node))
        return number

    def _ended(self, node: Node) -> None:
        self.found.outcomes[node.outcome or "not begun"] += 1
        if self.next_night:
            wrong = next_night(node, self.scene)
            if wrong:
                self._violated(attrs.evolve(node, violations=wrong))

    def _violated(self, node: Node) -> None:
        """Keep what was wrong, with everybody of the sort that they turned out to be."""
        answers = [person.answers for person in node.world.people.values()]
        sorts = tuple(
            sort_of(said or {}) if sort is Sort.OPEN else sort
            for said, sort in zip(answers, self.scene.sorts, strict=True)
        )
        scene = attrs.evolve(self.scene, sorts=sorts)
        self.found.violations.append(Violation(scene, node.trail, "; ".join(node.violations)))

    def _state(self, node: Node) -> Hashable:
        if not self.merge:
            return node
        state = state_of(node.world, node.judge, node.rollout)
        return state, node.phase, node.stopping, bool(node.violations)

    def _explore(self, number: int, node: Node, left: int) -> None:
        leads_to = self._leads_to[number]
        try:
            following, seen = self.player.play(node)
        except Unsettled as open_:
            for settled in _both(node, open_):
                leads_to.append((self._reach(settled, left), 0))
            return
        leads_to.append((self._reach(following, left), 0))
        if not left:
            return
        singles = tuple(single_faults(node, seen))
        if not node.trail:
            self.found.points += len(singles)
        for fault in singles:
            self._branch(node, (fault,), left, leads_to)
        if left > 1:
            for pair in pairs_of_faults(node, seen, singles):
                self._branch(node, pair, left, leads_to)

    def _branch(
        self, node: Node, faults: Schedule, left: int, leads_to: list[tuple[int, int]]
    ) -> None:
        if self._enough():
            return
        try:
            following, _ = self.player.play(node, faults)
        except Unsettled as open_:
            for settled in _both(node, open_):
                self._branch(settled, faults, left, leads_to)
            return
        self.found.played += 1
        leads_to.append((self._reach(following, left - len(faults)), len(faults)))

    def _schedules(self) -> Counter[int]:
        """Count every schedule that was covered, by its number of faults."""
        counts: list[tuple[int, ...] | None] = [None] * len(self._leads_to)
        todo = [0]
        while todo:
            number = todo[-1]
            waits = [to for to, _ in self._leads_to[number] if counts[to] is None]
            if waits:
                todo.extend(waits)
                continue
            todo.pop()
            counts[number] = self._ways(number, counts)
        return Counter(dict(enumerate(counts[0] or ())))

    def _ways(self, number: int, counts: list[tuple[int, ...] | None]) -> tuple[int, ...]:
        ways = [0] * (self.faults + 1)
        if not self._leads_to[number]:
            ways[0] = 1
        for to, used in self._leads_to[number]:
            for faults, count in enumerate((counts[to] or ())[: self.faults + 1 - used]):
                ways[faults + used] += count
        return tuple(ways)


def _both(node: Node, open_: Unsettled) -> tuple[Node, Node]:
    """The two moments that one open question makes of one."""
    settle = partial(node.settle, open_.person, open_.question)
    return settle(answer=False), settle(answer=True)
