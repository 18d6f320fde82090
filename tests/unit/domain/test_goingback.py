"""What going back would cost, as it is told, and the command that undoes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from t3safe.domain import events as ev
from t3safe.domain.goingback import Preview, WayBack, told, undo
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.moves import Move, Status
from t3safe.domain.versions import Version

OLD, NEW = Version.parse("0.0.24"), Version.parse("0.0.26")
TAKEN = datetime(2026, 6, 9, 4, tzinfo=UTC)
WAY = WayBack("ann", NEW, OLD, "s1", TAKEN, restore=True)


def said(preview: Preview, later: timedelta = timedelta(0)) -> str:
    """Give the lines as one text."""
    return "\n".join(told(preview, TAKEN + later))


def test_rows_that_leave_are_told_by_table() -> None:
    """Each table stands with its count, and that a copy is kept."""
    text = said(Preview(WAY, (ev.RowsKept("state.sqlite:turns", 3),)))
    assert "3 rows of state.sqlite:turns" in text
    assert "kept as a snapshot" in text


def test_what_could_not_be_counted_is_never_told_as_nothing() -> None:
    """Rule 3."""
    text = said(Preview(WAY, uncounted="it is garbage"))
    assert "could not be counted: it is garbage" in text
    assert "nothing was written" not in text
    assert "nothing was written since" in said(Preview(WAY))


def test_a_way_without_a_restore_gives_up_no_row() -> None:
    """Rule 1: only the selection moves."""
    text = said(Preview(attrs.evolve(WAY, restore=False), work="a turn is in flight"))
    assert "every row stays" in text
    assert "at work: a turn is in flight" in text


@pytest.mark.parametrize(
    ("later", "age"),
    [
        (timedelta(minutes=-1), "0 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(days=3), "3 days ago"),
    ],
)
def test_the_age_of_the_snapshot_is_told(later: timedelta, age: str) -> None:
    """In minutes, hours or days; a clock that was set back makes it none."""
    assert age in said(Preview(WAY), later)


def test_the_undo_is_the_copy_that_was_kept_or_the_build_that_was_left() -> None:
    """Rule 2; who was not moved has nothing to undo."""
    plan = ev.MovePlan("ann", NEW, OLD, "s1")
    kept = ev.Snapshotted("r1", SetLedger(), 1)
    moved = Move(plan, Status.MOVED, rest=kept)
    assert undo(moved) == "t3safe restore ann r1"
    stayed = attrs.evolve(moved, plan=attrs.evolve(plan, restore=""))
    assert undo(stayed) == f"t3safe rollback ann --to {NEW}"
    assert undo(Move(plan, Status.DEFERRED)) == ""
