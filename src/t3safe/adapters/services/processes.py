"""People's serves as plain processes: for containers without systemd, and the embedded host.

Everything runs as the user that we are.  `run_dir` holds for each person a pid file, a lock and the
log of this start and of the one before (they hold secrets: mode 0600 in a folder of 0700).

Rules:

1. A pid file names a process by pid, the tick it began in and the boot: a recycled pid is never
   taken for the serve.
2. What belongs to a serve is its session, the descendants of anything in it, and every process that
   bears its mark in the environment: also a child that detached itself, also when the serve is
   gone.  We ourselves never belong to it, though we may run in a serve's terminal.
3. A stop asks all of it with SIGTERM, as systemd does, then ends it with SIGKILL, and returns when
   nothing is left.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil
from attrs import define, field

from t3safe.adapters._support import child
from t3safe.adapters._support.durable import make_folders, sync_folder
from t3safe.adapters.services import daemon
from t3safe.adapters.services.members import (
    AGENTS,
    MARK,
    Leader,
    MarkedServices,
    began,
    failure,
    require_person,
)

PASSED_ON: Final = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR")
"""Variables of ours that a serve gets; the rest is what `environment` says."""
_POLL_SECONDS: Final = 0.1


@define
class ProcessServices(MarkedServices):
    """Implements the port Services; raises ServiceError alone.

    `command` and the values of `environment` may hold `{t3}`, `{person}`, `{base}` and `{port}`;
    `t3` and `base` may hold `{person}`; `ports` gives each person's port.  `stop_timeout` is how
    long a serve may take to end, `kill_timeout` how long the kernel may take to end what was
    killed, `start_timeout` how long until the serve's program is executed; in seconds.
    """

    run_dir: Path
    command: tuple[str, ...]
    t3: str
    base: str
    ports: Mapping[str, int] = field(factory=dict)
    environment: Mapping[str, str] = field(factory=dict)
    agents: tuple[str, ...] = AGENTS
    stop_timeout: float = 60.0
    kill_timeout: float = 10.0
    start_timeout: float = 15.0
    python: str = sys.executable

    def log_file(self, person: str) -> Path:
        """Where the person's serve writes its log."""
        return self.run_dir / f"{person}.log"

    def people(self) -> tuple[str, ...]:
        """All people whose serve was started and not stopped."""
        return tuple(sorted(path.stem for path in self.run_dir.glob("*.pid")))

    def stop(self, person: str) -> None:
        """Stop the serve with everything in its group; returns when nothing of it is left."""
        what = f"stop the serve of {person}"
        with self._alone(what, person):
            self._end(what, person, self._leader(what, person))
            with _failing(what):
                self._pid_file(person).unlink(missing_ok=True)
                sync_folder(self.run_dir)

    def start(self, person: str) -> None:
        """Start the serve; returns when its program was executed, not when it answers."""
        what = f"start the serve of {person}"
        with self._alone(what, person) as lock:
            leader = self._leader(what, person)
            if leader is not None and leader.runs:
                return
            with _failing(what), suppress(FileNotFoundError):
                self.log_file(person).replace(self.run_dir / f"{person}.log.1")
            self._launch(what, person, lock)

    # Starting.

    def _launch(self, what: str, person: str, lock: int) -> None:
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        own = {name: self._filled(what, person, word) for name, word in self.environment.items()}
        job = {
            "argv": [self._filled(what, person, word) for word in self.command],
            "env": {**passed, **own, MARK: self._mark(person)},
            "log": str(self.log_file(person)),
            "pid_file": str(self._pid_file(person)),
            "lock": lock,
        }
        try:
            ran = child.run(
                [self.python, "-I", daemon.__file__],
                self.start_timeout,
                os.environ,
                stdin=json.dumps(job).encode(),
                pass_fds=(lock,),
                until_closed=True,
            ).in_time()
        except TimeoutError as error:
            raise failure(what, str(error)) from error
        except OSError as error:
            raise failure(what, f"{self.python} cannot be run ({error.strerror})") from error
        said = child.shown((ran.out or ran.err).decode("utf-8", "replace"))[-300:]
        if said or ran.status != 0:
            raise failure(what, f"{said or 'it died'}; look at `services.command`")

    def _filled(self, what: str, person: str, word: str) -> str:
        port = self.ports.get(person)
        if port is None and "{port}" in word:
            raise failure(what, f"`services.ports` gives {person} no port")
        word = word.replace("{t3}", self.t3).replace("{base}", self.base)
        return word.replace("{port}", str(port)).replace("{person}", person)

    # Stopping.

    def _end(self, what: str, person: str, leader: Leader | None) -> None:
        """Signal everything that belongs to the serve, once each, until nothing is left."""
        for number, patience in (
            (signal.SIGTERM, self.stop_timeout),
            (signal.SIGKILL, self.kill_timeout),
        ):
            deadline = time.monotonic() + patience
            asked: set[psutil.Process] = set()
            while members := self._members(person, leader):
                for member in members - asked:
                    # psutil makes sure that it is still the process that was found.
                    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                        member.send_signal(number)
                asked |= members
                if time.monotonic() >= deadline:
                    break
                time.sleep(_POLL_SECONDS)
            else:
                return
        left = sorted(process.pid for process in self._members(person, leader))
        why = f"process {left} is left after SIGKILL; look at what it waits for in the kernel"
        raise failure(what, why)

    # Files.

    def _pid_file(self, person: str) -> Path:
        return self.run_dir / f"{person}.pid"

    def _leader(self, what: str, person: str) -> Leader | None:
        """Read the pid file (rule 1); None where there is none, or its process is another one.

        The kernel gives no pid away that a session still bears.  So the session of that number is
        the serve's, unless another process has the pid by now or the machine was booted since.
        """
        require_person(what, person)
        file, content = self._pid_file(person), None
        try:
            with suppress(ValueError):
                content = json.loads(file.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failure(what, f"{file} cannot be read: {error.strerror}") from error
        match content:
            case {"pid": int(pid), "began": int(tick), "boot": str(boot)} if pid > 1 and tick > 0:
                now = daemon.began(pid) if boot == daemon.boot() else -1
                return Leader(pid, began(pid), now == tick) if now in {0, tick} else None
        how = "remove it once no serve of theirs runs"
        raise failure(what, f"{file} is no pid file of ours; {how}")

    @contextmanager
    def _alone(self, what: str, person: str) -> Iterator[int]:
        """Hold the person's lock; a start that is not through yet holds it too."""
        require_person(what, person)
        with _failing(what):
            make_folders(self.run_dir, mode=0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            lock = os.open(self.run_dir / f"{person}.lock", flags, 0o600)
        try:
            deadline = time.monotonic() + self.start_timeout
            while not _locked(lock):
                if time.monotonic() >= deadline:
                    why = f"another process starts or stops the serve of {person}; try again"
                    raise failure(what, why)
                time.sleep(_POLL_SECONDS)
            yield lock
        finally:
            os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise failure(what, f"{error.filename}: {error.strerror}") from error
