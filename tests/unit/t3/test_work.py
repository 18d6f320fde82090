"""Which databases and tables say that somebody works, and what their rows say."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from t3safe.t3 import work
from t3safe.t3.work import APPROVALS, INPUTS, V1_MARKS, V1_TIMES, V2_MARKS, V2_TIMES

V1, V2 = "state.sqlite", "statev2.sqlite"
SESSIONS, TURNS = "projection_thread_sessions", "projection_turns"
RUNS, REQUESTS = "orchestration_v2_projection_runs", "orchestration_v2_projection_runtime_requests"
LATE, NOW, SOON = (f"2026-10-11T03:{minute}:00.000Z" for minute in ("28", "30", "32"))


@pytest.mark.parametrize(
    ("databases", "v1_lives", "counted"),
    [
        ((), False, ()),
        ((V1,), False, (V1,)),
        ((V2,), False, (V2,)),
        ((V2, V1), False, (V2,)),
        ((V2, V1), True, (V1, V2)),
        ((V2, "other.sqlite", V1), False, ("other.sqlite", V2)),
        (("other.sqlite", V1), False, ("other.sqlite", V1)),
    ],
)
def test_marks_count_where_something_lives(
    databases: tuple[str, ...], v1_lives: bool, counted: tuple[str, ...]
) -> None:
    """V1's do not once V2's database is there, unless V1 is what runs."""
    assert work.counts(databases, v1_lives=v1_lives) == counted


def test_v2_is_begun_where_its_runs_have_a_table() -> None:
    """A copy of V1's database has none before the migrations of V2."""
    assert work.is_begun({TURNS, RUNS})
    assert not work.is_begun({TURNS, SESSIONS})


@pytest.mark.parametrize(
    ("database", "tables", "tracked"),
    [
        (V1, {SESSIONS}, True),
        (V1, {TURNS, "notes"}, True),
        (V1, {"projection_threads"}, False),
        (V1, set(), False),
        (V2, {RUNS, REQUESTS}, True),
        (V2, {RUNS, REQUESTS, TURNS, "orchestration_v1_projection_runs"}, True),
        (V2, {RUNS}, False),
        (V2, {SESSIONS, TURNS}, False),
        (V2, {RUNS, REQUESTS, "orchestration_v3_projection_runs"}, False),
        (V2, {RUNS, REQUESTS, "orchestration_v10_projection_runs"}, False),
        (V2, {RUNS, REQUESTS, "old_orchestration_v3_runs", "orchestration_v3"}, True),
    ],
)
def test_a_database_shows_work_where_its_tables_are_known(
    database: str, tables: set[str], tracked: bool
) -> None:
    """Tables of a later generation may hold work that nobody here looks for."""
    assert work.is_tracked(database, tables) is tracked


def test_only_tables_that_are_there_are_asked() -> None:
    """Each database those of its own generation: V1's in V2's database are frozen."""
    everything = {
        *(marks.table for marks in (*V1_MARKS, *V2_MARKS)),
        *(table for table, _ in (*V1_TIMES, *V2_TIMES)),
    }
    assert work.marks_of(V1, everything) == V1_MARKS
    assert work.marks_of(V2, everything) == V2_MARKS
    assert [marks.table for marks in work.marks_of(V1, {TURNS, RUNS})] == [TURNS]
    assert [marks.table for marks in work.marks_of(V2, {TURNS, RUNS})] == [RUNS]
    assert work.times_of(V1, everything) == tuple(query for _, query in V1_TIMES)
    assert work.times_of(V2, everything) == tuple(query for _, query in V2_TIMES)
    assert work.times_of(V1, {SESSIONS}) == (f"SELECT updated_at FROM {SESSIONS}",)
    assert work.times_of(V2, {SESSIONS, RUNS}) == ()


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    """Give an empty database in memory."""
    with closing(sqlite3.connect(":memory:")) as connection:
        yield connection


