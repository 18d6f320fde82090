"""A broken journal on the embedded host: set aside, said, nobody restarted, the next run works."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from fakes.embedded import EmbeddedHost
from t3safe.adapters.journal import codec
from t3safe.entrypoints.exits import Exit
from tests.e2e.hosts import NEW, OLD, adopted, at_work, pairs, result, rows, state
from tests.support.damage import nonsense, random_header, truncated


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host with two people on an old build, a journal, and the same build on offer."""
    with adopted(tmp_path) as made:
        assert made.t3safe("check", OLD.version).status == Exit.OK
        yield made


def journal(host: EmbeddedHost) -> Path:
    """Where the journal is."""
    return host.root / "state" / "journal.sqlite"


def kept(host: EmbeddedHost) -> list[Path]:
    """What was set aside, oldest first."""
    return sorted(journal(host).parent.glob("journal.sqlite.broken-*Z"))


def serves(host: EmbeddedHost) -> dict[str, tuple[int, float]]:
    """The process of everybody's serve, and when it was started."""
    with host.wired() as wired:
        pids = {name: wired.host.ports.services.status(name).main_pid for name in host.people}
    return {
        name: (pid, psutil.Process(pid).create_time())
        for name, pid in pids.items()
        if pid is not None
    }


def undecodable(path: Path) -> None:
    """Let no run say what it was to do."""
    nonsense(path, "Opened")


DAMAGE = (random_header, undecodable)
"""Every kind is tried in tests/unit/adapters/test_journal_repair.py; these are of two sorts."""


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_broken_journal_restarts_nobody_and_is_forgotten_the_night_after(
    host: EmbeddedHost, damage: Callable[[Path], None]
) -> None:
    """Looking tells and changes nothing; the run sets it aside, moves nobody; the next is well."""
    damage(journal(host))
    before, processes = state(host), serves(host)
    mtime = journal(host).lstat().st_mtime_ns

    told = json.loads(host.t3safe("status", "--json").out)["status"]
    assert any("journal" in problem for problem in told["problems"]), told
    assert [person["build"] for person in told["people"]] == [OLD.version, OLD.version]
    for looking in (("history",), ("show", "r1")):
        said = host.t3safe(*looking)
        assert "`t3safe recover` sets it aside" in said.err or said.status == Exit.USAGE, said
    examined = host.t3safe("doctor")
    assert examined.status == Exit.NEEDS_HUMAN
    assert "fix: t3safe recover" in examined.out
    assert "t3safe_unreadable 0.0" not in (samples := host.t3safe("metrics").out)
    assert "\nt3safe_unreadable " in samples
    assert host.t3safe("hold", NEW.version).status == Exit.OK, "deciding needs no journal"
    assert host.t3safe("freeze").status == host.t3safe("thaw").status == Exit.OK
    assert (kept(host), journal(host).lstat().st_mtime_ns) == ([], mtime)

    host.offer(NEW)
    before = state(host)
    assert host.t3safe("allow", NEW.version).status in {Exit.OK, Exit.NEEDS_HUMAN}
    said = host.t3safe("run", "--json")

    assert said.status == Exit.LATER, said
    (place,) = kept(host)
    assert f"/{place.name}, a new one is begun" in said.err
    assert result(said)["people"] == {}
    assert (state(host), serves(host)) == (before, processes)

    again = host.t3safe("run")
    assert again.status == Exit.OK, again
    assert kept(host) == [place]
    assert set(state(host)["selected"].values()) == {f"../builds/{NEW.version}"}
    assert pairs(host)
    assert host.t3safe("history").status == Exit.OK


def _fenced(host: EmbeddedHost) -> dict[str, Any]:
    """Leave ann as a death behind the fence would, and the journal that told of it broken."""
    at_work(host, "ann")
    assert host.t3safe("snapshot", "ann").status == Exit.OK
    with host.wired() as wired:
        wired.host.ports.selection.fence("ann")
        wired.host.ports.services.stop("ann")
    random_header(journal(host))
    return rows(host, "ann")


