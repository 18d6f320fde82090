"""The fake t3 of V2 serves, signs in and compacts as was read off public source."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from attrs import evolve

from fakes.t3.process import run_t3
from fakes.t3.v2states import (
    populate_v2,
)
from tests.fakes.conftest import Program, Start
from tests.fakes.v2 import (
    NEW,
    count,
    last_sequences,
    rows,
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


class TestV2CommandLine:
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
