"""Ports: what the core needs of the outside, in the core's own words.

Every method either does what its docstring promises or raises the one error that its class names
(a `PortError`).  Every method that changes something may be called again after it was done, or
done by half, and then ends the same way.  Paths never cross a port, except as evidence to show.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from attrs import frozen

from t3safe.domain import events as ev
from t3safe.domain.effects import Subject
from t3safe.domain.gate import Rehearsal, Verdict
from t3safe.domain.hook_events import HookEvent
from t3safe.domain.idle import Activity, Sample
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.people import UserMap
from t3safe.domain.policy import Offer, Track
from t3safe.domain.pressure import Pressure
from t3safe.domain.retention import SnapshotKind, Stored
from t3safe.domain.rollout_state import Rollout
from t3safe.domain.runs import MoveRecord, RunRecord
from t3safe.domain.versions import Version
from t3safe.t3.updater import Traces


class Registry(Protocol):
    """The package registry that npm is set to.  Raises RegistryError."""

    def offer(self, track: Track, *, history: bool) -> Offer:
        """Where the track's tag points; with `history` also every release and its publish time."""


class Builds(Protocol):
    """The store of installed builds, each immutable once it is in.  Raises BuildError."""

    def stage(self, build: Version) -> None:
        """Have the build installed, checked and sealed; nothing happens when it already is.

        A failure with fault BUILD says that the package is not what it should be; LATER that
        nothing is proven (registry trouble, published in parts, npm's own failure); HOST that this
        machine could not do it (no npm, no space).  A failure leaves no trace in the store.
        """

    def present(self) -> tuple[Version, ...]:
        """The sealed builds, ascending."""

    def remove(self, build: Version) -> None:
        """Delete a build from the store; nothing happens when it is not there."""

    def schema(self, build: Version) -> SetLedger | None:
        """What a build was seen to know in a rehearsal; None where none has measured it."""


@frozen
class Selected:
    """What a person's serve and mint run: a build, or None while fenced."""

    build: Version | None

    @property
    def fenced(self) -> bool:
        """Whether neither a mint nor a start can run any build."""
        return self.build is None


class Selection(Protocol):
    """Who runs which build; every change is atomic and durable on return.

    Raises SelectionError.
    """

    def selected(self, person: str) -> Selected:
        """What is selected for a person; the default where nothing of their own is.

        Raises DeadLinkError where their own selection leads nowhere.
        """

    def linked(self) -> tuple[str, ...]:
        """Everybody who has a selection of their own, sorted; whatever it leads to."""

    def has_own(self, person: str) -> bool:
        """Whether a selection of this person's own is there, a fence among them."""

    def select(self, person: str, build: Version) -> None:
        """Let the person's serve and mint be this build, which the store must hold.

        What `clear` kept from beginning can begin once this is durable.
        """

    def clear(self, person: str) -> None:
        """Wait for, then end, what has begun to start as this person.

        Nothing of theirs begins until `select`.  Called behind the fence, with the serve stopped.
        What cannot be ended is an error with fault LATER that names the process.
        """

    def starting(self, person: str) -> bool:
        """Whether anything that was started as this person holds its start lock."""

    def fence(self, person: str) -> None:
        """Let neither a mint nor a start of this person run any build."""

    def default(self) -> Version | None:
        """The build of everybody who has none of their own; None before the first adoption."""

    def promote(self, build: Version) -> None:
        """Make the build the default and record it as last-good, keeping the one before."""

    def last_good(self) -> Version | None:
        """The build that was promoted last, None before the first."""

    def previous_good(self) -> Version | None:
        """The build that was last-good before `last_good`, None if there was none."""

    def ensure_launcher(self) -> str:
        """Put the launcher back where another installer replaced it.

        Returns what was found and fixed, empty when all was well.
        """


@frozen
class ServeStatus:
    """A person's serve as the service manager sees it.

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
        """How the person's serve stands now."""

    def sample(self, person: str) -> Sample:
        """What runs of the serve now beside known helpers, and the processor time of each."""

    def stop(self, person: str) -> None:
        """Stop the serve with everything in its group; returns when nothing of it is left.

        A stop that takes 20 s is no failure, nor is exit status 130.
        """

    def start(self, person: str) -> None:
        """Start the serve; returns when it runs, not when it answers."""


