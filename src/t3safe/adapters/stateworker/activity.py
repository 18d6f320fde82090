"""What a set says about work in flight, read beside a running serve.

Rules (marks as measured on real releases):

1. A turn is in flight where a session is `running` with an active turn, or a turn is `pending`.
2. Approvals and inputs that wait for a person count; inputs of deleted threads do not.
3. The answers of all databases of a set add up; the latest activity is that of the set.
4. A table that is there and cannot be understood is an error, not "no work".
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from t3safe.adapters.stateworker.discovery import discover
from t3safe.adapters.stateworker.reading import opened
from t3safe.adapters.stateworker.runtime import moment, runtime
from t3safe.adapters.stateworker.trouble import Kind, Trouble

Turn = tuple[str, str | None]


class Work(NamedTuple):
    """What the idle rule needs; times are ISO 8601 in UTC, `unreadable` is empty when all is."""

    tracked: bool = False
    turns: tuple[Turn, ...] = ()
    approvals: int = 0
    inputs: int = 0
    last_activity: str | None = None
    serve_started: str | None = None
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
    return Work(
        tracked=any(item.tracked for item in answers),
        turns=tuple(turn for item in answers for turn in item.turns),
        approvals=sum(item.approvals for item in answers),
        inputs=sum(item.inputs for item in answers),
        last_activity=latest,
        serve_started=started.isoformat() if started else None,
    )


def _of_database(userdata: str, name: str) -> Work:
    with opened(userdata, name) as connection:
        there = {
            str(row[0])
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        return Work(
            tracked=bool(there & {"projection_thread_sessions", "projection_turns"}),
            turns=_turns(connection, there),
            approvals=_approvals(connection, there),
            inputs=_inputs(connection, there),
            last_activity=_latest(connection, there),
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


def _latest(connection: sqlite3.Connection, there: set[str]) -> str | None:
    found: list[str] = []
    if "orchestration_events" in there:
        # The log is only appended to; a maximum over all of it would read every page.
        found += _times(
            connection, "SELECT occurred_at FROM orchestration_events ORDER BY rowid DESC LIMIT 1"
        )
    if "projection_thread_sessions" in there:
        found += _times(connection, "SELECT updated_at FROM projection_thread_sessions")
    return max(found, default=None)


def _times(connection: sqlite3.Connection, query: str) -> list[str]:
    return [time for row in connection.execute(query) if (time := _iso(row[0])) is not None]


def _iso(value: object) -> str | None:
    time = moment(value)
    return time.isoformat(timespec="microseconds") if time else None
