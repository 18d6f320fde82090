"""Six nights on real parts: `make demo`.

Four people share one host.  npm, the registry, SQLite, HTTP and every process are real; t3 itself
is the fake of this project, which behaves as measured.  Everybody works all the time, and every
row that a serve acknowledged is looked for at the end.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import psutil
from attrs import define, evolve, field, frozen
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from fakes import native
from fakes.embedded import CommandResult, EmbeddedHost, HostPerson
from fakes.packages import release_like
from fakes.t3 import Acknowledged, Worker, acknowledged_rows, missing_rows
from fakes.t3.app.work import COMPACTED
from t3safe.entrypoints.exits import Exit
from t3safe.t3.files import IMPORT_PREFIX, USERDATA, V1_DATABASE, V2_DATABASE
from t3safe.t3.ledger import NEWEST

FIRST: Final = release_like("0.0.25-nightly.20260602.440", schema=30)
HEALTHY: Final = release_like("0.0.25-nightly.20260608.497")
BAD_ROWS: Final = release_like(
    "0.0.28-nightly.20260615.567", schema=33, faults=("migration-fails-on-legacy-rows",)
)
BAD_LIVE: Final = release_like(
    "0.0.28-nightly.20260616.571", schema=33, faults=("breaks-with-attachments",)
)
NEXT: Final = release_like("0.0.29-nightly.20260720.860", schema=34, cookie="loopback")
LAST: Final = release_like("0.0.29-nightly.20260721.864", schema=34, cookie="loopback")
SECOND: Final = release_like("0.0.46-nightly.20261003.2610")
SECOND_NEXT: Final = release_like("0.0.46-nightly.20261010.2922", compaction="always")

RESIDENTS: Final = (
    HostPerson("alice", {"threads": 4, "messages": 20}),
    HostPerson("bob", {"threads": 2, "messages": 8, "size_bytes": 4_000_000}),
    HostPerson("carol", {"threads": 3, "messages": 12, "legacy_rows": 2, "attachments": 1}),
    HostPerson("dave", {"threads": 1}),
)


@frozen
class Expectation:
    """What a night must end with: the exit status and a text among what was said."""

    status: Exit
    text: str


@define
class Demo:
    """The host, its people at work, and what went wrong with the demo itself."""

    host: EmbeddedHost
    console: Console
    workers: dict[str, Worker] = field(factory=dict)
    failures: list[str] = field(factory=list)

    def command(self, title: str, expected: Expectation, *arguments: str) -> CommandResult:
        """Run one command, show what it said, and hold it to what must come out."""
        self.console.print(f"\n[bold]$ t3safe {' '.join(arguments)}[/bold]   [dim]{title}[/dim]")
        begun = time.monotonic()
        said = self.host.t3safe(*arguments)
        for line in said.out.splitlines() + said.err.splitlines():
            self.console.print(Text(f"  {line}"), soft_wrap=True)
        took = time.monotonic() - begun
        self.console.print(f"  [dim]exit {said.status}, {took:.1f} s[/dim]")
        self.expect(said.status == expected.status, f"{title}: exit {said.status}")
        self.expect(expected.text in said.out, f"{title}: nobody said {expected.text!r}")
        return said

    def expect(self, fact: bool, otherwise: str) -> None:
        """Note what did not come out as it must."""
        if not fact:
            self.failures.append(otherwise)
            self.console.print(f"  NOT AS EXPECTED: {otherwise}", style="bold red")

    def runs(self) -> dict[str, str]:
        """Who runs what, by the link that serve and mint go through."""
        users = self.host.store / "users"
        return {name: (users / name).readlink().name for name in self.host.people}

    def everybody_pairs(self, when: str) -> None:
        """Sign in as each person in a new browser."""
        for name in self.host.people:
            client = self.host.client(name)
            client.sign_in()
            self.expect(client.authenticated(), f"{when}: {name} cannot sign in")


def main() -> int:
    """Show the six nights; 0 when every one came out as it must."""
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    root = Path(tempfile.mkdtemp(prefix="t3safe-demo-"))
    begun = time.monotonic()
    try:
        with EmbeddedHost(root, RESIDENTS) as host, ExitStack() as stack:
            demo = Demo(host, console)
            _set_up(demo, stack)
            ready = time.monotonic()
            for night in (_night_1, _night_2, _night_3, _night_4, _night_5, _night_6):
                night(demo)
            took = time.monotonic() - ready
            _end(demo, stack, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    _nothing_left(demo, root)
    console.print(f"\nset-up {ready - begun:.1f} s, six nights {took:.1f} s")
    if demo.failures:
        console.print(f"{len(demo.failures)} things did not come out as they must", style="red")
        return 1
    console.print("everything came out as it must", style="bold green")
    return 0


def _set_up(demo: Demo, stack: ExitStack) -> None:
    demo.console.rule("a host with four people")
    demo.host.adopt(FIRST)
    demo.everybody_pairs("after the set-up")
    for name in demo.host.people:
        client = demo.host.client(name)
        client.sign_in()
        demo.workers[name] = stack.enter_context(Worker(client, pause=0.05))
    demo.workers["bob"].client.turn("start", "long-turn")
    demo.console.print(f"everybody runs {FIRST.version} and works; bob's agent is in a long turn")


def _night_1(demo: Demo) -> None:
    demo.console.rule(
        "night 1: a healthy nightly with a migration (30 -> 32, another pairing path)"
    )
    demo.host.publish(HEALTHY, tag="nightly")
    bob = _ledger(demo, "bob")
    demo.command("night 1", Expectation(Exit.OK, "promoted"), "run")
    old, new = FIRST.version, HEALTHY.version
    expected = {"alice": new, "bob": old, "carol": new, "dave": new}
    demo.expect(demo.runs() == expected, f"night 1: {demo.runs()}")
    demo.everybody_pairs("night 1")
    demo.expect(_ledger(demo, "bob") == bob == 30, "night 1: a mint migrated bob's database")


def _night_2(demo: Demo) -> None:
    demo.console.rule("night 2: its migration breaks on one person's old rows")
    demo.host.publish(BAD_ROWS, tag="nightly")
    before, serves = demo.runs(), _serves(demo)
    said = demo.command("night 2", Expectation(Exit.REFUSED, "refused"), "run")
    demo.expect("carol" in said.out, "night 2: nobody said whose rows")
    _show_evidence(demo, f"{BAD_ROWS.version}-carol")
    demo.expect(demo.runs() == before, "night 2: somebody was moved")
    demo.expect(_serves(demo) == serves, "night 2: somebody was restarted")


def _show_evidence(demo: Demo, subject: str) -> None:
    """Show what a failed rehearsal keeps: the judgement, and what the serve said."""
    folder = next((demo.host.root / "state" / "evidence").glob(f"*-{subject}"))
    report = json.loads((folder / "report.json").read_text())
    log = (folder / "serve.log").read_text().splitlines()
    demo.console.print(f"\nevidence kept: {', '.join(sorted(p.name for p in folder.iterdir()))}")
    for check in report["checks"]:
        word = "ok    " if check["passed"] else "FAILED"
        text = check["reason"] or "; ".join(check["notes"])
        demo.console.print(Text(f"  {word} {check['check']:<10} {text}"), soft_wrap=True)
    telling = [line for line in log if "Error" in line]
    demo.expect(bool(telling), "night 2: the evidence does not say what broke")
    for line in telling[:3]:
        demo.console.print(Text(f"  serve.log: {line}"), soft_wrap=True)


def _night_3(demo: Demo) -> None:
    demo.console.rule("night 3: passes the gate, breaks in production on the second canary")
    demo.host.publish(BAD_LIVE, tag="nightly")
    before = demo.runs()
    demo.command("night 3", Expectation(Exit.ROLLED_BACK, "rolled back carol"), "run")
    expected = before | {"alice": BAD_LIVE.version}
    demo.expect(demo.runs() == expected, f"night 3: {demo.runs()}")
    demo.everybody_pairs("night 3")
    demo.command("frozen", Expectation(Exit.FROZEN, "FROZEN"), "run")


def _night_4(demo: Demo) -> None:
    demo.console.rule("night 4: thawed; a healthy nightly, and the busy person is drained")
    demo.host.publish(NEXT, tag="nightly")
    demo.command("thaw", Expectation(Exit.OK, "thawed"), "thaw")
    demo.command("night 4", Expectation(Exit.OK, "promoted"), "run")
    demo.command("bob still works", Expectation(Exit.OK, "no waiting person is idle"), "drain")
    demo.workers["bob"].client.turn("finish", "long-turn")
    demo.command("bob has finished", Expectation(Exit.OK, "moved bob"), "drain")
    demo.expect(set(demo.runs().values()) == {NEXT.version}, f"night 4: {demo.runs()}")
    demo.everybody_pairs("night 4")


def _night_5(demo: Demo) -> None:
    demo.console.rule("night 5: the gate itself is broken (bound to loopback, cookies named anew)")
    demo.host.publish(LAST, tag="nightly")
    before, serves = demo.runs(), _serves(demo)
    demo.host.write_config(gate__bind_host="127.0.0.1")
    demo.command("night 5", Expectation(Exit.GATE_BROKEN, "GATE BROKEN"), "run")
    demo.expect(demo.runs() == before, "night 5: somebody was moved")
    demo.expect(_serves(demo) == serves, "night 5: somebody was restarted")
    said = demo.host.t3safe("status", "--json")
    demo.expect(LAST.version not in _refused(said.out), "night 5: it was held against the build")


def _night_6(demo: Demo) -> None:
    demo.console.rule("night 6: t3's next generation, V2; one person back to V1, and up again")
    demo.host.write_config(gate__bind_host="0.0.0.0")
    layout = _layout(demo)
    demo.host.publish(evolve(SECOND, layout=layout), tag="nightly")
    demo.command("night 6", Expectation(Exit.OK, "promoted"), "run")
    demo.expect(set(demo.runs().values()) == {SECOND.version}, f"night 6: {demo.runs()}")
    left = {name: _first(demo, name).read_bytes() for name in demo.host.people}
    demo.everybody_pairs("night 6")
    _work_goes_on(demo, "in V2")
    for name in demo.host.people:
        demo.expect(_first(demo, name).read_bytes() == left[name], f"{name}: V1's data changed")

    in_v1 = [row for row in demo.workers["alice"].acknowledged if row.version != SECOND.version]
    demo.command(
        "back to V1", Expectation(Exit.OK, "returned alice to"), "rollback", "alice", "--yes"
    )
    demo.expect(demo.runs()["alice"] == NEXT.version, f"back: {demo.runs()}")
    demo.expect(_of_v2(demo, "alice") == [], f"back: {_of_v2(demo, 'alice')} is left")
    lost = missing_rows(in_v1, demo.host.base("alice"))
    demo.expect(not lost, f"back: {len(lost)} rows of V1 are gone")
    demo.console.print(f"alice is on V1 with all {len(in_v1)} rows, and nothing of V2 is left")
    _work_goes_on(demo, "in V1 again")

    demo.host.publish(evolve(SECOND_NEXT, layout=layout), tag="nightly")
    demo.command("up again", Expectation(Exit.OK, "promoted"), "run")
    demo.expect(set(demo.runs().values()) == {SECOND_NEXT.version}, f"up again: {demo.runs()}")
    again = [row for row in demo.workers["alice"].acknowledged if row.version == NEXT.version]
    lost = missing_rows(again, demo.host.base("alice"))
    demo.expect(not lost, f"up again: {len(lost)} rows that V1 wrote are not in V2")
    demo.console.print(f"V2 shows all {len(again)} rows that alice wrote in {NEXT.version}")
    demo.everybody_pairs("up again")


def _layout(demo: Demo) -> str:
    """Choose a native program, as V2 is one, where this machine can compile it."""
    try:
        native.program()
    except native.CannotCompileError as error:
        demo.console.print(f"V2 is run by node here, and not a native program: {error}")
        return "bin"
    return "platform"


def _work_goes_on(demo: Demo, where: str) -> None:
    for name, worker in demo.workers.items():
        demo.expect(worker.wait_for(10, 60), f"{name} cannot work {where}")


def _first(demo: Demo, name: str) -> Path:
    """Give V1's database of a person."""
    return demo.host.base(name) / USERDATA / V1_DATABASE


