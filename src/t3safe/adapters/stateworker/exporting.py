"""Hand a sealed snapshot's files out: a stream of the person's bytes, for who may not read them.

The other end is of another user; it takes plain files and folders and nothing else.  The stream is
an archive; the kernel moves what is in the files, and nothing of it passes through this process.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from t3safe.adapters._support.personaldata.trouble import Kind, Trouble, telling
from t3safe.adapters._support.pipes import UNTAKEN, write_all
from t3safe.adapters.stateworker import manifest
from t3safe.adapters.stateworker.manifest import FILES, MANIFEST

_ENDING: Final = bytes(2 * tarfile.BLOCKSIZE)
"""Two blocks of nothing end an archive."""


def stream(out: int, store: str, snapshot: str, *, whole: bool = False) -> None:
    """Write the snapshot's files to an open descriptor as an archive.

    With `whole` the manifest comes first, and the files stand below `files/`.  Raises Trouble, also
    where nobody takes it to its end.
    """
    sealed = manifest.load(store, snapshot)
    folder = Path(store, sealed.id, FILES)
    with telling("hand the snapshot out"):
        if whole:
            told = manifest.encode(sealed)
            write_all(out, _entry(MANIFEST, size=len(told)) + told + _padding(len(told)))
        for path, name in _below(folder):
            _hand(out, path, f"{FILES}/{name}" if whole else name)
        write_all(out, _ENDING)


def _below(folder: Path) -> Iterator[tuple[Path, str]]:
    """Give what lies below a folder with its name there, parents first."""
    for path, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted((*folders, *names)):
            yield Path(path, name), str(Path(path, name).relative_to(folder))


def _hand(out: int, path: Path, name: str) -> None:
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
                raise Trouble(Kind.DAMAGED, f"{name} became shorter while it was handed out")
            done += sent
        write_all(out, _padding(size))


def _entry(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _die_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)


def main() -> None:
    """Read one question from standard input and stream the snapshot that it names."""
    question = json.loads(sys.stdin.buffer.readline())
    if os.geteuid() != question["uid"]:
        sys.exit("the worker does not run as the person")
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        stream(1, question["store"], question["snapshot"], whole=question.get("whole", False))
    except Trouble as trouble:
        if isinstance(trouble.__cause__, BrokenPipeError):
            os._exit(UNTAKEN)
        sys.exit(str(trouble))
    os._exit(0)
