"""What `doctor` looks at about people: which facts each judgement gets, and what is unknown.

How facts are judged is held by `tests/unit/domain/test_doctor.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import pytest
from attrs import evolve, field, frozen

from fakes.world import EPOCH, NEW, NEWER, OLD, FakePerson, World, host, make_build, small_world
from fakes.world.core import settled
from fakes.world.fakeports import FakeRegistry
from fakes.world.hostports import FakeServices
from fakes.world.scenes import make_second
from t3safe.domain.disk_space import Disk, NightPaths, rooms
from t3safe.domain.doctor import people as judged
from t3safe.domain.doctor.findings import Finding, Health, Precondition, unknown
from t3safe.domain.errors import (
    BuildError,
    JournalError,
    PeopleError,
    PersonalDataError,
    RegistryError,
    SelectionError,
    ServiceError,
    SwitchError,
)
from t3safe.domain.move import Status
from t3safe.domain.people import MapProblem
from t3safe.domain.policy import Offer, Policy, Track
from t3safe.domain.ports import ServeStatus
from t3safe.domain.pressure import Pressure, PressureLimits, Stall
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.unmapped import Unmapped
from t3safe.domain.versions import Version
from t3safe.loadguard import LoadGuard
from t3safe.t3.generations import V2
from t3safe.t3.updater import NO_TRACES, Traces
from t3safe.usecases.doctor import PeopleExamination, Surroundings, looked
from t3safe.usecases.host import Host, Rules
from tests.unit.usecases.hosts import LOST, WrittenRuns, failing, lose_link, record

HOUR = timedelta(hours=1)
MAP = "/etc/t3/users"
WEIGHT = 120 * 1024**2
PLACES = NightPaths(Disk("/backups", 1), Disk("/tmp", 2), Disk("/store", 3), 2, 5)


@frozen
class Outside:
    """What is around the ports; it remembers whose process was looked at."""

    held_up: datetime | None = None
    looked_at: list[tuple[Version | None, int | None]] = field(factory=list)
    unseen: PeopleError | None = None

    def given(self) -> Surroundings:
        """As the examination takes it."""
        return Surroundings(
            user_map=MAP,
            starting="start {}".format,
            look_at=self._look,
            weigh=self._weigh,
            places=lambda: PLACES,
            held_up=lambda: self.held_up,
        )

    def _look(self, build: Version | None, pid: int | None) -> None:
        if self.unseen is not None:
            raise self.unseen
        self.looked_at.append((build, pid))

    @staticmethod
    def _weigh(person: str) -> int:
        return {"ann": 1, "ben": 2}.get(person, 0) * WEIGHT


def examination(
    wired: Host, around: Outside | None = None, *, begun: bool = True, deep: bool = False
) -> PeopleExamination:
    """Examine the people of a host."""
    return PeopleExamination(wired, (around or Outside()).given(), begun=begun, deep=deep)


def found(
    world: World | Host, check: Precondition, around: Outside | None = None, **how: bool
) -> list[Finding]:
    """Give the findings of one check, as `doctor` collects them."""
    wired = host(world) if isinstance(world, World) else world
    return list(looked(check, examination(wired, around, **how).looks()[check]))


def snapshot(world: World, person: str, *names: str) -> None:
    """Take online copies of a person's data."""
    for name in names:
        host(world).ports.personal_data.snapshot(person, name, SnapshotKind.ONLINE, OLD)


def test_every_check_of_people_is_there_by_its_name() -> None:
    """Each gives findings of its own precondition; all hold on a host that was just adopted."""
    looks = examination(host(small_world("ann", "ben"))).looks()
    assert list(looks) == [
        Precondition.UPDATER,
        Precondition.USER_MAP,
        Precondition.SERVES,
        Precondition.DATA,
        Precondition.GENERATIONS,
        Precondition.DISK,
        Precondition.LOAD,
        Precondition.CLOCK,
        Precondition.NOTES,
        Precondition.UNFINISHED,
        Precondition.SNAPSHOTS,
    ]
    for check, look in looks.items():
        findings = looked(check, look)
        assert {one.check for one in findings} == {check}
        assert check is Precondition.DISK or {one.level for one in findings} == {Health.OK}


