"""The ports onto people's serves, state sets and pairing, and the gate, as views onto the world."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from attrs import evolve, frozen

from fakes.world.core import EPOCH, SubStep, World
from fakes.world.model import (
    EVENTS,
    STATE,
    STATE_V2,
    Content,
    Defect,
    FakeBuild,
    FakePerson,
    OpenQuestion,
    Snap,
    migrated,
    rows_of,
    seen,
)
from t3safe.domain import checks, gate, ports
from t3safe.domain import events as ev
from t3safe.domain.checks import Check
from t3safe.domain.effects import Subject
from t3safe.domain.errors import DispatchError, Fault, GateError, PersonalDataError, ServiceError
from t3safe.domain.idle import Activity, Process, Sample, TurnMark
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.obstacles import V1Copy
from t3safe.domain.pressure import PressureLimits, strained
from t3safe.domain.retention import SnapshotKind, Stored, age
from t3safe.domain.versions import Version
from t3safe.t3.generations import origin_of
from t3safe.t3.serve_log import UNDECODABLE
from t3safe.t3.updater import Traces


@frozen
class FakeServices:
    """The service manager."""

    world: World

    def _person(self, person: str, what: str) -> FakePerson:
        found = self.world.people.get(person)
        if found is None:
            message = f"cannot {what} the serve of {person}: there is no such unit"
            raise ServiceError(message)
        return found

    def status(self, person: str) -> ports.ServeStatus:
        self.world.begin("status", person)
        found = self._person(person, "look at")
        if found.pid is None:
            return ports.ServeStatus(running=False)
        started = EPOCH + timedelta(seconds=found.started)
        return ports.ServeStatus(
            running=True,
            main_pid=found.pid,
            started=started,
            agents=found.agents,
            members=(found.pid,),
        )

    def sample(self, person: str) -> Sample:
        """What runs beside helpers: a job, which uses a processor."""
        found, now = self._person(person, "look at"), self.world.now
        running = []
        if found.pid is not None and found.job:
            running.append(Process(7, found.job, found.started, now - found.started))
        return Sample("this boot", now, tuple(running))

    def stop(self, person: str) -> None:
        """Stop the serve; a lying stop leaves the process alive."""
        found = self._person(person, "stop")
        self.world.begin("stop", person, "in flight" if found.in_flight else "idle")
        if found.stop_fails:
            found.stop_fails -= 1
            message = f"cannot stop the serve of {person}: it is still there after 90 s"
            raise ServiceError(message)
        self.world.play("stop", person, self._stopping(found))

    def _stopping(self, found: FakePerson) -> Iterator[SubStep]:
        found.stopped = True
        if found.stop_lies and found.pid is not None:
            found.stop_lies -= 1
            yield SubStep("left alive", _nothing)
        elif found.pid is None:
            yield SubStep("was not running", _nothing)
        else:
            yield SubStep("stopped", partial(self.world.halt, found.name))

    def start(self, person: str) -> None:
        """Start what is selected; a serve that runs stays as it is, whatever it is."""
        found = self._person(person, "start")
        self.world.begin("start", person)
        if found.start_fails:
            found.start_fails -= 1
            message = f"cannot start the serve of {person}: the unit is in a start limit"
            raise ServiceError(message)
        if found.fenced:
            message = f"cannot start the serve of {person}: being updated, exit status 75"
            raise ServiceError(message)
        self.world.play("start", person, [SubStep("started", partial(self._launch, found))])

    def _launch(self, found: FakePerson) -> None:
        self.world.launch(found.name)
        found.stopped = False
        if found.start_lies:
            found.start_lies -= 1
            self.world.kill(found.name)


def _nothing() -> None:
    pass


def _beyond(later: Mapping[str, Content], earlier: Mapping[str, Content]) -> Iterator[ev.RowsKept]:
    for name, content in sorted(later.items()):
        known = earlier.get(origin_of(name, earlier), _NOTHING)
        for table, rows in sorted(content.tables.items()):
            new = (rows & ~known.tables.get(table, 0)).bit_count()
            if new:
                yield ev.RowsKept(f"{name}:{table}", new)


@frozen
class FakePersonalData:
    """State sets and their snapshots."""

    world: World

    def _person(self, person: str, what: str) -> FakePerson:
        found = self.world.people.get(person)
        if found is None:
            message = f"cannot {what} the state set of {person}: there is no such person"
            raise PersonalDataError(message)
        if not found.known:
            message = f"cannot {what} the state set of {person}: there is no such user on this host"
            raise PersonalDataError(message)
        return found

    def snapshot(
        self, person: str, snapshot: str, kind: SnapshotKind, build: Version | None
    ) -> ev.Snapshotted:
        self.world.begin("snapshot", person, kind)
        found = self._person(person, "copy")
        known = found.snapshots.get(snapshot)
        problem = self._no_copy(found, known, kind)
        if problem:
            message = f"cannot take snapshot {snapshot} of {person}: {problem}"
            raise PersonalDataError(message, fault=Fault.LATER if found.foreign else Fault.HOST)
        if known is not None and known.sealed:
            return _told(known)
        at = self.world.now + self.world.clock_ahead
        taken = Snap(snapshot, person, kind, build, at, {}, sealed=False)
        self.world.play("snapshot", person, self._copying(found, taken))
        return _told(found.snapshots[snapshot])

    @staticmethod
    def _no_copy(found: FakePerson, known: Snap | None, kind: SnapshotKind) -> str:
        if known is not None and known.sealed:
            return "" if known.kind is kind else f"there is one of kind {known.kind} by that id"
        holding = found.pid or found.foreign
        if kind is not SnapshotKind.ONLINE and holding:
            return f"process {holding} holds the set"
        return found.unreadable if kind is not SnapshotKind.QUARANTINE else ""

    def _copying(self, found: FakePerson, taken: Snap) -> Iterator[SubStep]:
        """Nothing of it counts before the rename, and that is durable only on return."""
        held = found.snapshots
        yield SubStep("begun", partial(held.__setitem__, taken.id, taken), durable=False)
        for name in tuple(found.databases):
            yield SubStep(f"copied {name}", partial(self._copy, found, taken, name))
        yield SubStep("sealed", partial(self._seal, found, taken), durable=False)

    def _copy(self, found: FakePerson, taken: Snap, name: str) -> None:
        if found.disk_full or self.world.disk_full:
            found.snapshots.pop(taken.id, None)
            message = f"cannot copy {name} of {found.name}: no space left on the device"
            raise PersonalDataError(message)
        taken.contents[name] = seen(found.databases[name])
        found.calm = None

    @staticmethod
    def _seal(found: FakePerson, taken: Snap) -> None:
        found.snapshots[taken.id] = evolve(
            taken,
            sealed=True,
            secret=found.secret,
            unreadable=found.unreadable,
            sequence=1 + max(snap.sequence for snap in found.snapshots.values()),
        )

    def _sealed(self, person: str, snapshot: str, what: str) -> Snap:
        found = self._person(person, what).snapshots.get(snapshot)
        if found is None or not found.sealed:
            message = f"cannot {what} {person}: there is no sealed snapshot {snapshot}"
            raise PersonalDataError(message)
        return found

    def rows_since(self, person: str, snapshot: str, since: str) -> tuple[ev.RowsKept, ...]:
        later = self._sealed(person, snapshot, "count the rows of")
        before = self._sealed(person, since, "count the rows of")
        if later.unreadable or before.unreadable:
            message = f"cannot count the rows of {person}: SQLite cannot read the snapshot"
            raise PersonalDataError(message)
        return tuple(_beyond(later.contents, before.contents))

    def rows_written(self, person: str, since: str) -> tuple[ev.RowsKept, ...]:
        found = self._person(person, "count the rows of")
        before = self._sealed(person, since, "count the rows of")
        if found.unreadable or before.unreadable:
            message = f"cannot count the rows of {person}: SQLite cannot read them"
            raise PersonalDataError(message)
        now = {name: seen(files) for name, files in found.databases.items()}
        return tuple(_beyond(now, before.contents))

    def restore(self, person: str, snapshot: str) -> None:
        self.world.begin("restore", person)
        found = self._person(person, "restore")
        if found.pid is not None or found.foreign:
            message = f"cannot restore {person}: process {found.pid or found.foreign} holds the set"
            raise PersonalDataError(message)
        snap = self._sealed(person, snapshot, "restore")
        if snap.damaged or snap.unreadable:
            why = "SQLite cannot read it" if snap.unreadable else "it fails quick_check"
            message = f"cannot restore {person}: snapshot {snapshot} is of no use, {why}"
            raise PersonalDataError(message)
        self.world.play("restore", person, self._restoring(found, snap))

    def _restoring(self, found: FakePerson, snap: Snap) -> Iterator[SubStep]:
        """Logs go durably before databases come; renames are durable once the folder is synced."""
        yield SubStep("marker", partial(self._mark, found, snap))
        for name in tuple(found.databases):
            yield SubStep(f"wal removed {name}", partial(_drop_log, found, name))
        for name, content in snap.contents.items():
            put = partial(_put, found, name, content, snap.secret)
            yield SubStep(f"renamed {name}", put, durable=False)
        for name in tuple(found.databases):
            if name not in snap.contents:
                yield SubStep(f"removed {name}", partial(found.databases.pop, name, None))
        yield SubStep("synced", _nothing)
        yield SubStep("done", partial(_unmark, found), durable=False)

    def _mark(self, found: FakePerson, snap: Snap) -> None:
        if found.disk_full or self.world.disk_full:
            message = f"cannot restore {found.name}: no space left on the device"
            raise PersonalDataError(message)
        found.restoring, found.calm = snap.id, None

    def restoring(self, person: str) -> bool:
        return bool(self._person(person, "look at").restoring)

    def ledger(self, person: str) -> SetLedger:
        found = self._person(person, "read")
        if found.unreadable:
            message = f"cannot read the state set of {person}: {found.unreadable}"
            raise PersonalDataError(message)
        return found.ledger()

    def activity(self, person: str) -> Activity:
        found = self._person(person, "read")
        started = EPOCH + timedelta(seconds=found.started) if found.pid is not None else None
        if found.unreadable or not found.tracked or not found.databases:
            return Activity(tracked=False, unreadable=found.unreadable, serve_started=started)
        turns: tuple[TurnMark, ...] = ()
        if found.is_so(OpenQuestion.BUSY) and found.turn is None:
            found.turn = self.world.now
        if found.turn is not None:
            turns = (TurnMark("thread-1", EPOCH + timedelta(seconds=found.turn)),)
        last = found.last_activity
        return Activity(
            tracked=True,
            turns=turns,
            approvals=found.approvals,
            inputs=found.inputs,
            last_activity=None if last is None else EPOCH + timedelta(seconds=last),
            serve_started=started,
            later=None if found.later is None else EPOCH + timedelta(seconds=found.later),
            copied=_copied(found),
        )

    def updater(self, person: str) -> Traces:
        return self._person(person, "look at").updater

    def holder(self, person: str, own: tuple[int, ...]) -> str:
        found = self._person(person, "look at")
        holding = {found.pid or 0, found.foreign} - {0, *own}
        return f"process {min(holding)} (sqlite3) has {STATE} open" if holding else ""

    def snapshots(self, person: str) -> tuple[ports.SnapshotInfo, ...]:
        held = self._person(person, "list").snapshots.values()
        infos = [_info(snap) for snap in held if snap.sealed]
        return tuple(sorted(infos, key=lambda info: age(info.stored)))

    def verify(self, person: str, snapshot: str) -> None:
        snap = self._sealed(person, snapshot, "verify")
        if snap.damaged:
            message = f"cannot use snapshot {snapshot} of {person}: it fails quick_check"
            raise PersonalDataError(message)

    def remove(self, person: str, snapshot: str) -> None:
        self.world.begin("remove-snapshot", person, snapshot)
        self._person(person, "prune").snapshots.pop(snapshot, None)


def _copied(found: FakePerson) -> V1Copy | None:
    """Compare both databases: rows are numbered as they were written, whoever wrote them."""
    if not {STATE, STATE_V2} <= found.databases.keys():
        return None
    first, both = (rows_of(seen(found.databases[name]).tables) for name in (STATE, STATE_V2))
    return V1Copy(_written(first), _written(first & both), _written(both & ~first))


def _written(rows: int) -> datetime | None:
    return EPOCH + timedelta(seconds=rows.bit_length()) if rows else None


def _drop_log(found: FakePerson, name: str) -> None:
    main, _ = found.databases[name]
    found.databases[name], found.calm = (main, None), None
    if found.restore_fails or found.is_so(OpenQuestion.UNRESTORABLE):
        found.restore_fails = max(0, found.restore_fails - 1)
        message = f"cannot restore {found.name}: cannot replace {name}: input/output error"
        raise PersonalDataError(message)


def _put(found: FakePerson, name: str, content: Content, secret: bytes) -> None:
    found.databases[name] = (content, None)
    found.secret, found.unreadable, found.calm = secret, "", None


def _unmark(found: FakePerson) -> None:
    found.restoring, found.calm = "", None


_NOTHING: Final = Content(Ledger(), {})
_ROW_BYTES: Final = 4096
"""What a row weighs in a snapshot's size; any figure will do."""


