"""The permit of a host in a fleet: what it asks, takes and sends, and when it says so."""

from __future__ import annotations

import pytest
from attrs import define, evolve

from fakes.world import NEW, OLD, Defect, World, small_world
from fakes.world import host as wired
from fakes.world.fleet import FleetHostFake, founded, joined
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import FleetError, FleetErrorKind, UnusableError
from t3safe.domain.fleet import orders, publications, rings
from t3safe.domain.fleet.records import (
    FleetFreeze,
    FleetPolicy,
    FleetRuling,
    Halt,
    Ring,
)
from t3safe.domain.fleet.rings import FleetMemory, KnownStore
from t3safe.domain.fleet.slots import fence
from t3safe.domain.fleet.view import (
    Committed,
    Transaction,
    View,
    halt_key,
    lock_file_key,
    slots_key,
)
from t3safe.domain.lockfile import LockFile, SharedLock
from t3safe.domain.membership import Membership
from t3safe.domain.policy import SkipReason
from t3safe.domain.text import moment
from t3safe.simulation.builds import artifact
from t3safe.simulation.fleetstore import Loss, MemoryCluster, MemoryFleet, MemoryNotebook, Outage
from t3safe.usecases import fleet
from t3safe.usecases.fleet import leave
from t3safe.usecases.host import Host, start
from t3safe.usecases.permit import FleetLine, FleetPermit
from t3safe.usecases.run import run
from tests.unit.usecases.test_host import plan_for

TAKE = fx.TakeSlot("canary", "r001", NEW, artifact(NEW).lock)
HOURS = 3600.0


@define
class FleetBench:
    """One host of a fleet over its world, and a way to look at the store beside it."""

    world: World
    member: FleetHostFake
    cluster: MemoryCluster

    @property
    def permit(self) -> FleetPermit:
        """The permit as a new process has it."""
        return self.member.permit(self.world)

    @property
    def view(self) -> View:
        """The fleet as it is."""
        return MemoryFleet(self.cluster).view(NEW)

    def plan(self, kind: ev.Kind = ev.Kind.RUN) -> ev.Plan:
        """Plan a run of this host."""
        return evolve(plan_for(self.world, kind=kind), ring="canary")

    def command(self) -> Host:
        """t3safe on this host, as one process wires it."""
        return wired(self.world)


@pytest.fixture
def bench() -> FleetBench:
    """Give host a of ring canary."""
    cluster, world = founded(), small_world("ann")
    return FleetBench(world, joined(cluster, world, "a"), cluster)


def other_takes(bench: FleetBench, host: str = "b") -> None:
    """Let another host hold the one slot of ring canary."""
    world = small_world("eve")
    made = joined(bench.cluster, world, host)
    assert made.permit(world).take_slot(evolve(TAKE, run="r9")) == ev.SlotTaken(
        bench.cluster.revision
    )


# Asking.


@pytest.mark.parametrize("kind", [ev.Kind.CHECK, ev.Kind.BACK, ev.Kind.BAKE])
def test_a_plan_that_needs_no_permit_asks_nobody(bench: FleetBench, kind: ev.Kind) -> None:
    """Not even the configuration is looked at."""

    def connect() -> FleetLine:
        raise AssertionError("asked")

    permit = evolve(bench.permit, connect=connect)
    assert permit.may_start(bench.plan(kind)) is None
    assert bench.member.store.requests == 0


def test_a_run_that_may_start_asks_once(bench: FleetBench) -> None:
    """It remembers the build, and since when it saw it."""
    assert bench.permit.may_start(bench.plan()) is None
    memory = bench.member.notebook.memory
    assert (memory.build, memory.seen, memory.waits) == (NEW, bench.permit.monotonic(), "")
    assert bench.member.store.requests == 1


def test_a_memory_that_cannot_be_read_starts_nothing(bench: FleetBench) -> None:
    """It is no outage: no time is kept, and the memory stays as it is for a person."""
    bench.member.notebook.unreadable = "the memory is damaged"
    no = bench.permit.may_start(bench.plan())
    assert no is not None
    assert (no.why, "the memory is damaged" in no.reason) == (SkipReason.LATER, True)
    assert "since" not in no.reason
    assert bench.permit.send() == (
        "FLEET: the memory is damaged; what the runs found is sent later",
    )
    assert bench.member.notebook.unreadable
    assert bench.member.store.requests == 0


def test_a_configuration_that_cannot_be_used_is_an_error_of_the_command(
    bench: FleetBench,
) -> None:
    """A run says it and starts nothing; what is to be sent says it and is sent later."""

    def connect() -> FleetLine:
        raise UnusableError("others may read the credentials")

    permit = evolve(bench.permit, connect=connect)
    with pytest.raises(UnusableError, match="others may read"):
        permit.may_start(bench.plan())
    (line,) = permit.send()
    assert "others may read the credentials" in line


