"""What a drain plans, for whom, and when it has nothing to do."""

from __future__ import annotations

import pytest
from attrs import evolve

from fakes.world import NEW, NEWER, OLD, host, small_world
from t3safe.domain import events as ev
from t3safe.domain.errors import ServiceError
from t3safe.domain.move import Status
from t3safe.domain.policy import Policy, SkipReason
from t3safe.domain.versions import Version
from t3safe.person import IdleCheck
from t3safe.usecases.host import Result, Rules
from t3safe.usecases.run import drain
from tests.unit.usecases.hosts import failing, record
from tests.unit.usecases.runs import (
    DAY,
    RESTORED,
    called,
    deferred,
    outside,
    plans,
    publish,
    put_on,
    refuse,
    written,
)


def test_a_drain_moves_those_who_wait_and_are_idle() -> None:
    """Not who is at work, cannot be looked at, or does not wait."""
    world = small_world("dan", "ann", "ben", "cid", "eva")
    world.work("ben")
    written(world, deferred("ann", "ben", "cid", "eva"))
    wired = host(world)
    broken = failing(wired, "services", "cid", status=ServiceError("cannot look at the serve"))
    result = drain(evolve(wired, idle=IdleCheck(broken.ports, pause=world.advance)))
    assert plans(world) == [
        ev.Plan(
            run="r001",
            kind=ev.Kind.DRAIN,
            candidate=NEW,
            base=OLD,
            moves=(ev.MovePlan("ann", OLD, NEW), ev.MovePlan("eva", OLD, NEW)),
            bake=600.0,
            all_people=("dan", "ann", "ben", "cid", "eva"),
        )
    ]
    assert result.outcome is not None
    links = {name: person.link for name, person in world.people.items()}
    assert links == {"dan": OLD, "ann": NEW, "ben": OLD, "cid": OLD, "eva": NEW}


def test_a_drain_leaves_all_as_they_are_while_no_one_who_waits_is_idle() -> None:
    """They are named in the order of the alphabet; nothing is staged."""
    world = small_world("cid", "ann", "ben")
    world.work("ann")
    world.work("cid")
    world.launcher_replaced = "it was replaced"
    written(world, deferred("cid", "ann"))
    assert drain(host(world)) == Result(
        None,
        "no waiting person is idle: ann, cid",
        stayed=SkipReason.NOTHING,
        warnings=(RESTORED,),
    )
    assert (plans(world), called(world, "stage")) == ([], False)


def test_a_drain_has_nothing_to_do_while_no_one_waits() -> None:
    """The registry is not asked for it."""
    world = small_world("ann")
    assert drain(host(world)) == Result(None, "nobody waits to be moved", stayed=SkipReason.NOTHING)
    assert (plans(world), called(world, "registry")) == ([], False)


def test_a_drain_asks_neither_for_the_window_nor_for_a_build_s_age() -> None:
    """Both were asked for when the people were deferred."""
    world = small_world("ann")
    written(world, deferred("ann"))
    policy = Policy(age_min=9 * DAY, window=outside(world))
    drain(host(world, Rules(policy)))
    assert [plan.candidate for plan in plans(world)] == [NEW]
    assert not called(world, "registry")


@pytest.mark.parametrize(("last_good", "build"), [(OLD, NEW), (NEWER, NEWER), (None, NEW)])
def test_a_drain_moves_to_the_newest_build_that_anyone_waits_for(
    last_good: Version | None, build: Version
) -> None:
    """Or to last-good, where that is newer by now."""
    world = small_world("ann", "ben")
    publish(world, NEWER)
    world.store.add(NEWER)
    records = (deferred("ann"), record("r0", ("ben", Status.DEFERRED), new=OLD, hours=-30))
    explained = record("r00", ("ann", Status.REFUSED), ("ben", Status.REFUSED), hours=-40)
    written(world, *records, explained)
    world.last_good = last_good
    drain(host(world))
    assert [(plan.kind, plan.candidate) for plan in plans(world)] == [(ev.Kind.DRAIN, build)]


def test_a_drain_does_not_move_to_a_build_that_was_refused_since() -> None:
    """The result says that it is known."""
    world = small_world("ann")
    written(world, deferred("ann"))
    refuse(world, NEW)
    result = drain(host(world))
    assert (result.stayed, result.known, plans(world)) == (SkipReason.REFUSED, True, [])


def test_a_drain_goes_by_the_people_that_it_found_first() -> None:
    """A map that cannot be read any more after the survey changes nothing."""
    world = small_world("ann", "ben")
    put_on(world, NEW, "ann")
    written(world, record("r1", ("ben", Status.DEFERRED), new=NEW, hours=-24))
    world.on("verify", "ann", lambda found: setattr(found, "people_unknown", "the map is gone"))
    drain(host(world))
    assert world.people_unknown == "the map is gone"
    assert [[move.person for move in plan.moves] for plan in plans(world)] == [["ben"]]
