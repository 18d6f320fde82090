"""Whole nights over the fake world: who is moved, who is left alone, and why."""

from __future__ import annotations

import pytest

from fakes.world import (
    NEW,
    NEWER,
    OLD,
    Defect,
    World,
    host,
    make_build,
    small_world,
    version,
)
from fakes.world.scenes import LEVELS
from t3safe.domain import events as ev
from t3safe.domain.gate import OnPersonFailure
from t3safe.domain.move import Status
from t3safe.domain.policy import SkipReason
from t3safe.entrypoints.app import exit_of
from t3safe.entrypoints.exits import Exit
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.updater import ServiceState, Traces
from t3safe.usecases.check import check
from t3safe.usecases.host import Rules
from t3safe.usecases.run import drain, run
from t3safe.usecases.survey import left_behind, obstacle_of
from tests.scenarios.nights import (
    DAY,
    host_fails,
    move_of,
    night,
    operations_since,
    publish,
    running,
    statuses,
    untouched,
)

# Healthy nights.


def test_a_healthy_night_moves_the_idle_and_defers_the_busy() -> None:
    """Three idle people are moved one by one, the busy one stays, the build is promoted."""
    world = small_world("ann", "bob", "cid", "dan")
    world.work("dan")
    before = world.people["dan"].clone()

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEW, "bob": NEW, "cid": NEW, "dan": OLD}
    assert statuses(result)["dan"] is Status.DEFERRED
    assert (world.default, world.last_good, world.previous_good) == (NEW, NEW, OLD)
    assert (world.people["dan"].pid, world.people["dan"].ledger()) == (before.pid, before.ledger())
    starts = [who for operation, who, _ in world.log if operation == "start"]
    assert list(dict.fromkeys(starts)) == ["ann", "bob", "cid"]


def test_the_order_of_a_move_is_that_of_the_design() -> None:
    """Idle, pairs now, idle, fence, stop, copy at rest, select, start, verify.

    The bake pairs them on and on; the promotion at the end touches nobody who has their own build.
    """
    world = small_world("ann")

    night(world)

    order = [operation for operation, who, _ in world.log if who == "ann"]
    moving = order[order.index("status") :]
    calls = [operation for operation in moving if operation not in {"paired", "ran"}]
    assert list(dict.fromkeys(calls)) == [
        "status",
        "verify",
        "fence",
        "stop",
        "clear",
        "snapshot",
        "select",
        "start",
    ]
    assert moving[:4] == ["status", "verify", "paired", "status"]
    verified, watched = ["verify", "paired"], ["paired"] * 3
    assert moving[-5:] == [*verified, *watched]


def test_a_build_with_a_second_database_is_moved_to_and_back_from() -> None:
    """A set that gains a database is restored without it when the build fails in production."""
    world = small_world("ann")
    world.publish(make_build(NEW.text, 32, Defect.MUTE, v2=3))

    result = night(world)

    assert result.outcome is ev.Outcome.ROLLED_BACK
    assert list(world.people["ann"].databases) == [V1_DATABASE]
    assert running(world) == {"ann": OLD}


def test_nothing_to_do_asks_the_registry_and_nothing_else() -> None:
    """Everybody on the tag's build: nothing is installed, copied or started."""
    world = small_world("ann", "bob")
    world.tag = OLD
    mark = len(world.log)

    result = night(world)

    assert (result.outcome, result.stayed) == (None, SkipReason.NOTHING)
    assert operations_since(world, mark) == {"registry"}


@pytest.mark.parametrize(
    "busy",
    ["turn", "approval", "input", "recent", "agent", "unreadable"],
)
def test_whoever_may_have_work_is_deferred(busy: str) -> None:
    """Each sign of work, and not being able to tell, leaves the person alone."""
    world = small_world("ann", "bob")
    bob = world.people["bob"]
    match busy:
        case "turn":
            world.work("bob")
        case "approval":
            bob.approvals = 2
        case "input":
            bob.inputs = 1
        case "recent":
            world.on("fence", "ann", lambda at: setattr(at.people["bob"], "last_activity", at.now))
        case "agent":
            bob.tracked, bob.agents = False, ("claude",)
        case _:
            world.on(
                "fence", "ann", lambda at: setattr(at.people["bob"], "unreadable", "file is locked")
            )

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert statuses(result) == {"ann": Status.MOVED, "bob": Status.DEFERRED}
    assert running(world)["bob"] == OLD


