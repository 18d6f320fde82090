"""What a survey finds before a plan, what it repairs, and what it leaves as it is."""

from __future__ import annotations

import pytest
from attrs import evolve

from fakes.world import NEW, NEWER, OLD, FakePerson, World, host, make_build, small_world
from fakes.world.core import settled
from fakes.world.scenes import make_second
from t3safe.domain import events as ev
from t3safe.domain.errors import GateError, PeopleError, SelectionError, ServiceError
from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.move import Status
from t3safe.domain.obstacles import Obstacle, ahead, held
from t3safe.domain.people import MapProblem
from t3safe.domain.policy import Policy, Standing
from t3safe.domain.ports import Chosen
from t3safe.domain.unmapped import Unmapped
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.updater import Traces
from t3safe.usecases.host import Rules
from t3safe.usecases.survey import (
    Survey,
    ahead_of_builds,
    astray,
    fenced,
    left_behind,
    obstacle_of,
    standing_of,
    survey,
    unmapped_serves,
)
from tests.unit.usecases.hosts import GONE, LOST, WrittenRuns, failing, lose_link, record

LAUNCHER = "had been replaced by another program"


def outsider(world: World, name: str = "carl") -> FakePerson:
    """Add somebody with a serve whom the map does not name."""
    person = world.people[name] = FakePerson(name, None, mapped=False)
    settled(world, name)
    return person


# The policy's view.


def test_the_standing_has_who_runs_what_and_what_is_remembered() -> None:
    """Fenced people and those with a dead link are left out; the order is that of the map."""
    world = small_world("cid", "ann", "ben", "eva")
    world.people["ann"].fenced = True
    lose_link(world, "ben")
    world.people["eva"].link = None
    refusal = Verdict(NEW, Ruling.REFUSED, ("it loses rows",))
    world.verdicts = {NEW: (refusal, world.fingerprint), NEWER: (refusal, "another gate")}
    assert standing_of(host(world), ("cid", "ann", "ben", "eva")) == Standing(
        builds=(("cid", OLD), ("eva", OLD)),
        last_good=OLD,
        frozen="",
        refused=((NEW, "it loses rows"),),
    )


def test_of_a_frozen_host_not_even_the_gate_is_asked() -> None:
    """What it refused does not matter while no one is moved."""
    world = small_world("ann")
    world.frozen = "rolled back r001"
    world.verdicts = {NEW: (Verdict(NEW, Ruling.REFUSED, ("no",)), world.fingerprint)}
    wired = failing(host(world), "gate", fingerprint=GateError("there is no node here"))
    standing = standing_of(wired, ("ann",))
    assert standing == Standing((("ann", OLD),), OLD, "rolled back r001", ())
    world.frozen = ""
    with pytest.raises(GateError, match="no node"):
        standing_of(wired, ("ann",))


# The survey.


def test_a_sound_host_has_nothing_to_warn_of() -> None:
    """The survey has the map's people, the owner's policy with what was chosen, the standing."""
    world = small_world("ann", "ben")
    world.chosen = Chosen(NEW, "by eva", ((NEWER, "by eva"),))
    wired = host(world, Rules(Policy(held=frozenset({OLD}))))
    assert survey(wired, repair=True) == Survey(
        people=("ann", "ben"),
        policy=Policy(pin=NEW, held=frozenset({OLD, NEWER})),
        standing=standing_of(wired, ("ann", "ben")),
        warnings=(),
    )


def nasty(world: World) -> None:
    """Replace the launcher, lose ben's link, spoil a line of the map, and let a stranger serve."""
    world.launcher_replaced = LAUNCHER
    world.map_problems = (MapProblem(7, "'root' is not a person's user name"),)
    lose_link(world, "ben")
    outsider(world)


def test_whatever_is_not_as_it_should_be_is_warned_of() -> None:
    """First the launcher, then the map, dead links, serves of nobody in the map."""
    world = small_world("ann", "ben")
    nasty(world)
    pid = world.people["carl"].pid
    assert pid is not None
    assert survey(host(world), repair=True).warnings == (
        f"LAUNCHER RESTORED: {LAUNCHER}",
        "user map line 7: 'root' is not a person's user name; that line is skipped",
        f"cannot tell what ben runs: {LOST}",
        str(Unmapped("carl", pid, OLD.text)),
    )
    assert world.launcher_replaced == ""


