"""Hand a sealed snapshot's files out: a stream of the person's bytes, for who may not read them.

The other end is of another user; it takes plain files and folders and nothing else.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import threading
from pathlib import Path

from t3safe.adapters._support.pipes import PIPE_BYTES
from t3safe.adapters.stateworker import manifest
from t3safe.adapters.stateworker.manifest import FILES, MANIFEST
from t3safe.adapters.stateworker.trouble import Trouble, telling


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return member if member.isreg() or member.isdir() else None


def stream(store: str, snapshot: str, *, whole: bool = False) -> None:
    """Write the snapshot's files to standard output as an archive.  Raises Trouble.

    With `whole` the manifest comes first, and the files stand below `files/`.
    """
    sealed = manifest.load(store, snapshot)
    folder = Path(store, sealed.id, FILES)
    with (
        telling("hand the snapshot out"),
        tarfile.open(
            fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT, bufsize=PIPE_BYTES
        ) as archive,
    ):
        if whole:
            told = manifest.encode(sealed)
            entry = tarfile.TarInfo(MANIFEST)
            entry.size = len(told)
            archive.addfile(entry, io.BytesIO(told))
        archive.add(folder, arcname=FILES if whole else ".", filter=_plain)


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
        stream(question["store"], question["snapshot"], whole=question.get("whole", False))
        sys.stdout.buffer.flush()
    except Trouble as trouble:
        sys.exit(str(trouble))
    os._exit(0)
