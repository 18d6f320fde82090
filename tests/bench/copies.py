"""Copies of a set: beside a running serve, with the stall of its writer, and at rest."""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from fakes.t3.states import populate
from t3safe.adapters._support.personaldata.databases import opened
from t3safe.adapters.clock import SystemClock
from t3safe.adapters.personaldata.local import LocalPersonalData
from t3safe.adapters.personaldata.worker.copies import back_up
from t3safe.domain.retention import SnapshotKind
from t3safe.t3.files import HOME_BASE
from t3safe.t3.generations import EVENT_LOG
from tests.bench.figures import Figure, Pairs, RatioBound

SIZE: Final = 1_000_000_000
COMMITS: Final = 100
"""Of the writer, a second."""
STALL_MAX: Final = 0.150
REST_MAX: Final = 1.5
"""Seconds that a copy at rest may take beyond one `cp`: people are away meanwhile."""
_EVENT: Final = (
    f"INSERT INTO {EVENT_LOG} (event_id, aggregate_kind, stream_id, stream_version,"
    " event_type, occurred_at, actor_kind, payload_json, metadata_json)"
    " SELECT hex(randomblob(16)), aggregate_kind, hex(randomblob(8)), 0, event_type, occurred_at,"
    f" actor_kind, payload_json, metadata_json FROM {EVENT_LOG} LIMIT 1"
)


def copies(pairs: int, folder: Path | None = None) -> Iterator[Figure]:
    """Snapshots of 1 GB: with a writer, beside `VACUUM INTO` and `cp`; and at rest."""
    with tempfile.TemporaryDirectory(prefix="t3safe-bench-", dir=folder or "/var/tmp") as made:
        root = Path(made)
        home = root / "ann" / HOME_BASE
        database = populate(home, 32, size_bytes=SIZE).database
        wall, stall, rest = Pairs(), Pairs(), Pairs()
        for number in range(pairs):
            for name, copy in _ways(root, database, f"online-{number}").items():
                took, stalled = _beside_a_writer(database, copy)
                wall.add(name, took)
                stall.add(name, stalled)
                _clear(root)
            ways = _ways(root, database, f"rest-{number}", SnapshotKind.REST)
            rest.add("t3safe", _timed(root, ways["t3safe"]) - _timed(root, ways["cp"]))
        yield wall.figure("online copy, 1 GB: wall", "copy", RatioBound("VACUUM INTO", 0.8))
        yield wall.figure(
            "online snapshot, 1 GB: wall", "t3safe", RatioBound("VACUUM INTO", 0.8), note=_NOTE
        )
        yield stall.figure("the same: worst stall of the writer", "t3safe", at_most=STALL_MAX)
        yield rest.figure("snapshot at rest, 1 GB, less one cp", "t3safe", at_most=REST_MAX)


_NOTE: Final = "the snapshot is also checked, digested and synchronised; the others are not"


def _timed(root: Path, copy: Callable[[], object]) -> float:
    begun = time.perf_counter()
    copy()
    took = time.perf_counter() - begun
    _clear(root)
    return took


def _clear(root: Path) -> None:
    for left in (root / "backups", root / "copy"):
        shutil.rmtree(left, ignore_errors=True)
        left.unlink(missing_ok=True) if left.is_file() else None


def _ways(
    root: Path, database: Path, snapshot: str, kind: SnapshotKind = SnapshotKind.ONLINE
) -> dict[str, Callable[[], object]]:
    states = LocalPersonalData(
        base=str(root / "{person}" / HOME_BASE),
        destination=root / "backups",
        clock=SystemClock(),
        timeout=600.0,
        switch_user=False,
    )
    copy = root / "copy"
    return {
        "t3safe": lambda: states.snapshot("ann", snapshot, kind, None),
        "copy": lambda: _copied(database, copy),
        "VACUUM INTO": lambda: _ran("sqlite3", str(database), f"VACUUM INTO '{copy}'"),
        "cp": lambda: _ran("cp", "--reflink=never", str(database), str(copy)),
    }


def _copied(database: Path, copy: Path) -> None:
    """Copy as an online snapshot does, without the check, the digest and the end of the sync."""
    with opened(str(database.parent), database.name) as source:
        back_up(source, str(copy), None)


def _ran(*words: str) -> None:
    subprocess.run(words, check=True)


def _beside_a_writer(database: Path, copy: Callable[[], object]) -> tuple[float, float]:
    """Seconds that a copy takes, and the longest that one commit took meanwhile."""
    here, there = multiprocessing.Pipe()
    writer = multiprocessing.Process(target=_write, args=(database, there))
    writer.start()
    here.recv()
    begun = time.perf_counter()
    try:
        copy()
        took = time.perf_counter() - begun
    finally:
        here.send("enough")
    worst = float(here.recv())
    writer.join()
    return took, worst


def _write(database: Path, there: Connection) -> None:
    """Commit steadily until told that it is enough; send the longest commit."""
    worst = 0.0
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_EVENT)
        there.send("writing")
        while not there.poll():
            begun = time.perf_counter()
            connection.execute(_EVENT)
            took = time.perf_counter() - begun
            worst = max(worst, took)
            time.sleep(max(0.0, 1 / COMMITS - took))
    there.send(worst)
