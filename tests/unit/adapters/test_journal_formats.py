"""Journals of every format are read; one of a newer format is left alone."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest

import t3safe
from t3safe.adapters.journal import SqliteJournal, codec, file, rows
from t3safe.adapters.journal.file import APPLICATION
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import gate
from t3safe.domain.errors import DamagedJournalError, NewerJournalError
from t3safe.domain.versions import Version
from t3safe.engine import rollout_of
from tests.golden.__main__ import records
from tests.unit.adapters.test_journal import NOW, PLAN

GOLDEN = Path(__file__).parents[2] / "golden"
FORMATS = sorted(GOLDEN.glob("format-*"))
JOURNALS = [path for folder in FORMATS for path in sorted(folder.glob("*.sql"))]
NEW = Version.parse("0.0.28-nightly.20260615.567")


def _loaded(golden: Path, place: Path) -> SqliteJournal:
    """Make a journal's file of the SQL that it was kept as."""
    with closing(sqlite3.connect(place)) as opened:
        opened.executescript(golden.read_text())
    return SqliteJournal(place)


def _header(path: Path) -> tuple[int, int, str]:
    """Give the application, the format, and which t3safe wrote the file."""
    with closing(sqlite3.connect(path)) as opened:
        application, number = (
            opened.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        )
        by = opened.execute("SELECT t3safe FROM written_by").fetchall() if number else [("",)]
    return application, number, by[0][0]


def written_later(place: Path) -> SqliteJournal:
    """Make a journal that t3safe 99.1 wrote in the format after the present one."""
    made = SqliteJournal(place / "journal.sqlite")
    made.append("r1", ev.Opened(PLAN, NOW))
    made.close()
    with closing(sqlite3.connect(made.path)) as opened, opened:
        opened.execute("UPDATE written_by SET t3safe = '99.1'")
        opened.execute("""UPDATE events SET body = '{"type":"Begun","later":1}'""")
        opened.execute(f"PRAGMA user_version = {codec.FORMAT + 1}")
    return made