def test_without_repair_nothing_is_changed() -> None:
    """The same is warned of, but for what would have been repaired."""
    world = small_world("ann", "ben")
    nasty(world)
    world.people["eva"] = FakePerson("eva", None)
    settled(world, "eva")
    repaired = world.clone()
    found = survey(host(world), repair=False)
    assert world.launcher_replaced == LAUNCHER
    assert world.people["eva"].link is None
    assert found == evolve(survey(host(repaired), repair=True), warnings=found.warnings)
    assert not any("LAUNCHER" in line for line in found.warnings)
    assert len(found.warnings) == 3


def test_whoever_is_new_in_the_map_is_given_the_build_that_they_run() -> None:
    """Else the next promotion would move them, ungated; somebody outside the map gets none."""
    world = small_world("ann")
    world.people["eva"] = FakePerson("eva", None)
    settled(world, "eva")
    outsider(world)
    world.store.add(NEW)
    world.default = NEW
    survey(host(world), repair=True)
    links = {name: person.link for name, person in world.people.items()}
    assert links == {"ann": OLD, "eva": OLD, "carl": None}


def test_a_host_that_cannot_say_what_runs_on_it_is_surveyed_nevertheless() -> None:
    """That is one warning more, and no serve is named."""
    world = small_world("ann")
    outsider(world)
    trouble = PeopleError("cannot list the processes: permission denied")
    found = survey(failing(host(world), "residents", running=trouble), repair=False)
    assert found.warnings == (str(trouble),)
    assert found.people == ("ann",)


def test_who_is_here_must_be_known() -> None:
    """Without the user map there is no survey."""
    world = small_world("ann")
    world.people_unknown = "there is no user map"
    with pytest.raises(PeopleError, match="no user map"):
        survey(host(world), repair=False)


# One person's data.


def strange(world: World, name: str = "ann") -> SetLedger:
    """Let a newer t3 run once on a person's data, past the gate; give the ledger."""
    world.run_elsewhere(name, 34)
    return world.people[name].ledger()


def test_data_that_no_build_here_knows_is_ahead() -> None:
    """The migration is named, and the trace of t3's own updater that explains it."""
    world = small_world("ann")
    ledger = strange(world)
    wired = host(world)
    found = ahead_of_builds(wired, "ann", ledger)
    strangest = ledger.unknown_to(world.builds[OLD].schema)[0]
    assert found == ahead("ann", strangest, "any build here")
    assert obstacle_of(wired, "ann") == found
    traces = Traces((NEWER.text,))
    world.people["ann"].updater = traces
    assert ahead_of_builds(wired, "ann", ledger) == ahead(
        "ann", strangest, "any build here", traces.named
    )


def test_data_is_ahead_only_of_builds_that_were_measured() -> None:
    """A build in the store may know it; one that was never measured says nothing."""
    world = small_world("ann")
    ledger = strange(world)
    newest = make_build(NEWER.text, 34)
    world.builds[NEWER] = newest
    world.store |= {NEW, NEWER}
    wired = host(world)
    found = ahead_of_builds(wired, "ann", ledger)
    assert found is not None
    assert "which any build here does not know" in found.seen
    world.measured = frozenset({NEWER})
    assert ahead_of_builds(wired, "ann", ledger) is None


@pytest.mark.parametrize("how", ["fenced", "a dead link", "never measured"])
def test_nothing_is_ahead_of_a_build_that_is_unknown(how: str) -> None:
    """What a person runs must be known, and what that build knows."""
    world = small_world("ann")
    ledger = strange(world)
    world.store.add(NEW)
    world.measured = frozenset({NEW})
    if how == "fenced":
        world.people["ann"].fenced = True
    elif how == "a dead link":
        lose_link(world, "ann")
    else:
        world.trusted = frozenset()
    assert ahead_of_builds(host(world), "ann", ledger) is None


def test_data_that_a_build_here_knows_is_not_ahead() -> None:
    """The usual case."""
    world = small_world("ann")
    wired = host(world)
    assert ahead_of_builds(wired, "ann", world.people["ann"].ledger()) is None
    assert obstacle_of(wired, "ann") is None


def test_a_copy_that_would_hide_work_is_an_obstacle_and_comes_before_an_open_file() -> None:
    """V2 would show what the trial saw."""
    world = small_world("ann")
    world.builds[NEW] = make_second(NEW.text, 55)
    world.store.add(NEW)
    world.measured = frozenset({NEW})
    world.try_second("ann", 55)
    world.people["ann"].foreign = 4242
    copy = obstacle_of(host(world), "ann")
    assert copy is not None
    assert "an old copy of" in copy.seen


