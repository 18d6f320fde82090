"""Changes to files that are whole or absent, and that take no room when they fail."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from t3safe.adapters._support import durable


def test_a_write_that_fails_leaves_the_old_file_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk half a file would take the room that somebody in transition needs."""
    path = tmp_path / "note"
    durable.write_file(path, b"before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        durable.write_file(path, b"after")
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["note"]


def test_a_link_that_leads_there_already_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saying it again needs no room on the disk, and clears what a dead process left."""
    link = tmp_path / "ann"
    durable.write_link(link, "../builds/1")
    (tmp_path / ".ann.new").symlink_to("../builds/2")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "symlink", full)
    durable.write_link(link, "../builds/1")
    assert durable.leads_to(link, "../builds/1")
    assert os.listdir(tmp_path) == ["ann"]
    with pytest.raises(OSError, match="No space left"):
        durable.write_link(link, "../builds/3")
    assert durable.leads_to(link, "../builds/1")
