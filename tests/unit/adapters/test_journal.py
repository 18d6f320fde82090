"""The journal in SQLite: durable, strict, and with a reserve for a full disk."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from t3safe.adapters.journal import SqliteJournal, codec, store
from t3safe.adapters.journal.file import RESERVE_BYTES
from t3safe.domain import checks, gate
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault, JournalError
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.refusals import fingerprint_of
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.generations import BEFORE_SCOPES, EVENT_LOG

OLD = Version.parse("0.0.28-nightly.20260615.567")
NEW = Version.parse("0.0.28-nightly.20260615.571")
NOW = datetime(2026, 6, 16, 4, tzinfo=UTC)
PLAN = ev.Plan(
    "r1", ev.Kind.RUN, NEW, OLD, (ev.MovePlan("alice", OLD, NEW),), all_people=("alice",)
)
LEDGER = SetLedger.of({V1_DATABASE: Ledger.of([(1, BEFORE_SCOPES.marked_by)])})
REHEARSAL = gate.Rehearsal(
    "", NEW, (checks.passed(checks.Check.LIVE, "answered"),), LEDGER, "e", 1.5
)

EFFECTS: tuple[fx.Effect, ...] = (
    fx.StageBuild(NEW),
    fx.SnapshotOnline("alice", "r1.0001"),
    fx.Rehearse(NEW, (fx.Subject("", ""), fx.Subject("alice", "r1.0001"))),
    fx.RecordVerdict(gate.Verdict(NEW, gate.Ruling.REFUSED, ("alice: no",), ("bob",))),
    fx.TakeSlot("canary", "r1", NEW, "0" * 64),
    fx.Assess("alice"),
    fx.Assess("alice", certain=True),
    fx.VerifyPairing("alice", OLD),
    fx.Fence("alice"),
    fx.Stop("alice"),
    fx.SnapshotAtRest("alice", "r1.0007", OLD),
    fx.Select("alice", NEW),
    fx.Start("alice"),
    fx.Quarantine("alice", "r1.0011", NEW, "r1.0007"),
    fx.Restore("alice", "r1.0007"),
    fx.Inspect("alice"),
    fx.Bake(("alice",), NEW, 600.0),
    fx.Revisit(("alice", "bob"), NEW),
    fx.Promote(NEW),
    fx.Freeze("alice could not pair"),
    fx.Prune(("alice",), ("r1.0007",)),
)
ANSWERS: tuple[ev.Answer, ...] = (
    ev.Done(),
    ev.Failed(Fault.HOST, "no space"),
    ev.Staged("0" * 64, "linux-x64-glibc"),
    ev.SlotTaken(12),
    ev.SlotDenied("ring canary has 1 slot(s)"),
    ev.Rehearsed((REHEARSAL,)),
    ev.Assessed(ev.Readiness.BUSY, "a turn"),
    ev.Snapshotted("r1.0007", LEDGER, 4096),
    ev.Quarantined("r1.0011", (ev.RowsKept(f"{V1_DATABASE}:{EVENT_LOG}", 3),)),
    ev.Paired(),
    ev.NotPaired(Fault.ENVIRONMENT, "no answer"),
    ev.Inspected(None, running=False, ledger=None),
    ev.Inspected(OLD, running=True, ledger=LEDGER, restoring=True),
    ev.BakeBroken("alice", Fault.BUILD, "exited"),
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    """Give a journal whose folder is not there yet."""
    made = SqliteJournal(tmp_path / "state" / "journal.sqlite")
    yield made
    made.close()


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: type(effect).__name__)
def test_every_effect_survives_the_journal(effect: fx.Effect, journal: SqliteJournal) -> None:
    """An effect read back equals the one that was written."""
    journal.append("r1", ev.Started(1, effect, NOW))
    assert journal.events("r1") == (ev.Started(1, effect, NOW),)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_every_answer_survives_the_journal(answer: ev.Answer, journal: SqliteJournal) -> None:
    """An answer read back equals the one that was written."""
    journal.append("r1", ev.Finished(1, answer, NOW))
    assert journal.events("r1") == (ev.Finished(1, answer, NOW),)


def test_every_effect_and_answer_is_covered_by_these_tests() -> None:
    """A new effect or answer without a round trip here fails."""
    assert {type(effect) for effect in EFFECTS} == set(fx.Effect.__args__)
    assert {type(answer) for answer in ANSWERS} == set(ev.Answer.__args__)


def test_enumerations_are_journaled_as_their_strings() -> None:
    """Reordering an enumeration cannot corrupt history."""
    body = json.loads(codec.encode(ev.Closed(ev.Ended(ev.Outcome.ROLLED_BACK, "x"), NOW)))
    assert body["ended"]["outcome"] == "rolled-back"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"type":"Nope"}',
        '{"type":"Resumed"}',
        '{"type":"Resumed","at":"2026-06-16T04:00:00"}',
        '{"type":"Resumed","at":3}',
        '{"type":"Resumed","at":"2026-06-16T04:00:00+00:00","more":1}',
        '{"type":"Closed","at":"2026-06-16T04:00:00+00:00","ended":{"outcome":"fine","reason":""}}',
        '{"type":"Finished","seq":"1","answer":{"type":"Done"},"at":"2026-06-16T04:00:00+00:00"}',
        '{"type":"Finished","seq":true,"answer":{"type":"Done"},"at":"2026-06-16T04:00:00+00:00"}',
        '{"type":"Finished","seq":1,"answer":{"type":"Gone"},"at":"2026-06-16T04:00:00+00:00"}',
        '{"type":"Started","seq":1,"effect":{"type":"Stage","build":"../x"},"at":"2026-06-16"}',
        '{"type":"Closed","ended":3,"at":"2026-06-16T04:00:00+00:00"}',
    ],
)
def test_a_record_that_is_not_wholly_understood_is_refused(text: str) -> None:
    """Unknown keys, tags, times without a zone and wrong types are errors, never guesses."""
    with pytest.raises(JournalError, match="cannot understand"):
        codec.decode(text)


def test_a_run_is_unfinished_until_it_is_closed(journal: SqliteJournal) -> None:
    """The journal names the run that a later process has to take over."""
    assert journal.unfinished() is None
    journal.append("r1", ev.Opened(PLAN, NOW))
    assert journal.unfinished() == "r1"
    journal.append("r1", ev.Closed(ev.Ended(ev.Outcome.LATER, "x"), NOW))
    assert journal.unfinished() is None


def test_a_run_that_cannot_be_summed_up_is_closed_all_the_same(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are derived: a defect in them must keep no event from being written, nor a later run."""

    def defective(*_: object) -> None:
        raise AssertionError("a rule that an old run does not follow")

    closed = ev.Closed(ev.Ended(ev.Outcome.LATER, "x"), NOW)
    with monkeypatch.context() as patch:
        patch.setattr(store, "record", defective)
        journal.append("r1", ev.Opened(PLAN, NOW))
        journal.append("r1", closed)
    assert journal.events("r1") == (ev.Opened(PLAN, NOW), closed)
    assert journal.unfinished() is None
    journal.append("r2", ev.Opened(attrs.evolve(PLAN, run="r2"), NOW))
    journal.append("r2", closed)
    assert [run.ended for run in journal.runs()] == [closed.ended, closed.ended]


