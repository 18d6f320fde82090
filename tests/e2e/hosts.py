"""Whole hosts as the nights begin with them, what is read of them, and a terminal to type at."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from attrs import frozen

from fakes.embedded import SAFE, CommandResult, EmbeddedHost, HostPerson
from fakes.packages import release_like
from t3safe.t3.ledger import LEDGER_TABLE

OLD: Final = release_like("0.0.25-nightly.20260602.440", schema=30, native=False)
NEW: Final = release_like("0.0.25-nightly.20260608.497", native=False)
BASICS: Final = {
    "gate.soak": 0.1,
    "rollout.bake": 0.2,
    "rollout.bake_interval": 0.1,
    "rollout.verify_grace": 0.5,
}
PEOPLE: Final = (HostPerson("ann"), HostPerson("ben", {"attachments": 1}))
ANN: Final = (HostPerson("ann"),)


@contextmanager
def adopted(
    root: Path, people: tuple[HostPerson, ...] = PEOPLE, **config: object
) -> Iterator[EmbeddedHost]:
    """Give a host on which everybody runs OLD; `config` has `__` for the dot of a key."""
    with EmbeddedHost(root, people, config=dict(BASICS)) as made:
        made.write_config(**config)
        made.adopt(OLD)
        yield made


def at_work(host: EmbeddedHost, *people: str) -> None:
    """Let these people sign in and work once, everybody where nobody is named."""
    for name in people or host.people:
        client = host.client(name)
        client.sign_in()
        client.work()


# What is read of it.


def state(host: EmbeddedHost) -> dict[str, Any]:
    """Read what a refusal must not change: selections, processes, ledgers, files of the store."""
    return {
        "selected": {
            link.name: str(link.readlink()) for link in sorted((host.store / "users").iterdir())
        },
        "default": str((host.store / "default").readlink()),
        "serves": {
            name: (host.root / "run" / f"{name}.pid").read_text()
            for name in host.people
            if (host.root / "run" / f"{name}.pid").exists()
        },
        "ledgers": {name: ledger(host, name) for name in host.people},
        "last-good": (host.root / "state" / "last-good").read_text(),
        "builds": sorted(path.name for path in (host.store / "builds").iterdir()),
        "schemas": sorted(path.name for path in (host.store / "schemas").glob("*")),
    }


def selected(host: EmbeddedHost, person: str) -> str:
    """Name the build that is selected for a person."""
    return (host.store / "users" / person).readlink().name


def query(host: EmbeddedHost, person: str, sql: str) -> list[tuple[Any, ...]]:
    """Ask a person's live database."""
    with closing(sqlite3.connect(f"{host.database(person).as_uri()}?mode=ro", uri=True)) as opened:
        return opened.execute(sql).fetchall()


def ledger(host: EmbeddedHost, person: str) -> int:
    """Read the highest migration of a person's database."""
    return int(query(host, person, f"SELECT max(migration_id) FROM {LEDGER_TABLE}")[0][0])


def rows(host: EmbeddedHost, person: str) -> dict[str, set[tuple[object, ...]]]:
    """Read every row of every table of a person."""
    names = query(host, person, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name: set(query(host, person, f'SELECT * FROM "{name}"')) for (name,) in names}


def result(said: CommandResult) -> dict[str, Any]:
    """Read the document that `--json` prints."""
    body: dict[str, Any] = json.loads(said.out)["result"]
    return body


def pairs(host: EmbeddedHost) -> bool:
    """Sign in as everybody in new browsers."""
    clients = [host.client(name) for name in host.people]
    for client in clients:
        client.sign_in()
    return all(client.authenticated() for client in clients)


# A terminal.


@frozen
class Terminal:
    """The real command line at a terminal; what it shows is read from the other end."""

    process: subprocess.Popen[bytes]
    end: int

    @classmethod
    def start(cls, host: EmbeddedHost, *words: str, session: bool = False, **env: str) -> Self:
        """Start a command; with `session` it leads one, and is told when the terminal hangs up."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*SAFE, "--config", str(host.config_file), *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=host.environment | {"TERM": "xterm", "COLUMNS": "200", "LINES": "50"} | env,
            cwd=host.root,
            preexec_fn=(lambda: os.login_tty(theirs)) if session else None,  # noqa: PLW1509
        )
        os.close(theirs)
        return cls(process, ours)

    def read_until(self, wanted: Callable[[bytes], bool]) -> bytes:
        """Read what is shown until there is enough of it."""
        return read_until(self.end, wanted)

    def close(self, typed: bytes = b"") -> tuple[int, str]:
        """Type this, read all that comes, and close; the status, and what was shown."""
        os.write(self.end, typed)
        shown = b""
        try:
            while chunk := os.read(self.end, 65_536):
                shown += chunk
        except OSError:
            pass  # The other end has closed.
        return self.leave(), shown.decode()

    def leave(self) -> int:
        """Close the terminal, read or not; the status."""
        os.close(self.end)
        return self.process.wait(60)


def read_until(descriptor: int, wanted: Callable[[bytes], bool]) -> bytes:
    """Read from a descriptor until there is enough."""
    heard = b""
    while not wanted(heard):
        chunk = os.read(descriptor, 1)
        assert chunk, heard
        heard += chunk
    return heard
