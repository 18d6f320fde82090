"""What follows from how the host stands."""

from __future__ import annotations

import pytest

from t3safe.domain import events as ev
from t3safe.domain.metrics import HostMetrics, asked, last_closed
from t3safe.domain.runs import RunRecord
from t3safe.domain.versions import Version
from tests.unit.domain.plans import NEW, NOW, OLD, ran

Outcome = ev.Outcome


UNFINISHED = ran(None)


def test_days_behind_are_counted_from_last_good_to_the_offer() -> None:
    """Only where both tell their day; a host that is ahead is not behind."""
    assert HostMetrics(NOW, newest=NEW, last_good=OLD).behind == 14
    assert HostMetrics(NOW, newest=OLD, last_good=NEW).behind == 0
    assert HostMetrics(NOW, newest=NEW).behind is None
    assert HostMetrics(NOW, last_good=OLD).behind is None
    assert HostMetrics(NOW, newest=Version.parse("0.0.28"), last_good=OLD).behind is None


@pytest.mark.parametrize(
    ("newer", "outcome", "speaks"),
    [
        (ran(Outcome.LATER), Outcome.GATE_BROKEN, False),
        (ran(Outcome.PASSED, ev.Kind.CHECK), Outcome.GATE_BROKEN, True),
        (ran(Outcome.MOVED, ev.Kind.BACK), Outcome.GATE_BROKEN, False),
        (ran(Outcome.PROMOTED), Outcome.NEEDS_HUMAN, True),
        (ran(Outcome.PASSED, ev.Kind.CHECK), Outcome.NEEDS_HUMAN, False),
        (ran(Outcome.REFUSED), Outcome.NEEDS_HUMAN, False),
        (ran(Outcome.PASSED, ev.Kind.CHECK), Outcome.ROLLED_BACK, False),
        (ran(Outcome.PROMOTED), Outcome.ROLLED_BACK, True),
        (UNFINISHED, Outcome.ROLLED_BACK, False),
    ],
)
def test_a_state_lasts_until_a_run_speaks_of_it(
    newer: RunRecord, outcome: Outcome, speaks: bool
) -> None:
    """What was put off, cut off or about something else leaves it as it was."""
    old = ran(outcome)
    found = HostMetrics(NOW, runs=(newer, old)).speaking(outcome)
    assert found == (None if speaks else old)


def test_where_no_run_speaks_nothing_holds() -> None:
    """Neither without runs nor where they cannot be read."""
    assert HostMetrics(NOW, runs=()).speaking(Outcome.REFUSED) is None
    assert HostMetrics(NOW).speaking(Outcome.REFUSED) is None


def test_no_more_runs_are_read_than_alerts_ask_for() -> None:
    """The newest that is over and those that speak; an older one of the same is not asked."""
    newest, spoke, older = ran(None), ran(Outcome.PROMOTED), ran(Outcome.ROLLED_BACK)
    assert list(asked((newest, ran(Outcome.LATER), spoke, older))) == [
        newest,
        ran(Outcome.LATER),
        spoke,
    ]
    checked = ran(Outcome.PASSED, ev.Kind.CHECK)
    assert list(asked((checked, older, spoke))) == [checked, older]
    assert list(asked((UNFINISHED,))) == [UNFINISHED], "all of them where none is over"
    back, passed = ran(Outcome.MOVED, ev.Kind.BACK), ran(Outcome.PASSED, ev.Kind.CHECK)
    assert list(asked((back, passed, older))) == [back, passed]


def test_the_last_run_is_the_newest_that_is_over() -> None:
    """One that is unfinished has no end to show."""
    older = ran(Outcome.MOVED)
    assert last_closed((UNFINISHED, older)) is older
    assert last_closed((UNFINISHED,)) is None