def test_a_host_that_is_cut_off_remembers_since_when(bench: FleetBench) -> None:
    """The first time counts until the fleet answers; a memory that fails then changes nothing."""
    bench.member.store.outage = Outage("no route")
    begun = bench.world.clock
    first = bench.permit.may_start(bench.plan())
    bench.world.advance(HOURS)
    second = bench.permit.may_start(bench.plan())
    assert first == second
    assert first is not None
    assert "no route" in first.reason
    assert bench.member.notebook.memory.cut_off == begun
    bench.member.store.outage = None
    assert bench.permit.may_start(bench.plan()) is None
    assert bench.member.notebook.memory.cut_off is None


def test_a_memory_that_is_damaged_when_the_fleet_is_cut_off_is_said_alone(
    bench: FleetBench,
) -> None:
    """There is no time to tell then."""
    bench.member.store.outage = Outage("no route")
    before = bench.permit.may_start(bench.plan())

    class Damaged(MemoryNotebook):
        def keep(self, memory: FleetMemory) -> None:
            raise FleetError("cannot be written", FleetErrorKind.STATE)

    permit = evolve(bench.permit, notebook=Damaged())
    no = permit.may_start(bench.plan())
    assert before is not None
    assert no is not None
    assert ("since" in before.reason, "since" in no.reason) == (True, False)
    assert "no route" in no.reason


# The slot.


def test_a_slot_is_taken_once_for_a_run(bench: FleetBench) -> None:
    """Asked again, the permit reads that the run holds it, and writes nothing."""
    taken = bench.permit.take_slot(TAKE)
    (held,) = bench.view.holders("canary").holders
    assert taken == ev.SlotTaken(bench.view.revision_of(slots_key("canary")))
    assert (held.host, held.run, held.build, held.lock) == ("a", "r001", NEW, TAKE.lock)
    assert held.since == bench.world.clock
    revision = bench.cluster.revision
    assert bench.permit.take_slot(TAKE) == taken
    assert bench.cluster.revision == revision


def test_the_first_slot_publishes_the_lock_file_and_the_next_one_does_not(
    bench: FleetBench,
) -> None:
    """Its text can be read by its digest."""
    bench.permit.take_slot(TAKE)
    lock = bench.view.lock
    assert lock is not None
    assert (lock.host, lock.digest) == ("a", TAKE.lock)
    file = bench.member.store.lock_file(TAKE.lock)
    assert file is not None
    assert file.digest == TAKE.lock
    bench.member.store.requests = 0
    bench.permit.take_slot(evolve(TAKE, run="r002"))
    assert bench.member.store.requests == 2


def test_other_bytes_than_the_published_ones_get_no_slot(bench: FleetBench) -> None:
    """The host that published is named; the slot stays free."""
    file = LockFile("other packages")
    store = MemoryFleet(bench.cluster)
    store.transact(publications.publish_lock(NEW, "b", file))
    denied = bench.permit.take_slot(TAKE)
    assert isinstance(denied, ev.SlotDenied)
    assert all(word in denied.reason for word in (NEW.text, "host b", "next run"))
    assert bench.view.holders("canary").holders == ()
    assert bench.permit.take_slot(evolve(TAKE, lock=file.digest)) == ev.SlotTaken(
        bench.cluster.revision
    )


def test_another_lock_file_that_came_first_is_noticed(bench: FleetBench) -> None:
    """Between the read and the write: it is read again."""

    class Racing(MemoryFleet):
        def transact(self, transaction: Transaction) -> Committed:
            rival = publications.publish_lock(NEW, "b", LockFile("other packages"))
            self.cluster.commit(rival)
            return super().transact(transaction)

    bench.member.store = Racing(bench.cluster)
    denied = bench.permit.take_slot(TAKE)
    assert isinstance(denied, ev.SlotDenied)
    assert "host b" in denied.reason


def test_a_full_ring_denies_and_names_the_holder(bench: FleetBench) -> None:
    """Nothing is written."""
    other_takes(bench)
    revision = bench.cluster.revision
    denied = bench.permit.take_slot(TAKE)
    assert isinstance(denied, ev.SlotDenied)
    assert "b hold(s) them" in denied.reason
    assert bench.cluster.revision == revision