def _size(snap: Snap) -> int:
    return _ROW_BYTES * (1 + sum(count for _, count in snap.rows))


def _told(snap: Snap) -> ev.Snapshotted:
    return ev.Snapshotted(snap.id, snap.ledger, _size(snap))


def _info(snap: Snap) -> ports.SnapshotInfo:
    taken = EPOCH + timedelta(seconds=snap.at)
    stored = Stored(snap.id, snap.kind, taken, _size(snap), snap.sequence)
    return ports.SnapshotInfo(stored, snap.person, snap.build, snap.ledger, snap.rows)


@frozen
class FakePairing:
    """Pairing through the dispatch; each attempt mints with whatever is selected."""

    world: World

    def _ask(self, person: str) -> FakePerson:
        found = self.world.people.get(person)
        if found is None or self.world.dispatch_broken:
            reason = self.world.dispatch_broken or "the user map does not name them"
            message = f"cannot try to pair {person}: {reason}"
            raise DispatchError(message, fault=Fault.ENVIRONMENT)
        return found

    def verify(self, person: str, build: Version) -> ev.Paired | ev.NotPaired:
        self.world.begin("verify", person, build.text)
        return self._pair(self._ask(person), build)

    def _pair(self, person: FakePerson, build: Version) -> ev.Paired | ev.NotPaired:
        answer = self._attempt(person, build)
        told = "" if isinstance(answer, ev.Paired) else "no"
        self.world.log.append(("paired", person.name, told))
        return answer

    def _attempt(self, person: FakePerson, build: Version) -> ev.Paired | ev.NotPaired:
        world = self.world
        minted = world.mint(person.name)
        problem = world.serve_problem(person)
        if problem:
            return ev.NotPaired(Fault.BUILD, problem)
        if person.running != build:
            how = f"{person.running} answers, not {build}"
            return ev.NotPaired(Fault.HOST, how)
        strain = strained(world.pressure, PressureLimits())
        if strain:
            return ev.NotPaired(Fault.HOST, f"the serve does not answer in time; {strain}")
        if not minted:
            return ev.NotPaired(Fault.BUILD, f"no pairing credential of {build}")
        if not world.dispatch_up:
            return ev.NotPaired(Fault.ENVIRONMENT, "the dispatch does not answer")
        fake = world.builds[build]
        if fake.path not in world.dispatch_paths or fake.cookie not in world.dispatch_cookies:
            return ev.NotPaired(Fault.HOST, "the dispatch does not know this sign-in")
        return ev.Paired()

    def watch(
        self, people: tuple[str, ...], build: Version, seconds: float, stop: Callable[[], bool]
    ) -> ev.Done | ev.BakeBroken:
        """Watch pairing, in three looks."""
        self.world.begin("watch", build.text)
        for _ in range(3):
            self.world.advance(seconds / 3)
            if stop():
                message = f"cannot watch {build} to the end: asked to stop"
                raise DispatchError(message, fault=Fault.LATER)
            for person in people:
                answer = self._pair(self._ask(person), build)
                if isinstance(answer, ev.NotPaired):
                    return ev.BakeBroken(person, answer.fault, answer.reason)
        return ev.Done()


