"""The journal's file: made by the first write, refused where it is not ours, with a reserve.

Rules:

1. What was written is on the disk when `write` returns (`synchronous=EXTRA`).
2. A reserve file stands beside the journal.  When the disk is full it is given up, so that a person
   in transition can still be settled; no new run begins until it is there again.
3. The file and its folder are root's alone (0700, 0600): it names people and what they run.
4. Looking makes nothing: where there is no file, there are no rows.  It is made by the first write.
5. A file that is cut to nothing held runs where the reserve stands beside it, because the reserve
   is made with the first run.  Without the reserve it is one that was just begun.
6. The file names its format (`user_version`, under our `application_id`) and the t3safe that wrote
   it (table `written_by`).  A newer format is neither read nor written nor set aside.  An older one
   is read as it is; the first write makes it the present one, in one transaction with the tables.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import define, field

import t3safe
from t3safe.adapters.journal import codec, repair, rows
from t3safe.domain.errors import DamagedJournalError, JournalError, NewerJournalError
from t3safe.domain.ports import SetAside

RESERVE_BYTES: Final = 4 * 1024**2
"""Room for some thousand events: the longest settling of one person takes 30."""


APPLICATION: Final = 0x74337366
"""`t3sf`, which tells our files of a format that has a number from those of other programs."""

SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS events_by_run ON events (run, number);
CREATE INDEX IF NOT EXISTS events_by_kind ON events (kind, number);
CREATE TABLE IF NOT EXISTS verdicts (
    version TEXT PRIMARY KEY,
    ruling TEXT NOT NULL,
    reasons TEXT NOT NULL,
    in_production INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
{rows.SCHEMA}
CREATE TABLE IF NOT EXISTS offer (
    only INTEGER PRIMARY KEY CHECK (only = 1), newest TEXT NOT NULL, at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS notified (
    destination TEXT NOT NULL, cause TEXT NOT NULL, about TEXT NOT NULL, mark TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS ends (command TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS written_by (t3safe TEXT NOT NULL) STRICT;
DELETE FROM written_by;
INSERT INTO written_by VALUES ('{t3safe.__version__}');
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {codec.FORMAT};
COMMIT;
"""  # noqa: S608 - our own version and numbers

