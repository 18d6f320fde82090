"""Which bytes a remembered refusal is about."""

from __future__ import annotations

import pytest

from fakes.world import NEW
from t3safe.domain import events as ev
from t3safe.domain.refusals import Lookup, fingerprint_of, nothing_installed, still_counts

GATE = "0" * 64
BYTES = ev.Staged("a" * 64, "linux-x86_64-glibc-node24")


@pytest.mark.parametrize(
    ("judged", "there", "counts"),
    [
        (BYTES, BYTES, True),
        (BYTES, None, True),
        (None, BYTES, True),
        (None, None, True),
        (BYTES, ev.Staged("b" * 64, BYTES.platform), False),
        (BYTES, ev.Staged(BYTES.lock, "linux-x86_64-glibc-node26"), False),
    ],
)
def test_a_refusal_counts_unless_other_bytes_are_there(
    judged: ev.Staged | None, there: ev.Staged | None, *, counts: bool
) -> None:
    """And for no other gate."""
    recorded = fingerprint_of(GATE, judged)
    assert still_counts(recorded, GATE, there) is counts
    assert not still_counts(recorded, "1" * 64, there)


def test_without_a_look_nothing_is_in_the_store() -> None:
    """All that this gate refused counts."""
    look: Lookup = nothing_installed
    assert still_counts(fingerprint_of(GATE, BYTES), GATE, look(NEW))
