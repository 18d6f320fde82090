"""The fleet's store on a real etcd: the contract, users, TLS, restarts, and hosts at once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define, evolve

from fakes.relay import Relay
from t3safe.adapters.fleet.gateway import (
    Endpoint,
    EtcdUser,
    FleetDeadlines,
    Gateway,
    LostError,
)
from t3safe.adapters.fleet.store import EtcdFleet
from t3safe.contracts.fleetstore import (
    AT,
    BUILD,
    POLICY_OF_TWO,
    FleetStoreContract,
    a_holder,
    a_report,
    a_verdict,
    done,
)
from t3safe.domain.errors import FleetError, FleetErrorKind
from t3safe.domain.fleet.orders import freeze, halt, join, set_policy
from t3safe.domain.fleet.publications import publish_lock, publish_verdict
from t3safe.domain.fleet.records import (
    FleetFreeze,
    FleetPolicy,
    FleetRuling,
    Halt,
    Ring,
)
from t3safe.domain.fleet.rings import FleetMemory, Instant, remember, wiped
from t3safe.domain.fleet.slots import release, take
from t3safe.domain.fleet.view import Change, Commit, Expected, Transaction, host_key
from t3safe.domain.lockfile import LOCK_FILE_MAX, LockFile
from tests.fleet.realetcd import Certificates, RealEtcd, coded
from tests.support.etcds import EtcdBench, fleet_at
from tests.support.slothistory import SlotAsk, SlotHistory, judge
from tests.support.slotusers import RING, CarelessSlots, RightSlots, recorded

PATIENT = FleetDeadlines(connect=5, answer=20, total=60)


class TestPlainEtcd(FleetStoreContract):
    """The contract, on an etcd without users."""

    @pytest.fixture
    def bench(self, plain: RealEtcd, fleet_name: str) -> Iterator[EtcdBench]:
        """Give two hosts of a new fleet, one of them behind a relay."""
        with Relay(plain.port) as relay:
            port = fleet_at(f"http://127.0.0.1:{relay.port}", name=fleet_name, deadlines=PATIENT)
            other = fleet_at(plain.url, name=fleet_name, deadlines=PATIENT)
            yield EtcdBench(plain.url, relay, port, other)


@define
class LossyGateway(Gateway):
    """Loses its next write before or after it is done: no relay can look into TLS."""

    lost: bool | None = None

    def write(self, transaction: dict[str, object]) -> dict[str, object]:
        """Do a transaction, or lose it."""
        lost, self.lost = self.lost, None
        if lost is not False:
            answer = Gateway.write(self, transaction)
            if lost is None:
                return answer
        message = f"{self.endpoints[0]} broke off"
        raise LostError(message)


def owner(
    etcd: RealEtcd, name: str = "lab", user: str = "owner", password: str = "secret"
) -> EtcdFleet:
    """Give the store with TLS and a user."""
    assert etcd.certificates is not None
    gateway = LossyGateway(
        (Endpoint.parse(etcd.url),),
        str(etcd.certificates.authority),
        EtcdUser(user, password),
        PATIENT,
    )
    return EtcdFleet(name, gateway)


@define
class GuardedBench:
    etcd: RealEtcd
    port: EtcdFleet
    other: EtcdFleet

    def lose(self, *, done: bool) -> None:
        """Lose the next write."""
        assert isinstance(self.port.gateway, LossyGateway)
        self.port.gateway.lost = done

    def cut_off(self) -> None:
        """Point this host at a port where nothing listens."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            nothing = Endpoint("https", "127.0.0.1", listener.getsockname()[1])
        self.port.gateway.endpoints = (nothing,)

    def spoil(self, key: str) -> None:
        """Write what no t3safe can read."""
        put = {"key": coded(self.port.prefix + key), "value": coded("{not JSON")}
        self.other.gateway.write({"success": [{"request_put": put}]})