# Refusals before anybody is touched.


def test_a_migration_that_breaks_on_one_persons_rows_touches_nobody() -> None:
    """Refused in rehearsal for one person's old rows; nobody is fenced, stopped or moved."""
    world = small_world("ann", "bob", "cid", candidate=[Defect.CHOKES])
    world.people["bob"].old_rows = True
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.REFUSED
    assert "bob" in result.reason
    assert "migration failed" in result.reason
    assert untouched(world, mark)
    assert running(world) == dict.fromkeys(world.people, OLD)
    assert not world.frozen


@pytest.mark.parametrize(
    "defect",
    [Defect.SILENT, Defect.SHRINKS, Defect.PAIRLESS, Defect.FORGETFUL, Defect.NOISY],
)
def test_every_defect_that_the_gate_can_see_is_refused_untouched(defect: Defect) -> None:
    """The control passes where the candidate fails: refused, and remembered."""
    world = small_world("ann", "bob", candidate=[defect])
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.REFUSED
    assert untouched(world, mark)
    assert list(world.verdicts) == [NEW]


def test_a_refused_build_is_not_tried_again_until_the_gate_changes_or_a_person_allows_it() -> None:
    """The second night stays without installing; a new gate, or `allow`, tries again."""
    world = small_world("ann", candidate=[Defect.PAIRLESS])
    night(world)
    mark = len(world.log)

    again = night(world)

    assert again.stayed is SkipReason.REFUSED
    assert "allow" in again.reason
    assert operations_since(world, mark) == {"registry"}

    world.fingerprint = "gate-2"
    assert night(world).outcome is ev.Outcome.REFUSED
    host(world).ports.verdicts.allow(NEW)
    assert night(world).outcome is ev.Outcome.REFUSED


def test_a_foreign_package_is_refused_before_any_copy_is_made() -> None:
    """What is not t3 is refused at the stage."""
    world = small_world("ann", candidate=[Defect.FOREIGN])
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.REFUSED
    assert "foreign" in result.reason
    assert "snapshot" not in operations_since(world, mark)
    assert NEW not in world.store


def test_a_persons_own_failure_holds_back_only_them_where_the_owner_chose_so() -> None:
    """With the hold-back policy the others move, and the default does not reach the held one."""
    world = small_world("ann", "bob", candidate=[Defect.CHOKES])
    world.people["bob"].old_rows = True

    result = night(world, rules=Rules(on_person_failure=OnPersonFailure.HOLD_BACK))

    assert result.outcome is ev.Outcome.PROMOTED
    assert statuses(result) == {"ann": Status.MOVED, "bob": Status.HELD_BACK}
    assert running(world) == {"ann": NEW, "bob": OLD}


def test_data_ahead_of_every_build_holds_back_that_person_alone() -> None:
    """She ran a newer t3 once: no build passes on her copy, and the gate is not broken by that."""
    world = small_world("ann", "bob")
    world.run_elsewhere("ann", 40)
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert statuses(result) == {"ann": Status.HELD_BACK, "bob": Status.MOVED}
    assert "33_Step33" in move_of(result, "ann").reason
    assert "ann" not in {who for operation, who, _ in world.log[mark:] if operation == "stop"}
    assert exit_of(result) is Exit.REFUSED


def test_data_ahead_of_every_build_is_no_broken_gate_for_a_person_alone() -> None:
    """Empty data shows that the gate works; the run is refused, and nothing is held."""
    world = small_world("ann")
    world.run_elsewhere("ann", 40)
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.REFUSED
    assert statuses(result) == {"ann": Status.HELD_BACK}
    assert untouched(world, mark)
    assert host(world).ports.verdicts.refused(world.fingerprint) == ()


