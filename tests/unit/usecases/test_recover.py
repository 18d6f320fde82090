"""Unfinished runs are settled first, then fences without a run, then builds without a run."""

from __future__ import annotations

import pytest
from attrs import evolve

from fakes.world import NEW, OLD, Defect, FakePerson, World, drive, host, make_build, small_world
from fakes.world.core import settled
from t3safe.domain import events as ev
from t3safe.domain.errors import DispatchError
from t3safe.domain.move import Status
from t3safe.domain.policy import SkipReason
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.runs import RunRecord
from t3safe.domain.versions import Version
from t3safe.usecases.host import Result, Rules
from t3safe.usecases.recover import (
    lift_fences,
    plan_back,
    prove_unexplained,
    recover,
    settle,
    unexplained,
    writer_of,
)
from tests.scenarios.nights import operations_since, running, selected
from tests.unit.usecases.hosts import (
    WrittenRuns,
    failing,
    lose_link,
    move_by_hand,
    record,
)

TOUCHING = {"fence", "stop", "start", "select", "restore", "promote", "freeze", "verify"}
FIX = "`t3safe snapshots ann` lists what is kept; see NEEDS A HUMAN in the runbook"


def fence(world: World, *names: str, kind: SnapshotKind = SnapshotKind.REST) -> None:
    """Let a lost run have copied these people's data and then died behind the fence."""
    states = host(world).ports.personal_data
    for name in names:
        world.halt(name)
        states.snapshot(name, "copy", kind, OLD)
        world.people[name].fenced = True


def stuck(why: str) -> Result:
    """The result for ann's fence, which only a human may lift."""
    text = f"NEEDS A HUMAN: ann is fenced, and no run tells why: {why}; {FIX}"
    return Result(ev.Outcome.NEEDS_HUMAN, text, warnings=(text,))


def left_on(run: RunRecord, ran: Version) -> RunRecord:
    """Say on which build a run left its people."""
    return evolve(run, moves=tuple(evolve(move, ran=ran) for move in run.moves))


# The plan of a rollback.


def test_the_plan_of_a_rollback_has_one_person_and_both_builds() -> None:
    """It is named by the clock, has the owner's attempts, and names all people of the host."""
    world = small_world("ann", "ben")
    wired = evolve(host(world, Rules(attempts_max=7)), name_run=lambda now: now.isoformat())
    move = ev.MovePlan("ben", NEW, OLD, "before")
    for force in (True, False):
        assert plan_back(wired, move, force=force) == ev.Plan(
            run=world.clock.isoformat(),
            kind=ev.Kind.BACK,
            candidate=OLD,
            base=NEW,
            moves=(move,),
            attempts_max=7,
            force=force,
            all_people=("ann", "ben"),
        )


# Fences without a run.


def test_a_fence_that_no_run_explains_is_lifted_on_the_build_that_wrote_the_data() -> None:
    """The plan says so, and does not wait for work: no serve runs behind a fence."""
    world = small_world("ann", "ben")
    fence(world, "ann")
    known = world.people["ann"].ledger()
    result = lift_fences(host(world))
    assert result is not None
    assert result.rollout is not None
    assert result.rollout.plan == ev.Plan(
        run="r001",
        kind=ev.Kind.BACK,
        candidate=OLD,
        base=OLD,
        moves=(ev.MovePlan("ann", OLD, OLD, knows=known),),
        force=True,
        all_people=("ann", "ben"),
    )
    assert (result.outcome, result.run) == (ev.Outcome.MOVED, "r001")
    assert (selected(world), running(world)) == ({"ann": OLD, "ben": OLD},) * 2


@pytest.mark.parametrize("how", ["no snapshot", "a quarantine", "half restored", "gone"])
def test_without_a_build_that_surely_wrote_the_data_the_fence_stays(how: str) -> None:
    """A failed build is not started again on a guess, nor one on data that is half restored."""
    world = small_world("ann")
    if how == "no snapshot":
        world.halt("ann")
        world.people["ann"].fenced = True
    else:
        quarantined = how == "a quarantine"
        kind = SnapshotKind.QUARANTINE if quarantined else SnapshotKind.REST
        fence(world, "ann", kind=kind)
    if how == "half restored":
        world.people["ann"].restoring = "copy"
    if how == "gone":
        world.store = {NEW}
    mark = len(world.log)
    assert lift_fences(host(world)) == stuck("no snapshot tells which build fits what is there")
    assert world.people["ann"].fenced
    assert not operations_since(world, mark) & TOUCHING
    assert list(world.journal.runs()) == []


