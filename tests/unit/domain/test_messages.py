"""The words of every effect and every answer: their meaning, their level, and no secret in them."""

from __future__ import annotations

from typing import Final

import pytest
from attrs import evolve as changed

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import messages
from t3safe.domain.errors import Fault
from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.messages import ALERT_WORDS, LogLevel, LogLine, calm, frozen_line
from t3safe.domain.standalone import STATE
from tests.unit.domain.plans import (
    DONE,
    L30,
    NEW,
    OLD,
    PAIRED,
    build_fault,
    host_fault,
    rehearsal,
    rehearsed,
    snapshot,
    subjects,
)

TAKE: Final = fx.TakeSlot("canary", "r1", NEW, "0" * 64)
EFFECTS: tuple[fx.Effect, ...] = (
    fx.StageBuild(NEW),
    fx.SnapshotOnline("ann", "s1"),
    fx.Rehearse(NEW, subjects(ann="s1")),
    fx.RecordVerdict(Verdict(NEW, Ruling.PASSED)),
    TAKE,
    fx.Assess("ann"),
    fx.VerifyPairing("ann", NEW),
    fx.Fence("ann"),
    fx.Stop("ann"),
    fx.SnapshotAtRest("ann", "s1", NEW),
    fx.Select("ann", NEW),
    fx.Start("ann"),
    fx.Quarantine("ann", "s2", NEW, "s1"),
    fx.Restore("ann", "s1"),
    fx.Inspect("ann"),
    fx.Bake(("ann", "ben"), NEW, 600.0),
    fx.Revisit(("ann",), NEW),
    fx.Promote(NEW),
    fx.Freeze("it failed"),
    fx.Prune(("ann",)),
)
"""One of each."""


def test_every_effect_has_words_of_its_own() -> None:
    """Each once, with its subject, and none with an alert word."""
    assert {type(effect) for effect in EFFECTS} == set(fx.Effect.__args__)
    rows = [messages.words(effect) for effect in EFFECTS]
    assert len({row.name for row in rows}) == len(rows)
    for effect, row in zip(EFFECTS, rows, strict=True):
        for said in (row.doing, row.task):
            assert calm(said) == said
            assert str(getattr(effect, "person", "")) in said
    assert messages.words(EFFECTS[9]).name == "snapshot-at-rest"


@pytest.mark.parametrize(
    ("effect", "doing"),
    [
        (fx.StageBuild(NEW), f"installing {NEW}"),
        (fx.Rehearse(NEW, subjects(ann="s")), f"rehearsing {NEW} on 2 copies"),
        (fx.Rehearse(NEW, subjects()), f"rehearsing {NEW} on 1 copy"),
        (fx.SnapshotAtRest("ann", "s", OLD), "copying ann's data at rest"),
        (fx.SnapshotOnline(STATE, "s"), "copying the given data while the serve runs"),
        (fx.Bake(("ann", "ben"), NEW, 599.6), f"baking {NEW} for 10 min: ann, ben"),
    ],
)
def test_the_log_announces_what_takes_long(effect: fx.Effect, doing: str) -> None:
    """With the person, so that it can be shown in their row."""
    person = getattr(effect, "person", "")
    assert messages.begun(effect) == (LogLine(LogLevel.PROGRESS, doing, person),)


def test_the_log_does_not_announce_what_takes_no_time() -> None:
    """A timer gets one line a fact."""
    assert messages.begun(fx.Assess("ann")) == messages.begun(fx.Prune(())) == ()


def test_a_failure_says_what_failed_why_and_whose_fault_it_is() -> None:
    """Once: a reason that says so itself is not repeated, and no name of a class is shown."""
    rest = fx.SnapshotAtRest("ann", "s", OLD)
    said = messages.failure(rest, Fault.HOST, "disk full")
    assert said == "cannot copy ann's data at rest (host): disk full"
    assert messages.failure(rest, Fault.HOST, "cannot copy: full") == "cannot copy: full (host)"
    said = messages.defect(rest, KeyError("x"))
    assert said == "internal error while copying ann's data at rest: KeyError: 'x'"


