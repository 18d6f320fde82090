"""The rollout: a pure state machine over one plan.

`decide` names the one next effect or the end; `evolve` takes one event.  Both are total and
deterministic, and use no clock and no I/O.  Fold the journal with `evolve` to resume.

Rules:

1. A rollout touches people only after the candidate has passed the gate: on a copy of each affected
   person's data and on empty data.  It refuses a person alone when their snapshot fails, when
   their data holds a migration that the candidate does not know, or when it holds a copy with which
   V2 must not begin.
2. A rollout moves one person at a time.  The next person begins only after the previous one has
   settled without a failure.
3. A rollback of one person ends the rollout: the build is refused from then on and the host is
   frozen.  Other people stay as they are; people who were moved stay on the new build.  A failure
   in production that blames the build refuses it and freezes the host, even when the rollback
   fails.
4. Only people who were moved are baked, and only a rollout that baked promotes.  A rollout of kind
   `bake` finishes an interrupted run that had moved people.
5. After a crash or a request to stop, the rollout begins no other person and settles the person in
   transition.  People who were moved and will not be baked are verified again before the end.
6. An effect is tried `attempts_max` times, unless the build is at fault.  Staging is tried once
   when the host lacks something (a compiler, a user, disk space), because a retry cannot help.
   Pruning is tried once, too; the next run prunes the rest.
7. A host of a fleet takes a slot after the gate and before the first move.  Without a slot nobody
   moves.  It is tried once, because the permit itself reads again and repeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import attrs

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import gate, gate_stages, messages, moves
from t3safe.domain import rollout_state as state
from t3safe.domain.errors import Fault
from t3safe.domain.events import InvalidEvent
from t3safe.domain.move import Move, Status
from t3safe.domain.rollout_state import Rollout, Stage
from t3safe.domain.versions import Version


def opened(plan: ev.Plan) -> Rollout:
    """Return the rollout of a plan before its first effect.

    Raises InvalidEvent if a plan moves a person twice or bakes nobody (rule 4).
    """
    people = [part.person for part in plan.moves]
    if len(set(people)) != len(people):
        message = f"a plan moves each person once, not {people}"
        raise InvalidEvent(message)
    if plan.kind is ev.Kind.BAKE and not plan.baking:
        raise InvalidEvent("a bake of its own watches somebody")
    begin = {ev.Kind.BACK: Stage.MOVING, ev.Kind.BAKE: Stage.BAKING}
    stage = begin.get(plan.kind, Stage.STAGING)
    return _advance(Rollout(plan, stage, tuple(Move(part) for part in plan.moves)))


def decide(rollout: Rollout) -> fx.Effect | ev.Ended:
    """Return the next effect, or the end.  No other function chooses one."""
    snapshot = f"{rollout.plan.run}.{rollout.seq + 1:04d}"
    match rollout.stage:
        case Stage.STAGING:
            return fx.StageBuild(rollout.plan.candidate, rollout.plan.ring)
        case Stage.SNAPSHOTTING:
            return fx.SnapshotOnline(rollout.moves[rollout.turn].person, snapshot)
        case Stage.REHEARSING:
            return fx.Rehearse(rollout.plan.candidate, gate_stages.subjects(rollout))
        case Stage.CONTROL:
            return rollout.controls_todo[0]
        case Stage.VERDICT:
            assert rollout.verdict is not None, "the stage is entered with a verdict"
            return fx.RecordVerdict(rollout.verdict)
        case Stage.SLOT:
            lock = rollout.staged.lock if rollout.staged is not None else ""
            return fx.TakeSlot(rollout.plan.ring, rollout.plan.run, rollout.plan.candidate, lock)
        case Stage.MOVING:
            assert rollout.current is not None, "the stage is left when nobody is in transition"
            return moves.effect_of(rollout.current, snapshot)
        case Stage.BAKING:
            return fx.Bake(_moved(rollout), rollout.plan.candidate, rollout.plan.bake)
        case Stage.REVISITING:
            return fx.Revisit(_moved(rollout), rollout.plan.candidate)
        case Stage.CLOSING:
            assert rollout.ending is not None, "the stage is entered with an end"
            return rollout.closing[0] if rollout.closing else rollout.ending
        case never:
            assert_never(never)


def evolve(rollout: Rollout, event: ev.Event) -> Rollout:
    """Apply one event.  No other function changes a rollout.

    Raises InvalidEvent when the event cannot follow.
    """
    if rollout.closed:
        raise InvalidEvent("nothing follows the end of a run")
    match event:
        case ev.Opened():
            raise InvalidEvent("a run opens once")
        case ev.Started():
            return _started(rollout, event)
        case ev.Finished():
            return _finished(rollout, event)
        case ev.Resumed():
            return _resumed(rollout)
        case ev.StopAsked(reason=reason):
            return _wind(rollout, ev.Ended(ev.Outcome.INTERRUPTED, reason))
        case ev.Closed(ended=ended):
            return _closed(rollout, ended)
        case never:
            assert_never(never)


def _started(rollout: Rollout, event: ev.Started) -> Rollout:
    if rollout.pending is not None:
        raise InvalidEvent("two effects at once")
    if event.seq != rollout.seq + 1:
        message = f"effect {event.seq} follows effect {rollout.seq}"
        raise InvalidEvent(message)
    if event.effect != decide(rollout):
        message = f"{event.effect} was not decided"
        raise InvalidEvent(message)
    rollout = attrs.evolve(rollout, seq=event.seq, pending=event.effect)
    current = rollout.current
    if rollout.stage is not Stage.MOVING or current is None:
        return rollout
    intended = moves.intend(current)
    return rollout if intended is current else state.put(rollout, intended)


def _finished(rollout: Rollout, event: ev.Finished) -> Rollout:
    if rollout.pending is None or event.seq != rollout.seq:
        message = f"an answer to effect {event.seq}, which is not under way"
        raise InvalidEvent(message)
    answer = event.answer
    if _may_retry(rollout, answer):
        return attrs.evolve(rollout, pending=None, attempts=rollout.attempts + 1)
    return _advance(_answered(attrs.evolve(rollout, pending=None, attempts=0), answer))


def _may_retry(rollout: Rollout, answer: ev.Answer) -> bool:
    """Whether the effect is tried again (rules 6, 7); a bake is not, as it would start over."""
    if not isinstance(answer, ev.Failed) or answer.fault is Fault.BUILD:
        return False
    if isinstance(rollout.pending, fx.Prune | fx.TakeSlot):
        return False
    if rollout.stage is Stage.STAGING and answer.fault is Fault.HOST:
        return False
    return rollout.stage is not Stage.BAKING and rollout.attempts + 1 < rollout.plan.attempts_max


def _answered(rollout: Rollout, answer: ev.Answer) -> Rollout:
    match rollout.stage:
        case Stage.STAGING:
            return gate_stages.staged(rollout, answer)
        case Stage.SNAPSHOTTING:
            return gate_stages.snapped(rollout, answer)
        case Stage.REHEARSING:
            return gate_stages.rehearsed(rollout, answer)
        case Stage.CONTROL:
            return gate_stages.controlled(rollout, answer)
        case Stage.VERDICT:
            return gate_stages.recorded(rollout, answer)
        case Stage.SLOT:
            return gate_stages.slotted(rollout, answer)
        case Stage.MOVING:
            return _moved_on(rollout, answer)
        case Stage.BAKING:
            return _baked(rollout, answer)
        case Stage.REVISITING:
            return _revisited(rollout, answer)
        case Stage.CLOSING:
            return _closing_done(rollout, answer)
        case never:
            assert_never(never)


def _moved_on(rollout: Rollout, answer: ev.Answer) -> Rollout:
    current = rollout.current
    assert current is not None, "the stage is left when nobody is in transition"
    move = moves.answered(current, answer, rollout.schema or current.plan.knows)
    rollout = state.put(rollout, move)
    faulty = isinstance(answer, ev.NotPaired | ev.Failed) and answer.fault is Fault.ENVIRONMENT
    if move.status is Status.KEPT or (move.status is Status.BROKEN_BEFORE and faulty):
        why = f"the dispatch could not be asked: {move.reason}"
        return _wind(rollout, ev.Ended(ev.Outcome.LATER, why))
    if move.status is Status.RETURNED:
        # The same obstacle may stop each other move, so the rollout stops no other serve.
        return _wind(rollout, ev.Ended(ev.Outcome.LATER, state.reasons_of([move])))
    return rollout


def _moved(rollout: Rollout) -> tuple[str, ...]:
    return rollout.plan.baking + tuple(
        move.person for move in rollout.moves if move.status is Status.MOVED
    )


def _baked(rollout: Rollout, answer: ev.Answer) -> Rollout:
    match answer:
        case ev.Done():
            build = rollout.plan.candidate
            did = "baked" if rollout.plan.baking else "moved"
            reason = f"{build}: {did} {', '.join(_moved(rollout))}{_left_behind(rollout)}"
            promote = fx.Promote(build, rollout.plan.all_people)
            return state.end(rollout, ev.Outcome.PROMOTED, reason, promote)
        case ev.BakeBroken(person=person) if person not in _moved(rollout):
            raise _stranger(person)
        case ev.BakeBroken(person, Fault.BUILD, reason):
            return _broke(rollout, person, f"during the bake: {reason}")
        case ev.BakeBroken(_, _, reason) | ev.Failed(_, reason):
            text = f"not promoted, the bake was cut off: {reason}"
            ended = ev.Ended(ev.Outcome.LATER, text)
            return attrs.evolve(rollout, stage=Stage.REVISITING, winding=ended)
        case _:
            raise state.wrong(rollout, answer)


def _revisited(rollout: Rollout, answer: ev.Answer) -> Rollout:
    match answer:
        case ev.BakeBroken(person=person) if person not in _moved(rollout):
            raise _stranger(person)
        case ev.BakeBroken(person, Fault.BUILD, reason):
            return _broke(rollout, person, f"after the move: {reason}")
        case ev.Done() | ev.BakeBroken():
            return _settled(rollout)
        case ev.Failed(_, reason):
            return _unseen(rollout, reason)
        case _:
            raise state.wrong(rollout, answer)


def _stranger(person: str) -> InvalidEvent:
    return InvalidEvent(f"{person!r} is not among those who were moved")


def _unseen(rollout: Rollout, reason: str) -> Rollout:
    """Ask for a person's help: sign-in of the people who were moved is unknown."""
    text = f"cannot check sign-in on {rollout.plan.candidate}: {reason}"
    if rollout.plan.baking:
        who = ", ".join(_moved(rollout))
        return state.end(rollout, ev.Outcome.NEEDS_HUMAN, f"{who}: {text}")
    settled = tuple(
        moves.settle(move, Status.NEEDS_HUMAN, text) if move.status is Status.MOVED else move
        for move in rollout.moves
    )
    return _settled(attrs.evolve(rollout, moves=settled))


