"""What the worker's tests share: one person's set, a store, and a death at any step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from fakes.t3.app.state import BINDINGS, SIGNING_KEY
from t3safe.adapters._support.personaldata.discovery import PersonalFiles, discover
from t3safe.adapters._support.personaldata.disk import Tools
from t3safe.adapters.personaldata.worker.manifest import SnapshotManifest
from t3safe.adapters.personaldata.worker.restore import restore
from t3safe.adapters.personaldata.worker.snapshots import SnapshotOrder, take
from t3safe.t3.files import USERDATA, V1_DATABASE
from tests.support.personaldata import DiskWorld, make_database


class Killed(BaseException):
    """The worker died here; no handler of an ordinary error may see it."""


@define
class Steps:
    """Records the steps of the worker, and dies once the step with this number is done."""

    die_after: int = -1
    seen: list[str] = field(factory=list)

    def __call__(self, name: str) -> None:
        """Take note of a step."""
        self.seen.append(name)
        if len(self.seen) - 1 == self.die_after:
            raise Killed(name)


@define
class Home:
    """One person's base folder and store, and the worker's functions on them, in this process."""

    base: Path
    store: Path

    @property
    def userdata(self) -> Path:
        """Where the set is."""
        return self.base / USERDATA

    @property
    def database(self) -> Path:
        """The database that t3 has had from the first release on."""
        return self.userdata / V1_DATABASE

    @property
    def found(self) -> PersonalFiles:
        """What is found there now."""
        return discover(str(self.userdata))

    def populate(self) -> None:
        """Give the person ordinary data."""
        make_database(self.database)
        secrets = self.userdata / "secrets"
        secrets.mkdir()
        (self.userdata / SIGNING_KEY).write_bytes(b"k" * 32)
        (self.userdata / SIGNING_KEY).chmod(0o600)
        secrets.chmod(0o700)
        (self.userdata / BINDINGS).write_text("{}")

    def order(self, snapshot: str, kind: str = "rest") -> SnapshotOrder:
        """An order for a snapshot of this set."""
        taken = "2026-11-24T04:00:00+00:00"
        return SnapshotOrder(
            str(self.base), str(self.store), "alice", snapshot, kind, "0.0.24", taken
        )

    def take(
        self, snapshot: str, kind: str = "rest", tools: Tools | None = None
    ) -> SnapshotManifest:
        """Take a snapshot."""
        return take(self.order(snapshot, kind), tools or Tools(grace=0.0))

    def restore(self, snapshot: str, tools: Tools | None = None) -> list[str]:
        """Restore a snapshot; tell what could not be kept."""
        tools = tools or Tools(grace=0.0)
        return restore(str(self.base), str(self.store), "alice", snapshot, tools)

    def sealed(self) -> list[str]:
        """What lies in the store, garbage too."""
        return sorted(path.name for path in self.store.iterdir())

    @contextmanager
    def manifest(self, snapshot: str) -> Iterator[Any]:
        """Give a snapshot's manifest to be changed in place."""
        path = self.store / snapshot / "manifest.json"
        said = json.loads(path.read_bytes())
        yield said
        path.write_text(json.dumps(said))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A person who has no set yet, on a disk that is not waited for.

    A process that dies loses nothing that it wrote; only the contract suite waits for the disk.
    """
    monkeypatch.setattr(os, "fsync", lambda _: None)
    (tmp_path / "base").mkdir()
    (tmp_path / "store").mkdir(mode=0o700)
    return Home(tmp_path / "base", tmp_path / "store")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DiskWorld]:
    """A disk with one person's set, behind the port."""
    disk = DiskWorld(tmp_path)
    disk.found("alice")
    yield disk
    disk.close()


@contextmanager
def writing(script: str, database: Path) -> Iterator[None]:
    """Have a process write to a database without end; it has begun, and says so by a line."""
    words = [sys.executable, "-c", script, str(database)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout
            writer.stdout.readline()
            yield
        finally:
            writer.kill()


def steps_of(action: Callable[[Tools], object]) -> list[str]:
    """Run something to its end and name its steps."""
    steps = Steps()
    action(Tools(reached=steps, grace=0.0))
    return steps.seen


def die_after(step: int, action: Callable[[Tools], object]) -> None:
    """Run something and let it die once so many steps are done."""
    with suppress(Killed):
        action(Tools(reached=Steps(step), grace=0.0))
        pytest.fail("it did not die")
