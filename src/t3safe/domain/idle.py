"""The idle rule: may this person's serve be stopped now?

Rules (the marks of a turn in flight as measured on real releases):

1. A person is busy while a turn is in flight (`running` with an active turn, or a turn still
   `pending`), while an approval or an input is pending, or while the last activity is younger than
   the quiet time.
2. A mark left by a crash is not work.  A turn's mark is stale when it is older than the serve's own
   start, because a stop or a kill in the middle of a turn leaves it for ever.  Without a known
   start no mark is stale.
3. When the database has no such tables, agent processes in the unit's control group decide.
4. Agent processes count only in that case: a provider's helper may outlive its turn.
5. Unknown is busy.
6. A process in the unit's control group is work when it used processor time within the quiet time
   (with its ended children), or when it began within it: a build in t3's own terminal, an agent
   that goes on after its turn.  An open shell and an agent's session wait to be used: they are work
   only by processor time.  A sample leaves out known helpers.
7. A time after now comes from a clock that was ahead.  It is ignored and reported with its date.
   When a mark or the start of the serve has such a time, the agent processes decide.
8. A person who must be rolled back from a build that does not pair is busy only while work in
   flight is visible, also by processor time.  Neither the quiet time nor an unknown keeps them on
   that build.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from t3safe.domain.obstacles import V1Copy
from t3safe.domain.text import duration, moment


@frozen
class TurnMark:
    """Work that the database shows as unfinished, and when its mark was set (UTC)."""

    thread: str
    since: datetime | None
    what: str = "a turn is in flight"


@frozen
class Activity:
    """What a person's databases say about work, read as that person.

    `tracked` is false when the databases have no tables of turns.  `unreadable` says why the
    databases could not be read, empty when they could.  Times are UTC.
    """

    tracked: bool
    turns: tuple[TurnMark, ...] = ()
    approvals: int = 0
    inputs: int = 0
    last_activity: datetime | None = None
    serve_started: datetime | None = None
    later: datetime | None = None
    """The latest time of an activity that is after now, left out of `last_activity` (rule 7)."""
    unreadable: str = ""
    copied: V1Copy | None = None
    """V1's database beside V2's copy of it, when the data has both."""


@frozen
class Process:
    """A process of a serve; `began` is in seconds since the boot.

    `used` is its processor time in seconds, with that of its ended children.  `waits` says that it
    is a shell or an agent's session.
    """

    pid: int
    name: str
    began: float
    used: float
    waits: bool = False

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"


@frozen
class Sample:
    """The processes of a serve without known helpers; `at` is in seconds since `boot`."""

    boot: str
    at: float
    processes: tuple[Process, ...] = ()

    def comparable(self, now: Sample, quiet: timedelta) -> bool:
        """Whether the two samples lie within the quiet time, and far enough apart to measure."""
        since = now.at - self.at
        return self.boot == now.boot and WINDOW_SECONDS <= since <= quiet.total_seconds()


@frozen
class Looks:
    """Two samples of one serve, one after the other."""

    earlier: Sample
    now: Sample


WINDOW_SECONDS: Final = 1.0
"""The least time between two samples: the kernel counts processor time in 10 ms."""
TICK_SECONDS: Final = 0.01
SHARE_MIN: Final = 0.005
"""The share of one processor from which a process is busy; a waiting one uses a tenth of it."""
CLOCK_SLACK: Final = timedelta(minutes=5)
"""How far a browser's clock may be ahead of the host's."""


def working(looks: Looks) -> str:
    """Name a process that used processor time between the two samples; empty when none did."""
    before = {(process.pid, process.began): process for process in looks.earlier.processes}
    for process in looks.now.processes:
        known = before.get((process.pid, process.began))
        since = process.began if known is None else looks.earlier.at
        used = process.used - (0.0 if known is None else known.used)
        if used > max(1.5 * TICK_SECONDS, SHARE_MIN * (looks.now.at - since)):
            span = duration(looks.now.at - since)
            return f"{process} used {duration(used)} of processor time in {span}"
    return ""


def begun(now: Sample, quiet: timedelta) -> str:
    """Name a process that began within the quiet time and does not wait to be used."""
    for process in now.processes:
        age = now.at - process.began
        if not process.waits and age < quiet.total_seconds():
            return f"{process} began {duration(age)} ago"
    return ""


def busy_reason(
    activity: Activity,
    agents: tuple[str, ...],
    now: datetime,
    quiet: timedelta,
    looks: Looks | None = None,
) -> str:
    """Say why a person is busy; empty means idle.

    `agents` are the names of agent processes in the unit's control group.  `quiet` is how long the
    person must have done nothing.  `looks` are samples of all its processes.
    """
    if activity.unreadable:
        return f"cannot find out whether the serve is busy: {activity.unreadable}"
    return (
        in_flight(activity, agents, now, looks)
        or _recent(activity.last_activity, now, quiet)
        or (begun(looks.now, quiet) if looks is not None else "")
    )


def in_flight(
    activity: Activity, agents: tuple[str, ...], now: datetime, looks: Looks | None = None
) -> str:
    """Name the work in flight that is visible (rule 8), empty when there is none."""
    if activity.unreadable:
        return ""
    return _pending(activity, agents, now) or (working(looks) if looks is not None else "")


def times_after(activity: Activity, started: datetime | None, now: datetime) -> tuple[str, ...]:
    """Report each time that is after now (rule 7); `started` is what the manager says."""
    times = {
        "an activity": (activity.later, activity.last_activity),
        "a turn": tuple(turn.since for turn in activity.turns),
        "the start of the serve": (activity.serve_started, started),
    }
    latest = (
        (what, max((time for time in some if time is not None), default=None))
        for what, some in times.items()
    )
    return tuple(text for what, time in latest for text in dated_after(what, time, now))


def dated_after(what: str, time: datetime | None, now: datetime) -> tuple[str, ...]:
    """Report a time that is after now; empty when it is not."""
    if time is None or not _after(time, now):
        return ()
    return (f"{what} is dated {moment(time)}, which is after now",)


def _after(time: datetime, now: datetime) -> bool:
    return time > now + CLOCK_SLACK


def _pending(activity: Activity, agents: tuple[str, ...], now: datetime) -> str:
    if not activity.tracked:
        return f"agent process {agents[0]} is running" if agents else ""
    live = [turn for turn in activity.turns if _live(turn, activity.serve_started, agents, now)]
    if live:
        return f"{live[0].what} in thread {live[0].thread}"
    if activity.approvals:
        return f"{activity.approvals} approvals are pending"
    if activity.inputs:
        return f"{activity.inputs} inputs are pending"
    return ""


def _live(
    turn: TurnMark, serve_started: datetime | None, agents: tuple[str, ...], now: datetime
) -> bool:
    """Whether a mark is work (rules 2 and 7); an unknown time is work."""
    if turn.since is None:
        return True
    if _after(turn.since, now) or (serve_started is not None and _after(serve_started, now)):
        return bool(agents)
    return serve_started is None or turn.since >= serve_started


def _recent(last: datetime | None, now: datetime, quiet: timedelta) -> str:
    if last is None or now - last >= quiet or _after(last, now):
        return ""
    ago = duration(quiet.total_seconds())
    return f"last activity at {moment(last, seconds=True)}, less than {ago} ago"
