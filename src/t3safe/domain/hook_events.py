"""When the host owner's hooks are called: hook events, derived from the events of a rollout.

Rules:

1. `before-canary` comes before the last idle check of the person, not after it: however long a hook
   takes, no serve is stopped on an idle check older than the hook.  On a requested rollback,
   `before-rollback` comes before the idle check, too.
2. `before-rollback` comes once for each way back, caused by a failure or requested by a person.
   When an inspection after a crash finds nothing to roll back, the way back ends there.
3. An `after` follows each `before`, whatever the outcome, also when another process takes over.
   `after-canary` comes again when a person who was moved is rolled back, because the first one is
   no longer true.
4. A check has no hook events: it touches no person.
5. Only `before-run` and `before-canary` may refuse.  A hook cannot prevent a rollback.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, assert_never

from attrs import frozen

from t3safe.domain import events as ev
from t3safe.domain.move import Goal, Move, Status, Step
from t3safe.domain.moves import touched
from t3safe.domain.redaction import redact
from t3safe.domain.rollout_state import Rollout

_LONGEST: Final = 1000
"""Characters of a value in a hook's environment."""


class Moment(StrEnum):
    """When hooks are called; the folder `MOMENT.d` holds those of a moment."""

    BEFORE_RUN = "before-run"
    AFTER_RUN = "after-run"
    BEFORE_CANARY = "before-canary"
    AFTER_CANARY = "after-canary"
    BEFORE_ROLLBACK = "before-rollback"
    AFTER_ROLLBACK = "after-rollback"

    @property
    def decides(self) -> bool:
        """Whether a failing hook prevents what it was called before (rule 5)."""
        return self in {Moment.BEFORE_RUN, Moment.BEFORE_CANARY}


@frozen
class HookEvent:
    """The data that a hook gets; a text is empty when it does not apply."""

    moment: Moment
    run: str
    person: str = ""
    old: str = ""
    new: str = ""
    outcome: str = ""
    reason: str = ""

    def environment(self) -> Mapping[str, str]:
        """Return a hook's variables: each one line, without secrets, 1000 characters at most.

        A reason comes from outside and may hold any text.
        """
        variables = {
            "T3SAFE_EVENT": self.moment.value,
            "T3SAFE_RUN": self.run,
            "T3SAFE_PERSON": self.person,
            "T3SAFE_FROM": self.old,
            "T3SAFE_TO": self.new,
            "T3SAFE_OUTCOME": self.outcome,
            "T3SAFE_REASON": self.reason,
        }
        return {name: one_line(redact(text))[:_LONGEST] for name, text in variables.items()}

    def consequence(self) -> str:
        """Say what follows from a failing hook, for the line that reports it."""
        match self.moment:
            case Moment.BEFORE_RUN:
                return "the run does not start; no one is moved"
            case Moment.BEFORE_CANARY:
                return f"{self.person} stays as they are until the next run or drain"
            case Moment.BEFORE_ROLLBACK:
                return f"{self.person} gets the rollback anyway"
            case Moment.AFTER_RUN | Moment.AFTER_CANARY | Moment.AFTER_ROLLBACK:
                return "nothing else depends on it"
            case never:
                assert_never(never)


def one_line(text: str) -> str:
    """Return the text without line ends and without terminal control characters."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def opening(plan: ev.Plan) -> HookEvent | None:
    """Return the hook event before a plan is opened; None when there is none (rule 4)."""
    if plan.kind not in _RUNS:
        return None
    old, new = plan.base.text, plan.candidate.text
    return HookEvent(Moment.BEFORE_RUN, plan.run, old=old, new=new)


def not_opened(before: HookEvent, reason: str) -> HookEvent:
    """Return the hook event for the end of a run that its own hooks prevented (rule 3)."""
    later = ev.Outcome.LATER.value
    return HookEvent(Moment.AFTER_RUN, before.run, "", before.old, before.new, later, reason)


def hook_events(before: Rollout | None, event: ev.Event, after: Rollout) -> tuple[HookEvent, ...]:
    """Return the hook events of one event, in order; `before` is None for the first event."""
    if before is None or after.plan.kind is ev.Kind.CHECK:
        return ()
    return tuple(_of_event(before, event, after))


_RUNS: Final = frozenset({ev.Kind.RUN, ev.Kind.DRAIN, ev.Kind.BAKE})
_WAY_BACK: Final = frozenset({Goal.BACK, Goal.LAST_RESORT})


def _of_event(before: Rollout, event: ev.Event, after: Rollout) -> Iterator[HookEvent]:
    if isinstance(event, ev.Started):
        yield from _begun(before, after)
    for old, new in zip(before.moves, after.moves, strict=True):
        yield from _turned(before, after, old, new)
    if isinstance(event, ev.Closed) and after.plan.kind in _RUNS:
        yield HookEvent(
            Moment.AFTER_RUN,
            after.plan.run,
            old=after.plan.base.text,
            new=after.plan.candidate.text,
            outcome=event.ended.outcome.value,
            reason=event.ended.reason,
        )


def _begun(before: Rollout, after: Rollout) -> Iterator[HookEvent]:
    """Yield the hook event before a move or a rollback begins, at the first attempt."""
    move = before.current
    if move is None or before.attempts > 0 or not _at_brink(after.plan, move):
        return
    purpose = after.plan.kind is ev.Kind.BACK
    yield _of(Moment.BEFORE_ROLLBACK if purpose else Moment.BEFORE_CANARY, after, move)


def _at_brink(plan: ev.Plan, move: Move) -> bool:
    """Whether the hooks are called before the next step (rule 1)."""
    if touched(move):
        return False
    if plan.kind is ev.Kind.BACK:
        return move.todo[0] is (Step.FENCE if plan.force else Step.ASSESS)
    return move.todo[:2] == (Step.ASSESS, Step.FENCE)


def _turned(before: Rollout, after: Rollout, old: Move, new: Move) -> Iterator[HookEvent]:
    """Yield the hook events of a way back that begins, and of a person who has settled."""
    purpose = after.plan.kind is ev.Kind.BACK
    back, was_back = new.goal in _WAY_BACK, old.goal in _WAY_BACK
    if back and not was_back and not purpose:
        yield _of(Moment.BEFORE_ROLLBACK, after, new)
    if was_back and not back and not purpose:
        # An inspection after a crash found the new build in place, or the old data untouched.
        yield _of(Moment.AFTER_ROLLBACK, after, new, new.goal.value)
    ended = old.status is Status.MOVING and new.settled
    if not ended or not _was_begun(before, old):
        return
    if purpose or back:
        yield _of(Moment.AFTER_ROLLBACK, after, new, new.status.value)
    if not purpose:
        yield _of(Moment.AFTER_CANARY, after, new, new.status.value)


def _was_begun(before: Rollout, old: Move) -> bool:
    """Whether the hooks before this person's move were called: at the brink, or past it."""
    if _at_brink(before.plan, old):
        return before.pending is not None or before.attempts > 0
    return touched(old) or old.todo[0] is Step.FENCE


def _of(moment: Moment, after: Rollout, move: Move, outcome: str = "") -> HookEvent:
    back = moment in {Moment.BEFORE_ROLLBACK, Moment.AFTER_ROLLBACK}
    turned = back and after.plan.kind is not ev.Kind.BACK
    old, new = move.plan.old.text, move.plan.new.text
    if turned:
        old, new = new, old
    return HookEvent(moment, after.plan.run, move.person, old, new, outcome, move.reason)
