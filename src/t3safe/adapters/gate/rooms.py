"""The folders in which rehearsals are held, and the room on the disk that they may take.

Rules:

1. A room is 0700 and belongs to whom the rehearsal runs as; it holds a copy of a person's set.
2. It is locked while it is in use, so that the next gate tells one that a power cut or a kill
   left behind, ends what still runs there and deletes it.
3. Nothing is copied before there is space for the copy and for what a migration writes.
"""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import define, field

from t3safe.adapters._support.rooms import lock_unused, make_locked
from t3safe.adapters.gate import places as layout
from t3safe.adapters.gate.messages import Account
from t3safe.adapters.gate.places import Places
from t3safe.adapters.gate.processes import StubbornError, end_strays
from t3safe.domain.errors import GateError

PREFIX: Final = "t3safe-gate-"
HEADROOM: Final = 256 * 1024**2
"""Bytes beside the databases: logs, caches, an empty set."""
GROWTH: Final = 2
"""A migration that rewrites every table leaves a log as large as the database beside it."""
_MIB: Final = 1024**2
_DYNAMIC: Final = range(61184, 65520)
"""The users that systemd makes for units (systemd.exec(5)); each lives in a /var/tmp of its own."""


def free_bytes(folder: Path) -> int:
    """Tell the bytes that are free where the folder lies."""
    return shutil.disk_usage(folder).free


@define
class Rooms:
    """Makes rooms below `root`, which other users may write to; raises GateError alone."""

    root: Path
    account: Account | None
    free: Callable[[Path], int] = free_bytes
    _taken: dict[int, int] = field(factory=dict, init=False)
    _changed: threading.Condition = field(factory=threading.Condition, init=False)

    @contextmanager
    def room(self, node: str, size: int, whose: str) -> Iterator[Places]:
        """Give a room for a set of so many bytes, and leave nothing of it in the end."""
        with self._reserved(GROWTH * size + HEADROOM, whose), self._folder(whose) as folder:
            places = Places(folder)
            try:
                layout.make(places, node)
                self._give(places)
            except OSError as error:
                message = f"cannot make a sandbox for {whose} in {self.root}: {error}"
                raise GateError(message) from error
            yield places

    def sweep(self) -> None:
        """End and delete what an earlier gate left behind (rule 2)."""
        owners = {os.geteuid(), *_DYNAMIC} | ({self.account.uid} if self.account else set())
        try:
            names = [name for name in os.listdir(self.root) if name.startswith(PREFIX)]
        except OSError as error:
            message = f"cannot use {self.root} for sandboxes: {error.strerror}; set T3_TMPDIR"
            raise GateError(message) from error
        for name in names:
            lock = lock_unused(self.root / name, owners)
            if lock is not None:
                try:
                    _clear(self.root / name, "an earlier run")
                finally:
                    os.close(lock)

    @contextmanager
    def _folder(self, whose: str) -> Iterator[Path]:
        try:
            folder, lock = make_locked(self.root, PREFIX)
        except OSError as error:
            message = f"cannot make a sandbox in {self.root}: {error.strerror}; set T3_TMPDIR"
            raise GateError(message) from error
        try:
            yield folder
        finally:
            try:
                _clear(folder, whose)
            finally:
                os.close(lock)

    def _give(self, places: Places) -> None:
        """Hand the new room over; the folder itself last, so that nobody is in it before."""
        if self.account is None:
            return
        for folder in reversed(places.made):
            os.chown(folder, self.account.uid, self.account.gid)
        os.chown(places.folder, self.account.uid, self.account.gid)

    @contextmanager
    def _reserved(self, wanted: int, whose: str) -> Iterator[None]:
        me = threading.get_ident()
        with self._changed:
            while (free := self._left()) < wanted:
                if not self._taken:
                    message = (
                        f"cannot rehearse {whose}: needs {_mib(wanted)} in {self.root}, "
                        f"{_mib(free)} are free; free some space or set T3_TMPDIR"
                    )
                    raise GateError(message)
                self._changed.wait()
            self._taken[me] = wanted
        try:
            yield
        finally:
            with self._changed:
                del self._taken[me]
                self._changed.notify_all()

    def _left(self) -> int:
        """The bytes that nobody has taken or may still take."""
        try:
            return self.free(self.root) - sum(self._taken.values())
        except OSError as error:
            message = f"cannot use {self.root} for sandboxes: {error.strerror}; set T3_TMPDIR"
            raise GateError(message) from error


def _mib(size: int) -> str:
    return f"{size / _MIB:.0f} MiB"


def _clear(folder: Path, whose: str) -> None:
    """End what runs in a room and delete it."""
    try:
        end_strays(folder)
        try:
            shutil.rmtree(folder)
        except PermissionError:
            if os.geteuid() == 0:
                raise
            _open_up(folder)
            shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except (OSError, StubbornError) as error:
        message = (
            f"cannot clear the sandbox {folder} with the copy for {whose}: {error}; "
            "delete it by hand"
        )
        raise GateError(message) from error


def _open_up(folder: Path) -> None:
    """Let us into the folders that the build closed; nothing of it runs any more."""
    folder.chmod(0o700)
    for path, folders, _ in os.walk(folder):
        for name in folders:
            inner = Path(path, name)
            with suppress(FileNotFoundError):
                if stat.S_ISDIR(inner.lstat().st_mode):
                    inner.chmod(0o700)
