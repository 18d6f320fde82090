"""What the ports say about one person: at work or not, what a copy hides, which build is theirs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve, field, frozen

from fakes.world import EPOCH, NEW, OLD, FakePerson, World, host, ports_of, small_world
from fakes.world.core import settled
from fakes.world.hostports import FakePersonalData
from fakes.world.model import STATE
from fakes.world.scenes import make_second
from t3safe.domain import events as ev
from t3safe.domain.errors import PeopleError, PersonalDataError, SelectionError
from t3safe.domain.idle import WINDOW_SECONDS, Activity
from t3safe.domain.obstacles import Obstacle, held, left_copy
from t3safe.domain.ports import Ports
from t3safe.domain.text import moment
from t3safe.domain.versions import Version
from t3safe.person import IdleCheck, give_selections, hidden_copy, migrated_by
from t3safe.t3.updater import Traces
from tests.unit.usecases.hosts import GONE, AskedBuilds, failing

IDLE = ev.Assessed(ev.Readiness.IDLE)


def busy(why: object) -> ev.Assessed:
    """The answer for a person who is at work."""
    return ev.Assessed(ev.Readiness.BUSY, str(why))


# Two looks at the processes.


@frozen
class Pauses:
    """Waits in the world, and remembers for how long."""

    world: World
    waited: list[float] = field(factory=list)

    def __call__(self, seconds: float) -> None:
        """Wait."""
        self.waited.append(seconds)
        self.world.advance(seconds)


def compiling() -> tuple[World, Pauses, IdleCheck]:
    """Let a program run in ann's terminal that uses a processor all the time."""
    world = small_world("ann")
    world.people["ann"].job = "make"
    pauses = Pauses(world)
    return world, pauses, IdleCheck(ports_of(world), timedelta(minutes=15), pauses)


def used(seconds: str) -> ev.Assessed:
    """The answer for a program that used a processor for so long."""
    return busy(f"make (process 7) used {seconds} s of processor time in {seconds} s")


@pytest.mark.parametrize("certain", [True, False])
def test_without_an_earlier_sample_it_waits_for_a_second_one(certain: bool) -> None:
    """As short as can be measured; the sample is kept for the next time."""
    world, pauses, idle = compiling()
    assert idle.assess("ann", certain=certain) == used("1")
    assert pauses.waited == [WINDOW_SECONDS]
    world.advance(58.9)
    assert idle.assess("ann", certain=certain) == used("60")
    assert pauses.waited == [WINDOW_SECONDS]


def test_an_earlier_sample_makes_the_wait_needless() -> None:
    """What was used since then counts."""
    world, pauses, idle = compiling()
    idle.sample("ann")
    world.advance(59.9)
    assert idle.assess("ann") == used("60")
    assert pauses.waited == []


def test_a_sample_older_than_the_quiet_time_is_replaced() -> None:
    """It says nothing about now."""
    world, pauses, idle = compiling()
    idle.sample("ann")
    world.advance(901.0)
    assert idle.assess("ann") == used("1")
    assert pauses.waited == [WINDOW_SECONDS]


def test_nothing_is_waited_for_where_no_process_could_be_working() -> None:
    """A serve that has no other process is idle at once."""
    world, pauses, idle = compiling()
    world.people["ann"].job = ""
    assert idle.assess("ann") == IDLE
    assert pauses.waited == []


def test_a_serve_that_cannot_be_sampled_is_sampled_later() -> None:
    """That is no error: the assessment takes its own."""
    _, pauses, idle = compiling()
    idle.sample("zoe")
    assert idle.assess("ann") == used("1")
    assert pauses.waited == [WINDOW_SECONDS]


# The idle rule.


@pytest.mark.parametrize("certain", [True, False])
def test_a_turn_in_flight_is_work_also_where_only_visible_work_counts(certain: bool) -> None:
    """It is named."""
    world = small_world("ann")
    world.work("ann")
    idle = IdleCheck(ports_of(world))
    assert idle.assess("ann", certain=certain) == busy("a turn is in flight in thread thread-1")


def test_a_program_that_has_the_data_open_prevents_a_copy_at_rest() -> None:
    """Also while the serve is stopped; a rollback that must be does not wait for it."""
    world = small_world("ann")
    world.people["ann"].foreign = 4242
    idle = IdleCheck(ports_of(world))
    expected = busy(held("ann", f"process 4242 (sqlite3) has {STATE} open"))
    assert idle.assess("ann") == expected
    assert idle.assess("ann", certain=True) == IDLE
    world.halt("ann")
    assert idle.assess("ann") == expected
    stopped = ev.Assessed(ev.Readiness.NOT_RUNNING, "the serve is not running")
    assert idle.assess("ann", certain=True) == stopped


@frozen
class WithoutStart(FakePersonalData):
    """Data in which nothing says when the serve started."""

    def activity(self, person: str) -> Activity:
        """Read it as it is, but for that."""
        return evolve(super().activity(person), serve_started=None)


def test_each_time_after_now_is_ignored_and_said() -> None:
    """The service manager says when the serve started, even if the data does not."""
    world = small_world("ann")
    ann, later = world.people["ann"], world.now + 86_400
    ann.later = later
    activity = f"an activity is dated {moment(EPOCH + timedelta(seconds=later))}"
    ports = evolve(ports_of(world), personal_data=WithoutStart(world))
    idle = IdleCheck(ports)
    assert idle.assess("ann") == evolve(IDLE, reason=f"{activity}, which is after now: ignored")
    ann.started = later + 60
    start = f"the start of the serve is dated {moment(EPOCH + timedelta(seconds=ann.started))}"
    assert idle.assess("ann") == evolve(
        IDLE,
        reason=f"{activity}, which is after now: ignored; {start}, which is after now: ignored",
    )


