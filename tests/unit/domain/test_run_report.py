"""A run is told step by step, and what was not answered is never told as done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.gate import Rehearsal
from t3safe.domain.run_report import (
    UNFINISHED,
    Evidence,
    EvidenceKind,
    FullRunReport,
    StepEnd,
    StepReport,
    full_report,
    named,
    report_of,
    wanted,
)
from t3safe.domain.runs import RunRecord
from t3safe.domain.versions import Version
from tests.unit.domain.plans import DONE, NEW, PAIRED, plan, ran, rehearsal, snapshot

T0 = datetime(2026, 6, 16, 4, tzinfo=UTC)
FAILED = ev.Failed(Fault.HOST, "no")
ENDED = ev.Ended(ev.Outcome.PROMOTED, "moved ann")


def at(seconds: float) -> datetime:
    """Give the moment so many seconds after the beginning."""
    return T0 + timedelta(seconds=seconds)


RUNNING = ran(None)
OVER = evolve(RUNNING, ended=ENDED, closed=at(90))


def told(*events: ev.Event, log: str = "") -> FullRunReport:
    """Tell a run that begins with its opening."""
    logs = {NEW: log}
    return full_report(RUNNING, (ev.Opened(plan("ann"), T0), *events), lambda build: logs[build])


def answered(effect: fx.Effect, answer: ev.Answer, log: str = "") -> FullRunReport:
    """Tell a run with one step that took two and a half seconds."""
    return told(ev.Started(1, effect, at(1)), ev.Finished(1, answer, at(3.5)), log=log)


def test_a_run_that_is_over_tells_when_and_how() -> None:
    """Beginning, end, duration, outcome and reason; where its events were pruned no steps."""
    found = full_report(OVER, (), lambda build: "")
    assert (found.run, found.kind, found.candidate) == ("r1", ev.Kind.RUN, NEW)
    assert (found.people, found.opened, found.closed) == (("ann",), T0, at(90))
    assert (found.seconds, found.outcome, found.reason) == (90.0, "promoted", "moved ann")
    assert (found.steps, found.interruptions) == ((), 0)


def test_a_run_under_way_is_unfinished() -> None:
    """It has neither end nor duration; whoever is watched belongs to it."""
    found = report_of(RunRecord("r1", ev.Kind.BAKE, NEW, T0, baking=("ben",)))
    assert (found.people, found.outcome) == (("ben",), UNFINISHED)
    assert (found.closed, found.seconds, found.reason) == (None, None, "")


def test_a_step_without_an_answer_is_running_and_after_a_crash_unknown() -> None:
    """Rule 1: neither is done, and no duration is made up."""
    begun = ev.Started(1, fx.Stop("ann"), at(1))
    (step,) = told(begun).steps
    assert step == StepReport(1, "stop", "ann", at(1), None, StepEnd.RUNNING, "", ())
    found = told(begun, ev.Resumed(at(60)), ev.Started(2, fx.Inspect("ann"), at(61)))
    assert found.interruptions == 1
    assert [step.seq for step in found.steps] == [1, 2]
    assert [step.end for step in found.steps] == [StepEnd.UNKNOWN, StepEnd.RUNNING]
    assert found.steps[0].seconds is None
    assert "interrupted" in found.steps[0].said


def test_a_takeover_between_two_steps_loses_none() -> None:
    """What was answered before stays as it was."""
    found = told(
        ev.Started(1, fx.Stop("ann"), at(1)),
        ev.Finished(1, DONE, at(2)),
        ev.StopAsked(at(3)),
        ev.Resumed(at(60)),
        ev.Resumed(at(70)),
    )
    assert [step.end for step in found.steps] == [StepEnd.DONE]
    assert found.interruptions == 2


def test_an_answer_to_no_step_changes_none() -> None:
    """Before the first step, after an answer and after a takeover a damaged journal has one."""
    begun = ev.Started(1, fx.Stop("ann"), at(1))
    stray = ev.Finished(1, FAILED, at(9))
    assert told(stray, ev.Resumed(at(10))).steps == ()
    answered_twice = told(begun, ev.Finished(1, DONE, at(2)), stray)
    assert [step.end for step in answered_twice.steps] == [StepEnd.DONE]
    taken_over = told(begun, ev.Resumed(at(5)), stray)
    assert [step.end for step in taken_over.steps] == [StepEnd.UNKNOWN]


def test_a_step_of_the_host_names_nobody() -> None:
    """And how long it took is told to a thousandth of a second."""
    step = ev.Started(7, fx.Promote(NEW, ()), at(1)), ev.Finished(7, DONE, at(3.14159))
    (found,) = told(*step).steps
    assert (found.seq, found.person, found.seconds) == (7, "", 2.142)


@pytest.mark.parametrize(
    ("answer", "end", "said"),
    [(PAIRED, StepEnd.DONE, "through dispatch"), (FAILED, StepEnd.FAILED, "no (host)")],
)
def test_a_step_has_its_name_its_entry_and_its_time(
    answer: ev.Answer, end: StepEnd, said: str
) -> None:
    """In the words of `messages`."""
    (step,) = answered(fx.VerifyPairing("ann", NEW), answer).steps
    assert (step.step, step.end, step.said, step.seconds) == ("verify", end, said, 2.5)


def test_evidence_is_named_where_it_lies() -> None:
    """Folders of rehearsals, snapshots, and npm's words where they are kept."""
    seen = Rehearsal("ann", NEW, (), evidence="/evidence/ann")
    (step,) = answered(fx.Rehearse(NEW, ()), ev.Rehearsed((seen, rehearsal("")))).steps
    assert step.evidence == (Evidence(EvidenceKind.REHEARSAL, "/evidence/ann"),)
    (step,) = answered(fx.SnapshotOnline("ann", "s"), snapshot("s")).steps
    assert step.evidence == (Evidence(EvidenceKind.SNAPSHOT, "s"),)
    (step,) = answered(fx.Quarantine("ann", "q", NEW, "s"), ev.Quarantined("q")).steps
    assert step.evidence == (Evidence(EvidenceKind.SNAPSHOT, "q"),)
    (step,) = answered(fx.StageBuild(NEW), DONE, log="/npm.log").steps
    assert step.evidence == (Evidence(EvidenceKind.NPM_LOG, "/npm.log"),)
    assert answered(fx.StageBuild(NEW), DONE).steps[0].evidence == ()


