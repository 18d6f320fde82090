"""How the host stands, once and again and again; to look changes nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.embedded import EmbeddedHost
from t3safe.domain.text import size
from t3safe.domain.versions import Version
from t3safe.entrypoints.exits import Exit
from tests.e2e.hosts import NEW, OLD, Terminal, adopted, state
from tests.support.documents import body_of


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    """Give a host with two people on an old build, and a newer one on offer."""
    with adopted(tmp_path_factory.mktemp("host")) as made:
        made.publish(NEW, tag="nightly")
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give such a host that nobody has used before."""
    with adopted(tmp_path) as made:
        made.publish(NEW, tag="nightly")
        yield made


def status(host: EmbeddedHost) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Read the document of `status`."""
    said = host.t3safe("status", "--json")
    assert said.status == Exit.OK, said
    return body_of(said.out, "status")


def test_looking_at_a_host_that_never_ran_begins_nothing(fresh: EmbeddedHost) -> None:
    """Neither status nor history nor show makes the journal."""
    for words in (["status"], ["history"], ["show", "last"], ["status", "--json"]):
        assert fresh.t3safe(*words).status in {Exit.OK, Exit.USAGE}
        assert not list((fresh.root / "state").glob("journal*"))


def test_status_tells_since_when_and_by_what_each_has_their_build(fresh: EmbeddedHost) -> None:
    """Adopted, moved by a run, taken back by another, and changed by hand each read so."""
    people = status(fresh)["people"]
    assert [(p["came_by"], p["since"]) for p in people] == [("adopted", None)] * 2
    assert fresh.t3safe("run").status == Exit.OK
    moved = status(fresh)
    for person in moved["people"]:
        assert person["came_by"] == moved["last_run"]
        assert person["since"] <= moved["last_closed"]
    assert fresh.t3safe("rollback", "ann", "--yes").status == Exit.OK
    ann, ben = status(fresh)["people"]
    assert (ann["build"], ben) == (OLD.version, moved["people"][1])
    assert ann["came_by"] == status(fresh)["last_run"] != ben["came_by"]
    with fresh.wired() as wired:
        wired.host.ports.selection.select("ann", Version.parse(NEW.version))
    ann = status(fresh)["people"][0]
    assert (ann["came_by"], ann["since"]) == ("by hand", None)


def test_what_was_offered_last_is_told_while_the_registry_is_down(host: EmbeddedHost) -> None:
    """With its age, and why it was not asked now; a night's question is what is remembered."""
    host.t3safe("run")
    fresh = status(host)
    assert (fresh["newest"], fresh["newest_trouble"]) == (NEW.version, "")
    host.registry.down()
    began = time.monotonic()
    old = status(host)
    assert time.monotonic() - began < 15
    assert old["newest"] == NEW.version
    assert old["newest_trouble"]
    assert old["newest_at"] < fresh["newest_at"]
    assert f"{NEW.version} as of 20" in host.t3safe("status").out
    host.registry.up()


def test_room_and_timers_are_told(host: EmbeddedHost) -> None:
    """What is free beside what a night needs, as doctor says it; no timer without systemd."""
    found = status(host)
    assert found["timers"] == []
    backups, rehearsals, store = found["rooms"]
    assert backups["folder"] == str(host.backups)
    assert all(room["free"] > room["need"] > 0 for room in (backups, rehearsals, store))
    said = host.t3safe("status").out
    assert "no timer" in said
    assert "a night's snapshots at today's sizes take" in said
    doctors = body_of(host.t3safe("doctor", "--json").out, "doctor")
    needs = [f"take {size(room['need'])}" for room in found["rooms"]]
    seen = [item["seen"] for item in doctors if item["check"] == "disk"]
    assert all(seen_one.endswith(need) for seen_one, need in zip(seen, needs, strict=True))
    host.write_config(npm_free_bytes=1 << 49)
    assert "NOT ENOUGH" in host.t3safe("status").out
    host.write_config(npm_free_bytes=1 << 20)


def test_snapshots_that_cannot_be_read_are_unknown_and_not_none(fresh: EmbeddedHost) -> None:
    """No table, document or figure says that a person has none; the other one's are counted."""
    assert fresh.t3safe("snapshot", "--all").status == Exit.OK
    store = fresh.backups / "ann"
    store.rename(fresh.backups / "aside")
    store.write_text("no folder")

    found = status(fresh)
    ann, ben = found["people"]
    assert (ann["snapshots"], ann["snapshot_bytes"]) == (None, None)
    assert ben["snapshots"] == 1
    assert any("ann" in problem for problem in found["problems"])
    table = fresh.t3safe("status").out.splitlines()
    (row,) = [line for line in table if line.startswith("ann ")]
    assert row.split()[-1] == "?"
    told = [line for line in fresh.t3safe("metrics").out.splitlines() if "_snapshot" in line]
    assert any('person="ben"' in line for line in told)
    assert not any('person="ann"' in line for line in told)


def test_watching_is_for_a_terminal_only(host: EmbeddedHost) -> None:
    """With --json, without a terminal and too often it is usage."""
    for words in (["--watch"], ["--watch", "1", "--json"], ["--watch", "0"], ["--watch", "x"]):
        said = host.t3safe("status", *words)
        assert (said.status, said.out) == (Exit.USAGE, ""), words
        assert "--watch" in said.err


def test_watching_looks_again_until_it_is_interrupted(host: EmbeddedHost) -> None:
    """Each look is a new one, Ctrl-C ends well, and nothing changed."""
    before = state(host)
    terminal = Terminal.start(host, "status", "--watch", "0.5")
    text = terminal.read_until(lambda seen: seen.count(b"Ctrl-C ends") >= 2)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.close()[0] == Exit.OK
    assert b"ann" in text
    assert state(host) == before
