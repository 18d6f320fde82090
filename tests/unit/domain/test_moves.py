"""One person's move, decision by decision, in stories of one person (tests/unit/domain/stories.py).

The gate is behind: each story of a run begins with the person's first step.
"""

from __future__ import annotations

import pytest

from t3safe.domain import events as ev
from t3safe.domain.events import InvalidEvent
from t3safe.domain.move import Goal
from tests.unit.domain.plans import snapshot
from tests.unit.domain.stories import ROWS, Story, Telling, stories


def played(story: Story) -> None:
    """Play a story from the first person's first step on."""
    story.play("gated")


@stories("""
A busy person is deferred untouched: work in flight is never interrupted.
    assess=busy
    end deferred: alice: a turn is in flight
    are alice=deferred

A person who became busy during the precheck is deferred.
    assess old? assess=busy
    end deferred: alice: a turn is in flight
    are alice=deferred

A serve that does not run is left alone: somebody stopped it.
    assess=stopped
    end deferred: alice: inactive
    are alice=not-running

A serve that stopped during the precheck is left alone.
    assess old? assess=stopped
    end deferred: alice: inactive
    are alice=not-running

Unknown is busy.
    assess=host:permission_denied
    end deferred: alice: cannot find out whether the serve is busy: permission denied
    are alice=deferred

What was broken before the run is never blamed on the build.
    assess old?=broken
    end later: does not pair on the present build: alice: 500 from the serve
    are alice=broken-before

An answer is not a failure to answer: it is not asked for again.
    plan alice attempts=3
    assess old?=broken
    end later

A precheck that fails by {the host|the build|the registry} is one person's alone.
    plan alice bob
    assess old?={host|build|later}:no_mint assess.bob=busy
    end later: alice: no mint
    are alice=broken-before

The next person is tried when one was broken before.
    plan alice bob
    assess old?=broken assess.bob=busy
    end later: alice: 500 from the serve && bob: a turn is in flight

A dispatch that cannot be asked ends the run: {it answered so|there was no answer}.
    plan alice bob
    assess old?={down|environment:no_answer_on_3780}
    end later: the dispatch could not be asked: no answer on 3780
    are bob=waiting
""")
def test_before_anything_is_touched(story: Story) -> None:
    """Rule 1: idle? -> pairs now? -> idle still?"""
    played(story)


@stories("""
A fence that fails is lifted, half set or not set.
    asked fence=host:disk_full return
    end later: alice: disk full
    are alice=returned

A serve that does not stop is left to its build: something may still write.
    asked fence stop=host:a_process_is_left return
    end later: alice: a process is left

Without a rollback point there is no move.
    asked fence stop rest=host:disk_full return
    end later: alice: disk full

A set that the new build does not know goes no further (I1).
    asked fence stop rest=STRANGE return
    end later: alice: NEW does not know state.sqlite: 31_Foreign of the stopped set

Nobody is begun after one who was returned: what kept one may keep all.
    plan alice bob
    asked fence=host:disk_full return
    end later = alice: disk full
    are alice=returned bob=waiting

Those who were moved before are paired once more and not baked.
    plan bob alice
    moved.bob asked fence=host:disk_full return revisit.bob
    end later = alice: disk full
    are bob=moved

A return that does not pair is the environment's fault; no build is blamed.
    plan alice bob
    asked fence=host:disk_full return=broken
    end needs-human: the environment is at fault && disk full; then: 500 from the serve
    are alice=environment

A return that cannot be verified is the environment's fault.
    asked fence=host:disk_full return=host:no_curl
    end needs-human: alice: disk full; then: no curl

A return whose {selection|start} fails ends with the last resort: look, old build, a person.
    asked fence=host:disk_full {old|old start}=host:no_systemd look=fence/none old start
    freeze
    end needs-human: alice: disk full; then: no systemd

What holds {the serve|the set} and cannot be ended defers one person; the next one is tried.
    plan alice bob
    asked fence {stop|stop rest}=later:process_4242_holds_the_set return assess.bob=busy
    end deferred: alice: process 4242 holds the set
    are alice=deferred
""")
def test_from_the_fence_to_the_rollback_point(story: Story) -> None:
    """Rules 3 and 9: before the new build is selected the undo needs no data."""
    played(story)


