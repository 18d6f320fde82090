"""Ledgers, counts, rows and marks of work, read from real databases."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from t3safe.adapters._support.personaldata.databases import counts, ledger, opened
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind
from t3safe.adapters.personaldata.worker.activity import Work, work
from t3safe.adapters.personaldata.worker.rows import rows_beyond
from t3safe.contracts.personaldata import OLD
from t3safe.t3.files import RUNTIME, V1_DATABASE
from t3safe.t3.generations import EVENT_LOG, THREADS
from t3safe.t3.ledger import LEDGER_TABLE
from t3safe.t3.sign_in import SESSIONS
from t3safe.t3.work import APPROVALS, THREAD_SESSIONS, TURNS
from tests.support.personaldata import (
    Statement,
    change,
    event,
    make_database,
    serving,
)
from tests.unit.adapters.personaldata.conftest import Home

SESSION = f"INSERT INTO {THREAD_SESSIONS} VALUES (?, ?, ?, ?)"
TURN = f"INSERT INTO {TURNS} (thread_id, state, requested_at) VALUES (?, ?, ?)"
APPROVAL = f"INSERT INTO {APPROVALS.table} VALUES (?, 'thread', ?)"
EMPTY_LEDGER = f"CREATE TABLE {LEDGER_TABLE} (migration_id, name)"
THREAD = f"INSERT INTO {THREADS} VALUES (?, ?, ?)"


def test_ledger_is_pairs_in_order_and_empty_where_there_is_none(home: Home) -> None:
    """Every (id, name), ascending; a database that no t3 has migrated has been through nothing."""
    make_database(home.database, ledger=reversed(OLD))
    for expected in (OLD, ()):
        with opened(str(home.userdata), V1_DATABASE) as connection:
            assert ledger(connection, V1_DATABASE) == expected
        change(home.database, (f"DROP TABLE IF EXISTS {LEDGER_TABLE}", ()))


@pytest.mark.parametrize(
    ("left", "kind"),
    [
        ({"f_bavail": 0}, ErrorKind.SPACE),
        ({"f_favail": 0}, ErrorKind.SPACE),
        ({"f_favail": 0, "f_files": 0}, ErrorKind.DENIED),
        ({}, ErrorKind.DENIED),
    ],
)
def test_a_full_disk_is_told_where_sqlite_speaks_of_something_else(
    home: Home, monkeypatch: pytest.MonkeyPatch, left: dict[str, int], kind: ErrorKind
) -> None:
    """Without room for the index of its log SQLite only says that it cannot open the database."""
    room = {"f_bavail": 9, "f_favail": 9, "f_files": 99} | left
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**room))
    home.userdata.mkdir(parents=True, exist_ok=True)
    with pytest.raises(DataError) as caught, opened(str(home.userdata), V1_DATABASE):
        pass
    assert caught.value.kind is kind
    assert ("the disk is full" in str(caught.value)) == (kind is ErrorKind.SPACE)


@pytest.mark.parametrize(
    "made",
    [
        (f"CREATE TABLE {LEDGER_TABLE} (migration_id, title)",),
        (f"CREATE VIEW {LEDGER_TABLE} AS SELECT 'one' AS migration_id, 'Name' AS name",),
        (EMPTY_LEDGER, f"INSERT INTO {LEDGER_TABLE} VALUES ('one', 'Name')"),
        (EMPTY_LEDGER, f"INSERT INTO {LEDGER_TABLE} VALUES (1, NULL)"),
    ],
)
def test_ledger_that_cannot_be_understood_is_refused(home: Home, made: tuple[str, ...]) -> None:
    """Other columns or values that are no id and name are never told as an empty ledger."""
    make_database(home.database)
    change(home.database, (f"DROP TABLE {LEDGER_TABLE}", ()))
    change(home.database, *((part, ()) for part in made))
    with (
        pytest.raises(DataError) as caught,
        opened(str(home.userdata), V1_DATABASE) as connection,
    ):
        ledger(connection, V1_DATABASE)
    assert caught.value.kind is ErrorKind.BROKEN


def test_counts_cover_every_table_with_rows_of_its_own(home: Home) -> None:
    """Whatever a table is called; not the ledger, nor SQLite's own and virtual ones."""
    make_database(home.database, events=4)
    change(
        home.database,
        ('CREATE TABLE "odd "" name; --" (a)', ()),
        ('INSERT INTO "odd "" name; --" VALUES (1), (2)', ()),
        ("CREATE VIRTUAL TABLE words USING fts5(text)", ()),
    )
    with opened(str(home.userdata), V1_DATABASE) as connection:
        found = dict(counts(connection))
    assert found[EVENT_LOG] == 4
    assert found['odd " name; --'] == 2
    assert not {"words", "sqlite_sequence", LEDGER_TABLE} & found.keys()


