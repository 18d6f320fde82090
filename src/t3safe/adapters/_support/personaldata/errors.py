"""The one exception of the worker, and how the system's and SQLite's errors become it."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


class ErrorKind(StrEnum):
    """What stood in the way; part of the protocol, as the adapter derives its advice from it."""

    HELD = "held"
    """A process has the data open, or the serve is up."""
    LOCKED = "locked"
    """A database stayed locked for longer than SQLite may wait."""
    BROKEN = "broken"
    """The data holds something that is not a sound database."""
    SHAPE = "shape"
    """A folder, a link or something else stands where a file or folder must be."""
    DENIED = "denied"
    """Permissions or a read-only file system."""
    SPACE = "space"
    """No space on the disk, measured before the copy or met during it."""
    MISSING = "missing"
    """There is no such snapshot."""
    DAMAGED = "damaged"
    """A snapshot is not what its manifest says."""
    RAW = "raw"
    """A snapshot keeps a database that SQLite cannot read."""
    UNFINISHED = "unfinished"
    """A restore was begun and not ended."""
    CLASH = "clash"
    """The id is taken by a snapshot of another kind or person."""
    SYSTEM = "system"
    """The system refused for another reason."""


class DataError(Exception):
    """Something could not be done; `str(error)` says what stood in the way, in one line."""

    def __init__(self, kind: ErrorKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_SPACE = (errno.ENOSPC, errno.EDQUOT)
_SHAPE = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR)

_SQLITE = {
    "SQLITE_BUSY": ErrorKind.LOCKED,
    "SQLITE_LOCKED": ErrorKind.LOCKED,
    "SQLITE_PROTOCOL": ErrorKind.LOCKED,
    "SQLITE_FULL": ErrorKind.SPACE,
    "SQLITE_READONLY": ErrorKind.DENIED,
    "SQLITE_CANTOPEN": ErrorKind.DENIED,
    "SQLITE_PERM": ErrorKind.DENIED,
    "SQLITE_AUTH": ErrorKind.DENIED,
    "SQLITE_CORRUPT": ErrorKind.BROKEN,
    "SQLITE_NOTADB": ErrorKind.BROKEN,
    "SQLITE_ERROR": ErrorKind.BROKEN,
    "SQLITE_SCHEMA": ErrorKind.BROKEN,
}


def shown(name: str) -> str:
    """Write a file's name so that it is one printable line, whatever bytes it is made of."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def of_system(what: str, error: OSError) -> DataError:
    """Say in our words what the system refused."""
    if error.errno in _SPACE:
        return DataError(ErrorKind.SPACE, f"{what}: the disk is full")
    if error.errno in _DENIED:
        return DataError(ErrorKind.DENIED, f"{what}: {os.strerror(error.errno or 0).lower()}")
    if error.errno in _SHAPE:
        return DataError(ErrorKind.SHAPE, f"{what}: a link or something else stands in its place")
    return DataError(ErrorKind.SYSTEM, f"{what}: {error.strerror or error}")


def of_sqlite(what: str, error: sqlite3.Error, where: str = "") -> DataError:
    """Say in our words what SQLite refused; its own text is kept.

    `where` is the folder that it worked in: where SQLite cannot make the index of a log for want of
    space, it reports an I/O error or a file that cannot be opened.
    """
    code = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
    if code in {"SQLITE_IOERR", "SQLITE_CANTOPEN"} and where and _full(where):
        return DataError(ErrorKind.SPACE, f"{what}: {error}, the disk is full")
    return DataError(_SQLITE.get(code, ErrorKind.SYSTEM), f"{what}: {error}")


def _full(where: str) -> bool:
    try:
        room = os.statvfs(where)
    except OSError:
        return False
    # A file system without a fixed number of files reports 0, both free and in all.
    return room.f_bavail == 0 or (room.f_files > 0 and room.f_favail == 0)


@contextmanager
def errors_about(what: str) -> Iterator[None]:
    """Turn every error of the system or SQLite inside into a DataError about `what`."""
    try:
        yield
    except OSError as error:
        raise of_system(what, error) from error
    except sqlite3.Error as error:
        raise of_sqlite(what, error) from error
