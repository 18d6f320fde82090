"""What a run came to, and what is read off many of them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from attrs import evolve

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.move import Move, Status
from t3safe.domain.rollout_state import Rollout, Stage
from t3safe.domain.runs import (
    RUNS_NEEDED,
    Deferral,
    MoveRecord,
    RunRecord,
    deferral,
    overdue,
    prunable_before,
    record,
)
from tests.unit.domain.plans import DONE, NEW, NOW, OLD, plan, ran, snapshot

DAY = timedelta(days=1)
PLAN = plan("ann", "ben", kind=ev.Kind.DRAIN, baking=("cid",))


def at(seconds: float) -> datetime:
    """Give the moment so many seconds after the beginning."""
    return NOW + timedelta(seconds=seconds)


def test_a_run_is_recorded_with_each_persons_end_and_the_build_that_was_put_in_place() -> None:
    """What was begun or failed puts nothing in place; the newest that was done counts."""
    events: tuple[ev.Event, ...] = (
        ev.Opened(PLAN, NOW),
        ev.Started(1, fx.Select("ann", NEW), at(1)),
        ev.Finished(1, DONE, at(2)),
        ev.Started(2, fx.Select("ben", NEW), at(3)),
        ev.Finished(2, ev.Failed(Fault.HOST, "no"), at(4)),
        ev.Started(3, fx.Select("ann", OLD), at(5)),
        ev.Finished(3, DONE, at(6)),
        ev.Closed(ev.Ended(ev.Outcome.ROLLED_BACK, "why"), at(7)),
    )
    ann, ben = PLAN.moves
    moves = (
        Move(
            ann, Status.ROLLED_BACK, reason="401", rest=snapshot("s1"), new_build_may_have_run=True
        ),
        Move(ben, Status.DEFERRED, reason="a turn"),
    )
    found = record(Rollout(PLAN, Stage.CLOSING, moves), events)
    begun = ("r1", ev.Kind.DRAIN, NOW)
    assert found == RunRecord(
        run="r1",
        kind=ev.Kind.DRAIN,
        candidate=NEW,
        opened=NOW,
        ended=ev.Ended(ev.Outcome.ROLLED_BACK, "why"),
        closed=at(7),
        moves=(
            MoveRecord(
                *begun, "ann", OLD, NEW, Status.ROLLED_BACK, "401", NEW, ("s1",), OLD, at(6)
            ),
            MoveRecord(*begun, "ben", OLD, NEW, Status.DEFERRED, "a turn", OLD),
        ),
        baking=("cid",),
    )
    assert found.people == ("ann", "ben", "cid")
    under_way = record(Rollout(PLAN, Stage.MOVING, moves), events[:4])
    assert (under_way.ended, under_way.closed) == (None, None)
    assert under_way.moves[0].put == NEW


def test_a_build_counts_as_put_in_place_only_by_the_answer_to_its_own_step() -> None:
    """Not by that to the inspection after a takeover; a request to stop comes in between."""
    begun = ev.Started(1, fx.Select("ann", NEW), at(1))
    done = ev.Finished(1, DONE, at(4))
    looked = ev.Started(2, fx.Inspect("ann"), at(3))
    moves = (Move(PLAN.moves[0]),)

    def put(*events: ev.Event) -> object:
        found = record(Rollout(PLAN, Stage.MOVING, moves), (ev.Opened(PLAN, NOW), *events))
        return found.moves[0].put

    assert put(begun, ev.StopAsked(at(2)), done) == NEW
    assert put(begun, ev.Resumed(at(2)), looked, done) is None


def _moved(
    days_ago: int, status: Status, reason: str = "", kind: ev.Kind = ev.Kind.RUN
) -> MoveRecord:
    return MoveRecord(f"r{days_ago}", kind, NOW - days_ago * DAY, "ann", OLD, NEW, status, reason)


def test_who_is_deferred_waits_since_the_first_time_with_the_newest_words() -> None:
    """A run that came to nothing for them changes nothing; nor does a clock that was ahead."""
    moves = (
        _moved(1, Status.DEFERRED, "an approval"),
        _moved(2, Status.WAITING),
        _moved(5, Status.DEFERRED, "a turn"),
        _moved(-9, Status.DEFERRED, "a clock ahead"),
    )
    assert deferral(moves) == Deferral("ann", NEW, NOW - 5 * DAY, "an approval")


@pytest.mark.parametrize("status", [Status.MOVED, Status.KEPT])
def test_a_move_ends_the_wait(status: Status) -> None:
    """By hand included; what was before it counts no more."""
    older = _moved(5, Status.DEFERRED)
    assert deferral((_moved(1, status), older)) is None
    assert deferral((_moved(1, status, kind=ev.Kind.BACK), older)) is None
    newer = _moved(1, Status.DEFERRED)
    waits = deferral((newer, _moved(2, status), older))
    assert waits is not None
    assert waits.since == newer.opened


def test_a_way_back_defers_nobody() -> None:
    """Whoever was to go back does not wait for the build that they leave."""
    assert deferral((_moved(1, Status.DEFERRED, kind=ev.Kind.BACK),)) is None
    assert deferral(()) is None


def test_whoever_waits_longer_than_the_limit_is_overdue() -> None:
    """The limit itself is not too long; where nobody waits, nobody is."""
    waiting = tuple(
        Deferral(who, NEW, NOW - days * DAY, "busy") for who, days in (("ann", 7), ("ben", 8))
    )
    assert [item.person for item in overdue(waiting, NOW, 7 * DAY)] == ["ben"]
    assert overdue((), NOW, 7 * DAY) == ()


def test_age_is_counted_from_the_oldest_of_the_newest_runs() -> None:
    """A clock that is years ahead for a week makes no run old; a few runs are never pruned."""
    runs = [ran(ev.Outcome.LATER, days_ago=number) for number in range(RUNS_NEEDED)]
    usual = prunable_before(runs, 100 * DAY)
    assert usual == runs[-1].opened - 100 * DAY
    ahead = [evolve(run, opened=NOW + 9999 * DAY) for run in runs[:7]]
    assert prunable_before([*ahead, *runs[7:]], 100 * DAY) == usual
    assert prunable_before(runs[:-1], 100 * DAY) is None
    assert prunable_before([*runs, ran(ev.Outcome.LATER, days_ago=99)], 100 * DAY) == usual


def test_a_check_explains_nothing_and_a_bake_its_candidate() -> None:
    """Nobody is on a build because of a check."""
    assert list(ran(None, ev.Kind.CHECK).explains()) == []
    assert list(ran(None).explains()) == [("ann", OLD), ("ann", NEW)]
    bake = evolve(ran(None, ev.Kind.BAKE), moves=(), baking=("ben",))
    assert list(bake.explains()) == [("ben", NEW)]
