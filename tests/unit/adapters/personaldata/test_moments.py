"""What a copy is a copy of: a set that nobody can open, or all of a set at one moment."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fakes.t3.app.state import BINDINGS
from t3safe.adapters._support.personaldata import databases, disk
from t3safe.adapters._support.personaldata.disk import Tools
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind
from t3safe.adapters.personaldata.worker import copies
from t3safe.adapters.personaldata.worker.manifest import SnapshotManifest
from t3safe.adapters.personaldata.worker.snapshots import TURNS
from t3safe.t3.files import V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import EVENT_LOG
from t3safe.t3.sign_in import SESSIONS
from tests.support.personaldata import (
    LATER_DATABASE,
    Statement,
    change,
    event,
    make_database,
    query,
    serving,
)
from tests.unit.adapters.personaldata.conftest import Home, writing

NAME = V1_DATABASE
OTHER = V2_DATABASE
EVENTS = f"SELECT event_id FROM {EVENT_LOG} ORDER BY sequence"
ROLLBACK: Statement = ("PRAGMA journal_mode=DELETE", ())


def write(database: Path, name: str = "late", *, seconds: float = 0.0) -> str:
    """Commit an event as a mint does: open, commit, close, in another process.

    Tell what SQLite refused.
    """
    script = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None,"
        " timeout=float(sys.argv[3]))\n"
        "try:\n"
        f"    connection.execute('INSERT INTO {EVENT_LOG}"
        " (event_id, occurred_at, payload_json) VALUES (?, ?, ?)', (sys.argv[2], '', ''))\n"
        "except sqlite3.Error as error:\n"
        "    print(error)\n"
    )
    words = [sys.executable, "-I", "-S", "-c", script, str(database), name, str(seconds)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def at(step: str, *actions: Callable[[], object]) -> Tools:
    """Do one action each time that a step is reached, in turn, the last one ever again."""
    left = list(actions)

    def reached(name: str) -> None:
        if name == step:
            (left.pop(0) if len(left) > 1 else left[0])()

    return Tools(reached=reached, grace=0.0)


def nothing() -> None:
    """Leave the set alone."""


def events(home: Home, snapshot: str, name: str = NAME) -> list[object]:
    """The events of a database in a sealed snapshot."""
    return [row[0] for row in query(home.store / snapshot / "files" / name, EVENTS)]


def rows(taken: SnapshotManifest) -> list[int]:
    """How many events each database of a snapshot has."""
    return [dict(item.counts)[EVENT_LOG] for item in taken.databases]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no limit of time decide on a loaded machine."""
    monkeypatch.setattr(databases, "WAIT_SECONDS", 300.0)
    monkeypatch.setattr(copies, "BLOCK_SECONDS", 300.0)


# At rest.


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
@pytest.mark.parametrize(
    "step", ["snapshot:begun", f"snapshot:copied:{V1_DATABASE}", "snapshot:renamed"]
)
def test_nothing_can_commit_from_the_first_byte_until_it_is_sealed(
    home: Home, mode: str, step: str
) -> None:
    """A process that opens the set meanwhile is refused by SQLite, also for the second database."""
    home.populate()
    make_database(home.userdata / OTHER)
    for name in (NAME, OTHER):
        change(home.userdata / name, (f"PRAGMA journal_mode={mode}", ()))
    said: list[str] = []
    taken = home.take(
        "s1", tools=at(step, lambda: said.extend(write(home.userdata / n) for n in (NAME, OTHER)))
    )
    assert said == ["database is locked"] * 2
    assert rows(taken) == [3, 3]
    assert write(home.database) == ""


def test_a_refusal_leaves_no_lock(home: Home) -> None:
    """Whatever ends the copy, the set can be written again."""
    home.populate()

    def full() -> None:
        raise DataError(ErrorKind.SPACE, "the disk is full")

    with pytest.raises(DataError, match="the disk is full"):
        home.take("s1", tools=at("snapshot:begun", full))
    assert home.sealed() == []
    assert write(home.database) == ""


def opened_by(process: subprocess.Popen[bytes]) -> list[Path]:
    """The files that a process has open."""
    return [Path(os.path.realpath(link)) for link in Path(f"/proc/{process.pid}/fd").iterdir()]


