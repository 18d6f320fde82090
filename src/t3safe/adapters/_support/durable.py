"""Changes to files that are whole or absent, also after a power cut; and who may change a path.

Every change here is in a folder that only root (or the one user of an embedded host) can write.
A temporary file has a fixed name beside its target, so that a process that died half-way leaves
at most one and the next call replaces it; the caller holds the lock that makes it the only writer.
"""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_filesystem(folder: Path) -> None:
    """Make everything written so far on the folder's file system durable, or raise OSError.

    One syncfs(2) in place of an fsync for each of some ten thousand files; unlike sync(2) it
    leaves other disks alone and reports a failed write (since Linux 5.8).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if libc.syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(handle)


def make_folders(folder: Path, mode: int = 0o755) -> None:
    """Make the folder and its parents, each with this mode and durable in its own parent."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(mode)
        sync_folder(path.parent)


def write_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace the file by this content, atomically and durably; a link at `path` is replaced."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(fresh, flags, mode), "wb") as handle:
            os.fchmod(handle.fileno(), mode)
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(path)
    except OSError:
        # On a full disk what is half written takes space that others need.
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_link(path: Path, target: str) -> None:
    """Let `path` be a link to `target`, atomically and durably; a file at `path` is replaced.

    One that is such a link already is left as it is: that needs no space on the disk.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    if not leads_to(path, target):
        fresh.symlink_to(target)
        fresh.replace(path)
    sync_folder(path.parent)


def leads_to(path: Path, target: str) -> bool:
    """Whether `path` is a link with this text."""
    try:
        return str(path.readlink()) == target
    except OSError:
        return False


def others_write(found: os.stat_result, *, sticky: bool = False) -> bool:
    """Whether others than the owner may write a file, or make and replace names in a folder.

    With `sticky` a sticky folder is accepted: others replace in it only what is theirs.
    """
    kept = sticky and found.st_mode & stat.S_ISVTX
    return bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)) and not kept
