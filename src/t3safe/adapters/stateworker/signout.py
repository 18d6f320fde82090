"""What was made to prove a sign-in, taken out of a set again, beside its serve.

Rules:

1. Only sessions and pairing links whose ids are given go: t3safe alone had their cookies and
   credentials, so nobody else is signed out.  t3 looks a session up for each request, so it counts
   as signed out at once.
2. It is one short transaction for each database that has them; who holds the database longer than
   a moment is not waited for.  A table that is not t3's is left alone.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Final
from urllib.parse import quote

from t3safe.adapters._support.personaldata.discovery import discover
from t3safe.adapters._support.personaldata.reading import opened
from t3safe.adapters._support.personaldata.trouble import of_sqlite, shown
from t3safe.t3.sign_in import SIGN_IN_COLUMNS, SIGN_IN_IDS

_PATIENCE: Final = 2.0
"""Seconds that a writer is waited for."""


def sign_out(userdata: str | None, ids: list[str]) -> int:
    """Take these sessions and links out of every database of a set; gives how many there were."""
    found = discover(userdata).databases
    return sum(_gone(str(userdata), item.name, ids) for item in found)


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
