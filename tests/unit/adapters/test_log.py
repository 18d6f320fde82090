"""Who is in transition, for the case that nothing more can be told."""

from __future__ import annotations

from datetime import UTC, datetime

from t3safe.adapters.log import EventLog
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.rollout import evolve, opened
from t3safe.domain.rollout_state import Rollout
from t3safe.domain.versions import Version

OLD = Version.parse("0.0.28-nightly.20260615.567")
NEW = Version.parse("0.0.28-nightly.20260615.571")
NOW = datetime(2026, 6, 16, 4, tzinfo=UTC)


def test_whoever_was_touched_and_is_not_settled_is_in_between() -> None:
    """From the intent to fence on, until the person is settled; a mere look touches nobody."""
    told: list[LogLine] = []
    event_log = EventLog((told.append,))
    move = ev.MovePlan("ann", NEW, OLD)
    rollout = opened(ev.Plan("r1", ev.Kind.BACK, OLD, NEW, (move,)))
    between: list[str] = []

    def see(event: ev.Event) -> None:
        nonlocal rollout
        before: Rollout = rollout
        rollout = evolve(rollout, event)
        event_log.saw(before, event, rollout)
        between.append(event_log.between)

    see(ev.Started(1, fx.Assess("ann"), NOW))
    see(ev.Finished(1, ev.Assessed(ev.Readiness.IDLE), NOW))
    assert between == ["", ""]
    see(ev.Started(2, fx.Fence("ann"), NOW))
    assert event_log.between == "ann"
    see(ev.Resumed(NOW))
    see(ev.Started(3, fx.Inspect("ann"), NOW))
    assert event_log.between == "ann"


def test_a_sink_that_fails_keeps_nothing_from_the_others() -> None:
    """And nothing of it reaches whoever tells: a person may be without a serve right now."""
    told: list[LogLine] = []

    def gone(_: LogLine) -> None:
        raise BrokenPipeError

    EventLog((gone, told.append)).say_one(LogLine(LogLevel.INFO, "stopping ann's serve"))
    assert [line.text for line in told] == ["stopping ann's serve"]
