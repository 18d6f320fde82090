"""One person's move, decision by decision, in playbooks of one person.

The gate is behind: each playbook here begins with the person's first step.
"""

from __future__ import annotations

import pytest

from fakes.playbook import NOW, Ends, Playbook
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.moves import Goal, InvalidEvent, Status
from t3safe.domain.rollout import decide
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.generations import EVENT_LOG
from tests.unit.domain.conftest import Play
from tests.unit.domain.plans import (
    DONE,
    IDLE,
    L30,
    L32,
    NEW,
    OLD,
    PAIRED,
    STRANGE,
    build_fault,
    host_fault,
    plan,
    promote,
    rehearsed,
    snapshot,
    subjects,
)

WHO = "alice"
ENVIRONMENT = ev.NotPaired(Fault.ENVIRONMENT, "no answer on 3780")
BROKEN = ev.NotPaired(Fault.BUILD, "500 from the serve")
BUSY = ev.Assessed(ev.Readiness.BUSY, "a turn is in flight")
STOPPED = ev.Assessed(ev.Readiness.NOT_RUNNING, "inactive")
REST = "r1.0010"
"""The id of the at-rest snapshot where the first person of a playbook comes that far at once."""
KEPT = "r1.0016"
"""The id of the quarantined set where that person's verification fails at once."""


def through_gate(play: Play, *people: str, attempts_max: int = 1) -> Playbook:
    """Play a run up to the first person's first step."""
    book = play(plan(*people, attempts_max=attempts_max))
    book << fx.Stage(NEW) >> DONE
    copies = {}
    for person in people:
        copies[person] = book.fresh
        book << fx.SnapshotOnline(person, book.fresh) >> snapshot(copies[person])
    book << fx.Rehearse(NEW, subjects(**copies)) >> rehearsed(*people)
    return book << fx.RecordVerdict(Verdict(NEW, Ruling.PASSED)) >> DONE


def asked(book: Playbook, who: str = WHO) -> Playbook:
    """Play the questions that come before anything is touched."""
    return book << fx.Assess(who) >> IDLE << fx.Verify(who, OLD) >> PAIRED << fx.Assess(who) >> IDLE


def rested(book: Playbook, who: str = WHO) -> Playbook:
    """Play from the questions to the rollback point."""
    asked(book, who) << fx.Fence(who) >> DONE << fx.Stop(who) >> DONE
    return book << fx.SnapshotAtRest(who, book.fresh, OLD) >> snapshot(REST)


def started(book: Playbook, who: str = WHO) -> Playbook:
    """Play from the questions to the started new build."""
    return rested(book, who) << fx.Select(who, NEW) >> DONE << fx.Start(who) >> DONE


def into_old(book: Playbook, who: str = WHO) -> Playbook:
    """Play the way into the old build up to its verification."""
    return book << fx.Select(who, OLD) >> DONE << fx.Start(who) >> DONE << fx.Verify(who, OLD)


def back(book: Playbook, who: str = WHO, kept: str = KEPT) -> Playbook:
    """Play the whole way back up to the old build's verification."""
    book << fx.Fence(who) >> DONE << fx.Stop(who) >> DONE
    book << fx.Quarantine(who, book.fresh, NEW, REST) >> ev.Quarantined(kept)
    return into_old(book << fx.Restore(who, REST) >> DONE, who)


def looked(book: Playbook, who: str = WHO) -> Playbook:
    """Play the question whether somebody who had time to work is at work now: they are not."""
    return book << fx.Assess(who, certain=True) >> IDLE


def revisited(book: Playbook, *people: str) -> Playbook:
    """Play one more pairing of those who were moved and will not be baked; all of them pair."""
    return book << fx.Revisit(people or (WHO,), NEW) >> DONE


def prune(*pinned: str, people: tuple[str, ...] = (WHO,)) -> fx.Prune:
    """Give the last effect of every end."""
    return fx.Prune((*people, "zoe"), pinned)


def ends(book: Playbook, outcome: ev.Outcome, *said: str, pinned: tuple[str, ...] = ()) -> None:
    """Play the end of a rollout of one person that has nothing else to do."""
    book << prune(*pinned) >> DONE << Ends.saying(outcome, *said)


def needs_human(
    book: Playbook, reason: str, pinned: tuple[str, ...] = (REST,), *, refused: bool = False
) -> None:
    """Play the loudest end: frozen, and with `refused` the build is refused first."""
    if refused:
        book << fx.RecordVerdict(in_production(reason)) >> DONE
    book << fx.Freeze(reason) >> DONE
    ends(book, ev.Outcome.NEEDS_HUMAN, reason, pinned=pinned)
    assert bool(recorded_against(book)) is refused


def in_production(told: str) -> Verdict:
    """The verdict that a failure in production leaves."""
    return Verdict(NEW, Ruling.REFUSED, (f"in production, {told}",), in_production=True)


def blamed(book: Playbook, told: str) -> Playbook:
    """Play what follows a rollback for the build's own fault."""
    book << fx.RecordVerdict(in_production(told)) >> DONE
    return book << fx.Freeze(f"{NEW} failed in production: {told}") >> DONE


def not_blamed(book: Playbook, told: str) -> Playbook:
    """Play what follows a rollback for any other fault: a person looks, no verdict is kept."""
    text = f"{NEW} could not be put in place, not its own fault: {told}"
    return book << fx.Freeze(text) >> DONE


def recorded_against(book: Playbook) -> list[Verdict]:
    """Every verdict that refuses a build."""
    return [
        effect.verdict
        for effect in book.performed
        if isinstance(effect, fx.RecordVerdict) and effect.verdict.ruling is Ruling.REFUSED
    ]


def touched(book: Playbook) -> set[str]:
    """Everybody whose serve or selection was changed, or was about to be."""
    changing = (fx.Fence, fx.Stop, fx.Select, fx.Start, fx.Restore)
    return {effect.person for effect in book.performed if isinstance(effect, changing)}


def status(book: Playbook, who: str = WHO) -> Status:
    """How a person stands by now."""
    return next(move.status for move in book.rollout.moves if move.person == who)


# Before anything is touched.


def test_a_busy_person_is_deferred_untouched(play: Play) -> None:
    """Work in flight is never interrupted, and a run that moved nobody promotes nothing."""
    book = through_gate(play, WHO) << fx.Assess(WHO) >> BUSY
    ends(book, ev.Outcome.DEFERRED, "alice: a turn is in flight")
    assert status(book) is Status.DEFERRED
    assert touched(book) == set()


def test_a_person_who_became_busy_during_the_precheck_is_deferred(play: Play) -> None:
    """The question is asked again immediately before the stop."""
    book = through_gate(play, WHO) << fx.Assess(WHO) >> IDLE << fx.Verify(WHO, OLD) >> PAIRED
    book << fx.Assess(WHO) >> BUSY
    ends(book, ev.Outcome.DEFERRED, "alice: a turn is in flight")
    assert touched(book) == set()


def test_a_serve_that_does_not_run_is_left_alone(play: Play) -> None:
    """Nobody's serve is started who had stopped it."""
    book = through_gate(play, WHO) << fx.Assess(WHO) >> STOPPED
    ends(book, ev.Outcome.DEFERRED, "alice: inactive")
    assert status(book) is Status.NOT_RUNNING
    assert touched(book) == set()


def test_a_serve_that_stopped_during_the_precheck_is_left_alone(play: Play) -> None:
    """The second answer counts like the first."""
    book = through_gate(play, WHO) << fx.Assess(WHO) >> IDLE << fx.Verify(WHO, OLD) >> PAIRED
    book << fx.Assess(WHO) >> STOPPED
    ends(book, ev.Outcome.DEFERRED, "alice: inactive")
    assert status(book) is Status.NOT_RUNNING


def test_work_that_cannot_be_told_is_work(play: Play) -> None:
    """Unknown is busy."""
    book = through_gate(play, WHO) << fx.Assess(WHO) >> host_fault("permission denied")
    ends(book, ev.Outcome.DEFERRED, "alice: cannot tell whether there is work: permission denied")
    assert touched(book) == set()


def test_a_person_who_does_not_pair_before_is_not_touched(play: Play) -> None:
    """What was broken before the run is never blamed on the build."""
    book = through_gate(play, WHO) << fx.Assess(WHO) >> IDLE << fx.Verify(WHO, OLD) >> BROKEN
    ends(book, ev.Outcome.LATER, "does not pair on the present build: alice: 500 from the serve")
    assert status(book) is Status.BROKEN_BEFORE
    assert touched(book) == set()
    assert recorded_against(book) == []


def test_a_precheck_that_cannot_be_held_leaves_the_person_untouched(play: Play) -> None:
    """Unverified is refused: without a proof of before there could be no blame afterwards."""
    book = through_gate(play, WHO) << fx.Assess(WHO) >> IDLE
    book << fx.Verify(WHO, OLD) >> ev.Failed(Fault.ENVIRONMENT, "connection refused")
    ends(book, ev.Outcome.LATER, "connection refused")
    assert touched(book) == set()
    assert recorded_against(book) == []


