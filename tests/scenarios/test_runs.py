"""Whole nights over the fake world, each judged by the invariants after every journaled event."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from fakes import invariants
from fakes.world import (
    NEW,
    NEWER,
    NEWEST,
    OLD,
    Crash,
    Defect,
    Driven,
    FakePerson,
    Kind,
    Watch,
    World,
    drive,
    host,
    make_build,
    small_world,
    version,
)
from fakes.world.driving import Operation
from t3safe.domain import events as ev
from t3safe.domain.errors import StateError
from t3safe.domain.gate import OnPersonFailure
from t3safe.domain.moves import Move, Status
from t3safe.domain.policy import No, Policy, Track
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.versions import Version
from t3safe.engine import Limits
from t3safe.operations import Host, Result, Rules

TOUCHING = {"fence", "stop", "start", "select", "restore", "promote", "freeze"}
DAY = 86_400.0


def night(
    world: World,
    operation: Operation = Host.run,
    *,
    rules: Rules | None = None,
    limits: Limits | None = None,
) -> Result:
    """Run one operation without faults; it must keep every promise and leave nothing open."""
    driven = drive(world, operation, rules=rules, limits=limits)
    assert driven.violations == ()
    assert world.journal.unfinished() is None
    assert driven.result is not None
    return driven.result


def following(policy: Policy) -> Rules:
    return Rules(policy=policy)


def operations_since(world: World, mark: int) -> set[str]:
    return {operation for operation, _, _ in world.log[mark:]}


def selected(world: World) -> dict[str, Version | None]:
    return {name: None if p.fenced else p.link or world.default for name, p in world.people.items()}


def running(world: World) -> dict[str, Version | None]:
    return {name: person.running for name, person in world.people.items()}


def move_of(result: Result, person: str) -> Move:
    assert result.rollout is not None
    return next(move for move in result.rollout.moves if move.person == person)


def statuses(result: Result) -> dict[str, Status]:
    assert result.rollout is not None
    return {move.person: move.status for move in result.rollout.moves}


def publish(world: World, build: Version, level: int, *defects: Defect, victims: str = "") -> None:
    world.publish(make_build(build.text, level, *defects, victims=victims.split()))


def untouched(world: World, mark: int) -> bool:
    return not operations_since(world, mark) & TOUCHING


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


def test_promotion_comes_after_the_bake() -> None:
    """The bake takes its configured time, and the default stays until it is over."""
    world = small_world("ann")
    seen: list[Version | None] = []
    world.on("watch", NEW.text, lambda at: seen.append(at.default))
    began = world.now

    night(world, rules=Rules(bake=1200.0))

    assert seen == [OLD]
    assert world.default == NEW
    assert world.now - began > 1200


def test_the_order_of_a_move_is_that_of_the_design() -> None:
    """Idle, pairs now, idle, fence, stop, copy at rest, select, start, verify."""
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
        "snapshot",
        "select",
        "start",
    ]
    assert moving[:4] == ["status", "verify", "paired", "status"]
    assert moving[-2:] == ["verify", "paired"]


def test_a_build_with_a_second_database_is_moved_to_and_back_from() -> None:
    """A set that gains a database is restored without it when the build fails in production."""
    world = small_world("ann")
    world.publish(make_build(NEW.text, 32, Defect.MUTE, v2=3))

    result = night(world)

    assert result.outcome is ev.Outcome.ROLLED_BACK
    assert list(world.people["ann"].databases) == ["state.sqlite"]
    assert running(world) == {"ann": OLD}


def test_nothing_to_do_asks_the_registry_and_nothing_else() -> None:
    """Everybody on the tag's build: nothing is installed, copied or started."""
    world = small_world("ann", "bob")
    world.tag = OLD
    mark = len(world.log)

    result = night(world)

    assert (result.outcome, result.stayed) == (None, No.NOTHING)
    assert operations_since(world, mark) == {"registry"}


def test_a_run_that_moved_nobody_promotes_nothing() -> None:
    """All busy: the build is proven, everybody is deferred, the default stays."""
    world = small_world("ann", "bob")
    world.work("ann")
    world.people["bob"].approvals = 1
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.DEFERRED
    assert world.default == OLD
    assert untouched(world, mark)


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


def test_a_stale_mark_of_a_crash_is_not_work() -> None:
    """A turn's mark from before the serve's own start does not defer anybody."""
    world = small_world("ann")
    world.people["ann"].turn = -100.0

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED


def test_work_that_begins_while_pairing_is_checked_defers_the_person() -> None:
    """The idle rule is asked again right before the fence."""
    world = small_world("ann")
    world.on("verify", "ann", lambda at: at.work("ann"))
    mark = len(world.log)

    result = night(world)

    assert statuses(result) == {"ann": Status.DEFERRED}
    assert untouched(world, mark)


