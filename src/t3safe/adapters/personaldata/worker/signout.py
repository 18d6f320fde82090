"""What was made to prove a sign-in, taken out of a set again, beside its serve.

Rules:

1. Only sessions and pairing links whose ids are given go: t3safe alone had their cookies and
   credentials, so nobody else is signed out.  t3 looks a session up for each request, so it counts
   as signed out at once.
2. It is one short transaction for each database that has them; who holds the database longer than
   a moment is not waited for.  A table that is not t3's is left alone.
3. V1's database is left as it is once V2 has copied it: what V2's has too is not taken out of it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Final
from urllib.parse import quote

from t3safe.adapters._support.personaldata.databases import opened
from t3safe.adapters._support.personaldata.discovery import discover
from t3safe.adapters._support.personaldata.errors import of_sqlite, shown
from t3safe.t3.files import V1_DATABASE, V2_DATABASE
from t3safe.t3.sign_in import SIGN_IN_COLUMNS, SIGN_IN_IDS

_PATIENCE: Final = 2.0
"""Seconds that a writer is waited for."""


def sign_out(userdata: str | None, ids: list[str]) -> int:
    """Take these sessions and links out of every database of a set; gives how many there were."""
    found = [item.name for item in discover(userdata).databases]
    root, first = str(userdata), list(ids)
    if V2_DATABASE in found:
        with opened(root, V2_DATABASE) as connection:
            copied = set(_there(connection, ids))
        first = [each for each in ids if each not in copied]
    return sum(_gone(root, name, first if name == V1_DATABASE else ids) for name in found)


def _there(connection: sqlite3.Connection, ids: list[str]) -> Iterator[str]:
    """Name those of these ids that a database has."""
    marks = ",".join("?" * len(ids))
    for table, key in SIGN_IN_IDS.items():
        if _holds(connection, table, marks, ids):
            query = f"SELECT {key} FROM {_among(table, marks)}"  # noqa: S608
            yield from (str(row[0]) for row in connection.execute(query, ids))


def _gone(root: str, name: str, ids: list[str]) -> int:
    marks = ",".join("?" * len(ids))
    with opened(root, name) as connection:
        tables = [table for table in SIGN_IN_IDS if _holds(connection, table, marks, ids)]
    if not tables:
        return 0
    try:
        where = f"file:{quote(os.fsencode(f'{root}/{name}'))}?mode=rw"
        connecting = sqlite3.connect(where, uri=True, timeout=_PATIENCE)
        with closing(connecting) as writer, writer:
            deleting = (f"DELETE FROM {_among(table, marks)}" for table in tables)  # noqa: S608
            return sum(writer.execute(statement, ids).rowcount for statement in deleting)
    except sqlite3.Error as error:
        raise of_sqlite(shown(name), error, root) from error


def _holds(connection: sqlite3.Connection, table: str, marks: str, ids: list[str]) -> bool:
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    if not columns >= {SIGN_IN_IDS[table], *SIGN_IN_COLUMNS}:
        return False
    there = f"SELECT 1 FROM {_among(table, marks)} LIMIT 1"  # noqa: S608
    return connection.execute(there, ids).fetchone() is not None


def _among(table: str, marks: str) -> str:
    return f"{table} WHERE {SIGN_IN_IDS[table]} IN ({marks})"
