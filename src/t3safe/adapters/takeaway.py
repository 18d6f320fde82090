"""Where a person's data goes that somebody takes away: a new file, or standard output.

Rules:

1. A file is there whole and durable, or not at all.  Until it is whole it bears another name,
   `.NAME.XXXXXXXX.partial`, which only a death of this very process leaves behind.
2. It is new: nothing is replaced, and no link is followed at its place.
3. It is its owner's alone to read (0600).
4. Root writes into no folder that somebody else may change, nor below one.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from t3safe.adapters._support.durable import others_write
from t3safe.domain.errors import PersonalDataError, UnusableError

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""How a file system says that it has no second names for a file."""


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a file that bears the name once the block has ended well, and is gone otherwise.

    Raises UnusableError where it may not be there, PersonalDataError where it cannot be written.
    """
    folder = _opened(path)
    try:
        if _there(folder, path.name):
            message = f"cannot write {path}: it is there already; name a new file"
            raise UnusableError(message)
        with _telling(path):
            partial = f".{path.name}.{secrets.token_hex(4)}.partial"
            handle = os.open(partial, _NEW, 0o600, dir_fd=folder)
        try:
            yield from _written(path, handle)
            with _telling(path):
                _named(folder, partial, path.name)
                os.fsync(folder)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(partial, dir_fd=folder)
    finally:
        os.close(folder)


def _written(path: Path, handle: int) -> Iterator[IO[bytes]]:
    with os.fdopen(handle, "wb") as target:
        try:
            yield target
            with _telling(path):
                target.flush()
                os.fsync(handle)
        except BaseException:
            # Nothing of it is wanted any more; what is still to be flushed may fail again.
            with suppress(OSError):
                target.close()
            raise


@contextmanager
def standard_output() -> Iterator[IO[bytes]]:
    """Give standard output; a reader that went away is a PersonalDataError."""
    target = os.fdopen(os.dup(1), "wb")
    try:
        yield target
        with _telling(Path("standard output")):
            target.flush()
    finally:
        with suppress(OSError):
            target.close()


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        message = f"cannot write {path}: it is there already; name a new file"
        raise UnusableError(message) from error
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}; free space or name another, try again"
        raise PersonalDataError(message) from error


def _opened(path: Path) -> int:
    """Open the folder of a file, each part of the way to it looked at.  Raises UnusableError."""
    if not path.name:
        message = f"cannot write {path}: it names no file"
        raise UnusableError(message)
    real = Path(os.path.realpath(path.parent))
    folder = os.open("/", _FOLDER)
    try:
        for part in real.parts[1:]:
            _require_ours(folder, path, last=False)
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        _require_ours(folder, path, last=True)
    except OSError as error:
        os.close(folder)
        message = f"cannot write {path}: {real}: {error.strerror}; name a file in another folder"
        raise UnusableError(message) from error
    except UnusableError:
        os.close(folder)
        raise
    return folder


def _require_ours(folder: int, path: Path, *, last: bool) -> None:
    """Rule 4; above the last folder a sticky one keeps others from what is root's."""
    if os.geteuid() != 0:
        return
    status = os.fstat(folder)
    if status.st_uid != 0 or others_write(status, sticky=not last):
        message = f"cannot write {path}: somebody else than root may change a folder on the way"
        raise UnusableError(f"{message}; name a file in a folder of root's, such as /root")


def _there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _named(folder: int, partial: str, name: str) -> None:
    """Give the file its name, unless something bears it by now."""
    try:
        os.link(partial, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if _there(folder, name):
            raise FileExistsError(errno.EEXIST, "it is there already") from error
        os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
