"""What V2's database says of work beside V1's, and what a restore puts away of a first start."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from fakes.t3.app.migrations import LEDGER, NAMES, statements_of
from fakes.t3.states import populate
from t3safe.adapters._support.personaldata.disk import MARGIN_BYTES, Tools
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind
from t3safe.adapters.personaldata.worker.activity import Work, work
from t3safe.adapters.personaldata.worker.snapshots import QUARANTINE, REST
from t3safe.t3.files import IMPORT_PREFIX, V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import OUTBOX, SCHEDULES, THREADS
from t3safe.t3.ledger import LEDGER_TABLE
from t3safe.t3.work import PROVIDER_THREADS, REQUESTS, RUNS, V2_MARKS
from tests.unit.adapters.personaldata.conftest import Home

NOW: Final = datetime.now(UTC)


def text(time: datetime) -> str:
    """Write a time as t3 does."""
    return f"{time:%Y-%m-%dT%H:%M:%S}.000Z"


STAMP: Final = text(NOW)
SOON: Final = "in a minute"
PLENTY: Final = Tools(free=lambda _: 10**12)
"""A worker that finds space for everything."""
LATER_RUNS: Final = RUNS.replace("v2", "v3")
RUN: Final = f"INSERT INTO {RUNS} VALUES ('run', 'th', 1, 'codex', NULL, ?, ?, NULL, ?, NULL)"
REQUEST: Final = (
    f"INSERT INTO {REQUESTS} VALUES ('request', 'th', 'node', NULL, 'approval', ?, ?, NULL, '{{}}')"
)
EFFECT: Final = (
    f"INSERT INTO {OUTBOX} (effect_id, command_id, thread_id, effect_type, "
    "payload_json, status, available_at, created_at, updated_at) VALUES "
    "('effect', 'command', 'th', 'checkpoint.capture', '{}', ?, ?, ?, ?)"
)
PROVIDER: Final = (
    f"INSERT INTO {PROVIDER_THREADS} (provider_thread_id, thread_id, "
    "provider, status, updated_at, payload_json) VALUES ('provider', 'th', 'codex', ?, ?, ?)"
)
TASK: Final = (
    f"INSERT INTO {SCHEDULES} (task_id, title, prompt, enabled, schedule_json, project_id, "
    "workspace_strategy_json, model_selection_json, runtime_mode, interaction_mode, created_by, "
    "creation_source, created_at, updated_at, next_run_at, last_run_status, run_count) VALUES "
    "('task', 't', 'p', ?, '{}', 'project', '{}', '{}', 'r', 'i', 'c', 's', 'x', 'x', ?, 'n', 0)"
)


@pytest.fixture
def second(home: Home) -> Path:
    """V2's database, migrated and without any work, where V1's never was."""
    home.userdata.mkdir()
    path = home.userdata / V2_DATABASE
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(LEDGER)
        for number in range(1, len(NAMES) + 1):
            for statement in statements_of(number):
                connection.execute(statement)
            row = (number, NAMES[number - 1])
            query = f"INSERT INTO {LEDGER_TABLE} (migration_id, name) VALUES (?, ?)"
            connection.execute(query, row)
    return path


def change(path: Path, statement: str, *values: object) -> None:
    """Run one statement on a database that nobody has open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


TURN_IN_FLIGHT: Final = "a turn is in flight"
EFFECT_WAITS: Final = "an effect waits to be carried out"
BACKGROUND: Final = "a background task is in flight"
# One whose status nobody knows counts as going on.
GOING_ON: Final = ("preparing", "queued", "starting", "running", "waiting", "something new")
ENDED: Final = ("completed", "interrupted", "failed", "cancelled", "rolled_back")


