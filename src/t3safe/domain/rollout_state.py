"""A rollout as a value, and the small changes that its rules share.

`rollout` has the rules.
"""

from __future__ import annotations

from enum import StrEnum

import attrs
from attrs import frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import gate
from t3safe.domain.events import InvalidEvent
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.move import Move, Status


class Stage(StrEnum):
    """The stages of a rollout."""

    STAGING = "staging"
    SNAPSHOTTING = "snapshotting"
    REHEARSING = "rehearsing"
    CONTROL = "control"
    VERDICT = "verdict"
    SLOT = "slot"
    MOVING = "moving"
    BAKING = "baking"
    REVISITING = "revisiting"
    CLOSING = "closing"


@frozen
class Rollout:
    """The state of one rollout; only `evolve` changes it.

    `pending` is the effect that was started and has no answer yet.  `winding` is set once no other
    person may begin.  `closing` are the effects that remain before the rollout ends with `ending`.
    """

    plan: ev.Plan
    stage: Stage
    moves: tuple[Move, ...]
    seq: int = 0
    pending: fx.Effect | None = None
    attempts: int = 0
    staged: ev.Staged | None = None
    """What was installed; None before that, and in a journal of an older t3safe."""
    rehearsals: tuple[gate.Rehearsal, ...] = ()
    controls_todo: tuple[fx.Rehearse, ...] = ()
    controls: tuple[gate.Rehearsal, ...] = ()
    verdict: gate.Verdict | None = None
    winding: ev.Ended | None = None
    closing: tuple[fx.Effect, ...] = ()
    ending: ev.Ended | None = None
    closed: bool = False
    turn: int = 0
    """The index in `moves` of the person whose turn it is; the stage is done for those before.  It
    makes the cost of an event independent of the number of people."""

    @property
    def schema(self) -> SetLedger | None:
        """What the candidate knows, by its rehearsal on empty data; None before that."""
        for rehearsal in self.rehearsals:
            if rehearsal.subject == gate.EMPTY:
                return rehearsal.schema
        return None

    @property
    def current(self) -> Move | None:
        """The move of the one person in transition, None when there is none."""
        move = self.moves[self.turn] if self.turn < len(self.moves) else None
        return move if move is not None and move.status is Status.MOVING else None


def wrong(rollout: Rollout, answer: ev.Answer) -> InvalidEvent:
    """Return the error for an answer that cannot follow."""
    return InvalidEvent(f"{type(answer).__name__} is no answer while {rollout.stage}")


def put(rollout: Rollout, changed: Move) -> Rollout:
    """Replace the move whose turn it is."""
    here = rollout.turn
    replaced = (*rollout.moves[:here], changed, *rollout.moves[here + 1 :])
    return attrs.evolve(rollout, moves=replaced)


def next_turn(rollout: Rollout) -> Rollout:
    """Give the turn to the next person."""
    return attrs.evolve(rollout, turn=rollout.turn + 1)


def end(rollout: Rollout, outcome: ev.Outcome, reason: str, *last: fx.Effect) -> Rollout:
    """End the rollout with this outcome, after the effects in `last` and pruning."""
    return attrs.evolve(
        rollout,
        stage=Stage.CLOSING,
        closing=(*last, fx.Prune(rollout.plan.all_people, pinned(rollout))),
        ending=ev.Ended(outcome, reason),
    )


def pinned(rollout: Rollout) -> tuple[str, ...]:
    """Return the snapshots that this rollout took or restores; pruning keeps them."""
    return tuple(snapshot for move in rollout.moves for snapshot in used_by(move))


def used_by(move: Move) -> tuple[str, ...]:
    """Return the snapshots that a move took after it stopped the serve, and the one it restores."""
    rest = move.rest.snapshot if move.rest is not None else ""
    used = (move.plan.restore, rest, *move.earlier, move.quarantine)
    return tuple(snapshot for snapshot in used if snapshot)


def reasons_of(some: list[Move]) -> str:
    """Return each person's name with the reason of their status, in one line."""
    return "; ".join(f"{move.person}: {move.reason}" for move in some)


def with_status(rollout: Rollout, *wanted: Status) -> list[Move]:
    """Return the moves with one of these statuses."""
    return [move for move in rollout.moves if move.status in wanted]
