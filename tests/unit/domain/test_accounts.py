"""A run is told step by step, and what was not answered is never told as done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.accounts import (
    UNFINISHED,
    Account,
    Evidence,
    RunTold,
    StepEnd,
    Trace,
    account,
    named,
    tell_run,
    wanted,
)
from t3safe.domain.errors import Fault
from t3safe.domain.gate import Rehearsal
from t3safe.domain.ports import RunRecord
from t3safe.domain.summary import moves_somebody, put_there
from t3safe.domain.versions import Version
from tests.unit.domain.plans import DONE, NEW, PAIRED, plan, rehearsal, snapshot

T0 = datetime(2026, 6, 16, 4, tzinfo=UTC)
FAILED = ev.Failed(Fault.HOST, "no")
ENDED = ev.Ended(ev.Outcome.PROMOTED, "moved ann")


def at(seconds: float) -> datetime:
    """Give the moment so many seconds after the beginning."""
    return T0 + timedelta(seconds=seconds)


def told(*events: ev.Event, log: str = "") -> Account:
    """Tell a run that begins with its opening."""
    found = account((ev.Opened(plan("ann"), T0), *events), lambda build: log)
    assert found is not None
    return found


def answered(effect: fx.Effect, answer: ev.Answer, log: str = "") -> Account:
    """Tell a run with one step that took two and a half seconds."""
    return told(ev.Started(1, effect, at(1)), ev.Finished(1, answer, at(3.5)), log=log)


def test_a_run_that_is_over_tells_when_and_how() -> None:
    """Beginning, end, duration, outcome and reason are those of its first and last event."""
    found = told(ev.Closed(ENDED, at(90)))
    assert (found.run, found.kind, found.candidate) == ("r1", ev.Kind.RUN, NEW)
    assert (found.people, found.opened, found.closed) == (("ann",), T0, at(90))
    assert (found.seconds, found.outcome, found.reason) == (90.0, "promoted", "moved ann")
    record = RunRecord(plan("ann"), T0, ENDED, at(90))
    assert RunTold(**{key: getattr(found, key) for key in RunTold.__annotations__}) == tell_run(
        record
    )


def test_a_run_under_way_is_unfinished() -> None:
    """It has neither end nor duration; whoever is watched belongs to it."""
    record = RunRecord(plan(kind=ev.Kind.BAKE, baking=("ben",)), T0, None, None)
    found = tell_run(record)
    assert (found.people, found.outcome) == (("ben",), UNFINISHED)
    assert (found.closed, found.seconds, found.reason) == (None, None, "")


def test_a_step_without_an_answer_is_running_and_after_a_crash_unknown() -> None:
    """Rule 1: neither is done, and no duration is made up."""
    begun = ev.Started(1, fx.Stop("ann"), at(1))
    (step,) = told(begun).steps
    assert (step.end, step.seconds, step.person) == (StepEnd.RUNNING, None, "ann")
    found = told(begun, ev.Resumed(at(60)), ev.Started(2, fx.Inspect("ann"), at(61)))
    assert found.interruptions == 1
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
    )
    assert [step.end for step in found.steps] == [StepEnd.DONE]
    assert found.interruptions == 1


def test_events_that_nothing_opened_are_no_run() -> None:
    """An unknown run, and a damaged one, are told by nobody."""
    assert account((), lambda build: "") is None
    stray = (ev.Finished(1, DONE, T0), ev.Closed(ENDED, T0))
    assert account(stray, lambda build: "") is None


@pytest.mark.parametrize(
    ("answer", "end", "said"),
    [(PAIRED, StepEnd.DONE, "through dispatch"), (FAILED, StepEnd.FAILED, "no (host)")],
)
def test_a_step_has_its_name_its_entry_and_its_time(
    answer: ev.Answer, end: StepEnd, said: str
) -> None:
    """In the words of `messages`."""
    (step,) = answered(fx.Verify("ann", NEW), answer).steps
    assert (step.step, step.end, step.said, step.seconds) == ("verify", end, said, 2.5)


def test_evidence_is_named_where_it_lies() -> None:
    """Folders of rehearsals, snapshots, and npm's words where they are kept."""
    seen = Rehearsal("ann", NEW, (), evidence="/evidence/ann")
    (step,) = answered(fx.Rehearse(NEW, ()), ev.Rehearsed((seen, rehearsal("")))).steps
    assert step.evidence == (Evidence(Trace.REHEARSAL, "/evidence/ann"),)
    (step,) = answered(fx.SnapshotOnline("ann", "s"), snapshot("s")).steps
    assert step.evidence == (Evidence(Trace.SNAPSHOT, "s"),)
    (step,) = answered(fx.Quarantine("ann", "q", NEW, "s"), ev.Quarantined("q")).steps
    assert step.evidence == (Evidence(Trace.SNAPSHOT, "q"),)
    (step,) = answered(fx.Stage(NEW), DONE, log="/npm.log").steps
    assert step.evidence == (Evidence(Trace.NPM_LOG, "/npm.log"),)
    assert answered(fx.Stage(NEW), DONE).steps[0].evidence == ()