@frozen
class SnapshotInfo:
    """A sealed snapshot as its manifest tells it; `build` wrote the set, `size` is in bytes."""

    stored: Stored
    person: str
    build: Version | None
    ledger: SetLedger
    rows: tuple[tuple[str, int], ...]


class PersonalData(Protocol):
    """People's state sets and their snapshots; every access runs as the person.

    Raises PersonalDataError.
    """

    def snapshot(
        self, person: str, snapshot: str, kind: SnapshotKind, build: Version | None
    ) -> ev.Snapshotted:
        """Take, verify and seal a copy under this id.

        ONLINE never disturbs the serve.  REST and QUARANTINE refuse while any process holds the
        set.  QUARANTINE keeps also what SQLite cannot read.
        """

    def rows_since(self, person: str, snapshot: str, since: str) -> tuple[ev.RowsKept, ...]:
        """Count per table the rows that `snapshot` holds and `since` does not; no zero counts."""

    def rows_written(self, person: str, since: str) -> tuple[ev.RowsKept, ...]:
        """Count per table the rows that the set holds now and `since` does not; no zero counts.

        Looks only; the serve may run, and its rows count as far as they are committed.
        """

    def restore(self, person: str, snapshot: str) -> None:
        """Make the set what the snapshot holds, databases with their logs, crash-safe.

        Refuses while any process holds the set.  Verified by ledger and counts before it returns.
        """

    def restoring(self, person: str) -> bool:
        """Whether a restore was begun and not ended."""

    def ledger(self, person: str) -> SetLedger:
        """The ledgers of the person's set as it is now."""

    def activity(self, person: str) -> Activity:
        """What the person's databases say about work; unreadable is an answer, not an error."""

    def holder(self, person: str, own: tuple[int, ...]) -> str:
        """Name a process that has the person's set open, beside these and beside a short sign-in.

        Empty where none has.
        """

    def updater(self, person: str) -> Traces:
        """What t3's own updater left with the person: it migrates data, too."""

    def snapshots(self, person: str) -> tuple[SnapshotInfo, ...]:
        """The sealed snapshots of a person, oldest first."""

    def verify(self, person: str, snapshot: str) -> None:
        """Check a sealed snapshot against its manifest: digests, quick_check, ledger, counts."""

    def remove(self, person: str, snapshot: str) -> None:
        """Delete a snapshot; nothing happens when it is not there."""


class Gate(Protocol):
    """The sandbox in which a build is rehearsed.  Raises GateError."""

    def rehearse(self, build: Version, subjects: tuple[Subject, ...]) -> tuple[Rehearsal, ...]:
        """Run the build through the eight checks on a copy for each subject, in the order asked.

        The empty set comes first; its ledger is what the others must end with.  A check that fails
        is an answer.  GateError means that no rehearsal could be held at all.
        """

    def fingerprint(self) -> str:
        """What makes this gate this gate; a refusal is forgotten when it changes."""


class Pairing(Protocol):
    """Pairing as the person would do it, through the real dispatch.  Raises DispatchError."""

    def verify(self, person: str, build: Version) -> ev.Paired | ev.NotPaired:
        """Pair through the dispatch and look that the unit's own process of this build answers."""

    def watch(
        self, people: tuple[str, ...], build: Version, seconds: float, stop: Callable[[], bool]
    ) -> ev.Done | ev.BakeBroken:
        """Watch pairing for so many seconds; ends early and with an error once `stop` says so."""


class Verdicts(Protocol):
    """What is remembered of builds; local here, shared between hosts one day.

    Raises JournalError.
    """

    def record(self, verdict: Verdict, fingerprint: str, at: datetime) -> None:
        """Remember a verdict of the gate with this fingerprint."""

    def refused(self, fingerprint: str) -> tuple[tuple[Version, str], ...]:
        """The versions that count as refused under this fingerprint, each with the reason."""

    def allow(self, build: Version) -> bool:
        """Forget what is held against a build; whether there was anything."""


class Switch(Protocol):
    """The freeze switch.  Raises SwitchError."""

    def frozen(self) -> str:
        """Why the host is frozen, empty when it is not."""

    def freeze(self, reason: str) -> None:
        """Freeze the host; an earlier reason stays."""

    def thaw(self) -> bool:
        """Unfreeze; whether it was frozen."""


