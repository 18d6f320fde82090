"""How V2 settles what was in flight: at a start what a kill left, and at a stop of its own.

1. Runs that were at work become cancelled, with all that belongs to them; a waiting run whose
   checkpoint is still to be captured is left.  Queued runs are held.
2. Requests expire at a start and are cancelled at a stop, but for those answered by a message.
3. Effects bound to the process are cancelled, the others are due again.
4. The interrupted runs are noted, for a start that is to continue them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fakes.t3.app.state import stamp
from fakes.t3.app.v2work import MARKS, append_event
from fakes.t3.app.work import ThreadEvent

if TYPE_CHECKING:
    import sqlite3

    from fakes.t3.app.state import FakeDatabase

BOUND = (
    "provider-turn.start",
    "provider-turn.interrupt",
    "provider-turn.steer",
    "provider-turn.restart",
    "runtime-request.respond",
)
"""Effects that mean nothing without the process that wanted them."""
_V2 = "orchestration_v2_projection_"
_LEFT = (
    "SELECT run_id FROM orchestration_v2_projection_runs AS r WHERE r.status = 'waiting' AND EXISTS"
    " (SELECT 1 FROM orchestration_v2_effect_outbox AS e WHERE e.thread_id = r.thread_id"
    " AND e.effect_type = 'checkpoint.capture' AND e.status IN ('pending', 'running'))"
)


class Settled(NamedTuple):
    """How much was settled, under the names that the log line has."""

    terminalizedRuns: int  # noqa: N815
    stoppedSessions: int  # noqa: N815
    closedRequests: int  # noqa: N815
    retiredEffects: int  # noqa: N815
    requeuedEffects: int  # noqa: N815

    def shown(self) -> str:
        """Write it as the log does."""
        return "{ " + ", ".join(f"{name}: {n}" for name, n in self._asdict().items()) + " }"


def settle(database: FakeDatabase, *, graceful: bool) -> Settled:
    """Settle every mark of work, in one transaction."""
    at = stamp()
    with database.write() as connection:
        left = {str(run) for (run,) in connection.execute(_LEFT)}
        runs = _cancel_runs(connection, left, at)
        sessions = connection.execute(
            f"UPDATE {_V2}provider_sessions SET status = 'stopped', updated_at = ?"
            " WHERE status IN ('starting', 'ready', 'running', 'waiting')",
            (at,),
        ).rowcount
        connection.execute(
            f"UPDATE {_V2}provider_threads SET status = 'idle', updated_at = ?, payload_json ="
            " json_set(payload_json, '$.pendingBackgroundTasks', json('[]')) WHERE status ="
            " 'active' OR json_array_length(payload_json, '$.pendingBackgroundTasks') > 0",
            (at,),
        )
        requests = connection.execute(
            f"UPDATE {_V2}runtime_requests SET status = ?, resolved_at = ? WHERE status = 'pending'"
            " AND coalesce(json_extract(payload_json, '$.responseCapability.type'), '')"
            " <> 'message'",
            ("cancelled" if graceful else "expired", at),
        ).rowcount
        marks = ", ".join("?" for _ in BOUND)
        retired = connection.execute(
            "UPDATE orchestration_v2_effect_outbox SET status = 'cancelled', completed_at = ?"
            f" WHERE status IN ('pending', 'running') AND effect_type IN ({marks})",
            (at, *BOUND),
        ).rowcount
        requeued = connection.execute(
            "UPDATE orchestration_v2_effect_outbox SET status = 'pending', lease_owner = NULL,"
            " lease_expires_at = NULL WHERE status IN ('pending', 'running')"
        ).rowcount
    return Settled(runs, sessions, requests, retired, requeued)


def _cancel_runs(connection: sqlite3.Connection, left: set[str], at: str) -> int:
    connection.execute(
        f"UPDATE {_V2}runs SET payload_json = json_set(payload_json, '$.queueHeld', json('true'))"
        " WHERE status = 'queued'"
    )
    ended = [
        (str(run), str(thread))
        for run, thread in connection.execute(
            f"SELECT run_id, thread_id FROM {_V2}runs"
            " WHERE status IN ('preparing', 'starting', 'running', 'waiting')"
        ).fetchall()
        if run not in left
    ]
    for run, thread in ended:
        connection.execute(
            f"UPDATE {_V2}runs SET status = 'cancelled', completed_at = ?, payload_json ="
            " json_set(payload_json, '$.interruptedByRestart', json('true')) WHERE run_id = ?",
            (at, run),
        )
        append_event(connection, ThreadEvent("thread", thread, "run.updated", {"runId": run}), at)
    kept = ", ".join("?" for _ in left)
    for name in ("run_attempts", "nodes", "turn_items", "subagents"):
        marks = MARKS[f"projection_{name}"].open
        connection.execute(
            f"UPDATE {_V2}{name} SET status = 'cancelled' WHERE coalesce(run_id, '') NOT IN"
            f" ({kept}) AND status IN ({', '.join('?' for _ in marks)})",
            (*left, *marks),
        )
    connection.execute(
        f"UPDATE {_V2}provider_turns SET status = 'cancelled', completed_at = ?"
        " WHERE status IN ('pending', 'running')",
        (at,),
    )
    return len(ended)