def test_a_mint_that_waits_for_the_copy_is_in_the_snapshot(home: Home) -> None:
    """It has the set open before the copy is sealed: the set is taken again, with its row."""
    home.populate()
    waiting: list[subprocess.Popen[bytes]] = []
    script = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n"
        f'connection.execute("INSERT INTO {EVENT_LOG}"\n'
        "    \" (event_id, occurred_at, payload_json) VALUES ('mint', '', '')\")\n"
        "connection.close()\n"
    )

    def mint() -> None:
        words = [sys.executable, "-I", "-S", "-c", script, str(home.database)]
        process = subprocess.Popen(words)
        waiting.append(process)
        while process.poll() is None and home.database not in opened_by(process):
            pass
        assert process.returncode is None

    tools = at(f"snapshot:copied:{V1_DATABASE}", mint, nothing)._replace(grace=60.0)
    home.take("s1", tools=tools)
    assert events(home, "s1")[-1] == "mint"
    assert waiting[0].wait(60) == 0


def unlocked(home: Home, name: str = "past the locks") -> Callable[[], None]:
    """Give what commits to a set without looking at anybody's locks."""

    def commit() -> None:
        uri = f"file:{home.database}?nolock=1"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.execute(*event(name))

    return commit


@pytest.mark.parametrize("kind", ["rest", "quarantine"])
def test_a_set_that_moved_past_the_locks_is_taken_again(home: Home, kind: str) -> None:
    """What is sealed is the set after the last change, whole."""
    home.populate()
    change(home.database, ROLLBACK)
    home.take("s1", kind, at(f"snapshot:copied:{V1_DATABASE}", unlocked(home), nothing))
    assert events(home, "s1")[-1] == "past the locks"


@pytest.mark.parametrize("kind", ["rest", "quarantine"])
def test_a_set_that_never_lies_still_is_held(home: Home, kind: str) -> None:
    """It is taken so many times, then refused, and nothing of it is left."""
    home.populate()
    change(home.database, ROLLBACK)
    turns = iter(range(9))

    def commit() -> None:
        unlocked(home, f"turn {next(turns)}")()

    tools = at(f"snapshot:copied:{V1_DATABASE}", commit)
    with pytest.raises(DataError, match=r"state\.sqlite changed while it was copied") as caught:
        home.take("s1", kind, tools)
    assert caught.value.kind is ErrorKind.HELD
    assert next(turns) == TURNS
    assert home.sealed() == []


@pytest.mark.parametrize("kind", ["rest", "online"])
@pytest.mark.parametrize("how", ["came", "went", "replaced"])
def test_a_database_that_comes_goes_or_is_replaced_meanwhile_is_seen(
    home: Home, kind: str, how: str
) -> None:
    """The set of the snapshot is the set that lies there when it is sealed."""
    home.populate()
    make_database(home.userdata / OTHER, events=1)
    spare = make_database(home.base / "spare", events=7)

    def act() -> None:
        if how == "came":
            spare.rename(home.userdata / LATER_DATABASE)
        elif how == "went":
            (home.userdata / OTHER).unlink()
        else:
            spare.rename(home.userdata / OTHER)

    taken = home.take("s1", kind, at(f"snapshot:copied:{V2_DATABASE}", act, nothing))
    assert rows(taken) == {"came": [3, 1, 7], "went": [3], "replaced": [3, 7]}[how]


def test_a_small_file_that_changes_at_rest_is_taken_again(home: Home) -> None:
    """The files beside the databases are of the same moment."""
    home.populate()
    path = home.userdata / BINDINGS
    home.take("s1", tools=at("snapshot:written", nothing))
    home.take(
        "s2",
        tools=at(f"snapshot:copied:{BINDINGS}", lambda: path.write_text("[1]"), nothing),
    )
    assert (home.store / f"s2/files/{BINDINGS}").read_text() == "[1]"


def test_data_whose_log_vanished_is_taken_again(home: Home) -> None:
    """The second copy is without it."""
    home.populate()
    with serving(home.database) as serve:
        serve.commit(event("in the log"))
        serve.kill()
    log = home.userdata / f"{NAME}-wal"
    home.take("s1", tools=at("snapshot:begun", log.unlink, nothing))
    assert "in the log" not in events(home, "s1")


