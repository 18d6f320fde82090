"""Five nights of three hosts in one fleet, on real parts: `make fleet-demo`.

etcd has three real nodes.  Each host has npm, a registry, SQLite and processes of its own; t3
itself is the fake of this project.  Everybody works all the time, and every row that a serve
acknowledged is looked for at the end.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from attrs import define, field
from rich.console import Console
from rich.text import Text

from fakes.demo import Expectation, kept_aside, keys_of
from fakes.embedded import CommandResult, EmbeddedHost, HostPerson
from fakes.etcdnodes import EtcdNodes, NodeNetwork
from fakes.packages import FakeRelease, release_like
from fakes.t3 import Worker
from t3safe.entrypoints.exits import Exit

FIRST: Final = release_like("0.0.25-nightly.20260602.440", schema=30, native=False)
GOOD: Final = release_like("0.0.25-nightly.20260608.497", native=False)
BAD: Final = release_like(
    "0.0.28-nightly.20260616.571",
    schema=33,
    faults=("breaks-with-attachments",),
    native=False,
)
NEXT: Final = release_like(
    "0.0.29-nightly.20260720.860", schema=34, cookie="loopback", native=False
)
LAST: Final = release_like(
    "0.0.29-nightly.20260721.864", schema=34, cookie="loopback", native=False
)
HOSTS: Final = (
    ("edge", "canary", HostPerson("ann", {"attachments": 1})),
    ("web1", "main", HostPerson("bob")),
    ("web2", "main", HostPerson("cid")),
)
NOWHERE: Final = "http://127.0.0.1:9"


@define
class FleetDemo:
    """The hosts by name, their etcd, their people at work, and what went wrong with the demo."""

    etcd: EtcdNodes
    console: Console
    hosts: dict[str, EmbeddedHost] = field(factory=dict)
    workers: dict[str, Worker] = field(factory=dict)
    failures: list[str] = field(factory=list)

    def command(self, host: str, expected: Expectation, *arguments: str) -> CommandResult:
        """Run one command on a host, show what it said, and hold it to what must come out."""
        self.console.print(f"\n[bold]{host} $ t3safe {' '.join(arguments)}[/bold]")
        begun = time.monotonic()
        said = self.hosts[host].t3safe(*arguments)
        for line in said.out.splitlines() + said.err.splitlines():
            self.console.print(Text(f"  {line}"), soft_wrap=True)
        self.console.print(f"  [dim]exit {said.status}, {time.monotonic() - begun:.1f} s[/dim]")
        self.expect(said.status == expected.status, f"{host} {arguments}: exit {said.status}")
        self.expect(expected.text in said.out + said.err, f"{host}: nobody said {expected.text!r}")
        return said

    def expect(self, fact: bool, otherwise: str) -> None:
        """Note what did not come out as it must."""
        if not fact:
            self.failures.append(otherwise)
            self.console.print(f"  NOT AS EXPECTED: {otherwise}", style="bold red")

    def publish(self, release: FakeRelease) -> None:
        """Let the registry of each host offer a release."""
        for host in self.hosts.values():
            host.publish(release, tag="nightly")

    def runs(self, host: str) -> str:
        """The build that the person of a host runs."""
        made = self.hosts[host]
        return (made.store / "users" / made.people[0]).readlink().name

    def everybody_pairs(self, when: str) -> None:
        """Sign in as each person in a new browser."""
        for made in self.hosts.values():
            client = made.client(made.people[0])
            client.sign_in()
            self.expect(client.authenticated(), f"{when}: {made.people[0]} cannot sign in")

    def reach(self, host: str, *, fleet: bool) -> None:
        """Let a host reach the fleet, or cut it off."""
        urls = self.etcd.urls if fleet else [NOWHERE]
        self.hosts[host].write_config(fleet__endpoints=urls)


def main() -> int:
    """Show the five nights; 0 when every one came out as it must."""
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    root = Path(tempfile.mkdtemp(prefix="t3safe-fleet-demo-"))
    begun = time.monotonic()
    try:
        with EtcdNodes(root, NodeNetwork(wanted=False)) as etcd, ExitStack() as stack:
            demo = FleetDemo(etcd, console)
            _set_up(demo, stack, root)
            for night in (_night_1, _night_2, _night_3, _night_4, _night_5):
                night(demo)
            _end(demo)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    console.print(f"\nfive nights of three hosts, {time.monotonic() - begun:.1f} s")
    if demo.failures:
        console.print(f"{len(demo.failures)} things did not come out as they must", style="red")
        return 1
    console.print("everything came out as it must", style="bold green")
    return 0


def _set_up(demo: FleetDemo, stack: ExitStack, root: Path) -> None:
    demo.console.rule("three hosts, an etcd of three nodes, rings canary and main")
    for name, ring, person in HOSTS:
        folder = root / name
        folder.mkdir()
        config = {
            "fleet.endpoints": demo.etcd.urls,
            "fleet.name": "lab",
            "fleet.ring": ring,
            "fleet.host": name,
        }
        host = stack.enter_context(EmbeddedHost(folder, (person,), config=config))
        host.adopt(FIRST)
        demo.hosts[name] = host
        client = host.client(person.name)
        client.sign_in()
        demo.workers[name] = stack.enter_context(Worker(client, pause=0.05))
    demo.command("edge", Expectation(Exit.OK, "first policy"), "fleet", "init", "canary", "main")
    for name, ring, _ in HOSTS:
        demo.command(name, Expectation(Exit.OK, f"in ring {ring}"), "fleet", "join")


def _night_1(demo: FleetDemo) -> None:
    demo.console.rule("night 1: a healthy nightly goes through the rings")
    demo.publish(GOOD)
    waits = Expectation(Exit.LATER, "ring main waits for ring canary: 0 of 1 host(s)")
    demo.command("web1", waits, "run")
    for name in demo.hosts:
        demo.command(name, Expectation(Exit.OK, "promoted"), "run")
        demo.expect(demo.runs(name) == GOOD.version, f"night 1: {name} runs {demo.runs(name)}")
    demo.everybody_pairs("night 1")
    demo.command("web2", Expectation(Exit.OK, "canary"), "fleet", "status")


def _night_2(demo: FleetDemo) -> None:
    demo.console.rule("night 2: passes the gate, breaks in production on the canary host")
    demo.publish(BAD)
    demo.command("edge", Expectation(Exit.ROLLED_BACK, "rolled back ann"), "run")
    for name in ("web1", "web2"):
        demo.command(name, Expectation(Exit.REFUSED, "host edge"), "run")
        demo.expect(demo.runs(name) == GOOD.version, f"night 2: {name} was touched")
        demo.expect(not (demo.hosts[name].store / "builds" / BAD.version).exists(), "installed")
    demo.everybody_pairs("night 2")
    demo.command("web1", Expectation(Exit.OK, "halted"), "fleet", "status")
    demo.command("edge", Expectation(Exit.OK, "thawed"), "thaw")


def _night_3(demo: FleetDemo) -> None:
    demo.console.rule("night 3: etcd's leader is killed while the canary host moves its people")
    demo.publish(NEXT)
    killed: list[str] = []
    host = demo.hosts["edge"]

    def kill_when_fenced() -> None:
        link = host.store / "users" / "ann"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if link.readlink().name != GOOD.version:
                leader = demo.etcd.leader()
                demo.etcd.kill(leader)
                killed.append(f"node {leader + 1}")
                return
            time.sleep(0.01)

    killer = threading.Thread(target=kill_when_fenced)
    killer.start()
    demo.command("edge", Expectation(Exit.OK, "promoted"), "run")
    killer.join()
    demo.expect(bool(killed), "night 3: nobody was killed")
    demo.console.print(f"  the leader, {', '.join(killed)}, was killed while ann was moved")
    for name in ("web1", "web2"):
        demo.command(name, Expectation(Exit.OK, "promoted"), "run")
    demo.etcd.heal()
    demo.everybody_pairs("night 3")


def _night_4(demo: FleetDemo) -> None:
    demo.console.rule("night 4: a host that is cut off starts nothing, and goes back alone")
    demo.publish(LAST)
    demo.reach("web2", fleet=False)
    demo.command("edge", Expectation(Exit.OK, "promoted"), "run")
    demo.command("web2", Expectation(Exit.LATER, "FLEET CUT OFF"), "run")
    demo.expect(demo.runs("web2") == NEXT.version, "night 4: a host moved without the fleet")
    demo.command("web2", Expectation(Exit.OK, "unfinished"), "recover")
    back = Expectation(Exit.OK, "returned cid")
    demo.command("web2", back, "rollback", "cid", "--yes")
    demo.expect(demo.runs("web2") == GOOD.version, "night 4: the rollback waited for the fleet")
    demo.everybody_pairs("night 4")
    demo.reach("web2", fleet=True)
    for name in ("web1", "web2"):
        demo.command(name, Expectation(Exit.OK, "promoted"), "run")


def _night_5(demo: FleetDemo) -> None:
    demo.console.rule("night 5: one freeze for all hosts")
    frozen = ("fleet", "freeze", "--reason", "a talk at nine")
    demo.command("web1", Expectation(Exit.OK, "frozen"), *frozen)
    again = release_like("0.0.29-nightly.20260722.871", schema=34, cookie="loopback", native=False)
    demo.publish(again)
    for name in demo.hosts:
        demo.command(name, Expectation(Exit.LATER, "a talk at nine"), "run")
        demo.expect(demo.runs(name) == LAST.version, f"night 5: {name} was touched")
    demo.command("web2", Expectation(Exit.OK, "thawed"), "fleet", "thaw")
    demo.command("edge", Expectation(Exit.OK, "promoted"), "run")


def _end(demo: FleetDemo) -> None:
    demo.console.rule("at the end")
    for name, worker in demo.workers.items():
        host = demo.hosts[name]
        person = host.people[0]
        wanted = {(row.table, row.key) for row in list(worker.acknowledged)}
        aside = wanted - keys_of(host.database(person))
        lost = aside - kept_aside(host.backups / person)
        said = f"{len(wanted)} rows acknowledged, {len(aside)} kept aside by a rollback"
        demo.console.print(f"{name}: {said}, {len(lost)} missing")
        demo.expect(not lost, f"{name}: {len(lost)} acknowledged rows are nowhere")
    demo.everybody_pairs("at the end")
    demo.command("web1", Expectation(Exit.OK, "edge"), "fleet", "status")


if __name__ == "__main__":
    sys.exit(main())
