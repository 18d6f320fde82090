"""The night after: whatever a run was cut off by, the next one goes on from there.

Not after an end that needs a person.  Nothing goes wrong any more, and what had been left open of
people is as good as it can be.  Every promise is kept again; and where nobody had a reason to
refuse the build, everybody is on it.
"""

from __future__ import annotations

from fakes.explorer.scenes import ExploredScene
from fakes.explorer.turns import Node
from fakes.invariants import Judge
from fakes.world import NEW, World, drive
from fakes.world.model import FakePerson, OpenQuestion


def next_night(node: Node, scene: ExploredScene) -> tuple[str, ...]:
    """Tell what goes wrong in the night after this end; nothing, as it must be."""
    if node.outcome == "needs-human":
        return ()
    return night_after(node.world.clone(), scene, knowing=node.judge)


def night_after(
    world: World, scene: ExploredScene, *, knowing: Judge | None = None
) -> tuple[str, ...]:
    """Play one more night on this world and tell what goes wrong.

    `knowing` is who judged what came before, where the log no longer tells.
    """
    world.dispatch_up, world.disk_full = True, False
    for person in world.people.values():
        answers = person.answers or {}
        person.answers = {**dict.fromkeys(OpenQuestion, False), **answers}
        if not answers.get(OpenQuestion.BUSY):
            world.rest(person.name)
        # What ran beside the serve, and the job in the terminal, have ended by then.
        person.foreign, person.job = 0, ""
    driven = drive(world, rules=scene.rules, knowing=knowing)
    return tuple(f"the next night: {text}" for text in (*driven.violations, *_stuck(world)))


def _stuck(world: World) -> list[str]:
    """Nobody is left behind for ever by a fault that is over."""
    if world.frozen or any(not _well(person) for person in world.people.values()):
        return []
    found = [
        f"{name} is still on {person.running}"
        for name, person in world.people.items()
        if person.mapped and person.running != NEW and not _busy(person)
    ]
    on_new = any(person.running == NEW for person in world.people.values())
    if on_new and world.default != NEW:
        found.append(f"{NEW} is not promoted")
    return found


def _busy(person: FakePerson) -> bool:
    return bool((person.answers or {}).get(OpenQuestion.BUSY))


def _well(person: FakePerson) -> bool:
    so = {question for question, answer in (person.answers or {}).items() if answer}
    return so <= {OpenQuestion.BUSY, OpenQuestion.UNRESTORABLE} and not (
        person.ahead or person.stale
    )
