"""What is said of a rollout: whole stories, and each line that a story may hold."""

from __future__ import annotations

import pytest
from attrs import evolve as changed

from fakes.playbook import NOW, Ends, Playbook
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.moves import Goal, Status
from t3safe.domain.narrate import ALERT_WORDS, Level, Line, calm, frozen_line, tell
from t3safe.domain.rollout import Rollout, evolve, opened
from tests.unit.domain.conftest import Play
from tests.unit.domain.plans import (
    DONE,
    IDLE,
    L30,
    NEW,
    OLD,
    build_fault,
    host_fault,
    plan,
    promote,
    rehearsed,
    snapshot,
    subjects,
)

PAIRED = ev.Paired("dispatch", 1.25)


def story(book: Playbook) -> list[str]:
    """Say a whole playbook, progress left out."""
    first = book.journal[0]
    assert isinstance(first, ev.Opened)
    after = opened(first.plan)
    lines = list(tell(None, first, after))
    for event in book.journal[1:]:
        before, after = after, evolve(after, event)
        lines += tell(before, event, after)
    return [str(line) for line in lines if line.level is not Level.PROGRESS]


def started(play: Play) -> Playbook:
    """Play one person's run up to the verification on the new build."""
    book = play(plan("alice")) << fx.Stage(NEW) >> DONE
    book << fx.SnapshotOnline("alice", "r1.0002") >> snapshot("r1.0002")
    book << fx.Rehearse(NEW, subjects(alice="r1.0002")) >> rehearsed("alice")
    book << fx.RecordVerdict(Verdict(NEW, Ruling.PASSED)) >> DONE
    book << fx.Assess("alice") >> IDLE << fx.Verify("alice", OLD) >> PAIRED
    book << fx.Assess("alice") >> IDLE << fx.Fence("alice") >> DONE << fx.Stop("alice") >> DONE
    book << fx.SnapshotAtRest("alice", "r1.0010", OLD) >> snapshot("r1.0010")
    book << fx.Select("alice", NEW) >> DONE << fx.Start("alice") >> DONE
    return book << fx.Verify("alice", NEW)


def refused(told: str) -> fx.RecordVerdict:
    """The verdict that a failure in production leaves."""
    why = f"in production, {told}"
    return fx.RecordVerdict(Verdict(NEW, Ruling.REFUSED, (why,), in_production=True))


BEGINNING = [
    f"candidate: {NEW} for alice ({OLD}); run r1",
    f"gate: {NEW} passed on the empty set (0.0 s)",
    f"gate: {NEW} passed on alice (0.0 s)",
    f"gate: {NEW} passed",
    f"alice pairs on {OLD} (via dispatch, 1.2 s)",
    "rollback point of alice: r1.0010 (4096 bytes)",
]


def test_the_story_of_a_healthy_night(play: Play) -> None:
    """One line a fact, and no alert word in any."""
    book = started(play) >> PAIRED << fx.Bake(("alice",), NEW, 600.0) >> DONE
    book << promote("alice") >> DONE << fx.Prune(("alice", "zoe"), ("r1.0010",)) >> DONE
    book << Ends.saying(ev.Outcome.PROMOTED)
    said = story(book)
    assert said == [
        *BEGINNING,
        f"alice pairs on {NEW} (via dispatch, 1.2 s)",
        f"moved alice to {NEW}, pairing verified",
        f"promoted {NEW}: default and last-good",
        f"promoted: {NEW}: moved alice",
    ]
    assert not any(word in line for word in ALERT_WORDS for line in said)


