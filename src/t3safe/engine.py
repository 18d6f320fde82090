"""The one loop: resume, decide, journal the intent, perform, journal the outcome.

The same loop runs in production, in the simulation and under injected faults: only what stands
behind the ports differs.  It holds no state of its own; after a crash the journal tells everything.

Rules:

1. Nothing is performed whose intent is not in the journal, durably.
2. Nothing is journaled that `evolve` would refuse.
3. A port that fails, also by a defect of ours, is an answer, not the end: the rollout then goes
   back.  Only the journal's own failure ends the loop, because without it nothing may be done.
4. An observer that fails changes nothing: what was done is in the journal, not in what was said.
5. Before the default moves, everybody who can run t3 here gets what they run as a selection of
   their own: looked up at that moment, whatever the user map says.
6. A build is needed while a selection, a running process, the default, last-good, previous-good, a
   person's way back or the newest run that planned to move them names it, whoever is in the map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import Final, Protocol, assert_never

from attrs import evolve as changed
from attrs import field, frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import messages, ports
from t3safe.domain.errors import (
    DamagedJournalError,
    DeadLinkError,
    DispatchError,
    Fault,
    PortError,
    StateError,
)
from t3safe.domain.idle import (
    WINDOW_SECONDS,
    Activity,
    Looks,
    Sample,
    busy_reason,
    in_flight,
    times_after,
)
from t3safe.domain.moves import InvalidEvent
from t3safe.domain.obstacles import Obstacle, held, left_copy
from t3safe.domain.recounting import recounted
from t3safe.domain.retention import SnapshotKind, prunable_builds, prunable_snapshots, ways_back
from t3safe.domain.rollout import Rollout, decide, evolve, opened
from t3safe.domain.runretention import RUNS_NEEDED
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE, V2_DATABASE

EFFECTS_MAX: Final = 100_000
"""No rollout needs more: 1,000 people take 17 effects each on the longest way."""

Waits = Callable[[fx.Effect], bool]
"""Whether an effect cannot be performed yet, so that the loop leaves the run open before it."""


class Performer(Protocol):
    """Performs one effect and tells what came of it; never raises a PortError."""

    def __call__(self, effect: fx.Effect, /) -> ev.Answer:
        """Perform the effect."""


@frozen
class Limits:
    """What the interpreter needs beside the ports.

    `quiet` is how long the last activity must lie back; the rest is retention, bytes a person.
    """

    quiet: timedelta = timedelta(minutes=15)
    snapshots_keep: int = 6
    snapshots_bytes_max: int = 20 * 1024**3
    builds_keep: int = 1


def never() -> bool:
    """Say that nobody asked to stop."""
    return False


def at_once(_: float) -> None:
    """Wait for nothing."""


@frozen
class Interpreter:
    """Maps each effect to the ports that perform it."""

    builds: ports.Builds
    selection: ports.Selection
    services: ports.Services
    states: ports.StateSets
    gate: ports.Gate
    pairing: ports.Pairing
    verdicts: ports.Verdicts
    switch: ports.Switch
    clock: ports.Clock
    residents: ports.Residents
    journal: ports.Journal
    limits: Limits = Limits()
    stop: Callable[[], bool] = never
    pause: Callable[[float], None] = at_once
    samples: dict[str, Sample] = field(factory=dict, eq=False, repr=False)
    """The earliest sample of each person's processes within the quiet time."""

    def __call__(self, effect: fx.Effect, /) -> ev.Answer:
        """Perform one effect; whatever fails behind a port becomes a `Failed` (rule 3)."""
        try:
            return self._perform(effect)
        except PortError as error:
            return ev.Failed(error.fault, str(error))
        except Exception as error:  # noqa: BLE001 - a person may be without a serve right now
            return ev.Failed(Fault.HOST, messages.defect(effect, error))

    def _perform(self, effect: fx.Effect) -> ev.Answer:
        match effect:
            case fx.Stage(build):
                self.builds.stage(build)
            case fx.SnapshotOnline(person, snapshot):
                # What they use from here on is seen by the look before the move, if it can be.
                with suppress(PortError):
                    self.samples[person] = self.services.sample(person)
                present = self.selection.selected(person).build
                taken = self.states.snapshot(person, snapshot, SnapshotKind.ONLINE, present)
                return self._hidden(person, taken) or self._explained(person, taken, present)
            case fx.Rehearse(build, subjects):
                return ev.Rehearsed(self.gate.rehearse(build, subjects))
            case fx.RecordVerdict(verdict):
                self.verdicts.record(verdict, self.gate.fingerprint(), self.clock.now())
            case fx.Assess(person, certain):
                return self.assess(person, certain=certain)
            case fx.Verify(person, build):
                return self.pairing.verify(person, build)
            case fx.Fence(person):
                self.selection.fence(person)
            case fx.Stop(person):
                self.services.stop(person)
                self.selection.clear(person)
            case fx.SnapshotAtRest(person, snapshot, build, giving_up):
                kind = SnapshotKind.QUARANTINE if giving_up else SnapshotKind.REST
                return self.states.snapshot(person, snapshot, kind, build)
            case fx.Select(person, build):
                self.selection.select(person, build)
            case fx.Start(person):
                self.services.start(person)
            case fx.Quarantine():
                return self._quarantine(effect)
            case fx.Restore(person, snapshot):
                self.states.restore(person, snapshot)
            case fx.Inspect(person):
                return self._inspect(person)
            case fx.Bake(people, build, seconds):
                return self.pairing.watch(people, build, seconds, self.stop)
            case fx.Revisit(people, build):
                return self._revisit(people, build)
            case fx.Promote(build, everybody):
                self._promote(build, everybody)
            case fx.Freeze(reason):
                self.switch.freeze(reason)
            case fx.Prune(people, pinned):
                self._prune(people, frozenset(pinned))
            case _:
                assert_never(effect)
        return ev.Done()

    def _hidden(self, person: str, taken: ev.Snapshotted) -> ev.Assessed | None:
        """Say what a copy of V1's data would hide; None also where it cannot be looked at now.

        The look before the move sees it then.  Nobody is asked whose set has not both databases,
        and what was taken of a set that holds its person up is thrown away again.
        """
        if not {V1_DATABASE, V2_DATABASE} <= set(taken.ledger.names):
            return None
        with suppress(PortError):
            if copy := self.left_copy(person, self.states.activity(person)):
                with suppress(PortError):
                    self.states.remove(person, taken.snapshot)
                return ev.Assessed(ev.Readiness.BUSY, str(copy))
        return None

    def left_copy(self, person: str, activity: Activity) -> Obstacle | None:
        """Say what a copy of V1's data would hide from V2; None where nothing is hidden.

        Raises BuildError, SelectionError.
        """
        runs = self.chosen(person)
        schema = None if runs is None else self.builds.schema(runs)
        if schema is not None and V2_DATABASE in schema.names:
            return None
        found = left_copy(person, activity.copied)
        return found and left_copy(person, activity.copied, self.migrated_by(person))

    def migrated_by(self, person: str) -> str:
        """Name the trace of t3's own updater that explains a migration; empty where none is."""
        with suppress(StateError):
            return self.states.updater(person).named
        return ""

    def _explained(
        self, person: str, taken: ev.Snapshotted, present: Version | None
    ) -> ev.Snapshotted:
        """Add who migrated the data, where it is ahead of the build that the person runs."""
        schema = None if present is None else self.builds.schema(present)
        if schema is None or taken.ledger.known_to(schema):
            return taken
        return changed(taken, migrated_by=self.migrated_by(person))

    def assess(self, person: str, *, certain: bool = False) -> ev.Assessed:
        """Say whether a person's serve may be stopped now.  Raises ServiceError, StateError.

        That is the idle rule, and that nothing keeps a copy at rest from being taken.  With
        `certain` only work in flight counts that is seen (rule 6 of `idle`).
        """
        status = self.services.status(person)
        holder = "" if certain else self.states.holder(person, status.members)
        if holder:
            return ev.Assessed(ev.Readiness.BUSY, str(held(person, holder)))
        if not status.running:
            return ev.Assessed(ev.Readiness.NOT_RUNNING, "the serve is not running")
        looks = self._looks(person)
        activity = self.states.activity(person)
        now = self.clock.now()
        if certain:
            busy = in_flight(activity, status.agents, now, looks)
        elif copy := self.left_copy(person, activity):
            busy = str(copy)
        else:
            busy = busy_reason(activity, status.agents, now, self.limits.quiet, looks)
        if busy:
            return ev.Assessed(ev.Readiness.BUSY, busy)
        ignored = times_after(activity, status.started, now)
        return ev.Assessed(ev.Readiness.IDLE, "; ".join(f"{each}: ignored" for each in ignored))

    def _looks(self, person: str) -> Looks:
        """Two samples of what runs: of now, and the earliest within the quiet time.

        Where there is none yet a moment is waited, unless nothing runs that could be at work.
        """
        now = self.services.sample(person)
        earlier = self.samples.get(person)
        if earlier is None or not earlier.comparable(now, self.limits.quiet):
            earlier = self.samples[person] = now
            if now.processes:
                self.pause(WINDOW_SECONDS)
                now = self.services.sample(person)
        return Looks(earlier, now)

    def _quarantine(self, effect: fx.Quarantine) -> ev.Quarantined:
        kept = self.states.snapshot(
            effect.person, effect.snapshot, SnapshotKind.QUARANTINE, effect.build
        )
        try:
            rows = self.states.rows_since(effect.person, kept.snapshot, effect.since)
        except StateError as error:
            return ev.Quarantined(kept.snapshot, uncounted=str(error))
        return ev.Quarantined(kept.snapshot, rows)

    def _inspect(self, person: str) -> ev.Inspected:
        try:
            ledger = self.states.ledger(person)
        except StateError:
            ledger = None
        return ev.Inspected(
            selected=self.chosen(person),
            running=self.services.status(person).running or self.selection.starting(person),
            ledger=ledger,
            restoring=self.states.restoring(person),
        )

    def _revisit(self, people: tuple[str, ...], build: Version) -> ev.Done | ev.BakeBroken:
        """Pair as everybody; whom the build fails is told before what cannot be asked."""
        unasked: DispatchError | None = None
        for person in people:
            try:
                answer = self.pairing.verify(person, build)
            except DispatchError as error:
                unasked = error
                continue
            if isinstance(answer, ev.NotPaired) and answer.fault is Fault.BUILD:
                return ev.BakeBroken(person, answer.fault, answer.reason)
        if unasked is not None:
            raise unasked
        return ev.Done()

    def _promote(self, build: Version, everybody: tuple[str, ...]) -> None:
        self.settle(everybody, everywhere=True)
        self.selection.promote(build)

    def settle(self, people: Iterable[str], *, everywhere: bool = False) -> None:
        """Give these people what they run as a selection of their own, where they have none.

        With `everywhere` also everybody else who can run t3 on this host (rule 5).  Somebody whose
        data was opened last by a build that is gone is left alone: they run nothing until a person
        selects a build for them.
        """
        linked = set(self.selection.linked())
        wanted = dict.fromkeys(person for person in people if person not in linked)
        if not (wanted or everywhere):
            return
        found = {each.person: each.build for each in self.residents.found(wanted)}
        if everywhere:
            wanted |= dict.fromkeys(person for person in found if person not in linked)
        held = frozenset(self.builds.present())
        for person in wanted:
            build = found.get(person) or self.selection.selected(person).build
            if build in held:
                self.selection.select(person, build)

    def _prune(self, people: tuple[str, ...], pinned: frozenset[str]) -> None:
        """Throw away what retention gives up; one person's trouble keeps nobody else's room.

        Whoever has a selection and is not in `people` keeps every snapshot.
        """
        troubles: list[PortError] = []
        needed, kept = set(self._needed()), dict[str, tuple[ports.SnapshotInfo, ...]]()
        for person in dict.fromkeys((*people, *self.selection.linked())):
            try:
                kept[person] = self.states.snapshots(person)
            except StateError as error:
                troubles.extend([error] if person in people else [])
            else:
                needed |= self._needed_by(person, kept[person])
        present = self.builds.present()
        gone = prunable_builds(present, frozenset(needed), self.limits.builds_keep)
        for person in people:
            try:
                self._prune_snapshots(person, kept.get(person, ()), pinned, {*present} - {*gone})
            except StateError as error:
                troubles.append(error)
        for build in gone:
            self.builds.remove(build)
        if troubles:
            raise troubles[0]

    def _prune_snapshots(
        self,
        person: str,
        infos: tuple[ports.SnapshotInfo, ...],
        pinned: frozenset[str],
        builds: set[Version],
    ) -> None:
        limits = self.limits
        stored = tuple(info.stored for info in infos)
        pinned |= ways_back(((info.stored, info.build) for info in infos), builds).keys()
        for snapshot in prunable_snapshots(
            stored, pinned, limits.snapshots_keep, limits.snapshots_bytes_max
        ):
            self.states.remove(person, snapshot)

    def _needed(self) -> Iterator[Version]:
        """Name the builds that must stay whatever people's snapshots tell (rule 6)."""
        selection, planned = self.selection, dict[str, Version]()
        for record in islice(self.journal.runs(), RUNS_NEEDED):
            for move in record.plan.moves:
                planned.setdefault(move.person, move.old)
        kept = (selection.default(), selection.last_good(), selection.previous_good())
        running = (process.build for process in self.residents.running())
        chosen = (self.chosen(person) for person in selection.linked())
        for build in (*planned.values(), *kept, *running, *chosen):
            if build is not None:
                yield build

    def chosen(self, person: str) -> Version | None:
        """What is selected for a person; None while fenced, and where it leads nowhere."""
        try:
            return self.selection.selected(person).build
        except DeadLinkError:
            return None

    def _needed_by(self, person: str, infos: tuple[ports.SnapshotInfo, ...]) -> frozenset[Version]:
        """Name the build that a person's way back leads to."""
        present = self.chosen(person)
        ways = (info.build for info in reversed(infos) if leads_back(info, present))
        return frozenset(islice((build for build in ways if build is not None), 1))


