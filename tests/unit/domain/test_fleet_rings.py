"""Whether a host may start a build now."""

from __future__ import annotations

import pytest
from attrs import evolve

from t3safe.domain.fleet.orders import freeze, halt, leave, set_policy
from t3safe.domain.fleet.publications import publish_verdict
from t3safe.domain.fleet.records import (
    Artifact,
    FleetFreeze,
    FleetPolicy,
    FleetRuling,
    Halt,
    Holders,
    HostReport,
    Ring,
)
from t3safe.domain.fleet.rings import (
    FleetMemory,
    FleetObstacle,
    Instant,
    KnownStore,
    Member,
    Silence,
    evict_silent,
    failed_hosts,
    joined,
    may_open,
    over_budget,
    place,
    promoted_hosts,
    refused_elsewhere,
    remember,
    silent,
    wiped,
)
from t3safe.domain.fleet.slots import take
from t3safe.domain.fleet.view import Commit, Transaction, host_key
from t3safe.simulation.fleetstore import MemoryFleet
from tests.support.fleets import (
    ARTIFACT,
    AT,
    BUILD,
    LOCK,
    OTHER,
    OTHER_LOCK,
    PLATFORM,
    TWO_RINGS,
    fleet_of,
    holder,
    report,
    three_hosts,
    verdict,
)

REFUSED, PROMOTED, FAILED = FleetRuling


def at(seconds: float, boot: str = "boot-1") -> Instant:
    """Give a moment of this host's clock."""
    return Instant(boot, seconds)


def member(host: str, ring: str = "main") -> Member:
    """Make the host as its own configuration has it."""
    return Member(host, f"install-{host}", ring, PLATFORM)


def asked(
    store: MemoryFleet,
    who: Member,
    *,
    memory: FleetMemory | None = None,
    now: float = 0.0,
    artifact: Artifact = ARTIFACT,
) -> tuple[FleetObstacle, str] | None:
    """Ask whether a host may start the build; None if it may."""
    view = store.view(artifact.build)
    known = remember(memory or FleetMemory(), view, artifact.build, at(now))
    found = may_open(view, who, artifact, known, at(now))
    return None if found is None else (found.obstacle, found.reason)


def publish(store: MemoryFleet, *verdicts: tuple[str, FleetRuling]) -> None:
    """Publish verdicts on the build."""
    for host, ruling in verdicts:
        store.transact(publish_verdict(verdict(host, ruling)))


def test_first_ring_is_open_and_the_next_waits() -> None:
    """The next one opens once the hosts of the first have promoted the build."""
    _, store = three_hosts()
    assert asked(store, member("c1", "canary")) is None
    assert asked(store, member("m1")) == (
        FleetObstacle.WAIT,
        f"ring main waits for ring canary: 0 of 1 host(s) promoted {BUILD}, 1 needed",
    )
    publish(store, ("c1", PROMOTED))
    assert asked(store, member("m1")) is None


def test_promotion_that_moved_no_person_opens_nothing() -> None:
    """Nor does one of other bytes, nor one of a host on which the build failed later."""
    _, store = three_hosts(failed_max=1)
    store.transact(publish_verdict(verdict("c1", PROMOTED, moved=0)))
    assert asked(store, member("m1")) is not None
    other = evolve(ARTIFACT, lock=OTHER_LOCK)
    store.transact(publish_verdict(verdict("c1", PROMOTED, other)))
    assert asked(store, member("m1")) is not None
    elsewhere = evolve(ARTIFACT, platform="linux-arm64-glibc")
    store.transact(publish_verdict(verdict("c1", PROMOTED, elsewhere)))
    assert promoted_hosts(store.view(BUILD), ARTIFACT) == {"c1"}
    assert asked(store, member("m1")) is None
    store.transact(publish_verdict(verdict("c1", FAILED, elsewhere)))
    assert asked(store, member("m1")) is not None


