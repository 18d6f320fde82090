"""Standard output and standard error that cannot fail: output never changes what a command does.

Rules:

1. All output of a command goes through these two streams.  A write never raises: after the first
   failure (a reader that has gone, a terminal that hung up, a full disk) the stream is quiet.
2. While a command acts, a write does not wait either.  For a reader that stops reading (a terminal
   held by Ctrl-S, a connection that sleeps) the command waits at its end, for `PATIENCE` at most.
3. A character that the encoding lacks is written as its escape.
4. A descriptor that was closed at the start leads to /dev/null, before a file of ours could get its
   number.
5. Lost output never changes the status of a command that acted.  A command that only shows, and
   could not, reports that and ends with "later"; a reader that has gone (`| head`) is not an error.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from queue import Queue
from typing import TYPE_CHECKING

from t3safe.entrypoints.exits import Exit

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PATIENCE = 5.0
"""Seconds to wait for a reader that does not read."""
WAITING_MAX = 50_000
"""Writes that may wait for a reader; with more, the reader counts as gone."""
GONE = frozenset({errno.EPIPE, errno.EIO, errno.ECONNRESET})
"""The errors of a write when the reader of a pipe, a terminal or a socket has gone."""


class Outlet(io.RawIOBase):
    """The one stream to a descriptor; `lost` is why it is quiet, None while it is not."""

    def __init__(self, descriptor: int) -> None:
        """Write to this descriptor from now on."""
        super().__init__()
        self.lost: OSError | None = None
        self._descriptor = descriptor
        self._queue: Queue[bytes] | None = None

    def writable(self) -> bool:
        """Whether it is for writing: yes."""
        return True

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of it, or as much as possible; the caller never learns which (rule 1)."""
        chunk = bytes(data)
        if self.lost is not None:
            return len(chunk)
        if self._queue is None:
            self._put(chunk)
        elif self._queue.unfinished_tasks >= WAITING_MAX:
            self.lost = _not_read()
        else:
            self._queue.put(chunk)
        return len(chunk)

    def stop_waiting(self) -> None:
        """Let no further write wait (rule 2)."""
        if self._queue is not None:
            return
        self._queue = Queue()
        threading.Thread(target=self._serve, args=(self._queue,), daemon=True).start()

    def settle(self, deadline: float) -> None:
        """Wait until everything is written, until `deadline` of the monotonic clock at most."""
        while self._queue is not None and self._queue.unfinished_tasks and self.lost is None:
            if time.monotonic() >= deadline:
                self.lost = _not_read()
            time.sleep(0.002)

    def _serve(self, queue: Queue[bytes]) -> None:
        while True:
            chunk = queue.get()
            if self.lost is None:
                self._put(chunk)
            queue.task_done()

    def _put(self, chunk: bytes) -> None:
        try:
            while chunk:
                try:
                    chunk = chunk[os.write(self._descriptor, chunk) :]
                except BlockingIOError:
                    _wait_for_room(self._descriptor)
        except OSError as error:
            self.lost = error


def _wait_for_room(descriptor: int) -> None:
    """Wait for a descriptor that another program has set not to block.  Raises OSError."""
    if not select.select([], [descriptor], [], PATIENCE)[1]:
        raise _not_read()


def _not_read() -> OSError:
    return OSError(errno.ETIMEDOUT, "nobody reads it")


class Outlets:
    """The two outlets of this process; `acted` once a command acts (rule 5)."""

    def __init__(self) -> None:
        """Take over both streams, and open descriptors that were closed at the start."""
        _open_closed()
        self.out, self.err = Outlet(1), Outlet(2)
        self.acted = False
        sys.stdout = _text(self.out, getattr(sys.stdout, "encoding", "utf-8"))
        sys.stderr = _text(self.err, getattr(sys.stderr, "encoding", "utf-8"))
        if sys.stdin is None:
            sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - cheap

    def act(self) -> None:
        """Let no write wait from now on (rule 2)."""
        self.acted = True
        for outlet in (self.out, self.err):
            outlet.stop_waiting()

    def end(self, status: int) -> int:
        """Write what is left, and return the exit status of the process (rule 5)."""
        deadline = time.monotonic() + PATIENCE
        sys.stdout.flush()
        self.out.settle(deadline)
        lost = self.out.lost
        if lost is not None and lost.errno not in GONE:
            after = "`t3safe show last` shows what was done" if self.acted else "run it again"
            sys.stderr.write(f"t3safe: cannot write the output: {lost.strerror}; {after}\n")
            status = status or (0 if self.acted else Exit.LATER)
        sys.stderr.flush()
        self.err.settle(deadline)
        return status


def _open_closed() -> None:
    """Open closed descriptors read-only (rule 4): a write there fails as before."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)


def _text(outlet: Outlet, encoding: str) -> io.TextIOWrapper:
    # Rule 3.  Text has no buffer of its own that a failed write could leave full.
    return io.TextIOWrapper(
        outlet,  # type: ignore[arg-type]
        encoding,
        errors="backslashreplace",
        line_buffering=outlet.fileno() == 2 or outlet.isatty(),  # noqa: PLR2004 - stderr
    )


_outlets: list[Outlets] = []


def install() -> Outlets:
    """Take over the output of this process."""
    _outlets.append(Outlets())
    return _outlets[-1]


def act() -> None:
    """Mark that the command acts from now on; do nothing without `install`."""
    for outlets in _outlets:
        outlets.act()


def heard() -> bool:
    """Whether standard output may still have a reader."""
    return all(outlets.out.lost is None for outlets in _outlets)


def run(main: Callable[[], None]) -> int:
    """Run a program that ends by SystemExit; return the exit status of the process."""
    outlets, status = install(), 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except KeyboardInterrupt:
        sys.stderr.write("t3safe: interrupted; nothing was begun\n")
        status = Exit.LATER
    return outlets.end(status)
