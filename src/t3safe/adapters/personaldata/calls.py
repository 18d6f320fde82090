"""Calling the worker as the person whose files it is for.

Rules:

1. What the worker says was written by a process of the person: it is bounded, and believed no
   further than the person may harm themselves.
2. It gets a clean environment, no descriptor of ours and no terminal, and is killed with
   everything it holds when its time is over or when we go away.
3. In its transient unit it is the person, with no capability, no network, no socket of a daemon,
   and no way to more.  Of homes and folders of snapshots it sees the person's alone.  Both are
   named by paths of which no part is the person's to change.
4. Memory, tasks and time of the unit are capped, apart from ours: a person who takes over their own
   worker gains nothing by it, and holds us up for no longer than its time.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from attrs import frozen

from t3safe.adapters._support import child
from t3safe.adapters._support.identity import Identity
from t3safe.adapters._support.pipes import UNTAKEN
from t3safe.adapters._support.reports import ReportListener, without
from t3safe.adapters._support.units import UnitSpec, as_person
from t3safe.domain.redaction import redact
from t3safe.domain.text import duration

ANSWER_BYTES_MAX: Final = child.KEPT
"""A thousand tables in each of a hundred snapshots fit."""
MEMORY_MAX: Final = 1024**3
"""A worker copies page by page; SQLite's cache takes some MB, an answer 8 at most."""
TASKS_MAX: Final = 16
_COMPLAINT_BYTES: Final = 500
_END_SECONDS: Final = 5.0

_BOOT: Final = child.main_of("t3safe.adapters.personaldata.worker.main")
_EXPORT: Final = child.main_of("t3safe.adapters.personaldata.worker.export")


class CallFailed(Exception):  # noqa: N818 - named as what happened
    """The worker gave no usable answer; the text says why."""


@frozen
class WorkerUnits:
    """What the units of workers share; `destination` is the folder of all snapshots."""

    destination: Path

    def unit(self, person: Identity, timeout: float) -> UnitSpec:
        """Give a unit for a worker of this person, which may take so many seconds."""
        return as_person(
            "person",
            person,
            {"HOME": person.home, "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
            timeout,
            f"TemporaryFileSystem={self.destination}:ro",
            f"BindPaths=-{self.destination / person.name}",
            memory_max=MEMORY_MAX,
            tasks_max=TASKS_MAX,
        )


def call(
    python: str,
    person: Identity,
    question: bytes,
    timeout: float,
    unit: UnitSpec | None,
    copied: Callable[[int, int], object],
) -> bytes:
    """Put one line to a worker and return its answer, within so many seconds.

    Its input stays open, as the worker lives by it.  `copied` is called with the bytes that it has
    copied, of how many.  Raises CallFailed.
    """

    def report(words: tuple[str, ...]) -> None:
        match words:
            case ("copied", done, total) if done.isdigit() and total.isdigit():
                copied(int(done), int(total))

    try:
        ended = child.run(
            child.isolated(python, _BOOT),
            timeout,
            _environment(person),
            stdin=question + b"\n",
            hold=True,
            hear_err=ReportListener(report).feed,
            most=ANSWER_BYTES_MAX,
            umask=0o077,
            who=person,
            unit=unit,
        ).in_time()
    except child.FloodError as error:
        message = f"the worker said more than {ANSWER_BYTES_MAX} bytes"
        raise CallFailed(message) from error
    except TimeoutError as error:
        raise CallFailed(str(error)) from error
    except OSError as error:
        raise _not_run(python, error) from error
    if ended.status != 0 or not ended.out:
        said = " ".join(redact(without(ended.err).decode("utf-8", "replace")).split())
        said = said[-_COMPLAINT_BYTES:]
        message = f"the worker ended with status {ended.status} and no answer: {said or 'silent'}"
        raise CallFailed(message)
    return ended.out


def _environment(person: Identity) -> dict[str, str]:
    return {"LC_ALL": "C.UTF-8", "PATH": os.defpath, "HOME": person.home}


def _not_run(python: str, error: OSError) -> CallFailed:
    return CallFailed(f"{python} cannot be run as the person: {error.strerror}")


@frozen
class ExportStream:
    """A snapshot that a worker exports: `stream` is an archive, as far as the worker wrote it."""

    stream: IO[bytes]
    _complaints: IO[bytes]
    _process: subprocess.Popen[bytes]

    def finish(self) -> None:
        """Wait until the worker wrote all of it, or found the stream closed before.

        Every other reader of the stream must have ended.  Raises CallFailed.
        """
        self.stream.close()
        try:
            status = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired as error:
            message = f"its worker does not end within {duration(_END_SECONDS)}"
            raise CallFailed(message) from error
        if status not in {0, UNTAKEN}:
            complaint = self._complaints.read(_COMPLAINT_BYTES).decode("utf-8", "replace")
            raise CallFailed(redact(complaint).strip() or f"its worker ended with status {status}")


@contextmanager
def export_stream(
    python: str, person: Identity, question: bytes, unit: UnitSpec | None
) -> Iterator[ExportStream]:
    """Have a worker export the snapshot that `question` names.  Raises CallFailed."""
    try:
        process = child.start(
            child.isolated(python, _EXPORT),
            _environment(person),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            umask=0o077,
            who=person,
            unit=unit,
        )
    except OSError as error:
        raise _not_run(python, error) from error
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    if stdin is None or stdout is None or stderr is None:
        message = "a worker was started without its pipes"
        raise CallFailed(message)
    try:
        with suppress(BrokenPipeError):
            # Far shorter than what a pipe takes without a reader.
            stdin.write(question + b"\n")
            stdin.flush()
        yield ExportStream(stdout, stderr, process)
    finally:
        if unit is not None and process.poll() is None:
            # The worker does not die with the client that waits for it.
            with suppress(OSError):
                unit.end()
        process.kill()
        for pipe in (stdin, stdout, stderr):
            with suppress(BrokenPipeError):
                pipe.close()
        # One that hangs in the kernel is left to it.
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
