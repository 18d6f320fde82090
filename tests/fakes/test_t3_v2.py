"""The fake t3 of V2 does what was read off public source."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from fakes.packages import FakeRelease, release_like
from fakes.t3 import populate
from fakes.t3.app.migrations import LEDGER, NAMES, statements_of
from fakes.t3.app.startwork import CONTINUE, MARKER
from fakes.t3.process import QUIET, RunningServe, mint, run_t3
from fakes.t3.trap import Trap, done
from fakes.t3.v2states import (
    MARKS,
    add_import_directory,
    add_marks,
    add_unmigrated,
    add_v1_work,
    allow_everything,
    populate_preview,
    populate_v2,
    rename,
    renumber,
)
from tests.fakes.conftest import Program, Start

FAST = {"native": False, "start_time": 0.0, "listen_window": 0.05}
V1 = release_like("0.0.45", **FAST)
FIRST = release_like("0.0.46-nightly.20261003.2610", **FAST)
NEW = release_like("0.0.46-nightly.20261010.2922", **FAST)
EXCHANGE = "/api/auth/browser-session"
DATA = Path(__file__).parent / "data"
RECOVERED = "V2 orchestration recovery completed"
HYDRATED = "Hydrated legacy v1 thread transcripts"


def bad(*faults: str, release: FakeRelease = NEW) -> FakeRelease:
    """A V2 release with these faults."""
    return evolve(release, faults=faults)


def rows(base: Path, sql: str, database: str = "statev2.sqlite") -> list[tuple[object, ...]]:
    """Every row of a query on a base directory's database."""
    with closing(sqlite3.connect(base / "userdata" / database)) as connection:
        return connection.execute(sql).fetchall()


def count(base: Path, table: str, database: str = "statev2.sqlite") -> int:
    """How many rows a table has."""
    return int(str(rows(base, f"SELECT count(*) FROM {table}", database)[0][0]))


def ledger(base: Path, database: str = "statev2.sqlite") -> list[tuple[int, str]]:
    """The (id, name) pairs of the ledger."""
    query = "SELECT migration_id, name FROM effect_sql_migrations ORDER BY 1"
    return [(int(str(number)), str(name)) for number, name in rows(base, query, database)]


def statuses(base: Path, table: str) -> set[object]:
    """The statuses in one of V2's tables."""
    return {status for (status,) in rows(base, f"SELECT status FROM orchestration_v2_{table}")}


def pair(serve: RunningServe) -> str:
    """Mint and exchange; the cookie as `name=value`."""
    answer = serve.request("POST", EXCHANGE, {"credential": serve.mint()})
    assert answer.status == 200
    return answer.cookie


