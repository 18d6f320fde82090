"""Throwaway folders that are locked while they are in use.

One that is not locked was left behind by a kill or a power cut: the next process deletes it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from t3safe.domain.errors import GateError

_TRIES: Final = 16
"""Another process sweeps a folder only in the moment before it is locked."""


@contextmanager
def fresh(tmp: Path, prefix: str, work: str) -> Iterator[Path]:
    """Yield such a folder, and delete it at the end; first sweep what was left of earlier ones.

    It makes `tmp` when that is missing.  Users who own nothing reach what is made for them below
    the folder.  Raises GateError, which names the `work`, when no folder can be made.
    """
    try:
        tmp.mkdir(parents=True, exist_ok=True)
        sweep(tmp, prefix)
        folder, lock = make_locked(tmp, prefix)
        folder.chmod(0o711)
    except OSError as error:
        message = f"cannot {work} in {tmp}: {error.strerror}; set T3_TMPDIR"
        raise GateError(message) from error
    try:
        yield folder
    finally:
        remove(folder, lock)


def make_locked(root: Path, prefix: str) -> tuple[Path, int]:
    """Make a folder of our own below `root`, and its lock, which the caller closes.

    One that another process swept between the two is let go.  Raises OSError, also where none of
    some can be locked.
    """
    for _ in range(_TRIES):
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
        lock = lock_unused(folder, {os.geteuid()})
        if lock is not None and folder.is_dir():
            return folder, lock
        if lock is not None:
            os.close(lock)
    raise OSError(errno.EAGAIN, "a folder that was just made cannot be locked", str(root))


def lock_unused(folder: Path, owners: Collection[int]) -> int | None:
    """Lock a folder of these owners; None where it is in use, gone or another user's."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.fstat(handle).st_uid not in owners:
            raise BlockingIOError
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def remove(folder: Path, lock: int) -> None:
    """Delete a folder of ours with what is in it, as far as that can be, and let its lock go."""
    try:
        make_removable(folder)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def sweep(root: Path, prefix: str) -> None:
    """Delete what a kill or a power cut left of our own folders.  Raises OSError."""
    for name in os.listdir(root):
        lock = lock_unused(root / name, {os.geteuid()}) if name.startswith(prefix) else None
        if lock is not None:
            remove(root / name, lock)


def make_removable(folder: Path) -> None:
    """Let us delete what is in a folder, if it is there: sealed builds are read-only.

    Each folder is changed by its descriptor: a link in its place is not followed.
    """
    with suppress(FileNotFoundError):
        for _, _, _, handle in os.fwalk(folder):
            with suppress(OSError):
                os.fchmod(handle, 0o700)
