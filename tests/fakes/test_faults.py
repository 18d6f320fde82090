"""Faults of a fake release, but for those that the gate's contract suite sees (test_gate.py)."""

from __future__ import annotations

import pytest
from attrs import evolve

from fakes.packages import FakeRelease

GOOD = FakeRelease("0.0.30", schema=34, native=False, start_time=0.0, listen_window=0.05)


def test_unknown_fault_is_refused() -> None:
    """A release cannot be made with a fault that is not in the table."""
    with pytest.raises(ValueError, match="'sleepy' is no fault"):
        evolve(GOOD, faults=("sleepy",))