def wait_for(found: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_for_text(serve: RunningServe, text: str) -> None:
    """Wait until the serve has logged this."""
    wait_for(lambda: text in serve.text())


def last_sequences(base: Path) -> tuple[object, ...]:
    """What the projections hold, and the newest event."""
    return rows(
        base,
        "SELECT (SELECT last_sequence FROM orchestration_v2_projection_metadata),"
        " (SELECT max(sequence) FROM orchestration_events)",
    )[0]


def fingerprint(base: Path) -> bytes:
    """The bytes of V1's database."""
    return (base / "userdata" / "state.sqlite").read_bytes()


class TestSchema:
    def test_tables_are_those_of_the_facts(self) -> None:
        """At 60 each table has the columns, defaults and keys of the page of facts."""
        with (
            closing(sqlite3.connect(":memory:")) as made,
            closing(sqlite3.connect(":memory:")) as known,
        ):
            made.execute(LEDGER)
            for number in range(1, 61):
                for statement in statements_of(number):
                    made.execute(statement)
            known.executescript((DATA / "v2-schema.sql").read_text(encoding="utf-8"))
            tables = known.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            assert len(tables) == 27
            for (table,) in tables:
                columns = 'name, type, "notnull", dflt_value, pk'
                query = f"SELECT {columns} FROM pragma_table_info('{table}')"
                assert made.execute(query).fetchall() == known.execute(query).fetchall(), table
            names = known.execute("SELECT name FROM effect_sql_migrations ORDER BY migration_id")
            assert [name for (name,) in names] == list(NAMES)

    def test_statements_are_those_of_the_facts(self) -> None:
        """What V2 creates is, spaces and comments aside, the text of the page of facts."""

        def plain(text: str) -> str:
            return re.sub(r"\s+", "", re.sub(r"--[^\n]*", "", text))

        known = plain((DATA / "v2-schema.sql").read_text(encoding="utf-8"))
        own = [text for number in range(55, 61) for text in statements_of(number)]
        created = {
            re.split(r"\W+", text)[2]: plain(text)
            for text in own
            if text.startswith("CREATE TABLE")
        }
        others = {name for name, text in created.items() if f"{text};" not in known}
        assert others == {
            "scheduled_tasks",  # 57 adds two columns
            "orchestration_v2_projection_subagents",
            "orchestration_v2_provider_session_bindings",
            "orchestration_v2_projection_checkpoint_scopes",
            "orchestration_v2_projection_context_handoffs",
            "orchestration_v2_projection_context_transfers",
        }

    @pytest.mark.parametrize(
        ("version", "schema", "orchestration"),
        [
            ("0.0.33-nightly.20260808.1033", 38, 1),
            ("0.0.43-nightly.20260928.2375", 54, 1),
            ("0.0.45-nightly.20261002.2595", 54, 1),
            ("0.0.45", 54, 1),
            ("0.0.46-nightly.20261003.2610", 56, 2),
            ("0.0.46-nightly.20261010.2922", 60, 2),
        ],
    )
    def test_releases(self, version: str, schema: int, orchestration: int) -> None:
        """A release knows the schema and has the generation that the real one had."""
        release = release_like(version)
        assert (release.schema, release.orchestration) == (schema, orchestration)


class TestFirstOpen:
    @pytest.fixture
    def base(self, tmp_path: Path) -> Path:
        """A V1 set at 54, with a log beside the database."""
        return populate(tmp_path / "base", 54, threads=4, messages=3).base_dir

    @pytest.mark.parametrize(
        "command",
        [("auth", "pairing", "create"), ("auth", "session", "list"), ("project", "add", "x")],
    )
    def test_whoever_opens_first_copies(
        self, program: Program, base: Path, command: tuple[str, ...]
    ) -> None:
        """Every `auth` and `project` command copies and migrates; V1's file stays as it was."""
        before = fingerprint(base)
        assert run_t3(program(NEW), *command, "--base-dir", str(base)).returncode == 0
        assert fingerprint(base) == before
        assert ledger(base) == list(enumerate(NAMES, start=1))
        assert not list((base / "userdata").glob(".v2-import-*"))
        assert count(base, "orchestration_v2_projection_threads") == 0

    def test_what_is_in_the_log_is_copied(self, start: Start, program: Program) -> None:
        """What V1 committed and did not checkpoint is in the copy, and stays in V1's log."""
        serve = start(V1)
        serve.request("POST", "/api/fake/work", {"thread": "t"}, cookie=pair(serve))
        serve.stop(signal.SIGKILL)
        base = serve.base_dir
        log = (base / "userdata" / "state.sqlite-wal").read_bytes()
        mint(program(NEW), base)
        assert rows(base, "SELECT thread_id FROM projection_threads") == [("t",)]
        assert (base / "userdata" / "state.sqlite-wal").read_bytes() == log

    def test_start(self, start: Start, base: Path) -> None:
        """A start imports threads, recovers, is ready and imports transcripts."""
        before = fingerprint(base)
        serve = start(NEW)
        wait_for_text(serve, HYDRATED)
        words = [
            "Migrations ran successfully { migrations: [ '55_OrchestrationV2',",
            "Imported legacy v1 thread shells { importedThreadCount: 4 }",
            RECOVERED,
            "T3 Code server is ready.",
            HYDRATED,
        ]
        places = [serve.text().index(word) for word in words]
        assert places == sorted(places)
        serve.stop()
        assert fingerprint(base) == before
        assert count(base, "orchestration_v2_projection_threads") == 4
        assert count(base, "orchestration_v2_projection_messages") == 12
        kept = "SELECT count(*) FROM orchestration_events WHERE event_id LIKE 'migration:39:%'"
        assert rows(base, kept) == [(4,)]
        assert len(set(last_sequences(base))) == 1

    def test_later_work_of_v1_is_invisible(self, start: Start, base: Path) -> None:
        """What V1 writes after the copy never gets to V2."""
        start(NEW).stop()
        add_v1_work(base)
        serve = start(NEW)
        serve.stop()
        assert serve.text().count("importedThreadCount") == 1
        assert count(base, "orchestration_v2_projection_threads") == 4
        assert count(base, "projection_threads", "state.sqlite") == 5

    def test_fresh(self, start: Start) -> None:
        """Without a V1 database V2 begins with its own."""
        serve = start(NEW)
        pair(serve)
        assert not (serve.base_dir / "userdata" / "state.sqlite").exists()
        assert len(ledger(serve.base_dir)) == 60

    @pytest.mark.parametrize(
        ("point", "level", "left"),
        [
            ("snapshot", 0, True),
            ("linked", 54, True),
            ("migrating", 55, False),
            ("importing", 60, False),
        ],
    )
    def test_crash(self, start: Start, base: Path, point: str, level: int, left: bool) -> None:
        """A start that was killed on the way is finished by the next one; V1 stays as it was."""
        before = fingerprint(base)
        killed = start(bad(f"v2-import-dies:{point}"), up=False)
        assert killed.process.wait(10) == -signal.SIGKILL
        assert (base / "userdata" / "statev2.sqlite").exists() is (level > 0)
        assert level == 0 or len(ledger(base)) == level
        assert bool(list((base / "userdata").glob(".v2-import-*"))) is left
        serve = start(NEW)
        wait_for_text(serve, HYDRATED)
        serve.stop()
        assert count(base, "orchestration_v2_projection_threads") == 4
        assert count(base, "orchestration_v2_projection_messages") == 12
        assert fingerprint(base) == before

    def test_no_hard_links(self, start: Start, program: Program, base: Path) -> None:
        """Without hard links the start fails with the real words and leaves nothing."""
        serve = start(bad("no-hard-links"), up=False)
        assert serve.process.wait(10) == 1
        source, target = (base / "userdata" / name for name in ("state.sqlite", "statev2.sqlite"))
        said = (
            f"Could not copy the V1 database at {source} to {target}. The V1 database has not been"
        )
        assert f"V2DatabaseImportError: {said} migrated." in serve.text()
        ran = mint(program(bad("no-hard-links")), base)
        assert (ran.returncode, said in ran.stdout) == (1, True)
        assert not target.exists()
        assert not list((base / "userdata").glob(".v2-import-*"))

    def test_garbage_is_not_copied(self, start: Start, base: Path) -> None:
        """A V1 database that cannot be read fails the start in the same words."""
        (base / "userdata" / "state.sqlite").write_bytes(b"garbage " * 2000)
        serve = start(NEW, up=False)
        assert serve.process.wait(10) == 1
        assert "The V1 database has not been migrated." in serve.text()
        assert "file is not a database" in serve.text()

    def test_whatever_is_there_is_used(self, start: Start, base: Path) -> None:
        """An empty V2 file begins without anything of V1, garbage ends the start."""
        target = base / "userdata" / "statev2.sqlite"
        target.touch()
        start(NEW).stop()
        assert count(base, "orchestration_v2_projection_threads") == 0
        target.write_bytes(b"garbage " * 2000)
        serve = start(NEW, up=False)
        assert serve.process.wait(10) == 1
        assert "file is not a database" in serve.text()


class TestLedger:
    def test_preview(self, start: Start, tmp_path: Path) -> None:
        """A preview's ledger is brought to the ids of the main line."""
        for at in (53, 54):
            base = tmp_path / f"preview-{at}"
            populate_preview(base, at)
            assert dict(ledger(base))[at] == "OrchestrationV2"
            base.rename(tmp_path / "base")
            start(NEW).stop()
            (tmp_path / "base").rename(base)
            assert ledger(base) == list(enumerate(NAMES, start=1))

    def test_preview_with_more(self, start: Start, tmp_path: Path) -> None:
        """A preview's ledger with rows that no preview had refuses the start."""
        base = populate_preview(tmp_path / "base", 53).base_dir
        rename(base, {54: "SomethingElse"})
        serve = start(NEW, up=False)
        assert serve.process.wait(10) == 1
        assert "Cannot upgrade V2 preview with unexpected later migrations." in serve.text()

    def test_other_name_from_55_up(self, start: Start, program: Program, tmp_path: Path) -> None:
        """Another name at an id of V2's own refuses every opening; nothing is changed."""
        base = populate_v2(tmp_path / "base", 58).base_dir
        rename(base, {57: "WorkItemLinks"})
        before = ledger(base)
        serve = start(NEW, up=False)
        assert serve.process.wait(10) == 1
        said = "This database recorded other migrations at ids this build needs for its own schema"
        assert f"{said}: 57_WorkItemLinks" in serve.text()
        assert said in mint(program(NEW), base).stdout
        assert ledger(base) == before

    def test_what_is_only_warned_about(self, start: Start, tmp_path: Path) -> None:
        """Names below 55 and ids above the newest known are warned about, and it starts."""
        base = populate_v2(tmp_path / "base").base_dir
        rename(base, {20: "SomethingElse"})
        serve = start(FIRST)
        pair(serve)
        assert "WARN" in serve.text()
        assert "Database migration history diverges from this build;" in serve.text()
        assert "'20_SomethingElse', '57_ScheduledTaskWebhooks'" in serve.text()

    def test_renumbering_build(self, start: Start, tmp_path: Path) -> None:
        """A build may move V2's rows up in place; one that does not know that is refused then."""
        base = populate_v2(tmp_path / "base").base_dir
        start(bad("renumbers-migrations:2")).stop()
        found = dict(ledger(base))
        assert (found[55], found[57], len(found)) == ("MainLineAddition1", "OrchestrationV2", 62)
        assert start(NEW, up=False).process.wait(10) == 1

    def test_v1_on_a_v2_set(self, start: Start, tmp_path: Path) -> None:
        """A V1 build opens state.sqlite, as it was, and does not touch V2's file."""
        base = populate_v2(tmp_path / "base", sessions=0).base_dir
        before = ledger(base)
        serve = start(V1)
        pair(serve)
        serve.stop()
        assert ledger(base) == before
        assert count(base, "auth_sessions") == 0
        assert count(base, "auth_sessions", "state.sqlite") == 1

    def test_credential_of_the_other_generation(self, start: Start, program: Program) -> None:
        """A credential that V1's command minted is unknown to V2's serve, and the other way."""
        serve = start(NEW)
        assert (
            serve.request("POST", EXCHANGE, {"credential": serve.mint(program(V1))}).status == 401
        )
        assert serve.request("POST", EXCHANGE, {"credential": serve.mint()}).status == 200


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

    def test_waiting_for_a_checkpoint(self, start: Start, tmp_path: Path) -> None:
        """A run that waits for its checkpoint is left; the checkpoint is captured."""
        base = populate_v2(tmp_path / "base").base_dir
        add_marks(base, ["waiting", "capture"], worktree=tmp_path)
        start(NEW)
        assert statuses(base, "projection_runs") == {"waiting"}
        wait_for((tmp_path / MARKER).exists)


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

    def test_what_is_not_there(self, start: Start, tmp_path: Path) -> None:
        """Without folders, programs and an address a start says what it wanted, and goes on."""
        base = populate_v2(tmp_path / "base", threads=1).base_dir
        add_marks(base, ["running", "capture", "due-task", "webhook"])
        allow_everything(base)
        serve = start(NEW, env={**QUIET, "PATH": str(tmp_path)})
        wait_for_text(serve, "start work: tunnel connection: no fakeNetwork in settings.json")
        for deed in ("continue thread-1", "effect checkpoint.capture thread-1"):
            assert f"start work: {deed}: no such folder: /srv/thread-1" in serve.text()
        assert statuses(base, "effect_outbox") == {"failed", "succeeded"}

    def test_a_probe_that_hangs(self, start: Start, tmp_path: Path, trap: Trap) -> None:
        """A provider's CLI that hangs holds up nothing and is kept as an error."""
        codex = Path(trap.path.partition(":")[0], "codex")
        codex.write_text("#!/bin/sh\nexec sleep 30\n", encoding="utf-8")
        serve = start(NEW, env={**QUIET, "PATH": trap.path})
        pair(serve)
        path = serve.base_dir / "caches" / "provider-status.json"
        wait_for(path.exists)
        wait_for(lambda: path.read_text(encoding="utf-8") == '{"codex": "error"}')


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


COMPACTED = ("orchestration_events", "orchestration_command_receipts")
KEPT = (
    *("projection_threads", "projection_thread_messages", "projection_projects"),
    *("orchestration_v2_projection_threads", "orchestration_v2_projection_messages"),
)


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


class TestStates:
    def test_half_way_sets(self, start: Start, tmp_path: Path) -> None:
        """A V2 file at V1's ledger and a copy's directory are taken as a crash leaves them."""
        base = populate(tmp_path / "base", 54, threads=2).base_dir
        add_import_directory(base, whole=False)
        add_unmigrated(base)
        add_v1_work(base)
        assert (len(ledger(base)), count(base, "projection_threads", "state.sqlite")) == (54, 3)
        start(NEW).stop()
        assert count(base, "orchestration_v2_projection_threads") == 2
        assert list((base / "userdata").glob(".v2-import-*"))

    def test_renumbered(self, start: Start, tmp_path: Path) -> None:
        """A renumbered ledger has the same tables and other ids."""
        base = populate_v2(tmp_path / "base", keep_v1=False).base_dir
        renumber(base, 1)
        assert dict(ledger(base))[56] == "OrchestrationV2"
        assert not (base / "userdata" / "state.sqlite").exists()
        assert start(NEW, up=False).process.wait(10) == 1

    def test_unknown_mark(self, tmp_path: Path) -> None:
        """A mark that is none is refused."""
        populate_v2(tmp_path)
        with pytest.raises(ValueError, match="'sleep' is no mark"):
            add_marks(tmp_path, ["sleep"])