@stories("""
A person who pairs on the new build is moved, baked and promoted.
    moved bake promote
    end promoted: moved alice
    are alice=moved

What is {not|not|not|not|not} the build's own fault is undone and frozen without a verdict.
    plan alice bob
    rested {new=host|new start=host|new start new?=no-host|new start new?=no-later|new start
        new?=environment}:it_died
    fence stop quarantine=rows restore return
    excuse
    end rolled-back = alice: it died
    are alice=rolled-back bob=waiting

What is the build's own fault is undone, refused and frozen: {start|answer|death}.
    plan alice bob
    rested {new start=build|new start new?=no-build|new start new?=build}:it_died
    fence stop quarantine=rows restore return
    blame
    end rolled-back = alice: it died
    are alice=rolled-back bob=waiting

Only the person for whom it failed goes back; those before are paired once more and stay.
    plan bob alice
    moved.bob started new?=broken undo revisit.bob
    blame
    end rolled-back: alice: 500 from the serve
    are bob=moved alice=rolled-back

A serve that pairs while the dispatch is down is kept; the run winds down.
    plan alice bob
    started new?=down
    end later: the dispatch could not be asked: no answer on 3780
    are alice=kept bob=waiting
""")
def test_on_the_new_build(story: Story) -> None:
    """Rule 4: after exposure the undo quarantines first, then restores."""
    played(story)


@stories("""
Neither build pairs, and the failure was the new one's: refused and frozen, a person looks.
    started new?=broken undo={broken|down|host:500_from_the_serve} look=old/L30/runs
    neither alice: 500 from the serve; then: {500 from the serve|no answer on 3780|500 from the
        serve}
    end needs-human: the environment is at fault
    are alice=environment

Neither build pairs, and the host was at fault: nothing is refused or frozen.
    started new?=no-host:no_port undo={broken|down|host:500} look=old/L30/runs
    end needs-human: the environment is at fault
    are alice=environment

A look that fails after a way back leaves it to a person.
    started new?=broken undo=broken look=host:no_answer
    neither alice: 500 from the serve; then: 500 from the serve; then: no answer
    end needs-human: no answer
    are alice=environment

A set that was migrated behind the way back ({newer|unreadable|half}) is restored once more.
    started new?=broken undo=broken look=old/{L32|none|L30}/{runs|runs|restoring} undo
    blame
    end rolled-back: alice: 500 from the serve; then: 500 from the serve

The way back is taken once more and not again.
    started new?=broken undo=broken look=old/L32/runs undo=broken
    neither alice: 500 from the serve; then: 500 from the serve; then: 500 from the serve
    end needs-human
    are alice=environment

The second way back that was cut off does not trust the selection of the first (I1).
    started new?=broken undo=broken look=old/L32/runs fence=DIES look=old/L32/runs sure undo
    blame
    end rolled-back = alice: 500 from the serve; then: 500 from the serve

A look after a way back that was cut off is taken again.
    started new?=broken undo=broken look=DIES look=old/L30/runs start old?=broken look=old/L30/runs
    neither alice: 500 from the serve; then: 500 from the serve; then: 500 from the serve
    end needs-human: the environment is at fault

A cancelled move whose set was migrated past the launcher goes back to the rollback point.
    rested new=DIES look=fence/L30 return=broken look=old/L32/runs sure undo
    excuse
    end rolled-back = alice: interrupted; then: 500 from the serve
""")
def test_where_the_old_build_does_not_pair_either(story: Story) -> None:
    """Rule 7: look at the data first; it is refused for what it did itself, whatever follows."""
    played(story)


