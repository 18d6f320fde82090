"""SIGTERM ends a run at the next safe point: nobody is in between, nobody new is begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.kills.places import KillPlace
from fakes.kills.striking import Prepared, strike

ENDS = {
    "good:term:delay:Started.Stage:0.2": "interrupted",
    "good:term:delay:Started.Rehearse:0.4": "interrupted",
    "good:term:after:Started.Stop.ann": "interrupted",
    "good:term:after:Started.Bake": "later",
}
"""What the history says of the run, by where it was asked to end."""

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("text", ENDS)
def test_sigterm_ends_a_run_at_the_next_safe_point(
    prepared: Prepared, tmp_path: Path, text: str
) -> None:
    """Whoever is in transition is settled first; status, history and disk say how it ended."""
    report = strike(KillPlace.parse(text), prepared, tmp_path / "host", again=False)
    assert not report.found, f"{report.found}\n{report.said}"
    assert report.outcome == ENDS[text]
