"""The stages of a rollout before it touches a person: install, copy, rehearse, rule, take a slot.

The rules are those of `rollout`.
"""

from __future__ import annotations

from typing import assert_never

import attrs

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import gate, moves
from t3safe.domain import rollout_state as state
from t3safe.domain.errors import Fault
from t3safe.domain.events import InvalidEvent
from t3safe.domain.move import Move, Status
from t3safe.domain.obstacles import ahead
from t3safe.domain.rollout_state import Rollout, Stage
from t3safe.domain.versions import Version


def staged(rollout: Rollout, answer: ev.Answer) -> Rollout:
    """Apply the answer to the installation."""
    match answer:
        case ev.Staged():
            return attrs.evolve(rollout, stage=Stage.SNAPSHOTTING, staged=answer)
        case ev.Done():
            # An older t3safe journaled no more.
            return attrs.evolve(rollout, stage=Stage.SNAPSHOTTING)
        case ev.Failed(Fault.BUILD, reason):
            refused = gate.Verdict(rollout.plan.candidate, gate.Ruling.REFUSED, (reason,))
            return attrs.evolve(rollout, stage=Stage.VERDICT, verdict=refused)
        case ev.Failed(_, reason):
            return state.end(rollout, ev.Outcome.LATER, reason)
        case _:
            raise state.wrong(rollout, answer)


def snapped(rollout: Rollout, answer: ev.Answer) -> Rollout:
    """Apply the answer to one person's snapshot: without a snapshot the person is refused."""
    move = rollout.moves[rollout.turn]
    match answer:
        case ev.Snapshotted(ledger=ledger, migrated_by=by) if move.plan.knows and ledger.unknown_to(
            move.plan.knows
        ):
            strange = ledger.unknown_to(move.plan.knows)[0]
            why = str(ahead(move.person, strange, str(move.plan.new), by))
            return state.next_turn(state.put(rollout, moves.settle(move, Status.REFUSED, why)))
        case ev.Snapshotted(snapshot=snapshot) if snapshot:
            return state.next_turn(state.put(rollout, attrs.evolve(move, online=snapshot)))
        case ev.Assessed(ev.Readiness.BUSY, reason):
            return state.next_turn(state.put(rollout, moves.settle(move, Status.REFUSED, reason)))
        case ev.Failed(_, reason):
            lost = moves.settle(move, Status.REFUSED, f"no snapshot: {reason}")
            return state.next_turn(state.put(rollout, lost))
        case _:
            raise state.wrong(rollout, answer)


def subjects(rollout: Rollout) -> tuple[fx.Subject, ...]:
    """Return the copies on which the candidate is rehearsed, empty data first."""
    people = [move for move in rollout.moves if move.online]
    return _EMPTY_FIRST + tuple(fx.Subject(move.person, move.online) for move in people)


_EMPTY_FIRST = (fx.Subject(gate.EMPTY, ""),)


def rehearsed(rollout: Rollout, answer: ev.Answer) -> Rollout:
    """Apply the candidate's rehearsals; the control is tried on each copy that failed."""
    match answer:
        case ev.Rehearsed(rehearsals):
            _expect_subjects(subjects(rollout), rehearsals)
            rollout = attrs.evolve(rollout, rehearsals=rehearsals)
            todo = _controls(rollout)
            rollout = attrs.evolve(rollout, controls_todo=todo, stage=Stage.CONTROL)
            return rollout if todo else _ruled(rollout)
        case ev.Failed(_, reason):
            return state.end(rollout, ev.Outcome.LATER, f"the gate could not be run: {reason}")
        case _:
            raise state.wrong(rollout, answer)


def _expect_subjects(
    subjects: tuple[fx.Subject, ...], rehearsals: tuple[gate.Rehearsal, ...]
) -> None:
    asked = [subject.person for subject in subjects]
    got = [rehearsal.subject for rehearsal in rehearsals]
    if asked != got:
        message = f"rehearsals of {got}, asked for {asked}"
        raise InvalidEvent(message)


def _controls(rollout: Rollout) -> tuple[fx.Rehearse, ...]:
    """Return a control rehearsal for each current build of the people whose rehearsal failed."""
    failed = gate.needs_control(rollout.rehearsals)
    by_build = {rollout.plan.base: ()} if gate.EMPTY in failed else {}
    groups: dict[Version, tuple[fx.Subject, ...]] = dict(by_build)
    for move in rollout.moves:
        if move.person in failed:
            subject = fx.Subject(move.person, move.online)
            groups[move.plan.old] = (*groups.get(move.plan.old, ()), subject)
    return tuple(fx.Rehearse(build, _EMPTY_FIRST + found) for build, found in groups.items())


