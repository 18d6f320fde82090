"""What the transitions add up to: ends, effects with their answers, and what was reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, get_args

from attrs import define, field, frozen

from fakes.statechart.charts import statuses
from fakes.statechart.explore import Exploration
from fakes.statechart.words import words
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.gate import Ruling
from t3safe.domain.moves import Goal, Status, Step
from t3safe.domain.rollout import Rollout, Stage

_ENUMS: Final[Mapping[str, type[StrEnum]]] = {
    "stages": Stage,
    "rulings": Ruling,
    "goals": Goal,
    "steps": Step,
    "statuses": Status,
    "outcomes": ev.Outcome,
}
_UNIONS: Final[Mapping[str, tuple[type, ...]]] = {
    "effects": get_args(fx.Effect),
    "answers": get_args(ev.Answer),
}


@define
class End:
    """How a rollout ends: the statuses that people have then, and what is done before.

    `calm` are those of runs that nobody interrupted, `disturbed` those of the others.  `fails`
    says which effect that fails makes another end of it.
    """

    calm: set[frozenset[str]] = field(factory=set)
    disturbed: set[frozenset[str]] = field(factory=set)
    last: dict[tuple[str, ...], None] = field(factory=dict)
    fails: dict[str, None] = field(factory=dict)


@define
class Use:
    """How an effect is used: while which stages, what it answered, after whose fault again."""

    stages: set[str] = field(factory=set)
    answers: dict[str, None] = field(factory=dict)
    faults: set[str] = field(factory=set)


@frozen
class Reached:
    """How much of one vocabulary of the core was reached, and what was not."""

    name: str
    members: int
    missing: tuple[str, ...]


@define(eq=False)
class Tally:
    """Adds up explorations."""

    ends: dict[ev.Outcome, End] = field(factory=dict)
    uses: dict[type, Use] = field(factory=dict)
    _seen: set[object] = field(factory=set)

    def add(self, known: Exploration) -> None:
        """Take in one exploration, as far as the engine can come."""
        smooth = set(known.smooth.numbers)
        for number in known.real.numbers:
            self._state(known.states[number], calm=number in smooth)
        for before, event, after in known.real.steps():
            if isinstance(event, ev.Finished):
                self._answer(before, event.answer, after)

    def reached(self) -> tuple[Reached, ...]:
        """Compare what was seen with what the core names."""
        named = {
            name: {f"{one}": one in self._seen for one in enum} for name, enum in _ENUMS.items()
        }
        named |= {
            name: {words(one): one in self._seen for one in union}
            for name, union in _UNIONS.items()
        }
        return tuple(
            Reached(name, len(found), tuple(one for one, seen in found.items() if not seen))
            for name, found in named.items()
        )

    def _state(self, rollout: Rollout, *, calm: bool) -> None:
        self._seen.update((rollout.stage, type(rollout.pending)))
        for move in rollout.moves:
            self._seen.update((move.status, move.goal, *move.todo[:1]))
        if rollout.verdict is not None:
            self._seen.add(rollout.verdict.ruling)
        if rollout.closed and rollout.ending is not None:
            self._seen.add(rollout.ending.outcome)
            end = self._end(rollout.ending)
            (end.calm if calm else end.disturbed).add(statuses(rollout.moves))

    def _end(self, ending: ev.Ended) -> End:
        return self.ends.setdefault(ending.outcome, End())

    def _answer(self, before: Rollout, answer: ev.Answer, after: Rollout) -> None:
        assert before.pending is not None, "an answer has its effect"
        self._seen.add(type(answer))
        use = self.uses.setdefault(type(before.pending), Use())
        use.stages.add(before.stage)
        if not isinstance(answer, ev.Failed):
            use.answers[words(type(answer))] = None
        elif after.attempts > before.attempts:
            use.faults.add(answer.fault)
        if after.ending is not None:
            self._closing(before, after.ending, after.closing)

    def _closing(self, before: Rollout, ending: ev.Ended, closing: Iterable[fx.Effect]) -> None:
        if before.ending is None:
            last = tuple(words(type(effect)) for effect in closing)
            self._end(ending).last[last] = None
        elif before.ending.outcome is not ending.outcome:
            effect = words(type(before.pending))
            self._end(before.ending).fails[f"{effect}: {ending.outcome}"] = None


def tally(explorations: Iterable[Exploration]) -> Tally:
    """Add up explorations."""
    total = Tally()
    for known in explorations:
        total.add(known)
    return total
