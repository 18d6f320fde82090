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
from t3safe.domain.messages import (
    ALERT_WORDS,
    UNPROTECTED,
    LogLevel,
    LogLine,
    calm,
    frozen_line,
)
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
WORDS: tuple[tuple[fx.Effect, str, str, str], ...] = (
    (fx.StageBuild(NEW), "stage", "install", f"installing {NEW}"),
    (
        fx.SnapshotOnline("ann", "s1"),
        "snapshot-online",
        "copy",
        "copying ann's data while the serve runs",
    ),
    (
        fx.Rehearse(NEW, subjects(ann="s1")),
        "rehearse",
        "rehearse",
        f"rehearsing {NEW} on 2 copies",
    ),
    (
        fx.RecordVerdict(Verdict(NEW, Ruling.PASSED)),
        "record-verdict",
        "record",
        f"recording the verdict on {NEW}",
    ),
    (TAKE, "take-slot", "take", f"taking a slot of ring canary of the fleet for {NEW}"),
    (fx.Assess("ann"), "assess", "check", "checking whether ann is idle"),
    (fx.VerifyPairing("ann", NEW), "verify", "verify", f"verifying pairing as ann on {NEW}"),
    (fx.Fence("ann"), "fence", "fence", "fencing ann"),
    (fx.Stop("ann"), "stop", "stop", "stopping ann's serve"),
    (
        fx.SnapshotAtRest("ann", "s1", NEW),
        "snapshot-at-rest",
        "copy",
        "copying ann's data at rest",
    ),
    (fx.Select("ann", NEW), "select", "select", f"selecting {NEW} for ann"),
    (fx.Start("ann"), "start", "start", "starting ann's serve"),
    (
        fx.Quarantine("ann", "s2", NEW, "s1"),
        "quarantine",
        "quarantine",
        "quarantining ann's data",
    ),
    (fx.Restore("ann", "s1"), "restore", "restore", "restoring ann's data from s1"),
    (fx.Inspect("ann"), "inspect", "inspect", "inspecting ann's serve and data"),
    (
        fx.Bake(("ann", "ben"), NEW, 600.0),
        "bake",
        "bake",
        f"baking {NEW} for 10 min: ann, ben",
    ),
    (
        fx.Revisit(("ann", "ben"), NEW),
        "revisit",
        "verify",
        f"verifying pairing again on {NEW}: ann, ben",
    ),
    (fx.Promote(NEW), "promote", "promote", f"promoting {NEW}"),
    (fx.Freeze("it failed"), "freeze", "block", "blocking further runs"),
    (fx.Prune(("ann",)), "prune", "prune", "pruning old builds and snapshots"),
)
"""One effect of each kind: its name in reports, the verb of its failure, what the log says."""
EFFECTS = tuple(effect for effect, *_ in WORDS)

LONG = {
    fx.StageBuild,
    fx.SnapshotOnline,
    fx.Rehearse,
    fx.Stop,
    fx.SnapshotAtRest,
    fx.Start,
    fx.VerifyPairing,
    fx.Restore,
    fx.Bake,
    fx.Revisit,
}


def test_every_effect_has_words_of_its_own() -> None:
    """No name stands for two, and no line about one holds an alert word."""
    assert {type(effect) for effect in EFFECTS} == set(fx.Effect.__args__)
    rows = [messages.words(effect) for effect in EFFECTS]
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert [calm(row.doing), calm(row.task)] == [row.doing, row.task]


@pytest.mark.parametrize(("effect", "name", "verb", "doing"), WORDS)
def test_an_effect_says_who_and_what_while_it_runs_and_when_it_fails(
    effect: fx.Effect, name: str, verb: str, doing: str
) -> None:
    """Reports show its name, and programs read it: a name never changes."""
    what = doing.partition(" ")[2]
    assert messages.words(effect).name == name
    assert messages.failure(effect, Fault.HOST, "full") == f"cannot {verb} {what} (host): full"
    assert messages.defect(effect, KeyError("x")) == f"internal error while {doing}: KeyError: 'x'"


@pytest.mark.parametrize("effect", EFFECTS)
def test_the_log_announces_an_effect_if_it_takes_long(effect: fx.Effect) -> None:
    """As progress of its person; a timer gets one line a fact."""
    doing, person = messages.words(effect).doing, getattr(effect, "person", "")
    line = LogLine(LogLevel.PROGRESS, doing, person)
    assert messages.begun(effect) == ((line,) if type(effect) in LONG else ())


