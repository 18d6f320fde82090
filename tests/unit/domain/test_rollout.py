"""The rollout around the moves: staging, rehearsals, verdict, bake, end, interruption.

Told in stories (tests/unit/domain/stories.py), from the plan on.
"""

from __future__ import annotations

from enum import StrEnum

import pytest
from attrs import evolve as changed

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.events import InvalidEvent
from t3safe.domain.gate import EMPTY, Ruling, Verdict
from t3safe.domain.move import Status
from t3safe.domain.rollout import decide, evolve, opened
from t3safe.domain.rollout_state import Rollout, Stage
from tests.unit.domain.plans import (
    DONE,
    L30,
    L32,
    NEW,
    OLD,
    host_fault,
    plan,
    promote,
    rehearsal,
    snapshot,
    subjects,
)
from tests.unit.domain.stories import Story, stories

STOP = ev.StopAsked(NOW, "SIGTERM")
RESUMED = ev.Resumed(NOW)
INTERRUPTED = ev.Ended(ev.Outcome.INTERRUPTED, "SIGTERM")


@stories("""
Three people are moved one by one, baked together, and the build is promoted.
    plan alice bob carol
    gated moved moved.bob moved.carol bake promote
    end promoted = NEW: moved alice, bob, carol
    are alice=moved bob=moved carol=moved

Everybody is busy: all are deferred, nothing is promoted.
    plan alice bob carol
    gated assess=busy assess.bob=busy assess.carol=busy
    end deferred: alice: a turn && bob: a turn && carol: a turn

One is busy: the others are moved, only they are baked, and the end says who stayed behind.
    plan alice bob carol
    gated moved assess.bob=busy moved.carol bake.alice+carol promote
    end promoted = NEW: moved alice, carol; deferred bob
    are bob=deferred

A drain is a run for the deferred, baked and promoted like any other.
    plan alice bob carol kind=drain
    gated moved assess.bob=busy assess.carol=busy bake.alice promote
    end promoted = NEW: moved alice; deferred bob; deferred carol

A run without people moves nobody and promotes nothing.
    plan
    gated
    end deferred = no one to move

Going back of nobody ends at once.
    plan kind=back
    end deferred = no one to move

Everybody who went back on purpose is told.
    plan alice bob kind=back force
    fence stop rest new start new? fence.bob stop.bob rest.bob new.bob start.bob new?.bob
    end moved = returned: alice, bob

Going back that is asked to stop tells who went.
    plan alice bob kind=back force
    fence=SIGTERM,ok stop rest new start new?
    end moved = returned: alice
""")
def test_whole_nights(story: Story) -> None:
    """The nights that the product is for."""
    story.play()


@stories("""
A build that is not what it should be is refused, and the verdict is remembered.
    stage=build:wrong_repository
    verdict refused: wrong repository
    end refused = wrong repository

What the host lacks for a build is not tried again: no compiler, no user, no room.
    plan alice attempts=3
    stage=host:no_node-pty
    end later: no node-pty

A build that cannot be had is for later, without a verdict.
    plan alice attempts=2
    stage={environment|later}:no_tarball stage={environment|later}:still_no_tarball
    end later: still no tarball

A build that comes with the second attempt is taken.
    plan alice attempts=2
    stage=later:timeout stage copy=host:1 copy=host:2
    end refused

A snapshot that fails refuses that person only; the others are rehearsed and moved.
    plan alice bob
    stage copy=host:no_space copy.bob gate
    verdict passed
    moved.bob bake.bob promote
    end promoted = NEW: moved bob; refused alice
    are alice=refused
    why alice = no snapshot: no space

A refused person names the end where nobody was moved.
    plan alice bob
    stage copy=host:no_space copy.bob gate
    verdict passed
    assess.bob=busy
    end refused = alice: no snapshot: no space; bob: a turn is in flight

Data that V2 must not begin with is refused before the gate; the others go on.
    plan alice bob
    stage copy=held:an_old_copy:_move_it_away copy.bob gate=host:no_sandbox
    end later: sandbox
    are alice=refused
    why alice = an old copy: move it away

Data that the candidate is known not to know is refused before the gate.
    plan alice bob knows=L30
    stage copy=L32 copy.bob gate.bob=host:no_sandbox
    end later: sandbox
    are alice=refused bob=waiting
    why alice the data of alice holds state.sqlite: 31_A, which NEW does not know
        && a newer t3 ran on it && `t3safe check VERSION`

What migrated such data is named where t3 left a trace of it.
    plan alice bob knows=L30
    stage copy=L32:its_own_updater copy.bob gate.bob=host:no_sandbox
    end later: sandbox
    why alice state.sqlite: 31_A && its own updater; `t3safe check VERSION`

Without any snapshot nothing is rehearsed; the build is not judged.
    plan alice bob
    stage copy=host:no_space copy.bob=host:locked
    end refused = alice: no snapshot: no space; bob: no snapshot: locked
""")
def test_staging_and_snapshots(story: Story) -> None:
    """Rule 1: what comes before the rehearsals."""
    story.play()


