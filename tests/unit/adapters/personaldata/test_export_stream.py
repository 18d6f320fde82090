"""The export stream: a sealed snapshot, written by the person's worker to another user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from t3safe.adapters._support.archive import BadStream, unpack
from t3safe.domain.errors import PersonalDataError
from t3safe.domain.retention import SnapshotKind
from tests.support.personaldata import DiskWorld

LONG = f"secrets/{'ä' * 60}{'b' * 100}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DiskWorld]:
    """A disk with one person's set and a snapshot of it."""
    disk = DiskWorld(tmp_path)
    disk.found("alice", events=2000)
    (disk.userdata("alice") / LONG).write_bytes(b"a" * 100_000)
    disk.states.snapshot("alice", "s1", SnapshotKind.ONLINE, None)
    yield disk
    disk.close()


def files(folder: Path) -> dict[str, bytes]:
    """Tell every file below a folder."""
    below = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in below}


def test_what_is_exported_is_what_was_sealed(world: DiskWorld, tmp_path: Path) -> None:
    """Every file with every byte, long names too, and no more than the snapshot's size."""
    target = tmp_path / "target"
    target.mkdir()
    with world.states.export_stream("alice", "s1") as export:
        unpack(export.stream.fileno(), target, world.states.size("alice", "s1"))
        export.finish()
    assert LONG in files(target)
    assert files(target) == files(world.root / "backup" / "alice" / "s1" / "files")


def test_a_reader_that_stops_is_no_failure_of_the_worker(world: DiskWorld) -> None:
    """The worker ends; the reader knows why it stopped."""
    with world.states.export_stream("alice", "s1") as export:
        export.stream.read(10)
        export.finish()


def test_a_worker_that_fails_says_so_at_the_end(world: DiskWorld, tmp_path: Path) -> None:
    """What it wrote until then may look whole, so its exit status counts, and its own words."""

    def take(snapshot: str) -> None:
        with world.states.export_stream("alice", snapshot) as export:
            with pytest.raises(BadStream):
                unpack(export.stream.fileno(), tmp_path, 1_000_000)
            export.finish()

    with pytest.raises(PersonalDataError, match="s2 of alice: there is no snapshot s2"):
        take("s2")
    world.states.python = "/bin/false"
    with pytest.raises(PersonalDataError, match=r"export snapshot s1 of alice: .* status 1"):
        take("s1")
