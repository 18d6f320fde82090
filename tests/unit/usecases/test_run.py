"""What `run` and `drain` plan, what they refuse, and what they warn of beside the outcome."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import pytest
from attrs import evolve

from fakes.world import (
    EPOCH,
    NEW,
    NEWER,
    NEWEST,
    OLD,
    Defect,
    World,
    drive,
    host,
    make_build,
    small_world,
)
from fakes.world.scenes import LEVELS
from t3safe.domain import events as ev
from t3safe.domain.errors import SelectionError, ServiceError
from t3safe.domain.gate import OnPersonFailure, Ruling, Verdict
from t3safe.domain.move import Status
from t3safe.domain.policy import Offer, Policy, Proceed, Skip, SkipReason, Window
from t3safe.domain.pressure import Pressure
from t3safe.domain.runs import RunRecord
from t3safe.domain.versions import Version
from t3safe.person import IdleCheck
from t3safe.usecases.host import Host, Result, Rules
from t3safe.usecases.run import candidate, drain, offered, planned, run
from t3safe.usecases.survey import Survey, survey
from tests.unit.usecases.hosts import WrittenRuns, failing, record

DAY: Final = timedelta(days=1)
ALWAYS: Final = timedelta(0)
RESTORED: Final = "LAUNCHER RESTORED: it was replaced"
ON_NEW: Final = f"nothing to do: everyone is on {NEW} (nightly)"
OVERLOAD: Final = (
    "the host is overloaded: the load average is 5.0 for each processor (`pressure.load_max` is 4)"
)


def written(world: World, *records: RunRecord) -> WrittenRuns:
    """Give the world a journal with these records, the newest first."""
    world.journal = journal = WrittenRuns(records=records)
    return journal


def deferred(*people: str, new: Version = NEW, hours: float = -24) -> RunRecord:
    """Write the run that deferred these people, a day before the epoch."""
    moves = tuple((person, Status.DEFERRED) for person in people)
    return record("r1", *moves, outcome=ev.Outcome.DEFERRED, new=new, hours=hours)


def stopped(*moves: tuple[str, Status], new: Version = NEW) -> RunRecord:
    """Write a run that was interrupted after these moves."""
    return record("r1", *moves, outcome=ev.Outcome.INTERRUPTED, new=new, hours=-24)


def put_on(world: World, build: Version, *names: str) -> None:
    """Let these people run a build of the store."""
    world.store.add(build)
    for name in names:
        world.halt(name)
        world.people[name].link = build
        world.launch(name)


def publish(world: World, *builds: Version) -> None:
    """Publish builds without a defect; the tag points at the last."""
    world.publish(*(make_build(build.text, LEVELS[build]) for build in builds))


def refuse(world: World, build: Version) -> None:
    """Let this gate have refused a build."""
    world.verdicts[build] = (Verdict(build, Ruling.REFUSED, ("it loses rows",)), world.fingerprint)


def plans(world: World) -> list[ev.Plan]:
    """Return the plans that were opened, in order."""
    firsts = [events[0] for events in world.journal.written.values()]
    return [first.plan for first in firsts if isinstance(first, ev.Opened)]


def called(world: World, operation: str) -> bool:
    """Whether a port was called so."""
    return any(entry[0] == operation for entry in world.log)


def outside(world: World) -> Window:
    """Return a maintenance window that opens in an hour, by the host's local time."""
    local = world.clock.astimezone()
    hours = (local + timedelta(hours=1), local + timedelta(hours=2))
    return Window(hours[0].time(), hours[1].time())


def named(at: datetime) -> str:
    """Name a run by its time."""
    return f"{at:run-%H%M}"


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


# What is warned of.


def test_a_host_is_stale_by_what_it_runs_after_the_run() -> None:
    """A promoted build is compared with the tag, not the build before it."""
    world = small_world("ann")
    promoted = run(host(world, Rules(stale_after=ALWAYS)))
    assert (promoted.outcome, promoted.warnings) == (ev.Outcome.PROMOTED, ())
    world = small_world("ann", candidate=[Defect.SHRINKS])
    refused = run(host(world, Rules(stale_after=ALWAYS)))
    assert refused.outcome is ev.Outcome.REFUSED
    assert refused.warnings == (f"STALE: {OLD} is 1 days behind {NEW}",)