class TestGuardedEtcd(FleetStoreContract):
    """The contract, with TLS and a user."""

    @pytest.fixture
    def bench(self, guarded: RealEtcd) -> GuardedBench:
        """Give two hosts of an empty fleet."""
        port, other = owner(guarded), owner(guarded)
        everything = {"key": coded(port.prefix), "range_end": coded(port.prefix[:-1] + "0")}
        other.gateway.write({"success": [{"request_delete_range": everything}]})
        return GuardedBench(guarded, port, other)


def test_host_may_do_its_part_and_no_more(guarded: RealEtcd) -> None:
    """Its own keys, slots, halts and verdicts; not policy, freeze or another host's report."""
    person, host = owner(guarded), owner(guarded, user="web1")
    done(person, set_policy(person.view(), POLICY_OF_TWO))
    assert done(host, join(host.view(), a_report("web1"))) is Commit.DONE
    assert done(host, take(host.view(), "main", a_holder("web1", "run-7"))) is Commit.DONE
    assert done(host, release(host.view(), "main", "web1", "run-7")) is Commit.DONE
    build = evolve(BUILD, text=f"{BUILD}1")
    assert done(host, halt(Halt(build, "web1", "run-1", "it failed", AT))) is Commit.DONE
    assert done(host, publish_verdict(a_verdict(FleetRuling.PROMOTED, build))) is Commit.DONE
    assert done(host, publish_lock(build, "web1", LockFile("{}"))) is Commit.DONE
    host.alive("web1", 60)
    for forbidden in (
        set_policy(host.view(), POLICY_OF_TWO),
        freeze(FleetFreeze("web1", "wait", AT)),
        Transaction((), (Change(host_key("web2"), None),)),
    ):
        with pytest.raises(FleetError, match="permission denied") as caught:
            host.transact(forbidden)
        assert caught.value.kind is FleetErrorKind.CREDENTIALS


def test_users_are_refused_in_one_line(guarded: RealEtcd) -> None:
    """A wrong password, no user, and another fleet than the role's."""
    no_user = owner(guarded)
    no_user.gateway.sign_in = None
    for store, words in (
        (owner(guarded, password="wrong"), "invalid user ID or password"),
        (no_user, "user name is empty"),
        (owner(guarded, name="other"), "permission denied"),
    ):
        with pytest.raises(FleetError, match=words) as caught:
            store.view()
        assert caught.value.kind is FleetErrorKind.CREDENTIALS
        assert "secret" not in str(caught.value)


def test_certificate_of_another_authority_is_refused(guarded: RealEtcd, tmp_path: Path) -> None:
    """Before the password is sent; so is plain HTTP to a server with TLS."""
    other = Certificates.made(tmp_path / "other")
    for cafile in (str(other.authority), ""):
        store = owner(guarded)
        store.gateway.cafile = cafile
        with pytest.raises(FleetError, match="no certificate that is trusted here") as caught:
            store.transact(freeze(FleetFreeze("web1", "wait", AT)))
        assert caught.value.kind is FleetErrorKind.WRONG_CA
    with pytest.raises(FleetError) as caught:
        fleet_at(guarded.url.replace("https", "http")).view()
    assert caught.value.kind is not FleetErrorKind.WRONG_CA


def test_token_that_was_revoked_is_renewed(guarded: RealEtcd) -> None:
    """Sign in once, repeat once, also for a write; a restart alone revokes nothing."""
    store = owner(guarded)
    before = store.view()
    guarded.stop()
    guarded.start()
    assert store.view() == before
    requests = store.gateway.requests
    root = guarded.post("auth/authenticate", name="root", password="secret")["token"]
    guarded.post("auth/user/changepw", str(root), name="owner", password="secret")
    assert store.transact(Transaction((), (Change(host_key("w9"), None),))).commit is Commit.DONE
    assert store.gateway.requests == requests + 3


def test_wiped_etcd_is_another_cluster(tmp_path: Path, programs: None) -> None:
    """The same port and name, without its data."""
    with RealEtcd(tmp_path / "etcd") as etcd:
        store = fleet_at(etcd.url, deadlines=PATIENT)
        store.transact(freeze(FleetFreeze("web1", "wait", AT)))
        memory = remember(FleetMemory(), store.view(), None, Instant("boot", 0))
        etcd.stop()
        etcd.start()
        assert wiped(memory.known, store.view()) == ""
        etcd.wipe()
        assert wiped(memory.known, store.view())


