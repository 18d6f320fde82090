"""What is measured of a host: every value, and that one which cannot be read is unknown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from fakes.world import EPOCH, NEW, NEWER, OLD, World, host, small_world
from fakes.world.fakeports import FakePeople
from t3safe.domain import events as ev
from t3safe.domain.errors import (
    JournalError,
    PeopleError,
    PersonalDataError,
    PortError,
    SelectionError,
    SwitchError,
)
from t3safe.domain.metrics import HostMetrics, PersonMetrics
from t3safe.domain.move import Status
from t3safe.domain.people import MapProblem, UserMap
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.runs import Deferral
from t3safe.usecases.host import Host, Rules
from t3safe.usecases.metrics import measure
from tests.unit.usecases.hosts import WrittenRuns, failing, lose_link, record

HOUR = timedelta(hours=1)
VERDICTS = (("passed", 3), ("refused", 1))
ENDED = (("run", EPOCH - HOUR),)
RUNS = (
    record("r4", ("ann", Status.DEFERRED), outcome=ev.Outcome.DEFERRED, hours=4),
    record("r3", ("ann", Status.DEFERRED), ("ben", Status.MOVED), hours=3),
    record("r2", ("ben", Status.REFUSED), outcome=ev.Outcome.REFUSED, hours=2),
    record("r1", ("ben", Status.MOVED), hours=1),
)


def measured_world() -> World:
    """Ann waits and has two snapshots, ben is fenced; the journal has more than is needed."""
    world = small_world("ann", "ben")
    world.last_good, world.frozen = NEW, "rolled back r2"
    world.people["ben"].fenced = True
    states = host(world).ports.personal_data
    states.snapshot("ann", "s1", SnapshotKind.ONLINE, OLD)
    states.snapshot("ann", "s2", SnapshotKind.ONLINE, OLD)
    world.journal = WrittenRuns(records=RUNS)
    world.map_problems = (MapProblem(4, "'root' is not a login"), MapProblem(6, "no '='"))
    return world


def measured(wired: Host) -> HostMetrics:
    """Measure a host whose registry offered NEWER last."""
    return measure(wired, NEWER, lambda: VERDICTS, ENDED)


def test_a_host_is_measured_whole() -> None:
    """Its people, its builds, its limits, as many runs as are needed, who waits."""
    world = measured_world()
    wired = host(world, Rules(stale_after=9 * HOUR, deferred_max=8 * HOUR))
    stored = [info.stored for info in wired.ports.personal_data.snapshots("ann")]
    assert [item.id for item in stored] == ["s1", "s2"]
    at = world.clock
    assert measured(wired) == HostMetrics(
        at=at,
        people=(
            PersonMetrics("ann", OLD, fenced=False, snapshots=tuple(stored)),
            PersonMetrics("ben", None, fenced=True, snapshots=()),
        ),
        frozen="rolled back r2",
        newest=NEWER,
        last_good=NEW,
        default=OLD,
        stale_after=9 * HOUR,
        deferred_max=8 * HOUR,
        runs=RUNS[:2],
        ends={ev.Outcome.PROMOTED: 2, ev.Outcome.DEFERRED: 1, ev.Outcome.REFUSED: 1},
        waiting=(Deferral("ann", NEW, EPOCH + 3 * HOUR, "ann is deferred"),),
        verdicts=VERDICTS,
        ended=ENDED,
        problems=("user map line 4: 'root' is not a login", "user map line 6: no '='"),
    )


def test_a_host_that_never_ran_has_zeros_and_nothing_unknown() -> None:
    """An empty journal is read, and nothing is known of the registry."""
    world = small_world("ann")
    found = measure(host(world), None, tuple)
    assert found == HostMetrics(
        at=world.clock,
        people=(PersonMetrics("ann", OLD, fenced=False, snapshots=()),),
        frozen="",
        newest=None,
        last_good=OLD,
        default=OLD,
        runs=(),
        ends={},
        waiting=(),
        verdicts=(),
        ended=(),
        problems=(),
    )


BROKEN: list[tuple[str, str, PortError, dict[str, Any]]] = [
    ("switch", "frozen", SwitchError("cannot read the switch"), {"frozen": None}),
    ("selection", "last_good", SelectionError("cannot read last-good"), {"last_good": None}),
    ("selection", "default", SelectionError("cannot read the default"), {"default": None}),
    ("journal", "runs", JournalError("cannot read the runs"), {"runs": None}),
    ("journal", "ends", JournalError("cannot count the ends"), {"ends": {}}),
    ("journal", "moves", JournalError("cannot read the moves"), {"waiting": None}),
]


@pytest.mark.parametrize(
    ("port", "method", "error", "instead"), BROKEN, ids=[f"{e[0]}-{e[1]}" for e in BROKEN]
)
def test_what_cannot_be_read_is_unknown_and_named(
    port: str, method: str, error: PortError, instead: dict[str, Any]
) -> None:
    """Never a value that looks healthy; everything else is measured."""
    wired = host(measured_world())
    sound = measured(wired)
    found = measured(failing(wired, port, **{method: error}))
    problems = (*sound.problems, str(error))
    assert found == evolve(sound, problems=problems, **instead)


def test_of_a_person_each_value_is_unknown_by_itself() -> None:
    """A link that leads nowhere is neither a build nor a fence."""
    world = measured_world()
    lose_link(world, "ann")
    found = measured(host(world))
    assert (found.people[0].build, found.people[0].fenced) == (None, None)
    assert found.people[0].snapshots is not None
    assert found.problems[2].startswith("cannot tell what ann runs: ")
    error = PersonalDataError("cannot list them")
    deaf = failing(host(measured_world()), "personal_data", snapshots=error)
    assert [(who.build, who.snapshots) for who in measured(deaf).people] == [
        (OLD, None),
        (None, None),
    ]
    assert measured(deaf).problems[2:] == ("cannot list them",)


def test_one_cause_is_named_once() -> None:
    """Each value that needs the journal is unknown for it."""
    world = small_world("ann")
    world.journal.broken = "it is damaged"
    found = measured(host(world))
    assert (found.runs, found.ends, found.waiting) == (None, {}, None)
    assert found.problems == ("cannot use the journal: it is damaged",)


def test_the_user_map_is_read_once() -> None:
    """One that changes meanwhile names no other people in another place."""

    class ReadOnce(FakePeople):
        """A user map that is gone once it was read."""

        def load(self) -> UserMap:
            """Read it, and remove it."""
            read = super().load()
            self.world.people_unknown = "there is no user map"
            return read

    world = measured_world()
    wired = host(world)
    found = measured(evolve(wired, ports=evolve(wired.ports, people=ReadOnce(world))))
    assert [each.person for each in found.waiting or ()] == ["ann"]
    assert len(found.problems) == 2


def test_without_people_nobody_waits() -> None:
    """The cause is named once; the host itself is measured."""
    world = measured_world()
    world.people_unknown = "there is no user map"
    found = measured(host(world))
    assert (found.people, found.waiting) == ((), ())
    assert found.problems == ("cannot tell who is here: there is no user map",)
    assert (found.frozen, found.runs) == ("rolled back r2", RUNS[:2])


def test_verdicts_that_cannot_be_counted_are_none() -> None:
    """The reason stands last."""

    def silent() -> tuple[tuple[str, int], ...]:
        raise PeopleError("cannot read the verdicts")

    found = measure(host(small_world("ann")), NEWER, silent)
    assert (found.verdicts, found.problems) == ((), ("cannot read the verdicts",))
