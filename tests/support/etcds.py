"""A fleet's store on some etcd, for the contract: two hosts, one of them behind a relay."""

from __future__ import annotations

import base64
import json
from urllib.request import Request, urlopen

from attrs import frozen

from fakes.relay import Relay, RelayLoss
from t3safe.adapters.fleet.gateway import Endpoint, FleetDeadlines, Gateway
from t3safe.adapters.fleet.store import EtcdFleet

BRIEF = FleetDeadlines(connect=1.0, answer=2.0, total=4.0)


def fleet_at(*urls: str, name: str = "lab", deadlines: FleetDeadlines = BRIEF) -> EtcdFleet:
    """Give the store behind these endpoints."""
    endpoints = tuple(map(Endpoint.parse, urls))
    return EtcdFleet(name, Gateway(endpoints, deadlines=deadlines))


def put(url: str, key: str, value: bytes) -> None:
    """Write a value past everything."""
    coded = {
        "key": base64.b64encode(key.encode()).decode(),
        "value": base64.b64encode(value).decode(),
    }
    request = Request(f"{url}/v3/kv/put", json.dumps(coded).encode())
    with urlopen(request, timeout=5) as answer:
        answer.read()


@frozen
class EtcdBench:
    """Implements FleetStoreBench on the etcd at `url`."""

    url: str
    relay: Relay
    port: EtcdFleet
    other: EtcdFleet

    def lose(self, *, done: bool) -> None:
        """Lose the answer to the next transaction, or the transaction itself."""
        loss = RelayLoss.ANSWER if done else RelayLoss.REQUEST
        self.relay.lose(loss, "/v3/kv/txn")

    def cut_off(self) -> None:
        """Let nothing answer any more."""
        self.relay.down()

    def spoil(self, key: str) -> None:
        """Write what no t3safe can read."""
        put(self.url, self.port.prefix + key, b"\xff{not JSON")
