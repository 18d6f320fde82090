"""What belongs to personal data: databases by their header, and the small files beside them.

Rules:

1. A database is a regular file that begins with SQLite's header, whatever it is called.
2. What looks like a database and is not one (a `.sqlite` that is garbage, a link or a folder; one
   of t3's own that is empty; a log without its database) is found with its problem: it must never
   pass for "no database".  Any other empty `.sqlite` without a log holds nothing: it is a small
   file.
3. Small files are all other regular files up to 1 MiB.  Logs, attachments, the serve's runtime file
   (`t3.files`), what is left of an import that was broken off, and what this worker itself puts
   there do not belong to it.
4. Links are never followed; FIFOs, sockets and devices are never opened for more than a look.
5. A folder that cannot be listed is an error: it may hold a database.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Final, NamedTuple

from t3safe.adapters._support.personaldata.disk import FILE_FLAGS, folder
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind, errors_about, shown
from t3safe.t3.files import LEFT_OUT, USERDATA, is_broken_import, is_of_t3

OWN_PREFIX: Final = ".t3safe-"
"""Names at the top of the folder that are this worker's own."""
SIDECARS: Final = ("-wal", "-shm", "-journal")
SMALL_MAX: Final = 1024**2
"""The largest real one has a few KiB; what is large is an attachment."""

_MAGIC: Final = b"SQLite format 3\0"
_WAL_MAGIC: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_DATABASE_NAME: Final = ".sqlite"


class DatabaseFile(NamedTuple):
    """A database; `size` includes its logs, `problem` says why it is not sound."""

    name: str
    mode: int
    size: int
    parts: tuple[str, ...]
    problem: str = ""


class Entry(NamedTuple):
    """A small file or a folder."""

    name: str
    mode: int
    size: int = 0


class Skipped(NamedTuple):
    """What is there and does not belong to the data, and why."""

    name: str
    why: str


class Look(NamedTuple):
    """Which file bears a name, how long it is and when it was last written, in nanoseconds."""

    inode: int
    size: int
    written: int


