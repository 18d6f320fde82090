"""One turn of the engine's loop through some faults, and which faults a turn can meet.

A node is a moment between two turns: the world, the rollout as the journal tells it, and what the
judge remembers.  Nodes are never changed; a turn leads from one to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import combinations
from typing import Final, assert_never

import attrs
from attrs import define, field, frozen

from fakes.explorer.scenes import ExploredScene
from fakes.invariants import Judge
from fakes.world import JudgeObserver, World, host
from fakes.world.core import Crash, PowerCut
from fakes.world.faults import (
    FaultKind,
    FaultPlace,
    Faulty,
    FaultyJournal,
    Schedule,
    Seam,
    WorldFault,
)
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError
from t3safe.domain.events import InvalidEvent
from t3safe.domain.rollout import decide, evolve, opened
from t3safe.domain.rollout_state import Rollout
from t3safe.engine import Engine, waits_for_boot


class Phase(StrEnum):
    """Which process there is."""

    RUNNING = "running"
    BOOTING = "booting"
    """Recovery before the units; the serves are down."""
    DEAD = "dead"
    """No process; the next one recovers."""
    DARK = "dark"
    """The host is down; the next is recovery before the units."""
    ENDED = "ended"


@frozen(eq=False)
class Node:
    """A moment between two turns.  `rollout` is None where none was ever opened."""

    world: World
    judge: Judge
    rollout: Rollout | None
    phase: Phase
    calls: int
    writes: int
    stopping: bool
    trail: Schedule = ()
    violations: tuple[str, ...] = ()

    def settle(self, person: str, question: str, answer: bool) -> Node:
        """The same moment, with one thing settled that was left open."""
        world = self.world.clone()
        answers = world.people[person].answers
        assert answers is not None, "only what was left open is settled"
        answers[question] = answer
        return attrs.evolve(self, world=world, judge=self.judge.clone(world))

    @property
    def outcome(self) -> str:
        """How the rollout ended, the outcome's own word; empty where none was opened."""
        ended = self.rollout is not None and self.rollout.closed and self.rollout.ending
        return str(ended.outcome) if ended else ""


@frozen
class TurnSeen:
    """What a turn without a fault was like: what it is made of, and how it can go wrong."""

    effect: fx.Effect | None
    writes: int
    traced: tuple[tuple[int, ...], ...]
    """After each sub-step: which of them the power could still take back, counted from 1."""


_WRITE: Final = (
    FaultKind.FAIL_BEFORE,
    FaultKind.FAIL_AFTER,
    FaultKind.HANG,
    FaultKind.CRASH_BEFORE,
    FaultKind.CRASH_AFTER,
    FaultKind.POWER_BEFORE,
    FaultKind.POWER_AFTER,
)
_EFFECT: Final = (FaultKind.FAIL_BEFORE, FaultKind.FAIL_AFTER, FaultKind.HANG)
"""Deaths before and after an effect are those after and before the writes around it."""
_NEEDS_ROOM: Final = (
    fx.StageBuild | fx.SnapshotOnline | fx.SnapshotAtRest | fx.Quarantine | fx.Restore
)
_MAY_LIE: Final = fx.Stop | fx.Start
_MINTS_BESIDE: Final = (
    fx.Assess | fx.VerifyPairing | fx.Fence | fx.Stop | fx.Select | fx.Start | fx.Inspect | fx.Bake
)
"""Effects during which it matters that a sign-in has begun: not behind the fence, not before."""


@frozen
class Gone:
    """Sees each event, and then fails as what is said to a reader that has gone does."""

    inner: JudgeObserver

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:
        """An event was journaled."""
        self.inner.saw(before, event, after)
        raise BrokenPipeError


