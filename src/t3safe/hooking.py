"""Calls the host owner's hooks around what the engine does.

It stands where an observer, a permit and a performer stand, so that neither the rollout nor the
loop knows of hooks.

Rules:

1. A failing `before-run` hook is a permit refused: nothing was opened, and the run is "later".
2. A failing `before-canary` hook is answered as work: the person stays as they are, deferred.
   No effect ever fails because of a hook: a failure would be tried again, and turn others back.
   An overloaded host is answered in the same way, after the hook (see `loadguard`).
3. The look whether a person is idle is made after the hook, never before it.
4. Whatever else a hook does or fails to do changes nothing.
5. An observer that fails keeps no hook from being called.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import ports
from t3safe.domain.occasions import Moment, Occasion, not_opened, occasions, opening
from t3safe.domain.rollout import Rollout
from t3safe.engine import Performer, inform


def _spare() -> str:
    """Say that the host can bear a move."""
    return ""


@define
class Hooked:
    """Implements Observer, Permit and Performer around those that it is given.

    `refused` is why the hooks before the look at a person said no, empty otherwise.  `overloaded`
    says why the host can bear no move now.
    """

    hooks: ports.Hooks
    observer: ports.Observer
    permit: ports.Permit
    performer: Performer
    overloaded: Callable[[], str] = _spare
    refused: str = field(default="", init=False)

    def may_start(self, plan: ev.Plan) -> str:
        """Ask the permit, then the hooks before a run (rule 1)."""
        no = self.permit.may_start(plan)
        occasion = opening(plan)
        if no or occasion is None:
            return no
        failed = self._call(occasion)
        if failed:
            self._call(not_opened(occasion, failed))
        return failed

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:
        """Tell the observer, then call the hooks of this event."""
        inform(self.observer, before, event, after)
        for occasion in occasions(before, event, after):
            failed = self._call(occasion)
            if occasion.moment is Moment.BEFORE_CANARY:
                self.refused = failed or self.overloaded()

    def __call__(self, effect: fx.Effect, /) -> ev.Answer:
        """Perform the effect, unless it is the look before which a hook said no (rule 2)."""
        refused, self.refused = self.refused, ""
        if refused and isinstance(effect, fx.Assess):
            return ev.Assessed(ev.Readiness.BUSY, refused)
        return self.performer(effect)

    def _call(self, occasion: Occasion) -> str:
        try:
            return self.hooks.call(occasion)
        except Exception as error:  # noqa: BLE001 - a person may be without a serve right now
            return f"defect in the hooks of {occasion.moment}: {type(error).__name__}: {error}"
