"""Ports: what the core needs from outside, in the core's own terms.

A method does what its docstring promises, or raises the one error that its class names (a
`PortError`).  A method that changes something is idempotent, even after a half-done call.  Paths
never cross a port, except as evidence to show.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from attrs import frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.effects import Subject
from t3safe.domain.gate import Rehearsal, Verdict
from t3safe.domain.hook_events import HookEvent
from t3safe.domain.idle import Activity, Sample
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.lockfile import SharedLock
from t3safe.domain.membership import Membership
from t3safe.domain.people import UserMap
from t3safe.domain.policy import Offer, Skip, Track
from t3safe.domain.pressure import Pressure
from t3safe.domain.refusals import Lookup, Refusals, nothing_installed
from t3safe.domain.retention import SnapshotKind, Stored
from t3safe.domain.rollout_state import Rollout
from t3safe.domain.runs import MoveRecord, RunRecord
from t3safe.domain.versions import Version
from t3safe.t3.updater import Traces


class Registry(Protocol):
    """The package registry that npm is set to.  Raises RegistryError."""

    def offer(self, track: Track, *, history: bool) -> Offer:
        """Return the tag's version; with `history` also each release with its publish time."""


class Builds(Protocol):
    """The store of installed builds; a stored build is immutable.  Raises BuildError."""

    def stage(self, build: Version, shared: SharedLock | None = None) -> ev.Staged:
        """Install, check and seal the build; install nothing when it is sealed already.

        With `shared` exactly what that host published.  Returns what is there, also if it is not.

        Fault BUILD: the package is not what it should be.  LATER: not proven (a registry error, a
        release published in parts, a failure of npm, a published lock that does not fit).  HOST:
        this machine could not do it (no npm, no space).  A failure leaves no trace in the store.
        """

    def staged(self, build: Version) -> ev.Staged | None:
        """Return the bytes of a sealed build, None if there is none.  Raises nothing."""

    def present(self) -> tuple[Version, ...]:
        """The sealed builds, ascending."""

    def remove(self, build: Version) -> None:
        """Delete a build from the store; nothing happens when it is not there."""

    def lock_file(self, build: Version) -> str:
        """Return the lock file of a sealed build as hosts share it, empty if they cannot."""

    def schema(self, build: Version) -> SetLedger | None:
        """Return what a build knows, measured by a rehearsal; None when it was not measured."""


@frozen
class Selected:
    """The build that a person's serve and mint run, None while fenced."""

    build: Version | None

    @property
    def fenced(self) -> bool:
        """Whether each mint and each start is blocked."""
        return self.build is None


class Selection(Protocol):
    """Who runs which build; each change is atomic and durable on return.  Raises SelectionError."""

    def selected(self, person: str) -> Selected:
        """Return a person's own link, or else the default.  Raises DeadLinkError for a dead one."""

    def linked(self) -> tuple[str, ...]:
        """Return all people who have a selection of their own, sorted, dead links included."""

    def has_own(self, person: str) -> bool:
        """Whether this person has a selection of their own; a fence counts."""

    def select(self, person: str, build: Version) -> None:
        """Make the person's serve and mint run this build, which must be in the store.

        Starts that `clear` blocked can begin once this is durable.
        """

    def clear(self, person: str) -> None:
        """Wait for, then end, programs that have begun to start as this person.

        No program of theirs begins until `select`.  Call it behind the fence, with the serve
        stopped.  A process that cannot be ended is an error with fault LATER that names it.
        """

    def starting(self, person: str) -> bool:
        """Whether a program started as this person holds its start lock."""

    def fence(self, person: str) -> None:
        """Block each mint and each start of this person."""

    def default(self) -> Version | None:
        """The build of people without their own selection; None before the first adoption."""

    def promote(self, build: Version) -> None:
        """Make the build the default and last-good; the old last-good becomes previous-good."""

    def last_good(self) -> Version | None:
        """The build that was promoted last, None before the first."""

    def previous_good(self) -> Version | None:
        """The build that was last-good before `last_good`, None if there was none."""

    def ensure_launcher(self) -> str:
        """Restore a replaced launcher; return what was found and fixed, empty if it is intact."""


@frozen
class ServeStatus:
    """A person's serve as the service manager reports it.

    `members` are the processes of its control group or process tree, `agents` the names of agents
    among them.  `main_pid` is None when it does not run.
    """

    running: bool
    main_pid: int | None = None
    started: datetime | None = None
    agents: tuple[str, ...] = ()
    members: tuple[int, ...] = ()


class Services(Protocol):
    """The service manager behind each person's serve.  Raises ServiceError."""

    def status(self, person: str) -> ServeStatus:
        """Return the status of the person's serve."""

    def sample(self, person: str) -> Sample:
        """Return the serve's processes without known helpers, with the processor time of each."""

    def stop(self, person: str) -> None:
        """Stop the serve and its whole process group; return when no process of it is left.

        A stop of 20 s is not a failure, and neither is exit status 130.
        """

    def start(self, person: str) -> None:
        """Start the serve; return when it runs, not when it answers."""


