"""Every fault of a fake release shows as its table says, and only so."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from attrs import evolve

from fakes.packages import FakeRelease
from fakes.t3 import populate
from fakes.t3.app.faults import FAULTS
from fakes.t3.app.migrations import NAMES
from fakes.t3.process import QUIET, RunningServe, mint, run_t3
from tests.fakes.conftest import Program, Start

GOOD = FakeRelease("0.0.30", schema=34, native=False, start_time=0.0, listen_window=0.05)
EXCHANGE = "/api/auth/browser-session"

ATTEMPTS = 5


def bad(*faults: str) -> FakeRelease:
    """A release with these faults."""
    return evolve(GOOD, faults=faults)


def exchange(serve: RunningServe, path: str = EXCHANGE) -> tuple[int, str]:
    """Mint and exchange: the status and the cookie."""
    answer = serve.request("POST", path, {"credential": serve.mint()})
    return answer.status, answer.cookie


def authenticated(serve: RunningServe, cookie: str) -> bool:
    """Whether the serve takes a cookie."""
    return bool(serve.request("GET", "/api/auth/session", cookie=cookie).json()["authenticated"])


def count(base: Path, table: str) -> int:
    """How many rows a table has."""
    with closing(sqlite3.connect(base / "userdata" / "state.sqlite")) as connection:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found


def test_unknown_fault_is_refused() -> None:
    """A release cannot be made with a fault that is not in the table."""
    with pytest.raises(ValueError, match="'sleepy' is no fault"):
        bad("sleepy")


def test_every_fault_is_documented() -> None:
    """The table in the README names every fault."""
    text = (Path(__file__).parents[2] / "fakes" / "t3" / "README.md").read_text(encoding="utf-8")
    assert [name for name in FAULTS if f"`{name}`" not in text] == []


class TestProcess:
    def test_exits_silently(self, program: Program, tmp_path: Path) -> None:
        """Every command prints nothing and exits 0."""
        silent = program(bad("exits-silently"))
        for command in (["--version"], ["serve"], ["auth", "pairing", "create"]):
            ran = run_t3(silent, *command, env={"T3CODE_HOME": str(tmp_path / "home")})
            assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
        assert not (tmp_path / "home").exists()

    def test_wrong_version(self, program: Program) -> None:
        """`--version` names another version."""
        assert run_t3(program(bad("wrong-version:9.9.9")), "--version").stdout == "t3 v9.9.9\n"

    def test_never_listens(self, start: Start) -> None:
        """It runs and refuses every connection."""
        serve = start(bad("never-listens"), up=False)
        with pytest.raises(TimeoutError):
            serve.wait_until_up(0.5)
        assert serve.process.poll() is None
        with pytest.raises(ConnectionRefusedError):
            serve.request("GET", "/")

    def test_listens_never_answers(self, start: Start) -> None:
        """It takes connections and never answers."""
        serve = start(bad("listens-never-answers"), up=False)
        with pytest.raises(TimeoutError):
            serve.wait_until_up(0.5)
        with pytest.raises(TimeoutError):
            serve.request("GET", "/", timeout=0.2)

    def test_listens_on_another_port(self, start: Start) -> None:
        """It answers on the next port."""
        for _ in range(ATTEMPTS):
            serve = start(bad("listens-on-another-port"), up=False)
            serve.port += 1
            try:
                serve.wait_until_up()
            except TimeoutError:
                # Only one port was looked for: the next one may be somebody else's.
                assert "EADDRINUSE" in serve.text()
            else:
                return
        pytest.fail("the next port was always taken")

    @pytest.mark.parametrize(
        ("fault", "status", "said"),
        [
            ("dies-after:1", 1, ""),
            ("heap-exhausted:1", -signal.SIGABRT, "JavaScript heap out of memory"),
        ],
    )
    def test_answers_then_dies(self, start: Start, fault: str, status: int, said: str) -> None:
        """It answers, then ends."""
        serve = start(bad(fault))
        assert serve.process.wait(5) == status
        assert said in serve.text()

    def test_works_once(self, start: Start) -> None:
        """The second start on one base directory fails."""
        start(bad("works-once")).stop()
        serve = start(bad("works-once"), up=False)
        assert serve.process.wait(5) == 1

    def test_ignores_sigterm(self, start: Start) -> None:
        """It survives SIGTERM."""
        serve = start(bad("ignores-sigterm"))
        serve.process.terminate()
        time.sleep(0.1)
        assert serve.request("GET", "/").status == 200

    def test_slow_stop(self, start: Start) -> None:
        """It stops cleanly, late."""
        serve = start(bad("slow-stop:0.5"))
        began = time.monotonic()
        assert serve.stop() == 130
        assert time.monotonic() - began >= 0.5

    def test_forks_and_stays(self, start: Start) -> None:
        """A child outside its session outlives it and holds the database."""
        serve = start(bad("forks-and-stays:10"))
        (child,) = psutil.Process(serve.process.pid).children()
        try:
            assert serve.stop() == 130
            assert os.getsid(child.pid) == child.pid
            held = [Path(file.path).name for file in child.open_files()]
            assert held == ["state.sqlite"]
        finally:
            child.kill()

    def test_provider_cli_on_path(self, start: Start, tmp_path: Path) -> None:
        """A provider's CLI on PATH stretches the window or breaks pairing."""
        tools = tmp_path / "tools"
        tools.mkdir()
        (tools / "codex").write_text("#!/bin/sh\n", encoding="utf-8")
        (tools / "codex").chmod(0o755)
        path = {**QUIET, "PATH": str(tools)}
        slow = start(bad("slow-provider-probe:1"), up=False, env=path)
        with pytest.raises(TimeoutError):
            slow.wait_until_up(0.6)
        slow.kill()
        assert exchange(start(bad("breaks-with-provider"), env=path))[0] == 500
        assert exchange(start(bad("breaks-with-provider", "slow-provider-probe:1")))[0] == 200


