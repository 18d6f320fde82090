"""What a rehearsal runs in, and its worker there: started, heard, and ended.

Rules:

1. A unit is a transient one of systemd with a user of its own who exists for as long as it does
   (rules 4 and 5 of `_support.units`).
2. Namespaces are what a host without systemd, and one person for themselves, have: a network of its
   own, so that the serve binds as in production and nobody reaches it; process ids of its own, so
   that the kernel ends whatever the worker leaves; and a view of the host with no home and no
   project in it (see `view`).
3. Where neither can be had no rehearsal is held: GateError.  Plain is no isolation at all, and
   nothing but the setting `gate.sandbox` leads there.
4. A worker gets a clean environment, no terminal, and no descriptor of ours but those of rule 5.
5. It lives by its standard input, a socket: when that closes, it ends everything it started and
   itself.  Over it come the request and, with it, the open stream of the set to rehearse on.
6. One that says nothing usable, takes too long or is told to stop gives no rehearsal: GateError.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from attrs import frozen

from t3safe.adapters._support import child, units
from t3safe.adapters._support.child import why
from t3safe.adapters._support.reports import ReportListener, without
from t3safe.adapters._support.subreaper import ENDING_MAX, StubbornError
from t3safe.adapters._support.units import RehearsalUnits, UnitSpec
from t3safe.adapters.gate import view
from t3safe.adapters.gate.messages import (
    ANSWER_MAX,
    HERE,
    NoRehearsal,
    RehearsalReport,
    RehearsalRequest,
    UnreadableAnswerError,
    loads_answer,
)
from t3safe.adapters.gate.scratch import Scratch, end_strays
from t3safe.adapters.gate.view import is_system, worker_folders
from t3safe.domain.checks import Check
from t3safe.domain.errors import Fault, GateError
from t3safe.domain.redaction import redact
from t3safe.domain.text import duration

_PROBE_SECONDS: Final = 10.0
_NAMESPACES: Final = ("--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")
HOW: Final = (
    "let this user make namespaces (kernel.unprivileged_userns_clone = 1, "
    "kernel.apparmor_restrict_unprivileged_userns = 0, user.max_user_namespaces above 0), "
    'then `t3safe doctor`; or rehearse unprotected on purpose: `gate.sandbox = "plain"`'
)
"""What lets a host hold rehearsals."""


@frozen
class Sandbox:
    """A kind of sandbox: `prefix` is put before the worker's command."""

    kind: str
    prefix: tuple[str, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether the host is hidden, and every port free: the network is its own, too."""
        return self.kind != "plain"

    @property
    def view(self) -> bool:
        """Whether the worker hides the host itself, and brings up the loopback device."""
        return self.kind == "namespace"


PLAIN: Final = Sandbox("plain")
UNIT: Final = Sandbox("unit")


def namespace_sandbox() -> Sandbox:
    """Namespaces by unshare(1); without root the worker is root of a user namespace only."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return Sandbox("namespace", ("unshare", *user, *_NAMESPACES))


def choose_sandbox(kind: str) -> Sandbox:
    """Give the sandbox of this kind: unit, namespace, plain, or auto for the best that works here.

    Raises GateError when what is asked for cannot be had; auto is never plain.
    """
    if kind == "plain":
        return PLAIN
    if kind in {"unit", "auto"} and units.booted():
        return UNIT
    if kind == "unit":
        message = "cannot rehearse in a unit: that needs systemd and root; set the gate's sandbox"
        raise GateError(message)
    sandbox = namespace_sandbox()
    problem = why_not(sandbox)
    if not problem:
        return sandbox
    message = f"gate: no rehearsal can be held here: no namespace can be had: {problem}; {HOW}"
    raise GateError(message)


def why_not(sandbox: Sandbox) -> str:
    """Try this sandbox with nothing in it; why it cannot be had here, empty where it can."""
    try:
        with tempfile.TemporaryDirectory(prefix="t3safe-try-") as folder:
            words = [*sandbox.prefix, sys.executable, "-I", view.__file__, folder]
            done = child.run(words, _PROBE_SECONDS, os.environ).in_time()
    except OSError as error:
        return why(error)
    return (done.complaint or f"status {done.status}") if done.status else ""


_WORKER: Final = ("-I", "-X", "utf8", "-m", "t3safe.adapters.gate.rehearsal")
_POLL: Final = 0.05
_GRACE: Final = ENDING_MAX + 5.0
"""Seconds in which a worker whose input closed has ended all it started."""
_COMPLAINT_MAX: Final = 600
_LOOK: Final = 4096
_ADMITTED_SECONDS: Final = 60.0
"""For a unit, and for a slow machine to load the worker in it."""
_CREDENTIALS: Final = struct.Struct("iII")
"""struct ucred: process, user and group (unix(7))."""


@frozen
class Workers:
    """Holds rehearsals in a sandbox with this Python interpreter; raises GateError alone.

    `units` is for the sandbox that is a unit.
    """

    sandbox: Sandbox
    python: str
    units: RehearsalUnits | None = None

    def hold(
        self,
        request: RehearsalRequest,
        what: str,
        limit: float,
        stop: threading.Event,
        hear: Callable[[Check], None],
        stream: IO[bytes] | None = None,
    ) -> RehearsalReport:
        """Have one rehearsal held within `limit` seconds, unless `stop` is set before.

        `what` cannot be done where it fails; `hear` is told each check that begins.  `stream` is
        the set that the request speaks of.
        """
        folder = Path(request.folder)
        words: tuple[str, ...] = (self.python, *_WORKER)
        unit: UnitSpec | None = None
        if self.units is not None and self.sandbox.kind == "unit":
            build = str(Path(request.program).parents[2])
            shown = (each for each in (*worker_folders(), build) if not is_system(each))
            # Longer than our own limit, which tells why; this one holds if we are gone.
            unit = self.units.unit(shown, folder, limit + 2 * _GRACE, request.memory_max)
        else:
            words = (*self.sandbox.prefix, *words)
        environment = {
            "HOME": str(Scratch(folder).home),
            "LC_ALL": "C.UTF-8",
            "PATH": os.defpath,
        }
        ours, theirs = socket.socketpair()
        telling_who(ours)
        with ours, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaint:
            try:
                with theirs:
                    process = child.start(
                        words,
                        environment,
                        stdin=theirs.fileno(),
                        stdout=said,
                        stderr=complaint,
                        unit=unit,
                    )
            except OSError as error:
                message = f"{what}: {error.filename or words[0]} cannot be run: {error.strerror}"
                raise GateError(message) from error
            try:
                try:
                    if unit is not None:
                        try:
                            admit(ours, folder)
                        except OSError as error:
                            message = f"{what}: its unit cannot be started: {_words(complaint)}"
                            raise GateError(message) from error
                    # A worker that has ended says so by its status.
                    with suppress(BrokenPipeError, ConnectionResetError):
                        # Shorter than what a socket takes without a reader.
                        streams = [] if stream is None else [stream.fileno()]
                        socket.send_fds(ours, [request.dumps()], streams)
                    status = _wait(process, limit, stop, _heard(complaint, hear))
                finally:
                    ours.close()
                    _end(process, unit, folder)
            except (OSError, StubbornError, subprocess.TimeoutExpired) as error:
                message = f"{what}: its processes do not end: {why(error)}; end them by hand"
                raise GateError(message) from error
            if status is None:
                late = f"it took more than {duration(limit)}"
                cause = "it was told to stop" if stop.is_set() else late
                message = f"{what}: {cause}; nothing is held against the build, run it again"
                raise GateError(message, fault=Fault.LATER)
            said.seek(0)
            try:
                answer = loads_answer(said.read(ANSWER_MAX))
            except UnreadableAnswerError as error:
                told = _words(complaint) or str(error)
                message = f"{what}: its worker ended with status {status}: {told}"
                raise GateError(message) from error
        if isinstance(answer, NoRehearsal):
            message = f"{what}: {answer.reason}"
            raise GateError(message, fault=answer.fault)
        return answer


def telling_who(worker: socket.socket) -> None:
    """Have the kernel tell who writes to the other end; before anybody does."""
    worker.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)