def test_a_slot_that_others_take_at_the_same_time_is_denied_in_the_end(
    bench: FleetBench,
) -> None:
    """Three times another transaction came first: the fleet works, and nobody waits for it."""
    bench.permit.take_slot(TAKE)
    bench.permit.send()

    class Busy(MemoryFleet):
        def transact(self, transaction: Transaction) -> Committed:
            self.cluster.commit(fence(self.cluster.read(None), "canary"))
            return super().transact(transaction)

    bench.member.store = Busy(bench.cluster)
    denied = bench.permit.take_slot(TAKE)
    assert isinstance(denied, ev.SlotDenied)
    assert "at the same time" in denied.reason
    assert bench.member.store.requests == 6


def test_answers_that_are_all_lost_are_an_error(bench: FleetBench) -> None:
    """It says that the slot may be taken; a lost answer among others does not."""
    bench.permit.take_slot(TAKE)
    bench.permit.send()
    bench.member.store.losses.extend([Loss.BEFORE] * 3)
    with pytest.raises(FleetError, match="unknown whether a slot of ring canary was taken") as lost:
        bench.permit.take_slot(TAKE)
    assert lost.value.kind is FleetErrorKind.UNREACHABLE
    assert bench.view.holders("canary").holders == ()
    bench.member.store.losses.extend([Loss.BEFORE] * 2)
    assert isinstance(bench.permit.take_slot(TAKE), ev.SlotTaken)


# Sending.


def test_a_host_that_just_joined_sends_nothing_of_the_runs_before() -> None:
    """A halt that a person lifted long ago would come back."""
    cluster, world = founded(), small_world("ann")
    run(wired(world))
    bench = FleetBench(world, joined(cluster, world, "a"), cluster)
    assert bench.permit.send() == ()
    assert bench.view.verdicts == ()
    assert bench.member.notebook.memory.sent == "r001"


def test_a_stranger_sends_nothing(bench: FleetBench) -> None:
    """One that left, or that another host has the name of: its runs wait for a person."""
    run(bench.command())
    store = MemoryFleet(bench.cluster)
    left = orders.leave(store.view(), "a")
    assert left is not None
    store.transact(left)
    revision = bench.cluster.revision
    (line,) = bench.permit.send()
    assert "a is not in the fleet" in line
    assert bench.cluster.revision == revision


def test_a_report_says_how_the_host_stands(bench: FleetBench) -> None:
    """Who is behind the promoted build, whom nobody can look at among them, is counted."""
    bench.world.work("ann")
    run(bench.command())
    own = bench.view.hosts["a"]
    assert (own.runs, own.run, own.outcome) == (OLD, "r001", "deferred")
    assert (own.people, own.behind, own.t3safe) == (1, 0, "1.0")
    bench.world.rest("ann")
    bench.world.advance(24 * HOURS)
    run(bench.command())
    own = bench.view.hosts["a"]
    assert (own.runs, own.outcome, own.behind, own.at) == (NEW, "promoted", 0, bench.world.clock)
    assert own.platform == artifact(NEW).platform


def test_a_silent_holder_is_named_with_what_to_do(bench: FleetBench) -> None:
    """By every host that looks, once the deadline is over on its own clock; it keeps its slot."""
    other_takes(bench)
    assert bench.permit.send() == ()
    bench.world.advance(4 * HOURS)
    assert bench.permit.send() == ()
    bench.world.advance(1.0)
    (line,) = bench.permit.send()
    assert "b holds a slot of ring canary for run r9" in line
    assert "`t3safe fleet release b --reason TEXT`" in line
    assert [one.host for one in bench.view.holders("canary").holders] == ["b"]


def test_a_silent_holder_loses_its_slot_where_the_policy_says_so(bench: FleetBench) -> None:
    """When another host asks; the slots say who was evicted, and why."""
    policy = FleetPolicy((Ring("canary"),), failed_max=1, release_silent=True)
    store = MemoryFleet(bench.cluster)
    store.transact(orders.set_policy(store.view(), policy))
    other_takes(bench)
    bench.permit.send()
    bench.world.advance(4 * HOURS + 1.0)
    assert bench.permit.may_start(bench.plan()) is None
    slots = bench.view.holders("canary")
    assert (slots.holders, "b (run r9)" in slots.note) == ((), True)


def test_more_silent_hosts_than_the_budget_halt_the_build(bench: FleetBench) -> None:
    """Silence is no success: whoever asks next halts what the silent host was moving to."""
    other_takes(bench)
    bench.permit.send()
    bench.world.advance(4 * HOURS + 1.0)
    no = bench.permit.may_start(bench.plan())
    assert no is not None
    assert no.why is SkipReason.REFUSED
    assert NEW in bench.view.halts
    bench.member.store.losses.append(Loss.BEFORE)
    assert start(bench.command(), bench.plan()).stayed is SkipReason.REFUSED


