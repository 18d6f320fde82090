"""SQLite, opened to read: what a database is, what it has been through and what it holds.

A database that a serve may have open is read through its own log (`mode=ro`); that holds up no
writer in WAL mode.  A sealed copy is read as `immutable`, which leaves no file beside it.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, Final
from urllib.parse import quote

from t3safe.adapters._support.personaldata.errors import (
    DataError,
    ErrorKind,
    errors_about,
    of_sqlite,
    shown,
)
from t3safe.domain.text import duration
from t3safe.t3.ledger import LEDGER_TABLE, READ_LEDGER

Ledger = tuple[tuple[int, str], ...]
Counts = tuple[tuple[str, int], ...]

WAIT_SECONDS: Final = 5.0
"""How long SQLite waits for a lock; a checkpoint of 1 GB took t3 1.1 s."""
_HELD_SECONDS: Final = 0.1
"""How long the write lock of one database is held while another one's is waited for."""
_POLL_SECONDS: Final = 0.0005
"""SQLite's own waits grow to 0.1 s: beside a busy writer that comes too late again and again."""


def connect(path: str, options: str) -> sqlite3.Connection:
    """Open a database by its path, whatever bytes that is made of, outside any transaction."""
    uri = f"file:{quote(os.fsencode(path))}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS, isolation_level=None)
    connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
    return connection


@contextmanager
def opened(
    root: str, name: str, *, immutable: bool = False, recover: bool = False
) -> Iterator[sqlite3.Connection]:
    """Open a database inside one read transaction; whatever SQLite refuses is a DataError.

    `recover` lets SQLite take back what a killed writer left half-done in a rollback journal, as
    the next process that reads the database does.
    """
    mode = "rw" if recover else "ro&immutable=1" if immutable else "ro"
    try:
        connection = connect(f"{root}/{name}", f"mode={mode}")
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


@contextmanager
def unwritten(root: str, names: Iterable[str]) -> Iterator[None]:
    """Keep every writer of several databases from committing: hold the write lock of each.

    They are taken in the given order, within `WAIT_SECONDS`.  A process that holds one and wants
    another waits for us no longer than `_HELD_SECONDS` for each: then all are released, and tried
    again.
    """
    with ExitStack() as closing_all:
        writers: list[tuple[str, sqlite3.Connection]] = []
        for name in names:
            with errors_about(shown(name)):
                writer = closing_all.enter_context(closing(connect(f"{root}/{name}", "mode=rw")))
                writer.execute("PRAGMA busy_timeout=0")
                writers.append((name, writer))
        deadline = time.monotonic() + WAIT_SECONDS
        while busy := _first_busy(writers, deadline):
            if time.monotonic() >= deadline:
                text = f"{shown(busy)} had a writer at work for {duration(WAIT_SECONDS)}"
                raise DataError(ErrorKind.LOCKED, text)
            time.sleep(_HELD_SECONDS)
        yield


def _first_busy(writers: list[tuple[str, sqlite3.Connection]], deadline: float) -> str:
    """Take all write locks, or none; name the database whose lock was not to be had."""
    for number, (name, writer) in enumerate(writers):
        until = min(deadline, time.monotonic() + _HELD_SECONDS) if number else deadline
        with errors_about(shown(name)):
            while not _begun(writer):
                if time.monotonic() >= until:
                    for _, begun in writers[:number]:
                        begun.execute("ROLLBACK")
                    return name
                time.sleep(_POLL_SECONDS)
    return ""


def _begun(writer: sqlite3.Connection) -> bool:
    try:
        writer.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True