@pytest.mark.parametrize("fault", [Fault.HOST, Fault.BUILD, Fault.LATER])
def test_a_precheck_that_fails_otherwise_is_that_persons_alone(play: Play, fault: Fault) -> None:
    """Only what lies beside the build keeps the others from being asked."""
    book = through_gate(play, WHO, "bob") << fx.Assess(WHO) >> IDLE
    book << fx.Verify(WHO, OLD) >> ev.Failed(fault, "no mint") << fx.Assess("bob") >> BUSY
    book << prune(people=(WHO, "bob")) >> DONE << Ends.saying(ev.Outcome.LATER, "alice: no mint")
    assert status(book) is Status.BROKEN_BEFORE


def test_the_next_person_is_tried_when_one_was_broken_before(play: Play) -> None:
    """One serve's trouble is no reason to leave the others behind."""
    book = through_gate(play, WHO, "bob") << fx.Assess(WHO) >> IDLE
    book << fx.Verify(WHO, OLD) >> BROKEN << fx.Assess("bob") >> BUSY
    book << prune(people=(WHO, "bob")) >> DONE
    book << Ends.saying(ev.Outcome.LATER, "alice: 500 from the serve", "bob: a turn is in flight")


@pytest.mark.parametrize("answer", [ENVIRONMENT, ev.Failed(Fault.ENVIRONMENT, "no answer on 3780")])
def test_a_dispatch_that_cannot_be_asked_ends_the_run_untouched(
    play: Play, answer: ev.Answer
) -> None:
    """Nobody else is begun: it would fail for them too, answered or not."""
    book = through_gate(play, WHO, "bob") << fx.Assess(WHO) >> IDLE
    book << fx.Verify(WHO, OLD) >> answer << prune(people=(WHO, "bob")) >> DONE
    book << Ends.saying(ev.Outcome.LATER, "the dispatch could not be asked: no answer on 3780")
    assert touched(book) == set()
    assert recorded_against(book) == []
    assert status(book, "bob") is Status.WAITING


# From the fence to the rollback point: the undo needs no data.


@pytest.mark.parametrize("how", [DONE, None])
def test_a_fence_that_fails_is_lifted(play: Play, how: ev.Answer | None) -> None:
    """Half set or not set: the old build is selected, started and verified."""
    book = asked(through_gate(play, WHO)) << fx.Fence(WHO) >> host_fault("disk full")
    into_old(book) >> PAIRED
    ends(book, ev.Outcome.LATER, "alice: disk full")
    assert status(book) is Status.RETURNED
    assert recorded_against(book) == []


def test_a_serve_that_does_not_stop_is_left_to_its_build(play: Play) -> None:
    """No snapshot is taken of a set that something may still write."""
    book = asked(through_gate(play, WHO)) << fx.Fence(WHO) >> DONE
    book << fx.Stop(WHO) >> host_fault("a process is left")
    into_old(book) >> PAIRED
    ends(book, ev.Outcome.LATER, "alice: a process is left")
    assert fx.Select(WHO, NEW) not in book.performed


def test_without_a_rollback_point_there_is_no_move(play: Play) -> None:
    """A snapshot that fails ends that person's move, and is never a mere warning."""
    book = asked(through_gate(play, WHO)) << fx.Fence(WHO) >> DONE << fx.Stop(WHO) >> DONE
    book << fx.SnapshotAtRest(WHO, REST, OLD) >> host_fault("disk full")
    into_old(book) >> PAIRED
    ends(book, ev.Outcome.LATER, "alice: disk full")
    assert fx.Select(WHO, NEW) not in book.performed


def test_a_set_that_the_new_build_does_not_know_goes_no_further(play: Play) -> None:
    """What was migrated by somebody else since the rehearsal is seen at rest (I1)."""
    book = asked(through_gate(play, WHO)) << fx.Fence(WHO) >> DONE << fx.Stop(WHO) >> DONE
    book << fx.SnapshotAtRest(WHO, REST, OLD) >> snapshot(REST, STRANGE)
    into_old(book) >> PAIRED
    text = f"alice: {NEW} does not know state.sqlite: 31_Foreign of the stopped set"
    ends(book, ev.Outcome.LATER, text, pinned=(REST,))
    assert fx.Select(WHO, NEW) not in book.performed


def test_nobody_is_begun_after_one_who_was_returned(play: Play) -> None:
    """What kept one person from being moved may keep all: nobody else is stopped for it."""
    book = asked(through_gate(play, WHO, "bob")) << fx.Fence(WHO) >> host_fault("disk full")
    into_old(book) >> PAIRED << prune(people=(WHO, "bob")) >> DONE
    book << ev.Ended(ev.Outcome.LATER, "alice: disk full")
    assert status(book) is Status.RETURNED
    assert status(book, "bob") is Status.WAITING
    assert touched(book) == {WHO}


def test_whoever_was_moved_before_one_who_was_returned_is_not_baked(play: Play) -> None:
    """They are paired once more and stay where they are; the bake is for a run of its own."""
    book = started(through_gate(play, "bob", WHO), "bob") << fx.Verify("bob", NEW) >> PAIRED
    asked(book) << fx.Fence(WHO) >> host_fault("disk full")
    revisited(into_old(book) >> PAIRED, "bob") << prune(REST, people=("bob", WHO)) >> DONE
    book << ev.Ended(ev.Outcome.LATER, "alice: disk full")
    assert status(book, "bob") is Status.MOVED
    assert not any(isinstance(effect, fx.Bake | fx.Promote) for effect in book.performed)


def test_a_return_that_does_not_pair_is_the_environments_fault(play: Play) -> None:
    """Build and data are the ones from before; a person must look, the build is not blamed."""
    book = asked(through_gate(play, WHO, "bob")) << fx.Fence(WHO) >> host_fault("disk full")
    into_old(book) >> BROKEN << prune(people=(WHO, "bob")) >> DONE
    book << Ends.saying(
        ev.Outcome.NEEDS_HUMAN, "the environment is at fault", "disk full; then: 500 from the serve"
    )
    assert status(book) is Status.ENVIRONMENT
    assert recorded_against(book) == []
    assert not any(isinstance(effect, fx.Freeze) for effect in book.performed)


def test_a_return_that_cannot_be_verified_is_the_environments_fault(play: Play) -> None:
    """A verification that could not be held at all is no proof either."""
    book = asked(through_gate(play, WHO)) << fx.Fence(WHO) >> host_fault("disk full")
    into_old(book) >> host_fault("no curl")
    ends(book, ev.Outcome.NEEDS_HUMAN, "alice: disk full; then: no curl")


@pytest.mark.parametrize("step", [fx.Select(WHO, OLD), fx.Start(WHO)])
def test_a_return_that_fails_ends_with_the_last_resort(play: Play, step: fx.Effect) -> None:
    """Look, select the old build on the untouched set, start it, and call a person."""
    book = asked(through_gate(play, WHO)) << fx.Fence(WHO) >> host_fault("disk full")
    if step == fx.Start(WHO):
        book << fx.Select(WHO, OLD) >> DONE
    book << step >> host_fault("no systemd")
    book << fx.Inspect(WHO) >> ev.Inspected(None, running=False, ledger=None)
    book << fx.Select(WHO, OLD) >> DONE << fx.Start(WHO) >> DONE
    needs_human(book, "alice: disk full; then: no systemd", pinned=())


# On the new build.


def test_a_person_who_pairs_on_the_new_build_is_moved(play: Play) -> None:
    """Baked and promoted, with the rollback point pinned."""
    book = started(through_gate(play, WHO)) << fx.Verify(WHO, NEW) >> PAIRED
    book << fx.Bake((WHO,), NEW, 600.0) >> DONE << promote(WHO) >> DONE
    ends(book, ev.Outcome.PROMOTED, "moved alice", pinned=(REST,))
    assert status(book) is Status.MOVED


@pytest.mark.parametrize(
    ("step", "answer", "reason"),
    [
        (fx.Select(WHO, NEW), host_fault("disk full"), "disk full"),
        (fx.Start(WHO), host_fault("exit 1"), "exit 1"),
        (fx.Start(WHO), build_fault("exit 1"), "exit 1"),
        (fx.Verify(WHO, NEW), BROKEN, "500 from the serve"),
        (fx.Verify(WHO, NEW), ev.NotPaired(Fault.HOST, "another pid"), "another pid"),
        (fx.Verify(WHO, NEW), ev.NotPaired(Fault.LATER, "too slow"), "too slow"),
        (fx.Verify(WHO, NEW), ev.Failed(Fault.ENVIRONMENT, "no mint"), "no mint"),
        (fx.Verify(WHO, NEW), build_fault("it died"), "it died"),
    ],
)
def test_a_failure_on_the_new_build_is_rolled_back_in_order(
    play: Play, step: fx.Effect, answer: ev.Failed | ev.NotPaired, reason: str
) -> None:
    """Fence, stop, quarantine, restore, select, start, verify; then frozen.

    And refused where the build itself is at fault, and only there.
    """
    book = rested(through_gate(play, WHO, "bob"))
    for effect in (fx.Select(WHO, NEW), fx.Start(WHO), fx.Verify(WHO, NEW)):
        if effect == step:
            book << effect >> answer
            break
        book << effect >> DONE
    book << fx.Fence(WHO) >> DONE << fx.Stop(WHO) >> DONE
    (
        book
        << fx.Quarantine(WHO, book.fresh, NEW, REST)
        >> ev.Quarantined("kept", (ev.RowsKept(f"{V1_DATABASE}:{EVENT_LOG}", 3),))
    )
    book << fx.Restore(WHO, REST) >> DONE
    into_old(book) >> PAIRED
    told = f"alice: {reason}"
    (blamed if answer.fault is Fault.BUILD else not_blamed)(book, told)
    book << prune(REST, "kept", people=(WHO, "bob")) >> DONE
    book << ev.Ended(ev.Outcome.ROLLED_BACK, told)
    assert bool(recorded_against(book)) is (answer.fault is Fault.BUILD)
    assert status(book) is Status.ROLLED_BACK
    assert status(book, "bob") is Status.WAITING
    assert touched(book) == {WHO}
    assert book.rollout.moves[0].rows == (ev.RowsKept(f"{V1_DATABASE}:{EVENT_LOG}", 3),)


