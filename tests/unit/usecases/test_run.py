"""What a run plans and asks of the registry, and what stops it before it moves a person."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from fakes.world import EPOCH, NEW, NEWER, NEWEST, OLD, Defect, drive, host, small_world
from t3safe.domain import events as ev
from t3safe.domain.errors import SelectionError
from t3safe.domain.gate import OnPersonFailure
from t3safe.domain.move import Status
from t3safe.domain.policy import Offer, Policy, Proceed, Skip, SkipReason
from t3safe.domain.versions import Version
from t3safe.usecases.host import Host, Result, Rules
from t3safe.usecases.run import candidate, drain, offered, planned, run
from t3safe.usecases.survey import Survey, survey
from tests.unit.usecases.runs import (
    ALWAYS,
    DAY,
    RESTORED,
    called,
    named,
    outside,
    plans,
    publish,
    put_on,
    refuse,
    stopped,
    written,
)

# The plan.


def test_a_plan_has_the_people_who_move_and_the_owner_s_rules() -> None:
    """What an earlier rehearsal measured is in it, and who stays, with the reason."""
    world = small_world("ann", "ben", "cid")
    world.measured = frozenset({NEW})
    put_on(world, NEW, "cid")
    rules = Rules(bake=7.0, attempts_max=5, on_person_failure=OnPersonFailure.HOLD_BACK)
    wired = evolve(host(world, rules), name_run=named)
    seen = survey(wired, repair=False)
    go = Proceed(NEW, ("ben", "ann"), (("cid", "is ahead"),))
    knows = world.builds[NEW].schema
    assert planned(wired, ev.Kind.RUN, go, seen) == ev.Plan(
        run="run-0300",
        kind=ev.Kind.RUN,
        candidate=NEW,
        base=OLD,
        moves=(
            ev.MovePlan("ben", OLD, NEW, knows=knows),
            ev.MovePlan("ann", OLD, NEW, knows=knows),
        ),
        bake=7.0,
        attempts_max=5,
        on_person_failure=OnPersonFailure.HOLD_BACK,
        staying=(("cid", "is ahead"),),
        all_people=("ann", "ben", "cid"),
    )


def test_a_check_does_not_answer_by_an_earlier_measurement() -> None:
    """Its moves know nothing of the build."""
    world = small_world("ann")
    world.measured = frozenset({NEW})
    wired = host(world)
    plan = planned(wired, ev.Kind.CHECK, Proceed(NEW, ("ann",)), survey(wired, repair=False))
    assert (plan.kind, plan.moves) == (ev.Kind.CHECK, (ev.MovePlan("ann", OLD, NEW),))


@pytest.mark.parametrize(
    ("default", "last_good", "base"),
    [(OLD, NEW, OLD), (None, NEW, NEW), (OLD, None, OLD), (None, None, NEWER)],
)
def test_the_control_is_the_default_build(
    default: Version | None, last_good: Version | None, base: Version
) -> None:
    """Without one it is last-good, and without that the build of the first person who moves."""
    world = small_world("ann", "ben")
    publish(world, NEWER, NEWEST)
    put_on(world, NEWER, "ann")
    wired = host(world)
    seen = survey(wired, repair=False)
    seen = evolve(seen, standing=evolve(seen.standing, last_good=last_good))
    world.default = default
    plan = planned(wired, ev.Kind.RUN, Proceed(NEWEST, ("ann", "ben")), seen)
    assert plan.base == base


def test_without_any_build_there_is_no_plan() -> None:
    """The error names the command that selects one."""
    world = small_world("ann")
    wired = host(world)
    seen = survey(wired, repair=False)
    world.default = None
    seen = evolve(seen, standing=evolve(seen.standing, last_good=None))
    with pytest.raises(SelectionError, match=r"^no build is selected on this host; `t3safe adopt`"):
        planned(wired, ev.Kind.CHECK, Proceed(NEW, ()), seen)


# What is asked of the registry.


def test_the_registry_s_releases_are_asked_for_only_where_they_count() -> None:
    """For a minimum age or a hold; and a pin asks nothing."""
    world = small_world("ann")
    wired = host(world)
    assert offered(wired, Policy()) == Offer(NEW)
    for policy in (Policy(age_min=DAY), Policy(held=frozenset({NEWEST}))):
        offer = offered(wired, policy)
        assert offer is not None
        assert {release.version for release in offer.releases} == {OLD, NEW}
    world.log.clear()
    assert offered(wired, Policy(pin=NEW)) is None
    assert not called(world, "registry")


def test_outside_the_window_the_registry_is_not_asked() -> None:
    """Nothing is done, and what held up earlier runs is not over."""
    world = small_world("ann")
    world.held_up = EPOCH - DAY
    window = outside(world)
    result = run(host(world, Rules(Policy(window=window))))
    times = f"{window.opens:%H:%M} to {window.closes:%H:%M}"
    assert result == Result(
        None, f"outside the maintenance window {times}", stayed=SkipReason.NOTHING
    )
    assert not called(world, "registry")
    assert (plans(world), world.held_up) == ([], EPOCH - DAY)


def test_a_registry_that_does_not_answer_is_later() -> None:
    """The reason is the registry's; a bake that is due waits, too."""
    world = small_world("ann", "ben")
    put_on(world, NEW, "ann")
    written(world, stopped(("ann", Status.MOVED)))
    world.registry_down = "it answers 503"
    reason = "cannot read the tag nightly: it answers 503; the next run asks again"
    assert run(host(world)) == Result(None, reason, stayed=SkipReason.LATER)
    assert plans(world) == []