@pytest.fixture
def newer(tmp_path: Path) -> Iterator[SqliteJournal]:
    """Give such a journal."""
    made = written_later(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("golden", JOURNALS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_journal_of_every_format_is_read_whole(golden: Path, tmp_path: Path) -> None:
    """Each run folds by the present rules or is rebuilt; looking changes no byte."""
    journal = _loaded(golden, tmp_path / "journal.sqlite")
    before = journal.path.read_bytes()
    assert journal.complaint(thorough=True) == ""
    runs = list(journal.runs())
    assert runs
    for record in runs:
        assert rollout_of(journal.events(record.run)).ending == record.ended
    journal.close()
    assert journal.path.read_bytes() == before


@pytest.mark.parametrize("golden", JOURNALS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_first_write_makes_an_older_journal_the_present_one(
    golden: Path, tmp_path: Path
) -> None:
    """What was in it is in it still, and the file says who wrote it."""
    journal = _loaded(golden, tmp_path / "journal.sqlite")
    held = [journal.events(record.run) for record in journal.runs()]
    journal.append("later", ev.Opened(PLAN, NOW))
    journal.close()
    assert _header(journal.path) == (APPLICATION, codec.FORMAT, t3safe.__version__)
    assert [journal.events(record.run) for record in journal.runs()][1:] == held
    journal.close()


def test_every_record_ever_written_is_read_and_written_as_it_was() -> None:
    """No tag, key or word of an earlier format is lost or given another meaning."""
    for folder in FORMATS:
        for line in (folder / "records.jsonl").read_text().splitlines():
            event = codec.decode(line)
            assert codec.decode(codec.encode(event)) == event


def test_what_is_written_is_pinned_to_the_byte() -> None:
    """Whoever changes what is written raises the format and keeps the former journals."""
    assert records() == (FORMATS[-1] / "records.jsonl").read_text()


def test_no_name_of_a_class_is_written() -> None:
    """A class may be renamed without a byte of the journal changing."""
    before, names = records(), {kind: kind.__name__ for kind in codec.FORMS}
    codec.converter.cache_clear()
    try:
        for number, kind in enumerate(names):
            kind.__name__ = f"Renamed{number}"
        assert records() == before
        assert all(codec.encode(codec.decode(line)) == line for line in before.splitlines())
    finally:
        for kind, name in names.items():
            kind.__name__ = name
        codec.converter.cache_clear()


def test_a_renamed_field_keeps_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table says under which key a field is kept."""
    form = codec.Form("Resumed", (("at", "taken-over"),))
    monkeypatch.setitem(codec.FORMS, ev.Resumed, form)
    codec.converter.cache_clear()
    try:
        text = codec.encode(ev.Resumed(NOW))
        assert text == f'{{"taken-over":"{NOW.isoformat()}","type":"Resumed"}}'
        assert codec.decode(text) == ev.Resumed(NOW)
    finally:
        codec.converter.cache_clear()


def test_the_table_names_every_class_and_field_that_is_written() -> None:
    """A class or a field that is added without a place in the table fails here."""
    for kind, form in codec.FORMS.items():
        assert [name for name, _ in form.keys] == [part.name for part in attrs.fields(kind)], kind
    for union in (fx.Effect, ev.Answer, ev.Event):
        for kind in get_args(union):
            assert codec.FORMS[kind].tag
    tags = [form.tag for form in codec.FORMS.values() if form.tag]
    assert len(set(tags)) == len(tags)


def test_a_newer_journal_is_refused_by_name_and_left_alone(newer: SqliteJournal) -> None:
    """Neither read, written, nor set aside: the line says which t3safe wrote it."""
    before = {path.name: path.read_bytes() for path in newer.path.parent.iterdir()}
    refused = gate.Verdict(NEW, gate.Ruling.REFUSED, ("no",))
    for act in (
        newer.require_known,
        newer.complaint,
        newer.unfinished,
        lambda: list(newer.runs()),
        lambda: newer.refused("gate"),
        lambda: newer.append("r2", ev.Opened(PLAN, NOW)),
        lambda: newer.record(refused, "gate", NOW),
        lambda: newer.allow(NEW),
        lambda: newer.set_aside(datetime(2026, 6, 16, 4, tzinfo=UTC)),
    ):
        with pytest.raises(NewerJournalError, match=r"t3safe 99\.1, in format") as caught:
            act()
        assert "use that version or a newer one" in str(caught.value)
    newer.close()
    assert {path.name: path.read_bytes() for path in newer.path.parent.iterdir()} == before


def test_a_newer_journal_without_our_tables_is_refused_too(newer: SqliteJournal) -> None:
    """What a newer t3safe keeps, and where, is its own."""
    with closing(sqlite3.connect(newer.path)) as opened, opened:
        for table in ("events", "verdicts", "written_by"):
            opened.execute(f"DROP TABLE {table}")
    with pytest.raises(NewerJournalError, match="of an unknown version"):
        newer.set_aside(NOW)
    assert newer.path.exists()


def test_the_database_of_another_program_is_damage(newer: SqliteJournal) -> None:
    """Its number says nothing of our formats."""
    with closing(sqlite3.connect(newer.path)) as opened, opened:
        opened.execute("PRAGMA application_id = 7")
    with pytest.raises(DamagedJournalError, match="another program's"):
        newer.unfinished()


def test_an_unknown_key_in_the_present_format_is_damage(newer: SqliteJournal) -> None:
    """The file says that this t3safe understands it, so it must."""
    with closing(sqlite3.connect(newer.path)) as opened, opened:
        opened.execute(f"PRAGMA user_version = {codec.FORMAT}")
    assert "cannot understand" in newer.complaint()


@pytest.mark.parametrize("at", range(1, file.SCHEMA.count(";")))
def test_cut_off_while_it_is_made_the_present_one_an_older_journal_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Killed at any statement, the file is still of the older format, or wholly of the present."""
    journal = _loaded(JOURNALS[0], tmp_path / "journal.sqlite")
    statements = file.SCHEMA.split(";")
    monkeypatch.setattr(file, "SCHEMA", ";".join(statements[:at]) + "; SELECT nothing;")
    with pytest.raises(DamagedJournalError):
        journal.append("later", ev.Opened(PLAN, NOW))
    journal.close()
    assert _header(journal.path) == (0, 0, "")
    assert journal.complaint(thorough=True) == ""
    journal.close()


def test_runs_are_read_only_as_far_as_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest of a hundred costs what the newest of one does."""
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    for number in range(100):
        journal.append(f"r{number:03d}", ev.Opened(attrs.evolve(PLAN, run=f"r{number:03d}"), NOW))
    assert [record.run for record in journal.runs()] == [
        f"r{number:03d}" for number in reversed(range(100))
    ]
    decoded: list[str] = []
    inner = codec.decode

    def counted(text: str) -> ev.Event:
        decoded.append(text)
        return inner(text)

    monkeypatch.setattr(codec, "decode", counted)
    journal.close()
    assert next(iter(journal.runs())).run == "r099"
    assert len(set(decoded)) == 1, "the newest run's record alone"
    assert len(decoded) == 2, "looked at, and folded"
    journal.close()


def test_a_run_without_rows_is_folded_once_for_everybody_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open run, or one of an earlier t3safe, is the same for each person; it may go on."""
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    decoded: list[str] = []
    inner = codec.decode

    def counted(text: str) -> ev.Event:
        decoded.append(text)
        return inner(text)

    journal.append("r1", ev.Opened(attrs.evolve(PLAN, run="r1"), NOW))
    monkeypatch.setattr(codec, "decode", counted)
    for _ in range(3):
        assert [move.run for move in journal.moves("alice")] == ["r1"]
    assert len(decoded) == 1
    journal.append("r1", ev.StopAsked(NOW))
    assert [move.run for move in journal.moves("alice")] == ["r1"]
    assert len(decoded) == 3, "both records of a run that went on"
    journal.close()


def _closed(journal: SqliteJournal, *runs: str, month: int = 0) -> None:
    at = NOW + timedelta(days=month)
    for run in runs:
        journal.append(run, ev.Opened(attrs.evolve(PLAN, run=run), at))
        journal.append(run, ev.Closed(ev.Ended(ev.Outcome.LATER, "x"), at))


def _no_rows(journal: SqliteJournal) -> None:
    """Take the tables away that another t3safe does not know."""
    journal.close()
    with closing(sqlite3.connect(journal.path)) as opened, opened:
        opened.executescript("DROP TABLE moves; DROP TABLE runs; DELETE FROM written_by")


def _seen(journal: SqliteJournal) -> tuple[object, ...]:
    moves = tuple(tuple(journal.moves(person)) for person in ("ann", "bob", "cid"))
    return tuple(journal.runs()), moves, journal.ends()


@pytest.mark.parametrize("golden", JOURNALS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_rows_tell_what_the_events_do(golden: Path, tmp_path: Path) -> None:
    """Read from events, added by the first write, and read beside runs that have none."""
    journal = _loaded(golden, tmp_path / "journal.sqlite")
    from_events = _seen(journal)
    journal.record(gate.Verdict(NEW, gate.Ruling.REFUSED, ("no",)), "gate", NOW)
    assert _seen(journal) == from_events
    with closing(sqlite3.connect(journal.path)) as opened, opened:
        newest = "SELECT number FROM runs ORDER BY number LIMIT 1"
        for table in ("moves", "runs"):
            opened.execute(f"DELETE FROM {table} WHERE number = ({newest})")
    assert _seen(journal) == from_events
    _no_rows(journal)
    assert _seen(journal) == from_events
    journal.close()


def test_runs_of_which_another_version_made_no_rows_are_added(tmp_path: Path) -> None:
    """A t3safe that does not know the tables passes them over."""
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    _closed(journal, "r1", "r2")
    known = _seen(journal)
    _no_rows(journal)
    _closed(journal, "r3")
    with closing(sqlite3.connect(journal.path)) as opened:
        assert opened.execute("SELECT run FROM runs ORDER BY number").fetchall() == [
            ("r1",),
            ("r2",),
            ("r3",),
        ]
    assert tuple(journal.runs())[1:] == known[0]
    journal.close()


def test_runs_that_an_earlier_version_deleted_are_counted_still(tmp_path: Path) -> None:
    """It left their number in a table of its own."""
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    _closed(journal, "r1")
    with closing(sqlite3.connect(journal.path)) as opened, opened:
        opened.execute("CREATE TABLE anchor (body TEXT NOT NULL)")
        opened.execute("""INSERT INTO anchor VALUES ('{"runs":4,"ends":[["later",3]]}')""")
    assert journal.ends() == {ev.Outcome.LATER: 4}
    with closing(sqlite3.connect(journal.path)) as opened, opened:
        opened.execute("UPDATE anchor SET body = '{}'")
    with pytest.raises(DamagedJournalError, match="not understood"):
        journal.ends()
    journal.close()


def test_killed_in_the_middle_of_a_pruning_the_journal_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The events were deleted already; the process that dies says nothing more."""
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    _closed(journal, *(f"r{number}" for number in range(40)))
    journal.close()
    child = os.fork()
    if child == 0:

        class Dies(sqlite3.Connection):
            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3 has it
                found = super().execute(sql, parameters)
                if sql == rows.PRUNE:
                    assert super().execute("SELECT count(*) FROM events").fetchone() == (0,)
                    os.kill(os.getpid(), signal.SIGKILL)
                return found

        journal.file._connection, journal.file._made = (
            sqlite3.connect(journal.path, factory=Dies),
            True,
        )
        journal.prune(NOW + timedelta(days=1))
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert len(journal.events("r0")) == 2
    assert journal.complaint(thorough=True) == ""
    journal.close()


def test_room_of_pruned_runs_is_used_again(tmp_path: Path) -> None:
    """As many runs come as go: only rows are added."""
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    sizes = []
    for month in range(6):
        _closed(journal, *(f"r{month}-{number}" for number in range(200)), month=month)
        journal.prune(NOW + timedelta(days=month))
        sizes.append(journal.path.stat().st_size)
    assert sizes[5] - sizes[2] <= 3 * 200 * 400
    journal.close()
