"""What lies ahead of the host, from what can be seen now: for whoever asks before anything is done.

Rules:

1. Nothing here decides: the next run asks `policy` itself, with what the registry says by then.
2. What is not known is said to be unknown.
"""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from t3safe.domain.policy import Offer, Policy, Proceed, Skip, SkipReason, Standing, choose, closed
from t3safe.domain.versions import Version


@frozen
class Known:
    """Where the tag pointed when the registry answered last, and when that was (UTC)."""

    newest: Version
    at: datetime


@frozen
class Timer:
    """A timer of the service manager: when it starts its unit next (UTC).

    `next` is None where it will not, or where `trouble` says why nobody can tell.
    """

    name: str
    next: datetime | None
    trouble: str = ""


@frozen
class Offered:
    """What the registry offers; None where it did not answer, and then `trouble` says why."""

    offer: Offer | None = None
    trouble: str = ""


def next_run(
    policy: Policy, standing: Standing, offered: Offered, local: datetime, *, unfinished: bool
) -> str:
    """Say what a run would do if it began now; `local` is the host's time (rules 1 and 2)."""
    if unfinished:
        return "first recovers what an interrupted run left"
    shut = closed(policy, standing, local)
    if shut is not None:
        return f"moves no one: {_frozen(shut, standing)}"
    if offered.offer is None and policy.pin is None:
        return f"unknown: {offered.trouble or 'the registry was not asked'}"
    choice = choose(policy, standing, offered.offer, local)
    if isinstance(choice, Skip):
        calm = choice.why is SkipReason.NOTHING
        return choice.reason if calm else f"moves no one: {choice.reason}"
    return _going(choice)


def _frozen(shut: Skip, standing: Standing) -> str:
    return f"frozen ({standing.frozen})" if standing.frozen else shut.reason


def _going(choice: Proceed) -> str:
    return f"rehearses {choice.candidate}, then moves {', '.join(choice.people)} once idle"