@pytest.mark.parametrize(
    ("effect", "answer", "failed", "entry"),
    [
        (fx.Select("ann", NEW), DONE, False, NEW.text),
        (fx.StageBuild(NEW), ev.Staged("0" * 64, "linux"), False, NEW.text),
        (TAKE, ev.SlotTaken(3), False, NEW.text),
        (TAKE, ev.SlotDenied("b holds it"), False, "b holds it"),
        (fx.Stop("ann"), DONE, False, ""),
        (fx.Stop("ann"), host_fault("no"), True, "no (host)"),
        (fx.VerifyPairing("ann", NEW), ev.NotPaired(Fault.BUILD, "401"), True, "401 (build)"),
        (fx.VerifyPairing("ann", NEW), PAIRED, False, "through dispatch"),
        (
            fx.Bake(("ann",), NEW, 1.0),
            ev.BakeBroken("ann", Fault.BUILD, "gone"),
            True,
            "ann: gone (build)",
        ),
        (fx.Assess("ann"), ev.Assessed(ev.Readiness.BUSY, "a turn"), False, "busy: a turn"),
        (fx.Assess("ann"), ev.Assessed(ev.Readiness.IDLE), False, "idle"),
        (fx.SnapshotOnline("ann", "s"), snapshot("s"), False, "ledger 30, 4 KiB"),
        (
            fx.Quarantine("ann", "q", NEW, "s"),
            ev.Quarantined("q", (ev.RowsKept("a:b", 2), ev.RowsKept("a:c", 3))),
            False,
            "5 rows quarantined",
        ),
        (
            fx.Quarantine("ann", "q", NEW, "s"),
            ev.Quarantined("q", (), "damaged"),
            False,
            "rows not counted: damaged",
        ),
        (fx.Inspect("ann"), ev.Inspected(NEW, True, L30), False, f"{NEW}, running"),
        (fx.Inspect("ann"), ev.Inspected(None, False, None), False, "fenced, not running"),
        (
            fx.Rehearse(NEW, ()),
            ev.Rehearsed((rehearsal(""), rehearsal("ann", failing="it died"))),
            True,
            f"{NEW}: 1 of 2 passed; ann: soak: it died",
        ),
        (
            fx.Rehearse(NEW, ()),
            rehearsed(failing=("",)),
            True,
            f"{NEW}: 0 of 1 passed; empty data: soak: it died",
        ),
        (fx.Rehearse(NEW, ()), rehearsed("ann"), False, f"{NEW}: 2 of 2 passed"),
        (fx.Rehearse(NEW, ()), ev.Rehearsed(()), False, "0 of 0 passed"),
    ],
)
def test_each_answer_has_an_entry_in_the_report(
    effect: fx.Effect, answer: ev.Answer, failed: bool, entry: str
) -> None:
    """A failure is a failure whatever kind of answer it is, and names why and whose fault."""
    assert messages.failed(answer) is failed
    assert messages.entry(effect, answer) == entry


