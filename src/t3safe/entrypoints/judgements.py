"""How a rehearsal is told as JSON, check by check."""

from __future__ import annotations

import json
from pathlib import Path

from t3safe.domain.gate import CheckResult, Rehearsal
from t3safe.entrypoints.bodies import JudgementBody, RehearsalBody


def rehearsal_body(rehearsal: Rehearsal) -> RehearsalBody:
    """Give a rehearsal as JSON holds it."""
    schema = rehearsal.schema.databases if rehearsal.schema else ()
    return RehearsalBody(
        build=rehearsal.build.text,
        subject=rehearsal.subject or "empty set",
        passed=rehearsal.passed,
        reason=rehearsal.reason,
        seconds=rehearsal.seconds,
        evidence=rehearsal.evidence,
        ledger={name: ledger.level for name, ledger in schema},
        checks=[_judgement(result) for result in rehearsal.checks],
        timings=_timings(Path(rehearsal.evidence)),
    )


def _judgement(result: CheckResult) -> JudgementBody:
    return JudgementBody(
        check=result.check.value,
        passed=result.passed,
        reason=result.reason,
        notes=list(result.notes),
    )


def _timings(evidence: Path) -> dict[str, float]:
    """Read the seconds of each part of a rehearsal from its evidence; none where it is lost."""
    try:
        told = json.loads((evidence / "report.json").read_text(encoding="ascii"))["timings"]
        return {str(name): float(seconds) for name, seconds in told.items()}
    except (OSError, ValueError, LookupError):
        return {}
