"""Rebuild a run from its records alone, whichever version's rules decided it.

The rules change with t3safe.  A decision of another version may not follow from the rules of
`rollout`, but the journal has what was done.

Rules:

1. A run that is over is rebuilt as it ended.  A person who did not visibly end on a working build
   needs a human.
2. An unfinished run is rebuilt so that it can go on after `Resumed`: a person who may be in
   transition is MOVING, and their first step is to inspect.  No other person begins, and only a
   promotion that had begun goes on.
3. Only what was done and answered counts, in any order: no step is expected.  What an intent makes
   possible counts as done.  A restore is forgotten once the new build may have run again; a
   quarantine is not: it may be the only copy of what a person wrote.  A failure before the new
   build is forgotten once the step is tried again.
4. Records without a beginning are damaged.  So are those of an unfinished run that cannot be one (a
   missing number, an answer to nothing).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import gate
from t3safe.domain.errors import Fault
from t3safe.domain.move import Goal, Move, Status
from t3safe.domain.moves import put_by, touched
from t3safe.domain.rollout_state import Rollout, Stage, pinned
from t3safe.domain.versions import Version


def rebuilt(events: Sequence[ev.Event]) -> Rollout | None:
    """Return the rollout of a run's records; None when they are damaged (rule 4)."""
    if not events:
        return None
    first, last = events[0], events[-1]
    if not isinstance(first, ev.Opened):
        return None
    steps = tuple(_steps(events))
    moves = tuple(_recounted(part, steps) for part in first.plan.moves)
    if isinstance(last, ev.Closed):
        moves = tuple(_unseen(_over(move), steps) for move in moves)
        return Rollout(first.plan, Stage.CLOSING, moves, ending=last.ended, closed=True)
    if not _is_whole(events):
        return None
    begun = attrs.evolve(_begun(first.plan, moves, steps), seq=len(steps))
    return _open(begun, steps)


_Step = tuple[fx.Effect, ev.Answer | None]


def _steps(events: Sequence[ev.Event]) -> Iterator[_Step]:
    """Yield each effect with its answer, None when the process died before the answer."""
    begun: fx.Effect | None = None
    for event in events:
        if isinstance(event, ev.Started):
            begun = event.effect
        elif begun is not None and isinstance(event, ev.Finished | ev.Resumed):
            yield begun, event.answer if isinstance(event, ev.Finished) else None
            begun = None
    if begun is not None:
        yield begun, None


def _is_whole(events: Sequence[ev.Event]) -> bool:
    """Whether the records are whole (rule 4)."""
    seq = 0
    pending: int | None = None
    for event in events[1:]:
        match event:
            case ev.Started(seq=number) if pending is None and number == seq + 1:
                seq = pending = number
            case ev.Finished(seq=number) if number == pending:
                pending = None
            case ev.Resumed():
                pending = None
            case ev.StopAsked():
                continue
            case _:
                return False
    return True


# A run that is not over.


def _begun(plan: ev.Plan, moves: tuple[Move, ...], steps: Sequence[_Step]) -> Rollout:
    """Return the rollout at the stage from which it can end, with the gate's rehearsals."""
    if plan.kind is ev.Kind.BAKE:
        stage = Stage.BAKING
    elif plan.kind is ev.Kind.BACK or any(map(touched, moves)):
        stage = Stage.MOVING
    else:
        stage = Stage.STAGING
    rehearsals: tuple[gate.Rehearsal, ...] = ()
    for effect, answer in steps:
        of_candidate = isinstance(effect, fx.Rehearse) and effect.build == plan.candidate
        if of_candidate and isinstance(answer, ev.Rehearsed):
            rehearsals = answer.rehearsals
    return Rollout(plan, stage, moves, rehearsals=rehearsals)


def _open(rollout: Rollout, steps: Sequence[_Step]) -> Rollout:
    """Give the turn to the person in transition, or finish the promotion (rule 2)."""
    promote = next((effect for effect, _ in steps if isinstance(effect, fx.Promote)), None)
    if promote is not None:
        # It was baked, and may be the default already.
        return attrs.evolve(
            rollout,
            stage=Stage.CLOSING,
            closing=(promote, fx.Prune(rollout.plan.all_people, pinned(rollout))),
            ending=ev.Ended(ev.Outcome.PROMOTED, f"{promote.build}: baked, then interrupted"),
        )
    moves = list(map(_over, rollout.moves))
    here = max((place for place, move in enumerate(moves) if _in_between(move)), default=None)
    if here is not None:
        moves[here] = attrs.evolve(moves[here], status=Status.MOVING)
    return attrs.evolve(rollout, moves=tuple(moves), turn=here or 0)


