"""The log of a rollout: whole stories, and each line that a story may hold."""

from __future__ import annotations

import pytest
from attrs import evolve as changed

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import log
from t3safe.domain.messages import ALERT_WORDS, LogLevel, LogLine
from t3safe.domain.move import Goal, Move, Status
from t3safe.domain.rollout import evolve, opened
from t3safe.domain.rollout_state import Rollout
from tests.unit.domain.plans import DONE, NEW, OLD, plan
from tests.unit.domain.stories import Story

WHY = "alice: 500 from the serve"


def said(*lines: str) -> list[str]:
    """Say a story of alice's from her first step on, progress left out."""
    journal = Story("", lines).play("gated").journal
    first = journal[0]
    assert isinstance(first, ev.Opened)
    after = opened(first.plan)
    found = list(log.lines(None, first, after))
    for event in journal[1:]:
        before, after = after, evolve(after, event)
        found += log.lines(before, event, after)
    return [str(line) for line in found if line.level is not LogLevel.PROGRESS]


def changed_to(before: Rollout, move: Move) -> LogLine:
    """Give the line for a person whose move came to stand so."""
    (line,) = log.lines(before, ev.Finished(1, DONE, NOW), changed(before, moves=(move,)))
    return line


def test_the_story_of_a_healthy_night() -> None:
    """One line a fact, and no alert word in any."""
    found = said("moved bake promote", "end promoted")
    assert found == [
        f"candidate: {NEW} for alice ({OLD}); run r1",
        f"gate: {NEW} passed on empty data (0 s)",
        f"gate: {NEW} passed on alice (0 s)",
        f"gate: {NEW} passed",
        f"alice pairs on {OLD} (via dispatch, 0 s)",
        "rollback point of alice: r1.0010 (4 KiB)",
        f"alice pairs on {NEW} (via dispatch, 0 s)",
        f"moved alice to {NEW}, pairing verified",
        f"promoted {NEW}: default and last-good",
        f"promoted: {NEW}: moved alice",
    ]
    assert not any(word in line for word in ALERT_WORDS for line in found)


def test_the_story_of_a_rollback() -> None:
    """The alert words stand at the beginning of their lines, in the order of what happened."""
    found = said("started new?=broken undo", "blame", f"end rolled-back = {WHY}")
    for line, beginning in zip(
        found[6:],
        [
            f"alice does not pair on {NEW} (build): 500 from the serve",
            f"rolling back alice from {NEW} to {OLD}: 500 from the serve",
            "quarantined alice's data",
            f"alice pairs on {OLD}",
            f"rolled back alice to {OLD}, pairing verified",
            f"refused {NEW}: in production, {WHY}",
            f"FROZEN ({NEW} failed in production: {WHY})",
            f"rolled_back: {WHY}",
        ],
        strict=True,
    ):
        assert line.startswith(beginning)


def test_the_story_of_a_rollback_that_fails() -> None:
    """The loudest line holds everything that is needed to finish by hand."""
    both = f"{WHY}; then: disk full"
    steps = "started new?=broken fence stop quarantine restore=host:disk_full"
    ends = ("look=fence/none/restoring", "convict", "freeze", f"end needs-human = {both}")
    failed, turned, settled, *_, ended = said(steps, *ends)[9:]
    assert failed == "cannot restore alice's data from r1.0010 (host): disk full"
    assert turned == f"ROLLBACK FAILED for {both}"
    assert settled.startswith(f"ROLLBACK FAILED for {both}; from {OLD} to {NEW}, ")
    assert "rollback point r1.0010, quarantined as r1.0016;" in settled
    assert f"`t3safe rollback alice --to {OLD} --force`" in settled
    assert ended == f"NEEDS A HUMAN: {both}"


def test_the_story_of_a_run_that_was_cut_off() -> None:
    """The takeover, the request to stop and the cancelled move are facts too."""
    steps = "started new?=SIGTERM,DIES look=fence/L30 return=no-host:no_cookie look=old/L30/runs"
    stopping, resuming, cancelled, unpaired, settled, ended = said(steps, "end needs-human")[6:]
    assert stopping.startswith("SIGTERM: ")
    assert "run r1" in resuming
    assert cancelled == f"cancelled the move of alice, who stays on {OLD}: interrupted"
    assert unpaired == f"alice does not pair on {OLD} (host): no cookie"
    assert settled.startswith(f"alice is back on {OLD} and does not pair there either")
    assert "`t3safe status`" in settled
    assert ended.startswith("NEEDS A HUMAN: ")


