"""Sessions that were made to prove a sign-in, taken out of a set again, beside its serve.

Rules:

1. Only sessions whose ids are given go: t3safe alone had their cookies, so nobody else is signed
   out.  t3 looks a session up for each request, so it counts as signed out at once.
2. It is one short transaction for each database that has them; who holds the database longer than
   a moment is not waited for.  A database without t3's table of sessions is left alone.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Final
from urllib.parse import quote

from t3safe.adapters.stateworker.discovery import discover
from t3safe.adapters.stateworker.reading import opened
from t3safe.adapters.stateworker.trouble import of_sqlite, shown

_PATIENCE: Final = 2.0
"""Seconds that a writer is waited for."""
_COLUMNS: Final = frozenset({"session_id", "subject", "expires_at"})


def sign_out(userdata: str | None, sessions: list[str]) -> int:
    """Take these sessions out of every database of a set; gives how many there were."""
    found = discover(userdata).databases
    return sum(_gone(str(userdata), item.name, sessions) for item in found)


def _gone(root: str, name: str, sessions: list[str]) -> int:
    marks = ",".join("?" * len(sessions))
    with opened(root, name) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(auth_sessions)")}
        if not columns >= _COLUMNS:
            return 0
        there = f"SELECT 1 FROM auth_sessions WHERE session_id IN ({marks}) LIMIT 1"  # noqa: S608
        if connection.execute(there, sessions).fetchone() is None:
            return 0
    try:
        where = f"file:{quote(os.fsencode(f'{root}/{name}'))}?mode=rw"
        connecting = sqlite3.connect(where, uri=True, timeout=_PATIENCE)
        with closing(connecting) as writer, writer:
            gone = f"DELETE FROM auth_sessions WHERE session_id IN ({marks})"  # noqa: S608
            return writer.execute(gone, sessions).rowcount
    except sqlite3.Error as error:
        raise of_sqlite(shown(name), error, root) from error
