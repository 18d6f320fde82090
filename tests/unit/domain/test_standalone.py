"""A check without a host: when it is one, and what is made of a failure without a control."""

from __future__ import annotations

import pytest

from t3safe.domain.checks import Check, failed, passed
from t3safe.domain.gate import EMPTY, Rehearsal, Ruling
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.standalone import (
    NO_CONTROL,
    STATE,
    STATE_AT_FAULT,
    Asked,
    judge,
    which,
    why_alone,
)
from t3safe.domain.versions import Version

NEW = Version.parse("0.0.28-nightly.20260616.571")
OLD = Version.parse("0.0.24")
HERE = "copies of everybody in /etc/ttyd-user-map"
MISSING = "no user map /etc/ttyd-user-map on this machine"


def rehearsal(build: Version, *, sound: bool, subject: str = STATE) -> Rehearsal:
    """Give a rehearsal that passed, or failed to pair."""
    checks = [passed(check) for check in Check]
    if not sound:
        checks = [*checks[:4], failed(Check.PAIRED, "the mint failed")]
    return Rehearsal(subject, build, tuple(checks), SetLedger())


@pytest.mark.parametrize("options", [("--state",), ("--standalone",), ("--store", "--control")])
def test_whoever_names_what_a_host_has_is_standalone_also_on_a_host(
    options: tuple[str, ...],
) -> None:
    """The line names the options that decided it."""
    asked = Asked(NEW, options, HERE)
    assert ", ".join(options) in why_alone(asked)
    assert which(asked).startswith(f"checking {NEW} standalone")
    assert ", ".join(options) in which(asked)


def test_without_a_user_map_there_is_no_host_to_look_at() -> None:
    """The line names the file that is not there."""
    asked = Asked(NEW, (), HERE, MISSING)
    assert why_alone(asked) == MISSING
    assert which(asked).endswith(MISSING)


def test_on_a_host_everybody_is_looked_at() -> None:
    """Nothing was asked for that only a check without a host has."""
    asked = Asked(NEW, (), HERE)
    assert why_alone(asked) == ""
    assert which(asked) == f"checking {NEW} on {HERE}"


def test_what_passes_needs_no_control() -> None:
    """Nothing is said of a control that nobody missed."""
    for control in (None, ()):
        verdict = judge((rehearsal(NEW, sound=True),), control)
        assert (verdict.ruling, verdict.reasons) == (Ruling.PASSED, ())


def test_a_failure_without_a_control_is_a_refusal_that_says_so() -> None:
    """A pipeline stops; whoever reads it learns what is not known, and how to know it."""
    verdict = judge((rehearsal(NEW, sound=False),), None)
    assert verdict.ruling is Ruling.REFUSED
    assert "the mint failed" in verdict.reasons[0]
    assert verdict.reasons[-1] == NO_CONTROL


def test_with_a_control_the_gate_is_broken_or_the_build_is_to_blame() -> None:
    """Rule 3: whatever the control does on the same copy decides."""
    candidate = (rehearsal(NEW, sound=False),)
    broken = judge(candidate, (rehearsal(OLD, sound=False),))
    assert broken.ruling is Ruling.BROKEN
    refused = judge(candidate, (rehearsal(OLD, sound=True),))
    assert refused.ruling is Ruling.REFUSED
    assert NO_CONTROL not in refused.reasons


def test_a_build_that_fails_on_the_state_alone_is_refused() -> None:
    """Rule 3: nobody is held back for the others' sake, since there is one state."""
    candidate = (rehearsal(NEW, sound=True, subject=EMPTY), rehearsal(NEW, sound=False))
    control = (rehearsal(OLD, sound=True, subject=EMPTY), rehearsal(OLD, sound=True))
    assert judge(candidate, control).ruling is Ruling.REFUSED


def test_a_state_on_which_the_control_fails_too_proves_nothing() -> None:
    """Rule 3: the control runs on empty data, so this one is what to look at."""
    candidate = (rehearsal(NEW, sound=True, subject=EMPTY), rehearsal(NEW, sound=False))
    control = (rehearsal(OLD, sound=True, subject=EMPTY), rehearsal(OLD, sound=False))
    verdict = judge(candidate, control)
    assert (verdict.build, verdict.ruling, verdict.held_back) == (NEW, Ruling.BROKEN, ())
    assert verdict.reasons[-1] == STATE_AT_FAULT
