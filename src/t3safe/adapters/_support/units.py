"""Transient units of systemd: a command with less than its user has, killed as a whole group.

`systemd-run` passes our three standard streams on and waits; what it started belongs to systemd, so
nothing that a command forks can leave its control group.  Raises OSError alone.

Rules:

1. No unit has a capability (but `look`), a way to more, a socket of a daemon, or a device.  Memory,
   tasks and time are capped, and everything in it ends with its command.
2. A unit that runs as a person sees that person's home and folder of snapshots, those of no other
   person, and has no network.  Both are named by paths of which no part is the person's.
3. npm sees the system, read-only, and the one folder that it works in: no home, no build, nothing
   of t3safe's own.  It reaches the network, for the registry, before any code of a package has run.
   Install scripts and the installed program do not, unless the host's owner says so: on the host's
   loopback is a dispatch that believes every caller.
4. A rehearsal has a user of its own, made with the unit and gone with it: two at a time are two
   users, and nothing on the host is theirs but the scratch directory that they are given.
5. A rehearsal sees the system, node and its own build, read-only: no home, no project wherever it
   lies, no folder that all users may write to, no other build, nothing of t3safe's own.  It has a
   loopback of its own and no other network.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from t3safe.adapters._support import child
from t3safe.adapters._support.identity import Identity
from t3safe.domain.allowance import Allowance

BOOTED: Final = Path("/run/systemd/system")
"""There where systemd is the service manager (sd_booted(3))."""
PREFIX: Final = "t3safe-job-"
_STOP_SECONDS: Final = 30.0
_REHEARSAL: Final = "gate"
_LEFT: Final = frozenset(
    {
        *("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "sys", "nix", "gnu"),
        *("dev", "proc", "run", "tmp", "home", "root"),
    }
)
"""Folders at the top of a host that are the system's, or a unit's own by other properties."""

HARDENED: Final = (
    "CapabilityBoundingSet=",
    "KeyringMode=private",
    "KillSignal=SIGKILL",
    "LimitCORE=0",
    "LockPersonality=yes",
    "LogLevelMax=notice",
    "MemorySwapMax=0",
    "NoNewPrivileges=yes",
    "OOMPolicy=continue",
    "PrivateDevices=yes",
    "PrivateTmp=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    "RemoveIPC=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    "SystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service",
    "TimeoutStopSec=5",
)
"""What no job needs.  A program that runs out of memory is killed alone (OOMPolicy), so that its
supervisor in the unit can say what happened.  A call outside of the filter fails
instead of killing: node tries some (io_uring among them) and does without."""
NO_NETWORK: Final = ("PrivateNetwork=yes", "IPAddressDeny=any", "IPAddressAllow=localhost")
NO_RUNTIME: Final = ("TemporaryFileSystem=/run:ro", "BindReadOnlyPaths=-/run/systemd/userdb")
"""No socket of the host's daemons; users still have names (nss-systemd)."""


def booted() -> bool:
    """Whether systemd runs this host and we may start units."""
    return os.geteuid() == 0 and BOOTED.is_dir()


@frozen
class UnitSpec:
    """A unit that lives for one command; `properties` are those of systemd.exec(5) and others.

    `what` is letters and dashes; the unit's name begins with it.  `environment` is all that the
    command finds beside what systemd itself sets.
    """

    what: str
    properties: tuple[str, ...]
    environment: Mapping[str, str] = field(factory=dict)
    name: str = field(init=False)

    @name.default
    def _new_name(self) -> str:
        return f"{PREFIX}{self.what}-{secrets.token_hex(6)}.service"

    def command(self, *words: str) -> tuple[str, ...]:
        """Give the command that runs these words in the unit and ends with their status.

        systemd expands `$NAME` in what it starts; a name or a folder may hold a `$`.
        """
        return (
            *("systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--service-type=exec"),
            f"--unit={self.name}",
            *(f"--property={each}" for each in self.properties),
            *(f"--setenv={name}={value}" for name, value in self.environment.items()),
            "--",
            *(word.replace("$", "$$") for word in words),
        )

    def end(self) -> None:
        """End everything in the unit; nothing happens when it is gone.  Raises OSError."""
        _end(self.name)