def _of_v2(demo: Demo, name: str) -> list[str]:
    """Name what a person's set holds of V2."""
    return [
        path.name
        for path in (demo.host.base(name) / USERDATA).iterdir()
        if path.name.startswith((V2_DATABASE, IMPORT_PREFIX))
    ]


def _refused(status: str) -> str:
    _, _, rest = status.partition('"refused"')
    return rest.partition("]")[0]


def _end(demo: Demo, stack: ExitStack, root: Path) -> None:
    demo.console.rule("at the end")
    stack.close()
    acknowledged = {name: list(worker.acknowledged) for name, worker in demo.workers.items()}
    table = Table(
        "person",
        Column("build", no_wrap=True),
        "ledger",
        "rows",
        "in the database",
        "compacted by V2",
        "kept aside",
        "missing",
        "sign-in",
        title="rows: those whose commit a serve acknowledged",
    )
    for name in demo.host.people:
        table.add_row(*_row(demo, name, acknowledged[name], root))
    demo.console.print(table)
    demo.command("who runs what", Expectation(Exit.OK, "last-good"), "status")
    demo.command("what happened", Expectation(Exit.OK, "rolled-back"), "history")
    demo.command("snapshots and builds", Expectation(Exit.OK, "ok"), "verify")


def _row(demo: Demo, name: str, rows: list[Acknowledged], root: Path) -> tuple[str, ...]:
    """Look for every acknowledged row in the person's database, then in what was kept aside.

    What V2 compacts of its log is looked for where V1 left it.
    """
    present = keys_of(demo.host.database(name))
    compacted = {row for row in keys_of(_first(demo, name)) - present if row[0] in COMPACTED}
    aside = kept_aside(root / "backups" / name)
    wanted = {(row.table, row.key) for row in rows}
    missing = wanted - present - compacted - aside
    demo.expect(not missing, f"{name}: {len(missing)} acknowledged rows are nowhere")
    demo.expect(len(wanted) > 0, f"{name}: nothing was acknowledged")
    client = demo.host.client(name)
    client.sign_in()
    signed = client.authenticated()
    demo.expect(signed, f"{name} cannot sign in at the end")
    return (
        name,
        demo.runs()[name],
        str(_ledger(demo, name)),
        str(len(wanted)),
        str(len(wanted & present)),
        str(len(wanted & compacted)),
        str(len((wanted - present - compacted) & aside)),
        str(len(missing)),
        "works" if signed else "BROKEN",
    )


