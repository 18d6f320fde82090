"""Events: what happened, as the journal keeps it; fold them with `evolve` to know the rollout."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from t3safe.domain.effects import Effect
from t3safe.domain.errors import Fault
from t3safe.domain.gate import OnPersonFailure, Rehearsal
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.versions import Version


class InvalidEvent(ValueError):  # noqa: N818 - it is not an error of the outside world
    """Raised when an event cannot follow: the journal is damaged or the engine is wrong."""


class Kind(StrEnum):
    """What a rollout is for."""

    RUN = "run"
    """The nightly run: gate, canary, bake, promote."""
    DRAIN = "drain"
    """The same for people who were deferred, once they are idle."""
    CHECK = "check"
    """The gate alone; nobody is touched."""
    BACK = "back"
    """Going back on purpose: a person asked for it."""
    BAKE = "bake"
    """The bake of people who were moved by a run that was cut off before it could promote."""


@frozen
class MovePlan:
    """One person's part in a rollout: from one build to another.

    `restore` names the snapshot that is put back before the start; empty going forward.
    """

    person: str
    old: Version
    new: Version
    restore: str = ""
    knows: SetLedger | None = None
    """What the new build is known to know already, by an earlier rehearsal or a snapshot."""


@frozen
class Plan:
    """Everything a rollout is to do, decided before it begins; never changes afterwards.

    `base` is the build whose control run speaks for the empty set.  `bake` is in seconds.
    `attempts_max` is how often an effect may be tried.  `force` skips the idle rule (going back on
    purpose only).
    """

    run: str
    kind: Kind
    candidate: Version
    base: Version
    moves: tuple[MovePlan, ...]
    bake: float = 0.0
    attempts_max: int = 3
    on_person_failure: OnPersonFailure = OnPersonFailure.REFUSE
    force: bool = False
    staying: tuple[tuple[str, str], ...] = ()
    """People whom a guard leaves where they are, with the reason; for the record."""
    everybody: tuple[str, ...] = ()
    """Every person of the host, moved or not; retention looks after all of them."""
    baking: tuple[str, ...] = ()
    """Who is watched in a bake of its own: they run the candidate since an earlier run."""


class Readiness(StrEnum):
    """What the idle rule says of a person's serve."""

    IDLE = "idle"
    BUSY = "busy"
    NOT_RUNNING = "not-running"


@frozen
class RowsKept:
    """Rows of one table (`file:table`) that a set holds and the snapshot before it does not."""

    table: str
    rows: int


# Answers to effects.  What every effect may answer: Done (where nothing need be told) or Failed.


@frozen
class Done:
    """The effect is done and there is nothing to tell."""


@frozen
class Failed:
    """The effect could not be done, or not be seen to be done."""

    fault: Fault
    reason: str


@frozen
class Rehearsed:
    """The rehearsals that were asked for, one a subject, in the order asked."""

    rehearsals: tuple[Rehearsal, ...]


@frozen
class Assessed:
    """Whether a serve may be stopped; `reason` says why not."""

    readiness: Readiness
    reason: str = ""


@frozen
class Snapshotted:
    """A sealed, verified snapshot: its id, its ledger and its size in bytes.

    `migrated_by` says what took the data beyond the build that the person runs, empty where
    nothing did or it is not known.
    """

    snapshot: str
    ledger: SetLedger
    size: int
    migrated_by: str = ""


@frozen
class Quarantined:
    """What a failed build left is kept under this id; `rows` is what the rollback will drop.

    `uncounted` says why the rows could not be counted, empty when they were.
    """

    snapshot: str
    rows: tuple[RowsKept, ...] = ()
    uncounted: str = ""


@frozen
class Paired:
    """The person can pair and stays paired; `via` tells through what."""

    via: str = "dispatch"
    seconds: float = 0.0


@frozen
class NotPaired:
    """The person cannot pair.  ENVIRONMENT: the dispatch cannot be asked, the serve itself pairs.

    Any other fault: the build, as the dispatch meets it, does not pair.
    """

    fault: Fault
    reason: str


@frozen
class Inspected:
    """How a person stands.

    `selected` is None while fenced.  `running` also of a program that has begun to start and not
    opened the data yet.  `ledger` is None where it cannot be read.  `restoring` is
    true while a replacement of the state set was begun and not ended.
    """

    selected: Version | None
    running: bool
    ledger: SetLedger | None
    restoring: bool = False


@frozen
class BakeBroken:
    """Pairing broke for a person during the bake."""

    person: str
    fault: Fault
    reason: str


Answer = (
    Done
    | Failed
    | Rehearsed
    | Assessed
    | Snapshotted
    | Quarantined
    | Paired
    | NotPaired
    | Inspected
    | BakeBroken
)


class Outcome(StrEnum):
    """How a rollout ended; strings, because the journal keeps them."""

    PROMOTED = "promoted"
    MOVED = "moved"
    DEFERRED = "deferred"
    PASSED = "passed"
    REFUSED = "refused"
    LATER = "later"
    ROLLED_BACK = "rolled-back"
    GATE_BROKEN = "gate-broken"
    NEEDS_HUMAN = "needs-human"
    INTERRUPTED = "interrupted"


@frozen
class Ended:
    """The rollout is over; `reason` is one line for a person."""

    outcome: Outcome
    reason: str


@frozen
class Opened:
    """A rollout begins; always the first event of a run."""

    plan: Plan
    at: datetime


@frozen
class Started:
    """The intent: journaled before the effect is performed."""

    seq: int
    effect: Effect
    at: datetime


@frozen
class Finished:
    """The answer to the effect of the same `seq`."""

    seq: int
    answer: Answer
    at: datetime


@frozen
class Resumed:
    """A later process took over; an effect without an answer is UNKNOWN from here on."""

    at: datetime


@frozen
class StopAsked:
    """Somebody asked the run to end at the next safe point."""

    at: datetime
    reason: str = field(default="asked to stop")


@frozen
class Closed:
    """The rollout is over; always the last event of a run."""

    ended: Ended
    at: datetime


Event = Opened | Started | Finished | Resumed | StopAsked | Closed
