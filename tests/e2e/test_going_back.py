"""Going back from the shell: what is shown comes true, and the undo that is printed works."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.embedded import EmbeddedHost
from t3safe.entrypoints.exits import Exit
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.generations import EVENT_LOG
from tests.e2e.hosts import (
    ANN,
    NEW,
    OLD,
    Terminal,
    adopted,
    at_work,
    ledger,
    pairs,
    result,
    rows,
    state,
)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host with one person, moved to the newer build and at work there."""
    with adopted(tmp_path, ANN) as made:
        made.offer(NEW)
        assert made.t3safe("run").status == Exit.OK
        at_work(made)
        yield made


def test_back_and_forth_by_the_printed_command_loses_no_row(host: EmbeddedHost) -> None:
    """The preview changes nothing, counts the rows that leave, and the undo brings each back.

    The registry is down all the while.
    """
    host.registry.down()
    before, written = state(host), rows(host, "ann")
    listed = json.loads(host.t3safe("snapshots", "--json").out)["snapshots"]
    assert listed == json.loads(host.t3safe("snapshots", "ann", "--json").out)["snapshots"]
    assert {item["person"] for item in listed} == {"ann"}
    shown = json.loads(host.t3safe("rollback", "ann", "--dry-run", "--json").out)["going-back"]
    assert state(host) == before
    assert (shown["build"], shown["restore"]) == (OLD.version, True)
    said = host.t3safe("rollback", "ann", "--yes")
    assert said.status == Exit.OK, said
    assert "written since, leave" in said.out
    assert ledger(host, "ann") == 30
    gone = written[EVENT_LOG] - rows(host, "ann")[EVENT_LOG]
    assert gone
    assert shown["rows"][f"{V1_DATABASE}:{EVENT_LOG}"] == len(gone)
    found = re.search(r"to undo this: t3safe (.+)", said.out)
    assert found
    assert f"the next run may move them to {NEW.version} again" in said.out
    undone = host.t3safe(*found[1].split(), "--yes")
    assert undone.status == Exit.OK
    assert "the next run may move" not in undone.out
    again = rows(host, "ann")
    assert {
        name: len(held - again[name]) for name, held in written.items() if held - again[name]
    } == {}
    assert pairs(host)


def test_acting_as_json_tells_what_was_shown_and_how_it_is_undone(host: EmbeddedHost) -> None:
    """One document on standard output: the end, the preview and the undo, which works."""
    said = host.t3safe("rollback", "ann", "--yes", "--json")
    assert said.status == Exit.OK, said
    person = result(said)["people"]["ann"]
    assert person["status"] == "moved"
    assert person["preview"]["rows"]
    undone = host.t3safe(*person["undo"].split()[1:], "--yes", "--json")
    assert undone.status == Exit.OK, undone
    assert result(undone)["people"]["ann"]["preview"]["build"] == NEW.version
    assert ledger(host, "ann") == 32


def asked(host: EmbeddedHost, *words: str) -> Terminal:
    """Start a command at a terminal and wait for its question."""
    terminal = Terminal.start(host, *words, TERM="dumb")
    terminal.read_until(lambda heard: b"[y/N]" in heard)
    return terminal


def test_a_no_at_the_terminal_touches_nobody(host: EmbeddedHost) -> None:
    """The question names the person, and anything but yes ends it."""
    before = state(host)
    status, _ = asked(host, "rollback", "ann").close(b"n\n")
    assert status == Exit.USAGE
    assert state(host) == before


@pytest.mark.parametrize("words", [("ann",), ("--all",)])
def test_a_way_that_changed_while_the_question_stood_is_refused(
    host: EmbeddedHost, words: tuple[str, ...]
) -> None:
    """Only what was shown is done: somebody else took the person back in between."""
    terminal = asked(host, "rollback", *words)
    assert host.t3safe("rollback", "ann", "--yes").status == Exit.OK
    before = state(host)
    status, said = terminal.close(b"y\n")
    assert status == Exit.USAGE, said
    assert "the way back changed after it was shown" in said
    assert state(host) == before


def test_snapshots_are_taken_listed_checked_and_pruned(host: EmbeddedHost) -> None:
    """The old words still list; what is shown to go goes, and the way back is left."""
    for _ in range(2):
        taken = host.t3safe("snapshot", "--all", "--json")
        assert taken.status == Exit.OK, taken
        assert json.loads(taken.out)["snapshot"][0]["person"] == "ann"
    assert host.t3safe("snapshot").status == Exit.USAGE
    listed = json.loads(host.t3safe("snapshots", "--json").out)["snapshots"]
    assert listed == json.loads(host.t3safe("snapshots", "list", "ann", "--json").out)["snapshots"]
    checked = host.t3safe("snapshots", "verify", "ann")
    assert checked.status == Exit.OK, checked
    assert checked.out.count(": ok") == len(listed)
    assert "build" not in checked.out
    way = json.loads(host.t3safe("rollback", "ann", "--dry-run", "--json").out)["going-back"]
    host.write_config(retention__snapshots=1)
    shown = json.loads(host.t3safe("snapshots", "prune", "--dry-run", "--json").out)["prune"]
    assert len(json.loads(host.t3safe("snapshots", "--json").out)["snapshots"]) == len(listed)
    assert host.t3safe("snapshots", "prune", "ann").status == Exit.OK
    left = json.loads(host.t3safe("snapshots", "--json").out)["snapshots"]
    stay = [item["id"] for item in shown["snapshots"] if item["fate"] == "kept"]
    assert [item["id"] for item in left] == stay
    assert way["snapshot"] in stay
    assert len(stay) < len(listed)
    assert host.t3safe("snapshots", "prune", "zoe").status == Exit.USAGE