SEARCH = (
    ("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)", ()),
    ("CREATE TABLE search_history (id INTEGER PRIMARY KEY, body TEXT)", ()),
    ("CREATE VIRTUAL TABLE search USING fts5(body, content='notes', content_rowid='id')", ()),
    ('CREATE VIRTUAL TABLE "own USING text" USING fts5(body)', ()),
    ("CREATE VIRTUAL TABLE [old words] USING  FTS4(body)", ()),
    ("CREATE VIRTUAL TABLE places USING rtree(id, x1, x2)", ()),
)
FILL = tuple(
    statement
    for number in range(200)
    for statement in (
        ("INSERT INTO notes (body) VALUES (?)", (f"word{number} and {number}",)),
        ("INSERT INTO search (rowid, body) VALUES (?, ?)", (number, f"word{number}")),
        ('INSERT INTO "own USING text" VALUES (?)', (f"word{number}",)),
        ("INSERT INTO [old words] VALUES (?)", (f"word{number}",)),
        ("INSERT INTO places VALUES (?, ?, ?)", (number, number, number + 1)),
        ("INSERT INTO search_history (body) VALUES (?)", (f"word{number}",)),
    )
)


def test_an_index_is_no_rows_of_a_person(home: Home) -> None:
    """What full-text search and R-trees keep beside their rows is not counted; the rows are."""
    make_database(home.database, events=0)
    change(home.database, *SEARCH, ("BEGIN", ()), *FILL, ("COMMIT", ()))
    before = {"notes": 200, "search_history": 200, "own USING text_content": 200}
    before |= {"old words_content": 200, "places_rowid": 200}
    with opened(str(home.userdata), V1_DATABASE) as connection:
        found = {table: rows for table, rows in counts(connection) if rows}
    assert found == before
    home.take("s1")
    change(
        home.database,
        ("INSERT INTO search (search) VALUES ('optimize')", ()),
        ('INSERT INTO "own USING text" ("own USING text") VALUES (\'optimize\')', ()),
        ("INSERT INTO [old words] ([old words]) VALUES ('optimize')", ()),
    )
    assert rows(home.database, home.store / f"s1/files/{V1_DATABASE}") == {}
    assert rows(home.store / f"s1/files/{V1_DATABASE}", home.database) == {}


