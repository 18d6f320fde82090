"""Which status the end of an operation has."""

from __future__ import annotations

from t3safe.domain.events import Outcome
from t3safe.domain.policy import SkipReason
from t3safe.entrypoints.app import exit_of
from t3safe.entrypoints.exits import Exit
from t3safe.usecases.host import Result


def test_every_end_has_a_status() -> None:
    """No outcome and no reason to stay ends with a defect; only four ends are a success."""
    ends = {end: exit_of(Result(end, "")) for end in Outcome}
    good = {Outcome.PROMOTED, Outcome.MOVED, Outcome.DEFERRED, Outcome.PASSED}
    assert {end for end, status in ends.items() if status is Exit.OK} == good
    stayed = {why: exit_of(Result(None, "", stayed=why)) for why in SkipReason}
    assert {why for why, status in stayed.items() if status is Exit.OK} == {SkipReason.NOTHING}
