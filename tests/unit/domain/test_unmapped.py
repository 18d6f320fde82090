from __future__ import annotations

import pytest

from t3safe.domain.ports import Running
from t3safe.domain.unmapped import Unmapped, unmapped
from t3safe.domain.versions import Version

OLD = Version.parse("0.0.28")


def test_whose_serve_runs_outside_of_the_map_is_named_once() -> None:
    """A mint is no serve, and who is in the map is not outside of it."""
    running = (
        Running("carl", 7, OLD, serves=True),
        Running("carl", 5, None, serves=True),
        Running("ann", 4, OLD, serves=True),
        Running("dora", 3, OLD, serves=False),
        Running("", 9, OLD, serves=True),
    )
    assert unmapped(running, ("ann",)) == (Unmapped("", 9, "0.0.28"), Unmapped("carl", 5, ""))


@pytest.mark.parametrize(
    ("found", "seen", "fix"),
    [
        (Unmapped("carl", 5, "0.0.28"), "carl runs t3 0.0.28 (process 5)", "`login=carl`"),
        (
            Unmapped("", 9, ""),
            "a user without a name runs another t3 (process 9)",
            "map its user",
        ),
    ],
)
def test_the_line_names_what_was_seen_and_what_to_do(found: Unmapped, seen: str, fix: str) -> None:
    """Who, what, and the two ways out."""
    assert str(found).startswith(f"NOT IN THE USER MAP: {seen} and is not in the user map; ")
    assert fix in found.fix
    assert "or stop that serve" in found.fix
