"""A check without a host: when a check is one, and what its gate's answers mean.

Rules:

1. A check stands alone where somebody asks for what a host has already (`--state`, `--store`,
   `--control`), where they say so (`--standalone`), and where there is no user map, so nobody whose
   state could be copied.  It says in one line which it is.
2. Without a control nobody can tell a failing gate from a failing build.  A failure is then a
   refusal, because a pipeline must stop, and says that there was no control.
3. With a control the gate's own rule holds: where the control fails too, the gate is broken.  Where
   it fails on the given state alone, nothing is proven either, and the state is what to look at.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve, frozen

from t3safe.domain.gate import OnPersonFailure, Rehearsal, Ruling, Verdict, rule
from t3safe.domain.versions import Version

STATE: Final = "state"
"""Whose copy a rehearsal without a host runs on: nobody's by name."""
NO_CONTROL: Final = (
    "no control: a failing gate and a failing build look the same; "
    "`--control VERSION` names a build that is known to work here"
)
STATE_AT_FAULT: Final = "the control passes on an empty state: something is wrong with this one"


@frozen
class Asked:
    """What a check was asked with; `options` are those that only a check without a host has.

    `host` says what it would run on here, `missing` why there is no such host, empty where it is.
    """

    build: Version
    options: tuple[str, ...]
    host: str
    missing: str = ""


def why_alone(asked: Asked) -> str:
    """Say why a check needs no host, empty where it is the host's (rule 1)."""
    if asked.options:
        return f"asked for by {', '.join(asked.options)}"
    return asked.missing


def which(asked: Asked) -> str:
    """Give the line that says which check this is (rule 1)."""
    why = why_alone(asked)
    if why:
        return f"checking {asked.build} standalone, without this host: {why}"
    return f"checking {asked.build} on {asked.host}"


def judge(candidate: tuple[Rehearsal, ...], control: tuple[Rehearsal, ...] | None) -> Verdict:
    """Give the verdict; `control` is None where no control was named (rules 2 and 3)."""
    ruled = rule(candidate, control or (), OnPersonFailure.REFUSE)
    if control is None and ruled.ruling is Ruling.BROKEN:
        return evolve(ruled, ruling=Ruling.REFUSED, reasons=(*ruled.reasons, NO_CONTROL))
    if ruled.held_back:
        return Verdict(ruled.build, Ruling.BROKEN, (*ruled.reasons, STATE_AT_FAULT))
    return ruled
