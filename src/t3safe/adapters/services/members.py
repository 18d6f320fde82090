"""What runs of a serve: which processes belong to it, which of them are agents, and what they do.

Rules:

1. Where no control group says it, what belongs to a serve is its main process, its session, the
   descendants of anything in it, and every process that bears its mark in the environment: also a
   child that detached itself, also when the serve is gone.  We ourselves never belong to it, though
   we may run in a serve's terminal.
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
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

import psutil
from attrs import frozen

from t3safe.adapters.services import daemon
from t3safe.domain.errors import ServiceError
from t3safe.domain.idle import Process, Sample
from t3safe.domain.people import valid_person
from t3safe.domain.ports import ServeStatus
from t3safe.t3.package import is_own

MARK: Final = "T3SAFE_SERVE"
"""The variable that names the serve that a process belongs to."""
AGENTS: Final = ("claude", "codex", "opencode")
"""The provider CLIs that a serve starts for its turns."""
_NEVER: Final = frozenset({0, 1})
"""The kernel and the first process, whose descendants all processes are."""
_INTERPRETERS: Final = ("node", "bun", "deno", "python", "sh", "bash", "dash", "env", "npx", "tsx")
_VALUED: Final = frozenset({"-r", "--require", "--import", "--loader", "-C", "--conditions"})
"""Options of node that are followed by a value, not by the script."""
_ENDS: Final = ("-", "_", ".", "@", " ")
_HELPERS: Final = ("cloudflared", "resource-monitor")
_SHELLS: Final = frozenset({"bash", "sh", "dash", "zsh", "fish", "ksh", "tcsh", "csh", "nu"})


def failure(what: str, why: str) -> ServiceError:
    """Make the error of whatever manages serves."""
    return ServiceError(f"cannot {what}: {why}")


def require_person(what: str, person: str) -> None:
    """Refuse a name that could be a path, an option or root.  Raises ServiceError."""
    if not valid_person(person):
        raise failure(what, f"{person[:64]!r} is not a person's user name")


@frozen
class Leader:
    """The main process of a serve; `runs` is false where only its session may be left."""

    pid: int
    started: datetime | None
    runs: bool = True


class MarkedServices(ABC):
    """Serves without a control group: their processes bear a mark (rule 1).

    `run_dir` names this host in the marks.
    """

    run_dir: Path
    agents: tuple[str, ...]

    @abstractmethod
    def _leader(self, what: str, person: str) -> Leader | None:
        """Look for the main process.  Raises ServiceError, also for a name that is no person's."""

    def status(self, person: str) -> ServeStatus:
        """How the person's serve stands now."""
        leader = self._leader(f"look at the serve of {person}", person)
        members = tuple(sorted(member.pid for member in self._members(person, leader)))
        agents = agents_among(members, self.agents)
        if leader is None or not leader.runs:
            return ServeStatus(running=False, agents=agents, members=members)
        return ServeStatus(True, leader.pid, leader.started, agents, members)

    def sample(self, person: str) -> Sample:
        """What runs of the serve now beside known helpers, and the processor time of each."""
        leader = self._leader(f"look at the serve of {person}", person)
        members = sorted(member.pid for member in self._members(person, leader))
        return sampled(members, leader.pid if leader is not None else None, self.agents)

    def _mark(self, person: str) -> str:
        return str(self.run_dir / person)

    def _members(self, person: str, leader: Leader | None) -> set[psutil.Process]:
        """Find the living processes of a serve (rule 1)."""
        mark, main = self._mark(person), leader.pid if leader is not None else None
        parents: dict[psutil.Process, int] = {}
        found: set[psutil.Process] = set()
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                if process.pid in _NEVER or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                parents[process] = process.ppid()
                if main in {process.pid, os.getsid(process.pid)} or _marked(process, mark):
                    found.add(process)
        more = found
        while more:
            pids = {member.pid for member in more}
            more = {process for process, parent in parents.items() if parent in pids} - found
            found = found | more
        return {member for member in found if member.pid != os.getpid()}


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except (psutil.AccessDenied, OSError):
        # Another user's process: it cannot be one of ours, which all run as we do.
        return False


def lives(process: psutil.Process) -> bool:
    """Whether that very process still runs; a zombie does not."""
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


class _Looked(NamedTuple):
    """A process: the name that it gives itself, its program, its words, its seconds of processor.

    `program` is empty where a setuid program hides it; its words still show.
    """

    name: str
    program: str
    words: list[str]
    used: float


def _look(pid: int) -> _Looked | None:
    """Look at a process; None where it is gone.  Raises ServiceError (rule 5)."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            program = ""
            with suppress(psutil.AccessDenied):
                program = process.exe()
            times = process.cpu_times()
            used = times.user + times.system + times.children_user + times.children_system
            return _Looked(process.name(), program, process.cmdline(), used)
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied as error:
        message = f"cannot tell whether process {pid} is an agent at work: it may not be looked at"
        raise ServiceError(message) from error


def agents_among(pids: Iterable[int], names: tuple[str, ...]) -> tuple[str, ...]:
    """Name the agents among these processes, each once, sorted.  Raises ServiceError (rule 5)."""
    seen = [one for pid in pids if (one := _look(pid))]
    found = {agent_of(names, one.name, one.program, one.words) for one in seen}
    return tuple(sorted(found - {""}))


def agent_of(names: tuple[str, ...], own: str, program: str, words: list[str]) -> str:
    """Name the agent that a process is, empty if none (rule 2).

    `own` is the name that the process gives itself, `program` the path of its executable.
    """
    for word in (own, program, *_scripts_of(program, words)):
        _, packages, below = f"/{word.lower()}".rpartition("/node_modules/")
        for part in (PurePosixPath(word.lower()).name, *(below.split("/") if packages else ())):
            for name in names:
                if part == name or part.startswith(tuple(name + end for end in _ENDS)):
                    return name
    return ""


def _scripts_of(program: str, words: list[str]) -> Iterator[str]:
    """Give the words that may name what runs: the first, and under an interpreter its script."""
    yield from words[:1]
    started = {PurePosixPath(word).name.rstrip("0123456789.") for word in (program, *words[:1])}
    if started.isdisjoint(_INTERPRETERS):
        return
    for option, word in pairwise(words):
        if not word.startswith("-") and option not in _VALUED:
            yield word
            return


def sampled(pids: Iterable[int], main: int | None, agents: tuple[str, ...]) -> Sample:
    """Sample these processes; `main` is the serve itself.  Raises ServiceError (rule 5)."""
    found = [_process(pid, agents) for pid in pids if pid != main]
    at = time.clock_gettime(time.CLOCK_BOOTTIME)
    return Sample(daemon.boot(), at, tuple(process for process in found if process is not None))


def _process(pid: int, agents: tuple[str, ...]) -> Process | None:
    looked, ticks = _look(pid), daemon.began(pid)
    if looked is None or not ticks:
        return None
    name, program, words, used = looked
    own = any(map(is_own, (program, *_scripts_of(program, words))))
    if own or agent_of(_HELPERS, name, program, words):
        return None
    shell = PurePosixPath(program or name).name.lstrip("-") in _SHELLS
    return Process(
        pid=pid,
        name="".join(sign for sign in name if sign.isprintable())[:32],
        began=ticks / os.sysconf("SC_CLK_TCK"),
        used=used,
        waits=shell or bool(agent_of(agents, name, program, words)),
    )
