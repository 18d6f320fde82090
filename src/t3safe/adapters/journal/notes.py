"""What is remembered beside the runs: the last offer, when commands ended, what was notified.

Rules:

1. Nothing here decides what happens to a person: what cannot be read is unknown, and what cannot be
   written is not remembered.
2. It is set aside with a damaged journal, and begins empty.
3. Only a command that holds the lock writes: a look makes no journal.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

from attrs import frozen

from t3safe.adapters.journal.file import JournalFile
from t3safe.domain.errors import JournalError
from t3safe.domain.forecast import Known
from t3safe.domain.notices import Cause, Key
from t3safe.domain.versions import InvalidVersion, Version

COMMANDS: Final = ("run", "drain", "recover")
"""The commands that timers call, whose ends are remembered."""


@frozen
class Notes:
    """Keeps the notes in the journal's file."""

    file: JournalFile

    def keep_offer(self, newest: Version, at: datetime) -> None:
        """Remember where the registry's tag points."""
        with suppress(JournalError):
            self.file.execute(
                "INSERT OR REPLACE INTO offer VALUES (1, ?, ?)", newest.text, at.isoformat()
            )

    def offer(self) -> Known | None:
        """Where the tag pointed when the registry was asked last; None where that is unknown."""
        with suppress(JournalError, InvalidVersion, ValueError, TypeError):
            for newest, at in self.file.read("offer", "SELECT newest, at FROM offer"):
                return Known(Version.parse(newest), datetime.fromisoformat(at))
        return None

    def keep_end(self, command: str, at: datetime) -> None:
        """Remember that a command ended, also where it did nothing."""
        with suppress(JournalError):
            self.file.execute("INSERT OR REPLACE INTO ends VALUES (?, ?)", command, at.isoformat())

    def ends(self) -> tuple[tuple[str, datetime], ...]:
        """Each command of `COMMANDS` with when it ended last (UTC), where that is known."""
        with suppress(JournalError, ValueError, TypeError):
            found = dict(self.file.read("ends", "SELECT command, at FROM ends"))
            return tuple(
                (name, datetime.fromisoformat(found[name])) for name in COMMANDS if name in found
            )
        return ()

    def notified(self) -> dict[str, frozenset[Key]]:
        """What was sent to each destination.  Raises JournalError."""
        found: dict[str, frozenset[Key]] = {}
        query = "SELECT destination, cause, about, mark FROM notified"
        for destination, cause, about, mark in self.file.read("notified", query):
            # A cause that another t3safe knows is sent again by the one that does.
            with suppress(ValueError):
                key = Key(Cause(cause), about, mark)
                found[destination] = found.get(destination, frozenset()) | {key}
        return found

    def keep_notified(self, sent: Mapping[str, frozenset[Key]]) -> None:
        """Remember what was sent to each destination, and nothing else.  Raises JournalError."""
        rows = [
            (destination, key.cause.value, key.about, key.mark)
            for destination, keys in sent.items()
            for key in sorted(keys)
        ]

        def replace(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM notified")
            connection.executemany("INSERT INTO notified VALUES (?, ?, ?, ?)", rows)

        self.file.write(replace)
