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


def test_set_that_is_not_there_is_empty(home: Home) -> None:
    """A person without userdata has an empty set, not an error."""
    assert userdata_of(str(home.base)) is None
    assert discover(None).databases == ()


@pytest.mark.parametrize("name", [V1_DATABASE, V2_DATABASE, "index.db", "deep/er/cache"])
def test_database_is_known_by_its_header(home: Home, name: str) -> None:
    """Whatever a database is called and wherever below userdata it is, it is found as one."""
    make_database(home.userdata / name)
    (found,) = discover(str(home.userdata)).databases
    assert (found.name, found.problem) == (name, "")


@pytest.mark.parametrize("name", HARD_NAMES)
def test_hard_names_are_found_and_shown_on_one_line(home: Home, name: str) -> None:
    """A name may hold anything but a slash; shown, it is one printable line of UTF-8."""
    make_database(home.userdata / name)
    (home.userdata / f"{name} small").write_text("x")
    found = discover(str(home.userdata))
    assert [item.name for item in found.databases] == [name]
    assert [item.name for item in found.files] == [f"{name} small"]
    assert shown(name).isprintable()
    assert shown(name).encode()


def test_logs_belong_to_their_database(home: Home) -> None:
    """A log is part of its database, not a small file, and its bytes count."""
    make_database(home.database)
    with serving(home.database) as serve:
        serve.commit((f"DELETE FROM {EVENT_LOG}", ()))
        found = discover(str(home.userdata))
    (database,) = found.databases
    assert database.parts == (V1_DATABASE, f"{V1_DATABASE}-wal", f"{V1_DATABASE}-shm")
    assert database.size > home.database.stat().st_size
    assert found.files == ()


def test_small_files_are_found_with_their_modes(home: Home) -> None:
    """Secrets, ids and settings belong to the set, with the modes that they have."""
    home.populate()
    found = discover(str(home.userdata))
    assert [(item.name, item.mode) for item in found.folders] == [("secrets", 0o700)]
    assert [(item.name, oct(item.mode)) for item in found.files] == [
        (BINDINGS, oct((home.userdata / BINDINGS).stat().st_mode & 0o777)),
        (SIGNING_KEY, "0o600"),
    ]


def test_what_stays_where_it_is_is_left_out(home: Home) -> None:
    """Logs, attachments, the runtime file, our own files and large files are not of the set."""
    home.populate()
    for name in ("logs/trace.log", "attachments/a.sqlite", RUNTIME, ".t3safe-x/y"):
        (home.userdata / name).parent.mkdir(exist_ok=True)
        (home.userdata / name).write_text("x")
    (home.userdata / "large").write_bytes(b"\0" * (SMALL_MAX + 1))
    found = discover(str(home.userdata))
    assert [item.name for item in found.files] == [
        BINDINGS,
        SIGNING_KEY,
    ]
    assert [item.name for item in found.databases] == [V1_DATABASE]
    assert [(item.name, item.why) for item in found.skipped] == [
        ("large", f"is larger than {SMALL_MAX} bytes")
    ]


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
    assert discover(str(home.userdata)).problems == (problem,)


def test_an_empty_file_that_is_none_of_t3s_databases_holds_nothing(home: Home) -> None:
    """It is kept as the small file that it is; an empty database of t3's own is a problem."""
    home.populate()
    (home.userdata / "x.sqlite").touch()
    found = discover(str(home.userdata))
    assert found.problems == ()
    assert [item.name for item in found.databases] == [V1_DATABASE]
    assert "x.sqlite" in {item.name for item in found.files}
    for name in (V2_DATABASE, V1_DATABASE):
        (home.userdata / name).unlink(missing_ok=True)
        (home.userdata / name).touch()
        assert f"{name} is empty (0 bytes)" in discover(str(home.userdata)).problems


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_an_empty_file_beside_a_log_is_no_small_file(home: Home, end: str) -> None:
    """Somebody made a database of it: what the log holds is not known."""
    home.populate()
    (home.userdata / "x.sqlite").touch()
    (home.userdata / f"x.sqlite{end}").write_bytes(b"x")
    assert len(discover(str(home.userdata)).problems) == 1


@pytest.mark.parametrize("name", [V1_DATABASE, "other"])
def test_log_of_a_lost_or_empty_database_is_noticed(home: Home, name: str) -> None:
    """SQLite would delete such a log; it is a problem and stays as it is."""
    home.userdata.mkdir()
    log = home.userdata / f"{name}-wal"
    log.write_bytes(WAL_HEAD)
    assert discover(str(home.userdata)).problems == (f"{name} is missing while its log is there",)
    (home.userdata / name).touch()
    assert discover(str(home.userdata)).problems == (f"{name} is empty while its log is not",)
    assert log.read_bytes() == WAL_HEAD


def test_links_are_noticed_and_never_followed(home: Home, tmp_path: Path) -> None:
    """A link to a database is a problem; a link to anything else is left out."""
    make_database(tmp_path / "elsewhere.sqlite")
    home.userdata.mkdir()
    home.database.symlink_to(tmp_path / "elsewhere.sqlite")
    (home.userdata / "secrets").symlink_to("/etc")
    found = discover(str(home.userdata))
    assert found.problems == ("state.sqlite is a link, not a file",)
    assert [(item.name, item.why) for item in found.skipped] == [("secrets", "is a link")]
    assert found.files == ()


def test_pipes_sockets_and_folders_do_not_block(home: Home) -> None:
    """A FIFO or a folder under a database's name is a problem; under others it is left out."""
    home.userdata.mkdir()
    os.mkfifo(home.userdata / "pipe")
    os.mkfifo(home.userdata / "pipe.sqlite")
    (home.userdata / "folder.sqlite").mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(home.userdata / "socket"))
        found = discover(str(home.userdata))
    assert found.problems == (
        "folder.sqlite is a folder, not a file",
        "pipe.sqlite is a FIFO, not a file",
    )
    assert [item.name for item in found.skipped] == ["pipe", "socket"]


def test_names_that_look_the_same_are_refused() -> None:
    """Two databases whose names cannot be told apart once written down are no set to decide on."""
    with pytest.raises(DataError, match="look the same"):
        printable(((os.fsdecode(b"a\xff"), ()), ("a\\xff", ())))


@pytest.mark.parametrize("make", ["link", "file"])
def test_userdata_must_be_a_folder(home: Home, tmp_path: Path, make: str) -> None:
    """A link or a file in the place of userdata is an error, not an empty set."""
    if make == "link":
        home.userdata.symlink_to(tmp_path)
    else:
        home.userdata.touch()
    with pytest.raises(DataError, match="not a folder") as caught:
        userdata_of(str(home.base))
    assert caught.value.kind is ErrorKind.SHAPE
