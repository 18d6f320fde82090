"""The promise, checked after every step of rollouts in a nasty world."""

from __future__ import annotations

from typing import Final, TypeVar

import pytest
from attrs import define, field
from hypothesis import given, note, settings
from hypothesis import strategies as st

from fakes.playbook import NOW, fold
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.moves import Status
from t3safe.domain.rollout import Rollout, decide, evolve, opened
from t3safe.domain.versions import Version
from tests.property.world import Luck, Set, World
from tests.unit.domain.plans import L30, L32, NEW, OLD, plan, rehearsal

pytestmark = pytest.mark.long


T = TypeVar("T")

_LUCK = st.sampled_from([*[Luck.DONE] * 12, *Luck])
_NIGHTS: Final = 2 * (settings.default.max_examples if settings.default else 100)

_TROUBLE_MAX = 6
"""After so many misfortunes everything goes well, so that every rollout comes to an end."""


@define
class Night:
    """One rollout driven through the world, with the luck that hypothesis draws."""

    world: World
    rollout: Rollout
    journal: list[ev.Event]
    draw: st.DataObject
    luck: st.SearchStrategy[Luck] = _LUCK
    trouble: int = 0
    healthy: int = 0
    """So many effects go well before misfortunes may begin."""
    unmigrated: int = 0
    """So many effects pass before a serve or a mint may come to migrate a set."""
    performed: list[tuple[fx.Effect, ev.Answer | None]] = field(factory=list)

    def take(self, event: ev.Event) -> None:
        """Let one event happen to the rollout."""
        self.rollout = evolve(self.rollout, event)
        self.journal.append(event)

    def play(self) -> ev.Ended:
        """Play until the end; after every step the world must keep the promise."""
        for _ in range(2_000):
            decided = decide(self.rollout)
            assert decide(self.rollout) == decided
            if isinstance(decided, ev.Ended):
                self.take(ev.Closed(decided, NOW))
                assert fold(self.journal) == self.rollout
                return decided
            self._step(decided)
            late = len(self.performed) >= self.unmigrated
            self.world.live(minting=late and self.draw.draw(st.booleans()))
            assert not self.world.defects
        raise AssertionError("no end within 2000 steps")

    def _step(self, effect: fx.Effect) -> None:
        luck = self._drawn(self.luck, Luck.DONE)
        others = self._others(effect)
        self.take(ev.Started(self.rollout.seq + 1, effect, NOW))
        answer = self.world.perform(effect, luck)
        if luck is Luck.DONE:
            answer = self._opinion(effect) or answer
        note(f"{effect} -> {answer} ({luck.value})")
        self.performed.append((effect, answer))
        if not luck.name.startswith("POWER"):
            assert self._others(effect) == others
        if answer is None:
            self.take(ev.Resumed(NOW))
        else:
            self.take(ev.Finished(self.rollout.seq, answer, NOW))

    def _others(self, effect: fx.Effect) -> dict[str, object]:
        """Give the selection and the serve of everybody whom the effect is not about."""
        person = getattr(effect, "person", "")
        return {
            name: (state.selected, state.running)
            for name, state in self.world.people.items()
            if name != person
        }

    def _drawn(self, strategy: st.SearchStrategy[T], well: T) -> T:
        if self.trouble >= _TROUBLE_MAX or len(self.performed) < self.healthy:
            return well
        drawn = self.draw.draw(strategy)
        self.trouble += drawn != well
        return drawn

    def _opinion(self, effect: fx.Effect) -> ev.Answer | None:
        """Answer what the world has no mind about: work in flight, rehearsals, the bake."""
        match effect:
            case fx.Assess():
                busy = [*[ev.Readiness.IDLE] * 10, *ev.Readiness]
                return ev.Assessed(self._drawn(st.sampled_from(busy), ev.Readiness.IDLE))
            case fx.SnapshotOnline(snapshot=name):
                return ev.Snapshotted(name, L30, 1)
            case fx.Rehearse(build, subjects):
                schema = self.world.schemas[build]
                people = (subject.person for subject in subjects)
                return ev.Rehearsed(tuple(rehearsal(who, build, "", schema) for who in people))
            case fx.Bake(people, build):
                fault = self._drawn(st.sampled_from([None, None, None, *Fault]), None)
                return None if fault is None else ev.BakeBroken(people[-1], fault, "no cookie")
            case _:
                return None


def night(
    draw: st.DataObject, chosen: ev.Plan, world: World, luck: st.SearchStrategy[Luck] = _LUCK
) -> Night:
    """Open the plan in the world; any stretch of the night may be healthy at first."""
    stretch = st.integers(0, 8 + 9 * len(chosen.moves))
    healthy, unmigrated = draw.draw(stretch), draw.draw(stretch)
    journal: list[ev.Event] = [ev.Opened(chosen, NOW)]
    return Night(world, opened(chosen), journal, draw, luck, 0, healthy, unmigrated)


def serves(*people: str, build: Version = OLD, ledger: SetLedger = L30) -> dict[str, Set]:
    """Give people whose serve runs this build on a set of this ledger."""
    return {person: Set(build, build, ledger) for person in people}