_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""A file that is no database, or not ours: our own statements are right, so an error of theirs
speaks of missing tables."""


def _speaks_of_damage(error: Exception) -> bool:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return str(error).startswith("Could not decode")
    return code & 0xFF in _DAMAGE


@define
class JournalFile:
    """The database file at `path`.

    Every method raises JournalError, and nothing else, when the file cannot be read or written;
    where what it holds cannot be used, DamagedJournalError.  `upgrade` is called once the tables
    are there, in a transaction of its own.
    """

    path: Path
    upgrade: Callable[[sqlite3.Connection], None] = field(default=lambda _: None, repr=False)
    _connection: sqlite3.Connection | None = field(default=None, init=False)
    _made: bool = field(default=False, init=False)
    """Whether the connection may be written to: its tables are there for certain."""

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._made = None, False

    def read(self, table: str, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read a table that a journal of another t3safe may not have."""
        return self.rows(query, *values) if self.has_table(table) else []

    def write(
        self,
        do: Callable[[sqlite3.Connection], object] = lambda _: None,
        *,
        reserve: bool = False,
    ) -> None:
        """Do something in one transaction; with `reserve` a full disk costs the reserve first."""
        try:
            try:
                with self._writing() as connection:
                    do(connection)
            except sqlite3.OperationalError:
                if not (reserve and self._give_up_reserve()):
                    raise
                with self._writing() as connection:
                    do(connection)
        except sqlite3.Error as error:
            raise self.failure("write", error) from error

    def execute(self, statement: str, *values: object) -> int:
        """Execute one statement in a transaction; gives how many rows it changed."""
        changed = 0

        def do(connection: sqlite3.Connection) -> None:
            nonlocal changed
            changed = connection.execute(statement, values).rowcount

        self.write(do)
        return changed

    def has_table(self, name: str) -> bool:
        """Whether the file has a table of this name."""
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE name = ?", name))

    def set_aside(self, at: datetime) -> SetAside:
        """Rename the file under the time `at` (UTC) and begin a new one, with the verdicts saved.

        Raises JournalError where that cannot be done, or may not be (rule 6).
        """
        self.close()
        self._refuse_to_lose_newer()
        try:
            return repair.set_aside(self.path, SCHEMA, at)
        except (OSError, sqlite3.Error) as error:
            raise self.failure("set aside", error) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection if self._made else None
        with connection or self._make() as writable:
            yield writable

    def _make(self) -> sqlite3.Connection:
        """Open for writing, with folder, file and tables; what is open already stays so."""
        connection = self._connection or self._begun()
        try:
            # Kept, SQLite's own log needs no space of its own any more once it was written.
            connection.execute("PRAGMA journal_mode = PERSIST")
            connection.execute("PRAGMA synchronous = EXTRA")
            if not _is_present(connection):
                connection.executescript(SCHEMA)
                with connection:
                    self.upgrade(connection)
        except sqlite3.Error:
            connection.close()
            self._connection = None
            raise
        self._connection, self._made = connection, True
        return connection

    def _begun(self) -> sqlite3.Connection:
        self._refuse_ill_shape()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Not `touch`: whoever only reads leaves the file's times as they are.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise self.failure("make", error) from error
        return self._connect()

    def _connect(self) -> sqlite3.Connection:
        """Open the file that is there, never making one.  Refuses a newer format (rule 6)."""
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=10
        )
        try:
            self._refuse_newer(connection)
        except (sqlite3.Error, JournalError):
            connection.close()
            raise
        return connection

    def _refuse_to_lose_newer(self) -> None:
        """Look at what is to be set aside without SQLite's changing anything beside it."""
        try:
            uri = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
            with closing(sqlite3.connect(uri, uri=True)) as opened:
                self._refuse_newer(opened)
        except (sqlite3.Error, DamagedJournalError):
            return

    def _refuse_newer(self, connection: sqlite3.Connection) -> None:
        application, number = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("application_id", "user_version")
        )
        if application not in {0, APPLICATION}:
            raise self.damaged("it is another program's")
        if application == APPLICATION and number > codec.FORMAT:
            raise NewerJournalError(
                f"the journal {self.path} was written by t3safe {_writer(connection)}, in format"
                f" {number}; this is t3safe {t3safe.__version__}, which knows format"
                f" {codec.FORMAT}; use that version or a newer one; nothing was changed"
            )

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read rows; none where there is no file (rule 4)."""
        try:
            if self._connection is None:
                if self._nothing_yet():
                    return []
                self._connection = self._connect()
            with closing(self._connection.execute(query, values)) as found:
                return list(found)
        except sqlite3.Error as error:
            self.close()
            raise self.failure("read", error) from error

    def _nothing_yet(self) -> bool:
        """Whether there is no file, or one just begun; refuses what is damaged at sight."""
        self._refuse_ill_shape()
        status = self._status()
        return status is None or status.st_size == 0

    def _refuse_ill_shape(self) -> None:
        """Raise DamagedJournalError where what is there cannot be a journal of ours (rule 5)."""
        if repair.interrupted(self.path):
            raise self.damaged("it was being set aside when that was cut off")
        status = self._status()
        if status is None:
            return
        if not stat.S_ISREG(status.st_mode):
            raise self.damaged("it is no file")
        if status.st_size == 0 and self._reserve.exists():
            raise self.damaged("it is empty, and has held runs")

    def _status(self) -> os.stat_result | None:
        try:
            return self.path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.failure("read", error) from error

    @property
    def _reserve(self) -> Path:
        return self.path.with_name(self.path.name + ".reserve")

    def keep_reserve(self) -> None:
        """Rule 2: without a reserve no run begins."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._reserve, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, RESERVE_BYTES)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise self.failure("reserve room for", error) from error

    def _give_up_reserve(self) -> bool:
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def failure(self, what: str, error: Exception) -> JournalError:
        """Give the error that says what could not be done, and what to do."""
        if _speaks_of_damage(error):
            return self.damaged(str(error))
        text = f"cannot {what} the journal {self.path}: {error}; free space or fix it"
        return JournalError(f"{text}, then `t3safe recover`")

    def damaged(self, why: str) -> DamagedJournalError:
        """Give the error for what cannot be used."""
        text = f"cannot read the journal {self.path}: {why}"
        return DamagedJournalError(f"{text}; `t3safe recover` sets it aside")


def _is_present(connection: sqlite3.Connection) -> bool:
    """Whether the file is of the present format with every table, and this t3safe wrote it last."""
    if connection.execute("PRAGMA user_version").fetchone()[0] != codec.FORMAT:
        return False
    last = "SELECT 1 FROM sqlite_master WHERE name = 'ends'"
    return _writer(connection) == t3safe.__version__ and connection.execute(last).fetchone()


def _writer(connection: sqlite3.Connection) -> str:
    """Name the t3safe that wrote the journal; what a newer one keeps elsewhere is unknown."""
    try:
        found = connection.execute("SELECT t3safe FROM written_by").fetchone()
    except sqlite3.Error:
        return "of an unknown version"
    return str(found[0]) if found else "of an unknown version"
