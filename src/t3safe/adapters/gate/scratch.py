"""The scratch directories in which rehearsals are held, and the disk space that they may take.

Rules:

1. A scratch directory is 0700 and belongs to whom the rehearsal runs as; it holds a copy of a
   person's set.  It is locked while it is in use, so that the next gate tells one that a power cut
   or a kill left behind, ends what still runs there and deletes it.
2. Nothing is copied before there is space for the copy and for what a migration writes.
3. A build gets a home, a working folder and a folder for temporary files below it, and no variable
   of ours.
4. Its PATH has node and the system's tools and no provider's CLI: each is probed at a start, can
   delay it by more than a minute, and could work.  The login shell says the same: t3 asks it for
   the PATH.
"""

from __future__ import annotations

import os
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil
from attrs import define, field

from t3safe.adapters._support.scratch import lock_unused, make_locked
from t3safe.adapters._support.subreaper import ENDING_MAX, StubbornError
from t3safe.adapters.gate.messages import SandboxUser
from t3safe.domain.errors import GateError
from t3safe.t3.commands import UNATTENDED
from t3safe.t3.files import USERDATA
from t3safe.t3.harmless import PROGRAMS

SYSTEM: Final = (Path("/usr/bin"), Path("/bin"))
_POLL: Final = 0.02


class Scratch:
    """The folders of one sandbox, and the files that lie in it.

    `base` is the base directory of the rehearsed serve, which holds the copied set.  The path of
    `home` also marks every process of this sandbox by its environment.  `work` is the working
    folder of every command, `temporary` where the build puts temporary files, `tools` what is on
    the PATH before the system's folders.  `log` is that of the serve, of all of its starts;
    `output` what the last command printed; `kept` the keys of the event log as they were before
    the build touched the copy.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = folder / "base"
        self.userdata = self.base / USERDATA
        self.home = folder / "home"
        self.work = folder / "work"
        self.temporary = folder / "tmp"
        self.tools = folder / "tools"
        self.log = folder / "serve.log"
        self.output = folder / "output"
        self.kept = folder / "events.sqlite"
        # What `lay_out` makes, parents first.
        self.made = (self.base, self.userdata, self.home, self.work, self.temporary, self.tools)


def lay_out(scratch: Scratch, node: str) -> None:
    """Make the folders below an existing empty one, and lay out the tools."""
    for folder in scratch.made:
        folder.mkdir(mode=0o700)
    (scratch.tools / "node").symlink_to(node)
    for source, target in _reached(scratch).items():
        if source != target:
            target.mkdir(mode=0o700)
            # Whom the sandbox is given to owns it, and not what is below.
            target.chmod(0o755)
            for name in os.listdir(source):
                if name not in PROGRAMS:
                    (target / name).symlink_to(source / name)
    profile = f"PATH={shlex.quote(environment(scratch)['PATH'])}\nexport PATH\n"
    (scratch.home / ".profile").write_text(profile, encoding="utf-8")


def environment(scratch: Scratch) -> dict[str, str]:
    """Give everything that a build finds in its environment (rules 3 and 4)."""
    return {
        "HOME": str(scratch.home),
        "LANG": "C.UTF-8",
        "PATH": ":".join(map(str, (scratch.tools, *_reached(scratch).values()))),
        "SHELL": "/bin/sh",
        "TMPDIR": str(scratch.temporary),
        **UNATTENDED,
    }


def _reached(scratch: Scratch) -> dict[Path, Path]:
    """Say where each folder of the system's tools is reached: itself, or what mirrors it."""
    return {
        folder: scratch.tools / f"without-providers{str(folder).replace('/', '-')}"
        if any((folder / name).exists() for name in PROGRAMS)
        else folder
        for folder in SYSTEM
    }


PREFIX: Final = "t3safe-gate-"
HEADROOM: Final = 256 * 1024**2
"""Bytes beside the databases: logs, caches, what a build makes on empty data."""
GROWTH: Final = 2
"""A migration that rewrites every table leaves a log as large as the database beside it."""
_MIB: Final = 1024**2
_DYNAMIC: Final = range(61184, 65520)
"""The users that systemd makes for units (systemd.exec(5)); each lives in a /var/tmp of its own."""


