"""SQLite, opened to read: what a database is, what it has been through and what it holds.

A database that a serve may have open is read through its own log (`mode=ro`); that holds up no
writer in WAL mode.  A sealed copy is read as `immutable`, which leaves no file beside it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

from t3safe.adapters.stateworker.trouble import Kind, Trouble, of_sqlite, shown

Ledger = tuple[tuple[int, str], ...]
Counts = tuple[tuple[str, int], ...]

WAIT_SECONDS: Final = 5.0
"""How long SQLite waits for a lock; a checkpoint of 1 GB took t3 1.1 s."""
LEDGER_TABLE: Final = "effect_sql_migrations"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _connect(path: str, options: str) -> sqlite3.Connection:
    uri = f"file:{quote(os.fsencode(path))}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS, isolation_level=None)
    connection.text_factory = _text
    return connection


@contextmanager
def opened(
    root: str, name: str, *, immutable: bool = False, recover: bool = False
) -> Iterator[sqlite3.Connection]:
    """Open a database inside one read transaction; whatever SQLite refuses is a Trouble.

    `recover` lets SQLite take back what a killed writer left half-done in a rollback journal; it
    is for a set at rest only.
    """
    mode = "rw" if recover else "ro&immutable=1" if immutable else "ro"
    try:
        connection = _connect(f"{root}/{name}", f"mode={mode}")
    except sqlite3.Error as error:
        raise of_sqlite(shown(name), error, root) from error
    try:
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        yield connection
    except sqlite3.Error as error:
        raise of_sqlite(shown(name), error, root) from error
    finally:
        connection.close()


def keeps_log(connection: sqlite3.Connection) -> bool:
    """Whether a database is in WAL mode."""
    return str(_first(connection, "PRAGMA journal_mode")) == "wal"


def back_up(source: sqlite3.Connection, root: str, name: str) -> None:
    """Copy a database as it is in the source's transaction to a new file, in one step.

    The pages stay as they are, broken ones too, so that `quick_check` of the copy speaks for the
    original.
    """
    target = _connect(f"{root}/{name}", "mode=rwc")
    try:
        # Nothing reads the copy before it is checked, digested and made durable by the caller.
        target.execute("PRAGMA journal_mode=OFF")
        target.execute("PRAGMA synchronous=OFF")
        source.backup(target, pages=-1)
    finally:
        target.close()


def fold(root: str, name: str) -> None:
    """Bring what the log of a copy holds into the copy, which nobody else has open; no log is left.

    What is not a whole commit does not count, as for every reader.
    """
    try:
        copy = _connect(f"{root}/{name}", "mode=rw")
        try:
            # Made durable by the caller, the whole of it at once.
            copy.execute("PRAGMA synchronous=OFF")
            copy.execute("PRAGMA trusted_schema=OFF")
            busy = _first(copy, "PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            # The last one that closes a database deletes its log.
            copy.close()
    except sqlite3.Error as error:
        raise of_sqlite(shown(name), error, root) from error
    if busy or os.path.lexists(f"{root}/{name}-wal"):
        raise Trouble(Kind.LOCKED, f"the log of {shown(name)} could not be brought into its copy")


def quick_check(connection: sqlite3.Connection, name: str) -> None:
    """Refuse a database that SQLite itself finds broken; the first finding is told."""
    found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    if found != ["ok"]:
        finding = " ".join("; ".join(found).split())
        raise Trouble(Kind.BROKEN, f"{shown(name)} fails quick_check: {finding[:300]}")


def identifier(name: str) -> str:
    """Quote a table or column name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def tables(connection: sqlite3.Connection, schema: str = "main") -> tuple[str, ...]:
    """Name the tables that hold rows of their own: no internal, no virtual ones; ascending."""
    rows = connection.execute(
        f"SELECT name, sql FROM {schema}.sqlite_master WHERE type = 'table' ORDER BY name"  # noqa: S608
    )
    return tuple(
        str(name)
        for name, sql in rows
        if not str(name).startswith("sqlite_") and not str(sql).upper().startswith("CREATE VIRTUAL")
    )


def columns(
    connection: sqlite3.Connection, table: str, schema: str = "main"
) -> tuple[tuple[str, int], ...]:
    """Name the columns of a table, each with its place in the primary key (0: not in it)."""
    rows = connection.execute(f"PRAGMA {schema}.table_info({identifier(table)})")
    return tuple((str(row[1]), int(row[5])) for row in rows)


def counts(connection: sqlite3.Connection) -> Counts:
    """Count the rows of every table."""
    return tuple(
        (table, int(_first(connection, f"SELECT count(*) FROM {identifier(table)}")))  # noqa: S608
        for table in tables(connection)
    )


def _first(connection: sqlite3.Connection, query: str) -> Any:  # noqa: ANN401 - SQLite's own
    return connection.execute(query).fetchone()[0]


def ledger(connection: sqlite3.Connection, name: str) -> Ledger:
    """Read the ledger; empty where there is none, a Trouble where it cannot be understood."""
    there = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE name = ? AND type IN ('table', 'view')", (LEDGER_TABLE,)
    ).fetchone()
    if there is None:
        return ()
    rows = connection.execute(
        f"SELECT migration_id, name FROM {LEDGER_TABLE} ORDER BY 1, 2"  # noqa: S608
    ).fetchall()
    for row in rows:
        if not (isinstance(row[0], int) and isinstance(row[1], str)):
            raise Trouble(Kind.BROKEN, f"{shown(name)} has a ledger with the row {row!r:.200}")
    return tuple((row[0], row[1]) for row in rows)
