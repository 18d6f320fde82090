"""Whether a process has a set open, by each of the three looks alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from t3safe.adapters._support.personaldata.disk import Tools
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind
from t3safe.adapters.personaldata.worker import holders
from t3safe.adapters.personaldata.worker.holders import outsider, refuse_held
from t3safe.t3.files import RUNTIME
from tests.support.personaldata import make_database, serving
from tests.unit.adapters.personaldata.conftest import Home


def look(home: Home, proc: str = "/proc", grace: float = 0.0) -> str:
    """Say who holds the data, empty when no process does."""
    try:
        refuse_held(str(home.userdata), home.found.databases, Tools(proc=proc, grace=grace))
    except DataError as error:
        return f"{error}" if error.kind is ErrorKind.HELD else f"not held: {error}"
    return ""


def test_idle_connection_holds_the_data(home: Home) -> None:
    """A serve that does nothing at all holds its database; an ended one, or we, do not."""
    make_database(home.database)
    with serving(home.database) as serve:
        assert f"process {serve.process.pid} " in look(home)
        serve.stop()
        with home.database.open("rb"):
            assert look(home) == ""


def test_holder_is_seen_by_its_lock_alone(home: Home, tmp_path: Path) -> None:
    """A process whose descriptors cannot be listed shows by its lock."""
    make_database(home.database)
    (tmp_path / "proc").mkdir()
    with serving(home.database) as serve:
        said = look(home, proc=str(tmp_path / "proc"))
        assert said == f"process {serve.process.pid} has a lock on state.sqlite"
        serve.kill()
        assert look(home, proc=str(tmp_path / "proc")) == ""


def test_database_that_lost_its_name_is_still_held(home: Home) -> None:
    """Who writes into a file that was replaced loses what they write: they hold the set."""
    make_database(home.database)
    with serving(home.database) as serve:
        home.database.unlink()
        make_database(home.database)
        assert f"process {serve.process.pid} " in look(home)


def test_plain_descriptor_without_a_lock_holds_the_set(home: Home) -> None:
    """A process that has a log open by other means than SQLite is met by its descriptor."""
    make_database(home.database)
    with home.database.open("rb") as file:
        sleeper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE, stdout=file
        )
    try:
        assert f"process {sleeper.pid} " in look(home)
    finally:
        sleeper.communicate()


@pytest.mark.parametrize(
    ("age", "held"), [(timedelta(0), True), (timedelta(hours=-1), False)], ids=["own", "reused"]
)
def test_serve_of_the_runtime_file_counts_unless_its_pid_is_another_process(
    home: Home, age: timedelta, held: bool
) -> None:
    """A pid of the file is the serve's unless that process began long after the file's start."""
    make_database(home.database)
    sleeper = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    started = datetime.now(UTC) + age
    said = {"pid": sleeper.pid, "startedAt": started.isoformat()}
    (home.userdata / RUNTIME).write_text(json.dumps(said))
    try:
        expected = f"the serve is up (process {sleeper.pid})" if held else ""
        assert look(home) == expected
    finally:
        sleeper.communicate()
    assert look(home) == ""


def test_garbage_runtime_file_names_no_serve(home: Home) -> None:
    """A runtime file that cannot be understood leaves it to the other two looks."""
    make_database(home.database)
    for text in ("", "[]", '{"pid": -1}', '{"pid": "1"}', '{"pid": true}'):
        (home.userdata / RUNTIME).write_text(text)
        assert look(home) == ""


def test_process_that_is_just_ending_gets_its_time(home: Home) -> None:
    """A holder that lets go within the grace is no reason to refuse."""
    make_database(home.database)
    script = "import sys, time; time.sleep(0.2)"
    with home.database.open("rb") as file:
        ending = subprocess.Popen([sys.executable, "-I", "-S", "-c", script], stdout=file)
    try:
        assert look(home, grace=10.0) == ""
    finally:
        ending.wait()


def beside(home: Home, *own: int, proc: str = "/proc", sign_in: float = 0.0) -> str:
    """Say who has the set open beside these processes, empty when nobody has."""
    tools = Tools(proc=proc, sign_in=sign_in)
    return outsider(str(home.userdata), home.found.databases, own, tools)


def test_beside_the_serve_another_process_is_named(home: Home) -> None:
    """The serve's own connection does not hide it, and is not taken for it."""
    make_database(home.database)
    with serving(home.database) as serve, serving(home.database) as other:
        own, pid = serve.process.pid, other.process.pid
        assert beside(home, own).startswith(f"process {pid} (")
        assert beside(home, own).endswith(f"has {home.database} open")
        assert beside(home, own, pid) == ""
        other.stop()
        assert beside(home, own) == ""


def test_beside_the_serve_a_lock_alone_tells_of_a_process(home: Home, tmp_path: Path) -> None:
    """The kernel's list of locks names also a process that nobody may look into."""
    make_database(home.database)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "locks").symlink_to("/proc/locks")
    with serving(home.database) as serve, serving(home.database) as other:
        own, pid = serve.process.pid, other.process.pid
        said = beside(home, own, proc=str(tmp_path / "proc"))
        assert said == f"process {pid} has state.sqlite open"
        (tmp_path / "proc" / "locks").unlink()
        assert beside(home, own, proc=str(tmp_path / "proc")) == ""


def test_who_has_the_set_open_for_a_sign_in_only_is_not_named(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sign-in after another is no holder: each of them ends."""
    make_database(home.database)
    with ExitStack() as serves:
        first = serves.enter_context(serving(home.database))

        def meanwhile(_: float) -> None:
            serves.enter_context(serving(home.database))
            first.stop()

        ticking = SimpleNamespace(sleep=meanwhile, monotonic=time.monotonic)
        monkeypatch.setattr(holders, "time", ticking)
        assert beside(home, sign_in=600.0) == ""
