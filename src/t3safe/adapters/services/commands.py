"""People's serves through commands of the host's owner: containers, supervisors, anything else.

Rules:

1. `status` ends with 0 where the serve runs, and prints its main process on the first line, as this
   machine numbers it, then, if it likes, the time of its start (ISO 8601 with an offset).  It ends
   with 3 where the serve does not run, as the Linux Standard Base has it.  All else is unknown, and
   unknown is an error: never "it is stopped".
2. A stop is done when `status` says so, and no process that belonged to the serve is left.  Nothing
   is killed here: what runs the serves knows how.
3. A start is done when `status` says that the serve runs.
4. What runs is not started, and what is at rest is not stopped.
5. What a start leaves running bears a mark in its environment, where it inherits ours; it is found
   by it also when its main process is gone.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import psutil
from attrs import define

from t3safe.adapters._support import child
from t3safe.adapters._support.child import ChildEnd
from t3safe.adapters.services.members import (
    AGENTS,
    MARK,
    Leader,
    MarkedServices,
    began,
    failure,
    lives,
    require_person,
)

_RUNS: Final = 0
_RESTS: Final = 3
"""What the exit status of `status` says (rule 1); 3 is "program is not running" of LSB."""
_POLL_SECONDS: Final = 0.2


@define
class CommandServices(MarkedServices):
    """Implements the port Services; raises ServiceError alone.

    Each of the commands may hold `{person}`.  Nothing is written in `run_dir`.  `timeout` is how
    long `status` and `start` may take, and how long a started serve until it runs; `stop_timeout`
    how long a stop may take, with all that belonged to the serve; `settle` how long `status` may
    name a process that just ended; in seconds.
    """

    run_dir: Path
    start_command: tuple[str, ...]
    stop_command: tuple[str, ...]
    status_command: tuple[str, ...]
    agents: tuple[str, ...] = AGENTS
    timeout: float = 60.0
    stop_timeout: float = 90.0
    settle: float = 2.0

    def people(self) -> tuple[str, ...]:
        """Nobody: the owner's commands are asked for one person and list none."""
        return ()

    def stop(self, person: str) -> None:
        """Stop the serve; returns when it is at rest and nothing of it is left (rule 2)."""
        what = f"stop the serve of {person}"
        leader = self._leader(what, person)
        left = self._members(person, leader)
        if leader is None and not left:
            return
        deadline = time.monotonic() + self.stop_timeout
        ran, said = self._run(what, person, self.stop_command, self.stop_timeout)
        while True:
            leader = self._leader(what, person)
            left = {process for process in left | self._members(person, leader) if lives(process)}
            if leader is None and not left:
                return
            if time.monotonic() >= deadline or (leader is not None and ran.status != 0):
                break
            time.sleep(_POLL_SECONDS)
        pids = sorted(process.pid for process in left)
        rest = "`services.status` says that it runs" if leader else f"process {pids} is left"
        raise failure(what, f"{said}; {rest}")

    def start(self, person: str) -> None:
        """Start the serve; returns when it runs, not when it answers (rule 3)."""
        what = f"start the serve of {person}"
        if self._leader(what, person) is not None:
            return
        deadline = time.monotonic() + self.timeout
        mark = {MARK: self._mark(person)}
        ran, said = self._run(what, person, self.start_command, self.timeout, mark)
        if ran.status != 0:
            raise failure(what, said)
        while self._leader(what, person) is None:
            if time.monotonic() >= deadline:
                raise failure(what, f"{said}; `services.status` says that it does not run")
            time.sleep(_POLL_SECONDS)

    def _leader(self, what: str, person: str) -> Leader | None:
        """Ask `status` (rule 1)."""
        require_person(what, person)
        deadline = time.monotonic() + self.settle
        while True:
            ran, said = self._run(what, person, self.status_command, self.timeout)
            if ran.status == _RESTS:
                return None
            if ran.status != _RUNS:
                why = "it says neither that it runs (0) nor that it does not (3)"
                raise failure(what, f"{said}; {why}")
            leader = _read(ran.first)
            if leader is None:
                how = "a process and, if it likes, the time of its start (ISO 8601 with an offset)"
                raise failure(what, f"{said}, but its first line is not {how}")
            with suppress(psutil.NoSuchProcess):
                if lives(psutil.Process(leader.pid)):
                    return leader
            if time.monotonic() >= deadline:
                how = "it must be the number that this machine knows the process by"
                why = f"it names process {leader.pid}, which is not there"
                raise failure(what, f"{said}; {why}; {how}")
            time.sleep(_POLL_SECONDS)

    def _run(
        self,
        what: str,
        person: str,
        command: tuple[str, ...],
        seconds: float,
        environment: dict[str, str] | None = None,
    ) -> tuple[ChildEnd, str]:
        """Run a command; gives how it ended, and the same in words."""
        words = [word.replace("{person}", person) for word in command]
        name, given = child.named(words), {**os.environ, **(environment or {})}
        try:
            ran = child.run(words, seconds, given, leave=True)
        except OSError as error:
            raise failure(what, f"{name} cannot be run: {error.strerror}") from error
        return ran, f"{name} {ran.told}"


def _read(line: str) -> Leader | None:
    """Read the first line that `status` printed; None where it is of another form."""
    pid, _, text = line.partition(" ")
    with suppress(ValueError):
        started = datetime.fromisoformat(text.strip()) if text.strip() else None
        if pid.isascii() and int(pid) > 1 and (started is None or started.tzinfo is not None):
            return Leader(int(pid), started or began(int(pid)))
    return None
