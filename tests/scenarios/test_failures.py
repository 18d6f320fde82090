"""Nights on which a build passes the gate and fails in production, and mints meanwhile."""

from __future__ import annotations

import attrs
import pytest

from fakes.world import (
    NEW,
    NEWER,
    NEWEST,
    OLD,
    Defect,
    FaultKind,
    World,
    drive,
    host,
    make_build,
    small_world,
)
from fakes.world.faults import effect, event
from fakes.world.model import NEW_PATH, OLD_PATH, schema
from fakes.world.scenes import LEVELS
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.move import Status
from t3safe.domain.policy import SkipReason
from t3safe.domain.retention import SnapshotKind
from t3safe.t3.files import V1_DATABASE
from t3safe.usecases.host import Rules
from t3safe.usecases.rollback import go_back
from t3safe.usecases.run import drain
from tests.scenarios.nights import (
    DAY,
    host_fails,
    move_of,
    night,
    operations_since,
    performed,
    publish,
    running,
    selected,
    statuses,
)

# Failures in production.


def test_a_dispatch_that_knows_less_than_the_gate_believes_is_never_the_builds_fault() -> None:
    """The first person goes back and signs in again; nothing is held against the build."""
    world = small_world("ann", "bob")
    world.dispatch_said = frozenset({OLD_PATH, NEW_PATH})
    world.dispatch_paths = frozenset({world.builds[OLD].path})
    (unknown,) = world.dispatch_said - world.dispatch_paths
    world.builds[NEW] = attrs.evolve(world.builds[NEW], path=unknown)

    result = night(world)

    assert statuses(result)["ann"] is Status.ROLLED_BACK
    assert running(world) == {"ann": OLD, "bob": OLD}
    assert host(world).ports.verdicts.refused(world.fingerprint) == ()
    assert "not its own fault" in world.frozen


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
        (rows & ~since.contents[V1_DATABASE].tables.get(table, 0)).bit_count()
        for table, rows in kept.contents[V1_DATABASE].tables.items()
    )
    assert sum(row.rows for row in bob.rows) == new_rows
    assert (new_rows > 0) is (defect is not Defect.DIES)


def test_a_failed_build_is_held_whatever_gate_comes_next() -> None:
    """What failed in production is not forgiven by a change of the gate."""
    world = small_world("ann", candidate=[Defect.MUTE])
    night(world)
    host(world).ports.switch.thaw()
    world.fingerprint = "gate-2"

    assert night(world).stayed is SkipReason.REFUSED


def test_a_thawed_host_takes_the_next_nightly_and_drains_the_busy() -> None:
    """After a failure: thaw, a healthy nightly for all on both builds, and the busy when idle."""
    world = small_world("ann", "bob", "cid", candidate=[Defect.MUTE], victims=["bob"])
    world.work("cid")
    night(world)
    publish(world, NEWER, 33)

    assert night(world).stayed is SkipReason.FROZEN
    assert host(world).ports.switch.thaw()

    result = night(world)

    assert result.outcome is ev.Outcome.PROMOTED
    assert running(world) == {"ann": NEWER, "bob": NEWER, "cid": OLD}

    mark = len(world.log)
    waits = night(world, drain)
    assert waits.stayed is SkipReason.NOTHING
    assert "cid" in waits.reason
    assert not operations_since(world, mark) & {"npm", "snapshot", "rehearse"}

    world.rest("cid")
    drained = night(world, drain)

    assert drained.outcome is ev.Outcome.PROMOTED
    assert running(world) == dict.fromkeys(world.people, NEWER)


def test_the_environment_is_blamed_where_the_old_build_does_not_pair_either() -> None:
    """Pairing is dead on both builds: a person is needed, and the build is refused all the same.

    What failed in production is never promoted by the next run.
    """
    world = small_world("ann")
    world.builds[NEW] = make_build(NEW.text, 32)

    def break_both(at: World) -> None:
        at.builds[NEW] = make_build(NEW.text, 32, Defect.MUTE)
        at.builds[OLD] = make_build(OLD.text, 30, Defect.MUTE)

    world.on("select", "ann", break_both)

    driven = drive(world)

    assert driven.outcome == "needs-human"
    assert "environment" in (driven.result.reason if driven.result else "")
    assert (world.verdicts[NEW][0].ruling, bool(world.frozen)) == ("refused", True)
    assert not world.people["ann"].fenced


def test_a_mint_in_flight_at_the_fence_is_waited_for() -> None:
    """It resolved the failed build before the fence and opens the data before the way back does.

    The restored set is what it was: the old build pairs, the failed one is refused.
    """
    world = small_world("ann")
    world.publish(make_build(NEW.text, 32, Defect.MUTE))

    driven = drive(world, faults=[event(at, FaultKind.MINT_BEGINS) for at in range(40)])

    assert (driven.outcome, driven.violations) == ("rolled-back", ())
    ann = world.people["ann"]
    assert (ann.running, ann.ledger()) == (OLD, schema(30))
    assert NEW not in ann.starting
    assert ("begins", "ann", NEW.text) in world.log
    assert world.verdicts[NEW][0].ruling == "refused"