def test_the_story_of_a_rollback(play: Play) -> None:
    """The alert words stand at the beginning of their lines; the rows are told one by one."""
    book = started(play) >> ev.NotPaired(Fault.BUILD, "no cookie") << fx.Fence("alice") >> DONE
    rows = (ev.RowsKept("state:a", 2), ev.RowsKept("state:b", 1))
    book << fx.Stop("alice") >> DONE << fx.Quarantine("alice", "r1.0016", NEW, "r1.0010")
    book >> ev.Quarantined("r1.0016", rows) << fx.Restore("alice", "r1.0010") >> DONE
    book << fx.Select("alice", OLD) >> DONE << fx.Start("alice") >> DONE
    book << fx.Verify("alice", OLD) >> PAIRED
    why = "in production, alice: no cookie"
    book << refused("alice: no cookie") >> DONE
    book << fx.Freeze(f"{NEW} failed in production: alice: no cookie") >> DONE
    book << fx.Prune(("alice", "zoe"), ("r1.0010", "r1.0016")) >> DONE
    book << Ends.saying(ev.Outcome.ROLLED_BACK)
    assert story(book) == [
        *BEGINNING,
        f"alice does not pair on {NEW} (build): no cookie",
        f"rolling back alice from {NEW} to {OLD}: no cookie",
        "quarantined what alice had since the stop as r1.0016: state:a 2, state:b 1",
        f"alice pairs on {OLD} (via dispatch, 1.2 s)",
        f"rolled back alice to {OLD}, pairing verified",
        f"refused {NEW}: {why}; `t3safe allow {NEW}` forgives",
        f"FROZEN ({NEW} failed in production: alice: no cookie); look, then `t3safe thaw`",
        "rolled_back: alice: no cookie",
    ]


def test_the_story_of_a_rollback_that_fails(play: Play) -> None:
    """The loudest lines hold everything that is needed to finish by hand."""
    book = started(play) >> ev.NotPaired(Fault.BUILD, "no cookie") << fx.Fence("alice") >> DONE
    book << fx.Stop("alice") >> DONE << fx.Quarantine("alice", "r1.0016", NEW, "r1.0010")
    book >> ev.Quarantined("r1.0016", (), uncounted="not a database")
    book << fx.Restore("alice", "r1.0010") >> host_fault("disk full")
    book << fx.Inspect("alice") >> ev.Inspected(None, False, None, restoring=True)
    told = "alice: no cookie; then: disk full"
    book << refused(told) >> DONE << fx.Freeze(told) >> DONE
    book << fx.Prune(("alice", "zoe"), ("r1.0010", "r1.0016")) >> DONE
    book << Ends.saying(ev.Outcome.NEEDS_HUMAN)
    kept = "quarantined what alice had since the stop"
    manual = (
        f"from {OLD} to {NEW}, rollback point r1.0010, quarantined as r1.0016; mend the cause, "
        f"then `t3safe rollback alice --to {OLD} --force`"
    )
    assert story(book)[len(BEGINNING) + 2 :] == [
        f"{kept} as r1.0016: rows could not be counted: not a database",
        "restore failed (host): disk full",
        "ROLLBACK FAILED for alice: no cookie; then: disk full",
        f"ROLLBACK FAILED for {told}; {manual}",
        f"refused {NEW}: in production, {told}; `t3safe allow {NEW}` forgives",
        f"FROZEN ({told}); look, then `t3safe thaw`",
        f"NEEDS A HUMAN: {told}",
    ]


def test_the_story_of_a_rollback_for_no_fault_of_the_build(play: Play) -> None:
    """The same alert words and a freeze, and not a word that the build is refused."""
    book = started(play) >> ev.NotPaired(Fault.HOST, "another pid") << fx.Fence("alice") >> DONE
    book << fx.Stop("alice") >> DONE << fx.Quarantine("alice", "r1.0016", NEW, "r1.0010")
    book >> ev.Quarantined("r1.0016") << fx.Restore("alice", "r1.0010") >> DONE
    book << fx.Select("alice", OLD) >> DONE << fx.Start("alice") >> DONE
    book << fx.Verify("alice", OLD) >> PAIRED
    why = f"{NEW} could not be put in place, not its own fault: alice: another pid"
    book << fx.Freeze(why) >> DONE
    book << fx.Prune(("alice", "zoe"), ("r1.0010", "r1.0016")) >> DONE
    book << Ends.saying(ev.Outcome.ROLLED_BACK)
    assert story(book)[len(BEGINNING) :] == [
        f"alice does not pair on {NEW} (host): another pid",
        f"rolling back alice from {NEW} to {OLD}: another pid",
        "quarantined what alice had since the stop as r1.0016: no rows of its own",
        f"alice pairs on {OLD} (via dispatch, 1.2 s)",
        f"rolled back alice to {OLD}, pairing verified",
        f"FROZEN ({why}); look, then `t3safe thaw`",
        "rolled_back: alice: another pid",
    ]


