"""The fake t3 of V2 opens, copies and migrates its database as was read off public source."""

from __future__ import annotations

import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fakes.t3 import populate
from fakes.t3.app.migrations import LEDGER, NAMES, statements_of
from fakes.t3.process import mint, run_t3
from fakes.t3.v2states import (
    populate_preview,
    populate_v2,
    rename,
)
from tests.fakes.conftest import Program, Start
from tests.fakes.v2 import (
    DATA,
    FIRST,
    HYDRATED,
    NEW,
    RECOVERED,
    V1,
    bad,
    count,
    fingerprint,
    last_sequences,
    ledger,
    pair,
    rows,
    wait_for_text,
)


class TestV2Schema:
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
