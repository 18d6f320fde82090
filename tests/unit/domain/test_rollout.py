"""The rollout around the moves: staging, rehearsals, verdict, bake, end, interruption."""

from __future__ import annotations

from enum import StrEnum

import pytest
from attrs import evolve as changed

from fakes.playbook import NOW, Ends, Playbook
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.gate import EMPTY, OnPersonFailure, Ruling, Verdict
from t3safe.domain.moves import InvalidEvent, Status
from t3safe.domain.rollout import Rollout, Stage, decide, evolve, opened
from t3safe.domain.versions import Version
from tests.unit.domain.conftest import Play
from tests.unit.domain.plans import (
    DONE,
    IDLE,
    L30,
    L32,
    NEW,
    OLD,
    PAIRED,
    build_fault,
    host_fault,
    plan,
    promote,
    rehearsal,
    rehearsed,
    snapshot,
    subjects,
)

PEOPLE = ("alice", "bob", "carol")
COPIES = {"alice": "r1.0002", "bob": "r1.0003", "carol": "r1.0004"}
BUSY = ev.Assessed(ev.Readiness.BUSY, "a turn is in flight")
PASSED = fx.RecordVerdict(Verdict(NEW, Ruling.PASSED))


def snapped(book: Playbook) -> Playbook:
    """Play staging and the online snapshots of three people."""
    book << fx.Stage(NEW) >> DONE
    for person, name in COPIES.items():
        book << fx.SnapshotOnline(person, name) >> snapshot(name)
    return book


def gated(book: Playbook) -> Playbook:
    """Play everything before the first person's move; the gate passes for all."""
    snapped(book) << fx.Rehearse(NEW, subjects(**COPIES)) >> rehearsed(*PEOPLE)
    return book << PASSED >> DONE


def rest_of(book: Playbook) -> str:
    """Give the id of the at-rest snapshot that a move gets that begins now."""
    return f"r1.{book.rollout.seq + 6:04d}"


def moved(book: Playbook, who: str) -> str:
    """Play a whole move that goes well; gives the id of its rollback point."""
    rest = rest_of(book)
    book << fx.Assess(who) >> IDLE << fx.Verify(who, OLD) >> PAIRED << fx.Assess(who) >> IDLE
    book << fx.Fence(who) >> DONE << fx.Stop(who) >> DONE
    book << fx.SnapshotAtRest(who, rest, OLD) >> snapshot(rest) << fx.Select(who, NEW) >> DONE
    book << fx.Start(who) >> DONE << fx.Verify(who, NEW) >> PAIRED
    return rest


def all_moved(book: Playbook) -> tuple[str, ...]:
    """Play the gate and three moves; gives the ids of the rollback points."""
    gated(book)
    return tuple(moved(book, who) for who in PEOPLE)


def taken_back(book: Playbook, who: str, rest: str, kept: str = "kept") -> Playbook:
    """Play the way back of somebody who is not at work, up to the pairing on the old build."""
    book << fx.Assess(who, certain=True) >> IDLE << fx.Fence(who) >> DONE << fx.Stop(who) >> DONE
    book << fx.Quarantine(who, book.fresh, NEW, rest) >> ev.Quarantined(kept)
    book << fx.Restore(who, rest) >> DONE << fx.Select(who, OLD) >> DONE
    return book << fx.Start(who) >> DONE << fx.Verify(who, OLD)


def refused(told: str) -> fx.RecordVerdict:
    """Give the verdict on a build that failed in production."""
    why = (f"in production, {told}",)
    return fx.RecordVerdict(Verdict(NEW, Ruling.REFUSED, why, in_production=True))


def finish(book: Playbook, end: Ends | ev.Ended, pinned: tuple[str, ...] = ()) -> None:
    """Play the pruning and the end."""
    book << fx.Prune((*PEOPLE, "zoe"), pinned) >> DONE << end


def untouched(book: Playbook) -> bool:
    """Whether no serve and no selection was, or was about to be, changed."""
    changing = (fx.Fence, fx.Stop, fx.Select, fx.Start, fx.Restore, fx.Promote, fx.SnapshotAtRest)
    return not any(isinstance(effect, changing) for effect in book.performed)


def verdicts(book: Playbook) -> list[Ruling]:
    """Every ruling that was recorded, in order."""
    return [
        effect.verdict.ruling for effect in book.performed if isinstance(effect, fx.RecordVerdict)
    ]


# The nights that the product is for.


def test_a_healthy_night(play: Play) -> None:
    """Three people are moved one by one, baked together, and the build is promoted."""
    book = play(plan(*PEOPLE))
    rests = all_moved(book)
    book << fx.Bake(PEOPLE, NEW, 600.0) >> DONE << promote(*PEOPLE) >> DONE
    finish(book, ev.Ended(ev.Outcome.PROMOTED, f"{NEW}: moved alice, bob, carol"), rests)
    assert [move.status for move in book.rollout.moves] == [Status.MOVED] * 3
    assert len(book.performed) == 5 + 1 + 3 * 9 + 3


def test_a_night_on_which_everybody_is_busy(play: Play) -> None:
    """All are deferred, nobody is touched, nothing is promoted."""
    book = gated(play(plan(*PEOPLE)))
    for who in PEOPLE:
        book << fx.Assess(who) >> BUSY
    finish(book, Ends.saying(ev.Outcome.DEFERRED, *(f"{who}: a turn" for who in PEOPLE)))
    assert untouched(book)


def test_a_night_on_which_one_is_busy(play: Play) -> None:
    """The others are moved, only they are baked and pinned, and the end says who stayed behind."""
    book = gated(play(plan(*PEOPLE)))
    first = moved(book, "alice")
    book << fx.Assess("bob") >> BUSY
    third = moved(book, "carol")
    book << fx.Bake(("alice", "carol"), NEW, 600.0) >> DONE << promote(*PEOPLE) >> DONE
    said = f"{NEW}: moved alice, carol; deferred bob"
    finish(book, ev.Ended(ev.Outcome.PROMOTED, said), (first, third))
    assert book.rollout.moves[1].status is Status.DEFERRED


def test_a_drain_is_a_run_for_the_deferred(play: Play) -> None:
    """It is gated, baked and promoted like any other."""
    book = gated(play(plan(*PEOPLE, kind=ev.Kind.DRAIN)))
    first = moved(book, "alice")
    for who in ("bob", "carol"):
        book << fx.Assess(who) >> BUSY
    book << fx.Bake(("alice",), NEW, 600.0) >> DONE << promote(*PEOPLE) >> DONE
    said = f"{NEW}: moved alice; deferred bob; deferred carol"
    finish(book, ev.Ended(ev.Outcome.PROMOTED, said), (first,))


# Staging.


def test_a_build_that_is_not_what_it_should_be_is_refused(play: Play) -> None:
    """Nobody is copied, and the verdict is remembered."""
    book = play(plan(*PEOPLE)) << fx.Stage(NEW) >> build_fault("wrong repository")
    book << fx.RecordVerdict(Verdict(NEW, Ruling.REFUSED, ("wrong repository",))) >> DONE
    finish(book, Ends.saying(ev.Outcome.REFUSED, "wrong repository"))
    assert untouched(book)


def test_what_the_host_lacks_for_a_build_is_not_tried_again(play: Play) -> None:
    """Rule 6: no compiler, no user, no room; to install it three times would change nothing."""
    book = play(plan(*PEOPLE, attempts_max=3)) << fx.Stage(NEW) >> host_fault("no node-pty")
    finish(book, Ends.saying(ev.Outcome.LATER, "no node-pty"))
    assert verdicts(book) == []


@pytest.mark.parametrize("fault", [Fault.ENVIRONMENT, Fault.LATER])
def test_a_build_that_cannot_be_had_is_for_later(play: Play, fault: Fault) -> None:
    """Published in parts, a registry that is down: no verdict on the build."""
    book = play(plan(*PEOPLE, attempts_max=2))
    book << fx.Stage(NEW) >> ev.Failed(fault, "no tarball yet")
    book << fx.Stage(NEW) >> ev.Failed(fault, "still no tarball")
    finish(book, Ends.saying(ev.Outcome.LATER, "still no tarball"))
    assert verdicts(book) == []


def test_a_build_that_comes_with_the_second_attempt_is_taken(play: Play) -> None:
    """The first failure is forgotten."""
    late = ev.Failed(Fault.LATER, "timeout")
    book = play(plan("alice", attempts_max=2)) << fx.Stage(NEW) >> late
    book << fx.Stage(NEW) >> DONE << fx.SnapshotOnline("alice", "r1.0003") >> host_fault("1")
    book << fx.SnapshotOnline("alice", "r1.0004") >> host_fault("2")
    book << fx.Prune(("alice", "zoe")) >> DONE << Ends.saying(ev.Outcome.REFUSED)


