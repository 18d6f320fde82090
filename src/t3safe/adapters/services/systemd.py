"""People's serves as units of systemd, the host's or a person's own, through `systemctl`.

Rules:

1. A stop ends when the unit is at rest and its control group is empty.  What a stop leaves behind
   (a unit that kills its main process only, a stop that hangs) is ended by SIGTERM, then SIGKILL.
2. How a serve ended says nothing about the stop: t3 exits with 130, which systemd calls a failure.
3. A unit that is at rest is not stopped: at boot that would cancel the start that waits for us.
4. A unit that systemd does not know, cannot load or that is masked is an error that says so.
5. A name with a dash, `@` or `$` has two spellings as an instance, plain and as `systemd-escape`
   writes it.  The unit that runs as the person is theirs, of two the one that runs.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attrs import define, frozen

from t3safe.adapters._support import child
from t3safe.adapters._support.child import ChildEnd
from t3safe.adapters.services.members import (
    AGENTS,
    agents_among,
    failure,
    require_person,
    sampled,
)
from t3safe.domain.errors import ServiceError
from t3safe.domain.idle import Sample
from t3safe.domain.people import person_of, units_of
from t3safe.domain.ports import ServeStatus
from t3safe.domain.text import duration

_LOOK_SECONDS: Final = 30.0
"""How long systemd may take for an answer or a signal; it answers in milliseconds."""
_START_SECONDS: Final = 90.0
"""systemd's own DefaultTimeoutStartSec."""
_POLL_SECONDS: Final = 0.1
_HIERARCHIES: Final = ("", "unified", "systemd")
"""Where the control groups of units lie: version 2, and the two homes of a mixed set-up."""
_SHOWN: Final = (
    *("LoadState", "ActiveState", "SubState", "MainPID", "ExecMainStartTimestamp"),
    *("ControlGroup", "User"),
)
_RESTING: Final = frozenset({"inactive", "failed"})
_RUNNING: Final = frozenset({"active", "reloading"})


@frozen
class _Unit:
    """What systemd shows of a unit; `group` is empty where it has no control group."""

    name: str
    load: str
    active: str
    detail: str
    pid: int
    started: datetime | None
    group: str
    user: str


