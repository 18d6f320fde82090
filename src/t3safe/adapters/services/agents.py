"""Which processes are agents (claude, codex, opencode), by how they were started.

Rules:

1. A process is an agent by the name of its program, by the name it gives itself, or, under an
   interpreter, by the script it runs and by the package that the script lies in.
2. `codex-linux-x64` and `codex.js` are codex; a folder outside node_modules says nothing, because
   it may be a person's name.
3. A process that is just gone is none.  One that hides from us is an error: unknown is busy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

import psutil

from t3safe.domain.errors import ServiceError

AGENTS: Final = ("claude", "codex", "opencode")
"""The provider CLIs that a serve starts for its turns."""
_INTERPRETERS: Final = ("node", "bun", "deno", "python", "sh", "bash", "dash", "env", "npx", "tsx")
_VALUED: Final = frozenset({"-r", "--require", "--import", "--loader", "-C", "--conditions"})
"""Options of node that are followed by a value, not by the script."""
_PACKAGES: Final = "node_modules"
_ENDS: Final = ("-", "_", ".", "@", " ")


def agents_among(pids: Iterable[int], names: tuple[str, ...]) -> tuple[str, ...]:
    """Name the agents among these processes, each once, sorted.  Raises ServiceError (rule 3)."""
    return tuple(sorted({agent for pid in pids if (agent := _agent(pid, names))}))


def _agent(pid: int, names: tuple[str, ...]) -> str:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            arguments = process.cmdline()
            return agent_of(names, process.name(), program_of(process), arguments)
    except psutil.NoSuchProcess:
        return ""
    except psutil.AccessDenied as error:
        message = f"cannot tell whether process {pid} is an agent: it may not be looked at"
        raise ServiceError(message) from error


def program_of(process: psutil.Process) -> str:
    """The path of the program; empty where a setuid program hides it, its words still show."""
    try:
        return process.exe()
    except psutil.AccessDenied:
        return ""


def agent_of(names: tuple[str, ...], own: str, program: str, arguments: list[str]) -> str:
    """Name the agent that a process is, empty if none (rules 1 and 2).

    `own` is the name that the process gives itself, `program` the path of its executable.
    """
    for word in (own, program, *scripts_of(program, arguments)):
        for part in _telling(word):
            for name in names:
                if part == name or part.startswith(tuple(name + end for end in _ENDS)):
                    return name
    return ""


def scripts_of(program: str, arguments: list[str]) -> Iterator[str]:
    """The words that may name what runs: the first, and under an interpreter its script."""
    yield from arguments[:1]
    started = {PurePosixPath(word).name.rstrip("0123456789.") for word in (program, *arguments[:1])}
    if started.isdisjoint(_INTERPRETERS):
        return
    for option, word in pairwise(arguments):
        if not word.startswith("-") and option not in _VALUED:
            yield word
            return


def _telling(word: str) -> Iterator[str]:
    """The parts of a path that tell what it is: its name, and what lies below node_modules."""
    path = PurePosixPath(word.lower())
    yield path.name
    if _PACKAGES in path.parts:
        last = len(path.parts) - 1 - path.parts[::-1].index(_PACKAGES)
        yield from path.parts[last + 1 :]
