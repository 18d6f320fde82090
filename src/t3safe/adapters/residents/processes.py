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
from pathlib import Path
from typing import Final

import psutil
from attrs import frozen

from t3safe.adapters._support.buildpaths import BuildPaths, Seen, seen
from t3safe.adapters._support.transient import PREFIX
from t3safe.domain.ports import Running
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.t3 import commands
from t3safe.t3.package import is_program

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
        builds = BuildPaths.of(self.store)
        for process in psutil.process_iter():
            with suppress(*_GONE):
                found = self._read(process, builds)
                if found is not None:
                    yield found

    def _read(self, process: psutil.Process, builds: BuildPaths) -> Running | None:
        one = _seen(process.pid)
        named = tuple(builds.named(one))
        serves = any(_serves(*pair, builds.roots) for pair in pairwise(one.all))
        if not (named or (serves and self.others)):
            return None
        person = self.owner(process, list(one.all))
        build = next((build for name in named if (build := _build(name))), None)
        return Running(person, process.pid, build, serves and bool(person))


def _serves(program: str, word: str, roots: tuple[str, ...]) -> bool:
    return word == commands.SERVE and (program.startswith(roots) or is_program(program))


def _build(name: str) -> Version | None:
    try:
        return Version.parse(name)
    except InvalidVersion:
        return None


def _seen(pid: int) -> Seen:
    """Look at a process; one that hides its words, as where only root may see them, has none."""
    try:
        return seen(pid)
    except PermissionError:
        return Seen()


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