def test_the_story_of_a_serve_that_would_not_stop(play: Play) -> None:
    """What was tried is told, and the second failure stands beside the first."""
    book = started(play) >> ev.NotPaired(Fault.BUILD, "no cookie") << fx.Fence("alice") >> DONE
    book << fx.Stop("alice") >> host_fault("busy") << fx.Inspect("alice")
    book >> ev.Inspected(None, running=True, ledger=L30) << fx.Stop("alice") >> host_fault("still")
    told = "alice: no cookie; then: busy; then: still"
    (
        book
        << refused(told)
        >> DONE
        << fx.Freeze(told)
        >> DONE
        << fx.Prune(("alice", "zoe"), ("r1.0010",))
        >> DONE
    )
    book << Ends.saying(ev.Outcome.NEEDS_HUMAN)
    manual = (
        f"from {OLD} to {NEW}, rollback point r1.0010; mend the cause, "
        f"then `t3safe rollback alice --to {OLD} --force`"
    )
    assert story(book)[len(BEGINNING) + 2 :] == [
        "stop failed (host): busy",
        "ROLLBACK FAILED for alice: no cookie; then: busy",
        "stop failed (host): still",
        f"ROLLBACK FAILED for {told}; {manual}",
        f"refused {NEW}: in production, {told}; `t3safe allow {NEW}` forgives",
        f"FROZEN ({told}); look, then `t3safe thaw`",
        f"NEEDS A HUMAN: {told}",
    ]


def test_the_story_of_a_bake_of_its_own(play: Play) -> None:
    """Whom it watches is said at once, and what it promotes is what they were moved to."""
    book = play(plan(kind=ev.Kind.BAKE, baking=("alice", "bob")))
    book << fx.Bake(("alice", "bob"), NEW, 600.0) >> DONE << promote() >> DONE
    book << fx.Prune(("zoe",)) >> DONE << Ends.saying(ev.Outcome.PROMOTED)
    assert story(book) == [
        f"candidate: {NEW} for alice, bob; bake r1",
        f"promoted {NEW}: default and last-good",
        f"promoted: {NEW}: baked alice, bob",
    ]


def test_the_story_of_a_bake_of_its_own_that_breaks(play: Play) -> None:
    """Frozen, with the command that shows the way back; nobody is rolled back for it."""
    book = play(plan(kind=ev.Kind.BAKE, baking=("alice",)))
    book << fx.Bake(("alice",), NEW, 600.0) >> ev.BakeBroken("alice", Fault.BUILD, "no cookie")
    how = "`t3safe rollback alice` shows the way back"
    text = f"alice on {NEW} no longer pairs: during the bake: no cookie; {how}"
    book << refused(text) >> DONE << fx.Freeze(text) >> DONE << fx.Prune(("zoe",)) >> DONE
    book << Ends.saying(ev.Outcome.NEEDS_HUMAN)
    assert story(book) == [
        f"candidate: {NEW} for alice; bake r1",
        f"refused {NEW}: in production, {text}; `t3safe allow {NEW}` forgives",
        f"FROZEN ({text}); look, then `t3safe thaw`",
        f"NEEDS A HUMAN: {text}",
    ]


