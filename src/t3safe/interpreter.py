"""Performs effects through the ports.

Rules:

1. A failure of a port is an answer and does not end the run.  So is a defect in t3safe.
2. Before the default moves, each person who can run t3 on this host gets a selection of their own:
   the build that they run.  The interpreter looks that up at this moment, for people outside the
   user map, too.
3. A build is needed while one of these names it: a selection, a running process, the default,
   last-good, previous-good, a person's way back, or the newest run that planned to move them.
   People outside the user map count, too.
4. A build that nobody needs is installed again if the fleet published other bytes of it.  One that
   is needed stays as it is; its run then gets no slot.
5. The owner's hooks and an overloaded host may veto the look at a person; the answer is busy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import assert_never

from attrs import evolve as changed
from attrs import frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import messages
from t3safe.domain.errors import DispatchError, Fault, PersonalDataError, PortError
from t3safe.domain.lockfile import SharedLock
from t3safe.domain.ports import Ports, SnapshotInfo
from t3safe.domain.refusals import fingerprint_of
from t3safe.domain.retention import SnapshotKind, prunable_builds, prunable_snapshots, ways_back
from t3safe.domain.rollback import leads_back
from t3safe.domain.runs import RUNS_NEEDED
from t3safe.domain.versions import Version
from t3safe.person import IdleCheck, chosen, give_selections, hidden_copy, migrated_by
from t3safe.t3.files import V1_DATABASE, V2_DATABASE


@frozen
class Limits:
    """How long a person must be quiet, and what retention keeps for each person and of builds."""

    quiet: timedelta = timedelta(minutes=15)
    snapshots_keep: int = 6
    snapshots_bytes_max: int = 20 * 1024**3
    builds_keep: int = 1


def never() -> bool:
    """Return False: the run goes on."""
    return False


def allowed() -> str:
    """Return no reason against moving a person."""
    return ""


@frozen
class Interpreter:
    """Maps each effect to the ports that perform it; `veto` says why a person may not be moved."""

    ports: Ports
    idle: IdleCheck
    limits: Limits = Limits()
    stop: Callable[[], bool] = never
    veto: Callable[[], str] = allowed

    def __call__(self, effect: fx.Effect, /) -> ev.Answer:
        """Perform one effect; a failure behind a port becomes a `Failed` (rule 1)."""
        try:
            return self._perform(effect)
        except PortError as error:
            return ev.Failed(error.fault, str(error))
        except Exception as error:  # noqa: BLE001 - a person may be without a serve right now
            return ev.Failed(Fault.HOST, messages.defect(effect, error))

    def _perform(self, effect: fx.Effect) -> ev.Answer:
        match effect:
            case fx.StageBuild(build, ring):
                return self._stage(build, self.ports.permit.lock_of(build) if ring else None)
            case fx.SnapshotOnline(person, snapshot):
                self.idle.sample(person)
                present = self.ports.selection.selected(person).build
                taken = self.ports.personal_data.snapshot(
                    person, snapshot, SnapshotKind.ONLINE, present
                )
                return self._hidden(person, taken) or self._explained(person, taken, present)
            case fx.Rehearse(build, subjects):
                return ev.Rehearsed(self.ports.gate.rehearse(build, subjects))
            case fx.RecordVerdict(verdict):
                judged = self.ports.builds.staged(verdict.build)
                under = fingerprint_of(self.ports.gate.fingerprint(), judged)
                self.ports.verdicts.record(verdict, under, self.ports.clock.now())
            case fx.TakeSlot():
                return self.ports.permit.take_slot(effect)
            case fx.Assess(person, certain):
                if why := self.veto():
                    return ev.Assessed(ev.Readiness.BUSY, why)
                return self.idle.assess(person, certain=certain)
            case fx.VerifyPairing(person, build):
                return self.ports.pairing.verify(person, build)
            case fx.Fence(person):
                self.ports.selection.fence(person)
            case fx.Stop(person):
                self.ports.services.stop(person)
                self.ports.selection.clear(person)
            case fx.SnapshotAtRest(person, snapshot, build, giving_up):
                kind = SnapshotKind.QUARANTINE if giving_up else SnapshotKind.REST
                return self.ports.personal_data.snapshot(person, snapshot, kind, build)
            case fx.Select(person, build):
                self.ports.selection.select(person, build)
            case fx.Start(person):
                self.ports.services.start(person)
            case fx.Quarantine():
                return self._quarantine(effect)
            case fx.Restore(person, snapshot):
                self.ports.personal_data.restore(person, snapshot)
            case fx.Inspect(person):
                return self._inspect(person)
            case fx.Bake(people, build, seconds):
                return self.ports.pairing.watch(people, build, seconds, self.stop)
            case fx.Revisit(people, build):
                return self._revisit(people, build)
            case fx.Promote(build, all_people):
                self._promote(build, all_people)
            case fx.Freeze(reason):
                self.ports.switch.freeze(reason)
            case fx.Prune(people, pinned):
                self._prune(people, frozenset(pinned))
            case _:
                assert_never(effect)
        return ev.Done()

    def _stage(self, build: Version, shared: SharedLock | None) -> ev.Staged:
        """Install the build; install it again if the fleet published other bytes (rule 4)."""
        staged = self.ports.builds.stage(build, shared)
        if shared is None or staged.lock == shared.file.digest or self._is_needed(build):
            return staged
        self.ports.builds.remove(build)
        return self.ports.builds.stage(build, shared)

    def _is_needed(self, build: Version) -> bool:
        """Whether a build is needed (rule 3), also if that cannot be looked up."""
        try:
            if build in self._needed():
                return True
            for person in self.ports.selection.linked():
                if build in self._needed_by(person, self.ports.personal_data.snapshots(person)):
                    return True
        except PortError:
            return True
        return False

    def _hidden(self, person: str, taken: ev.Snapshotted) -> ev.Assessed | None:
        """Say what a copy of V1's data would hide; None when nothing, or when that cannot be read.

        The look before the move checks it again.  Only data with both databases is checked.  When
        the copy holds the person up, the snapshot just taken is removed.
        """
        if not {V1_DATABASE, V2_DATABASE} <= set(taken.ledger.names):
            return None
        with suppress(PortError):
            if copy := hidden_copy(self.ports, person, self.ports.personal_data.activity(person)):
                with suppress(PortError):
                    self.ports.personal_data.remove(person, taken.snapshot)
                return ev.Assessed(ev.Readiness.BUSY, str(copy))
        return None

    def _explained(
        self, person: str, taken: ev.Snapshotted, present: Version | None
    ) -> ev.Snapshotted:
        """Add what migrated the data, when the data is ahead of the build that the person runs."""
        schema = None if present is None else self.ports.builds.schema(present)
        if schema is None or taken.ledger.known_to(schema):
            return taken
        return changed(taken, migrated_by=migrated_by(self.ports, person))

    def _quarantine(self, effect: fx.Quarantine) -> ev.Quarantined:
        kept = self.ports.personal_data.snapshot(
            effect.person, effect.snapshot, SnapshotKind.QUARANTINE, effect.build
        )
        try:
            rows = self.ports.personal_data.rows_since(effect.person, kept.snapshot, effect.since)
        except PersonalDataError as error:
            return ev.Quarantined(kept.snapshot, uncounted=str(error))
        return ev.Quarantined(kept.snapshot, rows)

    def _inspect(self, person: str) -> ev.Inspected:
        try:
            ledger = self.ports.personal_data.ledger(person)
        except PersonalDataError:
            ledger = None
        return ev.Inspected(
            selected=chosen(self.ports, person),
            running=self.ports.services.status(person).running
            or self.ports.selection.starting(person),
            ledger=ledger,
            restoring=self.ports.personal_data.restoring(person),
        )

    def _revisit(self, people: tuple[str, ...], build: Version) -> ev.Done | ev.BakeBroken:
        """Pair as each person; a failure of the build is reported before an unreachable dispatch.

        Raises DispatchError.
        """
        unasked: DispatchError | None = None
        for person in people:
            try:
                answer = self.ports.pairing.verify(person, build)
            except DispatchError as error:
                unasked = error
                continue
            if isinstance(answer, ev.NotPaired) and answer.fault is Fault.BUILD:
                return ev.BakeBroken(person, answer.fault, answer.reason)
        if unasked is not None:
            raise unasked
        return ev.Done()

    def _promote(self, build: Version, all_people: tuple[str, ...]) -> None:
        give_selections(self.ports, all_people, everywhere=True)
        self.ports.selection.promote(build)

    def _prune(self, people: tuple[str, ...], pinned: frozenset[str]) -> None:
        """Prune snapshots and builds; an error with one person does not stop the others' pruning.

        A person who has a selection and is not in `people` keeps every snapshot.  Raises the first
        error at the end.
        """
        errors: list[PortError] = []
        needed, kept = set(self._needed()), dict[str, tuple[SnapshotInfo, ...]]()
        for person in dict.fromkeys((*people, *self.ports.selection.linked())):
            try:
                kept[person] = self.ports.personal_data.snapshots(person)
            except PersonalDataError as error:
                errors.extend([error] if person in people else [])
            else:
                needed |= self._needed_by(person, kept[person])
        present = self.ports.builds.present()
        gone = prunable_builds(present, frozenset(needed), self.limits.builds_keep)
        for person in people:
            try:
                self._prune_snapshots(person, kept.get(person, ()), pinned, {*present} - {*gone})
            except PersonalDataError as error:
                errors.append(error)
        for build in gone:
            self.ports.builds.remove(build)
        if errors:
            raise errors[0]

    def _prune_snapshots(
        self,
        person: str,
        infos: tuple[SnapshotInfo, ...],
        pinned: frozenset[str],
        builds: set[Version],
    ) -> None:
        limits = self.limits
        stored = tuple(info.stored for info in infos)
        pinned |= ways_back(((info.stored, info.build) for info in infos), builds).keys()
        for snapshot in prunable_snapshots(
            stored, pinned, limits.snapshots_keep, limits.snapshots_bytes_max
        ):
            self.ports.personal_data.remove(person, snapshot)

    def _needed(self) -> Iterator[Version]:
        """Name the builds that are needed independently of people's snapshots (rule 3)."""
        selection, planned = self.ports.selection, dict[str, Version]()
        for record in islice(self.ports.journal.runs(), RUNS_NEEDED):
            for move in record.moves:
                planned.setdefault(move.person, move.old)
        kept = (selection.default(), selection.last_good(), selection.previous_good())
        running = (process.build for process in self.ports.residents.running())
        selected = (chosen(self.ports, person) for person in selection.linked())
        for build in (*planned.values(), *kept, *running, *selected):
            if build is not None:
                yield build

    def _needed_by(self, person: str, infos: tuple[SnapshotInfo, ...]) -> frozenset[Version]:
        """Name the build of a person's way back."""
        present = chosen(self.ports, person)
        ways = (info.build for info in reversed(infos) if leads_back(info, present))
        return frozenset(islice((build for build in ways if build is not None), 1))