@define
class Player:
    """Plays turns of one scene, one node after another, over one wired host."""

    scene: ExploredScene
    plan: ev.Plan = field(init=False)
    world: World = field(init=False)
    judge: Judge = field(init=False)
    seam: Seam = field(init=False)
    watch: JudgeObserver = field(init=False)
    engine: Engine = field(init=False)
    turns: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.plan = self.scene.plan()
        self.world = self.scene.world()
        self.world.runs += 1
        self.seam = Seam(self.world)
        self.judge = Judge.of(self.world, giving_up=self.scene.gives_up)
        self.watch = JudgeObserver(self.judge)
        wired = host(
            self.world,
            self.scene.rules,
            wrap=lambda inner: Faulty(inner, self.seam),
            journal=FaultyJournal(self.world.journal, self.seam),
            observer=Gone(self.watch),
            stop=lambda: self.seam.stopping,
        )
        self.engine = wired.engine

    def first(self) -> Node:
        """The moment before the plan is journaled."""
        self.world.log.clear()
        self.judge.read = 0
        world = self.world.clone()
        return Node(world, self.judge.clone(world), None, Phase.RUNNING, 0, 0, stopping=False)

    def play(self, node: Node, faults: Schedule = ()) -> tuple[Node, TurnSeen]:
        """Play one turn from a node, through these faults of this turn."""
        self._load(node, faults)
        self.turns += 1
        try:
            rollout, phase = self._turn(node)
        except Crash as death:
            rollout, phase = self._died(node, cut=isinstance(death, PowerCut))
        except JournalError:
            rollout, phase = self._died(node, cut=False)
        following = self._saved(node, rollout, phase, faults)
        if phase is Phase.ENDED:
            ends = self.judge.end(following.outcome)
            following = attrs.evolve(following, violations=(*following.violations, *ends))
        before = node.world.substeps
        traced = tuple(
            tuple(step - before for step in volatile) for volatile in self.world.traced or ()
        )
        return following, TurnSeen(_effect(node, self.seam), self.seam.writes - node.writes, traced)

    def _load(self, node: Node, faults: Schedule) -> None:
        world, seam, judge = self.world, self.seam, self.judge
        world.become(node.world)
        world.traced = []
        world.crash_at, world.lost = 0, None
        seam.faults = {(fault.place, fault.at): fault for fault in faults}
        seam.calls, seam.writes, seam.stopping = node.calls, node.writes, node.stopping
        judge.become(node.judge)
        self.watch.violations.clear()

    def _turn(self, node: Node) -> tuple[Rollout | None, Phase]:
        match node.phase:
            case Phase.RUNNING if node.rollout is None:
                return self._open(), Phase.RUNNING
            case Phase.RUNNING:
                assert node.rollout is not None, "a process that runs has opened its plan"
                following = self.engine.step(node.rollout)
                return following, Phase.ENDED if following.closed else Phase.RUNNING
            case Phase.BOOTING:
                assert node.rollout is not None, "a process that recovers has a run"
                return self._step_before_units(node.rollout)
            case Phase.DEAD | Phase.DARK:
                assert node.rollout is not None, "where nothing is open nothing is recovered"
                phase = Phase.RUNNING if node.phase is Phase.DEAD else Phase.BOOTING
                self.seam.pause()
                return self.engine.take_over(node.rollout), phase
            case Phase.ENDED:
                message = "nothing follows the end"
                raise AssertionError(message)
            case never:
                assert_never(never)

    def _open(self) -> Rollout:
        event = ev.Opened(self.plan, self.world.clock)
        self.engine.journal.append(self.plan.run, event)
        rollout = opened(self.plan)
        self.watch.saw(None, event, rollout)
        return rollout

    def _step_before_units(self, rollout: Rollout) -> tuple[Rollout, Phase]:
        following = self.engine.step(rollout, waits_for_boot)
        if following is not rollout and not following.closed:
            return following, Phase.BOOTING
        self.world.boot()
        return following, Phase.ENDED if following.closed else Phase.DEAD

    def _died(self, node: Node, *, cut: bool) -> tuple[Rollout | None, Phase]:
        """What the journal tells now, and what comes next."""
        self.watch.violations.extend(self.judge.look())
        self.seam.stopping = False
        rollout = self._durable(node)
        over = rollout is None or rollout.closed
        if cut:
            self.world.power_cut()
        booting = node.phase in {Phase.DARK, Phase.BOOTING}
        if (cut and over) or (not cut and booting):
            self.world.boot()
        if over:
            return rollout, Phase.ENDED
        return rollout, Phase.DARK if cut else Phase.DEAD

    def _durable(self, node: Node) -> Rollout | None:
        """Fold what was written since on what had been written before."""
        written = self.world.journal.written.get(self.plan.run, [])
        before = len(node.world.journal.written.get(self.plan.run, ()))
        rollout = node.rollout
        for event in written[before:]:
            rollout = opened(event.plan) if isinstance(event, ev.Opened) else _on(rollout, event)
        return rollout

    def _saved(self, node: Node, rollout: Rollout | None, phase: Phase, faults: Schedule) -> Node:
        found = dict.fromkeys([*self.watch.violations, *self.judge.look()])
        world = self.world.clone()
        world.traced = None
        return Node(
            world,
            self.judge.clone(world),
            rollout,
            phase,
            self.seam.calls,
            self.seam.writes,
            self.seam.stopping,
            (*node.trail, *faults),
            tuple(found),
        )