@stories("""
The last resort starts what knows the ledger: {the old build|the old build|the new build}.
    started new?=broken fence stop quarantine restore=host:digest_differs
    look=fence/{L30|empty|L32} {old|old|new} start
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: digest differs
    are alice=needs-human

A new build that is selected stays, whatever the ledger: a mint may migrate at any moment.
    started new?=broken fence=host:disk_full look=new/{L30|L32|STRANGE|none} start
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: disk full

Where no build knows the ledger the fence stays (I1).
    started new?=broken fence stop quarantine restore=host:digest_differs
    look=fence/{STRANGE|none|L30/restoring|L32/restoring}
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: digest differs

A serve that runs behind the fence is stopped, and the second look decides.
    started new?=broken fence stop=host:a_process_is_left
        look=fence/{L30|L32|STRANGE|none|L30|L32|none}/runs stop
        look=fence/{L30|L30|L30|L30|L32|L32|L32}
    {old|old|old|old|new|new|new} start
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: a process is left

A serve that left {what nobody knows|what cannot be read} stays fenced.
    started new?=broken fence stop=host:a_process_is_left
    look=fence/L30/runs stop look=fence/{STRANGE|none}
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: a process is left

A serve that does not stop stays behind its fence.
    started new?=broken fence stop=host:a_process_is_left look=fence/L30/runs stop=host:still_there
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: a process is left; then: still there

A serve that runs at the second look stays behind its fence: it is stopped once.
    started new?=broken fence stop=host:a_process_is_left
    look=fence/{L30|L32}/runs stop look=fence/{L30|L32}/runs
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: a process is left

A stop of the last resort that was cut off counts from its intent on.
    started new?=broken fence stop=host:a_process_is_left look=fence/L30/runs stop=DIES
    look=fence/{L32/runs|L32 new start}
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: a process is left

Over an untouched set only the old build can run, so it is not stopped.
    asked fence stop=host:a_process_is_left old=host:disk_full look=fence/L30/runs old start
    freeze
    end needs-human = alice: a process is left; then: disk full

A last look that fails leaves the fence.
    started new?=broken fence stop quarantine restore=host:digest_differs look=host:no_answer
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: digest differs; then: no answer

A last resort that fails is told with all reasons.
    started new?=broken fence stop quarantine restore=host:digest_differs
    look=fence/L32 new=host:disk_full
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: digest differs; then: disk full

Any step back that fails leads to the last resort.
    started new?=broken {fence|fence stop|fence stop quarantine}=host:no look=fence/L30 old start
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: no

A selection or start that fails on the way back leads to the last resort.
    started new?=broken fence stop quarantine restore {old|old start}=host:no
    look=fence/L30 old start
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: no

A last resort whose {look|selection|start} was cut off looks again.
    started new?=broken fence stop quarantine restore=host:digest_differs
    {look|look=fence/L32 new|look=fence/L32 new start}=DIES look=fence/L32 new start
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: digest differs
""")
def test_the_last_resort(story: Story) -> None:
    """Rule 5: look, and start whichever build knows the ledger; a person is called either way."""
    played(story)


@stories("""
An effect is tried as often as the plan says, and the next one has its own attempts.
    plan alice attempts=3
    asked fence=host:1 fence=host:2 fence stop=host:1 stop=host:2 stop
    rest=host:1 rest=host:2 rest=host:3 return
    end later: alice: 3

Each attempt at a snapshot has an id of its own.
    plan alice attempts=2
    asked fence stop rest=host:1 rest new start new? bake promote
    end promoted

A failure that is not the build's is tried again.
    plan alice attempts=2
    assess={host|environment|later}:1 assess=busy
    end deferred

A failure that is the build's is not tried again.
    plan alice attempts=3
    started new?=build:it_died undo
    blame
    end rolled-back = alice: it died

A question about work that fails is asked again first.
    plan alice attempts=2
    started new?=DIES look=new/L32/runs start new?=broken sure=host:locked sure undo
    blame
    end rolled-back = alice: 500 from the serve

After a crash every effect has its attempts again.
    plan alice attempts=2
    asked fence=host:1 fence=DIES look=host:2 look=fence/L30/runs return
    end interrupted
""")
def test_attempts(story: Story) -> None:
    """Rule 6 of the rollout: the budget lies in the state."""
    played(story)


@stories("""
Going back restores the chosen snapshot between stop and select; idle is asked once.
    plan alice kind=back restore=chosen
    assess fence stop rest=L32 chosen new start new?
    end moved: returned: alice

Going back {without a snapshot|to a build that knows the set} keeps the set.
    plan alice kind=back {force|knows=L32 force}
    fence stop rest=L32 new start new?
    end moved: returned: alice

Going back to a build that does not know the set goes no further (I1).
    plan alice bob kind=back knows=L30
    assess fence stop rest=L32 return
    end later = alice: NEW does not know state.sqlite: 31_A of the stopped set
    are bob=waiting

Going back with a snapshot is not held to the set that it replaces.
    plan alice kind=back restore=chosen knows=L30
    assess fence stop rest=L32 chosen new start new?
    end moved: returned: alice

Going back that cannot be undone starts {the build from before|the target|nothing} by the ledger.
    plan alice kind=back restore=chosen{ knows=STRANGE| knows=STRANGE|}
    assess fence stop rest=L32 chosen=host:digest_differs fence stop=host:a_process_is_left
    look=fence/{L32 old start|STRANGE new start|STRANGE}
    freeze
    end needs-human = alice: digest differs; then: a process is left

Going back by force does not ask.
    plan alice kind=back restore=chosen force
    fence stop rest=L32 chosen new start new?
    end moved

Going back defers the busy.
    plan alice kind=back restore=chosen
    assess=busy
    end deferred: alice: a turn is in flight

With a snapshot to restore, a dead serve is a reason to go back.
    plan alice kind=back restore=chosen
    assess=stopped fence stop rest=L32 chosen new start new?
    end moved

Without one, a stopped serve is left alone.
    plan alice kind=back
    assess=stopped
    end deferred: alice: inactive

Going back that fails is undone; no verdict, no freeze: a person asked and reads this.
    plan alice bob kind=back restore=chosen
    assess fence stop rest=L32 {chosen=host:no|chosen new start new?=no-build:no} undo
    end refused: left unchanged: alice: no

Going back that was cut off from the restore on puts the set back.
    plan alice kind=back restore=chosen force
    fence stop rest=L32 {chosen|chosen|chosen|chosen new}=DIES
    look=fence/{L32|none/restoring|L30|L30} sure undo
    end refused: left unchanged: alice: interrupted
""")
def test_going_back_on_purpose(story: Story) -> None:
    """No gate, no precheck and no bake; what is given up is kept as a quarantine is."""
    played(story)