def test_whoever_was_moved_before_stays_on_the_new_build(play: Play) -> None:
    """Their new rows matter; only the person for whom it failed goes back.

    They are paired once more before the end, because nobody will bake them.
    """
    book = started(through_gate(play, "bob", WHO), "bob") << fx.Verify("bob", NEW) >> PAIRED
    bobs = book.rollout.moves[0]
    back(started(book) << fx.Verify(WHO, NEW) >> BROKEN) >> PAIRED
    after = len(book.performed)
    revisited(book, "bob")
    blamed(book, "alice: 500 from the serve")
    book << prune(REST, REST, KEPT, people=("bob", WHO)) >> DONE
    book << Ends.saying(ev.Outcome.ROLLED_BACK, "alice: 500 from the serve")
    assert book.rollout.moves[0] == bobs
    assert not any(isinstance(effect, fx.Bake | fx.Promote) for effect in book.performed[after:])


def test_a_serve_that_pairs_while_the_dispatch_is_down_is_kept(play: Play) -> None:
    """Good data is not restored for an environment's fault; the run winds down."""
    book = started(through_gate(play, WHO, "bob")) << fx.Verify(WHO, NEW) >> ENVIRONMENT
    book << prune(REST, people=(WHO, "bob")) >> DONE
    book << Ends.saying(ev.Outcome.LATER, "the dispatch could not be asked: no answer on 3780")
    assert status(book) is Status.KEPT
    assert status(book, "bob") is Status.WAITING
    assert recorded_against(book) == []


LOOK = fx.Inspect(WHO)

# Going back, and failing at it.


NEITHER = [BROKEN, ENVIRONMENT, host_fault("500 from the serve")]
RESTORED = ev.Inspected(OLD, running=True, ledger=L30)
"""The set is as it was restored."""


def neither_pairs(play: Play, first: ev.Answer, answer: ev.Answer) -> Playbook:
    """Play a whole way back, after which the old build does not pair, up to the look."""
    book = back(started(through_gate(play, WHO)) << fx.Verify(WHO, NEW) >> first) >> answer
    return book << LOOK


@pytest.mark.parametrize("answer", NEITHER)
def test_a_build_that_failed_in_production_is_refused_where_the_old_one_does_not_pair_either(
    play: Play, answer: ev.Answer
) -> None:
    """What speaks against a build is held against it, whatever follows; the host is frozen."""
    book = neither_pairs(play, BROKEN, answer) >> RESTORED
    (told,) = {effect.reason for effect in [decided_after_verdict(book)]}
    assert "the environment is at fault" in told
    ends(book, ev.Outcome.NEEDS_HUMAN, "the environment is at fault", pinned=(REST, KEPT))
    assert status(book) is Status.ENVIRONMENT
    assert [verdict.build for verdict in recorded_against(book)] == [NEW]


def decided_after_verdict(book: Playbook) -> fx.Freeze:
    """Play the verdict on a build that failed in production, and the freeze that follows."""
    verdict = decide(book.rollout)
    assert isinstance(verdict, fx.RecordVerdict)
    assert verdict.verdict.in_production
    book << verdict >> DONE
    freeze = decide(book.rollout)
    assert isinstance(freeze, fx.Freeze)
    book << freeze >> DONE
    return freeze


@pytest.mark.parametrize("answer", NEITHER)
def test_where_neither_pairs_and_the_host_is_at_fault_no_build_is_refused(
    play: Play, answer: ev.Answer
) -> None:
    """Nothing speaks against the build: nothing is held against it, and nothing is frozen."""
    book = neither_pairs(play, ev.NotPaired(Fault.HOST, "no port"), answer) >> RESTORED
    ends(book, ev.Outcome.NEEDS_HUMAN, "the environment is at fault", pinned=(REST, KEPT))
    assert recorded_against(book) == []
    assert not any(isinstance(effect, fx.Freeze) for effect in book.performed)


def test_a_look_that_fails_after_a_way_back_leaves_it_to_a_person(play: Play) -> None:
    """Whether the set was changed is not known then; the old build serves it."""
    book = neither_pairs(play, BROKEN, BROKEN) >> host_fault("no answer")
    decided_after_verdict(book)
    ends(book, ev.Outcome.NEEDS_HUMAN, "no answer", pinned=(REST, KEPT))
    assert status(book) is Status.ENVIRONMENT


@pytest.mark.parametrize(
    "found",
    [
        ev.Inspected(OLD, running=True, ledger=L32),
        ev.Inspected(OLD, running=True, ledger=None),
        ev.Inspected(OLD, running=True, ledger=L30, restoring=True),
    ],
)
def test_a_set_that_was_migrated_behind_the_way_back_is_restored_once_more(
    play: Play, found: ev.Inspected
) -> None:
    """A late program of the failed build opened the restored set: the way back is taken again."""
    book = neither_pairs(play, BROKEN, BROKEN) >> found
    back(book, kept="late") >> PAIRED
    decided_after_verdict(book)
    ends(book, ev.Outcome.ROLLED_BACK, pinned=(REST, KEPT, "late"))
    assert book.performed.count(fx.Restore(WHO, REST)) == 2


def test_the_way_back_is_taken_once_more_and_no_oftener(play: Play) -> None:
    """Whatever changes the set again and again is for a person to find."""
    book = neither_pairs(play, BROKEN, BROKEN) >> ev.Inspected(OLD, running=True, ledger=L32)
    back(book, kept="late") >> BROKEN
    decided_after_verdict(book)
    ends(book, ev.Outcome.NEEDS_HUMAN, pinned=(REST, KEPT, "late"))
    assert status(book) is Status.ENVIRONMENT


def test_a_look_after_a_way_back_that_was_cut_off_is_taken_again(play: Play) -> None:
    """The old build is started and verified once more, and then it is looked at the set."""
    book = neither_pairs(play, BROKEN, BROKEN) >> ev.Resumed(NOW)
    book << LOOK >> RESTORED << fx.Start(WHO) >> DONE << fx.Verify(WHO, OLD) >> BROKEN
    book << LOOK >> RESTORED
    decided_after_verdict(book)
    ends(book, ev.Outcome.NEEDS_HUMAN, "the environment is at fault", pinned=(REST, KEPT))


def test_a_cancelled_move_whose_set_was_migrated_goes_back_to_the_rollback_point(
    play: Play,
) -> None:
    """The new build was never selected; a program past the launcher migrated the set."""
    book = rested(through_gate(play, WHO)) << fx.Select(WHO, NEW)
    book >> ev.Resumed(NOW) << LOOK >> ev.Inspected(None, running=False, ledger=L30)
    into_old(book) >> BROKEN << LOOK >> ev.Inspected(OLD, running=True, ledger=L32)
    looked(book)
    back(book, kept="late") >> PAIRED
    not_blamed(book, "alice: interrupted; then: 500 from the serve")
    ends(book, ev.Outcome.ROLLED_BACK, pinned=(REST, "late"))


# What holds one person's data.


@pytest.mark.parametrize("step", ["stop", "snapshot"])
def test_what_holds_a_persons_data_and_cannot_be_ended_defers_them_alone(
    play: Play, step: str
) -> None:
    """They are on the old build again, which pairs; the next person is moved."""
    book = asked(through_gate(play, WHO, "bob")) << fx.Fence(WHO) >> DONE << fx.Stop(WHO)
    held = ev.Failed(Fault.LATER, "process 4242 holds the set")
    if step == "snapshot":
        book >> DONE << fx.SnapshotAtRest(WHO, book.fresh, OLD)
    into_old(book >> held) >> PAIRED
    assert status(book) is Status.DEFERRED
    book << fx.Assess("bob") >> BUSY << prune(people=(WHO, "bob")) >> DONE
    book << Ends.saying(ev.Outcome.DEFERRED, "alice: process 4242 holds the set")


FOUND = ev.Inspected(None, running=False, ledger=L32)


def restore_fails(play: Play) -> Playbook:
    """Play a rollback up to the look after a restore that failed."""
    book = started(through_gate(play, WHO)) << fx.Verify(WHO, NEW) >> BROKEN
    book << fx.Fence(WHO) >> DONE << fx.Stop(WHO) >> DONE
    book << fx.Quarantine(WHO, KEPT, NEW, REST) >> ev.Quarantined(KEPT)
    return book << fx.Restore(WHO, REST) >> host_fault("digest differs") << fx.Inspect(WHO)


BOTH = "alice: 500 from the serve; then: digest differs"


