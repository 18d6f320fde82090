"""What is found to belong to a set, and what may never pass for nothing."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fakes.t3.app.state import BINDINGS, SIGNING_KEY
from t3safe.adapters._support.personaldata.discovery import SMALL_MAX, discover, userdata_of
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind, shown
from t3safe.adapters.personaldata.worker.main import printable
from t3safe.t3.files import RUNTIME, V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import EVENT_LOG
from tests.support.personaldata import make_database, serving
from tests.unit.adapters.personaldata.conftest import Home

HARD_NAMES = [
    "with space",
    "with\nnewline",
    "-rf",
    "quote'\"",
    "uni\u00e9",
    os.fsdecode(b"raw\xff"),
]
WAL_HEAD = b"\x37\x7f\x06\x82" + b"\0" * 28


def test_data_that_is_not_there_is_empty(home: Home) -> None:
    """A person without userdata has no data, which is not an error."""
    assert userdata_of(str(home.base)) is None
    assert discover(None).databases == ()


@pytest.mark.parametrize(
    "name", [V1_DATABASE, V2_DATABASE, "index.db", "deep/er/cache", *HARD_NAMES]
)
def test_database_is_known_by_its_header_whatever_it_is_called(home: Home, name: str) -> None:
    """A name may hold anything; shown, it is one printable line of UTF-8."""
    make_database(home.userdata / name)
    (home.userdata / f"{name} small").write_text("x")
    (database,) = home.found.databases
    assert (database.name, database.problem) == (name, "")
    assert [item.name for item in home.found.files] == [f"{name} small"]
    assert shown(name).isprintable()
    assert shown(name).encode()


def test_logs_belong_to_their_database(home: Home) -> None:
    """A log is part of its database, not a small file, and its bytes count."""
    make_database(home.database)
    with serving(home.database) as serve:
        serve.commit((f"DELETE FROM {EVENT_LOG}", ()))
        found = home.found
    (database,) = found.databases
    assert database.parts == (V1_DATABASE, f"{V1_DATABASE}-wal", f"{V1_DATABASE}-shm")
    assert database.size > home.database.stat().st_size
    assert found.files == ()


def test_small_files_are_found_with_their_modes_and_the_rest_is_left_out(home: Home) -> None:
    """Logs, attachments, the runtime file, our own files and large files are not of the data."""
    home.populate()
    for name in ("logs/trace.log", "attachments/a.sqlite", RUNTIME, ".t3safe-x/y"):
        (home.userdata / name).parent.mkdir(exist_ok=True)
        (home.userdata / name).write_text("x")
    (home.userdata / "large").write_bytes(b"\0" * (SMALL_MAX + 1))
    found = home.found
    assert [(item.name, item.mode) for item in found.folders] == [("secrets", 0o700)]
    assert [(item.name, oct(item.mode)) for item in found.files] == [
        (BINDINGS, oct((home.userdata / BINDINGS).stat().st_mode & 0o777)),
        (SIGNING_KEY, "0o600"),
    ]
    assert [item.name for item in found.databases] == [V1_DATABASE]
    assert found.skipped == (("large", f"is larger than {SMALL_MAX} bytes"),)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "state.sqlite is empty (0 bytes)"),
        (b"not a database at all", "state.sqlite is not a database"),
        (b"SQLite format 2\0" * 10, "state.sqlite is not a database"),
    ],
)
def test_what_claims_to_be_a_database_is_noticed(home: Home, content: bytes, problem: str) -> None:
    """An empty or garbage `.sqlite` is a problem, never "no database"."""
    home.userdata.mkdir()
    home.database.write_bytes(content)
    assert home.found.problems == (problem,)


def test_an_empty_file_that_is_none_of_t3s_databases_holds_nothing(home: Home) -> None:
    """It is kept as a small file; t3's own, and one beside a log, of unknown content, is not."""
    home.populate()
    (home.userdata / "x.sqlite").touch()
    found = home.found
    assert found.problems == ()
    assert [item.name for item in found.databases] == [V1_DATABASE]
    assert "x.sqlite" in {item.name for item in found.files}
    for end in ("-wal", "-shm", "-journal"):
        (home.userdata / f"x.sqlite{end}").write_bytes(b"x")
        assert len(home.found.problems) == 1
        (home.userdata / f"x.sqlite{end}").unlink()
    for name in (V2_DATABASE, V1_DATABASE):
        (home.userdata / name).unlink(missing_ok=True)
        (home.userdata / name).touch()
        assert f"{name} is empty (0 bytes)" in home.found.problems


@pytest.mark.parametrize("name", [V1_DATABASE, "other"])
def test_log_of_a_lost_or_empty_database_is_noticed(home: Home, name: str) -> None:
    """SQLite would delete such a log; it is a problem and stays as it is."""
    home.userdata.mkdir()
    log = home.userdata / f"{name}-wal"
    log.write_bytes(WAL_HEAD)
    assert home.found.problems == (f"{name} is missing while its log is there",)
    (home.userdata / name).touch()
    assert home.found.problems == (f"{name} is empty while its log is not",)
    assert log.read_bytes() == WAL_HEAD


def test_what_is_no_file_is_noticed_and_never_followed_or_waited_for(
    home: Home, tmp_path: Path
) -> None:
    """Under a database's name it is a problem; under others it is left out."""
    make_database(tmp_path / "elsewhere.sqlite")
    home.userdata.mkdir()
    home.database.symlink_to(tmp_path / "elsewhere.sqlite")
    (home.userdata / "secrets").symlink_to("/etc")
    os.mkfifo(home.userdata / "pipe")
    os.mkfifo(home.userdata / "pipe.sqlite")
    (home.userdata / "folder.sqlite").mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(home.userdata / "socket"))
        found = home.found
    assert found.problems == (
        "folder.sqlite is a folder, not a file",
        "pipe.sqlite is a FIFO, not a file",
        "state.sqlite is a link, not a file",
    )
    assert found.skipped == (
        ("pipe", "is a FIFO"),
        ("secrets", "is a link"),
        ("socket", "is a socket"),
    )
    assert found.files == ()


def test_names_that_look_the_same_are_refused() -> None:
    """Two databases whose names cannot be told apart once written down are no set to decide on."""
    with pytest.raises(DataError, match="look the same"):
        printable(((os.fsdecode(b"a\xff"), ()), ("a\\xff", ())))


@pytest.mark.parametrize("make", ["link", "file"])
def test_userdata_must_be_a_folder(home: Home, tmp_path: Path, make: str) -> None:
    """A link or a file in the place of userdata is an error, not empty data."""
    if make == "link":
        home.userdata.symlink_to(tmp_path)
    else:
        home.userdata.touch()
    with pytest.raises(DataError, match="not a folder") as caught:
        userdata_of(str(home.base))
    assert caught.value.kind is ErrorKind.SHAPE
