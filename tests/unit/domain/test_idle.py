from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from t3safe.domain.idle import (
    CLOCK_SLACK,
    Activity,
    Looks,
    Process,
    Sample,
    TurnMark,
    busy_reason,
    in_flight,
    times_after,
    working,
)
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
    assert reason(late) == "last activity at 2026-06-09 03:50:01 UTC, less than 10 min ago"


def test_activity_exactly_as_old_as_the_quiet_time_is_idle() -> None:
    """The quiet time has passed once it is over."""
    assert reason(evolve(CALM, last_activity=MOMENT - QUIET)) == ""


def test_activity_a_little_after_now_is_busy() -> None:
    """Rule 7: a browser's clock may be ahead of the host's; that is still now."""
    assert reason(evolve(CALM, last_activity=MOMENT + CLOCK_SLACK)).startswith("last activity")


def test_activity_from_the_future_is_ignored() -> None:
    """Rule 7: a clock that was a year ahead for one night keeps nobody busy for a year."""
    ahead = evolve(CALM, last_activity=MOMENT + CLOCK_SLACK + SECOND)
    assert reason(ahead) == ""


@pytest.mark.parametrize(
    "future",
    [
        evolve(CALM, turns=(TurnMark("th-7", MOMENT + HOUR),)),
        evolve(CALM, turns=(TurnMark("th-7", MOMENT - HOUR),), serve_started=MOMENT + HOUR),
    ],
)
def test_of_a_mark_with_a_time_after_now_the_processes_decide(future: Activity) -> None:
    """Rule 7: neither a mark nor a start of the serve from the future tells anything."""
    assert reason(future) == ""
    assert reason(future, "claude") == "a turn is in flight in thread th-7"


def test_times_after_now_are_reported_with_their_date() -> None:
    """Rule 7: of each kind the latest; what is now or before is nothing to tell."""
    year = timedelta(days=365)
    assert times_after(evolve(CALM, turns=(TurnMark("th", None),)), None, MOMENT) == ()
    ahead = evolve(
        CALM, later=MOMENT + year, turns=(TurnMark("th", MOMENT + HOUR),), serve_started=None
    )
    found = times_after(ahead, MOMENT + 2 * HOUR, MOMENT)
    assert found == (
        "an activity is dated 2027-06-09 04:00 UTC, which is after now",
        "a turn is dated 2026-06-09 05:00 UTC, which is after now",
        "the start of the serve is dated 2026-06-09 06:00 UTC, which is after now",
    )


# Work that is no turn.

MAKE = Process(7, "make", began=100.0, used=5.0)
SHELL = Process(8, "bash", began=100.0, used=5.0, waits=True)


def looks(before: Process | None, after: Process, seconds: float = 100.0) -> Looks:
    """Give two samples so far apart, with a process in one or both."""
    earlier = (before,) if before is not None else ()
    return Looks(Sample("boot", 5000.0 - seconds, earlier), Sample("boot", 5000.0, (after,)))


def test_a_process_that_uses_a_processor_is_busy() -> None:
    """Rule 6: a build in t3's own terminal; the reason names it."""
    found = looks(MAKE, evolve(MAKE, used=6.0))
    said = "make (process 7) used 1 s of processor time in 100 s"
    assert busy_reason(CALM, (), MOMENT, QUIET, found) == said
    assert in_flight(CALM, (), MOMENT, found) == said
    assert busy_reason(Activity(tracked=False), (), MOMENT, QUIET, found) == said


@pytest.mark.parametrize("waits", [True, False])
def test_a_shell_or_a_session_that_uses_a_processor_is_busy(*, waits: bool) -> None:
    """Rule 6: what waits to be used is work once it is used; its ended children count in."""
    process = evolve(MAKE, waits=waits)
    assert working(looks(process, evolve(process, used=6.0))) != ""
    assert working(looks(process, evolve(process, used=5.4))) == ""


def test_an_open_shell_keeps_nobody_waiting_for_ever() -> None:
    """Rule 6: it used nothing, and that it began a minute ago is no work either."""
    young = evolve(SHELL, began=4940.0)
    for shell in (SHELL, young):
        assert busy_reason(CALM, (), MOMENT, QUIET, looks(shell, shell)) == ""


def test_a_process_that_just_began_is_busy() -> None:
    """Rule 6: unless it waits to be used; after the quiet time its processor time decides."""
    young = evolve(MAKE, began=5000.0 - QUIET.total_seconds() + 1, used=0.0)
    old = evolve(young, began=5000.0 - QUIET.total_seconds())
    assert busy_reason(CALM, (), MOMENT, QUIET, looks(None, young)) == (
        "make (process 7) began 9 min 59 s ago"
    )
    assert in_flight(CALM, (), MOMENT, looks(None, young)) == ""
    assert busy_reason(CALM, (), MOMENT, QUIET, looks(old, old)) == ""


def test_a_process_that_began_since_is_measured_from_its_beginning() -> None:
    """Rule 6: one of the same pid that began at another moment is another process."""
    found = looks(MAKE, evolve(SHELL, pid=7, began=4999.0, used=0.5))
    assert working(found) == "bash (process 7) used 0.5 s of processor time in 1 s"


def test_a_tick_of_the_clock_is_no_work() -> None:
    """Within a second the kernel may count one tick for a process that woke up."""
    assert working(looks(MAKE, evolve(MAKE, used=5.01), 1.0)) == ""
    assert working(looks(MAKE, evolve(MAKE, used=5.02), 1.0)) != ""


def test_samples_are_compared_within_the_quiet_time_of_one_boot() -> None:
    """An older one would count what was used before; a younger one measures nothing."""
    now = Sample("boot", 5000.0)
    quiet = QUIET.total_seconds()
    for at, may in ((5000.0 - quiet, True), (4999.0, True), (4999.5, False)):
        assert Sample("boot", at).comparable(now, QUIET) is may
    assert not Sample("boot", 5000.0 - quiet - 1).comparable(now, QUIET)
    assert not Sample("another", 4990.0).comparable(now, QUIET)


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
    assert reason(activity) == "cannot find out whether the serve is busy: database is locked"


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
    assert in_flight(activity, (), MOMENT) == text == reason(activity)


def test_work_in_flight_without_tables_counts_on_the_way_back() -> None:
    """Where the databases say nothing, the processes of the unit decide here too."""
    assert (
        in_flight(Activity(tracked=False), ("claude",), MOMENT) == "agent process claude is running"
    )
    assert in_flight(Activity(tracked=False), (), MOMENT) == ""


def test_a_stale_mark_keeps_nobody_on_a_build_that_does_not_pair() -> None:
    """A mark left by a crash is not work, whoever asks."""
    left = TurnMark("th-7", MOMENT - 2 * HOUR - SECOND)
    assert in_flight(evolve(CALM, turns=(left,)), (), MOMENT) == ""


def test_the_quiet_time_keeps_nobody_on_a_build_that_does_not_pair() -> None:
    """Whoever was at work a second ago and is not now goes back, though the idle rule says busy."""
    young = evolve(CALM, last_activity=MOMENT - SECOND)
    assert reason(young) != ""
    assert in_flight(young, (), MOMENT) == ""


@pytest.mark.parametrize("tracked", [True, False])
def test_what_nobody_can_tell_keeps_nobody_on_a_build_that_does_not_pair(*, tracked: bool) -> None:
    """Databases that cannot be read show no work, though the idle rule takes them for busy."""
    hidden = Activity(tracked=tracked, approvals=1, unreadable="database is locked")
    assert reason(hidden) != ""
    assert in_flight(hidden, ("claude",), MOMENT) == ""
