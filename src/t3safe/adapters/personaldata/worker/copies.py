"""Databases, copied with everything that only their logs hold: one file each, checked and durable.

Rules:

1. Beside writers SQLite's own backup copies each database inside a read transaction, which fixes
   its moment.  Locks, logs and checkpoints are SQLite's.  Nothing here opens or closes a database
   file by itself meanwhile: closing a descriptor drops the locks that SQLite holds on the file.
2. Several databases are of one moment: their transactions begin while the write lock of each is
   held.  The locks are let go before the first page is copied.
3. In WAL mode no writer waits for a copy.  In any other mode writers wait until the transaction
   ends.  So such a database is copied first, its transaction ends with its copy, and none waits for
   longer than `BLOCK_SECONDS`; how long is kept.
4. At rest the data lies still (`holders.lying_still`).  A file and its logs are a whole, and are
   copied as files.  The copies are compared with the originals, then SQLite brings the log into the
   copy.  SQLite does not open the original.
5. What is sealed is the copy, checked and digested as it lies there.  Both ways keep the pages as
   they are, broken ones too, so that `quick_check` of the copy speaks for the original.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, nullcontext, suppress
from typing import Final

from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.databases import (
    connect,
    counts,
    fold,
    keeps_log,
    ledger,
    opened,
    quick_check,
    unwritten,
)
from t3safe.adapters._support.personaldata.discovery import (
    SIDECARS,
    DatabaseFile,
    discover,
    userdata_of,
)
from t3safe.adapters._support.personaldata.disk import Sealed, Tools
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind, errors_about, shown
from t3safe.adapters.personaldata.worker.holders import MovedError, lying_still
from t3safe.adapters.personaldata.worker.manifest import DatabaseCopy
from t3safe.domain.text import duration
from t3safe.t3.files import USERDATA

BLOCK_SECONDS: Final = 4.0
"""Shorter than the 5 s for which a writer usually waits for a lock before it fails."""
STEP_PAGES: Final = 4096
"""Copied between two looks at the clock: 16 MiB of ordinary pages, some 20 ms."""
FLUSH_SECONDS: Final = 0.05
"""Between two times that a growing copy is brought to the disk."""
_INDEX: Final = "-shm"
_JOURNAL: Final = "-journal"
_NEW: Final = (
    # What is half-done after a crash is swept; the whole copy is made durable at once.
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "PRAGMA locking_mode=EXCLUSIVE",
    # Pages go through in order, once: a large cache is only slower.
    "PRAGMA cache_size=10",
)


def at_rest(userdata: str, target: str, database: DatabaseFile) -> DatabaseCopy:
    """Copy a database that lies still to the same name below `target`; raises DataError.

    It has passed `quick_check` and is durable on return.  After a DataError parts may lie there.
    """
    parts = [part for part in database.parts if not part.endswith(_INDEX)]
    for part in parts:
        disk.pour((userdata, part), (target, part))
        with errors_about(shown(part)):
            if not disk.same((userdata, part), (target, part)):
                raise MovedError(f"{shown(part)} changed while it was copied")
    if parts != [database.name]:
        fold(target, database.name)
    return _sealed(target, database)


def beside_writers(
    userdata: str, target: str, databases: tuple[DatabaseFile, ...]
) -> Iterator[DatabaseCopy]:
    """Copy databases that may be in use, all as they are at one moment, and give each.

    Each has passed `quick_check` and is durable then.  After a DataError parts may lie there.
    """
    several = len(databases) > 1
    names = [database.name for database in databases]
    blocked = dict.fromkeys(names, 0.0)
    with ExitStack() as readers:
        with unwritten(userdata, names) if several else nullcontext():
            begun = time.monotonic()
            held = {
                database.name: readers.enter_context(
                    opened(
                        userdata, database.name, recover=database.name + _JOURNAL in database.parts
                    )
                )
                for database in databases
            }
        fixed = time.monotonic() - begun if several else 0.0
        logged = {name: keeps_log(held[name]) for name in names}
        for name in sorted(names, key=logged.__getitem__):
            limit = None if logged[name] else begun + BLOCK_SECONDS
            with errors_about(shown(name)):
                back_up(held[name], f"{target}/{name}", limit)
                held[name].execute("COMMIT")
            blocked[name] = fixed if logged[name] else time.monotonic() - begun
    for database in databases:
        yield _sealed(target, database)._replace(blocked=round(blocked[database.name], 6))


def back_up(source: sqlite3.Connection, target: str, limit: float | None) -> None:
    """Copy a database inside its transaction; refuse once the clock has passed `limit`.

    The copy is brought to the disk as it grows: all at once at its end, it would hold up a writer.
    """
    ended = threading.Event()

    def refuse_late(*_: int) -> None:
        if limit is not None and time.monotonic() > limit:
            text = f"its writers would have to wait for longer than {duration(BLOCK_SECONDS)}"
            raise DataError(ErrorKind.LOCKED, text)

    def flush() -> None:
        while not ended.wait(FLUSH_SECONDS):
            # What cannot be written is reported by the sync of the whole.
            with suppress(OSError), open(target, "rb") as file:  # noqa: PTH123 - as all paths here
                os.fdatasync(file.fileno())

    source.execute("PRAGMA cache_size=10")
    with closing(connect(target, "mode=rwc")) as copy:
        for statement in _NEW:
            copy.execute(statement)
        flushing = threading.Thread(target=flush, daemon=True)
        flushing.start()
        try:
            source.backup(copy, pages=STEP_PAGES, progress=refuse_late)
        finally:
            ended.set()
            flushing.join()


def discard(target: str, name: str) -> None:
    """Remove what an attempt to copy a database left."""
    parent, last = os.path.split(name)
    with disk.folder(target, parent) as above:
        for end in ("", *SIDECARS):
            disk.remove_file(above, last + end)


def _sealed(target: str, database: DatabaseFile) -> DatabaseCopy:
    """Check a copy while it is made durable and digested: none of the three changes a byte."""
    # Most questions copy nothing.
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    name = database.name
    os.chmod(f"{target}/{name}", 0o600)
    with ThreadPoolExecutor() as beside:
        durable = beside.submit(disk.sync, target, name)
        digest = beside.submit(disk.digest, target, name)
        with opened(target, name, immutable=True) as copy:
            quick_check(copy, name)
            entries, rows = ledger(copy, name), counts(copy)
    durable.result()
    size, sha256 = digest.result()
    return DatabaseCopy(name, database.mode, (Sealed(name, 0o600, size, sha256),), entries, rows)


def set_below(given: str) -> str:
    """Name the folder of personal data: the given one, or the one of t3 in it.

    Raises DataError where there is neither with a database.
    """
    with errors_about(shown(given)):
        if not stat.S_ISDIR(os.stat(given).st_mode):
            raise DataError(ErrorKind.SHAPE, f"{shown(given)} is not a folder")
    userdata = userdata_of(given) or given
    if not discover(userdata).databases:
        what = f"{shown(given)} holds no database, neither at its top nor below {USERDATA}/"
        raise DataError(ErrorKind.SHAPE, what)
    return userdata


def copy_set(userdata: str, target: str, tools: Tools | None = None) -> None:
    """Copy personal data into an existing empty folder of ours.  Raises DataError."""
    tools = tools or Tools()
    found = discover(userdata).sound()
    # The copy, and the snapshot that is taken of it.
    disk.require_space(target, 2 * found.size, tools)
    with lying_still(userdata, found, tools) as still:
        tools.growing(target, found.size)
        for below in still.found.folders:
            disk.make_folders(target, below.name)
        for name, _ in still.found.looks:
            disk.make_folders(target, os.path.split(name)[0])
            disk.copy((userdata, name), (target, name), 0o600)
            tools.reached(f"copied:{name}")
        still.refuse_moved()
