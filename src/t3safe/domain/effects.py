"""Effects: what the rollout asks for, as values that are equal by content.

Each effect is idempotent, even after a half-done attempt.  The interpreter performs it through a
port.  Its docstring names its undo.
"""

from __future__ import annotations

from attrs import frozen

from t3safe.domain.gate import Verdict
from t3safe.domain.versions import Version


@frozen
class StageBuild:
    """Install and seal the build in the store.  Undo: prune.

    With the ring of a fleet: what the first host of the fleet published, if one has.
    """

    build: Version
    ring: str = ""


@frozen
class SnapshotOnline:
    """Copy a person's data while the serve runs.  Undo: prune."""

    person: str
    snapshot: str


@frozen
class Subject:
    """Whose copy a rehearsal runs on; an empty person means empty data."""

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
class TakeSlot:
    """Take one of the slots of this ring of the fleet for this run and build, once.

    `lock` is the digest of npm's lock file.  Undo: the permit releases it once the run is closed.
    """

    ring: str
    run: str
    build: Version
    lock: str


@frozen
class Assess:
    """Ask whether a person's serve may be stopped now.  Changes nothing."""

    person: str
    certain: bool = False
    """Whether only visible work counts: a rollback from a build that does not pair must not wait
    for an unknown."""


@frozen
class VerifyPairing:
    """Pair as the person would, and verify that the unit's own process of this build answers."""

    person: str
    build: Version


@frozen
class Fence:
    """Block each mint and each start of this person, whatever the build.  Undo: Select."""

    person: str


@frozen
class Stop:
    """Stop the serve; wait for, then end, other programs that have begun to start as this person.

    No program of theirs can begin until the next Select.  Undo: Select, Start.
    """

    person: str


@frozen
class SnapshotAtRest:
    """Copy the data while no program can write to it.  Undo: prune."""

    person: str
    snapshot: str
    build: Version
    """The build that wrote the data: it must be selected when this is restored."""
    giving_up: bool = False
    """Whether older data is put in place next: the copy then holds the only rows of their kind, and
    is kept as a quarantine."""


@frozen
class Select:
    """Make this build the one that the person's serve and mint run, atomically; lifts a fence.

    Undo: restore the at-rest snapshot, then Select the previous build.
    """

    person: str
    build: Version


@frozen
class Start:
    """Start the serve of the selected build.  Undo: Stop."""

    person: str


@frozen
class Quarantine:
    """Keep the data that the failed build left, and count the rows that the rollback drops."""

    person: str
    snapshot: str
    build: Version
    """The build that wrote this data."""
    since: str
    """The at-rest snapshot against which the rows are counted."""


@frozen
class Restore:
    """Replace the data by the snapshot.  Undo: restore the quarantined data."""

    person: str
    snapshot: str


@frozen
class Inspect:
    """Read a person's selection, serve and data.  Changes nothing."""

    person: str


@frozen
class Bake:
    """Watch these people's pairing on the build for `seconds`.  Changes nothing."""

    people: tuple[str, ...]
    build: Version
    seconds: float


@frozen
class Revisit:
    """Pair again as each of these people, before a run ends that moved but did not bake them.

    Changes nothing.
    """

    people: tuple[str, ...]
    build: Version


@frozen
class Promote:
    """Make the build the default and last-good.  Undo: Promote the previous one.

    Each person of `all_people` first gets a selection of the build that they run, so that a person
    who followed the default does not move with it.
    """

    build: Version
    all_people: tuple[str, ...] = ()


@frozen
class Freeze:
    """Block all runs until a person has looked.  Undo: `thaw`."""

    reason: str


@frozen
class Prune:
    """Delete builds and snapshots beyond the retention limits.  No undo: needed ones always stay.

    `pinned` are the snapshots of this rollout, which stay.
    """

    people: tuple[str, ...]
    pinned: tuple[str, ...] = ()


Effect = (
    StageBuild
    | SnapshotOnline
    | Rehearse
    | RecordVerdict
    | TakeSlot
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