def test_an_examination_changes_nothing() -> None:
    """People, builds, links, snapshots and journal are as before."""
    world = small_world("ann", "ben")
    snapshot(world, "ann", "s1")
    lose_link(world, "ben")
    for person in world.people.values():
        person.writing = False
    world.launcher_replaced = "replaced"
    before = world.clone()
    for check in Precondition:
        if check in examination(host(world)).looks():
            found(world, check, deep=True)
    assert (world.store, world.default, world.last_good) == (
        before.store,
        before.default,
        before.last_good,
    )
    assert world.launcher_replaced == "replaced"
    assert world.journal.written == before.journal.written
    for name, person in world.people.items():
        was = before.people[name]
        assert (person.link, person.pid, person.databases) == (was.link, was.pid, was.databases)
        assert person.snapshots == was.snapshots


def test_a_check_that_fails_is_one_unknown_finding() -> None:
    """An error of a port, or of the system; whatever was found before it is not half an answer."""

    def port() -> Iterable[Finding]:
        yield judged.judge_unfinished("")
        raise ServiceError("cannot ask systemd")

    def system() -> Iterable[Finding]:
        raise OSError("no space left on the device")

    for look, why in ((port, "cannot ask systemd"), (system, "no space left on the device")):
        assert looked(Precondition.SERVES, look) == (unknown(Precondition.SERVES, why),)


def test_one_person_who_cannot_be_examined_hides_nobody_else() -> None:
    """Their line is unknown; the others' are as usual."""
    error = PersonalDataError("cannot look at ben")
    wired = failing(host(small_world("ann", "ben", "cid")), "personal_data", "ben", updater=error)
    assert found(wired, Precondition.UPDATER) == [
        *judged.judge_updater("ann", NO_TRACES),
        unknown(Precondition.UPDATER, "cannot look at ben"),
        *judged.judge_updater("cid", NO_TRACES),
    ]


# People and their serves.


def test_each_persons_traces_of_t3s_updater_are_judged() -> None:
    """With the name of whose they are."""
    world = small_world("ann", "ben")
    world.people["ben"].updater = Traces((NEWER.text,), unit=True)
    assert found(world, Precondition.UPDATER) == [
        *judged.judge_updater("ann", NO_TRACES),
        *judged.judge_updater("ben", world.people["ben"].updater),
    ]


def test_the_user_map_is_judged_by_its_people_and_its_lines() -> None:
    """Each line that was skipped, with the path of the file."""
    world = small_world("ann", "ben")
    assert found(world, Precondition.USER_MAP) == list(judged.judge_map(2, (), MAP))
    world.map_problems = (MapProblem(4, "'root' is not a login"), MapProblem(6, "no '='"))
    lines = ("line 4: 'root' is not a login", "line 6: no '='")
    assert found(world, Precondition.USER_MAP) == list(judged.judge_map(2, lines, MAP))


def test_without_a_user_map_that_is_the_problem() -> None:
    """It is no unknown: what to write is named; the checks of each person are unknown."""
    world = small_world("ann")
    world.people_unknown = "there is no user map"
    why = "cannot tell who is here: there is no user map"
    assert found(world, Precondition.USER_MAP) == [judged.judge_no_map(why, MAP)]
    for check in (Precondition.SERVES, Precondition.SNAPSHOTS, Precondition.DISK):
        assert found(world, check) == [unknown(check, why)]


def test_each_serve_is_judged_by_whether_it_runs_and_may_start() -> None:
    """A dead link is told instead; the process of each that runs is looked at."""
    world = small_world("ann", "ben", "cid", "eva", "fay")
    world.halt("ben")
    world.people["cid"].fenced = True
    lose_link(world, "eva")
    world.people["fay"].link = None
    around = Outside()
    assert found(world, Precondition.SERVES, around) == [
        judged.judge_serve("ann", "start ann", fenced=False, running=True),
        judged.judge_serve("ben", "start ben", fenced=False, running=False),
        judged.judge_serve("cid", "start cid", fenced=True, running=True),
        judged.judge_dead_link("eva", f"cannot tell what eva runs: {LOST}"),
        judged.judge_serve("fay", "start fay", fenced=False, running=True),
    ]
    pids = {name: person.pid for name, person in world.people.items()}
    assert around.looked_at == [(OLD, pids["ann"]), (None, pids["cid"]), (OLD, pids["fay"])]


