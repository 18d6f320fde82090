"""A child that is heard while it runs, bounded in time.

Rules:

1. It runs in a session of its own, from `/`, and without input.
2. When its time is over it is killed with everything in its process group.
3. It ends when its own process does.  What it left running does not hold us up, and must write its
   output elsewhere: the pipes are closed then.
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
from typing import Final

from t3safe.adapters._support.pipes import PIPE_BYTES

_TICK: Final = 0.05
"""Seconds between two looks whether the child ended."""
_REAP_SECONDS: Final = 5.0

Hear = Callable[[bytes], None]


def heard(
    words: Sequence[str | Path],
    environment: Mapping[str, str],
    seconds: float,
    out: Hear,
    err: Hear | None = None,
    *,
    umask: int = -1,
) -> int | None:
    """Run a program and hear it; its status, or None where it was killed after so many seconds.

    `err` hears standard error, `out` all the rest.  Raises OSError where it cannot be started.
    """
    deadline = time.monotonic() + seconds
    # Not as a context, which would wait without end for what cannot be killed.
    process = subprocess.Popen(
        list(words),
        cwd="/",
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if err is None else subprocess.PIPE,
        start_new_session=True,
        umask=umask,
    )
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for stream, hear in ((process.stdout, out), (process.stderr, err)):
            if stream is not None:
                stack.callback(stream.close)
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ, hear)
        if _ended(process, selector, deadline):
            return process.returncode
        kill_group(process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_REAP_SECONDS)
    return None


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a child that leads a group, and what is in it; once it is reaped, nothing is its own."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _ended(
    process: subprocess.Popen[bytes], selector: selectors.BaseSelector, deadline: float
) -> bool:
    """Hear a child until it ends; whether it did in time."""
    while True:
        ended = process.poll() is not None
        if selector.get_map():
            _hear(selector, 0.0 if ended else _TICK)
        elif not ended:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_TICK)
        if ended:
            # One chunk is all that a pipe holds: what comes after it is not the child's.
            return True
        if time.monotonic() >= deadline:
            return False


def _hear(selector: selectors.BaseSelector, seconds: float) -> None:
    """Take what there is, waiting so long for something."""
    for key, _ in selector.select(seconds):
        chunk = os.read(key.fd, PIPE_BYTES)
        if chunk:
            key.data(chunk)
        else:
            selector.unregister(key.fileobj)
