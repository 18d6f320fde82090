"""The lines that say what a rollback would cost, and the command that undoes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from t3safe.domain import events as ev
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.move import Move, Status
from t3safe.domain.ports import SnapshotInfo
from t3safe.domain.retention import SnapshotKind, Stored
from t3safe.domain.rollback import (
    Arrival,
    Fared,
    PersonOutcome,
    Preview,
    Retreat,
    WayBack,
    leads_back,
    outcome_for_person,
    preview_lines,
    retreat,
    summary,
    undo,
    writer,
)
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE

OLD, NEW = Version.parse("0.0.24"), Version.parse("0.0.26")
TAKEN = datetime(2026, 6, 9, 4, tzinfo=UTC)
WAY = WayBack("ann", NEW, OLD, "s1", TAKEN, restore=True)


def said(preview: Preview, later: timedelta = timedelta(0)) -> str:
    """Give the lines as one text."""
    return "\n".join(preview_lines(preview, TAKEN + later))


def test_rows_that_leave_are_told_by_table() -> None:
    """Each table stands with its count, and that a copy is kept."""
    text = said(Preview(WAY, (ev.RowsKept(f"{V1_DATABASE}:turns", 3),)))
    assert "3 rows of state.sqlite:turns" in text
    assert "kept as a snapshot" in text


def test_what_could_not_be_counted_is_never_told_as_nothing() -> None:
    """Rule 3."""
    text = said(Preview(WAY, uncounted="it is garbage"))
    assert "  rows that would leave ann's data could not be counted: it is garbage\n" in text
    assert "nothing was written" not in text
    assert "nothing was written since" in said(Preview(WAY))


def test_a_way_without_a_restore_gives_up_no_row() -> None:
    """Rule 1: only the selection moves."""
    text = said(Preview(attrs.evolve(WAY, restore=False), work="a turn is in flight"))
    assert "every row stays" in text
    assert "busy: a turn is in flight" in text


@pytest.mark.parametrize(
    ("later", "age"),
    [
        (timedelta(minutes=-1), "0 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(minutes=60), "1 h ago"),
        (timedelta(minutes=61), "1 h ago"),
        (timedelta(hours=47, minutes=59), "47 h ago"),
        (timedelta(hours=48), "2 days ago"),
        (timedelta(hours=49), "2 days ago"),
        (timedelta(days=3), "3 days ago"),
    ],
)
def test_the_age_of_the_snapshot_is_told(later: timedelta, age: str) -> None:
    """In minutes, hours or days; a clock that was set back makes it none."""
    assert age in said(Preview(WAY), later)


def test_the_undo_is_the_copy_that_was_kept_or_the_build_that_was_left() -> None:
    """Rule 2; who was not moved has nothing to undo."""
    plan = ev.MovePlan("ann", NEW, OLD, "s1")
    kept = ev.Snapshotted("r1", SetLedger(), 1)
    moved = Move(plan, Status.MOVED, rest=kept)
    assert undo(moved) == "t3safe restore ann r1"
    stayed = attrs.evolve(moved, plan=attrs.evolve(plan, restore=""))
    assert undo(stayed) == f"t3safe rollback ann --to {NEW}"
    assert undo(Move(plan, Status.DEFERRED)) == ""
    assert undo(attrs.evolve(moved, status=Status.KEPT)) == "t3safe restore ann r1"


OLDER, NEWER = Version.parse("0.0.23"), Version.parse("0.0.27")


def arrived(person: str, old: Version = OLD, new: Version = NEW, *, by_run: bool = True) -> Arrival:
    """Give a move that ended on its new build, a run's by default."""
    return Arrival(person, old, new, by_run)


def test_the_newest_runs_build_is_left_by_those_who_are_on_it_still() -> None:
    """Rule 4: each goes to the build that they came from; the others stay, with the reason."""
    present = (("ann", NEW), ("ben", OLD), ("cid", NEW))
    arrivals = (arrived("cid", OLDER), arrived("ann"), arrived("ben", OLDER, OLD))
    found = retreat(present, None, arrivals)
    assert found == Retreat(NEW, (("ann", OLD), ("cid", OLDER)), (("ben", f"on {OLD}"),))


def test_once_everybody_is_back_nobody_goes_anywhere() -> None:
    """Rule 4: the ways back themselves are no runs, and whoever left the build is done."""
    arrivals = (arrived("ann", NEW, OLD, by_run=False), arrived("ann"), arrived("ann", OLDER, OLD))
    assert retreat((("ann", OLD),), None, arrivals) == Retreat(NEW, (), (("ann", f"on {OLD}"),))


def test_whoever_came_forward_again_by_an_undo_goes_where_they_came_from_then() -> None:
    """The newest move up to the build counts; one down to it is no place to go back to."""
    undone = arrived("ann", OLDER, NEW, by_run=False)
    assert retreat((("ann", NEW),), None, (undone, arrived("ann"))).back == (("ann", OLDER),)
    down = arrived("ann", NEWER, NEW, by_run=False)
    assert retreat((("ann", NEW),), None, (down, arrived("ann"))).back == (("ann", OLD),)


def test_a_move_to_the_build_that_they_ran_already_says_nothing_of_the_one_before() -> None:
    """Nobody is rolled back to the very build that is to be left."""
    again = arrived("ann", NEW, NEW, by_run=False)
    assert retreat((("ann", NEW),), None, (again, arrived("ann"))).back == (("ann", OLD),)