def test_a_serve_that_does_not_run_is_left_alone() -> None:
    """A person without a running serve is not started by a run."""
    world = small_world("ann", "bob")
    world.halt("bob")

    result = night(world)

    assert statuses(result) == {"ann": Status.MOVED, "bob": Status.NOT_RUNNING}
    assert world.people["bob"].pid is None
    assert selected(world)["bob"] == OLD


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

    assert again.stayed is No.REFUSED
    assert "allow" in again.reason
    assert operations_since(world, mark) == {"registry"}

    world.fingerprint = "gate-2"
    assert night(world).outcome is ev.Outcome.REFUSED
    host(world).perform.verdicts.allow(NEW)
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


def test_a_build_whose_handshake_the_dispatch_does_not_know_is_refused() -> None:
    """The contract check says to update the dispatch first."""
    world = small_world("ann")
    world.dispatch_cookies = frozenset({"other"})
    world.builds[OLD] = world.builds[OLD]

    result = night(world)

    assert result.outcome in {ev.Outcome.REFUSED, ev.Outcome.GATE_BROKEN}
    assert running(world) == {"ann": OLD}


def test_a_persons_own_failure_holds_back_only_them_where_the_owner_chose_so() -> None:
    """With the hold-back policy the others move, and the default does not reach the held one."""
    world = small_world("ann", "bob", candidate=[Defect.CHOKES])
    world.people["bob"].old_rows = True

    result = night(world, rules=Rules(on_person_failure=OnPersonFailure.HOLD_BACK))

    assert result.outcome is ev.Outcome.PROMOTED
    assert statuses(result) == {"ann": Status.MOVED, "bob": Status.HELD_BACK}
    assert running(world) == {"ann": NEW, "bob": OLD}


def test_a_full_disk_at_one_persons_copy_refuses_for_that_person_alone() -> None:
    """A snapshot that fails is a refusal for that person, never a warning."""
    world = small_world("ann", "bob")
    world.people["bob"].disk_full = True

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert statuses(result) == {"ann": Status.MOVED, "bob": Status.REFUSED}
    assert "no space left" in move_of(result, "bob").reason
    assert (running(world)["bob"], world.people["bob"].snapshots) == (OLD, {})


def test_a_full_disk_for_everybody_refuses_the_night() -> None:
    """Nobody could be copied: refused, nothing rehearsed, nothing held."""
    world = small_world("ann", "bob")
    for person in world.people.values():
        person.disk_full = True
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.REFUSED
    assert "rehearse" not in operations_since(world, mark)
    assert world.verdicts == {}


def test_a_full_disk_at_the_copy_at_rest_returns_the_person_to_the_old_build() -> None:
    """The disk fills between rehearsal and stop: the person is back on the old build, unharmed."""
    world = small_world("ann", "bob")
    world.on("stop", "ann", lambda at: setattr(at.people["ann"], "disk_full", True))

    result = night(world)

    assert statuses(result)["ann"] is Status.RETURNED
    assert running(world) == {"ann": OLD, "bob": NEW}
    assert world.people["ann"].restoring == ""


# The gate itself, the registry, the dispatch: nothing is held against the build.


def test_a_broken_gate_is_reported_as_that() -> None:
    """Candidate and control fail: gate broken, nothing held, nobody touched."""
    world = small_world("ann", "bob")
    world.gate_broken = True
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.GATE_BROKEN
    assert host(world).perform.verdicts.refused(world.fingerprint) == ()
    assert untouched(world, mark)

    world.gate_broken = False
    assert night(world).outcome is ev.Outcome.PROMOTED


def test_a_gate_that_cannot_be_run_is_later() -> None:
    """No rehearsal could be held at all: later, nothing held."""
    world = small_world("ann")
    world.gate_down = "no free port"
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.LATER
    assert world.verdicts == {}
    assert untouched(world, mark)


@pytest.mark.parametrize("trouble", ["registry", "npm", "parts"])
def test_trouble_with_the_registry_is_later_and_held_against_nothing(trouble: str) -> None:
    """Registry down, npm failing and a release published in parts are no verdicts."""
    world = small_world("ann", candidate=[Defect.IN_PARTS] if trouble == "parts" else [])
    world.registry_down = "503" if trouble == "registry" else ""
    world.npm_fails = "exit status 1" if trouble == "npm" else ""
    mark = len(world.log)

    result = night(world)

    assert ev.Outcome.LATER in {result.outcome} or result.stayed is No.LATER
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
    assert host(world).perform.verdicts.refused(world.fingerprint) == ()


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


def test_a_dispatch_that_cannot_be_asked_before_is_later() -> None:
    """Pairing cannot be tried at all: later, said of the dispatch, with nobody touched."""
    world = small_world("ann", "bob")
    world.dispatch_broken = "connection refused"
    mark = len(world.log)

    result = night(world)

    assert result.outcome is ev.Outcome.LATER
    assert untouched(world, mark)


