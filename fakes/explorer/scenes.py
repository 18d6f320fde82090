"""Whose rollouts are explored: one to four people, and what is wrong with each of them.

Order matters: people are moved in the order of their names, and whoever fails ends the rollout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from typing import Final, Self

import attrs
from attrs import frozen

from fakes.world import NEW, OLD, Defect, World, drive, host, make_build
from fakes.world.core import settled
from fakes.world.model import FakePerson, OpenQuestion
from fakes.world.scenes import LEVELS, make_second
from t3safe.domain import events as ev
from t3safe.domain.gate import OnPersonFailure
from t3safe.domain.policy import Skip, SkipReason
from t3safe.rules import AlwaysPermitted
from t3safe.usecases.host import Host, Result, Rules
from t3safe.usecases.rollback import go_back
from t3safe.usecases.run import drain, run

AHEAD_LEVEL: Final = 99
"""A schema level that no release of the fake world has."""
V1_LEVEL: Final = 54
V2_LEVEL: Final = 56
"""The levels of the last release of V1 and the first of V2."""
NAMES: Final = ("ann", "bob", "cid", "dot")


class Sort(StrEnum):
    """How it stands with one person."""

    OPEN = "open"
    """Settled only when it first matters: whoever is of this sort is of every other but the last
    four."""
    IDLE = "idle"
    BUSY = "busy"
    BROKEN = "broken"
    """Does not pair on the present build either."""
    CANARY = "canary"
    """The candidate passes the gate and pairs nobody once it runs for this person."""
    REHEARSAL = "rehearsal"
    """The candidate fails on a copy of this person's set."""
    ROLLBACK = "rollback"
    """As `canary`, and nothing can be restored either."""
    BAKE = "bake"
    """The candidate pairs this person at first, and stops during the bake."""
    BAKE_ROLLBACK = "bake-rollback"
    """As `bake`, and nothing can be restored either."""
    LOSES = "loses"
    """The candidate drops this person's rows as it migrates, and pairs them no more."""
    HELD = "held"
    """A process beside the serve has this person's set open, and never ends."""
    JOB = "job"
    """Has a build run in t3's own terminal, and no turn in flight."""
    STALE = "stale"
    """Has an old copy beside V1's data, left by a trial of V2, that lacks what was done since."""
    AHEAD = "ahead"
    """Ran a newer t3 of their own once: no build here knows this person's data."""
    OUTSIDE = "outside"
    """Not in the user map: follows the default with data where the launcher notes nothing."""


_SO: Final[dict[Sort, frozenset[OpenQuestion]]] = {
    Sort.IDLE: frozenset(),
    Sort.BUSY: frozenset({OpenQuestion.BUSY}),
    Sort.BROKEN: frozenset({OpenQuestion.BROKEN}),
    Sort.CANARY: frozenset({OpenQuestion.CANARY}),
    Sort.REHEARSAL: frozenset({OpenQuestion.REHEARSAL}),
    Sort.ROLLBACK: frozenset({OpenQuestion.CANARY, OpenQuestion.UNRESTORABLE}),
    Sort.BAKE: frozenset({OpenQuestion.FADES}),
    Sort.BAKE_ROLLBACK: frozenset({OpenQuestion.FADES, OpenQuestion.UNRESTORABLE}),
    Sort.LOSES: frozenset(),
    Sort.HELD: frozenset(),
    Sort.JOB: frozenset(),
    Sort.STALE: frozenset(),
    Sort.AHEAD: frozenset(),
    Sort.OUTSIDE: frozenset(),
}
"""What is so with a person of this sort; everything else is not."""


def sort_of(answers: Mapping[str, bool]) -> Sort:
    """The sort of a person of whom so much was settled; what never mattered is not so."""
    so = {question for question, answer in answers.items() if answer}
    early = so & {OpenQuestion.REHEARSAL, OpenQuestion.BUSY, OpenQuestion.BROKEN}
    for sort, questions in _SO.items():
        if questions == (early or so):
            return sort
    return Sort.IDLE


class SceneCommand(StrEnum):
    """What t3safe is asked to do."""

    RUN = "run"
    DRAIN = "drain"
    """After a run that found everybody at work."""
    BACK = "back"
    """Takes the first person back on purpose, after a run that promoted."""
    BAKE = "bake-again"
    """A run that makes up for a bake that was cut off."""


