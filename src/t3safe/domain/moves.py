"""One person's move from one build to another, and every way back.

Rules:

1. Forward: idle? -> pairs now, on the old build? -> still idle? -> fence -> stop -> at-rest
   snapshot -> select the new build -> start -> verify.
2. `new_build_may_have_run` is true from the intent to put the new build (or an older snapshot) in
   place.  A crash between the intent and the effect leaves open whether the build ran.
3. Before that, the undo changes no data: select the old build, start, verify (cancel).
4. After that, the undo is: fence -> stop -> quarantine -> restore the at-rest snapshot -> select
   the old build -> start -> verify (back).  The quarantine always comes before the restore.
5. When the way back fails, the last resort is to inspect, and to start the build that knows the
   ledger that is there.  If neither build knows it, the fence stays.  Both need a human.  A serve
   that still runs behind the fence is stopped first and inspected again.
6. After a crash the first step is to inspect.  A person who is on the new build by then stays on it
   if it verifies, because their new rows matter.  Otherwise the old data is restored.
7. When the old build does not pair after a way back, inspect the data first.  Data that the old
   build does not know was changed behind the fence, and the way back is taken again.  Otherwise
   the environment is at fault, too.
8. A person who had time to work on the new build (during a bake, since a crash) is not rolled back
   while work in flight is visible.  The rollout asks for a human instead.
9. A process that holds one person's data and cannot be ended (a failure with fault LATER behind the
   fence) defers only that person.
"""

from __future__ import annotations

from typing import assert_never

import attrs

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.events import InvalidEvent
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.move import Goal, Move, Status, Step

_INTO_NEW = (Step.SELECT_NEW, Step.START, Step.VERIFY_NEW)
_INTO_OLD = (Step.SELECT_OLD, Step.START, Step.VERIFY_OLD)
_AT_REST = (Step.FENCE, Step.STOP, Step.SNAPSHOT)


def begin(move: Move, kind: ev.Kind, *, force: bool) -> Move:
    """Give a waiting person the steps of the way forward (rule 1)."""
    if kind is ev.Kind.BACK:
        asked = () if force else (Step.ASSESS,)
        chosen = (Step.RESTORE_CHOSEN,) if move.plan.restore else ()
        todo = (*asked, *_AT_REST, *chosen, *_INTO_NEW)
    else:
        todo = (Step.ASSESS, Step.PRECHECK, Step.ASSESS, *_AT_REST, *_INTO_NEW)
    return attrs.evolve(move, status=Status.MOVING, todo=todo)


def settle(move: Move, status: Status, reason: str = "") -> Move:
    """End a person's part; without a new reason the earlier one stays."""
    return attrs.evolve(move, status=status, todo=(), reason=reason or move.reason)


def go_back(move: Move, reason: str = "", fault: Fault = Fault.HOST) -> Move:
    """Turn a move back after the new build may have run (rule 4).

    A finished quarantine or restore is not repeated.  Without a reason the one before stays.
    """
    look = (Step.LOOK,) if move.had_activity else ()
    quarantine = () if move.quarantine else (Step.QUARANTINE,)
    restore = () if move.restored else (Step.RESTORE_REST,)
    todo = (*look, Step.FENCE, Step.STOP, *quarantine, *restore, *_INTO_OLD)
    blamed = move.fault if move.goal is Goal.BACK else fault
    return attrs.evolve(
        move,
        status=Status.MOVING,
        goal=Goal.BACK,
        todo=todo,
        reason=reason or move.reason,
        fault=blamed,
    )


def effect_of(move: Move, snapshot: str) -> fx.Effect:
    """Return the effect of the next step; `snapshot` is a fresh id for a step that takes one."""
    person, plan = move.person, move.plan
    match move.todo[0]:
        case Step.ASSESS:
            return fx.Assess(person)
        case Step.LOOK:
            return fx.Assess(person, certain=True)
        case Step.PRECHECK | Step.VERIFY_OLD:
            return fx.VerifyPairing(person, plan.old)
        case Step.FENCE:
            return fx.Fence(person)
        case Step.STOP:
            return fx.Stop(person)
        case Step.SNAPSHOT:
            return fx.SnapshotAtRest(person, snapshot, plan.old, giving_up=bool(plan.restore))
        case Step.RESTORE_CHOSEN:
            return fx.Restore(person, plan.restore)
        case Step.SELECT_NEW:
            return fx.Select(person, plan.new)
        case Step.START:
            return fx.Start(person)
        case Step.VERIFY_NEW:
            return fx.VerifyPairing(person, plan.new)
        case Step.QUARANTINE:
            return fx.Quarantine(person, snapshot, plan.new, _rest(move).snapshot)
        case Step.RESTORE_REST:
            return fx.Restore(person, _rest(move).snapshot)
        case Step.SELECT_OLD:
            return fx.Select(person, plan.old)
        case Step.INSPECT:
            return fx.Inspect(person)
        case never:
            assert_never(never)