@stories("""
A rehearsal that fails where the control passes refuses the build.
    plan alice bob carol
    stage copy copy.bob copy.carol gate=fails:bob control.bob
    verdict refused: bob on NEW: soak: it died
    end refused: bob on NEW: soak: it died
    are alice=waiting bob=waiting carol=waiting

Where the control fails too, the gate is broken and nothing is held against the build.
    plan alice bob
    stage copy copy.bob gate=fails:alice+bob control.alice+bob=fails:alice+bob
    verdict gate-broken: alice, bob on NEW: soak: it died && alice, bob on OLD: soak: it died
    end gate-broken: alice, bob on NEW: soak: it died && alice, bob on OLD: soak: it died

No build runs on one person's set: that person alone is held back.
    plan alice bob
    stage copy copy.bob gate=fails:alice control.alice=fails:alice
    verdict passed held=alice: alice on NEW: soak: it died && alice on OLD: soak: it died
    moved.bob bake.bob promote
    end promoted = NEW: moved bob; held-back alice
    are alice=held-back
    why alice = something is wrong with this person's data: OLD fails on it too (soak: it died)

Each reason is said once, of the candidate first.
    plan alice bob
    stage copy copy.bob gate=fails:alice control.alice=hangs:alice
    verdict passed held=alice: alice on NEW: soak: it died && alice on OLD: soak: it hangs
    moved.bob bake.bob promote
    end promoted = NEW: moved bob; held-back alice
    why alice OLD fails on it too (soak: it died; soak: it hangs)

A check names whose set is at fault.
    plan alice bob kind=check
    stage copy copy.bob gate=fails:bob control.bob=fails:bob
    verdict passed held=bob: bob on NEW: soak: it died && bob on OLD: soak: it died
    end refused: NEW passed the gate for the others; bob: something is wrong && it died

By policy one person's failure is that person's alone, {where the control passes|where it fails}.
    plan alice bob hold
    stage copy copy.bob gate=fails:alice control.alice{|=fails:alice}
    verdict passed held=alice: alice on NEW: soak: it died
    moved.bob bake.bob promote
    end promoted = NEW: moved bob; held-back alice
    are alice=held-back
    why alice {= the rehearsal on this person's set failed (soak: it died)|OLD fails on it too}

Who is held back names the end where nobody was moved.
    plan alice bob hold
    stage copy copy.bob gate=fails:alice control.alice
    verdict passed held=alice: alice on NEW: soak: it died
    assess.bob=busy
    end refused: alice: the rehearsal && bob: a turn is in flight

The control is each person's own build; the base speaks for empty data.
    plan alice bob carol kind=mixed
    stage copy copy.bob copy.carol gate=fails:empty+alice+bob+carol
    control.alice+carol=fails:empty+alice+carol control-other.bob
    verdict refused: bob on NEW: soak: it died
    end refused: bob on NEW: soak: it died

Only the base speaks for empty data.
    plan alice bob carol kind=mixed
    stage copy copy.bob copy.carol gate=fails:empty+bob control=fails:empty
    control-other.bob=fails:bob
    verdict gate-broken: empty data, bob on NEW: soak: it died
        && empty data on OLD: soak: it died && bob on OTHER: soak: it died
    end gate-broken

A gate that cannot be run is for later: no sandbox, no verdict.
    stage copy gate=host:no_namespace
    end later: the gate could not be run: no namespace

A control that cannot be run leaves the gate unproven.
    stage copy gate=fails:alice control.alice=host:no_namespace
    end gate-broken: the control could not be run: no namespace

A verdict that cannot be kept touches nobody: {a run|a check}.
    plan alice{| kind=check}
    stage copy gate
    verdict passed but=host:disk_full
    end later = the verdict could not be kept: disk full

A refusal that cannot be kept is a refusal all the same.
    plan alice bob
    stage copy copy.bob gate=fails:bob control.bob
    verdict refused but=host:disk_full: bob on NEW: soak: it died
    end refused = bob on NEW: soak: it died; the verdict could not be kept: disk full

A broken gate whose verdict cannot be kept is broken all the same.
    stage copy gate=fails:alice+empty control.alice=fails:alice+empty
    verdict gate-broken but=host:disk_full: empty data, alice on NEW: soak: it died
        && empty data, alice on OLD: soak: it died
    end gate-broken = empty data, alice on NEW: soak: it died; empty data, alice on OLD: soak:
        it died; the verdict could not be kept: disk full

A check that passes touches nobody.
    plan alice kind=check
    gated
    end passed: NEW passed the gate

A check without people rehearses empty data.
    plan kind=check
    gated
    end passed

A check without somebody's copy is not passed.
    plan alice bob kind=check
    stage copy=host:locked copy.bob gate
    verdict passed
    end refused = NEW passed the gate for the others; alice: no snapshot: locked
""")
def test_the_gate(story: Story) -> None:
    """Rules of the verdict, as the rollout asks for them and as it ends."""
    story.play()


