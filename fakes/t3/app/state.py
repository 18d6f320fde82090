"""A base directory: its database, its migrations, and the small files beside it."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from fakes.t3.app.migrations import LEDGER, NAMES, STATEMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.t3.app.build import Build

LEGACY = '%"legacy":true%'
"""What the payload of a legacy event looks like to LIKE."""

BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits for another one."""


class MigrationError(Exception):
    """A migration could not be run; what ran before it stays."""


def stamp(seconds: float | None = None) -> str:
    """Write a moment (now, or seconds since the epoch) as t3 does: UTC with milliseconds."""
    moment = time.time() if seconds is None else seconds
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return f"{whole}.{int(moment * 1000) % 1000:03d}Z"


class Database:
    """One connection shared by threads; `write` is a transaction that is durable on return."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error:
            self._connection.close()
            raise

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Hold the only write transaction; rolled back when the block raises."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()

    def read(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """Every row of one query."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def close(self) -> None:
        """Close; the last one to close a database checkpoints its log and removes it."""
        with self._lock:
            self._connection.close()


def open_database(base: Path, build: Build) -> Database:
    """Open the build's database under a base directory, which is made when missing.

    A build that keeps its state in a second file copies the first one into it, once.
    """
    userdata = base / "userdata"
    userdata.mkdir(parents=True, exist_ok=True)
    path = userdata / build.database
    first = userdata / "state.sqlite"
    if path != first and first.exists() and not path.exists():
        _copy_once(first, path)
    return Database(path)


def _copy_once(source: Path, target: Path) -> None:
    origin, copy = sqlite3.connect(source), sqlite3.connect(target)
    try:
        origin.backup(copy)
    finally:
        origin.close()
        copy.close()


def migrate(database: Database, build: Build) -> list[str]:
    """Bring the database to the build's schema and return what ran, as `31_Name`.

    As measured, only the highest id counts: a newer database is taken without a word, and names
    are never looked at.  Each migration is a transaction of its own.
    """
    with database.write() as connection:
        connection.execute(LEDGER)
    before = _highest(database)
    ran = [
        f"{number}_{NAMES[number - 1]}"
        for number in range(before + 1, build.schema + 1)
        if _run(database, build, number, populated=before > 0)
    ]
    if ran and before > 0:
        _misbehave(database, build)
    return ran


def _highest(database: Database) -> int:
    found = database.read("SELECT coalesce(max(migration_id), 0) FROM effect_sql_migrations")
    return int(str(found[0][0]))


def _run(database: Database, build: Build, number: int, *, populated: bool) -> bool:
    """Run one migration; False when another process has run it meanwhile."""
    name = NAMES[number - 1]
    if build.has("migration-fails") and populated and number == build.schema:
        raise MigrationError(f'Migration "{number}_{name}" failed')
    if build.has("migration-wrong-names") and populated:
        name = f"{name}Reworked"
    with database.write() as connection:
        if _highest(database) >= number:
            return False
        for statement in STATEMENTS[number]:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO effect_sql_migrations (migration_id, name) VALUES (?, ?)", (number, name)
        )
    return True


LOSSES = {
    "migration-loses-events": "DELETE FROM orchestration_events WHERE sequence % 7 = 0",
    "migration-loses-threads": "DELETE FROM projection_threads WHERE rowid % 2 = 0",
    "migration-cleans-approvals": (
        "DELETE FROM projection_pending_approvals WHERE status <> 'pending'"
    ),
}


def _misbehave(database: Database, build: Build) -> None:
    """Do to a populated database what the build's faults say, once it has been migrated."""
    for fault, statement in LOSSES.items():
        if build.has(fault):
            with database.write() as connection:
                connection.execute(statement)
    if build.has("corrupts-database"):
        _corrupt(database)


def _corrupt(database: Database) -> None:
    """Overwrite a page that quick_check reads and that signing in does not need."""
    root = database.read(
        "SELECT rootpage FROM sqlite_master WHERE name = 'projection_thread_activities'"
    )
    size = database.read("PRAGMA page_size")
    database.read("PRAGMA wal_checkpoint(TRUNCATE)")
    with database.path.open("r+b") as file:
        file.seek((int(str(root[0][0])) - 1) * int(str(size[0][0])))
        file.write(b"\x5a" * 512)


def has_legacy_rows(database: Database) -> bool:
    """Whether the event log holds rows of a kind that a newer build may not decode."""
    found = database.read(
        "SELECT 1 FROM orchestration_events WHERE payload_json LIKE ? LIMIT 1", LEGACY
    )
    return bool(found)


class SmallFiles(NamedTuple):
    """What a serve needs beside its database."""

    environment: str
    signing_key: bytes


def ensure_small_files(userdata: Path, schema: int) -> SmallFiles:
    """Make what is missing: folders, ids, signing key, key bindings (rewritten by newer builds)."""
    for folder in ("logs", "attachments", "secrets"):
        (userdata / folder).mkdir(parents=True, exist_ok=True)
    (userdata.parent / "caches").mkdir(exist_ok=True)
    (userdata / "secrets").chmod(0o700)
    _write_bindings(userdata / "keybindings.json", schema)
    _ensure_text(userdata / "anonymous-id")
    return SmallFiles(_ensure_text(userdata / "environment-id"), signing_key(userdata))


def _ensure_text(path: Path) -> str:
    if not path.exists():
        path.write_text(str(uuid.uuid4()), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def signing_key(userdata: Path) -> bytes:
    """Read the key that signs sessions (32 bytes, 0600), made when missing."""
    path = userdata / "secrets" / "server-signing-key.bin"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()


def _write_bindings(path: Path, schema: int) -> None:
    bindings = [{"key": "mod+j", "command": "terminal.toggle", "since": schema}]
    if path.exists():
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept[0]["since"] >= schema:
                return
        except (ValueError, KeyError, IndexError, TypeError):
            pass
    path.write_text(json.dumps(bindings, indent=2), encoding="utf-8")
