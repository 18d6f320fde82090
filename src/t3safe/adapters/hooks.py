"""The host owner's hooks: executables in a folder for each moment, run in the order of their names.

Rules:

1. Only what root (or the user that we are) alone can have put there is run: the file and every
   folder above it is theirs and no other user can write it.  A sticky folder above the hooks' own
   is accepted, because a user can replace in it only what is theirs.  A link must lead to a file
   below the hooks' folder.  Anything else is refused, reported, and counts as a hook that failed.
2. A hook has a clean environment, no terminal, no input, and its timeout; then its whole process
   group is killed.  What it left running is not waited for.
3. What it prints is logged line by line, without secrets, up to a limit.
4. Where a failure decides, the first one ends the moment; elsewhere every hook has its turn.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from t3safe.adapters._support import child
from t3safe.adapters._support.durable import others_write
from t3safe.domain.hook_events import HookEvent, Moment, one_line
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.redaction import redact
from t3safe.domain.text import duration

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LINES_MAX: Final = 100
"""Lines of one hook that are logged."""
LINE_MAX: Final = 500
"""Bytes of such a line."""
_EXECUTABLE: Final = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


class _Refused(Exception):  # noqa: N818 - the hook did not fail, it was never run
    """A file or folder that others could have changed."""


@frozen
class HookSeen:
    """A file in the folder of a moment; `refused` is why it is never run, empty where it may be."""

    name: str
    refused: str
    executable: bool


@frozen
class HookFolders:
    """Implements the port Hooks over `folder`/MOMENT.d; `timeout` is in seconds for one hook.

    What hooks print, and how they fail, goes to `say`.
    """

    folder: Path
    timeout: float
    say: Callable[[LogLine], None]
    owners: frozenset[int] = field(factory=lambda: frozenset({0, os.geteuid()}))

    def call(self, hook_event: HookEvent) -> str:
        """As the port promises."""
        first = ""
        for failed in self._failures(hook_event):
            text = f"hook {failed}; {hook_event.consequence()}"
            self.say(LogLine(LogLevel.WARNING, text, hook_event.person))
            first = first or f"hook {failed}"
            if hook_event.moment.decides:
                break
        return first

    def _failures(self, hook_event: HookEvent) -> Iterator[str]:
        """Run the hooks one after another; give why each that failed did."""
        folder = self.folder / f"{hook_event.moment}.d"
        try:
            paths = _listed(folder)
        except OSError as error:
            yield f"folder {folder} cannot be read: {error.strerror}"
            return
        for path in paths:
            name = _name(path)
            try:
                failed = self._run(path, name, hook_event)
            except _Refused as error:
                failed = f"was not run: {error}"
            except OSError as error:
                failed = f"could not be run: {error.strerror or error}"
            if failed:
                yield f"{name} {failed}"

    def _run(self, path: Path, name: str, hook_event: HookEvent) -> str:
        """Run one hook; why it failed, empty when it did not.  Raises OSError and _Refused."""
        if not self._checked(path):
            self.say(LogLine(LogLevel.INFO, f"hook {name} is not executable and left out"))
            return ""
        lines = _Lines(
            lambda text: self.say(LogLine(LogLevel.INFO, f"{name}: {text}", hook_event.person))
        )
        home = pwd.getpwuid(os.geteuid()).pw_dir
        status = child.run(
            [path],
            self.timeout,
            {"PATH": PATH, "LANG": "C.UTF-8", "HOME": home, **hook_event.environment()},
            hear=lines.hear,
            merge=True,
            leave=True,
            umask=0o022,
        ).status
        lines.end()
        if status is None:
            return f"was killed after {duration(self.timeout)} (hooks.timeout)"
        if status < 0:
            return f"was ended by signal {-status}"
        return f"failed with exit status {status}" if status else ""

    def look(self) -> tuple[HookSeen, ...]:
        """Look at every hook of every moment, and run none.  Raises OSError."""
        folders = [self.folder / f"{moment}.d" for moment in Moment]
        return tuple(self._seen(path) for folder in folders for path in _listed(folder))

    def strangers(self) -> tuple[str, ...]:
        """Name what lies in the hooks' folder and is not a folder of hooks.  Raises OSError."""
        known = {f"{moment}.d" for moment in Moment}
        return tuple(one_line(path.name) for path in _listed(self.folder) if path.name not in known)

    def _seen(self, path: Path) -> HookSeen:
        try:
            return HookSeen(_name(path), "", self._checked(path))
        except _Refused as error:
            return HookSeen(_name(path), str(error), executable=True)
        except OSError as error:
            return HookSeen(_name(path), f"it cannot be read: {error.strerror}", executable=True)

    # Rule 1.

    def _checked(self, path: Path) -> bool:
        """Whether a hook is to be run.  Raises _Refused where others could have put it there."""
        self._check_folders(path.parent)
        real = path
        if path.is_symlink():
            real = Path(os.path.realpath(path))
            if not real.is_relative_to(self.folder):
                message = f"it is a link to {real}, which is not below {self.folder}"
                raise _Refused(message)
            self._check_folders(real.parent)
        found = os.lstat(real)
        if not stat.S_ISREG(found.st_mode):
            message = f"{real} is not a file"
            raise _Refused(message)
        self._check_owner(real, found, sticky=False)
        return bool(found.st_mode & _EXECUTABLE)

    def _check_folders(self, folder: Path) -> None:
        for path in (folder, *folder.parents):
            found = os.lstat(path)
            if not stat.S_ISDIR(found.st_mode):
                message = f"{path} is not a folder, or a link to one"
                raise _Refused(message)
            self._check_owner(path, found, sticky=path in self.folder.parents)

    def _check_owner(self, path: Path, found: os.stat_result, *, sticky: bool) -> None:
        if found.st_uid not in self.owners:
            message = f"{path} belongs to user {found.st_uid}; `chown root {path}` if it is yours"
            raise _Refused(message)
        if others_write(found, sticky=sticky):
            message = f"others may write to {path}; `chmod go-w {path}`"
            raise _Refused(message)


def _name(path: Path) -> str:
    return one_line(f"{path.parent.name}/{path.name}")


def _listed(folder: Path) -> list[Path]:
    """What lies in a folder, in order, but for what is hidden or an editor's."""
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    return [folder / name for name in names if not name.startswith(".") and name[-1] != "~"]


@define
class _Lines:
    """Turns what a hook prints into lines, as many and as long as are logged (rule 3)."""

    say: Callable[[str], None]
    _rest: bytes = field(default=b"", init=False)
    _before: str = field(default="", init=False)
    _count: int = field(default=0, init=False)

    def hear(self, chunk: bytes) -> None:
        """Take some bytes, and log the lines that they end."""
        *lines, rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line)
        self._rest = rest[: LINE_MAX + 1]

    def end(self) -> None:
        """Log what is left, and how much was left out."""
        if self._rest:
            self._line(self._rest)
        if self._count > LINES_MAX:
            self.say(f"{self._count - LINES_MAX} more lines are left out")

    def _line(self, line: bytes) -> None:
        self._count += 1
        said = line[:LINE_MAX].decode("utf-8", "replace").replace("\r", " ")
        # With the line before it: a secret's label may stand there.
        text = one_line(redact(f"{self._before}\n{said}").rpartition("\n")[2])
        self._before = said if said.strip() else self._before
        if self._count <= LINES_MAX and text:
            self.say(text + ("..." if len(line) > LINE_MAX else ""))
