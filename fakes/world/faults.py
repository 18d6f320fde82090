"""The one seam at which faults are injected: around the performer, and around the journal.

A fault has a place, a number and a kind.  Effects and writes of the journal are counted over every
process of a history, each from 0; so a schedule of faults, being a few words of text, names the
same history every time.

    effect:12:fail-after        the 13th effect is done and reported as failed
    journal:25:power-before     the power fails right before the 26th write
    inside:12:kill:2            the process dies after the second sub-step of the 13th effect
    inside:12:power:2:1,2       the power fails there, and both sub-steps never reached the disk
    event:12:stop               while the 13th effect is under way, somebody asks the run to stop
    pause:25:works              before the process that writes the 26th event, people begin to work
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from attrs import define, field, frozen

from fakes.world.core import Crash, PowerCut, World
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import ports
from t3safe.domain.errors import Fault as Blame
from t3safe.domain.errors import JournalError
from t3safe.domain.runs import MoveRecord, RunRecord
from t3safe.engine import Performer

HANG_SECONDS: Final = 600.0
"""How much virtual time passes before a call that hangs is given up."""


class FaultPlace(StrEnum):
    """Where a fault is."""

    EFFECT = "effect"
    JOURNAL = "journal"
    INSIDE = "inside"
    EVENT = "event"
    PAUSE = "pause"
    """While no process of t3safe runs; counted by the write that comes next."""


class FaultKind(StrEnum):
    """What goes wrong with one call, or happens beside it."""

    FAIL_BEFORE = "fail-before"
    FAIL_AFTER = "fail-after"
    """Done, but reported as failed."""
    HANG = "hang"
    CRASH_BEFORE = "crash-before"
    CRASH_AFTER = "crash-after"
    POWER_BEFORE = "power-before"
    POWER_AFTER = "power-after"
    DISK_FULL = "disk-full"
    """For this one effect."""
    DISK_STAYS_FULL = "disk-stays-full"
    """From this effect on, until a person makes room."""
    LIES = "lies"
    """A stop leaves the process alive, a start's dies at once; both say that all is well."""
    KILL = "kill"
    """The process dies after a sub-step."""
    POWER = "power"
    """The power fails after a sub-step; sub-steps that were not durable yet may be lost."""
    STOP = "stop"
    """Somebody asks the run to stop."""
    WORKS = "works"
    """Whoever is concerned begins a turn."""
    DISPATCH_DOWN = "dispatch-down"
    """From here on nobody gets an answer from the dispatch."""
    MINT_BEGINS = "mint-begins"
    """A slow mint of whoever is concerned resolves its build, and opens the data later."""
    MINT_OPENS = "mint-opens"
    """Whatever slow mint there is opens the data."""
    CLINGS = "clings"
    """Behind the fence a program holds the data and cannot be ended."""
    SERVE_DIES = "serve-dies"
    """The serve of whoever is concerned dies, and the service manager starts what is selected."""


