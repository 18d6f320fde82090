"""t3safe's own units of systemd, and the users that it needs; for a host, or for one person.

Rules:

1. The timers are enabled and not started: installing moves no person.
2. The orchestrator runs as root without sight of any home: what it does with a person's files is
   done in units of their own, which systemd starts.
3. Identifiers are those that alert rules select on.
4. Installing again writes the same; removing takes away what was installed and nothing else.  What
   stood in a file's place, another updater's unit say, is kept beside it and put back.
5. A person's own units run as that person, who is all that they could reach: no users are made.
6. The timer of the fleet is there only for a host of one.  What is left of it after the host's
   `[fleet]` went is taken away by installing and by removing.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final

import attrs
from attrs import frozen

from t3safe.adapters._support import child, durable
from t3safe.adapters._support.child import why
from t3safe.domain.errors import ServiceError
from t3safe.domain.forecast import Timer

RUN: Final = "t3-autoupdate"
DRAIN: Final = "t3-migrate-idle"
RECOVER: Final = "t3safe-recover"
FLEET: Final = "t3safe-fleet"
ENABLED: Final = (f"{RUN}.timer", f"{DRAIN}.timer", f"{RECOVER}.service")
DROP_IN: Final = "10-t3safe.conf"
KEPT: Final = ".before-t3safe"
"""What the name of a file ends with that stood in the place of one of ours: no unit's name."""
_MARK: Final = b"# Kept by t3safe"
"""How each of our files begins."""
_SECONDS: Final = 60.0

_HARDENING: Final = """\
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SYS_PTRACE
LockPersonality=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
UMask=0022
"""
_SERVICE: Final = """\
# Kept by t3safe: `t3safe units install` writes it, `t3safe units remove` takes it away.
[Unit]
Description={description}
{order}
[Service]
Type=oneshot
ExecStart={program} {command}
SyslogIdentifier={identifier}
{environment}
# Frozen, refused, later, locked: said in the log, and no failure of the unit.
SuccessExitStatus=10 11 12 16
# SIGTERM asks the run to end at the next safe point.
KillMode=mixed
TimeoutStartSec={timeout}
TimeoutStopSec=3min
{confinement}{install}"""
_ENVIRONMENT: Final = "EnvironmentFile=-/etc/default/t3-autoupdate"
_OWN_ENVIRONMENT: Final = """\
Environment="PATH={path}"
Environment=T3SAFE_SCOPE=user"""
_TIMER: Final = """\
# Kept by t3safe: `t3safe units install` writes it, `t3safe units remove` takes it away.
[Unit]
Description={description}

[Timer]
OnCalendar={calendar}
RandomizedDelaySec={delay}
# A host that was off at night is not updated in the middle of its people's day.
Persistent=false

[Install]
WantedBy=timers.target
"""
_AFTER_RECOVERY: Final = f"""\
# Kept by t3safe: no serve starts before what an interrupted run left is settled.
[Unit]
# Order alone: with Wants= each start of a serve would start a recovery, in the middle of a run too.
After={RECOVER}.service
"""
_USERS: Final = """\
# Kept by t3safe: users who own nothing.
u {npm} - "Installs builds of t3" - /usr/sbin/nologin
u {gate} - "Rehearses builds of t3" - /usr/sbin/nologin
"""


_FOLDERS: Final = """\
# Kept by t3safe: what its units may write must be there before they start.
{lines}"""


@frozen
class _Service:
    """What differs between t3safe's services; `timeout` is systemd's for the whole command."""

    description: str
    command: str
    identifier: str
    order: str
    timeout: str = "infinity"
    install: str = ""


