"""What people do under V2: rows of the one event log and of V2's projections, in one transaction.

Identifiers of events are not given out: compaction may delete such rows on purpose.  What a turn
leaves while it is in flight is what a kill leaves behind; `recovery` settles it.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, NamedTuple

from fakes.t3.app.state import stamp
from fakes.t3.app.work import ThreadEvent, insert, insert_event, insert_receipt

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from fakes.t3.app.state import FakeDatabase
    from fakes.t3.app.work import Rows

PROVIDER = "codex"
_V2 = "orchestration_v2_projection_"


def append_event(
    connection: sqlite3.Connection, event: ThreadEvent, at: str, command: str = ""
) -> str:
    """Add an event of version 2 and advance the projection; return its command's id.

    `command` is the type of the command that is received; without one there is no receipt.
    """
    command_id = str(uuid.uuid4()) if command else None
    own: dict[str, object] = {"actor_kind": "client" if command else "server"}
    own |= {"application_event_version": 2, "metadata_json": {"applicationEventVersion": 2}}
    _, number = insert_event(connection, event, at, command_id, own)
    if command:
        received = {"command_id": command_id, "command_type": command, "result_sequence": number}
        insert_receipt(connection, event, at, received)
    advance(connection, number, at)
    return command_id or ""


def advance(connection: sqlite3.Connection, sequence: int, at: str) -> None:
    """Say that the projections hold everything up to this event."""
    connection.execute(
        "INSERT INTO orchestration_v2_projection_metadata VALUES ('thread-projections', 1, ?, ?)"
        " ON CONFLICT (projection_name) DO UPDATE SET last_sequence = excluded.last_sequence,"
        " updated_at = excluded.updated_at",
        (sequence, at),
    )


def put(connection: sqlite3.Connection, table: str, row: Mapping[str, object]) -> None:
    """Add a row to `orchestration_v2_TABLE`."""
    insert(connection, f"orchestration_v2_{table}", row)


def ensure_thread(
    connection: sqlite3.Connection, thread: str, at: str, *, worktree: str = ""
) -> None:
    """Make a thread with its project when it is not there; the caller commits."""
    if connection.execute(f"SELECT 1 FROM {_V2}threads WHERE thread_id = ?", (thread,)).fetchone():
        return
    project, title = f"project-of-{thread}", f"Thread {thread}"
    root = worktree or f"/srv/{thread}"
    if not connection.execute(
        "SELECT 1 FROM projection_projects WHERE project_id = ?", (project,)
    ).fetchone():
        append_event(
            connection, ThreadEvent("project", project, "project.created", {}), at, "project"
        )
        connection.execute(
            "INSERT INTO projection_projects (project_id, title, workspace_root, scripts_json,"
            " created_at, updated_at) VALUES (?, ?, ?, '[]', ?, ?)",
            (project, f"Project of {thread}", root, at, at),
        )
    append_event(
        connection, ThreadEvent("thread", thread, "thread.created", {}), at, "thread.create"
    )
    put_thread(connection, thread, (project, title, worktree), at)


def put_thread(
    connection: sqlite3.Connection, thread: str, what: tuple[str, str, str], at: str
) -> None:
    """Add the projection of a thread: `what` is its project, title and worktree (may be empty)."""
    project, title, worktree = what
    row = {
        "thread_id": thread,
        "project_id": project,
        "title": title,
        "default_provider": PROVIDER,
        "runtime_mode": "full-access",
        "interaction_mode": "default",
        "created_at": at,
        "updated_at": at,
        "payload_json": {"title": title, "worktreePath": worktree or None},
    }
    put(connection, "projection_threads", row)


def put_message(
    connection: sqlite3.Connection, message: str, what: tuple[str, str, str], at: str
) -> str:
    """Add a message with its turn item and position; `what` is thread, role and text."""
    thread, role, text = what
    item = f"item-of-{message}"
    times = {"created_at": at, "updated_at": at}
    row = {"message_id": message, "thread_id": thread, "role": role, "streaming": 0}
    put(connection, "projection_messages", {**row, **times, "payload_json": {"text": text}})
    ordinal = connection.execute(
        "SELECT coalesce(max(ordinal), -1) + 1 FROM orchestration_v2_turn_item_positions"
        " WHERE thread_id = ?",
        (thread,),
    ).fetchone()[0]
    kind = "user_message" if role == "user" else "assistant_message"
    place = {"turn_item_id": item, "thread_id": thread, "ordinal": ordinal}
    rest = {"type": kind, "status": "completed", "updated_at": at, "payload_json": {}}
    put(connection, "projection_turn_items", {**place, **rest})
    put(connection, "turn_item_positions", place)
    return item


def say(connection: sqlite3.Connection, thread: str, text: str, at: str) -> Rows:
    """Add a message with its event, receipt and turn item; the caller commits."""
    ensure_thread(connection, thread, at)
    message = str(uuid.uuid4())
    item = put_message(connection, message, (thread, "user", text), at)
    sent = ThreadEvent("thread", thread, "message.updated", {"messageId": message, "text": text})
    command = append_event(connection, sent, at, "message.dispatch")
    state = ThreadEvent("thread", thread, "thread.state-updated", {"updatedAt": at})
    append_event(connection, state, at)
    connection.execute(f"UPDATE {_V2}threads SET updated_at = ? WHERE thread_id = ?", (at, thread))
    return {
        "orchestration_command_receipts": [command],
        f"{_V2}messages": [message],
        f"{_V2}turn_items": [item],
    }


def work(database: FakeDatabase, thread: str, text: str) -> Rows:
    """Commit one message of a person and return the identifiers of its rows."""
    with database.write() as connection:
        return say(connection, thread, text, stamp())


def request_run(connection: sqlite3.Connection, thread: str, status: str, at: str) -> str:
    """Add a run in this status with its attempt, node, provider rows and start effect.

    A `queued` run has none of these yet; the caller commits.
    """
    ensure_thread(connection, thread, at)
    run = str(uuid.uuid4())
    ordinal = connection.execute(
        f"SELECT coalesce(max(ordinal), 0) + 1 FROM {_V2}runs WHERE thread_id = ?", (thread,)
    ).fetchone()[0]
    mine = {"thread_id": thread, "provider": PROVIDER}
    own = f"provider-thread-of-{thread}"
    row = {"run_id": run, **mine, "ordinal": ordinal, "status": status, "requested_at": at}
    started = {} if status in ("queued", "preparing") else {"startedAt": at}
    put(connection, "projection_runs", {**row, "provider_thread_id": own, "payload_json": started})
    command = append_event(
        connection, ThreadEvent("thread", thread, "run.updated", {"runId": run}), at, "run.start"
    )
    if status == "queued":
        return run
    node, turn, waiting = f"node-of-{run}", f"turn-of-{run}", status == "waiting"
    active = {"preparing": "pending", "starting": "pending"}.get(status, "running")
    over = "completed" if waiting else active
    session = f"session-of-{thread}"
    empty: dict[str, object] = {}
    attempt = {"attempt_id": f"attempt-of-{run}", **mine, "run_id": run, "attempt_ordinal": 1}
    attempt |= {"root_node_id": node, "provider_thread_id": own, "provider_turn_id": turn}
    put(connection, "projection_run_attempts", {**attempt, "status": over, "payload_json": empty})
    place = {"node_id": node, "thread_id": thread, "run_id": run, "root_node_id": node}
    shown = {"kind": "root", "status": "waiting" if waiting else active, "started_at": at}
    put(connection, "projection_nodes", {**place, **shown, "payload_json": empty})
    connection.execute(
        f"INSERT OR REPLACE INTO {_V2}provider_sessions (provider_session_id, thread_id,"
        " provider, status, updated_at, payload_json) VALUES (?, ?, ?, ?, ?, '{}')",
        (session, thread, PROVIDER, "ready" if active == "pending" else "running", at),
    )
    tasks = [{"id": f"task-of-{run}", "kind": "shell"}] if waiting else []
    connection.execute(
        f"INSERT OR REPLACE INTO {_V2}provider_threads (provider_thread_id, thread_id,"
        " provider, provider_session_id, status, updated_at, payload_json)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            *(own, thread, PROVIDER, session, "idle" if waiting else "active", at),
            json.dumps({"pendingBackgroundTasks": tasks}),
        ),
    )
    turns = {"provider_turn_id": turn, "thread_id": thread, "provider_thread_id": own}
    turns |= {"node_id": node, "ordinal": ordinal, "status": over, "started_at": at}
    put(connection, "projection_provider_turns", {**turns, "payload_json": empty})
    state = "pending" if active == "pending" else "succeeded"
    put_effect(connection, thread, "provider-turn.start", at, status=state, command=command)
    return run


def put_effect(
    connection: sqlite3.Connection,
    thread: str,
    effect_type: str,
    at: str,
    *,
    status: str = "pending",
    command: str = "",
) -> str:
    """Add an effect to the outbox; the caller commits."""
    effect = str(uuid.uuid4())
    row = {"effect_id": effect, "command_id": command or effect, "thread_id": thread}
    row |= {"effect_type": effect_type, "payload_json": "{}", "status": status}
    times = {"available_at": at, "created_at": at, "updated_at": at}
    put(connection, "effect_outbox", {**row, **times})
    return effect


def put_request(
    connection: sqlite3.Connection, thread: str, at: str, capability: str = "live"
) -> str:
    """Add a request that waits for a person; `capability` is live, message or not_resumable."""
    request = str(uuid.uuid4())
    row = {"runtime_request_id": request, "thread_id": thread, "node_id": f"node-of-{request}"}
    row |= {"kind": "command", "status": "pending", "created_at": at}
    payload = {"responseCapability": {"type": capability}}
    put(connection, "projection_runtime_requests", {**row, "payload_json": payload})
    return request


def put_task(
    connection: sqlite3.Connection,
    project: str,
    at: str,
    *,
    next_run_at: str | None,
    enabled: bool = True,
    webhook: str = "",
) -> str:
    """Add a scheduled task; with `webhook`, its token, one that waits for deliveries."""
    task = str(uuid.uuid4())
    row: dict[str, object] = {"task_id": task, "title": "Nightly", "prompt": "Look for news."}
    row |= {"enabled": int(enabled), "schedule_json": "{}", "project_id": project}
    row |= {"workspace_strategy_json": "{}", "model_selection_json": "{}"}
    row |= {"runtime_mode": "full-access", "interaction_mode": "default", "created_by": "user"}
    row |= {"creation_source": "ui", "created_at": at, "updated_at": at}
    row |= {"next_run_at": next_run_at, "last_run_status": "never", "run_count": 0}
    if webhook:
        row |= {"webhook_token": webhook, "webhook_secret": f"secret-of-{webhook}"}
    insert(connection, "scheduled_tasks", row)
    return task


def request_turn(database: FakeDatabase, thread: str) -> Rows:
    """Ask for a turn: its run is only prepared."""
    with database.write() as connection:
        return {f"{_V2}runs": [request_run(connection, thread, "preparing", stamp())]}


def start_turn(database: FakeDatabase, thread: str, pending: float) -> Rows:
    """Put a turn in flight: prepared for so many seconds, then running."""
    rows = request_turn(database, thread)
    time.sleep(pending)
    run, at = rows[f"{_V2}runs"][0], stamp()
    with database.write() as connection:
        _set(connection, "runs", "run_id", run, "running")
        connection.execute(
            f"UPDATE {_V2}runs SET payload_json = json_set(payload_json, '$.startedAt', ?)"
            " WHERE run_id = ?",
            (at, run),
        )
        _set(connection, "run_attempts", "run_id", run, "running")
        _set(connection, "nodes", "run_id", run, "running")
        _set(connection, "provider_turns", "provider_turn_id", f"turn-of-{run}", "running")
        _set(connection, "provider_sessions", "thread_id", thread, "running")
        connection.execute(
            "UPDATE orchestration_v2_effect_outbox SET status = 'succeeded', completed_at = ?"
            " WHERE thread_id = ? AND effect_type = 'provider-turn.start' AND status = 'pending'",
            (at, thread),
        )
        append_event(connection, ThreadEvent("thread", thread, "run.updated", {"runId": run}), at)
    return rows


def _set(connection: sqlite3.Connection, table: str, column: str, key: str, status: str) -> None:
    connection.execute(f"UPDATE {_V2}{table} SET status = ? WHERE {column} = ?", (status, key))


def finish_turn(database: FakeDatabase, thread: str) -> Rows:
    """End everything of a thread that is not finished."""
    at = stamp()
    with database.write() as connection:
        ensure_thread(connection, thread, at)
        for table, marks in MARKS.items():
            connection.execute(
                f"UPDATE orchestration_v2_{table} SET status = ? WHERE thread_id = ?"
                f" AND status IN ({', '.join('?' for _ in marks.open)})",
                (marks.done, thread, *marks.open),
            )
        connection.execute(
            f"UPDATE {_V2}runs SET completed_at = ? WHERE thread_id = ? AND completed_at IS NULL",
            (at, thread),
        )
        connection.execute(
            f"UPDATE {_V2}provider_threads SET payload_json ="
            " json_set(payload_json, '$.pendingBackgroundTasks', json('[]')) WHERE thread_id = ?",
            (thread,),
        )
        event = ThreadEvent("thread", thread, "thread.state-updated", {"updatedAt": at})
        return {"orchestration_command_receipts": [append_event(connection, event, at, "finish")]}


class OpenStatuses(NamedTuple):
    """Which statuses of a table are open, and the one that a finished turn leaves."""

    open: tuple[str, ...]
    done: str


MARKS = {
    "projection_runs": OpenStatuses(
        ("preparing", "queued", "starting", "running", "waiting"), "completed"
    ),
    "projection_run_attempts": OpenStatuses(("pending", "running"), "completed"),
    "projection_nodes": OpenStatuses(("pending", "running", "waiting"), "completed"),
    "projection_turn_items": OpenStatuses(("pending", "running", "waiting"), "completed"),
    "projection_subagents": OpenStatuses(("pending", "running", "waiting"), "completed"),
    "projection_provider_turns": OpenStatuses(("pending", "running"), "completed"),
    "projection_provider_threads": OpenStatuses(("active",), "idle"),
    "projection_provider_sessions": OpenStatuses(("running", "waiting"), "ready"),
    "projection_runtime_requests": OpenStatuses(("pending",), "resolved"),
    "effect_outbox": OpenStatuses(("pending", "running"), "succeeded"),
}
"""The tables that hold marks of work, without `orchestration_v2_`."""


ACTIONS = ("queue", "wait", "ask", "effect", "schedule")
"""The marks that `mark` leaves."""


def mark(database: FakeDatabase, thread: str, action: str) -> Rows:
    """Leave one mark more, of `ACTIONS`; KeyError when it is none of these.

    `wait` is a run whose turn is over and whose background work is not, `ask` a request to a
    person, `effect` a checkpoint that is to be captured, `schedule` a task due in a minute.
    """
    at = stamp()
    with database.write() as connection:
        ensure_thread(connection, thread, at)
        if action in ("queue", "wait"):
            status = {"queue": "queued", "wait": "waiting"}[action]
            return {f"{_V2}runs": [request_run(connection, thread, status, at)]}
        if action == "ask":
            return {f"{_V2}runtime_requests": [put_request(connection, thread, at)]}
        if action == "effect":
            effect = put_effect(connection, thread, "checkpoint.capture", at)
            return {"orchestration_v2_effect_outbox": [effect]}
        if action == "schedule":
            soon = stamp(time.time() + 60)
            task = put_task(connection, f"project-of-{thread}", at, next_run_at=soon)
            return {"scheduled_tasks": [task]}
    raise KeyError(action)