def filled(connection: sqlite3.Connection, table: str, rows: Sequence[dict[str, object]]) -> None:
    """Make a table of the columns of these rows, and fill it."""
    connection.execute(f"CREATE TABLE {table} ({', '.join(rows[0])})")
    holders = ", ".join("?" * len(rows[0]))
    connection.executemany(
        f"INSERT INTO {table} VALUES ({holders})", [tuple(row.values()) for row in rows]
    )


QUERIES = {marks.table: marks.query for marks in (*V1_MARKS, *V2_MARKS)}


def in_flight(connection: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    """Ask one table for work in flight."""
    return connection.execute(QUERIES[table], {"late": LATE, "soon": SOON}).fetchall()


@pytest.mark.parametrize(
    ("table", "since", "rows", "threads"),
    [
        (
            SESSIONS,
            "updated_at",
            [
                {"thread_id": "b", "status": "running", "active_turn_id": "turn"},
                {"thread_id": "a", "status": "running", "active_turn_id": "turn"},
                {"thread_id": "c", "status": "running", "active_turn_id": None},
                {"thread_id": "d", "status": "ready", "active_turn_id": "turn"},
            ],
            ["a", "b"],
        ),
        (
            TURNS,
            "requested_at",
            [
                {"thread_id": "b", "state": "pending"},
                {"thread_id": "a", "state": "pending"},
                {"thread_id": "c", "state": "completed"},
            ],
            ["a", "b"],
        ),
        (
            RUNS,
            "requested_at",
            [
                {"thread_id": "held", "status": "queued", "payload_json": '{"queueHeld": true}'},
                {"thread_id": "f", "status": "queued", "payload_json": '{"queueHeld": false}'},
                {"thread_id": "e", "status": "queued", "payload_json": "{}"},
                {"thread_id": "d", "status": "queued", "payload_json": "no JSON"},
                {"thread_id": "c", "status": "running", "payload_json": '{"queueHeld": true}'},
                {"thread_id": "b", "status": "waiting", "payload_json": "{}"},
                {"thread_id": "a", "status": "new word", "payload_json": "{}"},
                {"thread_id": "done", "status": "rolled_back", "payload_json": "{}"},
            ],
            ["a", "b", "c", "d", "e", "f"],
        ),
        (
            "orchestration_v2_projection_provider_turns",
            "started_at",
            [
                {"thread_id": "b", "status": "pending"},
                {"thread_id": "a", "status": "running"},
                {"thread_id": "c", "status": "interrupted"},
            ],
            ["a", "b"],
        ),
        (
            "orchestration_v2_projection_turn_items",
            "updated_at",
            [
                {"thread_id": "b", "status": "waiting"},
                {"thread_id": "a", "status": "running"},
                {"thread_id": "c", "status": "idle"},
                {"thread_id": "d", "status": "completed"},
            ],
            ["a", "b"],
        ),
        (
            "orchestration_v2_projection_provider_threads",
            "updated_at",
            [
                {
                    "thread_id": "b",
                    "status": "idle",
                    "payload_json": '{"pendingBackgroundTasks": ["task"]}',
                },
                {"thread_id": "a", "status": "active", "payload_json": "no JSON"},
                {
                    "thread_id": "c",
                    "status": "idle",
                    "payload_json": '{"pendingBackgroundTasks": []}',
                },
                {"thread_id": "d", "status": "idle", "payload_json": "no JSON"},
                {"thread_id": "e", "status": "closed", "payload_json": "{}"},
            ],
            ["a", "b"],
        ),
        (
            REQUESTS,
            "created_at",
            [
                {"thread_id": "b", "status": "pending"},
                {"thread_id": "a", "status": "new word"},
                {"thread_id": "c", "status": "resolved"},
                {"thread_id": "d", "status": "expired"},
                {"thread_id": "e", "status": "cancelled"},
            ],
            ["a", "b"],
        ),
        (
            "orchestration_v2_effect_outbox",
            "updated_at",
            [
                {"thread_id": "b", "status": "running"},
                {"thread_id": "a", "status": "pending"},
                {"thread_id": "c", "status": "succeeded"},
                {"thread_id": "d", "status": "failed"},
                {"thread_id": "e", "status": "cancelled"},
            ],
            ["a", "b"],
        ),
    ],
)
def test_a_row_is_work_until_its_status_is_an_end(
    database: sqlite3.Connection,
    table: str,
    since: str,
    rows: list[dict[str, object]],
    threads: list[str],
) -> None:
    """By thread, with the time of the mark; a word that nobody knows counts as work."""
    filled(database, table, [{**row, since: f"since {row['thread_id']}"} for row in rows])
    assert in_flight(database, table) == [(thread, f"since {thread}") for thread in threads]


def test_an_attempt_has_the_time_of_its_run(database: sqlite3.Connection) -> None:
    """It has none of its own; without its run it counts all the same."""
    attempts = "orchestration_v2_projection_run_attempts"
    filled(database, RUNS, [{"run_id": "run", "requested_at": NOW}])
    filled(
        database,
        attempts,
        [
            {"thread_id": "b", "run_id": "gone", "status": "pending"},
            {"thread_id": "a", "run_id": "run", "status": "running"},
            {"thread_id": "c", "run_id": "run", "status": "superseded"},
        ],
    )
    assert in_flight(database, attempts) == [("a", NOW), ("b", None)]


def test_a_scheduled_task_is_work_when_it_is_due(database: sqlite3.Connection) -> None:
    """Within two minutes, and by the name of its thread where it has one."""
    later, earlier = "2026-10-11T03:32:00.001Z", "2026-10-11T03:27:59.999Z"
    rows = [("b", None, 1, SOON), ("c", "a", 1, LATE), ("d", None, 0, NOW)]
    never = [("e", None, 1, later), ("f", None, 1, earlier), ("g", None, 1, None)]
    columns = ("task_id", "thread_id", "enabled", "next_run_at")
    tasks: list[dict[str, object]] = [
        dict(zip(columns, row, strict=True)) for row in [*rows, *never]
    ]
    filled(database, "scheduled_tasks", tasks)
    assert in_flight(database, "scheduled_tasks") == [("a", LATE), ("b", SOON)]
    assert work.DUE_SECONDS == 120


def test_what_waits_for_a_person_is_counted(database: sqlite3.Connection) -> None:
    """Approvals that are pending, and inputs of threads that are not deleted; none are zero."""
    approvals = ("pending", "resolved", "pending")
    filled(database, APPROVALS.table, [{"status": status} for status in approvals])
    inputs = ((1, None), (2, None), (4, NOW))
    columns = ("pending_user_input_count", "deleted_at")
    filled(database, INPUTS.table, [dict(zip(columns, row, strict=True)) for row in inputs])
    asked = (APPROVALS.query, INPUTS.query)
    assert [database.execute(query).fetchone()[0] for query in asked] == [2, 3]
    for waiting in (APPROVALS, INPUTS):
        database.execute(f"DELETE FROM {waiting.table}")
    assert [database.execute(query).fetchone()[0] for query in asked] == [0, 0]


def test_the_end_of_the_log_is_read_for_the_last_activity(database: sqlite3.Connection) -> None:
    """The last hundred events, the newest first: a whole log has gigabytes."""
    filled(database, "orchestration_events", [{"occurred_at": number} for number in range(1, 121)])
    (query,) = work.times_of(V2, {"orchestration_events"})
    assert [time for (time,) in database.execute(query)] == list(range(120, 20, -1))


def test_work_in_v2_is_known_from_what_v1_did(database: sqlite3.Connection) -> None:
    """By the newest run, and the newest event that no migration wrote."""
    filled(database, RUNS, [{"requested_at": LATE}, {"requested_at": NOW}])
    columns = ("sequence", "event_id", "application_event_version", "occurred_at")
    events = [
        (1, "a", 2, "first"),
        (2, "b", 2, "last"),
        (3, "migration:39:project:p:baseline", 2, "copied"),
        (4, "c", 1, "of V1"),
    ]
    filled(
        database,
        "orchestration_events",
        [dict(zip(columns, row, strict=True)) for row in events],
    )
    found = [database.execute(query).fetchall() for _, query in work.V2_CONTENT]
    assert found == [[(NOW,)], [("last",)]]
