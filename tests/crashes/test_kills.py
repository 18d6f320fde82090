"""I7 on real parts: the command line is killed, recovered, and an independent judge looks.

Some places out of all those of `make kills`, which also takes each host through a further night.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.kills.places import KillPlace
from fakes.kills.striking import Prepared, strike

ONCE = (
    "good:kill:worker:Started.SnapshotAtRest.ann:30",
    "good:kill:cli:Started.Select.ann:3",
    "good:kill:after:Started.Stop.ben",
    "canary:kill:before:Finished.Quarantine.ben",
    "canary:journal:after:Started.Select.ben",
    "second:kill:delay:Started.Start.ben:0.3",
)
"""Where there is least to hold on to: something is done by half, or done and not on record."""
AGAIN = ("canary:kill-alone:worker:Started.Restore.ben:20",)

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("text", ONCE)
def test_a_kill_strands_nobody_and_loses_nothing(
    prepared: Prepared, tmp_path: Path, text: str
) -> None:
    """After `recover` everybody signs in on a build that knows their data, and status is true."""
    report = strike(KillPlace.parse(text), prepared, tmp_path / "host", again=False)
    assert not report.found, f"{report.found}\n{report.said}"
    assert report.struck


@pytest.mark.parametrize("text", AGAIN)
def test_a_host_is_of_use_after_a_kill(prepared: Prepared, tmp_path: Path, text: str) -> None:
    """The next run moves everybody to a newer build and leaves nothing of the crash behind."""
    report = strike(KillPlace.parse(text), prepared, tmp_path / "host")
    assert not report.found, f"{report.found}\n{report.said}"
