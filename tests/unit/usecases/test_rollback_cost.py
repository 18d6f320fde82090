"""What a rollback costs: the rows that it takes, and the work that it interrupts."""

from __future__ import annotations

from attrs import evolve

from fakes.world import NEW, OLD, host
from fakes.world.model import EVENTS, STATE, TURNS
from t3safe.domain.errors import PersonalDataError, ServiceError
from t3safe.domain.rollback import Preview, WayBack
from t3safe.person import IdleCheck
from t3safe.usecases.rollback import cost, preview, way_back
from tests.scenarios.nights import untouched
from tests.unit.usecases.hosts import failing
from tests.unit.usecases.rollbacks import REST, on_new, take, taken


def test_the_preview_counts_the_rows_that_a_restore_takes() -> None:
    """Per table, and nothing is changed."""
    world = on_new("ann")
    for _ in range(3):
        world.people["ann"].commit()
    mark = len(world.log)
    found = preview(host(world), "ann", None, "")
    way = WayBack("ann", NEW, OLD, "before", taken(world, "before"), restore=True)
    rows = {row.table: row.rows for row in found.rows}
    assert found == Preview(way, found.rows, uncounted="", work="")
    assert rows in (
        {f"{STATE}:{EVENTS}": 2, f"{STATE}:{TURNS}": 1},
        {f"{STATE}:{EVENTS}": 1, f"{STATE}:{TURNS}": 2},
    )
    assert untouched(world, mark)
    assert preview(host(world), "ann", OLD, "before") == found


def test_a_way_back_without_a_restore_costs_nothing() -> None:
    """No row is counted, but what keeps the person busy is said."""
    world = on_new("ann", level=30)
    world.people["ann"].commit()
    way = WayBack("ann", NEW, OLD, "before", taken(world, "before"), restore=False)
    wired = failing(host(world), "personal_data", rows_written=PersonalDataError("never asked"))
    assert preview(wired, "ann", None, "") == Preview(way)
    world.people["ann"].inputs = 2
    assert cost(wired, way) == Preview(way, work="2 inputs are pending")


def test_the_rows_of_a_named_snapshot_are_counted_for_that_snapshot() -> None:
    """A later snapshot holds more of them."""
    world = on_new("ann", level=30)
    world.people["ann"].commit()
    take(world, "later", REST, OLD)
    assert preview(host(world), "ann", None, "later").rows == ()
    (row,) = preview(host(world), "ann", None, "before").rows
    assert row.rows == 1


def test_rows_that_cannot_be_counted_are_never_shown_as_none() -> None:
    """The reason is shown beside the work of a busy person."""
    world = on_new("ann")
    world.people["ann"].approvals = 1
    no_count = PersonalDataError("cannot count the rows of ann: it is garbage")
    wired = failing(host(world), "personal_data", rows_written=no_count)
    way = way_back(wired, "ann", None, "")
    busy = "1 approvals are pending"
    assert cost(wired, way) == Preview(way, uncounted=str(no_count), work=busy)
    assert preview(host(world), "ann", None, "").work == busy


def test_only_a_busy_person_has_work_in_the_preview() -> None:
    """A stopped serve and a clock that was ahead are none; what cannot be found out is."""
    world = on_new("ann", level=30)
    way = way_back(host(world), "ann", None, "")
    world.people["ann"].later = world.now + 86_400
    assert host(world).idle.assess("ann").reason
    assert cost(host(world), way).work == ""
    world.halt("ann")
    assert cost(host(world), way).work == ""
    no_bus = ServiceError("cannot look at the serve of ann: no bus")
    wired = failing(host(world), "services", status=no_bus)
    assert cost(evolve(wired, idle=IdleCheck(wired.ports)), way).work == str(no_bus)
