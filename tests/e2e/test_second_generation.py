"""Whole hosts that move from V1 to V2 and back: real npm, native programs, SQLite and serves."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
from attrs import evolve

from fakes.embedded import CommandResult, EmbeddedHost, HostPerson
from fakes.packages import FakeRelease, release_like
from fakes.t3 import Acknowledged, acknowledged_rows, missing_rows
from fakes.t3.states import DIFFS
from t3safe.entrypoints.exits import Exit
from t3safe.t3.files import IMPORT_PREFIX, USERDATA, V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import EVENT_LOG, V2_MESSAGES
from tests.e2e.hosts import BASICS

V1: Final = release_like("0.0.45-nightly.20261002.2595", layout="platform")
V2: Final = release_like("0.0.46-nightly.20261003.2610", layout="platform")
NEXT: Final = release_like("0.0.46-nightly.20261010.2922", layout="platform", compaction="always")
PEOPLE: Final = (
    HostPerson("ann", {"threads": 4, "messages": 6}),
    HostPerson("ben", {"size_bytes": 3_000_000, "attachments": 1}),
    HostPerson("cat"),
)
OWN: Final = "work of the person"


@contextmanager
def host_of(root: Path, *residents: HostPerson) -> Iterator[EmbeddedHost]:
    """Give a host on V1's last nightly, as a native program."""
    with EmbeddedHost(root, residents, level=V1.schema, config=dict(BASICS)) as made:
        made.adopt(V1)
        yield made


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host with three people."""
    with host_of(tmp_path, *PEOPLE) as made:
        yield made


def work(host: EmbeddedHost, name: str) -> list[Acknowledged]:
    """Sign in as a person in a new browser and work once."""
    client = host.client(name)
    client.sign_in()
    assert client.authenticated()
    assert client.opens()
    return client.work(text=OWN)


def night(host: EmbeddedHost, release: FakeRelease) -> tuple[CommandResult, dict[str, Any]]:
    """Publish a nightly and run; what was said, and what it says of everybody."""
    host.publish(release, tag="nightly")
    said = host.t3safe("run", "--json")
    people: dict[str, Any] = json.loads(said.out)["result"]["people"]
    return said, people


def running(host: EmbeddedHost) -> dict[str, str]:
    """Who is on which build."""
    users = host.store / "users"
    return {name: (users / name).readlink().name for name in host.people}


def all_on(host: EmbeddedHost, release: FakeRelease) -> bool:
    """Whether everybody is on one release."""
    return set(running(host).values()) == {release.version}


def of_v2(host: EmbeddedHost, name: str) -> list[str]:
    """What a person's set holds of V2: its database, the logs of it, an import."""
    entries = sorted(path.name for path in (host.base(name) / USERDATA).iterdir())
    return [each for each in entries if each.startswith((V2_DATABASE, IMPORT_PREFIX))]


def left_over(host: EmbeddedHost, name: str) -> bytes:
    """V1's database of a person, to the byte."""
    return (host.base(name) / USERDATA / V1_DATABASE).read_bytes()


def dump(database: Path) -> str:
    """Write a database as text, its schema and all its rows."""
    with closing(sqlite3.connect(f"{database.as_uri()}?immutable=1", uri=True)) as opened:
        return "\n".join(opened.iterdump())


def kept_aside(host: EmbeddedHost, name: str, database: str) -> list[Path]:
    """A person's copies of a database, in whatever snapshot."""
    return sorted((host.backups / name).glob(f"*/files/{database}"))