@pytest.mark.parametrize(
    ("statement", "values", "what"),
    [
        ("SELECT 1", (), None),
        *((RUN, (status, STAMP, "{}"), TURN_IN_FLIGHT) for status in GOING_ON),
        *((RUN, (status, STAMP, "{}"), None) for status in ENDED),
        # A run that a restart holds back begins when its person says so.
        (RUN, ("queued", STAMP, '{"queueHeld": true}'), None),
        (RUN, ("queued", STAMP, "{"), TURN_IN_FLIGHT),
        (REQUEST, ("pending", STAMP), "a request is pending"),
        (REQUEST, ("resolved", STAMP), None),
        (EFFECT, ("pending", STAMP, STAMP, STAMP), EFFECT_WAITS),
        (EFFECT, ("running", STAMP, STAMP, STAMP), EFFECT_WAITS),
        (EFFECT, ("cancelled", STAMP, STAMP, STAMP), None),
        (PROVIDER, ("active", STAMP, "{}"), BACKGROUND),
        (PROVIDER, ("idle", STAMP, '{"pendingBackgroundTasks": ["task"]}'), BACKGROUND),
        (PROVIDER, ("idle", STAMP, '{"pendingBackgroundTasks": []}'), None),
        (TASK, (1, SOON), "a scheduled task is due"),
        (TASK, (1, text(NOW + timedelta(hours=1))), None),
        (TASK, (0, STAMP), None),
    ],
)
def test_every_mark_of_v2_is_read(
    home: Home, second: Path, statement: str, values: tuple[object, ...], what: str | None
) -> None:
    """Runs, requests, effects, background tasks and schedules that are due."""
    # As seen from now: the whole suite takes longer than a task is "due soon".
    soon = text(datetime.now(UTC) + timedelta(seconds=60))
    change(second, statement, *(soon if value == SOON else value for value in values))
    said = work(str(home.userdata))
    assert (said.unreadable, said.tracked) == ("", True)
    assert [mark for _, _, mark in said.turns] == ([what] if what else [])


def test_every_query_fits_the_tables_of_v2(second: Path) -> None:
    """A column that is not there would be an error, and busy for ever."""
    with closing(sqlite3.connect(second)) as connection:
        for marks in V2_MARKS:
            assert connection.execute(marks.query, {"late": STAMP, "soon": STAMP}).fetchall() == []


def test_tables_of_a_later_generation_do_not_tell(home: Home, second: Path) -> None:
    """Then the processes decide; so they do where the tables of V2 are gone."""
    change(second, f"CREATE TABLE {LATER_RUNS} (run_id TEXT)")
    assert not work(str(home.userdata)).tracked
    change(second, f"DROP TABLE {LATER_RUNS}")
    assert work(str(home.userdata)).tracked
    change(second, f"DROP TABLE {RUNS}")
    assert not work(str(home.userdata)).tracked


def both(home: Home) -> Path:
    """Give a set of V1 with a turn in flight and V2's copy of it; the copy."""
    first = populate(home.base, 54, running_turn=True, pending_approvals=2).database
    second = first.with_name(V2_DATABASE)
    with closing(sqlite3.connect(first)) as old, closing(sqlite3.connect(second)) as new:
        old.backup(new)
        for number in range(55, len(NAMES) + 1):
            for statement in statements_of(number):
                new.execute(statement)
        new.commit()
    return second


def test_the_marks_of_v1_count_no_more_once_v2_has_its_copy(home: Home) -> None:
    """Neither in its own database, which is left behind, nor in the copy, where they are frozen."""
    alone = populate(home.base / "other", 54, running_turn=True, pending_approvals=2).database
    before = work(str(alone.parent))
    assert before.copied is None, "one database alone is compared with nothing"
    assert before.turns
    assert before.approvals == 2
    both(home)
    after = work(str(home.userdata))
    assert after.tracked
    assert (after.turns, after.approvals, after.inputs) == ((), 0, 0)


def compared(home: Home) -> tuple[str | None, str | None, str | None]:
    """The newest times of V1's content, of its copy, and of V2's own work."""
    said: Work = work(str(home.userdata))
    assert said.copied is not None
    return said.copied.first, said.copied.copied, said.copied.second