def test_who_never_came_to_the_build_is_told_as_stuck() -> None:
    """They run what is to be left, and nothing tells where to."""
    found = retreat((("ann", NEW), ("ben", NEW)), None, (arrived("ann"),))
    assert (found.back, found.staying) == ((("ann", OLD),), ())
    ((person, why),) = found.stuck
    assert person == "ben"
    assert "no run tells" in why


def test_without_a_run_that_moved_anybody_nobody_goes() -> None:
    """What people asked for themselves is not a run."""
    by_hand = (arrived("ann", by_run=False),)
    assert retreat((("ann", NEW),), None, by_hand) == Retreat(None, (), (("ann", f"on {NEW}"),))


def test_a_named_build_takes_everybody_on_a_newer_one() -> None:
    """Whoever is on it or on an older one stays; the journal is not asked."""
    present = (("ann", NEW), ("ben", OLD), ("cid", OLDER), ("dan", NEWER))
    found = retreat(present, OLD, iter(()))
    assert found.leaves is None
    assert found.back == (("ann", OLD), ("dan", OLD))
    assert found.staying == (("ben", f"on {OLD}"), ("cid", f"on {OLDER}"))


@pytest.mark.parametrize("outcome", [None, *ev.Outcome])
def test_only_who_was_moved_is_back_and_only_who_is_at_work_is_passed_over(
    outcome: ev.Outcome | None,
) -> None:
    """Rule 5: anything else is a failure."""
    expected = {
        ev.Outcome.MOVED: PersonOutcome.BACK,
        ev.Outcome.DEFERRED: PersonOutcome.PASSED_OVER,
    }
    assert outcome_for_person(outcome) is (
        expected.get(outcome, PersonOutcome.FAILED) if outcome else PersonOutcome.FAILED
    )


def test_the_end_names_everybody_under_what_became_of_them() -> None:
    """Fates that nobody has are left out; who is not back is preview_lines why, and what helps."""
    fared = (
        Fared("ann", PersonOutcome.BACK),
        Fared("ben", PersonOutcome.PASSED_OVER, "a turn is in flight"),
        Fared("cid", PersonOutcome.BACK),
        Fared("dan", PersonOutcome.NOT_REACHED),
    )
    said = dict(summary(fared))
    assert list(said) == [PersonOutcome.BACK, PersonOutcome.PASSED_OVER, PersonOutcome.NOT_REACHED]
    assert said[PersonOutcome.BACK] == "back: ann, cid"
    assert said[PersonOutcome.PASSED_OVER].startswith(
        "skipped: ben (a turn is in flight); give the"
    )
    assert "run the command again" in said[PersonOutcome.NOT_REACHED]
    assert summary(()) == ()


FEWER = SetLedger.of({V1_DATABASE: Ledger.of([(1, "One")])})
MORE = SetLedger.of({V1_DATABASE: Ledger.of([(1, "One"), (2, "Two")])})


def snapshot(
    build: Version | None, ledger: SetLedger, kind: SnapshotKind = SnapshotKind.ONLINE
) -> SnapshotInfo:
    """Give a snapshot of ann that this build wrote."""
    return SnapshotInfo(Stored("s", kind, TAKEN, 1), "ann", build, ledger, ())


def test_the_newest_snapshot_of_just_this_ledger_names_the_build() -> None:
    """Rule 6: neither one that knows less, nor one that would migrate further."""
    stored = (snapshot(OLD, FEWER), snapshot(NEW, MORE))
    assert writer(stored, FEWER, (OLD, NEW), unfailed=True) == OLD
    assert writer(stored, MORE, (OLD, NEW), unfailed=True) == NEW
    assert writer(stored, SetLedger(), (OLD, NEW), unfailed=True) is None
    both = (snapshot(OLD, FEWER), snapshot(NEW, FEWER))
    assert writer(both, FEWER, (OLD, NEW), unfailed=True) == NEW


def test_a_build_that_the_store_does_not_hold_is_not_named() -> None:
    """It could not be selected."""
    both = (snapshot(OLD, FEWER), snapshot(NEW, FEWER), snapshot(None, FEWER))
    assert writer(both, FEWER, (OLD,), unfailed=True) == OLD
    assert writer(both, FEWER, (), unfailed=True) is None


def test_a_quarantine_tells_who_wrote_the_set_but_not_what_to_start() -> None:
    """Rule 6: what failed is not started again unseen."""
    stored = (snapshot(OLD, FEWER), snapshot(NEW, MORE, SnapshotKind.QUARANTINE))
    assert writer(stored, MORE, (OLD, NEW), unfailed=False) == NEW
    assert writer(stored, MORE, (OLD, NEW), unfailed=True) is None


@pytest.mark.parametrize(
    ("kind", "build", "wanted", "leads"),
    [
        (SnapshotKind.REST, OLD, None, True),
        (SnapshotKind.REST, NEW, None, False),
        (SnapshotKind.REST, None, None, False),
        (SnapshotKind.QUARANTINE, OLD, None, False),
        (SnapshotKind.QUARANTINE, OLD, OLD, True),
        (SnapshotKind.ONLINE, OLD, OLD, False),
        (SnapshotKind.REST, NEW, OLD, False),
    ],
)
def test_a_snapshot_at_rest_of_another_build_leads_back(
    kind: SnapshotKind, build: Version | None, wanted: Version | None, *, leads: bool
) -> None:
    """Where a build is named, it is one of that build; a quarantine only counts then."""
    assert leads_back(snapshot(build, FEWER, kind), NEW, wanted) is leads