@pytest.mark.parametrize(
    ("effect", "answer", "level", "person", "parts"),
    [
        (
            fx.StageBuild(NEW),
            build_fault("wrong bin"),
            LogLevel.WARNING,
            "",
            ("install", "wrong bin"),
        ),
        (fx.RecordVerdict(Verdict(NEW, Ruling.PASSED)), DONE, LogLevel.INFO, "", ("passed",)),
        (TAKE, ev.SlotTaken(3), LogLevel.INFO, "", ("took a slot", "canary")),
        (TAKE, ev.SlotDenied("b holds it"), LogLevel.INFO, "", ("nobody moves", "b holds it")),
        (
            fx.RecordVerdict(Verdict(NEW, Ruling.REFUSED, ("why",))),
            DONE,
            LogLevel.WARNING,
            "",
            (f"refused {NEW}: why", f"`t3safe allow {NEW}`"),
        ),
        (
            fx.RecordVerdict(Verdict(NEW, Ruling.BROKEN, ("why", "so"))),
            DONE,
            LogLevel.ALERT,
            "",
            ("GATE BROKEN, ", f"{NEW}: why; so"),
        ),
        (
            fx.SnapshotAtRest("ann", "s", OLD),
            snapshot("s"),
            LogLevel.INFO,
            "ann",
            ("rollback point of ann: s (4 KiB)",),
        ),
        (
            fx.VerifyPairing("ann", NEW),
            ev.Paired("dispatch", 1.25),
            LogLevel.INFO,
            "ann",
            (f"ann pairs on {NEW}", "dispatch", "1.2 s"),
        ),
        (
            fx.VerifyPairing("ann", NEW),
            ev.NotPaired(Fault.BUILD, "no"),
            LogLevel.WARNING,
            "ann",
            (f"ann does not pair on {NEW} (build): no",),
        ),
        (
            fx.Quarantine("ann", "k", NEW, "s"),
            ev.Quarantined("k"),
            LogLevel.WARNING,
            "ann",
            ("quarantined ann's data", "k: no rows of its own"),
        ),
        (
            fx.Quarantine("ann", "k", NEW, "s"),
            ev.Quarantined("k", (ev.RowsKept("a:b", 2), ev.RowsKept("a:c", 1))),
            LogLevel.WARNING,
            "ann",
            ("a:b 2, a:c 1",),
        ),
        (
            fx.Quarantine("ann", "k", NEW, "s"),
            ev.Quarantined("k", (), "damaged"),
            LogLevel.WARNING,
            "ann",
            ("cannot count the rows: damaged",),
        ),
        (fx.Promote(NEW, ()), DONE, LogLevel.INFO, "", (f"promoted {NEW}",)),
        (fx.Freeze("look"), DONE, LogLevel.ALERT, "", ("FROZEN (look)", "`t3safe thaw`")),
    ],
)
def test_an_answer_is_as_loud_as_what_it_means(
    effect: fx.Effect, answer: ev.Answer, level: LogLevel, person: str, parts: tuple[str, ...]
) -> None:
    """A fact, something to look at, something to get up for; with its facts and its person."""
    (line,) = messages.answered(effect, answer)
    assert (line.level, line.person) == (level, person)
    assert all(part in str(line) for part in parts), str(line)


def test_a_rehearsal_is_logged_with_its_time_or_its_evidence() -> None:
    """One line a copy, about the person whose copy it was."""
    (empty, ann) = rehearsed("ann", failing=("ann",)).rehearsals
    answer = ev.Rehearsed((changed(empty, seconds=2.25), changed(ann, evidence="/e")))
    passed, failed = messages.answered(fx.Rehearse(NEW, ()), answer)
    assert passed == LogLine(LogLevel.INFO, f"gate: {NEW} passed on empty data (2.2 s)")
    why = f"gate: {NEW} failed on ann: soak: it died; evidence: /e"
    assert failed == LogLine(LogLevel.WARNING, why, "ann")


def test_what_is_done_without_a_fact_is_not_logged() -> None:
    """One line a fact."""
    assert tuple(messages.answered(fx.Prune(()), DONE)) == ()


def test_alert_words_out_of_a_reason_are_broken_up() -> None:
    """A reason from outside can raise no alert."""
    text = ", ".join(ALERT_WORDS)
    assert calm(text) == "rolling-back, rolled-back, ROLLBACK-FAILED, Frozen"
    assert str(LogLine(LogLevel.INFO, text)) == calm(text)
    assert str(LogLine(LogLevel.ALERT, text, alert="FROZEN")) == f"FROZEN {calm(text)}"


def test_no_line_holds_a_secret() -> None:
    """Reasons come redacted from the adapters, and are redacted here again."""
    (line,) = messages.answered(fx.StageBuild(NEW), host_fault("Token: ABCD2345EFGH"))
    assert str(line).endswith("Token: [redacted]")


def test_a_frozen_host_says_so_on_every_run() -> None:
    """With the reason, what it holds at, and the way out, under the word that alerts match."""
    line = frozen_line("look first", "0.0.24")
    assert (line.level, line.person, line.alert) == (LogLevel.ALERT, "", "FROZEN")
    assert str(line).startswith("FROZEN (look first); holding at 0.0.24; `t3safe thaw`")