@pytest.mark.parametrize(
    ("hosts", "percent", "promoted", "opens"),
    [
        (0, 1, 0, False),
        (3, 1, 0, False),
        (3, 1, 1, True),
        (3, 34, 1, False),
        (3, 34, 2, True),
        (3, 67, 2, False),
        (4, 50, 2, True),
        (2, 100, 1, False),
    ],
)
def test_ring_opens_at_its_share(hosts: int, percent: int, promoted: int, opens: bool) -> None:
    """A share is rounded up, at least one host must have promoted, and no host is no promotion."""
    policy = FleetPolicy((Ring("canary", opens_next=percent), Ring("main")))
    canaries = [report(f"c{at}", "canary") for at in range(hosts)]
    _, store = fleet_of(policy, *canaries, report("m1"))
    publish(store, *((f"c{at}", PROMOTED) for at in range(promoted)))
    assert (asked(store, member("m1")) is None) is opens


def test_ring_that_waits_says_how_many_hosts_are_missing() -> None:
    """A number of hosts is a whole one."""
    policy = FleetPolicy((Ring("canary", opens_next=34), Ring("main")))
    _, store = fleet_of(policy, *(report(f"c{at}", "canary") for at in range(3)), report("m1"))
    publish(store, ("c1", PROMOTED))
    assert asked(store, member("m1")) == (
        FleetObstacle.WAIT,
        f"ring main waits for ring canary: 1 of 3 host(s) promoted {BUILD}, 2 needed",
    )


def test_host_without_policy_or_place_in_the_fleet_needs_a_person() -> None:
    """Each cause is one line with what to do."""
    cluster, store = fleet_of(None)
    assert asked(store, member("m1")) == (
        FleetObstacle.PERSON,
        "the fleet has no policy: write one with `t3safe fleet policy`",
    )
    store.transact(set_policy(store.view(), TWO_RINGS))
    assert asked(store, member("m1", "edge")) == (
        FleetObstacle.PERSON,
        "the fleet's policy has no ring edge: change the policy, or `fleet.ring` of this host",
    )
    assert asked(store, member("m1")) == (
        FleetObstacle.PERSON,
        "m1 is not in the fleet: run `t3safe fleet join`",
    )
    cluster.put_garbage("policy")
    assert asked(store, member("m1")) == (
        FleetObstacle.PERSON,
        "the fleet's policy cannot be read: cannot be read: not JSON",
    )


def test_two_hosts_of_one_name_and_a_host_that_left_do_not_start() -> None:
    """A name belongs to the host that joined with it."""
    _, store = three_hosts()
    second = evolve(member("c1", "canary"), install="install-other")
    assert asked(store, second) == (
        FleetObstacle.PERSON,
        "another host has the name c1: give one of them another name",
    )
    left = leave(store.view(), "c1")
    assert left is not None
    store.transact(left)
    found = asked(store, member("c1", "canary"))
    assert found is not None
    assert "run `t3safe fleet join`" in found[1]


def test_freeze_and_halt_stop_every_ring() -> None:
    """A freeze comes before a halt; both say why."""
    _, store = three_hosts()
    store.transact(halt(Halt(BUILD, "c1", "run-1", "it failed", AT)))
    assert asked(store, member("c1", "canary")) == (
        FleetObstacle.REFUSED,
        f"{BUILD} is halted in the fleet: it failed (host c1, run run-1)",
    )
    assert asked(store, member("c1", "canary"), artifact=evolve(ARTIFACT, build=OTHER)) is None
    store.transact(freeze(FleetFreeze("c1", "wait", AT)))
    assert asked(store, member("c1", "canary")) == (
        FleetObstacle.FROZEN,
        "the fleet is frozen: wait (host c1, 2026-07-21 04:00 UTC)",
    )


@pytest.mark.parametrize(
    ("ruling", "words"), [(REFUSED, "was refused"), (FAILED, "failed")], ids=str
)
def test_build_that_was_refused_elsewhere_is_not_tried(ruling: FleetRuling, words: str) -> None:
    """Only the same artifact counts, and a host's own refusal is its own matter."""
    _, store = three_hosts(failed_max=2)
    publish(store, ("c1", ruling))
    assert asked(store, member("m1")) == (
        FleetObstacle.REFUSED,
        f"{BUILD} {words} on host c1 in run run-1: soak: it died",
    )
    view = store.view(BUILD)
    for other in ({"lock": OTHER_LOCK}, {"platform": "linux-arm64-glibc"}, {"build": OTHER}):
        assert refused_elsewhere(view, evolve(ARTIFACT, **other), "m1") == ""
    assert refused_elsewhere(view, ARTIFACT, "c1") == ""
    assert asked(store, member("c1", "canary")) is None


