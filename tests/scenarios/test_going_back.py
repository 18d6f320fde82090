"""Going back on purpose, and what becomes of the rows that are given up."""

from __future__ import annotations

import pytest

from fakes.world import (
    NEW,
    OLD,
    Defect,
    FaultKind,
    drive,
    host,
    small_world,
    version,
)
from fakes.world.faults import effect
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import NoWayBackError, PersonalDataError
from t3safe.t3.files import V1_DATABASE
from t3safe.usecases.host import Rules
from t3safe.usecases.rollback import go_back, way_back
from tests.scenarios.nights import (
    move_of,
    night,
    performed,
    publish,
    running,
    take_ann_back,
    untouched,
)


def test_going_back_with_a_restore_keeps_the_rows_it_gives_up() -> None:
    """The older build does not know the ledger: its snapshot is restored, the new rows are kept."""
    world = small_world("ann", "bob")
    night(world)
    given_up = world.people["ann"].rows()

    result = night(world, take_ann_back, giving_up=True)

    assert result.outcome is ev.Outcome.MOVED
    assert running(world) == {"ann": OLD, "bob": NEW}
    ann = world.people["ann"]
    assert given_up & ~ann.rows()
    rest = move_of(result, "ann").rest
    assert rest is not None
    kept = ann.snapshots[rest.snapshot]
    assert kept.build == NEW


def test_nobody_is_stopped_for_a_snapshot_that_is_damaged() -> None:
    """What would be restored is checked first: the serve runs on, and no run is opened."""
    world = small_world("ann", "bob")
    night(world)
    way = way_back(host(world), "ann", OLD, "")
    assert way.restore
    world.damage_snapshot("ann", way.snapshot)
    begun, mark = len([*world.journal.runs()]), len(world.log)

    with pytest.raises(NoWayBackError, match="nothing was changed"):
        night(world, take_ann_back, giving_up=True)

    assert running(world)["ann"] == NEW
    assert len([*world.journal.runs()]) == begun
    assert untouched(world, mark)


def test_going_back_can_be_undone_with_the_snapshot_that_it_took() -> None:
    """The set that was given up comes back with the build that wrote it."""
    world = small_world("ann")
    night(world)
    back = night(world, take_ann_back, giving_up=True)
    rest = move_of(back, "ann").rest
    assert rest is not None
    given_up = world.people["ann"].snapshots[rest.snapshot].contents[V1_DATABASE]

    undone = night(
        world,
        lambda wired: go_back(wired, "ann", None, rest.snapshot, force=False),
        giving_up=True,
    )

    assert undone.outcome is ev.Outcome.MOVED
    assert running(world) == {"ann": NEW}
    main, wal = world.people["ann"].databases[V1_DATABASE]
    now = wal or main
    assert given_up.ledger == now.ledger
    assert all(rows & ~now.tables[table] == 0 for table, rows in given_up.tables.items())


def test_going_back_to_a_build_of_the_same_schema_gives_up_no_row() -> None:
    """The older build knows the ledger: only the selection moves, every row stays in the set."""
    world = small_world("ann")
    publish(world, NEW, 30)
    night(world)
    before = world.people["ann"].rows()

    result = night(world, lambda wired: go_back(wired, "ann", OLD, "", force=False))

    assert result.outcome is ev.Outcome.MOVED
    assert move_of(result, "ann").plan.restore == ""
    assert before & ~world.people["ann"].rows() == 0
    assert running(world) == {"ann": OLD}


def test_going_back_asks_the_idle_rule_unless_forced() -> None:
    """A busy person is not interrupted by somebody else's wish."""
    world = small_world("ann")
    night(world)
    world.people["ann"].inputs = 1
    mark = len(world.log)

    result = night(world, take_ann_back)

    assert result.outcome is ev.Outcome.DEFERRED
    assert untouched(world, mark)


def test_going_back_without_a_way_back_says_so() -> None:
    """No at-rest snapshot of another build: an error that names what to look at."""
    world = small_world("ann")

    with pytest.raises(PersonalDataError, match="t3safe snapshots ann"):
        go_back(host(world), "ann", None, "", force=False)
    with pytest.raises(PersonalDataError, match="no such person"):
        go_back(host(world), "zoe", None, "", force=False)
    assert world.journal.unfinished() is None


def test_going_back_to_a_build_that_left_the_store_touches_nobody() -> None:
    """The build is gone: it is said how to get it, and the person is not even fenced."""
    world = small_world("ann")
    night(world)
    world.store.discard(OLD)
    rows, done = world.people["ann"].rows(), len(world.log)

    with pytest.raises(PersonalDataError, match=f"`t3safe check {OLD}` installs it"):
        night(world, lambda wired: go_back(wired, "ann", OLD, "", force=False))

    assert not {"fence", "stop", "select"} & {operation for operation, *_ in world.log[done:]}
    assert running(world) == {"ann": NEW}
    assert rows & ~world.people["ann"].rows() == 0


def test_whoever_was_left_fenced_on_an_untouched_set_is_helped_by_what_was_advised() -> None:
    """No at-rest copy was taken, and none is needed: the build knows what is there."""
    world = small_world("ann")
    copying, selecting = (9, 10, 11), (12, 13, 14, 16, 17, 18)

    driven = drive(
        world, faults=[effect(at, FaultKind.FAIL_BEFORE) for at in (*copying, *selecting)]
    )
    assert driven.violations == ()
    assert driven.outcome == "needs-human"
    assert world.people["ann"].fenced
    rows = world.people["ann"].rows()

    helped = night(world, lambda wired: go_back(wired, "ann", OLD, "", force=True))

    assert helped.outcome is ev.Outcome.MOVED
    assert move_of(helped, "ann").plan.restore == ""
    assert running(world) == {"ann": OLD}
    assert rows & ~world.people["ann"].rows() == 0


def test_rows_given_up_on_purpose_outlive_retention() -> None:
    """Rows that exist only in the snapshot of a way back stay through many further nights."""
    world = small_world("ann")
    night(world)
    night(world, take_ann_back, giving_up=True)

    for number in range(8):
        publish(world, version(f"0.0.28-nightly.20260620.{600 + number}"), 33 + number)
        driven = drive(world)
        assert driven.violations == ()


def test_quarantined_rows_outlive_retention() -> None:
    """What a failed build wrote stays through many further nights."""
    world = small_world("ann", candidate=[Defect.MUTE])
    night(world)
    host(world).ports.switch.thaw()

    for number in range(8):
        publish(world, version(f"0.0.28-nightly.20260620.{600 + number}"), 33 + number)
        driven = drive(world)
        assert driven.violations == ()


def test_a_serve_that_would_not_stop_is_not_left_on_a_set_that_it_does_not_know() -> None:
    """Last resort with a serve that lives: it is stopped before another build is selected (I1)."""
    world = small_world("ann")
    night(world)
    world.people["ann"].minting = True
    start, stop = 5, 7

    driven = drive(
        world,
        lambda wired: go_back(wired, "ann", None, "", force=True),
        rules=Rules(attempts_max=1),
        faults=[effect(start, FaultKind.FAIL_AFTER), effect(stop, FaultKind.FAIL_BEFORE)],
        giving_up=True,
    )

    assert performed(world)[start] == fx.Start("ann")
    assert performed(world)[stop] == fx.Stop("ann")
    assert [who for what, who, _ in world.log if what == "fault"] == ["fail-after", "fail-before"]
    assert driven.violations == ()
    assert driven.outcome == "needs-human"
