"""Ticks of a timer that find nothing to do, and frozen ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tests.bench.figures import Figure, Pairs, RatioBound
from tests.bench.hosts import SCRIPT, Hosts, back
from tests.e2e.realhost.machine import HostContainer

PYTHON: Final = "/usr/local/lib/t3safe/bin/python"
REQUEST: Final = (
    "import http.client; c = http.client.HTTPConnection('127.0.0.1', 4873);"
    "c.request('GET', '/-/package/t3/dist-tags'); c.getresponse().read()"
)
BARE: Final = [PYTHON, "-c", "pass"]
ASKING: Final = [PYTHON, "-c", REQUEST]
TICK: Final = ["t3safe", "run"]
RUNS: Final = 3
"""Each sample is the least of so many: what a machine does beside it only ever adds."""


def ticks(hosts: Hosts, pairs: int) -> Iterator[Figure]:
    """A tick with nothing to do, and a frozen one."""
    for host in hosts.both():
        back(host)
    hosts.safe.run("t3safe", "run", check=False)
    quiet, work, peak = Pairs(), Pairs(), Pairs()
    for _ in range(pairs):
        seed, limit = least(hosts.seed, [SCRIPT]), least(hosts.safe, ASKING)
        tick = least(hosts.safe, TICK)
        for sampled, key in ((quiet, "wall"), (work, "cpu")):
            sampled.add("t3safe", tick[key])
            sampled.add("script", seed[key])
            sampled.add("python + request", limit[key])
        peak.add("t3safe", tick["kib"] / 1024)
    yield quiet.figure("tick, nothing to do: wall", "t3safe", RatioBound("script", 0.35))
    yield work.figure("tick, nothing to do: processor", "t3safe")
    yield peak.figure("tick: peak memory", "t3safe", unit="MiB", at_most=45.0)
    yield _frozen(hosts, pairs)


def _frozen(hosts: Hosts, pairs: int) -> Figure:
    for host in hosts.both():
        host.run("touch", "/etc/t3-autoupdate.freeze")
    frozen = Pairs()
    for _ in range(pairs):
        frozen.add("python", least(hosts.safe, BARE)["wall"])
        frozen.add("t3safe", least(hosts.safe, TICK)["wall"])
        frozen.add("script", least(hosts.seed, [SCRIPT])["wall"])
    return frozen.figure("frozen tick: wall", "t3safe", RatioBound("script", 0.35))


def least(host: HostContainer, words: list[str]) -> dict[str, Any]:
    """Run a command a few times; of each measure the least."""
    (found,) = host.do(("timed", {"commands": [words] * RUNS}))
    return {key: min(sample[key] for sample in found) for key in found[0]}