class Journal(Protocol):
    """The journal of rollouts, durable on return.  Raises JournalError."""

    def append(self, run: str, event: ev.Event) -> None:
        """Write one event of a run; it survives a power cut once this returns."""

    def events(self, run: str) -> tuple[ev.Event, ...]:
        """Every event of a run, in order; empty for an unknown run."""

    def unfinished(self) -> str | None:
        """The run that was opened and not closed, None when there is none."""

    def runs(self) -> Iterable[RunRecord]:
        """Every run, newest first; read as far as they are asked for."""

    def moves(self, person: str) -> Iterable[MoveRecord]:
        """What every run but a check came to for a person, newest first; read as asked for."""

    def ends(self) -> Mapping[ev.Outcome, int]:
        """How many runs ended in each way."""

    def prune(self, before: datetime) -> None:
        """Delete the events of runs that are over and were opened before this (UTC).

        All or nothing; what each of them came to stays.
        """


@frozen
class Chosen:
    """What a person decided by hand: a pin and held versions, each with who and why."""

    pin: Version | None = None
    pin_note: str = ""
    held: tuple[tuple[Version, str], ...] = ()


class Choices(Protocol):
    """What a person decided by hand, kept across runs.  Raises SwitchError."""

    def chosen(self) -> Chosen:
        """The pin and the held versions."""

    def pin(self, build: Version, note: str) -> None:
        """Make this version the target of every run."""

    def unpin(self) -> bool:
        """Follow the track again; whether there was a pin."""

    def hold(self, build: Version, note: str) -> None:
        """Never take this version."""

    def release(self, build: Version) -> bool:
        """Let a held version be taken again; whether it was held."""


class People(Protocol):
    """Who has a serve on this host.  Raises PeopleError."""

    def load(self) -> UserMap:
        """The people who exist on this host, in the order in which they are moved."""


@frozen
class Running:
    """A process of t3 as the host shows it.

    `person` is whose it is, empty where nobody can tell.  `build` is the build of the store that it
    runs, None for another t3.  `serves` says whether it is a serve, and not a mint or a rehearsal.
    """

    person: str
    pid: int
    build: Version | None
    serves: bool


@frozen
class Resident:
    """Somebody who can run t3 here.

    `build` is the one that the launcher starts for them where they have no selection of their own:
    it opened their data last.  None where the launcher does not know any.
    """

    person: str
    build: Version | None = None


class Residents(Protocol):
    """Who can run t3 on this host, in the user map or not.  Raises PeopleError."""

    def running(self) -> tuple[Running, ...]:
        """Every process of t3, whoever's and of whatever build."""

    def found(self, named: Collection[str]) -> tuple[Resident, ...]:
        """Everybody with a serve, a unit or a base directory of their own.

        Who cannot be looked at counts as having one.  A directory service's users who have nothing
        running and no unit cannot be listed: they are looked at where `named` has them, and for
        the others the launcher keeps the default still.
        """


class Clock(Protocol):
    """The time; nothing else in the core knows it."""

    def now(self) -> datetime:
        """The present time, in UTC and aware."""


class Observer(Protocol):
    """Somebody who is told what happens, as it happens; must not fail."""

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:
        """An event was journaled; `before` is None where it opened the rollout."""


class Permit(Protocol):
    """May this host start a rollout; always yes here, a shared slot with a lease one day."""

    def may_start(self, plan: ev.Plan) -> str:
        """Why not, empty when it may."""


class Load(Protocol):
    """How hard this host is worked; never fails: what cannot be measured is None."""

    def __call__(self) -> Pressure:
        """Measure now."""


class HoldUps(Protocol):
    """Since when an overloaded host has kept runs from beginning; must not fail."""

    def begun(self, now: datetime) -> datetime:
        """Remember that a run was held up; since when each one was, `now` where this is the first.

        `now` also where nobody can remember.
        """

    def over(self) -> None:
        """Forget it: a run was not held up."""


class Hooks(Protocol):
    """The host owner's own programs before and after what t3safe does; must not fail."""

    def call(self, hook_event: HookEvent) -> str:
        """Run the hooks of this moment, in order; why one of them failed, empty when none did."""


@frozen
class Ports:
    """Every port of one host.

    `registry`, `people`, `choices` and `permit` are for what precedes a plan; effects are performed
    through the others.
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