def test_a_halt_whose_answer_is_lost_starts_nothing(bench: FleetBench) -> None:
    """It is unknown whether it was written."""
    other_takes(bench)
    bench.permit.send()
    bench.world.advance(4 * HOURS + 1.0)
    bench.member.store.losses.append(Loss.BEFORE)
    no = bench.permit.may_start(bench.plan())
    assert no is not None
    assert (no.why, "unknown whether it was written" in no.reason) == (SkipReason.LATER, True)
    assert NEW not in bench.view.halts


def test_what_was_sent_is_remembered_run_by_run(bench: FleetBench) -> None:
    """A verdict that could not be sent is sent with the next one."""
    bench.permit.send()
    bench.member.store.losses.extend([None, None, Loss.BEFORE])
    run(bench.command())
    assert not bench.view.verdicts
    assert bench.member.notebook.memory.sent == "none"
    assert bench.permit.send() == ()
    assert [one.run for one in bench.view.verdicts] == ["r001"]
    memory = bench.member.notebook.memory
    assert (memory.sent, memory.cut_off) == ("r001", None)


# What the host knows without asking.


def test_what_the_host_knows_is_what_its_last_run_and_sync_left(bench: FleetBench) -> None:
    """Its place for the release that it asked for, why it waits, what needs a person."""
    assert bench.permit.membership() == Membership("canary")
    other_takes(bench)
    assert bench.permit.may_start(bench.plan()) is None
    known = bench.permit.membership()
    place = rings.place("a", NEW, bench.view.hosts.values()) + 1
    assert (known.build, known.place, known.waits, known.trouble) == (NEW, place, "", ())
    bench.permit.send()
    bench.world.advance(4 * HOURS + 1.0)
    (line,) = bench.permit.send()
    assert bench.permit.membership().trouble == (line.removeprefix("FLEET: "),)
    assert fleet.release(bench.member.store, "b", "a", "gone")
    assert bench.permit.send() == ()
    assert bench.permit.membership().trouble == ()


def test_what_the_host_knows_is_read_without_the_fleet(bench: FleetBench) -> None:
    """Since when it is cut off; a store that was wiped stays its trouble meanwhile."""
    bench.permit.send()
    bench.cluster.wipe("2")
    (line,) = bench.permit.send()
    bench.member.store.outage = Outage()
    assert bench.permit.may_start(bench.plan()) is not None
    asked = bench.member.store.requests
    known = bench.permit.membership()
    assert known.trouble == (line.removeprefix("FLEET: "),)
    assert known.cut_off == bench.world.clock
    assert bench.member.store.requests == asked
    bench.member.notebook.unreadable = "its memory is damaged"
    assert bench.permit.membership() == Membership("canary", trouble=("its memory is damaged",))


def test_a_stranger_has_no_place(bench: FleetBench) -> None:
    """It asks, and learns that it has not joined."""
    leave(bench.member.store, "a", bench.member.member.install)
    assert bench.permit.may_start(bench.plan()) is not None
    known = bench.permit.membership()
    assert known.place is None
    assert "a is not in the fleet" in known.waits


def test_an_order_of_a_person_is_known_from_the_second_time_on(bench: FleetBench) -> None:
    """A notice is sent once: the reason is the same as that of the last run."""
    store = MemoryFleet(bench.cluster)
    store.transact(orders.halt(Halt(NEW, "b", "r9", "it lost rows", bench.world.clock)))
    first, second = (bench.permit.may_start(bench.plan()) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.why, first.known, second.known) == (SkipReason.REFUSED, False, True)
    assert "it lost rows" in first.reason
    assert first.reason == second.reason
    frozen = FleetFreeze("b", "a talk", bench.world.clock)
    store.transact(orders.freeze(frozen))
    third = bench.permit.may_start(bench.plan())
    assert third is not None
    assert (third.why, third.known, "a talk" in third.reason) == (SkipReason.LATER, False, True)


def test_a_host_that_halts_says_when_and_for_which_run(bench: FleetBench) -> None:
    """By its own clock: the time is for people."""
    other_takes(bench)
    bench.permit.send()
    bench.world.advance(4 * HOURS + 1.0)
    bench.permit.may_start(bench.plan())
    halt = bench.cluster.record(halt_key(NEW))
    assert isinstance(halt, Halt)
    assert (halt.host, halt.run, halt.at) == ("a", "r001", bench.world.clock)


