"""Processes that have personal data open, and locks that keep every process from opening it.

Rules:

1. Three looks find a holder, because each alone can be blind: descriptors of the person's processes
   under /proc (a process of another user cannot be looked into), SQLite's locks as the kernel knows
   them (every connection in WAL mode holds one, whichever user's it is), and the serve that the
   runtime file names.
2. A look cannot see a process that opens, commits and closes between two looks.  So data at rest
   is copied under the lock that SQLite calls EXCLUSIVE, on every database in the order of names:
   while it is held no connection can begin to read or write, in whichever mode it is.
3. The lock belongs to an open file (F_OFD_SETLK), not to this process: closing another descriptor
   of the same file does not drop it.  No connection of this process can have the file open then.
4. A file that the person cannot write gets a shared lock: SQLite only reads it.
5. What moved all the same, past SQLite's locks, or is waited for by a process that has it open now,
   is not at rest: `MovedError`.
6. Beside a running serve (`outsider`) the serve's own processes are left out.  Descriptors and the
   kernel's list of locks name each of the others; a sign-in has the data open for about a second.

Looking by locks closes descriptors of database files, which drops the locks that SQLite holds for
this process: no SQLite connection may be open meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.discovery import (
    SIDECARS,
    DatabaseFile,
    PersonalFiles,
    changed,
    discover,
    replaced,
)
from t3safe.adapters._support.personaldata.disk import Tools
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind, errors_about, shown
from t3safe.adapters.personaldata.worker.activity import Runtime, runtime
from t3safe.t3.files import USERDATA

_PENDING_BYTE: Final = 0x40000000
_LOCK_BYTES: Final = 512
"""SQLite's lock bytes: pending, reserved and 510 shared ones (its file format, section 1.1)."""
_FLOCK: Final = "hhqqi"
"""struct flock of 64-bit Linux: type, whence, start, length, pid."""
_DELETED: Final = " (deleted)"
_LOCK: Final = re.compile(r"\d+: POSIX +\S+ +\S+ +(?P<pid>\d+) (?P<file>\S+) ")
"""A lock in /proc/locks; a process of another namespace has the pid 0."""
_POLL_SECONDS: Final = 0.05
_CLOCK_SLACK_SECONDS: Final = 5.0
"""The boot time in /proc is whole seconds and is shifted when the clock is set."""
_TAKEN: Final = (errno.EACCES, errno.EAGAIN)
_READ_ONLY: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


class MovedError(DataError):
    """Data did not lie still while it was copied; it may do so the next time."""

    def __init__(self, text: str) -> None:
        super().__init__(ErrorKind.HELD, text)


class Still(NamedTuple):
    """Data as it lies, and what raises MovedError once it does not lie so any more."""

    found: PersonalFiles
    refuse_moved: Callable[[], None]


def refuse_held(userdata: str, databases: Iterable[DatabaseFile], tools: Tools) -> None:
    """Refuse while any process holds a database; one that is just ending gets `grace` to end."""
    names = [database.name for database in databases]
    deadline = time.monotonic() + tools.grace
    while True:
        with errors_about(USERDATA):
            found = _opened(userdata, names, tools.proc) or _by_lock(userdata, names)
        if not found:
            return
        if time.monotonic() >= deadline:
            raise DataError(ErrorKind.HELD, found)
        time.sleep(_POLL_SECONDS)


@contextmanager
def lying_still(userdata: str, found: PersonalFiles, tools: Tools) -> Iterator[Still]:
    """Keep every process from opening the databases; give the data as it lies meanwhile.

    Raises a DataError of kind HELD where one has it open, and MovedError in place of any error
    inside where the data is not what it was at the beginning.
    """
    refuse_held(userdata, found.databases, tools)
    with ExitStack() as locks:
        for database in found.databases:
            if database.name in database.parts:
                locks.enter_context(_locked(userdata, database.name, tools))
        still = discover(userdata)
        if name := replaced(found, still):
            raise MovedError(f"{shown(name)} was replaced before it was copied")

        def refuse_moved() -> None:
            if name := changed(still, discover(userdata)):
                raise MovedError(f"{shown(name)} changed while it was copied")
            names = [item.name for item in still.databases]
            if opener := _opened(userdata, names, tools.proc):
                raise MovedError(opener)

        with watched(still, refuse_moved) as given:
            yield given


@contextmanager
def watched(found: PersonalFiles, refuse_moved: Callable[[], None]) -> Iterator[Still]:
    """Give data; what goes wrong inside because the data moved is MovedError."""
    try:
        yield Still(found, refuse_moved)
    except (DataError, OSError) as error:
        if not isinstance(error, MovedError):
            refuse_moved()
        raise


