"""Personal data on a real disk, and a process that has it open as a serve has.

The tables are the real ones as far as t3safe reads them; names and columns are those of t3's
releases at schema 30 and 32.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from attrs import define, field

from fakes.t3.app.state import SIGNING_KEY
from t3safe.adapters.personaldata.local import LocalPersonalData
from t3safe.contracts.personaldata import OLD
from t3safe.t3.files import ENVIRONMENT_ID, HOME_BASE, USERDATA, V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import EVENT_LOG, THREADS
from t3safe.t3.ledger import LEDGER_TABLE
from t3safe.t3.sign_in import SESSIONS
from t3safe.t3.work import APPROVALS, THREAD_SESSIONS, TURNS

SCHEMA: Final = f"""
CREATE TABLE {LEDGER_TABLE} (
  migration_id integer PRIMARY KEY NOT NULL,
  created_at datetime NOT NULL DEFAULT current_timestamp,
  name VARCHAR(255) NOT NULL
);
CREATE TABLE {EVENT_LOG} (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id TEXT NOT NULL UNIQUE,
  occurred_at TEXT NOT NULL,
  payload_json TEXT NOT NULL
);
CREATE TABLE {THREADS} (
  thread_id TEXT PRIMARY KEY,
  deleted_at TEXT,
  pending_user_input_count INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE {THREAD_SESSIONS} (
  thread_id TEXT PRIMARY KEY, status TEXT NOT NULL, active_turn_id TEXT, updated_at TEXT NOT NULL
);
CREATE TABLE {TURNS} (
  row_id INTEGER PRIMARY KEY AUTOINCREMENT,
  thread_id TEXT NOT NULL, state TEXT NOT NULL, requested_at TEXT NOT NULL
);
CREATE TABLE {APPROVALS.table} (
  request_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, status TEXT NOT NULL
);
CREATE TABLE {SESSIONS} (session_id TEXT PRIMARY KEY, role TEXT NOT NULL);
"""

LATER_DATABASE: Final = V2_DATABASE.replace("2", "3")
"""What a t3 after V2 may call its own."""


_SERVE: Final = """
import json, os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("PRAGMA wal_autocheckpoint=0")
connection.execute("PRAGMA synchronous=OFF")
connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
print("open", flush=True)
for line in sys.stdin:
    for statement, values in json.loads(line):
        connection.execute(statement, values)
    print("done", flush=True)
connection.close()
"""

Statement = tuple[str, tuple[object, ...]]


@define
class Ticking:
    """A clock that is a second further at every look, and may be set ahead."""

    time: datetime = datetime(2026, 11, 24, 4, tzinfo=UTC)
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The next second."""
        self.time += timedelta(seconds=1)
        return self.time + self.ahead


@define
class OpenDatabase:
    """A process that has a database open in WAL mode and never folds its log back by itself."""

    process: subprocess.Popen[str]

    @classmethod
    def on(cls, database: Path) -> OpenDatabase:
        """Open the database; it is open when this returns."""
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SERVE, str(database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        serve = cls(process)
        assert serve._line() == "open\n"
        return serve

    def commit(self, *statements: Statement) -> None:
        """Run statements, each committed when this returns unless they begin a transaction."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(statements) + "\n")
        self.process.stdin.flush()
        assert self._line() == "done\n"

    def stop(self) -> None:
        """End in order: the log is folded back and removed."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait(10)
        self.process.stdout.close()

    def kill(self) -> None:
        """Die at once: the log stays."""
        self.process.send_signal(signal.SIGKILL)
        self.stop()

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()


@contextmanager
def serving(database: Path) -> Iterator[OpenDatabase]:
    """Have a serve on a database for as long as the block runs."""
    serve = OpenDatabase.on(database)
    try:
        yield serve
    finally:
        if serve.process.poll() is None:
            serve.kill()


def event(name: str, payload: str = "{}") -> Statement:
    """The statement that appends one event."""
    return (
        f"INSERT INTO {EVENT_LOG} (event_id, occurred_at, payload_json) VALUES (?, ?, ?)",
        (name, "2026-06-09T04:00:00.000Z", payload),
    )


def make_database(path: Path, ledger: Iterable[tuple[int, str]] = OLD, events: int = 3) -> Path:
    """Make a database in WAL mode with a ledger and so many events, closed in order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        connection.executescript(SCHEMA)
        connection.executemany(
            f"INSERT INTO {LEDGER_TABLE} (migration_id, created_at, name)"
            " VALUES (?, '2026-06-09 04:00:00', ?)",
            list(ledger),
        )
        for number in range(events):
            connection.execute(*event(f"event {number}"))
    path.chmod(0o644)
    return path


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    """Read from a database that no other process has open."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        return connection.execute(statement).fetchall()


def change(path: Path, *statements: Statement) -> None:
    """Commit to a database and close it in order."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        for statement, values in statements:
            connection.execute(statement, values)


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every regular file below a folder with its mode and bytes; SQLite's look-aside left out."""
    return {
        str(path.relative_to(root)): (path.stat().st_mode & 0o7777, path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink() and not path.name.endswith(("-shm", "-wal"))
    }


@define
class DiskWorld:
    """Real personal data below a folder, behind the real adapter; the contract's real world."""

    root: Path
    states: LocalPersonalData = field(init=False)
    clock: Ticking = field(factory=Ticking)
    _serves: dict[str, OpenDatabase] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Wire the adapter to this folder; all people are the user who runs the tests."""
        self.states = LocalPersonalData(
            base=f"{self.root}/home/{{person}}/{HOME_BASE}",
            destination=self.root / "backup",
            clock=self.clock,
            timeout=20.0,
            switch_user=False,
        )

    def userdata(self, person: str) -> Path:
        """Where a person's data is."""
        return self.root / "home" / person / HOME_BASE / USERDATA

    def database(self, person: str, name: str = V1_DATABASE) -> Path:
        """Where a database of a person is."""
        return self.userdata(person) / name

    def found(
        self,
        person: str,
        ledger: Iterable[tuple[int, str]] = OLD,
        events: int = 3,
        database: str = V1_DATABASE,
    ) -> None:
        """Give a person a database, and the small files that a serve needs."""
        make_database(self.database(person, database), ledger, events)
        secrets = self.userdata(person) / "secrets"
        secrets.mkdir(exist_ok=True)
        secrets.chmod(0o700)
        (secrets.parent / SIGNING_KEY).write_bytes(b"k" * 32)
        (secrets.parent / SIGNING_KEY).chmod(0o600)
        (self.userdata(person) / ENVIRONMENT_ID).write_text("home")

    def serve(self, person: str) -> None:
        """Let a serve run on the person's data."""
        self._serves[person] = OpenDatabase.on(self.database(person))

    def commit(self, person: str, events: int) -> None:
        """Let the person's serve commit so many more events."""
        before = len(self.events(person, running=True))
        self._serves[person].commit(*(event(f"event {before + n}") for n in range(events)))

    def migrate(self, person: str, number: int, name: str) -> None:
        """Let the person's serve run a migration that takes every sign-in away."""
        self._serves[person].commit(
            (
                f"INSERT INTO {LEDGER_TABLE} (migration_id, name) VALUES (?, ?)",
                (number, name),
            ),
            (f"DELETE FROM {SESSIONS}", ()),
        )

    def run_turn(self, person: str, thread: str, since: str) -> None:
        """Let a turn be in flight in a thread."""
        self._serves[person].commit(
            (
                f"INSERT INTO {THREAD_SESSIONS} VALUES (?, 'running', 'turn', ?)",
                (thread, since),
            )
        )

    def serve_pid(self, person: str) -> int:
        """The process of the person's serve."""
        return self._serves[person].process.pid

    def hold(self, person: str) -> int:
        """Let a process beside the serve have the person's data open; its pid."""
        self._serves[f"beside {person}"] = OpenDatabase.on(self.database(person))
        return self.serve_pid(f"beside {person}")

    def let_go(self, person: str) -> None:
        """End that process."""
        self.end(f"beside {person}")

    def set_clock_ahead(self, days: int) -> None:
        """Let the host's clock be ahead by so many days, 0 for right again."""
        self.clock.ahead = timedelta(days=days)

    def end(self, person: str, *, killed: bool = False) -> None:
        """End the person's serve, in order or by SIGKILL."""
        serve = self._serves.pop(person)
        if killed:
            serve.kill()
        else:
            serve.stop()

    def damage(self, person: str) -> None:
        """Make the person's database something that SQLite cannot read."""
        self.database(person).write_bytes(b"this was a database once" * 100)

    def damage_snapshot(self, person: str, snapshot: str) -> None:
        """Change a byte of a sealed snapshot."""
        path = self.root / "backup" / person / snapshot / "files" / V1_DATABASE
        data = bytearray(path.read_bytes())
        data[-1] ^= 0xFF
        path.write_bytes(data)

    def events(self, person: str, *, running: bool = False) -> tuple[str, ...]:
        """The events that the person's database holds, as a serve would see them."""
        options = "mode=ro" if running else "mode=rw"
        uri = f"file:{self.database(person)}?{options}"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            rows = connection.execute(f"SELECT event_id FROM {EVENT_LOG} ORDER BY sequence")
            return tuple(str(row[0]) for row in rows)

    def secret(self, person: str) -> bytes:
        """The person's signing key, empty where there is none."""
        path = self.userdata(person) / SIGNING_KEY
        return path.read_bytes() if path.exists() else b""

    def lose_secret(self, person: str) -> None:
        """Take the person's signing key away."""
        os.unlink(self.userdata(person) / SIGNING_KEY)

    def databases(self, person: str) -> tuple[str, ...]:
        """The names of the person's databases."""
        return tuple(sorted(path.name for path in self.userdata(person).glob("*.sqlite")))

    def close(self) -> None:
        """Leave no serve behind."""
        for person in tuple(self._serves):
            self.end(person, killed=True)