def admit(worker: socket.socket, folder: Path) -> None:
    """Give the scratch directory to the unit's user, once the worker in it has said `HERE`.

    Raises OSError.  Who that is, is the kernel's word.  It is ours alone until then, so that nobody
    can have put a link into it.
    """
    user = _user_behind(worker)
    for path, folders, names in os.walk(folder, topdown=False):
        for name in (*folders, *names):
            os.chown(Path(path, name), user, user, follow_symlinks=False)
    os.chown(folder, user, user, follow_symlinks=False)


def _user_behind(worker: socket.socket) -> int:
    """Hear the first word, and of whom it is."""
    worker.settimeout(_ADMITTED_SECONDS)
    said, ancillary, _, _ = worker.recvmsg(len(HERE), socket.CMSG_SPACE(_CREDENTIALS.size))
    worker.settimeout(None)
    for level, kind, data in ancillary:
        if said == HERE and (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            _, user, _ = _CREDENTIALS.unpack(data)
            if user != 0:
                return int(user)
    message = "the unit ended, or it runs as root"
    raise ConnectionError(message)


def _heard(complaint: IO[bytes], hear: Callable[[Check], None]) -> Callable[[], None]:
    """Give what looks for the checks that a worker says it begins, among its complaints."""
    read = 0

    def step(words: tuple[str, ...]) -> None:
        with suppress(ValueError):
            hear(Check(words[-1]))

    listener = ReportListener(step)

    def look() -> None:
        nonlocal read
        # The worker's own place in the file stays.
        while chunk := os.pread(complaint.fileno(), _LOOK, read):
            read += len(chunk)
            listener.feed(chunk)

    return look


def _wait(
    process: subprocess.Popen[bytes],
    limit: float,
    stop: threading.Event,
    look: Callable[[], None],
) -> int | None:
    """Wait for the worker; its exit status, or None when it must be ended."""
    end = time.monotonic() + limit
    while time.monotonic() < end and not stop.is_set():
        look()
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_POLL)
    return None


def _end(process: subprocess.Popen[bytes], unit: UnitSpec | None, folder: Path) -> None:
    """Once its input is closed, let the worker end what it started; nothing is left (rule 5)."""
    try:
        status = process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        status = None
    if status == 0:
        return
    if unit is not None:
        unit.end()
    child.kill_group(process)
    process.wait(ENDING_MAX)
    end_strays(folder)


def _words(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _COMPLAINT_MAX))
    return " ".join(redact(without(file.read()).decode("utf-8", "replace")).split())