# Online snapshots.


def test_a_snapshot_that_fails_refuses_that_person_only(play: Play) -> None:
    """The others are rehearsed and moved; who has no copy is not even asked."""
    book = play(plan("alice", "bob")) << fx.Stage(NEW) >> DONE
    book << fx.SnapshotOnline("alice", "r1.0002") >> host_fault("no space")
    book << fx.SnapshotOnline("bob", "r1.0003") >> snapshot("r1.0003")
    book << fx.Rehearse(NEW, subjects(bob="r1.0003")) >> rehearsed("bob") << PASSED >> DONE
    rest = moved(book, "bob")
    book << fx.Bake(("bob",), NEW, 600.0) >> DONE << promote("alice", "bob") >> DONE
    book << fx.Prune(("alice", "bob", "zoe"), (rest,)) >> DONE
    book << ev.Ended(ev.Outcome.PROMOTED, f"{NEW}: moved bob; refused alice")
    assert book.rollout.moves[0].status is Status.REFUSED
    assert book.rollout.moves[0].reason == "no snapshot: no space"


def test_a_refused_person_is_told_where_nobody_was_moved(play: Play) -> None:
    """Busy and refused are two things; the louder one names the end."""
    book = play(plan("alice", "bob")) << fx.Stage(NEW) >> DONE
    book << fx.SnapshotOnline("alice", "r1.0002") >> host_fault("no space")
    book << fx.SnapshotOnline("bob", "r1.0003") >> snapshot("r1.0003")
    book << fx.Rehearse(NEW, subjects(bob="r1.0003")) >> rehearsed("bob") << PASSED >> DONE
    book << fx.Assess("bob") >> BUSY << fx.Prune(("alice", "bob", "zoe")) >> DONE
    said = "alice: no snapshot: no space; bob: a turn is in flight"
    book << ev.Ended(ev.Outcome.REFUSED, said)


def test_data_that_v2_must_not_begin_with_is_refused_before_the_gate(play: Play) -> None:
    """Alice has an old copy of it, which would fail or hide what she did; bob goes on."""
    book = play(plan("alice", "bob")) << fx.Stage(NEW) >> DONE
    held = ev.Assessed(ev.Readiness.BUSY, "an old copy: move it away")
    book << fx.SnapshotOnline("alice", "r1.0002") >> held
    book << fx.SnapshotOnline("bob", "r1.0003") >> ev.Snapshotted("r1.0003", L32, 1)
    book << fx.Rehearse(NEW, subjects(bob="r1.0003")) >> host_fault("no sandbox")
    book << fx.Prune(("alice", "bob", "zoe")) >> DONE << Ends.saying(ev.Outcome.LATER, "sandbox")
    refused = book.rollout.moves[0]
    assert (refused.status, refused.reason) == (Status.REFUSED, "an old copy: move it away")


def test_data_that_the_candidate_is_known_not_to_know_is_refused_before_the_gate(
    play: Play,
) -> None:
    """Alice ran a newer t3 once; it is seen on her copy, and bob goes on."""
    whole = plan("alice", "bob")
    ahead, known = changed(whole.moves[0], knows=L30), changed(whole.moves[1], knows=L32)
    book = play(changed(whole, moves=(ahead, known))) << fx.Stage(NEW) >> DONE
    book << fx.SnapshotOnline("alice", "r1.0002") >> ev.Snapshotted("r1.0002", L32, 1)
    book << fx.SnapshotOnline("bob", "r1.0003") >> ev.Snapshotted("r1.0003", L32, 1)
    book << fx.Rehearse(NEW, subjects(bob="r1.0003")) >> host_fault("no sandbox")
    book << fx.Prune(("alice", "bob", "zoe")) >> DONE << Ends.saying(ev.Outcome.LATER, "sandbox")
    refused = book.rollout.moves[0]
    assert refused.status is Status.REFUSED
    assert "the data of alice holds state.sqlite" in refused.reason
    assert f"which {NEW} does not know" in refused.reason
    assert "`t3safe check VERSION`" in refused.reason


def test_without_any_snapshot_nothing_is_rehearsed(play: Play) -> None:
    """Everybody is refused; the build is not judged."""
    book = play(plan("alice", "bob")) << fx.Stage(NEW) >> DONE
    book << fx.SnapshotOnline("alice", "r1.0002") >> host_fault("no space")
    book << fx.SnapshotOnline("bob", "r1.0003") >> host_fault("locked")
    book << fx.Prune(("alice", "bob", "zoe")) >> DONE
    said = "alice: no snapshot: no space; bob: no snapshot: locked"
    book << ev.Ended(ev.Outcome.REFUSED, said)
    assert verdicts(book) == []


# The gate.


def test_a_rehearsal_that_fails_where_the_control_passes_refuses_the_build(play: Play) -> None:
    """Night 2: one person's old rows. Nobody is touched, and the evidence names the person."""
    book = snapped(play(plan(*PEOPLE)))
    book << fx.Rehearse(NEW, subjects(**COPIES)) >> rehearsed(*PEOPLE, failing=("bob",))
    book << fx.Rehearse(OLD, subjects(bob="r1.0003")) >> rehearsed("bob", build=OLD)
    why = f"bob on {NEW}: soak: it died"
    book << fx.RecordVerdict(Verdict(NEW, Ruling.REFUSED, (why,))) >> DONE
    finish(book, Ends.saying(ev.Outcome.REFUSED, why))
    assert untouched(book)
    assert {move.status for move in book.rollout.moves} == {Status.WAITING}


def test_where_the_control_fails_too_nothing_is_held_against_the_build(play: Play) -> None:
    """Night 5: the gate itself is broken, reported as such."""
    book = snapped(play(plan(*PEOPLE)))
    book << fx.Rehearse(NEW, subjects(**COPIES)) >> rehearsed(*PEOPLE, failing=PEOPLE)
    control = rehearsed(*PEOPLE, build=OLD, failing=PEOPLE)
    book << fx.Rehearse(OLD, subjects(**COPIES)) >> control
    reasons = tuple(f"{', '.join(PEOPLE)} on {build}: soak: it died" for build in (NEW, OLD))
    book << fx.RecordVerdict(Verdict(NEW, Ruling.BROKEN, reasons)) >> DONE
    finish(book, Ends.saying(ev.Outcome.GATE_BROKEN, *reasons))
    assert untouched(book)
    assert verdicts(book) == [Ruling.BROKEN]


def test_one_persons_set_at_fault_holds_nobody_else_up(play: Play) -> None:
    """No build runs on alice's copy: she alone is held back, and the reason says so."""
    book = play(plan("alice", "bob")) << fx.Stage(NEW) >> DONE
    book << fx.SnapshotOnline("alice", "r1.0002") >> snapshot("r1.0002")
    book << fx.SnapshotOnline("bob", "r1.0003") >> snapshot("r1.0003")
    copies = subjects(alice="r1.0002", bob="r1.0003")
    book << fx.Rehearse(NEW, copies) >> rehearsed("alice", "bob", failing=("alice",))
    control = rehearsed("alice", build=OLD, failing=("alice",))
    book << fx.Rehearse(OLD, subjects(alice="r1.0002")) >> control
    reasons = (f"alice on {NEW}: soak: it died", f"alice on {OLD}: soak: it died")
    book << fx.RecordVerdict(Verdict(NEW, Ruling.PASSED, reasons, ("alice",))) >> DONE
    rest = moved(book, "bob")
    book << fx.Bake(("bob",), NEW, 600.0) >> DONE << promote("alice", "bob") >> DONE
    book << fx.Prune(("alice", "bob", "zoe"), (rest,)) >> DONE
    book << ev.Ended(ev.Outcome.PROMOTED, f"{NEW}: moved bob; held-back alice")
    held = book.rollout.moves[0]
    assert held.status is Status.HELD_BACK
    assert held.reason == (
        f"something is wrong with this person's data: {OLD} fails on it too (soak: it died)"
    )


def test_a_check_names_whose_set_is_at_fault(play: Play) -> None:
    """The build has passed for the others; the end says for whom not, and why."""
    book = snapped(play(plan(*PEOPLE, kind=ev.Kind.CHECK)))
    book << fx.Rehearse(NEW, subjects(**COPIES)) >> rehearsed(*PEOPLE, failing=("bob",))
    control = rehearsed("bob", build=OLD, failing=("bob",))
    book << fx.Rehearse(OLD, subjects(bob="r1.0003")) >> control
    reasons = (f"bob on {NEW}: soak: it died", f"bob on {OLD}: soak: it died")
    book << fx.RecordVerdict(Verdict(NEW, Ruling.PASSED, reasons, ("bob",))) >> DONE
    said = f"{NEW} passed the gate for the others; bob: something is wrong", "it died"
    finish(book, Ends.saying(ev.Outcome.REFUSED, *said))
    assert untouched(book)


