"""The messages of each effect and each answer: one table for log, progress, reports and failures.

Rules:

1. Alert rules of hosts match these words: `rolling back`, `rolled back`, `ROLLBACK FAILED`,
   `FROZEN`.  A line begins with one of them when it means just that.  No other line contains any.
2. A line names who and what.  On a failure it also names why and the next command.
3. No line contains a secret: reasons come redacted from the adapters, and are redacted here again.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, assert_never

from attrs import frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import gate, text
from t3safe.domain.errors import Fault
from t3safe.domain.redaction import redact
from t3safe.domain.standalone import STATE
from t3safe.domain.versions import Version

ALERT_WORDS: Final = ("rolling back", "rolled back", "ROLLBACK FAILED", "FROZEN")
"""What Loki rules match under the identifiers of the timers."""
UNPROTECTED: Final = (
    'rehearsals run as plain processes (`gate.sandbox = "plain"`): a build can read and write what '
    "its user can, and its serve listens on this machine's own network"
)


class LogLevel(StrEnum):
    """The level of a line: progress, a fact, a warning, an alert.

    A tick is progress that only a terminal shows.
    """

    TICK = "tick"
    PROGRESS = "progress"
    INFO = "info"
    WARNING = "warning"
    ALERT = "alert"


@frozen
class LogLine:
    """One line of the log; `person` is empty when it is not about a single person.

    `alert` is the alert word with which the line begins, empty for other lines.
    """

    level: LogLevel
    text: str
    person: str = ""
    alert: str = ""

    def __str__(self) -> str:
        """Return the printed line: the alert word, then the text without any (rule 1)."""
        words = calm(redact(self.text))
        return f"{self.alert} {words}" if self.alert else words


def calm(reason: str) -> str:
    """Break up alert words in a reason from outside (rule 1)."""
    for word in ALERT_WORDS:
        reason = reason.replace(word, word.replace(" ", "-") if " " in word else word.capitalize())
    return reason


def frozen_line(reason: str, holding: str) -> LogLine:
    """Build the line that every run prints while the host is frozen."""
    words = f"({reason}); holding at {holding}; `t3safe thaw` lets runs act again"
    return LogLine(LogLevel.ALERT, words, alert="FROZEN")


@frozen
class Words:
    """The words of one effect; reports show its `name`."""

    name: str
    verb: str
    participle: str
    what: str

    @property
    def doing(self) -> str:
        """The effect while it runs, for the log and progress: "copying ann's data at rest"."""
        return f"{self.participle} {self.what}"

    @property
    def task(self) -> str:
        """The effect in a failure: "copy ann's data at rest"."""
        return f"{self.verb} {self.what}"


def words(effect: fx.Effect) -> Words:
    """Return the words of an effect; this is their only table."""
    match effect:
        case fx.StageBuild(build):
            return Words("stage", "install", "installing", f"{build}")
        case fx.SnapshotOnline(person):
            return Words(
                "snapshot-online", "copy", "copying", f"{_data(person)} while the serve runs"
            )
        case fx.Rehearse(build, subjects):
            return Words(
                "rehearse", "rehearse", "rehearsing", f"{build} on {_copies(len(subjects))}"
            )
        case fx.RecordVerdict(verdict):
            return Words("record-verdict", "record", "recording", f"the verdict on {verdict.build}")
        case fx.TakeSlot(ring, _, build):
            what = f"a slot of ring {ring} of the fleet for {build}"
            return Words("take-slot", "take", "taking", what)
        case fx.Assess(person):
            return Words("assess", "check", "checking", f"whether {person} is idle")
        case fx.VerifyPairing(person, build):
            return Words("verify", "verify", "verifying", f"pairing as {person} on {build}")
        case fx.Fence(person):
            return Words("fence", "fence", "fencing", person)
        case fx.Stop(person):
            return Words("stop", "stop", "stopping", f"{person}'s serve")
        case fx.SnapshotAtRest(person):
            return Words("snapshot-at-rest", "copy", "copying", f"{_data(person)} at rest")
        case fx.Select(person, build):
            return Words("select", "select", "selecting", f"{build} for {person}")
        case fx.Start(person):
            return Words("start", "start", "starting", f"{person}'s serve")
        case fx.Quarantine(person):
            return Words("quarantine", "quarantine", "quarantining", _data(person))
        case fx.Restore(person, snapshot):
            return Words("restore", "restore", "restoring", f"{_data(person)} from {snapshot}")
        case fx.Inspect(person):
            return Words("inspect", "inspect", "inspecting", f"{person}'s serve and data")
        case fx.Bake(people, build, seconds):
            return Words(
                "bake",
                "bake",
                "baking",
                f"{build} for {text.duration(seconds)}: {', '.join(people)}",
            )
        case fx.Revisit(people, build):
            return Words(
                "revisit", "verify", "verifying", f"pairing again on {build}: {', '.join(people)}"
            )
        case fx.Promote(build):
            return Words("promote", "promote", "promoting", f"{build}")
        case fx.Freeze():
            return Words("freeze", "block", "blocking", "further runs")
        case fx.Prune():
            return Words("prune", "prune", "pruning", "old builds and snapshots")
        case never:
            assert_never(never)


_ANNOUNCED: Final = (
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
)
"""The long effects: the log has a line when one begins."""


def _copies(count: int) -> str:
    return "1 copy" if count == 1 else f"{count} copies"


def _data(person: str) -> str:
    return "the given data" if person == STATE else f"{person}'s data"


def failure(effect: fx.Effect, fault: Fault, reason: str) -> str:
    """Say that an effect failed; a reason that begins with "cannot" stands alone."""
    if reason.startswith("cannot "):
        return f"{reason} ({fault})"
    return f"cannot {words(effect).task} ({fault}): {reason}"


def defect(effect: fx.Effect, error: Exception) -> str:
    """Say that t3safe itself failed while it performed an effect."""
    return f"internal error while {words(effect).doing}: {type(error).__name__}: {error}"


def begun(effect: fx.Effect) -> tuple[LogLine, ...]:
    """Return the lines for an effect that begins: one for a long effect."""
    if not isinstance(effect, _ANNOUNCED):
        return ()
    return (LogLine(LogLevel.PROGRESS, words(effect).doing, getattr(effect, "person", "")),)


def failed(answer: ev.Answer) -> bool:
    """Whether an answer is a failure."""
    match answer:
        case ev.Failed() | ev.NotPaired() | ev.BakeBroken():
            return True
        case ev.Rehearsed(rehearsals):
            return not all(rehearsal.passed for rehearsal in rehearsals)
        case _:
            return False


def entry(effect: fx.Effect, answer: ev.Answer) -> str:
    """Return the text of an answer in a report, beside the name of its effect and the person."""
    match answer:
        case ev.Failed(fault, reason) | ev.NotPaired(fault, reason):
            return f"{reason} ({fault})"
        case ev.BakeBroken(person, fault, reason):
            return f"{person}: {reason} ({fault})"
        case ev.Rehearsed(rehearsals):
            lost = [item for item in rehearsals if not item.passed]
            passed = f"{len(rehearsals) - len(lost)} of {len(rehearsals)} passed"
            head = f"{rehearsals[0].build}: {passed}" if rehearsals else passed
            return "; ".join((head, *(f"{_whose(item)}: {item.reason}" for item in lost)))
        case ev.Assessed(readiness, reason):
            return f"{readiness}: {reason}" if reason else readiness.value
        case ev.Snapshotted(_, ledger, size):
            return f"ledger {ledger.level}, {text.size(size)}"
        case ev.Quarantined(rows=rows, uncounted=uncounted):
            count = sum(row.rows for row in rows)
            return f"rows not counted: {uncounted}" if uncounted else f"{count} rows quarantined"
        case ev.Paired(via):
            return f"through {via}"
        case ev.Inspected(selected, running):
            return f"{selected or 'fenced'}, {'running' if running else 'not running'}"
        case ev.Done() | ev.Staged() | ev.SlotTaken():
            return str(getattr(effect, "build", ""))
        case ev.SlotDenied(reason):
            return reason
        case never:
            assert_never(never)


def answered(effect: fx.Effect, answer: ev.Answer) -> Iterator[LogLine]:
    """Yield the lines of the log for the answer to an effect."""
    match effect, answer:
        case _, ev.Failed(fault, reason):
            yield LogLine(LogLevel.WARNING, failure(effect, fault, reason))
        case fx.Rehearse(build), ev.Rehearsed(rehearsals):
            yield from (_rehearsal(build, rehearsal) for rehearsal in rehearsals)
        case fx.RecordVerdict(verdict), ev.Done():
            yield _verdict(verdict)
        case fx.TakeSlot(ring), ev.SlotTaken():
            yield LogLine(LogLevel.INFO, f"took a slot of ring {ring} of the fleet")
        case fx.TakeSlot(), ev.SlotDenied(reason):
            yield LogLine(LogLevel.INFO, f"nobody moves: {reason}")
        case fx.SnapshotAtRest(person, snapshot), ev.Snapshotted(size=size):
            point = f"rollback point of {person}: {snapshot} ({text.size(size)})"
            yield LogLine(LogLevel.INFO, point, person)
        case fx.VerifyPairing(person, build), ev.Paired(via, seconds):
            how = f"via {via}, {text.duration(seconds)}"
            yield LogLine(LogLevel.INFO, f"{person} pairs on {build} ({how})", person)
        case fx.VerifyPairing(person, build), ev.NotPaired(fault, reason):
            lost = f"{person} does not pair on {build} ({fault}): {reason}"
            yield LogLine(LogLevel.WARNING, lost, person)
        case fx.Quarantine(person), ev.Quarantined(snapshot, rows, uncounted):
            counted = ", ".join(f"{row.table} {row.rows}" for row in rows) or "no rows of its own"
            if uncounted:
                counted = f"cannot count the rows: {uncounted}"
            what = f"quarantined {person}'s data written after the stop as {snapshot}"
            yield LogLine(LogLevel.WARNING, f"{what}: {counted}", person)
        case fx.Promote(build), ev.Done():
            yield LogLine(LogLevel.INFO, f"promoted {build}: default and last-good")
        case fx.Freeze(reason), ev.Done():
            how = f"({reason}); look, then `t3safe thaw`"
            yield LogLine(LogLevel.ALERT, how, alert="FROZEN")
        case _:
            return


def _rehearsal(build: Version, rehearsal: gate.Rehearsal) -> LogLine:
    who = _whose(rehearsal)
    if rehearsal.passed:
        took = text.duration(rehearsal.seconds)
        return LogLine(LogLevel.INFO, f"gate: {build} passed on {who} ({took})")
    why = f"gate: {build} failed on {who}: {rehearsal.reason}; evidence: {rehearsal.evidence}"
    return LogLine(LogLevel.WARNING, why, rehearsal.subject)


def _whose(rehearsal: gate.Rehearsal) -> str:
    return rehearsal.subject or "empty data"


def _verdict(verdict: gate.Verdict) -> LogLine:
    build, why = verdict.build, "; ".join(verdict.reasons)
    match verdict.ruling:
        case gate.Ruling.PASSED:
            return LogLine(LogLevel.INFO, f"gate: {build} passed")
        case gate.Ruling.REFUSED:
            how = f"`t3safe allow {build}` lifts the refusal"
            return LogLine(LogLevel.WARNING, f"refused {build}: {why}; {how}")
        case gate.Ruling.BROKEN:
            return LogLine(LogLevel.ALERT, f"GATE BROKEN, nothing is held against {build}: {why}")
        case never:
            assert_never(never)
