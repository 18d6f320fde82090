"""Child processes, bounded in time and output.  Every program that t3safe runs is started here.

Rules:

1. A child leads a session of its own, starts in `/`, and has the environment that it is given and
   nothing else of ours: no terminal, no descriptor, and no input beside `stdin`.
2. When its time is over it is killed with everything in its process group, and its unit is ended.
3. It has ended when its own process has.  Its pipes are closed then, so that what it left running
   does not hold us up; without `leave` that is killed, too.
4. Of each stream the first `HEAD` and the last `KEPT` bytes are kept.
5. Nothing that it printed is shown to a person but by `gist`: one line, cut, without secrets.

Two programs supervise their own children, because they run without t3safe's modules or must find
what left its group: `builds.reaper` and the worker of a rehearsal.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self

from attrs import field, frozen

from t3safe.adapters._support.pipes import PIPE_BYTES
from t3safe.domain.redaction import redact
from t3safe.domain.text import duration

if TYPE_CHECKING:
    from t3safe.adapters._support.identity import Identity
    from t3safe.adapters._support.units import UnitSpec

HEAD: Final = 4096
"""Bytes of the beginning of a stream that are kept in any case."""
KEPT: Final = 8 * 1024**2
"""Bytes of the end of a stream that are kept."""
LINE_MAX: Final = 300
"""Characters of a line that are shown."""
_TICK: Final = 0.05
"""Seconds between two looks whether the child ended."""
_SHORT_TICK: Final = 0.005
"""The same where its streams are closed already: its end is near."""
_REAP_SECONDS: Final = 5.0
_SOURCES: Final = str(Path(__file__).parents[3])
_WORDS: Final = 3
_NAME_MAX: Final = 120

Hear = Callable[[bytes], None]


class FloodError(OSError):
    """Raised when a child prints more than it may."""


class _Stream:
    """What is kept of one stream (rule 4), which may have so many bytes."""

    def __init__(self, hear: Hear | None, most: int | None) -> None:
        self.head, self.tail = b"", bytearray()
        self._hear, self._most = hear, most

    def take(self, chunk: bytes) -> None:
        """Take the next piece.  Raises FloodError."""
        if len(self.head) < HEAD:
            self.head = (self.head + chunk)[:HEAD]
        self.tail += chunk
        if self._most is not None and len(self.tail) > self._most:
            message = f"it printed more than {self._most} bytes"
            raise FloodError(message)
        del self.tail[:-KEPT]
        if self._hear is not None:
            self._hear(chunk)


@frozen
class ChildEnd:
    """How a child ended: `status` is None when its time was over, below 0 for a signal.

    `seconds` is the time that it had.  `out` and `err` are the last of what it printed; they may
    hold secrets.  `head` is how its standard output began.
    """

    status: int | None
    seconds: float
    out: bytes = field(default=b"", repr=False)
    err: bytes = field(default=b"", repr=False)
    head: bytes = field(default=b"", repr=False)

    @property
    def text(self) -> str:
        """What it printed on standard output."""
        return self.out.decode("utf-8", "replace")

    @property
    def first(self) -> str:
        """The first line of its standard output."""
        return self.head.partition(b"\n")[0].decode("utf-8", "replace").strip()

    @property
    def gist(self) -> str:
        """The last line that it printed, on standard error if there is one, fit to be shown."""
        for stream in (self.err, self.out):
            for line in reversed(redact(stream[-HEAD:].decode("utf-8", "replace")).splitlines()):
                if line.strip():
                    return shown(line)[:LINE_MAX]
        return ""

    @property
    def complaint(self) -> str:
        """The end of standard error on one line, without secrets."""
        return shown(self.err[-HEAD:].decode("utf-8", "replace"))[-LINE_MAX:]

    @property
    def told(self) -> str:
        """How it ended, and the last line that it printed."""
        if self.status is None:
            ended = f"was killed after {duration(self.seconds)}"
        elif self.status < 0:
            ended = f"was ended by signal {-self.status}"
        else:
            ended = f"ended with status {self.status}"
        return f"{ended}: {self.gist}" if self.gist else ended

    def in_time(self) -> Self:
        """Give this, where it ended by itself; raises TimeoutError."""
        if self.status is None:
            message = f"it took longer than {duration(self.seconds)}"
            raise TimeoutError(message)
        return self


def run(  # noqa: PLR0913 - what the callers of a child differ in
    words: Sequence[str | Path],
    seconds: float,
    environment: Mapping[str, str],
    *,
    stdin: bytes = b"",
    hold: bool = False,
    hear: Hear | None = None,
    hear_err: Hear | None = None,
    merge: bool = False,
    most: int | None = None,
    until_closed: bool = False,
    leave: bool = False,
    grace: float = 0.0,
    folder: str | Path = "/",
    umask: int = -1,
    pass_fds: Sequence[int] = (),
    who: Identity | None = None,
    unit: UnitSpec | None = None,
) -> ChildEnd:
    """Run a program for so many seconds at most.

    `hold` keeps its input open until it ends.  `hear` and `hear_err` hear the streams while it
    runs, and may raise to end it; `merge` makes them one.  `most` is how many bytes one may have.
    `until_closed` waits for the end of its output, too, which may be a descendant's.  `grace` is
    how many seconds it has to end by itself once its input is closed and SIGTERM sent, where it
    must be ended.  It runs as `who`, or in `unit`, which has a user of its own.

    Raises OSError where it cannot be started, FloodError where it prints more than it may.
    """
    deadline = time.monotonic() + seconds
    process = start(
        words,
        environment,
        stdin=subprocess.PIPE if stdin or hold else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merge else subprocess.PIPE,
        folder=folder,
        umask=umask,
        pass_fds=pass_fds,
        who=who,
        unit=unit,
    )
    out, err = _Stream(hear, most), _Stream(hear_err, most)
    status: int | None = None
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stack.callback(_close, stream)
                os.set_blocking(stream.fileno(), False)
        for stream, keep in ((process.stdout, out), (process.stderr, err)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, keep.take)
        if process.stdin is not None:
            selector.register(process.stdin, selectors.EVENT_WRITE, _Input(stdin))
        try:
            if _ended(process, selector, deadline, hold=hold, until_closed=until_closed):
                if not leave:
                    kill_group(process)
                status = process.wait()
        finally:
            if process.returncode is None:
                _end(process, unit, grace)
    return ChildEnd(status, seconds, bytes(out.tail), bytes(err.tail), out.head)


def printed(
    words: Sequence[str], environment: Mapping[str, str] | None = None, folder: str = "/"
) -> str | None:
    """Give what a short program prints; None where it cannot be run, fails or takes too long.

    Without an `environment` it has ours.
    """
    try:
        own = os.environ if environment is None else environment
        ended = run(words, 15.0, own, folder=folder)
    except OSError:
        return None
    return ended.text if ended.status == 0 else None


def start(  # noqa: PLR0913 - as `run`
    words: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    folder: str | Path = "/",
    umask: int = -1,
    pass_fds: Sequence[int] = (),
    who: Identity | None = None,
    unit: UnitSpec | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that the caller supervises (rule 1).  Raises OSError."""
    given = [str(word) for word in words]
    switch = who is not None and who.switch and unit is None
    return subprocess.Popen(
        given if unit is None else unit.command(*given),
        cwd=folder,
        env=dict(environment),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        umask=umask,
        pass_fds=pass_fds,
        start_new_session=True,
        user=who.uid if who is not None and switch else None,
        group=who.gid if who is not None and switch else None,
        extra_groups=who.groups if who is not None and switch else None,
    )


