"""What is said of a rollout, as it happens: one line a fact.

Rules:

1. Alert rules out there match words: `rolling back`, `rolled back`, `ROLLBACK FAILED`, `FROZEN`.
   They stand in the messages for just that, and in no other.
2. A line names who, what and, where something went wrong, why and what to do next.
3. No line holds a secret: reasons come redacted from the adapters, and are redacted here again.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, assert_never

from attrs import frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import gate
from t3safe.domain.moves import Goal, Move, Status
from t3safe.domain.redaction import redact
from t3safe.domain.rollout import Rollout
from t3safe.domain.versions import Version

UNPROTECTED: Final = (
    'rehearsals run as plain processes, as `gate.sandbox = "plain"` says: a build sees and writes '
    "what its user may, and its serve listens on this machine's own network"
)
ALERT_WORDS: Final = ("rolling back", "rolled back", "ROLLBACK FAILED", "FROZEN")
"""What Loki rules match under the identifiers of the timers."""


class Level(StrEnum):
    """How loud a line is: progress, a fact, something to look at, something to get up for.

    A tick is progress that only a terminal shows.
    """

    TICK = "tick"
    PROGRESS = "progress"
    INFO = "info"
    WARNING = "warning"
    ALERT = "alert"


@frozen
class Line:
    """One line for a person; `person` is empty where it is about nobody in particular.

    `alert` is the alert word with which the line begins, empty for all others.
    """

    level: Level
    text: str
    person: str = ""
    alert: str = ""

    def __str__(self) -> str:
        """Give the line as it is said: the alert word, then the text without any (rule 1)."""
        text = calm(redact(self.text))
        return f"{self.alert} {text}" if self.alert else text


def tell(before: Rollout | None, event: ev.Event, after: Rollout) -> tuple[Line, ...]:
    """Give the lines for one event; `before` is None where it opened the rollout."""
    return tuple(_lines(before, event, after))


def intended(effect: fx.Effect) -> tuple[Line, ...]:
    """Give the lines for an effect that begins."""
    return tuple(_intent(effect))


def answered(effect: fx.Effect, answer: ev.Answer) -> tuple[Line, ...]:
    """Give the lines for what came of an effect."""
    return tuple(_answer(effect, answer))


def calm(text: str) -> str:
    """Break up alert words that a reason from outside may hold (rule 1)."""
    for word in ALERT_WORDS:
        text = text.replace(word, word.replace(" ", "-") if " " in word else word.capitalize())
    return text


def frozen_line(reason: str, holding: str) -> Line:
    """Build the line that every run says while the host is frozen."""
    text = f"({reason}); holding at {holding}; `t3safe thaw` resumes"
    return Line(Level.ALERT, text, alert="FROZEN")


def _lines(before: Rollout | None, event: ev.Event, after: Rollout) -> Iterator[Line]:
    match event:
        case ev.Opened(plan=plan):
            yield _opening(plan)
        case ev.Started(effect=effect):
            yield from _intent(effect)
        case ev.Finished(answer=answer):
            if before is not None and before.pending is not None:
                yield from _answer(before.pending, answer)
        case ev.Resumed():
            yield Line(Level.WARNING, f"taking over run {after.plan.run}, which was interrupted")
        case ev.StopAsked(reason=reason):
            yield Line(Level.WARNING, f"{reason}: ending at the next safe point")
        case ev.Closed(ended=ended):
            yield _closing(ended)
        case never:
            assert_never(never)
    if before is not None:
        yield from _changes(before, after)


def _opening(plan: ev.Plan) -> Line:
    if plan.kind is ev.Kind.BACK:
        told = ", ".join(f"{move.person} from {move.old} to {move.new}" for move in plan.moves)
        return Line(Level.INFO, f"going back on purpose: {told}; {plan.kind} {plan.run}")
    people = (*(f"{move.person} ({move.old})" for move in plan.moves), *plan.baking)
    who = ", ".join(people) or "nobody"
    return Line(Level.INFO, f"candidate: {plan.candidate} for {who}; {plan.kind} {plan.run}")


def _copies(count: int) -> str:
    return "1 copy" if count == 1 else f"{count} copies"


def _intent(effect: fx.Effect) -> Iterator[Line]:
    match effect:
        case fx.Stage(build):
            yield Line(Level.PROGRESS, f"installing {build}")
        case fx.SnapshotOnline(person=person):
            yield Line(Level.PROGRESS, f"copying {person}'s state beside the serve", person)
        case fx.Rehearse(build, subjects):
            yield Line(Level.PROGRESS, f"rehearsing {build} on {_copies(len(subjects))}")
        case fx.Stop(person):
            yield Line(Level.PROGRESS, f"stopping {person}'s serve", person)
        case fx.SnapshotAtRest(person=person):
            yield Line(Level.PROGRESS, f"copying {person}'s state at rest", person)
        case fx.Start(person):
            yield Line(Level.PROGRESS, f"starting {person}'s serve", person)
        case fx.Verify(person, build):
            yield Line(Level.PROGRESS, f"pairing as {person} on {build}", person)
        case fx.Restore(person, snapshot):
            yield Line(Level.PROGRESS, f"restoring {person}'s state from {snapshot}", person)
        case fx.Bake(people, build, seconds):
            who = ", ".join(people)
            yield Line(Level.PROGRESS, f"baking {build} for {seconds:.0f} s: {who}")
        case fx.Revisit(people, build):
            who = ", ".join(people)
            yield Line(Level.PROGRESS, f"pairing once more on {build}: {who}")
        case _:
            return


def _answer(effect: fx.Effect, answer: ev.Answer) -> Iterator[Line]:
    match effect, answer:
        case _, ev.Failed(fault, reason):
            what = type(effect).__name__.lower()
            yield Line(Level.WARNING, f"{what} failed ({fault}): {reason}")
        case fx.Rehearse(build), ev.Rehearsed(rehearsals):
            yield from (_rehearsal(build, rehearsal) for rehearsal in rehearsals)
        case fx.RecordVerdict(verdict), ev.Done():
            yield from _verdict(verdict)
        case fx.SnapshotAtRest(person, snapshot), ev.Snapshotted(size=size):
            text = f"rollback point of {person}: {snapshot} ({size} bytes)"
            yield Line(Level.INFO, text, person)
        case fx.Verify(person, build), ev.Paired(via, seconds):
            text = f"{person} pairs on {build} (via {via}, {seconds:.1f} s)"
            yield Line(Level.INFO, text, person)
        case fx.Verify(person, build), ev.NotPaired(fault, reason):
            text = f"{person} does not pair on {build} ({fault}): {reason}"
            yield Line(Level.WARNING, text, person)
        case fx.Quarantine(person), ev.Quarantined(snapshot, rows, uncounted):
            yield Line(Level.WARNING, _quarantine(person, snapshot, rows, uncounted), person)
        case fx.Promote(build), ev.Done():
            yield Line(Level.INFO, f"promoted {build}: default and last-good")
        case fx.Freeze(reason), ev.Done():
            yield Line(Level.ALERT, f"({reason}); look, then `t3safe thaw`", alert="FROZEN")
        case _:
            return


def _rehearsal(build: Version, rehearsal: gate.Rehearsal) -> Line:
    who = rehearsal.subject or "the empty set"
    if rehearsal.passed:
        return Line(Level.INFO, f"gate: {build} passed on {who} ({rehearsal.seconds:.1f} s)")
    text = f"gate: {build} failed on {who}: {rehearsal.reason}; evidence: {rehearsal.evidence}"
    return Line(Level.WARNING, text, rehearsal.subject)


def _verdict(verdict: gate.Verdict) -> Iterator[Line]:
    why = "; ".join(verdict.reasons)
    match verdict.ruling:
        case gate.Ruling.PASSED:
            yield Line(Level.INFO, f"gate: {verdict.build} passed")
        case gate.Ruling.REFUSED:
            text = f"refused {verdict.build}: {why}; `t3safe allow {verdict.build}` forgives"
            yield Line(Level.WARNING, text)
        case gate.Ruling.BROKEN:
            text = f"GATE BROKEN, nothing is held against {verdict.build}: {why}"
            yield Line(Level.ALERT, text)
        case never:
            assert_never(never)


def _quarantine(person: str, snapshot: str, rows: tuple[ev.RowsKept, ...], uncounted: str) -> str:
    if uncounted:
        counted = f"rows could not be counted: {uncounted}"
    else:
        counted = ", ".join(f"{row.table} {row.rows}" for row in rows) or "no rows of its own"
    return f"quarantined what {person} had since the stop as {snapshot}: {counted}"


def _closing(ended: ev.Ended) -> Line:
    match ended.outcome:
        case ev.Outcome.NEEDS_HUMAN:
            return Line(Level.ALERT, f"NEEDS A HUMAN: {ended.reason}")
        case ev.Outcome.PROMOTED | ev.Outcome.MOVED | ev.Outcome.PASSED | ev.Outcome.DEFERRED:
            return Line(Level.INFO, f"{ended.outcome}: {ended.reason}")
        case _:
            return Line(Level.WARNING, f"{ended.outcome.replace('-', '_')}: {ended.reason}")


def _changes(before: Rollout, after: Rollout) -> Iterator[Line]:
    """Tell of each person whose way turned or ended with this event."""
    for old, new in zip(before.moves, after.moves, strict=True):
        if new.goal is not old.goal:
            yield from _turned(new)
        if old.status is Status.MOVED and new.status is Status.NEEDS_HUMAN:
            how = f"`t3safe rollback {new.person}` shows the way back"
            yield Line(Level.ALERT, f"look at {new.person}: {new.reason}; {how}", new.person)
        elif new.status is not old.status and new.settled:
            yield _settled(new, after.plan.kind)


def _turned(move: Move) -> Iterator[Line]:
    who, plan = move.person, move.plan
    match move.goal:
        case Goal.BACK:
            text = f"{who} from {plan.new} to {plan.old}: {move.reason}"
            yield Line(Level.ALERT, text, who, alert="rolling back")
        case Goal.CANCEL:
            text = f"giving up the move of {who}, staying on {plan.old}: {move.reason}"
            yield Line(Level.WARNING, text, who)
        case Goal.LAST_RESORT:
            yield Line(Level.ALERT, f"for {who}: {move.reason}", who, alert="ROLLBACK FAILED")
        case Goal.FORWARD:
            yield Line(Level.INFO, f"{who} is on {plan.new} already: verifying there", who)
        case never:
            assert_never(never)


def _settled(move: Move, kind: ev.Kind) -> Line:
    who, plan = move.person, move.plan
    match move.status:
        case Status.MOVED if kind is ev.Kind.BACK:
            return Line(Level.INFO, f"took {who} back to {plan.new}, pairing verified", who)
        case Status.MOVED:
            return Line(Level.INFO, f"moved {who} to {plan.new}, pairing verified", who)
        case Status.KEPT:
            text = f"{who} stays on {plan.new}, verified at the serve alone: {move.reason}"
            return Line(Level.WARNING, text, who)
        case Status.DEFERRED:
            return Line(Level.INFO, f"deferring {who}: {move.reason}", who)
        case Status.ROLLED_BACK:
            text = f"{who} to {plan.old}, pairing verified"
            return Line(Level.ALERT, text, who, alert="rolled back")
        case Status.ENVIRONMENT:
            text = (
                f"{who} is back on {plan.old} and does not pair there either: {move.reason};"
                " mend that, then start their serve if it is stopped: `t3safe status`"
            )
            return Line(Level.ALERT, text, who)
        case Status.NEEDS_HUMAN:
            return Line(Level.ALERT, f"for {who}: {_manual(move)}", who, alert="ROLLBACK FAILED")
        case _:
            return Line(Level.WARNING, f"{move.status}: {who}: {move.reason}", who)


def _manual(move: Move) -> str:
    """Everything that is needed to finish by hand."""
    point = move.rest.snapshot if move.rest is not None else "none taken, the set is untouched"
    kept = f", quarantined as {move.quarantine}" if move.quarantine else ""
    return (
        f"{move.reason}; from {move.plan.old} to {move.plan.new}, rollback point {point}{kept};"
        f" mend the cause, then `t3safe rollback {move.person} --to {move.plan.old} --force`"
    )
