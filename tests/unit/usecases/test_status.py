"""What `status` shows of a host: every value, and what stands where one cannot be read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import time as clock
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from attrs import evolve

from fakes.world import (
    EPOCH,
    NEW,
    NEWER,
    NEWEST,
    OLD,
    FakePerson,
    World,
    host,
    make_build,
    small_world,
)
from fakes.world.core import SECONDS, settled
from fakes.world.scenes import make_second
from t3safe.domain import events as ev
from t3safe.domain.disk_space import Disk, NightPaths, rooms
from t3safe.domain.errors import (
    BuildError,
    GateError,
    JournalError,
    PeopleError,
    PersonalDataError,
    PortError,
    SelectionError,
    ServiceError,
    SwitchError,
)
from t3safe.domain.forecast import Known, Timer
from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.move import Status
from t3safe.domain.people import MapProblem
from t3safe.domain.policy import Policy, Window
from t3safe.domain.ports import Chosen
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.runs import RunRecord
from t3safe.domain.unmapped import Unmapped
from t3safe.domain.versions import Version
from t3safe.t3.generations import BEFORE_SCOPES, V2
from t3safe.usecases.host import Host, Rules
from t3safe.usecases.status import Around, HostStatus, PersonStatus, host_status, person_status
from tests.unit.usecases.hosts import LOST, WrittenRuns, failing, lose_link, record

HOUR = timedelta(hours=1)
PLACES = NightPaths(Disk("/backups", 1), Disk("/tmp", 2), Disk("/store", 3), 2, 5)
TIMER = Timer("t3-autoupdate.timer", EPOCH + 25 * HOUR)
KNOWN = Known(NEWEST, EPOCH - HOUR)
WEIGHTS = {"ann": 7, "ben": 9}
UNKNOWN = "unknown: see what could not be read"


def around(known: Known | None = None) -> Around:
    """What `status` needs beside the ports: people's data weighs a few bytes."""
    return Around(lambda: known, lambda: PLACES, lambda: (TIMER,), WEIGHTS.__getitem__)


def cannot(what: str, error: type[PortError] = PeopleError) -> Callable[[], NoReturn]:
    """Make a reader that fails."""

    def fails() -> NoReturn:
        raise error(f"cannot {what}")

    return fails


def written(world: World, *records: RunRecord, unfinished: str | None = None) -> None:
    """Give the world a journal with these records, the newest first."""
    world.journal = WrittenRuns(records=records, open_run=unfinished)


def put(run: RunRecord, build: Version) -> RunRecord:
    """Say that a run put each of its people on this build, half a minute after it was opened."""
    at = run.opened + timedelta(seconds=30)
    return evolve(run, moves=tuple(evolve(move, put=build, put_at=at) for move in run.moves))


# The whole host.


def quiet_host() -> World:
    """A host that was adopted and has not run yet."""
    return small_world("ann", "ben")


def test_a_host_that_was_just_adopted_has_little_to_say() -> None:
    """Texts are empty where there is nothing to say."""
    world = quiet_host()
    status = host_status(host(world), around())
    assert status == HostStatus(
        people=status.people,
        frozen="",
        pin="",
        pin_note="",
        held=(),
        refused=(),
        default=OLD.text,
        last_good=OLD.text,
        previous_good="",
        builds=(OLD.text,),
        unfinished="",
        last_run="",
        last_outcome="",
        last_reason="",
        last_closed=None,
        newest=NEW.text,
        newest_at=EPOCH + timedelta(seconds=SECONDS["registry"]),
        newest_trouble="",
        days_behind=1,
        next_run=f"rehearses {NEW}, then moves ann, ben once idle",
        timers=(TIMER,),
        rooms=rooms(PLACES, [7, 9]),
        unmapped=(),
        problems=(),
    )
    assert [person.person for person in status.people] == ["ann", "ben"]
    assert [person.days_behind for person in status.people] == [1, 1]


