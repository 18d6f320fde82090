"""Each fault at each step of a run in a fleet, with another host that wants the one slot.

After the fault the fleet is well again and both hosts go on.  The slots are judged from what was
committed, each host by the invariants of its world.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum

import pytest
from attrs import define, field

from fakes.world import NEW, Crash, Defect, PowerCut, World, drive, host, small_world
from fakes.world.fleet import FleetHostFake, founded, joined
from t3safe.domain import events as ev
from t3safe.domain.fleet import orders, rings
from t3safe.domain.fleet.records import FleetFreeze, FleetRuling
from t3safe.domain.fleet.slots import evict
from t3safe.domain.fleet.view import KeyEntry, Transaction
from t3safe.simulation.fleetstore import MemoryFleet, Outage
from t3safe.usecases.check import check
from t3safe.usecases.recover import recover
from t3safe.usecases.run import drain, run
from tests.scenarios.nights import DAY, night, take_ann_back
from tests.support.fleetsteps import (
    ON_THE_HOST,
    READING,
    FleetStep,
    LostAnswerError,
    RecordingCluster,
    SteppedStore,
    Strike,
    stepped,
)
from tests.support.slothistory import judge

pytestmark = pytest.mark.long


class FleetFault(StrEnum):
    """What happens at a step."""

    LOST_BEFORE = "answer lost before"
    """The store never heard it."""
    LOST_AFTER = "answer lost after"
    LOST_LATE = "answer lost late"
    """It may be done while the other host moves people, or at the end."""
    TWICE = "sent twice"
    DOWN = "store down"
    """From this step on, until the night is over."""
    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    POWER_BEFORE = "power cut before"
    POWER_AFTER = "power cut after"
    EVICTED = "evicted"
    FROZEN = "frozen"
    WIPED = "wiped"
    RESTORED = "restored"
    """From a copy that was made before the run."""


class Rival(StrEnum):
    """What the other host does right after the fault."""

    LATER = "later"
    RUNS = "runs"
    HOLDS = "holds"
    """It takes the slot if it can and dies while its people bake."""


_BEFORE = frozenset(
    {
        FleetFault.LOST_BEFORE,
        FleetFault.LOST_LATE,
        FleetFault.DOWN,
        FleetFault.CRASH_BEFORE,
        FleetFault.POWER_BEFORE,
        FleetFault.EVICTED,
        FleetFault.FROZEN,
        FleetFault.WIPED,
        FleetFault.RESTORED,
    }
)
_DEATHS = {
    FleetFault.CRASH_BEFORE: Crash,
    FleetFault.CRASH_AFTER: Crash,
    FleetFault.POWER_BEFORE: PowerCut,
    FleetFault.POWER_AFTER: PowerCut,
}


_UNKNOWN_STORE = frozenset({FleetFault.WIPED, FleetFault.RESTORED})
_THEN_READS = READING | ON_THE_HOST
"""Before these steps a host reads the store before it writes to it."""


def _cases(*rivals: Rival, without: FleetStep) -> list[tuple[FleetStep, FleetFault, Rival]]:
    found = []
    for step in FleetStep:
        asks = step not in ON_THE_HOST
        writes = asks and step not in READING | {FleetStep.ALIVE}
        left_out = set() if asks else {FleetFault.LOST_BEFORE, FleetFault.LOST_AFTER}
        left_out |= set() if writes else {FleetFault.LOST_LATE, FleetFault.TWICE}
        faults = [fault for fault in FleetFault if fault not in left_out and step is not without]
        found += [(step, fault, rival) for fault in faults for rival in rivals]
    return found


@define
class FleetUnderFault(Strike):
    """Two hosts and one slot; the fault strikes host `a` once, at its step."""

    step: FleetStep
    fault: FleetFault
    rival: Rival
    mute: bool = False
    """Whether the build fails its first person."""
    cluster: RecordingCluster = field(factory=RecordingCluster)
    copy: tuple[dict[str, KeyEntry], int] = ({}, 0)
    worlds: dict[str, World] = field(factory=dict)
    members: dict[str, FleetHostFake] = field(factory=dict)
    stores: dict[str, SteppedStore] = field(factory=dict)
    struck: bool = False
    requests: int = 0
    """How many requests host `a` had made when it died."""
    writes: int = 0
    """How many transactions it had sent when the fault struck."""

    def __attrs_post_init__(self) -> None:
        """Found the fleet."""
        founded(cluster=self.cluster)
        mute = [Defect.MUTE] if self.mute else []
        for name, strike in (("a", self), ("b", Strike())):
            world = small_world("ann", candidate=mute, victims=["ann"] * self.mute)
            self.worlds[name] = world
            self.members[name] = joined(self.cluster, world, name)
            self.stores[name] = stepped(world, self.members[name], strike)
        self.copy = (dict(self.cluster.entries), self.cluster.revision)
        self._store().alive("z", 60)

    def before(self, step: FleetStep, sent: Transaction | None) -> None:
        """Strike before the step, if the fault does so."""
        if self.fault in _BEFORE:
            self._strike(step, sent)

    def after(self, step: FleetStep, sent: Transaction | None) -> None:
        """Strike after the step, if the fault does so."""
        if self.fault not in _BEFORE:
            self._strike(step, sent)

    def _strike(self, step: FleetStep, sent: Transaction | None) -> None:
        if self.struck or step is not self.step:
            return
        self.struck = True
        self.writes = self.stores["a"].writes
        match self.fault:
            case FleetFault.LOST_LATE | FleetFault.TWICE:
                assert sent is not None
                self.cluster.late.append(sent)
            case FleetFault.DOWN:
                self.members["a"].store.outage = Outage()
            case FleetFault.EVICTED:
                self._person(evict(self._store().view(), "canary", "a", "a person said so"))
            case FleetFault.FROZEN:
                frozen = FleetFreeze("z", "maintenance", self.worlds["a"].clock)
                self._person(orders.freeze(frozen))
            case FleetFault.WIPED:
                self.cluster.wipe("2")
            case FleetFault.RESTORED:
                self.cluster.restore(*self.copy)
            case _:
                pass
        if self.fault is FleetFault.TWICE:
            self.cluster.deliver()
        self._meanwhile()
        self._end(self.fault)

    def _end(self, fault: FleetFault) -> None:
        if fault in _DEATHS:
            self.requests = self.stores["a"].requests
            raise _DEATHS[fault]
        if fault in {FleetFault.LOST_BEFORE, FleetFault.LOST_AFTER, FleetFault.LOST_LATE}:
            raise LostAnswerError

    def _meanwhile(self) -> None:
        """Let the other host act; what is late is done while it holds the slot."""
        world = self.worlds["b"]
        if self.rival is Rival.LATER:
            return
        world.on("verify", "ann", lambda _: self.cluster.deliver())
        if self.rival is Rival.RUNS:
            night(world)
            return
        world.on("watch", NEW.text, _die)
        with suppress(Crash):
            run(host(world))

    def _store(self) -> MemoryFleet:
        return MemoryFleet(self.cluster)

    def _person(self, transaction: Transaction | None) -> None:
        if transaction is not None:
            self._store().transact(transaction)

    def keeps_its_slot(self) -> None:
        """What host `a` does takes no slot from host `b`, which died holding it."""
        run_of_b = self.worlds["b"].journal.unfinished()
        if run_of_b is not None and self.fault not in _UNKNOWN_STORE:
            holders = self._store().view().holders("canary").holders
            answers = (
                getattr(one, "answer", None) for one in self.worlds["b"].journal.events(run_of_b)
            )
            held = any(isinstance(answer, ev.SlotTaken) for answer in answers)
            assert [(one.host, one.run) for one in holders] == [("b", run_of_b)] * held

    def mend(self) -> None:
        """Make the fleet well: a person thaws it, or founds it again and lets the hosts join."""
        self.members["a"].store.outage = None
        if self._notices():
            assert self.stores["a"].writes == self.writes, "it knows that this is another store"
        self._person(orders.thaw(self._store().view()))
        if self.fault not in _UNKNOWN_STORE:
            return
        if self.fault is FleetFault.WIPED:
            founded(cluster=self.cluster)
        for name, member in self.members.items():
            rejoined = joined(self.cluster, small_world("ann"), name).member
            assert rejoined == member.member
            member.notebook.keep(rings.joined(member.notebook.load()))

    def _notices(self) -> bool:
        """Whether the host can know that the store is another one before it writes again.

        It knows a copy while that is older than what it saw last.
        """
        if self.fault is FleetFault.RESTORED:
            return self.rival is Rival.LATER and self.step in _THEN_READS - {FleetStep.ASK}
        return self.fault is FleetFault.WIPED and self.step in _THEN_READS

    def goes_on(self) -> None:
        """Let the next nights come."""
        self.cluster.deliver()
        for world in self.worlds.values():
            assert drive(world, recover).violations == ()
            _sync(world)
        for operation in (run, drain, run):
            for world in self.worlds.values():
                world.advance(DAY)
                night(world, operation)
        self.cluster.deliver()
        for world in self.worlds.values():
            _sync(world)

    def judged(self) -> None:
        """Judge the slots of each cluster; in the last one each was released once."""
        for account in self.cluster.accounts:
            for slots in account.values():
                assert judge(slots.history, 1) == ""
                assert slots.most <= 1
        for slots in self.cluster.accounts[-1].values():
            assert set(slots.left.values()) <= {1}
            assert slots.taken == slots.left

    def is_done(self) -> None:
        """Both hosts have the build."""
        for world in self.worlds.values():
            assert (world.people["ann"].link, world.last_good) == (NEW, NEW)

    def is_known(self) -> None:
        """The others know what each host found, unless that was lost with the store."""
        view = self._store().view(NEW)
        if self.fault not in _UNKNOWN_STORE or self.step in _THEN_READS:
            ruling = FleetRuling.FAILED if self.mute else FleetRuling.PROMOTED
            found = [verdict.host for verdict in view.verdicts if verdict.ruling is ruling]
            assert found == [name for name, world in self.worlds.items() if self._met(world)]
            assert list(view.halts) == ([NEW] if self.mute else [])

    def _met(self, world: World) -> bool:
        """Whether the host found out what the build is like."""
        return bool(world.frozen) if self.mute else world.last_good == NEW

    def goes_back_alone(self) -> None:
        """A check and a rollback ask nobody."""
        for name, world in self.worlds.items():
            self.members[name].store.outage = Outage()
            before = self.stores[name].requests
            night(world, lambda wired: check(wired, NEW))
            night(world, take_ann_back, giving_up=True)
            assert self.stores[name].requests == before


def _die(_: World) -> None:
    raise Crash


def _sync(world: World) -> None:
    """Do what the timer of the sync does."""
    assert world.fleet is not None
    assert world.fleet(world).send() == ()


def _played(fleet: FleetUnderFault) -> None:
    """Play the night with the fault and those after it."""
    assert drive(fleet.worlds["a"]).violations == ()
    assert fleet.struck
    if fleet.fault in _DEATHS:
        assert fleet.stores["a"].requests == fleet.requests, "a recovery asks nobody"
    fleet.keeps_its_slot()
    fleet.mend()
    fleet.goes_on()
    fleet.judged()
    fleet.is_known()


@pytest.mark.parametrize(("step", "fault", "rival"), _cases(*Rival, without=FleetStep.HALT))
def test_no_fault_of_a_fleet_breaks_a_host_or_a_limit(
    step: FleetStep, fault: FleetFault, rival: Rival
) -> None:
    """Slots stay within the limit and are released once; everybody gets the build."""
    fleet = FleetUnderFault(step, fault, rival)
    _played(fleet)
    fleet.is_done()
    fleet.goes_back_alone()


@pytest.mark.parametrize(
    ("step", "fault", "rival"), _cases(Rival.LATER, Rival.RUNS, without=FleetStep.BAKE)
)
def test_no_fault_of_a_fleet_hides_a_build_that_failed(
    step: FleetStep, fault: FleetFault, rival: Rival
) -> None:
    """Slots stay within the limit and are released once; the build is halted in the end."""
    _played(FleetUnderFault(step, fault, rival, mute=True))