def main_of(module: str) -> str:
    """Give Python code that runs `main` of a module of ours."""
    return f"import sys; sys.path.insert(0, sys.argv[1]); from {module} import main; main()"


def isolated(python: str, code: str) -> tuple[str, ...]:
    """Give the words that run this code with our modules and the standard library alone.

    -I and -S: nothing of the user's environment or working folder is imported.
    """
    return (python, "-I", "-S", "-X", "utf8", "-c", code, _SOURCES)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a child that leads a group, and what is in it; once it is reaped, nothing is its own."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def named(words: Sequence[str]) -> str:
    """Name a command by its first words; what follows may be long."""
    return f"`{shown(' '.join(words[:_WORDS]))[:_NAME_MAX]}`"


def shown(text: str) -> str:
    """Make one line of a text that can be shown."""
    return " ".join("".join(c if c.isprintable() else " " for c in redact(text)).split())


def why(error: Exception) -> str:
    """Say why a program could not be run, in the system's own words, never in Python's.

    A file is named where there is one.
    """
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took longer than {duration(error.timeout)}"
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror


class _Input:
    """What is written to a child as it takes it."""

    def __init__(self, content: bytes) -> None:
        self._left = memoryview(content)

    def write(self, fd: int) -> bool:
        """Write on; whether all is written, or the child reads no more."""
        try:
            self._left = self._left[os.write(fd, self._left) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            return True
        return not self._left


def _ended(
    process: subprocess.Popen[bytes],
    selector: selectors.BaseSelector,
    deadline: float,
    *,
    hold: bool,
    until_closed: bool,
) -> bool:
    """Hear a child until it ends, and leave it to be reaped; whether it ended in time."""
    while True:
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        listening = any(key.events == selectors.EVENT_READ for key in selector.get_map().values())
        tick = 0.0 if ended and not until_closed else _TICK if listening else _SHORT_TICK
        for key, _ in selector.select(tick):
            if isinstance(key.data, _Input):
                if key.data.write(key.fd):
                    selector.unregister(key.fileobj)
                    if not hold and process.stdin is not None:
                        _close(process.stdin)
            elif chunk := os.read(key.fd, PIPE_BYTES):
                key.data(chunk)
            else:
                selector.unregister(key.fileobj)
        if ended and not (until_closed and listening):
            # One chunk is all that a pipe holds: what comes after it is not the child's.
            return True
        if time.monotonic() >= deadline:
            return False


def _end(process: subprocess.Popen[bytes], unit: UnitSpec | None, grace: float) -> None:
    """End a child that did not end by itself; one that hangs in the kernel is left to it."""
    if grace:
        if process.stdin is not None:
            _close(process.stdin)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    if unit is not None:
        # Where systemd does not answer, it ends the unit once its own time is over.
        with suppress(OSError):
            unit.end()
    kill_group(process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_REAP_SECONDS)


def _close(pipe: IO[bytes]) -> None:
    with suppress(OSError):
        pipe.close()
