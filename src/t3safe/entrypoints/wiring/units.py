"""t3safe's own units, folders and place in the system log, from the settings."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from t3safe.adapters.hostfacts import STANDARD
from t3safe.adapters.log import IDENTIFIERS, Sink, system_log
from t3safe.adapters.people import CallerAlone
from t3safe.adapters.units import Units, UserUnits
from t3safe.configuration import Settings
from t3safe.domain.people import units_of
from t3safe.domain.scope import Caller, Scope, places


def own_folders(settings: Settings) -> tuple[tuple[Path, int], ...]:
    """Return t3safe's own folders, each with its mode."""
    return ((settings.store, 0o755), (settings.state_dir, 0o755), (settings.backup_dest, 0o711))


def own_units(settings: Settings) -> Units | UserUnits:
    """Return the systemd units that these settings make."""
    if settings.scope is Scope.USER:
        return _user_units(settings)
    folders = own_folders(settings)
    writable = (
        settings.tmpdir,
        settings.freeze_file.parent,
        *((settings.metrics_file.parent,) if settings.metrics_file is not None else ()),
        *((settings.launcher.parent,) if settings.launcher is not None else ()),
    )
    beside = Path(sys.executable).with_name("t3safe")
    return Units(
        program=str(beside),
        folders=folders,
        writable=writable,
        serve=settings.services.unit.replace("{person}", ""),
        npm_user=settings.npm_user,
        gate_user=settings.gate.user,
        fleet=settings.fleet is not None,
    )


def _user_units(settings: Settings) -> UserUnits:
    caller = Caller(os.geteuid(), str(Path.home()))
    config = places(caller, os.environ).config
    person = CallerAlone().load().people[0].name
    found = (shutil.which(name) for name in (settings.npm, settings.gate.node))
    # npm and t3 find node on the PATH, and a timer's has no folder of a person's own.
    folders = (str(Path(program).parent) for program in found if program)
    return UserUnits(
        program=str(Path(sys.executable).with_name("t3safe")),
        serve=units_of(settings.services.unit, person)[0],
        search=tuple(dict.fromkeys((*folders, *STANDARD))),
        folder=Path(config, "systemd", "user"),
        fleet=settings.fleet is not None,
    )


def log_sinks(command: str) -> tuple[Sink, ...]:
    """Return the system log when root runs a command by hand, as for the timer; else nothing."""
    by_hand = os.geteuid() == 0 and "JOURNAL_STREAM" not in os.environ
    if not by_hand or not Path("/dev/log").exists():
        return ()
    return (system_log(IDENTIFIERS.get(command, IDENTIFIERS["run"])),)