def test_a_host_may_be_so_far_behind_as_the_owner_says() -> None:
    """On the last such day it is not stale; without last-good no one can tell."""
    world = small_world("ann")
    publish(world, NEWER)
    warned = {}
    for days in (1, 2):
        wired = host(world, Rules(stale_after=days * DAY))
        warned[days] = candidate(wired, survey(wired, repair=False))[1]
    assert warned == {1: (f"STALE: {OLD} is 2 days behind {NEWER}",), 2: ()}
    world.last_good = None
    wired = host(world, Rules(stale_after=ALWAYS))
    assert candidate(wired, survey(wired, repair=False))[1] == ()


def test_people_who_wait_for_too_long_are_named() -> None:
    """With the build, the day and the reason; also when the map cannot be read any more."""
    world = small_world("ann", "ben")
    written(world, deferred("ann", hours=-8 * 24))
    wired = host(world)
    seen = evolve(survey(wired, repair=False), warnings=("of the survey",))
    world.people_unknown = "the map is gone"
    text = (
        f"DEFERRED TOO LONG: ann waits for {NEW} since 2026-06-08 (ann is deferred);"
        " `t3safe drain` moves them when idle"
    )
    assert candidate(wired, seen)[1] == ("of the survey", text)
    patient = evolve(wired, rules=Rules(deferred_max=9 * DAY))
    assert candidate(patient, seen)[1] == ("of the survey",)


def test_an_overloaded_host_is_loud_once_that_lasts() -> None:
    """The other warnings stay, and the time when it began."""
    world = small_world("ann")
    world.pressure = Pressure(load=5.0)
    world.launcher_replaced = "it was replaced"
    first = run(host(world))
    began = world.clock
    assert first == Result(
        None, OVERLOAD, stayed=SkipReason.LATER, held_up=True, warnings=(RESTORED,)
    )
    assert world.held_up == began
    world.held_up = EPOCH - 4 * DAY
    world.launcher_replaced = "it was replaced"
    loud = "HOST OVERLOADED: no run could move anybody since 2026-06-12 03:00 UTC"
    assert run(host(world)) == evolve(first, warnings=(RESTORED, loud))
    assert (plans(world), world.held_up) == ([], EPOCH - 4 * DAY)


def held_up_after(world: World, operation: Callable[[Host], Result]) -> datetime | None:
    """Return since when runs are held up, after an operation on a host that was held up."""
    world.held_up = EPOCH - DAY
    assert not operation(host(world)).held_up
    return world.held_up


def test_a_hold_up_is_over_once_a_run_was_opened_or_there_is_nothing_to_do() -> None:
    """Where no one waits to be moved, a drain says nothing about it."""
    world = small_world("ann")
    operations = (drain, run, run)
    since = [held_up_after(world, operation) for operation in operations]
    assert since == [EPOCH - DAY, None, None]
    assert [plan.kind for plan in plans(world)] == [ev.Kind.RUN]
    assert run(host(world)) == Result(None, ON_NEW, stayed=SkipReason.NOTHING)


# A drain.


def test_a_drain_moves_those_who_wait_and_are_idle() -> None:
    """Not who is at work, cannot be looked at, or does not wait."""
    world = small_world("dan", "ann", "ben", "cid", "eva")
    world.work("ben")
    written(world, deferred("ann", "ben", "cid", "eva"))
    wired = host(world)
    broken = failing(wired, "services", "cid", status=ServiceError("cannot look at the serve"))
    result = drain(evolve(wired, idle=IdleCheck(broken.ports, pause=world.advance)))
    assert plans(world) == [
        ev.Plan(
            run="r001",
            kind=ev.Kind.DRAIN,
            candidate=NEW,
            base=OLD,
            moves=(ev.MovePlan("ann", OLD, NEW), ev.MovePlan("eva", OLD, NEW)),
            bake=600.0,
            all_people=("dan", "ann", "ben", "cid", "eva"),
        )
    ]
    assert result.outcome is not None
    links = {name: person.link for name, person in world.people.items()}
    assert links == {"dan": OLD, "ann": NEW, "ben": OLD, "cid": OLD, "eva": NEW}


def test_a_drain_leaves_all_as_they_are_while_no_one_who_waits_is_idle() -> None:
    """They are named in the order of the alphabet; nothing is staged."""
    world = small_world("cid", "ann", "ben")
    world.work("ann")
    world.work("cid")
    world.launcher_replaced = "it was replaced"
    written(world, deferred("cid", "ann"))
    assert drain(host(world)) == Result(
        None,
        "no waiting person is idle: ann, cid",
        stayed=SkipReason.NOTHING,
        warnings=(RESTORED,),
    )
    assert (plans(world), called(world, "stage")) == ([], False)


