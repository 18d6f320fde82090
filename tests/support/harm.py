"""A person whose t3 would work at any start, and eyes on everything that such work would touch."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Final

from attrs import define

from fakes.t3.trap import TrapListener
from fakes.t3.v2states import add_marks, allow_everything, populate_v2
from t3safe.adapters.gate import scratch as layout
from t3safe.domain.effects import Subject
from tests.support.gate import RealGate, script

V2: Final = "0.0.46-nightly.20261010.2922"
_OFF: Final = {
    "edits": "rehearsal.make_harmless = lambda userdata: None",
    "sight": "rehearsal.require_out_of_sight = lambda userdata, shown: None",
    "providers": "scratch.PROGRAMS = frozenset()",
}
"""What a test switches off, and how a worker of its own does without."""


@define
class BusyPersonalData:
    """A person with interrupted threads, due schedules and pulled projects, in a gate's world."""

    bench: RealGate
    listener: TrapListener

    @property
    def checkouts(self) -> tuple[Path, Path]:
        """A worktree below a home, and a project that everybody may write to."""
        return self.bench.root / "home" / "alice" / "worktree", self.bench.root / "srv" / "project"

    @property
    def calls(self) -> Path:
        """What a provider's CLI writes down where it is run."""
        return self.bench.root / "calls"

    @property
    def tools(self) -> Path:
        """A folder of programs with a provider's CLI in it, and what makes a tunnel."""
        return self.bench.root / "bin"

    def settle(self) -> Subject:
        """Write the person's snapshot, checkouts and programs; and seal the snapshot."""
        base = self.bench.root / "snapshots" / "alice" / "s1"
        base.mkdir(parents=True)
        populate_v2(base, threads=1, own_messages=1)
        for thread, checkout in zip(("thread-1", "thread-2"), self.checkouts, strict=True):
            checkout.mkdir(parents=True)
            (checkout / "work.txt").write_text("mine\n")
            checkout.chmod(0o777)
            marks = ["running", "title", "capture", "due-task", "webhook"]
            add_marks(base, marks, thread, worktree=checkout)
        allow_everything(base, self.listener.address)
        for name in ("codex", "cloudflared"):
            script(self.tools / name, f'#!/bin/sh\necho "{name} in $PWD: $*" >>{self.calls}\n')
        self.calls.touch()
        self.calls.chmod(0o666)
        return Subject("alice", "s1")

    def harm(self) -> set[str]:
        """Name what has been done to the world: a deed of each kind that left something."""
        found = {"checkout" for path in self.checkouts if len(list(path.iterdir())) > 1}
        found |= {f"ran {line.partition(' ')[0]}" for line in self.calls.read_text().splitlines()}
        return found | {f"heard {line.partition(' ')[0]}" for line in self.listener.heard}

    def digest(self) -> dict[str, str]:
        """Give the digest of each file of the checkouts."""
        files = (path for each in self.checkouts for path in each.rglob("*") if path.is_file())
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def python_without(folder: Path, *off: str, tools: Path | None = None) -> str:
    """Write an interpreter whose worker does without some protection, and finds these tools."""
    lines = [
        *("import sys", "from pathlib import Path"),
        "from t3safe.adapters.gate import scratch, rehearsal",
        *(_OFF[each] for each in off),
        *([f"scratch.SYSTEM = (Path({str(tools)!r}), *scratch.SYSTEM)"] if tools else []),
        "rehearsal.main()",
    ]
    code = folder / "worker.py"
    code.write_text("\n".join(lines) + "\n")
    return str(script(folder / "python", f"#!/bin/sh\nexec {sys.executable} -I {code}\n"))


def with_tools(tools: Path, *off: str) -> dict[str, object]:
    """Give what `scratch` must say in our own process for the same."""
    found: dict[str, object] = {"SYSTEM": (tools, *layout.SYSTEM)}
    return found | ({"PROGRAMS": frozenset[str]()} if "providers" in off else {})
