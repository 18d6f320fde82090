"""History and the steps of a run, as a person asks for them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve

from fakes.embedded import EmbeddedHost
from t3safe.adapters.journal import SqliteJournal
from t3safe.entrypoints.exits import Exit
from tests.e2e.hosts import NEW, adopted, state
from tests.support.documents import body_of


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    """Give a host whose first night was refused, and whose second one promoted."""
    with adopted(tmp_path_factory.mktemp("host")) as made:
        bad = evolve(NEW, version="0.0.25-nightly.20260607.490", faults=("cookie-renamed",))
        made.publish(bad, tag="nightly")
        assert made.t3safe("run").status == Exit.REFUSED
        made.publish(NEW, tag="nightly")
        assert made.t3safe("run").status == Exit.OK
        yield made


def test_history_is_asked_for_a_person_and_an_outcome(host: EmbeddedHost) -> None:
    """Newest first, with durations; what fits nothing is said, and a wrong outcome is usage."""
    every = body_of(host.t3safe("history", "--json").out, "history")
    assert [run["outcome"] for run in every] == ["promoted", "refused"]
    assert all(run["seconds"] > 0 for run in every)
    (only,) = body_of(host.t3safe("history", "--outcome", "refused", "--json").out, "history")
    assert only == every[1]
    assert body_of(host.t3safe("history", "--person", "ben", "--json").out, "history") == every
    assert host.t3safe("history", "--person", "zoe").out == "no such run\n"
    wrong = host.t3safe("history", "--outcome", "nope")
    assert wrong.status == Exit.USAGE
    assert "promoted" in wrong.err
    table = host.t3safe("history").out
    assert "took" in table
    assert len(table.splitlines()) == 3


def test_a_run_whose_steps_were_pruned_is_still_told(host: EmbeddedHost, tmp_path: Path) -> None:
    """History, counts and how it ended are the same; only its steps are gone."""
    path, kept = host.root / "state" / "journal.sqlite", tmp_path / "journal.sqlite"
    shutil.copy(path, kept)
    before = body_of(host.t3safe("history", "--json").out, "history")
    (good, _) = before
    counted = 't3safe_runs{outcome="refused"} 1'
    assert counted in host.t3safe("metrics").out
    journal = SqliteJournal(path)
    journal.prune(datetime(2126, 1, 2, tzinfo=UTC))
    journal.close()

    assert body_of(host.t3safe("history", "--json").out, "history") == before
    assert counted in host.t3safe("metrics").out
    assert "the steps of this run were pruned" in host.t3safe("show", good["run"]).out
    shown = body_of(host.t3safe("show", good["run"], "--json").out, "run")
    assert (shown["outcome"], shown["steps"]) == (good["outcome"], [])
    shutil.copy(kept, path)


def test_show_tells_each_step_and_where_its_evidence_lies(host: EmbeddedHost) -> None:
    """Every folder and file that is named is there; once it is thrown away that is said."""
    before = state(host)
    (good, bad) = body_of(host.t3safe("history", "--json").out, "history")
    run = body_of(host.t3safe("show", bad["run"], "--json").out, "run")
    assert [step["seq"] for step in run["steps"]] == list(range(1, len(run["steps"]) + 1))
    assert all(step["seconds"] is not None for step in run["steps"])
    (failed, *_) = [step for step in run["steps"] if step["end"] == "failed"]
    assert failed["step"] == "rehearse"
    found = [item for step in run["steps"] for item in step["evidence"]]
    assert {item["kind"] for item in found} == {"rehearsal", "npm-log", "snapshot"}
    assert all(Path(item["where"]).exists() for item in found if item["kind"] != "snapshot")
    snapshots = {path.name for path in host.backups.glob("*/*")}
    kept = body_of(host.t3safe("show", "last", "--json").out, "run")
    assert kept["run"] == good["run"]
    named = {i["where"] for s in kept["steps"] for i in s["evidence"] if i["kind"] == "snapshot"}
    assert named & snapshots
    folder = Path(found[-1]["where"])
    folder.rename(folder.with_name("moved"))
    assert "(deleted since)" in host.t3safe("show", bad["run"]).out
    folder.with_name("moved").rename(folder)
    assert state(host) == before


def test_a_run_is_named_by_its_beginning_or_as_last(host: EmbeddedHost) -> None:
    """What several runs begin with, or none does, is usage and says which there are."""
    (good, bad) = body_of(host.t3safe("history", "--json").out, "history")
    assert host.t3safe("show", "last").out == host.t3safe("show", good["run"]).out
    assert host.t3safe("show", bad["run"][:-1]).out == host.t3safe("show", bad["run"]).out
    several = host.t3safe("show", good["run"][:4])
    assert several.status == Exit.USAGE
    assert good["run"] in several.err
    assert bad["run"] in several.err
    none = host.t3safe("show", "nope")
    assert none.status == Exit.USAGE
    assert "t3safe history" in none.err


def test_show_tells_for_a_person_what_was_said(host: EmbeddedHost) -> None:
    """The steps as a table, then the lines of that night."""
    said = host.t3safe("show", "last").out
    for words in ("snapshot-at-rest", "moved ann", "promoted", "npm-log", "took"):
        assert words in said
