"""What runs of a serve: which processes belong to it, which of them are agents, and what they do.

Rules:

1. Where no control group says it, what belongs to a serve is its main process, its session, the
   descendants of anything in it, and every process that bears its mark in the environment: also a
   child that detached itself, also when the serve is gone.  We ourselves never belong to it, though
   somebody may call us from a serve's terminal.
2. A process is an agent (claude, codex, opencode) by the name of its program, by the name it gives
   itself, or, under an interpreter, by the script it runs and by the package that the script lies
   in.  `codex-linux-x64` and `codex.js` are codex; a folder outside node_modules says nothing,
   because it may be a person's name.
3. The serve itself, what belongs to t3's own package, and `cloudflared` and `resource-monitor` are
   helpers: they are busy whether or not the person is.  Shells and agents wait to be used.
4. Times are since the boot: they do not change when the clock is set.
5. A process that is just gone is none.  One that hides from us is an error: unknown is busy.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

import psutil

from t3safe.adapters.services import daemon
from t3safe.domain.errors import ServiceError
from t3safe.domain.idle import Process, Sample
from t3safe.t3.package import is_own

MARK: Final = "T3SAFE_SERVE"
"""The variable that tells whose serve a process belongs to."""
_NEVER: Final = frozenset({0, 1})
"""The kernel and the first process, whose descendants everybody is."""


def belonging(leader: int | None, mark: str) -> set[psutil.Process]:
    """Find the living processes of the serve whose main process and session `leader` is or was."""
    parents: dict[psutil.Process, int] = {}
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.pid in _NEVER or process.status() == psutil.STATUS_ZOMBIE:
                continue
            parents[process] = process.ppid()
            if leader in {process.pid, os.getsid(process.pid)} or _marked(process, mark):
                found.add(process)
    return {member for member in _with_descendants(found, parents) if member.pid != os.getpid()}


def lives(process: psutil.Process) -> bool:
    """Whether that very process still runs; one that nobody reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def began(pid: int) -> datetime | None:
    """When a process was made; None when it is gone."""
    try:
        return datetime.fromtimestamp(psutil.Process(pid).create_time(), UTC)
    except psutil.NoSuchProcess:
        return None


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except (psutil.AccessDenied, OSError):
        # Somebody else's process: it cannot be one of ours, which all run as we do.
        return False


def _with_descendants(
    members: set[psutil.Process], parents: Mapping[psutil.Process, int]
) -> set[psutil.Process]:
    found = set(members)
    while True:
        pids = {member.pid for member in found}
        more = {process for process, parent in parents.items() if parent in pids} - found
        if not more:
            return found
        found |= more


AGENTS: Final = ("claude", "codex", "opencode")
"""The provider CLIs that a serve starts for its turns."""
_INTERPRETERS: Final = ("node", "bun", "deno", "python", "sh", "bash", "dash", "env", "npx", "tsx")
_VALUED: Final = frozenset({"-r", "--require", "--import", "--loader", "-C", "--conditions"})
"""Options of node that are followed by a value, not by the script."""
_PACKAGES: Final = "node_modules"
_ENDS: Final = ("-", "_", ".", "@", " ")


def agents_among(pids: Iterable[int], names: tuple[str, ...]) -> tuple[str, ...]:
    """Name the agents among these processes, each once, sorted.  Raises ServiceError (rule 5)."""
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
    """Name the agent that a process is, empty if none (rule 2).

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


HELPERS: Final = ("cloudflared", "resource-monitor")
SHELLS: Final = frozenset({"bash", "sh", "dash", "zsh", "fish", "ksh", "tcsh", "csh", "nu"})


def sampled(pids: Iterable[int], main: int | None, agents: tuple[str, ...]) -> Sample:
    """Sample these processes; `main` is the serve itself.  Raises ServiceError (rule 5)."""
    found = [_process(pid, agents) for pid in pids if pid != main]
    at = time.clock_gettime(time.CLOCK_BOOTTIME)
    return Sample(daemon.boot(), at, tuple(process for process in found if process is not None))


def _process(pid: int, agents: tuple[str, ...]) -> Process | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            arguments, name, program = process.cmdline(), process.name(), program_of(process)
            times = process.cpu_times()
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied as error:
        message = f"cannot tell whether process {pid} is at work: it may not be looked at"
        raise ServiceError(message) from error
    began = daemon.began(pid)
    words = (program, *scripts_of(program, arguments))
    if not began or agent_of(HELPERS, name, program, arguments) or any(map(is_own, words)):
        return None
    shell = PurePosixPath(program or name).name.lstrip("-") in SHELLS
    return Process(
        pid=pid,
        name="".join(sign for sign in name if sign.isprintable())[:32],
        began=began / os.sysconf("SC_CLK_TCK"),
        used=times.user + times.system + times.children_user + times.children_system,
        waits=shell or bool(agent_of(agents, name, program, arguments)),
    )
