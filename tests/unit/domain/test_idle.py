from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from t3safe.domain.idle import Activity, TurnMark, busy_reason, in_flight
from tests.strategies import MOMENT

QUIET = timedelta(minutes=10)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
CALM = Activity(tracked=True, last_activity=MOMENT - HOUR, serve_started=MOMENT - 2 * HOUR)


def reason(activity: Activity, *agents: str) -> str:
    """Ask the rule at the moment that all times here are relative to."""
    return busy_reason(activity, agents, MOMENT, QUIET)


def test_nothing_in_flight_and_long_quiet_is_idle() -> None:
    """Idle is the empty reason."""
    assert reason(CALM) == ""


def test_a_person_without_any_activity_is_idle() -> None:
    """A state set that holds no work has no last activity."""
    assert reason(Activity(tracked=True)) == ""


def test_a_turn_in_flight_is_busy() -> None:
    """The reason names the thread."""
    turn = TurnMark("th-7", MOMENT - HOUR)
    assert reason(evolve(CALM, turns=(turn,))) == "a turn is in flight in thread th-7"


def test_an_approval_that_is_pending_is_busy() -> None:
    """Somebody is asked something and may answer at any moment."""
    assert reason(evolve(CALM, approvals=2)) == "2 approvals are pending"


def test_an_input_that_is_pending_is_busy() -> None:
    """An agent that waits for a text is work in flight."""
    assert reason(evolve(CALM, inputs=1)) == "1 inputs are pending"


def test_activity_younger_than_the_quiet_time_is_busy() -> None:
    """One second short of the quiet time still counts, and the reason tells both times."""
    late = evolve(CALM, last_activity=MOMENT - QUIET + SECOND)
    assert reason(late) == "last activity at 03:50:01 UTC is younger than 0:10:00"


def test_activity_exactly_as_old_as_the_quiet_time_is_idle() -> None:
    """The quiet time has passed once it is over."""
    assert reason(evolve(CALM, last_activity=MOMENT - QUIET)) == ""


def test_activity_from_the_future_is_busy() -> None:
    """A clock that was set back proves no quiet."""
    assert reason(evolve(CALM, last_activity=MOMENT + HOUR)).startswith("last activity")


def test_a_mark_older_than_the_serve_is_stale() -> None:
    """A kill in the middle of a turn leaves its mark for ever; it is no work."""
    left = TurnMark("th-7", MOMENT - 2 * HOUR - SECOND)
    assert reason(evolve(CALM, turns=(left,))) == ""


def test_a_mark_set_as_the_serve_started_is_alive() -> None:
    """Only what is older than the start is stale."""
    turn = TurnMark("th-7", MOMENT - 2 * HOUR)
    assert reason(evolve(CALM, turns=(turn,))) != ""


def test_without_a_known_start_no_mark_is_stale() -> None:
    """Unknown is busy."""
    left = TurnMark("th-7", MOMENT - timedelta(days=30))
    assert reason(evolve(CALM, turns=(left,), serve_started=None)) != ""


def test_a_mark_without_a_time_is_never_stale() -> None:
    """Unknown is busy."""
    assert reason(evolve(CALM, turns=(TurnMark("th-7", None),))) != ""


def test_a_live_turn_behind_a_stale_one_is_found() -> None:
    """Every mark is looked at, and the live one is named."""
    left, live = TurnMark("th-1", MOMENT - 3 * HOUR), TurnMark("th-2", MOMENT - HOUR)
    assert reason(evolve(CALM, turns=(left, live))) == "a turn is in flight in thread th-2"


@pytest.mark.parametrize("tracked", [True, False])
def test_databases_that_cannot_be_read_are_busy(*, tracked: bool) -> None:
    """Unknown is busy, whatever else is or is not there."""
    activity = Activity(tracked=tracked, unreadable="database is locked")
    assert reason(activity) == "cannot tell whether there is work: database is locked"


def test_without_tables_an_agent_process_is_busy() -> None:
    """Where the databases say nothing, the processes of the unit decide."""
    found = reason(Activity(tracked=False), "claude", "codex")
    assert found == "agent process claude is running"


def test_without_tables_and_without_agents_is_idle() -> None:
    """Nothing that could be at work is there."""
    assert reason(Activity(tracked=False)) == ""


def test_with_tables_an_agent_process_is_not_looked_at() -> None:
    """A provider's helper may outlive its turn."""
    assert reason(CALM, "claude") == ""


# What keeps somebody on a build that does not pair.


@pytest.mark.parametrize(
    ("activity", "text"),
    [
        (
            evolve(CALM, turns=(TurnMark("th-7", MOMENT - HOUR),)),
            "a turn is in flight in thread th-7",
        ),
        (evolve(CALM, approvals=2), "2 approvals are pending"),
        (evolve(CALM, inputs=1), "1 inputs are pending"),
    ],
)
def test_work_in_flight_that_is_seen_counts_on_the_way_back(activity: Activity, text: str) -> None:
    """It is named as the idle rule names it."""
    assert in_flight(activity, ()) == text == reason(activity)


def test_work_in_flight_without_tables_counts_on_the_way_back() -> None:
    """Where the databases say nothing, the processes of the unit decide here too."""
    assert in_flight(Activity(tracked=False), ("claude",)) == "agent process claude is running"
    assert in_flight(Activity(tracked=False), ()) == ""


def test_a_stale_mark_keeps_nobody_on_a_build_that_does_not_pair() -> None:
    """A mark left by a crash is not work, whoever asks."""
    left = TurnMark("th-7", MOMENT - 2 * HOUR - SECOND)
    assert in_flight(evolve(CALM, turns=(left,)), ()) == ""


def test_the_quiet_time_keeps_nobody_on_a_build_that_does_not_pair() -> None:
    """Whoever was at work a second ago and is not now goes back, though the idle rule says busy."""
    young = evolve(CALM, last_activity=MOMENT - SECOND)
    assert reason(young) != ""
    assert in_flight(young, ()) == ""


@pytest.mark.parametrize("tracked", [True, False])
def test_what_nobody_can_tell_keeps_nobody_on_a_build_that_does_not_pair(*, tracked: bool) -> None:
    """Databases that cannot be read show no work, though the idle rule takes them for busy."""
    hidden = Activity(tracked=tracked, approvals=1, unreadable="database is locked")
    assert reason(hidden) != ""
    assert in_flight(hidden, ("claude",)) == ""
