"""Transient units of systemd: a command with less than its user has, killed as a whole group.

`systemd-run` passes our three standard streams on and waits; what it started belongs to systemd, so
nothing that a command forks can leave its control group.  Raises OSError alone.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from t3safe.adapters._support import child

BOOTED: Final = Path("/run/systemd/system")
"""There where systemd is the service manager (sd_booted(3))."""
PREFIX: Final = "t3safe-job-"
_STOP_SECONDS: Final = 30.0

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
"""What no job needs.  A program that runs out of memory is killed alone (OOMPolicy), so that
whoever supervises it in the unit can tell what happened.  A call outside of the filter fails
instead of killing: node tries some (io_uring among them) and does without."""
NO_NETWORK: Final = ("PrivateNetwork=yes", "IPAddressDeny=any", "IPAddressAllow=localhost")
NO_RUNTIME: Final = ("TemporaryFileSystem=/run:ro", "BindReadOnlyPaths=-/run/systemd/userdb")
"""No socket of the host's daemons; users are still told by name (nss-systemd)."""


def as_person(
    name: str, home: str, *, memory_max: int, tasks_max: int, timeout: float
) -> tuple[str, ...]:
    """Give what every unit that runs as a person has: their home and no other, no network, caps.

    `memory_max` is in bytes.  The unit ends by itself some time after `timeout` seconds: whoever
    waits for it ends it before and can tell why.
    """
    return (
        *HARDENED,
        *NO_NETWORK,
        *NO_RUNTIME,
        f"User={name}",
        "ProtectHome=tmpfs",
        f"BindPaths=-{home}",
        f"MemoryMax={memory_max}",
        f"TasksMax={tasks_max}",
        "UMask=0077",
        f"RuntimeMaxSec={timeout + 30:.0f}",
    )


def booted() -> bool:
    """Whether systemd runs this host and we may start units."""
    return os.geteuid() == 0 and BOOTED.is_dir()


def new_name(what: str) -> str:
    """Give a job a name of its own; `what` is letters and dashes."""
    return f"{PREFIX}{what}-{secrets.token_hex(6)}.service"


@frozen
class Job:
    """A unit that lives for one command; `properties` are those of systemd.exec(5) and others.

    `environment` is all that the command finds beside what systemd itself sets.
    """

    name: str
    properties: tuple[str, ...]
    environment: Mapping[str, str] = field(factory=dict)

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
        """End everything in the unit; nothing happens when it is gone."""
        end(self.name)


def end(pattern: str) -> None:
    """End the units of this name or pattern with everything in them."""
    _systemctl("kill", "--signal=SIGKILL", pattern)
    _systemctl("stop", pattern)


def _systemctl(*words: str) -> None:
    command = ["systemctl", "--no-ask-password", *words]
    if child.run(command, _STOP_SECONDS, os.environ).status is None:
        message = f"systemctl {words[0]} does not answer"
        raise OSError(message)
