"""Every state that a plan can come to, breadth first, by calling `decide` and `evolve` alone.

Rules:

1. In every state: what is decided is started, every answer of its sort is given to it, the process
   dies, somebody asks to stop, the run is closed.
2. Two rollouts are one state when they differ only in what nothing is decided by: the number of
   the effect, the wording of names and reasons (people's names and an empty text count), and what
   led to the verdict of the gate once that is there.
3. The core is total: `decide` and `evolve` raise nothing on the way, and `evolve` refuses every
   answer that is none to the effect.  Where that fails the exploration says so, with the events
   that lead there.
4. Without interruption no state comes again, so every run ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Final

import attrs
from attrs import define, field, frozen

from fakes.playbook import NOW, told
from fakes.statechart.trials import ONE_OF_EACH, Trial, answers_to
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.moves import InvalidEvent
from t3safe.domain.rollout import Rollout, decide, evolve, opened
from t3safe.domain.versions import Version


@frozen
class Core:
    """The two functions that are explored; a test may give wrong ones."""

    decide: Callable[[Rollout], fx.Effect | ev.Ended] = decide
    evolve: Callable[[Rollout, ev.Event], Rollout] = evolve


CORE: Final = Core()
STATES_MAX: Final = 100_000
"""Ten times what the largest plan here comes to: more means that something counts up for ever."""


class NotTotal(AssertionError):  # noqa: N818 - it is a finding about the core
    """Raised when the core has no answer where it owes one; the message tells how to get there."""


@frozen
class Way:
    """One transition: what happens in a state, and the state that follows, both by number."""

    source: int
    event: ev.Event
    target: int


@define(eq=False)
class Exploration:
    """All that was reached from one plan; states are numbered in the order of their discovery.

    `twins` holds for a state the last other rollout that was taken for it (rule 2).
    """

    trial: Trial
    states: list[Rollout] = field(factory=list)
    ways: list[list[Way]] = field(factory=list)
    twins: dict[int, Rollout] = field(factory=dict)

    @property
    def transitions(self) -> int:
        """How many transitions were taken."""
        return sum(map(len, self.ways))

    def part(self, allowed: Callable[[Way], bool]) -> Part:
        """Give what is reached when only these transitions happen."""
        found, queue, ways = {0}, [0], []
        for number in queue:
            for way in filter(allowed, self.ways[number]):
                ways.append(way)
                if way.target not in found:
                    found.add(way.target)
                    queue.append(way.target)
        return Part(self, tuple(queue), tuple(ways))

    @cached_property
    def smooth(self) -> Part:
        """What is reached without interruption."""
        return self.part(lambda way: not isinstance(way.event, ev.Resumed | ev.StopAsked))

    @cached_property
    def real(self) -> Part:
        """What the engine can reach: it looks for a wish to stop between two effects only."""
        return self.part(
            lambda way: (
                not isinstance(way.event, ev.StopAsked) or self.states[way.source].pending is None
            )
        )

    def longest(self) -> tuple[int, int]:
        """Give the most effects of a run without interruption, and after the last interruption.

        Raises NotTotal where a run need not end (rule 4).
        """
        going = [
            [way for way in ways if not isinstance(way.event, ev.Resumed | ev.StopAsked)]
            for ways in self.ways
        ]
        ahead = {number: [way.target for way in ways] for number, ways in enumerate(going)}
        most: dict[int, int] = {}
        try:
            for number in TopologicalSorter(ahead).static_order():
                costs = (
                    most[way.target] + isinstance(way.event, ev.Started) for way in going[number]
                )
                most[number] = max(costs, default=0)
        except CycleError as error:
            _, circle = error.args
            raise NotTotal(f"a run need not end:\n{self.story(circle[0])}") from error
        return most[0], max(most.values())

    @cached_property
    def _ways_in(self) -> dict[int, Way]:
        before: dict[int, Way] = {}
        for ways in self.ways:
            for way in ways:
                before.setdefault(way.target, way)
        return before

    def events_to(self, number: int) -> tuple[ev.Event, ...]:
        """Give the events of the shortest way to a state, but for the one that opens the run."""
        events: list[ev.Event] = []
        while number:
            way = self._ways_in[number]
            events.append(way.event)
            number = way.source
        return tuple(reversed(events))

    def story(self, number: int) -> str:
        """Tell the shortest way to a state, a line each, the plan first."""
        return "\n".join([str(self.trial.plan), *map(told, self.events_to(number))])


@frozen
class Part:
    """A part of an exploration: the numbers of its states, and its transitions."""

    whole: Exploration
    numbers: tuple[int, ...]
    ways: tuple[Way, ...]

    def steps(self) -> Iterator[tuple[Rollout, ev.Event, Rollout]]:
        """Give each transition with the states before and after."""
        states = self.whole.states
        for way in self.ways:
            yield states[way.source], way.event, states[way.target]


def explore(trial: Trial, core: Core = CORE) -> Exploration:
    """Explore a plan to the end.  Raises NotTotal (rule 3)."""
    known = Exploration(trial)
    likeness = Likeness(trial.plan)
    numbers: dict[object, int] = {}

    def number_of(rollout: Rollout) -> int:
        number = numbers.setdefault(likeness.of(rollout), len(known.states))
        if number == len(known.states):
            known.states.append(rollout)
        else:
            known.twins[number] = rollout
        return number

    number_of(opened(trial.plan))
    refused: set[object] = set()
    for here, rollout in enumerate(known.states):
        known.ways.append([])
        last: ev.Event | None = None
        try:
            for event in events_in(rollout, core, interrupted=trial.interrupted):
                last = event
                known.ways[here].append(Way(here, event, number_of(core.evolve(rollout, event))))
            last = None
            _refuse_others(rollout, core, refused)
        except Exception as error:
            story = [known.story(here), *([told(last)] if last is not None else [])]
            message = "\n".join([f"{type(error).__name__}: {error}", *story])
            raise NotTotal(message) from error
        if here > STATES_MAX:
            raise NotTotal(f"no end of new states:\n{known.story(here)}")
    return known


def events_in(
    rollout: Rollout, core: Core = CORE, *, interrupted: bool = True
) -> Iterator[ev.Event]:
    """Give everything that may happen to a rollout next (rule 1)."""
    if rollout.closed:
        return
    if rollout.pending is not None:
        for answer in answers_to(rollout.pending):
            yield ev.Finished(rollout.seq, answer, NOW)
    else:
        yield _goes_on(rollout, core)
    if interrupted:
        yield ev.Resumed(NOW)
        yield ev.StopAsked(NOW)


def _goes_on(rollout: Rollout, core: Core) -> ev.Event:
    decided = core.decide(rollout)
    if isinstance(decided, ev.Ended):
        return ev.Closed(decided, NOW)
    return ev.Started(rollout.seq + 1, decided, NOW)


def _refuse_others(rollout: Rollout, core: Core, done: set[object]) -> None:
    """See that no other answer is taken (rule 3), once for each place and effect."""
    if rollout.pending is None:
        return
    move = rollout.current
    place = (move.goal, move.todo[:1]) if move is not None else ()
    context = rollout.stage, place, type(rollout.pending)
    if context in done:
        return
    done.add(context)
    right = {type(answer) for answer in answers_to(rollout.pending)}
    for answer in ONE_OF_EACH:
        if type(answer) not in right and _taken(rollout, core, answer):
            message = f"{type(answer).__name__} is taken for an answer to {rollout.pending}"
            raise AssertionError(message)


def _taken(rollout: Rollout, core: Core, answer: ev.Answer) -> bool:
    try:
        core.evolve(rollout, ev.Finished(rollout.seq, answer, NOW))
    except InvalidEvent:
        return False
    return True


_EVIDENCE: Final = ("rehearsals", "controls_todo", "controls")
_WHAT_COUNTS: Final = tuple(
    part.name for part in attrs.fields(Rollout) if part.name not in {"plan", "seq", *_EVIDENCE}
)
_WHOLE: Final = (Version, SetLedger)
"""Values whose texts count as they are."""


@define(eq=False)
class Likeness:
    """Tells which rollouts of one plan are one state (rule 2): those of equal keys.

    Values are told apart by number.  What a rollout is made of never changes and is shared by many
    states, so the number of a value is remembered by its address, and the value kept alive.
    """

    plan: ev.Plan
    _texts: frozenset[str] = field(init=False)
    _numbers: dict[object, int] = field(init=False, factory=dict)
    _known: dict[int, tuple[object, int]] = field(init=False, factory=dict)
    _parts: dict[type, tuple[str, ...]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        people = (part.person for part in self.plan.moves)
        self._texts = frozenset(("", *people, *self.plan.everybody))

    def of(self, rollout: Rollout) -> object:
        """Give the key of the state that a rollout is in."""
        evidence: Iterable[object] = (rollout.schema,)
        if rollout.verdict is None:
            evidence = (getattr(rollout, name) for name in _EVIDENCE)
        return self._all((*evidence, *(getattr(rollout, name) for name in _WHAT_COUNTS)))

    def _all(self, values: Iterable[object]) -> tuple[int, ...]:
        known = self._known
        return tuple(
            [
                seen[1] if (seen := known.get(id(value))) is not None else self._new(value)
                for value in values
            ]
        )

    def _new(self, value: object) -> int:
        number = self._numbers.setdefault(self._structure(value), len(self._numbers))
        self._known[id(value)] = value, number
        return number

    def _structure(self, value: object) -> object:
        kind = type(value)
        if kind is str and value not in self._texts:
            return kind, "..."
        if isinstance(value, tuple):
            return kind, self._all(value)
        if kind in _WHOLE or not attrs.has(kind):
            return kind, value
        if kind not in self._parts:
            self._parts[kind] = tuple(part.name for part in attrs.fields(kind))
        return kind, self._all(getattr(value, name) for name in self._parts[kind])
