"""The permit of a host in a fleet: it asks before a run, takes the slot, and sends what runs found.

Rules:

1. Only a run and a drain ask.  A rollback, a recovery, a check and a bake use no part of this
   module, and connect to nothing.
2. A host that is cut off starts nothing.  What it has to release and to publish is in its journal,
   and is sent when the fleet answers again.
3. A slot is taken on what was just read.  After a lost answer it is read again: the run holds the
   slot or it does not.  What was lost may still be done later; `send` then releases it.
4. `send` releases each slot of this host whose run is over.  It publishes what the runs found since
   the last one of which all was sent: publishing twice changes nothing.
5. Nothing here moves anybody.  An error is a reason or a line, and never stops a run under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice, takewhile
from typing import Final

import attrs
from attrs import frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import ports
from t3safe.domain.errors import FleetError, FleetErrorKind, PortError, UnusableError
from t3safe.domain.fleet import orders, publications, rings, slots
from t3safe.domain.fleet.findings import Findings, findings, staged_by
from t3safe.domain.fleet.port import FleetNotebook, FleetStore, MonotonicClock
from t3safe.domain.fleet.records import (
    Artifact,
    Halt,
    Holder,
    HostReport,
)
from t3safe.domain.fleet.rings import FleetObstacle, Member
from t3safe.domain.fleet.view import Commit, Committed, Transaction, View, verdict_key
from t3safe.domain.lockfile import LockFile, SharedLock
from t3safe.domain.membership import Membership
from t3safe.domain.policy import Skip, SkipReason
from t3safe.domain.runs import RUNS_NEEDED, RunRecord
from t3safe.domain.text import moment
from t3safe.domain.versions import Version
from t3safe.usecases.fleet import ATTEMPTS, settled

ASKING: Final = frozenset({ev.Kind.RUN, ev.Kind.DRAIN})
"""The plans that need a permit (rule 1)."""
ALIVE_SECONDS: Final = 2 * 3600
"""How long a host shows as alive after it sent something: two turns of the timer of the sync."""
_NO_RUN: Final = "none"
_NO_LOCK: Final = "0" * 64
"""The digest of a lock file that nobody published: no verdict is about it."""


@frozen
class FleetParts:
    """The parts of the host that the permit reads; it changes none of them."""

    builds: ports.Builds
    journal: ports.Journal
    selection: ports.Selection
    people: ports.People
    clock: ports.Clock


@frozen
class FleetLine:
    """The line to the fleet: its store, and who this host is in it."""

    store: FleetStore
    member: Member


@frozen
class FleetPermit:
    """Implements the port Permit.

    `connect` gives the line to the fleet, the same each time.  It is called only when the fleet is
    asked, and raises UnusableError for a configuration that cannot be used.  `version` is that of
    t3safe.
    """

    ring: str
    connect: Callable[[], FleetLine]
    notebook: FleetNotebook
    monotonic: MonotonicClock
    parts: FleetParts
    version: str

    def may_start(self, plan: ev.Plan) -> Skip | None:
        """Return why the rollout may not start, None when it may (rules 1 and 2).

        Raises UnusableError.
        """
        if plan.kind not in ASKING:
            return None
        try:
            return self._ask(plan)
        except FleetError as error:
            why = f"no run starts without the fleet: {self._cut_off(error)}"
            return Skip(SkipReason.LATER, why)

    def _ask(self, plan: ev.Plan) -> Skip | None:
        build = plan.candidate
        line, memory = self.connect(), self.notebook.load()
        view = line.store.view(build)
        now = self.monotonic()
        memory = rings.remember(self._dated(memory), view, build, now)
        lock = view.lock.digest if view.lock is not None else _NO_LOCK
        artifact = Artifact(build, lock, memory.platform or line.member.platform)
        no = rings.may_open(view, line.member, artifact, memory, now)
        if no is None or no.obstacle is not FleetObstacle.PERSON:
            self._tidy(line, view, plan, rings.silent_now(memory, view, now))
        self.notebook.keep(
            attrs.evolve(
                memory,
                waits=no.reason if no is not None else "",
                place=_place(view, line.member.host, build),
            )
        )
        if no is None:
            return None
        refused = no.obstacle is FleetObstacle.REFUSED
        why = SkipReason.REFUSED if refused else SkipReason.LATER
        return Skip(why, no.reason, known=no.reason == memory.waits)

    def _tidy(
        self, line: FleetLine, view: View, plan: ev.Plan, quiet: tuple[rings.Silence, ...]
    ) -> None:
        """Halt a build that failed on too many hosts; evict who is silent, as the policy says."""
        why = rings.over_budget(view, plan.candidate, quiet)
        if why and plan.candidate not in view.halts:
            now = self.parts.clock.now()
            halt = Halt(plan.candidate, line.member.host, plan.run, why, now)
            _send_one(line.store, orders.halt(halt))
        for one in quiet:
            evicting = rings.evict_silent(view, one)
            if evicting is not None:
                _send_one(line.store, evicting)

    def _cut_off(self, error: FleetError) -> str:
        """Remember since when the fleet cannot be asked, and say it."""
        if error.kind is FleetErrorKind.STATE:
            return str(error)
        with suppress(FleetError):
            memory = self.notebook.load()
            since = memory.cut_off or self.parts.clock.now()
            self.notebook.keep(attrs.evolve(memory, cut_off=since))
            return f"{error} (since {moment(since)})"
        return str(error)

    def lock_of(self, build: Version) -> SharedLock | None:
        """Return the lock file that was published first.

        None without one, and if it is installed here.  The store checks that it has the published
        digest.  Raises FleetError, UnusableError.
        """
        store, here = self.connect().store, self.parts.builds.staged(build)
        published = store.view(build).lock
        if published is None or (here is not None and here.lock == published.digest):
            return None
        file = store.lock_file(published.digest)
        if file is None:
            message = f"the fleet lacks the lock file of {build} that host {published.host} named"
            raise FleetError(message, FleetErrorKind.STATE)
        return SharedLock(published.host, file)

    def take_slot(self, wanted: fx.TakeSlot) -> ev.SlotTaken | ev.SlotDenied:
        """Take a slot for this run (rule 3).  Raises FleetError, UnusableError."""
        line, memory, lost = self.connect(), self.notebook.load(), ""
        since = self.parts.clock.now()
        holder = Holder(line.member.host, wanted.run, wanted.build, wanted.lock, since)
        for _ in range(ATTEMPTS):
            view = line.store.view(wanted.build)
            if no := rings.wiped(memory.known, view) or _other_lock(view, wanted):
                return ev.SlotDenied(no)
            taking = slots.take(view, wanted.ring, holder)
            if isinstance(taking, slots.NoSlot):
                return ev.SlotDenied(taking.reason)
            if isinstance(taking, slots.Held):
                return ev.SlotTaken(taking.revision)
            committed = self._with_lock(line, view, taking, wanted)
            if committed.commit is Commit.DONE:
                return self._taken(memory, committed)
            lost = committed.reason if committed.commit is Commit.UNKNOWN else ""
        if lost:
            message = f"it is unknown whether a slot of ring {wanted.ring} was taken: {lost}"
            raise FleetError(message, FleetErrorKind.UNREACHABLE)
        return ev.SlotDenied(f"other hosts take the slots of ring {wanted.ring} at the same time")

    def _with_lock(
        self, line: FleetLine, view: View, taking: Transaction, wanted: fx.TakeSlot
    ) -> Committed:
        """Take a slot once the lock file of this build is published for certain.

        One that cannot be shared is not: the next host installs as it would alone.
        """
        text = self.parts.builds.lock_file(wanted.build) if view.lock is None else ""
        if text:
            own = publications.publish_lock(wanted.build, line.member.host, LockFile(text))
            published = line.store.transact(own)
            if published.commit is not Commit.DONE:
                return published
        return line.store.transact(taking)

    def _taken(self, memory: rings.FleetMemory, committed: Committed) -> ev.SlotTaken:
        """Remember the revision: a copy of the store that does not have the slot is older."""
        known = rings.KnownStore(committed.cluster, committed.revision)
        with suppress(FleetError):
            self.notebook.keep(attrs.evolve(memory, known=known))
        return ev.SlotTaken(committed.revision)

    def send(self) -> tuple[str, ...]:
        """Release and publish what is left to send (rule 4); return what a person must know."""
        try:
            trouble = tuple(self._send())
        except FleetError as error:
            if error.kind is not FleetErrorKind.STATE:
                cut_off = self._cut_off(error)
                return (f"FLEET CUT OFF: {cut_off}; what the runs found is sent later",)
            trouble = (f"{error}; what the runs found is sent later",)
        except (PortError, UnusableError) as error:
            return (f"the fleet does not learn what the runs found: {error}",)
        self._note(trouble)
        return tuple(f"FLEET: {line}" for line in trouble)

    def _note(self, trouble: tuple[str, ...]) -> None:
        """Remember what a person must know, for `membership`."""
        with suppress(FleetError):
            memory = self.notebook.load()
            if memory.trouble != trouble:
                self.notebook.keep(attrs.evolve(memory, trouble=trouble))

    def membership(self) -> Membership:
        """Return what this host knows of its fleet; never asks the fleet."""
        try:
            memory = self.notebook.load()
        except FleetError as error:
            return Membership(self.ring, trouble=(str(error),))
        place = memory.place + 1 if memory.place is not None else None
        return Membership(
            self.ring, memory.build, place, memory.waits, memory.cut_off, memory.trouble
        )

    def _send(self) -> Iterator[str]:
        memory = self._dated(self.notebook.load())
        left = self._unsent(memory.sent)
        line = self.connect()
        store = line.store
        view = store.view(left[0].candidate if left else None)
        own = _own_report(line.member, memory, view)
        for number, record in enumerate(left):
            seen = view if number == 0 else store.view(record.candidate)
            self._publish(store, seen, self._findings(record, line.member.host))
        if left:
            # Else what follows could fail, and a halt that a person lifts would come back.
            memory = attrs.evolve(memory, sent=left[-1].run)
            self.notebook.keep(memory)
        self._release(line, view)
        now = self.monotonic()
        memory = rings.remember(memory, view, None, now)
        newest = self._installed()
        if newest is not None:
            memory = attrs.evolve(memory, platform=newest.platform)
        self._report(line, view, self._described(own, memory, line.member))
        store.alive(line.member.host, ALIVE_SECONDS)
        self.notebook.keep(memory)
        for one in rings.silent_now(memory, view, now):
            yield (
                f"{one.host} holds a slot of ring {one.ring} for run {one.run} and is"
                f" silent; `t3safe fleet release {one.host} --reason TEXT` gives it to others"
            )

    def _dated(self, memory: rings.FleetMemory) -> rings.FleetMemory:
        """Let a host that just joined send nothing of the runs before."""
        if memory.sent:
            return memory
        over = (record.run for record in self.parts.journal.runs() if record.closed is not None)
        return attrs.evolve(memory, sent=next(over, _NO_RUN))

    def _unsent(self, sent: str) -> list[RunRecord]:
        """Return the runs that are over and were not sent, oldest first."""
        newer = takewhile(lambda record: record.run != sent, self.parts.journal.runs())
        return [record for record in islice(newer, RUNS_NEEDED) if record.closed is not None][::-1]

    def _findings(self, record: RunRecord, host: str) -> Findings:
        events = self.parts.journal.events(record.run)
        staged = staged_by(events) or self._installed(record.candidate)
        people = (person.name for person in self.parts.people.load().people)
        return findings(record, events, staged, host, tuple(people))

    def _installed(self, build: Version | None = None) -> ev.Staged | None:
        """Return what the newest run that installed one had: of this build, or of any."""
        for record in islice(self.parts.journal.runs(), RUNS_NEEDED):
            if build in {None, record.candidate}:
                staged = staged_by(self.parts.journal.events(record.run))
                if staged is not None:
                    return staged
        return None

    def _publish(self, store: FleetStore, view: View, found: Findings) -> None:
        for verdict in found.verdicts:
            if not view.revision_of(verdict_key(verdict)):
                _send_one(store, publications.publish_verdict(verdict))
        if found.halt is not None and found.halt.build not in view.halts:
            _send_one(store, orders.halt(found.halt))

    def _release(self, line: FleetLine, view: View) -> None:
        """Release each slot of this host whose run is over."""
        under_way = self.parts.journal.unfinished()
        for ring, taken in sorted(view.slots.items()):
            for one in taken.holders:
                if one.host == line.member.host and one.run != under_way:
                    self._release_one(line, view, ring, one.run)

    def _release_one(self, line: FleetLine, view: View, ring: str, run: str) -> None:
        def release(now: View) -> Transaction | None:
            return slots.release(now, ring, line.member.host, run)

        settled(line.store, release, seen=view)

    def _report(self, line: FleetLine, view: View, report: HostReport) -> None:
        """Renew what this host says of itself, unless nothing but the time differs."""

        def renew(now: View) -> Transaction | None:
            here = now.hosts.get(report.host)
            if here is not None and attrs.evolve(here, at=report.at) == report:
                return None
            return publications.publish_report(now, report)

        settled(line.store, renew, seen=view)

    def _described(self, own: HostReport, memory: rings.FleetMemory, member: Member) -> HostReport:
        last = next(iter(self.parts.journal.runs()), None)
        ended = last.ended if last is not None else None
        people = tuple(person.name for person in self.parts.people.load().people)
        good = self.parts.selection.last_good()
        return attrs.evolve(
            own,
            t3safe=self.version,
            platform=memory.platform or member.platform,
            at=self.parts.clock.now(),
            runs=good,
            run=last.run if last is not None else "",
            outcome=ended.outcome.value if ended is not None else "",
            people=len(people),
            behind=sum(self._build_of(person) != good for person in people),
            waits_for=memory.waits,
        )

    def _build_of(self, person: str) -> Version | None:
        with suppress(PortError):
            return self.parts.selection.selected(person).build
        return None


def _own_report(member: Member, memory: rings.FleetMemory, view: View) -> HostReport:
    """Return the report of this host.  Raises FleetError: nothing is written by a stranger."""
    why = rings.wiped(memory.known, view) or rings.stranger(view, member)
    if why:
        raise FleetError(why, FleetErrorKind.STATE)
    return view.hosts[member.host]


def _other_lock(view: View, wanted: fx.TakeSlot) -> str:
    """Say that the lock file of this build is published and is another one."""
    if view.lock is None or view.lock.digest == wanted.lock:
        return ""
    how = "the next run installs what it published, unless someone needs the build that is here"
    return f"{wanted.build} is not the same here as on host {view.lock.host}: {how}"


def _place(view: View, host: str, build: Version) -> int | None:
    return rings.place(host, build, view.hosts.values()) if host in view.hosts else None


def _send_one(store: FleetStore, transaction: Transaction) -> None:
    """Create a record; that it is there already is as good.  Raises FleetError."""
    committed = store.transact(transaction)
    if committed.commit is Commit.UNKNOWN:
        message = f"it is unknown whether it was written: {committed.reason}"
        raise FleetError(message, FleetErrorKind.UNREACHABLE)
