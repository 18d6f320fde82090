"""What is explored: small plans of every kind, and all that a port may answer to their effects."""

from __future__ import annotations

from itertools import product
from typing import Final, assert_never

from attrs import field, frozen

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.gate import Check, OnPersonFailure, Rehearsal, failed, passed
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE

OLD: Final = Version.parse("0.0.25-nightly.20260602.440")
NEW: Final = Version.parse("0.0.28-nightly.20260616.571")
OTHER: Final = Version.parse("0.0.26-nightly.20260608.500")
"""A build that no plan here names."""


def _ledger(*migrations: tuple[int, str]) -> SetLedger:
    return SetLedger.of({V1_DATABASE: Ledger.of(migrations)})


AT_FIRST: Final = _ledger((30, "Archive"))
"""What every set has been through, and both builds know."""
MIGRATED: Final = _ledger((30, "Archive"), (31, "Sessions"))
"""What NEW makes of it."""
FOREIGN: Final = _ledger((30, "Archive"), (31, "Foreign"))
"""What NEW does not know."""


@frozen
class Trial:
    """One plan to explore; where `interrupted`, also with every crash and every wish to stop."""

    plan: ev.Plan
    interrupted: bool = True


@frozen
class Lane:
    """Trials that are drawn together under one title; `about` says what they are for."""

    title: str
    about: str
    trials: tuple[Trial, ...] = field(converter=tuple[Trial, ...])


def plan(
    kind: ev.Kind,
    *people: str,
    attempts_max: int = 1,
    on_person_failure: OnPersonFailure = OnPersonFailure.REFUSE,
    restore: str = "",
    knows: SetLedger | None = None,
    force: bool = False,
    baking: tuple[str, ...] = (),
) -> ev.Plan:
    """Give a plan of this kind that moves these people from OLD to NEW."""
    return ev.Plan(
        run="run",
        kind=kind,
        candidate=NEW,
        base=OLD,
        moves=tuple(ev.MovePlan(person, OLD, NEW, restore, knows) for person in people),
        attempts_max=attempts_max,
        on_person_failure=on_person_failure,
        force=force,
        everybody=(*people, *baking),
        baking=baking,
    )


LANES: Final = (
    Lane(
        "run, drain",
        "the nightly run, and the drain of people who were deferred",
        (
            Trial(plan(ev.Kind.RUN, "alice")),
            Trial(plan(ev.Kind.RUN, "alice", attempts_max=2), interrupted=False),
            Trial(
                plan(ev.Kind.DRAIN, "alice", "bob", on_person_failure=OnPersonFailure.HOLD_BACK),
                interrupted=False,
            ),
        ),
    ),
    Lane("check", "the gate alone", (Trial(plan(ev.Kind.CHECK, "alice", "bob")),)),
    Lane(
        "on purpose",
        "somebody asked to take a person to an older build, which knows the data that is there",
        (
            Trial(plan(ev.Kind.BACK, "alice", knows=MIGRATED)),
            Trial(plan(ev.Kind.BACK, "alice", force=True), interrupted=False),
        ),
    ),
    Lane(
        "on purpose with a restore",
        "the same, and an older copy of the data is put back",
        (
            Trial(plan(ev.Kind.BACK, "alice", restore="chosen", knows=MIGRATED)),
            Trial(plan(ev.Kind.BACK, "alice", restore="chosen", force=True), interrupted=False),
        ),
    ),
    Lane(
        "bake",
        "the bake of people whom a run moved that was cut off",
        (Trial(plan(ev.Kind.BAKE, baking=("alice", "bob"))),),
    ),
)
"""A drain is decided as a run is (a test holds it to that), so the two share one lane.  Two people
are not interrupted here: after a crash nobody new is begun, so that one person shows it all.
"""


def answers_to(effect: fx.Effect) -> tuple[ev.Answer, ...]:
    """Give one answer of each sort that the effect may have, failures first.

    A rehearsal may fail for each subject; an inspection may find every combination of what it can
    see.
    """
    failures = tuple(ev.Failed(fault, "failed") for fault in Fault)
    return (*failures, *_answers(effect))


def _answers(effect: fx.Effect) -> tuple[ev.Answer, ...]:
    match effect:
        case fx.SnapshotOnline(snapshot=snapshot):
            held = ev.Assessed(ev.Readiness.BUSY, "seen")
            return (ev.Snapshotted(snapshot, AT_FIRST, 1), held)
        case fx.SnapshotAtRest(snapshot=snapshot):
            return tuple(ev.Snapshotted(snapshot, found, 1) for found in (AT_FIRST, FOREIGN))
        case fx.Rehearse(build, subjects):
            return _rehearsals(build, subjects)
        case fx.Assess():
            return tuple(ev.Assessed(readiness, "seen") for readiness in ev.Readiness)
        case fx.Verify():
            return (ev.Paired(), *(ev.NotPaired(fault, "failed") for fault in Fault))
        case fx.Quarantine(snapshot=snapshot):
            return (ev.Quarantined(snapshot),)
        case fx.Inspect():
            return FINDINGS
        case fx.Bake(people) | fx.Revisit(people):
            broken = (
                ev.BakeBroken(person, fault, "failed") for person in people for fault in Fault
            )
            return (ev.Done(), *broken)
        case (
            fx.Stage()
            | fx.RecordVerdict()
            | fx.Fence()
            | fx.Stop()
            | fx.Select()
            | fx.Start()
            | fx.Restore()
            | fx.Promote()
            | fx.Freeze()
            | fx.Prune()
        ):
            return (ev.Done(),)
        case never:
            assert_never(never)


FINDINGS: Final = tuple(
    ev.Inspected(selected, running, ledger, restoring)
    for selected, running, ledger, restoring in product(
        (None, OLD, NEW, OTHER),
        (False, True),
        (AT_FIRST, MIGRATED, FOREIGN, None),
        (False, True),
    )
)
"""Whatever an inspection can find."""


def _rehearsals(build: Version, subjects: tuple[fx.Subject, ...]) -> tuple[ev.Answer, ...]:
    return tuple(
        ev.Rehearsed(
            tuple(
                _rehearsal(subject.person, build, good=good)
                for subject, good in zip(subjects, goods, strict=True)
            )
        )
        for goods in product((True, False), repeat=len(subjects))
    )


def _rehearsal(subject: str, build: Version, *, good: bool) -> Rehearsal:
    last = passed(Check.SOAK) if good else failed(Check.SOAK, "failed")
    checks = tuple(passed(check) for check in Check if check is not Check.SOAK)
    return Rehearsal(subject, build, (*checks, last), MIGRATED)


ONE_OF_EACH: Final[tuple[ev.Answer, ...]] = (
    ev.Done(),
    ev.Failed(Fault.HOST, "failed"),
    ev.Rehearsed(()),
    ev.Assessed(ev.Readiness.IDLE),
    ev.Snapshotted("snapshot", AT_FIRST, 1),
    ev.Quarantined("snapshot"),
    ev.Paired(),
    ev.NotPaired(Fault.BUILD, "failed"),
    FINDINGS[0],
    ev.BakeBroken("alice", Fault.BUILD, "failed"),
)
"""An answer of every class: what is no answer to an effect has to be refused."""
