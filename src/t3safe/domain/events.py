"""Events: what happened, as the journal keeps it.  Fold them with `evolve` into the rollout."""

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
    """The purpose of a rollout."""

    RUN = "run"
    """The nightly run: gate, canary, bake, promote."""
    DRAIN = "drain"
    """The same for people who were deferred, once they are idle."""
    CHECK = "check"
    """The gate alone; no person is touched."""
    BACK = "back"
    """A rollback or restore that a person asked for."""
    BAKE = "bake"
    """The bake of people whom an interrupted run had moved."""


@frozen
class MovePlan:
    """One person's part in a rollout: from one build to another.

    `restore` names the snapshot that is restored before the start; empty for a move forward.
    """

    person: str
    old: Version
    new: Version
    restore: str = ""
    knows: SetLedger | None = None
    """What the new build knows, measured by an earlier rehearsal or a snapshot."""


@frozen
class Plan:
    """What a rollout will do, decided before it begins; it never changes afterwards.

    `base` is the control build of empty data.  `bake` is in seconds.  `attempts_max` is how
    often an effect may be tried.  `force` skips the idle rule (only for kind `back`).
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
    """People whom a guard keeps on their build, with the reason; for the record."""
    all_people: tuple[str, ...] = ()
    """Every person of the host, moved or not; pruning covers all of them."""
    baking: tuple[str, ...] = ()
    """The people of a rollout of kind `bake`: an earlier run moved them to the candidate."""
    ring: str = ""
    """The ring of the fleet in which the rollout takes a slot before its first move; empty without
    a fleet, and for all kinds but `run` and `drain`."""


class Readiness(StrEnum):
    """The idle rule's answer for a person's serve."""

    IDLE = "idle"
    BUSY = "busy"
    NOT_RUNNING = "not-running"


@frozen
class RowsKept:
    """Rows of one table (`file:table`) that the data holds and an earlier snapshot does not."""

    table: str
    rows: int


# Answers to effects.  Every effect may answer Failed; one without a result answers Done.


@frozen
class Done:
    """The effect is done and has no result."""


@frozen
class Failed:
    """The effect failed, or its success could not be verified."""

    fault: Fault
    reason: str


@frozen
class Staged:
    """The build is installed: the digest of npm's lock file, and for which platform it is.

    With the version these are what verdicts are about: the same version may be other bytes.
    """

    lock: str
    platform: str


@frozen
class SlotTaken:
    """The run holds a slot, written at this revision of the fleet's store."""

    revision: int


@frozen
class SlotDenied:
    """No slot is to be had now; `reason` says why."""

    reason: str


@frozen
class Rehearsed:
    """The requested rehearsals, one per subject, in the order of the request."""

    rehearsals: tuple[Rehearsal, ...]


@frozen
class Assessed:
    """Whether a serve may be stopped; `reason` says why not."""

    readiness: Readiness
    reason: str = ""


@frozen
class Snapshotted:
    """A sealed, verified snapshot: its id, its ledger and its size in bytes.

    `migrated_by` says what migrated the data beyond the build that the person runs; empty for
    nothing or unknown.
    """

    snapshot: str
    ledger: SetLedger
    size: int
    migrated_by: str = ""


@frozen
class Quarantined:
    """The data that a failed build left, kept under this id; `rows` are what the rollback drops.

    `uncounted` says why the rows could not be counted, empty when they were.
    """

    snapshot: str
    rows: tuple[RowsKept, ...] = ()
    uncounted: str = ""


@frozen
class Paired:
    """The person can pair and stays paired; `via` names the way."""

    via: str = "dispatch"
    seconds: float = 0.0


@frozen
class NotPaired:
    """The person cannot pair.  ENVIRONMENT: the dispatch is unreachable, the serve itself pairs.

    Any other fault: the build does not pair through the dispatch.
    """

    fault: Fault
    reason: str


@frozen
class Inspected:
    """A person's selection, serve and data.

    `selected` is None while fenced.  `running` also counts a program that has begun to start and
    has not opened the data yet.  `ledger` is None when it cannot be read.  `restoring` is true
    while a restore has begun and not ended.
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
    | Staged
    | SlotTaken
    | SlotDenied
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
    """How a rollout ended; the journal keeps these strings."""

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
    """The rollout begins; always the first event of a run."""

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
    """The outcome: the answer to the effect of the same `seq`."""

    seq: int
    answer: Answer
    at: datetime


@frozen
class Resumed:
    """A later process took over; the outcome of an unanswered effect is unknown."""

    at: datetime


@frozen
class StopAsked:
    """A person or the service manager asked the run to end at the next safe point."""

    at: datetime
    reason: str = field(default="asked to stop")


@frozen
class Closed:
    """The rollout is over; always the last event of a run."""

    ended: Ended
    at: datetime


Event = Opened | Started | Finished | Resumed | StopAsked | Closed
