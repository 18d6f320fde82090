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


TURN = TurnMark("th-7", MOMENT - HOUR)
IN_THREAD = "a turn is in flight in thread th-7"
YOUNG = evolve(CALM, last_activity=MOMENT - QUIET + SECOND)


CASES: dict[str, tuple[Activity, str]] = {
    "nothing in flight and long quiet": (CALM, ""),
    "a set that holds no work has no last activity": (Activity(tracked=True), ""),
    "a turn": (evolve(CALM, turns=(TURN,)), IN_THREAD),
    "a question that may be answered at any moment": (
        evolve(CALM, approvals=2),
        "2 approvals are pending",
    ),
    "an agent that waits for a text": (evolve(CALM, inputs=1), "1 inputs are pending"),
    "one second short of the quiet time": (
        YOUNG,
        "last activity at 2026-06-09 03:50:01 UTC, less than 10 min ago",
    ),
    "the quiet time is over": (evolve(CALM, last_activity=MOMENT - QUIET), ""),
    "rule 7: a browser's clock may be ahead": (
        evolve(CALM, last_activity=MOMENT + CLOCK_SLACK),
        "last activity at 2026-06-09 04:05:00 UTC, less than 10 min ago",
    ),
    "rule 7: what is later than that is ignored": (
        evolve(CALM, last_activity=MOMENT + CLOCK_SLACK + SECOND),
        "",
    ),
    "a mark that a kill left is older than the serve": (
        evolve(CALM, turns=(TurnMark("th-7", MOMENT - 2 * HOUR - SECOND),)),
        "",
    ),
    "a mark set as the serve started": (
        evolve(CALM, turns=(TurnMark("th-7", MOMENT - 2 * HOUR),)),
        IN_THREAD,
    ),
    "unknown is busy: no start": (
        evolve(CALM, turns=(TurnMark("th-7", MOMENT - 720 * HOUR),), serve_started=None),
        IN_THREAD,
    ),
    "unknown is busy: no time": (evolve(CALM, turns=(TurnMark("th-7", None),)), IN_THREAD),
    "a live turn behind a stale one": (
        evolve(CALM, turns=(TurnMark("th-1", MOMENT - 3 * HOUR), TURN)),
        IN_THREAD,
    ),
    "unknown is busy: databases": (
        Activity(tracked=True, unreadable="database is locked"),
        "cannot find out whether the serve is busy: database is locked",
    ),
    "unknown is busy: databases without tables": (
        Activity(tracked=False, unreadable="database is locked"),
        "cannot find out whether the serve is busy: database is locked",
    ),
    "nothing that could be at work": (Activity(tracked=False), ""),
}


@pytest.mark.parametrize(("activity", "said"), CASES.values(), ids=CASES)
def test_idle_is_the_empty_reason(activity: Activity, said: str) -> None:
    """Whoever has work in flight, or had some a moment ago, is busy; and so is who is unknown."""
    assert reason(activity) == said


def test_agents_count_where_the_databases_say_nothing() -> None:
    """Where they say something a provider's helper may outlive its turn."""
    said = "agent process claude is running"
    assert reason(Activity(tracked=False), "claude", "codex") == said
    assert in_flight(Activity(tracked=False), ("claude",), MOMENT) == said
    assert reason(CALM, "claude") == ""


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
    assert working(looks(process, evolve(process, used=5.51))) != ""
    assert working(looks(process, evolve(process, used=5.5))) == "", "half a percent of 100 s"


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


@pytest.mark.parametrize(
    "activity",
    [evolve(CALM, turns=(TURN,)), evolve(CALM, approvals=2), evolve(CALM, inputs=1)],
)
def test_work_in_flight_keeps_somebody_on_a_build_that_does_not_pair(activity: Activity) -> None:
    """It is named as the idle rule names it."""
    assert in_flight(activity, (), MOMENT) == reason(activity) != ""


@pytest.mark.parametrize(
    ("activity", "agents"),
    [
        (Activity(tracked=False), ()),
        # A mark left by a crash is no work, whoever asks.
        (evolve(CALM, turns=(TurnMark("th-7", MOMENT - 2 * HOUR - SECOND),)), ()),
        # Whoever was at work a second ago and is not now goes back.
        (evolve(CALM, last_activity=MOMENT - SECOND), ()),
        # Databases that cannot be read show no work.
        (Activity(tracked=True, approvals=1, unreadable="database is locked"), ("claude",)),
        (Activity(tracked=False, approvals=1, unreadable="database is locked"), ("claude",)),
    ],
)
def test_nothing_else_keeps_somebody_on_a_build_that_does_not_pair(
    activity: Activity, agents: tuple[str, ...]
) -> None:
    """Though the idle rule calls some of it busy."""
    assert in_flight(activity, agents, MOMENT) == ""
