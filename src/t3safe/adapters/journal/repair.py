"""Sets a damaged journal aside and begins a new one: nothing is deleted.

Rules:

1. The new journal is whole, with what could be saved, before the old one is touched.
2. SQLite's files beside the database are renamed first, the database last, then the new one takes
   its place.  Cut off before the last two, the old one is still found damaged and all is done
   anew; cut off between them, the new one that waits is put in place by the next call.
3. What is renamed never takes the place of something else.
4. Refusals are saved as far as SQLite can read them, and only those that are wholly understood.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

from t3safe.adapters._support.durable import sync_folder
from t3safe.domain.gate import Ruling
from t3safe.domain.ports import SetAside
from t3safe.domain.versions import InvalidVersion, Version

BESIDE: Final = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a database."""

_Row = tuple[str, str, str, int, str, str]


def fresh(path: Path) -> Path:
    """Where the new journal waits until it takes its place."""
    return path.with_name(path.name + ".new")


def interrupted(path: Path) -> bool:
    """Whether a call was cut off with the old journal away and the new one not yet in place."""
    return not os.path.lexists(path) and fresh(path).exists()


def set_aside(
    path: Path, schema: str, at: datetime, reached: Callable[[str], None] = lambda _: None
) -> SetAside:
    """Rename the journal and what is beside it, and put a new one in its place.

    `schema` makes the new one's tables; `reached` is told of each step.  Raises OSError and
    sqlite3.Error where that cannot be done; then the old one is where it was, or a further call
    goes on (rule 2).
    """
    if interrupted(path):
        place = max(path.parent.glob(f"{path.name}.broken-*"), default=path)
        rows, complete = _saved(fresh(path))
    else:
        place = _free(path, at)
        rows, complete = _saved(path)
        _make(fresh(path), schema, rows)
        reached("made")
        for suffix in BESIDE:
            beside = path.with_name(path.name + suffix)
            if os.path.lexists(beside):
                beside.rename(place.with_name(place.name + suffix))
                reached(suffix)
        path.rename(place)
        reached("renamed")
    fresh(path).rename(path)
    sync_folder(path.parent)
    return SetAside(str(place), len(rows), complete)


def _free(path: Path, at: datetime) -> Path:
    """Name a place where nothing is yet (rule 3)."""
    stamp, number = f"{path.name}.broken-{at:%Y%m%dT%H%M%SZ}", 1
    place = path.with_name(stamp)
    while any(os.path.lexists(f"{place}{suffix}") for suffix in ("", *BESIDE)):
        number += 1
        place = path.with_name(f"{stamp}-{number}")
    return place


def _make(path: Path, schema: str, rows: list[_Row]) -> None:
    path.unlink(missing_ok=True)
    path.with_name(path.name + "-journal").unlink(missing_ok=True)
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.executescript(schema)
        with connection:
            connection.executemany("INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", rows)
    sync_folder(path.parent)


def _saved(path: Path) -> tuple[list[_Row], bool]:
    """Read the verdicts as far as they can be (rule 4), and whether that was all of them."""
    found: list[_Row] = []
    complete = True
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            found.extend(_verdicts(opened))
    except sqlite3.Error:
        complete = False
    understood = [row for row in found if _understood(row)]
    return understood, complete and len(understood) == len(found)


def _verdicts(connection: sqlite3.Connection) -> Iterator[_Row]:
    query = "SELECT version, ruling, reasons, in_production, fingerprint, at FROM verdicts"
    yield from connection.execute(query)


def _understood(row: _Row) -> bool:
    version, ruling, reasons, in_production, fingerprint, at = row
    try:
        Version.parse(version)
        Ruling(ruling)
        told = json.loads(reasons)
        datetime.fromisoformat(at)
    except (InvalidVersion, ValueError, TypeError, AttributeError):
        return False
    texts = isinstance(told, list) and all(isinstance(reason, str) for reason in told)
    return texts and in_production in {0, 1} and isinstance(fingerprint, str)
