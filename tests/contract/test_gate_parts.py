"""The parts of the gate, each on its own."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from t3safe.adapters._support.http_client import Address
from t3safe.adapters.gate import copied
from t3safe.adapters.gate import scratch as layout
from t3safe.adapters.gate.messages import (
    UnreadableAnswerError,
    loads_answer,
)
from t3safe.adapters.gate.programs import run
from t3safe.adapters.gate.scratch import Scratch, environment
from t3safe.adapters.gate.serve import TAIL_MAX, Secrets, ServeLog, await_answer
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.t3.commands import NO_TELEMETRY
from t3safe.t3.files import USERDATA, V1_DATABASE
from t3safe.t3.generations import EVENT_LOG, V1
from t3safe.t3.ledger import LEDGER_TABLE

# --- the log -------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> ServeLog:
    """An empty log."""
    (tmp_path / "serve.log").touch()
    return ServeLog(tmp_path / "serve.log", Secrets())


def test_trouble_is_found_as_the_log_grows(log: ServeLog) -> None:
    """A line that is said in pieces is judged once, and whole."""
    with log.path.open("a") as file:
        file.write("all is well\nFATAL ERROR: heap out ")
        file.flush()
        assert log.errors() == ()
        file.write("of memory\nSQLITE_CORRUPT")
        file.flush()
        expected = ("FATAL ERROR: heap out of memory", "SQLITE_CORRUPT")
        assert log.errors() == expected
        assert log.errors() == expected


def test_tail_begins_with_a_whole_line(log: ServeLog) -> None:
    """Half a secret at the cut would not be recognised: its line is left out."""
    log.path.write_text("credential: " + "x" * TAIL_MAX + "\nlast line\n")
    assert log.tail() == "last line\n"


def test_secret_of_the_banner_is_hidden_everywhere(log: ServeLog) -> None:
    """A token that was shown under its label long ago is taken out wherever it comes again."""
    log.path.write_text("Token: ABCD-EFGH\n" + "-\n" * TAIL_MAX + "saw ABCD-EFGH again\n")
    assert "ABCD-EFGH" not in log.tail()
    assert log.tail().endswith("saw [redacted] again\n")


def test_seen_secrets_are_hidden_in_every_form() -> None:
    """A secret is hidden as it is and as it stands in an address; a short word stays."""
    secrets = Secrets()
    secrets.add("a/b+c=d")
    secrets.add("the")
    assert secrets.clean("the a/b+c=d and a%2Fb%2Bc%3Dd") == "the [redacted] and [redacted]"


def test_last_words_are_those_that_tell_why(log: ServeLog) -> None:
    """Of a start's own lines the first that speaks of an error is shown, else the last one."""
    log.path.write_text("Error: of an earlier start\n")
    start = log.path.stat().st_size
    with log.path.open("a") as file:
        file.write("hello\nError: port taken\n    at line 1\n")
    assert log.last_words(start) == "Error: port taken"
    assert log.last_words(log.path.stat().st_size) == ""


# --- the sets ------------------------------------------------------------------------------------


def write_set(userdata: Path, *events: int, name: str = V1_DATABASE) -> sqlite3.Connection:
    """Make a database with a ledger and an event log."""
    userdata.mkdir(exist_ok=True)
    connection = sqlite3.connect(userdata / name, isolation_level=None)
    connection.execute(f"CREATE TABLE {LEDGER_TABLE} (migration_id INTEGER, name)")
    connection.execute(f"INSERT INTO {LEDGER_TABLE} VALUES (1, 'First')")
    connection.execute(f"CREATE TABLE {EVENT_LOG} (sequence INTEGER PRIMARY KEY, event_id)")
    rows = [(number, f"event-{number}") for number in events]
    connection.executemany(f"INSERT INTO {EVENT_LOG} VALUES (?, ?)", rows)
    return connection


def test_databases_are_known_by_their_header(tmp_path: Path) -> None:
    """A database is found by what it is; logs and attachments are left out."""
    write_set(tmp_path, 1, name="odd-name").close()
    for folder in ("logs", "attachments", "deeper"):
        write_set(tmp_path / folder, 1, name="inner.sqlite").close()
    (tmp_path / "empty.sqlite").touch()
    assert copied.databases(tmp_path) == ("deeper/inner.sqlite", "odd-name")
    (tmp_path / "link.sqlite").symlink_to(tmp_path / "odd-name")
    with pytest.raises(copied.UnreadableSetError, match=r"link\.sqlite is a link"):
        copied.databases(tmp_path)
    assert copied.databases(tmp_path / "not there") == ()