def test_a_process_that_cannot_be_looked_at_makes_its_serve_unknown() -> None:
    """Nobody could verify a sign-in there either."""
    around = Outside(unseen=PeopleError("cannot read /proc/101/exe"))
    assert found(small_world("ann"), Precondition.SERVES, around) == [
        unknown(Precondition.SERVES, "cannot read /proc/101/exe")
    ]


def test_serves_of_people_outside_of_the_map_are_findings_after_the_others() -> None:
    """Where they cannot be listed, that alone is unknown."""
    world = small_world("ann")
    carl = world.people["carl"] = FakePerson("carl", OLD, mapped=False)
    settled(world, "carl")
    assert carl.pid is not None
    sound = judged.judge_serve("ann", "start ann", fenced=False, running=True)
    assert found(world, Precondition.SERVES) == [
        sound,
        judged.judge_unmapped(Unmapped("carl", carl.pid, OLD.text)),
    ]
    deaf = failing(host(world), "residents", running=PeopleError("cannot list processes"))
    assert found(deaf, Precondition.SERVES) == [
        sound,
        unknown(Precondition.SERVES, "cannot list processes"),
    ]


# People's data.


def left_behind() -> World:
    """Ann and ben were refused by the newest run, and still run what they ran; cid was moved."""
    world = small_world("ann", "ben", "cid")
    refused = [(name, Status.REFUSED) for name in ("ann", "ben")]
    world.journal = WrittenRuns(records=(record("r1", *refused, ("cid", Status.MOVED)),))
    return world


def test_data_is_judged_by_what_is_seen_now_and_what_the_newest_run_said() -> None:
    """Each person by their own; unreadable data is a problem, not unknown."""
    world = left_behind()
    world.people["ben"].foreign = 4242
    world.people["cid"].unreadable = "file is not a database"
    ann, ben, cid = found(world, Precondition.DATA)
    assert ann == judged.judge_data("ann", None, "ann is refused")
    assert ben.seen.startswith("ben: process 4242 ")
    why = "cannot read the state set of cid: file is not a database"
    assert cid == judged.judge_unreadable("cid", why)


def test_without_a_journal_nobody_was_left_behind() -> None:
    """It is not even opened; one that cannot be read says nothing either."""
    sound = [judged.judge_data(name, None, "") for name in ("ann", "ben", "cid")]
    world = left_behind()
    assert found(world, Precondition.DATA, begun=False) == sound
    broken = failing(host(world), "journal", runs=JournalError("it is damaged"))
    assert found(broken, Precondition.DATA) == sound


def test_data_that_cannot_be_checked_for_another_reason_is_unknown() -> None:
    """The error is the finding, of that person alone."""
    deaf = failing(host(small_world("ann")), "services", status=ServiceError("cannot ask systemd"))
    assert found(deaf, Precondition.DATA) == [unknown(Precondition.DATA, "cannot ask systemd")]


def generation(
    world: World,
    name: str,
    build: str,
    ran: Version | None,
    to: str,
    newest: Version | None,
    size: int = WEIGHT,
) -> Finding:
    """Judge a person's generation; `ran` and `newest` are builds that were measured."""
    schemas = [world.builds[one].schema if one is not None else None for one in (ran, newest)]
    candidate = judged.Candidate(to, schemas[1])
    held = world.people[name].ledger()
    return judged.judge_generation(name, build, (schemas[0], held), size, candidate)


def test_generations_are_judged_with_the_newest_build_that_is_offered() -> None:
    """It was not measured yet; each person by their own build, data and size."""
    world = small_world("ann", "ben")
    world.people["ben"].fenced = True
    assert found(world, Precondition.GENERATIONS) == [
        generation(world, "ann", OLD.text, OLD, NEW.text, None),
        generation(world, "ben", "no build", None, NEW.text, None, 2 * WEIGHT),
    ]