# A copy that would hide work.


def tried() -> tuple[World, Ports, Obstacle]:
    """Let ann have tried the second generation and work on in the first."""
    world = small_world("ann")
    world.builds[NEW] = make_second(NEW.text, 55)
    world.store.add(NEW)
    world.measured = frozenset({NEW})
    world.try_second("ann", 55)
    traces = Traces((NEW.text,))
    world.people["ann"].updater = traces
    ports = evolve(ports_of(world), builds=AskedBuilds(world))
    copied = ports.personal_data.activity("ann").copied
    found = left_copy("ann", copied, traces.named)
    assert found is not None
    assert traces.named in str(found)
    return world, ports, found


def hidden(ports: Ports) -> Obstacle | None:
    """What is hidden from ann."""
    return hidden_copy(ports, "ann", ports.personal_data.activity("ann"))


def test_a_copy_that_hides_work_makes_a_person_busy() -> None:
    """The trace that explains it is named; a rollback that must be does not wait for it."""
    _, ports, found = tried()
    assert hidden(ports) == found
    idle = IdleCheck(ports)
    assert idle.assess("ann") == busy(found)
    assert idle.assess("ann", certain=True) == IDLE


def test_a_copy_hides_nothing_from_who_runs_the_second_generation() -> None:
    """They see what is in it."""
    world, ports, found = tried()
    world.people["ann"].link = NEW
    assert hidden(ports) is None
    world.measured = frozenset()
    assert hidden(ports) == found


def test_a_copy_hides_work_also_where_it_is_unknown_what_the_person_runs() -> None:
    """Behind a fence, or with a dead link."""
    world, ports, found = tried()
    world.people["ann"].fenced = True
    assert hidden(ports) == found
    world.people["ann"].fenced, world.people["ann"].link = False, GONE
    assert hidden(ports) == found


def test_without_a_copy_nothing_is_hidden() -> None:
    """The usual case."""
    assert hidden(ports_of(small_world("ann"))) is None


def test_traces_that_cannot_be_read_explain_nothing() -> None:
    """The obstacle is said without them."""
    world, ports, _ = tried()
    assert migrated_by(ports, "ann") == Traces((NEW.text,)).named
    no_home = PersonalDataError("cannot look at ann: permission denied")
    blind = failing(host(world), "personal_data", updater=no_home).ports
    assert migrated_by(blind, "ann") == ""
    copied = ports.personal_data.activity("ann").copied
    assert hidden(blind) == left_copy("ann", copied)


# Selections.


def followers() -> World:
    """A host with a newer default, and people of all kinds without a selection of their own.

    Eva runs OLD; fay has no data yet; gus, of a directory service, is stopped; hal is outside the
    map and runs OLD; ida's data was opened last by a build that is gone.
    """
    world = small_world("ann")
    for name in ("eva", "fay", "gus", "hal", "ida"):
        world.people[name] = FakePerson(name, None)
    settled(world, "eva", "gus", "hal", "ida")
    for name in ("gus", "ida"):
        world.halt(name)
    world.people["gus"].listed = world.people["hal"].mapped = False
    world.people["ida"].noted = GONE
    world.store.add(NEW)
    world.default = NEW
    return world


def links(world: World) -> dict[str, Version | None]:
    """Who has a selection of their own."""
    return {name: person.link for name, person in world.people.items()}


NAMED = ("ann", "eva", "fay", "gus", "ida")
GIVEN = {"ann": OLD, "eva": OLD, "fay": NEW, "gus": OLD, "hal": None, "ida": None}


def test_each_named_person_is_given_the_build_that_they_run() -> None:
    """Somebody new gets the default, and somebody whose build is gone gets none."""
    world = followers()
    give_selections(ports_of(world), NAMED)
    assert links(world) == GIVEN


def test_everywhere_other_people_of_the_host_are_given_theirs_too() -> None:
    """Those who are named are not forgotten over it, and a selection is never replaced."""
    world = followers()
    world.people["ann"].noted = NEW
    give_selections(ports_of(world), iter(NAMED), everywhere=True)
    assert links(world) == GIVEN | {"hal": OLD}


def test_only_who_is_named_is_given_one() -> None:
    """The others follow the default."""
    world = followers()
    give_selections(ports_of(world), ("eva",))
    assert links(world) == dict.fromkeys(world.people) | {"ann": OLD, "eva": OLD}


def test_nobody_is_looked_for_where_all_have_a_selection() -> None:
    """The default is not read either."""
    world = followers()
    trouble = PeopleError("cannot list the processes")
    ports = failing(host(world), "residents", found=trouble).ports
    give_selections(ports, ("ann",))
    with pytest.raises(PeopleError, match="processes"):
        give_selections(ports, ("ann",), everywhere=True)
    with pytest.raises(PeopleError, match="processes"):
        give_selections(ports, ("eva",))
    world.default = None
    with pytest.raises(SelectionError, match="nothing is selected"):
        give_selections(ports_of(world), ("fay",))
