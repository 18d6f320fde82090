"""Worlds to begin with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fakes.world.core import World, settled
from fakes.world.model import Defect, FakeBuild, FakePerson, schema, second_schema, version

OLD: Final = version("0.0.28-nightly.20260614.560")
NEW: Final = version("0.0.28-nightly.20260615.567")
NEWER: Final = version("0.0.28-nightly.20260616.571")
NEWEST: Final = version("0.0.28-nightly.20260617.580")
LEVELS: Final = {OLD: 30, NEW: 32, NEWER: 33, NEWEST: 34}
"""The schema levels of these releases in the fake world."""


def make_build(
    text: str, level: int, *defects: Defect, victims: Iterable[str] = (), v2: int = 0
) -> FakeBuild:
    """A release of this schema level, with what is wrong with it."""
    return FakeBuild(
        version(text),
        schema(level, v2=v2),
        defects=frozenset(defects),
        victims=frozenset(victims),
    )


def make_second(text: str, level: int, *defects: Defect, victims: Iterable[str] = ()) -> FakeBuild:
    """A release of V2 at this schema level (55 and up), with what is wrong with it."""
    return FakeBuild(
        version(text),
        second_schema(level),
        defects=frozenset(defects),
        victims=frozenset(victims),
    )


def small_world(
    *names: str, candidate: Iterable[Defect] = (), victims: Iterable[str] = ()
) -> World:
    """A host of these people, all on OLD with rows of work, and NEW on the tag.

    `candidate` and `victims` say what is wrong with NEW; NEW adds two migrations.
    """
    old = make_build(OLD.text, LEVELS[OLD])
    new = make_build(NEW.text, LEVELS[NEW], *candidate, victims=victims)
    world = World(
        people={name: FakePerson(name, OLD) for name in names},
        builds={OLD: old, NEW: new},
        tag=NEW,
        store={OLD},
        default=OLD,
        last_good=OLD,
        trusted=frozenset({OLD}),
    )
    return settled(world)
