"""One archive that can leave the host: with new headers, and checked as it is written."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from t3safe.adapters._support.archive import BadStream
from t3safe.adapters.personaldata.export import Exported, Wrapper, write_archive
from t3safe.domain.errors import PersonalDataError
from t3safe.domain.retention import SnapshotKind
from tests.support.personaldata import DiskWorld

WRAPPER = Wrapper("t3-ann-s1", "read me", 1_700_000_000)
DATA = b"rows"


def manifest(*names: str, **changes: object) -> bytes:
    """Give a manifest of files that all hold `DATA`."""
    digest = hashlib.sha256(DATA).hexdigest()
    files = [{"name": name, "mode": 384, "size": len(DATA), "sha256": digest} for name in names]
    return json.dumps({"id": "s1", "databases": [], "files": files} | changes).encode()


def entry(
    name: str, data: bytes = DATA, kind: bytes = tarfile.REGTYPE
) -> tuple[tarfile.TarInfo, bytes]:
    """Give one member of a stream."""
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.uid, member.linkname = kind, 0o4777, 1234, "/etc/shadow"
    member.size = len(data) if kind == tarfile.REGTYPE else 0
    return member, data


def streamed(*members: tuple[tarfile.TarInfo, bytes], told: bytes | None = None) -> io.BytesIO:
    """Give a stream that begins with a manifest."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for member, data in (entry("manifest.json", told or manifest("a")), *members):
            archive.addfile(member, io.BytesIO(data))
    stream.seek(0)
    return stream


def test_what_comes_out_has_new_headers() -> None:
    """Names and bytes are kept; owner, mode and links of the stream are not."""
    told = manifest("a", "below/b")
    folder, file, deep = entry("files", kind=tarfile.DIRTYPE), entry("files/a"), "files/below/b"
    out = io.BytesIO()
    found = write_archive(streamed(folder, file, entry(deep), told=told), out, "s1", WRAPPER, 1000)
    assert found == Exported(2, 2 * len(DATA))
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        members = archive.getmembers()
        names = ["README.txt", "manifest.json", "files/a", deep]
        assert [member.name for member in members] == [f"t3-ann-s1/{name}" for name in names]
        assert {(member.mode, member.uid, member.isreg()) for member in members} == {
            (0o600, 0, True)
        }
        taken = archive.extractfile(members[2])
        assert taken
        assert taken.read() == DATA


FORGED: dict[str, Callable[[], io.BytesIO]] = {
    "no manifest": io.BytesIO,
    "garbage": lambda: io.BytesIO(b"x" * 2048),
    "another manifest": lambda: streamed(entry("files/a"), told=manifest("a", id="s2")),
    "a file that is not named": lambda: streamed(entry("files/a"), entry("files/b")),
    "a file twice": lambda: streamed(entry("files/a"), entry("files/a")),
    "a link": lambda: streamed(entry("files/a", kind=tarfile.SYMTYPE)),
    "other bytes": lambda: streamed(entry("files/a", b"ROWS")),
    "another size": lambda: streamed(entry("files/a", b"more rows")),
    "less than it names": streamed,
    "a name that leads out": lambda: streamed(entry("files/../x"), told=manifest("../x")),
    "a manifest that names a file twice": lambda: streamed(told=manifest("a", "a")),
    "a manifest of another shape": lambda: streamed(told=b"[]"),
    "a deep manifest": lambda: streamed(told=b"[" * 100_000),
    "a manifest of more than there is": lambda: streamed(
        told=manifest(files=[{"name": "a", "size": 10**9, "sha256": ""}])
    ),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_a_forged_stream_is_an_error(forged: Callable[[], io.BytesIO]) -> None:
    """Whatever a person makes of their worker: it is no archive that counts."""
    with pytest.raises(BadStream):
        write_archive(forged(), io.BytesIO(), "s1", WRAPPER, 1000)


def test_a_snapshot_that_is_missing_damaged_or_does_not_fit_is_told(world: DiskWorld) -> None:
    """Each is one line about the person and the snapshot; one changed byte ends it."""
    states = world.states
    with pytest.raises(PersonalDataError, match="no such snapshot"):
        states.export("alice", "s1", io.BytesIO())
    states.snapshot("alice", "s1", SnapshotKind.ONLINE, None)
    assert states.export("alice", "s1", io.BytesIO()).files > 0
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(PersonalDataError, match="cannot export snapshot s1 of alice"),
    ):
        states.export("alice", "s1", full)
    world.damage_snapshot("alice", "s1")
    with pytest.raises(PersonalDataError, match="not what was sealed"):
        states.export("alice", "s1", io.BytesIO())
