"""The selection as symbolic links, implementing the port Selection.

Rules:

1. A link is replaced by a rename and the folder is synced before the call returns: at every
   moment, also after a power cut, it names the old build, the new build or the fence.
2. Only a sealed build of the store can be selected.
3. A link is read as text and believed only where it has exactly the form that this module writes;
   anything else is reported with the command that fixes it, never guessed around.
4. Writing fixes: a file or link that stands in place of a link is replaced.
5. Every link has a start lock beside it (`locks.py`).
6. A full disk leaves no person fenced: before a fence a reserve is written beside the links, and it
   is deleted where a link cannot be written for want of space.

`last-good` is the file of that name in the state folder: one line with the version.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import Factory, frozen

from t3safe.adapters._support import durable, layout
from t3safe.adapters.selection.launcher import STUB, render_launcher
from t3safe.adapters.selection.locks import StartLocks
from t3safe.domain.errors import DeadLinkError, SelectionError
from t3safe.domain.people import valid_person
from t3safe.domain.ports import Selected
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.t3.files import BASE_TEMPLATE

RESERVE_BYTES: Final = 64 * 1024
"""A link needs a block at most, and the one that it replaces is freed."""
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


@frozen
class SymlinkSelection:
    """Implements the port Selection; raises SelectionError alone.

    `store` is the store of builds, `state` the folder of `last-good`.  `launcher` is the file that
    is kept ours, None where there is none to keep (an embedded host); `base` is the template of
    base directories.
    """

    store: Path
    state: Path
    launcher: Path | None = None
    base: str = BASE_TEMPLATE
    locks: StartLocks = Factory(lambda self: StartLocks(self.store), takes_self=True)

    def selected(self, person: str) -> Selected:
        """What is selected for a person; the default where nothing of their own is."""
        link = self._link(person)
        target = self._read(link, person)
        if target is None:
            build = self.default()
            if build is None:
                message = f"cannot tell what {person} runs: no build is the default"
                raise SelectionError(f"{message}; run `t3safe adopt` first")
            return Selected(build)
        if target == f"../{layout.FENCE}":
            return Selected(None)
        return Selected(self._build(link, target, f"../{layout.BUILDS}/", person))

    def has_own(self, person: str) -> bool:
        """Whether a selection of this person's own is there, a fence among them."""
        return self._read(self._link(person), person) is not None

    def linked(self) -> tuple[str, ...]:
        """All people who have a selection of their own, sorted; wherever it leads."""
        try:
            names = os.listdir(self.store / "users")
        except FileNotFoundError:
            return ()
        except OSError as error:
            message = f"cannot list {self.store / 'users'}: {error.strerror}"
            raise SelectionError(message) from error
        return tuple(sorted(name for name in names if valid_person(name)))

    def select(self, person: str, build: Version) -> None:
        """Let the person's serve and mint be this build, which the store must hold."""
        link = self._link(person)
        self._require(build, f"cannot select {build} for {person}")
        with _errors(f"cannot select {build} for {person}"):
            self.locks.ensure(person)
            durable.make_folders(link.parent)
            self._point(link, f"../{layout.BUILDS}/{build}")
        self.locks.give_back(person)

    def clear(self, person: str) -> None:
        """Wait for, then end, what has begun to start; nothing begins until `select`."""
        self._link(person)
        self.locks.take(person)

    def starting(self, person: str) -> bool:
        """Whether anything that was started as this person holds its start lock."""
        self._link(person)
        return self.locks.starting(person)

    def fence(self, person: str) -> None:
        """Let no mint and no start of this person run a build."""
        link = self._link(person)
        stub = self.store / layout.FENCE / layout.PROGRAM
        with _errors(f"cannot fence {person}"):
            if _found(stub, STUB.encode()):
                durable.make_folders(stub.parent)
                durable.write_file(stub, STUB.encode(), 0o755)
            self.locks.ensure(person)
            durable.make_folders(link.parent)
            flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
            reserve = os.open(self._reserve, flags, 0o600)
            try:
                os.posix_fallocate(reserve, 0, RESERVE_BYTES)
            finally:
                os.close(reserve)
            self._point(link, f"../{layout.FENCE}")

    def default(self) -> Version | None:
        """The build of people who have none of their own; None before the first adoption."""
        link, who = self.store / "default", "everybody else"
        target = self._read(link, who)
        return None if target is None else self._build(link, target, f"{layout.BUILDS}/", who)

    def promote(self, build: Version) -> None:
        """Make the build the default and record it as last-good, keeping the one before.

        The order is previous-good, last-good, default.  Cut off after the first, the same build is
        named twice and the next call writes both again; cut off after the second, last-good already
        is the build, so the next call leaves previous-good alone.  The default comes last: people
        without a link of their own run the build only once the record says that it is good.
        """
        self._require(build, f"cannot promote {build}")
        before = self.last_good()
        with _errors(f"cannot promote {build}"):
            durable.make_folders(self.state)
            if before is not None and before != build:
                durable.write_file(self.state / "previous-good", f"{before}\n".encode())
            if before != build:
                durable.write_file(self.state / "last-good", f"{build}\n".encode())
            with self.locks.default_alone():
                self._point(self.store / "default", f"{layout.BUILDS}/{build}")

    def last_good(self) -> Version | None:
        """The build that was promoted last, None before the first."""
        return self._noted("last-good")

    def previous_good(self) -> Version | None:
        """The build that was last-good before `last_good`, None if there was none."""
        return self._noted("previous-good")

    def ensure_launcher(self) -> str:
        """Put the launcher back where another installer replaced it.

        Returns what was found and fixed, empty when all was well.  Before the first adoption no
        launcher can run anything, so what is there is left alone.
        """
        launcher, default = self.launcher, self.default()
        if default is None:
            return ""
        with _errors("cannot make the start locks"):
            # A host of an earlier t3safe has none.
            self.locks.ensure_default()
            for person in self.linked():
                self.locks.ensure(person)
        if launcher is None:
            return ""
        content = render_launcher(self.store, self.base).encode()
        with _errors(f"cannot put the launcher {launcher} back"):
            first = self.store / layout.FIRST_DEFAULT
            if not first.exists():
                # Before the launcher that reads it (rule 6 of `launcher`).  An era is a number: the
                # clock may be wrong.
                durable.write_file(first, f"{default} {secrets.token_hex(8)}\n".encode())
            found = _found(launcher, content)
            if found:
                durable.make_folders(launcher.parent)
                durable.write_file(launcher, content, 0o755)
        return f"{launcher} {found}: the launcher was put back" if found else ""

    def launcher_problem(self) -> str:
        """Say what stands in place of the launcher, empty where it is ours; changes nothing."""
        if self.launcher is None:
            return ""
        with _errors(f"cannot look at the launcher {self.launcher}"):
            return _found(self.launcher, render_launcher(self.store, self.base).encode())

    def eject(self, build: Version) -> str:
        """Let the launcher be the build's own program, and delete every selection.

        The launcher changes first: cut off after that, people already run what a second call leaves
        them with.  Returns what was done.
        """
        launcher = self.launcher
        if launcher is None:
            raise SelectionError("cannot eject: this host has no launcher (`launcher` is empty)")
        self._require(build, f"cannot eject to {build}")
        program = layout.build_folder(self.store, build) / layout.PROGRAM
        with _errors("cannot eject"):
            durable.write_link(launcher, str(program))
            for link in (self.store / "users").iterdir():
                if link.is_symlink():
                    link.unlink()
            durable.sync_folder(self.store / "users")
            (self.store / "default").unlink(missing_ok=True)
            (self.store / layout.FIRST_DEFAULT).unlink(missing_ok=True)
            durable.sync_folder(self.store)
        return f"{launcher} is {program} now; whatever npm installs next takes its place"

    def _point(self, link: Path, target: str) -> None:
        """Let a link lead there; a full disk costs the reserve (rule 6)."""
        try:
            durable.write_link(link, target)
        except OSError as error:
            if error.errno not in _NO_ROOM or not self._reserve.exists():
                raise
            self._reserve.unlink()
            durable.write_link(link, target)

    @property
    def _reserve(self) -> Path:
        return self.store / ".reserve"

    def _link(self, person: str) -> Path:
        if not valid_person(person):
            message = f"cannot tell what {person!r} runs: not a person's name; see the user map"
            raise SelectionError(message)
        return self.store / "users" / person

    def _read(self, link: Path, who: str) -> str | None:
        """Read a link as text; None where nothing is there."""
        try:
            return str(link.readlink())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._damaged(link, who, f"not a link ({error.strerror})") from error

    def _build(self, link: Path, target: str, folder: str, who: str) -> Version:
        if not target.startswith(folder):
            raise self._damaged(link, who, f"a link to {target}, which is not a build of the store")
        try:
            build = Version.parse(target.removeprefix(folder))
        except InvalidVersion as error:
            raise self._damaged(link, who, f"not a link to a version, {error}") from error
        if not layout.holds(self.store, build):
            raise self._damaged(link, who, f"a link to {build}, which the store does not hold")
        return build

    def _damaged(self, link: Path, who: str, what: str) -> SelectionError:
        said = f"cannot tell what {who} runs: {link} is {what}"
        if link.parent == self.store:
            fix = f"promote a build that it holds: ln -sfn builds/VERSION {link}"
            return SelectionError(f"{said}; {fix}")
        fix = f"select a build that it holds: `t3safe rollback {link.name} --to VERSION`"
        return DeadLinkError(f"{said}; {fix}")

    def _require(self, build: Version, what: str) -> None:
        if not layout.holds(self.store, build):
            message = f"{what}: {self.store} does not hold it; `t3safe check {build}` brings it in"
            raise SelectionError(message)

    def _noted(self, name: str) -> Version | None:
        path, content = self.state / name, b""
        with _errors(f"cannot read {path}"), suppress(FileNotFoundError):
            content = path.read_bytes()
        text = content.decode("utf-8", "replace").strip()
        if not text:
            return None
        try:
            return Version.parse(text)
        except InvalidVersion as error:
            message = f"cannot read {path}: {error}; write the version of a proven build into it"
            raise SelectionError(message) from error


@contextmanager
def _errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"{what}: {error}; check the disk and who owns the folder, then run again"
        raise SelectionError(message) from error


def _found(launcher: Path, content: bytes) -> str:
    """Say what stands in place of the launcher, empty where it is ours.  Nothing is executed."""
    try:
        status = launcher.lstat()
    except FileNotFoundError:
        return "was missing"
    if stat.S_ISLNK(status.st_mode):
        return f"had become a link to {launcher.readlink()}, another installer's"
    if not stat.S_ISREG(status.st_mode):
        message = "it is neither a file nor a link"
        raise OSError(message)
    if status.st_size != len(content) or launcher.read_bytes() != content:
        return "had been replaced by another program"
    if stat.S_IMODE(status.st_mode) != 0o755 or status.st_uid != os.geteuid():  # noqa: PLR2004
        return "had lost its owner or its mode"
    return ""