@contextmanager
def _locked(userdata: str, name: str, tools: Tools) -> Iterator[None]:
    with errors_about(shown(name)), ExitStack() as files:
        try:
            fd = files.enter_context(disk.regular(userdata, name, write=True))
            kind = fcntl.F_WRLCK
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            fd, kind = files.enter_context(disk.regular(userdata, name)), fcntl.F_RDLCK
        deadline = time.monotonic() + tools.grace
        while not _lock(fd, kind):
            if time.monotonic() >= deadline:
                raise DataError(
                    ErrorKind.HELD, _by_lock(userdata, [name]) or f"{shown(name)} is locked"
                )
            time.sleep(_POLL_SECONDS)
        yield


def _lock(fd: int, kind: int) -> bool:
    """Try to lock all of a database's lock bytes; whether that was possible."""
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _lock_bytes(kind))
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def _lock_bytes(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, _PENDING_BYTE, _LOCK_BYTES, 0)


def outsider(
    userdata: str, databases: Iterable[DatabaseFile], own: Iterable[int], tools: Tools
) -> str:
    """Name a process beside `own` that has a database open, and goes on having it; else empty."""
    names = [database.name for database in databases]
    left_out = {str(pid) for pid in own}
    deadline = time.monotonic() + tools.sign_in
    staying: set[str] | None = None
    while True:
        with errors_about(USERDATA):
            found = {
                **dict(_by_locks(userdata, names, tools.proc)),
                **dict(_by_descriptors(_paths(userdata, names), tools.proc)),
            }
        staying = (found.keys() if staying is None else staying & found.keys()) - left_out
        if not staying:
            return ""
        if time.monotonic() >= deadline:
            return found[min(staying, key=int)]
        time.sleep(_POLL_SECONDS)


def _by_locks(userdata: str, names: list[str], proc: str) -> Iterator[tuple[str, str]]:
    """Give, by pid, who has a lock, by the kernel's list, which names processes of all users."""
    files: dict[str, str] = {}
    for name in names:
        try:
            with disk.regular(userdata, name) as fd:
                status = os.fstat(fd)
        except (FileNotFoundError, DataError):
            continue
        device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
        files[f"{device}:{status.st_ino}"] = name
    try:
        lines = Path(proc, "locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return
    for line in lines:
        lock = _LOCK.match(line)
        if lock and lock["file"] in files and int(lock["pid"]) not in {0, os.getpid()}:
            yield lock["pid"], f"process {lock['pid']} has {shown(files[lock['file']])} open"


def _paths(userdata: str, names: list[str]) -> set[str]:
    real = os.path.realpath(userdata)
    return {f"{real}/{name}{end}" for name in names for end in ("", *SIDECARS)}


def _opened(userdata: str, names: list[str], proc: str) -> str:
    """Name what has a database open, or serves it, as far as that shows without its locks."""
    by_descriptor = (text for _, text in _by_descriptors(_paths(userdata, names), proc))
    return _serving(runtime(userdata), proc) or next(by_descriptor, "")


def _by_descriptors(paths: set[str], proc: str) -> Iterator[tuple[str, str]]:
    """Give, by pid, every process but ours that has one of these files open."""
    for pid in os.listdir(proc):
        if not pid.isdigit() or int(pid) == os.getpid():
            continue
        folder = f"{proc}/{pid}/fd"
        # Gone, or another user's, or one that hides itself (a session's helpers do): if it has a
        # database open, its lock shows.
        with suppress(OSError):
            for descriptor in os.listdir(folder):
                path = ""
                with suppress(OSError):
                    path = os.readlink(f"{folder}/{descriptor}").removesuffix(_DELETED)
                if path in paths:
                    yield pid, f"process {pid} ({_name(proc, pid)}) has {shown(path)} open"
                    break


def _name(proc: str, pid: str) -> str:
    try:
        return shown(os.fsdecode(Path(proc, pid, "comm").read_bytes().strip()))
    except OSError:
        return "gone"


def _by_lock(userdata: str, names: list[str]) -> str:
    for name in names:
        try:
            with disk.regular(userdata, name) as fd:
                asked = _lock_bytes(fcntl.F_WRLCK)
                kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
        except (FileNotFoundError, DataError):
            continue
        if kind != fcntl.F_UNLCK:
            return f"process {pid} has a lock on {shown(name)}"
    return ""


def _serving(said: Runtime, proc: str) -> str:
    """Name the serve of the runtime file if it lives; a later process under its pid is not it."""
    if said.pid is None or said.pid == os.getpid():
        return ""
    folder = f"{proc}/{said.pid}"
    try:
        if os.stat(folder).st_uid != os.geteuid():
            return ""
        # The state letter, and the ticks since the boot at which it began.
        fields = Path(folder, "stat").read_bytes().rpartition(b")")[2].split()
        lines = Path(proc, "stat").read_bytes().splitlines()
        boot = next(int(line.split()[1]) for line in lines if line.startswith(b"btime "))
        began = boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return ""
    later = said.started and began > said.started.timestamp() + _CLOCK_SLACK_SECONDS
    return "" if fields[0] in b"ZX" or later else f"the serve is up (process {said.pid})"
