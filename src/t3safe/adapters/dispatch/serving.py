"""The process behind a person's serve: which build it runs, and where it listens.

A cookie proves that somebody answered; only this proves that it was the unit's own process, of the
build that is selected.  What a process says of itself is its owner's word: a person can lie here
about themselves and nobody else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import psutil
from attrs import frozen

from t3safe.adapters._support.adopted import Adopted
from t3safe.adapters._support.http_client import Address
from t3safe.adapters._support.layout import BUILDS, build_folder
from t3safe.domain.errors import DispatchError
from t3safe.domain.versions import Version

PORTS_MAX: Final = 8
"""A serve listens on one port; what its terminals start is not among its programs."""
_NAME: Final = re.compile(r"^[A-Za-z0-9._+-]{1,64}$")


@frozen
class Serve:
    """A unit's process as it was found.

    `runs_build` says whether it, or a process below it, runs the build that was asked for, and
    `listens` where those processes accept connections.  `runs_another` says that the main process
    accepts connections without being of that build (a launcher that is about to become it does
    not); `shown` is what the main process runs, for a message.
    """

    pid: int
    runs_build: bool
    runs_another: bool
    shown: str
    listens: tuple[Address, ...]


def look(store: Path, pid: int, build: Version, adopted: Adopted | None = None) -> Serve | None:
    """Look at a unit's process and those below it; None when it is gone.

    A serve that an adoption left running counts as of the adopted build.  Raises DispatchError
    where it may not be looked at.
    """
    try:
        main = psutil.Process(pid)
        folders = _spellings(build_folder(store, build))
        own = [process for process in _tree(main) if _runs(process, folders)]
        if not own and adopted is not None and adopted.build == build and _precedes(main, adopted):
            own = _tree(main)
        return Serve(
            pid=pid,
            runs_build=bool(own),
            runs_another=not own and any(_sockets(main)),
            shown=_shown(store, main),
            listens=_listening(own),
        )
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied as error:
        raise DispatchError(f"cannot look at process {error.pid}: {_denied()}") from error


def _denied() -> str:
    """What helps whoever may not look: root, too, where a container leaves a capability out."""
    if os.geteuid() == 0:
        return "root may not here; a container needs the capability SYS_PTRACE (`--cap-add`)"
    return "run it as root or as the serve's user"


def _precedes(main: psutil.Process, adopted: Adopted) -> bool:
    """Whether a process was started by the global program before the launcher took its place."""
    return adopted.program in _words(main) and main.create_time() < adopted.at.timestamp()


def _tree(main: psutil.Process) -> list[psutil.Process]:
    return [main, *main.children(recursive=True)]


def _spellings(folder: Path) -> tuple[str, ...]:
    """The ways in which a command line may name a folder: as configured, and with links resolved.

    The folder is ours, not a person's, so resolving it follows nobody's links.
    """
    return tuple({f"{folder}/", f"{folder.resolve()}/"})


def _words(process: psutil.Process) -> list[str]:
    """The program and the words it was started with; none when it is gone."""
    try:
        return [_program(process), *process.cmdline()]
    except psutil.NoSuchProcess:
        return []


def _program(process: psutil.Process) -> str:
    try:
        return process.exe()
    except psutil.AccessDenied:
        return ""


def _runs(process: psutil.Process, folders: tuple[str, ...]) -> bool:
    return any(word.startswith(folders) for word in _words(process))


def _listening(processes: Iterable[psutil.Process]) -> tuple[Address, ...]:
    found = {address for process in processes for address in _sockets(process)}
    return tuple(sorted(found, key=lambda address: address.port)[:PORTS_MAX])


def _sockets(process: psutil.Process) -> Iterator[Address]:
    try:
        connections = process.net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN:
            yield Address.bound(connection.laddr.ip, connection.laddr.port)


def _shown(store: Path, main: psutil.Process) -> str:
    """Name what the main process runs: a build of the store, or a program."""
    words = _words(main)
    for root in _spellings(store / BUILDS):
        for word in words:
            version = word.removeprefix(root).partition("/")[0]
            if word.startswith(root) and _NAME.match(version):
                return version
    name = Path(words[0]).name if words else ""
    return name if _NAME.match(name) else "another program"