@pytest.mark.parametrize(
    ("event", "level", "text"),
    [
        (
            ev.Opened(plan("alice"), NOW),
            LogLevel.INFO,
            f"candidate: {NEW} for alice ({OLD}); run r1",
        ),
        (ev.Opened(plan(), NOW), LogLevel.INFO, f"candidate: {NEW} for no one; run r1"),
        (
            ev.Opened(plan(kind=ev.Kind.BAKE, baking=("alice", "bob")), NOW),
            LogLevel.INFO,
            f"candidate: {NEW} for alice, bob; bake r1",
        ),
        (
            ev.Opened(plan("alice", "bob", kind=ev.Kind.BACK), NOW),
            LogLevel.INFO,
            f"requested rollback: alice from {OLD} to {NEW}, bob from {OLD} to {NEW}; back r1",
        ),
        (ev.Resumed(NOW), LogLevel.WARNING, "resuming run r1, which was interrupted"),
        (
            ev.StopAsked(NOW, "SIGTERM"),
            LogLevel.WARNING,
            "SIGTERM: the run ends at the next safe point",
        ),
    ],
)
def test_the_beginning_of_a_run_and_its_interruption_are_logged(
    event: ev.Event, level: LogLevel, text: str
) -> None:
    """About no single person, and without an alert word: a requested rollback is no alarm."""
    assert log.lines(None, event, opened(plan("alice"))) == (LogLine(level, text),)


@pytest.mark.parametrize(
    ("status", "kind", "level", "alert", "parts"),
    [
        (
            Status.MOVED,
            ev.Kind.RUN,
            LogLevel.INFO,
            "",
            (f"moved alice to {NEW}, pairing verified",),
        ),
        (
            Status.MOVED,
            ev.Kind.BACK,
            LogLevel.INFO,
            "",
            (f"returned alice to {NEW}, pairing verified",),
        ),
        (
            Status.KEPT,
            ev.Kind.RUN,
            LogLevel.WARNING,
            "",
            (f"alice stays on {NEW}", "at the serve alone: because"),
        ),
        (Status.DEFERRED, ev.Kind.RUN, LogLevel.INFO, "", ("deferring alice: because",)),
        (Status.RETURNED, ev.Kind.RUN, LogLevel.WARNING, "", ("returned: alice: because",)),
        (
            Status.BROKEN_BEFORE,
            ev.Kind.RUN,
            LogLevel.WARNING,
            "",
            ("broken-before: alice: because",),
        ),
        (Status.NOT_RUNNING, ev.Kind.RUN, LogLevel.WARNING, "", ("not-running: alice: because",)),
        (Status.ROLLED_BACK, ev.Kind.RUN, LogLevel.ALERT, "rolled back", (f"alice to {OLD}",)),
        (Status.ENVIRONMENT, ev.Kind.RUN, LogLevel.ALERT, "", ("does not pair", "`t3safe status`")),
        (
            Status.NEEDS_HUMAN,
            ev.Kind.BACK,
            LogLevel.ALERT,
            "ROLLBACK FAILED",
            (
                f"for alice: because; from {OLD} to {NEW}, rollback point none taken, ",
                "taken, the data is unchanged; fix the cause, then ",
                f"then `t3safe rollback alice --to {OLD} --force`",
            ),
        ),
    ],
)
def test_the_end_of_a_persons_part_is_as_loud_as_what_it_means(
    status: Status, kind: ev.Kind, level: LogLevel, alert: str, parts: tuple[str, ...]
) -> None:
    """About that person, with what happened and why."""
    before = opened(plan("alice", kind=kind))
    line = changed_to(before, changed(before.moves[0], status=status, reason="because"))
    assert (line.level, line.person, line.alert) == (level, "alice", alert)
    assert all(part in str(line) for part in parts), str(line)


