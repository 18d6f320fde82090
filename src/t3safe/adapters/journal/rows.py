"""What each run came to, as rows: found from its events, written with the last of them.

Rules:

1. A row is written in the transaction that closes its run.  A run without a row (it is not over, or
   another version of t3safe closed it) is read from its events.
2. Rows stay where the events of a run are pruned.
3. The tables are beside those of the format: a t3safe that does not know them passes them over, and
   the runs that it closes are added by the next write of one that does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from t3safe.domain import events as ev
from t3safe.domain.move import Status
from t3safe.domain.runs import MoveRecord, RunRecord
from t3safe.domain.versions import Version

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    candidate TEXT NOT NULL,
    opened TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    closed TEXT NOT NULL,
    baking TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS moves (
    number INTEGER NOT NULL REFERENCES runs,
    place INTEGER NOT NULL,
    person TEXT NOT NULL,
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    ran TEXT,
    used TEXT NOT NULL,
    put TEXT,
    put_at TEXT,
    PRIMARY KEY (number, place)
) STRICT;
CREATE INDEX IF NOT EXISTS moves_by_person ON moves (person, number);
"""
"""`number` is that of the event that opened the run."""

_OPENED: Final = (
    "SELECT number, run, (SELECT max(number) FROM events AS all_of WHERE all_of.run = events.run)"
    " FROM events WHERE kind = 'Opened'"
)
ALL_OPENED: Final = f"{_OPENED} ORDER BY number DESC"
"""Every run with the numbers of its first and last event, where there are no rows at all."""
WITHOUT_ROW: Final = (
    f"{_OPENED} AND number NOT IN (SELECT number FROM runs)"  # noqa: S608 - our own words
    " ORDER BY number DESC"
)
CLOSED_WITHOUT_ROW: Final = (
    "SELECT number, run FROM events WHERE kind = 'Opened'"
    " AND number NOT IN (SELECT number FROM runs)"
    " AND run IN (SELECT run FROM events WHERE kind = 'Closed')"
)
RUNS: Final = (
    "SELECT number, run, kind, candidate, opened, outcome, reason, closed, baking FROM runs"
    " WHERE number < ? ORDER BY number DESC LIMIT ?"
)
_MOVE: Final = (
    "SELECT number, run, kind, opened, person, old, new, status, moves.reason, ran, used, put,"
    " put_at FROM moves JOIN runs USING (number)"
)
MOVES_OF_RUN: Final = f"{_MOVE} WHERE number = ? ORDER BY place"
MOVES_OF_PERSON: Final = f"{_MOVE} WHERE person = ? ORDER BY number DESC"
PRUNE: Final = "DELETE FROM events WHERE run IN (SELECT run FROM runs WHERE opened < ?)"


def insert(connection: sqlite3.Connection, number: int, record: RunRecord) -> None:
    """Write the rows of a run that is over."""
    assert record.ended is not None, "a run without an end has no row"  # noqa: S101
    assert record.closed is not None, "a run without an end has no row"  # noqa: S101
    row = (
        number,
        record.run,
        record.kind.value,
        record.candidate.text,
        record.opened.isoformat(),
        record.ended.outcome.value,
        record.ended.reason,
        record.closed.isoformat(),
        json.dumps(record.baking),
    )
    connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.executemany(
        "INSERT INTO moves VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _moves(number, record.moves)
    )


def _moves(number: int, moves: Iterable[MoveRecord]) -> Iterator[tuple[object, ...]]:
    for place, move in enumerate(moves):
        yield (
            number,
            place,
            move.person,
            move.old.text,
            move.new.text,
            move.status.value,
            move.reason,
            move.ran.text if move.ran is not None else None,
            json.dumps(move.used),
            move.put.text if move.put is not None else None,
            move.put_at.isoformat() if move.put_at is not None else None,
        )


def run(row: tuple[Any, ...], moves: Iterable[tuple[Any, ...]]) -> RunRecord:
    """Read a row of `RUNS` with those of `MOVES_OF_RUN`.  Raises ValueError."""
    _, name, kind, candidate, opened, outcome, reason, closed, baking = row
    return RunRecord(
        name,
        ev.Kind(kind),
        Version.parse(candidate),
        datetime.fromisoformat(opened),
        ev.Ended(ev.Outcome(outcome), reason),
        datetime.fromisoformat(closed),
        tuple(map(move, moves)),
        tuple(json.loads(baking)),
    )


def move(row: tuple[Any, ...]) -> MoveRecord:
    """Read a row of `MOVES_OF_RUN` or `MOVES_OF_PERSON`.  Raises ValueError."""
    _, name, kind, opened, person, old, new, status, reason, ran, used, put, put_at = row
    return MoveRecord(
        name,
        ev.Kind(kind),
        datetime.fromisoformat(opened),
        person,
        Version.parse(old),
        Version.parse(new),
        Status(status),
        reason,
        Version.parse(ran) if ran else None,
        tuple(json.loads(used)),
        Version.parse(put) if put else None,
        datetime.fromisoformat(put_at) if put_at else None,
    )
