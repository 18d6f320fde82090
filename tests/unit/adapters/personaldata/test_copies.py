"""One database copied: with its log, beside writers, and where the kernel cannot."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind
from t3safe.adapters.personaldata.worker.copies import at_rest as copied_at_rest
from t3safe.adapters.personaldata.worker.copies import beside_writers, discard
from t3safe.adapters.personaldata.worker.manifest import DatabaseCopy
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.generations import EVENT_LOG
from t3safe.t3.sign_in import SESSIONS
from tests.support.personaldata import change, event, make_database, query, serving
from tests.unit.adapters.personaldata.conftest import Home, writing

NAME = V1_DATABASE
EVENTS = f"SELECT event_id FROM {EVENT_LOG} ORDER BY 1"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder to copy to."""
    made = tmp_path / "target"
    made.mkdir()
    return made


def copy(home: Home, target: Path, *, at_rest: bool = True) -> DatabaseCopy:
    """Copy the one database that there is."""
    (found,) = home.found.databases
    if at_rest:
        return copied_at_rest(str(home.userdata), str(target), found)
    (taken,) = beside_writers(str(home.userdata), str(target), (found,))
    return taken


def everything(root: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.sqlite*")}


def killed_serve(home: Home) -> None:
    """Leave the set of a serve that was killed: one commit lies in the log alone."""
    make_database(home.database)
    with serving(home.database) as serve:
        serve.commit(event("in the log"))
        serve.kill()


@pytest.mark.parametrize("at_rest", [True, False])
def test_what_only_the_log_holds_is_in_the_copy(home: Home, target: Path, *, at_rest: bool) -> None:
    """The copy of a killed serve's database is one file, with the last commit in it.

    At rest no file of the original and no name in its folder changes.
    """
    killed_serve(home)
    (home.userdata / f"{NAME}-shm").unlink(missing_ok=True)
    before = everything(home.userdata)
    taken = copy(home, target, at_rest=at_rest)
    assert not at_rest or everything(home.userdata) == before
    assert list(everything(target)) == [NAME]
    assert ("in the log",) in query(target / NAME, EVENTS)
    assert dict(taken.counts)[EVENT_LOG] == 4


def test_a_commit_torn_at_the_end_of_the_log_does_not_count(home: Home, target: Path) -> None:
    """What the power took from the log is not in the copy, what was whole before it is."""
    killed_serve(home)
    log = home.userdata / f"{NAME}-wal"
    with serving(home.database) as serve:
        serve.commit(event("torn"))
        serve.kill()
    os.truncate(log, log.stat().st_size - 1)
    copy(home, target)
    assert ("in the log",) in query(target / NAME, EVENTS)
    assert ("torn",) not in query(target / NAME, EVENTS)


_RESTLESS = f"""
import sqlite3, sys
number = 0
while True:
    connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA wal_autocheckpoint=3")
    for turn in range(20):
        number += 1
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO {EVENT_LOG} (event_id, occurred_at, payload_json) "
                           "VALUES (?, '', hex(randomblob(9000)))", (number,))
        connection.execute("INSERT INTO {SESSIONS} VALUES (?, '')", (number,))
        connection.execute("COMMIT")
        how = ("PASSIVE", "RESTART", "TRUNCATE")[turn % 3]
        connection.execute("PRAGMA wal_checkpoint(" + how + ")")
    connection.close()
    if number == 20:
        print("going", flush=True)
"""


def test_copies_beside_checkpoints_are_each_of_one_moment(home: Home, target: Path) -> None:
    """Two tables that change together agree, however often the log is brought in and begun anew."""
    make_database(home.database, events=0)
    seen = []
    with writing(_RESTLESS, home.database):
        for _ in range(25):
            rows = dict(copy(home, target, at_rest=False).counts)
            assert rows[EVENT_LOG] == rows[SESSIONS]
            seen.append(rows[EVENT_LOG])
            discard(str(target), NAME)
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


@pytest.mark.parametrize("at_rest", [True, False])
def test_a_database_without_such_a_log_is_its_file_alone(
    home: Home, target: Path, *, at_rest: bool
) -> None:
    """Nothing writes into the file meanwhile; beside writers it is told how long they waited."""
    make_database(home.database)
    change(home.database, ("PRAGMA journal_mode=DELETE", ()))
    before = everything(home.userdata)
    taken = copy(home, target, at_rest=at_rest)
    assert everything(home.userdata) == before
    assert dict(taken.counts)[EVENT_LOG] == 3
    assert list(everything(target)) == [NAME]


@pytest.mark.parametrize("answer", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, 0])
def test_where_the_kernel_cannot_copy_the_bytes_are_the_same(
    home: Home, target: Path, monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    """Between two file systems, or on one that says that there is nothing to copy."""

    def refuse(*_: object) -> int:
        if answer:
            raise OSError(answer, os.strerror(answer))
        return 0

    make_database(home.database)
    monkeypatch.setattr(os, "copy_file_range", refuse)
    copy(home, target)
    assert (target / NAME).read_bytes() == home.database.read_bytes()


def test_a_disk_that_fills_up_is_no_reason_to_copy_otherwise(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a refusal, and nothing of the copy is left."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    home.populate()
    monkeypatch.setattr(os, "copy_file_range", full)
    with pytest.raises(DataError) as caught:
        home.take("s1")
    assert caught.value.kind is ErrorKind.SPACE
    assert home.sealed() == []


def test_a_byte_that_went_wrong_on_the_way_is_never_sealed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was copied at rest is compared with what lies there, so that none is sealed as good."""
    home.populate()
    pour = disk.pour

    def wrong(original: tuple[str, str], target: tuple[str, str]) -> None:
        pour(original, target)
        with Path(*target).open("r+b") as file:
            file.seek(24)
            file.write(b"\x7f")

    monkeypatch.setattr(disk, "pour", wrong)
    with pytest.raises(DataError, match=r"state\.sqlite changed while it was copied"):
        home.take("s1")
    assert home.sealed() == []


def test_a_set_that_cannot_be_put_back_is_no_way_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where userdata cannot be written no copy at rest is taken; a copy beside the serve is."""
    home.populate()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DataError, match="nothing could be put back there"):
        home.take("s1")
    assert home.sealed() == []
    home.take("s2", "online")
