"""Prove a build without a host: install, rehearse, try the control on a failure, judge.

It has no people and no journal, and needs no recovery.  Its effects are those of a run, so log and
progress report them alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from attrs import field, frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import messages, ports
from t3safe.domain.errors import Fault, PortError
from t3safe.domain.gate import Rehearsal, Ruling, Verdict, needs_control
from t3safe.domain.messages import LogLine
from t3safe.domain.standalone import judge
from t3safe.domain.versions import Version
from t3safe.engine import Performer

Say = Callable[[LogLine], None]


@frozen
class StandaloneCheck:
    """The build to prove, the copies to prove it on, and the control, if any."""

    build: Version
    control: Version | None
    subjects: tuple[fx.Subject, ...]


@frozen
class Proof:
    """The result; `verdict` is None when nothing is proven, and `reason` then says why."""

    order: StandaloneCheck
    outcome: ev.Outcome
    reason: str
    verdict: Verdict | None = None
    rehearsals: tuple[Rehearsal, ...] = field(default=())
    """Of the candidate, then of the control."""


@frozen
class Prover:
    """Performs the effects of a proof; a PortError is an answer, as in a run."""

    builds: ports.Builds
    gate: ports.Gate

    def __call__(self, effect: fx.Effect, /) -> ev.Answer:
        """Install or rehearse; a proof asks for nothing else."""
        try:
            match effect:
                case fx.StageBuild(build):
                    self.builds.stage(build)
                    return ev.Done()
                case fx.Rehearse(build, subjects):
                    return ev.Rehearsed(self.gate.rehearse(build, subjects))
                case _:
                    message = f"a proof has no effect {type(effect).__name__}"
                    raise AssertionError(message)
        except PortError as error:
            return ev.Failed(error.fault, str(error))


class _NothingProvenError(Exception):
    """An effect failed: `str(error)` says why; `blamed` says that the build is at fault."""

    def __init__(self, reason: str, *, blamed: bool) -> None:
        super().__init__(reason)
        self.blamed = blamed


def prove(order: StandaloneCheck, perform: Performer, say: Say) -> Proof:
    """Run the build through the gate, and the control on each copy on which the build fails."""
    held: tuple[Rehearsal, ...] = ()
    tried: tuple[Rehearsal, ...] | None = None
    try:
        held = _rehearsed(order.build, order.subjects, perform, say)
    except _NothingProvenError as error:
        if not error.blamed:
            return Proof(order, ev.Outcome.LATER, str(error))
        verdict = Verdict(order.build, Ruling.REFUSED, (str(error),))
        return _proof(order, verdict, ())
    failing = needs_control(held)
    if failing and order.control is not None:
        chosen = tuple(subject for subject in order.subjects if subject.person in failing)
        try:
            tried = _rehearsed(order.control, chosen, perform, say)
        except _NothingProvenError as error:
            reason = f"{order.build} failed, and the control could not be tried: {error}"
            return Proof(order, ev.Outcome.LATER, reason, rehearsals=held)
    return _proof(order, judge(held, tried), (*held, *(tried or ())))


def _proof(order: StandaloneCheck, verdict: Verdict, rehearsals: tuple[Rehearsal, ...]) -> Proof:
    why = "; ".join(verdict.reasons)
    match verdict.ruling:
        case Ruling.PASSED:
            outcome, why = ev.Outcome.PASSED, f"{verdict.build} passed the gate"
        case Ruling.REFUSED:
            outcome = ev.Outcome.REFUSED
        case Ruling.BROKEN:
            outcome = ev.Outcome.GATE_BROKEN
        case never:
            assert_never(never)
    return Proof(order, outcome, why, verdict, rehearsals)


def _rehearsed(
    build: Version,
    subjects: tuple[fx.Subject, ...],
    perform: Performer,
    say: Say,
) -> tuple[Rehearsal, ...]:
    _answer(fx.StageBuild(build), perform, say)
    answer = _answer(fx.Rehearse(build, subjects), perform, say)
    assert isinstance(answer, ev.Rehearsed), "what else a rehearsal answers was raised"
    return answer.rehearsals


def _answer(effect: fx.Effect, perform: Performer, say: Say) -> ev.Answer:
    for line in messages.begun(effect):
        say(line)
    answer = perform(effect)
    for line in messages.answered(effect, answer):
        say(line)
    if isinstance(answer, ev.Failed):
        blamed = answer.fault is Fault.BUILD and isinstance(effect, fx.StageBuild)
        raise _NothingProvenError(answer.reason, blamed=blamed)
    return answer
