"""The exploration finds all there is, takes nothing for alike that is not, and tells of holes."""

from __future__ import annotations

from functools import cache
from math import prod
from typing import get_args

import attrs
import pytest

from fakes.statechart.charts import Arrow, move_arrows, stage_arrows
from fakes.statechart.explore import (
    Core,
    Exploration,
    Likeness,
    NotTotal,
    events_in,
    explore,
)
from fakes.statechart.trials import (
    FINDINGS,
    FOREIGN,
    MIGRATED,
    ONE_OF_EACH,
    Trial,
    answers_to,
    plan,
)
from fakes.statechart.words import SEEN
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.gate import OnPersonFailure
from t3safe.domain.moves import InvalidEvent
from t3safe.domain.rollout import Rollout, decide, evolve, opened

pytestmark = pytest.mark.no_cover
"""An exploration calls the core some ten thousand times; what it reaches other tests reach too."""

RUN = Trial(plan(ev.Kind.RUN, "alice"), interrupted=False)
CHECK = Trial(plan(ev.Kind.CHECK, "alice", "bob", on_person_failure=OnPersonFailure.HOLD_BACK))
BACK = Trial(plan(ev.Kind.BACK, "alice", knows=MIGRATED))
BAKE = Trial(plan(ev.Kind.BAKE, baking=("alice",)))
TRIALS = {"run": RUN, "check": CHECK, "back": BACK, "bake": BAKE}


@cache
def known_of(kind: str) -> Exploration:
    """Explore a small plan once."""
    return explore(TRIALS[kind])


@pytest.mark.long
@pytest.mark.parametrize("kind", TRIALS)
def test_rollouts_that_are_taken_for_one_state_go_on_alike(kind: str) -> None:
    """Rule 2: two rollouts are one state when they differ only in what nothing is decided by."""
    known = known_of(kind)
    likeness = Likeness(known.trial.plan)

    def ahead(rollout: Rollout) -> list[object]:
        events = events_in(rollout, interrupted=known.trial.interrupted)
        return [likeness.of(evolve(rollout, event)) for event in events]

    assert known.twins
    for number, twin in known.twins.items():
        assert ahead(twin) == ahead(known.states[number])


def test_states_of_other_ledgers_are_others_and_of_other_words_are_not() -> None:
    """Rule 2: builds and ledgers count as they are, of a reason only whether there is one."""
    start = opened(BACK.plan)
    likeness = Likeness(BACK.plan)
    ledgers = [
        attrs.evolve(start, moves=(attrs.evolve(start.moves[0], rest=rest),))
        for rest in (ev.Snapshotted("a", MIGRATED, 1), ev.Snapshotted("a", FOREIGN, 1))
    ]
    renamed = attrs.evolve(start, moves=(attrs.evolve(start.moves[0], reason="disk full"),))
    worded = attrs.evolve(start, moves=(attrs.evolve(start.moves[0], reason="no room"),))
    assert likeness.of(ledgers[0]) != likeness.of(ledgers[1])
    assert likeness.of(renamed) == likeness.of(worded) != likeness.of(start)


@pytest.mark.long
@pytest.mark.parametrize("kind", TRIALS)
def test_everything_that_happens_leads_to_a_state_that_was_explored(kind: str) -> None:
    """Rule 1: in every state everything that may happen was let happen."""
    known = known_of(kind)
    assert len(known.ways) == len(known.states)
    for rollout, ways in zip(known.states, known.ways, strict=True):
        assert len(ways) == len(list(events_in(rollout, interrupted=known.trial.interrupted)))
        assert bool(ways) is not rollout.closed


def test_a_drain_is_decided_as_a_run_is() -> None:
    """One lane may stand for both."""

    def arrows(kind: ev.Kind) -> tuple[set[Arrow], set[Arrow]]:
        part = explore(Trial(plan(kind, "alice"), interrupted=False)).smooth
        return set(stage_arrows([part])), set(move_arrows([part]))

    assert arrows(ev.Kind.DRAIN) == arrows(ev.Kind.RUN)