def leads_back(info: ports.SnapshotInfo, present: Version | None) -> bool:
    """Whether a snapshot was taken at rest, of another build than the present one."""
    return info.build not in {None, present} and info.stored.kind is SnapshotKind.REST


@frozen
class Engine:
    """Drives a rollout to its end, or as far as it is let."""

    perform: Performer
    journal: ports.Journal
    clock: ports.Clock
    observer: ports.Observer
    stop: Callable[[], bool] = never

    def start(self, plan: ev.Plan, waits: Waits | None = None) -> Rollout:
        """Journal a plan and drive it to its end, or as far as `waits` lets it (see `resume`).

        Raises JournalError when the journal fails; whoever is in transition is then settled by
        the next `resume`.
        """
        event = ev.Opened(plan, self.clock.now())
        rollout = opened(plan)
        self.journal.append(plan.run, event)
        inform(self.observer, None, event, rollout)
        return self._drive(rollout, waits or nothing_waits)

    def resume(self, run: str, waits: Waits | None = None) -> Rollout:
        """Take over a run whose process died, and drive it to its end.

        The loop returns before an effect for which `waits` says yes, and leaves the run open: at
        boot no serve can be started or verified yet.  Raises JournalError also when the run's
        records are damaged.
        """
        rollout = self.take_over(rollout_of(self.journal.events(run)))
        return self._drive(rollout, waits or nothing_waits)

    def take_over(self, rollout: Rollout) -> Rollout:
        """Journal that this process goes on with a rollout, as the journal tells it."""
        return self._record(rollout, ev.Resumed(self.clock.now()))

    def step(self, rollout: Rollout, waits: Waits | None = None) -> Rollout:
        """One turn of the loop: decide, journal the intent, perform, journal the outcome.

        Gives the rollout back as it is where the effect has to wait; the last turn closes it.
        """
        if rollout.winding is None and self.stop():
            rollout = self._record(rollout, ev.StopAsked(self.clock.now()))
        choice = decide(rollout)
        if isinstance(choice, ev.Ended):
            return self._record(rollout, ev.Closed(choice, self.clock.now()))
        if waits is not None and waits(choice):
            return rollout
        started = ev.Started(rollout.seq + 1, choice, self.clock.now())
        rollout = self._record(rollout, started)
        answer = self.perform(choice)
        return self._record(rollout, ev.Finished(rollout.seq, answer, self.clock.now()))

    def _drive(self, rollout: Rollout, waits: Waits) -> Rollout:
        for _ in range(EFFECTS_MAX):
            following = self.step(rollout, waits)
            if following is rollout or following.closed:
                return following
            rollout = following
        message = f"run {rollout.plan.run} did not end after {EFFECTS_MAX} effects"
        raise AssertionError(message)

    def _record(self, rollout: Rollout, event: ev.Event) -> Rollout:
        following = evolve(rollout, event)
        self.journal.append(rollout.plan.run, event)
        inform(self.observer, rollout, event, following)
        return following


