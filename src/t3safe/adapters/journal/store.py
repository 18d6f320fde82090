"""The journal in SQLite: durable on return, and with a reserve for a full disk.

Rules:

1. An event is on the disk when `append` returns (`synchronous=EXTRA`), one transaction an event.
2. A reserve file stands beside the journal.  When the disk is full it is given up, so that a person
   in transition can still be settled; no new run begins until it is there again.
3. The file and its folder are root's alone (0700, 0600): it names people and what they run.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from attrs import define, field

from t3safe.adapters.journal import codec
from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError
from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.ports import RunRecord
from t3safe.domain.versions import Version

RESERVE_BYTES: Final = 4 * 1024**2
"""Room for some thousand events: the longest settling of one person takes 30."""

_SCHEMA: Final = """
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
"""


@define
class SqliteJournal:
    """The host's journal; implements the ports Journal and Verdicts.

    `path` is the database file, made with its folder on first use.  Every method raises
    JournalError, and nothing else, when the file cannot be read or written.
    """

    path: Path
    _connection: sqlite3.Connection | None = field(default=None, init=False)

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # Journal

    def append(self, run: str, event: ev.Event) -> None:
        """Write one event durably; a full disk costs the reserve first (rule 2)."""
        row = (run, type(event).__name__, codec.encode(event))
        if isinstance(event, ev.Opened):
            self._keep_reserve()
        try:
            self._insert(row)
        except sqlite3.OperationalError as error:
            if not self._give_up_reserve():
                raise self._trouble("write", error) from error
            self._retry(row)
        except sqlite3.Error as error:
            raise self._trouble("write", error) from error

    def _insert(self, row: tuple[str, str, str]) -> None:
        with self._open() as connection:
            connection.execute("INSERT INTO events (run, kind, body) VALUES (?, ?, ?)", row)

    def _retry(self, row: tuple[str, str, str]) -> None:
        try:
            self._insert(row)
        except sqlite3.Error as error:
            raise self._trouble("write", error) from error

    def events(self, run: str) -> tuple[ev.Event, ...]:
        """Every event of a run, in order."""
        query = "SELECT body FROM events WHERE run = ? ORDER BY number"
        return tuple(codec.decode(body) for (body,) in self._rows(query, (run,)))

    def unfinished(self) -> str | None:
        """The run that was opened and not closed, the oldest of them."""
        query = (
            "SELECT run FROM events WHERE kind = 'Opened' AND run NOT IN"
            " (SELECT run FROM events WHERE kind = 'Closed') ORDER BY number LIMIT 1"
        )
        found = list(self._rows(query, ()))
        return str(found[0][0]) if found else None

    def runs(self) -> Iterator[RunRecord]:
        """Every run, newest first."""
        query = (
            "SELECT o.body, c.body FROM events o LEFT JOIN events c"
            " ON c.run = o.run AND c.kind = 'Closed' WHERE o.kind = 'Opened'"
            " ORDER BY o.number DESC"
        )
        for opened_body, closed_body in self._rows(query, ()):
            yield _record(codec.decode(opened_body), closed_body)

    def complaint(self) -> str:
        """Give the first thing that SQLite's own check says against the file, empty if none."""
        (found,) = next(iter(self._rows("PRAGMA quick_check(1)", ())))
        return "" if found == "ok" else str(found)

    # Verdicts

    def record(self, verdict: Verdict, fingerprint: str, at: datetime) -> None:
        """Remember the newest verdict on a build; a broken gate is not held against it."""
        if verdict.ruling is Ruling.BROKEN:
            return
        row = (
            verdict.build.text,
            verdict.ruling.value,
            json.dumps(list(verdict.reasons)),
            int(verdict.in_production),
            fingerprint,
            at.isoformat(),
        )
        try:
            with self._open() as connection:
                connection.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise self._trouble("write", error) from error

    def refused(self, fingerprint: str) -> tuple[tuple[Version, str], ...]:
        """What counts as refused: by this very gate, or in production by any."""
        query = (
            "SELECT version, reasons FROM verdicts WHERE ruling = ?"
            " AND (in_production = 1 OR fingerprint = ?) ORDER BY at"
        )
        rows = self._rows(query, (Ruling.REFUSED.value, fingerprint))
        return tuple(
            (Version.parse(version), "; ".join(json.loads(reasons))) for version, reasons in rows
        )

    def count_verdicts(self) -> tuple[tuple[str, int], ...]:
        """How many builds are remembered under each ruling."""
        query = "SELECT ruling, CAST(count(*) AS TEXT) FROM verdicts GROUP BY ruling"
        return tuple((ruling, int(count)) for ruling, count in self._rows(query, ()))

    def allow(self, build: Version) -> bool:
        """Forget what is held against a build; whether there was anything."""
        query = "DELETE FROM verdicts WHERE version = ? AND ruling = ?"
        try:
            with self._open() as connection:
                return connection.execute(query, (build.text, Ruling.REFUSED.value)).rowcount > 0
        except sqlite3.Error as error:
            raise self._trouble("write", error) from error

    # The file

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if self._connection is None:
            self._connection = self._connect()
        with self._connection as connection:
            yield connection

    def _connect(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Not `touch`: whoever only reads leaves the file's times as they are.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise self._trouble("make", error) from error
        connection = sqlite3.connect(self.path, timeout=10)
        try:
            # Kept, SQLite's own log needs no room of its own any more once it was written.
            connection.execute("PRAGMA journal_mode = PERSIST")
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.executescript(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _rows(self, query: str, values: tuple[str, ...]) -> list[tuple[str, ...]]:
        try:
            with self._open() as connection, closing(connection.execute(query, values)) as found:
                return list(found)
        except sqlite3.Error as error:
            raise self._trouble("read", error) from error

    @property
    def _reserve(self) -> Path:
        return self.path.with_name(self.path.name + ".reserve")

    def _keep_reserve(self) -> None:
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
            raise self._trouble("reserve room for", error) from error

    def _give_up_reserve(self) -> bool:
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def _trouble(self, what: str, error: Exception) -> JournalError:
        text = f"cannot {what} the journal {self.path}: {error}; make room or mend it"
        return JournalError(f"{text}, then `t3safe recover`")


def _record(opened: ev.Event, closed_body: str | None) -> RunRecord:
    if not isinstance(opened, ev.Opened):
        message = "a run's first record does not open it"
        raise JournalError(message)
    closed = codec.decode(closed_body) if closed_body is not None else None
    if isinstance(closed, ev.Closed):
        return RunRecord(opened.plan, opened.at, closed.ended, closed.at)
    return RunRecord(opened.plan, opened.at, None, None)
