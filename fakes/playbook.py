"""A small language for tests of decisions: what is decided, and what the world answers.

    playbook << fx.StageBuild(b) >> ev.Done() << fx.SnapshotOnline("alice", playbook.fresh) >> ...

`<<` states the effect that must be decided next, or the end; `>>` gives the answer to it.  A
`Resumed` or a `StopAsked` given with `>>` happens to the rollout, whether an effect is under way
or not.  Every event goes the way it goes in production: the decision, `Started`, `Finished`.

A playbook is complete once its end was stated.  `must_be_complete` says so, and whoever hands out
playbooks calls it: a test that stops half-way has proven nothing about the rest.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Self

from attrs import define, field, frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.events import InvalidEvent
from t3safe.domain.rollout import decide, evolve, opened
from t3safe.domain.rollout_state import Rollout

NOW: Final = datetime(2026, 6, 9, 4, 0, tzinfo=UTC)
"""The time of every event of a playbook; no decision depends on it."""


class PlaybookError(AssertionError):
    """Raised when the rollout does not go as the playbook says; the message tells the story."""


@frozen
class Ends:
    """An end with this outcome whose reason holds each of these texts."""

    outcome: ev.Outcome
    said: tuple[str, ...] = ()

    @classmethod
    def saying(cls, outcome: ev.Outcome, *said: str) -> Ends:
        """Build the expectation of an end from the outcome and what its reason must tell."""
        return cls(outcome, said)

    def met_by(self, ended: ev.Ended) -> bool:
        """Whether a rollout that ended so meets the expectation."""
        return ended.outcome is self.outcome and all(text in ended.reason for text in self.said)


@define
class Playbook:
    """One rollout played from its plan; `journal` holds its events as the journal would."""

    plan: ev.Plan
    rollout: Rollout = field(init=False)
    journal: list[ev.Event] = field(init=False, factory=list)
    broken: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self.journal.append(ev.Opened(self.plan, NOW))
        self.rollout = opened(self.plan)

    @property
    def fresh(self) -> str:
        """The id that a snapshot gets if the next effect takes one."""
        return f"{self.plan.run}.{self.rollout.seq + 1:04d}"

    def __lshift__(self, expected: fx.Effect | ev.Ended | Ends) -> Self:
        if self.rollout.pending is not None:
            raise self._astray(f"{self.rollout.pending} has no answer yet")
        decided = decide(self.rollout)
        if isinstance(expected, Ends):
            if not isinstance(decided, ev.Ended) or not expected.met_by(decided):
                raise self._astray(f"expected {expected}\n decided {decided}")
        elif decided != expected:
            raise self._astray(f"expected {expected}\n decided {decided}")
        if isinstance(decided, ev.Ended):
            return self._take(ev.Closed(decided, NOW))
        return self._take(ev.Started(self.rollout.seq + 1, decided, NOW))

    def __rshift__(self, happens: ev.Answer | ev.Resumed | ev.StopAsked) -> Self:
        if isinstance(happens, ev.Resumed | ev.StopAsked):
            return self._take(happens)
        if self.rollout.pending is None:
            raise self._astray(f"nothing asked for {happens}")
        return self._take(ev.Finished(self.rollout.seq, happens, NOW))

    def must_be_complete(self) -> None:
        """Raise PlaybookError unless the end was stated or an earlier step went astray."""
        if not self.rollout.closed and not self.broken:
            raise self._astray(f"left unfinished; next would be {decide(self.rollout)}")

    @property
    def performed(self) -> tuple[fx.Effect, ...]:
        """Every effect that was started, in order."""
        return tuple(event.effect for event in self.journal if isinstance(event, ev.Started))

    def _take(self, event: ev.Event) -> Self:
        try:
            self.rollout = evolve(self.rollout, event)
        except InvalidEvent:
            self.broken = True
            raise
        self.journal.append(event)
        return self

    def _astray(self, problem: str) -> PlaybookError:
        self.broken = True
        story = "\n".join(f"   {told(event)}" for event in self.journal)
        return PlaybookError(f"{problem}\n so far:\n{story}")


def told(event: ev.Event) -> str:
    """Tell of an event in one line."""
    match event:
        case ev.Started(effect=effect):
            return f"<< {effect}"
        case ev.Finished(answer=answer):
            return f">> {answer}"
        case _:
            return f">> {event}"


def fold(journal: list[ev.Event]) -> Rollout:
    """Read a rollout back from its journal, as a later process does."""
    first = journal[0]
    assert isinstance(first, ev.Opened), "a journal begins with the plan"
    rollout = opened(first.plan)
    for event in journal[1:]:
        rollout = evolve(rollout, event)
    return rollout
