"""The fleet's store, in memory and on a fake etcd; on a real one: `tests/fleet`."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define, evolve

from fakes.etcd import EtcdFault, EtcdServer
from fakes.etcdstate import EtcdState, Permission
from fakes.relay import Relay
from t3safe.adapters._support.http_client import fetch
from t3safe.adapters.fleet.gateway import Endpoint, EtcdUser, FleetDeadlines, Gateway
from t3safe.adapters.fleet.store import EtcdFleet
from t3safe.contracts.fleetstore import (
    AT,
    BUILD,
    POLICY_OF_TWO,
    FleetStoreContract,
    a_holder,
    done,
)
from t3safe.domain.errors import FleetError, FleetErrorKind, UnusableError
from t3safe.domain.fleet.orders import freeze, set_policy, thaw
from t3safe.domain.fleet.publications import publish_lock
from t3safe.domain.fleet.records import FleetFreeze
from t3safe.domain.fleet.rings import FleetMemory, Instant, remember, wiped
from t3safe.domain.fleet.slots import Lost, after_lost_take, fence, take
from t3safe.domain.fleet.view import Commit, Transaction, lock_file_key
from t3safe.domain.lockfile import LockFile
from t3safe.simulation.fleetstore import Loss, MemoryCluster, MemoryFleet, Outage
from tests.support.etcds import BRIEF, EtcdBench, fleet_at, put


@define
class MemoryBench:
    cluster: MemoryCluster
    port: MemoryFleet
    other: MemoryFleet

    def lose(self, *, done: bool) -> None:
        """Lose the next transaction of this host."""
        self.port.losses = deque([Loss.AFTER if done else Loss.BEFORE])

    def cut_off(self) -> None:
        """Cut this host off."""
        self.port.outage = Outage()

    def spoil(self, key: str) -> None:
        """Write what cannot be read."""
        self.cluster.put_garbage(key)


class TestMemoryFleet(FleetStoreContract):
    """The contract, in memory."""

    @pytest.fixture
    def bench(self) -> MemoryBench:
        """Give two hosts of an empty cluster."""
        cluster = MemoryCluster()
        return MemoryBench(cluster, MemoryFleet(cluster), MemoryFleet(cluster))


class TestEtcdFleet(FleetStoreContract):
    """The contract, over HTTP."""

    @pytest.fixture
    def bench(self) -> Iterator[EtcdBench]:
        """Give two hosts, one of them behind a relay."""
        with EtcdServer() as etcd, Relay(int(etcd.url.rpartition(":")[2])) as relay:
            port = fleet_at(f"http://127.0.0.1:{relay.port}")
            yield EtcdBench(etcd.url, relay, port, fleet_at(etcd.url))


def test_lease_in_memory_ends() -> None:
    """A host that says nothing more is not alive any more, and that is a change of its own."""
    cluster = MemoryCluster()
    store = MemoryFleet(cluster)
    store.alive("web1", 60)
    before = store.view().revision
    cluster.now = lambda: 60.0
    assert store.view().alive == frozenset()
    assert store.view().revision > before


def test_lock_file_in_memory_that_was_replaced_is_refused() -> None:
    """As over HTTP: the digest says which file is meant."""
    cluster = MemoryCluster()
    store = MemoryFleet(cluster)
    done(store, publish_lock(BUILD, "web1", LockFile("{}")))
    key = lock_file_key(LockFile("{}").digest)
    cluster.entries[key] = evolve(cluster.entries[key], record=LockFile("[]"))
    with pytest.raises(FleetError, match="another digest"):
        store.lock_file(LockFile("{}").digest)


# What etcd may do to one host, over HTTP.


@pytest.fixture
def etcd() -> Iterator[EtcdServer]:
    """Give an etcd that holds nothing."""
    with EtcdServer() as server:
        yield server


def frozen() -> Transaction:
    """Make a transaction that is done at most once."""
    return freeze(FleetFreeze("web1", "wait", AT))


@pytest.mark.parametrize(
    ("fault", "was_done"),
    [
        (EtcdFault.LOST_BEFORE, False),
        (EtcdFault.LOST_AFTER, True),
        (EtcdFault.UNAVAILABLE, False),
        (EtcdFault.TIMED_OUT, True),
        (EtcdFault.CUT, True),
        (EtcdFault.HTML, False),
        (EtcdFault.PROXY, False),
        (EtcdFault.FOREIGN, False),
        (EtcdFault.HUGE, False),
    ],
)
def test_write_without_an_answer_of_etcd_is_unknown(
    etcd: EtcdServer, fault: EtcdFault, *, was_done: bool
) -> None:
    """It is never sent again by itself, also where another endpoint would answer."""
    store = fleet_at(etcd.url, etcd.url)
    etcd.fail(fault)

    found = store.transact(frozen())

    assert found.commit is Commit.UNKNOWN
    assert found.reason.startswith(etcd.url)
    assert found.reason.isprintable()
    assert (store.view().frozen != "") is was_done
    assert etcd.log == ["kv/txn", "kv/txn"]


def test_late_answer_to_a_write_is_unknown(etcd: EtcdServer) -> None:
    """After the deadline the connection is cut, and the next read says what became of it."""
    store = fleet_at(etcd.url, deadlines=FleetDeadlines(connect=1, answer=0.2, total=4))
    etcd.fail(EtcdFault.LATE, seconds=0.6)
    assert store.transact(frozen()).commit is Commit.UNKNOWN
    assert store.view().frozen.startswith("wait")


def test_write_that_is_done_long_after_is_fenced(etcd: EtcdServer) -> None:
    """A member that was cut off may deliver a transaction when its host has gone on without."""
    store = fleet_at(etcd.url)
    done(store, set_policy(store.view(), POLICY_OF_TWO))
    asked = take(store.view(), "canary", a_holder("web1"))
    assert isinstance(asked, Transaction)
    etcd.fail(EtcdFault.PENDING)
    assert store.transact(asked).commit is Commit.UNKNOWN
    view = store.view()
    assert after_lost_take(asked, view, "canary", a_holder("web1")) is Lost.OPEN
    assert store.transact(fence(view, "canary")).commit is Commit.DONE
    etcd.deliver()
    assert store.view().holders("canary").holders == ()


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (EtcdFault.LOST_BEFORE, FleetErrorKind.UNREACHABLE, "broke off"),
        (EtcdFault.UNAVAILABLE, FleetErrorKind.UNREACHABLE, "says 'etcdserver: no leader'"),
        (EtcdFault.CUT, FleetErrorKind.UNREACHABLE, "broke off"),
        (EtcdFault.HTML, FleetErrorKind.GARBAGE, "is not etcd"),
        (EtcdFault.PROXY, FleetErrorKind.NOT_ETCD, "502 Bad Gateway"),
        (EtcdFault.FOREIGN, FleetErrorKind.NOT_ETCD, "not etcd's"),
        (EtcdFault.HUGE, FleetErrorKind.UNREACHABLE, "more than 33554432 bytes"),
    ],
)
def test_read_goes_on_to_the_next_endpoint(
    etcd: EtcdServer, fault: EtcdFault, kind: FleetErrorKind, words: str
) -> None:
    """Only if none answers it fails, with each endpoint and what it did on one line."""
    store = fleet_at(etcd.url, etcd.url)
    etcd.fail(fault)
    assert store.view().revision == 1

    etcd.fail(fault, fault)
    with pytest.raises(FleetError, match=words) as caught:
        store.view()
    assert caught.value.kind is kind
    assert str(caught.value).count(etcd.url) == 2
    assert str(caught.value).isprintable()


def test_endpoint_that_answers_is_asked_first_from_then_on(etcd: EtcdServer) -> None:
    """A write goes past an endpoint that refuses the connection: nothing was sent to it."""
    with EtcdServer() as gone:
        url = gone.url
    store = fleet_at(url, etcd.url)
    assert store.transact(frozen()).commit is Commit.DONE
    before = store.gateway.requests
    assert store.view().frozen
    assert (before, store.gateway.requests) == (2, 3)


def test_deadline_holds_over_all_endpoints(etcd: EtcdServer) -> None:
    """Endpoints that are left when the time is over are not asked."""
    store = fleet_at(*[etcd.url] * 9, deadlines=FleetDeadlines(connect=1, answer=0.2, total=0.3))
    etcd.fail(EtcdFault.LATE, seconds=0.5, times=9)
    with pytest.raises(FleetError) as caught:
        store.view()
    assert caught.value.kind is FleetErrorKind.UNREACHABLE
    assert store.gateway.requests < 4


BAD_ENDPOINTS = (
    *("", "etcd1:2379", "http://x", "http://a:b@x:1", "http://x:1/v3"),
    *("http://[x:1", "ftp://x:1", "http://x:99999"),
)


@pytest.mark.parametrize("text", BAD_ENDPOINTS)
def test_endpoint_is_scheme_host_and_port(text: str) -> None:
    """Credentials in an endpoint would be shown in messages."""
    with pytest.raises(UnusableError, match="is not an endpoint such as"):
        Endpoint.parse(text)


def test_fleet_without_an_endpoint_is_refused() -> None:
    """Before anything is asked."""
    with pytest.raises(UnusableError, match="no endpoint"):
        fleet_at()


def test_only_loopback_goes_past_the_proxies_of_the_environment(
    etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy cannot reach this host's own loopback; a name or another address may need it."""
    assert Endpoint.parse("http://localhost:1").loopback
    assert Endpoint.parse("http://[::1]:1").loopback
    assert not Endpoint.parse("http://etcd1:1").loopback
    assert str(Endpoint.parse("https://[::1]:2379/")) == "https://[::1]:2379"
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert fleet_at(etcd.url).view().revision == 1
    with pytest.raises(FleetError, match="cannot be reached"):
        fleet_at("http://etcd1.invalid:2379").view()