def test_largest_lock_file_fits_and_a_larger_request_is_refused(
    plain: RealEtcd, fleet_name: str
) -> None:
    """Etcd's own limit is above ours; what is refused was not written."""
    store = fleet_at(plain.url, name=fleet_name, deadlines=PATIENT)
    file = LockFile('"' * (LOCK_FILE_MAX // 4) + "a" * (LOCK_FILE_MAX // 4 * 3))
    assert done(store, publish_lock(BUILD, "web1", file)) is Commit.DONE
    assert store.lock_file(file.digest) == file
    big = a_report("web1")
    many = tuple(Change(host_key(f"w{number}"), big) for number in range(129))
    with pytest.raises(FleetError, match="too many operations") as caught:
        store.transact(Transaction((Expected(host_key("w1"), 0),), many))
    assert caught.value.kind is FleetErrorKind.GARBAGE


@pytest.mark.parametrize("limit", [1, 2])
def test_hosts_at_once_never_exceed_the_limit(plain: RealEtcd, fleet_name: str, limit: int) -> None:
    """Four hosts in threads, a person who evicts and a reader, judged from what they recorded."""
    history = contended(plain, fleet_name, limit, RightSlots)
    assert judge(history, limit) == ""
    assert sum(call.asked is SlotAsk.TAKE and call.answer is True for call in history.calls) >= 4


def test_careless_release_is_found_on_a_real_etcd(plain: RealEtcd, fleet_name: str) -> None:
    """An evicted host comes back late and writes what it believed."""
    store = fleet_at(plain.url, name=fleet_name, deadlines=PATIENT)
    done(store, set_policy(store.view(), FleetPolicy((Ring(RING),))))
    history, slots = SlotHistory(), CarelessSlots(store)
    first, second, third = (("m1", "run-1"), ("m2", "run-1"), ("m3", "run-1"))
    for _ in recorded(history, SlotAsk.TAKE, first, slots.take(*first)):
        pass
    late = recorded(history, SlotAsk.RELEASE, first, slots.release(*first))
    next(late)
    for _ in recorded(history, SlotAsk.EVICT, ("m1", ""), slots.evict("m1")):
        pass
    for _ in recorded(history, SlotAsk.TAKE, second, slots.take(*second)):
        pass
    for _ in late:
        pass
    for _ in recorded(history, SlotAsk.TAKE, third, slots.take(*third)):
        pass
    assert "no order explains" in judge(history, 1)


def contended(
    etcd: RealEtcd, name: str, limit: int, kind: type[RightSlots], rounds: int = 5
) -> SlotHistory:
    """Let hosts take and release at once."""
    history = SlotHistory()
    person = fleet_at(etcd.url, name=name, deadlines=PATIENT)
    done(person, set_policy(person.view(), FleetPolicy((Ring(RING, limit=limit),))))

    def host(own: str) -> None:
        slots = kind(fleet_at(etcd.url, name=name, deadlines=PATIENT))
        for number in range(rounds):
            who = (own, f"run-{number}")
            for _ in recorded(history, SlotAsk.TAKE, who, slots.take(*who)):
                pass
            for _ in recorded(history, SlotAsk.RELEASE, who, slots.release(*who)):
                pass

    def watch() -> None:
        slots = kind(fleet_at(etcd.url, name=name, deadlines=PATIENT))
        for number in range(rounds):
            call = history.begin(SlotAsk.READ)
            found = slots.store.view().holders(RING).holders
            history.end(call, frozenset((one.host, one.run) for one in found))
            evicted = f"m{number % 4}"
            for _ in recorded(history, SlotAsk.EVICT, (evicted, ""), slots.evict(evicted)):
                pass

    acting = [threading.Thread(target=host, args=(f"m{number}",)) for number in range(4)]
    acting.append(threading.Thread(target=watch))
    for one in acting:
        one.start()
    for one in acting:
        one.join(120)
        assert not one.is_alive()
    return history
