"""What a V2 start takes over from V1's tables: shells of threads first, transcripts later.

Identifiers are the same each time, so that an import that was interrupted goes on where it was.
V1's tables stay as they are: they are the import's source, and the only home of tool activity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes.t3.app.state import die, stamp
from fakes.t3.app.v2work import append_event, put, put_message, put_thread
from fakes.t3.app.work import ThreadEvent

if TYPE_CHECKING:
    from fakes.t3.app.build import ReleaseBehaviour
    from fakes.t3.app.state import FakeDatabase

_PENDING = (
    "SELECT thread_id, project_id, title, coalesce(worktree_path, ''), created_at, updated_at"
    " FROM projection_threads WHERE deleted_at IS NULL AND thread_id NOT IN"
    " (SELECT thread_id FROM orchestration_v2_legacy_imports) ORDER BY created_at, thread_id"
)


def import_shells(database: FakeDatabase, build: ReleaseBehaviour) -> int:
    """Import the threads of V1 that are not imported yet, each in a transaction of its own."""
    pending = database.read(_PENDING)
    if build.has("v2-import-loses-threads"):
        pending = pending[::2]
    for done, (thread, project, title, worktree, created, updated) in enumerate(pending):
        name, at = str(thread), str(created)
        with database.write() as connection:
            event = ThreadEvent(
                "thread", name, "thread.created", {}, f"legacy-v1:thread:{name}:created"
            )
            append_event(connection, event, at)
            put_thread(connection, name, (str(project), str(title), str(worktree)), at)
            row: dict[str, object] = {"thread_id": name, "source_updated_at": updated}
            put(connection, "legacy_imports", {**row, "shell_imported_at": stamp()})
        if done == 0 and build.faults.get("v2-import-dies") == "importing":
            die()
    return len(pending)


def hydrate(database: FakeDatabase) -> int:
    """Import the transcripts that are still to come; return of how many threads."""
    pending = database.read(
        "SELECT thread_id FROM orchestration_v2_legacy_imports"
        " WHERE transcript_imported_at IS NULL ORDER BY thread_id"
    )
    for (thread,) in pending:
        _import_transcript(database, str(thread))
    return len(pending)


def _import_transcript(database: FakeDatabase, thread: str) -> None:
    messages = database.read(
        "SELECT message_id, role, text, created_at FROM projection_thread_messages"
        " WHERE thread_id = ? ORDER BY created_at, message_id",
        thread,
    )
    with database.write() as connection:
        for message, role, text, at in messages:
            name = str(message)
            put_message(connection, name, (thread, str(role), str(text)), str(at))
            payload: dict[str, object] = {"messageId": name, "text": text}
            event = ThreadEvent("thread", thread, "message.updated", payload, f"legacy-v1:{name}")
            append_event(connection, event, str(at))
        connection.execute(
            "UPDATE orchestration_v2_legacy_imports SET transcript_imported_at = ?,"
            " imported_message_count = ? WHERE thread_id = ?",
            (stamp(), len(messages), thread),
        )
