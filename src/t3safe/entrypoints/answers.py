"""Keeps what a timer's run answered, so that `standstill` may give it again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from attrs import frozen

import t3safe
from t3safe.adapters._support.durable import write_file
from t3safe.bootstrap.live import Live
from t3safe.bootstrap.parts import (
    adoption_file,
    journal_file,
    registry_address,
    seen_dispatch,
)
from t3safe.configuration import Settings
from t3safe.domain.errors import PortError
from t3safe.domain.narrate import Level, Line
from t3safe.domain.policy import No
from t3safe.entrypoints import standstill
from t3safe.entrypoints.common import App, ending
from t3safe.entrypoints.endings import exit_of
from t3safe.operations import Result
from t3safe.t3 import package


@frozen
class Sources:
    """What an answer is drawn from, as it was before, and where the answer is kept."""

    place: Path
    lines: tuple[str, ...]


def sources(app: App) -> Sources | None:
    """Look at what the answer will be drawn from (rule 2), before it is drawn.

    None where no answer is to be kept: another command or folder, or something to report.
    """
    settings, command = app.settings, standstill.command_of(sys.argv[1:])
    place = Path(standstill.place(os.environ, command))
    reports = settings.metrics_file is not None or settings.notify.wanted
    if not command or settings.state_dir != place.parent or reports:
        return None
    try:
        return Sources(place, tuple(standstill.signatures(_paths(settings, app.file))))
    except OSError:
        return None


def keep(app: App, wired: Live, result: Result, before: Sources | None) -> None:
    """Keep an answer that may be given again (rules 1 and 2); forget the one that was kept.

    That it cannot be kept is no trouble: it is drawn anew.
    """
    if before is None:
        return
    with suppress(OSError, PortError):
        before.place.unlink(missing_ok=True)
        if _may_be_kept(wired, result) and before == sources(app):
            text = _text(wired, result, before)
            if text:
                write_file(before.place, text.encode(), 0o600)


def _may_be_kept(wired: Live, result: Result) -> bool:
    """Rule 1; and nobody waits, because one day that will be too long."""
    if result.stayed not in {No.FROZEN, No.NOTHING} or result.warnings:
        return False
    host = wired.host
    people, _ = host.everybody()
    if host.deferrals(people):
        return False
    policy = host.policy()
    timeless = policy.window is None and policy.age_min == timedelta(0)
    return timeless or result.stayed is No.FROZEN


def _text(wired: Live, result: Result, before: Sources) -> str:
    """Write the answer as `standstill` reads it; empty where it must not be."""
    line = ending(wired, result)
    url = cafile = tag = ""
    at = time.time()
    asks = before.place.name.endswith("-run") and result.stayed is No.NOTHING
    if asks and wired.host.policy().pin is None:
        known, newest = registry_address(wired.settings).remembered(), wired.newest()
        if known is None or newest is None or "@" in known.address.url:
            return ""
        url, at = f"{known.address.url}/-/package/{package.NAME}/dist-tags", known.at
        cafile = known.address.cafile
        tag = f"{wired.settings.track}={newest}"
    if line is None or _racy(before, time.time()):
        return ""
    head = (
        *(standstill.FORMAT, repr(sys.argv[1:]), str(int(exit_of(result))), _level(line)),
        *(str(at), url, cafile, tag),
        " ".join(str(line).splitlines()),
        standstill.steering(os.environ),
    )
    return "\n".join((*head, *before.lines)) + "\n"


def _level(line: Line) -> str:
    return "alert" if line.level is Level.ALERT else "info"


def _racy(before: Sources, now: float) -> bool:
    """Whether a source changed so lately that it may change again within the same tick."""
    times = (line.split(" ")[0].split(":")[-2:] for line in before.lines)
    return any(now - int(at) / 1e9 < standstill.RACY for pair in times if pair[1:] for at in pair)


def _paths(settings: Settings, file: Path | None) -> Iterator[str]:
    """Every file and folder whose change may change an answer."""
    from t3safe.entrypoints.settings import default_files  # noqa: PLC0415 - beside what it reads

    journal, state = journal_file(settings), settings.state_dir
    known = registry_address(settings).remembered()
    paths = (
        *(journal, journal.with_name(f"{journal.name}-wal")),
        *(state / name for name in ("choices.json", "last-good", "previous-good")),
        *(
            adoption_file(settings),
            seen_dispatch(settings).file,
            settings.freeze_file,
            settings.user_map,
        ),
        *(settings.store, settings.store / "default", settings.store / "users"),
        *(settings.store / "builds", *(default_files() if file is None else (file,))),
        *((settings.launcher,) if settings.launcher is not None else ()),
        *(known.files if known is not None else ()),
        *(Path("/etc/passwd"), Path("/etc/localtime"), Path(t3safe.__file__).parent),
    )
    yield from (str(path) for path in paths if "\n" not in str(path))