def test_a_program_beside_the_serve_that_has_the_data_open_is_an_obstacle() -> None:
    """The serve itself is none."""
    world = small_world("ann")
    world.people["ann"].foreign = 4242
    wired = host(world)
    holder = f"process 4242 (sqlite3) has {V1_DATABASE} open"
    assert obstacle_of(wired, "ann") == held("ann", holder)
    world.people["ann"].foreign = 0
    assert world.people["ann"].pid is not None
    assert obstacle_of(wired, "ann") is None


def test_data_that_is_ahead_is_named_before_an_open_file() -> None:
    """Closing the program would not help."""
    world = small_world("ann")
    strange(world)
    world.people["ann"].foreign = 4242
    found = obstacle_of(host(world), "ann")
    assert isinstance(found, Obstacle)
    assert "does not know" in found.seen


def test_what_cannot_be_checked_is_an_error() -> None:
    """It is not taken for an answer."""
    world = small_world("ann")
    trouble = ServiceError("cannot look at the serve of ann: no bus")
    with pytest.raises(ServiceError, match="no bus"):
        obstacle_of(failing(host(world), "services", status=trouble), "ann")


# Whom the newest run left behind.


def test_whom_the_newest_run_refused_or_held_back_is_left_behind() -> None:
    """For as long as they run what they ran then; a later move by hand ends it."""
    world = small_world("ann", "ben", "cid", "eva")
    newest = record(
        "r2",
        ("ann", Status.REFUSED),
        ("ben", Status.HELD_BACK),
        ("cid", Status.DEFERRED),
        ("eva", Status.REFUSED),
    )
    world.journal = WrittenRuns(records=(newest, record("r1", ("cid", Status.REFUSED))))
    world.people["eva"].link = NEW
    world.store.add(NEW)
    wired = host(world)
    assert left_behind(wired) == {"ann": "ann is refused", "ben": "ben is held-back"}


def test_a_check_or_a_run_without_moves_leaves_nobody_behind() -> None:
    """The newest run that was to move people says it; the ones before do not count any more."""
    world = small_world("ann")
    refused = ("ann", Status.REFUSED)
    check, nobody = record("r4", refused, kind=ev.Kind.CHECK), record("r3")
    moved, before = record("r2", ("ann", Status.MOVED)), record("r1", refused)
    for runs, found in (
        ((), {}),
        ((check, nobody), {}),
        ((check, nobody, before), {"ann": "ann is refused"}),
        ((nobody, check, before), {"ann": "ann is refused"}),
        ((moved, before), {}),
    ):
        world.journal = WrittenRuns(records=runs)
        assert left_behind(host(world)) == found


# Links, strangers, fences.


def test_only_a_link_that_leads_nowhere_is_astray() -> None:
    """The words are those of the store; a store that cannot be read is another error."""
    world = small_world("ann", "ben")
    lose_link(world, "ben")
    wired = host(world)
    assert (astray(wired, "ann"), astray(wired, "ben")) == (
        "",
        f"cannot tell what ben runs: {LOST}",
    )
    world.people["ann"].link, world.default = None, None
    with pytest.raises(SelectionError, match="nothing is selected"):
        astray(wired, "ann")


def test_serves_of_people_outside_the_map_are_found() -> None:
    """Whoever is in it, or runs nothing, is not."""
    world = small_world("ann")
    carl, dave = outsider(world), outsider(world, "dave")
    world.halt("dave")
    assert dave.pid is None
    assert carl.pid is not None
    wired = host(world)
    assert unmapped_serves(wired, ("ann",)) == (Unmapped("carl", carl.pid, OLD.text),)
    assert unmapped_serves(wired, ("ann", "carl")) == ()


def test_fenced_people_are_named_and_whoever_cannot_be_told_is_left_out() -> None:
    """A dead link is no fence, and without a map nobody is named."""
    world = small_world("ann", "ben", "cid", "eva")
    world.people["ann"].fenced = world.people["eva"].fenced = True
    lose_link(world, "ben")
    wired = host(world)
    assert fenced(wired) == ("ann", "eva")
    assert GONE not in world.store
    world.people_unknown = "there is no user map"
    assert fenced(wired) == ()
