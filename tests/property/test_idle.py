from __future__ import annotations

from datetime import timedelta

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain.idle import Activity, TurnMark, busy_reason, in_flight
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
    assert activity.last_activity is None or MOMENT - activity.last_activity >= QUIET
    for turn in activity.turns:
        assert turn.since is not None
        assert activity.serve_started is not None
        assert turn.since < activity.serve_started


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
    found = in_flight(activity, agents)
    if activity.unreadable:
        assert not found
        return
    last = MOMENT - timedelta(seconds=seconds)
    assert in_flight(evolve(activity, last_activity=last), agents) == found
    long_quiet = evolve(activity, last_activity=None)
    assert found == busy_reason(long_quiet, agents, MOMENT, QUIET)
    if found:
        assert busy_reason(activity, agents, MOMENT, QUIET) == found
