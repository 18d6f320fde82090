"""The processes of a rehearsal, as its worker sees them.

The worker is the subreaper of everything it starts, so whatever leaves its process group, its
session or its parent is still found below the worker.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
from attrs import define, frozen

from t3safe.adapters._support import child
from t3safe.adapters.gate.places import Places, environment

OUTPUT_MAX: Final = 256 * 1024
"""Bytes of a command's output that are read."""
ENDING_MAX: Final = 20.0
"""Seconds for the kernel to end killed processes; writes to a slow disk hold them up."""
_POLL: Final = 0.02


class StubbornError(Exception):
    """Raised when killed processes do not end."""


@frozen
class Ended:
    """How a command ended; `status` is None where it took too long.  `output` may hold secrets."""

    status: int | None
    output: str


def run(places: Places, command: Sequence[str], limit: float) -> Ended:
    """Run a command of the build for at most `limit` seconds; ends what it left in its tree.

    Raises OSError when it cannot be started.
    """
    # A file and no pipe: a child that stays behind would keep a pipe open.
    with places.output.open("w+b") as output:
        process = _start(places, command, output.fileno())
        try:
            status: int | None = shown_status(process.wait(limit))
        except subprocess.TimeoutExpired:
            status = None
            _kill_tree(process)
        output.seek(0)
        return Ended(status, output.read(OUTPUT_MAX).decode("utf-8", "replace"))


def shown_status(returncode: int) -> int:
    """Give an exit status as a shell does: 128 and the signal's number where one ended it."""
    return returncode if returncode >= 0 else 128 - returncode


def _start(places: Places, command: Sequence[str], output: int) -> subprocess.Popen[bytes]:
    return child.start(
        command, environment(places), stdout=output, stderr=output, folder=places.work
    )


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    below = _below(process.pid)
    process.kill()
    for each in below:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait(ENDING_MAX)


def _below(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@define
class Serve:
    """A started serve; its log is appended to that of the sandbox from `log_start` on."""

    process: subprocess.Popen[bytes]
    log_start: int

    @classmethod
    def start(cls, places: Places, command: Sequence[str]) -> Serve:
        """Start the serve.  Raises OSError."""
        with places.log.open("ab") as log:
            return cls(_start(places, command, log.fileno()), log.tell())

    def exited(self, within: float = 0.0) -> int | None:
        """Its exit status when it ends by itself within so many seconds, else None."""
        try:
            return shown_status(self.process.wait(within))
        except subprocess.TimeoutExpired:
            return None

    def listens_on(self, port: int) -> bool:
        """Whether the serve itself, or a child of it, is what listens on the port."""
        try:
            mine = [psutil.Process(self.process.pid), *_below(self.process.pid)]
        except psutil.NoSuchProcess:
            return False
        return any(_listens(process, port) for process in mine)

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


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        found = process.net_connections("tcp")
    except psutil.Error:
        return False
    return any(item.status == psutil.CONN_LISTEN and item.laddr.port == port for item in found)


def end_all() -> tuple[str, ...]:
    """Kill and reap everything below this process; the names of what still ran.

    Raises StubbornError.
    """
    names: dict[int, str] = {}
    deadline = time.monotonic() + ENDING_MAX
    while time.monotonic() < deadline:
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return tuple(names.values())
        if reaped:
            continue
        for process in _below(os.getpid()):
            with suppress(psutil.NoSuchProcess):
                names.setdefault(process.pid, process.name())
                process.kill()
        time.sleep(_POLL)
    message = f"processes of the build did not end within {ENDING_MAX:.0f} s of being killed"
    raise StubbornError(message)


def end_strays(folder: Path) -> None:
    """Kill every process of a sandbox whose worker is gone.  Raises StubbornError.

    They are known by their home or their working folder, which are below the sandbox.
    """
    deadline = time.monotonic() + ENDING_MAX
    while strays := [each for each in psutil.process_iter() if _belongs(each, folder)]:
        if time.monotonic() > deadline:
            message = f"{len(strays)} processes of {folder} did not end"
            raise StubbornError(message)
        for process in strays:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(_POLL)


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        places = (process.environ().get("HOME", ""), process.cwd())
    except (psutil.Error, OSError):
        # Gone meanwhile, or not ours to look into: then it is not of a sandbox of ours either.
        return False
    return any(Path(place).is_relative_to(folder) for place in places)
