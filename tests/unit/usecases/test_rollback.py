"""What a rollback would take and cost, what it plans, and how that of all people goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import pytest
from attrs import evolve

from fakes.world import (
    EPOCH,
    NEW,
    NEWER,
    OLD,
    Defect,
    World,
    drive,
    host,
    make_build,
    small_world,
)
from fakes.world.model import EVENTS, STATE, TURNS
from t3safe.domain import events as ev
from t3safe.domain.errors import (
    JournalError,
    NoWayBackError,
    PersonalDataError,
    ServiceError,
)
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.move import Status
from t3safe.domain.policy import SkipReason
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.rollback import Arrival, Fared, PersonOutcome, Preview, WayBack
from t3safe.domain.versions import Version
from t3safe.person import IdleCheck
from t3safe.usecases.host import Host, Result
from t3safe.usecases.rollback import (
    Took,
    Whole,
    arrivals,
    cost,
    go_back,
    look,
    pins,
    present,
    preview,
    take_back,
    way_back,
)
from tests.scenarios.nights import operations_since, running, selected, untouched
from tests.unit.usecases.hosts import WrittenRuns, failing, lose_link, move_by_hand, record

REST, ONLINE, QUARANTINE = SnapshotKind.REST, SnapshotKind.ONLINE, SnapshotKind.QUARANTINE
LISTS = "`t3safe snapshots ann` lists them"
UNKNOWN = (
    "cannot roll {} back: no build can start, and neither a run nor a snapshot tells what wrote "
    "the data; see NEEDS A HUMAN in the runbook"
)


def on_new(*names: str, level: int = 32) -> World:
    """Let these people run NEW of this schema level; their serves write nothing by themselves."""
    world = small_world(*names)
    world.builds[NEW] = make_build(NEW.text, level)
    world.builds[NEWER] = make_build(NEWER.text, level)
    for person in world.people.values():
        person.writing = False
    move_by_hand(world, *names)
    return world


def take(world: World, snapshot: str, kind: SnapshotKind, build: Version | None) -> None:
    """Take one more snapshot of ann's data, written by this build."""
    serves = world.people["ann"].pid is not None
    if kind is not ONLINE:
        world.halt("ann")
    host(world).ports.personal_data.snapshot("ann", snapshot, kind, build)
    if serves:
        world.launch("ann")


def taken(world: World, snapshot: str, person: str = "ann") -> datetime:
    """When a snapshot was taken."""
    return EPOCH + timedelta(seconds=world.people[person].snapshots[snapshot].at)


def knows(world: World, snapshot: str, person: str = "ann") -> SetLedger:
    """What the build knows that wrote a snapshot."""
    return world.people[person].snapshots[snapshot].ledger


def refused(wired: Host, world: World, build: Version | None, snapshot: str = "") -> str:
    """Say why ann is not rolled back; nobody is touched, and no run is opened."""
    mark, before = len(world.log), (selected(world), running(world))
    why = set()
    for command in (way_back, preview):
        with pytest.raises(NoWayBackError) as error:
            command(wired, "ann", build, snapshot)
        why.add(str(error.value))
    with pytest.raises(NoWayBackError) as error:
        go_back(wired, "ann", build, snapshot, force=True)
    why.add(str(error.value))
    assert (selected(world), running(world)) == before
    assert untouched(world, mark)
    assert list(world.journal.runs()) == []
    (only,) = why
    return only


# The way back.


def test_the_way_back_is_the_newest_at_rest_snapshot_of_another_build() -> None:
    """Later ones of the present build, and what was copied while the serve ran, are none."""
    world = on_new("ann")
    take(world, "later", REST, NEW)
    take(world, "lost", REST, None)
    take(world, "online", ONLINE, OLD)
    take(world, "failed", QUARANTINE, OLD)
    expected = WayBack("ann", NEW, OLD, "before", taken(world, "before"), restore=True)
    assert way_back(host(world), "ann", None, "") == expected


def test_a_named_build_is_gone_back_to_however_old_its_snapshot_is() -> None:
    """Also when it is kept as a quarantine, and when another way back is newer."""
    world = on_new("ann")
    world.store.add(NEWER)
    take(world, "newest", REST, NEWER)
    take(world, "own", REST, NEW)
    wired = host(world)
    assert way_back(wired, "ann", OLD, "").snapshot == "before"
    assert way_back(wired, "ann", None, "").snapshot == "newest"
    take(world, "failed", QUARANTINE, OLD)
    expected = WayBack("ann", NEW, OLD, "failed", taken(world, "failed"), restore=False)
    assert way_back(wired, "ann", OLD, "") == expected


