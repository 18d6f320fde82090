"""Whether any process has a set open.

Three looks, because each alone can be blind: descriptors of the person's processes under /proc (a
process of somebody else cannot be looked into), SQLite's locks as the kernel knows them (every
connection in WAL mode holds one, whoever's it is), and the serve that the runtime file names.

This closes descriptors of database files, which drops this process's own locks on them: no SQLite
connection may be open meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from t3safe.adapters.stateworker import disk
from t3safe.adapters.stateworker.discovery import SIDECARS, Database
from t3safe.adapters.stateworker.disk import Tools
from t3safe.adapters.stateworker.runtime import Runtime, runtime
from t3safe.adapters.stateworker.trouble import Kind, Trouble, shown, telling

_PENDING_BYTE: Final = 0x40000000
_LOCK_BYTES: Final = 512
"""SQLite's lock bytes: pending, reserved and 510 shared ones (its file format, section 1.1)."""
_FLOCK: Final = "hhqqi"
"""struct flock of 64-bit Linux: type, whence, start, length, pid."""
_DELETED: Final = " (deleted)"
_POLL_SECONDS: Final = 0.05
_CLOCK_SLACK_SECONDS: Final = 5.0
"""The boot time in /proc is whole seconds and is shifted when the clock is set."""


def refuse_held(userdata: str, databases: Iterable[Database], tools: Tools) -> None:
    """Refuse while any process holds a database; one that is just ending gets `grace` to end."""
    names = [database.name for database in databases]
    deadline = time.monotonic() + tools.grace
    while found := _holder(userdata, names, tools.proc):
        if time.monotonic() >= deadline:
            raise Trouble(Kind.HELD, found)
        time.sleep(_POLL_SECONDS)


def _holder(userdata: str, names: list[str], proc: str) -> str:
    with telling("userdata"):
        real = os.path.realpath(userdata)
        paths = {f"{real}/{name}{end}" for name in names for end in ("", *SIDECARS)}
        return (
            _serving(runtime(userdata), proc)
            or _by_descriptor(paths, proc)
            or _by_lock(userdata, names)
        )


def _pids(proc: str) -> Iterator[str]:
    return (name for name in os.listdir(proc) if name.isdigit() and int(name) != os.getpid())


def _by_descriptor(paths: set[str], proc: str) -> str:
    for pid in _pids(proc):
        folder = f"{proc}/{pid}/fd"
        try:
            descriptors = os.listdir(folder)
        except OSError:
            # Gone, or somebody else's, or one that hides itself (a session's helpers do): if it
            # has a database open, its lock shows.
            continue
        for descriptor in descriptors:
            path = _target(f"{folder}/{descriptor}")
            if path in paths:
                return f"process {pid} ({_name(proc, pid)}) has {shown(path)} open"
    return ""


def _target(link: str) -> str:
    try:
        return os.readlink(link).removesuffix(_DELETED)
    except OSError:
        return ""


def _name(proc: str, pid: str) -> str:
    try:
        return shown(os.fsdecode(Path(proc, pid, "comm").read_bytes().strip()))
    except OSError:
        return "gone"


def _by_lock(userdata: str, names: list[str]) -> str:
    for name in names:
        try:
            with disk.regular(userdata, name) as fd:
                asked = struct.pack(_FLOCK, fcntl.F_WRLCK, 0, _PENDING_BYTE, _LOCK_BYTES, 0)
                kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
        except (FileNotFoundError, Trouble):
            continue
        if kind != fcntl.F_UNLCK:
            return f"process {pid} has a lock on {shown(name)}"
    return ""


def _serving(said: Runtime, proc: str) -> str:
    """Name the serve of the runtime file if it lives; a later process under its pid is none."""
    if said.pid is None or said.pid == os.getpid():
        return ""
    folder = f"{proc}/{said.pid}"
    try:
        if os.stat(folder).st_uid != os.geteuid():
            return ""
        state, began = _life(proc, folder)
    except (OSError, ValueError, IndexError):
        return ""
    later = said.started and began > said.started.timestamp() + _CLOCK_SLACK_SECONDS
    if state in "ZX" or later:
        return ""
    return f"the serve is up (process {said.pid})"


def _life(proc: str, folder: str) -> tuple[str, float]:
    """Read a process's state letter and when it began, in seconds since 1970."""
    fields = Path(folder, "stat").read_bytes().rpartition(b")")[2].split()
    lines = Path(proc, "stat").read_bytes().splitlines()
    boot = next(int(line.split()[1]) for line in lines if line.startswith(b"btime "))
    return fields[0].decode(), boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
