"""The fake t3 of V2 marks work, and goes on with it at a start, as was read off public source."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fakes.t3.app.startwork import CONTINUE, MARKER
from fakes.t3.process import QUIET
from fakes.t3.trap import Trap, done
from fakes.t3.v2states import (
    MARKS,
    add_marks,
    allow_everything,
    populate_v2,
)
from tests.fakes.conftest import Start
from tests.fakes.v2 import (
    NEW,
    RECOVERED,
    last_sequences,
    pair,
    rows,
    statuses,
    wait_for,
    wait_for_text,
)


class TestMarks:
    def test_of_a_turn(self, start: Start) -> None:
        """A turn is prepared, then running; a finish ends it, and so does a graceful stop."""
        serve = start(NEW)
        cookie, base = pair(serve), serve.base_dir

        def act(action: str) -> None:
            content = {"action": action, "thread": "t", "pending": 0}
            assert serve.request("POST", "/api/fake/turn", content, cookie=cookie).status == 200

        act("pending")
        assert statuses(base, "projection_runs") == {"preparing"}
        assert statuses(base, "effect_outbox") == {"pending"}
        act("finish")
        assert statuses(base, "projection_runs") == {"completed"}
        act("start")
        for table in ("runs", "run_attempts", "nodes", "provider_turns"):
            assert statuses(base, f"projection_{table}") == {"completed", "running"}
        assert statuses(base, "projection_provider_threads") == {"active"}
        for action in ("queue", "wait", "ask", "schedule"):
            act(action)
        assert statuses(base, "projection_runtime_requests") == {"pending"}
        serve.stop()
        assert "V2 orchestration shutdown reconciliation completed" in serve.text()
        assert statuses(base, "projection_runs") == {"completed", "cancelled", "queued"}
        assert statuses(base, "projection_runtime_requests") == {"cancelled"}
        assert len(set(last_sequences(base))) == 1

    def test_a_kill_leaves_them(self, start: Start) -> None:
        """What a kill leaves is settled by the next start, which says how much."""
        serve = start(NEW)
        cookie, base = pair(serve), serve.base_dir
        content = {"action": "start", "thread": "t", "pending": 0}
        serve.request("POST", "/api/fake/turn", content, cookie=cookie)
        serve.stop(signal.SIGKILL)
        assert statuses(base, "projection_runs") == {"running"}
        again = start(NEW)
        shown = "{ terminalizedRuns: 1, stoppedSessions: 1, closedRequests: 0, retiredEffects: 0,"
        assert f"{RECOVERED} {shown} requeuedEffects: 0 }}" in again.text()
        assert statuses(base, "projection_runs") == {"cancelled"}
        assert statuses(base, "projection_provider_sessions") == {"stopped"}
        assert statuses(base, "projection_provider_threads") == {"idle"}

    def test_recovery(self, start: Start, tmp_path: Path) -> None:
        """Every kind of mark is settled in its own way."""
        base = populate_v2(tmp_path / "base").base_dir
        open_marks = [
            mark for mark in MARKS if mark not in ("due-task", "webhook", "capture", "title")
        ]
        add_marks(base, open_marks)
        start(NEW)
        found = rows(base, "SELECT status, payload_json FROM orchestration_v2_projection_runs")
        assert [status for status, _ in found] == ["cancelled"] * 4 + ["queued"]
        assert json.loads(str(found[-1][1])) == {"queueHeld": True}
        assert statuses(base, "projection_runtime_requests") == {"expired", "pending"}
        assert statuses(base, "effect_outbox") == {"succeeded", "cancelled"}
        busy = "SELECT count(*) FROM orchestration_v2_projection_provider_threads WHERE"
        assert rows(base, f"{busy} payload_json NOT LIKE '%\"pendingBackgroundTasks\":[]%'") == [
            (0,)
        ]


class TestStartWork:
    """A start does all that a copy must never do, and everything of it can be seen."""

    @pytest.fixture
    def trap(self, tmp_path: Path) -> Iterator[Trap]:
        """What a start can reach, and what it did with it."""
        with Trap(tmp_path / "trap", ("codex", "cloudflared", "git")) as trap:
            yield trap

    def test_everything(self, start: Start, tmp_path: Path, trap: Trap) -> None:
        """Threads go on, effects are replayed, schedules run, projects are pulled, and so on."""
        base = populate_v2(tmp_path / "base", threads=1, own_messages=0).base_dir
        trap.bait(base)
        serve = start(NEW, env={**QUIET, "PATH": trap.path})
        wait_for_text(serve, "start work: probe codex: done")
        wait_for(lambda: len(trap.seen()) == 13)
        tree, here = trap.worktree, Path.cwd()
        ran = [line.removeprefix("ran ") for line in trap.seen() if line.startswith("ran ")]
        assert sorted(ran) == sorted(
            [
                f"codex in {tree}: {CONTINUE}",
                f"codex in {tree}: Write a title.",
                f"codex in {tree}: Look for news.",
                *[f"git in {here}: -C {tree} pull --ff-only"] * 2,
                f"cloudflared in {base / 'userdata'}: tunnel run",
                f"codex in {here}: --version",
            ]
        )
        others = [line for line in trap.seen() if not line.startswith("ran ")]
        assert [re.sub(" [0-9a-f-]{36}$", "", line) for line in others] == [
            "connected manifest",
            "connected tunnel",
            "connected webhook",
            "wrote checkpoint.capture thread-of-trap",
            "wrote git pull",
            "wrote git pull",
        ]
        logged = base / "userdata" / "logs" / "start-work.ndjson"
        deeds = [json.loads(line) for line in logged.read_text(encoding="utf-8").splitlines()]
        assert {deed["outcome"] for deed in deeds} == {"done"}
        assert done(serve.text()) == [f"{deed['deed']} {deed['what']}" for deed in deeds]

    def test_nothing_by_default(self, start: Start, tmp_path: Path, trap: Trap) -> None:
        """Without a setting, an effect or a task that is due only probes are run."""
        base = populate_v2(tmp_path / "base").base_dir
        add_marks(base, ["running", "task"], worktree=tmp_path)
        serve = start(NEW, env={**QUIET, "PATH": trap.path})
        wait_for_text(serve, "start work: probe codex: done")
        assert serve.text().count("start work:") == 1
        assert not (tmp_path / MARKER).exists()

    def test_settings_of_a_project(self, start: Start, tmp_path: Path, trap: Trap) -> None:
        """A project's own setting outweighs the general one."""
        base = populate_v2(tmp_path / "base").base_dir
        for thread in ("thread-1", "thread-2"):
            add_marks(base, ["running"], thread, worktree=tmp_path)
        settings = {
            "continueThreadsAfterServerUpdate": True,
            "projectSettingsOverrides": {
                "project-of-thread-1": {"continueThreadsAfterServerUpdate": False}
            },
        }
        (base / "userdata" / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        serve = start(NEW, env={**QUIET, "PATH": trap.path})
        wait_for_text(serve, "start work: continue thread-2: done")
        assert "continue thread-1" not in serve.text()
        again = "SELECT count(*) FROM orchestration_v2_projection_runs WHERE status = 'running'"
        assert rows(base, again) == [(1,)]

    def test_a_stop_notes_what_it_interrupts(
        self, start: Start, tmp_path: Path, trap: Trap
    ) -> None:
        """A turn that a graceful stop interrupts is continued by the next start, once."""
        env = {**QUIET, "PATH": trap.path}
        serve = start(NEW, env=env)
        content = {"action": "start", "thread": "t", "pending": 0}
        serve.request("POST", "/api/fake/turn", content, cookie=pair(serve))
        serve.stop()
        with (
            closing(sqlite3.connect(serve.base_dir / "userdata" / "statev2.sqlite")) as opened,
            opened,
        ):
            opened.execute("UPDATE projection_projects SET workspace_root = ?", (str(tmp_path),))
        allow_everything(serve.base_dir)
        again = start(NEW, env=env)
        wait_for_text(again, "start work: continue t: done")
        wait_for(lambda: f"ran codex in {tmp_path}: {CONTINUE}" in trap.seen())
