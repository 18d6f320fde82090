"""When commands ended last."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from t3safe.adapters.ended import EndedMarks

NIGHT = datetime(2026, 6, 16, 4, tzinfo=UTC)
LATER = datetime(2026, 6, 16, 5, tzinfo=UTC)


def test_each_command_has_a_time_of_its_own(tmp_path: Path) -> None:
    """A drain hides no run."""
    ended = EndedMarks(tmp_path)
    assert ended.read() == ()
    ended.mark("run", NIGHT)
    ended.mark("drain", NIGHT)
    ended.mark("drain", LATER)
    assert dict(ended.read()) == {"run": NIGHT, "drain": LATER}


def test_where_it_cannot_be_kept_nothing_fails(tmp_path: Path) -> None:
    """The folder is missing, and is not made."""
    ended = EndedMarks(tmp_path / "no")
    ended.mark("run", NIGHT)
    assert ended.read() == ()
    assert not ended.folder.exists()
