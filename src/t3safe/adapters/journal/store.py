"""The journal in SQLite: durable on return, and with a reserve for a full disk.

Rules:

1. An event is on the disk when `append` returns (`synchronous=EXTRA`), one transaction an event.
2. A reserve file stands beside the journal.  When the disk is full it is given up, so that a person
   in transition can still be settled; no new run begins until it is there again.
3. The file and its folder are root's alone (0700, 0600): it names people and what they run.
4. Looking makes nothing: where there is no file, there are no runs.  It is made by the first write.
5. A file that is cut to nothing held runs where the reserve stands beside it, because the reserve
   is made with the first run.  Without the reserve it is one that was just begun.
6. The file names its format (`user_version`, under our `application_id`) and the t3safe that wrote
   it (table `written_by`).  A newer format is neither read nor written nor set aside.  An older one
   is read as it is; the first write makes it the present one, in one transaction with the tables.
7. What a run came to is written with the event that closes it (see `rows`).  Events of old runs
   are pruned in one transaction.  Their room is used again by later runs and not given back to the
   disk: SQLite would need as much again beside it, for good (`journal_mode=PERSIST`).
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from heapq import merge
from pathlib import Path
from typing import Any, Final

from attrs import define, field

import t3safe
from t3safe.adapters.journal import aside, codec, rows
from t3safe.domain import events as ev
from t3safe.domain.errors import DamagedJournalError, JournalError, NewerJournalError
from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.runs import MoveRecord, RunRecord, record
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.engine import rollout_of

RESERVE_BYTES: Final = 4 * 1024**2
"""Room for some thousand events: the longest settling of one person takes 30."""

_PAGE: Final = 16
"""How many runs are read at a time."""
_ENDS_OF_NEWEST: Final = """
    SELECT body FROM events WHERE number IN (
        (SELECT max(number) FROM events),
        (SELECT min(number) FROM events
          WHERE run = (SELECT run FROM events ORDER BY number DESC LIMIT 1))
    )