def _rest(move: Move) -> ev.Snapshotted:
    assert move.rest is not None, "the new build is put in place only after the at-rest snapshot"
    return move.rest


def intend(move: Move) -> Move:
    """Mark what the next step makes possible, before the step begins (rule 2)."""
    step = move.todo[0]
    if step not in _MARKED:
        return move
    exposing = step in {Step.SELECT_NEW, Step.RESTORE_CHOSEN}
    return attrs.evolve(
        move,
        fenced=move.fenced or step is Step.FENCE,
        new_build_may_have_run=move.new_build_may_have_run or exposing,
        reselecting=move.reselecting or (move.goal is Goal.BACK and step is Step.SELECT_OLD),
        stopped=move.stopped or (move.goal is Goal.LAST_RESORT and step is Step.STOP),
    )


_MARKED = frozenset({Step.FENCE, Step.STOP, Step.RESTORE_CHOSEN, Step.SELECT_NEW, Step.SELECT_OLD})
"""The steps that mark something from their intent on."""


def lose_sight(move: Move) -> Move:
    """Make inspection the next step after a crash (rule 6); the person may have worked (rule 8)."""
    return attrs.evolve(
        move, todo=(Step.INSPECT,), had_activity=move.new_build_may_have_run, doubted=False
    )


def touched(move: Move) -> bool:
    """Whether the rollout changed anything for this person, or may have."""
    return move.fenced or move.new_build_may_have_run or move.goal is not Goal.FORWARD


def answered(move: Move, answer: ev.Answer, schema: SetLedger | None) -> Move:
    """Apply the answer to the next step; a `Failed` here is final for the step.

    `schema` is what the new build knows, from the gate or the plan; None when neither has it.
    Raises InvalidEvent when the answer does not fit the step.
    """
    step = move.todo[0]
    match step, answer:
        case _, ev.Failed(fault, reason):
            return _failed(move, step, fault, reason)
        case Step.ASSESS, ev.Assessed(readiness, reason):
            return _assessed(move, readiness, reason)
        case Step.LOOK, ev.Assessed(readiness, reason):
            return _looked(move, readiness, reason)
        case ((Step.PRECHECK | Step.VERIFY_NEW | Step.VERIFY_OLD), ev.Paired()):
            return _next(move)
        case ((Step.PRECHECK | Step.VERIFY_NEW | Step.VERIFY_OLD), ev.NotPaired(fault, reason)):
            return _not_paired(move, step, fault, reason)
        case Step.SNAPSHOT, ev.Snapshotted(snapshot=snapshot) if snapshot:
            return _rested(move, answer, schema)
        case Step.QUARANTINE, ev.Quarantined(snapshot=snapshot, rows=rows) if snapshot:
            return _next(attrs.evolve(move, quarantine=snapshot, rows=(*move.rows, *rows)))
        case Step.RESTORE_REST, ev.Done():
            return _next(attrs.evolve(move, restored=True))
        case Step.INSPECT, ev.Inspected():
            return _inspected(move, answer, schema)
        case _, ev.Done() if step in _PLAIN:
            return _next(move)
        case _:
            message = f"{type(answer).__name__} is no answer to {step} of {move.person}"
            raise InvalidEvent(message)


_PLAIN = frozenset(
    {Step.FENCE, Step.STOP, Step.RESTORE_CHOSEN, Step.SELECT_NEW, Step.SELECT_OLD, Step.START}
)


def _next(move: Move) -> Move:
    todo = move.todo[1:]
    if todo:
        return attrs.evolve(move, todo=todo)
    match move.goal:
        case Goal.FORWARD:
            return settle(move, Status.MOVED)
        case Goal.CANCEL:
            return settle(move, Status.DEFERRED if move.held else Status.RETURNED)
        case Goal.BACK:
            return settle(move, Status.ROLLED_BACK)
        case Goal.LAST_RESORT:
            return settle(move, Status.NEEDS_HUMAN)
        case never:
            assert_never(never)