def kept_aside(folder: Path) -> set[tuple[str, str]]:
    """Read the rows in all snapshots of a person."""
    databases = (V1_DATABASE, V2_DATABASE)
    kept = (path for name in databases for path in sorted(folder.glob(f"*/**/{name}")))
    return set().union(*map(keys_of, kept))


def keys_of(database: Path) -> set[tuple[str, str]]:
    """Read the rows of a database that a serve acknowledges."""
    with _reading(database) as connection:
        return acknowledged_rows(connection)


def _ledger(demo: Demo, name: str) -> int:
    with _reading(demo.host.database(name)) as connection:
        return int(connection.execute(NEWEST).fetchone()[0])


@contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


def _serves(demo: Demo) -> dict[str, int]:
    """The process that answers for each person, by the port that it listens on."""
    by_port = {
        connection.laddr.port: connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.pid
    }
    return {name: by_port.get(port, 0) for name, port in demo.host.ports.items()}


def _nothing_left(demo: Demo, root: Path) -> None:
    left = [p.pid for p in psutil.process_iter(["cmdline"]) if str(root) in str(p.info["cmdline"])]
    demo.expect(not left, f"processes are left running: {left}")
    demo.expect(not root.exists(), f"files are left in {root}")


if __name__ == "__main__":
    sys.exit(main())
