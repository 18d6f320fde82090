"""The fake t3 of V2 serves, signs in and compacts as was read off public source."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest
from attrs import evolve

from fakes.t3 import populate
from fakes.t3.process import run_t3
from fakes.t3.v2states import (
    populate_v2,
)
from tests.fakes.conftest import Program, Start
from tests.fakes.v2 import (
    EXCHANGE,
    HYDRATED,
    NEW,
    bad,
    count,
    last_sequences,
    pair,
    rows,
    wait_for,
    wait_for_text,
)

COMPACTED = ("orchestration_events", "orchestration_command_receipts")
KEPT = (
    *("projection_threads", "projection_thread_messages", "projection_projects"),
    *("orchestration_v2_projection_threads", "orchestration_v2_projection_messages"),
)


class TestCompaction:
    def test_a_later_start_compacts(self, start: Start, tmp_path: Path) -> None:
        """Superseded events and legacy receipts go; threads, messages and their events stay."""
        base = populate_v2(tmp_path / "base", threads=2, messages=4).base_dir
        created = "SELECT count(*) FROM orchestration_events WHERE event_type = 'thread.created'"
        before = {name: count(base, name) for name in COMPACTED}
        kept = {name: count(base, name) for name in KEPT}
        threads = rows(base, created)
        start(evolve(NEW, compaction="never")).stop()
        assert {name: count(base, name) for name in COMPACTED} == before
        start(NEW).stop()
        assert all(count(base, name) < before[name] for name in COMPACTED)
        assert {name: count(base, name) for name in KEPT} == kept
        assert rows(base, created) == threads
        assert len(set(last_sequences(base))) == 1

    @pytest.mark.parametrize(
        ("fault", "table", "left"),
        [
            ("compaction-loses-threads", "orchestration_v2_projection_threads", 2),
            ("v2-import-loses-threads", "orchestration_v2_projection_threads", 2),
            ("compaction-loses-messages", "orchestration_v2_projection_messages", 8),
            ("v2-import-loses-messages", "orchestration_v2_projection_messages", 8),
        ],
    )
    def test_losses(self, start: Start, tmp_path: Path, fault: str, table: str, left: int) -> None:
        """A build that loses threads or messages looks healthy."""
        base = populate(tmp_path / "base", 54, threads=4, messages=4).base_dir
        serve = start(bad(fault))
        pair(serve)
        wait_for_text(serve, HYDRATED)
        wait_for(lambda: count(base, table) == left)
        serve.stop()

    def test_projection_behind(self, start: Start, tmp_path: Path) -> None:
        """A build that leaves its projections behind the log looks healthy."""
        base = populate_v2(tmp_path / "base").base_dir
        pair(start(bad("projection-behind:2")))
        held, newest = last_sequences(base)
        assert int(str(newest)) - int(str(held)) == 2


class TestServe:
    @pytest.mark.parametrize("path", ["/", "/.well-known/t3/environment"])
    def test_answers_while_it_starts(self, start: Start, path: str) -> None:
        """The front page and the descriptor answer before the start is over; signing in waits."""
        serve = start(bad("startup-takes:1"), up=False).wait_until_up(path="/")
        assert serve.request("GET", path).status == 200
        assert "ready" not in serve.text()
        with pytest.raises(TimeoutError):
            serve.request("GET", "/api/auth/session", timeout=0.3)
        assert serve.request("GET", "/api/auth/session").status == 200

    def test_answers_and_fails_to_start(self, start: Start) -> None:
        """A start that fails late has answered before."""
        serve = start(bad("startup-fails:0.5"), up=False).wait_until_up(path="/")
        assert (
            serve.request("GET", "/.well-known/t3/environment").json()["serverVersion"]
            == NEW.version
        )
        assert serve.process.wait(5) == 1
        assert "server runtime startup failed" in serve.text()

    def test_state_on_disk(self, start: Start) -> None:
        """The runtime file names the origin, the descriptor generation and environment."""
        serve = start(NEW)
        userdata = serve.base_dir / "userdata"
        runtime = json.loads((userdata / "server-runtime.json").read_text(encoding="utf-8"))
        assert (runtime["origin"], runtime["pid"]) == (serve.origin, serve.process.pid)
        found = serve.request("GET", "/.well-known/t3/environment").json()
        assert found["orchestrationProtocolVersion"] == 2
        assert found["environmentId"] == (userdata / "environment-id").read_text(encoding="utf-8")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_clean_stop(self, start: Start, number: int) -> None:
        """SIGTERM and SIGINT end it with 130, log checkpointed and removed."""
        serve = start(NEW)
        assert serve.stop(number) == 130
        names = {path.name for path in (serve.base_dir / "userdata").iterdir()}
        assert not names & {"statev2.sqlite-wal", "statev2.sqlite-shm", "server-runtime.json"}

    def test_work_survives_a_kill(self, start: Start) -> None:
        """Rows whose ids were given out survive a kill."""
        serve = start(NEW)
        answer = serve.request("POST", "/api/fake/work", {"thread": "t"}, cookie=pair(serve))
        serve.stop(signal.SIGKILL)
        (message,) = answer.json()["rows"]["orchestration_v2_projection_messages"]
        found = "SELECT message_id FROM orchestration_v2_projection_messages"
        assert rows(serve.base_dir, found) == [(message,)]


class TestCommandLine:
    @pytest.mark.parametrize("switch", ["--version", "--help"])
    def test_touches_nothing(self, program: Program, tmp_path: Path, switch: str) -> None:
        """`--version` and `--help` touch no base directory."""
        home = tmp_path / "home"
        assert run_t3(program(NEW), switch, env={"T3CODE_HOME": str(home)}).returncode == 0
        assert not home.exists()

    def test_unknown_word(self, program: Program, tmp_path: Path) -> None:
        """An unknown bare word starts no server."""
        home = tmp_path / "home"
        ran = run_t3(program(NEW), "version", env={"T3CODE_HOME": str(home)})
        assert (ran.returncode, home.exists()) == (1, False)
        assert ran.stdout.startswith('Unknown command "version". Use "t3 --help"')

    @pytest.mark.parametrize("words", [(), ("start",), ("./folder",)])
    def test_what_starts_a_server(
        self, program: Program, tmp_path: Path, words: tuple[str, ...]
    ) -> None:
        """A bare t3, `start` and a path start one, as the port in use shows."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            env = {"T3CODE_HOME": str(tmp_path / "home"), "T3CODE_PORT": port}
            assert "EADDRINUSE" in run_t3(program(NEW), *words, env=env).stdout

    def test_already_running(self, start: Start, program: Program) -> None:
        """A bare t3 and `start` refuse where a serve runs; `serve` does not look."""
        serve = start(NEW)
        base = ("--base-dir", str(serve.base_dir))
        for words in ((), ("start",)):
            ran = run_t3(program(NEW), *words, *base)
            said = f"A T3 Code server is already running for {serve.base_dir}"
            assert (ran.returncode, said in ran.stdout) == (1, True)
        ran = run_t3(program(NEW), "serve", "--port", str(serve.port), *base)
        assert "EADDRINUSE" in ran.stdout

    def test_pair(self, start: Start, program: Program) -> None:
        """`pair` mints for the serve that runs, and says so where there is none."""
        serve = start(NEW)
        words = ("pair", "--json", "--base-dir", str(serve.base_dir))
        found = json.loads(run_t3(program(NEW), *words).stdout)
        assert found["origin"] == serve.origin
        assert serve.request("POST", EXCHANGE, {"credential": found["token"]}).status == 200
        serve.stop()
        assert "No running T3 Code server found." in run_t3(program(NEW), *words).stdout

    def test_service_opens_no_database(self, program: Program, tmp_path: Path) -> None:
        """`service` and `update` make folders and open no database."""
        populate(tmp_path, 54)
        assert run_t3(program(NEW), "update", "--base-dir", str(tmp_path)).returncode == 0
        assert not (tmp_path / "userdata" / "statev2.sqlite").exists()
        assert (tmp_path / "runtime").is_dir()

    def test_mint(self, program: Program, tmp_path: Path) -> None:
        """A mint says label and pairing address when they were asked for."""
        words = ("--label", "phone", "--base-url", "https://t3.example")
        common = ("auth", "pairing", "create", "--base-dir", str(tmp_path), "--json")
        found = json.loads(run_t3(program(NEW), *common, *words).stdout)
        assert list(found) == ["id", "credential", "label", "scopes", "expiresAt", "pairUrl"]
        revoke = ("auth", "pairing", "revoke", found["id"], "--base-dir", str(tmp_path))
        assert run_t3(program(NEW), *revoke).returncode == 0
        revoked = "SELECT count(*) FROM auth_pairing_links WHERE revoked_at IS NOT NULL"
        assert rows(tmp_path, revoked) == [(1,)]