def _in_between(move: Move) -> bool:
    """Whether this person may be in transition and must be inspected."""
    if not touched(move) or move.status in _SETTLED:
        return False
    return move.rest is not None or not move.new_build_may_have_run


_SETTLED: Final = frozenset(
    {Status.MOVED, Status.KEPT, Status.DEFERRED, Status.RETURNED, Status.ROLLED_BACK}
)
"""The statuses in which a person whom the run touched was last verified on a build."""


def _over(move: Move) -> Move:
    """Let an unsettled person need a human (rule 1)."""
    unsettled = move.status is Status.MOVING
    return attrs.evolve(move, status=Status.NEEDS_HUMAN) if unsettled else move


def _unseen(move: Move, steps: Sequence[_Step]) -> Move:
    """Let a moved person need a human when the run could not verify sign-in at its end."""
    last = next((answer for effect, answer in reversed(steps) if _sees(effect, move)), None)
    if move.status is Status.MOVED and isinstance(last, ev.Failed):
        return attrs.evolve(move, status=Status.NEEDS_HUMAN, reason=last.reason)
    return move


def _sees(effect: fx.Effect, move: Move) -> bool:
    return isinstance(effect, fx.Revisit) and move.person in effect.people


# One person.


def _recounted(part: ev.MovePlan, steps: Sequence[_Step]) -> Move:
    move = Move(part)
    for effect, answer in steps:
        if part.person in _whom(effect):
            move = _after(_meant(move, effect), effect, answer)
    return move


def _whom(effect: fx.Effect) -> tuple[str | None, ...]:
    if isinstance(effect, fx.Revisit | fx.Bake):
        return effect.people
    return (getattr(effect, "person", None),)


def _is_new(move: Move, build: Version) -> bool:
    """Whether this is the new build; when it is the old one too, the move's direction tells."""
    forward = move.new_build_may_have_run and move.goal is Goal.FORWARD
    return build == move.plan.new and (build != move.plan.old or forward)


def _meant(move: Move, effect: fx.Effect) -> Move:
    """Mark what the intent makes possible, whatever the answer (rule 3)."""
    moving = attrs.evolve(move, status=Status.MOVING)
    turned = Goal.BACK if move.new_build_may_have_run else move.goal
    match effect:
        case fx.Fence() | fx.Stop() | fx.SnapshotAtRest():
            return attrs.evolve(moving, fenced=True, goal=turned, held=False)
        case fx.Select(build=build) if _is_new(move, build):
            return attrs.evolve(_on_new(moving), new_build_may_have_run=True)
        case fx.Select(build=build) if build == move.plan.old and turned is Goal.BACK:
            return attrs.evolve(moving, goal=Goal.BACK, reselecting=move.restored)
        case fx.Select():
            return attrs.evolve(moving, goal=Goal.CANCEL)
        case fx.Restore(snapshot=snapshot) if snapshot == move.plan.restore:
            return attrs.evolve(moving, new_build_may_have_run=True)
        case fx.Quarantine() | fx.Restore():
            return attrs.evolve(moving, goal=Goal.BACK)
        case _:
            return move


def _on_new(move: Move) -> Move:
    """Forget the restore: the new build may run again (rule 3)."""
    return attrs.evolve(put_by(move), goal=Goal.FORWARD, rows=())


def _after(move: Move, effect: fx.Effect, answer: ev.Answer | None) -> Move:
    if not touched(move):
        return _untouched(move, effect, answer)
    match effect, answer:
        case fx.VerifyPairing(build=build), _:
            return _verified(move, build, answer)
        case fx.Inspect(), _:
            return _inspected(attrs.evolve(move, status=Status.MOVING), answer)
        case fx.Bake() | fx.Revisit(), ev.BakeBroken(move.person, fault, reason):
            return attrs.evolve(move, fault=fault, reason=reason)
        case fx.Bake() | fx.Revisit(), _:
            return move
        case fx.Assess(certain=True), _ if move.new_build_may_have_run:
            return _looked(move, answer)
        case _, ev.Failed() if move.goal is Goal.FORWARD:
            return _failed_forward(move, answer)
        case _:
            return _copied(move, effect, answer)


def _failed_forward(move: Move, failed: ev.Failed) -> Move:
    """Keep why the move turns back: rolled back from the new build, or cancelled before it."""
    if move.new_build_may_have_run:
        return attrs.evolve(move, fault=failed.fault, reason=failed.reason)
    return attrs.evolve(move, held=failed.fault is Fault.LATER, reason=failed.reason)


