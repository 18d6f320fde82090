"""The programs of a build as a rehearsal's worker runs them: commands, the serve, and their ends.

What a package says of itself, what its program and node print, and the mint of a credential.

The worker is the subreaper of everything it starts, so whatever leaves its process group, its
session or its parent is still found below the worker.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

import psutil
from attrs import define, evolve, field, frozen

from t3safe.adapters._support import child
from t3safe.adapters._support.layout import MANIFEST
from t3safe.adapters._support.subreaper import ENDING_MAX
from t3safe.adapters.gate.messages import STEP_SECONDS, RehearsalRequest
from t3safe.adapters.gate.scratch import Scratch, environment
from t3safe.adapters.gate.serve import Secrets
from t3safe.domain.checks import IdentityFacts
from t3safe.domain.text import duration
from t3safe.t3 import commands, package, serve_log
from t3safe.t3.commands import MINTING
from t3safe.t3.sign_in import credential_of

OUTPUT_MAX: Final = 256 * 1024
"""Bytes of a command's output that are read."""
_POLL: Final = 0.02


@frozen
class ProgramRun:
    """How a command ended; `status` is None where it took too long.  `output` may hold secrets."""

    status: int | None
    output: str


def run(scratch: Scratch, command: Sequence[str], limit: float) -> ProgramRun:
    """Run a command of the build for at most `limit` seconds; ends what it left in its tree.

    Raises OSError when it cannot be started.
    """
    # A file and no pipe: a child that stays behind would keep a pipe open.
    with scratch.output.open("w+b") as output:
        process = _start(scratch, command, output)
        try:
            status: int | None = shown_status(process.wait(limit))
        except subprocess.TimeoutExpired:
            status, below = None, _below(process.pid)
            process.kill()
            for each in below:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            process.wait(ENDING_MAX)
        output.seek(0)
        return ProgramRun(status, output.read(OUTPUT_MAX).decode("utf-8", "replace"))


def shown_status(returncode: int) -> int:
    """Give an exit status as a shell does: 128 and the signal's number where one ended it."""
    return returncode if returncode >= 0 else 128 - returncode


