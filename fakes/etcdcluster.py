"""Real etcds that make one cluster, on loopback, each with a data folder of its own.

`with EtcdCluster(folder) as cluster: cluster.urls`.  It needs Debian's `etcd-server`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

from attrs import define, field

from fakes.embedded import reserved_port

STARTS_WITHIN: Final = 60.0
"""Seconds; three nodes take half a second on an idle machine."""


@define
class EtcdNode:
    """One member of a cluster, which a signal may end at any moment."""

    name: str
    folder: Path
    port: int
    peer: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients ask."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def peer_url(self) -> str:
        """Where the other members ask."""
        return f"http://127.0.0.1:{self.peer}"

    def start(self, members: str) -> None:
        """Start it with what its data folder holds."""
        words = [
            *("etcd", "--name", self.name, "--data-dir", str(self.folder / self.name)),
            *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
            *("--listen-peer-urls", self.peer_url),
            *("--initial-advertise-peer-urls", self.peer_url),
            *("--initial-cluster", members, "--unsafe-no-fsync"),
        ]
        clean = {name: value for name, value in os.environ.items() if "ETCD" not in name}
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(words, env=clean, stdout=log, stderr=log)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def status(self) -> dict[str, Any] | None:
        """What it says of itself and of its leader; None when it does not answer."""
        request = Request(f"{self.url}/v3/maintenance/status", b"{}")
        try:
            with urlopen(request, timeout=2) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except (URLError, OSError, ValueError):
            return None

    def leads(self) -> bool:
        """Whether it is the leader, by its own word."""
        found = self.status()
        return found is not None and found["leader"] == found["header"]["member_id"]


@define
class EtcdCluster:
    """Three members; `with` starts and ends them."""

    folder: Path
    nodes: list[EtcdNode] = field(factory=list)

    def __enter__(self) -> Self:
        with ExitStack() as held:
            ports = [held.enter_context(reserved_port()).getsockname()[1] for _ in range(6)]
        pairs = zip(ports[::2], ports[1::2], strict=True)
        self.nodes = [
            EtcdNode(f"etcd{number}", self.folder, port, peer)
            for number, (port, peer) in enumerate(pairs, 1)
        ]
        for node in self.nodes:
            node.start(self._members)
        self.wait_for_leader()
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.kill()

    @property
    def urls(self) -> list[str]:
        """The endpoints."""
        return [node.url for node in self.nodes]

    @property
    def _members(self) -> str:
        return ",".join(f"{node.name}={node.peer_url}" for node in self.nodes)

    def wait_for_leader(self) -> EtcdNode:
        """Return the leader once there is one.  AssertionError when there is none for long."""
        deadline = time.monotonic() + STARTS_WITHIN
        while True:
            leader = next((node for node in self.nodes if node.process and node.leads()), None)
            if leader is not None:
                return leader
            assert time.monotonic() < deadline, "the etcds agree on no leader"
            time.sleep(0.05)

    def kill_leader(self) -> str:
        """Kill the leader; return its name.  The others choose another one by themselves."""
        leader = self.wait_for_leader()
        leader.kill()
        return leader.name

    def restart(self) -> None:
        """Start every member that was killed."""
        for node in self.nodes:
            if node.process is None:
                node.start(self._members)
        self.wait_for_leader()