@stories("""
A bake that breaks for one person takes only that person back; the others are paired once more.
    plan alice bob carol
    gated moved moved.bob moved.carol bake=lost:bob:build:no_cookie sure.bob undo.bob
    revisit.alice+carol
    blame
    end rolled-back = bob: during the bake: no cookie
    are alice=moved bob=rolled-back carol=moved

A bake that is cut off promotes nothing, takes nobody back and is not tried again.
    plan alice bob attempts=3
    gated moved moved.bob
    bake={lost:bob:environment:|lost:bob:host:|host:|build:}no_dispatch revisit
    end later: not promoted, the bake was cut off: no dispatch
    are alice=moved bob=moved

A bake that is asked to stop promotes nothing.
    gated moved SIGTERM bake=AGAIN,host:SIGTERM revisit
    end later = not promoted, the bake was cut off: SIGTERM

A bake that died {under way|before it began} starts over, and may still promote.
    gated moved {bake=DIES|DIES} bake promote
    end promoted

A bake of its own promotes what an earlier run moved; {at once|after it died}.
    plan alice bob kind=bake
    {bake|bake=DIES bake} promote
    end promoted = NEW: baked alice, bob

A bake of its own that breaks takes nobody back: a person decides, and the host is frozen.
    plan alice bob kind=bake
    bake=lost:bob:build:no_cookie
    convict
    freeze
    end needs-human = bob on NEW no longer pairs: during the bake: no cookie; `t3safe rollback bob`
        starts the rollback

A bake of its own that is cut off is for later.
    plan alice bob kind=bake
    bake={lost:bob:environment:|lost:bob:host:|host:|build:}no_dispatch revisit
    end later = not promoted, the bake was cut off: no dispatch

A bake of its own that cannot freeze says so.
    plan alice kind=bake
    bake=lost:alice:build:no_cookie
    convict alice on NEW no longer pairs: during the bake: no cookie; `t3safe rollback alice` starts
        the rollback
    freeze=host:disk_full alice on NEW no longer pairs: during the bake: no cookie; `t3safe rollback
        alice` starts the rollback
    end needs-human = alice on NEW no longer pairs: during the bake: no cookie; `t3safe rollback
        alice` starts the rollback; then: cannot block further runs (host): disk full

A bake of its own that is cut off and broke meanwhile freezes.
    plan alice bob kind=bake
    bake=host:SIGTERM revisit=lost:bob:build:no_cookie
    convict
    freeze
    end needs-human = bob on NEW no longer pairs: after the move: no cookie; `t3safe rollback bob`
        starts the rollback

A bake of its own after which sign-in is unknown needs a human; nothing is frozen for it.
    plan alice bob kind=bake
    bake=host:SIGTERM revisit=host:no_curl
    end needs-human = alice, bob: cannot check sign-in on NEW: no curl
""")
def test_the_bake(story: Story) -> None:
    """Rule 4: only what was baked is promoted."""
    story.play()