def test_no_secret_is_told() -> None:
    """Rule 2: "What a step says is redacted"."""
    answer = ev.Failed(Fault.HOST, "credential: abcdef")
    assert "abcdef" not in answered(fx.Stop("ann"), answer).steps[0].said
    ended = ev.Ended(ev.Outcome.REFUSED, "credential: abcdef")
    assert "abcdef" not in told(ev.Closed(ended, at(1))).reason
    assert "abcdef" not in tell_run(RunRecord(plan("ann"), T0, ended, at(1))).reason


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
    ran = tell_run(RunRecord(plan("ann"), T0, ENDED, at(1)))
    assert wanted(ran, "", "")
    assert wanted(ran, "ann", "promoted")
    assert not wanted(ran, "ben", "promoted")
    assert not wanted(ran, "ann", "refused")


def test_the_build_that_was_put_in_place_last_is_found() -> None:
    """Of this person, once it was done: what was begun, failed or is another's does not count."""
    old = Version.parse("0.0.25-nightly.20260602.440")
    events: tuple[ev.Event, ...] = (
        ev.Opened(plan("ann", "ben"), T0),
        ev.Started(1, fx.Select("ann", NEW), at(1)),
        ev.Finished(1, DONE, at(2)),
        ev.Started(2, fx.Select("ben", NEW), at(3)),
        ev.Finished(2, ev.Failed(Fault.HOST, "no"), at(4)),
        ev.Started(3, fx.Stop("ann"), at(5)),
        ev.Finished(3, DONE, at(6)),
    )
    assert put_there(events, "ann") == (NEW, at(2))
    assert put_there(events, "ben") is None
    back = (ev.Started(4, fx.Select("ann", old), at(7)), ev.Finished(4, DONE, at(8)))
    assert put_there((*events, *back), "ann") == (old, at(8))
    assert put_there((*events, back[0]), "ann") == (NEW, at(2))


@pytest.mark.parametrize(
    ("kind", "outcome", "moves"),
    [
        (ev.Kind.RUN, ev.Outcome.PROMOTED, True),
        (ev.Kind.RUN, ev.Outcome.ROLLED_BACK, True),
        (ev.Kind.BACK, None, True),
        (ev.Kind.RUN, ev.Outcome.REFUSED, False),
        (ev.Kind.DRAIN, ev.Outcome.GATE_BROKEN, False),
        (ev.Kind.CHECK, None, False),
    ],
)
def test_a_run_that_came_to_nobody_is_not_read(
    kind: ev.Kind, outcome: ev.Outcome | None, moves: bool
) -> None:
    """A check, a refusal and a broken gate put no build in place."""
    ended = ev.Ended(outcome, "") if outcome is not None else None
    assert moves_somebody(RunRecord(plan("ann", kind=kind), T0, ended, None)) is moves
    assert not moves_somebody(RunRecord(plan(kind=kind), T0, ended, None))
