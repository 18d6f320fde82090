"""Records of runs for tests that rebuild a run, and the steps of alice's move that they share."""

from __future__ import annotations

from typing import Final

import attrs

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.legacy_journal import rebuilt
from t3safe.domain.move import Goal, Move, Status
from t3safe.domain.rollout_state import Rollout
from t3safe.domain.versions import Version
from tests.unit.domain.plans import DONE, L30, NEW, OLD, PAIRED, plan, snapshot

Did = tuple[fx.Effect, ev.Answer | None]
"""An effect with its answer; None when the process died before the answer."""

RUN: Final = plan("alice")
ALICE: Final = RUN.moves[0]
OTHER: Final = Version.parse("0.0.26")
"""A build that the plan does not name."""

FENCE: Final[Did] = (fx.Fence("alice"), DONE)
STOP: Final[Did] = (fx.Stop("alice"), DONE)
REST: Final = snapshot("s1")
COPY: Final[Did] = (fx.SnapshotAtRest("alice", "s1", OLD), REST)
TO_NEW: Final[Did] = (fx.Select("alice", NEW), DONE)
START: Final[Did] = (fx.Start("alice"), DONE)
QUARANTINE: Final[Did] = (
    fx.Quarantine("alice", "q1", NEW, "s1"),
    ev.Quarantined("q1", (ev.RowsKept("state:a", 2),)),
)
RESTORE: Final[Did] = (fx.Restore("alice", "s1"), DONE)
TO_OLD: Final[Did] = (fx.Select("alice", OLD), DONE)
ON_NEW: Final[Did] = (fx.VerifyPairing("alice", NEW), PAIRED)
ON_OLD: Final[Did] = (fx.VerifyPairing("alice", OLD), PAIRED)

STOPPED: Final = (FENCE, STOP, COPY)
FORWARD: Final = (*STOPPED, TO_NEW, START)
"""All steps to the new build, except its verification."""
BROKEN: Final = (*FORWARD, (fx.VerifyPairing("alice", NEW), ev.NotPaired(Fault.BUILD, "500")))
BACK: Final = (*BROKEN, FENCE, STOP, QUARANTINE, RESTORE, TO_OLD, START)
"""All steps of a way back, except the verification of the old build."""

CHOSEN: Final = attrs.evolve(ALICE, restore="chosen")
PUT_CHOSEN: Final[Did] = (fx.Restore("alice", "chosen"), DONE)

IN_TRANSITION: Final = Move(ALICE, Status.NEEDS_HUMAN, fenced=True)
"""Alice in transition when her run is over."""
RESTED: Final = attrs.evolve(IN_TRANSITION, rest=REST)
EXPOSED: Final = attrs.evolve(RESTED, new_build_may_have_run=True)
FAILED: Final = attrs.evolve(EXPOSED, reason="500", fault=Fault.BUILD)
RESTORED: Final = attrs.evolve(
    FAILED,
    goal=Goal.BACK,
    quarantine="q1",
    rows=(ev.RowsKept("state:a", 2),),
    restored=True,
    reselecting=True,
)
PUT_BY: Final = attrs.evolve(
    RESTORED, quarantine="", earlier=("q1",), restored=False, reselecting=False
)
BUSY: Final = ev.Assessed(ev.Readiness.BUSY, "why")
BROKE_HERE: Final = ev.BakeBroken("alice", Fault.BUILD, "why")
BROKE_ELSEWHERE: Final = ev.BakeBroken("bob", Fault.BUILD, "why")


def failed(effect: fx.Effect, fault: Fault = Fault.BUILD) -> Did:
    """Fail this effect."""
    return effect, ev.Failed(fault, "why")


def not_paired(build: Version, fault: Fault) -> Did:
    """Find that alice does not pair on this build."""
    return fx.VerifyPairing("alice", build), ev.NotPaired(fault, "why")


def found(selected: Version | None) -> Did:
    """Inspect alice, with this build selected."""
    return fx.Inspect("alice"), ev.Inspected(selected, running=True, ledger=L30)


STOP_HELD: Final = failed(fx.Stop("alice"), Fault.LATER)
MOVED: Final = (*FORWARD, ON_NEW)
CANCELLED: Final = (*STOPPED, TO_OLD)
QUARANTINED: Final = (*BROKEN, FENCE, STOP, QUARANTINE)


def records(run: ev.Plan, *steps: Did) -> tuple[ev.Event, ...]:
    """Return the records of a run that did these steps."""
    events: list[ev.Event] = [ev.Opened(run, NOW)]
    for number, (effect, answer) in enumerate(steps, 1):
        finished = ev.Resumed(NOW) if answer is None else ev.Finished(number, answer, NOW)
        events += [ev.Started(number, effect, NOW), finished]
    return tuple(events)


def cut_off(run: ev.Plan, *steps: Did) -> Rollout:
    """Rebuild a run that was cut off after these steps."""
    rollout = rebuilt(records(run, *steps))
    assert rollout is not None
    return rollout


def ended(run: ev.Plan, *steps: Did) -> Rollout:
    """Rebuild a run that is over after these steps."""
    over = ev.Closed(ev.Ended(ev.Outcome.LATER, "why"), NOW)
    rollout = rebuilt((*records(run, *steps), over))
    assert rollout is not None
    return rollout


def alice_after(*steps: Did, part: ev.MovePlan = ALICE) -> Move:
    """Rebuild alice's move when the run is over; in transition, she needs a human (rule 1)."""
    (move,) = ended(attrs.evolve(RUN, moves=(part,)), *steps).moves
    return move