_RECOVERY: Final = _Service(
    "Recover people whom an interrupted t3safe left half moved",
    "recover --boot",
    RUN,
    "Before=multi-user.target\n",
    # Serves wait for it; a person who is not recovered by then is fenced.
    "10min",
    "\n[Install]\nWantedBy=multi-user.target\n",
)
_ONLINE: Final = f"Wants=network-online.target\nAfter=network-online.target {RECOVER}.service\n"
_NIGHT: Final = _Service("Move all people to the newest proven t3", "run", RUN, _ONLINE)
_DRAIN: Final = _Service(
    "Move people who were deferred and are idle now", "drain --wait 300", DRAIN, _ONLINE
)
_SYNC: Final = _Service(
    "Release slots of the fleet and publish what runs found", "fleet sync", RUN, _ONLINE, "10min"
)


@frozen
class UnitsSeen:
    """How t3safe's units stand: files that are missing or changed, units by name."""

    missing: tuple[str, ...]
    changed: tuple[str, ...]
    disabled: tuple[str, ...]
    persistent: tuple[str, ...]


class UnitFiles(ABC):
    """The files of t3safe's units, written, compared and taken away; raises ServiceError alone."""

    systemctl: ClassVar[tuple[str, ...]]
    needs: ClassVar[str]
    """What a person can do where something fails."""
    serve: str
    fleet: bool
    """Whether the host belongs to a fleet (rule 6)."""

    @abstractmethod
    def _files(self, *, fleet: bool) -> tuple[tuple[Path, str], ...]:
        """Every file with its text, for a host of a fleet or without one."""

    def files(self) -> tuple[tuple[Path, str], ...]:
        """Every file with its text, in the order in which they are written."""
        return self._files(fleet=self.fleet)

    @property
    def enabled(self) -> tuple[str, ...]:
        """The units that are enabled."""
        return (*ENABLED, f"{FLEET}.timer") if self.fleet else ENABLED

    def _left_over(self) -> tuple[Path, ...]:
        """Give the files of ours that this host does not need (rule 6)."""
        needed = dict(self.files())
        every = (path for path, _ in self._files(fleet=True))
        return tuple(path for path in every if path not in needed and self._ours(path))

    def _unit_files(
        self, folder: Path, services: tuple[_Service, ...], *, fleet: bool, **common: str
    ) -> tuple[tuple[Path, str], ...]:
        """Give the files of recovery, run, drain and sync; `common` is what services share."""
        names = (RECOVER, RUN, DRAIN, FLEET)
        texts = {
            f"{name}.service": _SERVICE.format(**attrs.asdict(service), **common)
            for name, service in zip(names, services, strict=True)
        } | {
            f"{RUN}.timer": _TIMER.format(
                description="Every night: t3safe run", calendar="*-*-* 04:00:00", delay="1h"
            ),
            f"{DRAIN}.timer": _TIMER.format(
                description="Overnight: t3safe drain", calendar="*-*-* 00..06:00/20:00", delay="0"
            ),
            f"{self.serve}.d/{DROP_IN}": _AFTER_RECOVERY,
            f"{FLEET}.timer": _TIMER.format(
                description="Every hour: t3safe fleet sync", calendar="hourly", delay="15min"
            ),
        }
        return tuple(
            (folder / name, text)
            for name, text in texts.items()
            if fleet or not name.startswith(FLEET)
        )

    def look(self) -> UnitsSeen:
        """Compare what is there with what `install` writes; changes nothing."""
        missing, changed = [], []
        for path, text in self.files():
            with self._doing(f"read {path}"):
                try:
                    if path.read_bytes() != text.encode():
                        changed.append(str(path))
                except FileNotFoundError:
                    missing.append(str(path))
        changed.extend(map(str, self._left_over()))
        shown = {name: self._shown(name) for name in self.enabled}
        return UnitsSeen(
            tuple(missing),
            tuple(changed),
            tuple(name for name, of in shown.items() if of.get("UnitFileState") != "enabled"),
            tuple(name for name, of in shown.items() if of.get("Persistent") == "yes"),
        )

    def timers(self) -> tuple[Timer, ...]:
        """When each timer starts its unit next, or why that is unknown."""
        return tuple(self._timer(name) for name in self.enabled if name.endswith(".timer"))

    def install(self) -> tuple[str, ...]:
        """Write the files and enable the timers; lines that say what changed."""
        changed = tuple(line for path, text in self.files() for line in self._written(path, text))
        changed += self._taken_away(self._left_over())
        self._make_users()
        self._systemctl("load the units", "daemon-reload")
        self._systemctl("enable the units", "enable", "--quiet", *self.enabled)
        return changed

    def remove(self) -> tuple[str, ...]:
        """Stop the timers and take away what `install` wrote."""
        paths = [path for path, _ in self._files(fleet=True)]
        removed = self._taken_away(path for path in paths if self._ours(path))
        back = [path for path in paths if self._put_back(path)]
        self._systemctl("load the units", "daemon-reload")
        starts = f"; `{' '.join(self.systemctl)} enable --now"
        return (
            *removed,
            *(
                f"put back {path}, as it was before t3safe"
                # To start a timer that was put back is a person's decision.
                + (f"{starts} {path.name}` starts it" if path.name in ENABLED else "")
                for path in back
            ),
        )

    def _taken_away(self, paths: Iterable[Path]) -> tuple[str, ...]:
        """Disable and remove files of ours; lines that say so."""
        there = tuple(paths)
        names = {path.name for path in there}
        own = ENABLED if names & {*ENABLED} else ()
        sync = tuple(name for name in names if name == f"{FLEET}.timer")
        if own or sync:
            self._systemctl("stop the timers", "disable", "--quiet", "--now", *own, *sync)
        for path in there:
            with self._doing(f"remove {path}"):
                path.unlink(missing_ok=True)
                if path.name == DROP_IN and not os.listdir(path.parent):
                    path.parent.rmdir()
        return tuple(f"removed {path}" for path in there)

    def _make_users(self) -> None:  # noqa: B027 - one person's units need none
        """Make the users and folders that the units need."""

    def _written(self, path: Path, text: str) -> Iterator[str]:
        """Have a file with this text; lines that say what that changed."""
        content = text.encode()
        with self._doing(f"write {path}"):
            if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
                return
            durable.make_folders(path.parent)
            if os.path.lexists(path) and not self._ours(path):
                path.replace(_kept(path))
                yield f"kept what was there as {_kept(path)}"
            durable.write_file(path, content)
        yield f"wrote {path}"

    def _ours(self, path: Path) -> bool:
        """Whether a file is one that we wrote, whatever its text is now."""
        with self._doing(f"read {path}"):
            try:
                return not path.is_symlink() and path.read_bytes().startswith(_MARK)
            except FileNotFoundError:
                return False

    def _put_back(self, path: Path) -> bool:
        """Put back what stood in a file's place, unless something else stands there by now."""
        with self._doing(f"put {path} back"):
            if os.path.lexists(path) or not os.path.lexists(_kept(path)):
                return False
            _kept(path).replace(path)
            durable.sync_folder(path.parent)
        return True

    def _shown(self, unit: str) -> dict[str, str]:
        """What systemd says of a unit, drop-ins included."""
        shown = self._systemctl(f"look at {unit}", "show", "-p", "UnitFileState,Persistent", unit)
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)

    def _timer(self, name: str) -> Timer:
        words = ("show", "-p", "NextElapseUSecRealtime", "--value", name)
        try:
            shown = self._systemctl(f"look at {name}", *words).strip()
        except ServiceError as error:
            return Timer(name, None, str(error))
        try:
            # As it is printed under the zone and the language that `_call` sets.
            moment = datetime.strptime(shown, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
        except ValueError:
            return Timer(name, None)
        return Timer(name, moment)

    def _systemctl(self, what: str, *words: str) -> str:
        return self._call(what, *self.systemctl, *words)

    def _call(self, what: str, *words: str) -> str:
        runtime = {"XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}"}
        environment = {**runtime, **os.environ, "LC_ALL": "C", "TZ": "UTC"}
        try:
            ran = child.run(words, _SECONDS, environment).in_time()
        except OSError as error:
            raise self._failure(what, why(error)) from error
        if ran.status != 0:
            raise self._failure(what, ran.complaint)
        return ran.text

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failure(what, error.strerror or str(error)) from error

    def _failure(self, what: str, why: str) -> ServiceError:
        return ServiceError(f"cannot {what}: {why}; {self.needs}")


@frozen
class Units(UnitFiles):
    """What is written for a host; what `remove` takes away are not the users.

    `program` is `t3safe` itself, `folders` are t3safe's own, each with its mode, `writable` what
    else the orchestrator may write, `serve` the template of people's units (`t3-serve@.service`).
    `etc` is the root of the system's configuration.
    """

    systemctl: ClassVar = ("systemctl",)
    needs: ClassVar = "it needs root and systemd, then try again"
    program: str
    folders: tuple[tuple[Path, int], ...]
    writable: tuple[Path, ...]
    serve: str
    npm_user: str
    gate_user: str
    etc: Path = Path("/etc")
    fleet: bool = False

    def _files(self, *, fleet: bool) -> tuple[tuple[Path, str], ...]:
        writable = (*(path for path, _ in self.folders), *self.writable)
        paths = " ".join(str(path) for path in _outermost(writable))
        lines = "".join(f"d {path} {mode:04o} root root -\n" for path, mode in self.folders)
        return (
            (self._users, _USERS.format(npm=self.npm_user, gate=self.gate_user)),
            (self._folders, _FOLDERS.format(lines=lines)),
            *self._unit_files(
                self.etc / "systemd" / "system",
                (_RECOVERY, _NIGHT, _DRAIN, _SYNC),
                fleet=fleet,
                program=self.program,
                environment=_ENVIRONMENT,
                confinement=f"ReadWritePaths={paths}\n{_HARDENING}",
            ),
        )

    def _make_users(self) -> None:
        self._call("make the users", "systemd-sysusers", str(self._users))
        self._call("make the folders", "systemd-tmpfiles", "--create", str(self._folders))

    @property
    def _users(self) -> Path:
        return self.etc / "sysusers.d" / "t3safe.conf"

    @property
    def _folders(self) -> Path:
        return self.etc / "tmpfiles.d" / "t3safe.conf"


@frozen
class UserUnits(UnitFiles):
    """What is written for a person who keeps their own serve (rule 5).

    `serve` is the unit of their serve, `search` the PATH of the services, `folder` where their
    manager looks for units.
    """

    systemctl: ClassVar = ("systemctl", "--user")
    needs: ClassVar = "it needs your own systemd (`loginctl enable-linger`), then try again"
    program: str
    serve: str
    search: tuple[str, ...]
    folder: Path
    fleet: bool = False

    def _files(self, *, fleet: bool) -> tuple[tuple[Path, str], ...]:
        recovery = attrs.evolve(
            _RECOVERY,
            order=f"Before={self.serve}\n",
            install="\n[Install]\nWantedBy=default.target\n",
        )
        order, path = f"After={RECOVER}.service\n", ":".join(self.search)
        return self._unit_files(
            self.folder,
            (recovery, *(attrs.evolve(one, order=order) for one in (_NIGHT, _DRAIN, _SYNC))),
            fleet=fleet,
            program=self.program.replace("%", "%%"),
            environment=_OWN_ENVIRONMENT.format(path=path.replace("%", "%%")),
            confinement="UMask=0077\n",
        )


def _outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Leave out what lies below another of the paths, and what is named twice."""
    unique = sorted(set(paths))
    return tuple(path for path in unique if not any(above in unique for above in path.parents))


def _kept(path: Path) -> Path:
    return path.with_name(f"{path.name}{KEPT}")
