"""A gate on real parts: laid-out fake builds, real sets in SQLite, and an eye on what is left."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import attrs
import psutil
from attrs import define, frozen

from fakes.dispatch import COOKIES, PROTOCOLS
from fakes.packages import FakeRelease, executed, pack, pack_platform, release_like
from fakes.t3.app import work
from fakes.t3.app.build import read_build
from fakes.t3.app.state import FakeDatabase, ensure_small_files, migrate, stamp
from t3safe.adapters.gate.sandbox import choose_sandbox
from t3safe.adapters.gate.sandboxgate import SandboxGate
from t3safe.domain.allowance import Allowance
from t3safe.domain.checks import DispatchKnowledge
from t3safe.domain.effects import Subject
from t3safe.domain.gate import Rehearsal
from t3safe.domain.versions import Version
from t3safe.t3.files import USERDATA, V1_DATABASE
from t3safe.t3.work import APPROVALS

OLD = "0.0.24"
"""Schema 30."""
NEW = "0.0.28-nightly.20260615.571"
"""Schema 32."""

_FAULTS = {
    "": (),
    "silent": ("listens-never-answers",),
    "loses-events": ("migration-loses-events",),
    "pairs-nobody": ("session-never-authenticated",),
    "unknown-cookie": ("cookie-renamed",),
    "works-once": ("works-once",),
    "noisy": ("logs-persistence-errors",),
    "chokes-on-old-rows": ("migration-fails-on-legacy-rows",),
}


@frozen
class ExportedSet:
    """A set that is handed out by another process."""

    stream: IO[bytes]
    process: subprocess.Popen[bytes]

    def finish(self) -> None:
        """Let the process end."""
        self.stream.close()
        self.process.wait()


@define
class RealGate:
    """A gate over builds and snapshots below one folder."""

    root: Path
    port: SandboxGate = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        (self.root / "sandboxes").mkdir(exist_ok=True)
        self.port = SandboxGate(
            program=self.program,
            hand_out=self.hand_out,
            set_size=lambda person, snapshot: 1024**2,
            evidence=self.root / "evidence",
            tmp=self.root / "sandboxes",
            sandbox=choose_sandbox("auto"),
            soak=Allowance(0.1),
            deadline=Allowance(15.0),
            dispatch=DispatchKnowledge(cookies=COOKIES, protocols=PROTOCOLS),
            stop_limit=10.0,
        )

    def tune(self, **changes: Any) -> SandboxGate:  # noqa: ANN401 - settings of any type
        """Change settings of the gate, and give it; a limit may be a plain number."""
        for name in {"soak", "deadline"} & changes.keys():
            if not isinstance(changes[name], Allowance):
                changes[name] = Allowance(changes[name])
        self.port = attrs.evolve(self.port, **changes)
        return self.port

    # --- builds ----------------------------------------------------------------------------------

    def program(self, build: Version) -> Path:
        """Tell a build's program, as the store does."""
        return self.root / "builds" / build.text / "node_modules" / ".bin" / "t3"

    def lay_out(self, release: FakeRelease) -> Version:
        """Install a release by hand, in npm's layout."""
        build = Version.parse(release.version)
        modules = self.program(build).parent.parent
        (modules / ".bin").mkdir(parents=True)
        packed = [pack(release)]
        if release.layout == "platform":
            packed.append(pack_platform(release))
        for package in packed:
            with tarfile.open(fileobj=io.BytesIO(package.tarball)) as archive:
                archive.extractall(modules, filter="data")
            (modules / package.name).parent.mkdir(exist_ok=True)
            (modules / "package").rename(modules / package.name)
        (modules / ".bin" / "t3").symlink_to(f"../{executed(release)}")
        return build

    def faulty(self, *faults: str, version: str = NEW, **changes: object) -> Version:
        """Install a quick release with these faults."""
        quick = {"start_time": 0.0, "listen_window": 0.05, "native": False}
        return self.lay_out(release_like(version, **{**quick, "faults": faults, **changes}))

    def release(self, flaw: str = "") -> Version:
        """Install a release with a flaw of the contract."""
        if flaw == "silent":
            self.tune(deadline=Allowance(1.0))
        return self.faulty(*_FAULTS[flaw])

    # --- snapshots -------------------------------------------------------------------------------

    def snapshot(
        self, person: str, *, old_rows: bool = False, approvals: int = 0, version: str = OLD
    ) -> Subject:
        """Seal a snapshot of a person with work, as written by the release of this version."""
        writer = self.root / "writer" / version
        writer.mkdir(parents=True, exist_ok=True)
        (writer / "package.json").write_text(json.dumps(pack(release_like(version)).manifest))
        userdata = self.root / "snapshots" / person / "s1" / USERDATA
        userdata.mkdir(parents=True)
        build = read_build(str(writer))
        ensure_small_files(userdata, build.schema)
        database = FakeDatabase(userdata / V1_DATABASE)
        migrate(database, build)
        with database.write() as connection:
            for number in range(12):
                work.say(connection, f"thread-{number % 4}", f"message {number}", stamp())
            for number in range(approvals):
                connection.execute(
                    f"INSERT INTO {APPROVALS.table} VALUES (?, 'thread-0', NULL,"
                    " 'resolved', NULL, ?, NULL)",
                    (f"approval-{number}", stamp()),
                )
            if old_rows:
                legacy = work.ThreadEvent("thread", "thread-0", "thread.created", {"legacy": True})
                work.append_event(connection, legacy, stamp())
        database.close()
        return Subject(person, "s1")

    @contextmanager
    def hand_out(self, person: str, snapshot: str) -> Iterator[ExportedSet]:
        """Hand a snapshot's set out, as a worker of the person does."""
        reads, writes = os.pipe()
        source = self.root / "snapshots" / person / snapshot / USERDATA
        words = ["tar", "--create", "--directory", str(source), "."]
        with os.fdopen(reads, "rb") as stream, subprocess.Popen(words, stdout=writes) as process:
            os.close(writes)
            try:
                yield ExportedSet(stream, process)
            finally:
                stream.close()

    # --- what is left ----------------------------------------------------------------------------

    def traces(self) -> object:
        """Give every snapshot's digest, every sandbox and every process of a build."""
        return self.digests(), sorted((self.root / "sandboxes").iterdir()), self.running()

    def digests(self) -> dict[str, str]:
        """Give the digest of every file of every snapshot."""
        files = sorted(path for path in (self.root / "snapshots").rglob("*") if path.is_file())
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def running(self) -> list[str]:
        """Give the command line of every process that names this bench's folder."""
        return [
            line for line in map(_command_line, psutil.process_iter()) if str(self.root) in line
        ]

    def evidence_of(self, rehearsal: Rehearsal) -> dict[str, Any]:
        """Read the report that was kept."""
        report: dict[str, Any] = json.loads(Path(rehearsal.evidence, "report.json").read_text())
        return report

    def kept_text(self) -> str:
        """Give everything that is kept as evidence."""
        files = (self.root / "evidence").rglob("*")
        return "\n".join(path.read_text() for path in files if path.is_file())


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def script(path: Path, text: str) -> Path:
    """Write an executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def wait_until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait for a condition of the outside world."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.02)


@contextmanager
def rehearsing_elsewhere(root: Path, build: Version, kind: str) -> Iterator[psutil.Popen]:
    """Rehearse on empty data in another process, with a soak that does not end."""
    lines = (
        "import pathlib, sys",
        "from tests.support.gate import RealGate",
        "from t3safe.adapters.gate.sandbox import choose_sandbox",
        "from t3safe.domain.effects import Subject",
        "from t3safe.domain.versions import Version",
        "gate = RealGate(pathlib.Path(sys.argv[1])).tune(",
        "    soak=600.0, sandbox=choose_sandbox(sys.argv[3]), bind_host='127.0.0.1')",
        "gate.rehearse(Version.parse(sys.argv[2]), (Subject('', ''),))",
    )
    command = [sys.executable, "-c", "\n".join(lines), str(root), build.text, kind]
    process = psutil.Popen(command, cwd=Path(__file__).parents[2])
    try:
        yield process
    finally:
        process.kill()
        process.wait()