def _broke(rollout: Rollout, person: str, reason: str) -> Rollout:
    """Roll a person back whom the build no longer pairs, unless an earlier run moved them."""
    if person in rollout.plan.baking:
        return _baked_too_long_ago(rollout, person, reason)
    here = [move.person for move in rollout.moves].index(person)
    worked = attrs.evolve(rollout.moves[here], had_activity=True)
    turned = moves.go_back(worked, reason, Fault.BUILD)
    return state.put(attrs.evolve(rollout, stage=Stage.MOVING, turn=here), turned)


def _baked_too_long_ago(rollout: Rollout, person: str, reason: str) -> Rollout:
    """Ask for a human: a rollback would drop what this person wrote since an earlier run."""
    how = f"`t3safe rollback {person}` starts the rollback"
    text = f"{person} on {rollout.plan.candidate} no longer pairs: {reason}; {how}"
    refusal = _refusal(rollout.plan.candidate, text)
    return state.end(rollout, ev.Outcome.NEEDS_HUMAN, text, refusal, fx.Freeze(text))


def _left_behind(rollout: Rollout) -> str:
    left = [move for move in rollout.moves if move.status is not Status.MOVED]
    return "".join(f"; {move.status} {move.person}" for move in left)


def _closing_done(rollout: Rollout, answer: ev.Answer) -> Rollout:
    effect, rest = rollout.closing[0], rollout.closing[1:]
    rollout = attrs.evolve(rollout, closing=rest)
    match answer:
        case ev.Done():
            return rollout
        case ev.Failed() if isinstance(effect, fx.Prune):
            return rollout
        case ev.Failed(fault, reason):
            assert rollout.ending is not None, "the stage is entered with an end"
            text = f"{rollout.ending.reason}; then: {messages.failure(effect, fault, reason)}"
            return attrs.evolve(rollout, ending=ev.Ended(ev.Outcome.NEEDS_HUMAN, text))
        case _:
            raise state.wrong(rollout, answer)