def test_promotion_takes_a_hosts_own_refusal_back() -> None:
    """A build that fails there later failed all the same, in whatever order rulings are read."""
    _, store = three_hosts()
    publish(store, ("c1", REFUSED), ("c1", PROMOTED))
    assert refused_elsewhere(store.view(BUILD), ARTIFACT, "m1") == ""
    assert asked(store, member("m1")) is None
    publish(store, ("c1", FAILED))
    assert refused_elsewhere(store.view(BUILD), ARTIFACT, "m1") == (
        f"{BUILD} failed on host c1 in run run-1: soak: it died"
    )


def test_too_many_failed_hosts_stop_the_build() -> None:
    """Failures on other platforms count too; another build's do not."""
    _, store = three_hosts(failed_max=1)
    for number, platform in enumerate(("linux-arm64-glibc", "linux-x64-musl")):
        artifact = evolve(ARTIFACT, platform=platform)
        store.transact(publish_verdict(verdict(f"m{number + 1}", REFUSED, artifact)))
    assert asked(store, member("c1", "canary")) == (
        FleetObstacle.REFUSED,
        f"{BUILD} failed on 2 host(s), 1 allowed: m1, m2",
    )
    assert failed_hosts(store.view(OTHER), OTHER, ()) == ()
    assert over_budget(evolve(store.view(BUILD), policy=None), BUILD, ()) == ""


def test_silent_holder_counts_as_failed_on_this_hosts_clock() -> None:
    """Only after the whole deadline since this host saw anything new of it."""
    _, store = three_hosts()
    taken = take(store.view(), "canary", holder("c1"))
    assert isinstance(taken, Transaction)
    assert store.transact(taken).commit is Commit.DONE
    first = remember(FleetMemory(), store.view(), None, at(100))
    second = remember(first, store.view(), None, at(3_700))
    assert second.watched == first.watched
    assert silent(second.watched, TWO_RINGS, at(3_700)) == ()
    quiet = silent(second.watched, TWO_RINGS, at(3_701))
    assert failed_hosts(store.view(BUILD), BUILD, quiet) == ("c1",)
    assert failed_hosts(store.view(OTHER), OTHER, quiet) == ()
    found = asked(store, member("m2"), memory=first, now=3_701)
    assert found == (FleetObstacle.REFUSED, f"{BUILD} failed on 1 host(s), 0 allowed: c1")


def test_host_that_joins_knows_no_store_and_still_sends_what_it_found() -> None:
    """What it waited for and watched was of the store before."""
    known = KnownStore("1", 7)
    watched = (Silence("main", "m1", "run-1", BUILD, 3, at(1)),)
    memory = FleetMemory(known, watched, BUILD, at(2), "run-8", "linux", "it waits", AT)
    assert joined(memory) == FleetMemory(sent="run-8", platform="linux")


def test_report_and_reboot_begin_a_silence_anew() -> None:
    """What is newer of the holder counts as life; after a boot this clock has begun again."""
    _, store = three_hosts()
    taken = take(store.view(), "canary", holder("c1"))
    assert isinstance(taken, Transaction)
    store.transact(taken)
    first = remember(FleetMemory(), store.view(), None, at(100))
    rebooted = remember(first, store.view(), None, at(50, "boot-2"))
    assert [one.since for one in rebooted.watched] == [at(50, "boot-2")]
    backward = remember(first, store.view(), None, at(99))
    assert [one.since for one in backward.watched] == [at(99)]
    newer = store.view()
    newer = evolve(newer, revisions={**newer.revisions, host_key("c1"): 99})
    assert [one.since for one in remember(first, newer, None, at(5_000)).watched] == [at(5_000)]