def test_a_dispatch_that_cannot_be_asked_mid_way_is_not_blamed_on_the_build() -> None:
    """Pairing cannot be tried at all after the start: nothing is held against the build."""
    world = small_world("ann", "bob")
    world.on("start", "ann", lambda at: setattr(at, "dispatch_broken", "connection refused"))

    result = night(world)

    assert result.outcome is not ev.Outcome.ROLLED_BACK
    assert host(world).perform.verdicts.refused(world.fingerprint) == ()


def test_a_dispatch_that_fails_only_for_a_while_is_not_blamed_on_the_build() -> None:
    """It fails as the new build is verified and is back for the old one: no verdict, no freeze."""
    world = small_world("ann", "bob")
    world.on("start", "ann", lambda at: setattr(at, "dispatch_broken", "connection refused"))
    world.on("select", "bob", lambda at: setattr(at, "dispatch_broken", ""))

    def back(at: World) -> None:
        at.dispatch_broken = ""

    world.on("restore", "ann", back)

    night(world)

    assert host(world).perform.verdicts.refused(world.fingerprint) == ()


def test_a_dispatch_that_goes_down_during_the_bake_promotes_nothing() -> None:
    """Those who moved stay, the bake is cut off, nothing is promoted or held."""
    world = small_world("ann")
    world.on("watch", NEW.text, lambda at: setattr(at, "dispatch_up", False))

    result = night(world)

    assert result.outcome is ev.Outcome.LATER
    assert world.default == OLD
    assert running(world) == {"ann": NEW}


def test_whoever_does_not_pair_before_is_skipped() -> None:
    """A serve that was broken before is left as it is; the others move."""
    world = small_world("ann", "bob")
    publish(world, NEWEST, 40)
    world.tag = NEW
    world.builds[OLD] = make_build(OLD.text, 30, Defect.MUTE, victims=["bob"])
    before = world.people["bob"].pid

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert statuses(result) == {"ann": Status.MOVED, "bob": Status.BROKEN_BEFORE}
    assert world.people["bob"].pid == before


# Failures in production.


@pytest.mark.parametrize("defect", [Defect.MUTE, Defect.DIES, Defect.LOSES])
def test_a_production_failure_on_the_second_canary_is_rolled_back(defect: Defect) -> None:
    """Rolled back, rows kept and counted, frozen; the first canary and last-good stay."""
    world = small_world("ann", "bob", "cid", candidate=[defect], victims=["bob"])
    cid = world.people["cid"].clone()

    result = night(world)

    assert result.outcome is ev.Outcome.ROLLED_BACK
    assert statuses(result) == {
        "ann": Status.MOVED,
        "bob": Status.ROLLED_BACK,
        "cid": Status.WAITING,
    }
    assert running(world) == {"ann": NEW, "bob": OLD, "cid": OLD}
    assert NEW.text in world.frozen
    assert (world.last_good, world.default) == (OLD, OLD)
    assert (world.people["cid"].pid, world.people["cid"].ledger()) == (cid.pid, cid.ledger())
    bob = move_of(result, "bob")
    kept = world.people["bob"].snapshots[bob.quarantine]
    assert (kept.kind, kept.build) == (SnapshotKind.QUARANTINE, NEW)
    rest = bob.rest
    assert rest is not None
    since = world.people["bob"].snapshots[rest.snapshot]
    new_rows = sum(
        (rows & ~since.contents["state.sqlite"].tables.get(table, 0)).bit_count()
        for table, rows in kept.contents["state.sqlite"].tables.items()
    )
    counted = [row.rows for row in bob.rows if "effect_sql_migrations" not in row.table]
    assert sum(counted) == new_rows
    assert (new_rows > 0) is (defect is not Defect.DIES)


def test_a_failed_build_is_held_whatever_gate_comes_next() -> None:
    """What failed in production is not forgiven by a change of the gate."""
    world = small_world("ann", candidate=[Defect.MUTE])
    night(world)
    host(world).perform.switch.thaw()
    world.fingerprint = "gate-2"

    assert night(world).stayed is No.REFUSED


def test_a_build_that_fades_during_the_bake_is_rolled_back() -> None:
    """Pairing breaks a minute after the start: found by the bake, that person goes back."""
    world = small_world("ann", "bob", candidate=[Defect.FADES], victims=["bob"])

    result = night(world)

    assert result.outcome is ev.Outcome.ROLLED_BACK
    assert running(world) == {"ann": NEW, "bob": OLD}
    assert world.default == OLD


