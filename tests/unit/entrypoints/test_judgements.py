"""A rehearsal as JSON holds it, with what its evidence adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from t3safe.domain.gate import Rehearsal
from t3safe.domain.versions import Version
from t3safe.entrypoints.judgements import rehearsal_body

BUILD = Version.parse("0.0.25-nightly.20260608.497")


@pytest.mark.parametrize("kept", [None, b"\xff", b"{", b"{}", b'{"timings": {"live": "soon"}}'])
def test_lost_evidence_costs_the_timings_alone(tmp_path: Path, kept: bytes | None) -> None:
    """The command acted: how it ended is told, and with its own exit status."""
    if kept is not None:
        (tmp_path / "report.json").write_bytes(kept)
    told = rehearsal_body(Rehearsal("ann", BUILD, (), evidence=str(tmp_path)))
    assert (told["build"], told["subject"], told["timings"]) == (BUILD.text, "ann", {})


def test_timings_come_from_the_evidence(tmp_path: Path) -> None:
    """They are seconds of each check."""
    (tmp_path / "report.json").write_text('{"timings": {"live": 1.25}}')
    told = rehearsal_body(Rehearsal("", BUILD, (), evidence=str(tmp_path)))
    assert (told["subject"], told["timings"]) == ("empty set", {"live": 1.25})
