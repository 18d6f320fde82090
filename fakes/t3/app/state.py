"""A base directory: its database, its migrations, and the small files beside it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sqlite3
import threading
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from fakes.t3.app.migrations import LEDGER, NAMES, V2_FIRST, statements_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fakes.t3.app.build import ReleaseBehaviour

LEGACY = '%"legacy":true%'
"""What the payload of a legacy event looks like to LIKE."""

BINDINGS = "keybindings.json"
SIGNING_KEY = "secrets/server-signing-key.bin"

BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits for another one."""


class MigrationError(Exception):
    """A migration could not be run; what ran before it stays."""


def stamp(seconds: float | None = None) -> str:
    """Write a moment (now, or seconds since the epoch) as t3 does: UTC with milliseconds."""
    moment = time.time() if seconds is None else seconds
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return f"{whole}.{int(moment * 1000) % 1000:03d}Z"


class FakeDatabase:
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


def open_database(base: Path, build: ReleaseBehaviour) -> FakeDatabase:
    """Open the build's database under a base directory, which is made when missing.

    A build of V2 copies V1's file into its own, once and for all.
    """
    userdata = base / "userdata"
    userdata.mkdir(parents=True, exist_ok=True)
    if build.orchestration == 2:
        from fakes.t3.app.v1copy import copy_once  # noqa: PLC0415 - only V2 pays for it

        copy_once(userdata, build)
    return FakeDatabase(userdata / build.database)


def migrate(
    database: FakeDatabase,
    build: ReleaseBehaviour,
    warn: Callable[[str], object] = lambda _text: None,
) -> list[str]:
    """Bring the database to the build's schema and return what ran, as `31_Name`.

    As measured up to 864, only the highest id counts: a newer database is taken without a word,
    and names are never looked at.  What V2 looks at stands in `v2ledger`.  Each migration is a
    transaction of its own.
    """
    with database.write() as connection:
        connection.execute(LEDGER)
    before = highest(database)
    names, ran = NAMES[: build.schema], list[str]()
    if build.orchestration == 2:
        from fakes.t3.app import v2ledger  # noqa: PLC0415 - only V2 pays for it

        names = v2ledger.names_of(build)
        ran += v2ledger.reconcile(database, names)
        v2ledger.check(database, build, names, warn)
    for number in range(highest(database) + 1, len(names) + 1):
        if _run(database, build, number, names[number - 1], populated=before > 0):
            ran.append(f"{number}_{names[number - 1]}")
    if ran and before > 0:
        _misbehave(database, build)
    return ran


def highest(database: FakeDatabase) -> int:
    """Give the highest id in the ledger, 0 when it is empty."""
    found = database.read("SELECT coalesce(max(migration_id), 0) FROM effect_sql_migrations")
    return int(str(found[0][0]))


def _run(
    database: FakeDatabase, build: ReleaseBehaviour, number: int, name: str, *, populated: bool
) -> bool:
    """Run one migration; False when another process has run it meanwhile."""
    recorded = name
    if build.has("migration-fails") and populated and number == build.schema:
        raise MigrationError(f'Migration "{number}_{name}" failed')
    if build.has("migration-wrong-names") and populated:
        recorded = f"{name}Reworked"
    with database.write() as connection:
        if highest(database) >= number:
            return False
        execute_migration(connection, name)
        connection.execute(
            "INSERT INTO effect_sql_migrations (migration_id, name) VALUES (?, ?)",
            (number, recorded),
        )
    if name == NAMES[V2_FIRST - 1] and build.faults.get("v2-import-dies") == "migrating":
        die()
    return True


def execute_migration(connection: sqlite3.Connection, name: str) -> None:
    """Execute what the migration of this name does; one that is not t3's makes a table."""
    if name in NAMES:
        for statement in statements_of(NAMES.index(name) + 1):
            connection.execute(statement)
    else:
        connection.execute(f"CREATE TABLE {name.lower()} (id TEXT PRIMARY KEY)")


def die() -> NoReturn:
    """End at once, as a machine that loses power does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


LOSSES = {
    "migration-loses-events": "DELETE FROM orchestration_events WHERE sequence % 7 = 0",
    "migration-loses-threads": "DELETE FROM projection_threads WHERE rowid % 2 = 0",
    "migration-cleans-approvals": (
        "DELETE FROM projection_pending_approvals WHERE status <> 'pending'"
    ),
}


def _misbehave(database: FakeDatabase, build: ReleaseBehaviour) -> None:
    """Do to a populated database what the build's faults say, once it has been migrated."""
    for fault, statement in LOSSES.items():
        if build.has(fault):
            with database.write() as connection:
                connection.execute(statement)
    if build.has("corrupts-database"):
        _corrupt(database)


def _corrupt(database: FakeDatabase) -> None:
    """Overwrite a page that quick_check reads and that signing in does not need."""
    root = database.read(
        "SELECT rootpage FROM sqlite_master WHERE name = 'projection_thread_activities'"
    )
    size = database.read("PRAGMA page_size")
    database.read("PRAGMA wal_checkpoint(TRUNCATE)")
    with database.path.open("r+b") as file:
        file.seek((int(str(root[0][0])) - 1) * int(str(size[0][0])))
        file.write(b"\x5a" * 512)


def has_legacy_rows(database: FakeDatabase) -> bool:
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
    _write_bindings(userdata / BINDINGS, schema)
    _ensure_text(userdata / "anonymous-id")
    return SmallFiles(_ensure_text(userdata / "environment-id"), signing_key(userdata))


def _ensure_text(path: Path) -> str:
    if not path.exists():
        path.write_text(str(uuid.uuid4()), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def signing_key(userdata: Path) -> bytes:
    """Read the key that signs sessions (32 bytes, 0600), made when missing."""
    path = userdata / SIGNING_KEY
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