def test_the_newest_snapshot_of_the_same_data_tells_who_wrote_it() -> None:
    """A quarantine counts where it is asked for, other data never, nor a half-done restore."""
    world = small_world("ann", "ben")
    world.store.add(NEW)
    world.halt("ann")
    states = host(world).ports.personal_data
    states.snapshot("ann", "s1", SnapshotKind.REST, OLD)
    states.snapshot("ann", "s2", SnapshotKind.QUARANTINE, NEW)
    wired = host(world)
    assert writer_of(wired, "ann", unfailed=True) == OLD
    assert writer_of(wired, "ann", unfailed=False) == NEW
    world.people["ann"].restoring = "s1"
    assert writer_of(wired, "ann", unfailed=False) is None
    world.people["ann"].restoring = ""
    world.run_elsewhere("ann", 34)
    assert writer_of(wired, "ann", unfailed=False) is None
    assert writer_of(wired, "ben", unfailed=False) is None


def test_data_that_cannot_be_read_stays_behind_its_fence() -> None:
    """The result says what could not be read."""
    world = small_world("ann")
    fence(world, "ann")
    world.people["ann"].unreadable = "it is garbage"
    why = "cannot read the state set of ann: it is garbage"
    assert lift_fences(host(world)) == stuck(why)
    assert world.people["ann"].fenced


def test_a_fence_that_a_run_explains_is_left_to_that_run() -> None:
    """The other fences are lifted."""
    world = small_world("ann", "ben")
    fence(world, "ann", "ben")
    explained = left_on(record("r9", ("ann", Status.NEEDS_HUMAN)), NEW)
    world.journal = WrittenRuns(records=(explained,))
    result = lift_fences(host(world))
    assert result is not None
    assert result.outcome is ev.Outcome.MOVED
    assert selected(world) == {"ann": None, "ben": OLD}
    assert lift_fences(host(world)) is None


def test_fences_are_lifted_one_after_the_other_up_to_the_first_that_does_not_end_well() -> None:
    """The result is that of the last that was tried."""
    world = small_world("ann", "ben")
    fence(world, "ann", "ben")
    worse = world.clone()
    result = lift_fences(host(world))
    assert result is not None
    assert (result.outcome, result.run) == (ev.Outcome.MOVED, "r002")
    assert selected(world) == {"ann": OLD, "ben": OLD}
    worse.people["ann"].snapshots.clear()
    assert lift_fences(host(worse)) == stuck("no snapshot tells which build fits what is there")
    assert selected(worse) == {"ann": None, "ben": None}


def test_without_a_fence_nothing_is_lifted() -> None:
    """No run is opened."""
    world = small_world("ann")
    assert lift_fences(host(world)) is None
    assert list(world.journal.runs()) == []


# Recovery.


def cut_short(*defects: Defect) -> World:
    """A host whose newest run moved people and was not closed."""
    world = small_world("ann", candidate=defects)
    drive(world)
    del world.journal.written["r001"][-1]
    world.journal.closed.clear()
    assert world.journal.unfinished() == "r001"
    return world


def test_a_host_on_which_all_is_well_has_nothing_to_recover() -> None:
    """No person signs in for that."""
    world = small_world("ann")
    mark = len(world.log)
    assert recover(host(world)) is None
    assert recover(host(world), boot=True) is None
    assert not operations_since(world, mark) & TOUCHING


def test_an_unfinished_run_comes_before_a_fence_without_a_run() -> None:
    """The next recovery lifts that one."""
    world = cut_short()
    world.people["ben"] = FakePerson("ben", OLD)
    settled(world, "ben")
    fence(world, "ben")
    result = recover(host(world))
    assert result is not None
    assert (result.outcome, result.run) == (ev.Outcome.PROMOTED, "r001")
    assert world.people["ben"].fenced
    lifted = recover(host(world))
    assert lifted is not None
    assert (lifted.outcome, lifted.run) == (ev.Outcome.MOVED, "r002")
    assert not world.people["ben"].fenced


