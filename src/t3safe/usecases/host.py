"""The wired host that every use case works on, and how a plan starts and resumes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

import attrs
from attrs import field, frozen

from t3safe.domain import events as ev
from t3safe.domain.errors import PortError
from t3safe.domain.gate import OnPersonFailure
from t3safe.domain.move import Status
from t3safe.domain.people import MapProblem
from t3safe.domain.policy import Policy, SkipReason
from t3safe.domain.ports import Observer, Ports
from t3safe.domain.refusals import Refusals
from t3safe.domain.rollout_state import Rollout
from t3safe.domain.runs import Deferral, deferral, prunable_before
from t3safe.domain.versions import Version
from t3safe.engine import Engine, Performer, Waits
from t3safe.interpreter import Interpreter, Limits, allowed, never
from t3safe.loadguard import LoadGuard
from t3safe.person import IdleCheck, at_once

_T = TypeVar("_T")


@frozen
class Rules:
    """The host owner's settings that the use cases need; `bake` is in seconds."""

    policy: Policy = field(factory=Policy)
    bake: float = 600.0
    attempts_max: int = 3
    on_person_failure: OnPersonFailure = OnPersonFailure.REFUSE
    stale_after: timedelta = timedelta(days=14)
    deferred_max: timedelta = timedelta(days=7)
    journal_keep: timedelta = timedelta(days=400)


@frozen
class Result:
    """How a use case ended, for the exit status and one line to a person.

    `run` is empty when no rollout was opened.  `stayed` is set when the policy refused, `known`
    when an earlier run reported that refusal.  `held_up` says that the host is overloaded.
    `warnings` are loud lines beside the outcome.
    """

    outcome: ev.Outcome | None
    reason: str
    run: str = ""
    stayed: SkipReason | None = None
    known: bool = False
    held_up: bool = False
    warnings: tuple[str, ...] = ()
    rollout: Rollout | None = None


@frozen
class Reader:
    """Reads through the ports, and collects the errors in `problems`, each cause once."""

    problems: list[str] = field(factory=list)

    def __call__(self, read: Callable[[], _T]) -> _T | None:
        """Return what was read, None when a port failed."""
        try:
            return read()
        except PortError as error:
            if str(error) not in self.problems:
                self.problems.append(str(error))
            return None


@frozen
class Host:
    """Every port of a host, the engine over them, and the owner's rules."""

    ports: Ports
    engine: Engine
    idle: IdleCheck
    limits: Limits
    rules: Rules
    name_run: Callable[[datetime], str]
    guard: LoadGuard
    may_open: Callable[[ev.Plan], str]


def may_always_open(plan: ev.Plan) -> str:  # noqa: ARG001 - the shape of what is asked
    """Return no reason against opening a plan."""
    return ""


def wired(  # noqa: PLR0913 - what a process puts together once
    ports: Ports,
    rules: Rules,
    name_run: Callable[[datetime], str],
    *,
    limits: Limits | None = None,
    guard: LoadGuard | None = None,
    observers: tuple[Observer, ...] = (),
    stop: Callable[[], bool] = never,
    pause: Callable[[float], None] = at_once,
    may_open: Callable[[ev.Plan], str] = may_always_open,
    veto: Callable[[], str] = allowed,
    wrap: Callable[[Performer], Performer] = lambda performer: performer,
) -> Host:
    """Wire the engine and the interpreter to these ports.

    `wrap` decorates the performer of effects, `pause` waits for seconds, `may_open` says why a plan
    may not be opened, `veto` why a person may not be moved now.
    """
    limits = limits or Limits()
    idle = IdleCheck(ports, limits.quiet, pause)
    performer = wrap(Interpreter(ports, idle, limits, stop, veto))
    return Host(
        ports=ports,
        engine=Engine(performer, ports.journal, ports.clock, observers, stop),
        idle=idle,
        limits=limits,
        rules=rules,
        name_run=name_run,
        guard=guard or LoadGuard(),
        may_open=may_open,
    )


