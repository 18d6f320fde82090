"""Sessions and links that t3safe made to prove a sign-in, deleted again beside the serve.

Rules:

1. Only sessions and pairing links whose ids are given go: t3safe alone had their cookies and
   credentials, so no other client is signed out.  t3 looks a session up for each request, so it
   counts as signed out at once.
2. It is one short transaction for each database that has them, and waits only `_PATIENCE` for a
   lock.  A table that is not t3's is left alone.
3. V1's database is left as it is once V2 has copied it: what V2's has too is not deleted from it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Final
from urllib.parse import quote

from t3safe.adapters._support.personaldata.databases import opened
from t3safe.adapters._support.personaldata.discovery import discover
from t3safe.adapters._support.personaldata.errors import of_sqlite, shown
from t3safe.t3.files import V1_DATABASE, V2_DATABASE
from t3safe.t3.sign_in import SIGN_IN_COLUMNS, SIGN_IN_IDS

_PATIENCE: Final = 2.0
"""Seconds."""


def sign_out(userdata: str | None, ids: list[str]) -> int:
    """Delete these sessions and links from every database; gives how many there were."""
    found = [item.name for item in discover(userdata).databases]
    root, copied = str(userdata), set[str]()
    if V2_DATABASE in found:
        with opened(root, V2_DATABASE) as connection:
            for table in _tables(connection, ids):
                query = f"SELECT {SIGN_IN_IDS[table]} FROM {_among(table, ids)}"  # noqa: S608
                copied |= {str(row[0]) for row in connection.execute(query, ids)}
    first = [each for each in ids if each not in copied]
    return sum(_delete(root, name, first if name == V1_DATABASE else ids) for name in found)


def _delete(root: str, name: str, ids: list[str]) -> int:
    with opened(root, name) as connection:
        tables = _tables(connection, ids)
    if not tables:
        return 0
    try:
        where = f"file:{quote(os.fsencode(f'{root}/{name}'))}?mode=rw"
        connecting = sqlite3.connect(where, uri=True, timeout=_PATIENCE)
        with closing(connecting) as writer, writer:
            deleting = (f"DELETE FROM {_among(table, ids)}" for table in tables)  # noqa: S608
            return sum(writer.execute(statement, ids).rowcount for statement in deleting)
    except sqlite3.Error as error:
        raise of_sqlite(shown(name), error, root) from error


def _tables(connection: sqlite3.Connection, ids: list[str]) -> list[str]:
    """Name the tables of t3's that hold any of these ids."""
    found: list[str] = []
    for table, key in SIGN_IN_IDS.items():
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if columns >= {key, *SIGN_IN_COLUMNS}:
            there = f"SELECT 1 FROM {_among(table, ids)} LIMIT 1"  # noqa: S608
            if connection.execute(there, ids).fetchone() is not None:
                found.append(table)
    return found


def _among(table: str, ids: list[str]) -> str:
    return f"{table} WHERE {SIGN_IN_IDS[table]} IN ({','.join('?' * len(ids))})"
