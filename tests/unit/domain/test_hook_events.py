"""When hooks are called, in stories (tests/unit/domain/stories.py)."""

from __future__ import annotations

import pytest

from fakes.playbook import NOW
from t3safe.domain import events as ev
from t3safe.domain.hook_events import (
    HookEvent,
    Moment,
    hook_events,
    not_opened,
    one_line,
    opening,
)
from t3safe.domain.rollout import opened
from tests.unit.domain.plans import NEW, OLD, plan
from tests.unit.domain.stories import Story, Telling, stories


@stories("""
One person after the other; the run's own end comes last.
    plan alice bob
    gated moved moved.bob bake promote
    end promoted
    hooks before-canary.alice after-canary.alice=moved before-canary.bob after-canary.bob=moved
        after-run=promoted

Rule 1: with the intent of the last look, and not again when that is tried again.
    plan alice attempts=2
    gated assess old?
    hooks
    assess=host:no assess fence stop rest new start new? bake promote
    end promoted
    hooks before-canary.alice after-canary.alice=moved after-run=promoted

Rule 3: {work that began meanwhile|a process that died} ends what was begun.
    gated assess old? assess={busy|DIES}
    end {deferred|interrupted}
    hooks before-canary.alice after-canary.alice=deferred after-run={deferred|interrupted}

Rule 3: a stop before the last look has begun nothing for anybody.
    gated assess old? SIGTERM
    end interrupted
    hooks after-run=interrupted

Rule 3: a stop {between two tries of the look|before the fence} ends what was begun.
    plan alice attempts=3
    gated assess old? assess={host:no|} SIGTERM
    hooks before-canary.alice after-canary.alice=deferred
    end interrupted

Nothing was to happen to whoever is busy at the first look.
    gated assess=busy
    end deferred
    hooks after-run=deferred

Rule 2: the way back lies inside of the canary.
    gated rested new start=build:it_died undo
    blame
    end rolled-back = alice: it died
    hooks before-canary.alice before-rollback.alice after-rollback.alice=rolled-back
        after-canary.alice=rolled-back after-run=rolled-back

Rule 3: after a way back during the bake, that they were moved is no longer true.
    gated moved bake=lost:alice:build:it_died sure undo
    blame
    end rolled-back = alice: during the bake: it died
    hooks before-canary.alice after-canary.alice=moved before-rollback.alice
        after-rollback.alice=rolled-back after-canary.alice=rolled-back after-run=rolled-back

A move that is given up is no rollback, unless that fails too: the last resort is one.
    gated asked fence stop rest=host:no_room
    hooks before-canary.alice
    old=host:no_link look=fence/L30 old start
    freeze
    end needs-human = alice: no room; then: no link
    hooks before-canary.alice before-rollback.alice after-rollback.alice=needs-human
        after-canary.alice=needs-human after-run=needs-human

Rule 2: a way back that a crash makes needless ends with the look.
    gated rested new start=build:it_died fence=DIES look=new/L32/runs start new? revisit
    end interrupted
    hooks before-canary.alice before-rollback.alice after-rollback.alice=forward
        after-canary.alice=moved after-run=interrupted

Rules 1 and 2: going back on purpose has those of a rollback alone, before {the look|the fence}.
    plan alice kind=back restore=chosen{| force}
    {assess=DIES|fence=DIES look=fence/L30 return}
    end interrupted
    hooks before-rollback.alice after-rollback.alice={deferred|returned}

Rule 2: that a way back on purpose turns round is part of it.
    plan alice kind=back restore=chosen
    assess fence stop rest=L32 chosen new start=build:it_died undo
    end refused
    hooks before-rollback.alice after-rollback.alice=rolled-back

Rule 4: a check has none.
    plan alice kind=check
    gated
    end passed
    hooks
""")
def test_what_begins_and_ends(story: Story) -> None:
    """One example for each way."""
    story.play()


