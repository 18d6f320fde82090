"""Calling the worker as the person whose files it is for.

Rules:

1. What the worker says was written by a process of the person: it is bounded, and believed no
   further than the person may harm themselves.
2. It gets a clean environment, no descriptor of ours and no terminal, and is killed with
   everything it holds when its time is over or when we go away.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, TypeVar

from attrs import frozen

from t3safe.adapters._support import identity
from t3safe.adapters._support.identity import Identity
from t3safe.adapters._support.pipes import PIPE_BYTES, UNTAKEN
from t3safe.adapters._support.reports import Listener, without
from t3safe.adapters._support.transient import Job
from t3safe.adapters._support.unpacking import BadStream
from t3safe.domain.redaction import redact

ANSWER_BYTES_MAX: Final = 16 * 1024**2
"""A thousand tables in each of a hundred snapshots fit several times."""
_COMPLAINT_BYTES: Final = 500
_END_SECONDS: Final = 5.0

_T = TypeVar("_T")


# -I and -S: nothing of the person's environment or working folder is imported.
def _boot(module: str) -> str:
    return (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        f"from t3safe.adapters.stateworker.{module} import main; main()"
    )


_BOOT: Final = _boot("serving")
_EXPORT: Final = _boot("exporting")
_SOURCES: Final = str(Path(__file__).parents[3])


class CallFailed(Exception):  # noqa: N818 - named as what happened
    """The worker gave no usable answer; the text says why, `kind` what there is to do about it."""

    def __init__(self, text: str, kind: str = "") -> None:
        super().__init__(text)
        self.kind = kind


def identity_of(person: str, *, switch_user: bool) -> Identity:
    """Find out whom a person's worker must run as.  Raises CallFailed."""
    try:
        return identity.identity_of(person, switch_user=switch_user)
    except PermissionError as error:
        raise CallFailed(str(error)) from error


Copied = Callable[[int, int], None]
"""Is told how many bytes of how many are copied, as the worker says."""


def unheard(_: int, __: int) -> None:
    """Tell nobody how far a copy is."""


