"""What a person's databases say about work, by generation: queries, and how to read their rows.

Rules:

1. A mark has the thread and the time at which it was set; times are text or milliseconds.
2. V1 (measured): a session is `running` with an active turn, or a turn is `pending`; approvals and
   inputs wait for a person.  A stop or a kill leaves a mark for ever.
3. V2 (read off t3's public source of October 2026, contracts/orchestrationV2.ts,
   ProviderRuntimeRecoveryService.ts; not measured): a start settles what the one before left, so a
   mark that is older than the serve is left over there too.  A status that is not known to be an
   end counts as work.  What a restart holds back on purpose (`queueHeld`) and an open session of a
   provider do not.
4. In V2's database the tables of V1 are frozen: they say nothing about work.
5. When the database has unknown tables of the same kind, or lacks those of the generation, it
   proves nothing, and the processes decide.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from t3safe.t3.files import V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import EVENT_LOG, OUTBOX, PROJECTS, SCHEDULES, THREADS

EVENTS_READ: Final = 100
"""How many of the last events are read, as the last ones may be dated after now."""
DUE_SECONDS: Final = 120
"""A scheduled task that begins within this time is work: a move takes less."""


@dataclass(frozen=True)
class WorkQuery:
    """A query of one table for work in flight: its rows are (thread, since).

    `what` names the work.  `:soon` and `:late` are times around now, as t3 writes them.
    """

    table: str
    what: str
    query: str


@dataclass(frozen=True)
class WaitingWork:
    """Two queries, each of one number: what waits for a person (rule 2)."""

    table: str
    query: str


TURN: Final = "a turn is in flight"
_DONE: Final = "('completed', 'interrupted', 'failed', 'cancelled', 'rolled_back', 'superseded')"
# Without valid JSON the status alone decides.
_HELD: Final = (
    "CASE WHEN json_valid(payload_json) "
    "THEN coalesce(json_extract(payload_json, '$.queueHeld'), 0) ELSE 0 END"
)
_BACKGROUND: Final = (
    "CASE WHEN json_valid(payload_json) "
    "THEN coalesce(json_array_length(payload_json, '$.pendingBackgroundTasks'), 0) ELSE 0 END"
)

THREAD_SESSIONS: Final = "projection_thread_sessions"
TURNS: Final = "projection_turns"
V1_MARKS: Final = (
    WorkQuery(
        THREAD_SESSIONS,
        TURN,
        f"SELECT thread_id, updated_at FROM {THREAD_SESSIONS} "  # noqa: S608
        "WHERE status = 'running' AND active_turn_id IS NOT NULL ORDER BY 1",
    ),
    WorkQuery(
        TURNS,
        TURN,
        f"SELECT thread_id, requested_at FROM {TURNS} WHERE state = 'pending' ORDER BY 1",  # noqa: S608
    ),
)
APPROVALS: Final = WaitingWork(
    "projection_pending_approvals",
    "SELECT count(*) FROM projection_pending_approvals WHERE status = 'pending'",
)
INPUTS: Final = WaitingWork(
    THREADS,
    f"SELECT coalesce(sum(pending_user_input_count), 0) FROM {THREADS} "  # noqa: S608
    "WHERE deleted_at IS NULL",
)
PROVIDER_THREADS: Final = "orchestration_v2_projection_provider_threads"
RUNS: Final = "orchestration_v2_projection_runs"
REQUESTS: Final = "orchestration_v2_projection_runtime_requests"
V2_MARKS: Final = (
    WorkQuery(
        RUNS,
        TURN,
        f"SELECT thread_id, requested_at FROM {RUNS} "  # noqa: S608 - constants
        f"WHERE status NOT IN {_DONE} AND NOT (status = 'queued' AND {_HELD}) ORDER BY 1",
    ),
    WorkQuery(
        "orchestration_v2_projection_run_attempts",
        TURN,
        "SELECT a.thread_id, r.requested_at FROM orchestration_v2_projection_run_attempts AS a "  # noqa: S608
        f"LEFT JOIN {RUNS} AS r ON r.run_id = a.run_id WHERE a.status NOT IN {_DONE} ORDER BY 1",
    ),
    WorkQuery(
        "orchestration_v2_projection_provider_turns",
        TURN,
        "SELECT thread_id, started_at FROM orchestration_v2_projection_provider_turns "  # noqa: S608
        f"WHERE status NOT IN {_DONE} ORDER BY 1",
    ),
    WorkQuery(
        "orchestration_v2_projection_turn_items",
        TURN,
        "SELECT thread_id, updated_at FROM orchestration_v2_projection_turn_items "  # noqa: S608
        f"WHERE status NOT IN {_DONE} AND status <> 'idle' ORDER BY 1",
    ),
    WorkQuery(
        PROVIDER_THREADS,
        "a background task is in flight",
        f"SELECT thread_id, updated_at FROM {PROVIDER_THREADS} "  # noqa: S608
        f"WHERE status = 'active' OR {_BACKGROUND} > 0 ORDER BY 1",
    ),
    WorkQuery(
        REQUESTS,
        "a request is pending",
        f"SELECT thread_id, created_at FROM {REQUESTS} "  # noqa: S608
        "WHERE status NOT IN ('resolved', 'expired', 'cancelled') ORDER BY 1",
    ),
    WorkQuery(
        OUTBOX,
        "an effect waits to be carried out",
        f"SELECT thread_id, updated_at FROM {OUTBOX} "  # noqa: S608
        "WHERE status NOT IN ('succeeded', 'failed', 'cancelled') ORDER BY 1",
    ),
    WorkQuery(
        SCHEDULES,
        "a scheduled task is due",
        f"SELECT coalesce(thread_id, task_id), next_run_at FROM {SCHEDULES} "  # noqa: S608
        "WHERE enabled = 1 AND next_run_at BETWEEN :late AND :soon ORDER BY 1",
    ),
)
V1_TIMES: Final = (
    # The log is only appended to; a maximum over all of it would read every page.
    (
        EVENT_LOG,
        f"SELECT occurred_at FROM {EVENT_LOG} ORDER BY rowid DESC LIMIT {EVENTS_READ}",  # noqa: S608
    ),
    (THREAD_SESSIONS, f"SELECT updated_at FROM {THREAD_SESSIONS}"),  # noqa: S608
)
V2_TIMES: Final = (
    V1_TIMES[0],
    (
        PROVIDER_THREADS,
        f"SELECT updated_at FROM {PROVIDER_THREADS}",  # noqa: S608
    ),
)
"""Queries for the times of the latest activity, each with the table that it reads."""

V1_CONTENT: Final = (
    (PROJECTS, f"SELECT max(updated_at) FROM {PROJECTS}"),  # noqa: S608
    (THREADS, f"SELECT max(updated_at) FROM {THREADS}"),  # noqa: S608
    (
        "projection_thread_messages",
        "SELECT created_at FROM projection_thread_messages ORDER BY rowid DESC LIMIT 1",
    ),
)
"""Queries for the newest time of V1's content, in its own database and in V2's copy of it."""
V2_CONTENT: Final = (
    (RUNS, f"SELECT max(requested_at) FROM {RUNS}"),  # noqa: S608
    # The log's column for the version is as old as the tables of V2.
    (
        RUNS,
        (
            f"SELECT occurred_at FROM {EVENT_LOG} WHERE application_event_version = 2 "  # noqa: S608
            "AND event_id NOT LIKE 'migration:%' ORDER BY sequence DESC LIMIT 1"
        ),
    ),
)
"""Queries for the newest time of work done in V2; no row when none was done."""

_KIND: Final = re.compile(r"orchestration_v(\d+)_", re.ASCII)
_TELLS: Final = frozenset({RUNS, REQUESTS})


def counts(databases: Collection[str], *, v1_lives: bool) -> tuple[str, ...]:
    """Return the databases whose marks count, ascending.

    V1's is left over once V2's is there, unless V1 is what runs (`v1_lives`).
    """
    left = {V1_DATABASE} if V2_DATABASE in databases and not v1_lives else set()
    return tuple(sorted(set(databases) - left))


def is_begun(tables: Collection[str]) -> bool:
    """Whether V2's own migrations, not only V1's, ran on a database with these tables."""
    return RUNS in tables


def is_tracked(database: str, tables: Collection[str]) -> bool:
    """Whether a database with these tables shows work (rule 5)."""
    if database != V2_DATABASE:
        return any(marks.table in tables for marks in V1_MARKS)
    later = any(int(found[1]) > 2 for name in tables if (found := _KIND.match(name)))  # noqa: PLR2004
    return set(tables) >= _TELLS and not later


def marks_of(database: str, tables: Collection[str]) -> tuple[WorkQuery, ...]:
    """Return the queries for work in flight in a database with these tables."""
    known = V2_MARKS if database == V2_DATABASE else V1_MARKS
    return tuple(marks for marks in known if marks.table in tables)


def times_of(database: str, tables: Collection[str]) -> tuple[str, ...]:
    """Return the queries for the times of activity in a database with these tables."""
    known = V2_TIMES if database == V2_DATABASE else V1_TIMES
    return tuple(query for table, query in known if table in tables)