def controlled(rollout: Rollout, answer: ev.Answer) -> Rollout:
    """Apply the rehearsals of one control build."""
    match answer:
        case ev.Rehearsed(rehearsals):
            _expect_subjects(rollout.controls_todo[0].subjects, rehearsals)
            rollout = attrs.evolve(
                rollout,
                controls=rollout.controls + rehearsals,
                controls_todo=rollout.controls_todo[1:],
            )
            return rollout if rollout.controls_todo else _ruled(rollout)
        case ev.Failed(_, reason):
            return state.end(
                rollout, ev.Outcome.GATE_BROKEN, f"the control could not be run: {reason}"
            )
        case _:
            raise state.wrong(rollout, answer)


def _ruled(rollout: Rollout) -> Rollout:
    verdict = gate.rule(rollout.rehearsals, rollout.controls, rollout.plan.on_person_failure)
    return attrs.evolve(rollout, stage=Stage.VERDICT, verdict=verdict)


def recorded(rollout: Rollout, answer: ev.Answer) -> Rollout:
    """Act on the verdict, once it was recorded or could not be."""
    match answer:
        case ev.Done():
            return _act_on_verdict(rollout)
        case ev.Failed(_, reason):
            return _act_on_verdict(rollout, f"the verdict could not be kept: {reason}")
        case _:
            raise state.wrong(rollout, answer)


def _act_on_verdict(rollout: Rollout, error: str = "") -> Rollout:
    """Act on the verdict; a build that passed goes on only when its verdict was recorded."""
    assert rollout.verdict is not None, "the stage is entered with a verdict"
    verdict = rollout.verdict
    why = "; ".join((*verdict.reasons, error) if error else verdict.reasons)
    match verdict.ruling:
        case gate.Ruling.REFUSED:
            return state.end(rollout, ev.Outcome.REFUSED, why)
        case gate.Ruling.BROKEN:
            return state.end(rollout, ev.Outcome.GATE_BROKEN, why)
        case gate.Ruling.PASSED if error:
            return state.end(rollout, ev.Outcome.LATER, error)
        case gate.Ruling.PASSED:
            held = tuple(_held_back(move, rollout) for move in rollout.moves)
            rollout = attrs.evolve(rollout, moves=held, stage=Stage.MOVING, turn=0)
            if rollout.plan.kind is ev.Kind.CHECK:
                return _checked(rollout)
            somebody = state.with_status(rollout, Status.WAITING)
            needs_slot = rollout.plan.ring and somebody
            return attrs.evolve(rollout, stage=Stage.SLOT) if needs_slot else rollout
        case never:
            assert_never(never)


def slotted(rollout: Rollout, answer: ev.Answer) -> Rollout:
    """Apply the answer to taking the slot: without one nobody moves, and all are deferred."""
    match answer:
        case ev.SlotTaken():
            return attrs.evolve(rollout, stage=Stage.MOVING)
        case ev.SlotDenied(reason):
            left = tuple(
                moves.settle(move, Status.DEFERRED, reason)
                if move.status is Status.WAITING
                else move
                for move in rollout.moves
            )
            return attrs.evolve(rollout, moves=left, stage=Stage.MOVING)
        case ev.Failed(_, reason):
            return state.end(rollout, ev.Outcome.LATER, reason)
        case _:
            raise state.wrong(rollout, answer)


def _checked(rollout: Rollout) -> Rollout:
    """End a check; the build passes for the host only when it passed for each person."""
    text = f"{rollout.plan.candidate} passed the gate"
    left = state.with_status(rollout, Status.REFUSED, Status.HELD_BACK)
    if left:
        text = f"{text} for the others; {state.reasons_of(left)}"
        return state.end(rollout, ev.Outcome.REFUSED, text)
    return state.end(rollout, ev.Outcome.PASSED, text)


def _held_back(move: Move, rollout: Rollout) -> Move:
    verdict = rollout.verdict
    if verdict is None or move.person not in verdict.held_back:
        return move
    why = "the rehearsal on this person's set failed"
    if move.person in gate.faulty_sets(rollout.rehearsals, rollout.controls):
        why = f"something is wrong with this person's data: {move.plan.old} fails on it too"
    tried = (*rollout.rehearsals, *rollout.controls)
    failed = (each for each in tried if each.subject == move.person and not each.passed)
    reasons = "; ".join(dict.fromkeys(each.reason for each in failed))
    return moves.settle(move, Status.HELD_BACK, f"{why} ({reasons})")