def test_a_drain_has_nothing_to_do_while_no_one_waits() -> None:
    """The registry is not asked for it."""
    world = small_world("ann")
    assert drain(host(world)) == Result(None, "nobody waits to be moved", stayed=SkipReason.NOTHING)
    assert (plans(world), called(world, "registry")) == ([], False)


def test_a_drain_asks_neither_for_the_window_nor_for_a_build_s_age() -> None:
    """Both were asked for when the people were deferred."""
    world = small_world("ann")
    written(world, deferred("ann"))
    policy = Policy(age_min=9 * DAY, window=outside(world))
    drain(host(world, Rules(policy)))
    assert [plan.candidate for plan in plans(world)] == [NEW]
    assert not called(world, "registry")


@pytest.mark.parametrize(("last_good", "build"), [(OLD, NEW), (NEWER, NEWER), (None, NEW)])
def test_a_drain_moves_to_the_newest_build_that_anyone_waits_for(
    last_good: Version | None, build: Version
) -> None:
    """Or to last-good, where that is newer by now."""
    world = small_world("ann", "ben")
    publish(world, NEWER)
    world.store.add(NEWER)
    records = (deferred("ann"), record("r0", ("ben", Status.DEFERRED), new=OLD, hours=-30))
    explained = record("r00", ("ann", Status.REFUSED), ("ben", Status.REFUSED), hours=-40)
    written(world, *records, explained)
    world.last_good = last_good
    drain(host(world))
    assert [(plan.kind, plan.candidate) for plan in plans(world)] == [(ev.Kind.DRAIN, build)]


def test_a_drain_does_not_move_to_a_build_that_was_refused_since() -> None:
    """The result says that it is known."""
    world = small_world("ann")
    written(world, deferred("ann"))
    refuse(world, NEW)
    result = drain(host(world))
    assert (result.stayed, result.known, plans(world)) == (SkipReason.REFUSED, True, [])


def test_a_drain_goes_by_the_people_that_it_found_first() -> None:
    """A map that cannot be read any more after the survey changes nothing."""
    world = small_world("ann", "ben")
    put_on(world, NEW, "ann")
    written(world, record("r1", ("ben", Status.DEFERRED), new=NEW, hours=-24))
    world.on("verify", "ann", lambda found: setattr(found, "people_unknown", "the map is gone"))
    drain(host(world))
    assert world.people_unknown == "the map is gone"
    assert [[move.person for move in plan.moves] for plan in plans(world)] == [["ben"]]


# The bake of those whom an interrupted run had moved.


def baked(world: World, *people: str, run_name: str = "r001") -> ev.Plan:
    """Return the plan of a bake of NEW."""
    return ev.Plan(
        run=run_name,
        kind=ev.Kind.BAKE,
        candidate=NEW,
        base=OLD,
        moves=(),
        bake=600.0,
        all_people=tuple(world.people),
        baking=people,
    )


def test_those_whom_an_interrupted_run_moved_are_baked_before_others_move() -> None:
    """Then the others move, on the host as the bake left it; it is repaired once."""
    world = small_world("ann", "ben")
    put_on(world, NEW, "ann")
    written(world, stopped(("ann", Status.MOVED)))
    world.launcher_replaced = "it was replaced"
    world.on("promote", NEW.text, lambda found: setattr(found, "launcher_replaced", "once more"))
    result = run(host(world))
    bake, moving = plans(world)
    assert bake == baked(world, "ann")
    assert (moving.run, moving.kind, moving.base) == ("r002", ev.Kind.RUN, NEW)
    assert [move.person for move in moving.moves] == ["ben"]
    assert (result.outcome, result.run) == (ev.Outcome.PROMOTED, "r002")
    assert (result.warnings, world.launcher_replaced) == ((RESTORED,), "once more")


