"""Which exit status the end of an operation has."""

from __future__ import annotations

from typing import assert_never

from t3safe.domain.events import Kind, Outcome
from t3safe.domain.moves import Status
from t3safe.domain.policy import No
from t3safe.entrypoints.exits import Exit
from t3safe.usecases.host import Result


def exit_of(result: Result) -> Exit:
    """Give the status for the end of an operation."""
    if result.stayed is not None:
        return _of_no(result.stayed)
    if result.outcome is None:
        return Exit.OK
    if result.outcome is Outcome.DEFERRED and _asked_for(result):
        return Exit.LATER
    status = _of_outcome(result.outcome)
    return Exit.REFUSED if status is Exit.OK and _left_somebody(result) else status


def _left_somebody(result: Result) -> bool:
    """Whether a guard or the gate said no for somebody, while the others are well."""
    moves = result.rollout.moves if result.rollout is not None else ()
    return any(move.status in {Status.REFUSED, Status.HELD_BACK} for move in moves)


def _asked_for(result: Result) -> bool:
    """Whether a person asked for just this: then not having done it is not "nothing to do"."""
    return result.rollout is not None and result.rollout.plan.kind is Kind.BACK


def _of_no(no: No) -> Exit:
    match no:
        case No.FROZEN:
            return Exit.FROZEN
        case No.NOTHING:
            return Exit.OK
        case No.REFUSED:
            return Exit.REFUSED
        case No.LATER:
            return Exit.LATER
        case never:
            assert_never(never)


def _of_outcome(outcome: Outcome) -> Exit:
    match outcome:
        case Outcome.PROMOTED | Outcome.MOVED | Outcome.DEFERRED | Outcome.PASSED:
            return Exit.OK
        case Outcome.REFUSED:
            return Exit.REFUSED
        case Outcome.LATER | Outcome.INTERRUPTED:
            return Exit.LATER
        case Outcome.ROLLED_BACK:
            return Exit.ROLLED_BACK
        case Outcome.GATE_BROKEN:
            return Exit.GATE_BROKEN
        case Outcome.NEEDS_HUMAN:
            return Exit.NEEDS_HUMAN
        case never:
            assert_never(never)
