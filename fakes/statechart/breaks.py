"""What an interruption comes to: where it may happen, what is found then, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
from attrs import define, field, frozen

from fakes.playbook import NOW
from fakes.statechart.explore import Exploration
from fakes.statechart.trials import answers_to
from fakes.statechart.words import Place, place_of, seen
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.moves import Move, Step
from t3safe.domain.rollout import Rollout, Stage, decide, evolve


@frozen
class Moment:
    """A point of a rollout: a stage, or the step of whoever is in transition.

    `begun` once the intent is in the journal, until the answer is that counts.
    """

    at: Place | Stage
    begun: bool


def moment_of(rollout: Rollout) -> Moment:
    """Tell at which point a rollout is."""
    move = rollout.current
    place = None if move is None else place_of(move)
    at = place if isinstance(place, Place) else rollout.stage
    return Moment(at, rollout.pending is not None or rollout.attempts > 0)


Seen = tuple[str, ...]
Reaction = Mapping[Seen, str]
"""What follows from what an inspection sees; seeing nothing stands for one that fails."""


@define(eq=False)
class Inspection:
    """One way to go on from an inspection, and every moment after which it is gone on so.

    `moments` are those of a run that was never interrupted before, by lane; `later` are further
    ones, after an earlier interruption (whoever dies inspecting inspects again).  `flags` are those
    of the move that were the same at every such moment.
    """

    reaction: dict[Seen, str]
    moments: dict[str, dict[Moment, None]] = field(factory=dict)
    later: dict[str, dict[Moment, None]] = field(factory=dict)
    flags: dict[str, bool] = field(factory=dict)

    def fits(self, other: Reaction) -> bool:
        """Whether nothing that both know leads elsewhere."""
        return all(self.reaction.get(facts, then) == then for facts, then in other.items())


@define(eq=False)
class Inspections:
    """Every way to go on from an inspection."""

    found: list[Inspection] = field(factory=list)

    def add(self, lane: str, known: Exploration) -> None:
        """Let the process die at every moment, and note what follows from all that can be seen."""
        smooth = set(known.smooth.numbers)
        reactions: dict[int, Reaction] = {}
        for number in known.real.numbers:
            for way in known.ways[number]:
                after = known.states[way.target]
                if not isinstance(way.event, ev.Resumed) or after.current is None:
                    continue
                if way.target not in reactions:
                    reactions[way.target] = _reaction(after)
                before = known.states[number]
                self._note(lane, before, reactions[way.target], smooth=number in smooth)

    def steps(self) -> dict[str, set[Moment]]:
        """Give, for each lane, every step after which somebody is inspected, begun and not."""
        found: dict[str, set[Moment]] = {}
        for kind in self.found:
            for moments in (kind.moments, kind.later):
                for lane, some in moments.items():
                    both = {Moment(moment.at, begun) for moment in some for begun in (False, True)}
                    found.setdefault(lane, set()).update(both)
        return found

    def _note(self, lane: str, before: Rollout, reaction: Reaction, *, smooth: bool) -> None:
        move = before.current
        assert move is not None, "nobody comes into transition by a crash"
        kind = next((kind for kind in self.found if kind.fits(reaction)), None)
        if kind is None:
            kind = Inspection(dict(reaction), flags=_flags(move))
            self.found.append(kind)
        kind.reaction.update(reaction)
        now = _flags(move)
        kind.flags = {flag: up for flag, up in kind.flags.items() if now[flag] is up}
        moment = moment_of(before)
        if smooth:
            kind.moments.setdefault(lane, {})[moment] = None
        elif move.todo[:1] != (Step.INSPECT,):
            kind.later.setdefault(lane, {})[moment] = None


def _flags(move: Move) -> dict[str, bool]:
    parts = (part.name for part in attrs.fields(Move))
    return {name: value for name in parts if isinstance(value := getattr(move, name), bool)}


def _reaction(rollout: Rollout) -> Reaction:
    effect = decide(rollout)
    assert isinstance(effect, fx.Inspect), "whoever is in transition after a crash is inspected"
    started = evolve(rollout, ev.Started(rollout.seq + 1, effect, NOW))
    thens: dict[Seen, dict[str, None]] = {}
    for answer in answers_to(effect):
        facts = seen(answer, started) if isinstance(answer, ev.Inspected) else ()
        thens.setdefault(facts, {})[_then(started, answer)] = None
    # Were two answers that look alike to lead to two ends, both would be said.
    return {facts: "; or ".join(found) for facts, found in thens.items()}


def _then(started: Rollout, answer: ev.Answer) -> str:
    """Tell what follows an answer that stays the same when inspecting is tried again."""
    before = started.current
    assert before is not None, "somebody is inspected"
    after = evolve(started, ev.Finished(started.seq, answer, NOW))
    while after.attempts:
        effect = decide(after)
        assert not isinstance(effect, ev.Ended), "what is tried again is not over"
        again = evolve(after, ev.Started(after.seq + 1, effect, NOW))
        after = evolve(again, ev.Finished(again.seq, answer, NOW))
    move = next(move for move in after.moves if move.person == before.person)
    if not move.todo:
        return f"{move.status}"
    return f"{move.goal}: {', '.join(move.todo)}"


def interrupted(
    lanes: Iterable[tuple[str, Exploration]], kind: type[ev.Resumed | ev.StopAsked]
) -> dict[str, dict[str, dict[Moment, None]]]:
    """Give what becomes of a rollout that is interrupted in this way: by lane, at which moments."""
    found: dict[str, dict[str, dict[Moment, None]]] = {}
    for lane, known in lanes:
        states = known.states
        smooth = set(known.smooth.numbers)
        for way in known.real.ways:
            if way.source in smooth and isinstance(way.event, kind):
                then = _becomes(states[way.source], states[way.target])
                moments = found.setdefault(then, {}).setdefault(lane, {})
                moments[moment_of(states[way.source])] = None
    return found


def _becomes(before: Rollout, after: Rollout) -> str:
    if after.stage is Stage.CLOSING is not before.stage and after.ending is not None:
        return f"ends: {after.ending.outcome}"
    move, now = before.current, after.current
    if move is not None and now is not None and place_of(move) != place_of(now):
        return "is inspected first"
    return "goes on"