def test_a_thawed_host_takes_the_next_nightly_and_drains_the_busy() -> None:
    """After a failure: thaw, a healthy nightly for all on both builds, and the busy when idle."""
    world = small_world("ann", "bob", "cid", candidate=[Defect.MUTE], victims=["bob"])
    world.work("cid")
    night(world)
    publish(world, NEWER, 33)

    assert night(world).stayed is No.FROZEN
    assert host(world).perform.switch.thaw()

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEWER, "bob": NEWER, "cid": OLD}

    mark = len(world.log)
    waits = night(world, Host.drain)
    assert waits.stayed is No.NOTHING
    assert "cid" in waits.reason
    assert not operations_since(world, mark) & {"npm", "snapshot", "rehearse"}

    world.rest("cid")
    drained = night(world, Host.drain)

    assert drained.outcome is ev.Outcome.PROMOTED
    assert running(world) == dict.fromkeys(world.people, NEWER)


def test_the_environment_is_blamed_where_the_old_build_does_not_pair_either() -> None:
    """Pairing is dead on both builds: a person is needed, nothing is held against the build."""
    world = small_world("ann")
    world.builds[NEW] = make_build(NEW.text, 32)

    def break_both(at: World) -> None:
        at.builds[NEW] = make_build(NEW.text, 32, Defect.MUTE)
        at.builds[OLD] = make_build(OLD.text, 30, Defect.MUTE)

    world.on("select", "ann", break_both)

    driven = drive(world)

    assert driven.outcome == "needs-human"
    assert "environment" in (driven.result.reason if driven.result else "")
    assert world.verdicts[NEW][0].ruling == "passed"
    assert not world.people["ann"].fenced


def test_a_stop_that_leaves_the_process_alive_returns_the_person() -> None:
    """The set is not at rest: no copy is made of it, and the person keeps the old build."""
    world = small_world("ann", "bob")
    world.people["ann"].stop_lies = 1

    result = night(world)

    assert statuses(result)["ann"] is Status.RETURNED
    assert running(world) == {"ann": OLD, "bob": NEW}


def test_a_stop_that_leaves_the_new_build_alive_is_not_restored_over() -> None:
    """Going back, the failed serve survives its stop: nothing is replaced under a running serve."""
    world = small_world("ann", "bob", candidate=[Defect.MUTE], victims=["ann"])
    world.on("verify", "ann", lambda at: at.on("verify", "ann", lying))

    def lying(at: World) -> None:
        at.people["ann"].stop_lies = 1

    driven = drive(world)

    assert driven.violations == ()
    assert world.people["ann"].restoring == ""
    assert running(world)["bob"] == OLD


def test_a_failure_of_the_host_is_not_held_against_the_build() -> None:
    """The service manager fails to start the new serve: back, but nothing against the build."""
    world = small_world("ann", "bob")
    world.people["ann"].start_fails = 3

    driven = drive(world)

    assert running(world) == {"ann": OLD, "bob": OLD}
    assert host(world).perform.verdicts.refused(world.fingerprint) == ()
    assert driven.violations == ()


def test_a_rollback_that_fails_needs_a_human_and_names_what_is_needed() -> None:
    """The rollback point is damaged: frozen, the new build that knows the ledger is started."""
    world = small_world("ann", "bob", candidate=[Defect.MUTE], victims=["ann"])

    def damage(at: World) -> None:
        held = at.people["ann"].snapshots
        for snapshot in [snap.id for snap in held.values() if snap.kind is SnapshotKind.REST]:
            at.damage_snapshot("ann", snapshot)

    world.on("restore", "ann", damage)

    driven = drive(world)

    assert driven.outcome == "needs-human"
    assert world.frozen
    assert running(world) == {"ann": NEW, "bob": OLD}
    assert not world.people["ann"].fenced


def _left_fenced() -> World:
    """A host with one person fenced: their set could not be read when going back failed."""
    world = small_world("ann", "bob", candidate=[Defect.MUTE], victims=["ann"])

    def unreadable(at: World) -> None:
        at.people["ann"].unreadable = "database disk image is malformed"
        at.people["ann"].stop_fails = 3

    world.on("start", "ann", unreadable)
    driven = drive(world)
    assert driven.violations == ()
    assert driven.outcome == "needs-human"
    assert world.people["ann"].fenced
    return world


def test_a_person_left_fenced_can_be_taken_back_by_hand() -> None:
    """The command that the alert names works on a person who is fenced."""
    world = _left_fenced()
    world.people["ann"].unreadable = ""

    result = night(world, lambda wired: wired.go_back("ann", OLD, "", force=True))

    assert result.outcome is ev.Outcome.MOVED
    assert running(world)["ann"] == OLD


def test_a_person_left_fenced_does_not_stop_the_others() -> None:
    """The next thawed run moves the others and leaves the fenced one to a human."""
    world = _left_fenced()
    host(world).perform.switch.thaw()
    publish(world, NEWER, 33)

    result = drive(world)

    assert running(world)["bob"] == NEWER
    assert world.people["ann"].fenced
    assert result.outcome == "promoted"


# Mints of those who stay.


