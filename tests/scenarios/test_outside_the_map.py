"""People outside of tonight's map: they keep what they run, and the builds that they need stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fakes import invariants
from fakes.world import (
    NEW,
    NEWER,
    OLD,
    FakePerson,
    World,
    drive,
    host,
    make_build,
    small_world,
    version,
)
from fakes.world.core import settled
from fakes.world.fakeports import FakeResidents
from t3safe.domain import events as ev
from t3safe.domain.errors import NoWayBackError, PeopleError
from t3safe.domain.people import MapProblem
from t3safe.domain.versions import Version
from t3safe.interpreter import Limits
from t3safe.usecases.host import Host, Result
from t3safe.usecases.rollback import go_back
from t3safe.usecases.run import drain, run
from tests.scenarios.nights import DAY, move_of, night, publish, running, selected

LATEST = version("0.0.28-nightly.20260618.590")
NEXT = version("0.0.28-nightly.20260619.600")


def outsider(world: World, name: str = "carl", **how: object) -> FakePerson:
    """Add somebody whom the map does not name: they follow the default, and have a serve."""
    person = world.people[name] = FakePerson(name, None, mapped=False)
    settled(world, name)
    for field, value in how.items():
        setattr(person, field, value)
    return person


def stays(world: World, name: str = "carl") -> None:
    """See that neither a mint nor a start touches this person's data with a newer build."""
    before = world.people[name].ledger()
    judge = invariants.Judge.of(world)
    world.mint(name)
    world.halt(name)
    world.launch(name)
    assert world.people[name].ledger() == before
    assert world.people[name].running in {OLD, None}
    assert judge.look() == []


def gone(world: World) -> Version:
    """Give a release that somebody ran once and the store holds no more."""
    build = make_build("0.0.27", 30)
    world.builds[build.version] = build
    world.trusted |= {build.version}
    return build.version


# The default moves, and nobody with it.


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"elsewhere": True, "noted": None},
        {"elsewhere": True, "noted": None, "listed": False},
        {"listed": False, "pid": None, "running": None},
        {"pid": None, "running": None},
        {"mapped": True, "known": False},
    ],
    ids=[
        "followed",
        "data elsewhere",
        "a directory's user",
        "unseen",
        "at rest",
        "unknown tonight",
    ],
)
def test_a_promotion_moves_nobody_outside_of_the_map(how: dict[str, Any]) -> None:
    """Whoever follows the default is on the same build after it moved, at their next mint too."""
    world = small_world("ann")
    outsider(world, "carl", **how)

    assert night(world).outcome is ev.Outcome.PROMOTED

    assert world.default == NEW
    stays(world)


def test_somebody_who_is_added_during_the_run_is_not_moved_by_its_promotion() -> None:
    """Who can run t3 is looked up when the default moves, not when the plan is made."""
    world = small_world("ann")

    def come(at: World) -> None:
        outsider(at, elsewhere=True, noted=None)

    world.on("watch", NEW.text, come)

    assert night(world).outcome is ev.Outcome.PROMOTED

    assert world.people["carl"].link == OLD
    stays(world)


def test_somebody_who_leaves_the_map_during_the_run_is_not_moved_by_its_promotion() -> None:
    """A map that changes in the middle changes nothing for who was planned."""
    world = small_world("ann", "ben")
    world.work("ben")
    world.on("watch", NEW.text, lambda at: setattr(at.people["ben"], "mapped", False))

    night(world)

    assert selected(world) == {"ann": NEW, "ben": OLD}