class PersonalFiles(NamedTuple):
    """Personal data as it lies; every part is sorted by name, `looks` are of its files."""

    databases: tuple[DatabaseFile, ...] = ()
    files: tuple[Entry, ...] = ()
    folders: tuple[Entry, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    looks: tuple[tuple[str, Look], ...] = ()
    broken_off: tuple[str, ...] = ()
    """Folders at the top that an import left which was broken off (rule 3)."""

    @property
    def size(self) -> int:
        """How many bytes a copy may need at most."""
        return sum(item.size for item in self.databases) + sum(item.size for item in self.files)

    @property
    def problems(self) -> tuple[str, ...]:
        """What looks like a database and is none, one line each."""
        return tuple(
            f"{shown(item.name)} {item.problem}" for item in self.databases if item.problem
        )

    def sound(self) -> PersonalFiles:
        """Give this; refuse it where something looks like a database and is none (rule 2)."""
        if self.problems:
            raise DataError(ErrorKind.BROKEN, self.problems[0])
        return self


def changed(before: PersonalFiles, after: PersonalFiles) -> str:
    """Name the first file that is not what it was; empty where all are."""
    return _differing(dict(before.looks), dict(after.looks))


def replaced(before: PersonalFiles, after: PersonalFiles) -> str:
    """Name the first database that came, went or is another file than it was; empty for none."""
    return _differing(_inodes(before), _inodes(after))


def _inodes(found: PersonalFiles) -> dict[str, int]:
    """Which file each database is; one that is no file has none."""
    looks = dict(found.looks)
    return {
        item.name: looks[item.name].inode if item.name in looks else 0 for item in found.databases
    }


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    names = sorted(before.keys() | after.keys())
    return next((name for name in names if before.get(name) != after.get(name)), "")


class _EntrySeen(NamedTuple):
    """A directory entry after one look, by descriptor, without following it."""

    name: str
    mode: int
    look: Look
    head: bytes

    @property
    def size(self) -> int:
        return self.look.size

    @property
    def regular(self) -> bool:
        return stat.S_ISREG(self.mode)


def userdata_of(base: str) -> str | None:
    """Name the folder of the data, None when the person has none yet."""
    path = f"{base}/{USERDATA}"
    with errors_about(USERDATA):
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return None
        if not stat.S_ISDIR(mode):
            raise DataError(ErrorKind.SHAPE, f"{shown(path)} is {_what(mode)}, not a folder")
    return path


def discover(userdata: str | None) -> PersonalFiles:
    """Find everything that belongs to personal data; None is empty data."""
    if userdata is None:
        return PersonalFiles()
    seen, broken_off = _walk(userdata)
    databases = _databases(seen)
    owned = {part for database in databases for part in database.parts}
    claimed = owned | {database.name for database in databases}
    files: list[Entry] = []
    folders: list[Entry] = []
    skipped: list[Skipped] = []
    for item in seen.values():
        if item.name in claimed:
            continue
        if stat.S_ISDIR(item.mode):
            folders.append(Entry(item.name, stat.S_IMODE(item.mode)))
        elif why := _why_not(item):
            skipped.append(Skipped(item.name, why))
        else:
            files.append(Entry(item.name, stat.S_IMODE(item.mode), item.size))
    names = owned | {entry.name for entry in files}
    looks = tuple((name, item.look) for name, item in seen.items() if name in names)
    files.sort()
    skipped += (Skipped(name, "is left of an import that was broken off") for name in broken_off)
    skipped.sort()
    return PersonalFiles(
        databases, tuple(files), tuple(sorted(folders)), tuple(skipped), looks, broken_off
    )


def _why_not(item: _EntrySeen) -> str:
    """Say why something is not a small file of the data, empty when it is one."""
    if not item.regular:
        return f"is {_what(item.mode)}"
    if item.name.endswith(SIDECARS):
        return "is a log without its database"
    if item.size > SMALL_MAX:
        return f"is larger than {SMALL_MAX} bytes"
    return ""


def _walk(userdata: str) -> tuple[dict[str, _EntrySeen], tuple[str, ...]]:
    """Look at everything in the folder that may belong to the data, ascending by name.

    Names apart what an import left at its top.
    """
    seen: dict[str, _EntrySeen] = {}
    broken_off: list[str] = []
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        with errors_about(shown(relative) or USERDATA), folder(userdata, relative) as fd:
            for last in os.listdir(fd):
                name = f"{relative}/{last}" if relative else last
                if not relative and (last in LEFT_OUT or last.startswith(OWN_PREFIX)):
                    continue
                if not relative and is_broken_import(last):
                    broken_off.append(last)
                    continue
                item = _look(fd, last, name)
                if item is None:
                    continue
                seen[name] = item
                if stat.S_ISDIR(item.mode) and not name.endswith(_DATABASE_NAME):
                    waiting.append(name)
    return dict(sorted(seen.items())), tuple(sorted(broken_off))


def _look(above: int, last: str, name: str) -> _EntrySeen | None:
    """Look at one entry; None when it went away meanwhile."""
    try:
        before = os.stat(last, dir_fd=above, follow_symlinks=False)
        if not stat.S_ISREG(before.st_mode):
            return _EntrySeen(name, before.st_mode, Look(before.st_ino, 0, 0), b"")
        fd = os.open(last, FILE_FLAGS, dir_fd=above)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(fd)
        head = os.read(fd, len(_MAGIC)) if stat.S_ISREG(status.st_mode) else b""
        look = Look(status.st_ino, status.st_size, status.st_mtime_ns)
        return _EntrySeen(name, status.st_mode, look, head)
    finally:
        os.close(fd)


def _databases(seen: dict[str, _EntrySeen]) -> tuple[DatabaseFile, ...]:
    names: set[str] = set()
    for item in seen.values():
        # An empty file that no log belongs to holds nothing, unless t3 makes one of that name.
        logged = any(item.name + end in seen for end in SIDECARS)
        empty = item.regular and item.size == 0 and not logged and not is_of_t3(item.name)
        claims = item.name.endswith(_DATABASE_NAME) and not empty
        if claims or (item.regular and item.head == _MAGIC):
            names.add(item.name)
        if item.regular and item.name.endswith("-wal") and item.head[:4] in _WAL_MAGIC:
            owner = item.name.removesuffix("-wal")
            if owner not in seen or seen[owner].size == 0:
                names.add(owner)
    return tuple(_database(name, seen) for name in sorted(names))


def _database(name: str, seen: dict[str, _EntrySeen]) -> DatabaseFile:
    main, log = seen.get(name), seen.get(f"{name}-wal")
    if main is None:
        problem = "is missing while its log is there"
    elif not main.regular:
        problem = f"is {_what(main.mode)}, not a file"
    elif main.size == 0:
        # SQLite deletes the log of an empty database when it opens it: it must not open this one.
        problem = "is empty while its log is not" if log and log.size else "is empty (0 bytes)"
    else:
        problem = "" if main.head == _MAGIC else "is not a database"
    files = [seen[part] for part in (name, *(name + end for end in SIDECARS)) if part in seen]
    files = [part for part in files if part.regular]
    mode = stat.S_IMODE(main.mode) if main is not None else 0o600
    size, parts = sum(part.size for part in files), tuple(part.name for part in files)
    return DatabaseFile(name, mode, size, parts, problem)


def _what(mode: int) -> str:
    """Name a kind of file; what is not listed is a device."""
    kinds = {
        stat.S_IFLNK: "a link",
        stat.S_IFDIR: "a folder",
        stat.S_IFREG: "a file",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")