@pytest.mark.parametrize("control_fails", [True, False])
def test_hold_back_moves_the_others(play: Play, *, control_fails: bool) -> None:
    """By policy, one person's failure is that person's alone; they are not even asked.

    Also where the control fails on that copy: the others have passed either way.
    """
    book = play(plan("alice", "bob", on_person_failure=OnPersonFailure.HOLD_BACK))
    book << fx.Stage(NEW) >> DONE
    book << fx.SnapshotOnline("alice", "r1.0002") >> snapshot("r1.0002")
    book << fx.SnapshotOnline("bob", "r1.0003") >> snapshot("r1.0003")
    copies = subjects(alice="r1.0002", bob="r1.0003")
    book << fx.Rehearse(NEW, copies) >> rehearsed("alice", "bob", failing=("alice",))
    bad = ("alice",) if control_fails else ()
    control = rehearsed("alice", build=OLD, failing=bad)
    book << fx.Rehearse(OLD, subjects(alice="r1.0002")) >> control
    why = f"alice on {NEW}: soak: it died"
    book << fx.RecordVerdict(Verdict(NEW, Ruling.PASSED, (why,), ("alice",))) >> DONE
    rest = moved(book, "bob")
    book << fx.Bake(("bob",), NEW, 600.0) >> DONE << promote("alice", "bob") >> DONE
    book << fx.Prune(("alice", "bob", "zoe"), (rest,)) >> DONE
    book << ev.Ended(ev.Outcome.PROMOTED, f"{NEW}: moved bob; held-back alice")
    held = book.rollout.moves[0]
    assert held.status is Status.HELD_BACK
    assert "(soak: it died)" in held.reason
    assert (f"{OLD} fails on it too" in held.reason) is control_fails


def test_whoever_is_held_back_is_told_where_nobody_was_moved(play: Play) -> None:
    """The end is a refusal, not a deferral."""
    book = play(plan("alice", "bob", on_person_failure=OnPersonFailure.HOLD_BACK))
    book << fx.Stage(NEW) >> DONE
    book << fx.SnapshotOnline("alice", "r1.0002") >> snapshot("r1.0002")
    book << fx.SnapshotOnline("bob", "r1.0003") >> snapshot("r1.0003")
    copies = subjects(alice="r1.0002", bob="r1.0003")
    book << fx.Rehearse(NEW, copies) >> rehearsed("alice", "bob", failing=("alice",))
    book << fx.Rehearse(OLD, subjects(alice="r1.0002")) >> rehearsed("alice", build=OLD)
    why = f"alice on {NEW}: soak: it died"
    book << fx.RecordVerdict(Verdict(NEW, Ruling.PASSED, (why,), ("alice",))) >> DONE
    book << fx.Assess("bob") >> BUSY << fx.Prune(("alice", "bob", "zoe")) >> DONE
    book << Ends.saying(ev.Outcome.REFUSED, "alice: the rehearsal", "bob: a turn is in flight")


OTHER = Version.parse("0.0.25-nightly.20260603.445")


def mixed_plan() -> ev.Plan:
    """Give a plan in which bob runs another build than the base."""
    moves = (
        ev.MovePlan("alice", OLD, NEW),
        ev.MovePlan("bob", OTHER, NEW),
        ev.MovePlan("carol", OLD, NEW),
    )
    return changed(plan(*PEOPLE), moves=moves)


def test_the_control_is_each_persons_own_build(play: Play) -> None:
    """Two builds make two controls; the base speaks for the empty set."""
    book = snapped(play(mixed_plan()))
    bad = (EMPTY, "alice", "bob", "carol")
    book << fx.Rehearse(NEW, subjects(**COPIES)) >> rehearsed(*PEOPLE, failing=bad)
    both = subjects(alice="r1.0002", carol="r1.0004")
    book << fx.Rehearse(OLD, both) >> rehearsed("alice", "carol", build=OLD, failing=bad)
    book << fx.Rehearse(OTHER, subjects(bob="r1.0003")) >> rehearsed("bob", build=OTHER)
    why = f"bob on {NEW}: soak: it died"
    book << fx.RecordVerdict(Verdict(NEW, Ruling.REFUSED, (why,))) >> DONE
    finish(book, Ends.saying(ev.Outcome.REFUSED, why))


def test_only_the_base_speaks_for_the_empty_set(play: Play) -> None:
    """Another build that runs on an empty set does not prove the gate."""
    book = snapped(play(mixed_plan()))
    bad = (EMPTY, "bob")
    book << fx.Rehearse(NEW, subjects(**COPIES)) >> rehearsed(*PEOPLE, failing=bad)
    book << fx.Rehearse(OLD, subjects()) >> rehearsed(build=OLD, failing=bad)
    control = rehearsed("bob", build=OTHER, failing=("bob",))
    book << fx.Rehearse(OTHER, subjects(bob="r1.0003")) >> control
    reasons = (
        f"the empty set, bob on {NEW}: soak: it died",
        f"the empty set on {OLD}: soak: it died",
        f"bob on {OTHER}: soak: it died",
    )
    book << fx.RecordVerdict(Verdict(NEW, Ruling.BROKEN, reasons)) >> DONE
    finish(book, Ends.saying(ev.Outcome.GATE_BROKEN))


def test_a_gate_that_cannot_be_run_is_for_later(play: Play) -> None:
    """No sandbox, no verdict."""
    book = snapped(play(plan(*PEOPLE)))
    book << fx.Rehearse(NEW, subjects(**COPIES)) >> host_fault("no namespace")
    finish(book, Ends.saying(ev.Outcome.LATER, "the gate could not be run: no namespace"))
    assert verdicts(book) == []
    assert untouched(book)


def test_a_control_that_cannot_be_run_leaves_the_gate_unproven(play: Play) -> None:
    """A failure that no control shares or denies is not the build's."""
    book = snapped(play(plan(*PEOPLE)))
    book << fx.Rehearse(NEW, subjects(**COPIES)) >> rehearsed(*PEOPLE, failing=("bob",))
    book << fx.Rehearse(OLD, subjects(bob="r1.0003")) >> host_fault("no namespace")
    finish(book, Ends.saying(ev.Outcome.GATE_BROKEN, "the control could not be run: no namespace"))
    assert verdicts(book) == []


def test_a_verdict_that_cannot_be_kept_touches_nobody(play: Play) -> None:
    """What is not written did not happen."""
    book = snapped(play(plan(*PEOPLE)))
    book << fx.Rehearse(NEW, subjects(**COPIES)) >> rehearsed(*PEOPLE)
    book << PASSED >> host_fault("disk full")
    finish(book, Ends.saying(ev.Outcome.LATER, "the verdict could not be kept: disk full"))
    assert untouched(book)


def test_a_refusal_that_cannot_be_kept_is_one_all_the_same(play: Play) -> None:
    """The build is as bad as it was seen to be; that nobody will remember it is said too."""
    book = snapped(play(plan(*PEOPLE)))
    book << fx.Rehearse(NEW, subjects(**COPIES)) >> rehearsed(*PEOPLE, failing=("bob",))
    book << fx.Rehearse(OLD, subjects(bob="r1.0003")) >> rehearsed("bob", build=OLD)
    why = f"bob on {NEW}: soak: it died"
    book << fx.RecordVerdict(Verdict(NEW, Ruling.REFUSED, (why,))) >> host_fault("disk full")
    said = f"{why}; the verdict could not be kept: disk full"
    finish(book, ev.Ended(ev.Outcome.REFUSED, said))
    assert untouched(book)


def test_a_broken_gate_whose_verdict_cannot_be_kept_is_broken_all_the_same(play: Play) -> None:
    """A gate that somebody has to mend is not for later."""
    book = snapped(play(plan(*PEOPLE)))
    book << fx.Rehearse(NEW, subjects(**COPIES)) >> rehearsed(*PEOPLE, failing=PEOPLE)
    control = rehearsed(*PEOPLE, build=OLD, failing=PEOPLE)
    book << fx.Rehearse(OLD, subjects(**COPIES)) >> control
    reasons = tuple(f"{', '.join(PEOPLE)} on {build}: soak: it died" for build in (NEW, OLD))
    broken = fx.RecordVerdict(Verdict(NEW, Ruling.BROKEN, reasons))
    book << broken >> host_fault("disk full")
    said = "; ".join((*reasons, "the verdict could not be kept: disk full"))
    finish(book, ev.Ended(ev.Outcome.GATE_BROKEN, said))
    assert untouched(book)