def test_the_default_stays_where_nobody_can_tell_who_follows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A promotion that cannot look says so; whoever was moved stays on the new build."""
    world = small_world("ann")
    outsider(world, elsewhere=True, noted=None)

    def silent(_: FakeResidents, named: object) -> None:
        raise PeopleError("cannot tell who can run t3 here: systemd tells nothing")

    monkeypatch.setattr(FakeResidents, "found", silent)

    result = night(world)

    assert result.outcome is ev.Outcome.NEEDS_HUMAN
    assert "systemd tells nothing" in result.reason
    assert world.default == OLD
    stays(world)


def test_a_serve_that_runs_for_nobody_in_the_map_is_named() -> None:
    """Once, with what to do, in every run."""
    world = small_world("ann")
    carl = outsider(world)
    world.map_problems = (MapProblem(2, "'carl smith' is not a person's user name"),)

    for result in (night(world), night(world), night(world, drain)):
        (line,) = [line for line in result.warnings if line.startswith("NOT IN THE USER MAP")]
        assert f"carl runs t3 {OLD} (process {carl.pid})" in line
        assert "add a line `login=carl`" in line

    carl.mapped = True
    assert not any("NOT IN" in line for line in night(world).warnings)


@pytest.mark.parametrize("serves", [True, False])
def test_whoever_is_new_in_the_map_gets_what_they_run_as_their_own(*, serves: bool) -> None:
    """The default moved on while nobody could see them; the launcher kept them where they were."""
    world = small_world("ann")
    carl = outsider(world, listed=False, pid=None, running=None)
    night(world)
    assert (carl.link, world.default) == (None, NEW)
    if serves:
        world.launch("carl")
    carl.mapped = True

    result = night(world)

    assert move_of(result, "carl").plan.old == OLD
    assert carl.link == (NEW if serves else OLD)
    before = carl.ledger()
    world.mint("carl")
    assert carl.ledger() == before


def test_whose_build_is_gone_is_left_alone() -> None:
    """The launcher starts nothing for them, and no promotion gives them a newer build."""
    world = small_world("ann")
    carl = outsider(world, noted=gone(world), pid=None, running=None)

    night(world)

    assert carl.link is None
    assert not world.mint("carl")


# What is needed stays.


def nights(world: World, *builds: Version) -> None:
    """Let a night pass for each of these newer builds."""
    for level, build in enumerate(builds, 33):
        publish(world, build, level)
        world.advance(DAY)
        night(world, limits=Limits(builds_keep=0))


@pytest.mark.parametrize("how", ["mapped", "known"])
def test_who_is_missing_from_the_map_for_one_night_keeps_their_build(how: str) -> None:
    """Deferred for some nights, then a map line wrong once: the serve starts again afterwards."""
    world = small_world("ann", "ben")
    world.work("ben")
    night(world)
    nights(world, NEWER)
    setattr(world.people["ben"], how, False)
    nights(world, LATEST)
    setattr(world.people["ben"], how, True)

    world.halt("ben")
    assert world.launch("ben")
    assert running(world)["ben"] == OLD
    world.rest("ben")
    nights(world, NEXT)
    assert running(world) == {"ann": NEXT, "ben": NEXT}


def test_a_build_that_only_a_process_runs_stays() -> None:
    """Whoever's link was moved by hand still runs the one from before."""
    world = small_world("ann")
    carl = outsider(world, elsewhere=True, noted=None)
    night(world)
    nights(world, NEWER)
    carl.link = NEW
    nights(world, LATEST)

    assert carl.running == OLD
    assert OLD in world.store


def test_the_build_of_a_way_back_stays() -> None:
    """Moved after nights of deferral: the build that they came from is not the previous good."""
    world = small_world("ann", "ben")
    world.work("ben")
    night(world)
    nights(world, NEWER)
    world.rest("ben")
    nights(world, LATEST)

    assert running(world) == {"ann": LATEST, "ben": LATEST}
    assert (world.previous_good, OLD in world.store) == (NEWER, True)
    back = night(world, lambda wired: go_back(wired, "ben", None, "", force=False), giving_up=True)
    assert back.outcome is ev.Outcome.MOVED
    assert running(world)["ben"] == OLD


def test_a_build_that_nobody_needs_any_more_goes() -> None:
    """What is kept for people is not kept for ever."""
    world = small_world("ann")
    night(world)
    nights(world, NEWER, LATEST)

    assert world.store == {NEWER, LATEST}


# A link that leads nowhere.


def lost(world: World, name: str = "ben") -> FakePerson:
    """Let a person's link lead to a build that is gone; their serve has ended."""
    person = world.people[name]
    world.halt(name)
    person.link = gone(world)
    return person


@pytest.mark.parametrize("operation", [run, drain])
def test_a_link_that_leads_nowhere_holds_up_its_person_alone(
    operation: Callable[[Host], Result],
) -> None:
    """The others are moved; the person is named with the command that repairs it."""
    world = small_world("ann", "ben")
    if operation is drain:
        world.work("ann")
        night(world)
        world.rest("ann")
    ben = lost(world)

    driven = drive(world, operation)

    assert driven.outcome == "promoted"
    assert running(world)["ann"] == NEW
    assert ben.link == gone(world)
    assert driven.result is not None
    (line,) = [line for line in driven.result.warnings if "ben" in line]
    assert "0.0.27" in line


def test_rollback_to_a_build_repairs_a_link_that_leads_nowhere() -> None:
    """What a snapshot tells is enough: the person is back, and is moved with the others again."""
    world = small_world("ann", "ben")
    world.work("ben")
    night(world)
    world.rest("ben")
    ben = lost(world)

    result = go_back(host(world), "ben", OLD, "", force=False)

    assert result.outcome is ev.Outcome.MOVED
    assert (ben.link, ben.running) == (OLD, OLD)
    night(world)
    assert running(world) == {"ann": NEW, "ben": NEW}


def test_rollback_to_a_build_that_no_snapshot_tells_of_changes_nothing() -> None:
    """It could have any schema: nobody is started on it."""
    world = small_world("ann", "ben")
    world.work("ben")
    night(world)
    ben = lost(world)
    before = ben.clone()

    with pytest.raises(NoWayBackError, match="no at-rest snapshot"):
        go_back(host(world), "ben", NEW, "", force=False)

    assert (ben.link, ben.pid, ben.ledger()) == (before.link, before.pid, before.ledger())