def test_a_database_that_cannot_be_written_is_copied_under_a_shared_lock(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite only reads what the person may not write; a holder is found all the same."""
    home.populate()
    regular = disk.regular

    @contextmanager
    def read_only(root: str, name: str, *, write: bool = False) -> Iterator[int]:
        if write:
            raise PermissionError(13, "Permission denied")
        with regular(root, name) as fd:
            yield fd

    monkeypatch.setattr(disk, "regular", read_only)
    script = (
        "import fcntl, sys\n"
        "with open(sys.argv[1], 'r+b') as file:\n"
        "    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 512, 0x40000000)\n"
    )
    words = [sys.executable, "-I", "-S", "-c", script, str(home.database)]
    said: list[bytes] = []

    def lock() -> None:
        said.append(subprocess.run(words, check=False, capture_output=True).stderr)

    home.take("s1", tools=at("snapshot:begun", lock))
    assert b"BlockingIOError" in said[0]


# Beside writers.


_STEP = f"""
import sqlite3, sys
both = [sqlite3.connect(path, isolation_level=None, timeout=20)
        for path in (sys.argv[1], sys.argv[1].replace("state", "statev2"))]
number = 0
while True:
    number += 1
    for connection in both:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("INSERT INTO {EVENT_LOG} (event_id, occurred_at, payload_json)"
                           " VALUES (?, '', hex(randomblob(2000)))", (number,))
    if number == 20:
        print("going", flush=True)
"""


@pytest.mark.parametrize("modes", ["WAL WAL", "DELETE WAL"])
def test_two_databases_are_copied_as_they_are_at_one_moment(home: Home, modes: str) -> None:
    """What is written to the one and then to the other is never in the other alone."""
    for name, mode in zip((NAME, OTHER), modes.split(), strict=True):
        make_database(home.userdata / name, events=0)
        change(home.userdata / name, (f"PRAGMA journal_mode={mode}", ()))
    seen = []
    with writing(_STEP, home.database):
        for number in range(8):
            first, second = rows(home.take(f"s{number}", "online"))
            assert second <= first <= second + 1
            seen.append(first)
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


def beside(
    home: Home, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...] = (NAME, OTHER)
) -> list[tuple[str, list[str]]]:
    """Have each database written at each moment of a copy beside writers, and keep what was said.

    A moment is `begin` where a transaction has begun, else the name of the database that was copied
    inside its own.
    """
    said: list[tuple[str, list[str]]] = []
    opened, back_up = databases.opened, copies.back_up

    def writes(moment: str) -> None:
        said.append((moment, [write(home.userdata / name, moment) for name in names]))

    @contextmanager
    def beginning(
        root: str, name: str, *, immutable: bool = False, recover: bool = False
    ) -> Iterator[sqlite3.Connection]:
        with opened(root, name, immutable=immutable, recover=recover) as connection:
            if root == str(home.userdata):
                writes("begin")
            yield connection

    def backing(source: sqlite3.Connection, target: str, limit: float | None) -> None:
        back_up(source, target, limit)
        writes(Path(target).name)

    monkeypatch.setattr(copies, "opened", beginning)
    monkeypatch.setattr(copies, "back_up", backing)
    return said


def test_nothing_is_committed_to_either_until_both_moments_are_fixed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers wait while the transactions begin, and no longer."""
    for name in (NAME, OTHER):
        make_database(home.userdata / name)
    with serving(home.database) as first, serving(home.userdata / OTHER) as second:
        first.commit(event("before"))
        second.commit(event("before"))
        said = beside(home, monkeypatch)
        taken = home.take("s1", "online")
    busy, free = ["database is locked"] * 2, ["", ""]
    assert said == [("begin", busy), ("begin", busy), (NAME, free), (OTHER, free)]
    assert rows(taken) == [4, 4]
    assert events(home, "s1")[-1] == events(home, "s1", OTHER)[-1] == "before"


def test_one_database_alone_keeps_no_writer_waiting(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set with one database is copied under a read transaction alone."""
    home.populate()
    with serving(home.database) as serve:
        serve.commit(event("before"))
        said = beside(home, monkeypatch, (NAME,))
        taken = home.take("s1", "online")
    assert said == [("begin", [""]), (NAME, [""])]
    assert events(home, "s1")[-1] == "before"
    assert [item.blocked for item in taken.databases] == [0.0]


def test_a_writer_that_does_not_end_is_waited_for_and_the_others_are_let_go(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal names the database that was busy; nothing is sealed or kept locked."""
    monkeypatch.setattr(databases, "WAIT_SECONDS", 0.3)
    home.populate()
    make_database(home.userdata / OTHER)
    with serving(home.userdata / OTHER) as serve:
        serve.commit(("BEGIN IMMEDIATE", ()))
        with pytest.raises(DataError, match=r"statev2\.sqlite had a writer at work") as caught:
            home.take("s1", "online")
        assert caught.value.kind is ErrorKind.LOCKED
        assert write(home.database) == ""
    assert home.sealed() == []


def test_a_writer_of_both_in_the_other_order_gets_its_turn(home: Home) -> None:
    """Whoever holds the second database and waits for the first one is let through."""
    home.populate()
    make_database(home.userdata / OTHER)
    script = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n"
        "connection.execute('ATTACH ? AS first', (sys.argv[1].replace('v2', ''),))\n"
        "for number in range(100000):\n"
        "    connection.execute('BEGIN')\n"
        "    for one in ('main', 'first'):\n"
        f"        connection.execute('INSERT INTO ' + one + '.{SESSIONS} VALUES (?, 1)',"
        " (number,))\n"
        "    connection.execute('COMMIT')\n"
        "    if number == 3:\n"
        "        print('going', flush=True)\n"
    )
    with writing(script, home.userdata / OTHER):
        for number in range(5):
            taken = home.take(f"s{number}", "online")
            first, second = (dict(item.counts)[SESSIONS] for item in taken.databases)
            assert first == second


def test_a_database_without_a_log_keeps_its_writer_waiting_and_says_so(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writer waits for its own copy, not for that of the other; the manifest says how long."""
    home.populate()
    make_database(home.userdata / OTHER)
    change(home.userdata / OTHER, ROLLBACK)
    said = beside(home, monkeypatch)
    taken = home.take("s1", "online")
    busy = "database is locked"
    assert said[2:] == [(OTHER, ["", busy]), (NAME, ["", ""])]
    first, second = taken.databases
    assert second.blocked > first.blocked > 0.0


def test_writers_never_wait_longer_than_they_may(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that would keep them longer is refused, and they go on."""
    monkeypatch.setattr(copies, "BLOCK_SECONDS", -1.0)
    home.populate()
    change(home.database, ROLLBACK)
    with pytest.raises(DataError, match="writers would have to wait") as caught:
        home.take("s1", "online")
    assert write(home.database) == ""
    assert caught.value.kind is ErrorKind.LOCKED
    assert home.sealed() == []


@pytest.mark.parametrize("kind", ["rest", "online", "online of several"])
def test_what_a_killed_writer_left_half_done_is_rolled_back(home: Home, kind: str) -> None:
    """In a rollback-journal database, as by any other process that reads it next."""
    home.populate()
    if kind.endswith("several"):
        make_database(home.userdata / OTHER)
    change(home.database, ROLLBACK)
    with serving(home.database) as serve:
        serve.commit(
            ROLLBACK,
            ("PRAGMA cache_size=1", ()),
            ("BEGIN", ()),
            (f"UPDATE {EVENT_LOG} SET payload_json = hex(zeroblob(20000))", ()),
        )
        serve.kill()
    assert (home.userdata / f"{NAME}-journal").stat().st_size > 0
    home.take("s1", kind.partition(" ")[0])
    copied = home.store / f"s1/files/{NAME}"
    assert query(copied, f"SELECT DISTINCT payload_json FROM {EVENT_LOG}") == [("{}",)]


@pytest.mark.parametrize("left", ["-wal", "-journal"])
def test_an_empty_log_beside_a_database_is_no_reason_to_refuse(home: Home, left: str) -> None:
    """It holds nothing that counts, and none lies beside the copy."""
    home.populate()
    change(home.database, ROLLBACK)
    (home.userdata / f"{NAME}{left}").touch()
    home.take("s1")
    assert sorted(path.name for path in (home.store / "s1/files").glob("state*")) == [NAME]
