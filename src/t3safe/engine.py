"""The one loop: resume, decide, journal the intent, perform, journal the outcome.

The same loop runs in production, in the simulation and under injected faults; only the adapters
behind the ports differ.  The loop holds no state: after a crash the journal has everything.

Rules:

1. The loop performs an effect only after its intent is durable in the journal.
2. The loop journals only events that `evolve` accepts.
3. A failure while an effect is performed is an answer, and the rollout goes back.  Only a failure
   of the journal ends the loop, because without the journal nothing may be done.
4. An observer that fails changes nothing; the other observers still see the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Protocol

from attrs import frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import ports
from t3safe.domain.errors import DamagedJournalError
from t3safe.domain.events import InvalidEvent
from t3safe.domain.legacy_journal import rebuilt
from t3safe.domain.rollout import decide, evolve, opened
from t3safe.domain.rollout_state import Rollout

EFFECTS_MAX: Final = 100_000
"""The upper bound for one rollout: 1,000 people need at most 17 effects each."""

Waits = Callable[[fx.Effect], bool]
"""Whether an effect cannot be performed yet, so that the loop leaves the run open before it."""


class Performer(Protocol):
    """Performs one effect and returns its answer; never raises a PortError."""

    def __call__(self, effect: fx.Effect, /) -> ev.Answer:
        """Perform the effect."""


@frozen
class Engine:
    """Drives a rollout to its end, or to the first effect that has to wait."""

    perform: Performer
    journal: ports.Journal
    clock: ports.Clock
    observers: tuple[ports.Observer, ...] = ()
    stop: Callable[[], bool] = lambda: False

    def start(self, plan: ev.Plan, waits: Waits | None = None) -> Rollout:
        """Journal a plan and drive it to its end, or to the first effect that waits (see `resume`).

        Raises JournalError when the journal fails; the next `resume` then settles the person who is
        in transition.
        """
        event = ev.Opened(plan, self.clock.now())
        rollout = opened(plan)
        self.journal.append(plan.run, event)
        self._inform(None, event, rollout)
        return self._drive(rollout, waits or nothing_waits)

    def resume(self, run: str, waits: Waits | None = None) -> Rollout:
        """Take over a run whose process died, and drive it to its end.

        The loop returns before an effect for which `waits` is true, and leaves the run open: at
        boot no serve can be started or verified yet.  Raises JournalError, also when the run's
        records are damaged.
        """
        rollout = self.take_over(rollout_of(self.journal.events(run)))
        return self._drive(rollout, waits or nothing_waits)

    def take_over(self, rollout: Rollout) -> Rollout:
        """Journal that this process continues a rollout."""
        return self._record(rollout, ev.Resumed(self.clock.now()))

    def step(self, rollout: Rollout, waits: Waits | None = None) -> Rollout:
        """Take one turn of the loop: decide, journal the intent, perform, journal the outcome.

        Returns the same rollout when the effect has to wait.  The last turn closes the rollout.
        """
        if rollout.winding is None and self.stop():
            rollout = self._record(rollout, ev.StopAsked(self.clock.now()))
        choice = decide(rollout)
        if isinstance(choice, ev.Ended):
            return self._record(rollout, ev.Closed(choice, self.clock.now()))
        if waits is not None and waits(choice):
            return rollout
        started = ev.Started(rollout.seq + 1, choice, self.clock.now())
        rollout = self._record(rollout, started)
        answer = self.perform(choice)
        return self._record(rollout, ev.Finished(rollout.seq, answer, self.clock.now()))

    def _drive(self, rollout: Rollout, waits: Waits) -> Rollout:
        for _ in range(EFFECTS_MAX):
            following = self.step(rollout, waits)
            if following is rollout or following.closed:
                return following
            rollout = following
        message = f"run {rollout.plan.run} did not end after {EFFECTS_MAX} effects"
        raise AssertionError(message)

    def _record(self, rollout: Rollout, event: ev.Event) -> Rollout:
        following = evolve(rollout, event)
        self.journal.append(rollout.plan.run, event)
        self._inform(rollout, event, following)
        return following

    def _inform(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:
        """Show the event to each observer (rule 4)."""
        for observer in self.observers:
            with suppress(Exception):
                observer.saw(before, event, after)


def nothing_waits(_: fx.Effect) -> bool:
    """Return False: no effect waits."""
    return False


def waits_for_boot(effect: fx.Effect) -> bool:
    """Whether an effect needs running serves, which boot recovery does not have yet."""
    return isinstance(effect, fx.Start | fx.VerifyPairing | fx.Bake | fx.Revisit)


def rollout_of(events: tuple[ev.Event, ...]) -> Rollout:
    """Return a run's rollout by today's rules, or else from its records alone.

    An older t3safe may have decided the run by other rules.  Raises DamagedJournalError when
    neither works.
    """
    try:
        return fold(events)
    except DamagedJournalError:
        rollout = rebuilt(events)
        if rollout is None:
            raise
        return rollout


def fold(events: Iterable[ev.Event]) -> Rollout:
    """Fold a run's events into the rollout after the last one.

    Raises DamagedJournalError when there are no events, or when they cannot follow one another.
    """
    remaining = iter(events)
    first = next(remaining, None)
    if not isinstance(first, ev.Opened):
        message = "cannot fold a run that the journal never opened"
        raise DamagedJournalError(message)
    try:
        rollout = opened(first.plan)
        for event in remaining:
            rollout = evolve(rollout, event)
    except InvalidEvent as error:
        how = "`t3safe recover` sets the journal aside"
        message = f"cannot fold run {first.plan.run}: {error}; {how}"
        raise DamagedJournalError(message) from error
    return rollout