def call(
    python: str,
    person: Identity,
    question: bytes,
    timeout: float,
    job: Job | None = None,
    copied: Copied = unheard,
) -> bytes:
    """Put one line to a worker and return what it says, within so many seconds.

    `job` is the unit to run it in; `copied` hears meanwhile how far it is.  Raises CallFailed.
    """
    deadline = time.monotonic() + timeout
    try:
        process = start(python, person, _BOOT, job)
    except OSError as error:
        message = f"{python} cannot be run as the person: {error.strerror}"
        raise CallFailed(message) from error
    try:
        said, complaint = _talk(process, question, deadline, copied)
        status = process.wait(max(0.0, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        message = f"it took longer than {timeout:g} s"
        raise CallFailed(message) from None
    finally:
        _end(process, job)
    if status != 0 or not said:
        words = " ".join(redact(without(complaint).decode("utf-8", "replace")).split())
        words = words[-_COMPLAINT_BYTES:]
        message = f"the worker ended with status {status} and no answer: {words or 'silent'}"
        raise CallFailed(message)
    return said


def start(
    python: str, person: Identity, boot: str, job: Job | None = None
) -> subprocess.Popen[bytes]:
    """Start a worker as the person; `boot` is its program.  Raises OSError.

    In a unit it is systemd that becomes the person.
    """
    words = (python, "-I", "-S", "-X", "utf8", "-c", boot, _SOURCES)
    switch = person.switch and job is None
    return subprocess.Popen(
        words if job is None else job.command(*words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env={"LC_ALL": "C.UTF-8", "PATH": os.defpath, "HOME": person.home},
        umask=0o077,
        start_new_session=True,
        user=person.uid if switch else None,
        group=person.gid if switch else None,
        extra_groups=person.groups if switch else None,
    )


@frozen
class HandedOut:
    """A snapshot that a worker hands out: `stream` is an archive, as far as the worker wrote it."""

    stream: IO[bytes]
    _process: subprocess.Popen[bytes]

    def finish(self) -> None:
        """Hear of the worker that it handed all out, or that nobody wanted it.

        Whoever still reads the stream must have ended.  Raises CallFailed.
        """
        self.stream.close()
        try:
            status = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired as error:
            message = f"its worker does not end within {_END_SECONDS:g} s"
            raise CallFailed(message) from error
        if status not in {0, UNTAKEN}:
            stderr = _pipes(self._process)[2]
            complaint = stderr.read(_COMPLAINT_BYTES).decode("utf-8", "replace")
            raise CallFailed(redact(complaint) or f"its worker ended with status {status}")


@contextmanager
def handing_out(
    python: str, person: Identity, question: bytes, job: Job | None = None
) -> Iterator[HandedOut]:
    """Have a worker hand out the snapshot that `question` names.  Raises CallFailed."""
    try:
        process = start(python, person, _EXPORT, job)
    except OSError as error:
        message = f"{python} cannot be run as the person: {error.strerror}"
        raise CallFailed(message) from error
    try:
        stdin, stdout, _ = _pipes(process)
        with suppress(BrokenPipeError):
            # Far shorter than what a pipe takes without a reader.
            stdin.write(question + b"\n")
            stdin.flush()
        yield HandedOut(stdout, process)
    finally:
        _end(process, job)


def taken(handed: HandedOut, take: Callable[[IO[bytes]], _T]) -> _T:
    """Let `take` have what is handed out; it may raise BadStream and OSError.

    Raises CallFailed.
    """
    try:
        told = take(handed.stream)
    except BadStream as error:
        message = f"what was handed out could not be taken: {error}"
        raise CallFailed(message, "damaged") from error
    except OSError as error:
        message = f"what was handed out could not be taken: {error}"
        raise CallFailed(message) from error
    handed.finish()
    return told


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    pipes = process.stdin, process.stdout, process.stderr
    if pipes[0] is None or pipes[1] is None or pipes[2] is None:
        message = "a worker was started without its pipes"
        raise CallFailed(message)
    return pipes[0], pipes[1], pipes[2]


def _talk(
    process: subprocess.Popen[bytes], question: bytes, deadline: float, copied: Copied
) -> tuple[bytes, bytes]:
    """Ask and listen; the question's end of the pipe stays open, as the worker lives by it."""
    stdin, stdout, stderr = _pipes(process)
    heard = {stdout.fileno(): b"", stderr.fileno(): b""}
    listening = {stderr.fileno(): Listener(lambda words: _report(words, copied)).feed}
    try:
        # Far shorter than what a pipe takes without a reader.
        stdin.write(question + b"\n")
        stdin.flush()
    except BrokenPipeError:
        pass
    with selectors.DefaultSelector() as selector:
        for fd in heard:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                chunk = os.read(key.fd, PIPE_BYTES)
                heard[key.fd] += chunk
                listening.get(key.fd, _unheeded)(chunk)
                if not chunk:
                    selector.unregister(key.fd)
                if len(heard[key.fd]) > ANSWER_BYTES_MAX:
                    message = f"the worker said more than {ANSWER_BYTES_MAX} bytes"
                    raise CallFailed(message)
    return heard[stdout.fileno()], heard[stderr.fileno()]


def _unheeded(_: bytes) -> None:
    """Hear no reports in the answer itself."""


def _report(words: tuple[str, ...], copied: Copied) -> None:
    match words:
        case ("copied", done, total) if done.isdigit() and total.isdigit():
            copied(int(done), int(total))
        case _:
            return


def _end(process: subprocess.Popen[bytes], job: Job | None) -> None:
    """Leave no worker behind; one that hangs in the kernel is left to it."""
    if job is not None and process.poll() is None:
        # The worker does not die with the client that waits for it.
        with suppress(OSError):
            job.end()
    process.kill()
    for pipe in _pipes(process):
        try:
            pipe.close()
        except BrokenPipeError:
            continue
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        return