def overwrite_middle(path: Path) -> None:
    """Overwrite a page in the middle of a database."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(data)


def test_reading_holds_up_no_writer(home: Home) -> None:
    """A serve commits while its database is open for reading, which sees none of it."""
    make_database(home.database, events=1)
    with (
        serving(home.database) as serve,
        opened(str(home.userdata), V1_DATABASE) as connection,
    ):
        serve.commit(event("beside"))
        assert dict(counts(connection))[EVENT_LOG] == 1


# Rows that one copy holds and another does not.


def rows(later: Path, earlier: Path | None) -> dict[str, int]:
    """Count the rows of `later` beyond `earlier`."""
    old = (str(earlier.parent), earlier.name) if earlier else None
    return dict(rows_beyond((str(later.parent), later.name), old))


NOTE = ("INSERT INTO notes VALUES ('same')", ())
ODD = ("INSERT INTO odd VALUES ('key', NULL, 1), (NULL, NULL, 2), (NULL, 3, 4)", ())


@pytest.mark.parametrize(
    ("both", "later", "beyond", "back"),
    [
        pytest.param(
            (),
            (
                event("later"),
                (f"UPDATE {EVENT_LOG} SET payload_json = '{{1}}' WHERE sequence = 1", ()),
                (f"DELETE FROM {EVENT_LOG} WHERE sequence = 2", ()),
            ),
            {EVENT_LOG: 2},
            {EVENT_LOG: 2},
            id="a new row counts, and one of which any column was changed, even only in case",
        ),
        pytest.param(
            (("CREATE TABLE notes (text)", ()), NOTE, NOTE),
            (NOTE, NOTE, NOTE),
            {"notes": 3},
            {},
            id="equal rows without a key are told apart by how many there are",
        ),
        pytest.param(
            ((f"INSERT INTO {SESSIONS} VALUES ('s', 'owner')", ()),),
            (
                (f"ALTER TABLE {SESSIONS} RENAME COLUMN role TO scopes", ()),
                (f"ALTER TABLE {EVENT_LOG} ADD COLUMN actor TEXT DEFAULT 'x'", ()),
            ),
            {},
            {},
            id="columns that one of them lacks are not compared",
        ),
        pytest.param(
            (),
            (("CREATE TABLE fresh (a)", ()), ("INSERT INTO fresh VALUES (1), (2)", ())),
            {"fresh": 2},
            {},
            id="a table that the earlier one does not have counts in full",
        ),
        # NULL names no row: equal ones may stand twice.
        *(
            pytest.param(
                ((f"CREATE TABLE odd ({key})", ()), ODD),
                (("INSERT INTO odd VALUES (NULL, 3, 4)", ()),),
                {"odd": 1},
                {},
                id=f"null in the key of ({key})",
            )
            for key in ("a PRIMARY KEY, b, c", "a, b, c, PRIMARY KEY (a, b)")
        ),
    ],
)
def test_rows_beyond_an_earlier_copy_are_counted(
    tmp_path: Path,
    both: tuple[Statement, ...],
    later: tuple[Statement, ...],
    beyond: dict[str, int],
    back: dict[str, int],
) -> None:
    """In either direction; a file holds no row beyond itself, and all beyond none."""
    old, new = make_database(tmp_path / "old"), make_database(tmp_path / "new")
    change(old, *both)
    change(new, *both, *later)
    assert rows(new, old) == beyond
    assert rows(old, new) == back
    assert rows(old, old) == rows(new, new) == {}
    with opened(str(tmp_path), "new") as connection:
        assert rows(new, None) == {table: count for table, count in counts(connection) if count}


# Marks of work.


def test_every_mark_of_work_is_read(home: Home) -> None:
    """Running sessions with a turn and pending turns, approvals and inputs are told, no others.

    An event of a clock that was ahead does not hide the last one that was not.
    """
    make_database(home.database)
    change(
        home.database,
        (SESSION, ("running", "running", "turn", "2026-06-09T05:00:00.000Z")),
        (SESSION, ("no turn", "running", None, "2026-06-09T06:00:00.000Z")),
        (SESSION, ("stopped", "stopped", "turn", "2026-06-09T03:00:00.000Z")),
        (SESSION, ("ahead", "idle", None, "2145-01-01T00:00:00.000Z")),
        (TURN, ("pending", "pending", "garbage")),
        (TURN, ("done", "completed", "2026-06-09T05:00:00.000Z")),
        (APPROVAL, ("a", "pending")),
        (APPROVAL, ("b", "approved")),
        (THREAD, ("open", None, 2)),
        (THREAD, ("deleted", "2026-06-09T05:00:00.000Z", 4)),
    )
    turn = "a turn is in flight"
    assert work(str(home.userdata)) == Work(
        tracked=True,
        turns=(
            ("running", "2026-06-09T05:00:00.000000+00:00", turn),
            ("pending", None, turn),
        ),
        approvals=1,
        inputs=2,
        last_activity="2026-06-09T06:00:00.000000+00:00",
        later="2145-01-01T00:00:00.000000+00:00",
    )


def test_work_in_any_database_counts(home: Home) -> None:
    """A turn that only another database knows is a turn, and its activity the set's."""
    make_database(home.database)
    make_database(home.userdata / "other.sqlite")
    change(
        home.userdata / "other.sqlite",
        (SESSION, ("new", "running", "turn", "2026-06-10T05:00:00.000Z")),
    )
    told = work(str(home.userdata))
    assert [thread for thread, *_ in told.turns] == ["new"]
    assert told.last_activity == "2026-06-10T05:00:00.000000+00:00"


def test_tables_that_are_not_understood_say_nothing_of_work(home: Home) -> None:
    """A column that went away is never "no work"; without turns the processes must decide."""
    make_database(home.database)
    change(home.database, (f"ALTER TABLE {TURNS} RENAME COLUMN state TO phase", ()))
    assert "no such column: state" in work(str(home.userdata)).unreadable
    change(home.database, (f"DROP TABLE {TURNS}", ()), (f"DROP TABLE {THREAD_SESSIONS}", ()))
    assert not work(str(home.userdata)).tracked


@pytest.mark.parametrize(
    ("said", "started"),
    [
        ({"pid": 1, "startedAt": "2026-06-09T05:00:00.000Z"}, "2026-06-09T05:00:00+00:00"),
        ({"pid": 1, "startedAt": 1780981200000}, "2026-06-09T05:00:00+00:00"),
        ({"pid": 1, "startedAt": "yesterday"}, None),
        ({"pid": 1, "startedAt": 1e300}, None),
        (["startedAt"], None),
    ],
)
def test_start_of_the_serve_is_read_from_its_runtime_file(
    home: Home, said: object, started: str | None
) -> None:
    """The start is told where the file tells it; without it no mark will count as stale."""
    make_database(home.database)
    (home.userdata / RUNTIME).write_text(json.dumps(said))
    assert work(str(home.userdata)).serve_started == started


def test_locked_database_is_unreadable(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that stays locked is no proof of idleness."""
    monkeypatch.setattr("t3safe.adapters._support.personaldata.databases.WAIT_SECONDS", 0.1)
    make_database(home.database)
    change(home.database, ("PRAGMA journal_mode=DELETE", ()))
    with serving(home.database) as serve:
        serve.commit(("PRAGMA journal_mode=DELETE", ()), ("BEGIN EXCLUSIVE", ()))
        assert "locked" in work(str(home.userdata)).unreadable
