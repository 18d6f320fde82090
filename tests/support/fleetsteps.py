"""A host of a fleet that says which step it takes, and what became of the slots of the fleet.

Rules:

1. A step is a request to the store, named by what it asks for, or a moment of the run at which the
   host asks nobody (move, bake, close).
2. `before` and `after` of a step may do anything: die, change the fleet, or lose the answer.
3. `RecordingCluster` records each commit that changes slots, and the holders after it.  It knows
   nothing of what is allowed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from itertools import count
from typing import Final, TypeVar

from attrs import define, field

from fakes.world import NEW, World
from fakes.world.fleet import FleetHostFake
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import FleetError, FleetErrorKind
from t3safe.domain.fleet.port import FleetStore
from t3safe.domain.fleet.records import Holders
from t3safe.domain.fleet.view import SLOTS, Commit, Committed, KeyEntry, Transaction, View
from t3safe.domain.lockfile import LockFile, SharedLock
from t3safe.domain.membership import Membership
from t3safe.domain.policy import Skip
from t3safe.domain.versions import Version
from t3safe.simulation.fleetstore import MemoryCluster
from t3safe.simulation.journal import MemoryJournal
from t3safe.usecases.permit import FleetPermit
from tests.support.slothistory import Answer, SlotAsk, SlotHistory, Who

_T = TypeVar("_T")


class FleetStep(StrEnum):
    """What a host of a fleet does in a run, in this order."""

    ASK = "ask"
    FOLLOW = "read the published lock"
    LOOK = "look"
    """Read before it takes a slot."""
    LOCK = "publish the lock"
    TAKE = "take the slot"
    MOVE = "move"
    BAKE = "bake"
    CLOSE = "close"
    READ = "read"
    """Before it sends what it found."""
    VERDICT = "publish the verdict"
    HALT = "publish the halt"
    RELEASE = "release"
    REPORT = "publish the report"
    ALIVE = "alive"


ON_THE_HOST: Final = frozenset({FleetStep.MOVE, FleetStep.BAKE, FleetStep.CLOSE})
"""Steps at which nothing is asked of the store."""
READING: Final = frozenset({FleetStep.ASK, FleetStep.FOLLOW, FleetStep.LOOK, FleetStep.READ})

_BY_FOLDER: Final = {
    "locks": FleetStep.LOCK,
    "verdicts": FleetStep.VERDICT,
    "halt": FleetStep.HALT,
    "hosts": FleetStep.REPORT,
}


class LostAnswerError(Exception):
    """The answer to the request of this step is lost."""


class Strike:
    """Nothing happens at any step."""

    def before(self, step: FleetStep, sent: Transaction | None) -> None:
        """Let something happen right before a step; `sent` is what it sends."""

    def after(self, step: FleetStep, sent: Transaction | None) -> None:
        """Let something happen right after a step, before the host has its answer."""


@define
class SteppedStore:
    """Implements FleetStore over another one, step by step."""

    inner: FleetStore
    host: str
    strike: Strike = field(factory=Strike)
    reading: FleetStep = FleetStep.ASK
    requests: int = 0
    writes: int = 0

    def view(self, build: Version | None = None) -> View:
        """Read the fleet."""
        return self._read(self.reading, lambda: self.inner.view(build))

    def lock_file(self, digest: str) -> LockFile | None:
        """Read a lock file."""
        return self._read(self.reading, lambda: self.inner.lock_file(digest))

    def alive(self, host: str, seconds: int) -> None:
        """Show the host as alive."""
        self._read(FleetStep.ALIVE, lambda: self.inner.alive(host, seconds))

    def transact(self, transaction: Transaction) -> Committed:
        """Send a transaction."""
        self.requests += 1
        self.writes += 1
        step = self._step(transaction)
        try:
            self.strike.before(step, transaction)
            done = self.inner.transact(transaction)
            self.strike.after(step, transaction)
        except LostAnswerError:
            return Committed(Commit.UNKNOWN, reason="the answer was lost")
        return done

    def _read(self, step: FleetStep, read: Callable[[], _T]) -> _T:
        self.requests += 1
        try:
            self.strike.before(step, None)
            found = read()
            self.strike.after(step, None)
        except LostAnswerError:
            message = "cannot reach the fleet: the answer was lost"
            raise FleetError(message, FleetErrorKind.UNREACHABLE) from None
        return found

    def _step(self, transaction: Transaction) -> FleetStep:
        change = transaction.changes[0]
        folder = change.key.partition("/")[0]
        if isinstance(change.record, Holders):
            mine = any(one.host == self.host for one in change.record.holders)
            return FleetStep.TAKE if mine else FleetStep.RELEASE
        return _BY_FOLDER[folder]


@define
class SteppedPermit:
    """Implements the port Permit as the host's own does; it says to its store what is read for."""

    inner: FleetPermit
    store: SteppedStore

    @property
    def ring(self) -> str:
        """The ring of this host."""
        return self.inner.ring

    def may_start(self, plan: ev.Plan) -> Skip | None:
        """Ask whether a rollout may start."""
        self.store.reading = FleetStep.ASK
        return self.inner.may_start(plan)

    def lock_of(self, build: Version) -> SharedLock | None:
        """Ask for the published lock file."""
        self.store.reading = FleetStep.FOLLOW
        return self.inner.lock_of(build)

    def take_slot(self, wanted: fx.TakeSlot) -> ev.SlotTaken | ev.SlotDenied:
        """Take a slot."""
        self.store.reading = FleetStep.LOOK
        return self.inner.take_slot(wanted)

    def send(self) -> tuple[str, ...]:
        """Send what was found."""
        self.store.reading = FleetStep.READ
        return self.inner.send()

    def membership(self) -> Membership:
        """Say what the host knows of its fleet."""
        return self.inner.membership()