_ALL_PASSED: Final = tuple(checks.passed(check) for check in Check)


@frozen
class FakeGate:
    """The sandbox: every build runs on copies, with its own defects."""

    world: World

    def rehearse(self, build: Version, subjects: tuple[Subject, ...]) -> tuple[gate.Rehearsal, ...]:
        world = self.world
        world.begin("rehearse", build.text)
        if build not in world.store:
            message = f"cannot rehearse {build}: the store does not hold it"
            raise GateError(message)
        strain = strained(world.pressure, PressureLimits())
        if strain:
            message = f"cannot rehearse {build}: the serve did not answer in time; {strain}"
            raise GateError(message, fault=Fault.LATER)
        fake = world.builds[build]
        return tuple(self._rehearsal(fake, subject) for subject in subjects)

    def fingerprint(self) -> str:
        return self.world.fingerprint

    def _rehearsal(self, fake: FakeBuild, subject: Subject) -> gate.Rehearsal:
        contents = self._copy(subject)
        found = self._problem(fake, subject.person, contents)
        if found is None:
            self.world.log.append(("gate-passed", subject.person, fake.version.text))
            if not subject.person:
                self.world.measured |= {fake.version}
            return gate.Rehearsal(subject.person, fake.version, _ALL_PASSED, fake.schema)
        check, reason = found
        ran = _ALL_PASSED[: list(Check).index(check)]
        schema = fake.schema if len(ran) > 2 else None
        results = (*ran, checks.failed(check, reason))
        return gate.Rehearsal(subject.person, fake.version, results, schema, "evidence")

    def _copy(self, subject: Subject) -> dict[str, Content]:
        if not subject.person:
            return {}
        person = self.world.people.get(subject.person)
        snap = person.snapshots.get(subject.snapshot) if person else None
        if snap is None or not snap.sealed:
            message = f"cannot rehearse on {subject.person}: no sealed {subject.snapshot}"
            raise GateError(message)
        return snap.contents

    def _problem(
        self, fake: FakeBuild, person: str, contents: dict[str, Content]
    ) -> tuple[Check, str] | None:
        """The first check that fails and why, by what the build does to this copy."""
        if self.world.gate_broken or Defect.SILENT in fake.defects:
            return Check.LIVE, "the serve did not answer within 30 s"
        if person and self._chokes(fake, self.world.people[person]):
            return Check.LIVE, "the serve ended with status 1: migration failed"
        for name, content in contents.items():
            copied = fake.live == STATE_V2 and name == STATE
            if copied and STATE_V2 in contents:
                continue
            known = fake.schema.ledger(STATE_V2 if copied else name)
            after = migrated(content, known).ledger
            strange = after.missing_from(known) if after is not known else ()
            if strange:
                return Check.MIGRATED, f"the build does not know {name}: {strange[0]}"
        if Defect.SHRINKS in fake.defects and any(
            content.tables.get(EVENTS, 0) for content in contents.values()
        ):
            return Check.PRESERVED, f"rows of {EVENTS} are gone"
        return self._after_migration(fake)

    def _chokes(self, fake: FakeBuild, person: FakePerson) -> bool:
        if Defect.CHOKES in fake.defects and person.old_rows:
            return True
        return fake.version not in self.world.trusted and person.is_so(OpenQuestion.REHEARSAL)

    def _after_migration(self, fake: FakeBuild) -> tuple[Check, str] | None:
        world = self.world
        if Defect.PAIRLESS in fake.defects:
            return Check.PAIRED, f"POST {fake.path} answers 500"
        known = world.dispatch_said or world.dispatch_paths
        if fake.path not in known or fake.cookie not in world.dispatch_cookies:
            return Check.CONTRACT, "update the dispatch first"
        if Defect.FORGETFUL in fake.defects:
            return Check.REOPENED, "the serve ended with status 1"
        if Defect.NOISY in fake.defects:
            return Check.SOAK, f"its log says: {UNDECODABLE}"
        return None
