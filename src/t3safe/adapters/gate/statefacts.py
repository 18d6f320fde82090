"""What a copied state set holds before and after a build has run on it.

The build may run meanwhile: everything is read through SQLite, read-only, and waits for a lock.
What SQLite refuses after the build has run is a finding; before, the copy itself is no good.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from attrs import frozen

from t3safe.adapters._support.personaldata.tables import LEDGER_TABLE, tables_with_rows
from t3safe.domain.gate import EVENT_LOG
from t3safe.domain.ledgers import Ledger, SetLedger

_MAGIC: Final = b"SQLite format 3\0"
_LEFT_OUT: Final = frozenset({"logs", "attachments"})
_WAIT_SECONDS: Final = 10.0
"""How long SQLite waits for a lock; a checkpoint of 1 GB took t3 1.1 s."""
_EVENT_KEYS: Final = ("sequence", "event_id")


class UnreadableSetError(Exception):
    """Raised when SQLite cannot read a database of a set; the text names it and says why."""


@frozen
class LedgerFacts:
    """The ledgers of a set, and what `quick_check` found, as `file: text`."""

    ledger: SetLedger
    damage: tuple[str, ...]


def databases(userdata: Path) -> tuple[str, ...]:
    """Name every SQLite database below userdata, by its header; links are not followed."""
    found: list[str] = []
    for folder, folders, files in os.walk(userdata):
        if Path(folder) == userdata:
            folders[:] = [name for name in folders if name not in _LEFT_OUT]
        paths = (Path(folder, name) for name in files)
        found += (path.relative_to(userdata).as_posix() for path in paths if _is_database(path))
    return tuple(sorted(found))


def _is_database(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def ledger(userdata: Path) -> SetLedger:
    """Read the ledgers of a set.  Raises UnreadableSetError."""
    found: dict[str, Ledger] = {}
    for name in databases(userdata):
        with _opened(userdata, name) as connection:
            found[name] = _ledger(connection)
    return SetLedger.of(found)


def ledger_facts(userdata: Path) -> LedgerFacts:
    """Read the ledgers and check every database; what cannot be read is damage."""
    found: dict[str, Ledger] = {}
    damage: list[str] = []
    for name in databases(userdata):
        try:
            with _opened(userdata, name) as connection:
                damage += (f"{name}: {finding}" for finding in _quick_check(connection))
                found[name] = _ledger(connection)
        except UnreadableSetError as error:
            damage.append(str(error))
    return LedgerFacts(SetLedger.of(found), tuple(damage))


def rows(userdata: Path) -> dict[str, int]:
    """Count the rows of every table, as `file:table`.  Raises UnreadableSetError.

    The ledger is left out: it is compared pair by pair.
    """
    found: dict[str, int] = {}
    for name in databases(userdata):
        with _opened(userdata, name) as connection:
            for table in tables_with_rows(connection):
                query = f"SELECT count(*) FROM {_quoted(table)}"  # noqa: S608 - quoted
                found[f"{name}:{table}"] = int(connection.execute(query).fetchone()[0])
    return found


def keep_events(userdata: Path, kept: Path) -> None:
    """Write down which rows every event log has, in a new database at `kept`.

    Raises UnreadableSetError.
    """
    for name in databases(userdata):
        with _opened(userdata, name) as connection:
            keys = _event_keys(connection)
            if keys:
                connection.execute("COMMIT")
                connection.execute("ATTACH DATABASE ? AS kept", (_uri(kept, "rwc"),))
                connection.execute("PRAGMA kept.synchronous=OFF")
                query = f"SELECT {', '.join(keys)} FROM main.{EVENT_LOG}"  # noqa: S608 - constants
                connection.execute(f"CREATE TABLE kept.{_quoted(name)} AS {query}")


def events_lost(userdata: Path, kept: Path) -> int:
    """Count the kept rows of event logs that are gone.  Raises UnreadableSetError."""
    if not kept.exists():
        return 0
    with _opened(kept.parent, kept.name) as connection:
        logs = {name: _columns(connection, name) for name in tables_with_rows(connection)}
    return sum(_lost(userdata, kept, name, keys) for name, keys in logs.items())


def _lost(userdata: Path, kept: Path, name: str, keys: tuple[str, ...]) -> int:
    if name in databases(userdata):
        with _opened(userdata, name) as connection:
            if set(keys) <= set(_event_keys(connection)):
                same = " AND ".join(f"now.{key} IS old.{key}" for key in keys)
                connection.execute("COMMIT")
                connection.execute("ATTACH DATABASE ? AS kept", (_uri(kept, "ro"),))
                query = (
                    f"SELECT count(*) FROM kept.{_quoted(name)} AS old WHERE NOT EXISTS"  # noqa: S608
                    f" (SELECT 1 FROM main.{EVENT_LOG} AS now WHERE {same})"
                )
                return int(connection.execute(query).fetchone()[0])
    with _opened(kept.parent, kept.name) as connection:
        query = f"SELECT count(*) FROM {_quoted(name)}"  # noqa: S608 - quoted
        return int(connection.execute(query).fetchone()[0])


def _event_keys(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The columns that name a row of the event log; empty where the database has no such log."""
    there = _columns(connection, EVENT_LOG)
    return tuple(key for key in _EVENT_KEYS if key in there)


@contextmanager
def _opened(root: Path, name: str) -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(
            _uri(root / name, "ro"), uri=True, timeout=_WAIT_SECONDS, isolation_level=None
        )
        with closing(connection):
            connection.text_factory = _text
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("BEGIN")
            yield connection
    except sqlite3.Error as error:
        message = f"{name}: {error}"
        raise UnreadableSetError(message) from error


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(os.fsencode(path))}?mode={mode}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quick_check(connection: sqlite3.Connection) -> list[str]:
    found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    return [] if found == ["ok"] else [" ".join(text.split())[:300] for text in found]


def _ledger(connection: sqlite3.Connection) -> Ledger:
    if not _columns(connection, LEDGER_TABLE):
        return Ledger()
    query = f"SELECT migration_id, name FROM {LEDGER_TABLE}"  # noqa: S608 - a constant
    pairs = connection.execute(query).fetchall()
    for number, name in pairs:
        if not (isinstance(number, int) and isinstance(name, str)):
            message = f"the ledger has the row ({number!r:.40}, {name!r:.40})"
            raise sqlite3.DataError(message)
    return Ledger.of(pairs)


def _columns(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    found = connection.execute(f"PRAGMA main.table_info({_quoted(table)})")
    return tuple(str(row[1]) for row in found)