def test_since_when_a_host_is_cut_off_is_part_of_the_reason(bench: FleetBench) -> None:
    """In the one format of moments."""
    bench.member.store.outage = Outage("no route")
    no = bench.permit.may_start(bench.plan())
    assert no is not None
    assert f"(since {moment(bench.world.clock)})" in no.reason
    (line,) = bench.permit.send()
    assert f"(since {moment(bench.world.clock)})" in line


def test_a_published_lock_file_is_handed_out_with_the_host_that_published(
    bench: FleetBench,
) -> None:
    """Nothing is handed out where none is published, or where its bytes are installed already."""
    assert bench.permit.lock_of(NEW) is None
    store, file = MemoryFleet(bench.cluster), LockFile("other packages")
    store.transact(publications.publish_lock(NEW, "b", file))
    assert bench.permit.lock_of(NEW) == SharedLock("b", file)
    assert bench.permit.lock_of(OLD) is None
    bench.world.store.add(NEW)
    assert bench.permit.lock_of(NEW) == SharedLock("b", file)
    bench.world.locks[NEW] = file.text
    assert bench.permit.lock_of(NEW) is None


def test_a_lock_file_that_is_named_and_not_there_is_an_error(bench: FleetBench) -> None:
    """Another member may have deleted it: nothing is installed from something else."""
    store, file = MemoryFleet(bench.cluster), LockFile("other packages")
    store.transact(publications.publish_lock(NEW, "b", file))
    del bench.cluster.entries[lock_file_key(file.digest)]
    with pytest.raises(FleetError, match="host b named") as lost:
        bench.permit.lock_of(NEW)
    assert lost.value.kind is FleetErrorKind.STATE


def test_a_run_remembers_the_store_as_it_took_its_slot(bench: FleetBench) -> None:
    """A copy of the store without the slot is older, and gives none."""
    bench.permit.may_start(bench.plan())
    taken = bench.permit.take_slot(TAKE)
    assert isinstance(taken, ev.SlotTaken)
    known = bench.member.notebook.memory.known
    assert known == KnownStore(bench.cluster.cluster, taken.revision)
    bench.cluster.wipe("2")
    denied = bench.permit.take_slot(TAKE)
    assert isinstance(denied, ev.SlotDenied)
    assert "another one" in denied.reason


def test_a_bake_of_its_own_is_about_what_the_run_before_installed(bench: FleetBench) -> None:
    """The run was cut off while it baked; a night later the bake promotes, and the fleet learns."""
    bench.permit.send()
    bench.world.on("watch", NEW.text, lambda at: setattr(at, "dispatch_up", False))
    run(bench.command())
    bench.world.dispatch_up = True
    run(bench.command())
    records = list(bench.world.journal.runs())
    assert records[0].kind is ev.Kind.BAKE
    (verdict,) = bench.view.verdicts
    assert (verdict.run, verdict.ruling, verdict.moved) == (
        records[0].run,
        FleetRuling.PROMOTED,
        1,
    )
    assert verdict.artifact.lock == artifact(NEW).lock
    report = bench.view.hosts["a"]
    assert (report.run, report.outcome) == (records[0].run, "promoted")


def test_a_failure_in_production_is_published_with_its_halt(bench: FleetBench) -> None:
    """Once: what is there already is not written again."""
    world = small_world("ann", candidate=[Defect.MUTE], victims=["ann"])
    bench = FleetBench(world, joined(bench.cluster, world, "m"), bench.cluster)
    run(bench.command())
    (verdict,) = bench.view.verdicts
    assert (verdict.host, verdict.ruling) == ("m", FleetRuling.FAILED)
    assert "host m, run r001" in bench.view.halts[NEW]
    revision = bench.cluster.revision
    bench.member.notebook.memory = evolve(bench.member.notebook.memory, sent="none")
    assert bench.permit.send() == ()
    assert bench.cluster.revision == revision + 1, "only that it is alive"


def test_the_slot_of_a_run_under_way_and_of_another_host_stays(bench: FleetBench) -> None:
    """Only what is over is released."""
    other = joined(bench.cluster, small_world("eve"), "b", "rest")
    store = MemoryFleet(bench.cluster)
    both = FleetPolicy((Ring("canary", limit=2), Ring("rest")))
    store.transact(orders.set_policy(store.view(), both))
    other_takes(bench, "c")
    seen: list[list[str]] = []
    bench.world.on("watch", NEW.text, lambda _: seen.append(_sent_and_held(bench)))
    run(bench.command())
    assert seen == [["c", "a"]]
    assert [one.host for one in bench.view.holders("canary").holders] == ["c"]
    assert other.member.host in bench.view.hosts


def _sent_and_held(bench: FleetBench) -> list[str]:
    bench.permit.send()
    return [one.host for one in bench.view.holders("canary").holders]
