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
from t3safe.adapters._support.buildpaths import BuildPaths, Seen, seen
from t3safe.adapters._support.http_client import Address
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
        builds = BuildPaths.of(store)
        own = [one for one in _tree(main) if build.text in builds.named(_seen(one))]
        if not own and adopted is not None and adopted.build == build and _precedes(main, adopted):
            own = _tree(main)
        return Serve(
            pid=pid,
            runs_build=bool(own),
            runs_another=not own and any(_sockets(main)),
            shown=_shown(builds, main),
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
    return adopted.program in _seen(main).all and main.create_time() < adopted.at.timestamp()


def _tree(main: psutil.Process) -> list[psutil.Process]:
    return [main, *main.children(recursive=True)]


def _seen(process: psutil.Process) -> Seen:
    """The program and the words it was started with; neither when it is gone."""
    try:
        return seen(process.pid)
    except PermissionError as error:
        raise psutil.AccessDenied(process.pid) from error
    except OSError:
        return Seen()


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


def _shown(builds: BuildPaths, main: psutil.Process) -> str:
    """Name what the main process runs: a build of the store, or a program."""
    one = _seen(main)
    program = Path(one.program or next(iter(one.words), "")).name
    names = (*builds.named(one), program)
    return next((name for name in names if _NAME.match(name)), "another program")
