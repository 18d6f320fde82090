"""Driving t3safe over a world through faults to its end, judged after every step.

A process that died is followed by the next one, as a timer or a boot would start it: `recover`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from attrs import define, field, frozen

from fakes import invariants
from fakes.world.core import Crash, PowerCut, World
from fakes.world.faults import Faulty, FaultyJournal, Seam, WorldFault
from fakes.world.wiring import host
from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError
from t3safe.domain.rollout_state import Rollout
from t3safe.interpreter import Limits
from t3safe.usecases.host import Host, Result, Rules
from t3safe.usecases.recover import recover
from t3safe.usecases.run import run

Operation = Callable[[Host], Result | None]
"""What a process does: `run`, `drain`, ..."""

PROCESSES_MAX = 50
"""More processes than any schedule of faults kills."""


@define
class JudgeObserver:
    """Asks the judge after every event of the journal, and keeps what was wrong."""

    judge: invariants.Judge
    violations: list[str] = field(factory=list)
    events: int = 0

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:  # noqa: ARG002
        """Judge the world as it is now."""
        self.events += 1
        if not isinstance(event, ev.Started):
            # An intent alone changes nothing.
            self.violations.extend(self.judge.look())


@frozen
class Driven:
    """What came of it: the last result, every violation, and how much there was to go wrong."""

    result: Result | None
    outcome: str
    """The outcome's own word, empty where no run was opened."""
    violations: tuple[str, ...]
    processes: int
    calls: int
    """Effects performed, over all processes."""
    events: int


def drive(
    world: World,
    operation: Operation = run,
    *,
    rules: Rules | None = None,
    limits: Limits | None = None,
    faults: Iterable[WorldFault] = (),
    giving_up: bool = False,
    knowing: invariants.Judge | None = None,
) -> Driven:
    """Run an operation to its end through these faults, recovering after every death.

    A power cut is followed by a boot: first recovery without serves, then every unit, then
    recovery.  `giving_up` says that the operation restores on purpose, `knowing` is who judged what
    came before where the log no longer tells.  Never raises for a fault
    of the schedule; AssertionError where it does not settle.
    """
    seam, runs = Seam.of(world, faults), len(world.journal.written)
    judge = invariants.Judge.of(world, giving_up=giving_up, knowing=knowing)
    watch = JudgeObserver(judge)
    written = FaultyJournal(world.journal, seam)
    wire = partial(
        host,
        world,
        rules,
        limits=limits,
        wrap=lambda inner: Faulty(inner, seam),
        journal=written,
        observer=watch,
        stop=lambda: seam.stopping,
    )
    todo: list[Operation] = [operation]
    result: Result | None = None
    for count in range(1, PROCESSES_MAX):
        try:
            while todo:
                result = todo[0](wire())
                todo.pop(0)
        except (Crash, JournalError) as death:
            watch.violations.extend(judge.look())
            seam.stopping = False
            todo = _what_follows(world, todo[0], cut=isinstance(death, PowerCut))
            seam.pause()
            continue
        outcome = outcome_of(result) or _outcome_since(world, runs)
        ends = judge.end(outcome, baked_before="promoted" in _ended_since(world, runs)[:-1])
        found = dict.fromkeys([*watch.violations, *ends])
        return Driven(result, outcome, tuple(found), count, seam.calls, watch.events)
    message = f"did not settle within {PROCESSES_MAX} processes"
    raise AssertionError(message)


def _what_follows(world: World, died: Operation, *, cut: bool) -> list[Operation]:
    """What is started after a death: by the timer, or as the host boots."""
    units: Operation = partial(_units, world)
    if cut:
        world.power_cut()
        return [_before_units, units, recover]
    return [units, recover] if died is _before_units else [recover]


def _before_units(wired: Host) -> Result | None:
    return recover(wired, boot=True)


def _units(world: World, _: Host) -> None:
    world.boot()


def outcome_of(result: Result | None) -> str:
    """The outcome's own word, empty where there is none."""
    return str(result.outcome) if result is not None and result.outcome is not None else ""


def _outcome_since(world: World, runs: int) -> str:
    """How a run that was opened since ended: its process died right after closing it."""
    ended = _ended_since(world, runs)
    return ended[-1] if ended else ""


def _ended_since(world: World, runs: int) -> list[str]:
    """How each run ended that was opened since there were so many, in order; empty while open."""
    newest_first = list(world.journal.runs())
    since = newest_first[: len(newest_first) - runs]
    return [str(run.ended.outcome) if run.ended is not None else "" for run in reversed(since)]