def test_full_database_is_a_refusal(etcd: EtcdServer) -> None:
    """Nothing was written, and the line says what etcd says."""
    etcd.fail(EtcdFault.FULL)
    with pytest.raises(FleetError, match="refuses the request: etcdserver: mvcc: database space"):
        fleet_at(etcd.url).transact(frozen())


def test_request_that_etcd_does_not_take_is_a_refusal(etcd: EtcdServer) -> None:
    """As a transaction that changes a key twice."""
    twice = frozen()
    with pytest.raises(FleetError, match="duplicate key given") as caught:
        fleet_at(etcd.url).transact(evolve(twice, changes=twice.changes * 2))
    assert caught.value.kind is FleetErrorKind.GARBAGE


def test_wiped_etcd_is_noticed(etcd: EtcdServer) -> None:
    """The cluster's id and its revision come with each view."""
    store = fleet_at(etcd.url)
    store.transact(frozen())
    memory = remember(FleetMemory(), store.view(), None, Instant("boot", 0))
    assert wiped(memory.known, store.view()) == ""
    etcd.wipe("77")
    assert "another one (cluster 77" in wiped(memory.known, store.view())


def test_reads_are_never_those_of_a_member_that_lags(etcd: EtcdServer) -> None:
    """No request asks for a serializable read."""
    store = fleet_at(etcd.url)
    etcd.state.lag()
    store.transact(frozen())
    assert store.view().frozen


