"""What a set says about work in flight, read beside a running serve (`t3.work` has the queries).

Rules:

1. Every database of the set that is not left over counts; their answers add up, and the latest
   activity is that of the set.
2. Approvals and inputs that wait for a person count; inputs of deleted threads do not.
3. The latest activity is the latest that is not after now; one that is after now is told apart.
4. A table that is there and cannot be understood is an error, not "no work".
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.databases import ledger, opened, tables
from t3safe.adapters._support.personaldata.discovery import discover
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind
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


def work(userdata: str | None) -> Work:
    """Read the marks of work of a whole set; what cannot be read is an answer."""
    try:
        found = discover(userdata)
        if found.problems:
            raise DataError(ErrorKind.BROKEN, found.problems[0])
        names = [item.name for item in found.databases]
        both = compared(str(userdata), names)
        lives = both is not None and v1_lives(str(userdata), both)
        counted = t3.counts(names, v1_lives=lives)
        answers = [_of_database(str(userdata), name) for name in counted]
        started = runtime(userdata).started
    except DataError as error:
        return Work(unreadable=str(error))
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
    connection: sqlite3.Connection, marks: Iterable[t3.WorkQuery], now: datetime
) -> Iterator[Turn]:
    around = timedelta(seconds=t3.DUE_SECONDS)
    times = {"late": _as_t3(now - around), "soon": _as_t3(now + around)}
    for mark in marks:
        for thread, since in connection.execute(mark.query, times):
            yield str(thread), _iso(since), mark.what


def _waiting(
    connection: sqlite3.Connection, waiting: t3.WaitingWork, name: str, there: set[str]
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


class Compared(NamedTuple):
    """The newest times (ISO 8601, UTC) of each content, None where there is none.

    `first` is of V1's own database, `copied` of V1's content in V2's, `second` of work in V2.
    `empty` says that no migration is on record in V2's.
    """

    first: str | None
    copied: str | None
    second: str | None
    empty: bool

    @property
    def v1_since(self) -> bool:
        """Whether V2 would not show all of V1: it was worked in since, or was never copied."""
        return self.empty or (self.first or "") > (self.copied or "")


def compared(userdata: str, names: Collection[str]) -> Compared | None:
    """Compare both databases where they are among these names."""
    if not {V1_DATABASE, V2_DATABASE} <= set(names):
        return None
    return Compared(
        first=_newest(userdata, V1_DATABASE, t3.V1_CONTENT),
        copied=_newest(userdata, V2_DATABASE, t3.V1_CONTENT),
        second=_newest(userdata, V2_DATABASE, t3.V2_CONTENT),
        empty=_empty(userdata, V2_DATABASE),
    )


def v1_lives(userdata: str, both: Compared) -> bool:
    """Whether V1's marks count: V2 would not show all of it, or has only been begun to be made."""
    with opened(userdata, V2_DATABASE) as connection:
        return both.v1_since or not t3.is_begun(tables(connection))


def _empty(userdata: str, name: str) -> bool:
    with opened(userdata, name) as connection:
        return not ledger(connection, name)


def _newest(userdata: str, name: str, queries: Iterable[tuple[str, str]]) -> str | None:
    with opened(userdata, name) as connection:
        there = tables(connection)
        rows = [
            row
            for table, query in queries
            if table in there
            for row in connection.execute(query).fetchall()
        ]
    times = [time for row in rows if (time := moment(row[0])) is not None]
    return max(times).isoformat(timespec="microseconds") if times else None


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
