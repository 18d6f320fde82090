"""A host whose serves are run by commands of its owner's own: whole nights from the shell."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.embedded import EmbeddedHost
from t3safe.entrypoints.exits import Exit
from t3safe.t3.commands import BASE_OPTION, NO_TELEMETRY
from t3safe.t3.generations import EVENT_LOG
from tests.e2e.hosts import BASICS, NEW, OLD, PEOPLE, at_work, ledger, pairs, query, selected
from tests.support import keeper

KEEPER = (sys.executable, "-I", "-S", keeper.__file__)


def commanded(root: Path) -> dict[str, Any]:
    """Give the settings of a host whose owner keeps the serves with a program below `root`."""
    verbs = ("start", "stop", "status")
    words = {f"services.{verb}": [*KEEPER, str(root / "kept"), verb, "{person}"] for verb in verbs}
    return {**BASICS, "services.manager": "commands", "services.command": [], **words}


def describe(host: EmbeddedHost) -> None:
    """Tell the keeper how each person's serve is started."""
    folder = host.root / "kept"
    folder.mkdir()
    for name in host.people:
        argv = [str(host.launcher(name)), "serve", "--host", "0.0.0.0"]
        argv += ["--port", str(host.ports[name]), BASE_OPTION, str(host.base(name))]
        told = {"argv": argv, "environment": dict(NO_TELEMETRY)}
        (folder / f"{name}.json").write_text(json.dumps(told))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give such a host with two people on an old build, at work, and a newer one on offer."""
    with EmbeddedHost(tmp_path, PEOPLE, config=commanded(tmp_path)) as made:
        describe(made)
        made.adopt(OLD)
        made.offer(NEW)
        at_work(made)
        yield made


def events(host: EmbeddedHost, person: str) -> set[tuple[object, ...]]:
    """Read the rows of a person's event log."""
    return set(query(host, person, f"SELECT * FROM {EVENT_LOG}"))


def test_night_and_way_back_through_commands_lose_no_row(host: EmbeddedHost) -> None:
    """Moved and promoted, taken back and forth again: each row is where it was said to be."""
    before = {name: events(host, name) for name in host.people}
    assert all(before.values())
    said = host.t3safe("run")
    assert said.status == Exit.OK, said
    assert [ledger(host, name) for name in host.people] == [32, 32]
    assert (host.store / "default").readlink().name == NEW.version
    assert all(before[name] <= events(host, name) for name in host.people)
    assert pairs(host)

    at_work(host, "ann")
    written = events(host, "ann")
    back = host.t3safe("rollback", "ann", "--yes")
    assert back.status == Exit.OK, back
    assert (selected(host, "ann"), selected(host, "ben")) == (OLD.version, NEW.version)
    assert before["ann"] <= events(host, "ann") < written
    undo = re.search(r"to undo this: t3safe (.+)", back.out)
    assert undo
    assert host.t3safe(*undo[1].split(), "--yes").status == Exit.OK
    assert written <= events(host, "ann")
    assert pairs(host)

    calls = (host.root / "kept" / "calls").read_text().splitlines()
    asked = {verb: sum(call == f"{verb} ben" for call in calls) for verb in ("start", "stop")}
    assert asked == {"start": 2, "stop": 1}


def test_command_that_cannot_sign_somebody_in_takes_them_back(host: EmbeddedHost) -> None:
    """The sign-in is proven by a command: whom it fails for goes back, and loses nothing."""
    script = host.root / "check"
    script.write_text(
        f'#!/bin/sh\n[ "$1 $2" != "ben {NEW.version}" ] || {{ echo no session for $1; exit 1; }}\n'
    )
    script.chmod(0o755)
    host.dispatch.down()
    host.write_config(verify="command", verify_command=[str(script), "{person}", "{build}"])
    before = {name: events(host, name) for name in host.people}
    said = host.t3safe("run")
    assert said.status == Exit.ROLLED_BACK, said
    assert "ended with status 1: no session for ben" in said.out + said.err
    assert (selected(host, "ann"), selected(host, "ben")) == (NEW.version, OLD.version)
    assert [ledger(host, name) for name in host.people] == [32, 30]
    assert before["ben"] == events(host, "ben")
    assert before["ann"] <= events(host, "ann")
    assert (host.store / "default").readlink().name == OLD.version
    assert host.freeze_file.exists()
    host.dispatch.up()
    assert pairs(host)


def test_person_whose_keeper_does_not_know_is_left_alone(host: EmbeddedHost) -> None:
    """Unknown is never "at rest", and counts as busy: they are deferred, the others move."""
    file = host.root / "kept" / "ann.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "status": {"status": 1, "err": "cannot connect"}}))
    (host.root / "kept" / "calls").unlink()
    before = events(host, "ann")
    said = host.t3safe("run")
    assert said.status == Exit.OK, said
    assert "cannot look at the serve of ann" in said.out
    assert "ended with status 1: cannot connect" in said.out
    assert "moved ben; deferred ann" in said.out
    assert (selected(host, "ann"), selected(host, "ben")) == (OLD.version, NEW.version)
    assert (ledger(host, "ann"), events(host, "ann")) == (30, before)
    calls = (host.root / "kept" / "calls").read_text().splitlines()
    assert not {"start ann", "stop ann"} & set(calls)
    people = json.loads(host.t3safe("status", "--json").out)["status"]["people"]
    assert {one["person"]: one["running"] for one in people}["ann"] is None
    assert "stopped" not in host.t3safe("status").out


def test_half_of_the_commands_is_one_line_and_status_two(host: EmbeddedHost) -> None:
    """The line names the file and the key."""
    host.write_config(services__stop=[])
    said = host.t3safe("status")
    assert said.status == Exit.USAGE
    assert f"{host.config_file}: services.stop: it is empty" in said.err
    assert said.err.strip().count("\n") == 0