def test_a_bake_that_fails_ends_the_run() -> None:
    """No other person moves to that build; the result is the bake's, with the warnings."""
    world = small_world("ann", "ben", candidate=[Defect.MUTE])
    put_on(world, NEW, "ann")
    written(world, stopped(("ann", Status.MOVED)))
    world.launcher_replaced = "it was replaced"
    result = run(host(world, Rules(stale_after=ALWAYS)))
    assert plans(world) == [baked(world, "ann")]
    assert result.run == "r001"
    assert result.outcome is not ev.Outcome.PROMOTED
    assert result.warnings == (RESTORED, f"STALE: {OLD} is 1 days behind {NEW}")
    assert world.people["ben"].link == OLD


def test_a_bake_alone_is_the_run_where_no_one_is_left_to_move() -> None:
    """How far the host is behind counts from the baked build."""
    world = small_world("ann")
    publish(world, NEWER)
    put_on(world, NEW, "ann")
    written(world, stopped(("ann", Status.MOVED)))
    rules = Rules(Policy(held=frozenset({NEWER})), stale_after=ALWAYS)
    result = run(host(world, rules))
    assert plans(world) == [baked(world, "ann")]
    assert (result.outcome, result.run) == (ev.Outcome.PROMOTED, "r001")
    assert result.warnings == (f"STALE: {NEW} is 1 days behind {NEWER}",)


def test_only_those_are_baked_whom_the_run_moved_and_who_are_still_there() -> None:
    """Moved or kept by that run, and on its build now."""
    world = small_world("ann", "ben", "cid", "dan", "eva")
    put_on(world, NEW, "ann", "cid", "dan")
    moves = (
        ("ann", Status.MOVED),
        ("ben", Status.MOVED),
        ("cid", Status.KEPT),
        ("dan", Status.REFUSED),
        ("eva", Status.DEFERRED),
    )
    written(world, stopped(*moves))
    run(host(world))
    assert plans(world)[0] == baked(world, "ann", "cid")


@pytest.mark.parametrize("kind", [ev.Kind.CHECK, ev.Kind.BACK])
def test_a_check_or_a_rollback_since_then_does_not_hide_the_run(kind: ev.Kind) -> None:
    """The run before it is baked; an unfinished record does not hide it either."""
    world = small_world("ann")
    put_on(world, NEW, "ann")
    since = record("r2", ("ann", Status.MOVED), kind=kind, new=NEWER, outcome=ev.Outcome.PROMOTED)
    open_run = record("r3", outcome=None)
    written(world, open_run, since, stopped(("ann", Status.MOVED)))
    run(host(world))
    assert plans(world) == [baked(world, "ann")]


def test_a_run_that_was_promoted_since_needs_no_bake() -> None:
    """What came before it was baked with it."""
    world = small_world("ann")
    put_on(world, NEW, "ann")
    world.last_good = world.default = NEW
    written(world, record("r2"), stopped(("ann", Status.MOVED)))
    assert run(host(world)) == Result(None, ON_NEW, stayed=SkipReason.NOTHING)
    assert plans(world) == []


def test_a_run_that_moved_no_one_has_no_bake() -> None:
    """The run goes on with those who wait."""
    world = small_world("ann", "ben")
    written(world, stopped(("ann", Status.DEFERRED)))
    run(host(world))
    assert [plan.kind for plan in plans(world)] == [ev.Kind.RUN]


def test_a_build_that_was_refused_since_is_not_baked() -> None:
    """No bake may promote it."""
    world = small_world("ann")
    put_on(world, NEW, "ann")
    refuse(world, NEW)
    written(world, stopped(("ann", Status.MOVED)))
    assert run(host(world)) == Result(None, ON_NEW, stayed=SkipReason.NOTHING)
    assert plans(world) == []


def test_people_move_on_to_a_newer_build_without_the_bake_of_the_older() -> None:
    """All of them, in one run."""
    world = small_world("ann", "ben")
    publish(world, NEWER)
    put_on(world, NEW, "ann")
    written(world, stopped(("ann", Status.MOVED)))
    run(host(world))
    assert [(plan.kind, plan.candidate) for plan in plans(world)] == [(ev.Kind.RUN, NEWER)]
    assert [move.person for move in plans(world)[0].moves] == ["ann", "ben"]


def test_a_skip_is_what_the_policy_says() -> None:
    """A survey of a frozen host has no candidate, and nothing is asked for one."""
    world = small_world("ann")
    world.frozen = "rolled back r001"
    wired = host(world)
    seen: Survey = survey(wired, repair=False)
    assert candidate(wired, seen) == (Skip(SkipReason.FROZEN, "rolled back r001"), ())
    assert not called(world, "registry")