def test_fleets_do_not_see_one_another(etcd: EtcdServer) -> None:
    """Two may share an etcd; a name that leads elsewhere is refused."""
    first, second = fleet_at(etcd.url, name="a"), fleet_at(etcd.url, name="a.b")
    first.transact(frozen())
    assert second.view().frozen == ""
    with pytest.raises(UnusableError, match=r"fleet '\.\./a'"):
        fleet_at(etcd.url, name="../a")


def test_lock_file_is_checked_by_its_digest(etcd: EtcdServer) -> None:
    """Another host's file is hostile input: other bytes, no JSON, and no record of ours."""
    store = fleet_at(etcd.url)
    digest = LockFile("{}").digest
    for value in (b'{"format":1,"text":"[]"}', b"{", b"{}", b'{"format":1,"text":1}'):
        put(etcd.url, store.prefix + lock_file_key(digest), value)
        with pytest.raises(FleetError, match="cannot read the fleet's lock file") as caught:
            store.lock_file(digest)
        assert caught.value.kind is FleetErrorKind.GARBAGE


HALF_RIGHT: tuple[dict[str, object], ...] = (
    {"responses": [{}]},
    {"responses": [{"response_range": {"kvs": [{"key": "eA==", "mod_revision": "1"}]}}]},
    {"responses": 1},
)


