"""Unpack what a person's worker streams: plain files and folders, bounded, below one folder.

Rules:

1. Only regular files and folders are made; links, devices and anything else are an error.
2. A name is relative and has no `..`; no file is ever replaced.
3. No more than so many bytes are taken, whatever the stream says of itself.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from t3safe.adapters._support.pipes import PIPE_BYTES

if TYPE_CHECKING:
    import tarfile

ENTRIES_MAX: Final = 100_000
_CHUNK: Final = 1024 * 1024


class BadStream(Exception):  # noqa: N818 - named as what was found
    """What was streamed is no plain archive; the text says why."""


def unpack(stream: IO[bytes], folder: Path, bytes_max: int) -> None:
    """Make the stream's files and folders below `folder`, which is ours and empty.

    Raises BadStream, and OSError where this machine cannot hold them.
    """
    import tarfile  # noqa: PLC0415 - most commands unpack nothing

    left = bytes_max
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=PIPE_BYTES) as archive:
            for number, member in enumerate(archive):
                if number >= ENTRIES_MAX or member.size > left:
                    message = "it holds more than the snapshot does"
                    raise BadStream(message)
                left -= member.size
                _make(archive, member, folder)
    except tarfile.TarError as error:
        message = f"it is no archive: {error}"
        raise BadStream(message) from error


def _make(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        message = f"it names {member.name!r}"
        raise BadStream(message)
    path = folder / name
    if member.isdir():
        path.mkdir(mode=0o700, exist_ok=True)
        return
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        message = f"{member.name!r} is neither a file nor a folder"
        raise BadStream(message)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as target:
        shutil.copyfileobj(content, target, _CHUNK)
