"""Findings: what a run that is over tells the fleet, from the events of the run alone.

Rules:

1. A refusal of the gate, a promotion and a failure in production are shared.  GATE BROKEN and LATER
   are the host's own, and so is a rollback that a person asked for.
2. A failure in production also halts the build.
3. A finding is about what was installed.  A run that installed nothing is about what an earlier run
   of the same build installed; without any nothing is shared.
4. Nothing personal leaves the host: people are counts, and reasons do not name them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from attrs import frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.fleet.records import Artifact, FleetRuling, FleetVerdict, Halt, shareable
from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.move import Status
from t3safe.domain.runs import RunRecord


@frozen
class Findings:
    """What one run found, in the order in which it is published."""

    verdicts: tuple[FleetVerdict, ...] = ()
    halt: Halt | None = None


def staged_by(events: Sequence[ev.Event]) -> ev.Staged | None:
    """Return what a run installed, None if it installed nothing."""
    answers = (event.answer for event in events if isinstance(event, ev.Finished))
    return next((answer for answer in answers if isinstance(answer, ev.Staged)), None)


def findings(
    record: RunRecord,
    events: Sequence[ev.Event],
    staged: ev.Staged | None,
    host: str,
    people: Collection[str],
) -> Findings:
    """Return what a run that is over found (rule 1).

    `staged` is what the run, or an earlier one of the same build, installed (rule 3).  `people` are
    all whose names a reason may hold (rule 4).
    """
    if staged is None or record.closed is None or record.kind is ev.Kind.BACK:
        return Findings()
    about = Artifact(record.candidate, staged.lock, staged.platform)
    names = {*people, *record.people}
    verdicts, halt = [], None
    for verdict in dict.fromkeys(_recorded(events)):
        why = shareable("; ".join(verdict.reasons), names)
        ruling = FleetRuling.FAILED if verdict.in_production else FleetRuling.REFUSED
        verdicts.append(FleetVerdict(about, host, record.run, ruling, record.closed, why))
        if verdict.in_production:
            halt = Halt(record.candidate, host, record.run, why, record.closed)
    if record.ended is not None and record.ended.outcome is ev.Outcome.PROMOTED:
        moved = sum(move.status is Status.MOVED for move in record.moves) + len(record.baking)
        promoted = FleetRuling.PROMOTED
        verdicts.append(FleetVerdict(about, host, record.run, promoted, record.closed, moved=moved))
    return Findings(tuple(verdicts), halt)


def _recorded(events: Sequence[ev.Event]) -> Iterator[Verdict]:
    """Yield each refusal that the run recorded, also if it could not be kept on the host."""
    for event in events:
        effect = event.effect if isinstance(event, ev.Started) else None
        if isinstance(effect, fx.RecordVerdict) and effect.verdict.ruling is Ruling.REFUSED:
            yield effect.verdict