def test_a_check_that_passed_and_could_not_be_kept_is_for_later(play: Play) -> None:
    """Nobody could rely on what is not written."""
    book = snapped(play(plan(*PEOPLE, kind=ev.Kind.CHECK)))
    book << fx.Rehearse(NEW, subjects(**COPIES)) >> rehearsed(*PEOPLE)
    book << PASSED >> host_fault("disk full")
    finish(book, ev.Ended(ev.Outcome.LATER, "the verdict could not be kept: disk full"))


def test_the_schema_of_the_candidate_is_that_of_the_empty_set() -> None:
    """Before the rehearsals there is none, and no person's ledger takes its place."""
    rollout = opened(plan("alice"))
    assert rollout.schema is None
    found = (rehearsal("alice", schema=L30), rehearsal(EMPTY, schema=L32))
    assert changed(rollout, rehearsals=found).schema == L32
    assert changed(rollout, rehearsals=found[:1]).schema is None


# The gate alone.


def test_a_check_that_passes_touches_nobody(play: Play) -> None:
    """The verdict is remembered, the run is over."""
    book = snapped(play(plan(*PEOPLE, kind=ev.Kind.CHECK)))
    book << fx.Rehearse(NEW, subjects(**COPIES)) >> rehearsed(*PEOPLE) << PASSED >> DONE
    finish(book, Ends.saying(ev.Outcome.PASSED, f"{NEW} passed the gate"))
    assert untouched(book)


def test_a_check_without_people_rehearses_the_empty_set(play: Play) -> None:
    """A fresh host can check a build too."""
    book = play(plan(kind=ev.Kind.CHECK)) << fx.Stage(NEW) >> DONE
    book << fx.Rehearse(NEW, subjects()) >> rehearsed() << PASSED >> DONE
    book << fx.Prune(("zoe",)) >> DONE << Ends.saying(ev.Outcome.PASSED)


def test_a_check_without_somebodys_copy_is_not_passed(play: Play) -> None:
    """The others are checked all the same; what holds for one person alone is said of them."""
    book = play(plan("alice", "bob", kind=ev.Kind.CHECK)) << fx.Stage(NEW) >> DONE
    book << fx.SnapshotOnline("alice", "r1.0002") >> host_fault("locked")
    book << fx.SnapshotOnline("bob", "r1.0003") >> snapshot("r1.0003")
    book << fx.Rehearse(NEW, subjects(bob="r1.0003")) >> rehearsed("bob") << PASSED >> DONE
    book << fx.Prune(("alice", "bob", "zoe")) >> DONE
    said = f"{NEW} passed the gate for the others; alice: no snapshot: locked"
    book << ev.Ended(ev.Outcome.REFUSED, said)


def test_a_run_without_people_moves_nobody(play: Play) -> None:
    """And promotes nothing."""
    book = play(plan()) << fx.Stage(NEW) >> DONE
    book << fx.Rehearse(NEW, subjects()) >> rehearsed() << PASSED >> DONE
    book << fx.Prune(("zoe",)) >> DONE << ev.Ended(ev.Outcome.DEFERRED, "nobody to move")


def test_going_back_of_nobody_ends_at_once(play: Play) -> None:
    """There is nothing to gate and nobody to ask."""
    book = play(plan(kind=ev.Kind.BACK))
    book << fx.Prune(("zoe",)) >> DONE << ev.Ended(ev.Outcome.DEFERRED, "nobody to move")


# The bake.


def test_a_bake_that_breaks_for_one_person_takes_only_that_person_back(play: Play) -> None:
    """The others are paired once more and stay where they are.

    The build is refused and not promoted.
    """
    book = play(plan(*PEOPLE))
    rests = all_moved(book)
    before = book.rollout.moves
    broken = ev.BakeBroken("bob", Fault.BUILD, "no cookie")
    taken_back(book << fx.Bake(PEOPLE, NEW, 600.0) >> broken, "bob", rests[1]) >> PAIRED
    book << fx.Revisit(("alice", "carol"), NEW) >> DONE
    told = "bob: during the bake: no cookie"
    book << refused(told) >> DONE
    book << fx.Freeze(f"{NEW} failed in production: {told}") >> DONE
    finish(book, Ends.saying(ev.Outcome.ROLLED_BACK, told), (rests[0], rests[1], "kept", rests[2]))
    assert book.rollout.moves[0] == before[0]
    assert book.rollout.moves[2] == before[2]
    assert not any(isinstance(effect, fx.Promote) for effect in book.performed)


@pytest.mark.parametrize(
    "answer",
    [
        ev.BakeBroken("bob", Fault.ENVIRONMENT, "no dispatch"),
        ev.BakeBroken("bob", Fault.HOST, "no dispatch"),
        host_fault("no dispatch"),
        build_fault("no dispatch"),
    ],
)
def test_a_bake_that_is_cut_off_promotes_nothing_and_takes_nobody_back(
    play: Play, answer: ev.Answer
) -> None:
    """It is not tried again: it would only start over.  Everybody is paired once more instead."""
    book = play(plan(*PEOPLE, attempts_max=3))
    rests = all_moved(book)
    book << fx.Bake(PEOPLE, NEW, 600.0) >> answer << fx.Revisit(PEOPLE, NEW) >> DONE
    finish(
        book,
        Ends.saying(ev.Outcome.LATER, "not promoted, the bake was cut off: no dispatch"),
        rests,
    )
    assert [move.status for move in book.rollout.moves] == [Status.MOVED] * 3
    assert verdicts(book) == [Ruling.PASSED]


# The end.


def test_a_promotion_that_fails_needs_a_human(play: Play) -> None:
    """Everybody is moved, but the default is not what the run says."""
    book = play(plan(*PEOPLE))
    rests = all_moved(book)
    book << fx.Bake(PEOPLE, NEW, 600.0) >> DONE << promote(*PEOPLE) >> host_fault("disk full")
    said = ("moved alice, bob, carol; then promote failed: disk full",)
    finish(book, Ends.saying(ev.Outcome.NEEDS_HUMAN, *said), rests)


def test_the_rest_of_the_end_is_done_where_one_part_fails(play: Play) -> None:
    """A verdict that cannot be kept does not keep the host from being frozen."""
    book = play(plan("alice")) << fx.Stage(NEW) >> DONE
    book << fx.SnapshotOnline("alice", "r1.0002") >> snapshot("r1.0002")
    book << fx.Rehearse(NEW, subjects(alice="r1.0002")) >> rehearsed("alice") << PASSED >> DONE
    rest = moved(book, "alice")
    book << fx.Bake(("alice",), NEW, 600.0) >> ev.BakeBroken("alice", Fault.BUILD, "no cookie")
    taken_back(book, "alice", rest) >> PAIRED
    told = "alice: during the bake: no cookie"
    book << refused(told) >> host_fault("disk full")
    book << fx.Freeze(f"{NEW} failed in production: {told}") >> host_fault("read-only")
    book << fx.Prune(("alice", "zoe"), (rest, "kept")) >> DONE
    said = f"{told}; then recordverdict failed: disk full; then freeze failed: read-only"
    book << ev.Ended(ev.Outcome.NEEDS_HUMAN, said)


def test_pruning_that_fails_changes_nothing_about_the_end(play: Play) -> None:
    """It is housekeeping; the next run does it, and this one does not try again for minutes."""
    book = gated(play(plan(*PEOPLE, attempts_max=2)))
    for who in PEOPLE:
        book << fx.Assess(who) >> BUSY
    prune = fx.Prune((*PEOPLE, "zoe"))
    book << prune >> host_fault("1")
    book << Ends.saying(ev.Outcome.DEFERRED)


# Asked to stop.

STOP = ev.StopAsked(NOW, "SIGTERM")
INTERRUPTED = ev.Ended(ev.Outcome.INTERRUPTED, "SIGTERM")


def test_a_run_that_is_asked_to_stop_at_once_does_nothing(play: Play) -> None:
    """Nothing was begun."""
    book = play(plan(*PEOPLE)) >> STOP
    book << fx.Prune((*PEOPLE, "zoe")) >> DONE << INTERRUPTED
    assert untouched(book)


def test_the_reason_is_there_without_one_being_given() -> None:
    """Whoever asks need not explain."""
    assert ev.StopAsked(NOW).reason == "asked to stop"


