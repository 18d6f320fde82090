"""Metrics for Prometheus' textfile collector: one file, whole or absent.

Rules:

1. What is not known has no sample; it is never a zero that says all is well.
2. The folder is ours or root's alone, and held by its descriptor: no link is followed in it.
3. The file is readable by everybody (0644): it names people and builds, and nothing secret.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from attrs import frozen
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from t3safe import __version__
from t3safe.adapters._support.durable import others_write
from t3safe.domain.errors import MetricsError
from t3safe.domain.events import Outcome
from t3safe.domain.metrics import HostMetrics, last_closed
from t3safe.domain.retention import Stored, age
from t3safe.domain.versions import Version


@frozen
class _Sample:
    """One sample of a gauge."""

    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


def render(vitals: HostMetrics) -> bytes:
    """Give the metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for sample in _samples(vitals):
        names = [name for name, _ in sample.labels]
        if sample.name not in gauges:
            gauges[sample.name] = Gauge(sample.name, sample.help, names, registry=registry)
        gauge = gauges[sample.name]
        (gauge.labels(**dict(sample.labels)) if names else gauge).set(sample.value)
    return generate_latest(registry)


def write(path: Path, vitals: HostMetrics) -> None:
    """Replace the file, atomically (rules 2 and 3).  Raises MetricsError."""
    content = render(vitals)
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _trusted(folder)
            _replace(folder, path.name, content)
        finally:
            os.close(folder)
    except OSError as error:
        message = f"cannot write the metrics {path}: {error.strerror or error}; see metrics_file"
        raise MetricsError(message) from error


def _trusted(folder: int) -> None:
    found = os.fstat(folder)
    if found.st_uid not in {0, os.geteuid()} or others_write(found):
        message = "others may write in its folder"
        raise PermissionError(message)


def _replace(folder: int, name: str, content: bytes) -> None:
    fresh = f".{name}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(fresh, flags, 0o644, dir_fd=folder)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(content)
    os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)


def _samples(vitals: HostMetrics) -> Iterator[_Sample]:
    yield _Sample("t3safe_info", "The t3safe that wrote this", 1, (("version", __version__),))
    yield _Sample("t3safe_written_timestamp_seconds", "When this was written", _at(vitals.at))
    yield _Sample("t3safe_unreadable", "Things that could not be read", len(vitals.problems))
    if vitals.frozen is not None:
        yield _Sample("t3safe_frozen", "Whether the host is frozen", bool(vitals.frozen))
    if vitals.behind is not None:
        text = "Days from last-good to the newest build on offer"
        yield _Sample("t3safe_days_behind", text, vitals.behind)
    text = "Days behind from which the host is stale"
    yield _Sample("t3safe_stale_limit_days", text, vitals.stale_after.days)
    text = "Seconds from which a person is deferred too long"
    yield _Sample("t3safe_deferred_limit_seconds", text, vitals.deferred_max.total_seconds())
    for role, build in _ROLES.items():
        yield from _of_role(role, build(vitals))
    for command, at in vitals.ended:
        text = "When a command ended last, also where it did nothing"
        here = (("command", command),)
        yield _Sample("t3safe_last_ended_timestamp_seconds", text, _at(at), here)
    for ruling, count in vitals.verdicts:
        yield _Sample("t3safe_verdicts", "Builds remembered", count, (("ruling", ruling),))
    yield from _of_runs(vitals)
    yield from _of_people(vitals)


_ROLES: Final[dict[str, Callable[[HostMetrics], Version | None]]] = {
    "default": lambda vitals: vitals.default,
    "last-good": lambda vitals: vitals.last_good,
    "newest": lambda vitals: vitals.newest,
}


def _of_role(role: str, build: Version | None) -> Iterator[_Sample]:
    if build is not None:
        text = "The build of everybody else, the one promoted last, the newest on offer"
        yield _Sample("t3safe_build_info", text, 1, (("role", role), ("build", str(build))))


def _of_runs(vitals: HostMetrics) -> Iterator[_Sample]:
    if vitals.runs is None:
        return
    broken = vitals.speaking(Outcome.GATE_BROKEN) is not None
    yield _Sample("t3safe_gate_broken", "Whether the present build fails the gate too", broken)
    needed = vitals.speaking(Outcome.NEEDS_HUMAN) is not None
    yield _Sample("t3safe_needs_human", "Whether a person must act", needed)
    back = vitals.speaking(Outcome.ROLLED_BACK) is not None
    yield _Sample("t3safe_rolled_back", "Whether somebody was taken back last", back)
    refused = vitals.speaking(Outcome.REFUSED) is not None
    yield _Sample("t3safe_refused", "Whether the newest candidate was refused", refused)
    for outcome in Outcome:
        count = vitals.ends.get(outcome, 0)
        yield _Sample("t3safe_runs", "Runs by how they ended", count, (("outcome", outcome),))
    last = last_closed(vitals.runs)
    if last is None or last.closed is None or last.ended is None:
        return
    text = "When the last run that had something to do ended"
    yield _Sample("t3safe_last_run_timestamp_seconds", text, _at(last.closed))
    seconds = (last.closed - last.opened).total_seconds()
    yield _Sample("t3safe_last_run_duration_seconds", "How long it took", seconds)
    for outcome in Outcome:
        here = (("outcome", outcome.value),)
        value = last.ended.outcome is outcome
        yield _Sample("t3safe_last_run_outcome", "How it ended, 1 for one of them", value, here)


def _of_people(vitals: HostMetrics) -> Iterator[_Sample]:
    for item in vitals.waiting or ():
        since = vitals.at - item.since
        text = "How long a person waits to be moved"
        here = (("person", item.person),)
        yield _Sample("t3safe_person_deferred_seconds", text, since.total_seconds(), here)
    for person in vitals.people:
        who = (("person", person.person),)
        # What cannot be read is not told: `t3safe_unreadable` counts it.
        if person.fenced is not None:
            runs = ("build", str(person.build or "")), ("fenced", str(int(person.fenced)))
            yield _Sample("t3safe_person_build_info", "What a person runs", 1, (*who, *runs))
        if person.snapshots is not None:
            yield from _of_snapshots(person.snapshots, who)


def _of_snapshots(
    stored: tuple[Stored, ...], who: tuple[tuple[str, str], ...]
) -> Iterator[_Sample]:
    yield _Sample("t3safe_person_snapshots", "A person's copies", len(stored), who)
    text = "What a person's copies weigh"
    yield _Sample("t3safe_person_snapshot_bytes", text, sum(item.size for item in stored), who)
    if stored:
        newest = max(stored, key=age).taken
        text = "When a person's newest copy was taken"
        yield _Sample("t3safe_person_snapshot_timestamp_seconds", text, _at(newest), who)


def _at(moment: datetime) -> float:
    return moment.timestamp()
