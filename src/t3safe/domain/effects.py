"""Effects: what the rollout asks to be done, as inert values equal by content.

Each is idempotent, also when an earlier attempt was done by half.  The engine maps each to one
port; its undo stands beside it in the docstring.
"""

from __future__ import annotations

from attrs import frozen

from t3safe.domain.gate import Verdict
from t3safe.domain.versions import Version


@frozen
class StageBuild:
    """Have the build in the store, installed and sealed.  Undo: prune."""

    build: Version


@frozen
class SnapshotOnline:
    """Copy a person's state set beside the running serve.  Undo: prune."""

    person: str
    snapshot: str


@frozen
class Subject:
    """Whose copy a rehearsal runs on; an empty person means the empty state set."""

    person: str
    snapshot: str


@frozen
class Rehearse:
    """Run a build through the gate on each subject's copy.  Touches copies only; no undo."""

    build: Version
    subjects: tuple[Subject, ...]


@frozen
class RecordVerdict:
    """Remember a verdict.  Undo: `allow`."""

    verdict: Verdict


@frozen
class Assess:
    """Ask whether a person's serve may be stopped now.  Looks only."""

    person: str
    certain: bool = False
    """Whether only work counts that is seen for certain: going back from a build that does not pair
    must not wait for what nobody can tell."""


@frozen
class VerifyPairing:
    """Pair as the person would and see that the answer is the unit's own, of this build."""

    person: str
    build: Version


@frozen
class Fence:
    """Let neither a mint nor a start of this person run any build.  Undo: Select."""

    person: str


@frozen
class Stop:
    """Stop the serve, and wait for or end whatever else has begun to start as this person.

    Until the next Select nothing of theirs can begin.  Undo: Select, Start.
    """

    person: str


@frozen
class SnapshotAtRest:
    """Copy the state set while nothing can write to it.  Undo: prune."""

    person: str
    snapshot: str
    build: Version
    """The build that wrote the set: what must be selected when this is restored."""
    giving_up: bool = False
    """Whether an older set is put in place next: the copy then holds rows that nothing else does,
    and is kept as a quarantine is."""


@frozen
class Select:
    """Let this person's serve and mint be this build, atomically; lifts a fence.

    Undo: Select of the build before, with the at-rest snapshot restored first.
    """

    person: str
    build: Version


@frozen
class Start:
    """Start the serve of the selected build.  Undo: Stop."""

    person: str


@frozen
class Quarantine:
    """Keep what the failed build left, and count the rows that the rollback would drop."""

    person: str
    snapshot: str
    build: Version
    """The build that wrote what is kept."""
    since: str
    """The at-rest snapshot against which the rows are counted."""


@frozen
class Restore:
    """Make the state set what the snapshot holds.  Undo: restore of the quarantined set."""

    person: str
    snapshot: str


@frozen
class Inspect:
    """Look how a person stands before anything else happens to them.  Looks only."""

    person: str


@frozen
class Bake:
    """Watch these people's pairing on the build for so many seconds.  Looks only."""

    people: tuple[str, ...]
    build: Version
    seconds: float


@frozen
class Revisit:
    """Pair once more as each of these people, before a run ends that moved and did not bake them.

    Looks only.
    """

    people: tuple[str, ...]
    build: Version


@frozen
class Promote:
    """Make the build the default and last-good.  Undo: Promote of the one before.

    `everybody` first gets what they run now as a selection of their own: who followed the default
    until now is not moved by it.
    """

    build: Version
    everybody: tuple[str, ...] = ()


@frozen
class Freeze:
    """Let no run act until a person has looked.  Undo: `thaw`."""

    reason: str


@frozen
class Prune:
    """Throw away what retention gives up.  No undo: what is needed is never given up.

    `pinned` are the snapshots of this rollout, which stay.
    """

    people: tuple[str, ...]
    pinned: tuple[str, ...] = ()


Effect = (
    StageBuild
    | SnapshotOnline
    | Rehearse
    | RecordVerdict
    | Assess
    | VerifyPairing
    | Fence
    | Stop
    | SnapshotAtRest
    | Select
    | Start
    | Quarantine
    | Restore
    | Inspect
    | Bake
    | Revisit
    | Promote
    | Freeze
    | Prune
)
