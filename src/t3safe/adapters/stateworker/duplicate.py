"""Databases, copied with everything that only their logs hold: one file each, checked and durable.

They are copied as bytes, four times as fast as SQLite copies pages, and keep their pages as they
are, broken ones too, so that `quick_check` of the copy speaks for the original.  The rules of the
bytes are those of SQLite's file format (https://www.sqlite.org/walformat.html):

1. At rest the set lies still (`holders.lying_still`).  A file and its logs are a whole; a copy of
   them is one.  SQLite opens the copy alone.
2. Beside writers a read transaction is held over the copy.  While it lasts no checkpoint brings
   into the file what is younger than it, and what a checkpoint brings is in the log, which no
   writer may begin anew.  So the log first and then the file are a whole: what was torn in the
   file lies in the log, and a commit that is torn at its end does not count.
3. The one exception is a log that was empty or wholly brought in when the transaction began.  The
   file then rests until the transaction ends, and the log may be begun anew: its head changes
   before anything else of it does.  So a log with another head than before stays out.
4. Several databases are copied as they are at one moment: while the write lock of each is held, the
   transactions are begun and the logs copied.  The files follow when the locks are gone.
5. A database without such a log rests while its transaction lasts: its file alone is the copy.  Its
   writers wait meanwhile.  So it is copied first, and its transaction ends with its copy.
6. No writer waits for a copy beside it for longer than `BLOCK_SECONDS`; how long is kept.
7. What is sealed is the copy: it is compared with what lay still, then checked and digested as it
   lies there.
8. Closing a descriptor of the file drops this process's own locks on it.  So the descriptors are
   opened before SQLite's connections and closed after them.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext, suppress
from typing import Final, Generic, TypeVar

from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.discovery import SIDECARS, Database
from t3safe.adapters._support.personaldata.disk import Sealed
from t3safe.adapters._support.personaldata.reading import (
    counts,
    fold,
    keeps_log,
    ledger,
    opened,
    quick_check,
    unwritten,
)
from t3safe.adapters._support.personaldata.trouble import Kind, Trouble, shown, telling
from t3safe.adapters.stateworker.holders import Moved
from t3safe.adapters.stateworker.manifest import Copied

BLOCK_SECONDS: Final = 4.0
"""Shorter than the 5 s for which a writer usually waits for a lock before it fails."""
_LOG: Final = "-wal"
_INDEX: Final = "-shm"
_JOURNAL: Final = "-journal"
_HEAD_BYTES: Final = 32
"""The head of a log: salts and checksum, new whenever the log is begun anew."""

_T = TypeVar("_T")


def at_rest(userdata: str, target: str, database: Database) -> Copied:
    """Copy a database that lies still to the same name below `target`; raises Trouble.

    It has passed `quick_check` and is durable on return.  After a Trouble parts may lie there.
    """
    parts = [part for part in database.parts if not part.endswith(_INDEX)]
    for part in parts:
        _poured(userdata, target, part)
    alike = [_Beside(_alike, userdata, target, part) for part in parts]
    try:
        if parts != [database.name]:
            for check in alike:
                check.ended()
            fold(target, database.name)
        return _sealed(target, database)
    finally:
        for check in alike:
            check.ended()


def beside_writers(userdata: str, target: str, databases: tuple[Database, ...]) -> Iterator[Copied]:
    """Copy databases that may be in use, all as they are at one moment, and give each.

    Each has passed `quick_check` and is durable then.  After a Trouble parts may lie there.
    """
    blocked = _poured_at_one_moment(userdata, target, databases)
    for database in databases:
        if os.path.lexists(f"{target}/{database.name}{_LOG}"):
            fold(target, database.name)
        yield _sealed(target, database)._replace(blocked=round(blocked[database.name], 6))


def discard(target: str, name: str) -> None:
    """Remove what an attempt to copy a database left."""
    parent, last = disk.split(name)
    with disk.folder(target, parent) as above:
        for end in ("", *SIDECARS):
            disk.remove_file(above, last + end)


def _poured(
    userdata: str, target: str, name: str, go_on: Callable[[], None] = disk.unbounded
) -> None:
    with disk.source(userdata, name) as fd:
        disk.pour(fd, target, name, go_on)


def _alike(userdata: str, target: str, name: str) -> None:
    with telling(shown(name)):
        if not disk.same((userdata, name), (target, name)):
            raise Moved(f"{shown(name)} changed while it was copied")


class _Block:
    """For how long writers have been kept from committing; called, it refuses too long a time."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def __call__(self) -> None:
        if self.seconds > BLOCK_SECONDS:
            text = f"its writers would have to wait for longer than {BLOCK_SECONDS:g} s"
            raise Trouble(Kind.LOCKED, text)