@frozen
class WorldFault:
    """One fault: `at` is the number of the effect or of the write.

    `after` and `lost` are sub-steps of that effect, counted from 1.
    """

    place: FaultPlace
    at: int
    kind: FaultKind
    after: int = 0
    lost: tuple[int, ...] = ()

    def __str__(self) -> str:
        parts = [self.place, str(self.at), self.kind]
        if self.after:
            parts.append(str(self.after))
        if self.lost:
            parts.append(",".join(map(str, self.lost)))
        return ":".join(parts)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.  Raises ValueError where it is no fault."""
        place, at, kind, *rest = text.split(":")
        after = int(rest[0]) if rest else 0
        lost = tuple(int(number) for number in rest[1].split(",")) if len(rest) > 1 else ()
        return cls(FaultPlace(place), int(at), FaultKind(kind), after, lost)


Schedule = tuple[WorldFault, ...]


def effect(at: int, kind: FaultKind) -> WorldFault:
    """Name a fault of an effect."""
    return WorldFault(FaultPlace.EFFECT, at, kind)


def journal(at: int, kind: FaultKind) -> WorldFault:
    """Name a fault of a write of the journal."""
    return WorldFault(FaultPlace.JOURNAL, at, kind)


def event(at: int, kind: FaultKind) -> WorldFault:
    """Name what happens beside an effect."""
    return WorldFault(FaultPlace.EVENT, at, kind)


@define
class Seam:
    """What goes wrong in one history, and how far it has come: counted over all its processes."""

    world: World
    faults: Mapping[tuple[FaultPlace, int], WorldFault] = field(factory=dict)
    calls: int = 0
    writes: int = 0
    stopping: bool = False

    @classmethod
    def of(cls, world: World, schedule: Iterable[WorldFault]) -> Seam:
        """Make the seam of a schedule."""
        return cls(world, {(fault.place, fault.at): fault for fault in schedule})

    def due(self, place: FaultPlace, at: int) -> WorldFault | None:
        """The fault of this place, logged as it strikes."""
        fault = self.faults.get((place, at))
        if fault is not None:
            self.world.log.append(("fault", fault.kind, str(fault)))
        return fault

    def pause(self) -> None:
        """Let happen what is due while no process runs: everybody who can begins a turn."""
        if self.due(FaultPlace.PAUSE, self.writes) is not None:
            for name, person in self.world.people.items():
                if person.pid is not None:
                    self.world.work(name)


@define
class Faulty:
    """Performs as `inner` does, but for what the seam says of this call."""

    inner: Performer
    seam: Seam

    def __call__(self, effect: fx.Effect, /) -> ev.Answer:
        """Perform, fail before or after, hang, or die."""
        seam = self.seam
        at, seam.calls = seam.calls, seam.calls + 1
        if not seam.faults:
            return self.inner(effect)
        happens = seam.due(FaultPlace.EVENT, at)
        if happens is not None:
            happen(seam, happens.kind, effect)
        inside = seam.due(FaultPlace.INSIDE, at)
        if inside is not None:
            doom(seam.world, inside)
        fault = seam.due(FaultPlace.EFFECT, at)
        return self.inner(effect) if fault is None else self._struck(fault.kind, effect)

    def _struck(self, kind: FaultKind, effect: fx.Effect) -> ev.Answer:
        world = self.seam.world
        match kind:
            case FaultKind.CRASH_BEFORE:
                raise Crash
            case FaultKind.POWER_BEFORE:
                raise PowerCut
            case FaultKind.FAIL_BEFORE:
                return ev.Failed(Blame.HOST, "injected")
            case FaultKind.HANG:
                world.advance(HANG_SECONDS)
                return ev.Failed(Blame.HOST, f"injected: no answer after {HANG_SECONDS:.0f} s")
            case _:
                return self._struck_while_done(kind, effect)

    def _struck_while_done(self, kind: FaultKind, effect: fx.Effect) -> ev.Answer:
        world = self.seam.world
        world.disk_full = world.disk_full or kind in {
            FaultKind.DISK_FULL,
            FaultKind.DISK_STAYS_FULL,
        }
        if kind is FaultKind.LIES:
            _let_lie(world, effect)
        if kind is FaultKind.CLINGS:
            world.people[_only(world, effect)].clings = 1
        answer = self.inner(effect)
        match kind:
            case FaultKind.FAIL_AFTER:
                return ev.Failed(Blame.HOST, "injected, though it was done")
            case FaultKind.CRASH_AFTER:
                raise Crash
            case FaultKind.POWER_AFTER:
                raise PowerCut
            case FaultKind.DISK_FULL:
                world.disk_full = False
            case _:
                pass
        return answer


def concerned(world: World, effect: fx.Effect) -> tuple[str, ...]:
    """Whom an effect concerns; everybody where it names nobody."""
    match effect:
        case fx.Bake(people) | fx.Revisit(people):
            return people
        case _:
            person = getattr(effect, "person", "")
            return (person,) if person else tuple(world.people)


def _only(world: World, effect: fx.Effect) -> str:
    (person,) = concerned(world, effect)
    return person


def happen(seam: Seam, kind: FaultKind, effect: fx.Effect) -> None:
    """Let something happen beside an effect."""
    world = seam.world
    match kind:
        case FaultKind.STOP:
            seam.stopping = True
        case FaultKind.WORKS:
            for who in concerned(world, effect):
                world.work(who)
        case FaultKind.DISPATCH_DOWN:
            world.dispatch_up = False
        case FaultKind.SERVE_DIES:
            for who in concerned(world, effect):
                world.lose_serve(who)
        case _:
            _mint(world, kind, concerned(world, effect))


def _mint(world: World, kind: FaultKind, people: tuple[str, ...]) -> None:
    match kind:
        case FaultKind.MINT_BEGINS:
            for who in people:
                world.begin_mint(who)
        case FaultKind.MINT_OPENS:
            for who in world.people:
                world.open_late(who)
        case _:
            message = f"{kind} does not happen beside an effect"
            raise AssertionError(message)


def doom(world: World, fault: WorldFault) -> None:
    """Let the next effect die inside."""
    world.crash_at = world.substeps + fault.after
    world.lost = None
    if fault.kind is FaultKind.POWER:
        world.lost = frozenset(world.substeps + number for number in fault.lost)


def _let_lie(world: World, effect: fx.Effect) -> None:
    match effect:
        case fx.Stop(person):
            world.people[person].stop_lies = 1
        case fx.Start(person):
            world.people[person].start_lies = 1
        case _:
            message = f"{effect} cannot lie"
            raise AssertionError(message)


_UNWRITTEN: Final = frozenset(
    {FaultKind.FAIL_BEFORE, FaultKind.HANG, FaultKind.CRASH_BEFORE, FaultKind.POWER_BEFORE}
)


@define
class JournalAround:
    """Does as `inner` does, for those who write otherwise."""

    inner: ports.Journal

    def append(self, run: str, event: ev.Event) -> None:
        """Write one event of a run."""
        self.inner.append(run, event)

    def events(self, run: str) -> tuple[ev.Event, ...]:
        """Every event of a run, in order."""
        return self.inner.events(run)

    def unfinished(self) -> str | None:
        """The run that was opened and not closed."""
        return self.inner.unfinished()

    def runs(self) -> Iterable[RunRecord]:
        """Every run, newest first."""
        return self.inner.runs()

    def moves(self, person: str) -> Iterable[MoveRecord]:
        """What runs came to for a person."""
        return self.inner.moves(person)

    def ends(self) -> Mapping[ev.Outcome, int]:
        """How many runs ended in each way."""
        return self.inner.ends()

    def prune(self, before: datetime) -> None:
        """Delete the events of old runs."""
        self.inner.prune(before)


@define
class FaultyJournal(JournalAround):
    """Writes as `inner` does, but for what the seam says of this write."""

    seam: Seam

    def append(self, run: str, event: ev.Event) -> None:
        """Write, fail before or after, hang, or die."""
        seam = self.seam
        at, seam.writes = seam.writes, seam.writes + 1
        fault = seam.due(FaultPlace.JOURNAL, at) if seam.faults else None
        if fault is None:
            self.inner.append(run, event)
            return
        if fault.kind is FaultKind.HANG:
            seam.world.advance(HANG_SECONDS)
        if fault.kind not in _UNWRITTEN:
            self.inner.append(run, event)
        match fault.kind:
            case FaultKind.CRASH_BEFORE | FaultKind.CRASH_AFTER:
                raise Crash
            case FaultKind.POWER_BEFORE | FaultKind.POWER_AFTER:
                raise PowerCut
            case FaultKind.FAIL_BEFORE | FaultKind.FAIL_AFTER | FaultKind.HANG:
                message = "cannot write to the journal: injected"
                raise JournalError(message)
            case _:
                message = f"{fault.kind} is no fault of a journal"
                raise AssertionError(message)