@stories("""
A person who was only asked is left as they are.
    plan alice bob
    {assess|assess old?|assess old? assess}=DIES
    end interrupted = interrupted
    are alice=deferred
    why alice = interrupted, before anything was touched

From the intent to fence on, the old build is selected, started and verified.
    asked {fence|fence stop|fence stop rest|fence|fence stop|fence stop rest}=DIES
    look={fence|fence|fence|old|old|old}/L30 return
    end interrupted: interrupted
    are alice=returned

A look that fails returns a person who was fenced: the old build knows the untouched set.
    asked fence=DIES look=host:no_answer return
    end interrupted
    are alice=returned

When a stop is asked, a person who was only asked is left too: {answered|not answered}.
    assess=SIGTERM{,ok|,host:no_answer}
    end interrupted: SIGTERM
    are alice=deferred

A look at a person who was only asked changes nothing.
    assess=SIGTERM,DIES look={old/L30/runs|host:no_answer}
    end interrupted: SIGTERM
    are alice=deferred
    why alice = {interrupted before anything was touched|no answer}

A look that fails after the exposure needs a human.
    rested new=DIES look=host:no_answer
    freeze
    end needs-human = alice: no answer

A selection that never happened is cancelled: the undo needs no data.
    rested new=DIES look=fence/L30 return
    end interrupted
    are alice=returned

A set that is not as before is restored (I1).
    rested new=DIES look={fence/L32|fence/none|fence/L30/restoring|old/L32/runs|old/none/runs} sure
        undo
    excuse
    end rolled-back = alice: interrupted

A person found on the old build and set is verified there: somebody selected it by hand.
    rested new=DIES look=old/L30/runs start old?
    end interrupted
    are alice=returned
    why alice = interrupted

A person found on a third build needs a human: what this rollout did not choose it does not undo.
    rested new=DIES look=0.0.26/L32/runs
    freeze
    end needs-human = alice: 0.0.26 is selected for alice, which this rollout did not choose

A person found on the new build is verified and stays; they are paired once more, not baked.
    plan alice bob
    rested {new|new start|new start new?}=DIES look=new/L32/runs start new? revisit.alice
    end interrupted
    are alice=moved bob=waiting

A person found on the new build who does not pair goes back, and is not stopped unseen.
    started new?=DIES look=new/L32/runs start new?=broken sure{|=stopped} undo
    blame
    end rolled-back = alice: 500 from the serve

Work in flight is not interrupted even where sign-in is broken: a person is asked instead.
    plan alice bob
    started new?=DIES look=new/L32/runs start new?=broken
    sure={busy|host:permission_denied|build:permission_denied}
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: not taken off NEW while busy ({a
        turn is in flight|unknown: permission denied|unknown: permission denied});
        `t3safe rollback alice --force` does not wait for it
    are alice=needs-human bob=waiting

A person who began to work behind the fence since a crash is not stopped.
    started new?=broken fence stop=DIES look=fence/L32/runs sure=busy
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: not taken off NEW while busy (a turn
        is in flight); `t3safe rollback alice --force` does not wait for it

A person who is on the new build again is asked again.
    started new?=DIES look=new/L32/runs start new?=broken sure fence=DIES
    look=new/L32/runs start new?=broken sure undo
    blame
    end rolled-back = alice: 500 from the serve

A rollback that was cut off before its quarantine is done from the start.
    started new?=broken {fence|fence|fence|fence stop|fence stop|fence stop quarantine}=DIES
    look=fence/{L30|L32|none|L30|L32|none} sure undo
    blame
    end rolled-back = alice: 500 from the serve

A rollback that was cut off before its fence tries the new build again.
    started new?=broken fence=DIES look=new/L32/runs start new? revisit
    end interrupted
    are alice=moved

A restore that was cut off is done again without a second quarantine.
    started new?=broken fence stop quarantine restore=DIES look=fence/{none|none/restoring}
    sure fence stop restore return
    blame
    end rolled-back = alice: 500 from the serve

A rollback that was cut off after the restore does not restore again.
    started new?=broken fence stop quarantine restore old=DIES look=fence/L30 sure fence stop return
    blame
    end rolled-back = alice: 500 from the serve

A set that changed since its restore is not given to the old build unseen (I1).
    started new?=broken fence stop quarantine restore old=DIES
    look=fence/{L32|L30/runs|L32/runs} look=fence/{L32|L30/runs stop look=fence/L32|L32/runs stop
        look=fence/L32}
    new start
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: the data is not what was restored

A rollback that got to the old build is verified there and restores nothing any more (I2).
    started new?=broken fence stop quarantine restore {old|old start|old start old?}=DIES
    look=old/L30/runs start old?
    blame
    end rolled-back = alice: 500 from the serve

Where the new build ran again, {quarantine|quarantine and restore} are done again.
    started new?=broken fence stop quarantine {restore|restore old}=DIES
    look=new/L32/runs start new?=broken sure undo
    blame
    end rolled-back = alice: 500 from the serve

An old build found on a newer set is not started (I1).
    started new?=broken fence stop quarantine restore old=DIES
    look=new/L32/runs start new?=broken sure fence=DIES look=old/L32 sure undo
    blame
    end rolled-back = alice: 500 from the serve

A look that fails on the way back needs a human.
    started new?=broken {fence|fence stop|fence stop quarantine|fence stop quarantine restore}=DIES
    look=host:no_answer
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: no answer

A look that fails after the restore needs a human too.
    started new?=broken fence stop quarantine restore {old|old start|old start old?}=DIES
    look=host:no_answer
    convict
    freeze
    end needs-human = alice: 500 from the serve; then: no answer

A return that was cut off is done again.
    asked fence=host:disk_full {old|old start|old start old?}=DIES look=old/L30/runs return
    end interrupted
    are alice=returned

A look that fails during a return goes on returning: only the old build ever ran on this set.
    asked fence=host:disk_full old=DIES look=host:no_answer return
    end interrupted
    are alice=returned
    why alice = disk full; then: no answer

A look that fails during a return after the exposure needs a human.
    rested new=DIES look=fence/L30 old=DIES look=host:no_answer
    freeze
    end needs-human = alice: interrupted; then: no answer

A return that was cut off before its selection needs no restore either.
    rested new=DIES look=fence/L30 old=DIES look=fence/L30 return
    end interrupted: interrupted
    are alice=returned

A return that was cut off on a set that was migrated since restores it (I1).
    rested new=DIES look=fence/L30 old=DIES look=fence/L32 sure undo
    excuse
    end rolled-back = alice: interrupted

A process that dies again and again looks again and again.
    rested new=DIES,DIES look=DIES look=fence/L30 return=DIES look=old/L30/runs start old?
    end interrupted
""")
def test_taking_over_after_a_crash(story: Story) -> None:
    """Rules 6 and 8: a look comes first, and what a person did since is not interrupted."""
    played(story)


def test_what_was_quarantined_is_not_told_of_a_person_who_stays() -> None:
    """They lost nothing in the end; the way forward is open again."""
    telling = Telling("plan alice", "")
    telling.tell("gated")
    telling.tell("started new?=broken fence stop quarantine=rows restore=DIES")
    assert telling.book.rollout.moves[0].rows == ROWS
    telling.tell("look=new/L32/runs")
    found = telling.book.rollout.moves[0]
    assert (found.goal, found.rows, found.quarantine) == (Goal.FORWARD, (), "")


@pytest.mark.parametrize(
    ("before", "effect", "answer", "said"),
    [
        ("asked fence stop", "rest", snapshot(""), "snapshot"),
        ("started new?=broken fence stop", "quarantine", ev.Quarantined(""), "quarantine"),
    ],
)
def test_what_is_kept_without_a_name_is_not_kept(
    before: str, effect: str, answer: ev.Answer, said: str
) -> None:
    """It could not be found again (I2), so the journal that holds it is damaged."""
    telling = Telling("plan alice", "")
    telling.tell("gated")
    telling.tell(before)
    telling.book << telling.effect(effect)
    with pytest.raises(InvalidEvent, match=f"is no answer to {said} of alice"):
        telling.book >> answer
