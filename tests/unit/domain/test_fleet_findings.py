"""What a run that is over tells the fleet."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.fleet.findings import Findings, findings, staged_by
from t3safe.domain.fleet.records import Artifact, FleetRuling, FleetVerdict, Halt
from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.move import Status
from t3safe.domain.runs import MoveRecord, RunRecord
from t3safe.simulation.builds import artifact
from tests.unit.domain.plans import NEW, OLD

STAGED = artifact(NEW)
ABOUT = Artifact(NEW, STAGED.lock, STAGED.platform)
CLOSED = NOW + timedelta(minutes=5)
PEOPLE = ("ann", "zoe")


def _record(outcome: ev.Outcome = ev.Outcome.PROMOTED, *statuses: Status) -> RunRecord:
    moves = tuple(
        MoveRecord("r1", ev.Kind.RUN, NOW, name, OLD, NEW, status)
        for name, status in zip(("ann", "bob", "cid"), statuses, strict=False)
    )
    return RunRecord("r1", ev.Kind.RUN, NEW, NOW, ev.Ended(outcome, "so"), CLOSED, moves)


def _ruled(verdict: Verdict, seq: int = 1) -> tuple[ev.Event, ...]:
    return ev.Started(seq, fx.RecordVerdict(verdict), NOW), ev.Finished(seq, ev.Done(), NOW)


def _found(record: RunRecord, *events: ev.Event, staged: ev.Staged | None = STAGED) -> Findings:
    return findings(record, events, staged, "web1", PEOPLE)


def test_a_promotion_says_how_many_people_moved() -> None:
    """Who was kept, deferred or baked before counts as what they are."""
    record = _record(ev.Outcome.PROMOTED, Status.MOVED, Status.DEFERRED, Status.MOVED)
    verdict = FleetVerdict(ABOUT, "web1", "r1", FleetRuling.PROMOTED, CLOSED, moved=2)
    assert _found(record) == Findings((verdict,))
    baked = evolve(record, kind=ev.Kind.BAKE, moves=(), baking=("ann", "bob", "cid"))
    assert _found(baked) == Findings((evolve(verdict, moved=3),))


def test_a_refusal_of_the_gate_is_shared_without_names() -> None:
    """Those of the run and those of the host: a reason may name anybody."""
    why = ("ann and bob: no rows", "zoe: it died")
    found = _found(
        _record(ev.Outcome.REFUSED, Status.WAITING, Status.WAITING),
        *_ruled(Verdict(NEW, Ruling.REFUSED, why)),
    )
    reason = "a person and a person: no rows; a person: it died"
    verdict = FleetVerdict(ABOUT, "web1", "r1", FleetRuling.REFUSED, CLOSED, reason)
    assert found == Findings((verdict,))


def test_a_failure_in_production_halts_the_build() -> None:
    """With the same reason, the host and the run."""
    failed = Verdict(NEW, Ruling.REFUSED, ("in production, ann: mute",), in_production=True)
    reason = "in production, a person: mute"
    assert _found(_record(ev.Outcome.ROLLED_BACK, Status.ROLLED_BACK), *_ruled(failed)) == Findings(
        (FleetVerdict(ABOUT, "web1", "r1", FleetRuling.FAILED, CLOSED, reason),),
        Halt(NEW, "web1", "r1", reason, CLOSED),
    )


def test_a_verdict_that_was_tried_again_is_one_finding() -> None:
    """Also if it could not be kept on the host: the build failed all the same."""
    refused = Verdict(NEW, Ruling.REFUSED, ("no",))
    tried = ev.Started(1, fx.RecordVerdict(refused), NOW)
    lost = ev.Finished(1, ev.Failed(Fault.HOST, "disk full"), NOW)
    found = _found(_record(ev.Outcome.REFUSED), tried, lost, *_ruled(refused, 2))
    assert [one.ruling for one in found.verdicts] == [FleetRuling.REFUSED]


@pytest.mark.parametrize("ruling", [Ruling.PASSED, Ruling.BROKEN])
def test_neither_a_pass_nor_a_broken_gate_is_shared(ruling: Ruling) -> None:
    """A pass counts once people moved; a broken gate is the host's own."""
    events = _ruled(Verdict(NEW, ruling, ("why",)))
    assert _found(_record(ev.Outcome.GATE_BROKEN), *events) == Findings()


@pytest.mark.parametrize(
    "outcome",
    [ev.Outcome.LATER, ev.Outcome.DEFERRED, ev.Outcome.NEEDS_HUMAN, ev.Outcome.INTERRUPTED],
)
def test_an_end_that_judges_nothing_is_not_shared(outcome: ev.Outcome) -> None:
    """It says nothing of the build."""
    assert _found(_record(outcome, Status.MOVED)) == Findings()


def test_what_cannot_be_a_finding_is_none() -> None:
    """A run under way, one of unknown bytes, and a rollback that a person asked for."""
    record = _record(ev.Outcome.PROMOTED, Status.MOVED)
    refused = _ruled(Verdict(NEW, Ruling.REFUSED, ("no",)))
    assert _found(evolve(record, ended=None, closed=None), *refused) == Findings()
    assert _found(record, *refused, staged=None) == Findings()
    assert _found(evolve(record, kind=ev.Kind.BACK), *refused) == Findings()


def test_a_check_shares_a_refusal() -> None:
    """It is the same gate; that a check passed promotes nobody."""
    checked = evolve(_record(ev.Outcome.REFUSED), kind=ev.Kind.CHECK)
    found = _found(checked, *_ruled(Verdict(NEW, Ruling.REFUSED, ("no",))))
    assert [one.ruling for one in found.verdicts] == [FleetRuling.REFUSED]


def test_what_a_run_installed_is_in_its_first_answer_of_that_kind() -> None:
    """Of a run that installed nothing, or of an older t3safe, it is unknown."""
    other = evolve(STAGED, platform="other")
    answers: tuple[ev.Answer, ...] = (ev.Done(), STAGED, other)
    events = [ev.Finished(number, answer, NOW) for number, answer in enumerate(answers, 1)]
    assert staged_by(events) == STAGED
    assert staged_by([ev.Resumed(NOW), *events[:1]]) is None