@pytest.mark.parametrize("when", ["staging", "snapshotting", "rehearsing", "control", "verdict"])
def test_a_run_that_is_asked_to_stop_before_the_moves_touches_nobody(play: Play, when: str) -> None:
    """The effect under way is answered, nothing else is begun."""
    book = play(plan("alice")) << fx.Stage(NEW)
    copies = subjects(alice="r1.0002")
    steps: list[tuple[str, ev.Answer, fx.Effect]] = [
        ("staging", DONE, fx.SnapshotOnline("alice", "r1.0002")),
        ("snapshotting", snapshot("r1.0002"), fx.Rehearse(NEW, copies)),
        ("rehearsing", rehearsed("alice", failing=("alice",)), fx.Rehearse(OLD, copies)),
        (
            "control",
            rehearsed("alice", build=OLD),
            fx.RecordVerdict(Verdict(NEW, Ruling.REFUSED, (f"alice on {NEW}: soak: it died",))),
        ),
    ]
    for name, answer, following in steps:
        if name == when:
            book >> STOP >> answer << fx.Prune(("alice", "zoe")) >> DONE << INTERRUPTED
            break
        book >> answer << following
    if when == "verdict":
        book >> STOP >> DONE << fx.Prune(("alice", "zoe")) >> DONE
        book << Ends.saying(ev.Outcome.REFUSED, "alice")
    assert untouched(book)


def test_whoever_is_in_between_is_brought_to_an_end(play: Play) -> None:
    """The one who is fenced is moved; the next is not begun, nothing is baked or promoted.

    Whoever was moved is paired once more instead.
    """
    book = gated(play(plan(*PEOPLE)))
    rest = rest_of(book)
    book << fx.Assess("alice") >> IDLE << fx.Verify("alice", OLD) >> PAIRED
    book << fx.Assess("alice") >> IDLE << fx.Fence("alice") >> STOP >> DONE
    book << fx.Stop("alice") >> DONE << fx.SnapshotAtRest("alice", rest, OLD) >> snapshot(rest)
    book << fx.Select("alice", NEW) >> DONE << fx.Start("alice") >> DONE
    book << fx.Verify("alice", NEW) >> PAIRED << fx.Revisit(("alice",), NEW) >> DONE
    book << fx.Prune((*PEOPLE, "zoe"), (rest,)) >> DONE << INTERRUPTED
    assert [move.status for move in book.rollout.moves] == [
        Status.MOVED,
        Status.WAITING,
        Status.WAITING,
    ]


@pytest.mark.parametrize("steps", range(3))
@pytest.mark.parametrize("answered", [True, False])
def test_whoever_was_only_asked_so_far_is_deferred_when_a_stop_is_asked(
    play: Play, steps: int, *, answered: bool
) -> None:
    """Nothing was done to them, so nothing need be brought to an end."""
    book = gated(play(plan(*PEOPLE)))
    asked: list[tuple[fx.Effect, ev.Answer]] = [
        (fx.Assess("alice"), IDLE),
        (fx.Verify("alice", OLD), PAIRED),
        (fx.Assess("alice"), IDLE),
    ]
    for effect, answer in asked[:steps]:
        book << effect >> answer
    if answered:
        book >> STOP
    else:
        book << asked[steps][0] >> STOP >> asked[steps][1]
    finish(book, INTERRUPTED)
    assert untouched(book)
    assert [move.status for move in book.rollout.moves] == [
        Status.DEFERRED,
        Status.WAITING,
        Status.WAITING,
    ]
    assert book.rollout.moves[0].reason == "SIGTERM, before anything was touched"


def test_a_failure_is_still_undone_and_told_after_a_stop_was_asked(play: Play) -> None:
    """A rollback outranks the wish to stop."""
    book = gated(play(plan(*PEOPLE)))
    rest = rest_of(book)
    book << fx.Assess("alice") >> IDLE << fx.Verify("alice", OLD) >> PAIRED
    book << fx.Assess("alice") >> IDLE << fx.Fence("alice") >> STOP >> DONE
    book << fx.Stop("alice") >> DONE << fx.SnapshotAtRest("alice", rest, OLD) >> snapshot(rest)
    book << fx.Select("alice", NEW) >> host_fault("disk full")
    book << fx.Fence("alice") >> DONE << fx.Stop("alice") >> DONE
    book << fx.Quarantine("alice", book.fresh, NEW, rest) >> ev.Quarantined("kept")
    book << fx.Restore("alice", rest) >> DONE << fx.Select("alice", OLD) >> DONE
    book << fx.Start("alice") >> DONE << fx.Verify("alice", OLD) >> ev.NotPaired(Fault.HOST, "no")
    book << fx.Inspect("alice") >> ev.Inspected(OLD, running=True, ledger=L30)
    finish(book, Ends.saying(ev.Outcome.NEEDS_HUMAN, "alice: disk full; then: no"), (rest, "kept"))


def test_a_bake_that_is_asked_to_stop_promotes_nothing(play: Play) -> None:
    """Watching ends at once where a stop was asked, and what was not watched is not proven."""
    book = play(plan(*PEOPLE))
    rests = all_moved(book)
    book >> STOP << fx.Bake(PEOPLE, NEW, 600.0) >> STOP >> host_fault("SIGTERM")
    book << fx.Revisit(PEOPLE, NEW) >> DONE
    said = "not promoted, the bake was cut off: SIGTERM"
    finish(book, Ends.saying(ev.Outcome.LATER, said), rests)


def test_a_stop_that_is_asked_twice_keeps_the_first_reason(play: Play) -> None:
    """The first to ask is the one who ended it."""
    book = play(plan(*PEOPLE)) >> STOP >> ev.StopAsked(NOW, "again")
    book << fx.Prune((*PEOPLE, "zoe")) >> STOP >> DONE << INTERRUPTED


def test_a_stop_that_is_asked_twice_during_a_move_keeps_the_first_reason(play: Play) -> None:
    """Also where the run goes on for a while, and where it dies in between."""
    book = gated(play(plan(*PEOPLE)))
    book << fx.Assess("alice") >> STOP >> ev.StopAsked(NOW, "again") >> ev.Resumed(NOW)
    book << fx.Inspect("alice") >> ev.Inspected(OLD, running=True, ledger=L30)
    finish(book, INTERRUPTED)


def test_going_back_tells_everybody_who_went(play: Play) -> None:
    """One after another, and all of them at the end."""
    book = play(plan("alice", "bob", kind=ev.Kind.BACK, force=True))
    rests = ("r1.0003", "r1.0009")
    for who, rest in zip(("alice", "bob"), rests, strict=True):
        book << fx.Fence(who) >> DONE << fx.Stop(who) >> DONE
        book << fx.SnapshotAtRest(who, rest, OLD) >> snapshot(rest) << fx.Select(who, NEW) >> DONE
        book << fx.Start(who) >> DONE << fx.Verify(who, NEW) >> PAIRED
    book << fx.Prune(("alice", "bob", "zoe"), rests) >> DONE
    book << ev.Ended(ev.Outcome.MOVED, "went back: alice, bob")


def test_going_back_that_is_asked_to_stop_tells_who_went(play: Play) -> None:
    """What a person asked for was done for these."""
    book = play(plan("alice", "bob", kind=ev.Kind.BACK, force=True)) << fx.Fence("alice") >> STOP
    book >> DONE << fx.Stop("alice") >> DONE
    book << fx.SnapshotAtRest("alice", "r1.0003", OLD) >> snapshot("r1.0003")
    book << fx.Select("alice", NEW) >> DONE << fx.Start("alice") >> DONE
    book << fx.Verify("alice", NEW) >> PAIRED
    book << fx.Prune(("alice", "bob", "zoe"), ("r1.0003",)) >> DONE
    book << ev.Ended(ev.Outcome.MOVED, "went back: alice")


# Taking over after a crash.

RESUMED = ev.Resumed(NOW)


@pytest.mark.parametrize("effects", range(6))
@pytest.mark.parametrize("answered", [True, False])
def test_a_run_that_died_before_the_moves_ends_untouched(
    play: Play, effects: int, *, answered: bool
) -> None:
    """Nobody was touched, so nobody is looked at."""
    book = play(plan("alice"))
    copies = subjects(alice="r1.0002")
    steps: list[tuple[fx.Effect, ev.Answer]] = [
        (fx.Stage(NEW), DONE),
        (fx.SnapshotOnline("alice", "r1.0002"), snapshot("r1.0002")),
        (fx.Rehearse(NEW, copies), rehearsed("alice", failing=("alice",))),
        (fx.Rehearse(OLD, copies), rehearsed("alice", build=OLD)),
        (
            fx.RecordVerdict(Verdict(NEW, Ruling.REFUSED, (f"alice on {NEW}: soak: it died",))),
            DONE,
        ),
    ]
    for effect, answer in steps[:effects]:
        book << effect >> answer
    if not answered and effects < len(steps):
        book << steps[effects][0]
    book >> RESUMED << fx.Prune(("alice", "zoe")) >> DONE
    book << Ends.saying(ev.Outcome.REFUSED if effects == 5 else ev.Outcome.INTERRUPTED)
    assert untouched(book)