_RUNS = st.builds(
    plan,
    st.just("alice"),
    st.just("bob"),
    st.just("carol"),
    attempts_max=st.sampled_from([1, 3]),
    kind=st.sampled_from([ev.Kind.RUN, ev.Kind.DRAIN]),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a world in which the candidate migrates or not, and pairs or not."""
    return World(
        people=serves("alice", "bob", "carol"),
        schemas={OLD: L30, NEW: draw(st.sampled_from([L30, L32]))},
        broken=draw(st.sampled_from([frozenset(), frozenset({NEW}), frozenset({OLD, NEW})])),
        down=draw(st.sampled_from([False, False, True])),
    )


def check_end(game: Night, ended: ev.Ended) -> None:
    """Nobody is left without a serve that pairs unless a person was called."""
    for person, state in game.world.people.items():
        if ended.outcome is ev.Outcome.NEEDS_HUMAN:
            continue
        assert state.selected is not None, f"{person} is left fenced"
        assert not state.torn
        assert state.running == state.selected
    statuses = {move.person: move.status for move in game.rollout.moves}
    for move in game.rollout.moves:
        state = game.world.people[move.person]
        match statuses[move.person]:
            case Status.MOVED | Status.KEPT:
                assert state.selected == move.plan.new
            case Status.NEEDS_HUMAN:
                assert ended.outcome is ev.Outcome.NEEDS_HUMAN
            case _:
                assert state.selected == move.plan.old


@settings(max_examples=2 * _NIGHTS)
@given(data=st.data(), chosen=_RUNS, world=worlds())
def test_a_run_keeps_the_promise_whatever_happens(
    data: st.DataObject, chosen: ev.Plan, world: World
) -> None:
    """I1, I2, I4 and I7: matched pair, nothing lost, one at a time, also when the process is
    killed or the power fails at any point, inside any step.
    """
    game = night(data, chosen, world)
    check_end(game, game.play())


@given(data=st.data(), chosen=_RUNS, world=worlds())
def test_without_faults_a_run_says_what_happened(
    data: st.DataObject, chosen: ev.Plan, world: World
) -> None:
    """I6: a build that pairs nobody is refused and rolled back, a dispatch that is down is not
    held against it, and a build that pairs everybody is promoted.
    """
    game = night(data, chosen, world, st.just(Luck.DONE))
    game.trouble = _TROUBLE_MAX
    ended = game.play()
    check_end(game, ended)
    if OLD in world.broken or world.down:
        assert ended.outcome is ev.Outcome.LATER
        assert not any(isinstance(effect, fx.Fence) for effect, _ in game.performed)
    elif NEW in world.broken:
        assert ended.outcome is ev.Outcome.ROLLED_BACK
    else:
        assert ended.outcome is ev.Outcome.PROMOTED


@settings(max_examples=_NIGHTS)
@given(data=st.data(), attempts_max=st.sampled_from([1, 3]), broken=st.booleans())
def test_going_back_on_purpose_keeps_the_promise(
    data: st.DataObject, attempts_max: int, *, broken: bool
) -> None:
    """I1, I2 and I7 on the way to an older build with the snapshot that fits it."""
    chosen = ev.Plan(
        run="b1",
        kind=ev.Kind.BACK,
        candidate=OLD,
        base=NEW,
        moves=(ev.MovePlan("alice", NEW, OLD, "chosen"), ev.MovePlan("bob", NEW, OLD, "chosen")),
        attempts_max=attempts_max,
        force=data.draw(st.booleans()),
    )
    people = serves("alice", "bob", build=NEW, ledger=L32)
    for state in people.values():
        state.snapshots["chosen"] = (L30, frozenset())
    world = World(people, {OLD: L30, NEW: L32}, broken=frozenset({OLD}) if broken else frozenset())
    game = night(data, chosen, world)
    check_end(game, game.play())


@settings(max_examples=_NIGHTS)
@given(data=st.data(), knows=st.sampled_from([None, L30, L32]), present=st.sampled_from([L30, L32]))
def test_going_back_without_a_snapshot_keeps_the_promise(
    data: st.DataObject, knows: SetLedger | None, present: SetLedger
) -> None:
    """I1, I2 and I7 on the way to an older build on the set as it is: taken only by whoever's set
    the older build is known to know, whatever the set has come to hold by then.
    """
    move = ev.MovePlan("alice", NEW, OLD, knows=knows or present)
    chosen = ev.Plan("b1", ev.Kind.BACK, OLD, NEW, (move,), force=data.draw(st.booleans()))
    world = World(serves("alice", build=NEW, ledger=present), {OLD: knows or present, NEW: L32})
    game = night(data, chosen, world)
    ended = game.play()
    check_end(game, ended)
    if ended.outcome is ev.Outcome.MOVED:
        assert world.people["alice"].ledger.known_to(world.schemas[OLD])


@given(data=st.data(), broken=st.booleans(), down=st.booleans())
def test_a_bake_of_its_own_keeps_the_promise(
    data: st.DataObject, *, broken: bool, down: bool
) -> None:
    """I4: it looks only; nobody's serve, selection or set is changed, whatever it sees."""
    chosen = plan(kind=ev.Kind.BAKE, baking=("alice", "bob"), attempts_max=2)
    world = World(
        {**serves("alice", "bob", build=NEW, ledger=L32), **serves("carol")},
        {OLD: L30, NEW: L32},
        broken=frozenset({NEW}) if broken else frozenset(),
        down=down,
    )
    before = {name: state.selected for name, state in world.people.items()}
    game = night(data, chosen, world, st.sampled_from([Luck.DONE, *Luck]))
    ended = game.play()
    assert {name: state.selected for name, state in world.people.items()} == before
    assert {name: state.running for name, state in world.people.items()} == before
    assert ended.outcome in {ev.Outcome.PROMOTED, ev.Outcome.LATER, ev.Outcome.NEEDS_HUMAN}
    frozen = any(isinstance(effect, fx.Freeze) for effect, _ in game.performed)
    promoted = any(isinstance(effect, fx.Promote) for effect, _ in game.performed)
    assert not (frozen and promoted)
