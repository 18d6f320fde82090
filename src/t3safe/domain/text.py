"""Durations, sizes and times as text: one format each, for every message, table and report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ("B", "KiB", "MiB")
_KIBI: Final = 1024
_MINUTE: Final = 60
_MINUTES_FROM: Final = 120


def duration(seconds: float | None) -> str:
    """Write seconds as `12.4 s`, `3 min 05 s` or `2 h 03 min`; None as an empty text."""
    if seconds is None:
        return ""
    if seconds < _MINUTES_FROM:
        return f"{round(seconds, 2 if seconds < 1 else 1):g} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if rest else f"{minutes} min"


def size(count: int) -> str:
    """Write bytes as `512 B`, `12 KiB`, `300 MiB` or `2.0 GiB`."""
    value = float(count)
    for unit in _UNITS:
        if round(value) < _KIBI:
            return f"{value:.0f} {unit}"
        value /= _KIBI
    return f"{value:.1f} GiB"


def moment(at: datetime | None, *, seconds: bool = False) -> str:
    """Write a time as `2026-06-16 04:00 UTC`, with seconds if asked; None as an empty text."""
    if at is None:
        return ""
    return f"{at.astimezone(UTC):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}} UTC"


def day(at: datetime) -> str:
    """Write the day of a time as `2026-06-16`."""
    return f"{at.astimezone(UTC):%Y-%m-%d}"