def inform(
    observer: ports.Observer, before: Rollout | None, event: ev.Event, after: Rollout
) -> None:
    """Tell an observer of an event (rule 4)."""
    with suppress(Exception):
        observer.saw(before, event, after)


def nothing_waits(_: fx.Effect) -> bool:
    """Let no effect wait."""
    return False


def waits_for_boot(effect: fx.Effect) -> bool:
    """Whether an effect needs serves that run, which boot recovery does not have yet."""
    return isinstance(effect, fx.Start | fx.Verify | fx.Bake | fx.Revisit)


def rollout_of(events: tuple[ev.Event, ...]) -> Rollout:
    """Give a run's rollout as the rules have it, else as its records alone tell it.

    The rules may be others by now than those that decided it.  Raises DamagedJournalError where
    neither can be.
    """
    try:
        return fold(events)
    except DamagedJournalError:
        told = recounted(events)
        if told is None:
            raise
        return told


def fold(events: Iterable[ev.Event]) -> Rollout:
    """Fold a run's journal into the rollout as it stood when the last event was written.

    Raises DamagedJournalError where the events are none, or cannot follow one another.
    """
    remaining = iter(events)
    first = next(remaining, None)
    if not isinstance(first, ev.Opened):
        message = "cannot fold a run that the journal never opened"
        raise DamagedJournalError(message)
    try:
        rollout = opened(first.plan)
        for event in remaining:
            rollout = evolve(rollout, event)
    except InvalidEvent as error:
        how = "`t3safe recover` sets the journal aside"
        message = f"cannot fold run {first.plan.run}: {error}; {how}"
        raise DamagedJournalError(message) from error
    return rollout
