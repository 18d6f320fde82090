"""People's serves as plain processes: for containers without systemd, and the embedded host.

Everything runs as the user that we are.  `run_dir` holds for each person a pid file, a lock and the
log of this start and of the one before (they hold secrets: mode 0600 in a folder of 0700).

Rules:

1. A pid file names a process by pid, the tick it began in and the boot: a recycled pid is never
   taken for the serve.
2. What belongs to a serve is its session, the descendants of anything in it, and every process that
   bears its mark in the environment: also a child that detached itself, also when the serve is
   gone.  We ourselves never belong to it, though somebody may call us from a serve's terminal.
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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil
from attrs import define, field, frozen

from t3safe.adapters._support import child
from t3safe.adapters._support.durable import make_folders, sync_folder
from t3safe.adapters.services import daemon
from t3safe.adapters.services.members import AGENTS, MARK, agents_among, began, belonging, sampled
from t3safe.domain.errors import ServiceError
from t3safe.domain.idle import Sample
from t3safe.domain.people import valid_person
from t3safe.domain.ports import ServeStatus

PASSED_ON: Final = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR")
"""Variables of ours that a serve gets; the rest is what `environment` says."""
_POLL_SECONDS: Final = 0.1


@frozen
class _Record:
    """What a pid file says."""

    pid: int
    began: int
    boot: str

    @property
    def alive(self) -> bool:
        """Whether that very process runs (rule 1)."""
        return self.boot == daemon.boot() and daemon.began(self.pid) == self.began


@define
class ProcessServices:
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

    def status(self, person: str) -> ServeStatus:
        """How the person's serve stands now."""
        what = f"look at the serve of {person}"
        self._check(what, person)
        record = self._record(what, person)
        members = tuple(sorted(member.pid for member in self._members(person, record)))
        agents = agents_among(members, self.agents)
        if record is None or not record.alive:
            return ServeStatus(running=False, agents=agents, members=members)
        return ServeStatus(True, record.pid, began(record.pid), agents, members)

    def sample(self, person: str) -> Sample:
        """What runs of the serve now beside known helpers, and the processor time of each."""
        what = f"look at the serve of {person}"
        self._check(what, person)
        record = self._record(what, person)
        members = sorted(member.pid for member in self._members(person, record))
        return sampled(members, record.pid if record is not None else None, self.agents)

    def people(self) -> tuple[str, ...]:
        """Everybody whose serve was started and not stopped."""
        return tuple(sorted(path.stem for path in self.run_dir.glob("*.pid")))

    def stop(self, person: str) -> None:
        """Stop the serve with everything in its group; returns when nothing of it is left."""
        what = f"stop the serve of {person}"
        self._check(what, person)
        with self._alone(what, person):
            record = self._record(what, person)
            self._end(what, person, record)
            with _failing(what):
                self._pid_file(person).unlink(missing_ok=True)
                sync_folder(self.run_dir)

    def start(self, person: str) -> None:
        """Start the serve; returns when its program was executed, not when it answers."""
        what = f"start the serve of {person}"
        self._check(what, person)
        with self._alone(what, person) as lock:
            record = self._record(what, person)
            if record is not None and record.alive:
                return
            with _failing(what):
                self._keep_log(person)
            self._launch(what, person, lock)

    def _check(self, what: str, person: str) -> None:
        if not valid_person(person):
            raise _failure(what, f"{person[:64]!r} is not a person's user name")

    # Starting.

    def _launch(self, what: str, person: str, lock: int) -> None:
        job = {
            "argv": self._filled(what, person, self.command),
            "env": self._environment(what, person),
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
            raise _failure(what, str(error)) from error
        except OSError as error:
            raise _failure(what, f"{self.python} cannot be run ({error.strerror})") from error
        said = child.shown((ran.out or ran.err).decode("utf-8", "replace"))[-300:]
        if said or ran.status != 0:
            raise _failure(what, f"{said or 'it died'}; look at `services.command`")

    def _environment(self, what: str, person: str) -> dict[str, str]:
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        values = self._filled(what, person, tuple(self.environment.values()))
        own = dict(zip(self.environment, values, strict=True))
        return {**passed, **own, MARK: self._mark(person)}

    def _filled(self, what: str, person: str, words: tuple[str, ...]) -> list[str]:
        port = self.ports.get(person)
        if port is None and any("{port}" in word for word in words):
            raise _failure(what, f"`services.ports` gives {person} no port")
        values = {
            "{t3}": self.t3.replace("{person}", person),
            "{base}": self.base.replace("{person}", person),
            "{port}": str(port),
            "{person}": person,
        }
        return [_replaced(word, values) for word in words]

    def _keep_log(self, person: str) -> None:
        with suppress(FileNotFoundError):
            self.log_file(person).replace(self.run_dir / f"{person}.log.1")

    # Stopping.

    def _end(self, what: str, person: str, record: _Record | None) -> None:
        for number, patience in (
            (signal.SIGTERM, self.stop_timeout),
            (signal.SIGKILL, self.kill_timeout),
        ):
            if self._asked_to_end(person, record, number, patience):
                return
        left = sorted(process.pid for process in self._members(person, record))
        why = f"process {left} is left after SIGKILL; look at what it waits for in the kernel"
        raise _failure(what, why)

    def _asked_to_end(
        self, person: str, record: _Record | None, number: signal.Signals, patience: float
    ) -> bool:
        """Signal everything that belongs to the serve, once each; whether nothing is left."""
        deadline = time.monotonic() + patience
        asked: set[psutil.Process] = set()
        while members := self._members(person, record):
            _signal(members - asked, number)
            asked |= members
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    # What belongs to a serve (rule 2).

    def _mark(self, person: str) -> str:
        return str(self.run_dir / person)

    def _members(self, person: str, record: _Record | None) -> set[psutil.Process]:
        leader = record.pid if record is not None and _ours(record) else None
        return belonging(leader, self._mark(person))

    # Files.

    def _pid_file(self, person: str) -> Path:
        return self.run_dir / f"{person}.pid"

    def _record(self, what: str, person: str) -> _Record | None:
        file = self._pid_file(person)
        try:
            content = json.loads(file.read_bytes())
            return _read(content)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failure(what, f"{file} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError) as error:
            how = "remove it once no serve of theirs runs"
            raise _failure(what, f"{file} is no pid file of ours; {how}") from error

    @contextmanager
    def _alone(self, what: str, person: str) -> Iterator[int]:
        """Hold the person's lock; a start that is not through yet holds it too."""
        with _failing(what):
            make_folders(self.run_dir, mode=0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            lock = os.open(self.run_dir / f"{person}.lock", flags, 0o600)
        try:
            self._acquire(what, person, lock)
            yield lock
        finally:
            os.close(lock)

    def _acquire(self, what: str, person: str, lock: int) -> None:
        deadline = time.monotonic() + self.start_timeout
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    why = f"another process starts or stops the serve of {person}; try again"
                    raise _failure(what, why) from error
                time.sleep(_POLL_SECONDS)
            else:
                return


def _read(content: Mapping[str, object]) -> _Record:
    match content:
        case {"pid": int(pid), "began": int(began), "boot": str(boot)} if pid > 1 and began > 0:
            return _Record(pid, began, boot)
    message = "another form"
    raise ValueError(message)


def _ours(record: _Record) -> bool:
    """Whether the session of that number is the serve's.

    The kernel gives no pid away that a session still bears, so it is, unless another process has
    the pid by now or the machine was booted since.
    """
    return record.boot == daemon.boot() and daemon.began(record.pid) in {0, record.began}


def _signal(members: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Signal each; psutil makes sure that it is still the process that was found."""
    for member in members:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            member.send_signal(number)


def _replaced(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word


@contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failure(what, f"{error.filename}: {error.strerror}") from error


def _failure(what: str, why: str) -> ServiceError:
    return ServiceError(f"cannot {what}: {why}")