@define
class SystemdServices:
    """Implements the port Services; raises ServiceError alone.

    `unit` is a template.  `stop_timeout` is how long a stop may take, `term_timeout` and
    `kill_timeout` how long what it left may take to end on SIGTERM and SIGKILL; in seconds.
    `systemctl` and `cgroups` are where the tool and the control groups are, `installed` the folders
    in which units are enabled.  `own` asks the caller's own manager (`systemctl --user`).
    """

    unit: str = "t3-serve@{person}.service"
    agents: tuple[str, ...] = AGENTS
    stop_timeout: float = 90.0
    term_timeout: float = 5.0
    kill_timeout: float = 10.0
    systemctl: tuple[str, ...] = ("systemctl",)
    cgroups: Path = Path("/sys/fs/cgroup")
    own: bool = False
    installed: tuple[Path, ...] = (Path("/etc/systemd/system"),)

    def status(self, person: str) -> ServeStatus:
        """How the person's serve stands now."""
        what = f"look at the serve of {person}"
        unit = self._known(what, person)
        members = self._processes(what, person, unit)
        return ServeStatus(
            running=bool(unit.pid),
            main_pid=unit.pid or None,
            started=unit.started if unit.pid else None,
            agents=agents_among(members, self.agents),
            members=members,
        )

    def sample(self, person: str) -> Sample:
        """What runs of the serve now beside known helpers, and the processor time of each."""
        what = f"look at the serve of {person}"
        unit = self._known(what, person)
        return sampled(self._processes(what, person, unit), unit.pid, self.agents)

    def people(self) -> tuple[str, ...]:
        """All people with an instance of the unit that is loaded or enabled, whatever its state."""
        before, person, after = self.unit.partition("{person}")
        if not person:
            return ()
        what, pattern = "list the serves", f"{before}*{after}"
        names: set[str] = set()
        for words in (("list-units", "--all", "--plain"), ("list-unit-files",)):
            said = self._call(what, *words, "--full", "--no-legend", "--", pattern)
            if said.status not in {0, 1}:
                raise failure(what, f"systemd says nothing{_told(said)}")
            names |= {line.split()[0] for line in said.text.splitlines() if line.strip()}
        for folder in self.installed:
            names |= {path.name for path in folder.glob(f"*/{pattern}")}
        matching = (name for name in names if name.startswith(before) and name.endswith(after))
        found = {person_of(name[len(before) : len(name) - len(after)]) for name in matching}
        return tuple(sorted(found - {""}))

    def stop(self, person: str) -> None:
        """Stop the serve with everything in its group; returns when nothing of it is left."""
        what = f"stop the serve of {person}"
        unit = self._known(what, person)
        if not self._left(what, person, unit.group):
            return
        said = self._call(what, "stop", unit.name, timeout=self.stop_timeout)
        for signal, patience in (("SIGTERM", self.term_timeout), ("SIGKILL", self.kill_timeout)):
            if not self._left(what, person, unit.group):
                return
            self._call(what, "kill", f"--signal={signal}", unit.name)
            deadline = time.monotonic() + patience
            while self._left(what, person, unit.group) and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        left = self._left(what, person, unit.group)
        if left:
            why = f"{left}, also after SIGKILL{_told(said)}"
            raise failure(what, f"{why}; look with `systemctl{self._whose} status {unit.name}`")

    def start(self, person: str) -> None:
        """Start the serve; returns when it runs, not when it answers."""
        what = f"start the serve of {person}"
        unit = self._known(what, person)
        if unit.pid and unit.active in _RUNNING:
            return
        # Forget failures first, ours and a crash's: else a start may be refused by the start limit.
        self._call(what, "reset-failed", unit.name)
        said = self._call(what, "start", unit.name, timeout=_START_SECONDS)
        if said.status != 0:
            how = f"look with `journalctl{self._whose} -u {unit.name}`"
            raise failure(what, f"{unit.name}{_told(said)}; {how}")

    @property
    def _whose(self) -> str:
        """What a person types between the tool and its verb."""
        return " --user" if self.own else ""

    def _known(self, what: str, person: str) -> _Unit:
        """Look at a unit that must be there (rule 4)."""
        unit = self._look(what, person)
        if unit.load == "not-found":
            how = "install the unit, or let `services.unit` name the one that there is"
            raise failure(what, f"there is no unit {unit.name}; {how}")
        if unit.load != "loaded":
            how = f"look with `systemctl{self._whose} status {unit.name}`"
            raise failure(what, f"{unit.name} cannot be used, it is {unit.load}; {how}")
        return unit

    def _look(self, what: str, person: str) -> _Unit:
        require_person(what, person)
        names = units_of(self.unit, person)
        said = self._call(what, "show", "-p", ",".join(_SHOWN), "--", *names)
        if said.status != 0:
            hint = "; `loginctl enable-linger` keeps your manager running" if self.own else ""
            raise failure(what, f"systemd says nothing about {names[0]}{_told(said)}{hint}")
        try:
            blocks = zip(names, said.text.strip().split("\n\n"), strict=True)
            found = [_read(name, block) for name, block in blocks]
        except (KeyError, ValueError) as error:
            why = f"systemd shows {names[0]} in an unknown form ({error})"
            raise failure(what, why) from error
        # The likelier one of the two that may be the person's (rule 5).
        return min(
            found, key=lambda unit: (unit.user != person, not unit.pid, unit.load != "loaded")
        )

    def _left(self, what: str, person: str, group: str) -> str:
        """Say what still runs of a unit that had this control group, empty when nothing does."""
        unit = self._look(what, person)
        if unit.active not in _RESTING:
            return f"{unit.name} is {unit.active} ({unit.detail})"
        held = sorted(set(_held(self.cgroups, group)) | set(_held(self.cgroups, unit.group)))
        return f"process {held[0]} of {unit.name} still runs" if held else ""

    def _processes(self, what: str, person: str, unit: _Unit) -> tuple[int, ...]:
        """Everything in the unit's control group, which must hold its main process."""
        found = tuple(_held(self.cgroups, unit.group))
        # Where it does not, the serve ended since it was shown, or the group is somewhere else.
        if unit.pid and unit.pid not in found and self._look(what, person).pid == unit.pid:
            why = f"its control group {unit.group!r} is not below {self.cgroups}"
            raise failure(what, f"{why}, so it is unknown what runs in it")
        return found

    def _call(self, what: str, *words: str, timeout: float = _LOOK_SECONDS) -> ChildEnd:
        manager = ("--user",) if self.own else ()
        command = [*self.systemctl, *manager, "--no-pager", "--no-ask-password", *words]
        environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC", "SYSTEMD_COLORS": "0"}
        if self.own:
            # Where no session set it, as in a job of cron; the manager listens below it.
            environment.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")
        try:
            return child.run(command, timeout, environment)
        except OSError as error:
            how = "a host without systemd needs `services.manager = 'processes'`"
            why = f"{command[0]} cannot be run ({error.strerror}); {how}"
            raise failure(what, why) from error


def _read(name: str, block: str) -> _Unit:
    """Read what `systemctl show` prints where TZ is UTC.  Raises KeyError and ValueError."""
    shown = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    started = None
    if shown["ExecMainStartTimestamp"] not in {"", "n/a"}:
        # As in `Mon 2026-06-15 04:00:01 UTC`.
        _, day, clock, _ = shown["ExecMainStartTimestamp"].split()
        started = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
    return _Unit(
        name=name,
        load=shown["LoadState"],
        active=shown["ActiveState"],
        detail=shown["SubState"],
        pid=int(shown["MainPID"]),
        started=started,
        group=shown["ControlGroup"],
        user=shown.get("User", ""),
    )


def _held(cgroups: Path, group: str) -> Iterator[int]:
    """Give the processes of a control group and of those below it; none where it is gone."""
    if group in {"", "/"}:
        return
    for hierarchy in _HIERARCHIES:
        for folder, _, _ in os.walk(cgroups / hierarchy / group.lstrip("/")):
            file = Path(folder) / "cgroup.procs"
            try:
                yield from [int(word) for word in file.read_text(encoding="ascii").split()]
            except OSError as error:
                # Gone since it was listed, or a threaded group, whose processes its parent lists.
                if error.errno not in {errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP}:
                    message = f"cannot read the control group {file}: {error.strerror}"
                    raise ServiceError(message) from error


def _told(said: ChildEnd) -> str:
    late = f"took longer than {duration(said.seconds)}" if said.status is None else ""
    words = late or said.complaint
    return f": {words}" if words else ""
