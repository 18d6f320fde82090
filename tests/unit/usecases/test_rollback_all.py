"""The rollback of all people: who goes back where, one after the other, and who stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from fakes.world import NEW, NEWER, OLD, World, host, small_world
from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError
from t3safe.domain.move import Status
from t3safe.domain.policy import SkipReason
from t3safe.domain.rollback import Arrival, Fared, PersonOutcome, WayBack
from t3safe.usecases.host import Result
from t3safe.usecases.rollback import Took, Whole, arrivals, look, take_back
from tests.scenarios.nights import running, untouched
from tests.unit.usecases.hosts import WrittenRuns, failing, record
from tests.unit.usecases.rollbacks import REST, UNKNOWN, on_new, take, taken


def test_each_move_that_ended_on_its_new_build_is_an_arrival() -> None:
    """A run or a drain made it, or a person asked for it; the newest comes first."""
    world = small_world("ann")
    world.journal = WrittenRuns(
        records=(
            record("r4", ("ann", Status.MOVED), kind=ev.Kind.BACK, old=NEW, new=OLD),
            record("r3", ("ann", Status.DEFERRED), ("ben", Status.REFUSED)),
            record("r2", ("ann", Status.MOVED), kind=ev.Kind.DRAIN),
            record("r1", ("ben", Status.KEPT), ("cid", Status.ROLLED_BACK)),
        )
    )
    assert list(arrivals(host(world))) == [
        Arrival("ann", NEW, OLD, by_run=False),
        Arrival("ann", OLD, NEW, by_run=True),
        Arrival("ben", OLD, NEW, by_run=True),
    ]


def several() -> World:
    """A host whose newest run moved ann, ben and cid; eva was not moved by it, fay is fenced.

    Ben has no snapshot, dan was never moved, and of fay nothing is known.
    """
    world = on_new("ann", "ben", "cid", "dan", "eva", "fay")
    world.people["ben"].snapshots.clear()
    dan, fay = world.people["dan"], world.people["fay"]
    world.halt("dan")
    dan.link = OLD
    world.halt("fay")
    fay.fenced = True
    moved = record("r1", *((name, Status.MOVED) for name in ("ann", "ben", "cid")))
    world.journal = WrittenRuns(records=(moved,))
    return world


def way_of(world: World, person: str) -> WayBack:
    """The way from NEW to OLD."""
    at = taken(world, "before", person)
    return WayBack(person, NEW, OLD, "before", at, restore=True)


def test_whom_the_newest_run_moved_goes_back_to_where_they_came_from() -> None:
    """Whoever should go and cannot is named with the reason; the others stay."""
    world = several()
    mark, none = len(world.log), "cannot roll ben back: no at-rest snapshot"
    assert look(host(world), None) == Whole(
        leaves=NEW,
        ways=(way_of(world, "ann"), way_of(world, "cid")),
        staying=(("dan", f"on {OLD}"),),
        stuck=(
            ("fay", UNKNOWN.format("fay")),
            (
                "ben",
                f"{none} of {OLD}; `t3safe snapshots ben` lists them",
            ),
            ("eva", f"on {NEW}, and no run tells what they ran before"),
        ),
    )
    assert untouched(world, mark)


def test_to_a_named_build_goes_whoever_is_on_a_newer_one() -> None:
    """No run needs to tell it."""
    world = several()
    world.journal = WrittenRuns()
    found = look(host(world), OLD)
    assert found.leaves is None
    assert found.ways == tuple(way_of(world, name) for name in ("ann", "cid", "eva"))
    assert found.staying == (("dan", f"on {OLD}"),)
    assert [person for person, _ in found.stuck] == ["fay", "ben"]


def fared(took: Iterable[Took]) -> list[Fared]:
    """How each person fared."""
    return [each.fared for each in took]


def test_people_go_back_one_after_the_other_and_busy_ones_are_skipped() -> None:
    """Each has a run of their own; whoever is back needs no reason."""
    world = on_new("ann", "ben", "cid")
    world.people["ann"].inputs = 1
    ways = tuple(way_of(world, name) for name in ("ann", "ben", "cid"))
    took = list(take_back(host(world), Whole(NEW, ways, (), (("zoe", "why"),)), force=False))
    ann, ben, cid, zoe = took
    assert ann.result is not None
    assert ann.result.outcome is ev.Outcome.DEFERRED
    assert "inputs are pending" in ann.result.reason
    assert fared(took) == [
        Fared("ann", PersonOutcome.PASSED_OVER, ann.result.reason),
        Fared("ben", PersonOutcome.BACK),
        Fared("cid", PersonOutcome.BACK),
        Fared("zoe", PersonOutcome.STUCK, "why"),
    ]
    assert ben.result is not None
    assert cid.result is not None
    assert (ben.result.run, cid.result.run, zoe.result) == ("r002", "r003", None)
    assert running(world) == {"ann": NEW, "ben": OLD, "cid": OLD}


def test_by_force_busy_people_go_back_too() -> None:
    """They are interrupted."""
    world = on_new("ann")
    world.people["ann"].inputs = 1
    whole = Whole(NEW, (way_of(world, "ann"),), (), ())
    assert fared(take_back(host(world), whole, force=True)) == [Fared("ann", PersonOutcome.BACK)]
    assert running(world) == {"ann": OLD}


def test_each_goes_to_the_build_that_was_found_for_them() -> None:
    """Not to that of a newer snapshot."""
    world = on_new("ann")
    world.store.add(NEWER)
    take(world, "newest", REST, NEWER)
    whole = Whole(NEW, (way_of(world, "ann"),), (), ())
    assert fared(take_back(host(world), whole, force=False)) == [Fared("ann", PersonOutcome.BACK)]
    assert running(world) == {"ann": OLD}


def test_the_first_failure_ends_it_before_the_next_person() -> None:
    """Nobody after it is touched; whoever has no way back is named nevertheless."""
    world = on_new("ann", "ben", "cid")
    world.damage_snapshot("ann", "before")
    ways = tuple(way_of(world, name) for name in ("ann", "ben", "cid"))
    mark = len(world.log)
    why = (
        "cannot roll ann back: cannot use snapshot before of ann: it fails quick_check; "
        "nothing was changed"
    )
    whole = Whole(NEW, ways, (), (("zoe", "no way"),))
    assert list(take_back(host(world), whole, force=False)) == [
        Took(
            Fared("ann", PersonOutcome.FAILED, why),
            Result(None, why, stayed=SkipReason.LATER),
        ),
        Took(Fared("ben", PersonOutcome.NOT_REACHED)),
        Took(Fared("cid", PersonOutcome.NOT_REACHED)),
        Took(Fared("zoe", PersonOutcome.STUCK, "no way")),
    ]
    assert untouched(world, mark)


def test_a_request_to_stop_ends_it_for_all_that_follow() -> None:
    """Even if it is not repeated for the next person."""
    world = on_new("ann", "ben")
    asked: Iterator[bool] = iter((True, False))
    wired = host(world, stop=lambda: next(asked))
    ways = tuple(way_of(world, name) for name in ("ann", "ben"))
    mark = len(world.log)
    assert list(take_back(wired, Whole(NEW, ways, (), ()), force=True)) == [
        Took(Fared("ann", PersonOutcome.NOT_REACHED)),
        Took(Fared("ben", PersonOutcome.NOT_REACHED)),
    ]
    assert untouched(world, mark)


def test_without_its_journal_nobody_goes_back() -> None:
    """It is an error of the command, and not of one person."""
    world = on_new("ann")
    wired = failing(host(world), "journal", unfinished=JournalError("it is garbage"))
    whole = Whole(NEW, (way_of(world, "ann"),), (), ())
    mark = len(world.log)
    with pytest.raises(JournalError, match="garbage"):
        list(take_back(wired, whole, force=True))
    assert untouched(world, mark)