def test_history_lists_the_newest_run_first(journal: SqliteJournal) -> None:
    """A run that was not closed is listed without an end."""
    journal.append("r1", ev.Opened(PLAN, NOW))
    ended = ev.Ended(ev.Outcome.LATER, "x")
    journal.append("r1", ev.Closed(ended, NOW + timedelta(minutes=1)))
    journal.append("r2", ev.Opened(PLAN, NOW + timedelta(days=1)))
    found = list(journal.runs())
    assert [record.ended for record in found] == [None, ended]
    assert found[1].closed == NOW + timedelta(minutes=1)


def test_what_was_appended_is_there_for_another_process(journal: SqliteJournal) -> None:
    """An event is committed when `append` returns."""
    journal.append("r1", ev.Opened(PLAN, NOW))
    other = SqliteJournal(journal.path)
    assert other.unfinished() == "r1"
    other.close()


def test_the_journal_is_readable_by_its_owner_alone(journal: SqliteJournal) -> None:
    """It names people and what they run."""
    journal.append("r1", ev.Opened(PLAN, NOW))
    assert journal.path.stat().st_mode & 0o077 == 0
    assert journal.path.parent.stat().st_mode & 0o077 == 0


def test_opening_a_run_sets_the_reserve_aside(journal: SqliteJournal) -> None:
    """The reserve is really allocated, not a hole."""
    journal.append("r1", ev.Opened(PLAN, NOW))
    reserve = journal.path.with_name("journal.sqlite.reserve")
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES


def test_a_full_disk_costs_the_reserve_and_not_the_event(journal: SqliteJournal) -> None:
    """A person in transition can still be settled when the disk is full."""
    journal.append("r1", ev.Opened(PLAN, NOW))
    _fill(journal)
    journal.append("r1", ev.Resumed(NOW))
    assert journal.events("r1") == (ev.Opened(PLAN, NOW), ev.Resumed(NOW))
    assert not journal.path.with_name("journal.sqlite.reserve").exists()


def _fill(journal: SqliteJournal) -> None:
    """Let the database be full until its reserve is gone, as a full disk would."""

    class Full(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3 has it
            if sql.startswith("INSERT") and reserve.exists():
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, parameters)

    reserve = journal.path.with_name("journal.sqlite.reserve")
    journal.close()
    journal.file._connection, journal.file._made = sqlite3.connect(journal.path, factory=Full), True