def test_data_known_to_be_ahead_is_refused_without_a_rehearsal() -> None:
    """The second night it is known what the build knows: the next step is said at once."""
    world = small_world("ann", "bob")
    world.run_elsewhere("ann", 40)
    night(world)
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.REFUSED
    assert statuses(result) == {"ann": Status.REFUSED}
    assert "`t3safe check VERSION`" in move_of(result, "ann").reason
    assert "rehearse" not in operations_since(world, mark)
    assert exit_of(result) is Exit.REFUSED
    wired = host(world)
    obstacle = obstacle_of(wired, "ann")
    assert obstacle is not None
    assert "state.sqlite: 33_Step33" in obstacle.seen
    assert obstacle_of(wired, "bob") is None
    assert set(left_behind(wired)) == {"ann"}


def test_data_that_t3s_own_updater_migrated_names_it() -> None:
    """She alone is held up; run and `doctor` say which version took her data along."""
    world = small_world("ann", "bob")
    world.run_elsewhere("ann", 40)
    world.people["ann"].updater = Traces(state=ServiceState(target="0.0.30", status="committed"))
    night(world)

    result = night(world)

    assert statuses(result) == {"ann": Status.REFUSED}
    assert "t3's own updater took it to 0.0.30" in move_of(result, "ann").reason
    obstacle = obstacle_of(host(world), "ann")
    assert obstacle is not None
    assert "t3's own updater took it to 0.0.30" in obstacle.fix


def test_a_build_that_may_know_the_data_is_tried() -> None:
    """A release that was never measured goes through the gate with her data."""
    world = small_world("ann", "bob")
    world.run_elsewhere("ann", 33)
    night(world)
    publish(world, NEWER, 33)

    result = night(world)

    assert statuses(result)["bob"] is Status.MOVED
    assert ("gate-passed", "ann", NEWER.text) in world.log
    assert statuses(result)["ann"] is Status.BROKEN_BEFORE


def test_who_leaves_a_database_open_is_neither_stopped_nor_in_the_way() -> None:
    """Two nights of two: she is told of the process, the others are moved."""
    world = small_world("ann", "bob")
    world.people["ann"].foreign = 4242
    for build in (NEW, NEWER):
        publish(world, build, LEVELS[build])
        mark = len(world.log)
        result = night(world)
        assert statuses(result) == {"ann": Status.DEFERRED, "bob": Status.MOVED}
        assert "process 4242 (sqlite3) has state.sqlite open: close it" in (
            move_of(result, "ann").reason
        )
        assert "ann" not in {who for done, who, _ in world.log[mark:] if done in {"fence", "stop"}}
        obstacle = obstacle_of(host(world), "ann")
        assert obstacle is not None
        assert str(obstacle) == move_of(result, "ann").reason
    world.people["ann"].foreign = 0
    night(world, drain)
    assert running(world) == {"ann": NEWER, "bob": NEWER}


def test_a_build_job_in_the_terminal_is_not_killed() -> None:
    """No turn is in flight, and a program uses a processor: deferred until it ends."""
    world = small_world("ann", "bob")
    world.people["ann"].job = "make"
    world.advance(3600.0)

    result = night(world)

    assert statuses(result) == {"ann": Status.DEFERRED, "bob": Status.MOVED}
    assert "make (process 7) used" in move_of(result, "ann").reason
    world.people["ann"].job = ""
    night(world, drain)
    assert running(world) == {"ann": NEW, "bob": NEW}


def test_a_time_after_now_defers_nobody_and_is_told_with_its_date() -> None:
    """An event of a clock that was years ahead is no activity; `status` and `doctor` report it."""
    world = small_world("ann")
    world.people["ann"].later = 20 * 365 * DAY
    assert "an activity is dated 2046-06-11" in host(world).idle.assess("ann").reason
    assert statuses(night(world)) == {"ann": Status.MOVED}