def busy_host() -> World:
    """A host on which everything has something to say."""
    world = quiet_host()
    world.builds[NEWER] = make_build(NEWER.text, 33)
    world.store |= {NEW, NEWER}
    world.default, world.last_good, world.previous_good = NEWER, NEW, OLD
    refusal = Verdict(NEWEST, Ruling.REFUSED, ("it loses rows",))
    world.verdicts = {
        NEWEST: (refusal, world.fingerprint),
        NEWER: (refusal, "another gate"),
    }
    world.chosen = Chosen(NEWER, "by eva", ((OLD, "by eva, it is slow"),))
    states = host(world).ports.personal_data
    states.snapshot("ann", "s1", SnapshotKind.ONLINE, OLD)
    states.snapshot("ann", "s2", SnapshotKind.ONLINE, OLD)
    states.snapshot("ann", "s3", SnapshotKind.ONLINE, OLD)
    world.people["carl"] = FakePerson("carl", OLD, mapped=False)
    settled(world, "carl")
    world.map_problems = (MapProblem(4, "'root' is not a person's user name"),)
    written(
        world,
        record("r2", outcome=ev.Outcome.REFUSED, hours=2),
        record("r1", ("ann", Status.MOVED)),
        unfinished="r3",
    )
    return world


def test_a_busy_host_shows_all_that_is_known() -> None:
    """Choices with their notes, refusals of this gate, the newest run, serves of strangers."""
    world = busy_host()
    pid = world.people["carl"].pid
    assert pid is not None
    newest_copy = host(world).ports.personal_data.snapshots("ann")[-1].stored
    assert newest_copy.id == "s3"
    status = host_status(host(world), around(KNOWN))
    assert status == HostStatus(
        people=status.people,
        frozen="",
        pin=NEWER.text,
        pin_note="by eva",
        held=((OLD.text, "by eva, it is slow"),),
        refused=((NEWEST.text, "it loses rows"),),
        default=NEWER.text,
        last_good=NEW.text,
        previous_good=OLD.text,
        builds=(OLD.text, NEW.text, NEWER.text),
        unfinished="r3",
        last_run="r2",
        last_outcome="refused",
        last_reason="r2 says why",
        last_closed=EPOCH + 2 * HOUR + timedelta(minutes=1),
        newest=NEWEST.text,
        newest_at=EPOCH - HOUR,
        newest_trouble="pinned: tracking is off",
        days_behind=2,
        next_run="first recovers what an interrupted run left",
        timers=(TIMER,),
        rooms=rooms(PLACES, [newest_copy.size, 9]),
        unmapped=(Unmapped("carl", pid, OLD.text),),
        problems=("user map line 4: 'root' is not a person's user name",),
    )
    assert [person.snapshots for person in status.people] == [3, 0]
    assert [person.days_behind for person in status.people] == [3, 3]


def test_a_pin_of_the_configuration_wins_and_says_so() -> None:
    """The one that was set by hand is not shown."""
    world = busy_host()
    rules = Rules(Policy(pin=NEW))
    status = host_status(host(world, rules), around())
    assert (status.pin, status.pin_note) == (NEW.text, "by configuration")
    world.chosen = Chosen()
    status = host_status(host(world, rules), around())
    assert (status.pin, status.pin_note, status.held) == (NEW.text, "by configuration", ())


def test_a_run_that_is_open_has_neither_reason_nor_end() -> None:
    """It is called unfinished, also where the journal does not say so in another place."""
    world = quiet_host()
    written(world, record("r1", outcome=None))
    status = host_status(host(world), around())
    assert (status.last_run, status.last_outcome) == ("r1", "unfinished")
    assert (status.last_reason, status.last_closed, status.unfinished) == ("", None, "")


@pytest.mark.parametrize(
    ("known", "newest", "at"), [(KNOWN, NEWEST.text, KNOWN.at), (None, "", None)]
)
def test_of_a_frozen_host_the_registry_is_not_asked(
    known: Known | None, newest: str, at: object
) -> None:
    """What it said last is shown, if anything."""
    world = quiet_host()
    world.frozen = "rolled back r001"
    status = host_status(host(world), around(known))
    assert status.frozen == "rolled back r001"
    assert (status.newest, status.newest_at, status.newest_trouble) == (newest, at, "frozen")
    assert status.next_run == "moves no one: frozen (rolled back r001)"
    assert not any(what == "registry" for what, _, _ in world.log)
    assert status.problems == ()


def test_a_registry_that_does_not_answer_is_no_problem_of_this_host() -> None:
    """What it said last stands beside the reason."""
    world = quiet_host()
    world.registry_down = "no answer"
    status = host_status(host(world), around(KNOWN))
    why = "cannot read the tag nightly: no answer; the next run asks again"
    assert (status.newest, status.newest_at, status.newest_trouble) == (NEWEST.text, KNOWN.at, why)
    assert (status.days_behind, status.next_run) == (3, f"unknown: {why}")
    assert status.problems == ()


