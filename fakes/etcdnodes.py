"""Three real etcd nodes, each in a network namespace of its own, which can be cut off.

Rules:

1. Nothing is changed in the namespace of the tests: the bridge between the nodes is in a namespace
   of its own, too.  A host reaches a node through a relay on loopback, which connects inside the
   node's namespace; so each way of each host is cut apart from those between the nodes.
2. Without the right to make namespaces, and where none are wanted (`why_not`), the nodes are on
   loopback, on free ports.  Then a node cannot be cut off from the others; all else is the same.
3. The end of `with` ends each process and removes each namespace.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

from attrs import define, field

from fakes.relay import Relay
from fakes.t3.process import free_port

STARTS_WITHIN: Final = 60.0
"""Seconds; it takes 0.3 s on an idle machine."""
_CLONE_NEWNET: Final = 0x40000000
_NODES: Final = range(3)


def _ip(*words: str) -> str:
    """Run `ip`; return its complaint, empty if it worked."""
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no program ip"
    return done.stderr.strip() or "ip failed" if done.returncode else ""


@define
class NodeNetwork:
    """The namespaces of the nodes, if `wanted`; `why_not` says why there are none."""

    tag: str = field(factory=lambda: f"t3safe-{os.getpid()}")
    why_not: str = ""
    wanted: bool = True

    def up(self) -> None:
        """Make the namespaces and the bridge between them."""
        if not self.wanted:
            self.why_not = "they were not asked for"
            return
        steps = (
            ("netns", "add", self._hub),
            ("-n", self._hub, "link", "add", "br0", "type", "bridge"),
            ("-n", self._hub, "link", "set", "br0", "up"),
            *(step for node in _NODES for step in self._steps(node)),
        )
        self.why_not = next(filter(None, (_ip(*step) for step in steps)), "")
        if self.why_not:
            self.down()

    def _steps(self, node: int) -> Iterator[tuple[str, ...]]:
        """Give what makes the namespace of a node, with a cable to the bridge."""
        name, hub, port = self.name(node), self._hub, f"h{node}"
        yield "netns", "add", name
        yield "link", "add", port, "netns", hub, "type", "veth", "peer", "e0", "netns", name
        yield "-n", hub, "link", "set", port, "master", "br0", "up"
        yield "-n", name, "address", "add", f"{self.address(node)}/24", "dev", "e0"
        yield "-n", name, "link", "set", "e0", "up"
        yield "-n", name, "link", "set", "lo", "up"

    def down(self) -> None:
        """Remove the namespaces, and with them all that is in them."""
        for name in (*map(self.name, _NODES), self._hub):
            _ip("netns", "delete", name)

    @property
    def _hub(self) -> str:
        return f"{self.tag}-hub"

    def name(self, node: int) -> str:
        """The namespace of a node."""
        return f"{self.tag}-n{node}"

    @staticmethod
    def address(node: int) -> str:
        """The address of a node, which only the nodes can reach."""
        return f"10.99.0.{node + 1}"

    def link(self, node: int, state: str) -> None:
        """Cut a node off from the others (`down`), or let it back (`up`)."""
        assert not _ip("-n", self._hub, "link", "set", f"h{node}", state)


class NodeRelay(Relay):
    """A way to one node, from the namespace of the tests into that of the node."""

    def __init__(self, port: int, namespace: str) -> None:
        super().__init__(port)
        self._namespace = namespace

    def _connect(self) -> socket.socket:
        if self._namespace:
            # For this thread only, which ends with this connection.
            libc = ctypes.CDLL(None, use_errno=True)
            with Path("/run/netns", self._namespace).open() as file:
                if libc.setns(file.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
        return super()._connect()


@define
class EtcdNodes:
    """Three nodes of one cluster; `with` starts and ends them."""

    folder: Path
    network: NodeNetwork = field(factory=NodeNetwork)
    clusters: int = 1
    _ports: list[tuple[int, int]] = field(factory=list)
    _processes: dict[int, subprocess.Popen[bytes]] = field(factory=dict)
    _ways: list[NodeRelay] = field(factory=list)

    def __enter__(self) -> Self:
        self.network.up()
        alone = bool(self.network.why_not)
        self._ports = [(free_port(), free_port()) if alone else (2379, 2380) for _ in _NODES]
        self._ways = [self.way(node) for node in _NODES]
        for way in self._ways:
            way.up()
        self.start(*_NODES)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill(*_NODES)
        for way in self._ways:
            way.down()
        self.network.down()

    def way(self, node: int) -> NodeRelay:
        """Make a new way to a node, which is not up."""
        namespace = "" if self.network.why_not else self.network.name(node)
        return NodeRelay(self._ports[node][0], namespace)

    def start(self, *nodes: int) -> None:
        """Start nodes that do not run, and wait until all of the three answer."""
        for node in nodes:
            if node not in self._processes:
                self._processes[node] = self._start(node)
        self.wait(lambda: all(self._healthy(node) for node in _NODES))

    def _start(self, node: int) -> subprocess.Popen[bytes]:
        peers = [f"n{each}={self._peer(each)}" for each in _NODES]
        client = f"http://127.0.0.1:{self._ports[node][0]}"
        words = [
            *("etcd", "--name", f"n{node}", "--data-dir", str(self.folder / f"n{node}")),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", self._peer(node)),
            *("--initial-advertise-peer-urls", self._peer(node)),
            *("--initial-cluster", ",".join(peers)),
            *("--initial-cluster-token", f"{self.network.tag}-{self.clusters}"),
            *("--heartbeat-interval", "50", "--election-timeout", "500", "--unsafe-no-fsync"),
        ]
        if not self.network.why_not:
            words = ["ip", "netns", "exec", self.network.name(node), *words]
        clean = {name: value for name, value in os.environ.items() if "ETCD" not in name}
        with (self.folder / f"log{node}").open("ab") as log:
            return subprocess.Popen(words, env=clean, stdout=log, stderr=log)

    def _peer(self, node: int) -> str:
        host = "127.0.0.1" if self.network.why_not else self.network.address(node)
        return f"http://{host}:{self._ports[node][1]}"

    def kill(self, *nodes: int) -> None:
        """End nodes by SIGKILL, also those that are stopped; their data stays."""
        for node in nodes:
            process = self._processes.pop(node, None)
            if process is not None:
                process.kill()
                process.wait()

    def signal(self, node: int, number: signal.Signals) -> None:
        """Send a signal to a node."""
        self._processes[node].send_signal(number)

    def wipe(self) -> None:
        """Lose everything: the same nodes are another cluster."""
        self.kill(*_NODES)
        for node in _NODES:
            shutil.rmtree(self.folder / f"n{node}")
        self.clusters += 1
        self.start(*_NODES)

    def heal(self) -> None:
        """Let all nodes run and reach one another."""
        for node, process in self._processes.items():
            process.send_signal(signal.SIGCONT)
            if not self.network.why_not:
                self.network.link(node, "up")
        self.start(*_NODES)

    def cut_off(self, node: int) -> None:
        """Cut a node off from the others; return when one of these leads."""
        self.network.link(node, "down")
        self.wait(lambda: any(leader != node for leader in self._leaders()))

    def running(self) -> tuple[int, ...]:
        """Return the nodes that were not killed."""
        return tuple(self._processes)

    @property
    def urls(self) -> list[str]:
        """The endpoints, one of each node."""
        return [f"http://127.0.0.1:{way.port}" for way in self._ways]

    def leader(self) -> int:
        """Return which node leads."""
        found: list[int] = []

        def known() -> bool:
            leaders = list(self._leaders())
            found[:] = leaders
            return len(leaders) == 1

        self.wait(known)
        return found[0]

    def _leaders(self) -> Iterator[int]:
        for node in _NODES:
            with suppress(URLError, OSError, ValueError):
                status = self.post(node, "maintenance/status")
                if status.get("leader") == status["header"]["member_id"]:
                    yield node

    def post(self, node: int, path: str, **body: object) -> dict[str, Any]:
        """Ask a node past everything.  Raises URLError, OSError."""
        url = f"http://127.0.0.1:{self._ways[node].port}/v3/{path}"
        with urlopen(Request(url, json.dumps(body).encode()), timeout=2) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def _healthy(self, node: int) -> bool:
        try:
            url = f"http://127.0.0.1:{self._ways[node].port}/health"
            with urlopen(url, timeout=2) as answer:
                return b'"true"' in answer.read()
        except (URLError, OSError, ValueError):
            return False

    def wait(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + STARTS_WITHIN
        while not holds():
            for node, process in self._processes.items():
                assert process.poll() is None, (self.folder / f"log{node}").read_text()[-2_000:]
            assert time.monotonic() < deadline, "the nodes do not come to agree"
            time.sleep(0.02)
