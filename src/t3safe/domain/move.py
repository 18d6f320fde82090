"""One person's move as a value: its status, its goal, the steps still to take.

`moves` has the rules.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from t3safe.domain import events as ev
from t3safe.domain.errors import Fault


class Status(StrEnum):
    """A person's status in a rollout."""

    WAITING = "waiting"
    MOVING = "moving"
    MOVED = "moved"
    KEPT = "kept"
    """On the new build, which pairs at the serve; the dispatch was not reachable."""
    DEFERRED = "deferred"
    NOT_RUNNING = "not-running"
    REFUSED = "refused"
    """A guard refused this person alone, before the rollout touched them."""
    HELD_BACK = "held-back"
    BROKEN_BEFORE = "broken-before"
    """Did not pair on the old build, before the rollout touched them."""
    RETURNED = "returned"
    """The move was cancelled before the new build was selected; on the old build again."""
    ROLLED_BACK = "rolled-back"
    ENVIRONMENT = "environment"
    """On the old build and the old data again, which do not pair now either."""
    NEEDS_HUMAN = "needs-human"


class Goal(StrEnum):
    """Where a move is heading."""

    FORWARD = "forward"
    CANCEL = "cancel"
    BACK = "back"
    LAST_RESORT = "last-resort"


class Step(StrEnum):
    """One step for a person; each stands for one effect."""

    ASSESS = "assess"
    LOOK = "look"
    PRECHECK = "precheck"
    FENCE = "fence"
    STOP = "stop"
    SNAPSHOT = "snapshot"
    RESTORE_CHOSEN = "restore-chosen"
    SELECT_NEW = "select-new"
    START = "start"
    VERIFY_NEW = "verify-new"
    QUARANTINE = "quarantine"
    RESTORE_REST = "restore-rest"
    SELECT_OLD = "select-old"
    VERIFY_OLD = "verify-old"
    INSPECT = "inspect"


@frozen
class Move:
    """One person's part of a rollout, from the journal.

    `todo` are the steps still to take towards `goal`.  `rest` is the at-rest snapshot.  `fenced`,
    `new_build_may_have_run`, `reselecting` and `stopped` are true from the *intent* on, `restored`
    from the answer on.
    """

    plan: ev.MovePlan
    status: Status = Status.WAITING
    goal: Goal = Goal.FORWARD
    todo: tuple[Step, ...] = ()
    reason: str = ""
    online: str = ""
    rest: ev.Snapshotted | None = None
    quarantine: str = ""
    earlier: tuple[str, ...] = ()
    """Quarantines of earlier ways back (rule 7); each is kept."""
    rows: tuple[ev.RowsKept, ...] = ()
    fenced: bool = False
    new_build_may_have_run: bool = False
    restored: bool = False
    reselecting: bool = False
    stopped: bool = False
    had_activity: bool = False
    """Whether the person had time to work on the new build (rule 8)."""
    fault: Fault = Fault.HOST
    """What is to blame for the failure that turned the move back."""
    held: bool = False
    """Whether the move is cancelled because something holds the data (rule 9)."""
    doubted: bool = False
    """Whether the old build did not pair and the data is being looked at (rule 7)."""
    again: bool = False
    """Whether the way back is taken a second time (rule 7)."""

    @property
    def person(self) -> str:
        """The OS user whose move this is."""
        return self.plan.person

    @property
    def intact(self) -> bool:
        """Whether no build can have changed the data since the stop."""
        return not (self.new_build_may_have_run or self.again)

    @property
    def settled(self) -> bool:
        """Whether the rollout is done with this person."""
        return self.status not in {Status.WAITING, Status.MOVING}