@pytest.mark.parametrize(
    ("effect", "doing"),
    [
        (fx.Rehearse(NEW, subjects()), f"rehearsing {NEW} on 1 copy"),
        (fx.Rehearse(NEW, subjects(a="s", b="t")), f"rehearsing {NEW} on 3 copies"),
        (fx.SnapshotAtRest(STATE, "s", OLD), "copying the given data at rest"),
        (fx.Bake(("ann",), NEW, 599.6), f"baking {NEW} for 10 min: ann"),
        (fx.Bake(("ann",), NEW, 90.0), f"baking {NEW} for 90 s: ann"),
    ],
)
def test_an_effect_says_how_many_how_long_and_whose(effect: fx.Effect, doing: str) -> None:
    """Data that a check was given has no person."""
    assert messages.words(effect).doing == doing


def test_a_reason_that_says_what_failed_is_not_repeated() -> None:
    """Whose fault it is follows it; a reason that only sounds alike does not stand alone."""
    rest = fx.SnapshotAtRest("ann", "s", OLD)
    assert messages.failure(rest, Fault.BUILD, "cannot copy: full") == "cannot copy: full (build)"
    said = messages.failure(rest, Fault.HOST, "cannotation")
    assert said == "cannot copy ann's data at rest (host): cannotation"


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
            (f"cannot install {NEW} (build): wrong bin",),
        ),
        (
            fx.RecordVerdict(Verdict(NEW, Ruling.PASSED)),
            DONE,
            LogLevel.INFO,
            "",
            (f"gate: {NEW} passed",),
        ),
        (TAKE, ev.SlotTaken(3), LogLevel.INFO, "", ("took a slot of ring canary of the fleet",)),
        (TAKE, ev.SlotDenied("b holds it"), LogLevel.INFO, "", ("nobody moves: b holds it",)),
        (
            fx.RecordVerdict(Verdict(NEW, Ruling.REFUSED, ("why",))),
            DONE,
            LogLevel.WARNING,
            "",
            (f"refused {NEW}: why; `t3safe allow {NEW}`",),
        ),
        (
            fx.RecordVerdict(Verdict(NEW, Ruling.BROKEN, ("why", "so"))),
            DONE,
            LogLevel.ALERT,
            "",
            ("GATE BROKEN, nothing is held against", f"{NEW}: why; so"),
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
            (f"ann pairs on {NEW} (via dispatch, 1.2 s)",),
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
            ("quarantined ann's data written after the stop as k: no rows",),
        ),
        (
            fx.Quarantine("ann", "k", NEW, "s"),
            ev.Quarantined("k", (ev.RowsKept("a:b", 2), ev.RowsKept("a:c", 1))),
            LogLevel.WARNING,
            "ann",
            ("as k: a:b 2, a:c 1",),
        ),
        (
            fx.Quarantine("ann", "k", NEW, "s"),
            ev.Quarantined("k", (), "damaged"),
            LogLevel.WARNING,
            "ann",
            ("as k: cannot count the rows: damaged",),
        ),
        (fx.Promote(NEW), DONE, LogLevel.INFO, "", (f"promoted {NEW}", "default", "last-good")),
        (fx.Freeze("why"), DONE, LogLevel.ALERT, "", ("FROZEN (why)", "look", "`t3safe thaw`")),
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


@pytest.mark.parametrize(
    ("effect", "answer"),
    [
        (fx.StageBuild(NEW), DONE),
        (fx.StageBuild(NEW), ev.Staged("0" * 64, "linux")),
        (fx.SnapshotOnline("ann", "s"), snapshot("s")),
        (fx.Assess("ann"), ev.Assessed(ev.Readiness.BUSY, "a turn")),
        (fx.Select("ann", NEW), DONE),
        (fx.Inspect("ann"), ev.Inspected(NEW, True, L30)),
        (fx.Bake(("ann",), NEW, 1.0), ev.BakeBroken("ann", Fault.BUILD, "gone")),
        (fx.Prune(()), DONE),
    ],
)
def test_what_is_done_without_a_fact_of_its_own_is_not_logged(
    effect: fx.Effect, answer: ev.Answer
) -> None:
    """One line a fact: what follows for a person has a line of its own in the log."""
    assert tuple(messages.answered(effect, answer)) == ()


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


def test_a_gate_without_a_sandbox_says_what_a_build_can_reach() -> None:
    """And the setting that does it."""
    parts = ('`gate.sandbox = "plain"`', "plain processes", "read and write", "network")
    assert all(part in UNPROTECTED for part in parts)
