"""Commands of the host's owner: run one, bounded in time and words.  No shell, no words of ours.

Rules:

1. A command runs in a session of its own, from `/`, with our environment, and without input.
2. When its time is over it is killed with everything in its process group, and this is told.
3. It ends when its own process does.  What it left running does not hold us up, and must write its
   output elsewhere: the pipes are closed then.
4. Of what it printed only one line is kept, cut and redacted, beside its first line as it is.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import IO, Final

from attrs import define, frozen

from t3safe.domain.redaction import redact

LINE_MAX: Final = 300
"""Characters of a line that are kept."""
_WORDS: Final = 3
_NAME_MAX: Final = 120
_KEPT: Final = 4096
"""Bytes of each end of an output that are looked at."""
_CHUNK: Final = 65536
"""Bytes that are taken at a time: what a pipe of Linux holds."""
_TICK: Final = 0.05
"""Seconds between two looks whether the command ended."""
_REAP_SECONDS: Final = 5.0


@frozen
class Ran:
    """How a command ended: `status` is None when it took too long, below 0 for a signal.

    `first` is the first line of its standard output as it was printed; `last` the last line that
    it printed anywhere, fit to be shown.
    """

    status: int | None
    first: str = ""
    last: str = ""

    def told(self, seconds: float) -> str:
        """Say how it ended, and its last words; `seconds` is the time that it had."""
        if self.status is None:
            ended = f"was killed after {seconds:g} s"
        elif self.status < 0:
            ended = f"was ended by signal {-self.status}"
        else:
            ended = f"ended with status {self.status}"
        return f"{ended}: {self.last}" if self.last else ended


@define
class _Heard:
    """The two ends of what a stream gave."""

    begin: bytes = b""
    end: bytes = b""

    def hear(self, chunk: bytes) -> None:
        if len(self.begin) < _KEPT:
            self.begin = (self.begin + chunk)[:_KEPT]
        self.end = (self.end + chunk)[-_KEPT:]


def named(words: Sequence[str]) -> str:
    """Name a command by its first words; what follows may be long."""
    return f"`{_shown(' '.join(words[:_WORDS]))[:_NAME_MAX]}`"


def run(words: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> Ran:
    """Run a command for so many seconds at most; `environment` is added to ours.

    Raises OSError where it cannot be started.
    """
    deadline = time.monotonic() + seconds
    with ExitStack() as stack:
        process = subprocess.Popen(
            list(words),
            cwd="/",
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        heard: dict[IO[bytes], _Heard] = {}
        selector = stack.enter_context(selectors.DefaultSelector())
        for stream in (process.stdout, process.stderr):
            assert stream is not None  # noqa: S101 - both are pipes
            stack.callback(stream.close)
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
            heard[stream] = _Heard()
        in_time = _listened(process, selector, heard, deadline)
        if not in_time:
            _kill(process)
    out, err = heard.values()
    return Ran(process.returncode if in_time else None, _first(out), _last(err) or _last(out))


def _listened(
    process: subprocess.Popen[bytes],
    selector: selectors.BaseSelector,
    heard: Mapping[IO[bytes], _Heard],
    deadline: float,
) -> bool:
    """Hear a command until it ends; whether it did in time."""
    while True:
        ended = process.poll() is not None
        _drain(selector, heard, 0.0 if ended else _TICK)
        if ended:
            # One chunk is all that a pipe holds: what comes after it is not the command's.
            return True
        if time.monotonic() >= deadline:
            return False


def _drain(
    selector: selectors.BaseSelector, heard: Mapping[IO[bytes], _Heard], seconds: float
) -> None:
    """Take what there is, waiting so long for something."""
    if not selector.get_map():
        time.sleep(seconds)
        return
    ready = [key.fileobj for key, _ in selector.select(seconds)]
    for stream, kept in heard.items():
        chunk = os.read(stream.fileno(), _CHUNK) if stream in ready else None
        if chunk:
            kept.hear(chunk)
        elif chunk is not None:
            selector.unregister(stream)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_REAP_SECONDS)


def _first(heard: _Heard) -> str:
    return heard.begin.partition(b"\n")[0].decode("utf-8", "replace").strip()


def _last(heard: _Heard) -> str:
    lines = heard.end.decode("utf-8", "replace").splitlines()
    last = next((line for line in reversed(lines) if line.strip()), "")
    return _shown(last)[:LINE_MAX]


def _shown(text: str) -> str:
    """Make one line of it that can be shown."""
    return " ".join("".join(c if c.isprintable() else " " for c in redact(text)).split())
