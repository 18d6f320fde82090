"""Calls the host owner's hooks on the events of a run, and remembers their refusals.

`HookCalls` observes the engine.  Its `may_open` is asked before a run is opened, its `veto` before
the interpreter looks at a person, so neither the rollout nor the loop knows of hooks.

Rules:

1. After a failing `before-run` hook no run is opened, and the outcome is "later".
2. A failing `before-canary` hook counts as work: the person stays as they are, deferred.  No effect
   fails because of a hook, since a failed effect is tried again and rolls other people back.  An
   overloaded host counts in the same way, after the hook (see `loadguard`).
3. The idle check of a person comes after the hook, never before it.
4. Every other result of a hook changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from t3safe.domain import events as ev
from t3safe.domain import ports
from t3safe.domain.hook_events import HookEvent, Moment, hook_events, not_opened, opening
from t3safe.domain.rollout_state import Rollout
from t3safe.interpreter import allowed


@define
class HookCalls:
    """Implements Observer over the port Hooks.

    `overloaded` says why the host is too loaded for a move now, empty when it is not.
    """

    hooks: ports.Hooks
    overloaded: Callable[[], str] = allowed
    _refused: str = field(default="", init=False)

    def may_open(self, plan: ev.Plan) -> str:
        """Call the hooks before a run; return why it may not open, empty when it may (rule 1)."""
        hook_event = opening(plan)
        if hook_event is None:
            return ""
        failed = self._call(hook_event)
        if failed:
            self._call(not_opened(hook_event, failed))
        return failed

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:
        """Call the hooks of this event."""
        for hook_event in hook_events(before, event, after):
            failed = self._call(hook_event)
            if hook_event.moment is Moment.BEFORE_CANARY:
                self._refused = failed or self.overloaded()

    def veto(self) -> str:
        """Return once why the person must not be moved now, empty when they may (rule 2)."""
        refused, self._refused = self._refused, ""
        return refused

    def _call(self, hook_event: HookEvent) -> str:
        try:
            return self.hooks.call(hook_event)
        except Exception as error:  # noqa: BLE001 - a person may be without a serve right now
            return f"defect in the hooks of {hook_event.moment}: {type(error).__name__}: {error}"
