"""People's serves through commands of the host's owner: containers, supervisors, anything else.

Rules:

1. `status` ends with 0 where the serve runs, and prints its main process on the first line, as this
   machine numbers it, then, if it likes, the time of its start (ISO 8601 with an offset).  It ends
   with 3 where the serve does not run, as the Linux Standard Base has it.  Whatever else happens
   is unknown, and unknown is an error: never "it is stopped".
2. A stop is done when `status` says so, and no process that belonged to the serve is left.  Nothing
   is killed here: whoever runs the serves knows how.
3. A start is done when `status` says that the serve runs.
4. What runs is not started, and what is at rest is not stopped.
5. What a start leaves running bears a mark in its environment, where it inherits ours; it is found
   by it also when its main process is gone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import psutil
from attrs import define, frozen

from t3safe.adapters._support import child
from t3safe.adapters._support.child import ChildEnd, named
from t3safe.adapters.services.members import (
    AGENTS,
    MARK,
    agents_among,
    began,
    belonging,
    lives,
    sampled,
)
from t3safe.domain.errors import ServiceError
from t3safe.domain.idle import Sample
from t3safe.domain.people import valid_person
from t3safe.domain.ports import ServeStatus

RUNS: Final = 0
RESTS: Final = 3
"""What the exit status of `status` says (rule 1); 3 is "program is not running" of LSB."""
SETTLE_SECONDS: Final = 2.0
"""How long `status` may name a process that just ended."""
_POLL_SECONDS: Final = 0.2


@frozen
class _Running:
    """A serve that runs, as `status` told it."""

    pid: int
    started: datetime | None


@define
class CommandServices:
    """Implements the port Services; raises ServiceError alone.

    Each of the commands may hold `{person}`.  `run_dir` names this host in the marks of its serves
    (rule 5); nothing is written there.  `timeout` is how long `status` and `start` may take,
    and how long a started serve until it runs; `stop_timeout` how long a stop may take, with all
    that belonged to the serve; in seconds.
    """

    run_dir: Path
    start_command: tuple[str, ...]
    stop_command: tuple[str, ...]
    status_command: tuple[str, ...]
    agents: tuple[str, ...] = AGENTS
    timeout: float = 60.0
    stop_timeout: float = 90.0
    settle: float = SETTLE_SECONDS
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def status(self, person: str) -> ServeStatus:
        """How the person's serve stands now."""
        found = self._look(f"look at the serve of {person}", person)
        members = tuple(sorted(member.pid for member in self._members(person, found)))
        agents = agents_among(members, self.agents)
        if found is None:
            return ServeStatus(running=False, agents=agents, members=members)
        return ServeStatus(True, found.pid, found.started, agents, members)

    def sample(self, person: str) -> Sample:
        """What runs of the serve now beside known helpers, and the processor time of each."""
        found = self._look(f"look at the serve of {person}", person)
        members = sorted(member.pid for member in self._members(person, found))
        return sampled(members, found.pid if found is not None else None, self.agents)

    def people(self) -> tuple[str, ...]:
        """Nobody: the owner's commands are asked for one person and list none."""
        return ()

    def stop(self, person: str) -> None:
        """Stop the serve; returns when it is at rest and nothing of it is left (rule 2)."""
        what = f"stop the serve of {person}"
        found = self._look(what, person)
        left = self._members(person, found)
        if found is None and not left:
            return
        deadline = self.monotonic() + self.stop_timeout
        ran = self._run(what, person, self.stop_command, self.stop_timeout)
        while True:
            found = self._look(what, person)
            left = {process for process in left | self._members(person, found) if lives(process)}
            if found is None and not left:
                return
            if self.monotonic() >= deadline or (found is not None and ran.status != 0):
                break
            self.sleep(_POLL_SECONDS)
        told = self._told(person, self.stop_command, ran)
        pids = sorted(process.pid for process in left)
        rest = f"process {pids} is left" if found is None else "`services.status` says that it runs"
        raise _failure(what, f"{told}; {rest}")

    def start(self, person: str) -> None:
        """Start the serve; returns when it runs, not when it answers (rule 3)."""
        what = f"start the serve of {person}"
        if self._look(what, person) is not None:
            return
        deadline = self.monotonic() + self.timeout
        mark = {MARK: self._mark(person)}
        ran = self._run(what, person, self.start_command, self.timeout, mark)
        told = self._told(person, self.start_command, ran)
        if ran.status != 0:
            raise _failure(what, told)
        while self._look(what, person) is None:
            if self.monotonic() >= deadline:
                raise _failure(what, f"{told}; `services.status` says that it does not run")
            self.sleep(_POLL_SECONDS)

    # What `status` says (rule 1).

    def _look(self, what: str, person: str) -> _Running | None:
        if not valid_person(person):
            raise _failure(what, f"{person[:64]!r} is not a person's user name")
        deadline = self.monotonic() + self.settle
        while True:
            ran = self._run(what, person, self.status_command, self.timeout)
            if ran.status == RESTS:
                return None
            if ran.status != RUNS:
                told = self._told(person, self.status_command, ran)
                why = f"{told}; it says neither that it runs (0) nor that it does not (3)"
                raise _failure(what, why)
            found = self._read(what, person, ran.first)
            if _is_there(found.pid):
                return found
            if self.monotonic() >= deadline:
                why = f"{_named(person, self.status_command)} names process {found.pid}"
                how = "it must be the number that this machine knows the process by"
                raise _failure(what, f"{why}, which is not there; {how}")
            self.sleep(_POLL_SECONDS)

    def _read(self, what: str, person: str, line: str) -> _Running:
        """Read the first line that `status` printed."""
        pid, _, text = line.partition(" ")
        started = None
        with suppress(ValueError):
            started = datetime.fromisoformat(text.strip()) if text.strip() else None
            if pid.isascii() and int(pid) > 1 and (started is None or started.tzinfo is not None):
                return _Running(int(pid), started or began(int(pid)))
        how = "a process and, if it likes, the time of its start (ISO 8601 with an offset)"
        named = _named(person, self.status_command)
        raise _failure(what, f"{named} ends with 0, but its first line is not {how}")

    # What belongs to a serve.

    def _members(self, person: str, found: _Running | None) -> set[psutil.Process]:
        return belonging(found.pid if found is not None else None, self._mark(person))

    def _mark(self, person: str) -> str:
        return str(self.run_dir / person)

    # Commands.

    def _run(
        self,
        what: str,
        person: str,
        command: tuple[str, ...],
        seconds: float,
        environment: dict[str, str] | None = None,
    ) -> ChildEnd:
        try:
            given = {**os.environ, **(environment or {})}
            return child.run(_filled(person, command), seconds, given, leave=True)
        except OSError as error:
            why = f"{_named(person, command)} cannot be run: {error.strerror}"
            raise _failure(what, why) from error

    def _told(self, person: str, command: tuple[str, ...], ran: ChildEnd) -> str:
        return f"{_named(person, command)} {ran.told}"


def _is_there(pid: int) -> bool:
    try:
        return lives(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def _filled(person: str, command: tuple[str, ...]) -> list[str]:
    return [word.replace("{person}", person) for word in command]


def _named(person: str, command: tuple[str, ...]) -> str:
    return named(_filled(person, command))


def _failure(what: str, why: str) -> ServiceError:
    return ServiceError(f"cannot {what}: {why}")
