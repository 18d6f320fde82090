"""What a person's worker streams becomes plain files of ours, or an error."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from t3safe.adapters._support import archive as module
from t3safe.adapters._support.archive import BadStream, unpack
from t3safe.t3.files import V1_DATABASE

LONG: Final = f"attachments/{'ä' * 90}/{'b' * 200}"
"""A name that an archive tells in a header of its own."""
SET: Final = {V1_DATABASE: os.urandom(300_001), "secrets/key": b"k" * 32, LONG: b"", "b": b"x"}
ENOUGH: Final = 1_000_000


def archive(files: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    """Give an archive of these files, with the folders above them, and of more members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folders = {str(above) for name in files for above in list(Path(name).parents)[:-1]}
        for folder in sorted(folders):
            tar.addfile(member(folder, tarfile.DIRTYPE))
        for name, data in files.items():
            tar.addfile(member(name, size=len(data)), io.BytesIO(data))
        for other in more:
            tar.addfile(other)
    return stream.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    """Give a member with a mode and an owner that nobody is to take over."""
    made = tarfile.TarInfo(name)
    made.type, made.size, made.mode, made.uid, made.linkname = kind, size, 0o4777, 1234, "/etc"
    return made


@contextmanager
def piped(data: bytes) -> Iterator[int]:
    """Have another thread write into a pipe, and give the end to read from."""
    reads, writes = os.pipe()

    def write() -> None:
        try:
            with os.fdopen(writes, "wb") as end:
                end.write(data)
        except BrokenPipeError:
            return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield reads
    finally:
        os.close(reads)
        writer.join()


@contextmanager
def filed(data: bytes, folder: Path) -> Iterator[int]:
    """Give a plain file with these bytes, which the kernel splices nothing from."""
    path = folder / "stream"
    path.write_bytes(data)
    with path.open("rb") as file:
        yield file.fileno()


def taken(folder: Path) -> dict[str, bytes]:
    """Tell every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_every_file_comes_out_as_it_went_in_and_is_ours_alone(tmp_path: Path) -> None:
    """Also a name that is too long for a header; modes and owners of the stream mean nothing."""
    with piped(archive(SET)) as stream:
        unpack(stream, tmp_path, ENOUGH)
    assert taken(tmp_path) == SET
    found = {(path.stat().st_uid, path.stat().st_mode & 0o7777) for path in tmp_path.rglob("*")}
    assert found == {(os.geteuid(), 0o600), (os.geteuid(), 0o700)}


def test_a_stream_that_is_no_pipe_is_read(tmp_path: Path) -> None:
    """Where the kernel cannot move the bytes, we do."""
    target = tmp_path / "target"
    target.mkdir()
    with filed(archive(SET), tmp_path) as stream:
        unpack(stream, target, ENOUGH)
    assert taken(target) == SET


def huge_header() -> bytes:
    """A member that says of its own name that it has a gigabyte."""
    made = member("x", tarfile.XHDTYPE, size=1024**3)
    return made.tobuf(tarfile.USTAR_FORMAT) + bytes(10_000)


def second_header_spoilt() -> bytes:
    """An archive of which one header in the middle is garbage, as after a lost block."""
    whole = bytearray(archive({"a": b"x", "b": b"y"}))
    whole[1024:1536] = b"?" * 512
    return bytes(whole)


FORGED: Final[dict[str, Callable[[], bytes]]] = {
    "nothing": lambda: b"",
    "garbage": lambda: b"x" * 4096,
    "a link": lambda: archive({}, member("a", tarfile.SYMTYPE)),
    "a hard link": lambda: archive({}, member("a", tarfile.LNKTYPE)),
    "a device": lambda: archive({}, member("a", tarfile.CHRTYPE)),
    "a pipe": lambda: archive({}, member("a", tarfile.FIFOTYPE)),
    "a sparse file": lambda: archive({}, member("a", tarfile.GNUTYPE_SPARSE)),
    "a name from the root": lambda: archive({}, member("/a")),
    "a name that leads out": lambda: archive({}, member("../a")),
    "more than it weighs": lambda: archive({"a": bytes(ENOUGH + 1)}),
    "more than it weighs, in parts": lambda: archive({"a": bytes(ENOUGH), "b": b"x"}),
    "a file that breaks off": lambda: archive({"a": bytes(100_000)})[:50_000],
    "an end that is not there": lambda: archive({"a": b"x"})[:1024],
    "a header that breaks off": lambda: archive({"a": b"x", "b": b"y"})[:1200],
    "a header that is spoilt": second_header_spoilt,
    "a header without end": huge_header,
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_a_forged_stream_is_an_error_and_leaves_the_folder(
    tmp_path: Path, forged: Callable[[], bytes]
) -> None:
    """Whatever a person makes of their worker: plain files alone, and none of them outside."""
    target = tmp_path / "target"
    target.mkdir()
    with piped(forged()) as stream, pytest.raises(BadStream):
        unpack(stream, target, ENOUGH)
    assert set(os.listdir(tmp_path)) == {"target"}
    assert all(path.is_file() and not path.is_symlink() for path in target.iterdir())


@pytest.mark.parametrize("begun", [0, 100, 1000], ids=["before", "in a header", "in a file"])
def test_a_stream_that_stands_still_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: int
) -> None:
    """A person can keep their end open and write nothing; the others must not wait for them."""
    monkeypatch.setattr(module, "STALL", 0.05)
    reads, writes = os.pipe()
    os.write(writes, archive({"a": bytes(5000)})[:begun])
    try:
        with pytest.raises(BadStream, match="nothing came"):
            unpack(reads, tmp_path, ENOUGH)
    finally:
        os.close(reads)
        os.close(writes)


def test_a_file_that_is_named_twice_is_never_replaced(tmp_path: Path) -> None:
    """The second one is an error of the system."""
    with piped(archive({"a": b"first"}, member("a"))) as stream, pytest.raises(FileExistsError):
        unpack(stream, tmp_path, ENOUGH)
    assert taken(tmp_path) == {"a": b"first"}


def test_what_follows_the_archive_stays_in_the_pipe(tmp_path: Path) -> None:
    """Nothing is read beyond its end, so that nobody waits for more."""
    with piped(archive({"a": b"x"})[:1536] + b"next") as stream:
        unpack(stream, tmp_path, ENOUGH)
        assert os.read(stream, 4) == b"next"
