"""Everything that a V2 start could reach, laid out so that it shows what was done with it.

    with Trap(tmp_path / "trap") as trap:
        trap.bait(base_dir)          # a V2 set: work to go on with, settings that allow it
        ...                          # start a serve on it, or on a copy, with PATH=trap.path
        assert trap.seen() == []
        assert done(log) == []

`seen` is what happened outside; `done` is what the serve says that it could do, which also tells
of a program that ran where it could leave no trace.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from fakes.t3.app.build import PROVIDER_CLIS
from fakes.t3.app.startwork import MARKER
from fakes.t3.v2states import add_marks, allow_everything

PROGRAMS: Final = (*PROVIDER_CLIS, "cloudflared", "git")
_SCRIPT: Final = '#!/bin/sh\nprintf "%s\\n" "$(basename "$0") in $PWD: $*" >> {calls}\n'
_SAID: Final = re.compile(r"start work: (.*): done$", re.MULTILINE)


class TrapListener:
    """An address that takes connections and keeps what each of them sends first."""

    def __init__(self) -> None:
        self.heard = list[str]()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(2)
                self.heard.append(connection.recv(1000).decode(errors="replace").strip())


class Trap:
    """A worktree, programs and an address that note what is done with them.

    `path` is the PATH to start a serve with, `worktree` the folder of every thread and project.
    """

    def __init__(self, folder: Path, programs: tuple[str, ...] = PROGRAMS) -> None:
        self.worktree, self._tools = folder / "worktree", folder / "bin"
        self._calls, self._listener = folder / "calls", TrapListener()
        for each in (self.worktree, self._tools):
            each.mkdir(parents=True)
        for name in programs:
            (self._tools / name).write_text(_SCRIPT.format(calls=self._calls), encoding="utf-8")
            (self._tools / name).chmod(0o755)

    @property
    def path(self) -> str:
        """The trap's programs, then the system's."""
        return f"{self._tools}:/usr/bin:/bin"

    def bait(self, base_dir: Path) -> None:
        """Give a V2 set one of everything that a start goes on with, and allow it."""
        marks = ("running", "title", "due-task", "webhook")
        add_marks(base_dir, marks, worktree=self.worktree)
        add_marks(base_dir, ["capture"], thread="thread-of-trap", worktree=self.worktree)
        allow_everything(base_dir, self._listener.address)

    def seen(self) -> list[str]:
        """Everything that was done, sorted: `ran ...`, `wrote ...` and `connected ...`."""
        found = [f"ran {line}" for line in _lines(self._calls)]
        found += [f"wrote {line}" for line in _lines(self.worktree / MARKER)]
        others = (each.name for each in self.worktree.iterdir() if each.name != MARKER)
        found += [f"wrote {name}" for name in others]
        return sorted(found + [f"connected {line}" for line in self._listener.heard])

    def __enter__(self) -> Self:
        self._listener.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.__exit__()


def done(log: str) -> list[str]:
    """What a serve's log says that it did at its start, as `DEED WHAT`."""
    return _SAID.findall(log)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