def test_a_holder_at_the_precheck_is_seen_before_the_fence() -> None:
    """The second look, right before the fence, sees what came since the first."""
    world = small_world("ann", "bob")
    world.on("verify", "ann", lambda at: setattr(at.people["ann"], "foreign", 4242))

    result = night(world)

    assert statuses(result) == {"ann": Status.DEFERRED, "bob": Status.MOVED}


def test_a_full_disk_at_one_persons_copy_refuses_for_that_person_alone() -> None:
    """A snapshot that fails is a refusal for that person, never a warning."""
    world = small_world("ann", "bob")
    world.people["bob"].disk_full = True

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert statuses(result) == {"ann": Status.MOVED, "bob": Status.REFUSED}
    assert "no space left" in move_of(result, "bob").reason
    assert (running(world)["bob"], world.people["bob"].snapshots) == (OLD, {})


# The gate itself, the registry, the dispatch: nothing is held against the build.


def test_a_broken_gate_is_reported_as_that() -> None:
    """Candidate and control fail: gate broken, nothing held, nobody touched."""
    world = small_world("ann", "bob")
    world.gate_broken = True
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.GATE_BROKEN
    assert host(world).ports.verdicts.refused(world.fingerprint) == ()
    assert untouched(world, mark)

    world.gate_broken = False
    assert night(world).outcome is ev.Outcome.PROMOTED


@pytest.mark.parametrize("down", ["registry", "npm", "parts"])
def test_failing_registry_is_later_and_held_against_nothing(down: str) -> None:
    """Registry down, npm failing and a release published in parts are no verdicts."""
    world = small_world("ann", candidate=[Defect.IN_PARTS] if down == "parts" else [])
    world.registry_down = "503" if down == "registry" else ""
    world.npm_fails = "exit status 1" if down == "npm" else ""
    mark = len(world.log)

    result = night(world)

    assert (result.outcome or result.stayed) in {ev.Outcome.LATER, SkipReason.LATER}
    assert world.verdicts == {}
    assert world.store == {OLD}
    assert untouched(world, mark)

    world.registry_down = world.npm_fails = ""
    publish(world, NEW, 32)
    assert night(world).outcome is ev.Outcome.PROMOTED


def test_a_dispatch_that_is_down_before_is_later_and_touches_nobody() -> None:
    """Nobody can pair now: that is the dispatch's fault, and nobody is stopped."""
    world = small_world("ann", "bob")
    world.dispatch_up = False
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.LATER
    assert "dispatch" in result.reason
    assert untouched(world, mark)
    assert host(world).ports.verdicts.refused(world.fingerprint) == ()


def test_a_dispatch_that_goes_down_mid_way_ends_the_night_without_blame() -> None:
    """The person in between stays on the new build, which pairs; nobody else is begun."""
    world = small_world("ann", "bob", "cid")
    world.on("start", "bob", lambda at: setattr(at, "dispatch_up", False))

    result = night(world)

    assert result.outcome is ev.Outcome.LATER
    assert running(world) == {"ann": NEW, "bob": NEW, "cid": OLD}
    assert statuses(result)["bob"] is Status.KEPT
    assert world.default == OLD
    assert not world.frozen


def _refuse_connections(world: World) -> None:
    host_fails(world, "dispatch broken")
    world.dispatch_broken = "connection refused"


def test_a_dispatch_that_cannot_be_asked_mid_way_is_not_blamed_on_the_build() -> None:
    """Pairing cannot be tried at all after the start: nothing is held against the build."""
    world = small_world("ann", "bob")
    world.on("start", "ann", _refuse_connections)

    result = night(world)

    assert result.outcome is not ev.Outcome.ROLLED_BACK
    assert host(world).ports.verdicts.refused(world.fingerprint) == ()


def test_a_dispatch_that_fails_only_for_a_while_is_not_blamed_on_the_build() -> None:
    """It fails as the new build is verified and is back for the old one: no verdict, no freeze."""
    world = small_world("ann", "bob")
    world.on("start", "ann", _refuse_connections)
    world.on("restore", "ann", lambda at: setattr(at, "dispatch_broken", ""))

    night(world)

    assert host(world).ports.verdicts.refused(world.fingerprint) == ()


