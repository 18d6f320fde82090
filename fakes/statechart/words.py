"""What stands in the chart: answers and places as words, and short words for many at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import Final

from attrs import frozen

from fakes.statechart.trials import NEW, OLD
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.moves import Goal, Move, Status, Step
from t3safe.domain.rollout import Rollout


@frozen
class Said:
    """An answer in words: what it is, and what differs from answer to answer of its sort."""

    word: str
    fact: str = ""


SEEN: Final = ("selected", "serve", "data", "restore")
"""What an inspection sees: the facts of `Inspected`, in the order in which they are said."""


def words(kind: type) -> str:
    """Give the name of an effect's or answer's class as words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()


def said(answer: ev.Answer, rollout: Rollout) -> Said:
    """Put an answer into words, as it stands to the rollout that gets it; what is seen left out."""
    word = words(type(answer))
    match answer:
        case ev.Failed(fault) | ev.NotPaired(fault) | ev.BakeBroken(fault=fault):
            return Said(word, fault)
        case ev.Assessed(readiness):
            return Said(readiness)
        case ev.Rehearsed(rehearsals):
            good = [rehearsal.passed for rehearsal in rehearsals]
            how = "all passed" if all(good) else "some failed" if any(good) else "all failed"
            return Said(word, how)
        case ev.Snapshotted(ledger=ledger) if isinstance(rollout.pending, fx.SnapshotAtRest):
            schema = _schema(rollout)
            strange = schema is not None and not ledger.known_to(schema)
            return Said(word, "something strange" if strange else "nothing strange")
        case _:
            return Said(word)


def _schema(rollout: Rollout) -> SetLedger | None:
    move = rollout.current
    return rollout.schema or (move.plan.knows if move is not None else None)


def seen(found: ev.Inspected, rollout: Rollout) -> tuple[str, ...]:
    """Say what an inspection sees, fact by fact as in `SEEN`, as it stands to the rollout."""
    selected = {None: "the fence", OLD: "the old build", NEW: "the new build"}
    return (
        selected.get(found.selected, "another build"),
        "runs" if found.running else "stopped",
        _fit(found.ledger, rollout),
        "begun, not ended" if found.restoring else "none",
    )


def _fit(ledger: SetLedger | None, rollout: Rollout) -> str:
    move = rollout.current
    schema = _schema(rollout)
    if ledger is None:
        return "unreadable"
    if move is not None and move.rest is not None and ledger.known_to(move.rest.ledger):
        return "as the old build left it"
    return "new to the old build" if schema and ledger.known_to(schema) else "strange to both"


@frozen
class Place:
    """The next step of a move; `again` is how often the same step is still to come after it."""

    goal: Goal
    step: Step
    again: int = 0

    @classmethod
    def first(cls, goal: Goal, todo: Sequence[Step]) -> Place:
        """Give the place before the first of these steps."""
        return cls(goal, todo[0], todo[1:].count(todo[0]))


def place_of(move: Move) -> Place | Status:
    """Tell where a move stands: at its next step, or how it waits or has settled."""
    return Place.first(move.goal, move.todo) if move.todo else move.status


def listed(items: Iterable[str], last: str = "and") -> str:
    """Give items as a person lists them."""
    *most, end = items
    return f"{', '.join(most)} {last} {end}" if most else end


def shortest(some: Iterable[Said], all_there: Iterable[Said]) -> str:
    """Say a set of answers as shortly as may be, given all the answers that there are.

    Facts are named only where answers of one word lead to several places.
    """
    here, everywhere = _by_word(some), _by_word(all_there)
    whole = [word for word in here if len(here[word]) == len(everywhere[word])]
    parts = [word for word in here if word not in whole]
    split = [f"{word} ({_facts(here[word], everywhere[word])})" for word in parts]
    return listed([*whole, *split], "or")


def _by_word(some: Iterable[Said]) -> dict[str, dict[str, None]]:
    found: dict[str, dict[str, None]] = {}
    for one in some:
        found.setdefault(one.word, {})[one.fact] = None
    return found


def _facts(here: Mapping[str, None], everywhere: Mapping[str, None]) -> str:
    return either(list(here), list(everywhere), ", ")


def either(here: Sequence[str], everywhere: Sequence[str], between: str) -> str:
    """Say which of all values it may be; where only one is missing, which it is not."""
    missing = [value for value in everywhere if value not in here]
    return f"not {missing[0]}" if len(missing) == 1 < len(here) else between.join(here)


def needed(sets: Iterable[frozenset[str]], order: Sequence[str]) -> tuple[str, ...]:
    """Give the fewest members of which each set holds at least one, the first by `order`.

    Gives none where some set is empty.
    """
    wanted = set(sets)
    for size in range(len(order) + 1):
        for some in combinations(order, size):
            if all(not one.isdisjoint(some) for one in wanted):
                return some
    return ()


Fact = tuple[str, ...]


def boxes(points: Iterable[Fact], space: Iterable[Fact]) -> list[Fact]:
    """Cover points of a space by few boxes that hold no other point of it.

    A box says for each dimension which values it holds, and nothing where it holds all of them.
    Points outside the space never come, so a box may hold them.
    """
    wanted, there = dict.fromkeys(points), dict.fromkeys(space)
    values = [tuple(dict.fromkeys(axis)) for axis in zip(*there, strict=True)]
    others = set(there) - set(wanted)
    found: list[Fact] = []
    left = list(wanted)
    while left:
        box = _grown(left[0], values, others)
        left = [point for point in left if point not in set(product(*box))]
        found.append(
            tuple(
                "" if side == everything else either(side, everything, " or ")
                for side, everything in zip(box, values, strict=True)
            )
        )
    return found


def _grown(point: Fact, values: list[Fact], others: set[Fact]) -> list[Fact]:
    box: list[Fact] = [(value,) for value in point]
    for axis, all_values in enumerate(values):
        for value in all_values:
            side = tuple(one for one in all_values if one == value or one in box[axis])
            wider = [*box[:axis], side, *box[axis + 1 :]]
            if others.isdisjoint(product(*wider)):
                box = wider
    return box