@pytest.mark.parametrize(
    ("found", "build"),
    [
        (ev.Inspected(None, running=False, ledger=L30), OLD),
        (ev.Inspected(None, running=False, ledger=SetLedger()), OLD),
        (ev.Inspected(None, running=False, ledger=L32), NEW),
    ],
)
def test_the_last_resort_starts_what_knows_the_ledger(
    play: Play, found: ev.Inspected, build: object
) -> None:
    """The old build if it knows what is there, else the new one; a person is called anyway."""
    assert build in {OLD, NEW}
    book = restore_fails(play) >> found
    book << fx.Select(WHO, OLD if build == OLD else NEW) >> DONE << fx.Start(WHO) >> DONE
    needs_human(book, BOTH, pinned=(REST, KEPT), refused=True)
    assert status(book) is Status.NEEDS_HUMAN


@pytest.mark.parametrize("ledger", [L30, L32, STRANGE, None])
def test_the_last_resort_leaves_a_selected_new_build_where_it_is(
    play: Play, ledger: SetLedger | None
) -> None:
    """Without a fence a mint may migrate the set at any moment: the old build must not follow."""
    book = started(through_gate(play, WHO)) << fx.Verify(WHO, NEW) >> BROKEN
    book << fx.Fence(WHO) >> host_fault("disk full")
    book << LOOK >> ev.Inspected(NEW, running=False, ledger=ledger) << fx.Start(WHO) >> DONE
    needs_human(book, "alice: 500 from the serve; then: disk full", refused=True)


@pytest.mark.parametrize(
    "found",
    [
        ev.Inspected(None, running=False, ledger=STRANGE),
        ev.Inspected(None, running=False, ledger=None),
        ev.Inspected(None, running=False, ledger=L30, restoring=True),
        ev.Inspected(None, running=False, ledger=L32, restoring=True),
    ],
)
def test_where_no_build_knows_the_ledger_the_fence_stays(play: Play, found: ev.Inspected) -> None:
    """A half-replaced set, or one that nobody knows, is not given to any build (I1)."""
    book = restore_fails(play) >> found
    needs_human(book, BOTH, pinned=(REST, KEPT), refused=True)
    assert fx.Select(WHO, NEW) not in book.performed[book.performed.index(LOOK) :]
    assert fx.Select(WHO, OLD) not in book.performed


def stop_fails(play: Play) -> Playbook:
    """Play a rollback up to the look after a stop that failed: the new build may run yet."""
    book = started(through_gate(play, WHO)) << fx.Verify(WHO, NEW) >> BROKEN
    book << fx.Fence(WHO) >> DONE << fx.Stop(WHO) >> host_fault("a process is left")
    return book << LOOK


STUCK = "alice: 500 from the serve; then: a process is left"


@pytest.mark.parametrize("first", [L30, L32, STRANGE, None])
@pytest.mark.parametrize(("ledger", "build"), [(L30, OLD), (L32, NEW)])
def test_a_serve_that_runs_behind_the_fence_is_stopped_before_a_build_is_chosen(
    play: Play, first: SetLedger | None, ledger: SetLedger, build: Version
) -> None:
    """I1: what it had not migrated at the first look it may have by the second, which counts."""
    book = stop_fails(play) >> ev.Inspected(None, running=True, ledger=first)
    book << fx.Stop(WHO) >> DONE << LOOK >> ev.Inspected(None, running=False, ledger=ledger)
    book << fx.Select(WHO, build) >> DONE << fx.Start(WHO) >> DONE
    needs_human(book, STUCK, refused=True)
    other = NEW if build == OLD else OLD
    assert fx.Select(WHO, other) not in book.performed[book.performed.index(LOOK) :]


@pytest.mark.parametrize("ledger", [STRANGE, None])
def test_a_serve_that_left_what_nobody_knows_stays_fenced(
    play: Play, ledger: SetLedger | None
) -> None:
    """The second look decides like the first, also against every build."""
    book = stop_fails(play) >> ev.Inspected(None, running=True, ledger=L30)
    book << fx.Stop(WHO) >> DONE << LOOK >> ev.Inspected(None, running=False, ledger=ledger)
    needs_human(book, STUCK, refused=True)
    assert fx.Select(WHO, OLD) not in book.performed


def test_a_serve_that_will_not_stop_stays_behind_its_fence(play: Play) -> None:
    """No build is selected over a process that may still migrate the set."""
    book = stop_fails(play) >> ev.Inspected(None, running=True, ledger=L30)
    book << fx.Stop(WHO) >> host_fault("still there")
    needs_human(book, f"{STUCK}; then: still there", refused=True)
    assert fx.Select(WHO, OLD) not in book.performed
    assert fx.Start(WHO) not in book.performed[book.performed.index(LOOK) :]


@pytest.mark.parametrize("ledger", [L30, L32])
def test_a_serve_that_runs_at_the_second_look_stays_behind_its_fence(
    play: Play, ledger: SetLedger
) -> None:
    """It is stopped once; what comes back after that is for a person."""
    book = stop_fails(play) >> ev.Inspected(None, running=True, ledger=ledger)
    book << fx.Stop(WHO) >> DONE << LOOK >> ev.Inspected(None, running=True, ledger=ledger)
    needs_human(book, STUCK, refused=True)
    assert fx.Select(WHO, OLD) not in book.performed
    assert book.performed.count(fx.Stop(WHO)) == 3


@pytest.mark.parametrize("running", [True, False])
def test_a_stop_of_the_last_resort_that_was_cut_off_counts(play: Play, *, running: bool) -> None:
    """From its intent on: a serve that runs after it is not stopped once more."""
    book = stop_fails(play) >> ev.Inspected(None, running=True, ledger=L30)
    book << fx.Stop(WHO) >> ev.Resumed(NOW)
    book << LOOK >> ev.Inspected(None, running=running, ledger=L32)
    if not running:
        book << fx.Select(WHO, NEW) >> DONE << fx.Start(WHO) >> DONE
    needs_human(book, STUCK, refused=True)
    assert fx.Select(WHO, OLD) not in book.performed


def test_a_serve_of_an_untouched_set_is_not_stopped_for_the_last_resort(play: Play) -> None:
    """Only the old build can be running there; it is selected, and a person is called."""
    book = asked(through_gate(play, WHO)) << fx.Fence(WHO) >> DONE
    book << fx.Stop(WHO) >> host_fault("a process is left") << fx.Select(WHO, OLD)
    book >> host_fault("disk full") << LOOK >> ev.Inspected(None, running=True, ledger=L30)
    book << fx.Select(WHO, OLD) >> DONE << fx.Start(WHO) >> DONE
    needs_human(book, "alice: a process is left; then: disk full", pinned=())
    assert book.performed.count(fx.Stop(WHO)) == 1


def test_a_last_look_that_fails_leaves_the_fence(play: Play) -> None:
    """What cannot be seen is not started."""
    book = restore_fails(play) >> host_fault("no answer")
    needs_human(book, f"{BOTH}; then: no answer", pinned=(REST, KEPT), refused=True)


def test_a_last_resort_that_fails_is_told_with_all_reasons(play: Play) -> None:
    """Everything that a person needs for the manual step is in the line."""
    book = restore_fails(play) >> FOUND << fx.Select(WHO, NEW) >> host_fault("disk full")
    needs_human(book, f"{BOTH}; then: disk full", pinned=(REST, KEPT), refused=True)


@pytest.mark.parametrize("failing", ["fence", "stop", "quarantine", "select", "start"])
def test_any_step_back_that_fails_leads_to_the_last_resort(play: Play, failing: str) -> None:
    """Nothing is restored before it is quarantined, and no step is left out in silence."""
    book = started(through_gate(play, WHO)) << fx.Verify(WHO, NEW) >> BROKEN
    steps: dict[str, tuple[fx.Effect, ev.Answer]] = {
        "fence": (fx.Fence(WHO), DONE),
        "stop": (fx.Stop(WHO), DONE),
        "quarantine": (fx.Quarantine(WHO, KEPT, NEW, REST), ev.Quarantined(KEPT)),
        "restore": (fx.Restore(WHO, REST), DONE),
        "select": (fx.Select(WHO, OLD), DONE),
        "start": (fx.Start(WHO), DONE),
    }
    for name, (effect, answer) in steps.items():
        book << effect >> (host_fault("no") if name == failing else answer)
        if name == failing:
            break
    book << fx.Inspect(WHO) >> ev.Inspected(None, running=False, ledger=L30)
    book << fx.Select(WHO, OLD) >> DONE << fx.Start(WHO) >> DONE
    pinned = (REST, KEPT) if failing in {"select", "start"} else (REST,)
    needs_human(book, "alice: 500 from the serve; then: no", pinned=pinned, refused=True)


# Budgets.


def test_an_effect_is_tried_as_often_as_the_plan_says(play: Play) -> None:
    """Two failures of three are forgotten, and the next effect has its own three."""
    book = asked(through_gate(play, WHO, attempts_max=3))
    for effect in (fx.Fence(WHO), fx.Stop(WHO)):
        book << effect >> host_fault("1") << effect >> host_fault("2") << effect >> DONE
    for attempt in ("1", "2", "3"):
        book << fx.SnapshotAtRest(WHO, book.fresh, OLD) >> host_fault(attempt)
    into_old(book) >> PAIRED
    ends(book, ev.Outcome.LATER, "alice: 3")


