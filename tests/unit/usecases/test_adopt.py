"""A host is taken over and given back without a restart, and only by a build that fits."""

from __future__ import annotations

from datetime import datetime

import pytest
from attrs import define, evolve, field, frozen

from fakes.world import NEW, OLD, Defect, World, drive, host, make_build, small_world
from fakes.world.faults import FaultKind, journal
from fakes.world.hostports import FakeGate
from t3safe.domain.effects import Subject
from t3safe.domain.errors import DispatchError, NoWayBackError, SelectionError
from t3safe.domain.gate import EMPTY, Rehearsal
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.ledger import SCOPES
from t3safe.usecases.adopt import adopt, eject
from tests.scenarios.nights import operations_since, running, selected
from tests.unit.usecases.hosts import failing

FROM_NOW_ON = "from the next start of the serve on"
LEARNT = "a build that signs in otherwise waits until `dispatch_knows` names how"


@define
class OneT3:
    """The global t3: it remembers what was noted, and which build was put in its place."""

    found: str = OLD.text
    noted: list[tuple[Version, datetime]] = field(factory=list)
    ejected: list[Version] = field(factory=list)

    def version(self) -> str:
        """Its version."""
        return self.found

    def note(self, build: Version, at: datetime) -> None:
        """Remember which build was adopted, and when."""
        self.noted.append((build, at))

    def eject(self, build: Version) -> str:
        """Put this build in its place."""
        self.ejected.append(build)
        return f"{build} is the global t3"


def untaken(*names: str) -> World:
    """A host before t3safe came: all people run OLD, and nothing is in the store."""
    world = small_world(*names)
    world.store, world.default, world.last_good = set(), None, None
    for person in world.people.values():
        person.link = None
    return world


def links(world: World) -> dict[str, Version | None]:
    """Who has a selection of their own."""
    return {name: person.link for name, person in world.people.items()}


@frozen
class OfAnEmptySet(FakeGate):
    """A gate that has no person's data to copy."""

    def rehearse(self, build: Version, subjects: tuple[Subject, ...]) -> tuple[Rehearsal, ...]:
        """Rehearse on an empty set, which is of no snapshot."""
        assert subjects == (Subject(EMPTY, ""),)
        return super().rehearse(build, subjects)


# Adopting.


def test_all_people_get_the_build_that_they_run_and_no_serve_is_restarted() -> None:
    """It is in the store, the default and last-good; the launcher is put in place."""
    world, one = untaken("ann", "ben"), OneT3()
    world.launcher_replaced = "the launcher was put in place"
    before, at, mark = running(world), world.clock, len(world.log)
    wired = host(world)
    wired = evolve(wired, ports=evolve(wired.ports, gate=OfAnEmptySet(world)))
    lines = adopt(wired, one, OLD, try_dispatch=False)
    assert lines == (
        f"ann runs {OLD} {FROM_NOW_ON}",
        f"ben runs {OLD} {FROM_NOW_ON}",
        f"{OLD} is the default and last-good",
        "the launcher was put in place",
    )
    assert one.noted == [(OLD, at)]
    assert links(world) == {"ann": OLD, "ben": OLD}
    assert (world.store, world.default, world.last_good) == ({OLD}, OLD, OLD)
    assert running(world) == before
    assert not operations_since(world, mark) & {"stop", "start", "fence", "verify"}
    rehearsed = [who for what, who, _ in world.log[mark:] if what in {"rehearse", "gate-passed"}]
    assert rehearsed == [OLD.text, ""]


def test_a_second_adoption_changes_nothing_more() -> None:
    """Whoever has a selection keeps it, also another one; so does the default."""
    world = untaken("ann", "ben")
    adopt(host(world), OneT3(), OLD, try_dispatch=False)
    world.store.add(NEW)
    world.people["ben"].link, world.default, world.last_good = NEW, NEW, NEW
    assert adopt(host(world), OneT3(), OLD, try_dispatch=False) == ()
    assert links(world) == {"ann": OLD, "ben": NEW}
    assert (world.default, world.last_good) == (NEW, NEW)


def test_a_host_without_a_global_t3_is_adopted_with_the_build_that_was_named() -> None:
    """Where there is one, it must be that one."""
    world, none = untaken("ann"), OneT3("")
    adopt(host(world), none, OLD, try_dispatch=False)
    assert (links(world), len(none.noted)) == ({"ann": OLD}, 1)


def untouched_by(world: World, one: OneT3, build: Version) -> str:
    """Say why a host is not adopted; nobody has been given anything."""
    with pytest.raises(NoWayBackError) as error:
        adopt(host(world), one, build, try_dispatch=True)
    assert (set(links(world).values()), world.default, world.last_good) == ({None}, None, None)
    return str(error.value)


def test_another_build_than_the_global_t3_is_not_adopted() -> None:
    """Nothing is noted and nothing installed."""
    world, one = untaken("ann"), OneT3()
    assert untouched_by(world, one, NEW) == (
        f"cannot adopt {NEW}: the global t3 of this host is {OLD}; adopt that"
    )
    assert (one.noted, world.store) == ([], set())


def test_a_build_that_fails_on_an_empty_set_is_not_adopted() -> None:
    """No person's data is tried with it: the reason is that of the rehearsal."""
    for defect, why in (
        (Defect.SILENT, "live: the serve did not answer within 30 s"),
        (Defect.FORGETFUL, "reopened: the serve ended with status 1"),
    ):
        world = untaken("ann")
        world.builds[OLD] = make_build(OLD.text, 30, defect)
        assert untouched_by(world, OneT3(), OLD) == (
            f"cannot adopt {OLD}: it fails on empty data: {why}"
        )


