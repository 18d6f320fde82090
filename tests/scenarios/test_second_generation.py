"""Nights on which t3's second generation comes: up to it, back from it, and up again."""

from __future__ import annotations

from fakes.world import OLD, Defect, World, host, make_build, small_world
from fakes.world.model import STATE, STATE_V2, rows_of, seen
from fakes.world.scenes import NEWER, make_second
from t3safe.domain import events as ev
from t3safe.domain.move import Status
from t3safe.domain.versions import Version
from t3safe.t3.files import V2_DATABASE
from t3safe.usecases.survey import obstacle_of
from tests.scenarios.nights import night, running, statuses, take_ann_back

LAST_OF_V1 = 54
FIRST_OF_V2 = 56


def world_before_v2(*names: str, candidate: tuple[Defect, ...] = ()) -> tuple[World, Version]:
    """Give a host on V1's last release, and the first release of V2 on the tag."""
    world = small_world(*names)
    world.builds[OLD] = make_build(OLD.text, LAST_OF_V1)
    for name in names:
        world.halt(name)
        world.launch(name)
        world.halt(name)
        world.launch(name)
    second = make_second(NEWER.text, FIRST_OF_V2, *candidate)
    world.publish(second)
    return world, second.version


def rows(world: World, name: str, database: str) -> int:
    """Give the rows of work of one database, as bits."""
    return rows_of(seen(world.people[name].databases[database]).tables)


def test_everybody_is_moved_to_the_second_generation_with_every_row() -> None:
    """Its own database holds all that V1's held; V1's is left behind as it was."""
    world, second = world_before_v2("ann", "bob")
    result = night(world)
    assert result.outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": second, "bob": second}
    for name in ("ann", "bob"):
        left = rows(world, name, STATE)
        assert left
        assert left & ~rows(world, name, STATE_V2) == 0


def test_a_failed_first_start_leaves_no_database_of_v2_behind() -> None:
    """Otherwise the next attempt would begin with a stale copy."""
    world, second = world_before_v2("ann", "bob", candidate=(Defect.MUTE,))
    result = night(world)
    assert result.outcome is ev.Outcome.ROLLED_BACK
    assert running(world) == {"ann": OLD, "bob": OLD}
    assert second not in world.people["bob"].touched
    for name in ("ann", "bob"):
        assert list(world.people[name].databases) == [STATE]


def test_going_up_again_begins_with_what_v1_did_meanwhile() -> None:
    """Ann goes back on purpose, works in V1, and finds that work in V2 the next time."""
    world, _ = world_before_v2("ann")
    night(world)
    night(world, take_ann_back, giving_up=True)
    ann = world.people["ann"]
    assert running(world) == {"ann": OLD}
    assert list(ann.databases) == [STATE]
    ann.commit()
    meanwhile = rows(world, "ann", STATE)
    third = make_second("0.0.28-nightly.20260617.581", FIRST_OF_V2)
    world.publish(third)
    assert night(world).outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": third.version}
    assert meanwhile & ~rows(world, "ann", STATE_V2) == 0


def test_whoever_has_an_old_copy_of_v2_is_left_where_they_are_and_told_why() -> None:
    """V2 would not show what ann did in V1 since a trial of hers; bob is moved."""
    world, second = world_before_v2("ann", "bob")
    world.try_second("ann", FIRST_OF_V2)
    result = night(world)
    assert running(world) == {"ann": OLD, "bob": second}
    assert statuses(result) == {"ann": Status.REFUSED, "bob": Status.MOVED}
    assert not [who for what, who, *_ in world.log if what == "gate-passed" and who == "ann"]
    assert result.rollout is not None
    (why,) = (move.reason for move in result.rollout.moves if move.person == "ann")
    assert "old copy of state.sqlite" in why
    assert f"{V2_DATABASE}-wal" in why
    obstacle = obstacle_of(host(world), "ann")
    assert obstacle is not None
    assert obstacle.seen in why


def test_whoever_worked_in_both_is_asked_which_one_counts() -> None:
    """Neither is thrown away for them."""
    world, _ = world_before_v2("ann", "bob")
    world.try_second("ann", FIRST_OF_V2, works=True)
    ann = world.people["ann"]
    before = rows(world, "ann", STATE), rows(world, "ann", STATE_V2)
    result = night(world)
    assert statuses(result)["ann"] is Status.REFUSED
    obstacle = obstacle_of(host(world), "ann")
    assert obstacle is not None
    assert "worked in V2" in obstacle.seen
    assert set(ann.databases) == {STATE, STATE_V2}
    assert before[0] & ~rows(world, "ann", STATE) == 0
    assert before[1] == rows(world, "ann", STATE_V2)