def test_each_attempt_at_a_snapshot_has_an_id_of_its_own(play: Play) -> None:
    """What a failed attempt left is never taken for the rollback point."""
    book = asked(through_gate(play, WHO, attempts_max=2)) << fx.Fence(WHO) >> DONE
    book << fx.Stop(WHO) >> DONE
    book << fx.SnapshotAtRest(WHO, "r1.0010", OLD) >> host_fault("1")
    book << fx.SnapshotAtRest(WHO, "r1.0011", OLD) >> snapshot("r1.0011")
    book << fx.Select(WHO, NEW) >> DONE << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> PAIRED
    book << fx.Bake((WHO,), NEW, 600.0) >> DONE << promote(WHO) >> DONE
    ends(book, ev.Outcome.PROMOTED, pinned=("r1.0011",))


@pytest.mark.parametrize("fault", [Fault.HOST, Fault.ENVIRONMENT, Fault.LATER])
def test_a_failure_that_is_not_the_builds_is_tried_again(play: Play, fault: Fault) -> None:
    """Whatever else was in the way may be gone by now."""
    book = through_gate(play, WHO, attempts_max=2) << fx.Assess(WHO) >> ev.Failed(fault, "1")
    book << fx.Assess(WHO) >> BUSY
    ends(book, ev.Outcome.DEFERRED)


def test_a_failure_that_is_the_builds_is_not_tried_again(play: Play) -> None:
    """The build has shown what it does; a person waits meanwhile."""
    book = started(through_gate(play, WHO, attempts_max=3))
    book << fx.Verify(WHO, NEW) >> build_fault("it died") << fx.Fence(WHO) >> DONE
    book << fx.Stop(WHO) >> DONE << fx.Quarantine(WHO, KEPT, NEW, REST) >> ev.Quarantined(KEPT)
    into_old(book << fx.Restore(WHO, REST) >> DONE) >> PAIRED
    blamed(book, "alice: it died")
    ends(book, ev.Outcome.ROLLED_BACK, pinned=(REST, KEPT))


def test_a_person_who_does_not_pair_is_not_asked_to_try_again(play: Play) -> None:
    """The verification has had its own time; an answer is not a failure to answer."""
    book = through_gate(play, WHO, attempts_max=3) << fx.Assess(WHO) >> IDLE
    book << fx.Verify(WHO, OLD) >> BROKEN
    ends(book, ev.Outcome.LATER)


# Going back on purpose.


def on_purpose(
    play: Play,
    *people: str,
    restore: str = "chosen",
    knows: SetLedger | None = None,
    force: bool = False,
) -> Playbook:
    """Open a plan that a person asked for; nothing is staged or rehearsed."""
    kind = ev.Kind.BACK
    return play(plan(*people, kind=kind, restore=restore, knows=knows, force=force))


def to_rest(book: Playbook, who: str = WHO) -> Playbook:
    """Play from the fence to the rollback point of a way back on purpose.

    What is given up is kept as a quarantine is: where an older set is put in place next.
    """
    giving_up = bool(book.plan.moves[0].restore)
    book << fx.Fence(who) >> DONE << fx.Stop(who) >> DONE
    taken = fx.SnapshotAtRest(who, book.fresh, OLD, giving_up=giving_up)
    return book << taken >> snapshot(REST, L32)


def test_going_back_restores_the_chosen_snapshot_between_stop_and_select(play: Play) -> None:
    """There is no gate, no precheck and no bake; idle is asked once."""
    book = to_rest(on_purpose(play, WHO) << fx.Assess(WHO) >> IDLE)
    book << fx.Restore(WHO, "chosen") >> DONE << fx.Select(WHO, NEW) >> DONE
    book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> PAIRED
    ends(book, ev.Outcome.MOVED, "went back: alice", pinned=("chosen", REST))
    assert recorded_against(book) == []


def test_going_back_without_a_snapshot_keeps_the_set(play: Play) -> None:
    """Between builds of one schema nothing need be restored."""
    book = to_rest(on_purpose(play, WHO, restore="") << fx.Assess(WHO) >> IDLE)
    book << fx.Select(WHO, NEW) >> DONE << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> PAIRED
    ends(book, ev.Outcome.MOVED, "went back: alice", pinned=(REST,))


def test_going_back_to_a_build_that_knows_the_set_keeps_it(play: Play) -> None:
    """What the target is known to know is what the set at rest is held to (I1)."""
    book = to_rest(on_purpose(play, WHO, restore="", knows=L32) << fx.Assess(WHO) >> IDLE)
    book << fx.Select(WHO, NEW) >> DONE << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> PAIRED
    ends(book, ev.Outcome.MOVED, "went back: alice", pinned=(REST,))


def test_going_back_to_a_build_that_does_not_know_the_set_goes_no_further(play: Play) -> None:
    """Somebody migrated it since the plan was made: the present build is taken up again (I1)."""
    book = to_rest(on_purpose(play, WHO, "bob", restore="", knows=L30) << fx.Assess(WHO) >> IDLE)
    into_old(book) >> PAIRED << prune(REST, people=(WHO, "bob")) >> DONE
    text = f"alice: {NEW} does not know state.sqlite: 31_A of the stopped set"
    book << ev.Ended(ev.Outcome.LATER, text)
    assert fx.Select(WHO, NEW) not in book.performed
    assert status(book, "bob") is Status.WAITING


def test_going_back_with_a_snapshot_is_not_held_to_the_set_that_it_replaces(play: Play) -> None:
    """The older build is put on the older set; what the newer one holds is kept, not run on."""
    book = to_rest(on_purpose(play, WHO, knows=L30) << fx.Assess(WHO) >> IDLE)
    book << fx.Restore(WHO, "chosen") >> DONE << fx.Select(WHO, NEW) >> DONE
    book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> PAIRED
    ends(book, ev.Outcome.MOVED, "went back: alice", pinned=("chosen", REST))


@pytest.mark.parametrize(("ledger", "build"), [(L32, OLD), (STRANGE, NEW)])
def test_going_back_that_cannot_be_undone_starts_what_knows_the_ledger(
    play: Play, ledger: SetLedger, build: Version
) -> None:
    """The build from before if it knows what is there, else the target, by what it knows."""
    book = to_rest(on_purpose(play, WHO, knows=STRANGE) << fx.Assess(WHO) >> IDLE)
    book << fx.Restore(WHO, "chosen") >> host_fault("digest differs") << fx.Fence(WHO) >> DONE
    book << fx.Stop(WHO) >> host_fault("a process is left")
    book << LOOK >> ev.Inspected(None, running=False, ledger=ledger)
    book << fx.Select(WHO, build) >> DONE << fx.Start(WHO) >> DONE
    text = "alice: digest differs; then: a process is left"
    needs_human(book, text, pinned=("chosen", REST))


def test_going_back_by_force_does_not_ask(play: Play) -> None:
    """A person who says force has looked."""
    book = to_rest(on_purpose(play, WHO, force=True))
    book << fx.Restore(WHO, "chosen") >> DONE << fx.Select(WHO, NEW) >> DONE
    book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> PAIRED
    ends(book, ev.Outcome.MOVED, pinned=("chosen", REST))


def test_going_back_defers_the_busy(play: Play) -> None:
    """Work in flight is not interrupted for this either."""
    book = on_purpose(play, WHO) << fx.Assess(WHO) >> BUSY
    ends(book, ev.Outcome.DEFERRED, "alice: a turn is in flight", pinned=("chosen",))


def test_going_back_mends_a_serve_that_does_not_run(play: Play) -> None:
    """With a snapshot to restore, a dead serve is the very reason to go back."""
    book = to_rest(on_purpose(play, WHO) << fx.Assess(WHO) >> STOPPED)
    book << fx.Restore(WHO, "chosen") >> DONE << fx.Select(WHO, NEW) >> DONE
    book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> PAIRED
    ends(book, ev.Outcome.MOVED, pinned=("chosen", REST))


def test_going_back_without_a_snapshot_leaves_a_stopped_serve(play: Play) -> None:
    """Nobody's serve is started who had stopped it."""
    book = on_purpose(play, WHO, restore="") << fx.Assess(WHO) >> STOPPED
    ends(book, ev.Outcome.DEFERRED, "alice: inactive")


@pytest.mark.parametrize("failing", ["restore", "verify"])
def test_going_back_that_fails_is_undone_and_blames_nobody(play: Play, failing: str) -> None:
    """The set from before is put back; no verdict, no freeze: a person asked and reads this."""
    book = to_rest(on_purpose(play, WHO, "bob") << fx.Assess(WHO) >> IDLE)
    if failing == "restore":
        book << fx.Restore(WHO, "chosen") >> host_fault("digest differs")
    else:
        book << fx.Restore(WHO, "chosen") >> DONE << fx.Select(WHO, NEW) >> DONE
        book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> BROKEN
    back(book, kept="kept") >> PAIRED
    book << prune("chosen", REST, "kept", "chosen", people=(WHO, "bob")) >> DONE
    book << Ends.saying(ev.Outcome.REFUSED, "left as it was: alice: ")
    assert recorded_against(book) == []
    assert not any(isinstance(effect, fx.Freeze) for effect in book.performed)
    assert touched(book) == {WHO}


def test_going_back_that_cannot_be_undone_needs_a_human(play: Play) -> None:
    """Where nothing tells what the target knows, only the build from before can be started."""
    book = to_rest(on_purpose(play, WHO) << fx.Assess(WHO) >> IDLE)
    book << fx.Restore(WHO, "chosen") >> host_fault("digest differs") << fx.Fence(WHO) >> DONE
    book << fx.Stop(WHO) >> host_fault("a process is left") << fx.Inspect(WHO)
    book >> ev.Inspected(None, running=False, ledger=STRANGE)
    text = "alice: digest differs; then: a process is left"
    needs_human(book, text, pinned=("chosen", REST))


