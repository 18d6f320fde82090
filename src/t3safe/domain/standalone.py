"""A check without a host: when a check is standalone, and its verdict.

Rules:

1. A check is standalone with an option for what a host has already (`--state`, `--store`,
   `--control`), with `--standalone`, and without a user map, since there is no one's data to copy.
   One line says which kind of check it is.
2. Without a control a failing gate and a failing build look the same.  A failure is then a refusal,
   because a pipeline must stop, and says that there was no control.
3. With a control the gate's own rule holds: when the control fails too, the gate is broken.  When
   the control fails only on the given state, nothing is proven either, and the state is suspect.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve, frozen

from t3safe.domain.gate import OnPersonFailure, Rehearsal, Ruling, Verdict, rule
from t3safe.domain.versions import Version

STATE: Final = "state"
"""The subject of a rehearsal on the given state."""
NO_CONTROL: Final = (
    "no control: a failing gate and a failing build look the same; "
    "`--control VERSION` names a build that is known to work here"
)
STATE_AT_FAULT: Final = "the control passes on empty data: something is wrong with this data"


@frozen
class Asked:
    """The request of a check; `options` are those of a standalone check.

    `host` says what it would run on here, `missing` why there is no host, empty when there is.
    """

    build: Version
    options: tuple[str, ...]
    host: str
    missing: str = ""


def why_alone(asked: Asked) -> str:
    """Say why a check is standalone, empty when it runs on the host (rule 1)."""
    if asked.options:
        return f"asked for by {', '.join(asked.options)}"
    return asked.missing


def which(asked: Asked) -> str:
    """Return the line that says which kind of check this is (rule 1)."""
    why = why_alone(asked)
    if why:
        return f"checking {asked.build} standalone, without this host: {why}"
    return f"checking {asked.build} on {asked.host}"


def judge(candidate: tuple[Rehearsal, ...], control: tuple[Rehearsal, ...] | None) -> Verdict:
    """Return the verdict; `control` is None when no control was named (rules 2 and 3)."""
    ruled = rule(candidate, control or (), OnPersonFailure.REFUSE)
    if control is None and ruled.ruling is Ruling.BROKEN:
        return evolve(ruled, ruling=Ruling.REFUSED, reasons=(*ruled.reasons, NO_CONTROL))
    if ruled.held_back:
        return Verdict(ruled.build, Ruling.BROKEN, (*ruled.reasons, STATE_AT_FAULT))
    return ruled
