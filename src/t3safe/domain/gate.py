"""The gate's verdict on a build, from its rehearsals and those of the control.

Rules:

1. A build passes a rehearsal only when all eight checks ran, in order, and each passed.  The first
   failure ends the rehearsal.
2. The candidate is blamed only when the control, the person's current build, passes the same
   rehearsal on the same copy.  When the control fails too, the gate is broken.
3. When the control fails on one person's copy, but passes on empty data, and the gate works for
   another person's data, that person's data is at fault: only they are held back.  For a person who
   is alone on the host the rehearsal on empty data decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from attrs import field, frozen

from t3safe.domain.checks import Check, CheckResult
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.versions import Version

EMPTY: Final = ""
"""The subject of a rehearsal on empty data."""


@frozen
class Rehearsal:
    """One build run through the checks on one copy.

    `subject` is the person whose data was copied, or EMPTY.  `schema` is the build's ledger
    afterwards, None when the rehearsal ended at `live` or before.  `evidence` is a folder.
    """

    subject: str
    build: Version
    checks: tuple[CheckResult, ...]
    schema: SetLedger | None = None
    evidence: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all eight checks ran in order and each passed (rule 1).

        A rehearsal without a schema does not pass: what the build knows was not measured.
        """
        ran = tuple(result.check for result in self.checks)
        complete = ran == tuple(Check) and self.schema is not None
        return complete and all(result.passed for result in self.checks)

    @property
    def reason(self) -> str:
        """Why it did not pass, empty when it did."""
        if self.passed:
            return ""
        for result in self.checks:
            if not result.passed:
                return f"{result.check}: {result.reason}"
        if tuple(result.check for result in self.checks) == tuple(Check):
            return "nothing tells what the build knows"
        return "not every check was run"


class Ruling(StrEnum):
    """The gate's ruling on a candidate."""

    PASSED = "passed"
    REFUSED = "refused"
    BROKEN = "gate-broken"


@frozen
class Verdict:
    """The gate's verdict on a build, with a reason per subject that failed, as `who: why`."""

    build: Version
    ruling: Ruling
    reasons: tuple[str, ...] = ()
    held_back: tuple[str, ...] = field(default=())
    """People whose own rehearsal failed while the build passed for others (rule 3, or policy)."""
    in_production: bool = False
    """Refused because it failed a person after the gate; a changed gate does not lift this."""


class OnPersonFailure(StrEnum):
    """What one person's failed rehearsal means for the others."""

    REFUSE = "refuse"
    """The build is refused: a person should look (default)."""
    HOLD_BACK = "hold-back"
    """Only that person is held back, when the others pass."""


def needs_control(candidate: tuple[Rehearsal, ...]) -> tuple[str, ...]:
    """Return the subjects whose rehearsal failed: the control must be tried on each (rule 2)."""
    return tuple(rehearsal.subject for rehearsal in candidate if not rehearsal.passed)


def rule(
    candidate: tuple[Rehearsal, ...],
    control: tuple[Rehearsal, ...],
    on_failure: OnPersonFailure,
) -> Verdict:
    """Return the verdict on a candidate from its rehearsals and those of the control.

    `candidate` is not empty and has one rehearsal per subject.  `control` may hold empty data
    once for each build; the first is the control of the candidate's.  A failed subject without a
    control counts against the gate, never against the build (rule 2).
    """
    build = candidate[0].build
    failures = [rehearsal for rehearsal in candidate if not rehearsal.passed]
    if not failures:
        return Verdict(build, Ruling.PASSED)
    held = tuple(rehearsal.subject for rehearsal in failures)
    if on_failure is OnPersonFailure.HOLD_BACK and _others_pass(candidate, held):
        return Verdict(build, Ruling.PASSED, _reasons(failures), held)
    faulty = faulty_sets(candidate, control)
    rest = [rehearsal for rehearsal in failures if rehearsal.subject not in faulty]
    if not rest:
        return Verdict(build, Ruling.PASSED, _reasons((*failures, *_unsound(control))), faulty)
    controls = {rehearsal.subject: rehearsal for rehearsal in reversed(control)}
    proven = [one for one in rest if one.subject in controls and controls[one.subject].passed]
    if not proven:
        return Verdict(build, Ruling.BROKEN, _reasons((*failures, *_unsound(control))))
    return Verdict(build, Ruling.REFUSED, _reasons(proven))


def faulty_sets(
    candidate: tuple[Rehearsal, ...], control: tuple[Rehearsal, ...]
) -> tuple[str, ...]:
    """Return the people on whose data their own build fails, too: the data is at fault (rule 3)."""
    people = {rehearsal.subject for rehearsal in candidate} - {EMPTY}
    well = {rehearsal.subject for rehearsal in (*candidate, *control) if rehearsal.passed}
    runs = {
        rehearsal.build for rehearsal in control if rehearsal.subject == EMPTY and rehearsal.passed
    }
    return tuple(
        rehearsal.subject
        for rehearsal in control
        if rehearsal.subject in people - well
        and rehearsal.build in runs
        and (people == {rehearsal.subject} or well & people)
    )


def _others_pass(candidate: tuple[Rehearsal, ...], held: tuple[str, ...]) -> bool:
    people = [rehearsal.subject for rehearsal in candidate if rehearsal.subject != EMPTY]
    return EMPTY not in held and any(person not in held for person in people)


def _unsound(control: tuple[Rehearsal, ...]) -> list[Rehearsal]:
    return [rehearsal for rehearsal in control if not rehearsal.passed]


_NUMBERS: Final = re.compile(r"(?=[a-f]*[0-9])[0-9a-f]+")
"""Ports, counts and ids: they may differ between two reports of the same failure."""


def _reasons(rehearsals: Iterable[Rehearsal]) -> tuple[str, ...]:
    """Say each failure once, with each subject that it affected; the evidence holds every one."""
    groups: dict[tuple[Version, str], list[Rehearsal]] = {}
    for rehearsal in rehearsals:
        key = rehearsal.build, _NUMBERS.sub("#", rehearsal.reason)
        groups.setdefault(key, []).append(rehearsal)
    return tuple(
        f"{_who(alike)} on {build}: {alike[0].reason}" for (build, _), alike in groups.items()
    )


def _who(rehearsals: list[Rehearsal]) -> str:
    return ", ".join(rehearsal.subject or "empty data" for rehearsal in rehearsals)