def test_the_story_of_a_broken_gate(play: Play) -> None:
    """Loud, with both reasons, and never as a refusal."""
    book = play(plan()) << fx.Stage(NEW) >> DONE
    book << fx.Rehearse(NEW, subjects()) >> rehearsed(failing=("",))
    book << fx.Rehearse(OLD, subjects()) >> rehearsed(build=OLD, failing=("",))
    why = tuple(f"the empty set on {build}: soak: it died" for build in (NEW, OLD))
    book << fx.RecordVerdict(Verdict(NEW, Ruling.BROKEN, why)) >> DONE
    book << fx.Prune(("zoe",)) >> DONE << Ends.saying(ev.Outcome.GATE_BROKEN)
    assert story(book) == [
        f"candidate: {NEW} for nobody; run r1",
        f"gate: {NEW} failed on the empty set: soak: it died; evidence: ",
        f"gate: {OLD} failed on the empty set: soak: it died; evidence: ",
        f"GATE BROKEN, nothing is held against {NEW}: {'; '.join(why)}",
        f"gate_broken: {'; '.join(why)}",
    ]


def test_the_story_of_a_run_that_was_cut_off(play: Play) -> None:
    """Who took over, who asked to stop, and who was returned are facts too."""
    book = started(play) >> ev.StopAsked(NOW, "SIGTERM") >> ev.Resumed(NOW)
    book << fx.Inspect("alice") >> ev.Inspected(None, running=False, ledger=L30)
    book << fx.Select("alice", OLD) >> DONE << fx.Start("alice") >> DONE
    book << fx.Verify("alice", OLD) >> ev.NotPaired(Fault.HOST, "no cookie")
    book << fx.Inspect("alice") >> ev.Inspected(OLD, running=True, ledger=L30)
    book << fx.Prune(("alice", "zoe"), ("r1.0010",)) >> DONE
    book << Ends.saying(ev.Outcome.NEEDS_HUMAN)
    ending = "the environment is at fault: alice: interrupted; then: no cookie"
    do = "no cookie; mend that, then start their serve if it is stopped: `t3safe status`"
    assert story(book)[len(BEGINNING) :] == [
        "SIGTERM: ending at the next safe point",
        "taking over run r1, which was interrupted",
        f"giving up the move of alice, staying on {OLD}: interrupted",
        f"alice does not pair on {OLD} (host): no cookie",
        f"alice is back on {OLD} and does not pair there either: interrupted; then: {do}",
        f"NEEDS A HUMAN: the build before does not pair either, {ending}",
    ]


def around(status: Status, goal: Goal = Goal.FORWARD, reason: str = "because") -> Line:
    """Give the line for a person who came to stand so."""
    before = opened(plan("alice", kind=ev.Kind.BACK))
    move = changed(before.moves[0], status=status, goal=goal, reason=reason)
    after = changed(before, moves=(move,))
    (line,) = tell(before, ev.Finished(1, DONE, NOW), after)
    return line


@pytest.mark.parametrize(
    ("status", "level", "text"),
    [
        (Status.KEPT, Level.WARNING, f"alice stays on {NEW}, verified at the serve alone: because"),
        (Status.DEFERRED, Level.INFO, "deferring alice: because"),
        (Status.RETURNED, Level.WARNING, "returned: alice: because"),
        (Status.BROKEN_BEFORE, Level.WARNING, "broken-before: alice: because"),
        (
            Status.NEEDS_HUMAN,
            Level.ALERT,
            (
                f"ROLLBACK FAILED for alice: because; from {OLD} to {NEW}, rollback point none "
                "taken, the set is untouched; mend the cause, "
                f"then `t3safe rollback alice --to {OLD} --force`"
            ),
        ),
    ],
)
def test_a_person_whose_part_ended_is_told(status: Status, level: Level, text: str) -> None:
    """Who, what, and why."""
    line = around(status)
    assert (line.level, str(line), line.person) == (level, text, "alice")