def test_without_people_the_host_is_shown_nevertheless() -> None:
    """Nothing is known of them, and every serve that runs is a stranger's."""
    world = quiet_host()
    world.people_unknown = "there is no user map"
    status = host_status(host(world), around())
    assert (status.people, status.rooms) == ((), rooms(PLACES, []))
    assert [found.person for found in status.unmapped] == ["ann", "ben"]
    assert status.problems == ("cannot tell who is here: there is no user map",)
    assert status.last_good == OLD.text


BROKEN: list[tuple[str, str, PortError, dict[str, Any]]] = [
    (
        "choices",
        "chosen",
        SwitchError("cannot read the choices"),
        {
            "pin": "",
            "pin_note": "",
            "held": (),
            "newest": NEWEST.text,
            "newest_trouble": "cannot read the choices",
        },
    ),
    ("journal", "runs", JournalError("cannot read the journal"), {"last_run": ""}),
    (
        "journal",
        "unfinished",
        JournalError("cannot read the journal"),
        {"unfinished": "", "next_run": UNKNOWN},
    ),
    ("verdicts", "refused", JournalError("cannot read the verdicts"), {"refused": ()}),
    ("gate", "fingerprint", GateError("cannot find node"), {"refused": ()}),
    (
        "switch",
        "frozen",
        SwitchError("cannot read the switch"),
        {"frozen": "", "next_run": UNKNOWN},
    ),
    ("selection", "last_good", SelectionError("cannot read last-good"), {"last_good": ""}),
    (
        "selection",
        "previous_good",
        SelectionError("cannot read previous-good"),
        {"previous_good": ""},
    ),
    ("selection", "default", SelectionError("cannot read the default"), {"default": ""}),
    ("builds", "present", BuildError("cannot list the store"), {"builds": ()}),
    ("residents", "running", PeopleError("cannot list processes"), {"unmapped": ()}),
]


@pytest.mark.parametrize(
    ("port", "method", "error", "instead"), BROKEN, ids=[f"{each[0]}-{each[1]}" for each in BROKEN]
)
def test_what_cannot_be_read_is_empty_and_named(
    port: str, method: str, error: PortError, instead: dict[str, Any]
) -> None:
    """The rest is shown nevertheless."""
    wired = host(busy_host())
    sound = host_status(wired, around(KNOWN))
    status = host_status(failing(wired, port, **{method: error}), around(KNOWN))
    assert status.problems == (
        "user map line 4: 'root' is not a person's user name",
        str(error),
    )
    for name, value in instead.items():
        assert getattr(status, name) == value, name
    assert (status.timers, status.rooms) == (sound.timers, sound.rooms)
    assert [person.person for person in status.people] == ["ann", "ben"]


def test_what_is_read_beside_the_ports_may_fail_too() -> None:
    """Each in its own place."""
    world = quiet_host()
    sound = around()
    trouble = (
        evolve(sound, places=cannot("measure /backups"), timers=cannot("ask systemd")),
        evolve(sound, weigh=lambda _: cannot("weigh it", PersonalDataError)()),
    )
    status = host_status(host(world), trouble[0])
    assert (status.rooms, status.timers) == ((), ())
    assert status.problems == ("cannot measure /backups", "cannot ask systemd")
    status = host_status(host(world), trouble[1])
    assert status.rooms == rooms(PLACES, [0, 0])
    assert status.problems == ("cannot weigh it",)


def test_snapshots_that_cannot_be_listed_are_unknown() -> None:
    """The present size counts in their place."""
    world = busy_host()
    trouble = PersonalDataError("cannot list the snapshots")
    status = host_status(failing(host(world), "personal_data", snapshots=trouble), around())
    assert [(who.snapshots, who.snapshot_bytes) for who in status.people] == [(None, None)] * 2
    assert status.rooms == rooms(PLACES, [7, 9])