STATE: Final = {V1_DATABASE: V1_DATABASE}


def lost(folder: Path) -> tuple[str, ...]:
    """Say which rows of V1's log are gone, of those that were kept in this folder."""
    return copied.rows_lost(folder / USERDATA, folder / "kept", V1, STATE)


def gone(rows: int) -> tuple[str, ...]:
    """Give the line about so many events."""
    return (f"{rows} rows of orchestration_events are gone (state.sqlite)",)


def test_lost_events_are_counted_by_their_keys(tmp_path: Path) -> None:
    """A row that is gone is lost, also where as many new ones came."""
    copy = write_set(tmp_path / USERDATA, 1, 2, 3, 4)
    copied.keep_rows(tmp_path / USERDATA, tmp_path / "kept")
    copy.execute(f"DELETE FROM {EVENT_LOG} WHERE sequence IN (2, 3)")
    copy.execute(f"INSERT INTO {EVENT_LOG} VALUES (2, 'another'), (9, 'event-9')")
    assert lost(tmp_path) == gone(2)
    copy.execute(f"DROP TABLE {EVENT_LOG}")
    assert lost(tmp_path) == gone(4)
    copy.close()
    (tmp_path / USERDATA / V1_DATABASE).unlink()
    assert lost(tmp_path) == gone(4)


def test_an_event_without_an_id_is_not_lost_as_long_as_it_is_there(tmp_path: Path) -> None:
    """NULL names an event as well as another value: a copy has lost nothing of itself."""
    copy = write_set(tmp_path / USERDATA, 1, 2)
    copy.execute(f"UPDATE {EVENT_LOG} SET event_id = NULL")
    copied.keep_rows(tmp_path / USERDATA, tmp_path / "kept")
    assert lost(tmp_path) == ()
    copy.execute(f"DELETE FROM {EVENT_LOG} WHERE sequence = 1")
    assert lost(tmp_path) == gone(1)
    copy.close()


def test_damage_names_the_file(tmp_path: Path) -> None:
    """What SQLite refuses after a build has run is a finding, and the other file is still read."""
    write_set(tmp_path, 1).close()
    (tmp_path / "broken.sqlite").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    ledger, (damage,) = copied.ledger_facts(tmp_path)
    assert ledger == SetLedger.of({V1_DATABASE: Ledger.of([(1, "First")])})
    assert damage.startswith("broken.sqlite: ")
    with pytest.raises(copied.UnreadableSetError, match="broken"):
        copied.rows(tmp_path)


def test_ledger_in_another_form_is_damage(tmp_path: Path) -> None:
    """A ledger that cannot be understood is a finding, never an empty ledger."""
    connection = write_set(tmp_path)
    connection.execute(f"INSERT INTO {LEDGER_TABLE} VALUES (NULL, 'Nameless')")
    connection.close()
    assert "has a ledger with the row" in copied.ledger_facts(tmp_path)[1][0]


def test_rows_are_counted_but_for_ledgers_and_indexes(tmp_path: Path) -> None:
    """A build may tidy full-text search up: what shrinks then is no table of the person's.

    The ledger is compared pair by pair.
    """
    copy = write_set(tmp_path, 1)
    copy.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
    for number in range(200):
        copy.execute("INSERT INTO words VALUES (?)", (f"word{number}",))
    pieces = "SELECT count(*) FROM words_data"
    before, (many,) = copied.rows(tmp_path), copy.execute(pieces).fetchone()
    copy.execute("INSERT INTO words (words) VALUES ('optimize')")
    (few,) = copy.execute(pieces).fetchone()
    assert few < many
    assert copied.rows(tmp_path) == before
    assert before.items() >= {
        (f"{V1_DATABASE}:{EVENT_LOG}", 1),
        (f"{V1_DATABASE}:words_content", 200),
    }
    assert f"{V1_DATABASE}:{LEDGER_TABLE}" not in before
    copy.close()


# --- asking --------------------------------------------------------------------------------------


