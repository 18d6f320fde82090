"""Files and folders, handled by descriptor and without ever following a link.

What seals (a rename that makes something count) is preceded by fsync of the files and their folder
and followed by fsync of the folder that holds the new name.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, NamedTuple

from t3safe.adapters._support.personaldata.errors import (
    DataError,
    ErrorKind,
    errors_about,
    of_system,
    shown,
)
from t3safe.adapters._support.pipes import write_all
from t3safe.domain.text import size

MARGIN_BYTES: Final = 32 * 1024**2
"""Left free beside what is copied, so that a serve can go on writing its log of changes."""
CHUNK_BYTES: Final = 1024**2
_RANGE_BYTES: Final = 64 * 1024**2
_NO_RANGES: Final = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""What the kernel answers where it cannot copy between these two files."""

FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK the open of a FIFO would wait for a writer.
FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def free_bytes(path: str) -> int:
    """How many bytes an ordinary user can still write on the file system of `path`."""
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize


class Tools(NamedTuple):
    """What a test may replace; the worker that ships brings `growing` alone.

    `reached` is called with the name of each step once it is done, `growing` with a folder and the
    bytes that it will grow to, about.  `grace` and `sign_in`, how long a sign-in may have the data
    open, are in seconds.
    """

    reached: Callable[[str], object] = lambda _: None
    free: Callable[[str], int] = free_bytes
    proc: str = "/proc"
    grace: float = 1.0
    sign_in: float = 3.0
    growing: Callable[[str, int], object] = lambda _, __: None


class Sealed(NamedTuple):
    """One regular file as it was copied: its name below its root, mode, bytes and digest."""

    name: str
    mode: int
    size: int
    sha256: str


