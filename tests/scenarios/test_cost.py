"""How a night's work grows with the number of people, in counts."""

from __future__ import annotations

from fakes.world import small_world
from fakes.world.processes import drive
from t3safe.domain.events import Outcome


def counted(people: int) -> tuple[int, int, int]:
    """Effects, journal events and calls of the host in one night that moves so many people."""
    world = small_world(*(f"p{number:03d}" for number in range(people)))
    driven = drive(world)
    assert driven.outcome == Outcome.PROMOTED.value
    return driven.calls, driven.events, len(world.log)


def test_each_further_person_costs_what_the_one_before_cost() -> None:
    """No step of a night looks at everybody for each person: the counts grow in a straight line."""
    few, more, many = counted(5), counted(10), counted(20)
    for five, ten, twenty in zip(few, more, many, strict=True):
        assert twenty - ten == 2 * (ten - five)
