"""What people do, written as t3 writes it: events, receipts and projections in one transaction.

An identifier is given out only after the commit that made its row: who holds one may claim that
the row must never be lost.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, NamedTuple

from fakes.t3.app.state import stamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from fakes.t3.app.state import FakeDatabase

ACTIVITIES = "projection_thread_activities"
KEYS = {
    "orchestration_events": "event_id",
    "orchestration_command_receipts": "command_id",
    "projection_thread_messages": "message_id",
    ACTIVITIES: "activity_id",
    "projection_turns": "turn_id",
}
"""The tables whose rows are acknowledged, and the column that each identifier names."""
V2_KEYS = {
    "orchestration_v2_projection_messages": "message_id",
    "orchestration_v2_projection_turn_items": "turn_item_id",
    "orchestration_v2_projection_runs": "run_id",
    "orchestration_v2_projection_runtime_requests": "runtime_request_id",
    "orchestration_v2_effect_outbox": "effect_id",
    "scheduled_tasks": "task_id",
}
"""The same for V2's own tables."""
COMPACTED = ("orchestration_events", "orchestration_command_receipts")
"""The tables from which V2 deletes rows on purpose."""

Rows = dict[str, list[str]]


class ThreadEvent(NamedTuple):
    """Something that happened to one thread or project."""

    kind: str
    stream: str
    type: str
    payload: dict[str, object]
    id: str = ""
    """The event's own id where it must be the same each time; drawn when empty."""


def insert(connection: sqlite3.Connection, table: str, row: Mapping[str, object]) -> int:
    """Add a row and return its id; a column left out is NULL, a dict or a list is JSON."""
    values = [
        json.dumps(each, separators=(",", ":")) if isinstance(each, (dict, list)) else each
        for each in row.values()
    ]
    marks = ", ".join("?" for _ in row)
    cursor = connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", values)
    return int(cursor.lastrowid or 0)


def append_event(connection: sqlite3.Connection, event: ThreadEvent, at: str) -> Rows:
    """Add an event of V1 and the receipt of its command; the caller commits."""
    command = str(uuid.uuid4())
    own = {"actor_kind": "client", "metadata_json": {}}
    event_id, number = insert_event(connection, event, at, command, own)
    insert_receipt(connection, event, at, {"command_id": command, "result_sequence": number})
    return {"orchestration_events": [event_id], "orchestration_command_receipts": [command]}


def insert_event(
    connection: sqlite3.Connection,
    event: ThreadEvent,
    at: str,
    command: str | None,
    own: Mapping[str, object],
) -> tuple[str, int]:
    """Add an event with its generation's `own` columns; return its id and its number."""
    event_id = event.id or str(uuid.uuid4())
    version = connection.execute(
        "SELECT coalesce(max(stream_version), -1) + 1 FROM orchestration_events"
        " WHERE aggregate_kind = ? AND stream_id = ?",
        (event.kind, event.stream),
    ).fetchone()[0]
    row = {"aggregate_kind": event.kind, "stream_id": event.stream, "stream_version": version}
    row |= {"event_type": event.type, "occurred_at": at, "payload_json": event.payload}
    row |= {"event_id": event_id, "command_id": command, "correlation_id": command, **own}
    return event_id, insert(connection, "orchestration_events", row)


def insert_receipt(
    connection: sqlite3.Connection, event: ThreadEvent, at: str, own: Mapping[str, object]
) -> None:
    """Add the receipt of the command that an event follows from."""
    row = {"aggregate_kind": event.kind, "aggregate_id": event.stream, "accepted_at": at}
    insert(connection, "orchestration_command_receipts", {**row, "status": "accepted", **own})


