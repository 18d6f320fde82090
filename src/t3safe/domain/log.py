"""The log of a rollout: one line per fact, by the rules of `messages`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from t3safe.domain import events as ev
from t3safe.domain import messages
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.move import Goal, Move, Status
from t3safe.domain.rollout_state import Rollout


def lines(before: Rollout | None, event: ev.Event, after: Rollout) -> tuple[LogLine, ...]:
    """Return the lines for one event; `before` is None when it opened the rollout."""
    return tuple(_lines(before, event, after))


def _lines(before: Rollout | None, event: ev.Event, after: Rollout) -> Iterator[LogLine]:
    match event:
        case ev.Opened(plan=plan):
            yield _opening(plan)
        case ev.Started(effect=effect):
            yield from messages.begun(effect)
        case ev.Finished(answer=answer):
            if before is not None and before.pending is not None:
                yield from messages.answered(before.pending, answer)
        case ev.Resumed():
            yield LogLine(LogLevel.WARNING, f"resuming run {after.plan.run}, which was interrupted")
        case ev.StopAsked(reason=reason):
            yield LogLine(LogLevel.WARNING, f"{reason}: the run ends at the next safe point")
        case ev.Closed(ended=ended):
            yield _closing(ended)
        case never:
            assert_never(never)
    if before is not None:
        yield from _changes(before, after)


def _opening(plan: ev.Plan) -> LogLine:
    if plan.kind is ev.Kind.BACK:
        moves = ", ".join(f"{move.person} from {move.old} to {move.new}" for move in plan.moves)
        return LogLine(LogLevel.INFO, f"requested rollback: {moves}; {plan.kind} {plan.run}")
    people = (*(f"{move.person} ({move.old})" for move in plan.moves), *plan.baking)
    who = ", ".join(people) or "no one"
    return LogLine(LogLevel.INFO, f"candidate: {plan.candidate} for {who}; {plan.kind} {plan.run}")


def _closing(ended: ev.Ended) -> LogLine:
    match ended.outcome:
        case ev.Outcome.NEEDS_HUMAN:
            return LogLine(LogLevel.ALERT, f"NEEDS A HUMAN: {ended.reason}")
        case ev.Outcome.PROMOTED | ev.Outcome.MOVED | ev.Outcome.PASSED | ev.Outcome.DEFERRED:
            return LogLine(LogLevel.INFO, f"{ended.outcome}: {ended.reason}")
        case _:
            return LogLine(LogLevel.WARNING, f"{ended.outcome.replace('-', '_')}: {ended.reason}")


def _changes(before: Rollout, after: Rollout) -> Iterator[LogLine]:
    """Yield a line for each person whose goal or status this event changed."""
    for old, new in zip(before.moves, after.moves, strict=True):
        if new.goal is not old.goal:
            yield from _turned(new)
        if old.status is Status.MOVED and new.status is Status.NEEDS_HUMAN:
            how = f"`t3safe rollback {new.person}` shows what a rollback would cost"
            yield LogLine(LogLevel.ALERT, f"look at {new.person}: {new.reason}; {how}", new.person)
        elif new.status is not old.status and new.settled:
            yield _settled(new, after.plan.kind)


def _turned(move: Move) -> Iterator[LogLine]:
    who, plan = move.person, move.plan
    match move.goal:
        case Goal.BACK:
            text = f"{who} from {plan.new} to {plan.old}: {move.reason}"
            yield LogLine(LogLevel.ALERT, text, who, alert="rolling back")
        case Goal.CANCEL:
            text = f"cancelled the move of {who}, who stays on {plan.old}: {move.reason}"
            yield LogLine(LogLevel.WARNING, text, who)
        case Goal.LAST_RESORT:
            yield LogLine(LogLevel.ALERT, f"for {who}: {move.reason}", who, alert="ROLLBACK FAILED")
        case Goal.FORWARD:
            yield LogLine(LogLevel.INFO, f"{who} is on {plan.new} already: verifying there", who)
        case never:
            assert_never(never)


def _settled(move: Move, kind: ev.Kind) -> LogLine:
    who, plan = move.person, move.plan
    match move.status:
        case Status.MOVED if kind is ev.Kind.BACK:
            return LogLine(LogLevel.INFO, f"returned {who} to {plan.new}, pairing verified", who)
        case Status.MOVED:
            return LogLine(LogLevel.INFO, f"moved {who} to {plan.new}, pairing verified", who)
        case Status.KEPT:
            text = f"{who} stays on {plan.new}, verified at the serve alone: {move.reason}"
            return LogLine(LogLevel.WARNING, text, who)
        case Status.DEFERRED:
            return LogLine(LogLevel.INFO, f"deferring {who}: {move.reason}", who)
        case Status.ROLLED_BACK:
            text = f"{who} to {plan.old}, pairing verified"
            return LogLine(LogLevel.ALERT, text, who, alert="rolled back")
        case Status.ENVIRONMENT:
            text = (
                f"{who} is back on {plan.old} and does not pair there either: {move.reason}; "
                "fix that, then start the serve if `t3safe status` says that it is stopped"
            )
            return LogLine(LogLevel.ALERT, text, who)
        case Status.NEEDS_HUMAN:
            return LogLine(
                LogLevel.ALERT, f"for {who}: {_manual(move)}", who, alert="ROLLBACK FAILED"
            )
        case _:
            return LogLine(LogLevel.WARNING, f"{move.status}: {who}: {move.reason}", who)


def _manual(move: Move) -> str:
    """Return all that an operator needs to finish the rollback by hand."""
    point = move.rest.snapshot if move.rest is not None else "none taken, the data is unchanged"
    kept = f", quarantined as {move.quarantine}" if move.quarantine else ""
    return (
        f"{move.reason}; from {move.plan.old} to {move.plan.new}, rollback point {point}{kept};"
        f" fix the cause, then `t3safe rollback {move.person} --to {move.plan.old} --force`"
    )