@frozen
class SnapshotInfo:
    """A sealed snapshot, from its manifest; `build` wrote the data, sizes are in bytes."""

    stored: Stored
    person: str
    build: Version | None
    ledger: SetLedger
    rows: tuple[tuple[str, int], ...]


class PersonalData(Protocol):
    """People's data and its snapshots; every access runs as the person.

    Raises PersonalDataError.
    """

    def snapshot(
        self, person: str, snapshot: str, kind: SnapshotKind, build: Version | None
    ) -> ev.Snapshotted:
        """Take, verify and seal a copy under this id.

        ONLINE never disturbs the serve.  REST and QUARANTINE refuse while a process holds the data.
        QUARANTINE also keeps what SQLite cannot read.
        """

    def rows_since(self, person: str, snapshot: str, since: str) -> tuple[ev.RowsKept, ...]:
        """Count per table the rows that `snapshot` holds and `since` does not; no zero counts."""

    def rows_written(self, person: str, since: str) -> tuple[ev.RowsKept, ...]:
        """Count per table the rows that the data holds now and `since` does not; no zero counts.

        Changes nothing.  The serve may run; its committed rows count.
        """

    def restore(self, person: str, snapshot: str) -> None:
        """Replace the data by the snapshot, databases with their logs, crash-safe.

        Refuses while a process holds the data.  Verifies ledger and counts before it returns.
        """

    def restoring(self, person: str) -> bool:
        """Whether a restore has begun and not ended."""

    def ledger(self, person: str) -> SetLedger:
        """Return the ledgers of the person's present data."""

    def activity(self, person: str) -> Activity:
        """Return what the databases say about work; an unreadable one is an answer, no error."""

    def holder(self, person: str, own: tuple[int, ...]) -> str:
        """Name a process, not in `own` and not a short sign-in, that has the person's data open.

        Empty when there is none.
        """

    def updater(self, person: str) -> Traces:
        """Return the traces of t3's own updater, which migrates data, too."""

    def snapshots(self, person: str) -> tuple[SnapshotInfo, ...]:
        """The sealed snapshots of a person, oldest first."""

    def verify(self, person: str, snapshot: str) -> None:
        """Check a sealed snapshot against its manifest: digests, quick_check, ledger, counts."""

    def remove(self, person: str, snapshot: str) -> None:
        """Delete a snapshot; nothing happens when it is not there."""


class Gate(Protocol):
    """The gate that rehearses a build in a sandbox.  Raises GateError."""

    def rehearse(self, build: Version, subjects: tuple[Subject, ...]) -> tuple[Rehearsal, ...]:
        """Run the build through the eight checks on a copy for each subject, in this order.

        Empty data comes first; the others must end with its ledger.  A failed check is an answer.
        GateError means that no rehearsal could run at all.
        """

    def fingerprint(self) -> str:
        """Return the identity of this gate; refusals expire when it changes."""


class Pairing(Protocol):
    """Pairing as the person does it, through the real dispatch.  Raises DispatchError."""

    def verify(self, person: str, build: Version) -> ev.Paired | ev.NotPaired:
        """Pair through the dispatch; verify that the unit's own process of this build answers."""

    def watch(
        self, people: tuple[str, ...], build: Version, seconds: float, stop: Callable[[], bool]
    ) -> ev.Done | ev.BakeBroken:
        """Watch pairing for `seconds`; raise DispatchError early once `stop` returns true."""


class Verdicts(Protocol):
    """The remembered verdicts on builds; local to this host.  Raises JournalError."""

    def record(self, verdict: Verdict, fingerprint: str, at: datetime) -> None:
        """Remember a verdict with what `refusals.fingerprint_of` gives."""

    def refused(self, gate: str, staged: Lookup = nothing_installed) -> Refusals:
        """Return the versions that are refused, as `still_counts` has it."""

    def allow(self, build: Version) -> bool:
        """Forget the refusal of a build; return whether there was one."""


class Switch(Protocol):
    """The freeze switch.  Raises SwitchError."""

    def frozen(self) -> str:
        """Why the host is frozen, empty when it is not."""

    def freeze(self, reason: str) -> None:
        """Freeze the host; an earlier reason stays."""

    def thaw(self) -> bool:
        """Unfreeze the host; return whether it was frozen."""


class Journal(Protocol):
    """The journal of rollouts, durable on return.  Raises JournalError."""

    def append(self, run: str, event: ev.Event) -> None:
        """Write one event of a run; it survives a power cut once this returns."""

    def events(self, run: str) -> tuple[ev.Event, ...]:
        """Every event of a run, in order; empty for an unknown run."""

    def unfinished(self) -> str | None:
        """The run that was opened and not closed, None when there is none."""

    def runs(self) -> Iterable[RunRecord]:
        """Yield every run, newest first; read lazily."""

    def moves(self, person: str) -> Iterable[MoveRecord]:
        """Yield the person's result of every run but checks, newest first; read lazily."""

    def ends(self) -> Mapping[ev.Outcome, int]:
        """How many runs ended in each way."""

    def prune(self, before: datetime) -> None:
        """Delete the events of runs that are over and were opened before this (UTC).

        All or nothing; the record of each run stays.
        """