def test_an_event_makes_no_new_file(journal: SqliteJournal) -> None:
    """SQLite's own log stays beside the journal: on a full disk it could not be made."""
    journal.append("r1", ev.Opened(PLAN, NOW))
    before = {path.name: path.stat().st_ino for path in journal.path.parent.iterdir()}
    assert "journal.sqlite-journal" in before
    journal.append("r1", ev.Resumed(NOW))
    assert {path.name: path.stat().st_ino for path in journal.path.parent.iterdir()} == before


def test_without_room_for_a_reserve_no_run_begins(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk being full is found out before anybody is touched."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(JournalError, match="cannot reserve room"):
        journal.append("r1", ev.Opened(PLAN, NOW))
    assert journal.unfinished() is None


def test_a_journal_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    """Every method raises JournalError, and the file is left as it was."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"garbage" * 1000)
    journal = SqliteJournal(path)
    with pytest.raises(JournalError, match="cannot read the journal"):
        journal.unfinished()
    with pytest.raises(JournalError):
        journal.append("r1", ev.Resumed(NOW))
    assert path.read_bytes() == b"garbage" * 1000


def test_a_refusal_is_forgotten_when_the_gate_changes(journal: SqliteJournal) -> None:
    """A verdict counts for the gate that gave it."""
    journal.record(gate.Verdict(NEW, gate.Ruling.REFUSED, ("alice: no",)), "gate-1", NOW)
    assert journal.refused("gate-1") == ((NEW, "alice: no"),)
    assert journal.refused("gate-2") == ()


def test_a_refusal_in_production_outlives_the_gate(journal: SqliteJournal) -> None:
    """What failed a person is refused whatever the gate is by now."""
    verdict = gate.Verdict(NEW, gate.Ruling.REFUSED, ("alice",), in_production=True)
    journal.record(verdict, "gate-1", NOW)
    assert journal.refused("gate-2") == ((NEW, "alice"),)


@pytest.mark.parametrize(
    ("there", "counts"),
    [
        (None, True),
        (ev.Staged("a" * 64, "linux"), True),
        (ev.Staged("b" * 64, "linux"), False),
        (ev.Staged("a" * 64, "darwin"), False),
    ],
)
def test_a_refusal_counts_for_the_bytes_that_were_refused(
    journal: SqliteJournal, there: ev.Staged | None, *, counts: bool
) -> None:
    """One of another lock file or platform is in the store: the gate has not judged that."""
    under = fingerprint_of("gate-1", ev.Staged("a" * 64, "linux"))
    journal.record(gate.Verdict(NEW, gate.Ruling.REFUSED, ("no",)), under, NOW)
    assert journal.refused("gate-1", {NEW: there}.get) == (((NEW, "no"),) if counts else ())
    assert journal.refused("gate-2", {NEW: there}.get) == ()


@pytest.mark.parametrize("in_production", [False, True])
def test_a_refusal_of_an_earlier_t3safe_counts_whatever_is_in_the_store(
    journal: SqliteJournal, *, in_production: bool
) -> None:
    """It was recorded without bytes."""
    verdict = gate.Verdict(NEW, gate.Ruling.REFUSED, ("no",), in_production=in_production)
    journal.record(verdict, "gate-1", NOW)
    assert journal.refused("gate-1", lambda _: ev.Staged("b" * 64, "linux")) == ((NEW, "no"),)


def test_a_refusal_in_production_counts_for_other_bytes_too(journal: SqliteJournal) -> None:
    """Neither a new gate nor a new lock file lifts it: a person does."""
    verdict = gate.Verdict(NEW, gate.Ruling.REFUSED, ("no",), in_production=True)
    journal.record(verdict, fingerprint_of("gate-1", ev.Staged("a" * 64, "linux")), NOW)
    assert journal.refused("gate-2", lambda _: ev.Staged("b" * 64, "linux")) == ((NEW, "no"),)


def test_a_broken_gate_holds_nothing_against_a_build(journal: SqliteJournal) -> None:
    """Neither does it forgive what is held."""
    journal.record(gate.Verdict(OLD, gate.Ruling.REFUSED, ("no",)), "gate-1", NOW)
    for build in (OLD, NEW):
        journal.record(gate.Verdict(build, gate.Ruling.BROKEN, ("control",)), "gate-1", NOW)
    assert journal.refused("gate-1") == ((OLD, "no"),)


def test_a_person_can_forgive_a_build(journal: SqliteJournal) -> None:
    """`allow` says whether there was anything to forgive."""
    journal.record(gate.Verdict(NEW, gate.Ruling.REFUSED, ("no",), in_production=True), "g", NOW)
    assert journal.allow(NEW)
    assert not journal.allow(NEW)
    assert journal.refused("g") == ()