def _closed(rollout: Rollout, ended: ev.Ended) -> Rollout:
    if decide(rollout) != ended or rollout.pending is not None:
        message = f"{ended.outcome} is not how this run ends"
        raise InvalidEvent(message)
    return attrs.evolve(rollout, closed=True)


# Interruption.


def _resumed(rollout: Rollout) -> Rollout:
    """Resume after a crash (rule 5): inspect the person in transition; a bake starts over."""
    rollout = attrs.evolve(rollout, pending=None, attempts=0)
    current = rollout.current
    if current is not None:
        rollout = state.put(rollout, moves.lose_sight(current))
    if rollout.stage in {Stage.BAKING, Stage.REVISITING}:
        return rollout
    return _wind(rollout, ev.Ended(ev.Outcome.INTERRUPTED, "interrupted"))


def _wind(rollout: Rollout, ended: ev.Ended) -> Rollout:
    if rollout.winding is not None:
        return rollout
    return _advance(attrs.evolve(rollout, winding=ended))


# The next stage, when a stage has nothing left to do.


def _advance(rollout: Rollout) -> Rollout:
    if rollout.pending is not None:
        return rollout
    match rollout.stage:
        case Stage.CLOSING:
            return rollout
        case Stage.MOVING:
            return _advance_moving(rollout)
        case Stage.BAKING | Stage.REVISITING:
            return rollout
        case _ if rollout.winding is not None:
            return state.end(rollout, rollout.winding.outcome, rollout.winding.reason)
        case Stage.SNAPSHOTTING if rollout.turn == len(rollout.moves):
            return _snapshots_done(rollout)
        case _:
            return rollout