def test_no_secret_is_told() -> None:
    """Rule 2: "What a step says is redacted"."""
    answer = ev.Failed(Fault.HOST, "credential: abcdef")
    assert "abcdef" not in answered(fx.Stop("ann"), answer).steps[0].said
    ended = ev.Ended(ev.Outcome.REFUSED, "credential: abcdef")
    assert "abcdef" not in report_of(evolve(OVER, ended=ended)).reason


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("last", ("20260616-ab",)),
        ("20260616-ab", ("20260616-ab",)),
        ("20260615", ("20260615-cd", "20260615-ce")),
        ("20260615-cd", ("20260615-cd",)),
        ("nope", ()),
    ],
)
def test_a_run_is_named_in_full_by_its_beginning_or_as_last(
    asked: str, found: tuple[str, ...]
) -> None:
    """Rule 3; several matches are all given."""
    assert named(asked, iter(("20260616-ab", "20260615-cd", "20260615-ce"))) == found
    assert named("last", ()) == ()


def test_a_name_that_is_the_beginning_of_another_means_itself() -> None:
    """A run that is named in full is found although a longer name begins with it."""
    assert named("a", ("ab", "a")) == ("a",)


def test_runs_are_chosen_by_person_and_outcome() -> None:
    """Both must fit; an empty text asks for all."""
    ran = report_of(OVER)
    assert wanted(ran, "", "")
    assert wanted(ran, "ann", "promoted")
    assert not wanted(ran, "ben", "promoted")
    assert not wanted(ran, "ann", "refused")


def test_an_old_build_is_told_by_its_text() -> None:
    """Whatever is given to a step that names a build stands in what it said."""
    old = Version.parse("0.0.25-nightly.20260602.440")
    (step,) = answered(fx.Promote(old), DONE).steps
    assert step.said == old.text