@define(eq=False)
class SteppedJournal(MemoryJournal):
    """A journal in memory that says when a run is closed."""

    strike: Strike = field(factory=Strike)

    def append(self, run: str, event: ev.Event) -> None:
        """Write one event."""
        if not isinstance(event, ev.Closed):
            MemoryJournal.append(self, run, event)
            return
        self.strike.before(FleetStep.CLOSE, None)
        MemoryJournal.append(self, run, event)
        self.strike.after(FleetStep.CLOSE, None)


def stepped(
    world: World, member: FleetHostFake, strike: Strike, store: FleetStore | None = None
) -> SteppedStore:
    """Let a strike see each step of the next run to NEW on this host; return the host's store."""
    made = SteppedStore(store or member.store, member.member.host, strike)
    world.journal = SteppedJournal(strike=strike)
    world.fleet = lambda world: SteppedPermit(member.permit(world, made), made)
    person = next(iter(world.people))
    for port, who, happens, step in (
        ("fence", person, strike.before, FleetStep.MOVE),
        ("start", person, strike.after, FleetStep.MOVE),
        ("watch", NEW.text, strike.before, FleetStep.BAKE),
        ("promote", NEW.text, strike.after, FleetStep.BAKE),
    ):
        world.on(port, who, lambda _, happens=happens, step=step: happens(step, None))  # type: ignore[misc]
    return made


@define
class SlotAccount:
    """Everything that befell the slots of one ring of one cluster, from its commits alone."""

    history: SlotHistory
    most: int = 0
    taken: Counter[Who] = field(factory=Counter)
    left: Counter[Who] = field(factory=Counter)

    def note(self, before: frozenset[Who], after: frozenset[Who]) -> None:
        """Take in one commit."""
        self.most = max(self.most, len(after))
        self.taken.update(after - before)
        self.left.update(before - after)
        again = {host for host, _ in after - before}
        for who in sorted(before - after):
            # The next run of the host takes its entry over: one call.
            if who[0] not in again:
                self._call(SlotAsk.RELEASE, who, answer=True)
        for who in sorted(after - before):
            self._call(SlotAsk.TAKE, who, answer=True)
        self._call(SlotAsk.READ, ("", ""), answer=after)

    def _call(self, asked: SlotAsk, who: Who, answer: Answer) -> None:
        self.history.end(self.history.begin(asked, who), answer)


def ticking() -> Callable[[], float]:
    """Give a clock that goes on with each look."""
    ticks = count()
    return lambda: float(next(ticks))


@define
class RecordingCluster(MemoryCluster):
    """Records who takes and leaves a slot; each wiped cluster has accounts of its own."""

    tick: Callable[[], float] = field(factory=ticking)
    accounts: list[dict[str, SlotAccount]] = field(factory=lambda: [{}])

    def commit(self, transaction: Transaction) -> bool:
        """Do a transaction."""
        before = self._slots()
        done = MemoryCluster.commit(self, transaction)
        for ring, after in self._slots().items():
            self._note(ring, before.get(ring, frozenset()), after)
        return done

    def wipe(self, cluster: str) -> None:
        """Lose everything."""
        MemoryCluster.wipe(self, cluster)
        self.accounts.append({})

    def restore(self, entries: dict[str, KeyEntry], revision: int) -> None:
        """Become an older copy of this cluster."""
        self.entries, self.revision = dict(entries), revision
        self.accounts.append({})

    def _slots(self) -> dict[str, frozenset[Who]]:
        records = ((key, self.record(key)) for key in self.entries if key.startswith(SLOTS))
        return {
            key.removeprefix(SLOTS): frozenset((one.host, one.run) for one in record.holders)
            for key, record in records
            if isinstance(record, Holders)
        }

    def _note(self, ring: str, before: frozenset[Who], after: frozenset[Who]) -> None:
        if ring not in self.accounts[-1]:
            self.accounts[-1][ring] = SlotAccount(SlotHistory(self.tick))
        self.accounts[-1][ring].note(before, after)