def free_bytes(folder: Path) -> int:
    """Tell the bytes that are free where the folder lies."""
    return shutil.disk_usage(folder).free


@define
class ScratchSpace:
    """Makes them below `root`, which other users may write to; raises GateError alone."""

    root: Path
    account: SandboxUser | None
    free: Callable[[Path], int] = free_bytes
    _taken: int = field(default=0, init=False)
    _changed: threading.Condition = field(factory=threading.Condition, init=False)

    @contextmanager
    def scratch(self, node: str, size: int, whose: str) -> Iterator[Scratch]:
        """Give one for a set of so many bytes, and leave nothing of it in the end."""
        with self._reserved(GROWTH * size + HEADROOM, whose):
            try:
                folder, lock = make_locked(self.root, PREFIX)
            except OSError as error:
                raise self._unusable(error) from error
            try:
                made = Scratch(folder)
                try:
                    lay_out(made, node)
                    if self.account is not None:
                        # The folder itself last, so that nobody is in it before.
                        for each in (*reversed(made.made), folder):
                            os.chown(each, self.account.uid, self.account.gid)
                except OSError as error:
                    message = f"cannot make a sandbox for {whose} in {self.root}: {error}"
                    raise GateError(message) from error
                yield made
            finally:
                try:
                    _clear(folder, whose)
                finally:
                    os.close(lock)

    def sweep(self) -> None:
        """End and delete what an earlier gate left behind (rule 1)."""
        owners = {os.geteuid(), *_DYNAMIC} | ({self.account.uid} if self.account else set())
        try:
            names = [name for name in os.listdir(self.root) if name.startswith(PREFIX)]
        except OSError as error:
            raise self._unusable(error) from error
        for name in names:
            lock = lock_unused(self.root / name, owners)
            if lock is not None:
                try:
                    _clear(self.root / name, "an earlier run")
                finally:
                    os.close(lock)

    @contextmanager
    def _reserved(self, wanted: int, whose: str) -> Iterator[None]:
        """Wait for so many bytes that nobody has taken or may still take."""
        with self._changed:
            while (free := self._free() - self._taken) < wanted:
                if not self._taken:
                    message = (
                        f"cannot rehearse {whose}: needs {wanted / _MIB:.0f} MiB in {self.root}, "
                        f"{free / _MIB:.0f} MiB are free; free some space or set T3_TMPDIR"
                    )
                    raise GateError(message)
                self._changed.wait()
            self._taken += wanted
        try:
            yield
        finally:
            with self._changed:
                self._taken -= wanted
                self._changed.notify_all()

    def _free(self) -> int:
        try:
            return self.free(self.root)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> GateError:
        return GateError(f"cannot use {self.root} for sandboxes: {error.strerror}; set T3_TMPDIR")


def _clear(folder: Path, whose: str) -> None:
    """End what runs in a scratch directory and delete it."""
    try:
        end_strays(folder)
        if os.geteuid() != 0:
            # The build may have closed folders to us; nothing of it runs any more.
            folder.chmod(0o700)
            for path, folders, _ in os.walk(folder):
                for inner in (Path(path, name) for name in folders):
                    if not inner.is_symlink():
                        inner.chmod(0o700)
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except (OSError, StubbornError) as error:
        message = (
            f"cannot clear the sandbox {folder} with the copy for {whose}: {error}; "
            "delete it by hand"
        )
        raise GateError(message) from error


def end_strays(folder: Path) -> None:
    """Kill every process of a sandbox whose worker is gone.  Raises StubbornError.

    They are known by their home or their working folder, which are below the sandbox.
    """
    deadline = time.monotonic() + ENDING_MAX
    while strays := [each for each in psutil.process_iter() if _belongs(each, folder)]:
        if time.monotonic() > deadline:
            message = f"{len(strays)} processes of {folder} did not end"
            raise StubbornError(message)
        for process in strays:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(_POLL)


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        where = (process.environ().get("HOME", ""), process.cwd())
    except (psutil.Error, OSError):
        # Gone meanwhile, or not ours to look into: then it is not of a sandbox of ours either.
        return False
    return any(Path(place).is_relative_to(folder) for place in where)
