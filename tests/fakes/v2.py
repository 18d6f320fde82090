"""What the tests of V2's fake share: its releases, and looks at what it wrote."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from attrs import evolve

from fakes.packages import FakeRelease, release_like
from fakes.t3.process import RunningServe

FAST = {"native": False, "start_time": 0.0, "listen_window": 0.05}
V1 = release_like("0.0.45", **FAST)
FIRST = release_like("0.0.46-nightly.20261003.2610", **FAST)
NEW = release_like("0.0.46-nightly.20261010.2922", **FAST)
EXCHANGE = "/api/auth/browser-session"
DATA = Path(__file__).parent / "data"
RECOVERED = "V2 orchestration recovery completed"
HYDRATED = "Hydrated legacy v1 thread transcripts"


def bad(*faults: str, release: FakeRelease = NEW) -> FakeRelease:
    """A V2 release with these faults."""
    return evolve(release, faults=faults)


def rows(base: Path, sql: str, database: str = "statev2.sqlite") -> list[tuple[object, ...]]:
    """Every row of a query on a base directory's database."""
    with closing(sqlite3.connect(base / "userdata" / database)) as connection:
        return connection.execute(sql).fetchall()


def count(base: Path, table: str, database: str = "statev2.sqlite") -> int:
    """How many rows a table has."""
    return int(str(rows(base, f"SELECT count(*) FROM {table}", database)[0][0]))


def ledger(base: Path, database: str = "statev2.sqlite") -> list[tuple[int, str]]:
    """The (id, name) pairs of the ledger."""
    query = "SELECT migration_id, name FROM effect_sql_migrations ORDER BY 1"
    return [(int(str(number)), str(name)) for number, name in rows(base, query, database)]


def statuses(base: Path, table: str) -> set[object]:
    """The statuses in one of V2's tables."""
    return {status for (status,) in rows(base, f"SELECT status FROM orchestration_v2_{table}")}


def pair(serve: RunningServe) -> str:
    """Mint and exchange; the cookie as `name=value`."""
    answer = serve.request("POST", EXCHANGE, {"credential": serve.mint()})
    assert answer.status == 200
    return answer.cookie


def wait_for(found: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_for_text(serve: RunningServe, text: str) -> None:
    """Wait until the serve has logged this."""
    wait_for(lambda: text in serve.text())


def last_sequences(base: Path) -> tuple[object, ...]:
    """What the projections hold, and the newest event."""
    return rows(
        base,
        "SELECT (SELECT last_sequence FROM orchestration_v2_projection_metadata),"
        " (SELECT max(sequence) FROM orchestration_events)",
    )[0]


def fingerprint(base: Path) -> bytes:
    """The bytes of V1's database."""
    return (base / "userdata" / "state.sqlite").read_bytes()
