"""Every document has a schema, and every schema says what is really printed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import click
import jsonschema
import pytest
from click.testing import CliRunner

from t3safe.domain.accounts import RunTold
from t3safe.domain.doctor import Check, Finding, Level
from t3safe.domain.events import Kind
from t3safe.domain.versions import Version
from t3safe.entrypoints import terminal
from t3safe.entrypoints.cli import cli
from t3safe.entrypoints.shapes import SHAPES, commands, schema
from tests.support.documents import body_of

TOLD = RunTold(
    "r1",
    Kind.RUN,
    Version.parse("0.0.25"),
    ("ann",),
    datetime(2026, 6, 16, tzinfo=UTC),
    None,
    None,
    "unfinished",
    "",
)


def with_json(group: click.Group) -> set[str]:
    """Give the names of the commands that take --json; of a group's own, the group's name."""
    found = set()
    for name, command in group.commands.items():
        inner = with_json(command) if isinstance(command, click.Group) else set()
        if inner or any("--json" in param.opts for param in command.params):
            found.add(name)
    return found


def test_every_command_that_prints_json_has_a_schema_and_no_other() -> None:
    """Whoever adds `--json` to a command adds the shape of what it prints to `SHAPES`."""
    assert commands() == with_json(cli)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("strict", [False, True])
def test_every_schema_is_one(kind: str, strict: bool) -> None:
    """It is valid JSON Schema, and names the version that the document bears."""
    made = schema(kind, strict=strict)
    jsonschema.Draft202012Validator.check_schema(made)
    assert made["title"] == made["properties"]["schema"]["const"] == terminal.schema_name(kind)


def printed(capsys: pytest.CaptureFixture[str], kind: str, body: object) -> str:
    """Print a document."""
    terminal.print_json(kind, body)
    return capsys.readouterr().out


def test_a_document_is_held_to_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """What fits passes; a wrong type, a missing and an unknown field do not."""
    good = printed(capsys, "history", (TOLD,))
    assert body_of(good, "history")[0]["opened"] == "2026-06-16T00:00:00+00:00"
    (body,) = json.loads(good)["history"]
    for wrong in (
        body | {"run": 1},
        body | {"opened": "yesterday"},
        body | {"more": 1},
        {key: value for key, value in body.items() if key != "run"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            body_of(printed(capsys, "history", [wrong]), "history")
    with pytest.raises(jsonschema.ValidationError):
        body_of(good.replace("history/1", "history/2"), "history")


def test_whoever_reads_by_the_published_schema_lets_new_fields_pass() -> None:
    """Fields are added within a version, and values to those that a text may have."""
    finding = {"check": "of tomorrow", "level": "ok", "seen": "", "mend": "", "more": 1}
    document = {"schema": terminal.schema_name("doctor"), "doctor": [finding], "beside": 1}
    jsonschema.Draft202012Validator(schema("doctor")).validate(document)


def test_values_become_what_json_can_hold() -> None:
    """Times are ISO 8601, versions and members their text, tuples lists."""
    found = Finding(Check.NPM, Level.OK, "/usr/bin/npm")
    assert terminal.plain(found) == {
        "check": "npm",
        "level": "ok",
        "seen": "/usr/bin/npm",
        "mend": "",
    }
    day: Mapping[str, Any] = {"day": date(2026, 6, 16), "none": None, "number": 1.5}
    assert terminal.plain((day, [True])) == [
        {"day": "2026-06-16", "none": None, "number": 1.5},
        [True],
    ]


def test_what_no_document_can_hold_is_refused() -> None:
    """Nothing is turned into a text in silence."""
    with pytest.raises(TypeError, match="no place in a document"):
        terminal.plain(object())


def test_a_type_without_a_schema_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a field of a new type is told."""
    monkeypatch.setattr(Finding, "__annotations__", {**Finding.__annotations__, "seen": "bytes"})
    with pytest.raises(TypeError, match="no schema is known"):
        schema("doctor")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (1.24, "1.2 s"), (61.0, "1 min 01 s"), (7325.0, "2 h 02 min")],
)
def test_durations_are_told_as_people_read_them(seconds: float | None, text: str) -> None:
    """Seconds, minutes and hours each in their place."""
    assert terminal.took(seconds) == text


def test_schema_prints_what_a_command_prints() -> None:
    """By command or by kind; without one all are listed, and an unknown one is usage."""
    call = CliRunner().invoke
    assert json.loads(call(cli, ["schema", "show"]).output)["title"] == "t3safe/run/1"
    assert json.loads(call(cli, ["schema", "run"]).output)["title"] == "t3safe/result/1"
    assert json.loads(call(cli, ["schema", "going-back"]).output) == schema("going-back")
    assert call(cli, ["schema"]).output.splitlines()[1] == "status: status"
    wrong = call(cli, ["schema", "nope"])
    assert wrong.exit_code == 2
    assert "no document of 'nope'" in wrong.output