@stories("""
A person who no longer pairs before the end is taken back, and the others are paired once more.
    plan alice bob carol
    gated moved moved.bob moved.carol bake=host:SIGTERM revisit=lost:bob:build:no_cookie sure.bob
    undo.bob revisit.alice+carol
    blame
    end rolled-back = bob: after the move: no cookie
    are alice=moved bob=rolled-back carol=moved

Everybody who is taken back is told and held against the build, until the rest pair.
    plan alice bob
    gated moved moved.bob bake=host:SIGTERM revisit=lost:bob:build:500 sure.bob undo.bob
    revisit.alice=lost:alice:build:500 sure undo
    blame
    end rolled-back = alice: after the move: 500; bob: after the move: 500
    are alice=rolled-back bob=rolled-back

What is not the build's fault before the end changes nothing.
    gated moved bake=host:SIGTERM revisit=lost:alice:{host|environment|later}:no_dispatch
    end later = not promoted, the bake was cut off: SIGTERM
    are alice=moved

Where sign-in stays unknown after every attempt a human is needed, for each of those moved.
    plan alice bob attempts=2
    gated moved moved.bob bake=host:SIGTERM revisit=host:1 revisit=host:2
    freeze
    end needs-human = alice: cannot check sign-in on NEW: 2; bob: cannot check sign-in
        on NEW: 2
    are alice=needs-human bob=needs-human

A last pairing that comes {with the second attempt|after a death} is enough.
    plan alice attempts=2
    gated moved bake=host:SIGTERM revisit={host:1|DIES SIGTERM} revisit
    end later = not promoted, the bake was cut off: SIGTERM

A human outranks a rollback, and the build is refused all the same.
    plan alice bob
    gated moved moved.bob bake=lost:bob:build:no_cookie sure.bob undo.bob
    revisit.alice=host:no_curl
    convict bob: during the bake: no cookie
    freeze
    end needs-human = alice: cannot check sign-in on NEW: no curl; bob: during the
        bake: no cookie

A person who is at work stays, and is told with the one who was taken back.
    plan alice bob carol
    gated moved moved.bob moved.carol bake=lost:bob:build:no_cookie sure.bob undo.bob
    revisit.alice+carol=lost:carol:build:500 sure.carol=busy
    convict
    freeze
    end needs-human = bob: during the bake: no cookie; carol: after the move: 500; then: not taken
        off NEW while busy (a turn is in flight); `t3safe rollback carol --force` does not
        wait for it

An environment outranks a rollback; what the build did itself is held against it.
    plan alice bob
    gated moved moved.bob bake=lost:bob:build:no_cookie sure.bob undo.bob
    revisit.alice=lost:alice:build:500 sure undo=no-host:no look=old/L30/runs
    neither alice: after the move: 500; then: no; bob: during the bake: no cookie
    end needs-human: alice: after the move: 500; then: no; bob: during the bake: no cookie

The verdict names only whom the build failed.
    plan alice bob carol
    gated moved rested.bob new.bob=host:disk_full undo.bob
    revisit.alice=lost:alice:build:500 sure undo
    convict alice: after the move: 500
    freeze NEW failed in production: alice: after the move: 500; bob: disk full
    end rolled-back = alice: after the move: 500; bob: disk full
    are carol=waiting
""")
def test_once_more_before_the_end(story: Story) -> None:
    """Rule 5: who was moved and is not baked is paired once more before the end."""
    story.play()


@stories("""
A promotion that fails needs a human: the default is not what the run says.
    gated moved bake promote=host:disk_full
    end needs-human: moved alice; then: cannot promote NEW (host): disk full

The rest of the end is done where one part fails.
    gated moved bake=lost:alice:build:no_cookie sure undo
    convict=host:disk_full alice: during the bake: no cookie
    freeze=host:read-only NEW failed in production: alice: during the bake: no cookie
    end needs-human = alice: during the bake: no cookie; then: cannot record the verdict on NEW
        (host): disk full; then: cannot block further runs (host): read-only

Pruning that fails changes nothing about the end, and is not tried again.
    plan alice attempts=2
    gated assess=busy prune=host:1
    end deferred

An end that died is ended again: the outcome stays.
    gated moved bake {promote=DIES promote prune|promote prune=DIES prune|promote prune DIES}
    end promoted
""")
def test_the_end(story: Story) -> None:
    """What the end consists of is done once, and told where it fails."""
    story.play()