def test_a_run_that_died_between_two_people_leaves_the_second(play: Play) -> None:
    """The second is begun with the first's answer, but nothing was done to them."""
    book = gated(play(plan(*PEOPLE)))
    rest = moved(book, "alice")
    book >> RESUMED << fx.Revisit(("alice",), NEW) >> DONE
    said = ev.Ended(ev.Outcome.INTERRUPTED, "interrupted")
    book << fx.Prune((*PEOPLE, "zoe"), (rest,)) >> DONE << said
    assert [move.status for move in book.rollout.moves] == [
        Status.MOVED,
        Status.DEFERRED,
        Status.WAITING,
    ]


@pytest.mark.parametrize("under_way", [True, False])
def test_a_bake_that_died_starts_over(play: Play, *, under_way: bool) -> None:
    """All have settled well; only watching was cut off, so the run may still promote."""
    book = play(plan(*PEOPLE))
    rests = all_moved(book)
    if under_way:
        book << fx.Bake(PEOPLE, NEW, 600.0)
    book >> RESUMED << fx.Bake(PEOPLE, NEW, 600.0) >> DONE << promote(*PEOPLE) >> DONE
    finish(book, Ends.saying(ev.Outcome.PROMOTED), rests)


# A bake of its own.


def bake_alone(play: Play) -> Playbook:
    """Open the bake of two people whom an earlier run moved."""
    return play(plan(kind=ev.Kind.BAKE, baking=("alice", "bob")))


BAKE_ALONE = fx.Bake(("alice", "bob"), NEW, 600.0)
REVISIT_ALONE = fx.Revisit(("alice", "bob"), NEW)


def alone(book: Playbook, outcome: ev.Outcome, reason: str) -> None:
    """Play the end of a bake of its own: nobody's serve or selection was changed."""
    book << fx.Prune(("zoe",)) >> DONE << ev.Ended(outcome, reason)
    changing = (fx.Fence, fx.Stop, fx.Select, fx.Start, fx.Restore)
    assert not any(isinstance(effect, changing) for effect in book.performed)
    assert book.rollout.moves == ()


def test_a_bake_of_its_own_promotes_what_an_earlier_run_moved(play: Play) -> None:
    """It ends what was cut off: watching comes first, and nothing else does."""
    book = bake_alone(play) << BAKE_ALONE >> DONE << promote() >> DONE
    alone(book, ev.Outcome.PROMOTED, f"{NEW}: baked alice, bob")


def test_a_bake_of_its_own_that_breaks_takes_nobody_back(play: Play) -> None:
    """Days of work may lie on the new build by now: a person decides, and the host is frozen."""
    book = bake_alone(play) << BAKE_ALONE >> ev.BakeBroken("bob", Fault.BUILD, "no cookie")
    how = "`t3safe rollback bob` shows the way back"
    text = f"bob on {NEW} no longer pairs: during the bake: no cookie; {how}"
    book << refused(text) >> DONE << fx.Freeze(text) >> DONE
    alone(book, ev.Outcome.NEEDS_HUMAN, text)
    assert not any(isinstance(effect, fx.Promote) for effect in book.performed)


@pytest.mark.parametrize(
    "answer",
    [
        ev.BakeBroken("bob", Fault.ENVIRONMENT, "no dispatch"),
        ev.BakeBroken("bob", Fault.HOST, "no dispatch"),
        host_fault("no dispatch"),
        build_fault("no dispatch"),
    ],
)
def test_a_bake_of_its_own_that_is_cut_off_is_for_later(play: Play, answer: ev.Answer) -> None:
    """All are paired once more; it is held again by the next run, and nothing is frozen for it."""
    book = bake_alone(play) << BAKE_ALONE >> answer << REVISIT_ALONE >> DONE
    alone(book, ev.Outcome.LATER, "not promoted, the bake was cut off: no dispatch")
    assert not any(isinstance(effect, fx.Freeze | fx.Promote) for effect in book.performed)


def test_a_bake_of_its_own_that_died_starts_over(play: Play) -> None:
    """Time that nobody watched proves nothing."""
    book = bake_alone(play) << BAKE_ALONE >> RESUMED << BAKE_ALONE >> DONE << promote() >> DONE
    alone(book, ev.Outcome.PROMOTED, f"{NEW}: baked alice, bob")


def test_a_bake_of_its_own_that_cannot_freeze_says_so(play: Play) -> None:
    """The two reasons are told together."""
    book = bake_alone(play) << BAKE_ALONE >> ev.BakeBroken("alice", Fault.BUILD, "no cookie")
    how = "`t3safe rollback alice` shows the way back"
    text = f"alice on {NEW} no longer pairs: during the bake: no cookie; {how}"
    book << refused(text) >> DONE << fx.Freeze(text) >> host_fault("disk full")
    alone(book, ev.Outcome.NEEDS_HUMAN, f"{text}; then freeze failed: disk full")


def test_a_bake_of_its_own_that_is_cut_off_and_broke_meanwhile_freezes(play: Play) -> None:
    """What the last pairing shows is told like what the bake would have shown."""
    book = bake_alone(play) << BAKE_ALONE >> host_fault("SIGTERM")
    book << REVISIT_ALONE >> ev.BakeBroken("bob", Fault.BUILD, "no cookie")
    how = "`t3safe rollback bob` shows the way back"
    text = f"bob on {NEW} no longer pairs: after the move: no cookie; {how}"
    book << refused(text) >> DONE << fx.Freeze(text) >> DONE
    alone(book, ev.Outcome.NEEDS_HUMAN, text)


def test_a_bake_of_its_own_after_which_nobody_can_tell_needs_a_human(play: Play) -> None:
    """It names everybody, because nobody knows who it is; nothing is frozen for it."""
    book = bake_alone(play) << BAKE_ALONE >> host_fault("SIGTERM")
    book << REVISIT_ALONE >> host_fault("no curl")
    text = f"alice, bob: cannot tell whether sign-in works on {NEW}: no curl"
    alone(book, ev.Outcome.NEEDS_HUMAN, text)
    assert not any(isinstance(effect, fx.Freeze | fx.Promote) for effect in book.performed)


# Once more before the end: whoever was moved and is not baked.


def cut_off(play: Play, attempts_max: int = 1) -> tuple[Playbook, tuple[str, ...]]:
    """Play three moves and a bake that is cut off; gives the ids of the rollback points too."""
    book = play(plan(*PEOPLE, attempts_max=attempts_max))
    rests = all_moved(book)
    return book << fx.Bake(PEOPLE, NEW, 600.0) >> host_fault("SIGTERM"), rests


CUT_OFF = ev.Ended(ev.Outcome.LATER, "not promoted, the bake was cut off: SIGTERM")
NO_COOKIE = ev.BakeBroken("bob", Fault.BUILD, "no cookie")
BOB = "bob: after the move: no cookie"


def test_whoever_no_longer_pairs_before_the_end_is_taken_back(play: Play) -> None:
    """As from a bake; those who are left are paired once more after that."""
    book, rests = cut_off(play)
    taken_back(book << fx.Revisit(PEOPLE, NEW) >> NO_COOKIE, "bob", rests[1]) >> PAIRED
    book << fx.Revisit(("alice", "carol"), NEW) >> DONE << refused(BOB) >> DONE
    book << fx.Freeze(f"{NEW} failed in production: {BOB}") >> DONE
    pinned = (rests[0], rests[1], "kept", rests[2])
    finish(book, ev.Ended(ev.Outcome.ROLLED_BACK, BOB), pinned)
    assert [move.status for move in book.rollout.moves] == [
        Status.MOVED,
        Status.ROLLED_BACK,
        Status.MOVED,
    ]


def test_everybody_who_is_taken_back_is_told_and_held_against_the_build(play: Play) -> None:
    """One after another, until those who are left pair."""
    book, rests = cut_off(play)
    taken_back(book << fx.Revisit(PEOPLE, NEW) >> NO_COOKIE, "bob", rests[1]) >> PAIRED
    book << fx.Revisit(("alice", "carol"), NEW) >> ev.BakeBroken("carol", Fault.BUILD, "500")
    taken_back(book, "carol", rests[2], "too") >> PAIRED
    book << fx.Revisit(("alice",), NEW) >> ev.BakeBroken("alice", Fault.BUILD, "500")
    taken_back(book, "alice", rests[0], "all") >> PAIRED
    told = f"alice: after the move: 500; {BOB}; carol: after the move: 500"
    book << refused(told) >> DONE << fx.Freeze(f"{NEW} failed in production: {told}") >> DONE
    pinned = (rests[0], "all", rests[1], "kept", rests[2], "too")
    finish(book, ev.Ended(ev.Outcome.ROLLED_BACK, told), pinned)