@frozen
class ExploredScene:
    """A rollout to be explored; `attempts` is the retry budget of each effect."""

    sorts: tuple[Sort, ...]
    asked: SceneCommand = SceneCommand.RUN
    attempts: int = 1
    refuse: bool = False
    """Whether one failing rehearsal refuses the build for everybody."""
    second: bool = False
    """Whether the candidate is the first one of V2, with a database of its own."""

    def __str__(self) -> str:
        policy = "refuse" if self.refuse else "hold-back"
        generation = ":v2" if self.second else ""
        return f"{self.asked}:{','.join(self.sorts)}:{self.attempts}:{policy}{generation}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.  Raises ValueError where it is no scene."""
        asked, sorts, attempts, policy, *second = text.split(":")
        if second not in ([], ["v2"]):
            message = f"not a scene: {text}"
            raise ValueError(message)
        return cls(
            tuple(Sort(sort) for sort in sorts.split(",")),
            SceneCommand(asked),
            int(attempts),
            policy == "refuse",
            bool(second),
        )

    @property
    def rules(self) -> Rules:
        """The host owner's settings."""
        policy = OnPersonFailure.REFUSE if self.refuse else OnPersonFailure.HOLD_BACK
        return Rules(attempts_max=self.attempts, on_person_failure=policy)

    @property
    def operation(self) -> Callable[[Host], Result | None]:
        """What the first process does."""
        match self.asked:
            case SceneCommand.RUN | SceneCommand.BAKE:
                return run
            case SceneCommand.DRAIN:
                return drain
            case SceneCommand.BACK:
                return _take_first_back

    @property
    def gives_up(self) -> bool:
        """Whether something is restored on purpose."""
        return self.asked is SceneCommand.BACK

    def world(self) -> World:
        """The host as it is when the first process starts; an independent copy each time."""
        return _world(self).clone()

    def plan(self) -> ev.Plan:
        """The plan that t3safe makes of it.  AssertionError where it makes none."""
        world, seen = self.world(), _PlansSeen()
        for person in world.people.values():
            # What is open matters only once the rollout has begun.
            person.answers = {**dict.fromkeys(OpenQuestion, False), **(person.answers or {})}
        wired = host(world, self.rules)
        self.operation(attrs.evolve(wired, ports=attrs.evolve(wired.ports, permit=seen)))
        assert seen.plans, f"{self}: nothing is planned"
        return seen.plans[0]


@frozen
class _PlansSeen(AlwaysPermitted):
    """Keeps each plan, and lets none start."""

    plans: list[ev.Plan] = attrs.field(factory=list)

    def may_start(self, plan: ev.Plan) -> Skip | None:
        """Say no, and keep it."""
        self.plans.append(plan)
        return Skip(SkipReason.LATER, "it is only looked at")


def _take_first_back(wired: Host) -> Result:
    return go_back(wired, NAMES[0], None, "", force=False)


@cache
def _world(scene: ExploredScene) -> World:
    world = _fresh(scene)
    match scene.asked:
        case SceneCommand.RUN:
            pass
        case SceneCommand.DRAIN:
            for name in world.people:
                world.work(name)
            assert drive(world, rules=scene.rules).outcome == "deferred"
            for name in world.people:
                world.rest(name)
        case SceneCommand.BACK:
            assert drive(world, rules=scene.rules).outcome == "promoted"
        case SceneCommand.BAKE:
            world.on("watch", NEW.text, lambda at: setattr(at, "dispatch_up", False))
            assert drive(world, rules=scene.rules).outcome == "later"
            world.dispatch_up = True
    _make_nasty(world, scene)
    return world


def _fresh(scene: ExploredScene) -> World:
    names = dict(zip(NAMES, scene.sorts, strict=False))
    losing = [name for name, sort in names.items() if sort is Sort.LOSES]
    defects = [Defect.LOSES] if losing else []
    world = World(
        people={name: _person(name, sort) for name, sort in names.items()},
        builds={
            OLD: make_build(OLD.text, V1_LEVEL if scene.second else LEVELS[OLD]),
            NEW: (
                make_second(NEW.text, V2_LEVEL, *defects, victims=losing)
                if scene.second
                else make_build(NEW.text, LEVELS[NEW], *defects, victims=losing)
            ),
        },
        tag=NEW,
        store={OLD},
        default=OLD,
        last_good=OLD,
        trusted=frozenset({OLD}),
    )
    return settled(world)


def _person(name: str, sort: Sort) -> FakePerson:
    if sort is Sort.OUTSIDE:
        return FakePerson(name, None, mapped=False, elsewhere=True)
    return FakePerson(name, OLD)


def _make_nasty(world: World, scene: ExploredScene) -> None:
    """Everybody's browser mints at every moment, and each person is of their sort from here on."""
    world.terse = True
    for (name, person), sort in zip(world.people.items(), scene.sorts, strict=True):
        person.minting = True
        person.answers = {}
        if sort is not Sort.OPEN:
            person.answers.update({question: question in _SO[sort] for question in OpenQuestion})
        if sort is Sort.BUSY:
            world.work(name)
        if sort is Sort.JOB:
            person.job = "make"
        if sort is Sort.HELD:
            person.foreign = 4242
        if sort is Sort.STALE:
            world.try_second(name, V2_LEVEL)
        if sort is Sort.AHEAD:
            world.run_elsewhere(name, AHEAD_LEVEL)
