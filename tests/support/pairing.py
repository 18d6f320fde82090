"""Pairing on real parts: serves of the fake t3 in a store of builds, the dispatch before them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
from attrs import Factory, define

from fakes.dispatch import Backend, Dispatch, Knowledge, mint_command
from fakes.fixed_launcher import render_fixed_launcher
from fakes.packages import FakeRelease, unpack
from fakes.t3.app.build import BOOTSTRAP
from fakes.t3.process import RunningServe, free_port
from t3safe.adapters.pairing import DirectPairing, DispatchPairing, LauncherMint, ServePairing
from t3safe.adapters.selection.launcher import STUB
from t3safe.domain import events as ev
from t3safe.domain.versions import Version

BUILD = Version.parse("0.0.28-nightly.20260615.571")
OTHER = Version.parse("0.0.28-nightly.20260615.567")
PEOPLE = ("alice", "bob")
GENERATIONS: Mapping[str, Mapping[str, Any]] = {
    "before": {"schema": 30, "pairing": BOOTSTRAP},
    "v1": {"schema": 54, "cookie": "environment"},
    "v2": {"schema": 60, "cookie": "environment", "orchestration": 2},
}
"""What makes a fake release one of a generation."""


@define
class RealPairing:
    """Serves of alice and bob below one folder; ends everything that it started.

    Each is one process whose pid tests may replace in `pids`; logins are `<person>.login`.
    """

    root: Path
    dispatch: Dispatch
    stack: ExitStack
    port: DispatchPairing = attrs.field(init=False)
    build: Version = BUILD
    other: Version = OTHER
    ports: dict[str, int] = Factory(lambda: {person: free_port() for person in PEOPLE})
    serves: dict[str, RunningServe] = Factory(dict)
    pids: dict[str, int | None] = Factory(dict)
    host: str = "127.0.0.1"
    """Where serves bind from now on."""

    def __attrs_post_init__(self) -> None:
        mint = LauncherMint(
            t3=str(self.root / "t3-{person}"),
            base=str(self.root / "{person}"),
            switch_user=False,
        )
        self.port = DispatchPairing(
            dispatch=self.dispatch.address,
            store=self.store,
            logins=lambda person: f"{person}.login",
            main_pid=self.main_pid,
            mint=mint,
            links=mint.links,
            minter=mint.version,
            deadline=6.0,
            grace=0.2,
            stay=0.2,
            pause=0.05,
            interval=0.2,
            patience=2.0,
        )

    @property
    def store(self) -> Path:
        """The store of builds."""
        return self.root / "store"

    def tune(self, **changes: Any) -> DispatchPairing:  # noqa: ANN401 - settings of any type
        """Change settings of the adapter, and give it."""
        changes = {"dispatch": str(self.port.dispatch), **changes}
        self.port = attrs.evolve(self.port, **changes)
        return self.port

    def main_pid(self, person: str) -> int | None:
        """The main process of a person's unit; one that nobody reaped has ended."""
        if person in self.pids:
            return self.pids[person]
        if person not in self.serves:
            self.begin(person, self.build)
            self.serves[person].wait_until_up()
        process = self.serves[person].process
        return process.pid if process.poll() is None else None

    def direct(self) -> DirectPairing:
        """Give the adapter that does without a dispatch, over the same serves."""
        same = ("store", "main_pid", "mint", "links", "minter", "deadline", "grace", "stay")
        alike = {name: getattr(self.port, name) for name in same}
        alike |= {"pause": self.port.pause, "interval": self.port.interval}
        return DirectPairing(patience=2.0, **alike)

    def lay_out(self, release: FakeRelease) -> None:
        """Have a release in the store, in place of what was there under its version."""
        prefix = self.store / "builds" / release.version
        shutil.rmtree(prefix, ignore_errors=True)
        unpack(release, prefix)

    def launcher(self, person: str) -> Path:
        """The person's `t3`, by which serve and mint run what is selected."""
        program = self.root / f"t3-{person}"
        program.write_text(render_fixed_launcher(self.store, person))
        program.chmod(0o755)
        return program

    def select(self, person: str, folder: str) -> None:
        """Let the person's link name a folder of the store."""
        link = self.store / "users" / person
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(Path("..", folder))

    def fence(self, person: str) -> None:
        """Let the person's `t3` be the stub."""
        stub = self.store / "fence" / "node_modules" / ".bin" / "t3"
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(STUB)
        stub.chmod(0o755)
        self.select(person, "fence")

    def run(self, person: str, build: Version, *faults: str, **traits: Any) -> None:  # noqa: ANN401
        """Let the person's unit run this build, made with these faults, started anew."""
        if person in self.serves or person in self.pids:
            self.end(person)
        quick = {"start_time": 0.02, "listen_window": 0.05, **traits}
        self.lay_out(FakeRelease(build.text, faults=faults, **quick))
        self.begin(person, build)

    def begin(self, person: str, build: Version) -> None:
        """Start the person's serve of what the store has as this build."""
        self.select(person, f"builds/{build.text}")
        program, base = self.launcher(person), self.root / person
        serve = RunningServe(program, base, host=self.host, port=self.ports[person])
        self.stack.callback(serve.kill)
        self.serves[person] = serve
        self.dispatch.knowledge.logins = {f"{name}.login": name for name in PEOPLE}
        self.dispatch.knowledge.backends = {
            name: Backend(
                mint_command([str(self.root / f"t3-{name}")], self.root / name),
                f"http://127.0.0.1:{self.ports[name]}",
            )
            for name in PEOPLE
        }

    def end(self, person: str) -> None:
        """End the person's serve."""
        if self.main_pid(person) is not None:
            self.serves[person].kill()

    def spoil(self, person: str) -> None:
        """Let the serve, of the same build, pair nobody; whoever else is up stays as they are."""
        for name in PEOPLE:
            self.main_pid(name)
        self.run(person, self.build, "session-never-authenticated")

    def dispatch_down(self) -> None:
        """Let the dispatch refuse every connection."""
        self.dispatch.down()


@contextmanager
def real_pairing(root: Path) -> Iterator[RealPairing]:
    """Serves of BUILD for both people, each up as soon as anybody asks for it."""
    with ExitStack() as stack:
        dispatch = stack.enter_context(Dispatch(Knowledge()))
        bench = RealPairing(root, dispatch, stack)
        bench.lay_out(FakeRelease(BUILD.text, start_time=0.02, listen_window=0.05))
        yield bench


@define
class VirtualTime:
    """Time that passes while somebody sleeps, and what is planned for its moments."""

    now: float = 0.0
    planned: list[tuple[float, Callable[[], object]]] = Factory(list)

    def monotonic(self) -> float:
        """The present moment, in seconds."""
        return self.now

    def at(self, moment: float, act: Callable[[], object]) -> None:
        """Plan something for the first sleep that reaches a moment."""
        self.planned.append((moment, act))

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        due = [act for moment, act in self.planned if moment <= self.now]
        self.planned = [plan for plan in self.planned if plan[0] > self.now]
        for act in due:
            act()


def watched_through_a_restart(real: RealPairing, port: ServePairing) -> ev.Done | ev.BakeBroken:
    """Watch both for five minutes; bob's serve ends in the first, and is started anew."""
    clock = VirtualTime()

    def restart() -> None:
        real.end("bob")
        real.begin("bob", BUILD)

    clock.at(33.0, restart)
    watching = attrs.evolve(port, sleep=clock.sleep, monotonic=clock.monotonic, interval=30.0)
    return watching.watch(PEOPLE, BUILD, 300.0, lambda: False)
