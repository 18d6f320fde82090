"""What is remembered beside the runs, in the journal's file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from t3safe.adapters.journal import Notes
from t3safe.adapters.journal.file import JournalFile
from t3safe.domain.errors import JournalError
from t3safe.domain.forecast import Known
from t3safe.domain.notices import Cause, Key
from t3safe.domain.versions import Version

NEW = Version.parse("0.0.25-nightly.20260608.497")
NIGHT = datetime(2026, 6, 16, 4, tzinfo=UTC)
LATER = datetime(2026, 6, 16, 5, tzinfo=UTC)
KEYS = frozenset({Key(Cause.FROZEN, "", "by hand"), Key(Cause.REFUSED, "1.0.0", "why")})


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    """Give notes in a journal that does not exist yet."""
    made = Notes(JournalFile(tmp_path / "state" / "journal.sqlite"))
    yield made
    made.file.close()


def _nothing_known(notes: Notes) -> bool:
    return (notes.offer(), notes.ends(), notes.notified()) == (None, (), {})


def test_what_is_kept_is_read_again_by_another_process(notes: Notes) -> None:
    """The newest of each kind; a drain hides no run."""
    assert _nothing_known(notes)
    assert not notes.file.path.exists()
    notes.keep_offer(NEW, NIGHT)
    notes.keep_offer(NEW, LATER)
    notes.keep_end("drain", NIGHT)
    notes.keep_end("run", NIGHT)
    notes.keep_end("drain", LATER)
    notes.keep_notified({"1 json": KEYS})
    notes.keep_notified({"1 json": KEYS, "2 mailto": KEYS})
    notes.file.close()
    other = Notes(JournalFile(notes.file.path))
    assert other.offer() == Known(NEW, LATER)
    assert other.ends() == (("run", NIGHT), ("drain", LATER))
    assert other.notified() == {"1 json": KEYS, "2 mailto": KEYS}
    other.file.close()


@pytest.mark.parametrize(
    ("table", "damage"),
    [
        ("offer", "INSERT INTO offer VALUES (1, 'no version', 'then')"),
        ("offer", f"INSERT INTO offer VALUES (1, '{NEW}', 'then')"),
        ("ends", "INSERT INTO ends VALUES ('run', 'then')"),
        ("notified", "INSERT INTO notified VALUES ('1 json', 'a cause of tomorrow', '', '')"),
    ],
)
def test_what_is_not_understood_is_unknown(notes: Notes, table: str, damage: str) -> None:
    """Nothing fails for it (rule 1)."""
    notes.file.execute(damage)
    assert notes.file.read(table, f"SELECT * FROM {table}")
    assert _nothing_known(notes)


def test_a_journal_of_an_earlier_t3safe_has_no_notes(notes: Notes) -> None:
    """Its tables are made by the next write."""
    notes.keep_end("run", NIGHT)
    for table in ("offer", "notified", "ends"):
        notes.file.execute(f"DROP TABLE {table}")
    notes.file.close()
    assert _nothing_known(notes)
    notes.keep_end("run", LATER)
    assert notes.ends() == (("run", LATER),)


def test_a_damaged_journal_fails_only_what_would_be_sent_twice(notes: Notes) -> None:
    """What was notified is lost aloud; all else is unknown, and stays as it was."""
    notes.file.path.parent.mkdir()
    notes.file.path.write_bytes(b"no database, but long enough to be taken for one" * 100)
    before = notes.file.path.read_bytes()
    notes.keep_offer(NEW, NIGHT)
    notes.keep_end("run", NIGHT)
    assert (notes.offer(), notes.ends()) == (None, ())
    for ask in (notes.notified, lambda: notes.keep_notified({"1 json": KEYS})):
        with pytest.raises(JournalError):
            ask()
    assert notes.file.path.read_bytes() == before
