"""The journal in SQLite: durable on return, and with a reserve for a full disk.

Rules:

1. An event is on the disk when `append` returns, one transaction an event (see `file`).
2. What a run came to is written with the event that closes it (see `rows`).  Events of old runs
   are pruned in one transaction.  Their space is used again by later runs and not given back to the
   disk: SQLite would need as much again beside it, for good (`journal_mode=PERSIST`).
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from heapq import merge
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from t3safe.adapters.journal import codec, rows
from t3safe.adapters.journal.file import JournalFile
from t3safe.domain import events as ev
from t3safe.domain.errors import DamagedJournalError, JournalError, NewerJournalError
from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.ports import SetAside
from t3safe.domain.refusals import Lookup, Refusals, nothing_installed, still_counts
from t3safe.domain.runs import MoveRecord, RunRecord, record
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.engine import rollout_of

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


@define
class SqliteJournal:
    """The host's journal; implements the ports Journal and Verdicts.

    `path` is the database file, made with its folder by the first write.  Every method raises
    JournalError, and nothing else, when the file cannot be read or written; where what it holds
    cannot be used, DamagedJournalError.
    """

    path: Path
    file: JournalFile = field(init=False, repr=False)
    _read: dict[int, tuple[int, RunRecord]] = field(factory=dict, init=False, repr=False)
    """What runs without rows came to, each as of its last event: every person asks for all."""

    def __attrs_post_init__(self) -> None:
        self.file = JournalFile(self.path, upgrade=self._add_rows)

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        self.file.close()
        self._read.clear()

    def require_known(self) -> None:
        """See that the journal is of no newer format; other errors are left to the reader.

        Raises NewerJournalError.
        """
        try:
            self.file.rows("SELECT 1")
        except NewerJournalError:
            raise
        except JournalError:
            return

    def set_aside(self, at: datetime) -> SetAside:
        """Rename the file under the time `at` (UTC) and begin a new one, with the verdicts saved.

        Raises JournalError where that cannot be done, or may not be (rule 6 of `file`).
        """
        self.close()
        return self.file.set_aside(at)

    # Journal

    def append(self, run: str, event: ev.Event) -> None:
        """Write one event durably; a full disk costs the reserve first (rule 2 of `file`)."""
        if isinstance(event, ev.Opened):
            # Have the file before the reserve, which tells of runs (rule 5 of `file`).
            self.file.write()
            self.file.keep_reserve()
        self.file.write(partial(self._insert, run, event), reserve=True)

    def _insert(self, run: str, event: ev.Event, connection: sqlite3.Connection) -> None:
        row = (run, codec.tag(event), codec.encode(event))
        connection.execute("INSERT INTO events (run, kind, body) VALUES (?, ?, ?)", row)
        if isinstance(event, ev.Closed):
            self._add_rows(connection)

    def events(self, run: str) -> tuple[ev.Event, ...]:
        """Every event of a run, in order."""
        return tuple(self._decoded(body) for (body,) in self.file.rows(_BODIES, run))

    def unfinished(self) -> str | None:
        """The run that was opened and not closed, the oldest of them."""
        query = (
            "SELECT run FROM events WHERE kind = 'Opened' AND run NOT IN"
            " (SELECT run FROM events WHERE kind = 'Closed') ORDER BY number LIMIT 1"
        )
        found = list(self.file.rows(query))
        return str(found[0][0]) if found else None

    def runs(self) -> Iterator[RunRecord]:
        """Every run, newest first; read from the file as far as they are asked for.

        The ends of the newest run are read first: rows would hide that events cannot be read.
        """
        for (body,) in self.file.rows(_ENDS_OF_NEWEST):
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
            if self.file.has_table("anchor"):
                for (body,) in self.file.rows("SELECT body FROM anchor"):
                    counts.update(
                        {ev.Outcome(name): count for name, count in json.loads(body)["ends"]}
                    )
        return counts

    def prune(self, before: datetime) -> None:
        """Delete the events of runs that are over and were opened before this (rule 7)."""
        self.file.execute(rows.PRUNE, before.isoformat())

    def _without_row(self) -> Iterator[tuple[int, RunRecord]]:
        """Find what runs came to of which no row tells, with their numbers, newest first."""
        query = rows.WITHOUT_ROW if self.file.has_table("runs") else rows.ALL_OPENED
        for number, run, last in self.file.rows(query):
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
            raise self.file.damaged(f"what a run came to is not understood: {error}") from error

    def _derived(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.file.read("runs", query, *values)

    def complaint(self, *, thorough: bool = False) -> str:
        """Say what is wrong with the file, empty where it is sound or there is none.

        SQLite's own check, and the newest event; `thorough` reads every event.  Changes nothing.
        Raises JournalError where it cannot be looked at for another reason than damage.
        """
        try:
            found = self.file.rows("PRAGMA quick_check(1)")
            if found and found[0][0] != "ok":
                return str(found[0][0])
            # The tables may be gone from a database that is sound.
            self.file.rows("SELECT version FROM verdicts LIMIT 1")
            query = "SELECT body FROM events ORDER BY number DESC"
            for (body,) in self.file.rows(query if thorough else f"{query} LIMIT 1"):
                self._decoded(body)
        except DamagedJournalError as error:
            return str(error)
        return ""

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
        self.file.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", *row)

    def refused(self, gate: str, staged: Lookup = nothing_installed) -> Refusals:
        """What counts as refused: by this very gate, or in production by any."""
        query = (
            "SELECT version, reasons, in_production, fingerprint FROM verdicts WHERE ruling = ?"
            " ORDER BY at"
        )
        found = self.file.rows(query, Ruling.REFUSED.value)
        try:
            return tuple(
                (build, "; ".join(json.loads(reasons)))
                for version, reasons, in_production, recorded in found
                for build in [Version.parse(version)]
                if in_production or still_counts(recorded, gate, staged(build))
            )
        except (InvalidVersion, ValueError, TypeError) as error:
            raise self.file.damaged(f"a verdict is not understood: {error}") from error

    def count_verdicts(self) -> tuple[tuple[str, int], ...]:
        """How many builds are remembered under each ruling."""
        query = "SELECT ruling, CAST(count(*) AS TEXT) FROM verdicts GROUP BY ruling"
        return tuple((ruling, int(count)) for ruling, count in self.file.rows(query))

    def allow(self, build: Version) -> bool:
        """Forget what is held against a build; whether there was anything."""
        query = "DELETE FROM verdicts WHERE version = ? AND ruling = ?"
        return self.file.execute(query, build.text, Ruling.REFUSED.value) > 0

    def _decoded(self, body: str) -> ev.Event:
        try:
            return codec.decode(body)
        except DamagedJournalError as error:
            raise self.file.damaged(str(error)) from error