class TestPairing:
    def test_pairing_moved(self, start: Start) -> None:
        """Known paths answer 404, the exchange is somewhere else."""
        serve = start(bad("pairing-moved"))
        assert exchange(serve)[0] == 404
        assert exchange(serve, "/api/auth/bootstrap")[0] == 404
        assert exchange(serve, "/api/pair/v2")[0] == 200

    def test_mint_fails(self, program: Program, tmp_path: Path) -> None:
        """The mint exits 1, or 0 without a word."""
        assert mint(program(bad("mint-fails")), tmp_path).returncode == 1
        ran = mint(program(bad("mint-prints-nothing")), tmp_path)
        assert (ran.returncode, ran.stdout) == (0, "")

    def test_mint_database_locked(self, program: Program, tmp_path: Path) -> None:
        """The first mints say that the database is locked, the next works."""
        locked = program(bad("mint-database-locked:2"))
        for _ in range(2):
            ran = mint(locked, tmp_path)
            assert (ran.returncode, ran.stdout) == (1, "Error: database is locked\n")
        assert mint(locked, tmp_path).returncode == 0

    def test_cookie_missing(self, start: Start) -> None:
        """200 without Set-Cookie."""
        assert exchange(start(bad("cookie-missing"))) == (200, "")

    def test_cookie_renamed(self, start: Start) -> None:
        """The cookie has another name, which the serve publishes."""
        serve = start(bad("cookie-renamed"))
        _, cookie = exchange(serve)
        assert cookie.startswith("t3_login=")
        assert authenticated(serve, cookie)

    def test_session_never_authenticated(self, start: Start) -> None:
        """200 with a cookie that never authenticates."""
        serve = start(bad("session-never-authenticated"))
        status, cookie = exchange(serve)
        assert status == 200
        assert not authenticated(serve, cookie)

    def test_session_once(self, start: Start) -> None:
        """A cookie authenticates its first request only."""
        serve = start(bad("session-once"))
        _, cookie = exchange(serve)
        assert [authenticated(serve, cookie) for _ in range(2)] == [True, False]

    def test_breaks_with_attachments(self, start: Start, tmp_path: Path) -> None:
        """It pairs until there is an attachment."""
        serve = start(bad("breaks-with-attachments"))
        assert exchange(serve)[0] == 200
        (tmp_path / "base" / "userdata" / "attachments" / "a.png").touch()
        assert exchange(serve)[0] == 500

    def test_prints_tokens(self, start: Start) -> None:
        """Its log holds credential and cookie."""
        serve = start(bad("prints-tokens"))
        credential = serve.mint()
        cookie = serve.request("POST", EXCHANGE, {"credential": credential}).cookie
        assert serve.text().count(credential) == 8
        assert serve.text().count(cookie.partition("=")[2]) == 3