def _start(scratch: Scratch, command: Sequence[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return child.start(
        command, environment(scratch), stdout=output, stderr=output, folder=scratch.work
    )


def _below(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@define
class RehearsedServe:
    """A started serve; its log is appended to that of the sandbox from `log_start` on."""

    process: subprocess.Popen[bytes]
    log_start: int

    @classmethod
    def start(cls, scratch: Scratch, command: Sequence[str]) -> RehearsedServe:
        """Start the serve.  Raises OSError."""
        with scratch.log.open("ab") as log:
            return cls(_start(scratch, command, log), log.tell())

    def exited(self, within: float = 0.0) -> int | None:
        """Its exit status when it ends by itself within so many seconds, else None."""
        try:
            return shown_status(self.process.wait(within))
        except subprocess.TimeoutExpired:
            return None

    def listens_on(self, port: int) -> bool:
        """Whether the serve itself, or a child of it, is what listens on the port."""
        with suppress(psutil.Error):
            for process in (psutil.Process(self.process.pid), *_below(self.process.pid)):
                with suppress(psutil.Error):
                    for item in process.net_connections("tcp"):
                        if item.status == psutil.CONN_LISTEN and item.laddr.port == port:
                            return True
        return False

    def stop(self, limit: float) -> bool:
        """Stop the serve as a service manager does, every process of it; whether it stopped.

        What ignores the signal is left running.
        """
        for process in _below(os.getpid()):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            return False
        return True


_MANIFEST_MAX: Final = 4 * 1024**2
_NODE: Final = re.compile(r"^v?(\d+\.\d+\.\d+\S*)\s*$", re.MULTILINE)


def package_facts(request: RehearsalRequest) -> IdentityFacts:
    """Read what the package says of itself; nothing of it is run, and what is missing is empty."""
    program = Path(request.program)
    prefix = program.parents[2]
    manifest = package.PackageManifest.read(_object(prefix / package.FOLDER / "package.json"))
    try:
        executed = str(program.resolve().relative_to(prefix.resolve()))
    except (OSError, RuntimeError, ValueError):
        executed = ""
    return IdentityFacts.of(manifest, launches=manifest.launches(executed))


def printed_facts(
    facts: IdentityFacts, request: RehearsalRequest, scratch: Scratch
) -> IdentityFacts:
    """Add what node and the program print; what cannot be had is empty.

    A start of the program takes a second of a processor.  So it is not asked again what it printed
    under the same node when it was sealed: nothing of a build changes after that.  Else it is asked
    where the set is the empty one, which every batch rehearses: it prints the same beside each set.

    Raises PermissionError where node, or the program that is asked, may not be executed.
    """
    node = _node_of(_printed(scratch, request.node))
    reported, under = request.sealed
    if not (reported and node == under):
        asked = request.copy_max is None
        printed = _printed(scratch, request.program) if asked else ""
        reported = commands.version_of(printed) if asked else request.build
    return evolve(facts, node=node, reported=reported)


def sealed_version(program: Path) -> tuple[str, str]:
    """Read what a program printed when its build was sealed, and under which node, else empty."""
    body = _object(program.parents[2] / MANIFEST)
    reported, node = body.get("reported"), body.get("node")
    if isinstance(reported, str) and isinstance(node, str):
        return reported, node
    return "", ""


def node_program(node: str) -> str:
    """Find the node that the units run, as an absolute path; empty where there is none."""
    found = shutil.which(node)
    return str(Path(found).absolute()) if found else ""


def node_version(program: str) -> str:
    """Ask a node for its version outside of any sandbox; empty where it tells none."""
    return _node_of(child.printed([program, "--version"], {}) or "")


def _object(path: Path) -> dict[str, Any]:
    """Read a JSON object, empty if there is none."""
    try:
        with path.open("rb") as file:
            body = json.loads(file.read(_MANIFEST_MAX))
    except (OSError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _printed(scratch: Scratch, program: str) -> str:
    try:
        ended = run(scratch, commands.version(program), STEP_SECONDS)
    except OSError as error:
        if isinstance(error, PermissionError):
            raise
        return ""
    return ended.output if ended.status == 0 else ""


def _node_of(text: str) -> str:
    found = _NODE.search(text)
    return found[1] if found else ""


_PAUSES: Final = (0.2, 0.4, 0.8, 1.6)
"""Seconds before each further attempt where the one before met a locked database."""
_PROBLEM_MAX: Final = 200


@frozen
class Minted:
    """A credential, or why there is none; `timed_out` is the problem where it took too long."""

    credential: str = field(default="", repr=False)
    problem: str = ""
    timed_out: str = ""


def mint(request: RehearsalRequest, scratch: Scratch, secrets: Secrets) -> Minted:
    """Have a credential made; a database that is locked for a moment is tried again."""
    command = commands.mint(request.program, str(scratch.base))
    try:
        ended = run(scratch, command, STEP_SECONDS)
        for pause in _PAUSES:
            if not serve_log.is_locked(ended.output):
                break
            time.sleep(pause)
            ended = run(scratch, command, STEP_SECONDS)
    except OSError as error:
        return Minted(problem=f"the program cannot be executed: {error.strerror}")
    credential = credential_of(ended.output) if ended.status == 0 else ""
    if credential:
        secrets.add(credential)
        return Minted(credential)
    if ended.status is None:
        late = f"{MINTING} took longer than {duration(STEP_SECONDS)}"
        return Minted(problem=late, timed_out=late)
    lines = [line.strip() for line in secrets.clean(ended.output).splitlines() if line.strip()]
    said = lines[-1][:_PROBLEM_MAX] if lines else "nothing printed"
    return Minted(problem=f"{MINTING} exits {ended.status}: {said}")