@pytest.mark.parametrize(
    ("goal", "level", "text"),
    [
        (Goal.BACK, LogLevel.ALERT, f"rolling back alice from {NEW} to {OLD}: because"),
        (
            Goal.CANCEL,
            LogLevel.WARNING,
            f"cancelled the move of alice, who stays on {OLD}: because",
        ),
        (Goal.LAST_RESORT, LogLevel.ALERT, "ROLLBACK FAILED for alice: because"),
    ],
)
def test_a_goal_that_changes_is_logged(goal: Goal, level: LogLevel, text: str) -> None:
    """While it is under way: who, from where to where, and why."""
    before = opened(plan("alice", kind=ev.Kind.BACK))
    line = changed_to(before, changed(before.moves[0], goal=goal, reason="because"))
    assert (line.level, str(line), line.person) == (level, text, "alice")


def test_a_goal_that_changes_forward_again_is_a_fact_about_that_person() -> None:
    """Somebody found on the new build after a crash is verified there."""
    before = opened(plan("alice", kind=ev.Kind.BACK))
    back = changed(before, moves=(changed(before.moves[0], goal=Goal.BACK),))
    (line,) = log.lines(back, ev.Finished(1, DONE, NOW), before)
    assert line == LogLine(LogLevel.INFO, f"alice is on {NEW} already: verifying there", "alice")


def test_a_moved_person_who_cannot_be_verified_any_more_is_an_alert_without_an_alert_word() -> None:
    """Nothing was rolled back: the line says who, why, and the command, and only once."""
    before = opened(plan("alice", "bob"))
    moved = changed(before.moves[0], status=Status.MOVED, todo=())
    lost = changed(moved, status=Status.NEEDS_HUMAN, reason="because")
    then, now = (changed(before, moves=(move, before.moves[1])) for move in (moved, lost))
    (line,) = log.lines(then, ev.Finished(1, DONE, NOW), now)
    assert (line.level, line.person, line.alert) == (LogLevel.ALERT, "alice", "")
    assert str(line).startswith("look at alice: because; `t3safe rollback alice`")


@pytest.mark.parametrize("outcome", ev.Outcome)
def test_the_end_of_a_run_is_as_loud_as_its_outcome(outcome: ev.Outcome) -> None:
    """No outcome's line holds an alert word; those stand for what happened to a person."""
    rollout = opened(plan("alice"))
    (line,) = log.lines(rollout, ev.Closed(ev.Ended(outcome, "why"), NOW), rollout)
    good = {ev.Outcome.PROMOTED, ev.Outcome.MOVED, ev.Outcome.PASSED, ev.Outcome.DEFERRED}
    level, name = LogLevel.WARNING, outcome.value.replace("-", "_")
    if outcome in good:
        level = LogLevel.INFO
    elif outcome is ev.Outcome.NEEDS_HUMAN:
        level, name = LogLevel.ALERT, "NEEDS A HUMAN"
    assert line == LogLine(level, f"{name}: why")
    assert str(line) == line.text


def test_an_answer_is_logged_by_its_effect_and_an_answer_to_nothing_is_not() -> None:
    """A damaged journal is shown as far as it makes sense."""
    rollout = opened(plan("alice"))
    finished = ev.Finished(1, DONE, NOW)
    assert log.lines(rollout, finished, rollout) == log.lines(None, finished, rollout) == ()
    pending = changed(rollout, pending=fx.Promote(NEW, ()))
    (line,) = log.lines(pending, finished, pending)
    assert line.text.startswith(f"promoted {NEW}")


def test_a_long_step_is_logged_as_it_begins() -> None:
    """As progress of that person; a short one is not."""
    rollout = opened(plan("alice"))
    (line,) = log.lines(rollout, ev.Started(1, fx.Restore("alice", "s1"), NOW), rollout)
    assert line == LogLine(LogLevel.PROGRESS, "restoring alice's data from s1", "alice")
    assert log.lines(rollout, ev.Started(1, fx.Promote(NEW, ()), NOW), rollout) == ()


def test_two_rollouts_that_do_not_fit_are_a_defect() -> None:
    """Of two plans nothing can be said, and not half a line."""
    alone, both = opened(plan("alice")), opened(plan("alice", "bob"))
    with pytest.raises(ValueError, match="longer"):
        log.lines(alone, ev.Finished(1, DONE, NOW), both)
