"""What is executed of a build: found in what npm installed, looked at, led to by a link.

Rules:

1. It is t3 itself.  A package that is a launcher has it in the package for this host's platform,
   which must be there, of the same version, for this machine, and loadable here.
2. Nothing is executed here; what is read lies inside the build and is no link out of it.
3. Whatever it is, `layout.PROGRAM` leads to it: in npm's words the package's command.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from t3safe.adapters._support import layout
from t3safe.adapters.builds import tree
from t3safe.adapters.builds.manifest import opened, read_json
from t3safe.t3 import package
from t3safe.t3.package import PackageManifest, Problem, Shape, Whose

_OFFSET_MAX: Final = 2**62
"""No file is so long; what claims it reads as empty there."""


class ProblemError(Exception):
    """Raised where a package has no program that this host can execute."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


def find(prefix: Path, found: PackageManifest, npm: str) -> str:
    """Find what is to be executed, below the prefix (rule 1); `npm` is the version of npm.

    Raises UnreadableError and ProblemError.
    """
    if found.shape is not Shape.LAUNCHER:
        entry = prefix / layout.PROGRAM
        with suppress(OSError, RuntimeError, ValueError):
            if entry.is_file():
                return str(entry.resolve().relative_to(prefix.resolve()))
        what = f"npm reports success, and there is no {layout.PROGRAM}"
        raise ProblemError(Problem(what, Whose.LATER, "the next run tries again"))
    machine = os.uname().machine
    name = package.platform_package(found, machine)
    if isinstance(name, Problem):
        raise ProblemError(name)
    for described, program in package.platform_files(found, name):
        if not (prefix / described).exists():
            continue
        platform = PackageManifest.read(read_json(prefix, described))
        with opened(prefix, program) as file:

            def read(offset: int, size: int, file: IO[bytes] = file) -> bytes:
                file.seek(min(offset, _OFFSET_MAX))
                return file.read(size)

            executable = bool(os.fstat(file.fileno()).st_mode & 0o111)
            elf = package.read_elf(read)
        seen = package.NativeFile(program, elf, executable)
        problem = package.judge_native(found, platform, machine, seen)
        if problem is None and elf is not None and elf.loader and not _is_there(elf.loader):
            problem = package.lacks_loader(elf.loader)
        if problem is not None:
            raise ProblemError(problem)
        return program
    raise ProblemError(package.absent(name, npm))


def _is_there(loader: str) -> bool:
    return os.path.exists(loader)  # noqa: PTH110 - no Path of a hostile text: it may be too long


def lead(prefix: Path, program: str) -> None:
    """Let `layout.PROGRAM` lead to this file of a build (rule 3).  Raises OSError."""
    if not leads(prefix, program):
        tree.lead(prefix, layout.PROGRAM, os.path.relpath(program, Path(layout.PROGRAM).parent))


def leads(prefix: Path, program: str) -> bool:
    """Whether `layout.PROGRAM` leads to this file of a build."""
    try:
        return (prefix / layout.PROGRAM).resolve(strict=True) == prefix.resolve() / program
    except (OSError, RuntimeError):
        return False