def test_up_to_v2_back_and_up_again(host: EmbeddedHost) -> None:
    """Everybody is moved with every row; ann goes back with all of V1's, and V2 shows it later."""
    rows = {name: work(host, name) for name in host.people}
    said, _ = night(host, V2)
    assert said.status == Exit.OK, said
    assert all_on(host, V2)
    left = {name: left_over(host, name) for name in host.people}
    for name in host.people:
        at_rest = [dump(path) for path in kept_aside(host, name, V1_DATABASE)]
        assert dump(host.base(name) / USERDATA / V1_DATABASE) in at_rest
        assert missing_rows(rows[name], host.base(name), V1_DATABASE) == []
        rows[name] += (second := work(host, name))
        assert {row.version for row in second} == {V2.version}
        assert missing_rows(rows[name], host.base(name)) == []
        assert left_over(host, name) == left[name]

    # Back on purpose: what ann did in V2 is put away, and counted.
    of_ann = [row for row in rows["ann"] if row.version == V1.version]
    said = host.t3safe("rollback", "ann", "--yes")
    assert said.status == Exit.OK, said
    assert f"rows of {V2_DATABASE}:{V2_MESSAGES}" in said.out, said
    assert DIFFS not in said.out, "what V2 took over from V1 is not lost"
    assert running(host)["ann"] == V1.version
    assert of_v2(host, "ann") == []
    assert missing_rows(of_ann, host.base("ann")) == []
    in_v2 = [row for row in rows["ann"] if row.version == V2.version]
    aside = kept_aside(host, "ann", V2_DATABASE)
    assert aside
    assert any(_holds(path, in_v2) for path in aside)
    meanwhile = work(host, "ann")
    assert {row.version for row in meanwhile} == {V1.version}

    # Up again: from V1's data as it is now; the others go from V2 to V2, which compacts.
    said, _ = night(host, NEXT)
    assert said.status == Exit.OK, said
    assert all_on(host, NEXT)
    assert missing_rows([*of_ann, *meanwhile], host.base("ann")) == []
    for name in ("ben", "cat"):
        assert missing_rows(rows[name], host.base(name)) == []
        assert left_over(host, name) == left[name]
    for name in host.people:
        assert work(host, name)
    logged = [row for row in rows["ben"] if row.table == EVENT_LOG]
    assert missing_rows(logged, host.base("ben"), V1_DATABASE) == []
    with closing(sqlite3.connect(host.database("ben"))) as opened:
        there = {row for table, row in acknowledged_rows(opened) if table == EVENT_LOG}
    assert not {row.key for row in logged} & there, "V2 has not compacted its log"


def _holds(database: Path, rows: list[Acknowledged]) -> bool:
    """Whether a kept copy of a database holds these rows."""
    base = database.parent / "looked-at"
    with suppress(FileExistsError):
        base.mkdir()
    (base / USERDATA).mkdir(exist_ok=True)
    shutil.copy(database, base / USERDATA / V2_DATABASE)
    try:
        return not missing_rows(rows, base, V2_DATABASE)
    finally:
        shutil.rmtree(base)


def test_v2_that_breaks_in_production_leaves_nothing_behind(host: EmbeddedHost) -> None:
    """Ben is taken back, cat is not begun; `rollback --all` takes ann back, too."""
    before = {name: work(host, name) for name in host.people}
    said, people = night(host, evolve(V2, faults=("breaks-with-attachments",)))
    assert said.status == Exit.ROLLED_BACK, said
    assert running(host) == {"ann": V2.version, "ben": V1.version, "cat": V1.version}
    assert people["ben"]["status"] == "rolled-back"
    said = host.t3safe("rollback", "--all", "--yes")
    assert said.status == Exit.OK, said
    assert all_on(host, V1)
    for name in host.people:
        assert of_v2(host, name) == []
        assert missing_rows(before[name], host.base(name)) == []
        assert work(host, name)


def test_a_first_start_that_is_killed_in_production_leaves_nothing_behind(
    host: EmbeddedHost,
) -> None:
    """The serve dies with V2's database half made: ann is back on V1, and the next night is good.

    It dies where it is only begun to be made: what there is of it must not be gone on with.
    """
    before = {name: work(host, name) for name in host.people}
    struck = threading.Event()
    slow = evolve(V2, faults=("startup-takes:1",))
    thread = threading.Thread(target=_kill_first_start, args=(host, "ann", struck), daemon=True)
    thread.start()
    said, people = night(host, slow)
    struck.set()
    thread.join()
    assert people["ann"]["status"] == "rolled-back", said
    assert all_on(host, V1)
    assert of_v2(host, "ann") == []
    assert missing_rows(before["ann"], host.base("ann")) == []
    assert work(host, "ann")
    assert host.t3safe("thaw").status == Exit.OK
    said, _ = night(host, NEXT)
    assert said.status == Exit.OK, said
    assert missing_rows(before["ann"], host.base("ann")) == []


def _kill_first_start(host: EmbeddedHost, name: str, over: threading.Event) -> None:
    """Kill a person's serve as soon as anything of V2 is in their set."""
    while not over.is_set():
        if of_v2(host, name):
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    words = process.cmdline()
                    if "serve" in words and str(host.base(name)) in words:
                        process.kill()
                        return
        time.sleep(0.002)