def test_a_person_who_is_found_on_the_new_build_is_told() -> None:
    """The way that had turned back turns forward again."""
    before = opened(plan("alice", kind=ev.Kind.BACK))
    back = changed(before, moves=(changed(before.moves[0], goal=Goal.BACK),))
    (line,) = tell(back, ev.Finished(1, DONE, NOW), before)
    assert str(line) == f"alice is on {NEW} already: verifying there"


def said_of(effect: fx.Effect, answer: ev.Answer | None = None) -> list[str]:
    """Say the intent of an effect, or its answer."""
    rollout: Rollout = changed(opened(plan("alice")), pending=effect)
    event = ev.Started(1, effect, NOW) if answer is None else ev.Finished(1, answer, NOW)
    return [str(line) for line in tell(rollout, event, rollout)]


@pytest.mark.parametrize(
    ("effect", "text"),
    [
        (fx.Stage(NEW), f"installing {NEW}"),
        (fx.SnapshotOnline("alice", "s"), "copying alice's state beside the serve"),
        (fx.Rehearse(NEW, subjects(alice="s")), f"rehearsing {NEW} on 2 copies"),
        (fx.Rehearse(NEW, subjects()), f"rehearsing {NEW} on 1 copy"),
        (fx.Stop("alice"), "stopping alice's serve"),
        (fx.SnapshotAtRest("alice", "s", OLD), "copying alice's state at rest"),
        (fx.Start("alice"), "starting alice's serve"),
        (fx.Verify("alice", NEW), f"pairing as alice on {NEW}"),
        (fx.Restore("alice", "s"), "restoring alice's state from s"),
        (fx.Bake(("alice", "bob"), NEW, 599.6), f"baking {NEW} for 600 s: alice, bob"),
        (fx.Revisit(("alice", "bob"), NEW), f"pairing once more on {NEW}: alice, bob"),
    ],
)
def test_what_takes_its_time_is_announced(effect: fx.Effect, text: str) -> None:
    """Progress for whoever sits at a terminal."""
    assert said_of(effect) == [text]
    rollout = opened(plan("alice"))
    (line,) = tell(rollout, ev.Started(1, effect, NOW), rollout)
    assert line.level is Level.PROGRESS


@pytest.mark.parametrize(
    "effect",
    [fx.Assess("alice"), fx.Assess("alice", certain=True), fx.Fence("alice"), fx.Prune(())],
)
def test_what_takes_no_time_is_not_announced(effect: fx.Effect) -> None:
    """A timer gets one line a fact."""
    assert said_of(effect) == []
    assert said_of(effect, DONE) == []


def test_an_answer_is_told_by_its_effect() -> None:
    """A failure names whom it speaks against; nothing kept is said as such."""
    assert said_of(fx.Stage(NEW), build_fault("wrong bin")) == ["stage failed (build): wrong bin"]
    quarantine = fx.Quarantine("alice", "k", NEW, "s")
    assert said_of(quarantine, ev.Quarantined("k")) == [
        "quarantined what alice had since the stop as k: no rows of its own"
    ]


def test_an_answer_to_nothing_is_not_told() -> None:
    """A damaged journal is shown as far as it makes sense."""
    rollout = opened(plan("alice"))
    assert tell(rollout, ev.Finished(1, DONE, NOW), rollout) == ()
    assert tell(None, ev.Finished(1, DONE, NOW), rollout) == ()


@pytest.mark.parametrize(
    ("outcome", "level", "text"),
    [
        (ev.Outcome.PROMOTED, Level.INFO, "promoted: why"),
        (ev.Outcome.MOVED, Level.INFO, "moved: why"),
        (ev.Outcome.PASSED, Level.INFO, "passed: why"),
        (ev.Outcome.DEFERRED, Level.INFO, "deferred: why"),
        (ev.Outcome.REFUSED, Level.WARNING, "refused: why"),
        (ev.Outcome.LATER, Level.WARNING, "later: why"),
        (ev.Outcome.ROLLED_BACK, Level.WARNING, "rolled_back: why"),
        (ev.Outcome.GATE_BROKEN, Level.WARNING, "gate_broken: why"),
        (ev.Outcome.INTERRUPTED, Level.WARNING, "interrupted: why"),
        (ev.Outcome.NEEDS_HUMAN, Level.ALERT, "NEEDS A HUMAN: why"),
    ],
)
def test_the_end_is_told_by_its_outcome(outcome: ev.Outcome, level: Level, text: str) -> None:
    """No outcome's line holds an alert word; those stand for what happened to a person."""
    rollout = opened(plan("alice"))
    (line,) = tell(rollout, ev.Closed(ev.Ended(outcome, "why"), NOW), rollout)
    assert (line.level, str(line)) == (level, text)