@contextmanager
def folder(root: str, relative: str = "") -> Iterator[int]:
    """Open a folder below `root`, no part of `relative` being a link, and close it afterwards."""
    fd = os.open(root, FOLDER_FLAGS)
    try:
        for part in relative.split("/") if relative else ():
            below = os.open(part, FOLDER_FLAGS, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


@contextmanager
def regular(root: str, name: str, *, write: bool = False) -> Iterator[int]:
    """Open a regular file below `root`; whatever else stands there is a DataError."""
    parent, last = os.path.split(name)
    with folder(root, parent) as above:
        fd = os.open(last, FILE_FLAGS | (os.O_RDWR if write else 0), dir_fd=above)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise DataError(ErrorKind.SHAPE, f"{name} is not a regular file")
        yield fd
    finally:
        os.close(fd)


def kind_below(root: str, name: str) -> int | None:
    """Give the file type (as in `st_mode`) of what has a name, None when nothing does."""
    parent, last = os.path.split(name)
    try:
        with folder(root, parent) as above:
            return stat.S_IFMT(os.stat(last, dir_fd=above, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


@contextmanager
def source(root: str, name: str) -> Iterator[int]:
    """Open a regular file to copy it; what is refused then is a DataError that names it.

    What goes wrong while it is copied is about the target.
    """
    with ExitStack() as held:
        with errors_about(shown(name)):
            fd = held.enter_context(regular(root, name))
        yield fd


def _chunks(fd: int) -> Iterator[bytes]:
    while chunk := os.read(fd, CHUNK_BYTES):
        yield chunk


def digest(root: str, name: str) -> tuple[int, str]:
    """Read a file below `root`; gives its size and digest."""
    with regular(root, name) as fd:
        total = hashlib.sha256()
        size = 0
        for chunk in _chunks(fd):
            total.update(chunk)
            size += len(chunk)
    return size, total.hexdigest()


def copy(original: tuple[str, str], target: tuple[str, str], mode: int) -> Sealed:
    """Copy a file from (root, name) to a new file at (root, name), durable on return."""
    total = hashlib.sha256()
    size = 0
    parent, last = os.path.split(target[1])
    with source(*original) as fd, folder(target[0], parent) as above:
        new = os.open(last, _NEW_FLAGS, 0o600, dir_fd=above)
        try:
            for chunk in _chunks(fd):
                total.update(chunk)
                size += len(chunk)
                write_all(new, chunk)
            os.fchmod(new, mode)
            os.fsync(new)
        finally:
            os.close(new)
    return Sealed(target[1], mode, size, total.hexdigest())


def same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two files, each at (root, name), hold the same bytes."""
    with regular(*one) as here, regular(*other) as there:
        while True:
            chunk = os.read(here, CHUNK_BYTES)
            if chunk != os.read(there, CHUNK_BYTES):
                return False
            if not chunk:
                return True


def pour(original: tuple[str, str], target: tuple[str, str]) -> None:
    """Copy a file from (root, name) to a new file at (root, name), not durable yet.

    The kernel copies the bytes, or shares them where the file system can.
    """
    parent, last = os.path.split(target[1])
    with source(*original) as fd, folder(target[0], parent) as above:
        new = os.open(last, _NEW_FLAGS, 0o600, dir_fd=above)
        try:
            try:
                while os.copy_file_range(fd, new, _RANGE_BYTES):
                    pass
            except OSError as error:
                if error.errno not in _NO_RANGES:
                    raise
            # What is left: all of it where the kernel cannot, nothing where it could.
            for chunk in _chunks(fd):
                write_all(new, chunk)
        finally:
            os.close(new)


def sync(root: str, name: str) -> None:
    """Make the bytes of a file durable."""
    with regular(root, name) as fd:
        os.fsync(fd)


def sync_folder(root: str, relative: str = "") -> None:
    """Make the names in a folder durable."""
    with folder(root, relative) as fd:
        os.fsync(fd)


def make_folders(root: str, relative: str, mode: int = 0o700) -> None:
    """Have a folder below `root`, with those above it, durable; existing ones stay as they are."""
    reached = ""
    for part in relative.split("/") if relative else ():
        with folder(root, reached) as above:
            try:
                os.mkdir(part, mode, dir_fd=above)
            except FileExistsError:
                pass
            else:
                os.fsync(above)
        reached = f"{reached}/{part}" if reached else part
    with folder(root, reached):
        pass


def write_sealed(root: str, name: str, data: bytes) -> None:
    """Have a file at the top of `root` with exactly these bytes, at once and durable."""
    partial = f"{name}.partial"
    with folder(root) as fd:
        remove_file(fd, partial)
        new = os.open(partial, _NEW_FLAGS, 0o600, dir_fd=fd)
        try:
            write_all(new, data)
            os.fsync(new)
        finally:
            os.close(new)
        os.rename(partial, name, src_dir_fd=fd, dst_dir_fd=fd)
        os.fsync(fd)


def names_of(above: int, name: str) -> int:
    """Count the names of the file that bears this one in an open folder; 0 where none does."""
    try:
        return os.stat(name, dir_fd=above, follow_symlinks=False).st_nlink
    except FileNotFoundError:
        return 0


def remove_file(above: int, name: str) -> bool:
    """Remove a name from an open folder; whether it was there."""
    try:
        os.unlink(name, dir_fd=above)
    except FileNotFoundError:
        return False
    return True


def remove_tree(root: str, name: str) -> None:
    """Remove what bears a name at the top of `root`, with everything below it."""
    found = kind_below(root, name)
    if found is None:
        return
    with folder(root) as fd:
        if stat.S_ISDIR(found):
            shutil.rmtree(name, dir_fd=fd)
        else:
            remove_file(fd, name)
        os.fsync(fd)


def read_small(root: str, name: str, limit: int) -> bytes:
    """Read a file at or below `root` that must not be longer than `limit` bytes."""
    with regular(root, name) as fd:
        data = b""
        while len(data) <= limit and (chunk := os.read(fd, limit + 1 - len(data))):
            data += chunk
    if len(data) > limit:
        raise DataError(ErrorKind.DAMAGED, f"{name} is longer than {limit} bytes")
    return data


def require_space(path: str, needed: int, tools: Tools) -> None:
    """Refuse unless `needed` bytes and a margin fit on the file system of `path`."""
    try:
        free = tools.free(path)
    except OSError as error:
        raise of_system(path, error) from error
    if free < needed + MARGIN_BYTES:
        have, want = size(free), size(needed + MARGIN_BYTES)
        raise DataError(ErrorKind.SPACE, f"{path} has {have} free, {want} are needed")
