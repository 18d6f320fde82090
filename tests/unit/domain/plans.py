"""Plans, rehearsals and answers that tests of the rollout share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.checks import Check, failed, passed
from t3safe.domain.errors import Fault
from t3safe.domain.gate import EMPTY, OnPersonFailure, Rehearsal
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.runs import MoveRecord, RunRecord
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE

NOW: Final = datetime(2026, 6, 16, 4, tzinfo=UTC)
OLD: Final = Version.parse("0.0.25-nightly.20260602.440")
NEW: Final = Version.parse("0.0.28-nightly.20260616.571")

L30: Final = SetLedger.of({V1_DATABASE: Ledger.of([(30, "Archive")])})
L32: Final = SetLedger.of({V1_DATABASE: Ledger.of([(30, "Archive"), (31, "A"), (32, "B")])})
STRANGE: Final = SetLedger.of({V1_DATABASE: Ledger.of([(30, "Archive"), (31, "Foreign")])})

DONE: Final = ev.Done()
IDLE: Final = ev.Assessed(ev.Readiness.IDLE)
PAIRED: Final = ev.Paired()


def build_fault(reason: str) -> ev.Failed:
    """Fail by the build's own doing, which is never tried again."""
    return ev.Failed(Fault.BUILD, reason)


def host_fault(reason: str) -> ev.Failed:
    """Fail by this machine's doing."""
    return ev.Failed(Fault.HOST, reason)


def plan(
    *people: str,
    kind: ev.Kind = ev.Kind.RUN,
    attempts_max: int = 1,
    on_person_failure: OnPersonFailure = OnPersonFailure.REFUSE,
    restore: str = "",
    knows: SetLedger | None = None,
    force: bool = False,
    baking: tuple[str, ...] = (),
) -> ev.Plan:
    """Give a plan that moves these people from OLD to NEW, without a second attempt."""
    return ev.Plan(
        run="r1",
        kind=kind,
        candidate=NEW,
        base=OLD,
        moves=tuple(ev.MovePlan(person, OLD, NEW, restore, knows) for person in people),
        bake=600.0,
        attempts_max=attempts_max,
        on_person_failure=on_person_failure,
        force=force,
        all_people=(*people, "zoe"),
        baking=baking,
    )


def promote(*people: str) -> fx.Promote:
    """Give the promotion that ends a plan for these people."""
    return fx.Promote(NEW, (*people, "zoe"))


def rehearsal(
    subject: str, build: Version = NEW, failing: str = "", schema: SetLedger = L32
) -> Rehearsal:
    """Give a rehearsal that passed, or whose soak failed for this reason."""
    last = failed(Check.SOAK, failing) if failing else passed(Check.SOAK)
    checks = (*(passed(check) for check in list(Check)[:-1]), last)
    return Rehearsal(subject, build, checks, schema)


def rehearsed(
    *people: str, build: Version = NEW, failing: tuple[str, ...] = (), why: str = "it died"
) -> ev.Rehearsed:
    """Answer for empty data and these people; those who are named failed, for this reason."""
    return ev.Rehearsed(
        tuple(
            rehearsal(person, build, why if person in failing else "")
            for person in (EMPTY, *people)
        )
    )


def snapshot(name: str, ledger: SetLedger = L30) -> ev.Snapshotted:
    """Answer with a sealed snapshot of this id."""
    return ev.Snapshotted(name, ledger, 4096)


def subjects(**snapshots: str) -> tuple[fx.Subject, ...]:
    """Give empty data and each person's copy."""
    found = tuple(fx.Subject(person, name) for person, name in snapshots.items())
    return (fx.Subject(EMPTY, ""), *found)


def ran(
    outcome: ev.Outcome | None,
    kind: ev.Kind = ev.Kind.RUN,
    run: str = "r1",
    reason: str = "why",
    days_ago: float = 0,
) -> RunRecord:
    """Give a run of ann's that ended so; one that is not over without an outcome."""
    at = NOW - timedelta(days=days_ago)
    ended = ev.Ended(outcome, reason) if outcome is not None else None
    moves = (MoveRecord(run, kind, at, "ann", OLD, NEW),)
    return RunRecord(run, kind, NEW, at, ended, at if ended is not None else None, moves)
