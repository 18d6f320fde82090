"""The fake t3 does what the real one was measured to do."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from fakes.packages import FakeRelease, release_like
from fakes.t3 import populate
from fakes.t3.app.migrations import LEDGER, NAMES, STATEMENTS
from fakes.t3.process import RunningServe, mint, run_t3
from tests.fakes.conftest import Program, Start

FAST = {"native": False, "start_time": 0.0, "listen_window": 0.05}
OLD = release_like("0.0.24", **FAST)
NEW = release_like("0.0.25-nightly.20260608.497", **FAST)
LATER = release_like("0.0.29-nightly.20260721.864", **FAST)
STABLE = release_like("0.0.33", **FAST)
BOOTSTRAP, BROWSER_SESSION = "/api/auth/bootstrap", "/api/auth/browser-session"
DATA = Path(__file__).parent / "data"


def rows(base: Path, sql: str) -> list[tuple[object, ...]]:
    """Every row of a query on a base directory's database."""
    with closing(sqlite3.connect(base / "userdata" / "state.sqlite")) as connection:
        return connection.execute(sql).fetchall()


def ledger(base: Path) -> list[tuple[object, ...]]:
    """The (id, name) pairs of the ledger."""
    return rows(base, "SELECT migration_id, name FROM effect_sql_migrations ORDER BY 1")


def pair(serve: RunningServe, path: str = BROWSER_SESSION) -> str:
    """Mint and exchange; the cookie as `name=value`."""
    answer = serve.request("POST", path, {"credential": serve.mint()})
    assert answer.status == 200
    return answer.cookie


def authenticated(serve: RunningServe, cookie: str) -> bool:
    """Whether the serve takes a cookie."""
    answer = serve.request("GET", "/api/auth/session", cookie=cookie)
    assert answer.status == 200
    return bool(answer.json()["authenticated"])