@pytest.mark.parametrize("silent", [False, True])
def test_a_newer_build_that_is_installed_is_the_candidate(*, silent: bool) -> None:
    """Whether the registry answers or not; it was measured."""
    world = small_world("ann")
    world.builds[NEWER] = make_second(NEWER.text, 55)
    world.store.add(NEWER)
    world.measured = frozenset({NEWER})
    world.registry_down = "no answer" if silent else ""
    (one,) = found(world, Precondition.GENERATIONS)
    assert one == generation(world, "ann", OLD.text, OLD, NEWER.text, NEWER)
    assert "copies up to 120 MiB" in one.seen


def test_what_a_build_knows_counts_only_while_it_is_installed() -> None:
    """Its generation is that of its person then, and else that of the data."""
    world = small_world("ann")
    world.builds[NEW] = make_second(NEW.text, 55)
    world.measured = frozenset({NEW})
    world.people["ann"].link, world.default = None, NEW
    assert found(world, Precondition.GENERATIONS) == [
        generation(world, "ann", NEW.text, None, NEW.text, None)
    ]
    world.store.add(NEW)
    (installed,) = found(world, Precondition.GENERATIONS)
    assert installed == generation(world, "ann", NEW.text, NEW, NEW.text, NEW)
    assert installed.seen.startswith(f"ann: {V2} ")
    world.store.discard(NEW)
    world.default, world.trusted = OLD, frozenset({OLD})
    assert found(world, Precondition.GENERATIONS) == [
        generation(world, "ann", OLD.text, OLD, NEW.text, None)
    ]


def test_the_candidate_is_that_of_the_owners_track() -> None:
    """The tag of another one says nothing."""
    world = small_world("ann")
    latest = Version.parse("0.0.99")
    world.told_tags = {Track.LATEST: latest.text}
    world.builds[latest] = make_build(latest.text, 33)
    wired = host(world, Rules(Policy(track=Track.LATEST)))
    assert found(wired, Precondition.GENERATIONS) == [
        generation(world, "ann", OLD.text, OLD, latest.text, None)
    ]


def test_without_any_build_the_candidate_is_what_a_person_runs() -> None:
    """A store that is empty while the registry is silent."""
    world = small_world("ann")
    world.registry_down = "no answer"
    world.people["ann"].link, world.store = None, set()
    assert found(world, Precondition.GENERATIONS) == [
        generation(world, "ann", OLD.text, None, OLD.text, None)
    ]
    world.people["ann"].fenced = True
    assert found(world, Precondition.GENERATIONS) == [
        generation(world, "ann", "no build", None, "", None)
    ]


def test_only_the_tag_is_asked_of_the_registry() -> None:
    """Its history is long, and nothing of it is needed."""

    class WithoutHistory(FakeRegistry):
        """A registry that says only where its tag points."""

        def offer(self, track: Track, *, history: bool) -> Offer:
            """Give the tag."""
            assert history is False
            return super().offer(track, history=history)

    world = small_world("ann")
    wired = host(world)
    wired = evolve(wired, ports=evolve(wired.ports, registry=WithoutHistory(world)))
    (one,) = found(wired, Precondition.GENERATIONS)
    assert one.seen.endswith(f"candidate {NEW}: the gate finds its generation")


def test_the_generation_of_data_that_cannot_be_read_is_left_to_the_check_of_the_data() -> None:
    """One cause is one finding."""
    world = small_world("ann", "ben")
    world.people["ann"].unreadable = "file is not a database"
    assert found(world, Precondition.GENERATIONS) == [
        generation(world, "ben", OLD.text, OLD, NEW.text, None, 2 * WEIGHT)
    ]
    error = BuildError("cannot read the measures")
    deaf = failing(host(world), "builds", schema=error)
    assert (
        found(deaf, Precondition.GENERATIONS) == [unknown(Precondition.GENERATIONS, str(error))] * 2
    )