@pytest.mark.parametrize("fault", [Fault.HOST, Fault.ENVIRONMENT, Fault.LATER])
def test_what_is_not_the_builds_fault_before_the_end_changes_nothing(
    play: Play, fault: Fault
) -> None:
    """Nobody is taken back for it, nothing is held against the build or frozen."""
    book, rests = cut_off(play)
    book << fx.Revisit(PEOPLE, NEW) >> ev.BakeBroken("bob", fault, "no dispatch")
    finish(book, CUT_OFF, rests)
    assert [move.status for move in book.rollout.moves] == [Status.MOVED] * 3
    assert verdicts(book) == [Ruling.PASSED]
    assert not any(isinstance(effect, fx.Freeze) for effect in book.performed)


def test_where_nobody_can_tell_whether_they_pair_a_human_is_needed(play: Play) -> None:
    """After every attempt; each of those moved is named, and the host is frozen."""
    book, rests = cut_off(play, attempts_max=2)
    book << fx.Revisit(PEOPLE, NEW) >> host_fault("1") << fx.Revisit(PEOPLE, NEW) >> host_fault("2")
    text = f"cannot tell whether sign-in works on {NEW}: 2"
    told = "; ".join(f"{who}: {text}" for who in PEOPLE)
    book << fx.Freeze(told) >> DONE
    finish(book, ev.Ended(ev.Outcome.NEEDS_HUMAN, told), rests)
    assert [move.status for move in book.rollout.moves] == [Status.NEEDS_HUMAN] * 3
    assert verdicts(book) == [Ruling.PASSED]


def test_a_last_pairing_that_comes_with_the_second_attempt_is_enough(play: Play) -> None:
    """The first failure is forgotten."""
    book, rests = cut_off(play, attempts_max=2)
    book << fx.Revisit(PEOPLE, NEW) >> host_fault("1") << fx.Revisit(PEOPLE, NEW) >> DONE
    finish(book, CUT_OFF, rests)


def test_a_last_pairing_that_died_is_held_again(play: Play) -> None:
    """Nobody was in transition, so nobody is looked at; the end stays what it was to be."""
    book, rests = cut_off(play)
    book << fx.Revisit(PEOPLE, NEW) >> RESUMED >> STOP << fx.Revisit(PEOPLE, NEW) >> DONE
    finish(book, CUT_OFF, rests)


def test_without_anybody_moved_there_is_nothing_to_pair_before_the_end(play: Play) -> None:
    """The one who was taken back was paired on the old build already."""
    book = play(plan("alice")) << fx.Stage(NEW) >> DONE
    book << fx.SnapshotOnline("alice", "r1.0002") >> snapshot("r1.0002")
    book << fx.Rehearse(NEW, subjects(alice="r1.0002")) >> rehearsed("alice") << PASSED >> DONE
    rest = moved(book, "alice")
    book << fx.Bake(("alice",), NEW, 600.0) >> host_fault("SIGTERM")
    book << fx.Revisit(("alice",), NEW) >> ev.BakeBroken("alice", Fault.BUILD, "500")
    taken_back(book, "alice", rest) >> PAIRED
    told = "alice: after the move: 500"
    book << refused(told) >> DONE << fx.Freeze(f"{NEW} failed in production: {told}") >> DONE
    book << fx.Prune(("alice", "zoe"), (rest, "kept")) >> DONE
    book << ev.Ended(ev.Outcome.ROLLED_BACK, told)


# Whoever ended badly, all of them together.


def one_taken_back(play: Play) -> tuple[Playbook, tuple[str, ...]]:
    """Play a bake that breaks for one, who goes back well, up to the pairing of the others."""
    book = play(plan(*PEOPLE))
    rests = all_moved(book)
    book << fx.Bake(PEOPLE, NEW, 600.0) >> NO_COOKIE
    taken_back(book, "bob", rests[1]) >> PAIRED
    return book << fx.Revisit(("alice", "carol"), NEW), rests


BAKED = "bob: during the bake: no cookie"


def test_a_human_outranks_a_rollback_and_the_build_is_refused_all_the_same(play: Play) -> None:
    """Whoever was moved and cannot be seen names the end; what the build did is remembered."""
    book, rests = one_taken_back(play)
    book >> host_fault("no curl")
    text = f"cannot tell whether sign-in works on {NEW}: no curl"
    told = f"alice: {text}; {BAKED}; carol: {text}"
    book << refused(BAKED) >> DONE << fx.Freeze(told) >> DONE
    finish(book, ev.Ended(ev.Outcome.NEEDS_HUMAN, told), (rests[0], rests[1], "kept", rests[2]))


def test_whoever_is_at_work_is_told_with_whoever_was_taken_back(play: Play) -> None:
    """They stay, nobody else is paired or taken back in between, and the build is refused."""
    book, rests = one_taken_back(play)
    book >> ev.BakeBroken("carol", Fault.BUILD, "500")
    book << fx.Assess("carol", certain=True) >> BUSY
    how = "`t3safe rollback carol --force` takes them back"
    carol = f"carol: after the move: 500; then: not taken back from {NEW} while at work"
    told = f"{BAKED}; {carol} (a turn is in flight); {how}"
    book << refused(told) >> DONE << fx.Freeze(told) >> DONE
    finish(book, ev.Ended(ev.Outcome.NEEDS_HUMAN, told), (rests[0], rests[1], "kept", rests[2]))
    assert book.performed.count(fx.Fence("carol")) == 1
    assert book.performed.count(fx.Stop("carol")) == 1


def test_an_environment_outranks_a_rollback_and_the_build_is_refused_all_the_same(
    play: Play,
) -> None:
    """Only what speaks against the build is held against it; the host is frozen for that."""
    book, rests = one_taken_back(play)
    book >> ev.BakeBroken("carol", Fault.BUILD, "500")
    taken_back(book, "carol", rests[2], "too") >> ev.NotPaired(Fault.HOST, "no")
    book << fx.Inspect("carol") >> ev.Inspected(OLD, running=True, ledger=L30)
    both = f"{BAKED}; carol: after the move: 500; then: no"
    told = f"the build before does not pair either, the environment is at fault: {both}"
    book << refused(both) >> DONE << fx.Freeze(f"{NEW} failed in production: {told}") >> DONE
    pinned = (rests[0], rests[1], "kept", rests[2], "too")
    finish(book, ev.Ended(ev.Outcome.NEEDS_HUMAN, told), pinned)


def test_a_rollback_for_no_fault_of_the_build_is_told_with_one_that_is(play: Play) -> None:
    """The verdict names only whom the build failed."""
    book = gated(play(plan(*PEOPLE)))
    first = moved(book, "alice")
    rest = rest_of(book)
    book << fx.Assess("bob") >> IDLE << fx.Verify("bob", OLD) >> PAIRED
    book << fx.Assess("bob") >> IDLE << fx.Fence("bob") >> DONE << fx.Stop("bob") >> DONE
    book << fx.SnapshotAtRest("bob", rest, OLD) >> snapshot(rest)
    book << fx.Select("bob", NEW) >> host_fault("disk full")
    book << fx.Fence("bob") >> DONE << fx.Stop("bob") >> DONE
    book << fx.Quarantine("bob", book.fresh, NEW, rest) >> ev.Quarantined("kept")
    book << fx.Restore("bob", rest) >> DONE << fx.Select("bob", OLD) >> DONE
    book << fx.Start("bob") >> DONE << fx.Verify("bob", OLD) >> PAIRED
    book << fx.Revisit(("alice",), NEW) >> ev.BakeBroken("alice", Fault.BUILD, "500")
    taken_back(book, "alice", first, "too") >> PAIRED
    alice = "alice: after the move: 500"
    told = f"{alice}; bob: disk full"
    book << refused(alice) >> DONE << fx.Freeze(f"{NEW} failed in production: {told}") >> DONE
    finish(book, ev.Ended(ev.Outcome.ROLLED_BACK, told), (first, "too", rest, "kept"))
    assert book.rollout.moves[2].status is Status.WAITING


@pytest.mark.parametrize("done", range(3))
def test_an_end_that_died_is_ended_again(play: Play, done: int) -> None:
    """What was answered is not done twice, what was under way is; the outcome stays."""
    book = play(plan(*PEOPLE))
    rests = all_moved(book)
    book << fx.Bake(PEOPLE, NEW, 600.0) >> DONE
    last: list[fx.Effect] = [promote(*PEOPLE), fx.Prune((*PEOPLE, "zoe"), rests)]
    for effect in last[:done]:
        book << effect >> DONE
    if done < 2:
        book << last[done]
    book >> RESUMED
    for effect in last[done:]:
        book << effect >> DONE
    book << Ends.saying(ev.Outcome.PROMOTED)


# Events that cannot follow.


