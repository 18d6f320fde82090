"""Durations, sizes and times are written in one format each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from t3safe.domain.text import day, duration, moment, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.0, "0 s"),
        (0.154, "0.15 s"),
        (0.999, "1 s"),
        (1.0, "1 s"),
        (1.25, "1.2 s"),
        (12.4, "12.4 s"),
        (30.0, "30 s"),
        (119.0, "119 s"),
        (120.0, "2 min"),
        (185.0, "3 min 05 s"),
        (3600.0, "1 h 00 min"),
        (7380.0, "2 h 03 min"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    """Seconds, then minutes, then hours."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1024**2 - 1, "1 MiB"),
        (300 * 1024**2, "300 MiB"),
        (2 * 1024**3, "2.0 GiB"),
        (5000 * 1024**3, "5000.0 GiB"),
    ],
)
def test_sizes(count: int, words: str) -> None:
    """Binary units, with a decimal from GiB on."""
    assert size(count) == words


@pytest.fixture(params=["UTC", "America/New_York"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the host be in this zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_times_have_their_date_and_zone() -> None:
    """Whatever zone they come in, and whatever zone the host is in."""
    at = datetime(2026, 6, 16, 1, 30, 5, tzinfo=timezone(timedelta(hours=2)))
    assert moment(at) == "2026-06-15 23:30 UTC"
    assert moment(at, seconds=True) == "2026-06-15 23:30:05 UTC"
    assert day(at) == "2026-06-15"
    assert moment(None) == ""
    assert day(datetime(2026, 6, 16, tzinfo=UTC)) == "2026-06-16"