def test_a_mint_of_a_deferred_person_leaves_their_ledger_alone() -> None:
    """During and after the rollout a deferred person mints with the old build."""
    world = small_world("ann", "bob")
    world.work("bob")
    world.people["bob"].minting = True
    before = world.people["bob"].ledger()

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert world.mint("bob")
    assert world.people["bob"].ledger() == before


def test_a_deferred_person_without_a_link_of_their_own_is_not_moved_by_the_promotion() -> None:
    """Promotion moves the default; whoever only followed it must keep the build they run."""
    world = small_world("ann", "bob")
    world.people["bob"].link = None
    world.work("bob")
    world.people["bob"].minting = True
    before = world.people["bob"].ledger()

    driven = drive(world)

    assert driven.outcome == "promoted"
    assert world.people["bob"].ledger() == before
    assert driven.violations == ()


def test_a_mint_while_somebody_is_fenced_is_refused() -> None:
    """Nothing may migrate a set that is being copied."""
    world = small_world("ann")
    minted: list[bool] = []
    world.on("stop", "ann", lambda at: minted.append(at.mint("ann")))

    night(world)

    assert minted == [False]


def test_a_mint_between_rehearsal_and_move_of_a_strange_build_stops_the_move() -> None:
    """A set that grew beyond the candidate is not given to it (I1)."""
    world = small_world("ann", "bob")
    publish(world, NEWEST, 40)
    world.tag = NEW

    def stranger(at: World) -> None:
        at.people["ann"].migrate(at.builds[NEWEST])

    world.on("stop", "ann", stranger)

    driven = drive(world)

    assert NEW not in world.people["ann"].touched
    assert driven.outcome == "needs-human"


# The policy's guards.


def test_a_tag_that_moves_backward_moves_nobody() -> None:
    """The tag is mutable: no downgrade."""
    world = small_world("ann")
    older = version("0.0.28-nightly.20260601.400")
    publish(world, older, 28)
    mark = len(world.log)

    result = night(world)

    assert result.stayed is No.REFUSED
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


def test_a_tag_of_another_channel_is_refused() -> None:
    """The nightly tag points at a stable release."""
    world = small_world("ann")
    publish(world, version("0.0.28"), 33)

    result = night(world)

    assert result.stayed is No.REFUSED
    assert "not a nightly" in result.reason


def test_people_on_another_channel_stay_there() -> None:
    """Following `latest` does not take a nightly's user across channels."""
    world = small_world("ann")
    publish(world, version("0.0.29"), 33)

    result = night(world, rules=following(Policy(track=Track.LATEST)))

    assert result.stayed is No.REFUSED
    assert "across channels" in result.reason
    assert running(world) == {"ann": OLD}


def test_a_pin_names_the_candidate_without_asking_the_registry() -> None:
    """A pinned host follows the pin, and then has nothing to do whatever the tag says."""
    world = small_world("ann")
    publish(world, NEWER, 33)
    host(world).choices.pin(NEW, "known good")
    mark = len(world.log)

    assert night(world).outcome is ev.Outcome.PROMOTED
    assert night(world).stayed is No.NOTHING
    assert running(world) == {"ann": NEW}
    assert "registry" not in operations_since(world, mark)

    assert host(world).choices.unpin()
    assert night(world).outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEWER}


def test_a_pin_below_what_a_person_runs_is_refused_with_the_command() -> None:
    """A pin is no downgrade; going back is a command of its own."""
    world = small_world("ann")
    night(world)
    host(world).choices.pin(OLD, "")

    result = night(world)

    assert result.stayed is No.REFUSED
    assert "t3safe rollback ann --to" in result.reason
    assert running(world) == {"ann": NEW}


def test_a_held_version_is_passed_over_for_an_older_one() -> None:
    """The newest release that is not held is taken."""
    world = small_world("ann")
    publish(world, NEWER, 33)
    host(world).choices.hold(NEWER, "seen to be bad elsewhere")

    assert night(world).outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEW}
    assert host(world).choices.release(NEWER)
    assert night(world).outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEWER}


def test_a_minimum_age_takes_the_newest_that_is_old_enough() -> None:
    """Releases younger than the minimum age wait."""
    world = small_world("ann")
    publish(world, NEWER, 33)
    rules = following(Policy(age_min=timedelta(days=3)))

    assert night(world, rules=rules).stayed is No.NOTHING
    world.builds[NEW] = attrs.evolve(world.builds[NEW], age_days=4.0)
    assert night(world, rules=rules).outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEW}


def test_a_frozen_host_says_so_on_every_run_and_asks_nobody() -> None:
    """Frozen stops run and drain, and the registry is not even asked."""
    world = small_world("ann")
    host(world).perform.switch.freeze("by hand")
    mark = len(world.log)

    for operation in (Host.run, Host.drain, Host.run):
        result = night(world, operation)
        assert (result.stayed, result.reason) == (No.FROZEN, "by hand")
    assert operations_since(world, mark) == set()


