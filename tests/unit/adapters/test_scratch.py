"""Throwaway folders: locked while in use, swept when left, removable whatever was sealed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from t3safe.adapters._support import scratch
from t3safe.adapters._support.scratch import lock_unused, make_locked, make_removable

OURS = {os.geteuid()}


def test_a_folder_in_use_is_locked_until_it_is_let_go(tmp_path: Path) -> None:
    """Whoever sweeps meanwhile leaves it alone."""
    folder, lock = make_locked(tmp_path, "room-")
    assert lock_unused(folder, OURS) is None
    os.close(lock)
    again = lock_unused(folder, OURS)
    assert again is not None
    os.close(again)


def test_neither_a_link_nor_what_is_gone_or_of_others_is_locked(tmp_path: Path) -> None:
    """A sweep touches nothing that it does not own."""
    (tmp_path / "room").mkdir()
    (tmp_path / "link").symlink_to("room")
    assert lock_unused(tmp_path / "link", OURS) is None
    assert lock_unused(tmp_path / "gone", OURS) is None
    assert lock_unused(tmp_path / "room", {os.geteuid() + 1}) is None


def test_a_folder_that_a_sweep_took_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its making and its locking another process may take it for one that was left."""
    swept: list[Path] = []

    def sweeping(folder: Path, owners: set[int]) -> int | None:
        if not swept:
            swept.append(folder)
            folder.rmdir()
        return lock_unused(folder, owners)

    monkeypatch.setattr(scratch, "lock_unused", sweeping)
    folder, lock = make_locked(tmp_path, "room-")
    os.close(lock)
    assert folder not in swept
    assert list(tmp_path.iterdir()) == [folder]


def test_where_nothing_can_be_locked_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not tried for ever."""
    monkeypatch.setattr(scratch, "lock_unused", lambda *_: None)
    with pytest.raises(OSError, match="cannot be locked"):
        make_locked(tmp_path, "room-")


def test_what_was_sealed_can_be_removed_and_no_link_is_followed(tmp_path: Path) -> None:
    """Folders become ours to write, below the folder alone."""
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o500)
    sealed = tmp_path / "store" / "build"
    sealed.mkdir(parents=True)
    (sealed / "file").touch()
    (sealed / "link").symlink_to(outside)
    sealed.chmod(0o555)
    make_removable(tmp_path / "store")
    assert sealed.stat().st_mode & 0o777 == 0o700
    assert outside.stat().st_mode & 0o777 == 0o500
    shutil.rmtree(tmp_path / "store")
    make_removable(tmp_path / "store")