def test_each_persons_snapshots_are_verified() -> None:
    """The newest alone, or with `deep` every one, oldest first; none yet is well."""
    world = small_world("ann", "ben")
    snapshot(world, "ann", "s1", "s2", "s3")
    world.damage_snapshot("ann", "s1")
    why = "cannot use snapshot s1 of ann: it fails quick_check"
    sound = [judged.judge_snapshot("ann", "s3"), judged.judge_snapshot("ben")]
    assert found(world, Precondition.SNAPSHOTS) == sound
    assert found(world, Precondition.SNAPSHOTS, deep=True) == [
        judged.judge_snapshot("ann", "s1", why),
        judged.judge_snapshot("ann", "s2"),
        *sound,
    ]
    trouble = PersonalDataError("cannot list them")
    deaf = failing(host(world), "personal_data", "ann", snapshots=trouble)
    assert found(deaf, Precondition.SNAPSHOTS) == [
        unknown(Precondition.SNAPSHOTS, "cannot list them"),
        judged.judge_snapshot("ben"),
    ]


# The host as people's moves need it.


def test_the_disk_is_judged_by_the_newest_copies_and_else_by_todays_sizes() -> None:
    """One finding for each folder."""
    world = small_world("ann", "ben")
    snapshot(world, "ann", "s1", "s2")
    sizes = [info.stored.size for info in host(world).ports.personal_data.snapshots("ann")]
    assert sizes[0] != sizes[1]
    expected = [judged.judge_room(room) for room in rooms(PLACES, [sizes[1], 2 * WEIGHT])]
    assert found(world, Precondition.DISK) == expected
    assert len(expected) == 3


@pytest.mark.parametrize("since", [None, EPOCH - HOUR])
def test_the_load_is_judged_by_the_limits_of_the_guard(since: datetime | None) -> None:
    """And by since when it held runs up."""
    world = small_world("ann")
    world.pressure = Pressure(Stall(50, 50), processors=2)
    limits = PressureLimits(cpu=40)
    wired = host(world)
    wired = evolve(wired, guard=LoadGuard(wired.guard.measure, limits))
    expected = judged.judge_load(world.pressure, limits, since)
    assert expected.level is not Health.OK
    assert found(wired, Precondition.LOAD, Outside(since)) == [expected]


def clocks(world: World, *, last: datetime | None, published: date | None) -> Finding:
    """Judge the clock by the newest run and the newest build."""
    (first, *_) = found(world, Precondition.CLOCK)
    assert first == judged.judge_clock(first_now(world), last, published)
    return first


def first_now(world: World) -> datetime:
    """Return what the clock said when the check began: every later call takes time."""
    return world.clock - timedelta(seconds=0.1 * len(world.people))


def test_the_clock_is_judged_by_the_end_of_the_newest_run() -> None:
    """By its beginning while it is open; older runs do not count."""
    day = OLD.published_on
    world = small_world("ann")
    clocks(world, last=None, published=day)
    older = record("r1", hours=9)
    world.journal = WrittenRuns(records=(record("r2", hours=2), older))
    closed = clocks(world, last=EPOCH + 2 * HOUR + timedelta(minutes=1), published=day)
    world.journal = WrittenRuns(records=(record("r2", outcome=None, hours=2), older))
    opened = clocks(world, last=EPOCH + 2 * HOUR, published=day)
    assert (closed.level, opened.level) == (Health.PROBLEM, Health.PROBLEM)
    assert closed.seen != opened.seen


def test_the_clock_is_judged_by_the_newest_build_that_tells_its_day() -> None:
    """Others say nothing; a store without any says nothing at all."""
    world = small_world("ann")
    latest = Version.parse("0.0.99")
    world.builds[latest] = make_build(latest.text, 33)
    world.builds[NEWER] = make_build(NEWER.text, 33)
    world.store |= {latest, NEWER}
    world.clock_ahead = (-240 * HOUR).total_seconds()
    behind = clocks(world, last=None, published=NEWER.published_on)
    assert behind.level is Health.PROBLEM
    world.store = {latest}
    world.people["ann"].link = latest
    assert clocks(world, last=None, published=None).level is Health.OK