def test_a_named_snapshot_is_restored_whatever_its_kind() -> None:
    """Also one that the build would not need, and not a newer one."""
    world = on_new("ann", level=30)
    take(world, "online", ONLINE, OLD)
    take(world, "newest", REST, OLD)
    wired = host(world)
    for name in ("before", "online", "newest"):
        expected = WayBack("ann", NEW, OLD, name, taken(world, name), restore=True)
        assert way_back(wired, "ann", None, name) == expected


def test_nothing_is_restored_for_a_build_that_knows_the_present_data() -> None:
    """Data that cannot be read counts as unknown to it."""
    world = on_new("ann", level=30)
    expected = WayBack("ann", NEW, OLD, "before", taken(world, "before"), restore=False)
    assert way_back(host(world), "ann", None, "") == expected
    world.people["ann"].unreadable = "it is garbage"
    assert way_back(host(world), "ann", None, "") == evolve(expected, restore=True)


def test_an_online_copy_shows_that_a_named_build_knows_the_present_data() -> None:
    """It is not restored; without a named build, or with newer data, it leads nowhere."""
    world = on_new("ann", level=30)
    world.people["ann"].snapshots.clear()
    take(world, "online", ONLINE, OLD)
    take(world, "other", ONLINE, NEW)
    wired = host(world)
    expected = WayBack("ann", NEW, OLD, "online", taken(world, "online"), restore=False)
    assert way_back(wired, "ann", OLD, "") == expected
    none = "cannot roll ann back: no at-rest snapshot of {}; " + LISTS
    assert refused(wired, world, None) == none.format("another")
    world.run_elsewhere("ann", 34)
    assert refused(wired, world, OLD) == none.format(OLD)


def test_a_snapshot_that_is_not_there_or_of_no_build_is_no_way_back() -> None:
    """No other is taken in its place."""
    world = on_new("ann")
    take(world, "lost", REST, None)
    for name in ("lost", "nowhere"):
        why = f"cannot roll ann back: no snapshot {name}; {LISTS}"
        assert refused(host(world), world, None, name) == why


def test_nobody_goes_back_to_a_build_that_left_the_store() -> None:
    """What installs it again is named."""
    world = on_new("ann")
    world.store.discard(OLD)
    assert refused(host(world), world, None) == (
        f"cannot roll ann back: {OLD} is not in the store; `t3safe check {OLD}` installs it"
    )


def test_somebody_outside_the_map_is_not_rolled_back() -> None:
    """Even if there is a way back."""
    world = on_new("ann")
    world.people["ann"].mapped = False
    why = "cannot roll ann back: no such person in the user map"
    assert refused(host(world), world, None) == why


# What runs now.


def test_what_a_fenced_person_ran_is_told_by_a_run_before_any_snapshot() -> None:
    """A quarantine tells it, too: the data is not started on a guess, but left."""
    world = on_new("ann")
    take(world, "failed", QUARANTINE, NEW)
    world.halt("ann")
    world.people["ann"].fenced = True
    wired = host(world)
    assert present(wired, "ann") == NEW
    moved = record("r1", ("ann", Status.NEEDS_HUMAN), ("ben", Status.MOVED))
    ran = {"ann": NEWER, "ben": OLD}
    moves = tuple(evolve(move, ran=ran[move.person]) for move in moved.moves)
    world.journal = WrittenRuns(records=(evolve(moved, moves=moves),))
    assert present(host(world), "ann") == NEWER
    world.people["ann"].snapshots.clear()
    assert present(host(world), "ann") == NEWER


def test_where_nothing_tells_what_ran_only_a_named_build_leads_back() -> None:
    """It then stands for what is left, too."""
    world = on_new("ann")
    world.halt("ann")
    world.people["ann"].fenced = True
    expected = WayBack("ann", OLD, OLD, "before", taken(world, "before"), restore=True)
    assert way_back(host(world), "ann", OLD, "") == expected
    assert refused(host(world), world, None) == UNKNOWN.format("ann")


def test_a_selection_wins_over_what_runs_and_snapshots_tell() -> None:
    """It is what the next start runs."""
    world = on_new("ann")
    world.journal = WrittenRuns(records=(record("r1", ("ann", Status.MOVED), new=NEWER),))
    assert present(host(world), "ann") == NEW


# The cost.


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


# Going back.


def plan_of(result: Result) -> ev.Plan:
    """What was planned."""
    assert result.rollout is not None
    return result.rollout.plan