@contextmanager
def serving(answers: Callable[[str], bytes | None]) -> Iterator[Address]:
    """A server that answers a request's first line with bytes, or never."""
    parked: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    guest, _ = door.accept()
                except OSError:
                    return
                answer = answers(guest.recv(65536).decode().partition(" HTTP")[0])
                if answer is None:
                    parked.append(guest)
                    continue
                guest.sendall(answer)
                guest.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Address.bound("0.0.0.0", door.getsockname()[1])
        door.shutdown(socket.SHUT_RDWR)
    thread.join()
    for guest in parked:
        guest.close()


REPLY: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_request_in_the_listen_window_is_not_waited_for() -> None:
    """A request that is never answered is given up, and the next connection finds the serve."""
    asked: list[str] = []

    def answers(line: str) -> bytes | None:
        asked.append(line)
        return None if len(asked) < 3 else REPLY

    with serving(answers) as site:
        answered, seconds = await_answer(site, lambda: False, 10.0, time.monotonic())
    assert answered
    assert len(asked) >= 3
    assert seconds < 2.0


def test_serve_that_takes_its_time_for_each_answer_is_found() -> None:
    """On a slow machine nobody is asked anew so often that the first answer is never heard."""

    def answers(_: str) -> bytes | None:
        time.sleep(0.4)
        return REPLY

    with serving(answers) as site:
        answered, seconds = await_answer(site, lambda: False, 10.0, time.monotonic())
    assert answered
    assert seconds < 5.0


def test_waiting_ends_at_the_deadline_or_with_the_serve() -> None:
    """A silent serve is waited for until the deadline, one that ended not a moment longer."""
    with serving(lambda _: None) as site:
        answered, seconds = await_answer(site, lambda: False, 0.3, time.monotonic())
        assert not answered
        assert 0.3 <= seconds < 1.5
        assert await_answer(site, lambda: True, 60.0, time.monotonic())[0] is False


# --- scratch and processes ------------------------------------------------------------------------


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    """A laid-out sandbox."""
    made = Scratch(tmp_path / "sandbox")
    made.folder.mkdir()
    layout.lay_out(made, sys.executable)
    return made


def test_build_finds_nothing_of_ours(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command finds home, folders and PATH of the sandbox, and no variable of ours."""
    monkeypatch.setenv("OUR_SECRET", "42")
    ended = run(scratch, ["/usr/bin/env"], 10.0)
    found = dict(line.partition("=")[::2] for line in ended.output.splitlines())
    assert found == environment(scratch)
    assert "OUR_SECRET" not in found
    assert found.items() >= NO_TELEMETRY.items()
    assert found["HOME"].startswith(str(scratch.folder))
    # t3 asks the login shell for the PATH.
    ended = run(scratch, ["/bin/sh", "-lc", 'echo "$PATH"'], 10.0)
    assert ended.output.strip() == found["PATH"]


def test_providers_beside_the_systems_tools_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where npm has put a provider's CLI beside the system's tools, only the tools are reached."""
    system = tmp_path / "usr" / "bin"
    system.mkdir(parents=True)
    for name in ("claude", "ls"):
        (system / name).symlink_to("/bin/true")
    monkeypatch.setattr(layout, "SYSTEM", (system,))
    scratch = Scratch(tmp_path / "sandbox")
    scratch.folder.mkdir()
    layout.lay_out(scratch, sys.executable)
    folders = environment(scratch)["PATH"].split(":")
    assert str(system) not in folders
    assert {name for folder in folders for name in os.listdir(folder)} >= {"node", "ls"}
    assert not any("claude" in os.listdir(folder) for folder in folders)


def test_command_that_takes_too_long_is_ended_with_its_children(scratch: Scratch) -> None:
    """A command beyond its limit is killed, what it printed until then is kept."""
    begun = time.monotonic()
    ended = run(scratch, ["/bin/sh", "-c", "echo begun; sleep 60 & sleep 60"], 0.3)
    assert ended.status is None
    assert ended.output == "begun\n"
    assert time.monotonic() - begun < 10


def test_child_that_stays_holds_nobody_up(scratch: Scratch) -> None:
    """A command has ended when it has, whatever it left in the background."""
    ended = run(scratch, ["/bin/sh", "-c", "sleep 0.5 & exit 7"], 10.0)
    assert ended.status == 7


# --- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [b"", b"{}", b"[]", b"null", b"\xff", b'{"report": {}}', b'{"other": 1}', b"[" * 100000],
)
def test_anything_else_is_no_answer(said: bytes) -> None:
    """What does not have the form of an answer is refused, whatever it provokes."""
    with pytest.raises(UnreadableAnswerError):
        loads_answer(said)
