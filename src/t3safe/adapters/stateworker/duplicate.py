"""One database, copied with everything that only its log holds: one file, checked and durable.

A database in WAL mode is copied as bytes, four times as fast as SQLite copies pages; another one
by SQLite's backup.  Both keep the pages as they are, broken ones too, so that `quick_check` of the
copy speaks for the original.  The rules of the bytes are those of SQLite's file format
(https://www.sqlite.org/walformat.html):

1. At rest nobody writes.  The file and its log are a whole; a copy of both is one.
2. Beside a writer a read transaction is held over the copy.  While it lasts no checkpoint brings
   into the file what is younger than it, and what a checkpoint brings is in the log, which nobody
   may begin anew.  So the file first and then its log are a whole again: what was torn in the file
   lies in the log, and a commit that is torn at its end does not count.
3. The one exception is a log that was empty or wholly brought in when the transaction began.  The
   file then rests until the transaction ends, and the log may be begun anew: its head changes
   before anything else of it does.  So a log with another head than before stays out.
4. Closing a descriptor of the file drops this process's own locks on it.  So the descriptor is
   opened before SQLite's connection and closed after it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from t3safe.adapters.stateworker import disk
from t3safe.adapters.stateworker.discovery import SIDECARS, Database
from t3safe.adapters.stateworker.disk import Sealed
from t3safe.adapters.stateworker.manifest import Copied
from t3safe.adapters.stateworker.reading import (
    back_up,
    counts,
    fold,
    keeps_log,
    ledger,
    opened,
    quick_check,
)
from t3safe.adapters.stateworker.trouble import Kind, Trouble, shown

_LOG: Final = "-wal"
_HEAD_BYTES: Final = 32
"""The head of a log: salts and checksum, new whenever the log is begun anew."""
_WAL_VERSIONS: Final = slice(18, 20)
_WAL_MODE: Final = b"\x02\x02"
"""What a database in WAL mode says at these places (https://www.sqlite.org/fileformat.html)."""

_T = TypeVar("_T")


def duplicate(userdata: str, target: str, database: Database, *, at_rest: bool) -> Copied:
    """Copy a database of a set to the same name below `target`; raises Trouble.

    It has passed `quick_check` and is durable on return.  After a Trouble parts may lie there.
    """
    name = database.name
    if not at_rest:
        _beside_writers(userdata, target, name)
    elif not _rests_as_bytes(userdata, database):
        _through_sqlite(userdata, target, database)
    elif name + _LOG in database.parts:
        _with_log(userdata, target, name)
    else:
        # What is digested is the original: so the digest proves the copying, too.
        digest = _Beside(disk.digest, userdata, name)
        _poured(userdata, target, name)
        return _sealed(target, database, digest)
    return _sealed(target, database, _Beside(disk.digest, target, name))


def discard(target: str, name: str) -> None:
    """Remove what an attempt to copy a database left."""
    parent, last = disk.split(name)
    with disk.folder(target, parent) as above:
        for end in ("", *SIDECARS):
            disk.remove_file(above, last + end)


def _rests_as_bytes(userdata: str, database: Database) -> bool:
    """Whether a database at rest is whole with its log: in WAL mode, and nothing to take back."""
    if f"{database.name}-journal" in database.parts:
        return False
    with disk.regular(userdata, database.name) as fd:
        return os.pread(fd, _WAL_VERSIONS.stop, 0)[_WAL_VERSIONS] == _WAL_MODE


def _through_sqlite(userdata: str, target: str, database: Database) -> None:
    recover = f"{database.name}-journal" in database.parts
    with opened(userdata, database.name, recover=recover) as source:
        back_up(source, target, database.name)


def _with_log(userdata: str, target: str, name: str) -> None:
    for part in (name, name + _LOG):
        _poured(userdata, target, part)
    fold(target, name)


def _poured(userdata: str, target: str, name: str) -> None:
    with disk.regular(userdata, name) as fd:
        disk.pour(fd, target, name)


def _beside_writers(userdata: str, target: str, name: str) -> None:
    with disk.regular(userdata, name) as fd, opened(userdata, name) as held:
        if not keeps_log(held):
            back_up(held, target, name)
            return
        head = _log_head(userdata, name)
        disk.pour(fd, target, name)
        if head:
            _pour_log(userdata, target, name, head)
    fold(target, name)


def _pour_log(userdata: str, target: str, name: str, head: bytes) -> None:
    with suppress(FileNotFoundError):
        _poured(userdata, target, name + _LOG)
    if _log_head(userdata, name) != head:
        parent, last = disk.split(name)
        with disk.folder(target, parent) as above:
            disk.remove_file(above, last + _LOG)


def _log_head(userdata: str, name: str) -> bytes:
    """Read the head of a log; empty where there is none."""
    with suppress(FileNotFoundError), disk.regular(userdata, name + _LOG) as fd:
        return os.pread(fd, _HEAD_BYTES, 0)
    return b""


def _sealed(target: str, database: Database, digest: _Beside[tuple[int, str]]) -> Copied:
    """Check a copy while it is made durable and digested: none of the three changes a byte."""
    name = database.name
    durable = _Beside(disk.sync, target, name)
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
    if size != os.stat(f"{target}/{name}").st_size:
        raise Trouble(Kind.HELD, f"{shown(name)} changed while it was copied")
    return Copied(name, database.mode, (Sealed(name, 0o600, size, sha256),), entries, rows)


class _Beside(threading.Thread, Generic[_T]):
    """Does one thing with a file in a thread of its own, begun at once."""

    def __init__(self, do: Callable[[str, str], _T], root: str, name: str) -> None:
        super().__init__(name=f"{do.__name__} beside", daemon=True)
        self._do, self._root, self._file = do, root, name
        self._found: _T | None = None
        self._trouble: Exception | None = None
        self.start()

    def run(self) -> None:
        """Do it; what goes wrong is kept for `ended`."""
        try:
            self._found = self._do(self._root, self._file)
        except Exception as error:  # noqa: BLE001 - raised again by `ended`
            self._trouble = error

    def ended(self) -> _T:
        """Give what came of it once the thread has ended; raises what went wrong in it."""
        if self._trouble is not None:
            raise self._trouble
        return self._found  # type: ignore[return-value]
