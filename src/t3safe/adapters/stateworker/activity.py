"""What a set says about work in flight, read beside a running serve.

Rules (marks as measured on real releases):

1. A turn is in flight where a session is `running` with an active turn, or a turn is `pending`.
2. Approvals and inputs that wait for a person count; inputs of deleted threads do not.
3. The answers of all databases of a set add up; the latest activity is that of the set.
4. The latest activity is the latest that is not after now; one that is after now is told apart.
5. A table that is there and cannot be understood is an error, not "no work".
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from t3safe.adapters.stateworker.discovery import discover
from t3safe.adapters.stateworker.reading import opened
from t3safe.adapters.stateworker.runtime import moment, runtime
from t3safe.adapters.stateworker.trouble import Kind, Trouble

Turn = tuple[str, str | None]
CLOCK_SLACK: Final = timedelta(minutes=5)
"""A browser's clock may be a little ahead of the host's: that is still now."""
EVENTS_READ: Final = 100
"""So many of the last events are looked at, as the last ones may be dated after now."""


class Work(NamedTuple):
    """What the idle rule needs; times are ISO 8601 in UTC, `unreadable` is empty when all is."""

    tracked: bool = False
    turns: tuple[Turn, ...] = ()
    approvals: int = 0
    inputs: int = 0
    last_activity: str | None = None
    serve_started: str | None = None
    later: str | None = None
    unreadable: str = ""


def work(userdata: str | None) -> Work:
    """Read the marks of work of a whole set; what cannot be read is an answer."""
    try:
        found = discover(userdata)
        if found.problems:
            raise Trouble(Kind.BROKEN, found.problems[0])
        answers = [_of_database(str(userdata), item.name) for item in found.databases]
        started = runtime(userdata).started
    except Trouble as trouble:
        return Work(unreadable=str(trouble))
    latest = max((item.last_activity for item in answers if item.last_activity), default=None)
    later = max((item.later for item in answers if item.later), default=None)
    return Work(
        tracked=any(item.tracked for item in answers),
        turns=tuple(turn for item in answers for turn in item.turns),
        approvals=sum(item.approvals for item in answers),
        inputs=sum(item.inputs for item in answers),
        last_activity=latest,
        serve_started=started.isoformat() if started else None,
        later=later,
    )


def _of_database(userdata: str, name: str) -> Work:
    with opened(userdata, name) as connection:
        there = {
            str(row[0])
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        times = _times_of_activity(connection, there)
        limit = _written(datetime.now(UTC) + CLOCK_SLACK)
        return Work(
            tracked=bool(there & {"projection_thread_sessions", "projection_turns"}),
            turns=_turns(connection, there),
            approvals=_approvals(connection, there),
            inputs=_inputs(connection, there),
            last_activity=max((time for time in times if time <= limit), default=None),
            later=max((time for time in times if time > limit), default=None),
        )


def _turns(connection: sqlite3.Connection, there: set[str]) -> tuple[Turn, ...]:
    rows: list[tuple[object, object]] = []
    if "projection_thread_sessions" in there:
        rows += connection.execute(
            "SELECT thread_id, updated_at FROM projection_thread_sessions "
            "WHERE status = 'running' AND active_turn_id IS NOT NULL ORDER BY 1"
        )
    if "projection_turns" in there:
        rows += connection.execute(
            "SELECT thread_id, requested_at FROM projection_turns "
            "WHERE state = 'pending' ORDER BY 1"
        )
    return tuple((str(thread), _iso(since)) for thread, since in rows)


def _approvals(connection: sqlite3.Connection, there: set[str]) -> int:
    if "projection_pending_approvals" not in there:
        return 0
    query = "SELECT count(*) FROM projection_pending_approvals WHERE status = 'pending'"
    return int(connection.execute(query).fetchone()[0])


def _inputs(connection: sqlite3.Connection, there: set[str]) -> int:
    if "projection_threads" not in there:
        return 0
    query = (
        "SELECT coalesce(sum(pending_user_input_count), 0) FROM projection_threads "
        "WHERE deleted_at IS NULL"
    )
    return int(connection.execute(query).fetchone()[0])


def _times_of_activity(connection: sqlite3.Connection, there: set[str]) -> list[str]:
    found: list[str] = []
    if "orchestration_events" in there:
        # The log is only appended to; a maximum over all of it would read every page.
        query = "SELECT occurred_at FROM orchestration_events ORDER BY rowid DESC LIMIT ?"
        found += _times(connection, query, EVENTS_READ)
    if "projection_thread_sessions" in there:
        found += _times(connection, "SELECT updated_at FROM projection_thread_sessions")
    return found


def _times(connection: sqlite3.Connection, query: str, *values: int) -> list[str]:
    rows = connection.execute(query, values)
    return [time for row in rows if (time := _iso(row[0])) is not None]


def _iso(value: object) -> str | None:
    time = moment(value)
    return _written(time) if time else None


def _written(time: datetime) -> str:
    """Write a time so that texts are ordered as times are."""
    return time.isoformat(timespec="microseconds")