def _assessed(move: Move, readiness: ev.Readiness, reason: str) -> Move:
    match readiness:
        case ev.Readiness.IDLE:
            return _next(move)
        case ev.Readiness.BUSY:
            return settle(move, Status.DEFERRED, reason)
        case ev.Readiness.NOT_RUNNING:
            if Step.RESTORE_CHOSEN in move.todo:
                return _next(move)
            return settle(move, Status.NOT_RUNNING, reason)
        case never:
            assert_never(never)


def _looked(move: Move, readiness: ev.Readiness, reason: str) -> Move:
    """Apply the look before a rollback (rule 8)."""
    if readiness is not ev.Readiness.BUSY:
        return _next(attrs.evolve(move, had_activity=False))
    how = f"`t3safe rollback {move.person} --force` does not wait for it"
    why = f"not taken off {move.plan.new} while busy ({reason}); {how}"
    return settle(move, Status.NEEDS_HUMAN, _also(move, why))


def _rested(move: Move, rest: ev.Snapshotted, schema: SetLedger | None) -> Move:
    """Keep the at-rest snapshot; cancel when the new build does not know the data (I1)."""
    known = None if move.plan.restore else schema
    strange = () if known is None else rest.ledger.unknown_to(known)
    move = attrs.evolve(move, rest=rest)
    if strange:
        return _cancel(move, f"{move.plan.new} does not know {strange[0]} of the stopped set")
    return _next(move)


def _failed(move: Move, step: Step, fault: Fault, reason: str) -> Move:
    match move.goal:
        case Goal.FORWARD:
            return _failed_forward(move, step, fault, reason)
        case _ if move.doubted:
            return settle(move, Status.ENVIRONMENT, _also(move, reason))
        case Goal.CANCEL if step is Step.INSPECT and move.intact:
            return _cancel(move, reason)
        case _ if step is Step.INSPECT:
            return settle(move, Status.NEEDS_HUMAN, _also(move, reason))
        case _ if step is Step.LOOK:
            return _looked(move, ev.Readiness.BUSY, f"unknown: {reason}")
        case Goal.CANCEL | Goal.BACK if step is Step.VERIFY_OLD:
            return _doubt(move, reason)
        case Goal.CANCEL | Goal.BACK:
            return _last_resort(move, reason)
        case Goal.LAST_RESORT:
            return settle(move, Status.NEEDS_HUMAN, _also(move, reason))
        case never:
            assert_never(never)


def _failed_forward(move: Move, step: Step, fault: Fault, reason: str) -> Move:
    if move.new_build_may_have_run and step is Step.INSPECT:
        return settle(move, Status.NEEDS_HUMAN, reason)
    if move.new_build_may_have_run:
        return go_back(move, reason, fault)
    if move.fenced:
        return _cancel(attrs.evolve(move, held=fault is Fault.LATER), reason)
    if step is Step.ASSESS:
        return settle(move, Status.DEFERRED, f"cannot find out whether the serve is busy: {reason}")
    if step is Step.INSPECT:
        return settle(move, Status.DEFERRED, reason)
    return settle(move, Status.BROKEN_BEFORE, reason)


def _not_paired(move: Move, step: Step, fault: Fault, reason: str) -> Move:
    match step:
        case Step.PRECHECK:
            return settle(move, Status.BROKEN_BEFORE, reason)
        case Step.VERIFY_NEW if fault is Fault.ENVIRONMENT:
            return settle(move, Status.KEPT, reason)
        case Step.VERIFY_NEW:
            return go_back(move, reason, fault)
        case _:
            return _doubt(move, reason)


def _doubt(move: Move, reason: str) -> Move:
    """Inspect the data before the environment is blamed (rule 7)."""
    move = attrs.evolve(move, reason=_also(move, reason))
    if move.rest is None or move.again:
        return settle(move, Status.ENVIRONMENT)
    return attrs.evolve(move, todo=(Step.INSPECT,), doubted=True)


def _reviewed(move: Move, facts: ev.Inspected) -> Move:
    """Go back again when the old build does not know the data (rule 7)."""
    if _as_before(move, facts):
        return settle(move, Status.ENVIRONMENT)
    once_more = attrs.evolve(put_by(move), again=True, doubted=False)
    return go_back(once_more)