def test_each_time_of_a_person_after_now_is_a_finding() -> None:
    """Of their work, their serve, their deferral and each snapshot; the others have none."""
    world = small_world("ann", "ben")
    world.clock_ahead = (40 * HOUR).total_seconds()
    snapshot(world, "ann", "s1")
    world.clock_ahead = 0.0
    snapshot(world, "ann", "s2")
    world.people["ann"].later = (30 * HOUR).total_seconds()
    world.people["ann"].started = (20 * HOUR).total_seconds()
    world.journal = WrittenRuns(records=(record("r1", ("ann", Status.DEFERRED), hours=10),))
    (_, *times) = found(world, Precondition.CLOCK)
    assert times == list(
        judged.judge_times(
            "ann",
            (
                "an activity is dated 2026-06-17 09:00 UTC, which is after now",
                "the start of the serve is dated 2026-06-16 23:00 UTC, which is after now",
                "the deferral is dated 2026-06-16 13:00 UTC, which is after now",
                "snapshot s1 is dated 2026-06-17 19:00 UTC, which is after now",
            ),
        )
    )


def test_what_the_service_manager_says_of_a_start_counts_too() -> None:
    """The serve's own file may be older."""
    world = small_world("ann")
    world.people["ann"].databases = {}

    class StartedLater(FakeServices):
        """A service manager with another clock."""

        def status(self, person: str) -> ServeStatus:
            """Say that the serve started tonight."""
            return evolve(super().status(person), started=EPOCH + 20 * HOUR)

    wired = host(world)
    wired = evolve(wired, ports=evolve(wired.ports, services=StartedLater(world)))
    (_, time) = found(wired, Precondition.CLOCK)
    assert "the start of the serve is dated 2026-06-16 23:00 UTC" in time.seen


def test_times_of_a_person_that_cannot_be_read_are_unknown() -> None:
    """The clock itself is judged; deferrals that cannot be read are no time."""
    world = small_world("ann")
    deaf = failing(host(world), "services", status=ServiceError("cannot ask systemd"))
    (clock, times) = found(deaf, Precondition.CLOCK)
    assert (clock.level, times) == (Health.OK, unknown(Precondition.CLOCK, "cannot ask systemd"))
    silent = failing(host(world), "journal", moves=JournalError("it is damaged"))
    (clock,) = found(silent, Precondition.CLOCK)
    assert clock.level is Health.OK


def test_each_note_that_cannot_be_read_is_a_finding() -> None:
    """Pins and holds, last-good, previous-good."""
    wired = host(small_world("ann"))
    assert found(wired, Precondition.NOTES) == list(judged.judge_notes(()))
    wired = failing(wired, "choices", chosen=SwitchError("cannot read the choices"))
    wired = failing(
        wired,
        "selection",
        last_good=SelectionError("cannot read last-good"),
        previous_good=SelectionError("cannot read previous-good"),
    )
    assert found(wired, Precondition.NOTES) == list(
        judged.judge_notes(
            ("cannot read the choices", "cannot read last-good", "cannot read previous-good")
        )
    )


def test_a_run_that_is_unfinished_is_named() -> None:
    """None is well."""
    world = small_world("ann")
    assert found(world, Precondition.UNFINISHED) == [judged.judge_unfinished("")]
    world.journal = WrittenRuns(open_run="r7")
    assert found(world, Precondition.UNFINISHED) == [judged.judge_unfinished("r7")]


def test_people_whose_build_no_run_explains_are_named() -> None:
    """With the build that they should be on."""
    world = small_world("ann", "ben", "cid")
    world.store |= {NEW}
    world.people["ann"].link = world.people["cid"].link = NEW
    world.journal = WrittenRuns(records=(record("r1", ("cid", Status.MOVED)),))
    unexplained = list(examination(host(world)).unexplained())
    assert unexplained == list(judged.judge_unexplained((("ann", NEW.text),), OLD.text))
    assert len(unexplained) == 1


def test_a_registry_error_is_no_error_of_the_generations() -> None:
    """The check of the registry reports it."""
    wired = failing(host(small_world("ann")), "registry", offer=RegistryError("no answer"))
    (one,) = found(wired, Precondition.GENERATIONS)
    assert one.level is Health.OK