def test_alert_words_out_of_a_reason_are_broken_up() -> None:
    """A reason from outside can raise no alert."""
    text = "rolling back, rolled back, ROLLBACK FAILED, FROZEN"
    assert calm(text) == "rolling-back, rolled-back, ROLLBACK-FAILED, Frozen"
    assert str(Line(Level.INFO, text)) == calm(text)
    assert str(Line(Level.ALERT, text, alert="FROZEN")) == f"FROZEN {calm(text)}"


def test_no_line_holds_a_secret() -> None:
    """Reasons come redacted from the adapters, and are redacted here again."""
    assert said_of(fx.Stage(NEW), host_fault("Token: ABCD2345EFGH")) == [
        "stage failed (host): Token: [redacted]"
    ]


def test_a_frozen_host_says_so_on_every_run() -> None:
    """With the reason, what it holds at, and the way out."""
    assert str(frozen_line("look first", "0.0.24")) == (
        "FROZEN (look first); holding at 0.0.24; `t3safe thaw` resumes"
    )


def test_going_back_on_purpose_is_told_as_that() -> None:
    """Nobody who asked to go back reads of a candidate, or of an alarm."""
    plan = ev.Plan("r1", ev.Kind.BACK, OLD, NEW, (ev.MovePlan("alice", NEW, OLD),), force=True)
    begun = opened(plan)
    (line,) = tell(None, ev.Opened(plan, NOW), begun)
    assert str(line) == f"going back on purpose: alice from {NEW} to {OLD}; back r1"
    (move,) = begun.moves
    arrived = changed(begun, moves=(changed(move, status=Status.MOVED, todo=()),))
    lines = tell(begun, ev.Finished(1, ev.Done(), NOW), arrived)
    assert [str(line) for line in lines] == [f"took alice back to {OLD}, pairing verified"]
    assert not any(line.alert for line in lines)


def test_whoever_cannot_be_looked_at_again_is_no_failed_rollback(play: Play) -> None:
    """Nothing was taken back: the alert word for that stays out (rule 1)."""
    unseen = ev.Failed(Fault.HOST, "no answer")
    book = started(play) >> PAIRED << fx.Bake(("alice",), NEW, 600.0) >> unseen
    for _ in range(book.plan.attempts_max):
        book << fx.Revisit(("alice",), NEW) >> unseen
    lines = story(book)
    book << fx.Freeze(f"alice: cannot tell whether sign-in works on {NEW}: no answer") >> DONE
    book << fx.Prune(("alice", "zoe"), ("r1.0010",)) >> DONE
    book << Ends.saying(ev.Outcome.NEEDS_HUMAN)

    assert f"look at alice: cannot tell whether sign-in works on {NEW}: no answer" in lines[-1]
    assert not any("ROLLBACK FAILED" in line for line in story(book))


def lines_of(effect: fx.Effect, answer: ev.Answer | None = None) -> list[tuple[Level, str]]:
    """Give how loud the lines of an intent or of an answer are, and whom each is about."""
    rollout: Rollout = changed(opened(plan("alice")), pending=effect)
    event = ev.Started(1, effect, NOW) if answer is None else ev.Finished(1, answer, NOW)
    return [(line.level, line.person) for line in tell(rollout, event, rollout)]


