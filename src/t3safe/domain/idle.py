"""The idle rule: may this person's serve be stopped now?

Rules (the marks of a turn in flight as measured on real releases):

1. Busy while a turn is in flight (`running` with an active turn, or a turn still `pending`), while
   an approval or an input is pending, or while the last activity is younger than the quiet time.
2. A mark left by a crash is not work: a turn's mark is stale when it is older than the serve's own
   start, because a stop or a kill in the middle of a turn leaves it for ever.  Without a known
   start no mark is stale.
3. Where the database has no such tables, agent processes in the unit's control group decide.
4. Agent processes are looked at only there: a provider's helper may outlive its turn.
5. Unknown is busy.
6. Whoever has to be taken back from a build that does not pair is at work only while work in
   flight is seen: neither the quiet time nor what nobody can tell keeps them on that build.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import frozen


@frozen
class TurnMark:
    """A turn that the database shows as unfinished, and when its mark was set (UTC)."""

    thread: str
    since: datetime | None


@frozen
class Activity:
    """What a person's databases say about work, read as that person.

    `tracked` is false where the databases have no tables of turns.  `unreadable` names why the
    databases could not be read, empty when they could.  Times are UTC.
    """

    tracked: bool
    turns: tuple[TurnMark, ...] = ()
    approvals: int = 0
    inputs: int = 0
    last_activity: datetime | None = None
    serve_started: datetime | None = None
    unreadable: str = ""


def busy_reason(
    activity: Activity, agents: tuple[str, ...], now: datetime, quiet: timedelta
) -> str:
    """Say why a person is busy; empty means idle.

    `agents` are the names of agent processes in the unit's control group, `quiet` is how long the
    last activity must lie back.
    """
    if activity.unreadable:
        return f"cannot tell whether there is work: {activity.unreadable}"
    return in_flight(activity, agents) or _recent(activity.last_activity, now, quiet)


def in_flight(activity: Activity, agents: tuple[str, ...]) -> str:
    """Name the work in flight that is seen for certain (rule 6), empty when none is."""
    if activity.unreadable:
        return ""
    if not activity.tracked:
        return f"agent process {agents[0]} is running" if agents else ""
    live = [turn for turn in activity.turns if not _stale(turn, activity.serve_started)]
    if live:
        return f"a turn is in flight in thread {live[0].thread}"
    if activity.approvals:
        return f"{activity.approvals} approvals are pending"
    if activity.inputs:
        return f"{activity.inputs} inputs are pending"
    return ""


def _stale(turn: TurnMark, serve_started: datetime | None) -> bool:
    if turn.since is None or serve_started is None:
        return False
    return turn.since < serve_started


def _recent(last: datetime | None, now: datetime, quiet: timedelta) -> str:
    if last is None or now - last >= quiet:
        return ""
    return f"last activity at {last:%H:%M:%S} UTC is younger than {quiet}"