def ensure_thread(connection: sqlite3.Connection, thread: str, at: str) -> None:
    """Make a thread with its project and session when it is not there; the caller commits."""
    if connection.execute(
        "SELECT 1 FROM projection_threads WHERE thread_id = ?", (thread,)
    ).fetchone():
        return
    project = f"project-of-{thread}"
    append_event(connection, ThreadEvent("project", project, "project.created", {}), at)
    append_event(connection, ThreadEvent("thread", thread, "thread.created", {}), at)
    connection.execute(
        "INSERT OR IGNORE INTO projection_projects (project_id, title, workspace_root,"
        " scripts_json, created_at, updated_at) VALUES (?, ?, ?, '[]', ?, ?)",
        (project, f"Project of {thread}", f"/srv/{thread}", at, at),
    )
    connection.execute(
        "INSERT INTO projection_threads (thread_id, project_id, title, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (thread, project, f"Thread {thread}", at, at),
    )
    connection.execute(
        "INSERT OR IGNORE INTO projection_thread_sessions (thread_id, status, provider_name,"
        " updated_at) VALUES (?, 'ready', 'codex', ?)",
        (thread, at),
    )


def say(connection: sqlite3.Connection, thread: str, text: str, at: str) -> Rows:
    """Add a message with its event, receipt and activity; the caller commits."""
    ensure_thread(connection, thread, at)
    message, activity = str(uuid.uuid4()), str(uuid.uuid4())
    rows = append_event(
        connection, ThreadEvent("thread", thread, "thread.message-sent", {"text": text}), at
    )
    connection.execute(
        "INSERT INTO projection_thread_messages (message_id, thread_id, role, text, is_streaming,"
        " created_at, updated_at) VALUES (?, ?, 'user', ?, 0, ?, ?)",
        (message, thread, text, at, at),
    )
    connection.execute(
        f"INSERT INTO {ACTIVITIES} (activity_id, thread_id, tone, kind, summary,"
        " payload_json, created_at) VALUES (?, ?, 'tool', 'tool.completed', ?, '{}', ?)",
        (activity, thread, text[:40], at),
    )
    connection.execute(
        "UPDATE projection_threads SET updated_at = ? WHERE thread_id = ?", (at, thread)
    )
    return {
        **rows,
        "projection_thread_messages": [message],
        ACTIVITIES: [activity],
    }


def work(database: FakeDatabase, thread: str, text: str) -> Rows:
    """Commit one message of a person and return the identifiers of its rows."""
    with database.write() as connection:
        return say(connection, thread, text, stamp())


def start_turn(database: FakeDatabase, thread: str, pending: float) -> Rows:
    """Put a turn in flight: pending for so many seconds, then running."""
    turn = request_turn(database, thread)
    time.sleep(pending)
    identifier = turn["projection_turns"][0]
    at = stamp()
    with database.write() as connection:
        connection.execute(
            "UPDATE projection_turns SET state = 'running', started_at = ? WHERE turn_id = ?",
            (at, identifier),
        )
        connection.execute(
            "UPDATE projection_thread_sessions SET status = 'running', active_turn_id = ?,"
            " updated_at = ? WHERE thread_id = ?",
            (identifier, at, thread),
        )
    return turn


def request_turn(database: FakeDatabase, thread: str) -> Rows:
    """Ask for a turn: its only mark is the pending row."""
    turn, at = str(uuid.uuid4()), stamp()
    with database.write() as connection:
        ensure_thread(connection, thread, at)
        asked = ThreadEvent("thread", thread, "thread.turn-start-requested", {"turnId": turn})
        rows = append_event(connection, asked, at)
        connection.execute(
            "INSERT INTO projection_turns (thread_id, turn_id, state, requested_at,"
            " checkpoint_files_json) VALUES (?, ?, 'pending', ?, '[]')",
            (thread, turn, at),
        )
    return {**rows, "projection_turns": [turn]}


def finish_turn(database: FakeDatabase, thread: str) -> Rows:
    """End every turn of a thread that is not finished."""
    at = stamp()
    with database.write() as connection:
        ensure_thread(connection, thread, at)
        rows = append_event(
            connection, ThreadEvent("thread", thread, "thread.turn-diff-completed", {}), at
        )
        connection.execute(
            "UPDATE projection_turns SET state = 'completed', completed_at = ?"
            " WHERE thread_id = ? AND state IN ('pending', 'running')",
            (at, thread),
        )
        connection.execute(
            "UPDATE projection_thread_sessions SET status = 'ready', active_turn_id = NULL,"
            " updated_at = ? WHERE thread_id = ?",
            (at, thread),
        )
    return rows
