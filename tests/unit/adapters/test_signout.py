"""Sessions of ours taken out of a set: those, and nothing else."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fakes.t3.app.auth import create_link, exchange
from fakes.t3.app.build import ReleaseBehaviour
from fakes.t3.app.state import open_database
from fakes.t3.states import populate
from t3safe.adapters._support.personaldata.errors import DataError
from t3safe.adapters.personaldata.worker import signout
from t3safe.adapters.personaldata.worker.signout import sign_out
from t3safe.t3.files import USERDATA, V1_DATABASE, V2_DATABASE
from t3safe.t3.sign_in import (
    BOOTSTRAP,
    LINKS,
    PLAIN_COOKIE,
    SESSIONS,
    Cookies,
    credential_of,
    link_of,
    session_ids,
)

TABLE = f"CREATE TABLE {SESSIONS} (session_id TEXT PRIMARY KEY, subject TEXT, expires_at TEXT)"


def made(folder: Path, name: str, *sessions: str, table: str = TABLE) -> Path:
    """Make a database in WAL mode with these sessions."""
    with closing(sqlite3.connect(folder / name)) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(table)
        database.executemany(
            f"INSERT INTO {SESSIONS} (session_id) VALUES (?)", [(each,) for each in sessions]
        )
    return folder / name


def left(file: Path) -> list[str]:
    """The sessions of a database."""
    with closing(sqlite3.connect(file)) as database:
        return sorted(row[0] for row in database.execute(f"SELECT session_id FROM {SESSIONS}"))


def test_the_sessions_that_are_named_go_in_every_database(tmp_path: Path) -> None:
    """Those of a browser stay, and a database without any of ours is not written."""
    first = made(tmp_path, V1_DATABASE, "ours-1", "browser")
    second = made(tmp_path, V2_DATABASE, "ours-2")
    other = made(tmp_path, "other.sqlite", "browser")
    before = other.read_bytes()
    assert sign_out(str(tmp_path), ["ours-1", "ours-2", "ours-3"]) == 2
    assert (left(first), left(second), left(other)) == (["browser"], [], ["browser"])
    assert other.read_bytes() == before


def test_what_v2_has_copied_is_not_taken_out_of_v1s_database(tmp_path: Path) -> None:
    """It is left behind to the byte; a session that V1 made since goes, as V1 is what runs then."""
    first = made(tmp_path, V1_DATABASE, "before", "browser")
    second = made(tmp_path, V2_DATABASE, "before", "browser", "after")
    frozen = first.read_bytes()
    assert sign_out(str(tmp_path), ["before", "after"]) == 2
    assert (left(second), first.read_bytes()) == (["browser"], frozen)
    with closing(sqlite3.connect(first)) as database, database:
        database.execute(f"INSERT INTO {SESSIONS} (session_id) VALUES ('since')")
    assert sign_out(str(tmp_path), ["since"]) == 1
    assert left(first) == ["before", "browser"]


@pytest.mark.parametrize("schema", [30, 32])
def test_a_month_of_nights_leaves_nothing_behind(tmp_path: Path, schema: int) -> None:
    """Three sign-ins a night, each minted by us; a browser and its link stay as they are."""
    path, quick = BOOTSTRAP, (0.0, 0.0, 0.0)
    build = ReleaseBehaviour("0.0.24", schema, path, "plain", 1, "never", *quick, False, False, {})
    key = b"k" * 32
    populate(tmp_path, schema)
    database = open_database(tmp_path, build)
    browser = create_link(database, build, 300, "dispatch", "owner")
    assert exchange(database, build, key, browser.credential)
    counted = f"SELECT (SELECT count(*) FROM {SESSIONS}), (SELECT count(*) FROM {LINKS})"
    before, counts = database.read(counted), []
    for _ in range(30):
        ids: list[str] = []
        for _ in range(3):
            link = create_link(database, build, 300, "dispatch", "owner")
            printed = json.dumps({"id": link.id, "credential": link.credential})
            session = exchange(database, build, key, credential_of(printed))
            assert session
            ids += [link_of(printed), *session_ids(Cookies({PLAIN_COOKIE: session.token}))]
        assert sign_out(str(tmp_path / USERDATA), ids) == len(ids) == 6
        counts += database.read(counted)
    assert counts == before * 30
    database.close()


def test_a_table_of_another_form_is_left_alone(tmp_path: Path) -> None:
    """What is not t3's table of sessions is nobody's business."""
    strange = made(tmp_path, V1_DATABASE, "x", table=f"CREATE TABLE {SESSIONS} (session_id)")
    assert sign_out(str(tmp_path), ["x"]) == 0
    assert left(strange) == ["x"]
    assert sign_out(None, ["x"]) == 0


def test_a_database_that_is_held_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and the session stays."""
    monkeypatch.setattr(signout, "_PATIENCE", 0.05)
    file = made(tmp_path, V1_DATABASE, "ours")
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(DataError, match="locked"):
            sign_out(str(tmp_path), ["ours"])
    assert left(file) == ["ours"]
