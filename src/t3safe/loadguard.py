"""Keeps people from being moved, and builds from being blamed, while the host is overloaded.

Rules:

1. Nothing that a timer starts begins on an overloaded host: "later", nothing was opened.
2. Before each further person is moved the host is looked at again.
3. Nobody is kept from going back, and a person who asks by hand is not kept from anything.
4. Once runs have been held up for longer than `loud_after`, each one says so loudly.
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
    """Implements HoldUps where nobody remembers."""

    def begun(self, now: datetime) -> datetime:
        """It begins now."""
        return now

    def over(self) -> None:
        """There is nothing to forget."""


@frozen
class LoadGuard:
    """The rule of `domain.pressure` over the port Load; by default nothing is measured."""

    measure: ports.Load = Pressure
    limits: PressureLimits = field(factory=PressureLimits)
    hold_ups: ports.HoldUps = field(factory=Unremembered)
    loud_after: timedelta = timedelta(days=3)

    def keeps(self, plan: ev.Plan) -> str:
        """Say why the plan must not begin now, empty where it may (rules 1 and 3)."""
        return self.overloaded() if plan.kind in _BY_TIMER else ""

    def overloaded(self) -> str:
        """Say why nobody is moved now, empty where somebody may be."""
        why = pressure.overloaded(self.measure(), self.limits)
        return f"the host is overloaded: {why}" if why else ""

    def strained(self) -> str:
        """Say why a time limit that ran out is the host's fault, empty where it is not."""
        why = pressure.strained(self.measure(), self.limits)
        return f"the host is overloaded: {why}" if why else ""

    def at_a_time(self, wanted: int) -> int:
        """How many of `wanted` things to do side by side."""
        return pressure.at_a_time(wanted, self.measure(), self.limits)

    def loud(self, now: datetime, *, held_up: bool) -> tuple[str, ...]:
        """Remember whether this run was held up; give the loud line once that lasts (rule 4)."""
        if not held_up:
            self.hold_ups.over()
            return ()
        since = self.hold_ups.begun(now)
        if now - since <= self.loud_after:
            return ()
        return (f"HOST OVERLOADED: no run could move anybody since {moment(since)}",)