def _poured_at_one_moment(
    userdata: str, target: str, databases: tuple[Database, ...]
) -> dict[str, float]:
    """Copy files and logs; tell for how long the writers of each database were kept waiting."""
    names = [database.name for database in databases]
    several = len(names) > 1
    with ExitStack() as files, ExitStack() as readers:
        fds = {name: files.enter_context(disk.source(userdata, name)) for name in names}
        logged: dict[str, bool] = {}
        held: dict[str, sqlite3.Connection] = {}
        with unwritten(userdata, names) if several else nullcontext():
            block = _Block()
            for database in databases:
                name, journal = database.name, f"{database.name}{_JOURNAL}"
                recover = journal in database.parts
                held[name] = readers.enter_context(opened(userdata, name, recover=recover))
                logged[name] = keeps_log(held[name])
                if logged[name]:
                    _pour_log(userdata, target, name, block if several else disk.unbounded)
        blocked = dict.fromkeys(names, block.seconds if several else 0.0)
        for name in sorted(names, key=logged.__getitem__):
            disk.pour(fds[name], target, name, disk.unbounded if logged[name] else block)
            with telling(shown(name)):
                held[name].execute("COMMIT")
            if not logged[name]:
                blocked[name] = block.seconds
    return blocked


def _pour_log(userdata: str, target: str, name: str, go_on: Callable[[], None]) -> None:
    head = _log_head(userdata, name)
    if head:
        _poured(userdata, target, name + _LOG, go_on)
    if head and _log_head(userdata, name) != head:
        parent, last = disk.split(name)
        with disk.folder(target, parent) as above:
            disk.remove_file(above, last + _LOG)


def _log_head(userdata: str, name: str) -> bytes:
    """Read the head of a log; empty where there is none."""
    with suppress(FileNotFoundError), disk.regular(userdata, name + _LOG) as fd:
        return os.pread(fd, _HEAD_BYTES, 0)
    return b""


def _sealed(target: str, database: Database) -> Copied:
    """Check a copy while it is made durable and digested: none of the three changes a byte."""
    name = database.name
    durable = _Beside(disk.sync, target, name)
    digest = _Beside(disk.digest, target, name)
    try:
        os.chmod(f"{target}/{name}", 0o600)
        with opened(target, name, immutable=True) as copy:
            quick_check(copy, name)
            entries, rows = ledger(copy, name), counts(copy)
    finally:
        durable.join()
        digest.join()
    durable.ended()
    size, sha256 = digest.ended()
    return Copied(name, database.mode, (Sealed(name, 0o600, size, sha256),), entries, rows)


class _Beside(threading.Thread, Generic[_T]):
    """Does one thing with a file in a thread of its own, begun at once."""

    def __init__(self, do: Callable[..., _T], *words: str) -> None:
        super().__init__(name=f"{do.__name__} beside", daemon=True)
        self._do, self._words = do, words
        self._found: _T | None = None
        self._trouble: Exception | None = None
        self.start()

    def run(self) -> None:
        """Do it; what goes wrong is kept for `ended`."""
        try:
            self._found = self._do(*self._words)
        except Exception as error:  # noqa: BLE001 - raised again by `ended`
            self._trouble = error

    def ended(self) -> _T:
        """Wait for the end, and give what came of it; raises what went wrong in it."""
        self.join()
        if self._trouble is not None:
            raise self._trouble
        return self._found  # type: ignore[return-value]
