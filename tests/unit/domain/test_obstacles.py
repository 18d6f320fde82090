"""What is wrong with one person's data alone, in the words that everybody uses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.obstacles import V1Copy, ahead, held, left_copy, unknown_to_all
from t3safe.t3.files import V1_DATABASE, V2_DATABASE


def knows(*levels: int) -> SetLedger:
    """Give a set, or a build, with these migrations."""
    return SetLedger.of({V1_DATABASE: Ledger.of((level, "Step") for level in levels)})


def test_data_is_ahead_only_where_no_build_knows_it() -> None:
    """Rule 3: one that knows it is enough; without any that was measured nothing is said."""
    data = knows(32, 33)
    assert unknown_to_all(data, (knows(31), knows(31, 32))) == "state.sqlite: 33_Step"
    assert unknown_to_all(data, (knows(31), knows(31, 32, 33))) == ""
    assert unknown_to_all(data, ()) == ""


def test_what_is_named_is_unknown_also_to_the_build_that_knows_most() -> None:
    """Rule 3: 0.0.25 outranks its own nightly and knows less, so order of version says nothing."""
    data = knows(31, 32, 33)
    assert unknown_to_all(data, (knows(31, 32), knows(), knows(31))) == "state.sqlite: 33_Step"


def test_an_obstacle_says_what_was_seen_and_what_mends_it() -> None:
    """Rule 2: one line, the same for a run, `status` and `doctor`."""
    found = ahead("ann", "state.sqlite: 33_Step", "any build here")
    assert "the data of ann holds state.sqlite: 33_Step" in found.seen
    assert "`t3safe check VERSION`" in found.fix
    assert "`t3safe snapshots ann`" in found.fix
    assert str(found) == f"{found.seen}: {found.fix}"
    assert str(held("ann", "process 42 (sqlite3) has state.sqlite open")).startswith(
        "process 42 (sqlite3) has state.sqlite open: close it"
    )


def test_what_t3s_own_updater_left_is_named() -> None:
    """Who migrated the data is no riddle where a trace says it."""
    by = "t3's own updater took it to 0.0.46"
    assert ahead("ann", "state.sqlite: 33_Step", "any build here", by).fix.startswith(f"{by}; ")
    unexplained = ahead("ann", "state.sqlite: 33_Step", "any build here")
    assert unexplained.fix.startswith("a newer t3 ran on it; ")
    for second in (None, LATER):
        copy = left_copy("ann", V1Copy(first=LATER, copied=EARLIER, second=second), by)
        assert copy is not None
        assert f" ({by})" in copy.seen


EARLIER = datetime(2026, 10, 3, 4, tzinfo=UTC)
LATER = datetime(2026, 10, 9, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "both",
    [
        None,
        V1Copy(),
        V1Copy(first=None, copied=EARLIER),
        V1Copy(first=EARLIER, copied=EARLIER),
        V1Copy(first=EARLIER, copied=EARLIER, second=LATER),
        V1Copy(first=EARLIER, copied=LATER),
    ],
)
def test_a_copy_that_lacks_nothing_of_v1_holds_nobody_up(both: V1Copy | None) -> None:
    """V2 goes on where V1 ended."""
    assert left_copy("ann", both) is None


@pytest.mark.parametrize("copied", [None, EARLIER])
def test_an_old_copy_is_named_with_what_to_move_away(copied: datetime | None) -> None:
    """V2 would not show what was done since."""
    obstacle = left_copy("ann", V1Copy(first=LATER, copied=copied))
    assert obstacle is not None
    assert obstacle.seen == (
        "statev2.sqlite of ann is an old copy of state.sqlite, left by a trial of V2; "
        "it lacks what was done up to 2026-10-09 04:00 UTC"
    )
    assert f"{V2_DATABASE}-wal" in obstacle.fix


@pytest.mark.parametrize("first", [None, EARLIER])
def test_an_empty_database_of_v2_is_never_taken_for_a_copy(first: datetime | None) -> None:
    """V2 would start on it without a word, and show nothing of V1; whatever there is of V1."""
    both = V1Copy(first=first, empty=True)
    assert both.v1_since
    obstacle = left_copy("ann", both)
    assert obstacle is not None
    assert "statev2.sqlite of ann is empty" in obstacle.seen
    assert f"{V2_DATABASE}-wal" in obstacle.fix


def test_work_in_both_generations_is_a_persons_to_decide() -> None:
    """Neither is thrown away without a word."""
    second = datetime(2026, 10, 7, 5, 30, tzinfo=UTC)
    obstacle = left_copy("ann", V1Copy(first=LATER, copied=EARLIER, second=second))
    assert obstacle is not None
    assert obstacle.seen == (
        "ann worked in V2 (up to 2026-10-07 05:30 UTC) and in V1 (2026-10-09 04:00 UTC) since "
        "statev2.sqlite was copied from state.sqlite; V2 does not show that work in V1"
    )
    assert "ask ann" in obstacle.fix
