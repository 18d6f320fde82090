from __future__ import annotations

from datetime import timedelta

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain.idle import (
    SHARE_MIN,
    Activity,
    Looks,
    Process,
    Sample,
    TurnMark,
    busy_reason,
    in_flight,
)
from tests.strategies import MOMENT, activities

QUIET = timedelta(minutes=10)
AGENTS = st.lists(st.sampled_from(["claude", "codex"]), max_size=2).map(tuple)


@given(activity=activities, agents=AGENTS)
def test_idle_is_said_only_where_nothing_speaks_against_it(
    activity: Activity, agents: tuple[str, ...]
) -> None:
    """Rules 1 and 5: busy while anything is pending or young; unknown is busy."""
    if busy_reason(activity, agents, MOMENT, QUIET):
        return
    assert not activity.unreadable
    if not activity.tracked:
        assert not agents
        return
    assert not activity.approvals
    assert not activity.inputs
    last = activity.last_activity
    assert last is None or MOMENT - last >= QUIET or last > MOMENT
    for turn in activity.turns:
        assert turn.since is not None
        times = [turn.since, activity.serve_started or turn.since]
        ahead = max(times) > MOMENT
        assert not agents if ahead else activity.serve_started is not None
        assert ahead or turn.since < times[1]


@given(activity=activities, agents=AGENTS, seconds=st.integers(0, 7200))
def test_more_work_never_makes_idle(
    activity: Activity, agents: tuple[str, ...], seconds: int
) -> None:
    """Whoever is busy stays busy with one more turn, approval, input or agent, and a longer
    quiet time.
    """
    if not busy_reason(activity, agents, MOMENT, QUIET):
        return
    longer = QUIET + timedelta(seconds=seconds)
    assert busy_reason(activity, (*agents, "opencode"), MOMENT, longer)
    for more in (
        evolve(activity, turns=(*activity.turns, TurnMark("t9", None))),
        evolve(activity, approvals=activity.approvals + 1),
        evolve(activity, inputs=activity.inputs + 1),
    ):
        assert busy_reason(more, agents, MOMENT, longer)


@given(activity=activities, agents=AGENTS, seconds=st.integers(0, 7200))
def test_only_work_that_is_seen_keeps_somebody_on_a_build_that_does_not_pair(
    activity: Activity, agents: tuple[str, ...], seconds: int
) -> None:
    """Rule 6: at work only while work in flight is seen; neither the quiet time nor what nobody can
    tell keeps them on that build.  What counts there counts for the idle rule too.
    """
    found = in_flight(activity, agents, MOMENT)
    if activity.unreadable:
        assert not found
        return
    last = MOMENT - timedelta(seconds=seconds)
    assert in_flight(evolve(activity, last_activity=last), agents, MOMENT) == found
    long_quiet = evolve(activity, last_activity=None)
    assert found == busy_reason(long_quiet, agents, MOMENT, QUIET)
    if found:
        assert busy_reason(activity, agents, MOMENT, QUIET) == found


PROCESSES = st.lists(
    st.builds(
        Process,
        pid=st.integers(2, 5),
        name=st.just("make"),
        began=st.floats(0, 4000),
        used=st.integers(0, 100),
        waits=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda process: process.pid,
).map(tuple)


@given(activity=activities, agents=AGENTS, processes=PROCESSES, more=st.integers(0, 50))
def test_processor_time_makes_busy_and_nothing_that_waits_does(
    activity: Activity, agents: tuple[str, ...], processes: tuple[Process, ...], more: int
) -> None:
    """Rule 6: busy where the databases say so, or where a process used a share of a processor."""
    earlier = Sample("boot", 4000.0, processes)
    still = Looks(earlier, evolve(earlier, at=5000.0))
    without = busy_reason(activity, agents, MOMENT, QUIET)
    assert busy_reason(activity, agents, MOMENT, QUIET, still) == without
    used = tuple(evolve(process, used=process.used + more) for process in processes)
    busy = busy_reason(
        activity, agents, MOMENT, QUIET, Looks(earlier, Sample("boot", 5000.0, used))
    )
    assert bool(busy) is bool(without or (processes and more > SHARE_MIN * 1000.0))
