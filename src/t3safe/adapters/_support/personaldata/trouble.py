"""The one exception of the worker, and how the system's and SQLite's errors become it."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


class Kind(StrEnum):
    """What stood in the way; part of the protocol, as the adapter derives its advice from it."""

    HELD = "held"
    """A process has the set open, or the serve is up."""
    LOCKED = "locked"
    """A database stayed locked for longer than SQLite may wait."""
    BROKEN = "broken"
    """The set holds something that is not a sound database."""
    SHAPE = "shape"
    """A folder, a link or something else stands where a file or folder must be."""
    DENIED = "denied"
    """Permissions or a read-only file system."""
    SPACE = "space"
    """No room on the disk, measured before the copy or met during it."""
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


class Trouble(Exception):  # noqa: N818 - it is the answer to a question, not a defect
    """Something could not be done; `str(trouble)` says what stood in the way, in one line."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_SPACE = (errno.ENOSPC, errno.EDQUOT)
_SHAPE = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR)

_SQLITE = {
    "SQLITE_BUSY": Kind.LOCKED,
    "SQLITE_LOCKED": Kind.LOCKED,
    "SQLITE_PROTOCOL": Kind.LOCKED,
    "SQLITE_FULL": Kind.SPACE,
    "SQLITE_READONLY": Kind.DENIED,
    "SQLITE_CANTOPEN": Kind.DENIED,
    "SQLITE_PERM": Kind.DENIED,
    "SQLITE_AUTH": Kind.DENIED,
    "SQLITE_CORRUPT": Kind.BROKEN,
    "SQLITE_NOTADB": Kind.BROKEN,
    "SQLITE_ERROR": Kind.BROKEN,
    "SQLITE_SCHEMA": Kind.BROKEN,
}


def shown(name: str) -> str:
    """Write a file's name so that it is one printable line, whatever bytes it is made of."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def of_system(what: str, error: OSError) -> Trouble:
    """Say in our words what the system refused."""
    if error.errno in _SPACE:
        return Trouble(Kind.SPACE, f"{what}: the disk is full")
    if error.errno in _DENIED:
        return Trouble(Kind.DENIED, f"{what}: {os.strerror(error.errno or 0).lower()}")
    if error.errno in _SHAPE:
        return Trouble(Kind.SHAPE, f"{what}: a link or something else stands in its place")
    return Trouble(Kind.SYSTEM, f"{what}: {error.strerror or error}")


def of_sqlite(what: str, error: sqlite3.Error, where: str = "") -> Trouble:
    """Say in our words what SQLite refused; its own text is kept.

    `where` is the folder that it worked in: where SQLite cannot make the index of a log for want of
    room, it speaks of an I/O error or of a file that cannot be opened.
    """
    code = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
    if code in {"SQLITE_IOERR", "SQLITE_CANTOPEN"} and where and _full(where):
        return Trouble(Kind.SPACE, f"{what}: {error}, the disk is full")
    return Trouble(_SQLITE.get(code, Kind.SYSTEM), f"{what}: {error}")


def _full(where: str) -> bool:
    try:
        room = os.statvfs(where)
    except OSError:
        return False
    # A file system without a fixed number of files tells none, neither free nor in all.
    return room.f_bavail == 0 or (room.f_files > 0 and room.f_favail == 0)


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Turn whatever the system or SQLite refuses inside into a Trouble about `what`."""
    try:
        yield
    except OSError as error:
        raise of_system(what, error) from error
    except sqlite3.Error as error:
        raise of_sqlite(what, error) from error