def test_a_run_that_was_settled_and_ended_well_lets_another_begin() -> None:
    """One that did not is the answer, and none is answered where none is unfinished."""
    world = cut_short()
    assert settle(host(world)) is None
    assert world.journal.unfinished() is None
    assert settle(host(world)) is None
    failed = cut_short(Defect.MUTE)
    result = settle(host(failed))
    assert result is not None
    assert (result.outcome, result.run) == (ev.Outcome.ROLLED_BACK, "r001")


def test_at_boot_a_fence_is_lifted_and_no_serve_is_started() -> None:
    """The run waits for the serves, also when it is recovered at boot a second time."""
    world = small_world("ann")
    fence(world, "ann")
    mark = len(world.log)
    for _ in range(2):
        result = recover(host(world), boot=True)
        assert result is not None
        assert (result.outcome, result.run) == (None, "r001")
        assert result.reason == "waits until the serves are up"
        assert selected(world) == {"ann": OLD}
        assert not operations_since(world, mark) & {"start", "verify"}
    result = recover(host(world))
    assert result is not None
    assert (result.outcome, result.run) == (ev.Outcome.MOVED, "r001")
    assert running(world) == {"ann": OLD}


def test_a_build_that_no_run_explains_is_tried_by_recovery_but_not_at_boot() -> None:
    """Serves do not run yet then; what the trial said is the result."""
    world = small_world("ann")
    move_by_hand(world, "ann")
    mark = len(world.log)
    assert recover(host(world), boot=True) is None
    assert "verify" not in operations_since(world, mark)
    assert recover(host(world)) == Result(
        None,
        "sign-in works",
        stayed=SkipReason.NOTHING,
        warnings=(f"{head('ann')}; sign-in works there",),
    )
    assert "verify" in operations_since(world, mark)


# Builds without a run.


def head(person: str) -> str:
    """Say that no run explains this person's build."""
    return f"UNEXPLAINED BUILD: no run tells why {person} is on {NEW}, not on last-good"


def bad(person: str, why: str) -> str:
    """Say that this person cannot sign in, and what rolls them back."""
    way = f"`t3safe rollback {person}` starts the rollback"
    return f"{head(person)}; sign-in does not work: {why}; {way}"


def test_only_another_build_than_last_good_must_be_explained() -> None:
    """The default stands for a lost last-good; fences and dead links are reported elsewhere."""
    world = small_world("ann", "ben", "cid", "eva", "fay")
    move_by_hand(world, "ann", "ben", "cid")
    world.people["cid"].fenced = True
    lose_link(world, "eva")
    expected = (("ann", NEW), ("ben", NEW))
    assert unexplained(host(world)) == expected
    world.last_good = None
    assert unexplained(host(world)) == expected
    world.last_good, world.default = OLD, NEW
    assert unexplained(host(world)) == expected
    world.last_good, world.default = None, None
    assert unexplained(host(world)) == ()


def test_a_run_explains_the_builds_of_its_people_and_no_others() -> None:
    """The one that they left counts, too; the newest run need not be the one that explains it."""
    world = small_world("ann", "ben", "cid")
    move_by_hand(world, "ann", "ben", "cid")
    newest = record("r2", ("ann", Status.MOVED), ("ben", Status.MOVED), old=OLD, new=OLD)
    older = record("r1", ("ann", Status.MOVED))
    world.journal = WrittenRuns(records=(newest, older))
    assert unexplained(host(world)) == (("ben", NEW), ("cid", NEW))


def test_without_such_a_person_the_journal_is_not_read() -> None:
    """A host whose journal is damaged can then still be looked at."""
    world = small_world("ann")
    world.journal.broken = "it is garbage"
    assert unexplained(host(world)) == ()


def test_whoever_is_on_last_good_is_not_asked_to_sign_in() -> None:
    """There is nothing to prove."""
    world = small_world("ann")
    mark = len(world.log)
    assert prove_unexplained(host(world)) == Result(
        None, "sign-in works", stayed=SkipReason.NOTHING, warnings=()
    )
    assert "verify" not in operations_since(world, mark)


