"""A run that is over is recounted from its records as the rules themselves tell of it."""

from __future__ import annotations

import pytest

from fakes.playbook import NOW
from fakes.statechart.explore import explore
from fakes.statechart.trials import MIGRATED, Trial, plan
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.moves import Status
from t3safe.domain.recounting import recounted
from t3safe.domain.rollout import used_by
from t3safe.engine import fold

ON_NEW = {Status.MOVED, Status.KEPT}
WAITS = {Status.DEFERRED, Status.NOT_RUNNING, Status.BROKEN_BEFORE, Status.REFUSED}
"""Ends that are one answer, which was recorded."""
TRIALS = {
    "a run": Trial(plan(ev.Kind.RUN, "alice")),
    "on purpose, with a restore": Trial(
        plan(ev.Kind.BACK, "alice", restore="chosen", knows=MIGRATED)
    ),
}


@pytest.mark.parametrize("name", TRIALS)
def test_every_end_is_recounted_as_the_rules_have_it(name: str) -> None:
    """Who is on the new build, who waits and why, what was exposed, and which snapshots count.

    Where a person is needed it may be told instead how they were seen last.
    """
    known = explore(TRIALS[name])
    ends = [number for number, state in enumerate(known.states) if state.closed]
    assert len(ends) > 100
    for number in ends:
        events = (ev.Opened(known.trial.plan, NOW), *known.events_to(number))
        ruled, told = fold(events), recounted(events)
        assert told is not None
        assert (told.plan, told.ending, told.closed) == (ruled.plan, ruled.ending, True)
        for by_rule, move in zip(ruled.moves, told.moves, strict=True):
            assert (move.exposed, used_by(move)) == (by_rule.exposed, used_by(by_rule))
            if by_rule.status is not Status.NEEDS_HUMAN:
                assert (move.status in ON_NEW) == (by_rule.status in ON_NEW)
            if move.status in WAITS:
                assert move.status is by_rule.status


def test_what_is_not_over_is_not_recounted() -> None:
    """It must go on by rules that understand it."""
    opening = ev.Opened(TRIALS["a run"].plan, NOW)
    assert recounted(()) is None
    assert recounted((opening,)) is None
    assert recounted((ev.Closed(ev.Ended(ev.Outcome.LATER, "x"), NOW),)) is None


def test_whoever_was_looked_at_untouched_after_a_crash_waits() -> None:
    """Another t3safe may have looked, found nothing done to them, and left them for another run."""
    looked = ev.Inspected(TRIALS["a run"].plan.moves[0].old, running=True, ledger=None)
    told = recounted(
        (
            ev.Opened(TRIALS["a run"].plan, NOW),
            ev.Started(1, fx.Assess("alice"), NOW),
            ev.Resumed(NOW),
            ev.Started(2, fx.Inspect("alice"), NOW),
            ev.Finished(2, looked, NOW),
            ev.Closed(ev.Ended(ev.Outcome.LATER, "interrupted"), NOW),
        )
    )
    assert told is not None
    (move,) = told.moves
    assert (move.status, move.reason) == (Status.DEFERRED, "interrupted")
    assert not move.exposed