def planned(world: World, move: ev.MovePlan, *, force: bool) -> ev.Plan:
    """Plan the first run here that moves one person."""
    return ev.Plan(
        run="r001",
        kind=ev.Kind.BACK,
        candidate=move.new,
        base=move.old,
        moves=(move,),
        force=force,
        all_people=tuple(world.people),
    )


def test_going_back_restores_the_snapshot_with_the_build_that_wrote_it() -> None:
    """The plan names both and what the build knows; the others stay where they are."""
    world = on_new("ann", "ben")
    move = ev.MovePlan("ann", NEW, OLD, "before", knows=knows(world, "before"))
    result = go_back(host(world), "ann", None, "", force=False)
    assert (result.outcome, result.run) == (ev.Outcome.MOVED, "r001")
    assert plan_of(result) == planned(world, move, force=False)
    assert running(world) == {"ann": OLD, "ben": NEW}
    assert world.people["ann"].ledger() == knows(world, "before")


def test_going_back_to_a_build_that_knows_the_data_restores_nothing() -> None:
    """Not even a damaged snapshot stops it, and every row stays."""
    world = on_new("ann", level=30)
    world.people["ann"].commit()
    world.damage_snapshot("ann", "before")
    rows, mark = world.people["ann"].rows(), len(world.log)
    move = ev.MovePlan("ann", NEW, OLD, "", knows=knows(world, "before"))
    result = go_back(host(world), "ann", OLD, "", force=False)
    assert result.outcome is ev.Outcome.MOVED
    assert plan_of(result) == planned(world, move, force=False)
    assert "restore" not in operations_since(world, mark)
    assert world.people["ann"].rows() & rows == rows


def test_the_named_snapshot_is_the_one_that_is_restored() -> None:
    """Not a newer one of the same build."""
    world = on_new("ann", level=30)
    take(world, "newest", REST, OLD)
    move = ev.MovePlan("ann", NEW, OLD, "before", knows=knows(world, "before"))
    result = go_back(host(world), "ann", None, "before", force=False)
    assert plan_of(result) == planned(world, move, force=False)


def test_the_named_build_is_the_one_that_is_gone_back_to() -> None:
    """Not the one of a newer way back."""
    world = on_new("ann")
    world.store.add(NEWER)
    take(world, "newest", REST, NEWER)
    move = ev.MovePlan("ann", NEW, OLD, "before", knows=knows(world, "before"))
    result = go_back(host(world), "ann", OLD, "", force=False)
    assert plan_of(result) == planned(world, move, force=False)


def test_nobody_is_stopped_for_a_damaged_snapshot() -> None:
    """It is checked before the run is opened; another person's is not asked for."""
    world = on_new("ann", "ben")
    world.damage_snapshot("ann", "before")
    mark, before = len(world.log), (selected(world), running(world))
    with pytest.raises(NoWayBackError) as error:
        go_back(host(world), "ann", None, "", force=True)
    assert str(error.value) == (
        "cannot roll ann back: cannot use snapshot before of ann: it fails quick_check; "
        "nothing was changed"
    )
    assert (selected(world), running(world)) == before
    assert untouched(world, mark)
    assert list(world.journal.runs()) == []
    assert go_back(host(world), "ben", None, "", force=True).outcome is ev.Outcome.MOVED


@pytest.mark.parametrize("force", [True, False])
def test_a_busy_person_goes_back_only_by_force(force: bool) -> None:
    """Else the move is deferred, and nobody is touched."""
    world = on_new("ann")
    world.people["ann"].inputs = 1
    mark = len(world.log)
    result = go_back(host(world), "ann", None, "", force=force)
    assert plan_of(result).force is force
    assert result.outcome is (ev.Outcome.MOVED if force else ev.Outcome.DEFERRED)
    assert running(world) == {"ann": OLD if force else NEW}
    assert untouched(world, mark) is not force


@pytest.mark.parametrize(
    ("link", "serves", "force"),
    [("dead", False, True), ("dead", True, False), ("sound", False, False)],
)
def test_without_a_build_that_can_start_and_a_serve_there_is_no_work_to_wait_for(
    link: str, serves: bool, force: bool
) -> None:
    """A serve that still runs may be at work, and one that was stopped can start again."""
    world = on_new("ann", "ben", level=30)
    take(world, "own", REST, NEW)
    if link == "dead":
        lose_link(world, "ann")
    if not serves:
        world.halt("ann")
    result = go_back(host(world), "ann", OLD, "", force=False)
    move = ev.MovePlan("ann", NEW, OLD, "", knows=knows(world, "before"))
    assert plan_of(result) == planned(world, move, force=force)


