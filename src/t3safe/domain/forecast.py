"""The forecast of the next run, from the present state.

Rules:

1. The forecast decides nothing: the next run asks `policy` itself, with the registry's answer then.
2. An unknown value is reported as unknown.
"""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from t3safe.domain.policy import Offer, Policy, Proceed, Skip, SkipReason, Standing, choose, closed
from t3safe.domain.versions import Version


@frozen
class Known:
    """The tag's version in the registry's last answer, and the time of that answer (UTC)."""

    newest: Version
    at: datetime


@frozen
class Timer:
    """A timer of the service manager: when it starts its unit next (UTC).

    `next` is None when it will not, or when `trouble` says why that is unknown.
    """

    name: str
    next: datetime | None
    trouble: str = ""


@frozen
class Offered:
    """The registry's offer; None when it did not answer, and then `problem` says why."""

    offer: Offer | None = None
    problem: str = ""


def next_run(
    policy: Policy, standing: Standing, offered: Offered, local: datetime, *, unfinished: bool
) -> str:
    """Say what a run would do if it began now (rules 1 and 2); `local` is the host's time."""
    if unfinished:
        return "first recovers what an interrupted run left"
    shut = closed(policy, standing, local)
    if shut is not None:
        return f"moves no one: {_frozen(shut, standing)}"
    if offered.offer is None and policy.pin is None:
        return f"unknown: {offered.problem or 'the registry was not asked'}"
    choice = choose(policy, standing, offered.offer, local)
    if isinstance(choice, Skip):
        calm = choice.why is SkipReason.NOTHING
        return choice.reason if calm else f"moves no one: {choice.reason}"
    return _going(choice)


def _frozen(shut: Skip, standing: Standing) -> str:
    return f"frozen ({standing.frozen})" if standing.frozen else shut.reason


def _going(choice: Proceed) -> str:
    return f"rehearses {choice.candidate}, then moves {', '.join(choice.people)} once idle"