def test_a_check_touches_nobody_whatever_it_finds() -> None:
    """`check` runs the gate alone and says passed or refused."""
    world = small_world("ann", "bob")
    publish(world, NEWER, 33, Defect.PAIRLESS)
    mark = len(world.log)

    assert night(world, lambda wired: wired.check(NEW)).outcome is ev.Outcome.PASSED
    assert night(world, lambda wired: wired.check(NEWER)).outcome is ev.Outcome.REFUSED
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


# Going back on purpose.


def test_going_back_with_a_restore_keeps_the_rows_it_gives_up() -> None:
    """The older build does not know the ledger: its snapshot is restored, the new rows are kept."""
    world = small_world("ann", "bob")
    night(world)
    given_up = world.people["ann"].rows()

    result = night(world, lambda wired: wired.go_back("ann", None, "", force=False))

    assert result.outcome is ev.Outcome.MOVED
    assert running(world) == {"ann": OLD, "bob": NEW}
    ann = world.people["ann"]
    assert given_up & ~ann.rows()
    rest = move_of(result, "ann").rest
    assert rest is not None
    kept = ann.snapshots[rest.snapshot]
    assert kept.build == NEW


def test_going_back_can_be_undone_with_the_snapshot_that_it_took() -> None:
    """The set that was given up comes back with the build that wrote it."""
    world = small_world("ann")
    night(world)
    back = night(world, lambda wired: wired.go_back("ann", None, "", force=False))
    rest = move_of(back, "ann").rest
    assert rest is not None
    given_up = world.people["ann"].snapshots[rest.snapshot].contents["state.sqlite"]

    undone = night(world, lambda wired: wired.go_back("ann", None, rest.snapshot, force=False))

    assert undone.outcome is ev.Outcome.MOVED
    assert running(world) == {"ann": NEW}
    main, wal = world.people["ann"].databases["state.sqlite"]
    now = wal or main
    assert given_up.ledger == now.ledger
    assert all(rows & ~now.tables[table] == 0 for table, rows in given_up.tables.items())


def test_going_back_to_a_build_of_the_same_schema_gives_up_no_row() -> None:
    """The older build knows the ledger: only the selection moves, every row stays in the set."""
    world = small_world("ann")
    publish(world, NEW, 30)
    night(world)
    before = world.people["ann"].rows()

    result = night(world, lambda wired: wired.go_back("ann", OLD, "", force=False))

    assert result.outcome is ev.Outcome.MOVED
    assert move_of(result, "ann").plan.restore == ""
    assert before & ~world.people["ann"].rows() == 0
    assert running(world) == {"ann": OLD}


def test_going_back_asks_the_idle_rule_unless_forced() -> None:
    """A busy person is not interrupted by somebody else's wish."""
    world = small_world("ann")
    night(world)
    world.people["ann"].inputs = 1
    mark = len(world.log)

    result = night(world, lambda wired: wired.go_back("ann", None, "", force=False))

    assert result.outcome is ev.Outcome.DEFERRED
    assert untouched(world, mark)


def test_going_back_without_a_way_back_says_so() -> None:
    """No at-rest snapshot of another build: an error that names what to look at."""
    world = small_world("ann")

    with pytest.raises(StateError, match="t3safe status ann"):
        host(world).go_back("ann", None, "", force=False)
    with pytest.raises(StateError, match="no such person"):
        host(world).go_back("zoe", None, "", force=False)
    assert world.journal.unfinished() is None


def test_going_back_to_a_build_that_left_the_store_leaves_everything_as_it_was() -> None:
    """The build is gone: the person ends where they were, with every row."""
    world = small_world("ann")
    night(world)
    world.store.discard(OLD)
    rows = world.people["ann"].rows()

    result = night(world, lambda wired: wired.go_back("ann", OLD, "", force=False))

    assert result.outcome is ev.Outcome.REFUSED
    assert running(world) == {"ann": NEW}
    assert rows & ~world.people["ann"].rows() == 0


def test_rows_given_up_on_purpose_outlive_retention() -> None:
    """Rows that exist only in the snapshot of a way back stay through many further nights."""
    world = small_world("ann")
    night(world)
    night(world, lambda wired: wired.go_back("ann", None, "", force=False))

    for number in range(8):
        publish(world, version(f"0.0.28-nightly.20260620.{600 + number}"), 33 + number)
        driven = drive(world)
        assert driven.violations == ()


def test_quarantined_rows_outlive_retention() -> None:
    """What a failed build wrote stays through many further nights."""
    world = small_world("ann", candidate=[Defect.MUTE])
    night(world)
    host(world).perform.switch.thaw()

    for number in range(8):
        publish(world, version(f"0.0.28-nightly.20260620.{600 + number}"), 33 + number)
        driven = drive(world)
        assert driven.violations == ()


# Interruption.