@pytest.mark.parametrize(
    "effect",
    [
        fx.SnapshotOnline("alice", "s"),
        fx.Stop("alice"),
        fx.SnapshotAtRest("alice", "s", OLD),
        fx.Start("alice"),
        fx.Verify("alice", NEW),
        fx.Restore("alice", "s"),
    ],
)
def test_progress_about_a_person_names_them(effect: fx.Effect) -> None:
    """So that it can be shown in their row."""
    assert lines_of(effect) == [(Level.PROGRESS, "alice")]


@pytest.mark.parametrize(
    "effect",
    [
        fx.Stage(NEW),
        fx.Rehearse(NEW, subjects(alice="s")),
        fx.Bake(("alice",), NEW, 600.0),
        fx.Revisit(("alice",), NEW),
    ],
)
def test_progress_about_nobody_in_particular_names_nobody(effect: fx.Effect) -> None:
    """Where it is about a build, or about several people."""
    assert lines_of(effect) == [(Level.PROGRESS, "")]


BUILD_PASSED = Verdict(NEW, Ruling.PASSED)
BUILD_REFUSED = Verdict(NEW, Ruling.REFUSED, ("why",))
GATE_BROKEN = Verdict(NEW, Ruling.BROKEN, ("why",))


@pytest.mark.parametrize(
    ("effect", "answer", "level", "person"),
    [
        (fx.Stage(NEW), build_fault("wrong bin"), Level.WARNING, ""),
        (fx.RecordVerdict(BUILD_PASSED), DONE, Level.INFO, ""),
        (fx.RecordVerdict(BUILD_REFUSED), DONE, Level.WARNING, ""),
        (fx.RecordVerdict(GATE_BROKEN), DONE, Level.ALERT, ""),
        (fx.SnapshotAtRest("alice", "s", OLD), snapshot("s"), Level.INFO, "alice"),
        (fx.Verify("alice", NEW), PAIRED, Level.INFO, "alice"),
        (fx.Verify("alice", NEW), ev.NotPaired(Fault.BUILD, "no"), Level.WARNING, "alice"),
        (fx.Quarantine("alice", "k", NEW, "s"), ev.Quarantined("k"), Level.WARNING, "alice"),
        (fx.Promote(NEW, ()), DONE, Level.INFO, ""),
        (fx.Freeze("look"), DONE, Level.ALERT, ""),
    ],
)
def test_an_answer_is_as_loud_as_what_it_means(
    effect: fx.Effect, answer: ev.Answer, level: Level, person: str
) -> None:
    """A fact, something to look at, something to get up for; and about whom."""
    assert lines_of(effect, answer) == [(level, person)]


def test_a_rehearsal_is_told_with_its_evidence_and_time() -> None:
    """Whoever looks into it finds the folder, and whose copy it was."""
    (empty, alice) = rehearsed("alice", failing=("alice",)).rehearsals
    answer = ev.Rehearsed((changed(empty, seconds=2.25), changed(alice, evidence="/e")))
    rollout = changed(opened(plan("alice")), pending=fx.Rehearse(NEW, subjects(alice="s")))

    lines = tell(rollout, ev.Finished(1, answer, NOW), rollout)

    assert [(line.level, str(line), line.person) for line in lines] == [
        (Level.INFO, f"gate: {NEW} passed on the empty set (2.2 s)", ""),
        (
            Level.WARNING,
            f"gate: {NEW} failed on alice: soak: it died; evidence: /e",
            "alice",
        ),
    ]


@pytest.mark.parametrize(
    ("goal", "level", "text"),
    [
        (Goal.BACK, Level.ALERT, f"rolling back alice from {NEW} to {OLD}: because"),
        (
            Goal.CANCEL,
            Level.WARNING,
            f"giving up the move of alice, staying on {OLD}: because",
        ),
        (Goal.LAST_RESORT, Level.ALERT, "ROLLBACK FAILED for alice: because"),
    ],
)
def test_a_way_that_turns_is_told(goal: Goal, level: Level, text: str) -> None:
    """While it is under way: who, from where to where, and why."""
    line = around(Status.MOVING, goal)

    assert (line.level, str(line), line.person) == (level, text, "alice")