def test_each_sign_in_is_tried_with_the_persons_own_build() -> None:
    """Nobody is moved, and each is named."""
    world = small_world("ann", "ben", "cid")
    move_by_hand(world, "ann", "cid")
    mark, before = len(world.log), (selected(world), running(world))
    result = prove_unexplained(host(world))
    assert result.warnings == tuple(f"{head(name)}; sign-in works there" for name in ("ann", "cid"))
    asked = [(who, build) for what, who, build in world.log[mark:] if what == "verify"]
    assert asked == [("ann", NEW.text), ("cid", NEW.text)]
    assert (selected(world), running(world)) == before


@pytest.mark.parametrize("listed", [True, False])
def test_a_stopped_serve_is_not_blamed_where_the_launcher_noted_the_build(listed: bool) -> None:
    """As for a person who is new in the map; a user of a directory service is asked by name."""
    world = small_world("ann", "ben")
    move_by_hand(world, "ann")
    ann = world.people["ann"]
    world.halt("ann")
    ann.noted, ann.listed = NEW, listed
    mark = len(world.log)
    assert prove_unexplained(host(world)) == Result(
        None,
        "sign-in works",
        stayed=SkipReason.NOTHING,
        warnings=(f"{head('ann')}; it ran last, and is not running",),
    )
    assert "verify" not in operations_since(world, mark)
    assert running(world)["ann"] is None


@pytest.mark.parametrize("noted", [None, OLD])
def test_a_stopped_serve_without_that_note_cannot_sign_in(noted: Version | None) -> None:
    """A lost run leaves no such note."""
    world = small_world("ann")
    move_by_hand(world, "ann")
    world.halt("ann")
    world.people["ann"].noted = noted
    text = f"NEEDS A HUMAN: {bad('ann', 'the serve is not running')}"
    assert prove_unexplained(host(world)) == Result(ev.Outcome.NEEDS_HUMAN, text, warnings=(text,))


def muted(*names: str) -> World:
    """A host on which all people run NEW without a run that tells why; these cannot sign in."""
    world = small_world("ann", "ben", "cid", "eva")
    world.builds[NEW] = make_build(NEW.text, 32, Defect.MUTE, victims=names)
    move_by_hand(world, "ann", "ben", "cid", "eva")
    return world


MUTE = f"the serve of {NEW} answers the exchange with 500"


def test_people_who_cannot_sign_in_need_a_human_and_are_not_moved() -> None:
    """One line has all of them with the way back; the others are named after it."""
    world = muted("ben", "eva")
    no_key = DispatchError("cannot try to pair ann: no key")
    wired = failing(host(world), "pairing", "ann", verify=no_key)
    before = (selected(world), running(world))
    text = f"NEEDS A HUMAN: {bad('ben', MUTE)}; {bad('eva', MUTE)}"
    assert prove_unexplained(wired) == Result(
        ev.Outcome.NEEDS_HUMAN,
        text,
        warnings=(
            text,
            f"{head('ann')}; cannot tell whether sign-in works: {no_key}",
            f"{head('cid')}; sign-in works there",
        ),
    )
    assert (selected(world), running(world)) == before


def test_a_trial_that_is_impossible_is_tried_again_later() -> None:
    """It blames no build, and the others are tried nevertheless; the first is the reason."""
    world = small_world("ann", "ben", "cid", "eva")
    move_by_hand(world, "ann", "ben", "cid", "eva")
    no_key = DispatchError("cannot try to pair: no key")
    unknown = tuple(
        f"{head(name)}; cannot tell whether sign-in works: {no_key}" for name in ("ann", "ben")
    )
    wired = failing(
        failing(host(world), "pairing", "ann", verify=no_key), "pairing", "ben", verify=no_key
    )
    assert prove_unexplained(wired) == Result(
        None,
        unknown[0],
        stayed=SkipReason.LATER,
        warnings=(
            *unknown,
            f"{head('cid')}; sign-in works there",
            f"{head('eva')}; sign-in works there",
        ),
    )


def test_a_dispatch_that_is_down_blames_no_build() -> None:
    """The next run asks again."""
    world = small_world("ann")
    move_by_hand(world, "ann")
    world.dispatch_up = False
    text = f"{head('ann')}; cannot tell whether sign-in works: the dispatch does not answer"
    assert prove_unexplained(host(world)) == Result(
        None, text, stayed=SkipReason.LATER, warnings=(text,)
    )
