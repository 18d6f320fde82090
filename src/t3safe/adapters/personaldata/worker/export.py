"""Export a sealed snapshot: a stream of the person's bytes, for a user who may not read them.

The reader takes plain files and folders and nothing else.  The stream is an archive; the kernel
moves what is in the files, and nothing of it passes through this process.
"""

from __future__ import annotations

import os
import stat
import sys
import tarfile
from pathlib import Path
from typing import Final

from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind, errors_about
from t3safe.adapters._support.pipes import UNTAKEN, write_all
from t3safe.adapters.personaldata.worker import manifest
from t3safe.adapters.personaldata.worker.manifest import FILES, MANIFEST
from t3safe.adapters.personaldata.worker.parent import asked

_ENDING: Final = bytes(2 * tarfile.BLOCKSIZE)
"""Two empty blocks end an archive."""


def stream(out: int, store: str, snapshot: str, *, whole: bool = False) -> None:
    """Write the snapshot's files to an open descriptor as an archive, parents first.

    With `whole` the manifest comes first, and the files stand below `files/`.  Raises
    DataError, also where the reader goes away before its end.
    """
    sealed = manifest.load(store, snapshot)
    top = Path(store, sealed.id, FILES)
    with errors_about("export the snapshot"):
        if whole:
            data = manifest.encode(sealed)
            write_all(out, _entry(MANIFEST, size=len(data)) + data + _padding(len(data)))
        for folder, folders, names in os.walk(top):
            folders.sort()
            for path in (Path(folder, name) for name in sorted((*folders, *names))):
                name = str(path.relative_to(top))
                _add(out, path, f"{FILES}/{name}" if whole else name)
        write_all(out, _ENDING)


def _add(out: int, path: Path, name: str) -> None:
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode):
        write_all(out, _entry(name, kind=tarfile.DIRTYPE))
    if not stat.S_ISREG(status.st_mode):
        return
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        write_all(out, _entry(name, size=size))
        done = 0
        while done < size:
            sent = os.sendfile(out, file.fileno(), done, size - done)
            if not sent:
                raise DataError(ErrorKind.DAMAGED, f"{name} became shorter while it was exported")
            done += sent
        write_all(out, _padding(size))


def _entry(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def main() -> None:
    """Stream the snapshot that the question names to standard output."""
    question = asked()
    try:
        stream(1, question["store"], question["snapshot"], whole=question["whole"])
    except DataError as error:
        if isinstance(error.__cause__, BrokenPipeError):
            os._exit(UNTAKEN)
        sys.exit(str(error))
    os._exit(0)