def test_a_build_that_does_not_know_someones_data_is_not_adopted() -> None:
    """The first migration that it does not know is named, and whose it is."""
    world = untaken("ann", "ben")
    world.run_elsewhere("ben", 34)
    assert untouched_by(world, OneT3(), OLD) == (
        f"cannot adopt {OLD}: it does not know {V1_DATABASE}: 31_{SCOPES} of ben; "
        "adopt the build that ben runs"
    )


@pytest.mark.parametrize(("stopped", "who"), [((), "ann"), (("ann",), "ben"), (("ann", "ben"), "")])
def test_one_person_whose_serve_runs_signs_in_through_the_dispatch(
    stopped: tuple[str, ...], who: str
) -> None:
    """So t3safe learns how the dispatch does it; without a serve there is nobody to ask."""
    world = untaken("ann", "ben")
    for name in stopped:
        world.halt(name)
    mark = len(world.log)
    lines = adopt(host(world), OneT3(), OLD, try_dispatch=True)
    expected = (f"{who} signs in through the dispatch; {LEARNT}",) if who else ()
    assert lines[3:] == expected
    asked = [(name, build) for what, name, build in world.log[mark:] if what == "verify"]
    assert asked == ([(who, OLD.text)] if who else [])


def test_a_sign_in_that_does_not_work_is_said_and_stops_nothing() -> None:
    """Whether it was answered, or could not be tried at all."""
    world = untaken("ann")
    world.dispatch_up = False
    lines = adopt(host(world), OneT3(), OLD, try_dispatch=True)
    assert lines[-1] == "ann cannot sign in through the dispatch: the dispatch does not answer"
    world = untaken("ann")
    wired = failing(host(world), "pairing", verify=DispatchError("cannot try to pair ann: no key"))
    lines = adopt(wired, OneT3(), OLD, try_dispatch=True)
    assert lines[-1] == "ann cannot sign in through the dispatch: cannot try to pair ann: no key"
    assert links(world) == {"ann": OLD}


# Ejecting.


def test_a_host_is_ejected_to_the_one_build_that_all_people_run() -> None:
    """Nothing is rehearsed for that, and no serve is restarted."""
    world, one = small_world("ann", "ben"), OneT3()
    mark = len(world.log)
    assert eject(host(world), one, None) == (f"{OLD} is the global t3",)
    assert one.ejected == [OLD]
    assert not operations_since(world, mark) & {"rehearse", "stop", "start", "select"}


def test_a_host_that_was_given_back_has_nothing_to_eject() -> None:
    """A repeated command changes nothing."""
    world, one = untaken("ann"), OneT3()
    lines = eject(host(world), one, OLD)
    assert lines == ("no build is selected here: this host was given back, or never taken over",)
    assert one.ejected == []


def refused(world: World, build: Version | None) -> str:
    """Say why a host is not ejected; nothing was changed."""
    one, before = OneT3(), selected(world)
    with pytest.raises(NoWayBackError) as error:
        eject(host(world), one, build)
    assert (one.ejected, selected(world)) == ([], before)
    return str(error.value)


def test_while_a_run_is_unfinished_nobody_is_ejected() -> None:
    """Somebody may be in transition."""
    world = small_world("ann")
    driven = drive(world, faults=[journal(4, FaultKind.CRASH_AFTER)])
    assert driven.processes == 2
    del world.journal.written["r001"][-1]
    assert world.journal.unfinished() == "r001"
    assert refused(world, OLD) == "cannot eject: a run is unfinished; `t3safe recover` settles it"


def two_builds() -> World:
    """Ben was moved to NEW, ann was not."""
    world = small_world("ann", "ben")
    world.store.add(NEW)
    world.halt("ben")
    world.people["ben"].link = NEW
    world.launch("ben")
    return world


def test_people_on_several_builds_are_ejected_to_the_one_that_is_named() -> None:
    """Only what each runs is needed where none is named; the names and builds are listed."""
    world = two_builds()
    assert refused(world, None) == (
        f"cannot eject: people run several builds (ann: {OLD}, ben: {NEW}); "
        "`t3safe eject --to VERSION` leaves that one to everybody"
    )
    world.people["ann"].fenced = True
    assert f"(ann: fenced, ben: {NEW})" in refused(world, None)
    world.people["ben"].fenced = True
    assert "(ann: fenced, ben: fenced)" in refused(world, None)


def test_the_named_build_must_know_the_data_of_whoever_runs_another() -> None:
    """A newer one does; an older one would open data that it does not know."""
    world, one = two_builds(), OneT3()
    assert refused(world, OLD) == (
        f"cannot eject to {OLD}: it does not know {V1_DATABASE}: 31_{SCOPES} of ben; "
        "name the newest build that is in use"
    )
    mark = len(world.log)
    assert eject(host(world), one, NEW) == (f"{NEW} is the global t3",)
    assert one.ejected == [NEW]
    assert [who for what, who, _ in world.log[mark:] if what == "gate-passed"] == [""]


def test_a_named_build_that_fails_on_an_empty_set_is_not_ejected_to() -> None:
    """It would be everybody's."""
    world = two_builds()
    world.builds[NEW] = make_build(NEW.text, 32, Defect.PAIRLESS)
    why = refused(world, NEW)
    assert why.startswith(f"cannot eject to {NEW}: it fails on empty data: paired: ")


def test_a_selection_that_cannot_be_read_ejects_nobody() -> None:
    """It is an error, and no answer."""
    one = OneT3()
    wired = failing(
        host(small_world("ann")), "selection", selected=SelectionError("cannot read the link")
    )
    with pytest.raises(SelectionError, match="cannot read the link"):
        eject(wired, one, OLD)
    assert one.ejected == []
