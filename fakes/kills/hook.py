"""Strikes a process at an exact place from the inside.  Standard library only.

It is loaded into the command line by `launcher` and, with its settings as JSON, into each worker
that works on somebody's state.  It counts the calls that change files: what Python's audit events
tell (open for writing, rename, remove, mkdir, symlink, chmod, ...), each before it is made, and
`os.write`, `os.fsync` and `os.posix_fallocate`, which have none.  What lies outside the host's
folder does not count, nor do pipes.

A write that is struck is torn: half of its bytes are written first.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import stat
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

MS_REMOUNT = 32
MARK = b"T3SAFE_SERVE="
"""In the environment of everything that belongs to somebody's serve."""

_EVENTS = frozenset(
    {
        "os.chmod",
        "os.chown",
        "os.link",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.symlink",
        "os.truncate",
        "os.utime",
        "sqlite3.connect",
    }
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class StruckProcess(NamedTuple):
    """What strikes, and which process is the command.

    `fault` is kill, kill-alone, term, term-all, journal or full (then `mount` is the file system
    that is full from then on).  `mark` is a file that gets a line telling what was struck.
    """

    fault: str
    command: int
    mark: str
    mount: str = ""


class Counter:
    """Counts the changing calls of this process, and strikes before the one that is due."""

    def __init__(self, root: str, trace: str = "", who: str = "cli") -> None:
        self.root, self.who = root, who
        self._trace = trace
        self._due = 0
        self._blow: StruckProcess | None = None
        self._busy = False
        self._write = os.write

    def install(self) -> None:
        """Begin to count; it cannot be undone in this process."""
        sys.addaudithook(self._audit)
        for name in ("write", "fsync", "posix_fallocate"):
            setattr(os, name, self._wrapped(name, getattr(os, name)))

    def arm(self, due: int, blow: StruckProcess | None) -> None:
        """Strike before the call of this number from now on; 0 never."""
        self._due, self._blow = due, blow

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(fd: int, *arguments: Any) -> Any:
            if not self._busy and _on_disk(fd):
                tear = (lambda: self._tear(fd, *arguments)) if name == "write" else None
                self._count(f"{name} {_name(fd)}", tear)
            return call(fd, *arguments)

        return wrapped

    def _tear(self, fd: int, data: bytes) -> None:
        self._write(fd, memoryview(data)[: len(data) // 2])

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._busy or (event != "open" and event not in _EVENTS):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITING):
            return
        path = arguments[0]
        if self._counts(path):
            self._count(f"{event} {' '.join(str(part) for part in arguments[:2])}", None)

    def _counts(self, path: object) -> bool:
        if isinstance(path, int):
            return _on_disk(path)
        text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        # The journal is struck at its records; what Python keeps for itself does not count.
        if not text or text == self._trace or "__pycache__" in text or text.endswith("/lock"):
            return False
        return not text.startswith("/") or text.startswith((self.root, f"file://{self.root}"))

    def _count(self, what: str, tear: Callable[[], None] | None) -> None:
        self._busy = True
        try:
            if self._trace:
                note(self._trace, f"{self.who} {what}", self._write)
            if self._due > 0:
                self._due -= 1
                if self._due == 0 and self._blow is not None:
                    if tear is not None and self._blow.fault in {"kill", "kill-alone"}:
                        tear()
                    strike(self._blow, f"{self.who} before {what}")
        finally:
            self._busy = False


def _on_disk(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _name(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return str(fd)


def note(file: str, text: str, write: Callable[[int, bytes], Any] = os.write) -> None:
    """Add a line to a file, whole even where several processes do."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        write(fd, text.encode(errors="replace") + b"\n")
    finally:
        os.close(fd)


def strike(blow: StruckProcess, where: str) -> None:
    """Strike now; returns where the fault lets this process live on."""
    note(blow.mark, where)
    match blow.fault:
        case "kill":
            _kill(blow.command, with_children=True)
        case "kill-alone":
            _kill(blow.command, with_children=False)
        case "term":
            os.kill(blow.command, signal.SIGTERM)
        case "term-all":
            _terminate(blow.command)
        case "full":
            fill(blow.mount)
        case "journal":
            # The launcher sees to it: the journal is in no other process.
            return
        case _:
            raise AssertionError(blow.fault)


def _kill(command: int, *, with_children: bool) -> None:
    """Kill the command, then all that it started but people's serves, then ourselves."""
    below = descendants(command) if with_children else []
    own = os.getpid()
    for pid in [command, *below]:
        if pid != own:
            _end(pid)
    if with_children or own == command:
        _end(own)


def _terminate(command: int) -> None:
    """Ask the command and all that it started but people's serves to end, ourselves last."""
    own = os.getpid()
    for pid in [command, *descendants(command)]:
        if pid != own:
            _end(pid, signal.SIGTERM)
    if own != command:
        _end(own, signal.SIGTERM)
    else:
        signal.raise_signal(signal.SIGTERM)


def _end(pid: int, number: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def descendants(pid: int) -> list[int]:
    """Name all processes below one, without those that belong to a serve."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            children.setdefault(_parent(name), []).append(int(name))
    found: list[int] = []
    todo = [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            if not _of_a_serve(child):
                found.append(child)
                todo.append(child)
    return found


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - nothing but builtins here
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _of_a_serve(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return any(entry.startswith(MARK) for entry in file.read().split(b"\0"))
    except OSError:
        return False


def fill(mount: str) -> None:
    """Leave no byte and no name free on a tmpfs; `empty` undoes it.

    Its limits are set to what is used, which takes no time and no memory.
    """
    room = os.statvfs(mount)
    used = max(1, room.f_blocks - room.f_bfree) * room.f_frsize
    remount(mount, used, max(1, room.f_files - room.f_ffree))


def remount(mount: str, size: int, names: int) -> None:
    """Set the limits of a tmpfs, in bytes and in files.  Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    data = f"size={size},nr_inodes={names}".encode()
    if libc.mount(b"t3safe-kills", os.fsencode(mount), b"tmpfs", MS_REMOUNT, data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), mount)


def boot(settings: dict[str, Any]) -> str:
    """Give the text that a worker executes before its own program."""
    given = json.dumps(settings)
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return (
        f"import sys; sys.path.insert(0, {folder!r}); "
        f"from fakes.kills.hook import begin; begin({given!r}); sys.path.pop(0); "
    )


def begin(settings: str) -> None:
    """Arm this worker with what `boot` was given."""
    given: dict[str, Any] = json.loads(settings)
    counter = Counter(given["root"], given["trace"], "worker")
    blow = StruckProcess(**given["blow"]) if given["blow"] else None
    counter.arm(given["due"], blow)
    counter.install()
