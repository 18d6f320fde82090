"""Work in flight, by what the databases say, read beside a running serve (`t3.work`: the queries).

Rules:

1. Every database that is not left over counts; their answers add up, and the latest activity is
   that of all of them.
2. Approvals and inputs that wait for a person count; inputs of deleted threads do not.
3. The latest activity is the latest that is not after now; one that is after now is named apart.
4. A table that is there and cannot be understood is an error, not "no work".
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.databases import ledger, opened, tables
from t3safe.adapters._support.personaldata.discovery import discover
from t3safe.adapters._support.personaldata.errors import DataError
from t3safe.t3 import work as t3
from t3safe.t3.files import RUNTIME, V1_DATABASE, V2_DATABASE

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


class Compared(NamedTuple):
    """The newest times (ISO 8601, UTC) of each content, None where there is none.

    `first` is of V1's own database, `copied` of V1's content in V2's, `second` of work in V2.
    `empty` says that no migration is on record in V2's.
    """

    first: str | None
    copied: str | None
    second: str | None
    empty: bool


def work(userdata: str | None) -> Work:
    """Read the marks of work of all databases; what cannot be read is an answer."""
    root, both, v1_lives = str(userdata), None, False
    try:
        names = [item.name for item in discover(userdata).sound().databases]
        if {V1_DATABASE, V2_DATABASE} <= set(names):
            both, v1_lives = _compared(root)
        answers = [_of_database(root, name) for name in t3.counts(names, v1_lives=v1_lives)]
        started = runtime(userdata).started
    except DataError as error:
        return Work(unreadable=str(error))
    return Work(
        tracked=any(item.tracked for item in answers),
        turns=tuple(turn for item in answers for turn in item.turns),
        approvals=sum(item.approvals for item in answers),
        inputs=sum(item.inputs for item in answers),
        last_activity=max(
            (one.last_activity for one in answers if one.last_activity), default=None
        ),
        serve_started=started.isoformat() if started else None,
        later=max((one.later for one in answers if one.later), default=None),
        copied=both,
    )


def _of_database(root: str, name: str) -> Work:
    with opened(root, name) as connection:
        there, now = tables(connection), datetime.now(UTC)
        around = timedelta(seconds=t3.DUE_SECONDS)
        # Written as t3 writes times.
        due = {
            key: f"{time:%Y-%m-%dT%H:%M:%S}.000Z"
            for key, time in (("late", now - around), ("soon", now + around))
        }
        turns = tuple(
            (str(thread), _iso(since), mark.what)
            for mark in t3.marks_of(name, there)
            for thread, since in connection.execute(mark.query, due)
        )
        approvals, inputs = (
            0
            if waiting.table not in there or name == V2_DATABASE
            else int(connection.execute(waiting.query).fetchone()[0])
            for waiting in (t3.APPROVALS, t3.INPUTS)
        )
        times = _times(connection, t3.times_of(name, there))
        limit = (now + CLOCK_SLACK).isoformat(timespec="microseconds")
        return Work(
            tracked=t3.is_tracked(name, there),
            turns=turns,
            approvals=approvals,
            inputs=inputs,
            last_activity=max((time for time in times if time <= limit), default=None),
            later=max((time for time in times if time > limit), default=None),
        )


def _compared(root: str) -> tuple[Compared, bool]:
    """Compare V1's database with V2's; whether V1's marks count.

    They do where V2 would not show all of V1 (it was worked in since, or was never copied), and
    where V2's database has only been begun to be made.
    """
    with opened(root, V1_DATABASE) as connection:
        first = _newest(connection, t3.V1_CONTENT)
    with opened(root, V2_DATABASE) as connection:
        both = Compared(
            first,
            copied=_newest(connection, t3.V1_CONTENT),
            second=_newest(connection, t3.V2_CONTENT),
            empty=not ledger(connection, V2_DATABASE),
        )
        begun = t3.is_begun(tables(connection))
    return both, both.empty or (first or "") > (both.copied or "") or not begun


def _newest(connection: sqlite3.Connection, queries: Iterable[tuple[str, str]]) -> str | None:
    there = tables(connection)
    wanted = [query for table, query in queries if table in there]
    return max(_times(connection, wanted), default=None)


def _times(connection: sqlite3.Connection, queries: Iterable[str]) -> list[str]:
    rows = (row for query in queries for row in connection.execute(query))
    return [time for row in rows if (time := _iso(row[0])) is not None]


def _iso(value: object) -> str | None:
    """Write a time of t3's so that texts are ordered as times are; None where it is no time."""
    time = moment(value)
    return time.isoformat(timespec="microseconds") if time else None


_RUNTIME_MAX: Final = 64 * 1024


class Runtime(NamedTuple):
    """A serve's process and when it began, in UTC; None where the file does not say."""

    pid: int | None = None
    started: datetime | None = None


def moment(value: object) -> datetime | None:
    """Understand a time as t3 writes it (ISO 8601, or milliseconds), None where it is none."""
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def runtime(userdata: str | None) -> Runtime:
    """Read what the serve says of itself; nothing where the file is missing or garbage."""
    if userdata is None:
        return Runtime()
    try:
        said = json.loads(disk.read_small(userdata, RUNTIME, _RUNTIME_MAX))
    except (OSError, DataError, ValueError, RecursionError):
        return Runtime()
    if not isinstance(said, dict):
        return Runtime()
    pid = said.get("pid")
    known = pid if isinstance(pid, int) and not isinstance(pid, bool) and pid > 0 else None
    return Runtime(known, moment(said.get("startedAt")))