def fold(root: str, name: str) -> None:
    """Bring what lies in the logs of a copy into the copy, which no other process has open.

    What is not a whole commit does not count, and what a rollback journal holds is taken back, as
    by every reader.  No log is left.
    """
    try:
        copy = connect(f"{root}/{name}", "mode=rw")
        try:
            # Made durable by the caller, the whole of it at once.
            copy.execute("PRAGMA synchronous=OFF")
            copy.execute("PRAGMA trusted_schema=OFF")
            # The first one that reads takes back what a killed writer left half-done.
            _first(copy, "SELECT count(*) FROM sqlite_master")
            busy = _first(copy, "PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            # The last one that closes a database deletes its log.
            copy.close()
    except sqlite3.Error as error:
        raise of_sqlite(shown(name), error, root) from error
    log, journal = f"{root}/{name}-wal", f"{root}/{name}-journal"
    if busy or (os.path.lexists(log) and os.stat(log).st_size):
        raise DataError(
            ErrorKind.LOCKED, f"the log of {shown(name)} could not be brought into its copy"
        )
    for left in (log, journal):
        # SQLite read past it: there is nothing in it that counts.
        with suppress(FileNotFoundError):
            os.unlink(left)


def quick_check(connection: sqlite3.Connection, name: str) -> None:
    """Refuse a database that SQLite itself finds broken, with the first finding."""
    found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    if found != ["ok"]:
        finding = " ".join("; ".join(found).split())
        raise DataError(ErrorKind.BROKEN, f"{shown(name)} fails quick_check: {finding[:300]}")


def identifier(name: str) -> str:
    """Quote a table or column name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def tables(connection: sqlite3.Connection) -> set[str]:
    """Name every table of a database."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    return {str(row[0]) for row in connection.execute(query)}


def columns(
    connection: sqlite3.Connection, table: str, schema: str = "main"
) -> tuple[tuple[str, int], ...]:
    """Name the columns of a table, each with its place in the primary key (0: not in it)."""
    rows = connection.execute(f"PRAGMA {schema}.table_info({identifier(table)})")
    return tuple((str(row[1]), int(row[5])) for row in rows)


def counts(connection: sqlite3.Connection, names: Iterable[str] | None = None) -> Counts:
    """Count the rows of the tables with these names; of every one that holds rows without."""
    return tuple(
        (table, int(_first(connection, f"SELECT count(*) FROM {identifier(table)}")))  # noqa: S608
        for table in (tables_with_rows(connection) if names is None else names)
    )


def _first(connection: sqlite3.Connection, query: str) -> Any:  # noqa: ANN401 - SQLite's own
    return connection.execute(query).fetchone()[0]


def ledger(connection: sqlite3.Connection, name: str) -> Ledger:
    """Read the ledger; empty where there is none, a DataError where it cannot be understood."""
    there = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE name = ? AND type IN ('table', 'view')", (LEDGER_TABLE,)
    ).fetchone()
    if there is None:
        return ()
    rows = connection.execute(READ_LEDGER).fetchall()
    for row in rows:
        if not (isinstance(row[0], int) and isinstance(row[1], str)):
            raise DataError(
                ErrorKind.BROKEN, f"{shown(name)} has a ledger with the row {row!r:.200}"
            )
    return tuple((row[0], row[1]) for row in rows)


_FULL_TEXT: Final = ("segments", "segdir", "docsize", "stat")
_INDEXES: Final = {
    "fts3": _FULL_TEXT,
    "fts4": _FULL_TEXT,
    "fts5": ("data", "idx", "docsize", "config"),
    "rtree": ("node", "parent"),
    "rtree_i32": ("node", "parent"),
    "geopoly": ("node", "parent"),
}
"""What each module calls the tables of its index, behind the name of the virtual table and `_`."""

# SQLite writes the first three words itself; what follows is as it was typed.
_VIRTUAL: Final = re.compile(
    r"""CREATE\ VIRTUAL\ TABLE\ \s*
    (?: "(?:[^"]|"")*" | '(?:[^']|'')*' | `(?:[^`]|``)*` | \[[^]]*\] | [^\s"'`\[]+ ) \s*
    USING \s+ ["'`\[]? (\w+)""",
    re.IGNORECASE | re.VERBOSE,
)


def tables_with_rows(connection: sqlite3.Connection, schema: str = "main") -> tuple[str, ...]:
    """Name the tables that hold rows of a person, ascending."""
    query = f"SELECT name, sql FROM {schema}.sqlite_master WHERE type = 'table' ORDER BY name"  # noqa: S608
    made = {str(name): str(sql) for name, sql in connection.execute(query)}
    virtual = {name for name, sql in made.items() if sql.upper().startswith("CREATE VIRTUAL")}
    indexes = {
        f"{name}_{end}".lower()
        for name in virtual
        if (module := _VIRTUAL.match(made[name]))
        for end in _INDEXES.get(module[1].lower(), ())
    }
    return tuple(
        name
        for name in made
        if not name.startswith("sqlite_")
        and name != LEDGER_TABLE
        and name not in virtual
        and name.lower() not in indexes
    )