def test_a_dispatch_that_goes_down_during_the_bake_promotes_nothing() -> None:
    """Those who moved stay, the bake is cut off, nothing is promoted or held."""
    world = small_world("ann")
    world.on("watch", NEW.text, lambda at: setattr(at, "dispatch_up", False))

    result = night(world)

    assert result.outcome is ev.Outcome.LATER
    assert world.default == OLD
    assert running(world) == {"ann": NEW}


# The policy's guards.


def test_a_tag_that_moves_backward_moves_nobody() -> None:
    """The tag is mutable: no downgrade."""
    world = small_world("ann")
    older = version("0.0.28-nightly.20260601.400")
    publish(world, older, 28)
    mark = len(world.log)

    result = night(world)

    assert result.stayed is SkipReason.REFUSED
    assert "NOT newer" in result.reason
    assert operations_since(world, mark) == {"registry"}


def test_a_tag_that_moves_between_two_reads_is_read_once() -> None:
    """What was chosen is what is staged, rehearsed, moved to and promoted."""
    world = small_world("ann", "bob")
    publish(world, NEWER, 33)
    world.tags = (NEW, NEWER)

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEW, "bob": NEW}
    assert sum(1 for operation, _, _ in world.log if operation == "registry") == 1


def test_a_pin_names_the_candidate_without_asking_the_registry() -> None:
    """A pinned host follows the pin, and then has nothing to do whatever the tag says."""
    world = small_world("ann")
    publish(world, NEWER, 33)
    host(world).ports.choices.pin(NEW, "known good")
    mark = len(world.log)

    assert night(world).outcome is ev.Outcome.PROMOTED
    assert night(world).stayed is SkipReason.NOTHING
    assert running(world) == {"ann": NEW}
    assert "registry" not in operations_since(world, mark)

    assert host(world).ports.choices.unpin()
    assert night(world).outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEWER}


def test_a_pin_below_what_a_person_runs_is_refused_with_the_command() -> None:
    """A pin is no downgrade; going back is a command of its own."""
    world = small_world("ann")
    night(world)
    host(world).ports.choices.pin(OLD, "")

    result = night(world)

    assert result.stayed is SkipReason.REFUSED
    assert "t3safe rollback ann --to" in result.reason
    assert running(world) == {"ann": NEW}


def test_a_held_version_is_passed_over_for_an_older_one() -> None:
    """The newest release that is not held is taken."""
    world = small_world("ann")
    publish(world, NEWER, 33)
    host(world).ports.choices.hold(NEWER, "seen to be bad elsewhere")

    assert night(world).outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEW}
    assert host(world).ports.choices.release(NEWER)
    assert night(world).outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEWER}


def test_a_frozen_host_says_so_on_every_run_and_asks_nobody() -> None:
    """Frozen stops run and drain, and the registry is not even asked."""
    world = small_world("ann")
    host(world).ports.switch.freeze("by hand")
    mark = len(world.log)

    for operation in (run, drain, run):
        result = night(world, operation)
        assert (result.stayed, result.reason) == (SkipReason.FROZEN, "by hand")
    assert operations_since(world, mark) == set()


def test_a_check_touches_nobody_whatever_it_finds() -> None:
    """`check` runs the gate alone and says passed or refused."""
    world = small_world("ann", "bob")
    publish(world, NEWER, 33, Defect.PAIRLESS)
    mark = len(world.log)

    assert night(world, lambda wired: check(wired, NEW)).outcome is ev.Outcome.PASSED
    assert night(world, lambda wired: check(wired, NEWER)).outcome is ev.Outcome.REFUSED
    assert untouched(world, mark)
    assert running(world) == {"ann": OLD, "bob": OLD}


def test_another_installers_launcher_is_put_back_and_said_loudly() -> None:
    """Every run checks the launcher first, also one that then stays."""
    world = small_world("ann")
    world.tag = OLD
    world.launcher_replaced = "a global t3 0.0.28 lay over the launcher"

    result = night(world)

    assert any("LAUNCHER RESTORED" in line for line in result.warnings)
    assert world.launcher_replaced == ""
