"""Defer moves, and do not blame builds, while the host is overloaded.

Rules:

1. A rollout that a timer starts does not begin on an overloaded host: "later", no run is opened.
2. The host's load is measured again before each further person is moved.
3. An overload defers no rollback, and no command that a person runs by hand.
4. Once runs have been held up for longer than `loud_after`, each run says so loudly.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen

from t3safe.domain import events as ev
from t3safe.domain import ports, pressure
from t3safe.domain.pressure import Pressure, PressureLimits
from t3safe.domain.text import moment

_BY_TIMER: Final = frozenset({ev.Kind.RUN, ev.Kind.DRAIN, ev.Kind.BAKE})


class Unremembered:
    """Implements HoldUps without memory."""

    def begun(self, now: datetime) -> datetime:
        """Return `now`: each hold-up is the first."""
        return now

    def over(self) -> None:
        """Do nothing."""


@frozen
class LoadGuard:
    """The rule of `domain.pressure` over the port Load; by default nothing is measured."""

    measure: ports.Load = Pressure
    limits: PressureLimits = field(factory=PressureLimits)
    hold_ups: ports.HoldUps = field(factory=Unremembered)
    loud_after: timedelta = timedelta(days=3)

    def keeps(self, plan: ev.Plan) -> str:
        """Say why the plan must not begin now, empty when it may (rules 1 and 3)."""
        return self.overloaded() if plan.kind in _BY_TIMER else ""

    def overloaded(self) -> str:
        """Say why no one may be moved now, empty when people may."""
        why = pressure.overloaded(self.measure(), self.limits)
        return f"the host is overloaded: {why}" if why else ""

    def strained(self) -> str:
        """Say why an exceeded time limit is the host's fault, empty when it is not."""
        why = pressure.strained(self.measure(), self.limits)
        return f"the host is overloaded: {why}" if why else ""

    def at_a_time(self, wanted: int) -> int:
        """Return how many of `wanted` tasks to run at a time."""
        return pressure.at_a_time(wanted, self.measure(), self.limits)

    def loud(self, now: datetime, *, held_up: bool) -> tuple[str, ...]:
        """Remember whether this run was held up; return the loud line once that lasts (rule 4)."""
        if not held_up:
            self.hold_ups.over()
            return ()
        since = self.hold_ups.begun(now)
        if now - since <= self.loud_after:
            return ()
        return (f"HOST OVERLOADED: no run could move anybody since {moment(since)}",)
