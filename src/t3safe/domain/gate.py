"""The gate's verdict on a build, from its rehearsals and those of the control.

Rules:

1. A build passes a rehearsal only when all eight checks were run, in order, and each passed.  The
   first failure ends the rehearsal.
2. The candidate is blamed only where the control, the person's current build, passes the same
   rehearsal on the same copy.  Where the control fails too, the gate is broken.
3. Where the control fails on one person's copy, while the gate works for the control's build on the
   empty set and for somebody else's data, the fault is that person's set: they alone are held back.
   A person who is alone on the host is judged by the empty set.
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
"""The subject of a rehearsal on an empty state set."""


@frozen
class Rehearsal:
    """One build run through the checks on one copy.

    `subject` is the person whose state set was copied, or EMPTY.  `schema` is what the build's
    ledger was afterwards, None when it got no further than `live`.  `evidence` is a folder.
    """

    subject: str
    build: Version
    checks: tuple[CheckResult, ...]
    schema: SetLedger | None = None
    evidence: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all eight checks were run in order and each passed (rule 1).

        Without a schema nothing could hold the build to what it knows, so that is no pass.
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
    """What the gate says of a candidate."""

    PASSED = "passed"
    REFUSED = "refused"
    BROKEN = "gate-broken"


@frozen
class Verdict:
    """The gate's word on a build, with a reason per subject that failed, as `who: why`."""

    build: Version
    ruling: Ruling
    reasons: tuple[str, ...] = ()
    held_back: tuple[str, ...] = field(default=())
    """People whose own rehearsal failed while the build passed for others (rule 3, or policy)."""
    in_production: bool = False
    """Refused because it failed a person after the gate: no change of the gate forgives that."""


class OnPersonFailure(StrEnum):
    """What a failed rehearsal of one person means for the others."""

    REFUSE = "refuse"
    """The build is refused: a person should look (default)."""
    HOLD_BACK = "hold-back"
    """Only that person is held back, where the others pass."""


def needs_control(candidate: tuple[Rehearsal, ...]) -> tuple[str, ...]:
    """The subjects whose rehearsal failed: the control must be tried on each (rule 2)."""
    return tuple(rehearsal.subject for rehearsal in candidate if not rehearsal.passed)


def rule(
    candidate: tuple[Rehearsal, ...],
    control: tuple[Rehearsal, ...],
    on_failure: OnPersonFailure,
) -> Verdict:
    """Give the verdict on a candidate from its rehearsals and those of the control.

    `candidate` is not empty and has one rehearsal a subject.  `control` may hold the empty set once
    for each build; the first speaks for the candidate's.  A subject that failed and that has no
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
    """Name the people on whose sets also the build fails that they run: their fault (rule 3)."""
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
"""Ports, counts and ids: what may differ where the trouble is the same."""


def _reasons(rehearsals: Iterable[Rehearsal]) -> tuple[str, ...]:
    """Say each trouble once, with everybody whom it met: the evidence holds every single one."""
    groups: dict[tuple[Version, str], list[Rehearsal]] = {}
    for rehearsal in rehearsals:
        key = rehearsal.build, _NUMBERS.sub("#", rehearsal.reason)
        groups.setdefault(key, []).append(rehearsal)
    return tuple(
        f"{_who(alike)} on {build}: {alike[0].reason}" for (build, _), alike in groups.items()
    )


def _who(rehearsals: list[Rehearsal]) -> str:
    return ", ".join(rehearsal.subject or "the empty set" for rehearsal in rehearsals)