def _healthy() -> World:
    world = small_world("ann", "bob", "cid")
    world.work("cid")
    for person in world.people.values():
        person.minting = True
    return world


def _failing() -> World:
    world = small_world("ann", "bob", "cid", candidate=[Defect.MUTE], victims=["bob"])
    for person in world.people.values():
        person.minting = True
    return world


def _restoring() -> World:
    world = small_world("ann", "bob")
    assert drive(world).outcome == "promoted"
    return world


def _ann_back(wired: Host) -> Result:
    return wired.go_back("ann", None, "", force=False)


SCENES = {
    "healthy": (_healthy, Host.run),
    "failing": (_failing, Host.run),
    "going back": (_restoring, _ann_back),
}


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("power", [False, True], ids=["killed", "power-cut"])
@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.CRASH_AFTER])
def test_recovery_after_a_death_at_every_record_keeps_every_promise(
    scene: str, power: bool, kind: Kind
) -> None:
    """The process dies before and after each write of the journal, then recovers (I7)."""
    make, operation = SCENES[scene]
    base = make()
    records = drive(base.clone(), operation).events

    for index in range(records):
        world = base.clone()
        driven = drive(world, operation, journal={index: kind}, power=power)
        assert driven.violations == (), (index, driven.outcome)
        assert driven.processes == 2
        assert world.journal.unfinished() is None


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("power", [False, True], ids=["killed", "power-cut"])
def test_recovery_after_a_death_inside_every_operation_keeps_every_promise(
    scene: str, power: bool
) -> None:
    """The process dies after each sub-step of each operation, then recovers (I7)."""
    make, operation = SCENES[scene]
    base = make()
    whole = base.clone()
    drive(whole, operation)

    for number in range(base.substeps + 1, whole.substeps + 1):
        world = base.clone()
        world.crash_at = number
        driven = drive(world, operation, power=power)
        assert driven.violations == (), (number, driven.outcome)
        assert driven.processes == 2


def test_a_run_after_an_interruption_goes_on_with_the_rest() -> None:
    """The next run settles what was left and then moves whoever had not been begun."""
    world = small_world("ann", "bob")
    broken = drive(world, journal={30: Kind.CRASH_AFTER})
    assert broken.outcome == "interrupted"

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEW, "bob": NEW}


def test_a_run_that_was_cut_off_after_its_last_move_is_promoted_by_a_later_run() -> None:
    """Everybody is on the build already; it still has to bake and to become the default."""
    world = small_world("ann")
    world.on("watch", NEW.text, lambda at: setattr(at, "dispatch_up", False))
    assert night(world).outcome is ev.Outcome.LATER
    world.dispatch_up = True

    night(world)

    assert world.default == NEW
    assert world.last_good == NEW


def test_a_run_that_finds_another_unfinished_settles_it_first() -> None:
    """A person left fenced by a dead process has a serve again before anything else is done."""
    world = small_world("ann", "bob")
    world.crash_at = _substep(world, "fence")
    with pytest.raises(Crash):
        host(world).run()
    assert world.people["ann"].fenced

    before = invariants.remember(world)
    result = host(world, observer=Watch(world)).run()

    assert running(world) == {"ann": NEW, "bob": NEW}
    assert result.outcome is ev.Outcome.PROMOTED
    assert invariants.end(world, before, "promoted") == []


def _substep(world: World, operation: str) -> int:
    """The number of the first sub-step of an operation, as a rehearsal of the night tells."""
    trial = world.clone()
    host(trial).run()
    steps = ("stage", "snapshot", "fence", "stop", "select", "start", "promote")
    starts = {"npm", "snapshot", "fence", "stop", "select", "start", "promote", "rehearse"}
    count = world.substeps
    for index, (name, _, _) in enumerate(trial.log[len(world.log) :]):
        previous = trial.log[len(world.log) + index - 1][0] if index else ""
        if name in steps and (
            previous == name or (previous in starts - {name} and name == "stage")
        ):
            count += 1
            if name == operation:
                return count
    message = f"{operation} is not part of that night"
    raise AssertionError(message)


def test_a_power_cut_while_fenced_lets_no_unit_start_until_recovery() -> None:
    """At boot the fence holds; recovery before the units lifts it, and everybody has a serve."""
    world = small_world("ann", "bob")
    world.crash_at = _substep(world, "fence")
    with pytest.raises(Crash):
        host(world).run()
    world.power_cut()

    assert not world.launch("ann")
    waits = host(world).recover(boot=True)

    assert waits is not None
    assert waits.outcome is None
    assert not world.people["ann"].fenced
    world.boot()
    settled = host(world).recover()
    assert settled is not None
    assert settled.outcome is ev.Outcome.INTERRUPTED
    assert running(world) == {"ann": OLD, "bob": OLD}


