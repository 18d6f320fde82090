"""State sets made directly with SQLite: what a person's folder looks like after months of use."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from attrs import frozen

from fakes.t3.app import work
from fakes.t3.app.migrations import LEDGER, NAMES, statements_of
from fakes.t3.app.state import ensure_small_files, stamp

PROJECTORS: Final = (
    "checkpoints",
    "pending-approvals",
    "projects",
    "thread-activities",
    "thread-messages",
    "thread-proposed-plans",
    "thread-sessions",
    "thread-turns",
    "threads",
)
DIFFS: Final = "checkpoint_diff_blobs"
_DAY: Final = 86400.0
_FILLER: Final = "diff --git a/main.py b/main.py\n+alpha beta gamma delta\n" * 1200


@frozen
class Populated:
    """A state set as it was made: its database and the rows of each table."""

    base_dir: Path
    database: Path
    rows: Mapping[str, int]


def populate(  # noqa: PLR0913 - one call describes a whole state set
    base_dir: Path,
    level: int,
    *,
    threads: int = 3,
    messages: int = 4,
    resolved_approvals: int = 3,
    pending_approvals: int = 0,
    legacy_rows: int = 0,
    attachments: int = 0,
    sessions: int = 2,
    size_bytes: int = 0,
    running_turn: bool = False,
    last_activity: float | None = None,
    names: Mapping[int, str] | None = None,
    database: str = "state.sqlite",
) -> Populated:
    """Make a V1 state set whose ledger ends at `level` (20 to 54) under a base directory.

    `last_activity` is in seconds since the epoch, a day ago when left out.  `legacy_rows` are
    events that a release with `migration-fails-on-legacy-rows` cannot decode.  `names` replaces
    names in the ledger, as a sister product's database has them.  `size_bytes` is the least size
    of the database.  FileExistsError when there is one already.
    """
    path = base_dir / "userdata" / database
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    path.parent.mkdir(parents=True, exist_ok=True)
    ensure_small_files(path.parent, level)
    for number in range(attachments):
        (path.parent / "attachments" / f"image-{number}.png").write_bytes(b"\x89PNG fake")
    last = time.time() - _DAY if last_activity is None else last_activity
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        _migrate(connection, level, names or {})
        for number in range(threads):
            _add_thread(connection, f"thread-{number + 1}", messages, last)
        _add_approvals(connection, resolved_approvals, pending_approvals, stamp(last))
        _add_legacy(connection, legacy_rows, stamp(last))
        _add_sessions(connection, level, sessions, last)
        _add_marks(connection, running_turn=running_turn, at=stamp(last))
        _add_projectors(connection, stamp(last))
        connection.execute("COMMIT")
        _fill(connection, size_bytes, stamp(last))
    return Populated(base_dir, path, count_rows(path))


def count_rows(path: Path) -> dict[str, int]:
    """Count the rows of every table of a database."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for (name,) in sorted(tables)
        }


def _migrate(connection: sqlite3.Connection, level: int, names: Mapping[int, str]) -> None:
    connection.execute(LEDGER)
    for number in range(1, level + 1):
        for statement in statements_of(number):
            connection.execute(statement)
        connection.execute(
            "INSERT INTO effect_sql_migrations (migration_id, name) VALUES (?, ?)",
            (number, names.get(number, NAMES[number - 1])),
        )


def _add_thread(connection: sqlite3.Connection, thread: str, messages: int, last: float) -> None:
    work.ensure_thread(connection, thread, stamp(last - messages - 1))
    for number in range(messages):
        at = stamp(last - messages + number)
        work.say(connection, thread, f"message {number + 1} in {thread}", at)
        connection.execute(
            "INSERT INTO projection_turns (thread_id, turn_id, state, requested_at, started_at,"
            " completed_at, checkpoint_turn_count, checkpoint_files_json)"
            " VALUES (?, ?, 'completed', ?, ?, ?, ?, '[]')",
            (thread, str(uuid.uuid4()), at, at, at, number + 1),
        )
        connection.execute(
            f"INSERT INTO {DIFFS} VALUES (?, ?, ?, ?, ?)",
            (thread, number, number + 1, "+alpha\n-beta\n", at),
        )
    connection.execute(
        "INSERT INTO provider_session_runtime (thread_id, provider_name, adapter_key, status,"
        " last_seen_at) VALUES (?, 'codex', 'codex', 'stopped', ?)",
        (thread, stamp(last)),
    )


def _add_approvals(connection: sqlite3.Connection, resolved: int, pending: int, at: str) -> None:
    insert = "INSERT INTO projection_pending_approvals VALUES (?, 'thread-1', NULL, ?, ?, ?, ?)"
    for _ in range(resolved):
        connection.execute(insert, (str(uuid.uuid4()), "resolved", "accept", at, at))
    for _ in range(pending):
        connection.execute(insert, (str(uuid.uuid4()), "pending", None, at, None))
    if pending and _has_column(connection, "projection_threads", "pending_approval_count"):
        connection.execute(
            "UPDATE projection_threads SET pending_approval_count = ? WHERE thread_id = 'thread-1'",
            (pending,),
        )


def _has_column(connection: sqlite3.Connection, table: str, column: str) -> bool:
    found = connection.execute("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", (table, column))
    return found.fetchone() is not None


def _add_legacy(connection: sqlite3.Connection, count: int, at: str) -> None:
    for _ in range(count):
        event = work.ThreadEvent(
            "thread", "thread-1", "thread.turn-diff-completed", {"legacy": True}
        )
        work.append_event(connection, event, at)


def _add_sessions(connection: sqlite3.Connection, level: int, count: int, last: float) -> None:
    column, grant = ("role", "client") if level < 31 else ("scopes", '["orchestration:read"]')
    for _ in range(count):
        connection.execute(
            f"INSERT INTO auth_sessions (session_id, subject, {column}, method, issued_at,"
            " expires_at) VALUES (?, 'one-time-token', ?, 'browser-session-cookie', ?, ?)",
            (str(uuid.uuid4()), grant, stamp(last), stamp(last + 30 * _DAY)),
        )


def _add_marks(connection: sqlite3.Connection, *, running_turn: bool, at: str) -> None:
    if not running_turn:
        return
    turn = str(uuid.uuid4())
    work.ensure_thread(connection, "thread-1", at)
    connection.execute(
        "INSERT INTO projection_turns (thread_id, turn_id, state, requested_at, started_at,"
        " checkpoint_files_json) VALUES ('thread-1', ?, 'running', ?, ?, '[]')",
        (turn, at, at),
    )
    connection.execute(
        "UPDATE projection_thread_sessions SET status = 'running', active_turn_id = ?,"
        " updated_at = ? WHERE thread_id = 'thread-1'",
        (turn, at),
    )


def _add_projectors(connection: sqlite3.Connection, at: str) -> None:
    last = connection.execute(
        "SELECT coalesce(max(sequence), 0) FROM orchestration_events"
    ).fetchone()[0]
    connection.executemany(
        "INSERT INTO projection_state VALUES (?, ?, ?)",
        [(f"projection.{name}", last, at) for name in PROJECTORS],
    )


def _fill(connection: sqlite3.Connection, size_bytes: int, at: str) -> None:
    """Add checkpoint diffs of some 64 kB until the database has the size."""
    rows = max(0, size_bytes // len(_FILLER))
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        f"INSERT INTO {DIFFS} VALUES ('thread-filler', ?, ?, ?, ?)",
        ((number, number + 1, _FILLER, at) for number in range(rows)),
    )
    connection.execute("COMMIT")
