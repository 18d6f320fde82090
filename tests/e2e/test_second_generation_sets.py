"""One night to V2 on a host whose people have every odd set that can be beside V1's database."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from fakes.embedded import HostPerson
from fakes.t3 import missing_rows
from fakes.t3.app.state import migrate, open_database
from fakes.t3.states import populate
from fakes.t3.v2states import (
    add_import_directory,
    add_unmigrated,
    build_of,
    populate_v2,
    rename,
)
from t3safe.t3.files import ENVIRONMENT_ID, USERDATA, V1_DATABASE, V2_DATABASE
from tests.e2e.test_second_generation import V2, host_of, running, work
from tests.support.personaldata import LATER_DATABASE


@frozen
class Odd:
    """What is done to a set, and what the run says of its person: empty where they are moved."""

    prepare: Callable[[Path], object]
    held_with: str = ""


def _empty(base: Path) -> None:
    """A database without a table."""
    with closing(sqlite3.connect(base / USERDATA / V2_DATABASE)) as opened:
        opened.execute("PRAGMA user_version = 1")


def _no_rows(base: Path) -> None:
    """All tables of V1's database and none of its rows, those of the ledger neither."""
    source = base / USERDATA / V1_DATABASE
    query = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    with (
        closing(sqlite3.connect(source)) as old,
        closing(sqlite3.connect(source.with_name(V2_DATABASE))) as new,
    ):
        for (statement,) in old.execute(query):
            new.execute(statement)
        new.commit()


def _elsewhere(base: Path, make: Callable[[Path], object]) -> None:
    """Take V2's database of a set that is made elsewhere."""
    other = base.parent / "other"
    make(other)
    shutil.copy(other / USERDATA / V2_DATABASE, base / USERDATA / V2_DATABASE)
    shutil.rmtree(other)


def _worked_in_v2(base: Path) -> None:
    """V2 was worked in before V1 was."""
    _elsewhere(base, populate_v2)


def _future(base: Path) -> None:
    """V2's copy is up to date, and of a later nightly than any that is here."""
    build = build_of(V2.schema)
    database = open_database(base, build)
    migrate(database, build)
    database.close()
    rename(base, {77: "FromTheFuture"})


ODD: Final = {
    "empty": Odd(_empty, "is empty"),
    "norows": Odd(_no_rows, "is empty"),
    "nought": Odd(lambda base: (base / USERDATA / V2_DATABASE).touch(), V2_DATABASE),
    "garbage": Odd(
        lambda base: (base / USERDATA / V2_DATABASE).write_bytes(b"garbage " * 2000),
        V2_DATABASE,
    ),
    "future": Odd(_future, "77_FromTheFuture"),
    "both": Odd(_worked_in_v2, "worked in V2"),
    "old": Odd(
        lambda base: _elsewhere(base, lambda other: populate(other, 54, database=V2_DATABASE)),
        "is an old copy",
    ),
    "third": Odd(
        lambda base: shutil.copy(base / USERDATA / V1_DATABASE, base / USERDATA / LATER_DATABASE),
        LATER_DATABASE,
    ),
    "linked": Odd(add_unmigrated),
    "broken": Odd(add_import_directory),
    "nameless": Odd(lambda base: (base / USERDATA / ENVIRONMENT_ID).unlink()),
}


def files(base: Path) -> dict[str, bytes]:
    """What a person has, but what a running serve writes by itself, and an empty log."""
    found = {path.name: path for path in sorted((base / USERDATA).iterdir()) if path.is_file()}
    return {
        name: content
        for name, path in found.items()
        if path.suffix != ".json" and not name.endswith("-shm")
        if (content := path.read_bytes()) or not name.endswith("-wal")
    }


def test_whoever_has_an_odd_set_is_held_up_alone(tmp_path: Path) -> None:
    """Each is told in their own words, keeps everything, and works on; all others are moved."""
    people = [HostPerson(name) for name in (*ODD, "plain")]
    with host_of(tmp_path, *people) as host:
        rows = {name: work(host, name) for name in host.people}
        for name, odd in ODD.items():
            odd.prepare(host.base(name))
        before = {name: files(host.base(name)) for name in host.people}
        host.publish(V2, tag="nightly")
        said = host.t3safe("run", "--json")
        people_said: dict[str, Any] = json.loads(said.out)["result"]["people"]
        assert json.loads(said.out)["result"]["outcome"] == "promoted"
        moved = {"plain", *(name for name, odd in ODD.items() if not odd.held_with)}
        assert {n for n, b in running(host).items() if b == V2.version} == moved
        for name in host.people:
            if name in moved:
                assert missing_rows(rows[name], host.base(name)) == []
                continue
            assert ODD[name].held_with in people_said[name]["reason"], name
            assert files(host.base(name)) == before[name], name
            assert missing_rows(rows[name], host.base(name), V1_DATABASE) == []
        for name in host.people:
            assert work(host, name)