"""
_ABOVE_ALL: Final = 2**63 - 1

_BODIES: Final = "SELECT body FROM events WHERE run = ? ORDER BY number"

APPLICATION: Final = 0x74337366
"""`t3sf`, which tells our files of a format that has a number from those of other programs."""

_SCHEMA: Final = f"""
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
class SqliteJournal:
    """The host's journal; implements the ports Journal and Verdicts.

    `path` is the database file, made with its folder by the first write.  Every method raises
    JournalError, and nothing else, when the file cannot be read or written; where what it holds
    cannot be used, DamagedJournalError.
    """

    path: Path
    _connection: sqlite3.Connection | None = field(default=None, init=False)
    _made: bool = field(default=False, init=False)
    """Whether the connection may be written to: its tables are there for certain."""
    _read: dict[int, tuple[int, RunRecord]] = field(factory=dict, init=False, repr=False)
    """What runs without rows came to, each as of its last event: every person asks for all."""

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._made = None, False
        self._read.clear()

    # Journal

    def append(self, run: str, event: ev.Event) -> None:
        """Write one event durably; a full disk costs the reserve first (rule 2)."""
        row = (run, codec.tag(event), codec.encode(event))
        if isinstance(event, ev.Opened):
            self._begin()
            self._keep_reserve()
        try:
            self._insert(row)
        except sqlite3.OperationalError as error:
            if not self._give_up_reserve():
                raise self._trouble("write", error) from error
            self._retry(row)
        except sqlite3.Error as error:
            raise self._trouble("write", error) from error

    def _begin(self) -> None:
        """Have the file before the reserve, which tells of runs (rule 5)."""
        try:
            with self._writing():
                pass
        except sqlite3.Error as error:
            raise self._trouble("write", error) from error

    def _insert(self, row: tuple[str, str, str]) -> None:
        with self._writing() as connection:
            connection.execute("INSERT INTO events (run, kind, body) VALUES (?, ?, ?)", row)
            if row[1] == "Closed":
                self._add_rows(connection)

    def _retry(self, row: tuple[str, str, str]) -> None:
        try:
            self._insert(row)
        except sqlite3.Error as error:
            raise self._trouble("write", error) from error

    def events(self, run: str) -> tuple[ev.Event, ...]:
        """Every event of a run, in order."""
        return tuple(self._decoded(body) for (body,) in self._rows(_BODIES, run))

    def unfinished(self) -> str | None:
        """The run that was opened and not closed, the oldest of them."""
        query = (
            "SELECT run FROM events WHERE kind = 'Opened' AND run NOT IN"
            " (SELECT run FROM events WHERE kind = 'Closed') ORDER BY number LIMIT 1"
        )
        found = list(self._rows(query))
        return str(found[0][0]) if found else None

    def runs(self) -> Iterator[RunRecord]:
        """Every run, newest first; read from the file as far as they are asked for.

        The ends of the newest run are read first: rows would hide that events cannot be read.
        """
        for (body,) in self._rows(_ENDS_OF_NEWEST):
            self._decoded(body)
        for _, run in merge(self._without_row(), self._with_row(), key=lambda item: -item[0]):
            yield run

    def moves(self, person: str) -> Iterator[MoveRecord]:
        """What every run but a check came to for a person, newest first."""
        others = (
            (number, move)
            for number, run in self._without_row()
            for move in run.moves
            if move.person == person
        )
        with self._understood():
            found = self._derived(rows.MOVES_OF_PERSON, person)
            known = [(row[0], rows.move(row)) for row in found]
        for _, move in merge(others, known, key=lambda item: -item[0]):
            if move.kind is not ev.Kind.CHECK:
                yield move

    def ends(self) -> Mapping[ev.Outcome, int]:
        """How many runs ended in each way; with those that an earlier t3safe deleted."""
        counts = Counter(run.ended.outcome for _, run in self._without_row() if run.ended)
        with self._understood():
            for outcome, count in self._derived(
                "SELECT outcome, count(*) FROM runs GROUP BY outcome"
            ):
                counts[ev.Outcome(outcome)] += count
            if self._has_table("anchor"):
                for (body,) in self._rows("SELECT body FROM anchor"):
                    counts.update(
                        {ev.Outcome(name): count for name, count in json.loads(body)["ends"]}
                    )
        return counts

    def prune(self, before: datetime) -> None:
        """Delete the events of runs that are over and were opened before this (rule 7)."""
        try:
            with self._writing() as connection:
                connection.execute(rows.PRUNE, (before.isoformat(),))
        except sqlite3.Error as error:
            raise self._trouble("prune", error) from error

    def _without_row(self) -> Iterator[tuple[int, RunRecord]]:
        """Find what runs came to of which no row tells, with their numbers, newest first."""
        query = rows.WITHOUT_ROW if self._has_table("runs") else rows.ALL_OPENED
        for number, run, last in self._rows(query):
            if number not in self._read or self._read[number][0] != last:
                events = self.events(run)
                self._read[number] = last, record(rollout_of(events), events)
            yield number, self._read[number][1]

    def _with_row(self) -> Iterator[tuple[int, RunRecord]]:
        below = _ABOVE_ALL
        while page := self._derived(rows.RUNS, below, _PAGE):
            for row in page:
                below = row[0]
                with self._understood():
                    found = rows.run(row, self._derived(rows.MOVES_OF_RUN, below))
                yield below, found

    def _add_rows(self, connection: sqlite3.Connection) -> None:
        """Write what runs came to that are over and have no row yet.

        A run that cannot be read, also by a defect of ours, gets none: no event is lost for that.
        """
        for number, run in connection.execute(rows.CLOSED_WITHOUT_ROW).fetchall():
            bodies = connection.execute(_BODIES, (run,)).fetchall()
            try:
                events = tuple(self._decoded(body) for (body,) in bodies)
                found = record(rollout_of(events), events)
            except Exception:  # noqa: BLE001, S112 - whoever reads the run says so
                continue
            rows.insert(connection, number, found)

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except (InvalidVersion, ValueError, TypeError, KeyError) as error:
            raise self._damaged(f"what a run came to is not understood: {error}") from error

    def _derived(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read tables that a journal of another t3safe does not have."""
        return self._rows(query, *values) if self._has_table("runs") else []

    def _has_table(self, name: str) -> bool:
        return bool(self._rows("SELECT 1 FROM sqlite_master WHERE name = ?", name))

    def require_known(self) -> None:
        """See that the journal is of no newer format; other trouble is left to whoever reads it.

        Raises NewerJournalError.
        """
        try:
            self._rows("SELECT 1")
        except NewerJournalError:
            raise
        except JournalError:
            return

    def complaint(self, *, thorough: bool = False) -> str:
        """Say what is wrong with the file, empty where it is sound or there is none.

        SQLite's own check, and the newest event; `thorough` reads every event.  Changes nothing.
        Raises JournalError where it cannot be looked at for another reason than damage.
        """
        try:
            found = self._rows("PRAGMA quick_check(1)")
            if found and found[0][0] != "ok":
                return str(found[0][0])
            # The tables may be gone from a database that is sound.
            self._rows("SELECT version FROM verdicts LIMIT 1")
            query = "SELECT body FROM events ORDER BY number DESC"
            for (body,) in self._rows(query if thorough else f"{query} LIMIT 1"):
                self._decoded(body)
        except DamagedJournalError as error:
            return str(error)
        return ""

    def set_aside(self, at: datetime) -> aside.SetAside:
        """Rename the file under the time `at` (UTC) and begin a new one, with the verdicts saved.

        Raises JournalError where that cannot be done, or may not be (rule 6).
        """
        self.close()
        self._refuse_to_lose_newer()
        try:
            return aside.set_aside(self.path, _SCHEMA, at)
        except (OSError, sqlite3.Error) as error:
            raise self._trouble("set aside", error) from error

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
            with self._writing() as connection:
                connection.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise self._trouble("write", error) from error

    def refused(self, fingerprint: str) -> tuple[tuple[Version, str], ...]:
        """What counts as refused: by this very gate, or in production by any."""
        query = (
            "SELECT version, reasons FROM verdicts WHERE ruling = ?"
            " AND (in_production = 1 OR fingerprint = ?) ORDER BY at"
        )
        found = self._rows(query, Ruling.REFUSED.value, fingerprint)
        try:
            return tuple(
                (Version.parse(version), "; ".join(json.loads(reasons)))
                for version, reasons in found
            )
        except (InvalidVersion, ValueError, TypeError) as error:
            raise self._damaged(f"a verdict is not understood: {error}") from error

    def count_verdicts(self) -> tuple[tuple[str, int], ...]:
        """How many builds are remembered under each ruling."""
        query = "SELECT ruling, CAST(count(*) AS TEXT) FROM verdicts GROUP BY ruling"
        return tuple((ruling, int(count)) for ruling, count in self._rows(query))

    def allow(self, build: Version) -> bool:
        """Forget what is held against a build; whether there was anything."""
        query = "DELETE FROM verdicts WHERE version = ? AND ruling = ?"
        try:
            with self._writing() as connection:
                return connection.execute(query, (build.text, Ruling.REFUSED.value)).rowcount > 0
        except sqlite3.Error as error:
            raise self._trouble("write", error) from error

    # The file

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection if self._made else None
        with connection or self._make() as writable:
            yield writable

    def _make(self) -> sqlite3.Connection:
        """Open for writing, with folder, file and tables."""
        self.close()
        self._refuse_ill_shape()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Not `touch`: whoever only reads leaves the file's times as they are.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise self._trouble("make", error) from error
        connection = self._connect()
        try:
            # Kept, SQLite's own log needs no room of its own any more once it was written.
            connection.execute("PRAGMA journal_mode = PERSIST")
            connection.execute("PRAGMA synchronous = EXTRA")
            if not _is_present(connection):
                connection.executescript(_SCHEMA)
                with connection:
                    self._add_rows(connection)
        except sqlite3.Error:
            connection.close()
            raise
        self._connection, self._made = connection, True
        return connection

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
            raise self._damaged("it is another program's")
        if application == APPLICATION and number > codec.FORMAT:
            raise NewerJournalError(
                f"the journal {self.path} was written by t3safe {_writer(connection)}, in format"
                f" {number}; this is t3safe {t3safe.__version__}, which knows format"
                f" {codec.FORMAT}; use that version or a newer one; nothing was changed"
            )

    def _decoded(self, body: str) -> ev.Event:
        try:
            return codec.decode(body)
        except DamagedJournalError as error:
            raise self._damaged(str(error)) from error

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            if self._connection is None:
                if self._nothing_yet():
                    return []
                self._connection = self._connect()
            with closing(self._connection.execute(query, values)) as found:
                return list(found)
        except sqlite3.Error as error:
            self.close()
            raise self._trouble("read", error) from error

    def _nothing_yet(self) -> bool:
        """Whether there is no file, or one just begun; refuses what is damaged at sight."""
        self._refuse_ill_shape()
        status = self._status()
        return status is None or status.st_size == 0

    def _refuse_ill_shape(self) -> None:
        """Raise DamagedJournalError where what is there cannot be a journal of ours (rule 5)."""
        if aside.interrupted(self.path):
            raise self._damaged("it was being set aside when that was cut off")
        status = self._status()
        if status is None:
            return
        if not stat.S_ISREG(status.st_mode):
            raise self._damaged("it is no file")
        if status.st_size == 0 and self._reserve.exists():
            raise self._damaged("it is empty, and has held runs")

    def _status(self) -> os.stat_result | None:
        try:
            return self.path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
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
        if _speaks_of_damage(error):
            return self._damaged(str(error))
        text = f"cannot {what} the journal {self.path}: {error}; make room or fix it"
        return JournalError(f"{text}, then `t3safe recover`")

    def _damaged(self, why: str) -> DamagedJournalError:
        text = f"cannot read the journal {self.path}: {why}"
        return DamagedJournalError(f"{text}; `t3safe recover` sets it aside")


def _is_present(connection: sqlite3.Connection) -> bool:
    """Whether the file is of the present format with every table, and this t3safe wrote it last."""
    if connection.execute("PRAGMA user_version").fetchone()[0] != codec.FORMAT:
        return False
    last = "SELECT 1 FROM sqlite_master WHERE name = 'moves'"
    return _writer(connection) == t3safe.__version__ and connection.execute(last).fetchone()


def _writer(connection: sqlite3.Connection) -> str:
    """Name the t3safe that wrote the journal; what a newer one keeps elsewhere is unknown."""
    try:
        found = connection.execute("SELECT t3safe FROM written_by").fetchone()
    except sqlite3.Error:
        return "of an unknown version"
    return str(found[0]) if found else "of an unknown version"
