"""Nights on which somebody is moved: downtime, the way back, the gate, the whole bump."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from t3safe.t3.files import HOME_BASE, USERDATA, V1_DATABASE
from tests.bench.figures import Figure, Pairs, RatioBound
from tests.bench.hosts import NEW, SCRIPT, Hosts, back
from tests.e2e.realhost.machine import HostContainer, published

SIZES: Final = {"1 MB": 1_000_000, "100 MB": 100_000_000, "1 GB": 1_000_000_000}
BROKEN: Final = evolve(
    NEW, version="0.0.25-nightly.20260609.501", faults=("breaks-with-attachments",)
)
HOOK: Final = Path("/etc/t3safe/hooks/before-canary.d/no-registry")
"""Takes the registry away once everything is installed, in the middle of the night."""
NO_WAITS: Final = {
    "gate__soak": 0.0,
    "rollout__bake": 0.0,
    "rollout__verify_stay": 0.0,
    "backup_timeout": 120.0,
    "gate__deadline": 60.0,
    "gate__jobs": 4,
}
"""What a host waits for on purpose is no cost of ours; the script waits for none of it either."""


def downtimes(hosts: Hosts, pairs: int) -> Iterator[Figure]:
    """How long one person is away while moved, for three sizes of state."""
    host = hosts.safe
    for name, size in SIZES.items():
        prepare(host, {"ann": {"size_bytes": size}}, staged=True)
        found, less = Pairs(), Pairs()
        for _ in range(pairs):
            back(host, NEW.version)
            (limit,) = host.do(("bare_move", {"person": "ann", "build": NEW.version}))
            back(host, NEW.version)
            # What was put back is on the disk before anything is measured, as on a host at rest.
            host.run("sync")
            host.run("t3safe", "run")
            found.add("t3safe", away(host))
            found.add("stop, start, sign in", limit)
            less.add("less one cp", away(host) - _copied(host))
            less.add("stop, start, sign in", limit)
        bound = RatioBound("stop, start, sign in", 1.15)
        if size < SIZES["1 GB"]:
            yield found.figure(f"downtime of a canary, {name}", "t3safe", bound)
        else:
            yield found.figure(f"downtime of a canary, {name}", "t3safe")
            yield less.figure("the same, less one cp of the file", "less one cp", bound)


def _copied(host: HostContainer) -> float:
    """Seconds that `cp` takes for ann's database, which is on the disk then: the least of three."""
    copy = "/var/backups/bench-copy"
    words = ["cp", "--reflink=never", f"/home/ann/{HOME_BASE}/{USERDATA}/{V1_DATABASE}", copy]
    took: list[float] = []
    for _ in range(3):
        host.run("sync")
        ((sample,),) = host.do(("timed", {"commands": [words]}))
        host.run("rm", copy)
        took.append(sample["wall"])
    return min(took)


def ways_back(hosts: Hosts, pairs: int) -> Iterator[Figure]:
    """From the failure seen to signed in on the old build, with the registry there and gone."""
    safe, seed = hosts.both()[::-1]
    for host in (safe, seed):
        prepare(host, {"ann": {"attachments": 1}}, staged=False)
        host.do(published(BROKEN, "nightly"))
    for registry in ("there", "gone"):
        found = Pairs()
        for _ in range(pairs):
            _broken_night(safe, gone=registry == "gone")
            found.add("t3safe", until_back(safe))
            (limit,) = safe.do(("bare_move", {"person": "ann"}))
            found.add("one stop, start, sign in", limit)
            if registry == "there":
                found.add("script", _script_goes_back(seed))
        yield found.figure(
            f"failure seen to signed in again, registry {registry}",
            "t3safe",
            RatioBound("one stop, start, sign in", 1.5),
        )


def _broken_night(host: HostContainer, *, gone: bool) -> None:
    back(host)
    host.do(published(BROKEN, "nightly"))
    if gone:
        host.run("mkdir", "-p", str(HOOK.parent))
        host.run("tee", str(HOOK), given="#!/bin/sh\nsystemctl stop npm-registry\n")
        host.run("chmod", "0755", str(HOOK))
    host.run("t3safe", "run", check=False)


def _script_goes_back(host: HostContainer) -> float:
    back(host)
    host.do(published(BROKEN, "nightly"))
    host.run(SCRIPT, check=False)
    (at,) = host.do(("signed_in", {"person": "ann"}))
    words = ("-q", "-o", "short-unix", "-t", "t3-autoupdate", "-g", "pairing broken AFTER")
    lines = host.run("journalctl", *words).out.split("\n")
    return float(at) - float(lines[-2].split()[0])