def test_silent_holder_is_evicted_only_if_the_policy_says_so() -> None:
    """And only for the run that is silent: another one of the same host keeps its slot."""
    cluster, store = three_hosts()
    watched: list[Silence] = []
    for run in ("run-1", "run-2"):
        taken = take(store.view(), "canary", holder("c1", run))
        assert isinstance(taken, Transaction)
        store.transact(taken)
        watched += remember(FleetMemory(), store.view(), None, at(0)).watched
    first, second = watched
    assert evict_silent(store.view(), second) is None
    store.transact(set_policy(store.view(), evolve(TWO_RINGS, release_silent=True)))
    assert evict_silent(store.view(), first) is None
    evicted = evict_silent(store.view(), second)
    assert evicted is not None
    assert store.transact(evicted).commit is Commit.DONE
    note = "c1 (run run-2) was silent for too long; evicted as the policy says"
    assert store.view().holders("canary") == Holders(note=note)
    assert evict_silent(store.view(), second) is None
    cluster.put_garbage("policy")
    assert evict_silent(store.view(), second) is None


def test_store_that_was_wiped_or_restored_is_noticed() -> None:
    """It stays noticed with each command until a person has looked."""
    cluster, store = three_hosts()
    memory = remember(FleetMemory(), store.view(), None, at(0))
    assert memory.known == KnownStore("1", store.view().revision)
    cluster.wipe("2")
    memory = remember(memory, store.view(), BUILD, at(1))
    found = asked(store, member("c1", "canary"), memory=memory)
    why = "the fleet's etcd is another one (cluster 2, was 1)"
    assert found == (FleetObstacle.PERSON, f"{why}; check it, then run `t3safe fleet join` again")
    assert wiped(KnownStore("2", 9), store.view()) == (
        "the fleet's etcd was restored from an older copy (revision 1, was 9);"
        " check it, then run `t3safe fleet join` again"
    )
    assert wiped(KnownStore("2", 1), store.view()) == ""
    assert wiped(None, store.view()) == ""


def test_hosts_of_a_ring_start_one_after_another() -> None:
    """Each waits for its place, on its own clock, from when it saw this release."""
    policy = FleetPolicy((Ring("main", limit=9, wait=60, stagger=10),))
    _, store = fleet_of(policy, report("m1", position=1), report("m2", position=2))
    memory = remember(FleetMemory(), store.view(), BUILD, at(1_000))
    first = asked(store, member("m1"), memory=memory, now=1_059)
    assert first == (FleetObstacle.WAIT, "m1 waits 1 s more for its turn in ring main")
    assert asked(store, member("m1"), memory=memory, now=1_060) is None
    assert asked(store, member("m2"), memory=memory, now=1_069) is not None
    assert asked(store, member("m2"), memory=memory, now=1_070) is None
    other = evolve(ARTIFACT, build=OTHER)
    assert asked(store, member("m1"), memory=memory, now=1_070, artifact=other) is not None


def test_hosts_without_a_set_position_wait_for_the_place_of_this_build() -> None:
    """The place is drawn from the build for which the host waits."""
    policy = FleetPolicy((Ring("main", limit=9, stagger=10),))
    hosts = [report(f"m{at}") for at in range(5)]
    _, store = fleet_of(policy, *hosts)
    memory = remember(FleetMemory(), store.view(), BUILD, at(1_000))
    for one in hosts:
        turn = 1_000 + 10 * place(one.host, BUILD, hosts)
        assert asked(store, member(one.host), memory=memory, now=turn) is None
        assert turn == 1_000 or asked(store, member(one.host), memory=memory, now=turn - 1)


def test_place_is_drawn_for_each_version() -> None:
    """Set positions come first; each host has a place of its own, and no host is always first."""
    hosts: list[HostReport] = [report(f"m{at}") for at in range(5)]
    first = set()
    for number in range(30):
        build = evolve(BUILD, text=f"0.0.30-nightly.20260721.{number}")
        places = [place(one.host, build, [*hosts, report("c1", "canary")]) for one in hosts]
        assert sorted(places) == [0, 1, 2, 3, 4]
        first.add(places.index(0))
    assert first == {0, 1, 2, 3, 4}
    fixed = [*hosts[:4], report("m4", position=1), report("m9", position=0)]
    assert [place(host, BUILD, fixed) for host in ("m9", "m4")] == [0, 1]


def test_artifact_is_about_a_lock_file() -> None:
    """The digest is checked where it is made."""
    assert Artifact(BUILD, LOCK, PLATFORM) == ARTIFACT
