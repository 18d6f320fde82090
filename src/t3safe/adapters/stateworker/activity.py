"""What a set says about work in flight, read beside a running serve (`t3.work` has the queries).

Rules:

1. Every database of the set that is not left over counts; their answers add up, and the latest
   activity is that of the set.
2. Approvals and inputs that wait for a person count; inputs of deleted threads do not.
3. The latest activity is the latest that is not after now; one that is after now is told apart.
4. A table that is there and cannot be understood is an error, not "no work".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from t3safe.adapters._support.personaldata.discovery import discover
from t3safe.adapters._support.personaldata.reading import opened, tables
from t3safe.adapters._support.personaldata.trouble import Kind, Trouble
from t3safe.adapters.stateworker.copied import Compared, compared, v1_lives
from t3safe.adapters.stateworker.runtime import moment, runtime
from t3safe.t3 import work as t3
from t3safe.t3.files import V2_DATABASE

Turn = tuple[str, str | None, str]
CLOCK_SLACK: Final = timedelta(minutes=5)
"""A browser's clock may be a little ahead of the host's: that is still now."""


class Work(NamedTuple):
    """What the idle rule needs; times are ISO 8601 in UTC, `unreadable` is empty when all is.

    A turn is its thread, since when, and what is going on.
    """

    tracked: bool = False
    turns: tuple[Turn, ...] = ()
    approvals: int = 0
    inputs: int = 0
    last_activity: str | None = None
    serve_started: str | None = None
    later: str | None = None
    unreadable: str = ""
    copied: Compared | None = None


def work(userdata: str | None) -> Work:
    """Read the marks of work of a whole set; what cannot be read is an answer."""
    try:
        found = discover(userdata)
        if found.problems:
            raise Trouble(Kind.BROKEN, found.problems[0])
        names = [item.name for item in found.databases]
        both = compared(str(userdata), names)
        lives = both is not None and v1_lives(str(userdata), both)
        counted = t3.counts(names, v1_lives=lives)
        answers = [_of_database(str(userdata), name) for name in counted]
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
        copied=both,
    )


def _of_database(userdata: str, name: str) -> Work:
    with opened(userdata, name) as connection:
        there = tables(connection)
        now = datetime.now(UTC)
        times = _times_of_activity(connection, name, there)
        limit = _written(now + CLOCK_SLACK)
        return Work(
            tracked=t3.is_tracked(name, there),
            turns=tuple(_turns(connection, t3.marks_of(name, there), now)),
            approvals=_waiting(connection, t3.APPROVALS, name, there),
            inputs=_waiting(connection, t3.INPUTS, name, there),
            last_activity=max((time for time in times if time <= limit), default=None),
            later=max((time for time in times if time > limit), default=None),
        )


def _turns(
    connection: sqlite3.Connection, marks: Iterable[t3.Marks], now: datetime
) -> Iterator[Turn]:
    around = timedelta(seconds=t3.DUE_SECONDS)
    times = {"late": _as_t3(now - around), "soon": _as_t3(now + around)}
    for mark in marks:
        for thread, since in connection.execute(mark.query, times):
            yield str(thread), _iso(since), mark.what


def _waiting(
    connection: sqlite3.Connection, waiting: t3.Waiting, name: str, there: set[str]
) -> int:
    if waiting.table not in there or name == V2_DATABASE:
        return 0
    return int(connection.execute(waiting.query).fetchone()[0])


def _times_of_activity(connection: sqlite3.Connection, name: str, there: set[str]) -> list[str]:
    return [time for query in t3.times_of(name, there) for time in _times(connection, query)]


def _times(connection: sqlite3.Connection, query: str) -> list[str]:
    rows = connection.execute(query)
    return [time for row in rows if (time := _iso(row[0])) is not None]


def _iso(value: object) -> str | None:
    time = moment(value)
    return _written(time) if time else None


def _as_t3(time: datetime) -> str:
    """Write a time as t3 does."""
    return f"{time:%Y-%m-%dT%H:%M:%S}.000Z"


def _written(time: datetime) -> str:
    """Write a time so that texts are ordered as times are."""
    return time.isoformat(timespec="microseconds")