@pytest.mark.parametrize("broken", HALF_RIGHT)
def test_answer_that_is_half_right_is_garbage(
    etcd: EtcdServer, broken: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read of it is one line, a write is unknown."""

    def call(*_: object) -> dict[str, object]:
        return {"header": {"cluster_id": "1", "revision": "x"}, **broken}

    monkeypatch.setattr(EtcdState, "call", call)
    store = fleet_at(etcd.url)
    for ask in (store.view, lambda: store.lock_file("a" * 64)):
        with pytest.raises(FleetError, match="cannot read the fleet's") as caught:
            ask()
        assert caught.value.kind is FleetErrorKind.GARBAGE
    assert store.transact(frozen()).commit is Commit.UNKNOWN


def test_alive_whose_answer_was_lost_is_an_error(etcd: EtcdServer) -> None:
    """Nothing hangs on it, so nothing is settled."""
    etcd.fail(EtcdFault.LOST_AFTER, path="txn")
    with pytest.raises(FleetError, match="that web1 is alive"):
        fleet_at(etcd.url).alive("web1", 60)


# Users.


@pytest.fixture
def guarded(etcd: EtcdServer) -> EtcdServer:
    """Give an etcd with a user for one host of the fleet `lab`."""
    state = etcd.state
    state.users = {"root": ("secret", set()), "web1": ("secret", {"lab"})}
    state.roles["lab"] = [Permission("READWRITE", b"/t3safe/v1/lab/", b"/t3safe/v1/lab0")]
    state.auth = True
    return etcd


def signed(etcd: EtcdServer, name: str = "lab", password: str = "secret") -> EtcdFleet:
    """Give the store with the user of web1."""
    sign_in = EtcdUser("web1", password)
    return EtcdFleet(name, Gateway((Endpoint.parse(etcd.url),), sign_in=sign_in, deadlines=BRIEF))


def test_host_signs_in_once(guarded: EtcdServer) -> None:
    """With the first question; no password is in what is shown of the gateway."""
    store = signed(guarded)
    store.view()
    store.transact(frozen())
    assert guarded.log == ["auth/authenticate", "kv/txn", "kv/txn"]
    assert "secret" not in repr(store)
    assert "FakeToken" not in repr(store)


@pytest.mark.parametrize("fault", [EtcdFault.TOKEN, EtcdFault.OLD_AUTH])
def test_refused_token_is_renewed_once(guarded: EtcdServer, fault: EtcdFault) -> None:
    """And what was asked is asked once more, also a write: it was refused, not lost."""
    store = signed(guarded)
    store.view()
    guarded.fail(fault)
    assert store.transact(frozen()).commit is Commit.DONE
    assert guarded.log[2:] == ["kv/txn", "auth/authenticate", "kv/txn"]
    guarded.fail(fault, fault, path="txn")
    with pytest.raises(
        FleetError, match=r"refuses this host's user: .*(token|auth store)"
    ) as caught:
        store.transact(frozen())
    assert caught.value.kind is FleetErrorKind.CREDENTIALS
    assert len(guarded.log) == 8
    guarded.state.tokens.clear()
    assert store.view().frozen


def test_token_that_is_refused_at_once_is_not_renewed(guarded: EtcdServer) -> None:
    """It was made a moment before."""
    guarded.fail(EtcdFault.TOKEN, path="txn")
    with pytest.raises(FleetError, match="invalid auth token"):
        signed(guarded).view()


def test_user_that_is_refused_is_told_in_one_line(guarded: EtcdServer) -> None:
    """A wrong password, no user, a role for another fleet, an etcd without users."""
    for store, words in (
        (signed(guarded, password="wrong"), "invalid user ID or password"),
        (fleet_at(guarded.url), "user name is empty"),
        (signed(guarded, name="other"), "permission denied"),
    ):
        for ask in (store.view, lambda store=store: store.transact(frozen())):
            with pytest.raises(FleetError, match=words) as caught:
                ask()
            assert caught.value.kind is FleetErrorKind.CREDENTIALS
            assert "secret" not in str(caught.value)
            assert str(caught.value).isprintable()
    guarded.state.auth = False
    with pytest.raises(FleetError, match="authentication is not enabled"):
        signed(guarded).view()


def test_sign_in_without_an_answer_is_no_lost_write(guarded: EtcdServer) -> None:
    """The write was not sent: it goes on to the next endpoint, or fails as a read does."""
    guarded.fail(EtcdFault.LOST_AFTER, path="authenticate")
    with pytest.raises(FleetError, match="broke off"):
        signed(guarded).transact(frozen())
    guarded.fail(EtcdFault.LOST_AFTER, path="authenticate")
    url = Endpoint.parse(guarded.url)
    way = Gateway((url, url), sign_in=EtcdUser("web1", "secret"), deadlines=BRIEF)
    assert EtcdFleet("lab", way).transact(frozen()).commit is Commit.DONE


def test_sign_in_without_a_token_is_garbage(
    guarded: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands in its place is never sent as a header."""
    for token in (None, 1, "", "a\r\nX: y", "ü"):
        monkeypatch.setattr(
            EtcdState,
            "call",
            lambda *_, token=token: {"header": {"cluster_id": "1"}, "token": token},
        )
        with pytest.raises(FleetError, match="gives no token") as caught:
            signed(guarded).view()
        assert caught.value.kind is FleetErrorKind.GARBAGE


def test_netrc_does_not_replace_the_token(
    guarded: EtcdServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only proxies are taken of the environment."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setattr(Endpoint, "loopback", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert signed(guarded).view().revision == 1


def test_transaction_has_texts_for_its_numbers(etcd: EtcdServer) -> None:
    """64 bits are more than a number of JSON holds everywhere."""
    seen: list[bytes] = []
    store = fleet_at(etcd.url)
    store.transact(frozen())
    order = thaw(store.view())

    def keep(url: str, *given: object, body: bytes, **more: object) -> object:
        seen.append(body)
        return fetch(url, *given, body=body, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("t3safe.adapters.fleet.gateway.fetch", keep)
        assert done(store, order) is Commit.DONE
    (sent,) = (json.loads(body) for body in seen)
    assert [one["mod_revision"] for one in sent["compare"]] == ["2"]