def _on(rollout: Rollout | None, event: ev.Event) -> Rollout:
    if rollout is None:
        raise InvalidEvent("a run begins with its plan")
    return evolve(rollout, event)


def _effect(node: Node, seam: Seam) -> fx.Effect | None:
    if node.rollout is None or seam.calls == node.calls:
        return None
    choice = decide(node.rollout)
    return None if isinstance(choice, ev.Ended) else choice


def single_faults(node: Node, seen: TurnSeen) -> Iterator[WorldFault]:
    """Every single fault that the turn after this node can meet, first places first."""
    if node.phase is Phase.DEAD:
        yield WorldFault(FaultPlace.PAUSE, node.writes, FaultKind.WORKS)
    for number in range(seen.writes):
        # The last write of a turn is made after its effect.
        if number == seen.writes - 1 and seen.effect is not None:
            yield from _effect_faults(node, seen)
        for kind in _WRITE:
            yield WorldFault(FaultPlace.JOURNAL, node.writes + number, kind)


def _effect_faults(node: Node, seen: TurnSeen) -> Iterator[WorldFault]:
    effect, at = seen.effect, node.calls
    yield from (WorldFault(FaultPlace.EVENT, at, kind) for kind in _events(node, effect))
    yield from (WorldFault(FaultPlace.EFFECT, at, kind) for kind in _EFFECT)
    if isinstance(effect, _NEEDS_ROOM):
        yield WorldFault(FaultPlace.EFFECT, at, FaultKind.DISK_FULL)
        yield WorldFault(FaultPlace.EFFECT, at, FaultKind.DISK_STAYS_FULL)
    if isinstance(effect, _MAY_LIE):
        yield WorldFault(FaultPlace.EFFECT, at, FaultKind.LIES)
    if isinstance(effect, fx.Stop):
        yield WorldFault(FaultPlace.EFFECT, at, FaultKind.CLINGS)
    for number, volatile in enumerate(seen.traced, 1):
        yield WorldFault(FaultPlace.INSIDE, at, FaultKind.KILL, number)
        for lost in _subsets(volatile):
            yield WorldFault(FaultPlace.INSIDE, at, FaultKind.POWER, number, lost)


def _events(node: Node, effect: fx.Effect | None) -> Iterator[FaultKind]:
    yield FaultKind.STOP
    yield FaultKind.DISPATCH_DOWN
    yield FaultKind.SERVE_DIES
    if _will_be_seen(node, effect):
        yield FaultKind.WORKS
    if any(person.starting for person in node.world.people.values()):
        yield FaultKind.MINT_OPENS
    elif isinstance(effect, _MINTS_BESIDE):
        yield FaultKind.MINT_BEGINS


def _will_be_seen(node: Node, effect: fx.Effect | None) -> bool:
    """Whether somebody who begins to work now is looked at once more before they are stopped.

    Between that last look and the stop nobody can see a turn begin.
    """
    match effect:
        case fx.StageBuild() | fx.SnapshotOnline() | fx.Rehearse() | fx.Assess() | fx.Bake():
            return True
        case fx.VerifyPairing():
            current = node.rollout.current if node.rollout is not None else None
            return current is not None and not current.fenced
        case _:
            return False


def _subsets(steps: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for size in range(len(steps) + 1):
        yield from combinations(steps, size)


_ORDER: Final = {
    FaultPlace.PAUSE: 0,
    FaultPlace.EVENT: 0,
    FaultPlace.EFFECT: 1,
    FaultPlace.INSIDE: 1,
    FaultPlace.JOURNAL: 2,
}
_GOES_ON: Final = frozenset(
    {
        FaultKind.FAIL_BEFORE,
        FaultKind.FAIL_AFTER,
        FaultKind.HANG,
        FaultKind.DISK_FULL,
        FaultKind.DISK_STAYS_FULL,
        FaultKind.LIES,
        FaultKind.STOP,
        FaultKind.WORKS,
        FaultKind.DISPATCH_DOWN,
        FaultKind.SERVE_DIES,
        FaultKind.MINT_BEGINS,
        FaultKind.MINT_OPENS,
        FaultKind.CLINGS,
    }
)


def pairs_of_faults(
    node: Node, seen: TurnSeen, singles: tuple[WorldFault, ...]
) -> Iterator[Schedule]:
    """Every two of these that one turn can meet, one place each."""
    last = node.writes + seen.writes - 1
    late = [f for f in singles if f.place is not FaultPlace.JOURNAL or f.at == last]
    for first in late:
        if first.place is FaultPlace.JOURNAL or first.kind not in _GOES_ON:
            continue
        for second in late:
            if _ORDER[second.place] > _ORDER[first.place]:
                yield first, second