def _confined(
    what: str,
    *properties: str,
    memory_max: int,
    tasks_max: int,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    network: bool = False,
) -> UnitSpec:
    """Give a unit with its caps (rule 1); `memory_max` is in bytes."""
    return UnitSpec(
        what,
        (
            *HARDENED,
            *NO_RUNTIME,
            *(() if network else NO_NETWORK),
            *properties,
            f"MemoryMax={memory_max}",
            f"TasksMax={tasks_max}",
            f"RuntimeMaxSec={seconds:.0f}",
        ),
        environment or {},
    )


def as_person(
    what: str,
    who: Identity,
    environment: Mapping[str, str],
    timeout: float,
    *more: str,
    memory_max: int,
    tasks_max: int,
) -> UnitSpec:
    """Give a unit that runs as a person (rule 2).

    It ends by itself some time after `timeout` seconds: its caller ends it before, and says why.
    """
    return _confined(
        what,
        f"User={who.name}",
        "ProtectHome=tmpfs",
        f"BindPaths=-{who.home}",
        "UMask=0077",
        *more,
        memory_max=memory_max,
        tasks_max=tasks_max,
        seconds=timeout + 30,
        environment=environment,
    )


def look(seconds: float) -> UnitSpec:
    """Give the unit that looks for people's data: it may become other users, and nothing else."""
    return _confined(
        "bases",
        "CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL",
        "ProtectHome=read-only",
        memory_max=256 * 1024**2,
        tasks_max=64,
        seconds=seconds + 30,
        environment={"LC_ALL": "C.UTF-8"},
    )


@frozen
class NpmUnits:
    """What npm's units share (rule 3): its user, the store, and paths that none may see."""

    user: str
    store: Path
    hidden: tuple[Path, ...]
    script_network: bool = False

    def unit(self, folder: Path, timeout: float, *, trusted: bool) -> UnitSpec:
        """Give a unit that works in this folder; `trusted` says that it runs no package's code."""
        return _confined(
            "npm",
            # Where the names of hosts are looked up.
            "BindReadOnlyPaths=-/run/systemd/resolve",
            f"User={self.user}",
            "ProtectHome=yes",
            f"TemporaryFileSystem={self.store}:ro",
            f"BindPaths={folder}",
            *(f"InaccessiblePaths=-{path}" for path in self.hidden),
            # A compiler of node-pty takes some hundred MB; npm itself holds what it unpacks.
            memory_max=4 * 1024**3,
            tasks_max=1024,
            seconds=timeout + 60,
            network=trusted or self.script_network,
        )


@frozen
class RehearsalUnits:
    """What the units of rehearsals share (rules 4 and 5); `hidden` are paths that none may see.

    `store` is the store of builds, `memory` in bytes, for a serve with a mint beside it.
    """

    store: Path
    hidden: tuple[Path, ...]
    memory: Allowance

    def unit(self, shown: Iterable[str], folder: Path, limit: float, memory_max: int) -> UnitSpec:
        """Give the unit for a rehearsal in this scratch directory, for so many seconds.

        `shown` are folders that it sees beside the system's.
        """
        return _confined(
            _REHEARSAL,
            "DynamicUser=yes",
            "ProtectHome=yes",
            f"BindPaths={folder}",
            *(f"TemporaryFileSystem={path}:ro" for path in (*foreign_folders(), self.store)),
            *(f"BindReadOnlyPaths={path}" for path in shown),
            *(f"InaccessiblePaths=-{path}" for path in self.hidden),
            memory_max=memory_max,
            # A serve has some 40 threads, and npm-installed tools that it probes as many again.
            tasks_max=512,
            seconds=limit,
            environment={"HOME": f"{folder}/home", "LC_ALL": "C.UTF-8", "PATH": os.defpath},
        )

    @staticmethod
    def sweep() -> None:
        """End the units that an earlier gate left behind.  Raises OSError."""
        _end(f"{PREFIX}{_REHEARSAL}-*.service")


def foreign_folders(root: str = "/") -> tuple[str, ...]:
    """Name the folders at the top of the host that are not the system's: projects may lie there."""
    with os.scandir(root) as entries:
        found = (each.path for each in entries if each.is_dir(follow_symlinks=False))
        return tuple(sorted(path for path in found if path.rpartition("/")[2] not in _LEFT))


def _end(pattern: str) -> None:
    """End the units of this name or pattern with everything in them."""
    for words in (("kill", "--signal=SIGKILL"), ("stop",)):
        command = ["systemctl", "--no-ask-password", *words, pattern]
        if child.run(command, _STOP_SECONDS, os.environ).status is None:
            message = f"systemctl {words[0]} does not answer"
            raise OSError(message)