def _snapshots_done(rollout: Rollout) -> Rollout:
    lost = [move for move in rollout.moves if move.status is Status.REFUSED]
    if lost and len(lost) == len(rollout.moves):
        return state.end(rollout, ev.Outcome.REFUSED, state.reasons_of(lost))
    return attrs.evolve(rollout, stage=Stage.REHEARSING)


def _advance_moving(rollout: Rollout) -> Rollout:
    current = rollout.current
    if current is not None and rollout.winding is not None and not moves.touched(current):
        reason = f"{rollout.winding.reason}, before anything was touched"
        return _advance_moving(state.put(rollout, moves.settle(current, Status.DEFERRED, reason)))
    if current is not None:
        return rollout
    turn = _waiting_from(rollout)
    if turn < len(rollout.moves) and not _over(rollout):
        rollout = attrs.evolve(rollout, turn=turn)
        begun = moves.begin(rollout.moves[turn], rollout.plan.kind, force=rollout.plan.force)
        return state.put(rollout, begun)
    if _must_revisit(rollout):
        return attrs.evolve(rollout, stage=Stage.REVISITING)
    return _settled(rollout)


_NEEDS = (Status.NEEDS_HUMAN, Status.ENVIRONMENT)


_BAD = (*_NEEDS, Status.ROLLED_BACK)
"""The statuses that end a rollout (rule 3)."""


