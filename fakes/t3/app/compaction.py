"""Rows that V2 deletes on purpose, and what its faults delete beside them.

Gone are V1's events of threads whose transcript is imported, with the receipts of that time, and
events that a later one supersedes.  Kept are every `thread.created`, and the newest event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes.t3.app.state import stamp
from fakes.t3.app.v2work import advance

if TYPE_CHECKING:
    from fakes.t3.app.build import ReleaseBehaviour
    from fakes.t3.app.state import FakeDatabase

_IMPORTED = (
    "(SELECT thread_id FROM orchestration_v2_legacy_imports"
    " WHERE transcript_imported_at IS NOT NULL)"
)
SUPERSEDED = (
    (
        "DELETE FROM orchestration_events WHERE application_event_version = 1 AND aggregate_kind ="
        f" 'thread' AND event_type <> 'thread.created' AND stream_id IN {_IMPORTED}"
        " AND sequence < (SELECT max(sequence) FROM orchestration_events)"
    ),
    (
        "DELETE FROM orchestration_command_receipts WHERE command_type = 'legacy'"
        f" AND aggregate_kind = 'thread' AND aggregate_id IN {_IMPORTED}"
    ),
    (
        "DELETE FROM orchestration_events WHERE event_type = 'message.updated' AND sequence NOT IN"
        " (SELECT max(sequence) FROM orchestration_events WHERE event_type = 'message.updated'"
        " GROUP BY stream_id, json_extract(payload_json, '$.messageId'))"
    ),
    (
        "DELETE FROM orchestration_events WHERE event_type IN ('thread.state-updated',"
        " 'run.updated')"
        " AND sequence NOT IN (SELECT max(sequence) FROM orchestration_events WHERE event_type IN"
        " ('thread.state-updated', 'run.updated') GROUP BY event_type, stream_id)"
    ),
)


def compact(database: FakeDatabase) -> None:
    """Delete what is superseded."""
    with database.write() as connection:
        for statement in SUPERSEDED:
            connection.execute(statement)


def misbehave(database: FakeDatabase, build: ReleaseBehaviour) -> None:
    """Do what the faults of a build say, at the end of a start."""
    if build.has("projection-behind"):
        with database.write() as connection:
            newest = connection.execute("SELECT max(sequence) FROM orchestration_events")
            behind = int(build.number("projection-behind"))
            advance(connection, max(0, (newest.fetchone()[0] or 0) - behind), stamp())