def bumps(hosts: Hosts, pairs: int) -> Iterator[Figure]:
    """A whole night for three idle people, from npm to the last sign-in."""
    people = ("ann", "ben", "cat")
    for host in hosts.both():
        prepare(host, {name: {} for name in people}, staged=False)
    found = Pairs()
    for _ in range(pairs):
        for host, name, words in (
            (hosts.seed, "script", [SCRIPT]),
            (hosts.safe, "t3safe", ["t3safe", "run"]),
        ):
            back(host, NEW.version)
            ((sample,),) = host.do(("timed", {"commands": [words]}))
            assert sample["status"] == 0, f"{name} ended with {sample['status']}"
            found.add(name, sample["wall"])
        # Two starts of a rehearsal, then one for each person, one at a time.
        starts = hosts.safe.do(*(("bare_move", {"person": who}) for who in ("ann", "ann", *people)))
        found.add("npm + five of those", _installed(hosts.safe) + sum(starts))
    yield found.figure("whole bump, three idle people", "t3safe", RatioBound("script", 0.5))


def _installed(host: HostContainer) -> float:
    """Seconds that npm takes to install the new build somewhere."""
    words = ["npm", "install", "--prefix", "/var/tmp/bench-npm", f"t3@{NEW.version}"]
    ((sample,),) = host.do(("timed", {"commands": [words]}))
    host.run("rm", "-r", "/var/tmp/bench-npm")
    assert sample["status"] == 0, "npm cannot install the build"
    return float(sample["wall"])


def gates(hosts: Hosts, pairs: int) -> Iterator[Figure]:
    """The gate of one candidate for three people, and for one, with 100 MB each."""
    host = hosts.safe
    for name, people in (("3 x 100 MB", ("ann", "ben", "cat")), ("1 x 100 MB", ("ann",))):
        prepare(host, {each: {"size_bytes": SIZES["100 MB"]} for each in people}, staged=True)
        found = Pairs()
        for _ in range(pairs):
            back(host, NEW.version)
            host.run("t3safe", "check", NEW.version)
            found.add("t3safe", rehearsed(host))
            (limit,) = host.do(("bare_move", {"person": "ann", "build": NEW.version}))
            (again,) = host.do(("bare_move", {"person": "ann"}))
            found.add("two stops, starts, sign-ins", limit + again)
            side = host.do(*(("bare_moves", {"people": people}) for _ in range(2)))
            found.add("those side by side", sum(side))
        yield found.figure(
            f"gate of one candidate, {name}",
            "t3safe",
            RatioBound("two stops, starts, sign-ins", 1.3),
        )


def prepare(host: HostContainer, holds: dict[str, Any], *, staged: bool) -> None:
    """Have people on OLD with this data, and keep the host so."""
    host.people = tuple(holds)
    back(host)
    host.sh("systemctl stop 't3-serve@*'")
    host.do(("move_in", {"people": holds}))
    host.do(("start", {"people": list(holds)}))
    if host.run("test", "-e", "/opt/t3safe/default", check=False).status == 0:
        host.configure(**NO_WAITS)
        if staged:
            host.do(published(NEW, "next"))
            host.run("t3safe", "check", NEW.version)
    host.do(("save", {}))


# What the journal tells.


def away(host: HostContainer) -> float:
    """Seconds from the fence to the answer that the person signs in again."""
    events = events_of(host)
    begun = next(at for at, event in events if _intends(event, "Fence"))
    return next(at for at, event in events if at > begun and _answers(event, "Paired")) - begun


def until_back(host: HostContainer) -> float:
    """Seconds from the answer that a person does not sign in to the one that they do again."""
    events = events_of(host)
    failed = next(at for at, event in events if _answers(event, "NotPaired"))
    return next(at for at, event in events if at > failed and _answers(event, "Paired")) - failed


def rehearsed(host: HostContainer) -> float:
    """Seconds that the rehearsals took."""
    events = events_of(host)
    begun = next(at for at, event in events if _intends(event, "Rehearse"))
    return next(at for at, event in events if at > begun and _answers(event, "Rehearsed")) - begun


def events_of(host: HostContainer) -> list[tuple[float, dict[str, Any]]]:
    """Tell every event of the newest run, with its time in seconds since 1970."""
    (bodies,) = host.do(("journaled", {}))
    return [(datetime.fromisoformat(body["at"]).timestamp(), body) for body in bodies]


def _intends(event: dict[str, Any], effect: str) -> bool:
    return bool(event["type"] == "Started" and event["effect"]["type"] == effect)


def _answers(event: dict[str, Any], answer: str) -> bool:
    return bool(event["type"] == "Finished" and event["answer"]["type"] == answer)
