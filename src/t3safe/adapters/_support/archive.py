"""Unpack what a person's worker streams: plain files and folders, bounded, below one folder.

Rules:

1. Only regular files and folders are made; links, devices and anything else are an error.
2. A name is relative and has no `..`; no file is ever replaced.
3. No more than so many bytes are taken, whatever the stream says of itself.
4. An archive ends with an empty block; one that breaks off, or stalls, is an error.

What is in the files is moved from the pipe into them by the kernel.
"""

from __future__ import annotations

import errno
import os
import select
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final, cast

from t3safe.adapters._support.pipes import write_all
from t3safe.domain.text import duration

if TYPE_CHECKING:
    import tarfile

ENTRIES_MAX: Final = 100_000
SLACK: Final = 1024**2
"""Bytes that a stream may have beyond the size of its snapshot."""
_CHUNK: Final = 1024 * 1024
_BLOCK: Final = 512
"""Bytes; whatever is in an archive fills blocks."""
STALL: Final = 60.0
"""Seconds without a byte: the writer starts a unit first, and reads from a disk."""
_HEADER_MAX: Final = 1024 * 1024
"""Bytes; a header holds a name."""
_NO_SPLICE: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EPERM})
"""One end is no pipe, or the other a file system that takes nothing from one."""
_BROKEN_OFF: Final = "it breaks off"


class BadStream(Exception):  # noqa: N818 - named as what was found
    """What was streamed is no plain archive; the text says why."""


def unpack(stream: int, folder: Path, bytes_max: int) -> None:
    """Make the files and folders of an open stream below `folder`, which is ours and empty.

    `stream` stays open and is read up to the archive's end.  Raises BadStream, and OSError where
    this machine cannot hold them.
    """
    import tarfile  # noqa: PLC0415 - most commands unpack nothing

    source = _Source(stream)
    left = bytes_max
    try:
        archive = tarfile.TarFile(fileobj=cast("IO[bytes]", source))
        for number, member in enumerate(iter(archive.next, None)):
            if number >= ENTRIES_MAX or not 0 <= member.size <= left:
                message = "it holds more than the snapshot does"
                raise BadStream(message)
            left -= member.size
            _make(source, member, folder)
    except tarfile.TarError as error:
        message = f"it is no archive: {error}"
        raise BadStream(message) from error
    # Whatever else there is in place of a header ends the members, too.
    if source.last != bytes(_BLOCK):
        raise BadStream(_BROKEN_OFF)


class _Source:
    """A stream as `tarfile` reads one, of which the members' content is taken beside it."""

    def __init__(self, stream: int) -> None:
        self.stream = stream
        self.at = 0
        self.last = b""

    def tell(self) -> int:
        return self.at

    def seek(self, at: int) -> None:
        if at != self.at:
            message = "a stream goes one way"
            raise BadStream(message)

    def read(self, size: int) -> bytes:
        """Read so many bytes, less only where the stream ends."""
        if size > _HEADER_MAX:
            message = "a header of that size is none"
            raise BadStream(message)
        data = b""
        while len(data) < size and (chunk := self._next(size - len(data))):
            data += chunk
        self.at += len(data)
        self.last = data
        return data

    def pour(self, size: int, target: int) -> None:
        """Write the next bytes to an open file.  Raises BadStream where there are fewer."""
        left = size
        while left and (moved := self._move(target, left)):
            left -= moved
        self.at += size - left
        if left:
            raise BadStream(_BROKEN_OFF)

    def _wait(self) -> None:
        if not select.select([self.stream], [], [], STALL)[0]:
            message = f"nothing came for {duration(STALL)}"
            raise BadStream(message)

    def _next(self, size: int) -> bytes:
        self._wait()
        return os.read(self.stream, size)

    def _move(self, target: int, size: int) -> int:
        self._wait()
        try:
            return os.splice(self.stream, target, min(size, _CHUNK))
        except OSError as error:
            if error.errno not in _NO_SPLICE:
                raise
        chunk = os.read(self.stream, min(size, _CHUNK))
        write_all(target, chunk)
        return len(chunk)


def _make(source: _Source, member: tarfile.TarInfo, folder: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        message = f"it names {member.name!r}"
        raise BadStream(message)
    path = folder / name
    if member.isdir():
        path.mkdir(mode=0o700, exist_ok=True)
        return
    if not member.isreg() or member.issparse():
        message = f"{member.name!r} is neither a file nor a folder"
        raise BadStream(message)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    target = os.open(path, flags, 0o600)
    try:
        source.pour(member.size, target)
    finally:
        os.close(target)
    source.read(-member.size % _BLOCK)
