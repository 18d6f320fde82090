"""The freeze file on a real file system."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import frozen

from t3safe.adapters.clock import SystemClock
from t3safe.adapters.switch import FreezeFile
from t3safe.contracts.switch import SwitchContract
from t3safe.domain.errors import SwitchError


@frozen
class StoppedClock:
    """A clock that stands still."""

    moment: datetime

    def now(self) -> datetime:
        """That moment."""
        return self.moment


@frozen
class SwitchFiles:
    port: FreezeFile


@pytest.fixture
def switch(tmp_path: Path) -> SwitchFiles:
    """Give a file that is not there, in a folder that is not either."""
    clock = StoppedClock(datetime(2026, 6, 9, 4, 12, 30, tzinfo=UTC))
    return SwitchFiles(FreezeFile(tmp_path / "etc" / "freeze", clock))


class TestFreezeFile(SwitchContract):
    """The contract, on a file."""


def test_file_tells_who_froze_the_host_and_when(switch: SwitchFiles) -> None:
    """Whoever opens the file knows, without a tool."""
    switch.port.freeze("rolled\nalice back")
    assert switch.port.path.read_text() == (
        "rolled alice back\n(by t3safe, 2026-06-09 04:12:30 UTC)\n"
    )
    assert stat.S_IMODE(switch.port.path.stat().st_mode) == 0o644
    assert switch.port.frozen() == "rolled alice back (by t3safe, 2026-06-09 04:12:30 UTC)"
    assert os.listdir(switch.port.path.parent) == ["freeze"]


def test_touched_file_freezes(switch: SwitchFiles) -> None:
    """The way that every runbook names."""
    switch.port.path.parent.mkdir()
    switch.port.path.touch()
    assert switch.port.frozen() == "frozen by hand (empty file)"
    switch.port.freeze("a later reason")
    assert switch.port.path.read_text() == ""


def test_hand_written_reason_is_told(switch: SwitchFiles) -> None:
    """Whatever somebody wrote, on one line and not endlessly."""
    switch.port.path.parent.mkdir()
    switch.port.path.write_bytes(b"until  Monday,\n ask M\xe9l\n" + b"x" * 10_000)
    told = switch.port.frozen()
    assert told.startswith("until Monday, ask M\ufffdl xxx")
    assert len(told) == 1000


@pytest.mark.parametrize("kind", ["folder", "fifo", "dangling link", "folder is a file"])
def test_whatever_cannot_be_read_freezes(switch: SwitchFiles, kind: str) -> None:
    """Unknown is frozen: a run must not go on because a file is odd."""
    path = switch.port.path
    path.parent.mkdir()
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "dangling link":
            path.symlink_to("nowhere")
        case _:
            path.parent.rmdir()
            path.parent.write_text("")
    assert "cannot be read" in switch.port.frozen()


def test_freeze_that_cannot_be_written_is_told(switch: SwitchFiles, tmp_path: Path) -> None:
    """With the command that does it by hand, and nothing half-written."""
    switch.port.path.parent.mkdir()
    (switch.port.path.parent / ".freeze.new").mkdir()
    with pytest.raises(SwitchError, match=f"do it by hand: touch {switch.port.path}"):
        switch.port.freeze("why")
    assert switch.port.frozen() == ""


def test_thaw_that_cannot_be_done_is_told(switch: SwitchFiles) -> None:
    """The host stays frozen, and says so."""
    switch.port.path.mkdir(parents=True)
    with pytest.raises(SwitchError, match=f"do it by hand: remove {switch.port.path}"):
        switch.port.thaw()
    assert switch.port.frozen()


def test_system_clock_is_aware_and_in_utc() -> None:
    """Times are written into journals and compared across time zones."""
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC
