"""What each effect does to the world, what it answers, and which builds pruning keeps."""

from __future__ import annotations

import pytest
from attrs import evolve, frozen

from fakes.world import NEW, OLD, FakePerson, World, ports_of, small_world, version
from fakes.world.core import settled
from fakes.world.scenes import make_second
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault, PersonalDataError
from t3safe.domain.lockfile import LockFile, SharedLock
from t3safe.domain.move import Status
from t3safe.domain.obstacles import left_copy
from t3safe.domain.ports import Ports
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.runs import RUNS_NEEDED
from t3safe.domain.versions import Version
from t3safe.interpreter import Interpreter, Limits
from t3safe.person import IdleCheck
from t3safe.rules import AlwaysPermitted
from t3safe.simulation.builds import artifact, lock_text
from t3safe.t3.updater import Traces
from tests.scenarios.nights import running, untouched
from tests.unit.usecases.hosts import AskedBuilds, PartlyFailing, WrittenRuns, record

BUILDS = tuple(version(f"0.0.2{number}") for number in range(7))


def ports(world: World, **others: PersonalDataError) -> Ports:
    """The ports onto this world; these methods of people's data fail."""
    found = evolve(ports_of(world), builds=AskedBuilds(world))
    return evolve(found, personal_data=PartlyFailing(found.personal_data, others))


def perform(seen: Ports, effect: fx.Effect, limits: Limits | None = None) -> ev.Answer:
    """Perform one effect."""
    return Interpreter(seen, IdleCheck(seen), limits or Limits())(effect)


def two() -> World:
    """Two people on OLD, with NEW in the store; their serves write nothing by themselves."""
    world = small_world("ann", "bob")
    world.store.add(NEW)
    for person in world.people.values():
        person.writing = False
    return world


# The plain effects.


def test_a_build_is_selected_for_one_person() -> None:
    """That lifts the fence."""
    world = two()
    world.people["ann"].fenced = True
    assert perform(ports(world), fx.Select("ann", NEW)) == ev.Done()
    assert (world.people["ann"].link, world.people["ann"].fenced) == (NEW, False)
    assert world.people["bob"].link == OLD


def test_the_serve_of_one_person_is_started() -> None:
    """With what is selected."""
    world = two()
    world.halt("ann")
    world.halt("bob")
    assert perform(ports(world), fx.Start("ann")) == ev.Done()
    assert running(world) == {"ann": OLD, "bob": None}


def test_a_snapshot_is_restored() -> None:
    """The named one, of the named person."""
    world = two()
    seen = ports(world)
    for name in world.people:
        world.halt(name)
    for snapshot in ("s1", "s2"):
        for person in world.people.values():
            seen.personal_data.snapshot(person.name, snapshot, SnapshotKind.REST, OLD)
            person.commit()
    ann, rows = world.people["ann"], world.people["bob"].rows()
    held = {name: main.tables for name, main in ann.snapshots["s1"].contents.items()}
    assert perform(seen, fx.Restore("ann", "s1")) == ev.Done()
    assert {name: main.tables for name, (main, _) in ann.databases.items()} == held
    assert world.people["bob"].rows() == rows


def test_the_host_is_frozen_with_the_reason() -> None:
    """It is the owner who reads it."""
    world = two()
    assert perform(ports(world), fx.Freeze("rolled back r001")) == ev.Done()
    assert world.frozen == "rolled back r001"


def test_a_veto_is_the_answer_to_the_look_at_a_person() -> None:
    """No port is asked then."""
    world = two()
    world.halt("ann")
    seen, mark = ports(world), len(world.log)
    vetoing = Interpreter(seen, IdleCheck(seen), veto=lambda: "the backup runs")
    assert vetoing(fx.Assess("ann")) == ev.Assessed(ev.Readiness.BUSY, "the backup runs")
    assert world.log[mark:] == []


# A copy beside the serve.


def test_the_processes_at_the_online_copy_are_compared_with_those_of_the_look() -> None:
    """The night has gone on since: what was used in that time counts."""
    world = two()
    world.people["ann"].job = "make"
    seen = ports(world)
    run = Interpreter(seen, IdleCheck(seen))
    began = world.now
    run(fx.SnapshotOnline("ann", "s1"))
    world.advance(99.9 - (world.now - began))
    assert run(fx.Assess("ann")) == ev.Assessed(
        ev.Readiness.BUSY, "make (process 7) used 100 s of processor time in 100 s"
    )


def ahead() -> tuple[World, str]:
    """Let a newer t3 have run on ann's data, by t3's own updater."""
    world = two()
    world.run_elsewhere("ann", 34)
    traces = Traces(("0.0.30",))
    world.people["ann"].updater = traces
    assert traces.named
    return world, traces.named


def explained(world: World) -> str:
    """What the answer to an online copy says migrated the data; the copy is of ann's data."""
    answer = perform(ports(world), fx.SnapshotOnline("ann", "s1"))
    taken = world.people["ann"].snapshots["s1"]
    assert isinstance(answer, ev.Snapshotted)
    assert (answer.snapshot, answer.ledger) == ("s1", taken.ledger)
    assert answer.size > 0
    return answer.migrated_by


def test_data_that_is_ahead_of_the_build_is_explained() -> None:
    """By the trace of t3's own updater."""
    world, by = ahead()
    assert explained(world) == by


def test_data_that_the_build_knows_needs_no_explanation() -> None:
    """Also beside a trace."""
    world, _ = ahead()
    world.people["bob"].updater = world.people["ann"].updater
    answer = perform(ports(world), fx.SnapshotOnline("bob", "s1"))
    assert isinstance(answer, ev.Snapshotted)
    assert answer.migrated_by == ""


def test_nothing_is_ahead_of_a_build_that_is_unknown_or_was_never_measured() -> None:
    """The copy is taken nevertheless."""
    world, _ = ahead()
    world.people["ann"].fenced = True
    assert explained(world) == ""
    world, _ = ahead()
    world.trusted = frozenset()
    assert explained(world) == ""


def tried() -> tuple[World, str]:
    """Let ann have tried the second generation and work on in the first; give what is wrong."""
    world = two()
    world.builds[NEW] = make_second(NEW.text, 55)
    world.measured = frozenset({NEW})
    world.try_second("ann", 55)
    copied = ports_of(world).personal_data.activity("ann").copied
    found = left_copy("ann", copied)
    assert found is not None
    return world, str(found)


def test_a_copy_that_hides_work_holds_the_person_up_before_the_trial() -> None:
    """The snapshot that was taken for it is removed; others stay."""
    world, why = tried()
    seen = ports(world)
    seen.personal_data.snapshot("ann", "s0", SnapshotKind.ONLINE, OLD)
    answer = perform(seen, fx.SnapshotOnline("ann", "s1"))
    assert answer == ev.Assessed(ev.Readiness.BUSY, why)
    assert set(world.people["ann"].snapshots) == {"s0"}


def test_a_snapshot_that_cannot_be_removed_changes_nothing_of_that_answer() -> None:
    """Retention removes it later."""
    world, why = tried()
    seen = ports(world, remove=PersonalDataError("cannot remove s1"))
    answer = perform(seen, fx.SnapshotOnline("ann", "s1"))
    assert answer == ev.Assessed(ev.Readiness.BUSY, why)
    assert set(world.people["ann"].snapshots) == {"s1"}


def test_where_that_cannot_be_read_the_copy_is_taken() -> None:
    """The look before the move checks it again."""
    world, _ = tried()
    seen = ports(world, activity=PersonalDataError("cannot read the data of ann"))
    answer = perform(seen, fx.SnapshotOnline("ann", "s1"))
    assert isinstance(answer, ev.Snapshotted)
    assert answer.snapshot == "s1"


# Promoting.


def test_before_the_default_moves_all_people_get_the_build_that_they_run() -> None:
    """Also somebody outside the map; else they would move with it, ungated."""
    world = two()
    world.people["ann"].link = NEW
    world.people["eva"] = FakePerson("eva", None)
    world.people["hal"] = FakePerson("hal", None, mapped=False)
    settled(world, "hal")
    answer = perform(ports(world), fx.Promote(NEW, ("ann", "bob", "eva")))
    assert answer == ev.Done()
    assert {name: person.link for name, person in world.people.items()} == {
        "ann": NEW,
        "bob": OLD,
        "eva": OLD,
        "hal": OLD,
    }
    assert (world.default, world.last_good, world.previous_good) == (NEW, NEW, OLD)


# Pruning.


def stored() -> World:
    """A host with many builds, of which the two people run the last one."""
    world = two()
    world.store = set(BUILDS)
    for person in world.people.values():
        person.link = BUILDS[-1]
    world.default = world.last_good = BUILDS[-1]
    for name in world.people:
        world.kill(name)
    return world


def pruned(world: World) -> list[Version]:
    """The builds that stay, but for the one that both people run."""
    limits = Limits(builds_keep=0)
    assert perform(ports(world), fx.Prune(("ann", "bob")), limits) == ev.Done()
    return sorted(world.store - {BUILDS[-1]})


def test_the_build_that_each_persons_newest_move_left_stays() -> None:
    """Whatever older moves left may go; people do not share one."""
    world = stored()
    world.journal = WrittenRuns(
        records=(
            record("r3", ("ann", Status.DEFERRED), old=BUILDS[3]),
            record("r2", ("bob", Status.MOVED), old=BUILDS[2]),
            record("r1", ("ann", Status.MOVED), ("bob", Status.MOVED), old=BUILDS[1]),
        )
    )
    assert pruned(world) == [BUILDS[2], BUILDS[3]]


def test_only_the_newest_runs_need_their_builds() -> None:
    """As many as keep their events."""
    world = stored()
    nobody = tuple(record(f"n{number}") for number in range(RUNS_NEEDED - 1))
    last = record("r2", ("ann", Status.MOVED), old=BUILDS[2])
    older = record("r1", ("bob", Status.MOVED), old=BUILDS[1])
    world.journal = WrittenRuns(records=(*nobody, last, older))
    assert pruned(world) == [BUILDS[2]]


def test_the_build_of_each_persons_way_back_stays() -> None:
    """The newest of another build than the present one, and no other."""
    world = stored()
    states = ports(world).personal_data
    for number, (snapshot, kind) in enumerate(
        (("s1", SnapshotKind.REST), ("s2", SnapshotKind.REST), ("s3", SnapshotKind.ONLINE)), 1
    ):
        states.snapshot("ann", snapshot, kind, BUILDS[number])
    states.snapshot("ann", "s4", SnapshotKind.REST, BUILDS[-1])
    states.snapshot("ann", "s5", SnapshotKind.REST, None)
    states.snapshot("bob", "s1", SnapshotKind.REST, BUILDS[4])
    assert pruned(world) == [BUILDS[2], BUILDS[4]]


def test_an_error_with_one_person_does_not_stop_the_pruning_of_others() -> None:
    """It is the answer, and the builds are pruned, too."""
    world = stored()
    seen = ports(world)
    for name in world.people:
        for number in range(3):
            seen.personal_data.snapshot(name, f"s{number}", SnapshotKind.ONLINE, None)
    broken = PersonalDataError("cannot remove a snapshot of ann", fault=Fault.LATER)
    seen = evolve(seen, personal_data=PartlyFailing(seen.personal_data, {"remove": broken}, "ann"))
    limits = Limits(snapshots_keep=1, builds_keep=0)
    answer = perform(seen, fx.Prune(("ann", "bob")), limits)
    assert answer == ev.Failed(Fault.LATER, "cannot remove a snapshot of ann")
    kept = {name: set(person.snapshots) for name, person in world.people.items()}
    assert kept == {"ann": {"s0", "s1", "s2"}, "bob": {"s2"}}
    assert world.store == {BUILDS[-1]}


def test_only_an_error_with_a_person_of_the_run_is_the_answer() -> None:
    """Somebody else's snapshots all stay, whether they can be listed or not."""
    world = stored()
    seen = ports(world)
    seen.personal_data.snapshot("bob", "s0", SnapshotKind.ONLINE, None)
    seen.personal_data.snapshot("bob", "s1", SnapshotKind.ONLINE, None)
    broken = PersonalDataError("cannot list the snapshots of bob")
    seen = evolve(
        seen, personal_data=PartlyFailing(seen.personal_data, {"snapshots": broken}, "bob")
    )
    mark, limits = len(world.log), Limits(snapshots_keep=1)
    assert perform(seen, fx.Prune(("ann",)), limits) == ev.Done()
    assert set(world.people["bob"].snapshots) == {"s0", "s1"}
    answer = perform(seen, fx.Prune(("ann", "bob")), limits)
    assert answer == ev.Failed(Fault.HOST, "cannot list the snapshots of bob")
    assert untouched(world, mark)


# The same bytes on all hosts of a fleet.

SHARED = SharedLock("a", LockFile(f"{lock_text(NEW)}, with other dependencies"))


@frozen
class PublishedPermit(AlwaysPermitted):
    """A fleet in which host a published a lock file."""

    def lock_of(self, build: Version) -> SharedLock | None:
        """Give it, of that build alone."""
        return SHARED if build == NEW else None


def staged(world: World, ring: str = "canary", **others: PersonalDataError) -> ev.Answer:
    """Stage NEW in a fleet that published another lock file."""
    seen = evolve(ports(world, **others), permit=PublishedPermit())
    return perform(seen, fx.StageBuild(NEW, ring))


def test_a_build_that_nobody_needs_is_installed_again_as_published() -> None:
    """What was measured of it goes with it."""
    world = two()
    assert staged(world) == artifact(NEW, SHARED.file.text)
    assert world.locks[NEW] == SHARED.file.text
    assert [entry for entry in world.log if "remove-build" in str(entry)]


def test_a_build_that_is_the_published_one_is_not_touched() -> None:
    """Nothing is removed or installed."""
    world = two()
    world.locks[NEW] = SHARED.file.text
    assert staged(world) == artifact(NEW, SHARED.file.text)
    assert not [entry for entry in world.log if "build" in str(entry) or "npm" in str(entry)]


def test_a_rollout_without_a_ring_asks_no_fleet() -> None:
    """A check installs what npm resolves on this host."""
    world = two()
    assert staged(world, "") == artifact(NEW)
    assert world.locks == {}


@pytest.mark.parametrize("who", ["selected", "default", "way back"])
def test_a_build_that_is_needed_stays_as_it_is(who: str) -> None:
    """Whatever was published: somebody runs it, or goes back to it."""
    world = two()
    if who == "selected":
        world.people["ann"].link = NEW
    elif who == "default":
        world.default = NEW
    else:
        world.halt("ann")
        ports(world).personal_data.snapshot("ann", "s1", SnapshotKind.REST, NEW)
    assert staged(world) == artifact(NEW)
    assert (NEW in world.store, world.locks) == (True, {})


def test_a_build_stays_if_a_persons_way_back_cannot_be_read() -> None:
    """It may be theirs."""
    world = two()
    assert staged(world, snapshots=PersonalDataError("unreadable")) == artifact(NEW)
    assert (NEW in world.store, world.locks) == (True, {})


def test_a_published_lock_that_does_not_fit_is_later() -> None:
    """Nothing is installed."""
    world = two()
    world.store.discard(NEW)
    seen = evolve(ports(world), permit=_Hostile())
    answer = perform(seen, fx.StageBuild(NEW, "canary"))
    assert isinstance(answer, ev.Failed)
    assert (answer.fault, "host a" in answer.reason) == (Fault.LATER, True)
    assert NEW not in world.store


@frozen
class _Hostile(AlwaysPermitted):
    def lock_of(self, build: Version) -> SharedLock:
        return SharedLock("a", LockFile(f"no lock of {build}"))
