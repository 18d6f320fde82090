"""Start locks: which programs have begun to start as a person, and how to let none begin.

Rules:

1. The launcher takes a person's lock shared before it reads the selection and keeps it across
   `exec`: what holds it has resolved its build, and has the data open or is about to open it.
2. A move takes the lock exclusively.  It first waits for what holds it, then ends it (SIGTERM,
   SIGKILL), and gives it back once the final selection is durable.  A process of another user than
   the person is never ended: descriptors can be passed on.
3. A lock file is root's, one per person, never replaced, and can be opened by that person alone: by
   an access control list, or as the person's own file where the file system has none.  It appears
   with that right or not at all.  A caller without one, or who cannot open it, uses the lock of
   `default`, which every user can open: so it is waited for, no process is ended for it, and it
   stops no promotion.
4. Holders are found by the lock file's inode among the descriptors of every process.  Not by
   /proc/locks: it names who took a lock, not who has it by now.  What the kernel says of a
   descriptor is read, never the file behind it: that may be on a file system of the person's own.
5. A program of the store that runs as the person counts as a holder too: an earlier launcher, or
   none, started it.  What runs from elsewhere (npx, a home) is found by its open files.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import signal
import stat
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from t3safe.adapters._support import durable, layout
from t3safe.adapters._support.buildpaths import BuildPaths, seen
from t3safe.domain.errors import Fault, SelectionError

POLL_SECONDS: Final = 0.02
MOMENT_SECONDS: Final = 0.5
"""How long a look waits for a start to end, which only finds the fence."""
_ACL: Final = "system.posix_acl_access"
_ACL_VERSION: Final = 2
_OWNER, _NAMED, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_READ, _WRITE = 4, 2
_NOBODY: Final = 0xFFFFFFFF
_READABLE: Final = 0o644
_WITHOUT_ACL: Final = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)

_Inode = tuple[str, str]
"""Device and inode number, as the kernel writes them."""


@frozen
class Patience:
    """How long a holder may take, in seconds: by itself, after SIGTERM, after SIGKILL.

    A sign-in of a real t3 takes 0.8 to 1.1 s, on a busy host several times that.
    """

    by_itself: float = 15.0
    after_term: float = 5.0
    after_kill: float = 5.0


def user_id(person: str) -> int | None:
    """The OS user id of a person; None where the host has no such user (an embedded host)."""
    try:
        return pwd.getpwnam(person).pw_uid
    except KeyError:
        return None


@define
class StartLocks:
    """The start locks below a store.  Raises SelectionError alone; OSError only from `ensure`.

    `uid_of` gives a person's user id, None while the host does not know them (a directory that is
    away); it is None itself where all people share the caller's OS user (an embedded host).
    """

    store: Path
    patience: Patience = Patience()
    uid_of: Callable[[str], int | None] | None = user_id
    proc: Path = Path("/proc")
    _held: dict[str, int] = field(factory=dict, init=False)

    @property
    def of_default(self) -> Path:
        """The lock of callers without one of their own."""
        return self.store / layout.DEFAULT_LOCK

    def of(self, person: str) -> Path:
        """The lock of a person."""
        return self.store / layout.LOCKS / person

    def ensure(self, person: str) -> None:
        """Have the person's lock file, theirs alone (rule 3).  Raises OSError.

        A user whom the host does not know now gets none yet.
        """
        uid = self._uid_of(person)
        if uid is None:
            return
        durable.make_folders(self.store / layout.LOCKS)
        _have(self.of(person), lambda handle: _grant(handle, uid))

    def ensure_default(self) -> None:
        """Have the lock of `default`, which every user can open.  Raises OSError."""
        durable.make_folders(self.store)
        _have(self.of_default, _open_to_all)

    def _uid_of(self, person: str) -> int | None:
        return os.geteuid() if self.uid_of is None else self.uid_of(person)

    def starting(self, person: str) -> bool:
        """Whether a program of the person holds the lock, now and for a moment longer.

        What only finds the fence ends within milliseconds.  What waits for a lock that this process
        has taken has not begun.
        """
        deadline = time.monotonic() + MOMENT_SECONDS
        look = self._strays if person in self._held else self._holders
        while look(person):
            if time.monotonic() >= deadline:
                return True
            time.sleep(POLL_SECONDS)
        return False

    def take(self, person: str) -> None:
        """Take a person's lock exclusively; it stays taken until `give_back` (rule 2).

        Raises SelectionError with fault LATER where a holder cannot be ended.
        """
        what = f"cannot clear {person}"
        try:
            self.ensure(person)
            if person not in self._held:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                self._held[person] = os.open(self.of(person), flags)
            free = self._freed(person)
        except FileNotFoundError as error:
            why = f"the host does not know the user {person} now"
            raise SelectionError(f"{what}: {why}; try again later", fault=Fault.LATER) from error
        except OSError as error:
            raise SelectionError(f"{what}: {error}; check the disk, then run again") from error
        if not free:
            self.give_back(person)
            why = "a process that cannot be seen from here holds the start lock; end it"
            for pid, name in sorted(self._holders(person).items())[:1]:
                why = f"process {pid} ({name}) holds the start lock and does not end; end it"
            raise SelectionError(f"{what}: {why}", fault=Fault.LATER)

    def give_back(self, person: str) -> None:
        """Let programs of a person begin again; nothing happens where the lock is not ours."""
        handle = self._held.pop(person, None)
        if handle is not None:
            os.close(handle)

    @contextmanager
    def default_alone(self) -> Iterator[None]:
        """Hold the lock of `default` exclusively, so that no launcher is about to read it.

        A program of the store that holds it has read it.  What holds it and is none is waited for
        for `by_itself` seconds and no longer: a launcher needs milliseconds (rule 3).
        """
        self.ensure_default()
        with _opened(self.of_default) as handle:
            deadline = time.monotonic() + self.patience.by_itself
            while not _locked(handle) and time.monotonic() < deadline:
                if all(self._runs_a_build(pid) for pid in self._by_lock(self.of_default)):
                    break
                time.sleep(POLL_SECONDS)
            yield

    def _freed(self, person: str) -> bool:
        """Wait for what holds the lock, then end it; whether it is free."""
        patience = self.patience
        for number, seconds in (
            (None, patience.by_itself),
            (signal.SIGTERM, patience.after_term),
            (signal.SIGKILL, patience.after_kill),
        ):
            if number is not None:
                self._end(person, number)
            deadline = time.monotonic() + seconds
            while not _locked(self._held[person]) or self._strays(person):
                if time.monotonic() >= deadline:
                    break
                time.sleep(POLL_SECONDS)
            else:
                return True
        return False

    def _end(self, person: str, number: signal.Signals) -> None:
        """Signal the person's own holders; a later process under the number of one is not."""
        uid = self._uid_of(person)
        handles: dict[int, int] = {}
        try:
            for pid in self._holders(person):
                with suppress(OSError):
                    handles[pid] = os.pidfd_open(pid)
            for pid in self._holders(person):
                if pid in handles and self._uids(pid) == {uid}:
                    with suppress(ProcessLookupError, PermissionError):
                        signal.pidfd_send_signal(handles[pid], number)
        finally:
            for handle in handles.values():
                os.close(handle)

    # Who holds a lock.

    def _holders(self, person: str) -> dict[int, str]:
        """Processes that hold a person's lock, with their names (rules 4 and 5)."""
        return {**self._by_lock(self.of(person)), **self._strays(person)}

    def _by_lock(self, lock: Path) -> dict[int, str]:
        wanted = self._inode_of(lock)
        found = (pid for pid in self._pids() if wanted is not None and wanted in self._inodes(pid))
        return {pid: self._name(pid) for pid in found}

    def _strays(self, person: str) -> dict[int, str]:
        """What runs as the person and began without their lock (rule 5), or with the default's."""
        if self.uid_of is None:
            # All people are one user: whose it is, is unknown.
            return {}
        uid, default = self.uid_of(person), self._inode_of(self.of_default)
        theirs = (pid for pid in self._pids() if uid in self._uids(pid))
        return {
            pid: self._name(pid)
            for pid in theirs
            if self._runs_a_build(pid) or (default is not None and default in self._inodes(pid))
        }

    def _pids(self) -> list[int]:
        names = os.listdir(self.proc)
        return [int(name) for name in names if name.isdigit() and int(name) != os.getpid()]

    def _inode_of(self, lock: Path) -> _Inode | None:
        try:
            with _opened(lock) as handle:
                return self._inode("self", str(handle), {})
        except (OSError, KeyError, ValueError):
            return None

    def _inodes(self, pid: int) -> set[_Inode]:
        devices: dict[str, str] = {}
        found: set[_Inode] = set()
        try:
            descriptors = os.listdir(self.proc / str(pid) / "fdinfo")
        except OSError:
            return found
        for descriptor in descriptors:
            with suppress(OSError, ValueError, KeyError):
                found.add(self._inode(str(pid), descriptor, devices))
        return found

    def _inode(self, pid: str, descriptor: str, devices: dict[str, str]) -> _Inode:
        """Which inode a descriptor is of; `devices` caches the process's mounts.

        Raises OSError, KeyError or ValueError where the kernel does not say (any more): before
        Linux 5.14 it says so of none, and what holds a lock is found to do so and not named.
        """
        text = (self.proc / pid / "fdinfo" / descriptor).read_text(encoding="ascii")
        shown = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        if not devices:
            mounts = (self.proc / pid / "mountinfo").read_bytes().splitlines()
            fields = (line.split(maxsplit=3) for line in mounts)
            devices.update((one[0].decode("ascii"), one[2].decode("ascii")) for one in fields)
        return devices[shown["mnt_id"].strip()], shown["ino"].strip()

    def _uids(self, pid: int) -> set[int]:
        """The user ids of a process, real, effective, saved and of files; none where it is gone."""
        try:
            status = (self.proc / str(pid) / "status").read_bytes()
        except OSError:
            return set()
        line = next((line for line in status.splitlines() if line.startswith(b"Uid:")), b"Uid:")
        return {int(word) for word in line.split()[1:]}

    def _runs_a_build(self, pid: int) -> bool:
        """Whether a process executes a build of the store."""
        try:
            return BuildPaths.of(self.store).executed(seen(pid, self.proc))
        except OSError:
            return False

    def _name(self, pid: int) -> str:
        try:
            raw = (self.proc / str(pid) / "comm").read_bytes().strip()
        except OSError:
            return "gone"
        return "".join(sign if sign.isprintable() else "?" for sign in os.fsdecode(raw))


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _have(path: Path, grant: Callable[[int], None]) -> None:
    """Have a lock file with the right to open it; what is there is kept, and given the right."""
    with suppress(FileNotFoundError), _opened(path) as handle:
        grant(handle)
        return
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    flags = os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(fresh, flags, 0o600)
    try:
        grant(handle)
        with suppress(FileExistsError):
            path.hardlink_to(fresh)
    finally:
        os.close(handle)
        fresh.unlink(missing_ok=True)


def _open_to_all(handle: int) -> None:
    if stat.S_IMODE(os.fstat(handle).st_mode) != _READABLE:
        os.fchmod(handle, _READABLE)


def _grant(handle: int, uid: int) -> None:
    """Let one user, beside the owner, open the file for reading."""
    if uid == os.geteuid():
        return
    entries = (
        (_OWNER, _READ | _WRITE, _NOBODY),
        (_NAMED, _READ, uid),
        (_GROUP, 0, _NOBODY),
        (_MASK, _READ, _NOBODY),
        (_OTHER, 0, _NOBODY),
    )
    wanted = struct.pack("<I", _ACL_VERSION)
    wanted += b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        found = b""
        try:
            found = os.getxattr(handle, _ACL)
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise
        if found != wanted:
            os.setxattr(handle, _ACL, wanted)
    except OSError as error:
        if error.errno not in _WITHOUT_ACL:
            raise
        os.fchown(handle, uid, -1)
        os.fchmod(handle, 0o400)


def _locked(handle: int) -> bool:
    """Take an open lock file exclusively if that can be had at once."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