def _over(rollout: Rollout) -> bool:
    """Whether no other person may begin (rules 3 and 5); called while a person waits."""
    return rollout.winding is not None or rollout.moves[rollout.turn].status in _BAD


def _waiting_from(rollout: Rollout) -> int:
    """Return the index of the next waiting person; the number of moves when there is none."""
    turn = rollout.turn
    while turn < len(rollout.moves) and rollout.moves[turn].status is not Status.WAITING:
        turn += 1
    return turn


def _must_revisit(rollout: Rollout) -> bool:
    """Whether moved people are verified again (rule 5); not while one of them needs a human."""
    if (
        rollout.plan.kind is ev.Kind.BACK
        or not _moved(rollout)
        or state.with_status(rollout, *_NEEDS)
    ):
        return False
    return rollout.winding is not None or bool(state.with_status(rollout, Status.ROLLED_BACK))


def _settled(rollout: Rollout) -> Rollout:
    """End the moves: no person is in transition, and no other person begins."""
    bad = state.with_status(rollout, *_BAD)
    return _end_badly(rollout, bad) if bad else _end_moving(rollout)


def _end_badly(rollout: Rollout, bad: list[Move]) -> Rollout:
    """End by rule 3.  The worst status names the outcome; each failure is remembered."""
    reasons = state.reasons_of(bad)
    here = {move.status for move in bad}
    if rollout.plan.kind is ev.Kind.BACK and here == {Status.ROLLED_BACK}:
        return state.end(rollout, ev.Outcome.REFUSED, f"left unchanged: {reasons}")
    outcome = ev.Outcome.NEEDS_HUMAN if here & set(_NEEDS) else ev.Outcome.ROLLED_BACK
    if Status.ENVIRONMENT in here:
        reasons = f"the previous build does not pair either, the environment is at fault: {reasons}"
    return state.end(rollout, outcome, reasons, *_remembered(rollout, bad, reasons))


def _remembered(rollout: Rollout, bad: list[Move], reasons: str) -> Iterator[fx.Effect]:
    """Refuse a build that failed a person, however their rollback ended, and freeze the host."""
    build = rollout.plan.candidate
    back = [move for move in bad if move.status is Status.ROLLED_BACK]
    blamed = () if rollout.plan.kind is ev.Kind.BACK else bad
    failed = [move for move in blamed if move.fault is Fault.BUILD]
    if failed:
        yield _refusal(build, state.reasons_of(failed))
    if any(move.status is Status.NEEDS_HUMAN for move in bad):
        yield fx.Freeze(reasons)
    elif failed:
        yield fx.Freeze(f"{build} failed in production: {reasons}")
    elif back:
        why = f"{build} could not be installed for a person, not its own fault: {reasons}"
        yield fx.Freeze(why)


def _refusal(build: Version, reasons: str) -> fx.RecordVerdict:
    """Return a verdict from production: it stays until a person allows the build again."""
    why = (f"in production, {reasons}",)
    return fx.RecordVerdict(gate.Verdict(build, gate.Ruling.REFUSED, why, in_production=True))


def _end_moving(rollout: Rollout) -> Rollout:
    """End or bake (rule 4): each person has settled without a failure or did not begin."""
    moved = bool(_moved(rollout))
    if moved and rollout.plan.kind is ev.Kind.BACK:
        return state.end(rollout, ev.Outcome.MOVED, f"returned: {', '.join(_moved(rollout))}")
    if rollout.winding is not None:
        return state.end(rollout, rollout.winding.outcome, rollout.winding.reason)
    if moved:
        return attrs.evolve(rollout, stage=Stage.BAKING)
    reasons = state.reasons_of(list(rollout.moves))
    if state.with_status(rollout, Status.REFUSED, Status.HELD_BACK):
        return state.end(rollout, ev.Outcome.REFUSED, reasons)
    if state.with_status(rollout, Status.BROKEN_BEFORE):
        why = f"does not pair on the present build: {reasons}"
        return state.end(rollout, ev.Outcome.LATER, why)
    return state.end(rollout, ev.Outcome.DEFERRED, reasons or "no one to move")