def all_people(host: Host) -> tuple[tuple[str, ...], tuple[MapProblem, ...]]:
    """Return the people in the order of their moves, and the skipped lines of the user map."""
    loaded = host.ports.people.load()
    return tuple(person.name for person in loaded.people), loaded.problems


def holding(host: Host) -> str:
    """Return the build that a frozen host stays on."""
    return str(host.ports.selection.last_good() or "the present builds")


def refusals(host: Host) -> Refusals:
    """Return the refused versions, each with the reason.  Raises GateError, JournalError."""
    ports = host.ports
    return ports.verdicts.refused(ports.gate.fingerprint(), ports.builds.staged)


def owner_policy(host: Host) -> Policy:
    """Return the owner's policy with the pin and holds set by hand; a setting wins over them."""
    chosen = host.ports.choices.chosen()
    policy = host.rules.policy
    held = policy.held | {version for version, _ in chosen.held}
    return attrs.evolve(policy, pin=policy.pin or chosen.pin, held=held)


def start(host: Host, plan: ev.Plan, waits: Waits | None = None) -> Result:
    """Open a plan and drive it to its end.

    Opens none when the host is overloaded, the fleet does not permit it, or a hook refuses.
    """
    overload = host.guard.keeps(plan)
    if overload:
        return Result(None, overload, stayed=SkipReason.LATER, held_up=True)
    no = host.ports.permit.may_start(plan)
    if no is not None:
        return Result(None, no.reason, stayed=no.why, known=no.known)
    refused = host.may_open(plan)
    if refused:
        return Result(None, refused, stayed=SkipReason.LATER)
    return _ended(host, host.engine.start(plan, waits))


def resume(host: Host, waits: Waits | None = None) -> Result | None:
    """Resume the unfinished run; None when there is none."""
    run = host.ports.journal.unfinished()
    if run is None:
        return None
    return _ended(host, host.engine.resume(run, waits))


ENDED_WELL = frozenset(
    {
        ev.Outcome.PROMOTED,
        ev.Outcome.MOVED,
        ev.Outcome.DEFERRED,
        ev.Outcome.PASSED,
        ev.Outcome.REFUSED,
        ev.Outcome.LATER,
        ev.Outcome.INTERRUPTED,
        ev.Outcome.GATE_BROKEN,
    }
)
"""Ends after which another run may begin: all but rolled back (frozen) and needs human."""


def _ended(host: Host, rollout: Rollout) -> Result:
    run = rollout.plan.run
    if rollout.closed:
        _prune_runs(host)
    if rollout.ending is None or not rollout.closed:
        return Result(None, "waits until the serves are up", run=run, rollout=rollout)
    ending = rollout.ending
    return Result(ending.outcome, ending.reason, run=run, rollout=rollout)


def _prune_runs(host: Host) -> None:
    """Prune the events of old runs; after a failure the next run tries again."""
    journal = host.ports.journal
    with suppress(PortError):
        before = prunable_before(journal.runs(), host.rules.journal_keep)
        if before is not None:
            journal.prune(before)


def deferrals(host: Host, people: tuple[str, ...] = ()) -> tuple[Deferral, ...]:
    """Return who of these `people` waits to be moved; of all people when none are named."""
    journal = host.ports.journal
    found = (deferral(journal.moves(person)) for person in people or all_people(host)[0])
    return tuple(item for item in found if item is not None)


def left_in_a_run(host: Host, person: str) -> Version | None:
    """Return the build that a person's newest move left them on; None when no run moved them."""
    moves = host.ports.journal.moves(person)
    return next((move.ran for move in moves if move.status is not Status.WAITING), None)


def unwell(result: Result | None) -> Result | None:
    """Return the result if no other run may begin after it, else None."""
    return None if result is None or result.outcome in ENDED_WELL else result
