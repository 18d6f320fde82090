"""The edits that let nothing of a start be due."""

from __future__ import annotations

import json
from typing import Any

import pytest

from t3safe.t3 import harmless
from t3safe.t3.harmless import EDITS, StrangeError

V2 = "statev2.sqlite"
UNKNOWN = "no generation of t3 known here has"
COLUMNS = {edit.table: edit.columns for edit in EDITS}


def edited(**settings: Any) -> dict[str, Any]:  # noqa: ANN401 - settings of any type
    """What a settings.json with these is edited to."""
    found: dict[str, Any] = json.loads(harmless.settings(json.dumps(settings).encode()))
    return found


def test_whatever_works_by_itself_is_off_for_everybody_and_each_project() -> None:
    """The general setting and every project's own; what else is set stays as it is."""
    found = edited(
        continueThreadsAfterServerUpdate=True,
        theme="dark",
        projectSettingsOverrides={"p": {"defaultAutoPull": True, "icon": "x"}, "q": None},
        projectAutoPullOverrides={"p": True},
    )
    assert {found[name] for name in harmless.OFF} == {False}
    assert found["theme"] == "dark"
    assert found["projectSettingsOverrides"]["p"] == {
        **dict.fromkeys(harmless.OFF, False),
        "icon": "x",
    }
    assert found["projectSettingsOverrides"]["q"] is None
    assert found["projectAutoPullOverrides"] == {"p": False}


def test_no_provider_is_on_whatever_path_it_is_at() -> None:
    """An instance may name its program itself: it is off, too."""
    found = edited(
        providers={"codex": {"enabled": True, "binaryPath": "/usr/local/bin/codex"}, "odd": 1},
        providerInstances={"mine": {"driver": "claude"}},
    )
    assert found["providers"]["codex"]["enabled"] is False
    assert found["providers"]["odd"] == 1
    assert found["providerInstances"]["mine"] == {"driver": "claude", "enabled": False}
    assert edited(providers=[], projectSettingsOverrides="none")["providers"] == []


def test_settings_are_written_as_a_person_reads_them() -> None:
    """With an indent of two and a last line end, in ASCII."""
    assert harmless.settings('{"theme": "dünn"}'.encode()) == (
        b'{\n  "theme": "d\\u00fcnn",\n'
        b'  "continueThreadsAfterServerUpdate": false,\n'
        b'  "defaultAutoPull": false,\n'
        b'  "autoResumeLimitedThreads": false,\n'
        b'  "resumeActiveTurnsAfterRestart": false\n}\n'
    )


def test_settings_may_have_comments_and_trailing_commas() -> None:
    """As t3 reads them; what looks like one within a text stays."""
    text = b'{ // note\n "url": "http://x/*y*/", /* "a": 1, */ "list": [1, "a,]",], }'
    found = json.loads(harmless.settings(text))
    assert (found["url"], found["list"]) == ("http://x/*y*/", [1, "a,]"])


@pytest.mark.parametrize("text", [b"", b"[]", b'"x"', b'{"a": ', b"\xff{}", b"[" * 99999, b"{}}"])
def test_settings_that_are_no_object_are_strange(text: bytes) -> None:
    """Nobody knows what t3 would make of it."""
    with pytest.raises(StrangeError, match=r"settings\.json"):
        harmless.settings(text)


def test_each_database_has_the_edits_of_its_tables() -> None:
    """V1 has the pull alone, from the migration on that adds it; V2 has the rest."""
    assert harmless.edits(V2, COLUMNS) == EDITS
    assert harmless.edits("state.sqlite", {"projection_projects": ("auto_pull",)}) == EDITS[:1]
    assert harmless.edits("state.sqlite", {"projection_projects": ("project_id",)}) == ()
    assert harmless.edits("notes.sqlite", {"notes": ("text",)}) == ()


@pytest.mark.parametrize(
    ("database", "tables", "told"),
    [
        (V2, {"scheduled_tasks": ("on",)}, "scheduled_tasks has no column enabled"),
        (
            V2,
            {"orchestration_v2_effect_outbox": ("status",)},
            "orchestration_v2_effect_outbox has no column lease_owner, lease_expires_at",
        ),
        (
            V2,
            {"orchestration_v3_effect_outbox": ()},
            f"{UNKNOWN} a table orchestration_v3_effect_outbox",
        ),
        (V2, {"scheduled_tasks_v2": ()}, f"{UNKNOWN} a table scheduled_tasks_v2"),
        ("statev3.sqlite", {}, f"{UNKNOWN} such a database"),
    ],
)
def test_what_fits_no_generation_is_strange(
    database: str, tables: dict[str, tuple[str, ...]], told: str
) -> None:
    """A table of the same kind that nobody here knows may hold what would work."""
    with pytest.raises(StrangeError) as error:
        harmless.edits(database, tables)
    assert str(error.value) == f"{database}: {told}"


def test_no_edit_adds_or_removes_a_row() -> None:
    """Rows are counted afterwards: each edit is an update of what its own query finds."""
    for edit in EDITS:
        assert edit.statement.startswith(f"UPDATE {edit.table} SET ")
        assert edit.statement.endswith(f"WHERE {edit.where}")
        assert edit.where in edit.wanted


def test_checkouts_are_those_of_projects_and_threads_of_both_generations() -> None:
    """Where a table has no such column there is nothing to ask."""
    tables = {table: (column,) for table, column, _ in harmless.CHECKOUTS}
    assert len(harmless.checkouts(tables)) == 3
    assert harmless.checkouts({"projection_projects": ("title",)}) == ()
