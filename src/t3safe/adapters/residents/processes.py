"""Processes of t3, by what /proc tells of them.

Rules:

1. A process runs a build of the store where its program, or a word that it was started with, lies
   in that build.  With `others`, what was started as `t3 serve` counts too, wherever that t3 is.
2. It is a serve where the word after t3 is `serve`.
3. Our own rehearsals and installs run builds as well: they are nobody's, and no serves.
"""

from __future__ import annotations

import pwd
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final

import psutil
from attrs import frozen

from t3safe.adapters._support.layout import BUILDS
from t3safe.adapters._support.transient import PREFIX
from t3safe.domain.ports import Running
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.t3 import commands

Owner = Callable[[psutil.Process, list[str]], str]
"""Names whose a process is, by itself and its words; empty where it is ours or nobody can tell."""
_GONE: Final = (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError)


@frozen
class T3Processes:
    """Finds them; `store` is the store of builds."""

    store: Path
    owner: Owner
    others: bool = True

    def __call__(self) -> Iterator[Running]:
        """Give every process of t3 that there is now."""
        # The store is ours, not a person's: resolving it follows nobody's links.
        folder = self.store / BUILDS
        roots = tuple({f"{folder}/", f"{folder.resolve()}/"})
        for process in psutil.process_iter():
            with suppress(*_GONE):
                found = self._read(process, roots)
                if found is not None:
                    yield found

    def _read(self, process: psutil.Process, roots: tuple[str, ...]) -> Running | None:
        words = _words(process)
        lies = [word for word in words if word.startswith(roots)]
        serves = any(_serves(*pair, roots) for pair in pairwise(words))
        if not (lies or (serves and self.others)):
            return None
        person = self.owner(process, words)
        build = next((build for word in lies if (build := _build(word, roots))), None)
        return Running(person, process.pid, build, serves and bool(person))


def _serves(program: str, word: str, roots: tuple[str, ...]) -> bool:
    if word != commands.SERVE:
        return False
    return program.startswith(roots) or PurePosixPath(program).name in {"t3", "bin.mjs"}


def _build(word: str, roots: tuple[str, ...]) -> Version | None:
    root = next(root for root in roots if word.startswith(root))
    try:
        return Version.parse(word.removeprefix(root).partition("/")[0])
    except InvalidVersion:
        return None


def _words(process: psutil.Process) -> list[str]:
    """The program, and the words that it was started with."""
    program = ""
    with suppress(psutil.AccessDenied):
        program = process.exe()
    try:
        return [program, *process.cmdline()]
    except psutil.AccessDenied:
        return [program]


def by_user(ours: frozenset[str]) -> Owner:
    """Tell whose a process is by its user; `ours` are users that work for t3safe alone."""

    def owner(process: psutil.Process, _: list[str]) -> str:
        uid = process.uids().effective
        if uid == 0 or PREFIX in Path(f"/proc/{process.pid}/cgroup").read_text(encoding="utf-8"):
            return ""
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            return ""
        return "" if name in ours else name

    return owner


def by_mark(variable: str, folder: Path, base: str) -> Owner:
    """Tell whose a process is where all share one user.

    By the mark of a serve in its environment, or by the base directory that it was started with.
    """
    before, _, after = base.partition("{person}")

    def owner(process: psutil.Process, words: list[str]) -> str:
        with suppress(psutil.AccessDenied, OSError):
            mark = Path(process.environ().get(variable, ""))
            if mark.parent == folder:
                return mark.name
        given = commands.base_of(words)
        if after and given.startswith(before) and given.endswith(after):
            return given[len(before) : -len(after)]
        return ""

    return owner
