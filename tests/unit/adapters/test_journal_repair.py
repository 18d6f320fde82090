"""A damaged journal is found out, set aside whole, and a new one takes its place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from t3safe.adapters.journal import SqliteJournal, file, repair
from t3safe.domain import events as ev
from t3safe.domain import gate
from t3safe.domain.errors import DamagedJournalError, JournalError
from t3safe.domain.versions import Version
from tests.support import damage

OLD = Version.parse("0.0.28-nightly.20260615.567")
NEW = Version.parse("0.0.28-nightly.20260615.571")
NOW = datetime(2026, 6, 16, 4, tzinfo=UTC)
PLAN = ev.Plan(
    "r1", ev.Kind.RUN, NEW, OLD, (ev.MovePlan("alice", OLD, NEW),), all_people=("alice",)
)
PLACE = "journal.sqlite.broken-20260616T040000Z"


@pytest.fixture
def journal(tmp_path: Path) -> SqliteJournal:
    """Give a journal with one run that is over and one build refused in production."""
    made = SqliteJournal(tmp_path / "state" / "journal.sqlite")
    made.append("r1", ev.Opened(PLAN, NOW))
    made.append("r1", ev.Closed(ev.Ended(ev.Outcome.LATER, "x"), NOW))
    refused = gate.Verdict(NEW, gate.Ruling.REFUSED, ("alice",), in_production=True)
    made.record(refused, "gate-1", NOW)
    made.close()
    return made


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _undecodable(path: Path) -> None:
    damage.nonsense(path, "Closed")


def _no_text(path: Path) -> None:
    damage.changed(path, "UPDATE events SET body = CAST(x'ff00ff' AS TEXT) WHERE kind = 'Closed'")


def _without_tables(path: Path) -> None:
    damage.changed(path, "DROP TABLE verdicts")


DAMAGE: dict[str, tuple[Callable[[Path], None], bool]] = {
    "random header": (damage.random_header, False),
    "truncated": (damage.truncated, False),
    "emptied": (damage.emptied, False),
    "a folder": (damage.folder, False),
    "a link": (_link, True),
    "undecodable": (_undecodable, True),
    "no text": (_no_text, True),
    "a table is gone": (_without_tables, False),
}
"""What befalls the file, and whether the verdicts can be saved from it."""


def _names(journal: SqliteJournal) -> set[str]:
    return {path.name for path in journal.path.parent.iterdir()}


def test_a_sound_journal_has_nothing_said_against_it(journal: SqliteJournal) -> None:
    """Neither has one that is not there yet, and looking at that makes nothing."""
    assert journal.complaint() == ""
    assert journal.complaint(thorough=True) == ""
    none = SqliteJournal(journal.path.parent / "none" / "journal.sqlite")
    assert none.complaint() == ""
    assert (none.unfinished(), list(none.runs()), none.refused("g")) == (None, [], ())
    assert not none.path.parent.exists()


def test_a_file_that_was_just_begun_is_no_damage(tmp_path: Path) -> None:
    """Cut off between the making of the file and its tables, nothing was lost: no run was begun."""
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    journal.path.touch()
    assert journal.complaint() == ""
    assert journal.unfinished() is None
    journal.append("r1", ev.Opened(PLAN, NOW))
    assert journal.unfinished() == "r1"
    journal.close()


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_told_and_changes_nothing_until_it_is_set_aside(
    journal: SqliteJournal, name: str
) -> None:
    """Looking leaves every file as it was; set aside, the old is kept and the new one works."""
    befalls, readable = DAMAGE[name]
    befalls(journal.path)
    before = {path: path.lstat().st_mtime_ns for path in journal.path.parent.iterdir()}
    assert journal.complaint()
    journal.close()
    assert {path: path.lstat().st_mtime_ns for path in journal.path.parent.iterdir()} == before

    kept = journal.set_aside(NOW)

    assert (Path(kept.place).name, kept.verdicts == 1, kept.complete) == (PLACE, readable, readable)
    assert Path(kept.place) in journal.path.parent.iterdir()
    assert journal.complaint(thorough=True) == ""
    assert list(journal.runs()) == []
    assert journal.refused("gate-2") == (((NEW, "alice"),) if readable else ())
    assert journal.path.stat().st_mode & 0o077 == 0
    journal.append("r2", ev.Opened(PLAN, NOW))
    assert journal.unfinished() == "r2"
    journal.close()


@pytest.mark.parametrize("name", ["random header", "emptied", "a folder"])
def test_nothing_is_written_into_a_damaged_journal(journal: SqliteJournal, name: str) -> None:
    """A command that does not set it aside is told of damage, and leaves it as it is."""
    DAMAGE[name][0](journal.path)
    size = journal.path.stat().st_size
    with pytest.raises(DamagedJournalError, match="`t3safe recover` sets it aside"):
        journal.append("r2", ev.Opened(PLAN, NOW))
    with pytest.raises(DamagedJournalError):
        journal.allow(NEW)
    with pytest.raises(DamagedJournalError):
        journal.unfinished()
    assert journal.path.stat().st_size == size


def test_an_old_event_that_is_not_understood_is_found_by_a_thorough_look(
    journal: SqliteJournal,
) -> None:
    """The short look reads the newest event alone; whoever reads the other one is told."""
    damage.changed(journal.path, "UPDATE events SET body = '[]' WHERE kind = 'Opened'")
    assert journal.complaint() == ""
    assert "cannot understand" in journal.complaint(thorough=True)
    with pytest.raises(DamagedJournalError):
        list(journal.runs())
    journal.close()


def test_a_verdict_that_is_not_understood_is_damage_and_is_not_saved(
    journal: SqliteJournal,
) -> None:
    """The others are saved, and it is said that they are not all."""
    refused = gate.Verdict(OLD, gate.Ruling.REFUSED, ("no",), in_production=True)
    journal.record(refused, "gate-1", NOW)
    journal.close()
    damage.changed(journal.path, f"UPDATE verdicts SET reasons = 'no list' WHERE version = '{NEW}'")
    with pytest.raises(DamagedJournalError, match="a verdict is not understood"):
        journal.refused("gate-1")
    kept = journal.set_aside(NOW)
    assert (kept.verdicts, kept.complete) == (1, False)
    assert journal.refused("gate-1") == ((OLD, "no"),)
    journal.close()


def test_what_lies_beside_the_database_goes_with_it(journal: SqliteJournal) -> None:
    """SQLite finds a log again under the database's new name; none is left for the new journal."""
    _undecodable(journal.path)
    for suffix in repair.BESIDE:
        journal.path.with_name(f"journal.sqlite{suffix}").write_bytes(b"x")
    journal.set_aside(NOW)
    beside = {PLACE + suffix for suffix in repair.BESIDE}
    assert _names(journal) == {PLACE, *beside, "journal.sqlite", "journal.sqlite.reserve"}
    journal.close()