@stories("""
A run that is asked to stop at once does nothing; the first reason counts.
    SIGTERM AGAIN prune=SIGTERM,ok
    end interrupted = SIGTERM

A run that is asked to stop before the moves touches nobody.
    {stage|stage copy|stage copy gate}=SIGTERM,{ok||fails:alice}
    end interrupted = SIGTERM

A run that is asked to stop while the control runs judges nothing.
    stage copy gate=fails:alice control.alice=SIGTERM,
    end interrupted = SIGTERM

A refusal that is recorded when a stop is asked ends the run.
    stage copy gate=fails:alice control.alice
    verdict refused but=SIGTERM,ok: alice on NEW: soak: it died
    end refused: alice

The one who is fenced is moved; the next is not begun, nothing is baked.
    plan alice bob
    gated asked fence=SIGTERM,ok stop rest new start new? revisit.alice
    end interrupted = SIGTERM
    are alice=moved bob=waiting

A person who was only asked is deferred when a stop is asked.
    plan alice bob
    gated
    {SIGTERM|assess SIGTERM|assess old? SIGTERM|assess=SIGTERM,|assess old?=SIGTERM,|asked=SIGTERM,}
    end interrupted = SIGTERM
    are alice=deferred bob=waiting
    why alice = SIGTERM, before anything was touched

A failure is still undone and told after a stop was asked.
    gated asked fence=SIGTERM,ok stop rest new=host:disk_full undo=no-host:no look=old/L30/runs
    end needs-human: alice: disk full; then: no

The first reason counts also during a move that died.
    gated assess=SIGTERM,AGAIN,DIES look=old/L30/runs
    end interrupted = SIGTERM

A run that died before the moves ends untouched.
    {DIES|stage=DIES|stage DIES|stage copy=DIES|stage copy DIES|stage copy gate=DIES}
    end interrupted

A run that died while the gate was judged ends untouched.
    stage copy gate=fails:alice {DIES|control.alice=DIES|control.alice DIES}
    end interrupted

A run that died after a refusal was recorded is refused.
    stage copy gate=fails:alice control.alice
    verdict refused: alice on NEW: soak: it died
    DIES
    end refused

A run that died while a refusal was recorded records nothing.
    stage copy gate=fails:alice control.alice
    verdict refused but=DIES: alice on NEW: soak: it died
    end interrupted

A run that died between two people leaves the second.
    plan alice bob carol
    gated moved DIES revisit.alice
    end interrupted = interrupted
    are alice=moved bob=deferred carol=waiting
""")
def test_stopped_or_taken_over(story: Story) -> None:
    """Rule 5: nobody new is begun after a crash or a wish to stop."""
    story.play()


def test_the_reason_is_there_without_one_being_given() -> None:
    """The caller need not explain."""
    assert ev.StopAsked(NOW).reason == "asked to stop"


def test_the_schema_of_the_candidate_is_that_of_the_empty_set() -> None:
    """Before the rehearsals there is none, and no person's ledger takes its place."""
    rollout = opened(plan("alice"))
    assert rollout.schema is None
    found = (rehearsal("alice", schema=L30), rehearsal(EMPTY, schema=L32))
    assert changed(rollout, rehearsals=found).schema == L32
    assert changed(rollout, rehearsals=found[:1]).schema is None


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
        evolve(at(stage), ev.Started(2, fx.StageBuild(NEW), NOW))


def test_only_what_was_decided_starts() -> None:
    """With the next number, and never another effect."""
    rollout = opened(plan("alice"))
    for seq in (0, 2):
        with pytest.raises(InvalidEvent, match=f"effect {seq} follows effect 0"):
            evolve(rollout, ev.Started(seq, fx.StageBuild(NEW), NOW))
    with pytest.raises(InvalidEvent, match="was not decided"):
        evolve(rollout, ev.Started(1, fx.StageBuild(OLD), NOW))


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
    pending = changed(ended(), pending=fx.StageBuild(NEW))
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
