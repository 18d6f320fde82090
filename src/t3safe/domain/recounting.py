"""A run that is over, recounted from its records alone: what an earlier t3safe did and said.

Rules change with t3safe.  What another one decided may not follow by the rules of `rollout`; what
was done is in the journal all the same.

Rules:

1. Only a run that is over is recounted.  One that is not must go on by rules that understand it.
2. Who cannot be seen to have ended well on either build needs a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.moves import Move, Status, touched
from t3safe.domain.rollout import Rollout, Stage


def recounted(events: Sequence[ev.Event]) -> Rollout | None:
    """Give the rollout that a run's records tell of; None where it is not over (rule 1)."""
    if not events:
        return None
    first, last = events[0], events[-1]
    if not isinstance(first, ev.Opened) or not isinstance(last, ev.Closed):
        return None
    steps = tuple(_steps(events))
    moves = tuple(_recounted(part, steps) for part in first.plan.moves)
    return Rollout(first.plan, Stage.CLOSING, moves, ending=last.ended, closed=True)


_Step = tuple[fx.Effect, ev.Answer | None]


def _steps(events: Sequence[ev.Event]) -> Iterator[_Step]:
    """Give each effect with its answer, None where nobody lived to hear it."""
    begun: fx.Effect | None = None
    for event in events:
        match event:
            case ev.Started(effect=effect):
                begun = effect
            case ev.Finished(answer=answer) if begun is not None:
                yield begun, answer
                begun = None
            case ev.Resumed() if begun is not None:
                yield begun, None
                begun = None
            case _:
                continue


def _recounted(part: ev.MovePlan, steps: Sequence[_Step]) -> Move:
    move = Move(part)
    for effect, answer in steps:
        if part.person in _whom(effect):
            move = _after(_meant(move, effect), effect, answer)
    unsettled = move.status is Status.MOVING
    return attrs.evolve(move, status=Status.NEEDS_HUMAN) if unsettled else move


def _whom(effect: fx.Effect) -> tuple[str, ...]:
    if isinstance(effect, fx.Revisit):
        return effect.people
    return (getattr(effect, "person", ""),)


def _meant(move: Move, effect: fx.Effect) -> Move:
    """Mark what may be so from the intent on, however it ended."""
    match effect:
        case fx.Fence():
            return attrs.evolve(move, status=Status.MOVING, fenced=True)
        case fx.Select(build=build):
            exposed = move.exposed or build == move.plan.new
            return attrs.evolve(move, status=Status.MOVING, exposed=exposed)
        case fx.Restore(snapshot=snapshot):
            return attrs.evolve(move, exposed=move.exposed or snapshot == move.plan.restore)
        case _:
            return move


def _after(move: Move, effect: fx.Effect, answer: ev.Answer | None) -> Move:
    match effect, answer:
        case fx.SnapshotAtRest(), ev.Snapshotted():
            return attrs.evolve(move, rest=answer)
        case fx.Quarantine(), ev.Quarantined(snapshot, rows):
            return attrs.evolve(move, quarantine=snapshot, rows=rows)
        case fx.Verify(build=build), _ if touched(move):
            return attrs.evolve(move, status=_verified(move, build == move.plan.new, answer))
        case fx.Revisit(), ev.Failed(reason=reason) if move.status is Status.MOVED:
            return attrs.evolve(move, status=Status.NEEDS_HUMAN, reason=reason)
        case fx.Assess(), ev.Assessed(ev.Readiness.BUSY, reason) | ev.Failed(reason=reason) if (
            touched(move)
        ):
            return attrs.evolve(move, status=Status.NEEDS_HUMAN, reason=reason)
        case _ if touched(move):
            return move
        case _:
            return _untouched(move, effect, answer)


def _untouched(move: Move, effect: fx.Effect, answer: ev.Answer | None) -> Move:
    """Take the answer to what was asked or copied before anything was done to a person."""
    match effect, answer:
        case fx.SnapshotOnline(), ev.Snapshotted(snapshot=snapshot):
            return attrs.evolve(move, status=Status.WAITING, online=snapshot)
        case fx.SnapshotOnline(), ev.Failed(reason=reason):
            return attrs.evolve(move, status=Status.REFUSED, reason=reason)
        case fx.Assess(), ev.Assessed(ev.Readiness.BUSY, reason) | ev.Failed(reason=reason):
            return attrs.evolve(move, status=Status.DEFERRED, reason=reason)
        case fx.Assess(), ev.Assessed(ev.Readiness.NOT_RUNNING, reason):
            return attrs.evolve(move, status=Status.NOT_RUNNING, reason=reason)
        case fx.Verify(), ev.NotPaired(reason=reason) | ev.Failed(reason=reason):
            return attrs.evolve(move, status=Status.BROKEN_BEFORE, reason=reason)
        case fx.Inspect(), _:
            return attrs.evolve(move, status=Status.DEFERRED, reason="interrupted")
        case _:
            return move


def _verified(move: Move, on_new: bool, answer: ev.Answer | None) -> Status:
    match answer:
        case ev.Paired() if on_new and move.exposed:
            return Status.MOVED
        case ev.Paired():
            return Status.ROLLED_BACK if move.exposed else Status.RETURNED
        case ev.NotPaired(fault=Fault.ENVIRONMENT) if on_new and move.exposed:
            return Status.KEPT
        case _:
            return Status.MOVING if on_new else Status.ENVIRONMENT
