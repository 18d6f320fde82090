"""What follows from how the host stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from t3safe.domain import events as ev
from t3safe.domain.ports import RunRecord
from t3safe.domain.versions import Version
from t3safe.domain.vitals import Deferral, Vitals, last_closed, overdue
from tests.unit.domain.plans import NEW, OLD, plan

NOW = datetime(2026, 6, 16, 4, tzinfo=UTC)
Outcome = ev.Outcome


def ended(outcome: Outcome, kind: ev.Kind = ev.Kind.RUN) -> RunRecord:
    """Give a run that ended so."""
    return RunRecord(plan("ann", kind=kind), NOW, ev.Ended(outcome, "why"), NOW)


UNFINISHED = RunRecord(plan("ann"), NOW, None, None)


def test_days_behind_are_counted_from_last_good_to_the_offer() -> None:
    """Only where both tell their day; a host that is ahead is not behind."""
    assert Vitals(NOW, newest=NEW, last_good=OLD).behind == 14
    assert Vitals(NOW, newest=OLD, last_good=NEW).behind == 0
    assert Vitals(NOW, newest=NEW).behind is None
    assert Vitals(NOW, last_good=OLD).behind is None
    assert Vitals(NOW, newest=Version.parse("0.0.28"), last_good=OLD).behind is None


def test_whoever_waits_longer_than_the_limit_is_overdue() -> None:
    """The limit itself is not too long; where nobody waits, nobody is."""
    waiting = tuple(
        Deferral(who, NEW, NOW - timedelta(days=days), "busy")
        for who, days in (("ann", 7), ("ben", 8))
    )
    assert [item.person for item in overdue(waiting, NOW, timedelta(days=7))] == ["ben"]
    assert overdue((), NOW, timedelta(days=7)) == ()


@pytest.mark.parametrize(
    ("newer", "outcome", "speaks"),
    [
        (ended(Outcome.LATER), Outcome.GATE_BROKEN, False),
        (ended(Outcome.PASSED, ev.Kind.CHECK), Outcome.GATE_BROKEN, True),
        (ended(Outcome.MOVED, ev.Kind.BACK), Outcome.GATE_BROKEN, False),
        (ended(Outcome.PROMOTED), Outcome.NEEDS_HUMAN, True),
        (ended(Outcome.PASSED, ev.Kind.CHECK), Outcome.NEEDS_HUMAN, False),
        (ended(Outcome.REFUSED), Outcome.NEEDS_HUMAN, False),
        (ended(Outcome.PASSED, ev.Kind.CHECK), Outcome.ROLLED_BACK, False),
        (ended(Outcome.PROMOTED), Outcome.ROLLED_BACK, True),
        (UNFINISHED, Outcome.ROLLED_BACK, False),
    ],
)
def test_a_state_lasts_until_a_run_speaks_of_it(
    newer: RunRecord, outcome: Outcome, speaks: bool
) -> None:
    """What was put off, cut off or about something else leaves it as it was."""
    old = ended(outcome)
    found = Vitals(NOW, runs=(newer, old)).speaking(outcome)
    assert found == (None if speaks else old)


def test_where_no_run_speaks_nothing_holds() -> None:
    """Neither without runs nor where they cannot be read."""
    assert Vitals(NOW, runs=()).speaking(Outcome.REFUSED) is None
    assert Vitals(NOW).speaking(Outcome.REFUSED) is None


def test_runs_are_counted_by_their_end() -> None:
    """Every outcome has a count; what is unfinished has none."""
    counts = Vitals(NOW, runs=(UNFINISHED, ended(Outcome.LATER), ended(Outcome.LATER))).count()
    assert counts[Outcome.LATER] == 2
    assert set(counts) == set(Outcome)
    assert sum(counts.values()) == 2


def test_the_last_run_is_the_newest_that_is_over() -> None:
    """One that is unfinished has no end to show."""
    older = ended(Outcome.MOVED)
    assert last_closed((UNFINISHED, older)) is older
    assert last_closed((UNFINISHED,)) is None