def unfinished(*defects: Defect) -> World:
    """A host whose newest run has ended, but for its closing."""
    world = small_world("ann", candidate=defects)
    drive(world)
    del world.journal.written["r001"][-1]
    world.journal.closed.clear()
    return world


def test_an_unfinished_run_is_settled_before_anybody_goes_back() -> None:
    """One that did not end well is the answer, and nobody is rolled back after it."""
    world = unfinished()
    result = go_back(host(world), "ann", None, "", force=True)
    assert (result.outcome, result.run) == (ev.Outcome.MOVED, "r002")
    assert running(world) == {"ann": OLD}
    failed = unfinished(Defect.MUTE)
    result = go_back(host(failed), "ann", None, "", force=True)
    assert (result.outcome, result.run) == (ev.Outcome.ROLLED_BACK, "r001")
    assert [run.run for run in failed.journal.runs()] == ["r001"]


# What must stay.


def test_the_way_back_and_what_the_last_run_used_are_pinned() -> None:
    """A snapshot of the present build is no way back, and a run that used none pins none."""
    world = on_new("ann")
    take(world, "own", REST, NEW)
    assert pins(host(world), "ann") == {"before": f"the way back to {OLD}"}
    newest, older = (record(run, ("ann", Status.MOVED)) for run in ("r2", "r1"))
    used = evolve(older, moves=tuple(evolve(move, used=("a", "b")) for move in older.moves))
    world.journal = WrittenRuns(records=(newest, used))
    because = "run r1 took or restored it"
    assert pins(host(world), "ann") == {
        "a": because,
        "b": because,
        "before": f"the way back to {OLD}",
    }
    del world.people["ann"].snapshots["before"]
    assert pins(host(world), "ann") == {"a": because, "b": because}


# All people.


def test_each_move_that_ended_on_its_new_build_is_an_arrival() -> None:
    """A run or a drain made it, or a person asked for it; the newest comes first."""
    world = small_world("ann")
    world.journal = WrittenRuns(
        records=(
            record("r4", ("ann", Status.MOVED), kind=ev.Kind.BACK, old=NEW, new=OLD),
            record("r3", ("ann", Status.DEFERRED), ("ben", Status.REFUSED)),
            record("r2", ("ann", Status.MOVED), kind=ev.Kind.DRAIN),
            record("r1", ("ben", Status.KEPT), ("cid", Status.ROLLED_BACK)),
        )
    )
    assert list(arrivals(host(world))) == [
        Arrival("ann", NEW, OLD, by_run=False),
        Arrival("ann", OLD, NEW, by_run=True),
        Arrival("ben", OLD, NEW, by_run=True),
    ]


def several() -> World:
    """A host whose newest run moved ann, ben and cid; eva was not moved by it, fay is fenced.

    Ben has no snapshot, dan was never moved, and of fay nothing is known.
    """
    world = on_new("ann", "ben", "cid", "dan", "eva", "fay")
    world.people["ben"].snapshots.clear()
    dan, fay = world.people["dan"], world.people["fay"]
    world.halt("dan")
    dan.link = OLD
    world.halt("fay")
    fay.fenced = True
    moved = record("r1", *((name, Status.MOVED) for name in ("ann", "ben", "cid")))
    world.journal = WrittenRuns(records=(moved,))
    return world


def way_of(world: World, person: str) -> WayBack:
    """The way from NEW to OLD."""
    at = taken(world, "before", person)
    return WayBack(person, NEW, OLD, "before", at, restore=True)


def test_whom_the_newest_run_moved_goes_back_to_where_they_came_from() -> None:
    """Whoever should go and cannot is named with the reason; the others stay."""
    world = several()
    mark, none = len(world.log), "cannot roll ben back: no at-rest snapshot"
    assert look(host(world), None) == Whole(
        leaves=NEW,
        ways=(way_of(world, "ann"), way_of(world, "cid")),
        staying=(("dan", f"on {OLD}"),),
        stuck=(
            ("fay", UNKNOWN.format("fay")),
            (
                "ben",
                f"{none} of {OLD}; `t3safe snapshots ben` lists them",
            ),
            ("eva", f"on {NEW}, and no run tells what they ran before"),
        ),
    )
    assert untouched(world, mark)