def at(stage: Stage) -> Rollout:
    """Give a rollout in this stage whose next effect is under way as number 1."""
    kind = ev.Kind.BACK if stage is Stage.MOVING else ev.Kind.RUN
    rollout = opened(plan("alice", kind=kind))
    if stage is not Stage.MOVING:
        watched = stage in {Stage.BAKING, Stage.REVISITING}
        status = Status.MOVED if watched else Status.WAITING
        online = "" if stage is Stage.SNAPSHOTTING else "r1.0002"
        rollout = changed(
            rollout,
            stage=stage,
            moves=(changed(rollout.moves[0], online=online, status=status),),
            controls_todo=(fx.Rehearse(OLD, subjects(alice="r1.0002")),),
            verdict=Verdict(NEW, Ruling.PASSED),
            closing=(promote("alice"),),
            ending=INTERRUPTED,
        )
    effect = decide(rollout)
    assert not isinstance(effect, ev.Ended)
    return evolve(rollout, ev.Started(1, effect, NOW))


WRONG = ev.Inspected(OLD, running=True, ledger=L30)


@pytest.mark.parametrize("stage", Stage)
def test_an_answer_to_another_question_cannot_follow(stage: Stage) -> None:
    """A damaged journal is told by its stage, and nothing is guessed."""
    with pytest.raises(InvalidEvent, match=r"Inspected is no answer (while|to assess of alice)"):
        evolve(at(stage), ev.Finished(1, WRONG, NOW))


@pytest.mark.parametrize("stage", Stage)
def test_an_answer_to_no_question_cannot_follow(stage: Stage) -> None:
    """Neither with another number nor twice."""
    rollout = at(stage)
    for seq in (0, 2):
        with pytest.raises(InvalidEvent, match=f"an answer to effect {seq}, which is not under"):
            evolve(rollout, ev.Finished(seq, host_fault("no"), NOW))
    answered = evolve(rollout, ev.Finished(1, host_fault("no"), NOW))
    with pytest.raises(InvalidEvent, match="an answer to effect 1, which is not under way"):
        evolve(answered, ev.Finished(1, host_fault("no"), NOW))


@pytest.mark.parametrize("stage", Stage)
def test_nothing_else_starts_while_an_effect_is_under_way(stage: Stage) -> None:
    """One thing at a time, journaled one by one."""
    with pytest.raises(InvalidEvent, match=r"^two effects at once$"):
        evolve(at(stage), ev.Started(2, fx.Stage(NEW), NOW))


def test_only_what_was_decided_starts() -> None:
    """With the next number, and never another effect."""
    rollout = opened(plan("alice"))
    for seq in (0, 2):
        with pytest.raises(InvalidEvent, match=f"effect {seq} follows effect 0"):
            evolve(rollout, ev.Started(seq, fx.Stage(NEW), NOW))
    with pytest.raises(InvalidEvent, match="was not decided"):
        evolve(rollout, ev.Started(1, fx.Stage(OLD), NOW))


def test_a_run_opens_once() -> None:
    """The plan never changes afterwards."""
    with pytest.raises(InvalidEvent, match=r"^a run opens once$"):
        evolve(opened(plan("alice")), ev.Opened(plan("alice"), NOW))


def ended() -> Rollout:
    """Give a rollout that has nothing left but to be closed."""
    rollout = evolve(opened(plan("alice")), STOP)
    effect = decide(rollout)
    assert not isinstance(effect, ev.Ended)
    rollout = evolve(rollout, ev.Started(1, effect, NOW))
    with pytest.raises(InvalidEvent, match="interrupted is not how this run ends"):
        evolve(rollout, ev.Closed(INTERRUPTED, NOW))
    return evolve(rollout, ev.Finished(1, DONE, NOW))


def test_a_run_closes_only_as_it_ends() -> None:
    """Neither before everything is answered nor with another outcome or reason."""
    rollout = ended()
    for other in (ev.Outcome.PROMOTED, ev.Outcome.LATER):
        with pytest.raises(InvalidEvent, match=f"{other} is not how this run ends"):
            evolve(rollout, ev.Closed(ev.Ended(other, "SIGTERM"), NOW))
    with pytest.raises(InvalidEvent, match="not how this run ends"):
        evolve(rollout, ev.Closed(ev.Ended(ev.Outcome.INTERRUPTED, "other"), NOW))
    with pytest.raises(InvalidEvent, match="not how this run ends"):
        evolve(opened(plan("alice")), ev.Closed(INTERRUPTED, NOW))
    assert evolve(rollout, ev.Closed(INTERRUPTED, NOW)).closed


def test_a_closed_run_that_is_done_with_an_effect_under_way_is_damage() -> None:
    """Even where the end itself is right."""
    pending = changed(ended(), pending=fx.Stage(NEW))
    with pytest.raises(InvalidEvent, match="interrupted is not how this run ends"):
        evolve(pending, ev.Closed(INTERRUPTED, NOW))


@pytest.mark.parametrize("event", [RESUMED, STOP, ev.Closed(INTERRUPTED, NOW)])
def test_nothing_follows_the_end(event: ev.Event) -> None:
    """A run that was closed is history."""
    rollout = evolve(ended(), ev.Closed(INTERRUPTED, NOW))
    with pytest.raises(InvalidEvent, match=r"^nothing follows the end of a run$"):
        evolve(rollout, event)


@pytest.mark.parametrize("people", [("alice",), (EMPTY, "bob"), ("alice", EMPTY), ()])
def test_rehearsals_of_other_subjects_cannot_follow(people: tuple[str, ...]) -> None:
    """One for each subject, in the order asked; of the candidate as of the control."""
    answer = ev.Rehearsed(tuple(rehearsal(person) for person in people))
    for stage in (Stage.REHEARSING, Stage.CONTROL):
        with pytest.raises(InvalidEvent, match="asked for"):
            evolve(at(stage), ev.Finished(1, answer, NOW))


OUTCOMES = (
    "promoted moved deferred passed refused later rolled-back gate-broken needs-human interrupted"
)
STATUSES = (
    "waiting moving moved kept deferred not-running refused held-back broken-before returned "
    "rolled-back environment needs-human"
)


def test_a_copy_without_a_name_cannot_follow() -> None:
    """Nobody could be rehearsed on it."""
    with pytest.raises(InvalidEvent, match="Snapshotted is no answer while snapshotting"):
        evolve(at(Stage.SNAPSHOTTING), ev.Finished(1, snapshot(""), NOW))


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("stranger", ["bob", "zoe", ""])
def test_a_bake_that_breaks_for_a_stranger_cannot_follow(stranger: str, fault: Fault) -> None:
    """Whoever is not watched cannot be seen to lose pairing, whoever is at fault."""
    rollout = opened(plan("alice", "bob"))
    moves = tuple(
        changed(move, status=status)
        for move, status in zip(rollout.moves, (Status.MOVED, Status.DEFERRED), strict=True)
    )
    baking = changed(rollout, stage=Stage.BAKING, moves=moves)
    bake, revisit = fx.Bake(("alice",), NEW, 600.0), fx.Revisit(("alice",), NEW)
    watching: list[tuple[Rollout, fx.Effect]] = [
        (baking, bake),
        (opened(plan(kind=ev.Kind.BAKE, baking=("alice",))), bake),
        (changed(baking, stage=Stage.REVISITING, winding=INTERRUPTED), revisit),
    ]
    for watched, effect in watching:
        assert decide(watched) == effect
        under_way = evolve(watched, ev.Started(1, effect, NOW))
        broken = ev.BakeBroken(stranger, fault, "no cookie")
        with pytest.raises(InvalidEvent, match=f"'{stranger}' is not among those who were moved"):
            evolve(under_way, ev.Finished(1, broken, NOW))


@pytest.mark.parametrize("kind", ev.Kind)
def test_a_plan_moves_nobody_twice(kind: ev.Kind) -> None:
    """The second move of a person would begin from where the first has left them."""
    with pytest.raises(InvalidEvent, match=r"moves each person once, not \['a', 'b', 'a'\]"):
        opened(plan("a", "b", "a", kind=kind, baking=("c",)))


def test_a_bake_of_its_own_watches_somebody() -> None:
    """Only a rollout that baked promotes, and of nobody there is nothing to bake."""
    with pytest.raises(InvalidEvent, match=r"^a bake of its own watches somebody$"):
        opened(plan("alice", kind=ev.Kind.BAKE))


def test_an_invalid_event_is_a_value_error() -> None:
    """It is a defect of ours or damage, never an error of the outside world."""
    assert issubclass(InvalidEvent, ValueError)


@pytest.mark.parametrize(
    ("members", "values"),
    [
        (list(ev.Kind), "run drain check back bake"),
        (list(ev.Readiness), "idle busy not-running"),
        (list(Fault), "build host environment later"),
        (list(ev.Outcome), OUTCOMES),
        (list(Status), STATUSES),
    ],
)
def test_what_the_journal_keeps_is_named_by_strings(members: list[StrEnum], values: str) -> None:
    """Reordering members changes no history; renaming one would."""
    assert [member.value for member in members] == values.split()
