"""The wired way to the fleet of this host; imported only where there is one."""

from __future__ import annotations

import socket
import ssl
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe import __version__
from t3safe.adapters import hostfacts
from t3safe.adapters.builds.manifest import platform_of
from t3safe.adapters.clock import SystemClock
from t3safe.adapters.fleet.local import InstallId, read_credentials
from t3safe.adapters.fleet.notebook import NotebookFile, boot_clock
from t3safe.configuration import FleetSettings, Settings
from t3safe.domain.doctor.findings import Finding
from t3safe.domain.errors import FleetError, UnusableError
from t3safe.domain.fleet.port import FleetStore
from t3safe.domain.fleet.records import HostReport, check_name
from t3safe.domain.fleet.rings import Member
from t3safe.usecases.fleet_doctor import judge_fleet, judge_unreached, judge_unusable
from t3safe.usecases.fleet_status import FleetPlace, FleetStatus, fleet_status
from t3safe.usecases.permit import FleetLine, FleetParts, FleetPermit

INSTALL: Final = "pip install 't3safe[fleet]', into the environment that runs t3safe"


@frozen
class FleetAccess:
    """The fleet's store, who this host is in it, and what it remembers of it."""

    store: FleetStore
    fleet: str
    host: str
    ring: str
    install: InstallId
    notebook: NotebookFile
    platform: str
    """That of the builds which this host installs."""

    def place(self) -> FleetPlace:
        """Return this host's place.  Raises UnusableError."""
        return FleetPlace(self.fleet, self.host, self.ring, self.install.kept())

    def status(self) -> FleetStatus:
        """Return the fleet as this host sees it.  Raises FleetError, UnusableError."""
        return fleet_status(self.store, self.place(), self.notebook, boot_clock())

    def report(self) -> HostReport:
        """Return what this host says of itself when it joins; makes `install` if it has none."""
        at = SystemClock().now()
        install = self.install.made()
        return HostReport(self.host, install, self.ring, __version__, self.platform, at)


def fleet_access(settings: Settings) -> FleetAccess:
    """Wire the fleet.  Raises UnusableError: without `[fleet]`, and without the extra."""
    fleet = settings.fleet
    if fleet is None:
        raise UnusableError("this host has no `[fleet]` in its configuration: see docs/fleet.md")
    if find_spec("etcd3gw") is None:
        message = f"a fleet needs etcd3gw, which is not installed; {INSTALL}"
        raise UnusableError(message)
    host = check_name("fleet.host", fleet.host or socket.gethostname().lower())
    folder = settings.state_dir
    install, notebook = InstallId(folder), NotebookFile(folder)
    here = platform_of(hostfacts.node_version(settings.gate.node))
    return FleetAccess(_store(fleet), fleet.name, host, fleet.ring, install, notebook, here)


def fleet_findings(settings: Settings) -> tuple[Finding, ...]:
    """Examine the fleet for `doctor`; this asks its store."""
    try:
        return judge_fleet(fleet_access(settings).status(), SystemClock().now())
    except UnusableError as error:
        return (judge_unusable(error),)
    except FleetError as error:
        return (judge_unreached(error),)


def fleet_permit(settings: Settings, fleet: FleetSettings, parts: FleetParts) -> FleetPermit:
    """Wire the permit.  It reads no file and connects to nothing before it is asked."""

    @cache
    def connect() -> FleetLine:
        access = fleet_access(settings)
        member = Member(access.host, access.install.kept(), access.ring, access.platform)
        return FleetLine(access.store, member)

    notebook = NotebookFile(settings.state_dir)
    return FleetPermit(fleet.ring, connect, notebook, boot_clock, parts, __version__)


def _store(fleet: FleetSettings) -> FleetStore:
    from t3safe.adapters.fleet.gateway import (  # noqa: PLC0415 - needs the extra
        Endpoint,
        EtcdUser,
        FleetDeadlines,
        Gateway,
    )
    from t3safe.adapters.fleet.store import EtcdFleet  # noqa: PLC0415

    user = None
    if fleet.credentials is not None:
        found = read_credentials(fleet.credentials)
        user = EtcdUser(found.user, found.password)
    gateway = Gateway(
        tuple(map(Endpoint.parse, fleet.endpoints)),
        _trusted(fleet.ca),
        user,
        FleetDeadlines(fleet.connect, fleet.answer, fleet.total),
    )
    return EtcdFleet(fleet.name, gateway)


def _trusted(file: Path | None) -> str:
    """Return the file of certificates once it can be read."""
    if file is None:
        return ""
    try:
        ssl.create_default_context(cafile=str(file))
    except ssl.SSLError as error:
        raise UnusableError(f"fleet.ca: {file}: holds no certificate (PEM)") from error
    except OSError as error:
        raise UnusableError(f"fleet.ca: {file}: cannot be read: {error.strerror}") from error
    return str(file)