# Taking over after a crash.


@pytest.mark.parametrize("step", range(3))
def test_whoever_was_only_asked_is_left_as_they_are(play: Play, step: int) -> None:
    """Nothing was touched, so nothing is done; the run ends."""
    book = through_gate(play, WHO, "bob")
    effects: list[tuple[fx.Effect, ev.Answer]] = [
        (fx.Assess(WHO), IDLE),
        (fx.Verify(WHO, OLD), PAIRED),
        (fx.Assess(WHO), IDLE),
    ]
    for effect, answer in effects[:step]:
        book << effect >> answer
    book << effects[step][0] >> ev.Resumed(NOW)
    book << prune(people=(WHO, "bob")) >> DONE << ev.Ended(ev.Outcome.INTERRUPTED, "interrupted")
    assert status(book) is Status.DEFERRED
    assert book.rollout.moves[0].reason == "interrupted, before anything was touched"
    assert touched(book) == set()


@pytest.mark.parametrize("found", [None, OLD])
@pytest.mark.parametrize("step", ["fence", "stop", "snapshot"])
def test_whoever_was_fenced_is_returned(play: Play, step: str, found: object) -> None:
    """From the intent to fence on, the old build is selected, started and verified."""
    book = asked(through_gate(play, WHO)) << fx.Fence(WHO)
    if step != "fence":
        book >> DONE << fx.Stop(WHO)
    if step == "snapshot":
        book >> DONE << fx.SnapshotAtRest(WHO, REST, OLD)
    selected = OLD if found == OLD else None
    book >> ev.Resumed(NOW) << LOOK >> ev.Inspected(selected, running=False, ledger=L30)
    into_old(book) >> PAIRED
    ends(book, ev.Outcome.INTERRUPTED, "interrupted")
    assert status(book) is Status.RETURNED


def test_a_look_that_fails_returns_whoever_was_fenced(play: Play) -> None:
    """The old build knows the untouched set, seen or not."""
    book = asked(through_gate(play, WHO)) << fx.Fence(WHO) >> ev.Resumed(NOW)
    book << LOOK >> host_fault("no answer")
    into_old(book) >> PAIRED
    ends(book, ev.Outcome.INTERRUPTED)
    assert status(book) is Status.RETURNED


@pytest.mark.parametrize("answered", [True, False])
def test_whoever_was_only_asked_when_a_stop_was_asked_is_left_too(
    play: Play, *, answered: bool
) -> None:
    """The answer that comes late begins nothing, whatever it says."""
    book = through_gate(play, WHO) << fx.Assess(WHO) >> ev.StopAsked(NOW, "SIGTERM")
    book >> (IDLE if answered else host_fault("no answer"))
    ends(book, ev.Outcome.INTERRUPTED, "SIGTERM")
    assert status(book) is Status.DEFERRED
    assert touched(book) == set()


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (ev.Inspected(OLD, running=True, ledger=L30), "interrupted before anything was touched"),
        (host_fault("no answer"), "no answer"),
    ],
)
def test_a_look_at_whoever_was_only_asked_changes_nothing(
    play: Play, found: ev.Answer, reason: str
) -> None:
    """Seen or not, nothing was touched."""
    book = through_gate(play, WHO) << fx.Assess(WHO) >> ev.StopAsked(NOW, "SIGTERM")
    book >> ev.Resumed(NOW) << LOOK >> found
    ends(book, ev.Outcome.INTERRUPTED, "SIGTERM")
    assert status(book) is Status.DEFERRED
    assert book.rollout.moves[0].reason == reason
    assert touched(book) == set()


def test_a_look_that_fails_after_the_exposure_needs_a_human(play: Play) -> None:
    """Nobody knows which build may run on what is there."""
    book = rested(through_gate(play, WHO)) << fx.Select(WHO, NEW) >> ev.Resumed(NOW)
    book << LOOK >> host_fault("no answer")
    needs_human(book, "alice: no answer")


def test_a_selection_that_never_happened_is_cancelled(play: Play) -> None:
    """Still fenced, on the set of before: the undo needs no data."""
    book = rested(through_gate(play, WHO)) << fx.Select(WHO, NEW) >> ev.Resumed(NOW)
    book << LOOK >> ev.Inspected(None, running=False, ledger=L30)
    into_old(book) >> PAIRED
    ends(book, ev.Outcome.INTERRUPTED, pinned=(REST,))
    assert status(book) is Status.RETURNED


@pytest.mark.parametrize(
    "found",
    [
        ev.Inspected(None, running=False, ledger=L32),
        ev.Inspected(None, running=False, ledger=None),
        ev.Inspected(None, running=False, ledger=L30, restoring=True),
        ev.Inspected(OLD, running=True, ledger=L32),
        ev.Inspected(OLD, running=True, ledger=None),
    ],
)
def test_a_set_that_is_not_as_before_is_restored(play: Play, found: ev.Inspected) -> None:
    """Somebody migrated it, or it cannot be read: the old build must not run on it (I1)."""
    book = rested(through_gate(play, WHO)) << fx.Select(WHO, NEW) >> ev.Resumed(NOW)
    not_blamed(back(looked(book << LOOK >> found), kept="kept") >> PAIRED, "alice: interrupted")
    ends(book, ev.Outcome.ROLLED_BACK, "alice: interrupted", pinned=(REST, "kept"))
    assert recorded_against(book) == []


def test_a_person_found_on_the_old_build_and_set_is_verified_there(play: Play) -> None:
    """Somebody selected it by hand; the set fits, so nothing is restored."""
    book = rested(through_gate(play, WHO)) << fx.Select(WHO, NEW) >> ev.Resumed(NOW)
    book << LOOK >> ev.Inspected(OLD, running=True, ledger=L30)
    book << fx.Start(WHO) >> DONE << fx.Verify(WHO, OLD) >> PAIRED
    ends(book, ev.Outcome.INTERRUPTED, pinned=(REST,))
    assert status(book) is Status.RETURNED
    assert book.rollout.moves[0].reason == "interrupted"


def test_a_person_found_on_a_third_build_needs_a_human(play: Play) -> None:
    """What this rollout did not choose it does not undo."""
    book = rested(through_gate(play, WHO)) << fx.Select(WHO, NEW) >> ev.Resumed(NOW)
    third = type(OLD).parse("0.0.26")
    book << LOOK >> ev.Inspected(third, running=True, ledger=L32)
    text = "alice: 0.0.26 is selected for alice, which this rollout did not choose"
    needs_human(book, text)


@pytest.mark.parametrize("step", [fx.Select(WHO, NEW), fx.Start(WHO), fx.Verify(WHO, NEW)])
def test_a_person_found_on_the_new_build_is_verified_and_stays(play: Play, step: fx.Effect) -> None:
    """Their new rows matter; the run ends without a bake, and nothing is promoted.

    One more pairing takes the place of the bake.
    """
    book = rested(through_gate(play, WHO, "bob")) << fx.Select(WHO, NEW)
    if step != fx.Select(WHO, NEW):
        book >> DONE << fx.Start(WHO)
    if step == fx.Verify(WHO, NEW):
        book >> DONE << fx.Verify(WHO, NEW)
    book >> ev.Resumed(NOW) << LOOK >> ev.Inspected(NEW, running=True, ledger=L32)
    book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> PAIRED
    revisited(book) << prune(REST, people=(WHO, "bob")) >> DONE
    book << Ends.saying(ev.Outcome.INTERRUPTED)
    assert status(book) is Status.MOVED
    assert status(book, "bob") is Status.WAITING
    assert fx.Restore(WHO, REST) not in book.performed


def test_a_person_found_on_the_new_build_who_does_not_pair_goes_back(play: Play) -> None:
    """Then, and only then, the old set is restored, with the newest rows quarantined.

    Nobody knows for how long they could work there, so they are not stopped unseen.
    """
    book = started(through_gate(play, WHO)) << fx.Verify(WHO, NEW) >> ev.Resumed(NOW)
    book << LOOK >> ev.Inspected(NEW, running=True, ledger=L32)
    looked(book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> BROKEN)
    back(book, kept="kept") >> PAIRED
    blamed(book, "alice: 500 from the serve")
    ends(book, ev.Outcome.ROLLED_BACK, pinned=(REST, "kept"))


def found_broken(play: Play, *people: str) -> Playbook:
    """Play up to the question whether somebody whom a crash left on the new build is at work."""
    book = started(through_gate(play, WHO, *people)) << fx.Verify(WHO, NEW) >> ev.Resumed(NOW)
    book << LOOK >> ev.Inspected(NEW, running=True, ledger=L32)
    book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> BROKEN
    return book << fx.Assess(WHO, certain=True)


BY_FORCE = "`t3safe rollback alice --force` takes them back"