def test_a_set_that_a_late_program_migrated_is_restored_once_more() -> None:
    """A program that went past the launcher opens the restored set: the way back is taken again."""
    world = small_world("ann")
    world.publish(make_build(NEW.text, 32, Defect.MUTE))
    world.on("restore", "ann", lambda at: at.on("start", "ann", migrate_late))

    driven = drive(world)

    assert driven.outcome == "rolled-back"
    ann = world.people["ann"]
    assert (ann.running, ann.ledger()) == (OLD, schema(30))
    assert [who for operation, who, _ in world.log if operation == "restore"].count("ann") >= 2
    assert (world.verdicts[NEW][0].ruling, bool(world.frozen)) == ("refused", True)


def migrate_late(world: World) -> None:
    """Let a program of the new build, which nobody saw begin, open ann's set."""
    world.people["ann"].starting = (NEW,)
    world.open_late("ann")


def test_what_holds_one_persons_data_defers_them_alone() -> None:
    """Behind the fence a program holds ann's data and cannot be ended; bob is moved."""
    world = small_world("ann", "bob")
    world.people["ann"].clings = 3

    result = night(world)

    assert statuses(result) == {"ann": Status.DEFERRED, "bob": Status.MOVED}
    assert running(world) == {"ann": OLD, "bob": NEW}
    assert not world.people["ann"].fenced
    assert result.rollout is not None
    assert "process 4242" in result.rollout.moves[0].reason


def test_who_opens_the_data_behind_the_fence_is_deferred_and_signs_in() -> None:
    """Two nights of two: her program comes after the last look; she is served on her old build."""
    world = small_world("ann", "bob")
    for build in (NEW, NEWER):
        publish(world, build, LEVELS[build])
        world.on("stop", "ann", lambda at: setattr(at.people["ann"], "foreign", 4242))

        result = night(world)

        ann = world.people["ann"]
        assert ("fence", "ann", "idle") in world.log
        assert statuses(result) == {"ann": Status.DEFERRED, "bob": Status.MOVED}
        assert "process 4242" in move_of(result, "ann").reason
        assert (selected(world), running(world)) == ({"ann": OLD, "bob": build},) * 2
        assert (ann.fenced, ann.stopped, ann.ledger()) == (False, False, schema(30))
        assert (world.mint("ann"), world.serve_problem(ann)) == (True, "")
        assert host(world).ports.verdicts.refused(world.fingerprint) == ()
        assert not world.frozen
        ann.foreign = 0
        world.advance(DAY)
    night(world, drain)
    assert running(world) == {"ann": NEWER, "bob": NEWER}


def test_a_failure_of_the_host_is_not_held_against_the_build() -> None:
    """The service manager fails to start the new serve: back, but nothing against the build."""
    world = small_world("ann", "bob")

    def start_limit(at: World) -> None:
        host_fails(at, "start limit")
        at.people["ann"].start_fails = 3

    world.on("start", "ann", start_limit)

    driven = drive(world)

    assert running(world) == {"ann": OLD, "bob": OLD}
    assert host(world).ports.verdicts.refused(world.fingerprint) == ()
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


def test_a_restore_that_stops_half_way_leaves_the_fence() -> None:
    """A set that is neither the old nor the new one is started by nobody, and nothing is lost."""
    world = small_world("ann", "bob", candidate=[Defect.MUTE], victims=["ann"])
    world.people["ann"].restore_fails = 9

    driven = drive(world)

    assert driven.violations == ()
    assert driven.outcome == "needs-human"
    assert world.people["ann"].fenced
    assert not world.mint("ann")

    world.people["ann"].restore_fails = 0
    result = night(world, lambda wired: go_back(wired, "ann", OLD, "", force=True), giving_up=True)

    assert result.outcome is ev.Outcome.MOVED
    assert running(world) == {"ann": OLD, "bob": OLD}


def test_the_last_resort_leaves_a_build_that_nothing_fences() -> None:
    """The new build stays selected and unfenced: the next mint migrates, so it is not undone."""
    world = small_world("ann")
    world.people["ann"].minting = True
    select, fence = 10, 11

    driven = drive(
        world,
        rules=Rules(attempts_max=1),
        faults=[effect(select, FaultKind.FAIL_AFTER), effect(fence, FaultKind.FAIL_BEFORE)],
    )

    assert performed(world)[select] == fx.Select("ann", NEW)
    assert performed(world)[fence] == fx.Fence("ann")
    assert [who for what, who, _ in world.log if what == "fault"] == ["fail-after", "fail-before"]
    assert driven.violations == ()
    assert driven.outcome == "needs-human"
    assert running(world) == {"ann": NEW}


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

    result = night(world, lambda wired: go_back(wired, "ann", OLD, "", force=True), giving_up=True)

    assert result.outcome is ev.Outcome.MOVED
    assert running(world)["ann"] == OLD


def test_a_person_left_fenced_does_not_stop_the_others() -> None:
    """The next thawed run moves the others and leaves the fenced one to a human."""
    world = _left_fenced()
    host(world).ports.switch.thaw()
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
