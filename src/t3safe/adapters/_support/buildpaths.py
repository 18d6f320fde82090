"""Which build of the store a process runs, by what the kernel says of it.

Rules:

1. The executable says it where it is a build's own (a native program), else the words that the
   process was started with (node and the program).  Words are their owner's, who can lie with them
   about their own processes alone.
2. A process is *of* a build where its executable or any word lies in it: enough to count it.  It
   *executes* one where its executable does, or one of its first words is a program of it: what only
   names a file of a build may be an editor, which is not ended.
3. Nothing of a person's is opened or followed: what the kernel says is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.adapters._support.layout import BUILDS
from t3safe.t3.package import is_installed_program

PROC: Final = Path("/proc")
_FIRST_WORDS: Final = 3
"""`node PROGRAM ...`, or `sh PROGRAM ...` through `env`: the program is among the first words."""
_DELETED: Final = " (deleted)"


@frozen
class ProcessSeen:
    """The executable of a process, empty where it is hidden, and the words it was started with."""

    program: str = ""
    words: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """The executable and the words."""
        return self.program, *self.words


def seen(pid: int, proc: Path = PROC) -> ProcessSeen:
    """Look at a process; one that ended and waits for its parent has neither.

    Raises FileNotFoundError or ProcessLookupError where it is gone, PermissionError where even its
    words are hidden.
    """
    folder, program = proc / str(pid), ""
    with suppress(OSError):
        program = str((folder / "exe").readlink()).removesuffix(_DELETED)
    raw = (folder / "cmdline").read_bytes()
    words = raw.removesuffix(b"\0").split(b"\0") if raw else []
    return ProcessSeen(program, tuple(map(os.fsdecode, words)))


@frozen
class BuildPaths:
    """Tells the builds below a store from a path; `roots` are its spellings, each with a slash."""

    roots: tuple[str, ...]

    @classmethod
    def of(cls, store: Path) -> BuildPaths:
        """Take a store as it is configured, and with links resolved: it is ours, not a person's."""
        folder = store / BUILDS
        return cls(tuple({f"{folder}/", f"{folder.resolve()}/"}))

    def named(self, process: ProcessSeen) -> Iterator[str]:
        """Give the builds that a process is of (rule 2), by the names of their folders."""
        for word in process.all:
            name = self._name(word)
            if name:
                yield name

    def executed(self, process: ProcessSeen) -> bool:
        """Whether a process executes a build (rule 2)."""
        if self._name(process.program):
            return True
        first = process.words[:_FIRST_WORDS]
        return any(self._name(word) and is_installed_program(word) for word in first)

    def _name(self, path: str) -> str:
        """The folder of the build that a path lies in, empty where it lies in none."""
        root = next((root for root in self.roots if path.startswith(root)), None)
        return "" if root is None else path.removeprefix(root).partition("/")[0]