def test_an_inspection_finds_every_combination_of_what_it_can_see() -> None:
    """Whatever stands in the answer to an inspection is explored with several values."""
    fields = [part.name for part in attrs.fields(ev.Inspected)]
    values = [{getattr(found, name) for found in FINDINGS} for name in fields]
    assert min(map(len, values)) > 1
    assert len(set(FINDINGS)) == prod(map(len, values))
    assert len(SEEN) == len(fields)


def test_an_effect_fails_by_every_fault_and_a_rehearsal_for_every_subject() -> None:
    """Nothing that a port may answer is left out."""
    effect = fx.Rehearse(BACK.plan.candidate, (fx.Subject("", ""), fx.Subject("alice", "a")))
    answers = answers_to(effect)
    assert len([one for one in answers if isinstance(one, ev.Failed)]) == 4
    assert len([one for one in answers if isinstance(one, ev.Rehearsed)]) == 4


def test_there_is_an_answer_of_every_class() -> None:
    """What is no answer to an effect is refused whatever it is."""
    assert {type(answer) for answer in ONE_OF_EACH} == set(get_args(ev.Answer))


def test_a_core_that_raises_is_told_of_with_the_events_that_lead_there() -> None:
    """Rule 3: the core is total."""

    def wrong(rollout: Rollout, event: ev.Event) -> Rollout:
        match event:
            case ev.Finished(answer=ev.BakeBroken()):
                raise KeyError("alice")
            case _:
                return evolve(rollout, event)

    with pytest.raises(NotTotal) as told:
        explore(BAKE, Core(evolve=wrong))
    name, _, bake, broken = str(told.value).splitlines()
    assert name.startswith("KeyError")
    assert bake.startswith("<< Bake(")
    assert broken.startswith(">> BakeBroken(")


def test_a_core_that_cannot_decide_is_told_of() -> None:
    """Rule 3: the core is total."""

    def wrong(rollout: Rollout) -> fx.Effect | ev.Ended:
        assert rollout.ending is None
        return decide(rollout)

    with pytest.raises(NotTotal, match="AssertionError"):
        explore(BAKE, Core(decide=wrong))


def test_a_core_that_refuses_an_answer_is_told_of() -> None:
    """Rule 3: no answer of its sort is refused."""

    def wrong(rollout: Rollout, event: ev.Event) -> Rollout:
        if isinstance(event, ev.StopAsked) and rollout.pending is not None:
            raise InvalidEvent("not now")
        return evolve(rollout, event)

    with pytest.raises(NotTotal, match=r"(?s)not now.*>> StopAsked"):
        explore(BAKE, Core(evolve=wrong))


def test_a_core_that_takes_any_answer_is_told_of() -> None:
    """Rule 3: `evolve` refuses every answer that is none to the effect."""

    def wrong(rollout: Rollout, event: ev.Event) -> Rollout:
        try:
            return evolve(rollout, event)
        except InvalidEvent:
            return rollout

    with pytest.raises(NotTotal, match="is taken for an answer to Bake"):
        explore(BAKE, Core(evolve=wrong))


def test_a_core_that_need_not_end_is_told_of() -> None:
    """Rule 4: without interruption no state comes again."""

    def wrong(rollout: Rollout, event: ev.Event) -> Rollout:
        match event:
            case ev.Finished(answer=ev.Failed()):
                return attrs.evolve(rollout, pending=None)
            case _:
                return evolve(rollout, event)

    with pytest.raises(NotTotal, match="need not end"):
        explore(BAKE, Core(evolve=wrong)).longest()


def test_the_longest_run_is_counted_in_effects() -> None:
    """A bake of its own: the bake, another look at those in it, refusal, freeze and the tidying."""
    assert explore(BAKE).longest() == (5, 5)