def test_a_way_back_leads_from_the_new_build_to_the_old_and_says_why() -> None:
    """Rule 2."""
    telling = Telling("plan alice", "")
    telling.tell("gated")
    telling.tell("rested new start=build:it_died")
    *_, last = telling.hook_events()
    assert last == HookEvent(
        Moment.BEFORE_ROLLBACK, "r1", "alice", NEW.text, OLD.text, "", "it died"
    )


def test_each_hook_of_a_run_is_told_the_builds_that_it_leads_from_and_to() -> None:
    """The canary's lead to the new build, and the run's own end says how it ended."""
    telling = Telling("plan alice", f"{NEW}: moved alice")
    for line in ("gated moved bake promote", "end promoted"):
        telling.tell(line)
    builds = (OLD.text, NEW.text)
    assert tuple(telling.hook_events()) == (
        HookEvent(Moment.BEFORE_CANARY, "r1", "alice", *builds),
        HookEvent(Moment.AFTER_CANARY, "r1", "alice", *builds, "moved"),
        HookEvent(Moment.AFTER_RUN, "r1", "", *builds, "promoted", f"{NEW}: moved alice"),
    )


def test_the_hooks_of_a_requested_rollback_are_told_where_it_leads() -> None:
    """Its plan is the way back: nothing is turned round."""
    telling = Telling("plan alice kind=back restore=chosen", "")
    telling.tell("assess=DIES")
    assert next(telling.hook_events()) == HookEvent(
        Moment.BEFORE_ROLLBACK, "r1", "alice", OLD.text, NEW.text
    )


def test_two_rollouts_that_do_not_fit_are_a_defect() -> None:
    """Of two plans no hook can be derived."""
    alone, both = opened(plan("alice")), opened(plan("alice", "bob"))
    with pytest.raises(ValueError, match="longer"):
        hook_events(alone, ev.Resumed(NOW), both)


def test_nothing_is_called_as_a_check_is_opened() -> None:
    """Rule 4; and a run is opened after its hooks."""
    assert opening(plan("ann", kind=ev.Kind.CHECK)) is None
    assert hook_events(None, ev.Opened(plan("ann"), NOW), opened(plan("ann"))) == ()


def test_a_run_that_its_hooks_stop_ends_what_they_began() -> None:
    """Rule 3, where nothing was journaled."""
    before = opening(plan("ann"))
    assert before == HookEvent(Moment.BEFORE_RUN, "r1", old=OLD.text, new=NEW.text)
    ended = not_opened(before, "no backup")
    assert ended.environment() == {
        "T3SAFE_EVENT": "after-run",
        "T3SAFE_RUN": "r1",
        "T3SAFE_PERSON": "",
        "T3SAFE_FROM": OLD.text,
        "T3SAFE_TO": NEW.text,
        "T3SAFE_OUTCOME": "later",
        "T3SAFE_REASON": "no backup",
    }


def test_only_the_hooks_before_a_run_and_a_canary_may_say_no() -> None:
    """Rule 5; and what follows from a failure is said for each moment."""
    assert [moment for moment in Moment if moment.decides] == [
        Moment.BEFORE_RUN,
        Moment.BEFORE_CANARY,
    ]
    said = {moment: HookEvent(moment, "r1", "ann").consequence() for moment in Moment}
    assert "does not start" in said[Moment.BEFORE_RUN]
    assert said[Moment.BEFORE_CANARY].startswith("ann stays as they are")
    assert said[Moment.BEFORE_ROLLBACK] == "ann gets the rollback anyway"
    assert said[Moment.AFTER_ROLLBACK] == "nothing else depends on it"


def test_a_reason_reaches_a_hook_as_one_short_line_without_secrets() -> None:
    """A reason comes from outside: no line end, no escape, no token, no endless text."""
    reason = "it said\n\x1b[2Jtoken=abcdef0123456789\x00 " + "x " * 5000
    told = HookEvent(Moment.AFTER_RUN, "r1", reason=reason).environment()["T3SAFE_REASON"]
    assert told.startswith("it said [2Jtoken=[redacted] x x")
    assert len(told) == 1000
    assert one_line("a\tb\r\n c") == "a b c"
