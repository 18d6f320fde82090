"""What the scenarios share: a night without faults, and plain views of how it ended."""

from __future__ import annotations

from fakes.world import (
    Defect,
    World,
    drive,
    make_build,
)
from fakes.world.processes import Operation
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.move import Move, Status
from t3safe.domain.versions import Version
from t3safe.interpreter import Limits
from t3safe.usecases.host import Host, Result, Rules
from t3safe.usecases.rollback import go_back
from t3safe.usecases.run import run

TOUCHING = {"fence", "stop", "start", "select", "restore", "promote", "freeze"}
DAY = 86_400.0


def night(
    world: World,
    operation: Operation = run,
    *,
    rules: Rules | None = None,
    limits: Limits | None = None,
    giving_up: bool = False,
) -> Result:
    """Run one operation without faults; it must keep every promise and leave nothing open.

    `giving_up` says that it is one that restores on purpose.
    """
    driven = drive(world, operation, rules=rules, limits=limits, giving_up=giving_up)
    assert driven.violations == (), driven.violations
    assert world.journal.unfinished() is None
    assert driven.result is not None
    return driven.result


def take_ann_back(wired: Host) -> Result:
    """Go back with one person to the build and the set of before, unless they are busy."""
    return go_back(wired, "ann", None, "", force=False)


def host_fails(world: World, how: str) -> None:
    """Let the judge know that the host itself fails now, by the test's doing.

    Whatever is restored afterwards need not be the build's fault.
    """
    world.log.append(("fault", how, "by the test"))


def performed(world: World) -> list[fx.Effect]:
    """Every effect of the newest run, in the order of their numbers."""
    newest = list(world.journal.written.values())[-1]
    return [event.effect for event in newest if isinstance(event, ev.Started)]


def operations_since(world: World, mark: int) -> set[str]:
    """What was done to the world since the log was `mark` long."""
    return {operation for operation, _, _ in world.log[mark:]}


def selected(world: World) -> dict[str, Version | None]:
    """The build selected for each person, None while fenced."""
    return {name: None if p.fenced else p.link or world.default for name, p in world.people.items()}


def running(world: World) -> dict[str, Version | None]:
    """The build that each person's serve runs, None where none runs."""
    return {name: person.running for name, person in world.people.items()}


def move_of(result: Result, person: str) -> Move:
    """One person's part of the run."""
    assert result.rollout is not None
    return next(move for move in result.rollout.moves if move.person == person)


def statuses(result: Result) -> dict[str, Status]:
    """How each person stands at the end of the run."""
    assert result.rollout is not None
    return {move.person: move.status for move in result.rollout.moves}


def publish(world: World, build: Version, level: int, *defects: Defect, victims: str = "") -> None:
    """Publish a release of this schema level and let the tag point at it; `victims` by blanks."""
    world.publish(make_build(build.text, level, *defects, victims=victims.split()))


def untouched(world: World, mark: int) -> bool:
    """Whether nothing happened to anybody since the log was `mark` long."""
    return not operations_since(world, mark) & TOUCHING