def test_whoever_is_fenced_needs_a_person_and_recover_brings_every_row_back(
    host: EmbeddedHost,
) -> None:
    """The run touches nobody; `recover` looks, finds the build that fits, and signs in on it."""
    written = _fenced(host)
    before = state(host)

    said = host.t3safe("run")

    assert said.status == Exit.NEEDS_HUMAN, said
    assert "ann fenced" in said.out
    assert "`t3safe recover`" in said.out
    assert state(host) == before
    (ben,) = serves(host).items()

    recovered = host.t3safe("recover")

    assert recovered.status == Exit.OK, recovered
    assert state(host)["selected"]["ann"] == f"../builds/{OLD.version}"
    assert serves(host)["ben"] == ben[1]
    now = rows(host, "ann")
    assert {name: held - now[name] for name, held in written.items() if held - now[name]} == {}
    assert pairs(host)
    assert host.t3safe("recover").status == Exit.OK
    assert len(kept(host)) == 1


def test_a_serve_that_is_down_is_named_and_not_started(host: EmbeddedHost) -> None:
    """It may have been stopped by the run that is lost, or by a person."""
    with host.wired() as wired:
        wired.host.ports.services.stop("ben")
    truncated(journal(host))
    before = state(host)
    said = host.t3safe("run")
    assert said.status == Exit.LATER, said
    assert "the serve of ben does not run" in said.out
    assert "the serve of ann" not in said.out
    assert state(host) == before


def test_a_choices_file_that_is_not_understood_is_one_line_that_names_it(
    host: EmbeddedHost,
) -> None:
    """The pins and holds of a person are not guessed at: nobody is moved, and doctor tells."""
    choices, before = host.root / "state" / "choices.json", state(host)
    choices.write_bytes(b"\xff{")
    said = host.t3safe("run")
    assert said.status == Exit.LATER, said
    assert str(choices) in said.err
    assert len(said.err.splitlines()) == 1
    examined = host.t3safe("doctor")
    assert examined.status == Exit.NEEDS_HUMAN
    assert str(choices) in examined.out
    assert state(host) == before


@pytest.mark.parametrize("name", ["last-good", "previous-good"])
def test_a_note_of_a_build_that_is_not_understood_is_one_line_that_names_it(
    host: EmbeddedHost, name: str
) -> None:
    """Doctor tells of it too, with what fixes it; nobody is restarted."""
    note, processes = host.root / "state" / name, serves(host)
    note.write_bytes(b"\xff\xfe")
    examined = host.t3safe("doctor")
    assert examined.status == Exit.NEEDS_HUMAN
    assert f"cannot read {note}" in examined.out
    said = host.t3safe("status")
    assert str(note) in said.out
    assert serves(host) == processes


def newer(path: Path) -> None:
    """Let a newer t3safe have written the journal."""
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("UPDATE written_by SET t3safe = '99.1'")
        opened.execute(f"PRAGMA user_version = {codec.FORMAT + 1}")


def test_a_newer_journal_is_refused_by_every_command_that_acts(host: EmbeddedHost) -> None:
    """Nothing is touched or set aside, status and doctor say which t3safe to use; freeze works."""
    newer(journal(host))
    host.offer(NEW)
    before, processes, content = state(host), serves(host), journal(host).read_bytes()

    for acting in (
        ("run",),
        ("run", "--dry-run"),
        ("drain",),
        ("recover",),
        ("recover", "--boot"),
        ("check", OLD.version),
        ("rollback", "ann", "--yes"),
        ("snapshot", "ann"),
        ("adopt", OLD.version),
        ("eject", "--yes"),
        ("hold", NEW.version),
        ("allow", NEW.version),
        ("thaw",),
    ):
        said = host.t3safe(*acting)
        assert said.status == Exit.NEWER, (acting, said)
        assert "written by t3safe 99.1" in said.err
        assert "use that version or a newer one" in said.err

    told = json.loads(host.t3safe("status", "--json").out)["status"]
    assert any("written by t3safe 99.1" in problem for problem in told["problems"]), told
    examined = host.t3safe("doctor")
    assert examined.status == Exit.NEEDS_HUMAN
    assert "install the t3safe that the line names" in examined.out
    assert "fix: t3safe recover" not in examined.out
    assert host.t3safe("history").status == Exit.NEWER
    assert (state(host), serves(host), kept(host)) == (before, processes, [])
    assert journal(host).read_bytes() == content
    assert host.t3safe("freeze").status == Exit.OK, "whoever has to stop everything can"