def test_nothing_that_was_set_aside_before_is_replaced(journal: SqliteJournal) -> None:
    """A second time in the same second gets a name of its own."""
    for place in (PLACE, f"{PLACE}-2"):
        damage.emptied(journal.path)
        assert Path(journal.set_aside(NOW).place).name == place
    assert {PLACE, f"{PLACE}-2"} <= _names(journal)


class _CutError(Exception):
    """The process dies here."""


@pytest.mark.parametrize("step", ["made", *repair.BESIDE, "renamed"])
def test_cut_off_anywhere_the_next_call_ends_it(journal: SqliteJournal, step: str) -> None:
    """The damage is still told, the old journal is there under some name, the verdict is saved."""
    _undecodable(journal.path)
    for suffix in repair.BESIDE:
        journal.path.with_name(f"journal.sqlite{suffix}").write_bytes(b"")

    def die(reached: str) -> None:
        if reached == step:
            raise _CutError

    with pytest.raises(_CutError):
        repair.set_aside(journal.path, file.SCHEMA, NOW, die)
    assert journal.complaint()
    with pytest.raises(DamagedJournalError):
        list(journal.runs())

    kept = journal.set_aside(NOW.replace(hour=5))

    assert Path(kept.place).exists()
    assert (kept.verdicts, kept.complete) == (1, True)
    assert journal.complaint() == ""
    assert journal.refused("gate-2") == ((NEW, "alice"),)
    assert not journal.path.with_name("journal.sqlite.new").exists()
    assert len([name for name in _names(journal) if name.endswith("Z")]) == 1
    journal.close()


def test_where_it_cannot_be_set_aside_the_old_one_stays(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes no new journal leaves the old one in its place, and says so."""
    _undecodable(journal.path)
    content = journal.path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "touch", full)
    with pytest.raises(JournalError, match="cannot set aside the journal"):
        journal.set_aside(NOW)
    assert journal.path.read_bytes() == content
    assert _names(journal) >= {"journal.sqlite"}