def _looked(move: Move, answer: ev.Answer | None) -> Move:
    """Let a person who may be busy need a human; they are not rolled back."""
    match answer:
        case ev.Assessed(ev.Readiness.BUSY, reason) | ev.Failed(reason=reason):
            return attrs.evolve(move, status=Status.NEEDS_HUMAN, reason=reason)
        case _:
            return move


def _copied(move: Move, effect: fx.Effect, answer: ev.Answer | None) -> Move:
    match effect, answer:
        case fx.SnapshotAtRest(), ev.Snapshotted() if not move.new_build_may_have_run:
            return attrs.evolve(move, rest=answer, reason="")
        case fx.Quarantine(), ev.Quarantined(snapshot, rows):
            earlier = (*move.earlier, move.quarantine) if move.quarantine else move.earlier
            rows = (*move.rows, *rows)
            return attrs.evolve(move, quarantine=snapshot, earlier=earlier, rows=rows)
        case fx.Restore(snapshot=snapshot), ev.Done() if snapshot != move.plan.restore:
            return attrs.evolve(move, restored=True)
        case _:
            return move


def _untouched(move: Move, effect: fx.Effect, answer: ev.Answer | None) -> Move:
    """Apply an answer from before the run touched the person."""
    match effect, answer:
        case fx.SnapshotOnline(), ev.Snapshotted(snapshot=snapshot):
            return attrs.evolve(move, status=Status.WAITING, online=snapshot, reason="")
        case fx.SnapshotOnline(), ev.Assessed(reason=reason) | ev.Failed(reason=reason):
            return attrs.evolve(move, status=Status.REFUSED, reason=reason)
        case fx.Assess(), ev.Assessed(ev.Readiness.BUSY, reason) | ev.Failed(reason=reason):
            return attrs.evolve(move, status=Status.DEFERRED, reason=reason)
        case fx.Assess(), ev.Assessed(ev.Readiness.NOT_RUNNING, reason):
            return attrs.evolve(move, status=Status.NOT_RUNNING, reason=reason)
        case fx.VerifyPairing(), ev.NotPaired(reason=reason) | ev.Failed(reason=reason):
            return attrs.evolve(move, status=Status.BROKEN_BEFORE, reason=reason)
        case fx.Inspect(), _:
            return attrs.evolve(move, status=Status.DEFERRED, reason="interrupted")
        case fx.SnapshotOnline() | fx.Assess() | fx.VerifyPairing(), _:
            # A failure of an earlier attempt was not final.
            return attrs.evolve(move, status=Status.WAITING, reason="")
        case _:
            return move


def _inspected(move: Move, answer: ev.Answer | None) -> Move:
    """Apply an inspection; earlier sign-in results no longer count."""
    match answer:
        case ev.Inspected(selected=build) if build == move.plan.old and move.reselecting:
            return move
        case ev.Inspected(selected=build) if build == move.plan.new and move.new_build_may_have_run:
            return _on_new(move)
        case ev.Inspected(selected=build) if build == move.plan.old:
            return attrs.evolve(
                move, goal=Goal.BACK if move.new_build_may_have_run else Goal.CANCEL
            )
        case ev.Failed(reason=reason):
            return attrs.evolve(move, reason=move.reason or reason)
        case _:
            return move


def _verified(move: Move, build: Version, answer: ev.Answer | None) -> Move:
    on_new = move.new_build_may_have_run and _is_new(move, build)
    match answer:
        case ev.Paired() if on_new:
            return attrs.evolve(move, status=Status.MOVED)
        case ev.Paired() if move.goal is not Goal.FORWARD:
            cancelled = Status.DEFERRED if move.held else Status.RETURNED
            back = Status.ROLLED_BACK if move.restored else cancelled
            return attrs.evolve(move, status=back)
        case ev.NotPaired(fault=Fault.ENVIRONMENT, reason=reason) if on_new:
            return attrs.evolve(move, status=Status.KEPT, reason=reason)
        case ev.NotPaired(fault, reason) | ev.Failed(fault, reason) if on_new:
            return attrs.evolve(move, fault=fault, reason=reason)
        case ev.NotPaired(reason=reason) | ev.Failed(reason=reason):
            # The data is inspected next, and may be restored again.
            reason = move.reason or reason
            return attrs.evolve(put_by(move), status=Status.ENVIRONMENT, reason=reason)
        case _:
            return move