@pytest.fixture
def nine_hours_ahead(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the host's own time be nine hours ahead of UTC."""
    monkeypatch.setenv("TZ", "Etc/GMT-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("opens", "closes", "forecast"),
    [
        (11, 13, f"rehearses {NEW}, then moves ann, ben once idle"),
        (2, 4, "moves no one: outside the maintenance window 02:00 to 04:00"),
    ],
)
def test_the_next_run_is_forecast_in_the_hosts_own_time(
    opens: int, closes: int, forecast: str, nine_hours_ahead: None
) -> None:
    """It is noon there, and 03:00 in UTC."""
    rules = Rules(Policy(window=Window(clock(opens), clock(closes))))
    assert host_status(host(quiet_host(), rules), around()).next_run == forecast


def test_a_forecast_that_cannot_be_made_is_unknown() -> None:
    """What kept it from being made is named among the problems."""
    wired = host(quiet_host())
    trouble = SelectionError("cannot read the links")
    status = host_status(failing(wired, "selection", selected=trouble), around())
    assert status.next_run == UNKNOWN
    assert status.problems == ("cannot read the links",)


def test_a_journal_that_cannot_be_read_is_named_once_for_the_host_and_for_each_person() -> None:
    """Everything that needs it is unknown, the next run too."""
    world = quiet_host()
    world.journal.broken = "it is damaged"
    status = host_status(host(world), around())
    why = "cannot use the journal: it is damaged"
    assert status.problems == (why,)
    assert [person.problem for person in status.people] == [why, why]
    assert (status.last_run, status.unfinished, status.next_run) == ("", "", UNKNOWN)


# One person.


def ann(world: World, wired: Host | None = None, newest: Version | None = NEWEST) -> PersonStatus:
    """Read what is known of ann."""
    wired = wired or host(world)
    return person_status(wired, "ann", wired.ports.personal_data.snapshots("ann"), newest)


def moved_host() -> World:
    """Ann was put on OLD by r1, waits for NEW since r2, and works; she has two snapshots."""
    world = small_world("ann")
    states = host(world).ports.personal_data
    states.snapshot("ann", "s1", SnapshotKind.ONLINE, OLD)
    states.snapshot("ann", "s2", SnapshotKind.ONLINE, OLD)
    world.work("ann")
    deferred = ("ann", Status.DEFERRED)
    written(
        world,
        record("r3", deferred, new=NEWER, hours=3),
        record("r2", deferred, hours=2),
        put(record("r1", ("ann", Status.MOVED), hours=1, old=NEWEST, new=OLD), OLD),
    )
    return world


def test_a_person_is_shown_with_all_that_is_known() -> None:
    """Build, by which run and since when, serve, work, data, snapshots, and for what they wait."""
    world = moved_host()
    started = world.people["ann"].started
    sizes = [info.stored.size for info in host(world).ports.personal_data.snapshots("ann")]
    assert ann(world) == PersonStatus(
        person="ann",
        build=OLD.text,
        since=EPOCH + HOUR + timedelta(seconds=30),
        came_by="r1",
        fenced=False,
        running=True,
        started=EPOCH + timedelta(seconds=started),
        days_behind=3,
        readiness="busy",
        why="a turn is in flight in thread thread-1",
        ledger=30,
        generation=BEFORE_SCOPES.name,
        snapshots=2,
        snapshot_bytes=sum(sizes),
        deferred_since=EPOCH + 2 * HOUR,
        deferred_for=NEWER.text,
        problem="",
    )


def test_a_person_who_was_never_moved_was_adopted() -> None:
    """A run that selected nothing for them does not count."""
    world = small_world("ann")
    written(world, record("r1", ("ann", Status.REFUSED)))
    status = ann(world, newest=None)
    assert (status.since, status.came_by) == (None, "adopted")
    assert (status.days_behind, status.readiness, status.why) == (None, "idle", "")
    assert (status.deferred_since, status.deferred_for) == (None, "")
    assert (status.snapshots, status.snapshot_bytes) == (0, 0)


def test_a_build_that_no_run_put_there_came_by_hand() -> None:
    """It has no time."""
    world = small_world("ann")
    written(world, put(record("r1", ("ann", Status.MOVED)), NEW))
    status = ann(world)
    assert (status.build, status.since, status.came_by) == (OLD.text, None, "by hand")


def test_the_newest_run_that_selected_a_build_counts() -> None:
    """A later one that selected none does not hide it."""
    world = small_world("ann")
    written(
        world,
        record("r3", ("ann", Status.DEFERRED), hours=3),
        put(record("r2", ("ann", Status.RETURNED), hours=2), OLD),
        put(record("r1", ("ann", Status.MOVED), hours=1), NEW),
    )
    status = ann(world)
    assert (status.since, status.came_by) == (EPOCH + 2 * HOUR + timedelta(seconds=30), "r2")


def test_a_fenced_person_runs_nothing() -> None:
    """Nothing brought them there, and nothing says how far they are behind."""
    world = moved_host()
    world.people["ann"].fenced = True
    world.halt("ann")
    status = ann(world)
    assert (status.build, status.fenced, status.came_by, status.since) == ("", True, "", None)
    assert (status.running, status.started, status.days_behind) == (False, None, None)
    assert (status.readiness, status.why) == ("not-running", "the serve is not running")
    assert status.generation == BEFORE_SCOPES.name
    deaf = failing(host(world), "builds", schema=BuildError("cannot read the measures"))
    assert ann(world, deaf) == status


def test_a_dead_link_is_a_problem_and_not_a_fence() -> None:
    """The rest is read nevertheless."""
    world = small_world("ann")
    lose_link(world, "ann")
    status = ann(world)
    assert (status.build, status.fenced, status.came_by) == ("", False, "")
    assert status.problem == f"cannot tell what ann runs: {LOST}"
    assert (status.ledger, status.running) == (30, True)


def test_data_that_no_build_here_knows_is_a_problem() -> None:
    """In the same words as in a run."""
    world = small_world("ann")
    world.run_elsewhere("ann", 34)
    status = ann(world)
    assert status.ledger == 34
    assert status.problem.startswith("the data of ann holds ")
    assert "which any build here does not know" in status.problem


def test_the_generation_is_that_of_the_build_and_else_that_of_the_data() -> None:
    """A build that was never measured says nothing."""
    world = small_world("ann")
    world.builds[NEW] = make_second(NEW.text, 55)
    world.store.add(NEW)
    world.people["ann"].link = NEW
    assert ann(world).generation == BEFORE_SCOPES.name
    world.measured = frozenset({NEW})
    assert ann(world).generation == V2.name


def test_data_of_no_known_generation_has_none() -> None:
    """Nothing is guessed."""
    world = small_world("ann")
    world.people["ann"].databases = {}
    world.people["ann"].fenced = True
    status = ann(world)
    assert (status.generation, status.ledger) == ("", SetLedger().level)


TROUBLE: list[tuple[str, str, PortError, dict[str, Any]]] = [
    (
        "selection",
        "selected",
        SelectionError("cannot read the link"),
        {"build": "", "fenced": False, "came_by": "", "since": None, "days_behind": None},
    ),
    (
        "services",
        "status",
        ServiceError("cannot ask systemd"),
        {"running": None, "started": None},
    ),
    (
        "personal_data",
        "ledger",
        PersonalDataError("cannot read the ledger"),
        {"ledger": None, "generation": BEFORE_SCOPES.name},
    ),
    ("builds", "schema", BuildError("cannot read the measures"), {"generation": ""}),
    (
        "journal",
        "moves",
        JournalError("cannot read the journal"),
        {"came_by": "adopted", "since": None, "deferred_since": None, "deferred_for": ""},
    ),
]


@pytest.mark.parametrize(
    ("port", "method", "error", "instead"), TROUBLE, ids=[f"{e[0]}-{e[1]}" for e in TROUBLE]
)
def test_what_cannot_be_read_of_a_person_is_unknown_and_named(
    port: str, method: str, error: PortError, instead: dict[str, Any]
) -> None:
    """Everything else is as it was."""
    world = moved_host()
    sound = ann(world)
    wired = failing(host(world), port, **{method: error})
    status = person_status(wired, "ann", wired.ports.personal_data.snapshots("ann"), NEWEST)
    assert status == evolve(sound, problem=str(error), **instead)


def test_who_cannot_be_assessed_is_busy() -> None:
    """Unknown is never idle."""
    world = small_world("ann")
    wired = host(world)
    trouble = PersonalDataError("cannot see who has the data open")
    deaf = failing(wired, "personal_data", holder=trouble)
    wired = evolve(wired, idle=evolve(wired.idle, ports=deaf.ports))
    status = ann(world, wired)
    assert (status.readiness, status.why) == ("busy", "unknown is busy")
    assert status.problem == str(trouble)


def test_several_problems_of_a_person_stand_in_one_line() -> None:
    """In the order in which they were met."""
    world = small_world("ann")
    lose_link(world, "ann")
    wired = failing(host(world), "services", status=ServiceError("cannot ask systemd"))
    status = person_status(wired, "ann", None, NEWEST)
    assert status.problem == f"cannot tell what ann runs: {LOST}; cannot ask systemd"
    assert (status.snapshots, status.snapshot_bytes) == (None, None)