def test_a_copy_that_lacks_what_v1_did_since_is_told(home: Home) -> None:
    """A trial of V2 left it; V1's marks count then, as V1 is what runs."""
    second = both(home)
    first, copied, worked = compared(home)
    assert first == copied
    assert worked is None
    later = text(NOW - timedelta(minutes=1))
    change(home.database, f"UPDATE {THREADS} SET updated_at = ?", later)
    first, copied, worked = compared(home)
    assert first is not None
    assert copied is not None
    assert first > copied
    assert work(str(home.userdata)).approvals == 2
    change(second, RUN, "completed", STAMP, "{}")
    assert compared(home)[2] is not None


@pytest.mark.parametrize("tables", [(), (LEDGER,)])
def test_an_empty_database_of_v2_is_told(home: Home, tables: tuple[str, ...]) -> None:
    """It has no ledger, or one without a row; V1's marks count, as V1 is what runs."""
    populate(home.base, 54, running_turn=True, pending_approvals=2)
    second = home.userdata / V2_DATABASE
    for statement in ("PRAGMA user_version = 1", *tables):
        change(second, statement)
    said = work(str(home.userdata))
    assert said.copied is not None
    assert said.copied.empty
    assert said.approvals == 2


def test_a_copy_is_not_empty(home: Home) -> None:
    """Nor is one that is still at V1's ledger: a crash left it, and the next start goes on.

    V1 is what runs until then, so its marks count.
    """
    first = populate(home.base, 54, running_turn=True, pending_approvals=2).database
    shutil.copy(first, home.userdata / V2_DATABASE)
    said = work(str(home.userdata))
    assert said.unreadable == ""
    assert said.copied is not None
    assert not said.copied.empty
    assert said.copied.first == said.copied.copied
    assert (len(said.turns), said.approvals) == (1, 2)


LEFT: Final = f"{IMPORT_PREFIX}8f2a"


def broken_import(home: Home) -> None:
    """Leave what an import leaves that was broken off."""
    (home.userdata / LEFT).mkdir()
    (home.userdata / LEFT / "snapshot.sqlite").write_bytes(b"half a copy")


def test_a_restore_leaves_nothing_of_a_first_start_of_v2(home: Home) -> None:
    """Its database, the logs of it and an import that was broken off go; V1's is byte for byte.

    Otherwise the next attempt would begin with a stale copy.
    """
    populate(home.base, 54)
    home.take("before", tools=PLENTY)
    before = home.database.read_bytes()
    second = home.userdata / V2_DATABASE
    shutil.copy(home.database, second)
    for end in ("-wal", "-shm"):
        second.with_name(second.name + end).write_bytes(b"left")
    broken_import(home)
    home.restore("before", PLENTY)
    names = {path.name for path in home.userdata.iterdir()}
    assert not {name for name in names if name.startswith((V2_DATABASE, IMPORT_PREFIX))}
    assert home.database.read_bytes() == before


def test_what_a_broken_import_left_is_no_part_of_the_data(home: Home) -> None:
    """It is no reason to refuse, and the snapshot says that it was left out."""
    populate(home.base, 54)
    broken_import(home)
    assert [item.name for item in home.found.databases] == [V1_DATABASE]
    assert home.found.broken_off == (LEFT,)
    for kind in (REST, QUARANTINE):
        sealed = home.take(kind, kind, PLENTY)
        assert [item.name for item in sealed.databases] == [V1_DATABASE]
        assert LEFT in json.dumps(sealed.skipped)


def test_the_room_for_v2s_own_copy_is_asked_for_before_the_move(home: Home) -> None:
    """A copy at rest, the way back and the copy of the first start must all fit."""
    populate(home.base, 54)
    (first,) = home.found.databases
    need = 2 * home.found.size + first.size + MARGIN_BYTES
    with pytest.raises(DataError) as caught:
        home.take("first", tools=Tools(free=lambda _: need - 1))
    assert caught.value.kind is ErrorKind.SPACE
    assert home.sealed() == []
    home.take("first", tools=Tools(free=lambda _: need))