def test_a_build_is_taken_once_it_is_old_enough() -> None:
    """The age counts back from now."""
    world = small_world("ann")
    world.builds[NEW] = evolve(world.builds[NEW], age_days=2.0)
    young = run(host(world, Rules(Policy(age_min=3 * DAY))))
    text = f"no nightly build up to {NEW} is old enough and not held"
    assert young == Result(None, text, stayed=SkipReason.NOTHING)
    assert run(host(world, Rules(Policy(age_min=DAY)))).outcome is ev.Outcome.PROMOTED


def test_a_build_that_was_refused_before_is_known() -> None:
    """The result says so, with the command that lets it be tried again."""
    world = small_world("ann")
    world.held_up = EPOCH - DAY
    refuse(world, NEW)
    text = f"{NEW} was refused: it loses rows; `t3safe allow {NEW}` lets it be tried again"
    assert run(host(world)) == Result(None, text, stayed=SkipReason.REFUSED, known=True)
    assert (plans(world), world.held_up) == ([], EPOCH - DAY)


def test_a_candidate_comes_with_the_warnings_of_the_night() -> None:
    """They are the survey's, and how far the host is behind."""
    world = small_world("ann")
    wired = host(world, Rules(stale_after=ALWAYS))
    seen = evolve(survey(wired, repair=False), warnings=("of the survey",))
    assert candidate(wired, seen) == (
        Proceed(NEW, ("ann",)),
        ("of the survey", f"STALE: {OLD} is 1 days behind {NEW}"),
    )
    assert not called(world, "stage")


def test_a_skip_is_what_the_policy_says() -> None:
    """A survey of a frozen host has no candidate, and nothing is asked for one."""
    world = small_world("ann")
    world.frozen = "rolled back r001"
    wired = host(world)
    seen: Survey = survey(wired, repair=False)
    assert candidate(wired, seen) == (Skip(SkipReason.FROZEN, "rolled back r001"), ())
    assert not called(world, "registry")


# What comes first.


def test_an_unfinished_run_that_ends_badly_ends_this_one() -> None:
    """No other run is opened."""
    world = small_world("ann", candidate=[Defect.MUTE])
    world.people["ann"].restore_fails = 99
    assert drive(world).outcome == "needs-human"
    del world.journal.written["r001"][-1]
    world.journal.closed.clear()
    world.launcher_replaced = "it was replaced"
    result = run(host(world))
    assert (result.outcome, result.run) == (ev.Outcome.NEEDS_HUMAN, "r001")
    assert len(plans(world)) == 1
    assert world.launcher_replaced == "it was replaced"


@pytest.mark.parametrize("operation", [run, drain])
def test_a_fence_that_cannot_be_lifted_ends_the_run(operation: Callable[[Host], Result]) -> None:
    """A human is needed first, and no one else is moved."""
    world = small_world("ann", "ben")
    world.people["ann"].fenced = True
    result = operation(host(world))
    assert result.outcome is ev.Outcome.NEEDS_HUMAN
    assert "ann is fenced, and no run tells why" in result.reason
    assert (plans(world), world.people["ben"].link) == ([], OLD)


@pytest.mark.parametrize("operation", [run, drain])
def test_a_frozen_host_moves_no_one_and_tries_no_sign_in(
    operation: Callable[[Host], Result],
) -> None:
    """The launcher is restored all the same, and that is said."""
    world = small_world("ann", "ben", candidate=[Defect.MUTE])
    put_on(world, NEW, "ann")
    world.frozen = "rolled back r001"
    world.launcher_replaced = "it was replaced"
    assert operation(host(world)) == Result(
        None, "rolled back r001", stayed=SkipReason.FROZEN, warnings=(RESTORED,)
    )
    assert (plans(world), called(world, "verify"), called(world, "registry")) == ([], False, False)


@pytest.mark.parametrize("operation", [run, drain])
def test_a_sign_in_that_does_not_work_ends_the_run(operation: Callable[[Host], Result]) -> None:
    """The survey's warnings come before those of the attempt."""
    world = small_world("ann", "ben", candidate=[Defect.MUTE])
    put_on(world, NEW, "ann")
    world.launcher_replaced = "it was replaced"
    result = operation(host(world))
    text = (
        f"NEEDS A HUMAN: UNEXPLAINED BUILD: no run tells why ann is on {NEW}, not on last-good;"
        f" sign-in does not work: the serve of {NEW} answers the exchange with 500;"
        " `t3safe rollback ann` starts the rollback"
    )
    assert result == Result(ev.Outcome.NEEDS_HUMAN, text, warnings=(RESTORED, text))
    assert (plans(world), world.launcher_replaced) == ([], "")


def test_a_sign_in_that_works_is_a_warning_beside_the_run() -> None:
    """The others are moved to the build, and nothing else is different."""
    world = small_world("ann", "ben")
    put_on(world, NEW, "ann")
    world.launcher_replaced = "it was replaced"
    result = run(host(world))
    assert result.outcome is ev.Outcome.PROMOTED
    why = f"UNEXPLAINED BUILD: no run tells why ann is on {NEW}, not on last-good"
    assert result.warnings == (RESTORED, f"{why}; sign-in works there")
    (plan,) = plans(world)
    assert (plan.kind, [move.person for move in plan.moves]) == (ev.Kind.RUN, ["ben"])
