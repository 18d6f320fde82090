"""What is shown: values as JSON, differences from an example."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from t3safe.domain.doctor.findings import Finding, Health, Precondition
from t3safe.domain.gate import Rehearsal
from t3safe.domain.versions import Version
from t3safe.entrypoints import rendering
from tests.support.documents import differences, example

BUILD = Version.parse("0.0.25-nightly.20260608.497")


def test_values_become_what_json_can_hold() -> None:
    """Times are ISO 8601, versions and members their text, tuples lists."""
    found = Finding(Precondition.NPM, Health.OK, "/usr/bin/npm")
    assert rendering.plain(found) == {
        "check": "npm",
        "level": "ok",
        "seen": "/usr/bin/npm",
        "fix": "",
    }
    day = {"day": date(2026, 6, 16), "none": None, "number": 1.5, "build": BUILD}
    assert rendering.plain((day, [True])) == [
        {"day": "2026-06-16", "none": None, "number": 1.5, "build": BUILD.text},
        [True],
    ]


def test_what_no_document_can_hold_is_refused() -> None:
    """Nothing is turned into a text in silence."""
    with pytest.raises(TypeError, match="no place in a document"):
        rendering.plain(object())


@pytest.mark.parametrize("kept", [None, b"\xff", b"{", b"{}", b'{"timings": {"live": "soon"}}'])
def test_lost_evidence_costs_the_timings_alone(tmp_path: Path, kept: bytes | None) -> None:
    """The command acted: how it ended is told, and with its own exit status."""
    if kept is not None:
        (tmp_path / "report.json").write_bytes(kept)
    told = rendering.rehearsal_body(Rehearsal("ann", BUILD, (), evidence=str(tmp_path)))
    assert (told["build"], told["subject"], told["timings"]) == (BUILD.text, "ann", {})


def test_timings_come_from_the_evidence(tmp_path: Path) -> None:
    """They are seconds of each check."""
    (tmp_path / "report.json").write_text('{"timings": {"live": 1.25}}')
    told = rendering.rehearsal_body(Rehearsal("", BUILD, (), evidence=str(tmp_path)))
    assert (told["subject"], told["timings"]) == ("empty set", {"live": 1.25})


def test_a_document_is_held_to_its_example() -> None:
    """A wrong type, a missing and an unknown field are found at any depth."""
    golden = example("status")["status"]
    (person,) = golden["people"]
    assert differences(golden, golden, "status") == []
    for wrong in (
        person | {"ledger": "32"},
        person | {"more": 1},
        {key: value for key, value in person.items() if key != "build"},
    ):
        (found,) = differences(golden | {"people": [person, wrong]}, golden, "status")
        assert found.startswith("status.people[]")


def test_a_table_in_a_narrow_terminal_loses_no_letter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A long version goes on in the next line."""
    monkeypatch.setattr(rendering, "wide", lambda: Console(width=24))
    rendering.print_table(("person", "build"), iter([("ann", BUILD.text)]))
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert BUILD.text in "".join(shown.split())