def digest(text: str) -> str:
    """What a cookie's name holds of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class TestCommandLine:
    def test_version(self, program: Program, tmp_path: Path) -> None:
        """`--version` prints `t3 v<VERSION>` and touches no base directory."""
        ran = run_t3(program(OLD), "--version", env={"T3CODE_HOME": str(tmp_path / "home")})
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "t3 v0.0.24\n", "")
        assert not (tmp_path / "home").exists()

    @pytest.mark.parametrize(("release", "grant"), [(OLD, "role"), (NEW, "scopes")])
    def test_mint_prints_json_and_an_empty_line(
        self, program: Program, tmp_path: Path, release: FakeRelease, grant: str
    ) -> None:
        """A credential is pretty JSON and an empty line: `role` up to 30, `scopes` from 31."""
        ran = mint(program(release), tmp_path)
        assert ran.returncode == 0
        assert ran.stdout.startswith('{\n  "id": ')
        assert ran.stdout.endswith("}\n\n")
        assert list(json.loads(ran.stdout)) == ["id", "credential", grant, "expiresAt"]

    @pytest.mark.parametrize("command", [("auth", "session", "list"), ("project", "add", "x")])
    def test_every_command_migrates(
        self, program: Program, tmp_path: Path, command: tuple[str, ...]
    ) -> None:
        """Every `auth` and `project` command opens the database and migrates it, silently."""
        populate(tmp_path, 30)
        ran = run_t3(program(NEW), *command, "--base-dir", str(tmp_path))
        assert "igration" not in ran.stdout
        assert ledger(tmp_path)[-1] == (32, "AuthPairingProofKeyThumbprint")

    def test_unknown_word_starts_a_server(self, program: Program, tmp_path: Path) -> None:
        """`t3 version` starts a server on the default directory."""
        home = tmp_path / "home"
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            ran = run_t3(
                program(NEW), "version", env={"T3CODE_HOME": str(home), "T3CODE_PORT": port}
            )
        assert ran.returncode == 1
        assert f"EADDRINUSE: address already in use 127.0.0.1:{port}" in ran.stdout


class TestSchema:
    @pytest.mark.parametrize("level", [30, 32])
    def test_tables_are_the_real_ones(self, level: int) -> None:
        """At 30 and 32 the schema is, to the letter, that of real databases."""
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute(LEDGER)
            for number in range(1, level + 1):
                for statement in STATEMENTS[number]:
                    connection.execute(statement)
            found = connection.execute(
                "SELECT sql FROM sqlite_master WHERE sql NOT NULL AND name NOT LIKE 'sqlite_%'"
                " ORDER BY name"
            ).fetchall()
        expected = (DATA / f"schema{level}.sql").read_text(encoding="utf-8")
        assert ";\n".join(sql for (sql,) in found) + ";\n" == expected

    def test_ledger(self, program: Program, tmp_path: Path) -> None:
        """The ledger holds the real names 1 to 40 and user_version stays 0."""
        mint(program(STABLE), tmp_path)
        assert ledger(tmp_path) == list(enumerate(NAMES[:40], start=1))
        assert rows(tmp_path, "PRAGMA user_version") == [(0,)]

    def test_migration_31_signs_everybody_out(self, program: Program, tmp_path: Path) -> None:
        """Migration 31 drops sign-ins; every other table keeps its rows."""
        before = dict(populate(tmp_path, 30, sessions=3).rows)
        mint(program(NEW), tmp_path)
        assert rows(tmp_path, "SELECT count(*) FROM auth_sessions") == [(0,)]
        for table in set(before) - {"auth_sessions", "auth_pairing_links", "effect_sql_migrations"}:
            assert rows(tmp_path, f"SELECT count(*) FROM {table}") == [(before[table],)]


class TestServe:
    def test_log_of_a_good_start(self, start: Start) -> None:
        """The log has the measured lines in the measured order, secrets among them."""
        text = start(NEW).text()
        words = [
            "Running all migrations...",
            "Migrations ran successfully { migrations: [ '1_OrchestrationEvents',",
            "Listening on http://",
            "T3 Code server is ready.",
            "Connection string: http://",
            "Token: ",
            "Pairing URL: http",
        ]
        places = [text.index(word) for word in words]
        assert places == sorted(places)

    @pytest.mark.parametrize(("release", "said"), [(NEW, True), (LATER, False)])
    def test_nothing_to_migrate(self, start: Start, release: FakeRelease, said: bool) -> None:
        """With nothing to migrate the list is empty; from run 864 on neither line is there."""
        start(release).stop()
        serve = start(release, log=None)
        last = serve.text().rpartition("T3 Code server is ready.")[0].rpartition("Pairing URL")[2]
        assert ("migrations: []" in last) is said
        assert ("Running all migrations" in last) is said

    def test_state_on_disk(self, start: Start) -> None:
        """Beside the database are the files that a server needs, secrets for the owner only."""
        serve = start(NEW)
        userdata = serve.base_dir / "userdata"
        key = userdata / "secrets" / "server-signing-key.bin"
        assert key.stat().st_mode & 0o777 == 0o600
        assert key.parent.stat().st_mode & 0o777 == 0o700
        assert len(key.read_bytes()) == 32
        for name in ("environment-id", "anonymous-id", "keybindings.json", "logs", "attachments"):
            assert (userdata / name).exists()
        runtime = json.loads((userdata / "server-runtime.json").read_text(encoding="utf-8"))
        assert runtime["pid"] == serve.process.pid
        assert (runtime["host"], runtime["port"]) == ("127.0.0.1", serve.port)
        assert rows(serve.base_dir, "PRAGMA journal_mode") == [("wal",)]

    def test_listen_window(self, start: Start) -> None:
        """A request in the listen window is never answered; a later one is."""
        serve = start(evolve(NEW, listen_window=0.8), up=False)
        connection = _connect(serve.port)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        serve.wait_until_up()
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.close()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_clean_stop(self, start: Start, number: int) -> None:
        """SIGTERM and SIGINT end it with 130, log checkpointed and removed."""
        serve = start(NEW)
        assert serve.stop(number) == 130
        names = {path.name for path in (serve.base_dir / "userdata").iterdir()}
        assert "state.sqlite" in names
        assert not names & {"state.sqlite-wal", "state.sqlite-shm", "server-runtime.json"}

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
    def test_killed(self, start: Start, number: int) -> None:
        """SIGKILL and SIGHUP leave the log; on a young database everything may be in it."""
        serve = start(NEW)
        assert serve.stop(number) == -number
        userdata = serve.base_dir / "userdata"
        assert (userdata / "state.sqlite").stat().st_size == 4096
        assert (userdata / "state.sqlite-wal").stat().st_size > 100_000
        assert (userdata / "server-runtime.json").exists()


class TestPairing:
    @pytest.mark.parametrize(
        ("release", "good", "bad"),
        [(OLD, BOOTSTRAP, BROWSER_SESSION), (NEW, BROWSER_SESSION, BOOTSTRAP)],
    )
    def test_path_by_version(self, start: Start, release: FakeRelease, good: str, bad: str) -> None:
        """The exchange is at one path, the other answers 404, empty; a credential works once."""
        serve = start(release)
        credential = {"credential": serve.mint()}
        wrong = serve.request("POST", bad, credential)
        assert (wrong.status, wrong.body) == (404, b"")
        first = serve.request("POST", good, credential)
        assert first.status == 200
        assert first.cookie.startswith("t3_session=")
        _, path, expires, only, same = first.set_cookie.split("; ")
        assert (path, only, same) == ("Path=/", "HttpOnly", "SameSite=Lax")
        assert expires.startswith("Expires=")
        assert authenticated(serve, first.cookie)
        assert authenticated(serve, first.cookie)
        assert not authenticated(serve, "t3_session=made.up")
        spent = serve.request("POST", good, credential)
        assert (spent.status, spent.cookie) == (401, "")
        if release is OLD:
            assert spent.body == b'{"error":"Invalid bootstrap credential."}'
        else:
            assert spent.body.startswith(
                b'{"_tag":"EnvironmentAuthInvalidError","code":"auth_invalid",'
                b'"reason":"invalid_credential"'
            )

    @pytest.mark.parametrize(
        ("cookie", "host", "pattern", "policy"),
        [
            ("plain", "127.0.0.1", "t3_session", "loopback-browser"),
            ("plain", "0.0.0.0", "t3_session", "remote-reachable"),
            ("loopback", "127.0.0.1", "t3_session_{port}_{folder}", "loopback-browser"),
            ("loopback", "0.0.0.0", "t3_session", "remote-reachable"),
            ("environment", "127.0.0.1", "t3_session_{port}_{folder}", "loopback-browser"),
            ("environment", "0.0.0.0", "t3_session_{hex}", "remote-reachable"),
            ("everywhere", "127.0.0.1", "t3_session_{hex}", "loopback-browser"),
            ("everywhere", "0.0.0.0", "t3_session_{hex}", "remote-reachable"),
        ],
    )
    def test_cookie_by_version_and_bind(
        self, start: Start, cookie: str, host: str, pattern: str, policy: str
    ) -> None:
        """The cookie's name follows version and bind, and the server publishes it."""
        release = evolve(STABLE, cookie=cookie)
        serve = start(release, host=host)
        environment = (serve.base_dir / "userdata" / "environment-id").read_text(encoding="utf-8")
        folder = str((serve.base_dir / "userdata").absolute())
        name = pattern.format(port=serve.port, hex=digest(environment), folder=digest(folder))
        found = serve.request("GET", "/api/auth/session").json()
        assert found["authenticated"] is False
        assert found["auth"]["sessionCookieName"] == name
        assert found["auth"]["policy"] == policy
        assert pair(serve).startswith(f"{name}=")

    def test_sessions_survive_a_restart_with_their_key_only(self, start: Start) -> None:
        """A session outlives a restart; without the signing key every session is void."""
        serve = start(NEW)
        cookie = pair(serve)
        serve.stop()
        again = start(NEW)
        assert authenticated(again, cookie)
        again.stop()
        (again.base_dir / "userdata" / "secrets" / "server-signing-key.bin").unlink()
        assert not authenticated(start(NEW), cookie)

    def test_old_build_on_a_newer_database(self, start: Start, tmp_path: Path) -> None:
        """It looks healthy without its banner, answers the exchange 500, and cannot mint."""
        populate(tmp_path / "base", 32)
        serve = start(OLD)
        assert serve.request("GET", "/").status == 200
        assert "ERROR" not in serve.text()
        assert "T3 Code server is ready." not in serve.text()
        answer = serve.request("POST", BOOTSTRAP, {"credential": "x"})
        assert answer.status == 500
        assert answer.body == b'{"error":"Failed to validate bootstrap credential."}'
        ran = mint(serve.program, serve.base_dir)
        assert ran.returncode == 1
        assert "table auth_pairing_links has no column named role" in ran.stdout

    def test_mint_of_a_newer_build_under_a_running_serve(
        self, start: Start, program: Program
    ) -> None:
        """The ledger is at 32 at once, sessions are gone, and that serve pairs nobody."""
        serve = start(OLD)
        cookie = pair(serve, BOOTSTRAP)
        credential = serve.mint(program(NEW))
        assert len(ledger(serve.base_dir)) == 32
        assert not authenticated(serve, cookie)
        answer = serve.request("POST", BOOTSTRAP, {"credential": credential})
        assert answer.status == 500


class TestWork:
    def test_marks_of_a_turn(self, start: Start) -> None:
        """Pending first, then running with an active turn; a finish clears, a stop does not."""
        serve = start(NEW)
        cookie = pair(serve)
        session = "SELECT status, active_turn_id IS NOT NULL FROM projection_thread_sessions"
        turns = "SELECT state FROM projection_turns ORDER BY row_id"

        def act(action: str) -> None:
            content = {"action": action, "thread": "t", "pending": 0}
            assert serve.request("POST", "/api/fake/turn", content, cookie=cookie).status == 200

        act("pending")
        assert rows(serve.base_dir, turns) == [("pending",)]
        assert rows(serve.base_dir, session) == [("ready", 0)]
        act("finish")
        act("start")
        assert rows(serve.base_dir, turns) == [("completed",), ("running",)]
        assert rows(serve.base_dir, session) == [("running", 1)]
        serve.stop()
        assert rows(serve.base_dir, session) == [("running", 1)]


def _connect(port: int) -> socket.socket:
    deadline = time.monotonic() + 5
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=2)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
