"""Going back from the shell: what is shown comes true, and the undo that is printed works."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fakes.embedded import EmbeddedHost, Resident
from t3safe.entrypoints.exits import Exit
from tests.e2e.test_commands import BASICS, NEW, OLD, ledger, pairs, state


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host with one person, moved to the newer build and at work there."""
    with EmbeddedHost(tmp_path, (Resident("ann"),), config=dict(BASICS)) as made:
        made.adopt(OLD)
        made.publish(NEW, tag="nightly")
        assert made.t3safe("run").status == Exit.OK
        client = made.client("ann")
        client.sign_in()
        client.work()
        yield made


def rows(host: EmbeddedHost) -> dict[str, set[tuple[object, ...]]]:
    """Read every row of every table."""
    with closing(sqlite3.connect(f"{host.database('ann').as_uri()}?mode=ro", uri=True)) as opened:
        names = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: set(opened.execute(f'SELECT * FROM "{name}"')) for (name,) in names}


def test_back_and_forth_by_the_printed_command_loses_no_row(host: EmbeddedHost) -> None:
    """The preview changes nothing, counts the rows that leave, and the undo brings each back."""
    before, written = state(host), rows(host)
    listed = json.loads(host.t3safe("snapshots", "--json").out)["snapshots"]
    assert listed == json.loads(host.t3safe("snapshots", "ann", "--json").out)["snapshots"]
    assert {item["person"] for item in listed} == {"ann"}
    shown = json.loads(host.t3safe("rollback", "ann", "--dry-run", "--json").out)["going-back"]
    assert state(host) == before
    assert (shown["build"], shown["restore"]) == (OLD.version, True)
    said = host.t3safe("rollback", "ann", "--yes")
    assert said.status == Exit.OK, said
    assert "written since, leave the set" in said.out
    assert ledger(host, "ann") == 30
    gone = written["orchestration_events"] - rows(host)["orchestration_events"]
    assert gone
    assert shown["rows"]["state.sqlite:orchestration_events"] == len(gone)
    found = re.search(r"to undo this: t3safe (.+)", said.out)
    assert found
    assert host.t3safe(*found[1].split(), "--yes").status == Exit.OK
    again = rows(host)
    assert {
        name: len(held - again[name]) for name, held in written.items() if held - again[name]
    } == {}
    assert pairs(host)