@pytest.mark.parametrize(
    ("answer", "work"),
    [
        (BUSY, "a turn is in flight"),
        (host_fault("permission denied"), "nobody can tell: permission denied"),
        (build_fault("permission denied"), "nobody can tell: permission denied"),
    ],
)
def test_whoever_had_time_to_work_is_not_stopped_at_work(
    play: Play, answer: ev.Answer, work: str
) -> None:
    """Work in flight, or what may be some, is not interrupted even where sign-in is broken.

    A person is asked instead, who reads why it was to be and how it is done.
    """
    book = found_broken(play, "bob") >> answer
    after = len(book.performed)
    text = f"not taken back from {NEW} while at work ({work}); {BY_FORCE}"
    told = f"alice: 500 from the serve; then: {text}"
    book << fx.RecordVerdict(in_production(told)) >> DONE
    book << fx.Freeze(told) >> DONE << prune(REST, people=(WHO, "bob")) >> DONE
    book << ev.Ended(ev.Outcome.NEEDS_HUMAN, told)
    changing = (fx.Fence, fx.Stop, fx.Select, fx.Restore, fx.Quarantine)
    assert not any(isinstance(effect, changing) for effect in book.performed[after:])
    assert status(book) is Status.NEEDS_HUMAN
    assert status(book, "bob") is Status.WAITING


def test_a_question_about_work_that_fails_is_asked_again_first(play: Play) -> None:
    """It has its attempts like every effect."""
    book = started(through_gate(play, WHO, attempts_max=2)) << fx.Verify(WHO, NEW)
    book >> ev.Resumed(NOW) << LOOK >> ev.Inspected(NEW, running=True, ledger=L32)
    book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> BROKEN
    book << fx.Assess(WHO, certain=True) >> host_fault("locked")
    back(looked(book), kept="kept") >> PAIRED
    blamed(book, "alice: 500 from the serve")
    ends(book, ev.Outcome.ROLLED_BACK, pinned=(REST, "kept"))


@pytest.mark.parametrize("answer", [IDLE, STOPPED])
def test_whoever_had_time_to_work_and_is_not_at_work_goes_back(
    play: Play, answer: ev.Answer
) -> None:
    """A serve that does not run has no work in flight either."""
    book = found_broken(play) >> answer
    back(book, kept="kept") >> PAIRED
    refused_and_frozen(book, REST, "kept")


def test_whoever_began_to_work_behind_the_fence_since_a_crash_is_not_stopped(play: Play) -> None:
    """A fence stops no serve that runs: they stay as they are, and a person is asked."""
    book = way_back(play, 1) >> ev.Inspected(None, running=True, ledger=L32)
    book << fx.Assess(WHO, certain=True) >> BUSY
    text = f"not taken back from {NEW} while at work (a turn is in flight); {BY_FORCE}"
    needs_human(book, f"alice: 500 from the serve; then: {text}", refused=True)
    assert book.performed.count(fx.Stop(WHO)) == 2
    assert not any(isinstance(effect, fx.Restore | fx.Quarantine) for effect in book.performed)


def test_a_failure_without_a_crash_is_not_asked_about(play: Play) -> None:
    """Moved a moment ago: there was no time to begin anything, and sign-in is broken meanwhile."""
    book = started(through_gate(play, WHO)) << fx.Verify(WHO, NEW) >> BROKEN
    back(book) >> PAIRED
    refused_and_frozen(book, REST, KEPT)
    assert fx.Assess(WHO, certain=True) not in book.performed


def test_whoever_is_on_the_new_build_again_is_asked_again(play: Play) -> None:
    """The process died before the fence was set: who knows what was begun since."""
    book = found_broken(play) >> IDLE << fx.Fence(WHO) >> ev.Resumed(NOW)
    book << LOOK >> ev.Inspected(NEW, running=True, ledger=L32)
    book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> BROKEN
    back(looked(book), kept="kept") >> PAIRED
    refused_and_frozen(book, REST, "kept")


def way_back(play: Play, done: int) -> Playbook:
    """Play a rollback in which so many steps are answered and the next is under way."""
    book = started(through_gate(play, WHO)) << fx.Verify(WHO, NEW) >> BROKEN
    steps: list[tuple[fx.Effect, ev.Answer]] = [
        (fx.Fence(WHO), DONE),
        (fx.Stop(WHO), DONE),
        (fx.Quarantine(WHO, KEPT, NEW, REST), ev.Quarantined(KEPT)),
        (fx.Restore(WHO, REST), DONE),
        (fx.Select(WHO, OLD), DONE),
        (fx.Start(WHO), DONE),
        (fx.Verify(WHO, OLD), PAIRED),
    ]
    for effect, answer in steps[:done]:
        book << effect >> answer
    return book << steps[done][0] >> ev.Resumed(NOW) << LOOK


def refused_and_frozen(book: Playbook, *pinned: str) -> None:
    """Play the end of a rollout after a rollback of what did not pair."""
    reason = "alice: 500 from the serve"
    blamed(book, reason)
    ends(book, ev.Outcome.ROLLED_BACK, reason, pinned=pinned)


@pytest.mark.parametrize("ledger", [L30, L32, None])
@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_rollback_that_was_cut_off_early_begins_anew(
    play: Play, done: int, ledger: SetLedger | None
) -> None:
    """Fenced and not quarantined: all of it again, each effect being idempotent.

    Nobody knows what was done while no process looked, so work in flight is asked for first.
    """
    book = looked(way_back(play, done) >> ev.Inspected(None, running=False, ledger=ledger))
    back(book, kept="kept") >> PAIRED
    refused_and_frozen(book, REST, "kept")


def test_a_rollback_that_was_cut_off_before_its_fence_tries_the_new_build_again(
    play: Play,
) -> None:
    """Whoever is on the new build is kept there if it verifies by now."""
    book = way_back(play, 0) >> ev.Inspected(NEW, running=True, ledger=L32)
    assert book.rollout.moves[0].goal is Goal.FORWARD
    revisited(book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> PAIRED)
    ends(book, ev.Outcome.INTERRUPTED, pinned=(REST,))
    assert status(book) is Status.MOVED


@pytest.mark.parametrize("restoring", [True, False])
def test_a_restore_that_was_cut_off_is_done_again_without_a_second_quarantine(
    play: Play, *, restoring: bool
) -> None:
    """What is half restored is not worth keeping, and what was kept stays."""
    found = ev.Inspected(None, running=False, ledger=None, restoring=restoring)
    book = looked(way_back(play, 3) >> found)
    book << fx.Fence(WHO) >> DONE << fx.Stop(WHO) >> DONE << fx.Restore(WHO, REST) >> DONE
    into_old(book) >> PAIRED
    refused_and_frozen(book, REST, KEPT)


def test_a_rollback_that_was_cut_off_after_the_restore_does_not_restore_again(play: Play) -> None:
    """Nothing ran since, so the set is what the snapshot holds."""
    book = looked(way_back(play, 4) >> ev.Inspected(None, running=False, ledger=L30))
    book << fx.Fence(WHO) >> DONE << fx.Stop(WHO) >> DONE
    into_old(book) >> PAIRED
    refused_and_frozen(book, REST, KEPT)


@pytest.mark.parametrize(
    "found",
    [
        ev.Inspected(None, running=False, ledger=L32),
        ev.Inspected(None, running=True, ledger=L30),
        ev.Inspected(None, running=True, ledger=L32),
    ],
)
def test_a_set_that_changed_since_its_restore_is_not_given_to_the_old_build_unseen(
    play: Play, found: ev.Inspected
) -> None:
    """I1: whoever was at it may be at it still, so it is the last resort that decides."""
    book = way_back(play, 4) >> found << LOOK >> found
    if found.running:
        book << fx.Stop(WHO) >> DONE << LOOK >> ev.Inspected(None, running=False, ledger=L32)
    book << fx.Select(WHO, NEW) >> DONE << fx.Start(WHO) >> DONE
    text = "alice: 500 from the serve; then: the set is not as it was restored"
    needs_human(book, text, pinned=(REST, KEPT), refused=True)
    assert book.performed.count(fx.Restore(WHO, REST)) == 1


@pytest.mark.parametrize("done", [4, 5, 6])
def test_a_rollback_that_got_to_the_old_build_is_verified_there(play: Play, done: int) -> None:
    """From then on the old build may have written rows: nothing is restored any more (I2)."""
    book = way_back(play, done) >> ev.Inspected(OLD, running=True, ledger=L30)
    book << fx.Start(WHO) >> DONE << fx.Verify(WHO, OLD) >> PAIRED
    refused_and_frozen(book, REST, KEPT)
    assert book.performed.count(fx.Restore(WHO, REST)) == 1


def test_a_second_quarantine_is_taken_when_the_new_build_ran_again(play: Play) -> None:
    """Rows that it wrote since exist nowhere else, and the restore is done again."""
    book = way_back(play, 3) >> ev.Inspected(NEW, running=True, ledger=L32)
    looked(book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> BROKEN)
    back(book, kept="second") >> PAIRED
    refused_and_frozen(book, REST, "second")


def test_what_was_restored_before_the_new_build_ran_again_is_restored_again(play: Play) -> None:
    """Nothing that was known of the set is true any more once another build has run on it."""
    book = way_back(play, 4) >> ev.Inspected(NEW, running=True, ledger=L32)
    looked(book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> BROKEN)
    back(book, kept="second") >> PAIRED
    refused_and_frozen(book, REST, "second")


def test_an_old_build_found_on_a_newer_set_is_not_started(play: Play) -> None:
    """The selection of an earlier way back says nothing about this one (I1).

    Why the way turned is still told: an interruption is no reason to refuse a build.
    """
    book = way_back(play, 4) >> ev.Inspected(NEW, running=True, ledger=L32)
    looked(book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> BROKEN) << fx.Fence(WHO)
    book >> ev.Resumed(NOW) << LOOK >> ev.Inspected(OLD, running=False, ledger=L32)
    back(looked(book), kept="second") >> PAIRED
    refused_and_frozen(book, REST, "second")


