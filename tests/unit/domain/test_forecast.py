"""What lies ahead is told from what is seen, and what is not known is said to be unknown."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from t3safe.domain.forecast import Offered, next_run
from t3safe.domain.policy import Offer, Policy, Release, Standing, Window
from t3safe.domain.versions import Version, days_behind

OLD = Version.parse("0.0.28-nightly.20260601.1")
NEW = Version.parse("0.0.28-nightly.20260609.4")
STABLE = Version.parse("0.0.28")
NOW = datetime(2026, 6, 10, 4, tzinfo=UTC)
HERE = Standing((("ann", OLD), ("ben", NEW)), OLD)
FRESH = Offered(Offer(NEW))


@pytest.mark.parametrize(
    ("present", "newest", "days"),
    [(OLD, NEW, 8), (NEW, OLD, 0), (NEW, NEW, 0), (STABLE, NEW, None), (OLD, None, None)],
)
def test_days_behind_are_told_where_both_tell_their_day(
    present: Version, newest: Version | None, days: int | None
) -> None:
    """A host ahead of the tag is not behind, and an unknown day is unknown."""
    assert days_behind(present, newest) == days


@pytest.mark.parametrize(
    ("policy", "standing", "offered", "said"),
    [
        (Policy(), HERE, FRESH, f"rehearses {NEW}, then moves ann once idle"),
        (
            Policy(),
            Standing((("ann", OLD), ("ben", OLD)), OLD),
            FRESH,
            f"rehearses {NEW}, then moves ann, ben once idle",
        ),
        (
            Policy(age_min=timedelta(days=2)),
            HERE,
            Offered(Offer(NEW, (Release(NEW, NOW - timedelta(days=2)),))),
            f"rehearses {NEW}, then moves ann once idle",
        ),
        (
            Policy(age_min=timedelta(days=2)),
            HERE,
            Offered(Offer(NEW, (Release(NEW, NOW - timedelta(days=1)),))),
            f"no nightly build up to {NEW} is old enough",
        ),
        (
            Policy(),
            HERE,
            Offered(Offer(STABLE)),
            f"moves no one: the tag nightly points at {STABLE}",
        ),
        (Policy(), Standing((("ann", NEW),), NEW), FRESH, "nothing to do: everyone is on"),
        (Policy(), Standing((), None, frozen="look"), FRESH, "moves no one: frozen (look)"),
        (Policy(window=Window(time(1), time(2))), HERE, FRESH, "moves no one: outside"),
        (Policy(), HERE, Offered(problem="no answer"), "unknown: no answer"),
        (Policy(), HERE, Offered(), "unknown: the registry was not asked"),
        (Policy(pin=NEW), HERE, Offered(problem="no answer"), f"rehearses {NEW}"),
    ],
)
def test_what_a_run_would_do_is_what_the_policy_says(
    policy: Policy, standing: Standing, offered: Offered, said: str
) -> None:
    """Frozen, closed, behind, level and unknown each have words of their own."""
    assert next_run(policy, standing, offered, NOW, unfinished=False).startswith(said)


def test_what_is_unfinished_comes_before_any_candidate() -> None:
    """A run settles first, whatever the registry offers."""
    assert next_run(Policy(), HERE, FRESH, NOW, unfinished=True).startswith("first recovers")