class TestState:
    @pytest.fixture
    def base(self, tmp_path: Path) -> Path:
        """A populated base directory at level 32."""
        return populate(tmp_path / "base", 32, legacy_rows=2, threads=4, messages=5).base_dir

    def test_migration_fails(self, start: Start, base: Path) -> None:
        """It exits 1 in the middle: what ran stays."""
        serve = start(bad("migration-fails"), up=False)
        assert serve.process.wait(5) == 1
        assert 'Migration "34_ProjectionThreadsSnoozed" failed' in serve.text()
        assert count(base, "effect_sql_migrations") == 33

    def test_legacy_rows(self, start: Start, base: Path) -> None:
        """It migrates, answers `/`, logs a decode error and pairs nobody; a good one pairs."""
        serve = start(bad("migration-fails-on-legacy-rows"))
        assert "PersistenceDecodeError" in serve.text()
        assert count(base, "effect_sql_migrations") == 34
        assert exchange(serve)[0] == 500
        serve.stop()
        assert exchange(start(GOOD))[0] == 200

    def test_legacy_rows_absent(self, start: Start) -> None:
        """Without such rows the same release is fine."""
        assert exchange(start(bad("migration-fails-on-legacy-rows")))[0] == 200

    @pytest.mark.parametrize(
        ("fault", "table"),
        [
            ("migration-loses-events", "orchestration_events"),
            ("migration-loses-threads", "projection_threads"),
            ("migration-cleans-approvals", "projection_pending_approvals"),
        ],
    )
    def test_rows_go(self, program: Program, base: Path, fault: str, table: str) -> None:
        """Migrating drops rows of this one table, once."""
        others = ["orchestration_events", "projection_threads", "projection_pending_approvals"]
        before = {name: count(base, name) for name in others}
        assert mint(program(bad(fault)), base).returncode == 0
        after = {name: count(base, name) for name in others}
        assert {name for name in others if after[name] < before[name]} == {table}
        mint(program(bad(fault)), base)
        assert {name: count(base, name) for name in others} == after

    def test_wrong_names(self, program: Program, base: Path, tmp_path: Path) -> None:
        """New migrations get other names on a populated database, true ones on an empty one."""
        release = program(bad("migration-wrong-names"))
        mint(release, base)
        mint(release, tmp_path / "empty")
        sql = "SELECT name FROM effect_sql_migrations WHERE migration_id = 34"
        found = []
        for each in (base, tmp_path / "empty"):
            with closing(sqlite3.connect(each / "userdata" / "state.sqlite")) as connection:
                found.append(connection.execute(sql).fetchone()[0])
        assert found == [f"{NAMES[33]}Reworked", NAMES[33]]

    def test_corrupts_database(self, start: Start, base: Path) -> None:
        """It pairs, and the database fails quick_check."""
        serve = start(bad("corrupts-database"))
        assert exchange(serve)[0] == 200
        path = base / "userdata" / "state.sqlite"
        malformed = pytest.raises(sqlite3.DatabaseError, match="malformed")
        with closing(sqlite3.connect(path)) as connection, malformed:
            connection.execute("PRAGMA quick_check").fetchall()

    def test_logs_persistence_errors(self, start: Start) -> None:
        """It pairs and complains."""
        serve = start(bad("logs-persistence-errors:0.05"))
        assert exchange(serve)[0] == 200
        assert "PersistenceSqlError" in serve.text()

    def test_start_that_grows(self, start: Start, tmp_path: Path) -> None:
        """A start takes time and memory by the size of the database."""
        populate(tmp_path / "base", 34, size_bytes=4_000_000)
        serve = start(bad("start-grows:0.2", "memory-grows:20"), up=False)
        began = time.monotonic()
        serve.wait_until_up()
        assert time.monotonic() - began > 0.7
        assert psutil.Process(serve.process.pid).memory_info().rss > 80 * 1024**2

    def test_second_database(self, start: Start, base: Path) -> None:
        """A release with a second file copies the first into it once; they never meet again."""
        serve = start(evolve(GOOD, schema=60, orchestration=2))
        assert exchange(serve)[0] == 200
        assert count(base, "effect_sql_migrations") == 32
        with closing(sqlite3.connect(base / "userdata" / "statev2.sqlite")) as connection:
            assert connection.execute("SELECT count(*) FROM projection_threads").fetchone() == (4,)


def test_populate_size(tmp_path: Path) -> None:
    """A state set can be made as large as asked, and never over another one."""
    made = populate(tmp_path, 30, size_bytes=3_000_000)
    assert 3_000_000 <= made.database.stat().st_size < 4_000_000
    with pytest.raises(FileExistsError):
        populate(tmp_path, 30)
