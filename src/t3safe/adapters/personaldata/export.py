"""One archive of a snapshot that can leave the host, checked as it is written.

Rules:

1. What comes in is the person's word: a manifest, then the plain files that it names, each once,
   of the size and with the digest that it names.  Anything else is an error.
2. What goes out has new headers: plain files below one folder, readable by their owner alone.
   Only the names are taken from the stream's own headers.
3. No more than so many bytes are read, whatever the stream says of itself.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Final

from attrs import frozen

from t3safe.adapters._support.archive import ENTRIES_MAX, BadStream
from t3safe.adapters._support.pipes import PIPE_BYTES

if TYPE_CHECKING:
    import tarfile

MANIFEST: Final = "manifest.json"
NOTICE: Final = "README.txt"
_FILES: Final = "files"
_MANIFEST_MAX: Final = 64 * 1024**2


@frozen
class Exported:
    """What an archive holds: files of the data, and how many bytes these have."""

    files: int
    size: int


@frozen
class Wrapper:
    """What is put around the files: the folder that all of it stands in, a notice, and when.

    `at` is in seconds since 1970.
    """

    folder: str
    notice: str
    at: int


def write_archive(
    stream: IO[bytes], target: IO[bytes], snapshot: str, wrapper: Wrapper, bytes_max: int
) -> Exported:
    """Write what is streamed as an archive to `target`, with notice and manifest.

    Raises BadStream where it is not what its manifest says, and OSError where `target` cannot be
    written; what was written until then is no whole archive.
    """
    import tarfile  # noqa: PLC0415 - most commands export nothing

    try:
        with (
            tarfile.open(fileobj=stream, mode="r|", bufsize=PIPE_BYTES) as source,
            tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            members = iter(source)
            manifest = _manifest(source, members)
            expected = _expected(manifest, snapshot)
            size = sum(size for size, _ in expected.values())
            if size > bytes_max:
                message = "it holds more than the snapshot does"
                raise BadStream(message)
            _add(archive, wrapper, NOTICE, wrapper.notice.encode())
            _add(archive, wrapper, MANIFEST, manifest)
            _add_files(source, members, archive, wrapper, dict(expected))
            return Exported(len(expected), size)
    except tarfile.TarError as error:
        message = f"it is no archive: {error}"
        raise BadStream(message) from error


def _manifest(source: tarfile.TarFile, members: Iterator[tarfile.TarInfo]) -> bytes:
    first = next(members, None)
    content = source.extractfile(first) if first is not None and first.isreg() else None
    if first is None or content is None or first.name != MANIFEST or first.size > _MANIFEST_MAX:
        message = "it does not begin with a manifest"
        raise BadStream(message)
    return content.read()


def _expected(manifest: bytes, snapshot: str) -> dict[str, tuple[int, str]]:
    """Read which files a manifest names, each with size and digest."""
    try:
        said = json.loads(manifest)
        parts = [part for item in said["databases"] for part in item["parts"]] + said["files"]
        found = {_name(part["name"]): (int(part["size"]), str(part["sha256"])) for part in parts}
        sound = said["id"] == snapshot and len(found) == len(parts) <= ENTRIES_MAX
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = "its manifest is garbage"
        raise BadStream(message) from error
    if not sound or any(size < 0 for size, _ in found.values()):
        message = "its manifest is another one's, or names a file twice"
        raise BadStream(message)
    return found


def _name(said: Any) -> str:  # noqa: ANN401 - whatever the manifest holds
    """Take a name that stays below the folder; raises ValueError."""
    name = PurePosixPath(str(said))
    if name.is_absolute() or not name.parts or ".." in name.parts or "\0" in str(said):
        message = "a name leads out of the snapshot"
        raise ValueError(message)
    return f"{_FILES}/{name}"


def _add_files(
    source: tarfile.TarFile,
    members: Iterator[tarfile.TarInfo],
    archive: tarfile.TarFile,
    wrapper: Wrapper,
    left: dict[str, tuple[int, str]],
) -> None:
    for number, member in enumerate(members):
        if number > 2 * ENTRIES_MAX:
            message = "it holds more than the snapshot does"
            raise BadStream(message)
        if member.isdir():
            continue
        content = source.extractfile(member) if member.isreg() else None
        size, sha256 = left.pop(member.name, (-1, ""))
        if content is None or member.size != size:
            message = f"{member.name!r} is not what its manifest names"
            raise BadStream(message)
        read = _Digesting(content)
        archive.addfile(_entry(archive, wrapper, member.name, size), read)
        if read.total.hexdigest() != sha256:
            message = f"{member.name!r} is not what was sealed"
            raise BadStream(message)
    if left:
        message = f"it lacks {min(left)!r}"
        raise BadStream(message)


class _Digesting:
    """A file that is digested as it is read."""

    def __init__(self, inner: IO[bytes]) -> None:
        self.inner = inner
        self.total = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Read on."""
        chunk = self.inner.read(size)
        self.total.update(chunk)
        return chunk


def _add(archive: tarfile.TarFile, wrapper: Wrapper, name: str, data: bytes) -> None:
    archive.addfile(_entry(archive, wrapper, name, len(data)), io.BytesIO(data))


def _entry(archive: tarfile.TarFile, wrapper: Wrapper, name: str, size: int) -> tarfile.TarInfo:
    entry = archive.tarinfo(f"{wrapper.folder}/{name}")
    entry.size, entry.mode, entry.mtime = size, 0o600, wrapper.at
    return entry