def put_by(move: Move) -> Move:
    """Keep the quarantine and repeat the rest of the way back: the data may have changed."""
    earlier = (*move.earlier, move.quarantine) if move.quarantine else move.earlier
    return attrs.evolve(move, quarantine="", earlier=earlier, restored=False, reselecting=False)


def _also(move: Move, reason: str) -> str:
    return f"{move.reason}; then: {reason}" if move.reason and reason else reason or move.reason


def _cancel(move: Move, reason: str) -> Move:
    return attrs.evolve(move, goal=Goal.CANCEL, todo=_INTO_OLD, reason=_also(move, reason))


def _last_resort(move: Move, reason: str) -> Move:
    return attrs.evolve(
        move, goal=Goal.LAST_RESORT, todo=(Step.INSPECT,), reason=_also(move, reason)
    )


def _inspected(move: Move, facts: ev.Inspected, schema: SetLedger | None) -> Move:
    if move.doubted:
        return _reviewed(move, facts)
    if move.goal is Goal.LAST_RESORT:
        return _start_what_fits(move, facts, schema)
    if move.intact:
        if move.fenced:
            return _cancel(move, "interrupted")
        return settle(move, Status.DEFERRED, "interrupted before anything was touched")
    if facts.selected is None:
        return _found_fenced(move, facts)
    if move.goal is Goal.BACK and move.reselecting and facts.selected == move.plan.old:
        return attrs.evolve(move, todo=(Step.START, Step.VERIFY_OLD))
    if move.new_build_may_have_run and facts.selected == move.plan.new:
        return _found_on_new(move)
    if facts.selected == move.plan.old:
        return _found_on_old(move, facts)
    how = f"{facts.selected} is selected for {move.person}, which this rollout did not choose"
    return settle(move, Status.NEEDS_HUMAN, _also(move, how))


def _found_on_new(move: Move) -> Move:
    """Verify the new build before a restore: the person is on it (rule 6)."""
    todo = (Step.START, Step.VERIFY_NEW)
    return attrs.evolve(put_by(move), goal=Goal.FORWARD, todo=todo, rows=())


def _found_on_old(move: Move, facts: ev.Inspected) -> Move:
    if _as_before(move, facts):
        return attrs.evolve(
            move,
            goal=Goal.CANCEL,
            todo=(Step.START, Step.VERIFY_OLD),
            reason=_also(move, "interrupted"),
        )
    return go_back(move, move.reason or "interrupted")


def _found_fenced(move: Move, facts: ev.Inspected) -> Move:
    if move.restored and (facts.running or not _as_before(move, facts)):
        # The data changed after the restore: the old build must not start on it unseen (I1).
        return _last_resort(move, "the data is not what was restored")
    never_new = move.goal in {Goal.FORWARD, Goal.CANCEL} and not move.plan.restore
    if never_new and _as_before(move, facts):
        return _cancel(move, "interrupted")
    return go_back(move, move.reason or "interrupted")


def _as_before(move: Move, facts: ev.Inspected) -> bool:
    """Whether the old build knows the data: no migration ran, and no restore is half done."""
    # The old build knows the ledger that it left at rest.
    readable = facts.ledger is not None and not facts.restoring
    return readable and facts.ledger is not None and facts.ledger.known_to(_rest(move).ledger)


def _start_what_fits(move: Move, facts: ev.Inspected, schema: SetLedger | None) -> Move:
    """Start the old build if it knows the ledger, else the new one, else none (rule 5)."""
    untouched = move.intact
    if not untouched and facts.selected == move.plan.new:
        # Without a fence a mint may have migrated the data since the look: the new build stays.
        return attrs.evolve(move, todo=(Step.START,))
    if not untouched and facts.running:
        return _halt(move)
    if untouched or _as_before(move, facts):
        return attrs.evolve(move, todo=(Step.SELECT_OLD, Step.START))
    if schema is None or facts.ledger is None or facts.restoring:
        return settle(move, Status.NEEDS_HUMAN)
    if facts.ledger.known_to(schema):
        return attrs.evolve(move, todo=(Step.SELECT_NEW, Step.START))
    return settle(move, Status.NEEDS_HUMAN)


def _halt(move: Move) -> Move:
    """Stop a serve that still runs behind the fence, then inspect again: it may have migrated."""
    if move.stopped:
        return settle(move, Status.NEEDS_HUMAN)
    return attrs.evolve(move, todo=(Step.STOP, Step.INSPECT))
