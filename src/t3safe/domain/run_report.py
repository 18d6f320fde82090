"""What a run did, step by step, from its events.

Rules:

1. A step without an answer is running, and unknown once a later process took over.  It is never
   shown as done.
2. A step's text is redacted like all other texts.
3. A run is named by its full name, by a unique beginning of it, or as `last`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final

from attrs import asdict, evolve, frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import messages
from t3safe.domain.redaction import redact
from t3safe.domain.runs import RunRecord
from t3safe.domain.versions import Version

LAST: Final = "last"
UNFINISHED: Final = "unfinished"
"""The outcome of a run that is not over."""


class StepEnd(StrEnum):
    """The state of a step."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RUNNING = "running"


class EvidenceKind(StrEnum):
    """The kinds of evidence."""

    REHEARSAL = "rehearsal"
    """`where` is the folder of one rehearsal: its report and the end of the serve's log."""
    NPM_LOG = "npm-log"
    """`where` is the file with what npm printed."""
    SNAPSHOT = "snapshot"
    """`where` is the id of a snapshot of the step's person."""


@frozen
class Evidence:
    """Where the evidence of a step is.

    Evidence is pruned with time: `there` says whether it still exists, None when that was not
    checked.
    """

    kind: EvidenceKind
    where: str
    there: bool | None = None


@frozen
class StepReport:
    """One step: `seq` counts from the run's beginning, `person` is empty for a step of the host.

    `seconds` is how long it took, None without an answer (rule 1).  `said` is one line.
    """

    seq: int
    step: str
    person: str
    started: datetime
    seconds: float | None
    end: StepEnd
    said: str
    evidence: tuple[Evidence, ...]


@frozen
class RunReport:
    """One run: `outcome` is `unfinished` and `closed` None until it is over.

    `seconds` is from its beginning to its end, None until it is over.  `people` are those to move
    or to watch.
    """

    run: str
    kind: ev.Kind
    candidate: Version
    people: tuple[str, ...]
    opened: datetime
    closed: datetime | None
    seconds: float | None
    outcome: str
    reason: str


@frozen
class FullRunReport(RunReport):
    """A run with all its steps; `interruptions` counts how often a later process took it over."""

    interruptions: int
    steps: tuple[StepReport, ...]


def report_of(record: RunRecord) -> RunReport:
    """Return the report of a run, from its first and its last event."""
    ended, closed = record.ended, record.closed
    return RunReport(
        run=record.run,
        kind=record.kind,
        candidate=record.candidate,
        people=record.people,
        opened=record.opened,
        closed=closed,
        seconds=_between(record.opened, closed) if closed is not None else None,
        outcome=ended.outcome.value if ended is not None else UNFINISHED,
        reason=redact(ended.reason) if ended is not None else "",
    )


def wanted(record: RunReport, person: str, outcome: str) -> bool:
    """Whether a run matches the filters; an empty filter matches all."""
    return (not person or person in record.people) and outcome in {"", record.outcome}


def named(asked: str, runs: Iterable[str]) -> tuple[str, ...]:
    """Return the runs that a name may mean (rule 3); `runs` are newest first."""
    known = tuple(runs)
    if asked == LAST:
        return known[:1]
    return (asked,) if asked in known else tuple(run for run in known if run.startswith(asked))


def full_report(
    record: RunRecord, events: Iterable[ev.Event], npm_log: Callable[[Version], str]
) -> FullRunReport:
    """Return the report of a run with its steps; pruned `events` have none.

    `npm_log` returns the path of npm's log of a build, empty when it is not kept.
    """
    steps: list[StepReport] = []
    effect: fx.Effect | None = None
    interruptions = 0
    for event in events:
        match event:
            case ev.Started(seq=seq, effect=effect, at=at):
                steps.append(_begun(seq, effect, at, npm_log))
            case ev.Finished(answer=answer, at=at) if effect is not None:
                steps[-1] = _answered(steps[-1], effect, answer, at)
                effect = None
            case ev.Resumed():
                interruptions += 1
                if effect is not None:
                    steps[-1] = evolve(steps[-1], end=StepEnd.UNKNOWN, said=_UNKNOWN)
                    effect = None
            case _:
                continue
    fields = asdict(report_of(record), recurse=False)
    return FullRunReport(**fields, interruptions=interruptions, steps=tuple(steps))


_UNKNOWN: Final = "interrupted before an answer; a later process inspected the result"


def _begun(
    seq: int, effect: fx.Effect, at: datetime, npm_log: Callable[[Version], str]
) -> StepReport:
    person = getattr(effect, "person", "")
    log = npm_log(effect.build) if isinstance(effect, fx.StageBuild) else ""
    evidence = (Evidence(EvidenceKind.NPM_LOG, log),) if log else ()
    return StepReport(
        seq, messages.words(effect).name, person, at, None, StepEnd.RUNNING, "", evidence
    )


def _answered(step: StepReport, effect: fx.Effect, answer: ev.Answer, at: datetime) -> StepReport:
    return evolve(
        step,
        seconds=_between(step.started, at),
        end=StepEnd.FAILED if messages.failed(answer) else StepEnd.DONE,
        said=redact(messages.entry(effect, answer)),
        evidence=(*step.evidence, *_evidence(answer)),
    )


def _evidence(answer: ev.Answer) -> Iterator[Evidence]:
    match answer:
        case ev.Rehearsed(rehearsals):
            for item in rehearsals:
                if item.evidence:
                    yield Evidence(EvidenceKind.REHEARSAL, item.evidence)
        case ev.Snapshotted(snapshot) | ev.Quarantined(snapshot):
            yield Evidence(EvidenceKind.SNAPSHOT, snapshot)
        case _:
            return


def _between(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds(), 3)
