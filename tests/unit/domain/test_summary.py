"""What runs come to for each person, one run after another."""

from __future__ import annotations

from datetime import timedelta

import attrs

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.moves import Move, Status
from t3safe.domain.ports import RunRecord, Summary
from t3safe.domain.rollout import Rollout, Stage
from t3safe.domain.summary import after, deferrals
from t3safe.domain.vitals import Deferral
from tests.unit.domain.plans import plan

RUN = plan("alice")
NEW = RUN.candidate
LATER = ev.Ended(ev.Outcome.LATER, "x")


def _run(
    before: Summary,
    number: int,
    status: Status,
    *,
    kind: ev.Kind = ev.Kind.RUN,
    ended: ev.Ended = LATER,
    reason: str = "",
) -> Summary:
    """Add a run of the day `number` that ended so for alice, who was put on the new build."""
    day = NOW + timedelta(days=number)
    of_day = attrs.evolve(RUN, run=f"r{number}", kind=kind)
    rollout = Rollout(of_day, Stage.CLOSING, (Move(RUN.moves[0], status, reason=reason),))
    events: tuple[ev.Event, ...] = ()
    if status is Status.MOVED:
        events = (
            ev.Started(1, fx.Select("alice", NEW), day),
            ev.Finished(1, ev.Done(), day + timedelta(minutes=1)),
        )
    return after(before, RunRecord(of_day, day, ended, day), rollout, events)


def test_who_is_deferred_waits_since_the_first_time_with_the_newest_words() -> None:
    """A run that came to nothing for them changes nothing."""
    found = _run(Summary(), 1, Status.DEFERRED, reason="a turn")
    found = _run(found, 2, Status.WAITING)
    found = _run(found, 3, Status.DEFERRED, reason="an approval")
    waits = Deferral("alice", NEW, NOW + timedelta(days=1), "an approval")
    assert deferrals(found) == (waits,)
    assert found.run == "r3"


def test_a_move_ends_the_wait_and_tells_since_when_they_have_their_build() -> None:
    """The moment is that of the selection."""
    found = _run(_run(Summary(), 1, Status.DEFERRED), 2, Status.MOVED)
    assert deferrals(found) == ()
    (past,) = found.people
    assert (past.build, past.run) == (NEW, "r2")
    assert past.at == NOW + timedelta(days=2, minutes=1)


def test_a_way_back_and_a_check_defer_nobody() -> None:
    """Neither is a move that somebody waits for."""
    found = _run(Summary(), 1, Status.DEFERRED, kind=ev.Kind.BACK)
    assert deferrals(found) == ()
    checked = _run(found, 2, Status.DEFERRED, kind=ev.Kind.CHECK)
    assert (checked.people, checked.run) == (found.people, "r2")


def test_a_run_that_was_refused_put_nothing_in_place() -> None:
    """Its events need not be read."""
    refused = ev.Ended(ev.Outcome.REFUSED, "no")
    (past,) = _run(Summary(), 1, Status.WAITING, ended=refused).people
    assert (past.build, past.at, past.run) == (None, None, "")
