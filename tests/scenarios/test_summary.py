"""What all runs come to is kept: nobody reads a year of nights to know how a person stands."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from attrs import define

from fakes.world import NEW, NEWER, NEWEST, Kind, World, drive, host, small_world
from fakes.world.faults import journal
from fakes.world.journal import MemoryJournal
from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError
from t3safe.domain.ports import RunRecord, Summary
from t3safe.usecases.run import drain
from t3safe.usecases.status import person_status
from tests.scenarios.nights import DAY, night, publish, take_ann_back


@define
class Counted(MemoryJournal):
    """Counts what is read: events, and runs."""

    read: int = 0

    def events(self, run: str) -> tuple[ev.Event, ...]:
        """Give them, and count each."""
        found = MemoryJournal.events(self, run)
        self.read += len(found)
        return found

    def runs(self) -> Iterable[RunRecord]:
        """List them, and count each as two events: its first and its last."""
        for record in MemoryJournal.runs(self):
            self.read += 2
            yield record


def _nights(count: int) -> World:
    """Live through so many nights with somebody who is always at work and somebody never moved."""
    world = small_world("ann", "bob", "cid")
    world.work("bob")
    world.work("cid")
    for _ in range(count):
        world.work("bob")
        world.work("cid")
        night(world)
        world.advance(DAY)
    return world


def _read(world: World) -> int:
    """Count what is read to show how everybody stands, and for a tick with nothing to do."""
    counted = Counted()
    counted.become(world.journal)
    wired = host(world, journal=counted)
    summary = wired.runs.summary()
    assert [past.person for past in summary.people] == ["ann", "bob", "cid"]
    for past in summary.people:
        person_status(wired, past.person, (), None, past)
    assert len(wired.runs.deferrals(("ann", "bob", "cid"))) == 2
    next(iter(counted.runs()))
    return counted.read


def test_after_400_nights_no_more_is_read_than_after_10() -> None:
    """Counted in events, not in seconds."""
    assert _read(_nights(400)) == _read(_nights(10)) <= 10


def _scratch(world: World) -> Summary:
    """What is found without a summary that was kept."""
    without = MemoryJournal()
    without.become(world.journal)
    without.kept = None
    return host(world, journal=without).runs.summary()


def _lived() -> World:
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    world.advance(DAY)
    publish(world, NEWER, 33)
    night(world)
    world.rest("bob")
    world.advance(DAY)
    night(world, drain)
    night(world, take_ann_back, giving_up=True)
    publish(world, NEWEST, 34)
    world.advance(DAY)
    return world


def test_the_summary_that_is_kept_is_what_every_run_comes_to() -> None:
    """Moved, deferred, drained, taken back: who has which build since when, and who waits."""
    world = _lived()
    kept = world.journal.kept
    assert kept is not None
    assert kept == host(world).runs.summary() == _scratch(world)
    (ann, bob) = kept.people
    assert (ann.build, bob.build) == (NEW, NEWER)
    assert bob.waits_for is None
    assert bob.at is not None
    assert ann.at is not None
    assert bob.at < ann.at


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.CRASH_AFTER])
def test_a_death_at_any_write_leaves_a_summary_that_is_true(kind: Kind) -> None:
    """It counts a run once that is over, and what it lacks is read from the runs."""
    base = _lived()
    whole = drive(base.clone())
    for index in range(0, whole.events, 3):
        world = base.clone()
        drive(world, faults=[journal(index, kind)])
        assert host(world).runs.summary() == _scratch(world)


def test_a_summary_of_a_journal_that_was_lost_counts_for_nothing() -> None:
    """It names a run that the journal does not have."""
    world = _lived()
    other = MemoryJournal()
    other.kept = world.journal.kept
    assert host(world, journal=other).runs.summary() == Summary()


def test_a_summary_that_cannot_be_kept_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends as it would have; all is found again from the runs."""

    def full(_: MemoryJournal, __: Summary) -> None:
        raise JournalError("no space left")

    world = small_world("ann")
    monkeypatch.setattr(MemoryJournal, "keep", full)
    assert night(world).outcome is ev.Outcome.PROMOTED
    assert world.journal.kept is None
    (past,) = host(world).runs.summary().people
    assert past.build == NEW