def test_rows_of_an_earlier_quarantine_are_not_told_of_whoever_stays(play: Play) -> None:
    """What a person who was moved in the end is said to have lost is nothing."""
    book = started(through_gate(play, WHO)) << fx.Verify(WHO, NEW) >> BROKEN
    book << fx.Fence(WHO) >> DONE << fx.Stop(WHO) >> DONE
    rows = (ev.RowsKept(f"{V1_DATABASE}:{EVENT_LOG}", 3),)
    book << fx.Quarantine(WHO, KEPT, NEW, REST) >> ev.Quarantined(KEPT, rows)
    book >> ev.Resumed(NOW) << LOOK >> ev.Inspected(NEW, running=True, ledger=L32)
    revisited(book << fx.Start(WHO) >> DONE << fx.Verify(WHO, NEW) >> PAIRED)
    ends(book, ev.Outcome.INTERRUPTED, pinned=(REST,))
    assert book.rollout.moves[0].rows == ()
    assert book.rollout.moves[0].quarantine == ""


@pytest.mark.parametrize("done", range(7))
def test_a_look_that_fails_on_the_way_back_needs_a_human(play: Play, done: int) -> None:
    """What cannot be seen is not started, and nothing more is thrown away."""
    book = way_back(play, done) >> host_fault("no answer")
    pinned = (REST, KEPT) if done > 2 else (REST,)
    needs_human(book, "alice: 500 from the serve; then: no answer", pinned=pinned, refused=True)


@pytest.mark.parametrize("step", [fx.Select(WHO, OLD), fx.Start(WHO), fx.Verify(WHO, OLD)])
def test_a_return_that_was_cut_off_is_done_again(play: Play, step: fx.Effect) -> None:
    """Each step is idempotent, also half done."""
    book = asked(through_gate(play, WHO)) << fx.Fence(WHO) >> host_fault("disk full")
    for effect in (fx.Select(WHO, OLD), fx.Start(WHO), fx.Verify(WHO, OLD)):
        book << effect
        if effect == step:
            break
        book >> DONE
    book >> ev.Resumed(NOW) << LOOK >> ev.Inspected(OLD, running=True, ledger=L30)
    into_old(book) >> PAIRED
    ends(book, ev.Outcome.INTERRUPTED)
    assert status(book) is Status.RETURNED


def test_a_look_that_fails_during_a_return_goes_on_returning(play: Play) -> None:
    """Nothing but the old build ever ran on this set, so it fits whatever is found."""
    book = asked(through_gate(play, WHO)) << fx.Fence(WHO) >> host_fault("disk full")
    book << fx.Select(WHO, OLD) >> ev.Resumed(NOW) << LOOK >> host_fault("no answer")
    into_old(book) >> PAIRED
    ends(book, ev.Outcome.INTERRUPTED)
    assert status(book) is Status.RETURNED
    assert book.rollout.moves[0].reason == "disk full; then: no answer"


def test_a_look_that_fails_during_a_return_after_the_exposure_needs_a_human(play: Play) -> None:
    """Another build may have run in between, and nobody can see."""
    book = rested(through_gate(play, WHO)) << fx.Select(WHO, NEW) >> ev.Resumed(NOW)
    book << LOOK >> ev.Inspected(None, running=False, ledger=L30) << fx.Select(WHO, OLD)
    book >> ev.Resumed(NOW) << LOOK >> host_fault("no answer")
    needs_human(book, "alice: interrupted; then: no answer")


def test_a_return_that_was_cut_off_before_its_selection_needs_no_restore_either(play: Play) -> None:
    """Still fenced, on the set of before, however often the process died since."""
    book = rested(through_gate(play, WHO)) << fx.Select(WHO, NEW) >> ev.Resumed(NOW)
    book << LOOK >> ev.Inspected(None, running=False, ledger=L30) << fx.Select(WHO, OLD)
    book >> ev.Resumed(NOW) << LOOK >> ev.Inspected(None, running=False, ledger=L30)
    into_old(book) >> PAIRED
    ends(book, ev.Outcome.INTERRUPTED, "interrupted", pinned=(REST,))
    assert status(book) is Status.RETURNED
    assert not any(isinstance(effect, fx.Restore | fx.Quarantine) for effect in book.performed)


def test_a_return_that_was_cut_off_on_a_set_that_grew_since_restores_it(play: Play) -> None:
    """Somebody migrated it after all: the old build must not run on it (I1)."""
    book = rested(through_gate(play, WHO)) << fx.Select(WHO, NEW) >> ev.Resumed(NOW)
    book << LOOK >> ev.Inspected(None, running=False, ledger=L30) << fx.Select(WHO, OLD)
    book >> ev.Resumed(NOW) << LOOK >> ev.Inspected(None, running=False, ledger=L32)
    back(looked(book), kept="kept") >> PAIRED
    not_blamed(book, "alice: interrupted")
    ends(book, ev.Outcome.ROLLED_BACK, "alice: interrupted", pinned=(REST, "kept"))


@pytest.mark.parametrize("step", [LOOK, fx.Select(WHO, NEW), fx.Start(WHO)])
def test_a_last_resort_that_was_cut_off_looks_again(play: Play, step: fx.Effect) -> None:
    """It stays a last resort: whatever starts, a person is called."""
    book = restore_fails(play)
    if step != LOOK:
        book >> FOUND << fx.Select(WHO, NEW)
    if step == fx.Start(WHO):
        book >> DONE << fx.Start(WHO)
    book >> ev.Resumed(NOW) << LOOK >> FOUND
    book << fx.Select(WHO, NEW) >> DONE << fx.Start(WHO) >> DONE
    needs_human(book, BOTH, pinned=(REST, KEPT), refused=True)


def test_a_process_that_dies_again_and_again_looks_again_and_again(play: Play) -> None:
    """What was known before a crash is known after two."""
    book = rested(through_gate(play, WHO)) << fx.Select(WHO, NEW)
    book >> ev.Resumed(NOW) >> ev.Resumed(NOW) << LOOK >> ev.Resumed(NOW)
    book << LOOK >> ev.Inspected(None, running=False, ledger=L30)
    into_old(book) >> ev.Resumed(NOW) << LOOK >> ev.Inspected(OLD, running=True, ledger=L30)
    book << fx.Start(WHO) >> DONE << fx.Verify(WHO, OLD) >> PAIRED
    ends(book, ev.Outcome.INTERRUPTED, pinned=(REST,))


def test_a_crash_gives_every_effect_its_attempts_again(play: Play) -> None:
    """The failures of the dead process do not count against the living one."""
    book = asked(through_gate(play, WHO, attempts_max=2)) << fx.Fence(WHO) >> host_fault("1")
    book << fx.Fence(WHO) >> ev.Resumed(NOW) << LOOK >> host_fault("2")
    book << LOOK >> ev.Inspected(None, running=True, ledger=L30)
    into_old(book) >> PAIRED
    ends(book, ev.Outcome.INTERRUPTED)


@pytest.mark.parametrize("step", range(4))
def test_going_back_on_purpose_that_was_cut_off_puts_the_set_back(play: Play, step: int) -> None:
    """Fenced after the restore was meant: the set from before is what the person gets."""
    book = to_rest(on_purpose(play, WHO, force=True))
    ways: list[tuple[fx.Effect, ev.Inspected]] = [
        (fx.Restore(WHO, "chosen"), ev.Inspected(None, running=False, ledger=L32)),
        (fx.Restore(WHO, "chosen"), ev.Inspected(None, False, None, restoring=True)),
        (fx.Restore(WHO, "chosen"), ev.Inspected(None, running=False, ledger=L30)),
        (fx.Select(WHO, NEW), ev.Inspected(None, running=False, ledger=L30)),
    ]
    if step == 3:
        book << fx.Restore(WHO, "chosen") >> DONE
    book << ways[step][0] >> ev.Resumed(NOW) << LOOK >> ways[step][1]
    back(looked(book), kept="kept") >> PAIRED
    ends(
        book,
        ev.Outcome.REFUSED,
        "left as it was: alice: interrupted",
        pinned=("chosen", REST, "kept"),
    )


# Answers that cannot be.


def test_a_rollback_point_without_a_name_is_none(play: Play) -> None:
    """Nothing could be restored from it, so the journal that holds it is damaged."""
    book = asked(through_gate(play, WHO)) << fx.Fence(WHO) >> DONE << fx.Stop(WHO) >> DONE
    book << fx.SnapshotAtRest(WHO, REST, OLD)
    with pytest.raises(InvalidEvent, match="Snapshotted is no answer to snapshot of alice"):
        book >> snapshot("")
    assert book.rollout.moves[0].rest is None


def test_a_quarantine_without_a_name_is_none(play: Play) -> None:
    """What it is said to keep could not be found again (I2)."""
    book = started(through_gate(play, WHO)) << fx.Verify(WHO, NEW) >> BROKEN
    book << fx.Fence(WHO) >> DONE << fx.Stop(WHO) >> DONE << fx.Quarantine(WHO, KEPT, NEW, REST)
    with pytest.raises(InvalidEvent, match="Quarantined is no answer to quarantine of alice"):
        book >> ev.Quarantined("")
    assert fx.Restore(WHO, REST) not in book.performed
