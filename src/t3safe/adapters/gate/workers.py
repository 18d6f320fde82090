"""Starting a worker in its sandbox and hearing what it has to say.

Rules:

1. A worker gets a clean environment, no terminal, and no descriptor of ours but those of rule 2.
2. It lives by its standard input, a socket: when that closes, it ends everything it started and
   itself.  Over it come the request and, with it, the open stream of the set to rehearse on.
3. One that says nothing usable, takes too long or is told to stop gives no rehearsal: GateError.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from attrs import frozen

from t3safe.adapters._support import child
from t3safe.adapters._support.child import why
from t3safe.adapters._support.reports import Listener, without
from t3safe.adapters._support.transient import Job
from t3safe.adapters.gate import cells
from t3safe.adapters.gate.cells import Cells
from t3safe.adapters.gate.messages import (
    ANSWER_MAX,
    Answer,
    Report,
    Request,
    Trouble,
    UnreadableAnswerError,
)
from t3safe.adapters.gate.places import Places
from t3safe.adapters.gate.processes import ENDING_MAX, StubbornError, end_strays
from t3safe.adapters.gate.sandboxes import Sandbox
from t3safe.domain.errors import Fault, GateError
from t3safe.domain.gate import Check
from t3safe.domain.redaction import redact

_POLL: Final = 0.05
_GRACE: Final = ENDING_MAX + 5.0
"""Seconds in which a worker whose input closed has ended all it started."""
_COMPLAINT_MAX: Final = 600
_LOOK: Final = 4096


@frozen
class Workers:
    """Holds rehearsals in a sandbox with this Python interpreter; raises GateError alone.

    `cells` is for the sandbox that is a unit.
    """

    sandbox: Sandbox
    python: str
    cells: Cells | None = None

    def hold(
        self,
        request: Request,
        whose: str,
        limit: float,
        stop: threading.Event,
        hear: Callable[[Check], None],
        stream: IO[bytes] | None = None,
    ) -> Report:
        """Have one rehearsal held within `limit` seconds, unless `stop` is set before.

        `hear` is told each check that begins.  `stream` is the set that the request speaks of.
        """
        what = f"cannot rehearse {request.build} on {whose}"
        job = self._job(request, limit)
        ours, theirs = socket.socketpair()
        cells.telling_who(ours)
        with ours, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaint:
            try:
                with theirs:
                    process = self._start(request, job, theirs, said, complaint)
            except OSError as error:
                message = f"{what}: {self._command(job)[0]} cannot be run: {error.strerror}"
                raise GateError(message) from error
            try:
                try:
                    if job is not None and not _admitted(ours, Path(request.folder)):
                        message = f"{what}: its unit cannot be started: {_words(complaint)}"
                        raise GateError(message)
                    _ask(ours, request, stream)
                    status = _wait(process, limit, stop, _Steps(complaint, hear))
                finally:
                    ours.close()
                    _end(process, job, Path(request.folder))
            except (OSError, StubbornError, subprocess.TimeoutExpired) as error:
                message = f"{what}: its processes do not end: {why(error)}; end them by hand"
                raise GateError(message) from error
            if status is None:
                cause = "it was told to stop" if stop.is_set() else f"it took more than {limit:g} s"
                message = f"{what}: {cause}; nothing is held against the build, run it again"
                raise GateError(message, fault=Fault.LATER)
            return _understood(what, status, _text(said, ANSWER_MAX), _words(complaint))

    def _job(self, request: Request, limit: float) -> Job | None:
        """Give the unit to rehearse in; None in every other sandbox."""
        if self.cells is None or self.sandbox.kind != "unit":
            return None
        # Longer than our own limit, which tells why; this one holds if we are gone.
        where = Path(request.program), Path(request.folder)
        return self.cells.job(*where, limit + 2 * _GRACE, request.memory_max)

    def _command(self, job: Job | None) -> tuple[str, ...]:
        module = "t3safe.adapters.gate.rehearsal"
        words = (self.python, "-I", "-X", "utf8", "-m", module)
        return job.command(*words) if job is not None else (*self.sandbox.prefix, *words)

    def _start(
        self,
        request: Request,
        job: Job | None,
        stdin: socket.socket,
        said: IO[bytes],
        complaint: IO[bytes],
    ) -> subprocess.Popen[bytes]:
        places = Places(Path(request.folder))
        environment = {"HOME": str(places.home), "LC_ALL": "C.UTF-8", "PATH": os.defpath}
        return child.start(
            self._command(job),
            environment,
            stdin=stdin.fileno(),
            stdout=said,
            stderr=complaint,
        )


def _admitted(worker: socket.socket, folder: Path) -> bool:
    """Let the unit's user into the room; False where the unit ended before it had one."""
    try:
        cells.admit(worker, folder)
    except OSError:
        return False
    return True


class _Steps:
    """Hears the checks that a worker says it begins, among its complaints."""

    def __init__(self, complaint: IO[bytes], hear: Callable[[Check], None]) -> None:
        self._file, self._read = complaint, 0
        self._listener = Listener(lambda words: self._step(words, hear))

    def look(self) -> None:
        """Read on where the last look ended; the worker's own place in the file stays."""
        while chunk := os.pread(self._file.fileno(), _LOOK, self._read):
            self._read += len(chunk)
            self._listener.feed(chunk)

    @staticmethod
    def _step(words: tuple[str, ...], hear: Callable[[Check], None]) -> None:
        with suppress(ValueError):
            hear(Check(words[-1]))


def _ask(worker: socket.socket, request: Request, stream: IO[bytes] | None) -> None:
    """Hand the request over, and the stream with it; one that has ended says so by its status."""
    with suppress(BrokenPipeError, ConnectionResetError):
        # Shorter than what a socket takes without a reader.
        socket.send_fds(worker, [request.dumps()], [] if stream is None else [stream.fileno()])


def _wait(
    process: subprocess.Popen[bytes], limit: float, stop: threading.Event, steps: _Steps
) -> int | None:
    """Wait for the worker; its exit status, or None when it must be ended."""
    end = time.monotonic() + limit
    while time.monotonic() < end and not stop.is_set():
        steps.look()
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_POLL)
    return None


def _end(process: subprocess.Popen[bytes], job: Job | None, folder: Path) -> None:
    """Once its input is closed, let the worker end what it started; nothing is left (rule 2)."""
    try:
        status = process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        status = None
    if status == 0:
        return
    if job is not None:
        job.end()
    child.kill_group(process)
    process.wait(ENDING_MAX)
    end_strays(folder)


def _understood(what: str, status: int, said: bytes, complaint: str) -> Report:
    try:
        answer = Answer.loads(said)
    except UnreadableAnswerError as error:
        said_so = complaint or str(error)
        message = f"{what}: its worker ended with status {status}: {said_so}"
        raise GateError(message) from error
    match answer:
        case Report():
            return answer
        case Trouble(reason, fault):
            message = f"{what}: {reason}"
            raise GateError(message, fault=fault)


def _text(file: IO[bytes], most: int) -> bytes:
    file.seek(0)
    return file.read(most)


def _words(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _COMPLAINT_MAX))
    return " ".join(redact(without(file.read()).decode("utf-8", "replace")).split())