@frozen
class SetAside:
    """Where the damaged journal is kept, and how many verdicts were saved from it.

    `complete` says whether every verdict could be read.
    """

    place: str
    verdicts: int
    complete: bool


class RepairableJournal(Protocol):
    """A journal file that may be damaged.  Raises JournalError."""

    def complaint(self) -> str:
        """Say what is damaged; empty where nothing is, or there is no file."""

    def set_aside(self, at: datetime) -> SetAside:
        """Rename the file under the time `at` (UTC) and begin a new one, with the verdicts saved.

        Nothing is deleted.
        """


@frozen
class Chosen:
    """The pin and the held versions, set by hand, each with who and why."""

    pin: Version | None = None
    pin_note: str = ""
    held: tuple[tuple[Version, str], ...] = ()


class Choices(Protocol):
    """The pin and the held versions, kept across runs.  Raises SwitchError."""

    def chosen(self) -> Chosen:
        """The pin and the held versions."""

    def pin(self, build: Version, note: str) -> None:
        """Make this version the target of every run."""

    def unpin(self) -> bool:
        """Follow the track again; return whether there was a pin."""

    def hold(self, build: Version, note: str) -> None:
        """Never take this version."""

    def release(self, build: Version) -> bool:
        """Lift the hold of a version; return whether it was held."""


class People(Protocol):
    """Who has a serve on this host.  Raises PeopleError."""

    def load(self) -> UserMap:
        """Return the people who exist on this host, in the order of their moves."""


@frozen
class Running:
    """A process of t3 on the host.

    `person` is its user, empty when unknown.  `build` is the build of the store that it runs, None
    for another t3.  `serves` says whether it is a serve, and not a mint or a rehearsal.
    """

    person: str
    pid: int
    build: Version | None
    serves: bool


@frozen
class Resident:
    """A person who can run t3 on this host.

    `build` is the one that the launcher starts for them without a selection of their own: it opened
    their data last.  None when the launcher knows none.
    """

    person: str
    build: Version | None = None


class Residents(Protocol):
    """All users who can run t3 on this host, in the user map or not.  Raises PeopleError."""

    def running(self) -> tuple[Running, ...]:
        """Return every process of t3, of any user and any build."""

    def found(self, named: Collection[str]) -> tuple[Resident, ...]:
        """Return each user with a serve, a unit or a base directory of their own.

        A user who cannot be inspected counts as having one.  Users of a directory service who have
        no process and no unit cannot be listed: they are inspected when `named` has them, and for
        the others the launcher keeps the old default.
        """


class Clock(Protocol):
    """The core's only source of time."""

    def now(self) -> datetime:
        """The present time (UTC)."""


class Observer(Protocol):
    """Receives each event of a rollout as it happens; must not fail."""

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:
        """Take an event that was journaled; `before` is None when it opened the rollout."""


class Permit(Protocol):
    """What the other hosts of a fleet allow this one; a host of its own may do everything.

    A rollback, a recovery, a check and a bake ask nobody: their plans may always start.
    """

    @property
    def ring(self) -> str:
        """The ring in which this host takes slots; empty without a fleet."""

    def may_start(self, plan: ev.Plan) -> Skip | None:
        """Return why the rollout may not start, None when it may.  Raises UnusableError."""

    def lock_of(self, build: Version) -> SharedLock | None:
        """Return the lock file to install from, None for any or as is.  Raises FleetError."""

    def take_slot(self, wanted: fx.TakeSlot) -> ev.SlotTaken | ev.SlotDenied:
        """Take a slot for this run, once.  Raises FleetError, also if it may have been taken."""

    def send(self) -> tuple[str, ...]:
        """Release the slots of ended runs and publish what they found; return lines to print."""

    def membership(self) -> Membership | None:
        """Return what this host knows of its fleet, None without one; never asks the fleet."""


class Load(Protocol):
    """The load of this host; never fails: a value that cannot be measured is None."""

    def __call__(self) -> Pressure:
        """Measure now."""


class HoldUps(Protocol):
    """Remembers since when an overload has held runs up; must not fail."""

    def begun(self, now: datetime) -> datetime:
        """Remember a hold-up; return since when every run was held up, `now` if unknown."""

    def over(self) -> None:
        """Forget the hold-up: a run was not held up."""


class Hooks(Protocol):
    """The host owner's own programs before and after what t3safe does; must not fail."""

    def call(self, hook_event: HookEvent) -> str:
        """Run the hooks of this moment, in order; return why one failed, empty when none did."""


@frozen
class Ports:
    """Every port of one host.

    Planning uses `registry`, `people`, `choices` and `permit`.  Effects use the others.
    """

    builds: Builds
    selection: Selection
    services: Services
    personal_data: PersonalData
    gate: Gate
    pairing: Pairing
    verdicts: Verdicts
    switch: Switch
    clock: Clock
    residents: Residents
    journal: Journal
    registry: Registry
    people: People
    choices: Choices
    permit: Permit
