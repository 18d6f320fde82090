"""What is worth a notice, and what is told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from t3safe.domain import events as ev
from t3safe.domain.membership import Membership
from t3safe.domain.metrics import HostMetrics
from t3safe.domain.notices import (
    Broken,
    Cause,
    Key,
    Notice,
    NoticesFound,
    body,
    due,
    essence,
    forgiven,
    found,
    heading,
    plain,
    remembered,
    wanted,
)
from t3safe.domain.runs import Deferral, RunRecord
from tests.unit.domain.plans import NEW, OLD, ran

NOW = datetime(2026, 6, 16, 4, tzinfo=UTC)
WELL = HostMetrics(NOW, frozen="", newest=NEW, last_good=NEW, runs=(), waiting=())
NOBODY: frozenset[Key] = frozenset()


def ended(outcome: ev.Outcome, reason: str = "why", run: str = "r1") -> RunRecord:
    """Give a run that ended so."""
    return ran(outcome, run=run, reason=reason)


def after(*runs: RunRecord) -> HostMetrics:
    """Give a host whose runs ended so, newest first."""
    return evolve(WELL, runs=runs)


def told(vitals: HostMetrics) -> frozenset[Key]:
    """What is remembered once everything that holds was told."""
    return remembered(NOBODY, found(vitals), sent=True)


def test_a_sound_host_has_nothing_to_tell() -> None:
    """Nothing holds, and there was nothing that could not be looked at."""
    assert found(WELL) == NoticesFound(())


@pytest.mark.parametrize(
    ("outcome", "key", "text"),
    [
        (
            ev.Outcome.NEEDS_HUMAN,
            Key(Cause.NEEDS_HUMAN, "", "r1"),
            "`t3safe show r1`; the runbook: NEEDS A HUMAN",
        ),
        (
            ev.Outcome.ROLLED_BACK,
            Key(Cause.ROLLED_BACK, "", "r1"),
            "`t3safe show r1` shows each step",
        ),
        (
            ev.Outcome.GATE_BROKEN,
            Key(Cause.GATE_BROKEN, "", "no answer in # s"),
            f"nothing is held against {NEW}; `t3safe doctor`",
        ),
        (
            ev.Outcome.REFUSED,
            Key(Cause.REFUSED, NEW.text, "no answer in # s"),
            f"`t3safe show r1`; `t3safe allow {NEW}` lifts the refusal",
        ),
    ],
)
def test_how_a_run_ended_is_told_with_the_next_command(
    outcome: ev.Outcome, key: Key, text: str
) -> None:
    """The reason comes first; what is remembered is the run, or the reason without figures."""
    (notice,) = found(after(ended(outcome, "no answer in 31.2 s"))).notices
    assert notice.key == key
    assert notice.text == f"no answer in 31.2 s; {text}"


def test_a_run_that_ended_well_is_not_told() -> None:
    """Nor is one that was put off, or one that is not over."""
    unfinished = ran(None)
    assert not found(after(ended(ev.Outcome.PROMOTED), ended(ev.Outcome.LATER))).notices
    assert not found(after(unfinished)).notices


def test_a_rollback_and_its_freeze_are_told_together_the_most_urgent_first() -> None:
    """One heading names both."""
    vitals = evolve(after(ended(ev.Outcome.ROLLED_BACK)), frozen="ann was taken back")
    notices = found(vitals).notices
    assert [notice.cause for notice in notices] == [Cause.ROLLED_BACK, Cause.FROZEN]
    assert heading("host", notices) == "t3safe on host: rolled back, frozen"
    first, second = body(notices).splitlines()
    assert first.startswith("rolled back: why")
    assert second == "frozen: ann was taken back; look, then `t3safe thaw`"


def test_a_guards_no_is_told_once_though_no_run_was_opened() -> None:
    """The same command clears it; what a run refused is another cause."""
    no = Broken("run", "the tag points backward", Cause.REFUSED)
    first = found(WELL, "run", no)
    (notice,) = first.notices
    assert notice.key == Key(Cause.REFUSED, "t3safe run", "the tag points backward")
    assert "the tag points backward; `t3safe status`" in notice.text
    known = remembered(NOBODY, first, sent=True)
    assert due(known, found(WELL, "run", no)) == ()
    assert remembered(known, found(WELL, "drain"), sent=True) == known
    assert remembered(known, found(WELL, "run"), sent=True) == NOBODY

    refused = found(after(ended(ev.Outcome.REFUSED)), "run", no)
    assert [notice.about for notice in refused.notices] == [NEW.text, "t3safe run"]


def test_a_host_is_stale_beyond_its_limit() -> None:
    """At the limit it is not; one day more is told once for each last-good."""
    lagging = evolve(WELL, last_good=OLD, stale_after=timedelta(days=14))
    assert not found(lagging).notices
    stale = evolve(lagging, stale_after=timedelta(days=13))
    (notice,) = found(stale).notices
    assert notice.key == Key(Cause.STALE, "", OLD.text)
    assert "14 days behind" in notice.text


def test_each_person_who_waits_too_long_is_told_of() -> None:
    """Whoever waits for less is not."""
    waiting = tuple(
        Deferral(who, NEW, NOW - timedelta(days=days), "busy")
        for who, days in (("ann", 7), ("ben", 8))
    )
    (notice,) = found(evolve(WELL, waiting=waiting)).notices
    assert notice.key == Key(Cause.DEFERRED, "ben", "2026-06-08T04:00:00Z")
    assert notice.text == f"ben waits for {NEW} since 2026-06-08: busy"


def test_what_was_told_is_not_told_the_next_night() -> None:
    """Rule 1: the same cause, measured anew, is no news."""
    broken = ended(ev.Outcome.GATE_BROKEN, "ben: no answer in 31.2 s, 20260616T040000Z-a1b2")
    again = ended(ev.Outcome.GATE_BROKEN, "ben: no answer in 29 s, 20260617T041259Z-ffff", "r2")
    memory = told(after(broken))
    assert due(NOBODY, found(after(broken)))
    assert due(memory, found(after(again, broken))) == ()


def test_a_cause_that_changed_is_told_again() -> None:
    """Rule 2: another check of the gate fails."""
    memory = told(after(ended(ev.Outcome.REFUSED, "identity failed")))
    assert due(memory, found(after(ended(ev.Outcome.REFUSED, "soak failed"))))
    memory = told(evolve(WELL, frozen="by hand"))
    assert due(memory, found(evolve(WELL, frozen="by hand"))) == ()
    assert due(memory, found(evolve(WELL, frozen="0.0.28 failed")))


def test_a_cause_that_went_and_came_back_is_told_again() -> None:
    """Rule 2: thawed and frozen for the same reason."""
    frozen = evolve(WELL, frozen="by hand")
    memory = remembered(told(frozen), found(WELL), sent=True)
    assert memory == NOBODY
    assert due(memory, found(frozen))


def test_each_run_that_leaves_a_person_in_need_is_told() -> None:
    """Rule 5: the same words of another run are another event."""
    for outcome in (ev.Outcome.NEEDS_HUMAN, ev.Outcome.ROLLED_BACK):
        memory = told(after(ended(outcome)))
        assert due(memory, found(after(ended(outcome)))) == ()
        assert due(memory, found(after(ended(outcome, run="r2"))))


def test_what_cannot_be_looked_at_stays_as_it_was() -> None:
    """Rule 3: neither forgotten nor told again once it can be looked at."""
    waiting = (Deferral("ann", NEW, NOW - timedelta(days=8), "busy"),)
    bad = evolve(
        after(ended(ev.Outcome.GATE_BROKEN)), frozen="by hand", last_good=OLD, waiting=waiting
    )
    bad = evolve(bad, stale_after=timedelta(days=1))
    memory = told(bad)
    assert len(memory) == 4
    blind = found(HostMetrics(NOW))
    assert blind.notices == ()
    assert remembered(memory, blind, sent=True) == memory


def test_what_was_not_sent_is_due_still() -> None:
    """Rule 4."""
    now = found(evolve(WELL, frozen="by hand"))
    assert remembered(NOBODY, now, sent=False) == NOBODY
    assert due(remembered(NOBODY, now, sent=False), now) == now.notices


def test_a_command_that_broke_off_is_told_and_only_the_same_command_ends_it() -> None:
    """Rule 3: a drain that goes well says nothing of a run that broke off."""
    broken = found(HostMetrics(NOW), "run", Broken("run", "it broke off: cannot write the journal"))
    (notice,) = broken.notices
    assert notice.cause is Cause.NEEDS_HUMAN
    assert "`t3safe run`: it broke off: cannot write the journal" in notice.text
    memory = remembered(NOBODY, broken, sent=True)
    assert remembered(memory, found(WELL, "drain"), sent=True) == memory
    assert due(memory, broken) == ()
    assert remembered(memory, found(WELL, "run"), sent=True) == NOBODY


def test_only_what_is_wished_for_is_told() -> None:
    """The rest is left out, and nothing else of it changes."""
    vitals = evolve(after(ended(ev.Outcome.REFUSED)), frozen="by hand")
    now = wanted(found(vitals, "run"), [Cause.FROZEN])
    assert [notice.cause for notice in now.notices] == [Cause.FROZEN]
    assert (now.command, now.unseen) == ("run", frozenset())
    blind = found(HostMetrics(NOW), "run")
    assert wanted(blind, []) == blind
    assert Cause.FROZEN in blind.unseen


def test_an_allowed_build_is_news_when_it_is_refused_again() -> None:
    """Of another build, and of other causes, what was told stays told."""
    memory = told(evolve(after(ended(ev.Outcome.REFUSED)), frozen="by hand"))
    assert forgiven(memory, OLD) == memory
    assert {key.cause for key in forgiven(memory, NEW)} == {Cause.FROZEN}


def test_a_notice_is_one_short_line_without_secrets() -> None:
    """Rule 6: whatever a build made t3safe say."""
    assert plain("one\ntwo \x1b[31mred") == "one two ?[31mred"
    assert "s3cret" not in plain("it said token=s3cret")
    assert plain("x" * 400) == "x" * 400
    assert plain("x" * 401) == f"{'x' * 397}..."
    assert plain("x" * 10) == "x" * 10


def test_figures_and_names_of_runs_are_no_part_of_what_is_the_same() -> None:
    """Rule 5; words are."""
    assert essence("in 3.5 s  at 04:12,\nby 20260616T040000Z-a1b2") == "in # s at #, by #"
    assert essence("in 3.5 s at 04:12") == essence("in 12 s at 05:59:01")
    assert essence("evidence in 20260616T040000Z-a1b2") == essence(
        "evidence in 20270101T000000Z-0f"
    )
    assert essence("ann failed") != essence("ben failed")


def test_a_heading_names_each_cause_once() -> None:
    """Two people who wait are one cause."""
    notices = (Notice(Cause.DEFERRED, "a", "ann"), Notice(Cause.DEFERRED, "b", "ben"))
    assert heading("host", notices) == "t3safe on host: deferred too long"


def in_fleet(**known: object) -> HostMetrics:
    """Give a sound host that knows this of its fleet."""
    return evolve(WELL, fleet=evolve(Membership("main"), **known))  # type: ignore[arg-type]


def test_a_host_that_is_cut_off_for_more_than_a_day_is_news_once() -> None:
    """Not within the day; another time is news again."""
    day = timedelta(days=1)
    assert found(in_fleet()) == found(in_fleet(cut_off=NOW - day)) == NoticesFound(())
    vitals = in_fleet(cut_off=NOW - day - timedelta(seconds=1))
    (notice,) = found(vitals).notices
    assert notice.cause is Cause.FLEET
    assert "cut off since 2026-06-15 03:59 UTC" in notice.text
    assert "`t3safe fleet status`" in notice.text
    later = evolve(vitals, at=NOW + day)
    assert due(told(vitals), found(later)) == ()
    assert due(told(vitals), found(evolve(later, fleet=in_fleet(cut_off=NOW - 2 * day).fleet)))


def test_what_needs_a_person_in_the_fleet_is_news_once() -> None:
    """Other figures are no news; another host is."""
    wiped = "the fleet's etcd was restored from an older copy (revision {}, was 900); check it"
    quiet = "web-{} holds a slot of ring main for run r1 and is silent"
    one = in_fleet(trouble=(wiped.format(12), quiet.format(2)))
    assert [notice.cause for notice in found(one).notices] == [Cause.FLEET, Cause.FLEET]
    two = in_fleet(trouble=(wiped.format(13), quiet.format(3)))
    (news,) = due(told(one), found(two))
    assert news.text == quiet.format(3)