def test_a_way_that_turns_forward_again_is_a_fact_about_that_person() -> None:
    """Nothing is wrong with whoever is found on the new build."""
    before = opened(plan("alice", kind=ev.Kind.BACK))
    back = changed(before, moves=(changed(before.moves[0], goal=Goal.BACK),))
    (line,) = tell(back, ev.Finished(1, DONE, NOW), before)

    assert (line.level, line.person) == (Level.INFO, "alice")


@pytest.mark.parametrize(
    ("kind", "status", "level"),
    [
        (ev.Kind.BACK, Status.MOVED, Level.INFO),
        (ev.Kind.RUN, Status.MOVED, Level.INFO),
        (ev.Kind.RUN, Status.ROLLED_BACK, Level.ALERT),
        (ev.Kind.RUN, Status.ENVIRONMENT, Level.ALERT),
        (ev.Kind.RUN, Status.NOT_RUNNING, Level.WARNING),
    ],
)
def test_how_a_part_ended_is_as_loud_as_what_it_means(
    kind: ev.Kind, status: Status, level: Level
) -> None:
    """Each about the person whose part it was."""
    before = opened(plan("alice", kind=kind))
    after = changed(before, moves=(changed(before.moves[0], status=status, reason="because"),))
    (line,) = tell(before, ev.Finished(1, DONE, NOW), after)

    assert (line.level, line.person) == (level, "alice")


def test_whoever_was_moved_and_has_to_be_looked_at_is_an_alert() -> None:
    """With the person, the reason and the command that shows the way back, and once."""
    before = opened(plan("alice", "bob"))
    moved = changed(before.moves[0], status=Status.MOVED, todo=())
    lost = changed(moved, status=Status.NEEDS_HUMAN, reason="because")
    then, now = (changed(before, moves=(move, before.moves[1])) for move in (moved, lost))
    (line,) = tell(then, ev.Finished(1, DONE, NOW), now)

    assert (line.level, line.person, line.alert) == (Level.ALERT, "alice", "")
    assert str(line) == "look at alice: because; `t3safe rollback alice` shows the way back"


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (ev.Opened(plan("alice"), NOW), Level.INFO),
        (ev.Opened(plan("alice", kind=ev.Kind.BACK), NOW), Level.INFO),
        (ev.Resumed(NOW), Level.WARNING),
        (ev.StopAsked(NOW, "SIGTERM"), Level.WARNING),
    ],
)
def test_a_run_begins_as_a_fact_and_is_cut_off_as_a_warning(event: ev.Event, level: Level) -> None:
    """About nobody in particular."""
    (line,) = tell(None, event, opened(plan("alice")))

    assert (line.level, line.person, line.alert) == (level, "", "")


def test_a_frozen_host_is_an_alert() -> None:
    """Under the word that the alert rules match."""
    line = frozen_line("look first", "0.0.24")

    assert (line.level, line.person, line.alert) == (Level.ALERT, "", "FROZEN")


def test_everybody_who_goes_back_is_told() -> None:
    """Each from where to where, in one line."""
    back = plan("alice", "bob", kind=ev.Kind.BACK)
    (line,) = tell(None, ev.Opened(back, NOW), opened(back))

    assert str(line) == (
        f"going back on purpose: alice from {OLD} to {NEW}, bob from {OLD} to {NEW}; back r1"
    )


def test_nobody_is_left_untold_where_two_rollouts_do_not_fit() -> None:
    """Of two plans nothing can be told: that is a defect, and not half a line."""
    alone, both = opened(plan("alice")), opened(plan("alice", "bob"))

    with pytest.raises(ValueError, match="longer"):
        tell(alone, ev.Finished(1, DONE, NOW), both)
