"""Standard output and standard error that cannot fail: what is said never changes what is done.

Rules:

1. Everything that a command says goes through these two streams.  A write never raises: after the
   first failure (a reader that has gone, a terminal that hung up, a full disk) the stream is quiet.
2. While a command acts, a write does not wait either: a reader that stops reading (a terminal held
   by Ctrl-S, a connection that sleeps) is waited for at the end, for `PATIENCE`, and no longer.
3. A character that the encoding lacks is written as its escape.
4. A descriptor that was closed at the start leads to /dev/null, before a file of ours could get its
   number.
5. What was lost never changes the status of a command that acted.  A command that only shows, and
   could not, says so and ends with "later"; a reader that has gone (`| head`) wanted no more.
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
"""Seconds for which a reader that does not read is waited for."""
WAITING_MAX = 50_000
"""Writes that may wait for a reader; where there are more, it is taken as gone."""
GONE = frozenset({errno.EPIPE, errno.EIO, errno.ECONNRESET})
"""How a write fails where the reader of a pipe, a terminal or a socket has gone."""


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
        """Whether a person looks at it."""
        return os.isatty(self._descriptor)

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of it, or as much as can be; the caller never learns which (rule 1)."""
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
        """Take both streams over, and what was closed at the start."""
        _open_closed()
        self.out, self.err = Outlet(1), Outlet(2)
        self.acted = False
        sys.stdout = _text(self.out, getattr(sys.stdout, "encoding", "utf-8"))
        sys.stderr = _text(self.err, getattr(sys.stderr, "encoding", "utf-8"))
        if sys.stdin is None:
            sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - cheap

    def act(self) -> None:
        """Let nothing that is said hold up what is done from now on."""
        self.acted = True
        for outlet in (self.out, self.err):
            outlet.stop_waiting()

    def end(self, status: int) -> int:
        """Write what is left, and give the status with which the process ends (rule 5)."""
        deadline = time.monotonic() + PATIENCE
        sys.stdout.flush()
        self.out.settle(deadline)
        lost = self.out.lost
        if lost is not None and lost.errno not in GONE:
            after = "`t3safe show last` tells what was done" if self.acted else "give it again"
            sys.stderr.write(f"t3safe: cannot write the output: {lost.strerror}; {after}\n")
            status = status or (0 if self.acted else Exit.LATER)
        sys.stderr.flush()
        self.err.settle(deadline)
        return status


def _open_closed() -> None:
    """Rule 4: a write there fails as before, where only reading is allowed."""
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
    """Take the output of this process over."""
    _outlets.append(Outlets())
    return _outlets[-1]


def act() -> None:
    """Say that the command acts from now on; nothing where nobody took the output over."""
    for outlets in _outlets:
        outlets.act()


def heard() -> bool:
    """Whether standard output still has a reader, as far as is known."""
    return all(outlets.out.lost is None for outlets in _outlets)


def run(main: Callable[[], None]) -> int:
    """Run a program that ends by SystemExit; give the status with which the process ends."""
    outlets, status = install(), 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except KeyboardInterrupt:
        sys.stderr.write("t3safe: interrupted; nothing was begun\n")
        status = Exit.LATER
    return outlets.end(status)