def test_a_stop_that_is_asked_for_ends_at_the_next_safe_point() -> None:
    """Whoever is in between is settled, nobody new is begun, nothing is promoted."""
    world = small_world("ann", "bob")
    asked: list[bool] = []
    world.on("fence", "ann", lambda _: asked.append(True))
    before = invariants.remember(world)

    result = host(world, stop=lambda: bool(asked)).run()

    assert result.outcome is ev.Outcome.INTERRUPTED
    assert running(world) == {"ann": NEW, "bob": OLD}
    assert invariants.end(world, before, "interrupted") == []


# Deferrals.


def test_a_deferral_is_remembered_since_its_first_night() -> None:
    """Two nights deferred: since the first, for the build of the last."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    first = world.journal.runs()
    since = min(record.opened for record in first)
    publish(world, NEWER, 33)
    world.advance(DAY)
    night(world)

    (deferral,) = host(world).deferrals()

    assert (deferral.person, deferral.build, deferral.since) == ("bob", NEWER, since)
    assert "in flight" in deferral.reason


def test_a_deferral_ends_with_a_move() -> None:
    """Drained: nobody waits any more."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    world.rest("bob")
    night(world, Host.drain)

    assert host(world).deferrals() == ()
    assert night(world, Host.drain).stayed is No.NOTHING


def test_a_refused_night_does_not_forget_who_waits() -> None:
    """Between two deferrals a build is refused: the person waits since the first."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    (first,) = host(world).deferrals()
    publish(world, NEWER, 33, Defect.PAIRLESS)
    world.advance(DAY)
    assert night(world).outcome is ev.Outcome.REFUSED

    assert host(world).deferrals() == (first,)
    world.rest("bob")
    drained = night(world, Host.drain)

    assert running(world)["bob"] == NEW
    assert drained.outcome is ev.Outcome.PROMOTED


def test_an_interrupted_night_does_not_forget_who_waits() -> None:
    """A run that died before it came to a person leaves their waiting as it was."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    (first,) = host(world).deferrals()
    publish(world, NEWER, 33)
    drive(world, journal={3: Kind.CRASH_AFTER})

    assert host(world).deferrals() == (first,)


def test_a_deferral_older_than_its_limit_is_loud() -> None:
    """Every run and drain says DEFERRED TOO LONG, with the person and the date."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    assert not any("DEFERRED TOO LONG" in line for line in night(world).warnings)
    world.advance(8 * DAY)

    for operation in (Host.run, Host.drain):
        (line,) = [text for text in night(world, operation).warnings if "DEFERRED" in text]
        assert line.startswith("DEFERRED TOO LONG: bob")


def test_a_host_that_lags_too_far_behind_is_loud() -> None:
    """The tag is weeks ahead of last-good, and the run stays: STALE."""
    world = small_world("ann")
    publish(world, version("0.0.28-nightly.20260710.700"), 40, Defect.PAIRLESS)

    result = night(world)
    again = night(world)

    assert result.outcome is ev.Outcome.REFUSED
    assert any(line.startswith("STALE") for line in result.warnings)
    assert any(line.startswith("STALE") for line in again.warnings)


def test_a_held_build_is_not_drained_to() -> None:
    """Held after somebody was deferred for it: the drain takes nobody there."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    world.rest("bob")
    host(world).choices.hold(NEW, "bad")

    night(world, Host.drain)

    assert running(world)["bob"] == OLD


def test_a_person_who_left_the_user_map_waits_no_more() -> None:
    """A deferred person is removed from the host: nothing is said or drained for them."""
    world = small_world("ann", "bob")
    world.work("bob")
    night(world)
    del world.people["bob"]
    world.advance(8 * DAY)

    result = night(world)

    assert not any("bob" in line for line in result.warnings)


def test_a_person_who_came_after_the_start_is_moved_with_the_next_build() -> None:
    """Somebody new follows the default until the next build moves them like everybody."""
    world = small_world("ann")
    night(world)
    world.people["eve"] = FakePerson("eve", None)
    world.launch("eve")
    assert running(world)["eve"] == NEW
    publish(world, NEWER, 33)

    result = night(world)

    assert statuses(result) == {"ann": Status.MOVED, "eve": Status.MOVED}


def test_many_nights_keep_every_promise() -> None:
    """Ten nights of healthy, refused and failing builds, with a thaw after each freeze."""
    world = small_world("ann", "bob", "cid")
    kinds = [(), (Defect.PAIRLESS,), (), (Defect.MUTE,), (Defect.FADES,), (), (Defect.DIES,)]
    for number in range(10):
        defects = kinds[number % len(kinds)]
        build = version(f"0.0.28-nightly.20260620.{600 + number}")
        publish(world, build, 33 + number, *defects, victims="bob")
        world.people["cid"].inputs = number % 2
        driven: Driven = drive(world)
        assert driven.violations == ()
        host(world).perform.switch.thaw()
        drained = drive(world, Host.drain)
        assert drained.violations == ()
        host(world).perform.switch.thaw()
