"""What is wrong with one person's data alone, in the words that everybody uses."""

from __future__ import annotations

from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.obstacles import ahead, held, unknown_to_all


def knows(*levels: int) -> SetLedger:
    """Give a set, or a build, with these migrations."""
    return SetLedger.of({"state.sqlite": Ledger.of((level, "Step") for level in levels)})


def test_data_is_ahead_only_where_no_build_knows_it() -> None:
    """Rule 3: one that knows it is enough; without any that was measured nothing is said."""
    data = knows(32, 33)
    assert unknown_to_all(data, (knows(31), knows(31, 32))) == "state.sqlite: 33_Step"
    assert unknown_to_all(data, (knows(31), knows(31, 32, 33))) == ""
    assert unknown_to_all(data, ()) == ""


def test_an_obstacle_says_what_was_seen_and_what_mends_it() -> None:
    """Rule 2: one line, the same for a run, `status` and `doctor`."""
    found = ahead("ann", "state.sqlite: 33_Step", "any build here")
    assert "the data of ann holds state.sqlite: 33_Step" in found.seen
    assert "`t3safe check VERSION`" in found.mend
    assert "`t3safe snapshots ann`" in found.mend
    assert str(found) == f"{found.seen}: {found.mend}"
    assert str(held("ann", "process 42 (sqlite3) has state.sqlite open")).startswith(
        "process 42 (sqlite3) has state.sqlite open: close it"
    )