def test_to_a_named_build_goes_whoever_is_on_a_newer_one() -> None:
    """No run needs to tell it."""
    world = several()
    world.journal = WrittenRuns()
    found = look(host(world), OLD)
    assert found.leaves is None
    assert found.ways == tuple(way_of(world, name) for name in ("ann", "cid", "eva"))
    assert found.staying == (("dan", f"on {OLD}"),)
    assert [person for person, _ in found.stuck] == ["fay", "ben"]


def fared(took: Iterable[Took]) -> list[Fared]:
    """How each person fared."""
    return [each.fared for each in took]


def test_people_go_back_one_after_the_other_and_busy_ones_are_skipped() -> None:
    """Each has a run of their own; whoever is back needs no reason."""
    world = on_new("ann", "ben", "cid")
    world.people["ann"].inputs = 1
    ways = tuple(way_of(world, name) for name in ("ann", "ben", "cid"))
    took = list(take_back(host(world), Whole(NEW, ways, (), (("zoe", "why"),)), force=False))
    ann, ben, cid, zoe = took
    assert ann.result is not None
    assert ann.result.outcome is ev.Outcome.DEFERRED
    assert "inputs are pending" in ann.result.reason
    assert fared(took) == [
        Fared("ann", PersonOutcome.PASSED_OVER, ann.result.reason),
        Fared("ben", PersonOutcome.BACK),
        Fared("cid", PersonOutcome.BACK),
        Fared("zoe", PersonOutcome.STUCK, "why"),
    ]
    assert ben.result is not None
    assert cid.result is not None
    assert (ben.result.run, cid.result.run, zoe.result) == ("r002", "r003", None)
    assert running(world) == {"ann": NEW, "ben": OLD, "cid": OLD}


def test_by_force_busy_people_go_back_too() -> None:
    """They are interrupted."""
    world = on_new("ann")
    world.people["ann"].inputs = 1
    whole = Whole(NEW, (way_of(world, "ann"),), (), ())
    assert fared(take_back(host(world), whole, force=True)) == [Fared("ann", PersonOutcome.BACK)]
    assert running(world) == {"ann": OLD}


def test_each_goes_to_the_build_that_was_found_for_them() -> None:
    """Not to that of a newer snapshot."""
    world = on_new("ann")
    world.store.add(NEWER)
    take(world, "newest", REST, NEWER)
    whole = Whole(NEW, (way_of(world, "ann"),), (), ())
    assert fared(take_back(host(world), whole, force=False)) == [Fared("ann", PersonOutcome.BACK)]
    assert running(world) == {"ann": OLD}


def test_the_first_failure_ends_it_before_the_next_person() -> None:
    """Nobody after it is touched; whoever has no way back is named nevertheless."""
    world = on_new("ann", "ben", "cid")
    world.damage_snapshot("ann", "before")
    ways = tuple(way_of(world, name) for name in ("ann", "ben", "cid"))
    mark = len(world.log)
    why = (
        "cannot roll ann back: cannot use snapshot before of ann: it fails quick_check; "
        "nothing was changed"
    )
    whole = Whole(NEW, ways, (), (("zoe", "no way"),))
    assert list(take_back(host(world), whole, force=False)) == [
        Took(
            Fared("ann", PersonOutcome.FAILED, why),
            Result(None, why, stayed=SkipReason.LATER),
        ),
        Took(Fared("ben", PersonOutcome.NOT_REACHED)),
        Took(Fared("cid", PersonOutcome.NOT_REACHED)),
        Took(Fared("zoe", PersonOutcome.STUCK, "no way")),
    ]
    assert untouched(world, mark)


def test_a_request_to_stop_ends_it_for_all_that_follow() -> None:
    """Even if it is not repeated for the next person."""
    world = on_new("ann", "ben")
    asked: Iterator[bool] = iter((True, False))
    wired = host(world, stop=lambda: next(asked))
    ways = tuple(way_of(world, name) for name in ("ann", "ben"))
    mark = len(world.log)
    assert list(take_back(wired, Whole(NEW, ways, (), ()), force=True)) == [
        Took(Fared("ann", PersonOutcome.NOT_REACHED)),
        Took(Fared("ben", PersonOutcome.NOT_REACHED)),
    ]
    assert untouched(world, mark)


def test_without_its_journal_nobody_goes_back() -> None:
    """It is an error of the command, and not of one person."""
    world = on_new("ann")
    wired = failing(host(world), "journal", unfinished=JournalError("it is garbage"))
    whole = Whole(NEW, (way_of(world, "ann"),), (), ())
    mark = len(world.log)
    with pytest.raises(JournalError, match="garbage"):
        list(take_back(wired, whole, force=True))
    assert untouched(world, mark)
