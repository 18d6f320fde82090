"""The real command line on the embedded host: what a person types, and what must come of it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from filelock import FileLock

from fakes.dispatch import PATHS
from fakes.embedded import EmbeddedHost
from fakes.packages import FakeRelease, release_like
from t3safe.adapters._support.scratch import make_locked
from t3safe.entrypoints.exits import Exit
from t3safe.t3.sign_in import BOOTSTRAP, SESSIONS
from tests.e2e.hosts import NEW, OLD, adopted, ledger, pairs, query, result, state


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host with two people on an old build, and a newer one on offer."""
    with adopted(tmp_path) as made:
        made.publish(NEW, tag="nightly")
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    """Give the same host to every test of a refusal: whatever one does, nothing may change."""
    with adopted(tmp_path_factory.mktemp("shared")) as made:
        made.publish(NEW, tag="nightly")
        yield made


@pytest.fixture
def calm(shared: EmbeddedHost) -> Iterator[EmbeddedHost]:
    """Give the shared host, and fix afterwards what the test broke about it."""
    files = (shared.user_map, shared.config_file, shared.root / "state" / "journal.sqlite")
    kept = {path: path.read_bytes() if path.exists() else None for path in files}
    before = state(shared)
    yield shared
    for path, content in kept.items():
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
    shared.registry.fix()
    shared.registry.up()
    shared.registry.tag("nightly", NEW.version)
    shared.dispatch.up()
    shared.freeze_file.unlink(missing_ok=True)
    assert state(shared) == before


def test_a_healthy_night_from_the_shell(host: EmbeddedHost) -> None:
    """Everybody is moved, verified and promoted; the next run has nothing to do.

    Afterwards the journal tells what was said at the time, as text and as JSON.
    """
    said = host.t3safe("run", "--json")
    assert said.status == Exit.OK, said
    assert result(said)["outcome"] == "promoted"
    assert set(state(host)["selected"].values()) == {f"../builds/{NEW.version}"}
    assert f"{NEW.version}.json" in state(host)["schemas"]
    assert pairs(host)
    again = host.t3safe("run")
    assert again.status == Exit.OK
    assert "nothing to do" in again.out
    history = json.loads(host.t3safe("history", "--json").out)["history"]
    assert "moved ann" in host.t3safe("show", history[0]["run"]).out
    events = json.loads(host.t3safe("show", history[0]["run"], "--json").out)["run"]["events"]
    assert events[0]["type"] == "Opened"
    assert events[-1]["ended"]["outcome"] == "promoted"


def test_a_dry_run_rehearses_and_changes_nothing(calm: EmbeddedHost) -> None:
    """The candidate is proven on copies; the host stays as it was, to the process."""
    before = state(calm)
    journal = calm.root / "state" / "journal.sqlite"
    assert not journal.exists()
    said = calm.t3safe("run", T3_DRY_RUN="1")
    assert said.status == Exit.OK, said
    assert f"DRY RUN: {NEW.version} PASSED the gate" in said.out
    assert state(calm) == before
    assert not journal.exists()
    assert not list((calm.root / "tmp").iterdir())
    assert not list(calm.backups.glob("*/*"))
    assert calm.t3safe("history").out == "no run yet\n"
    assert json.loads(calm.t3safe("history", "--json").out)["history"] == []


ENDED = """
import t3safe.usecases.check
from t3safe.domain.events import Outcome
from t3safe.usecases.host import Result
t3safe.usecases.check.check = lambda host, build: Result(Outcome.{end}, "because")
from t3safe.entrypoints.cli import main
main()
"""


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("REFUSED", "FAILED the gate"),
        ("LATER", "was not judged"),
        ("GATE_BROKEN", "was not judged, the gate is broken"),
        ("INTERRUPTED", "was not judged"),
    ],
)
def test_a_dry_run_ends_as_a_run_would(calm: EmbeddedHost, end: str, said: str) -> None:
    """A build is said to have failed only where it did; the status is that of a run."""
    ended = calm.t3safe("run", "--dry-run", program=ENDED.format(end=end))
    assert f"DRY RUN: {NEW.version} {said}; no one was moved" in ended.out
    assert ended.status == (Exit.LATER if end == "INTERRUPTED" else Exit[end])


KILLED = """
import os, signal
from pathlib import Path
import t3safe.usecases.check
from t3safe.adapters._support.scratch import lock_unused
def die(host, _):
    (folder,) = Path(os.environ["WHERE"]).glob("t3safe-dry-run-*")
    assert lock_unused(folder, {os.geteuid()}) is None, "a sweep would take it"
    os.kill(os.getpid(), signal.SIGKILL)
t3safe.usecases.check.check = die
from t3safe.entrypoints.cli import main
main()
"""
"""A dry run that is killed before it rehearses, with its folder locked."""


def test_what_a_killed_dry_run_left_is_swept_by_the_next_run(calm: EmbeddedHost) -> None:
    """Whatever it was to be: also one that finds the host frozen.  What is in use stays."""
    tmp = calm.root / "tmp"
    tmp.mkdir(exist_ok=True)
    for words in (["run", "--dry-run"], ["run"]):
        said = calm.t3safe("run", "--dry-run", program=KILLED, WHERE=str(tmp))
        assert said.status == -signal.SIGKILL, said
        (left,) = tmp.iterdir()
        build = left / "store" / "builds" / "sealed"
        build.mkdir(parents=True)
        build.chmod(0o555)
        used, lock = make_locked(tmp, "t3safe-dry-run-")
        (tmp / "t3safe-dry-run-link").symlink_to(calm.backups)
        (tmp / "another's").mkdir()
        before = state(calm)
        calm.freeze_file.touch()
        try:
            assert calm.t3safe(*words).status == Exit.FROZEN
            assert {path.name for path in tmp.iterdir()} == {
                *(used.name, "t3safe-dry-run-link", "another's")
            }
            assert state(calm) == before
        finally:
            os.close(lock)
            calm.freeze_file.unlink()
            used.rmdir()
            (tmp / "t3safe-dry-run-link").unlink()
            (tmp / "another's").rmdir()


def test_status_tells_what_is_offered_and_what_the_next_run_would_do(calm: EmbeddedHost) -> None:
    """Behind, frozen and without a registry each read so; looking changes nothing and ends well."""
    body = json.loads(calm.t3safe("status", "--json").out)["status"]
    assert (body["newest"], body["days_behind"]) == (NEW.version, 6)
    assert body["next_run"].startswith(f"rehearses {NEW.version}, then moves ann, ben")
    assert all(person["started"] and person["days_behind"] == 6 for person in body["people"])
    calm.registry.down()
    said = calm.t3safe("status")
    assert said.status == Exit.OK
    assert "unknown: " in said.out
    calm.freeze_file.touch()
    body = json.loads(calm.t3safe("status", "--json").out)["status"]
    assert body["newest_trouble"] == "frozen"
    assert body["next_run"].startswith("moves no one: frozen")


def test_freezing_stops_every_run_and_is_said_on_each(calm: EmbeddedHost) -> None:
    """FROZEN is said on every run, with why and with how to go on."""
    assert calm.t3safe("freeze", "demo week").status == Exit.OK
    before = state(calm)
    for command in ("run", "drain"):
        said = calm.t3safe(command)
        assert said.status == Exit.FROZEN
        assert "FROZEN" in said.out
        assert "demo week" in said.out
    assert state(calm) == before
    assert calm.t3safe("thaw").out == "thawed\n"
    assert calm.t3safe("thaw").out == "was not frozen\n"


def test_pin_hold_and_allow_decide_the_candidate(calm: EmbeddedHost) -> None:
    """A held version is passed over, a pin wins over the track, and both can be taken back."""
    before = state(calm)
    assert calm.t3safe("hold", NEW.version, "--reason", "known bad").status == Exit.OK
    assert calm.t3safe("run").status == Exit.OK
    pinned = calm.t3safe("pin", f"v{OLD.version}")
    assert pinned.status == Exit.OK, "as `t3 --version` prints it"
    assert f"`t3safe rollback --all --to {OLD.version}`" in pinned.out
    said = calm.t3safe("run")
    assert said.status == Exit.OK
    assert f"everyone is on {OLD.version} (pinned)" in said.out
    assert state(calm) == before
    status = json.loads(calm.t3safe("status", "--json").out)["status"]
    assert status["pin"] == OLD.version
    assert status["held"][0][0] == NEW.version
    assert calm.t3safe("unpin").status == Exit.OK
    assert calm.t3safe("allow", NEW.version).status == Exit.OK
    status = json.loads(calm.t3safe("status", "--json").out)["status"]
    assert (status["pin"], status["held"]) == ("", [])


def test_a_malformed_line_skips_that_line_only(calm: EmbeddedHost) -> None:
    """It is reported with its number, and the others are looked after."""
    calm.user_map.write_text(calm.user_map.read_text() + "what is this\nx = has space\n")
    calm.registry.tag("nightly", OLD.version)
    said = calm.t3safe("run")
    assert said.status == Exit.OK
    assert "line 4" in said.out
    assert "line 5" in said.out


def test_a_failure_in_production_freezes_and_is_remembered(host: EmbeddedHost) -> None:
    """The person is on the old build with the old data, the other stays on the new one."""
    bad = evolve(NEW, version="0.0.25-nightly.20260609.500", faults=("breaks-with-attachments",))
    host.publish(bad, tag="nightly")
    said = host.t3safe("run")
    assert said.status == Exit.ROLLED_BACK, said
    assert "rolling back ben" in said.out
    assert "rolled back ben" in said.out
    assert state(host)["selected"]["ann"] == f"../builds/{bad.version}"
    assert state(host)["selected"]["ben"] == f"../builds/{OLD.version}"
    assert (ledger(host, "ann"), ledger(host, "ben")) == (32, 30)
    assert state(host)["last-good"].strip() == OLD.version
    assert pairs(host)
    assert host.t3safe("run").status == Exit.FROZEN
    host.t3safe("thaw")
    again = host.t3safe("run")
    assert again.status == Exit.REFUSED
    assert f"t3safe allow {bad.version}" in again.out


def test_a_second_t3safe_says_that_it_is_locked(calm: EmbeddedHost) -> None:
    """One lock for everything that acts; looking needs none."""
    with FileLock(calm.root / "state" / "lock"):
        for command in (["run"], ["drain"], ["recover"], ["freeze"], ["pin", NEW.version]):
            said = calm.t3safe(*command)
            assert said.status == Exit.LOCKED, said
            assert "another t3safe is running" in said.err
        assert calm.t3safe("status").status == Exit.OK
    assert not calm.freeze_file.exists()


@pytest.mark.parametrize(
    "content", [None, "", "# nobody\n", "no equals sign\n", "a=../x\nb=root\n"]
)
def test_a_user_map_without_people_is_a_clear_error(
    calm: EmbeddedHost, content: str | None
) -> None:
    """Missing, empty and malformed maps end with usage, and nothing is moved."""
    before = state(calm)
    calm.user_map.unlink()
    if content is not None:
        calm.user_map.write_text(content)
    said = calm.t3safe("run")
    assert said.status == Exit.USAGE, said
    assert str(calm.user_map) in said.err
    assert state(calm) == before


@pytest.mark.parametrize("text", ["nope = 1\n", "smoke_port = 'x'\n", "= =\n"])
def test_a_bad_configuration_is_one_line_and_usage(calm: EmbeddedHost, text: str) -> None:
    """It names the file, and nothing is done."""
    calm.config_file.write_text(text + calm.config_file.read_text())
    said = calm.t3safe("run")
    assert said.status == Exit.USAGE
    assert len(said.err.splitlines()) == 1
    assert "config.toml" in said.err


def test_a_corrupt_journal_needs_a_human_and_moves_nobody(calm: EmbeddedHost) -> None:
    """Where a person asks, without a journal nothing is done; a timer's command sets it aside."""
    journal = calm.root / "state" / "journal.sqlite"
    journal.write_bytes(b"this is no database" * 1000)
    content = journal.read_bytes()
    before = state(calm)
    said = calm.t3safe("eject", "--yes")
    assert said.status == Exit.NEEDS_HUMAN, said
    assert "cannot read the journal" in said.err
    assert "`t3safe recover` sets it aside" in said.err
    assert (state(calm), journal.read_bytes()) == (before, content)


def test_a_broken_launcher_of_a_build_is_found_by_verify(host: EmbeddedHost) -> None:
    """`verify` reads every file of a build and every snapshot."""
    assert host.t3safe("snapshot", "ann").status == Exit.OK
    assert host.t3safe("verify").status == Exit.OK
    package = host.store / "builds" / OLD.version / "node_modules" / "t3" / "package.json"
    package.chmod(0o644)
    package.write_text(package.read_text() + " ")
    said = host.t3safe("verify")
    assert said.status == Exit.REFUSED
    assert f"build {OLD.version}" in said.out


def test_unknown_names_are_clear_errors(calm: EmbeddedHost) -> None:
    """A run, a person, a version and a snapshot that do not exist each end in one line."""
    assert calm.t3safe("show", "nope").status == Exit.USAGE
    assert calm.t3safe("check", "v1.2").status == Exit.USAGE
    assert calm.t3safe("rollback", "zoe", "--yes").status == Exit.USAGE
    assert calm.t3safe("restore", "ann", "nope", "--yes").status == Exit.USAGE
    assert calm.t3safe("snapshot", "zoe").status == Exit.USAGE


def test_a_busy_person_is_deferred_and_drained_later(host: EmbeddedHost) -> None:
    """Their build and ledger stay while they work, also when they sign in."""
    client = host.client("ann")
    client.sign_in()
    client.turn("start")
    assert host.t3safe("run").status == Exit.OK
    assert host.client("ann").sign_in()
    assert (ledger(host, "ann"), ledger(host, "ben")) == (30, 32)
    waiting = host.t3safe("drain")
    assert "no waiting person is idle" in waiting.out
    status = json.loads(host.t3safe("status", "--json").out)["status"]
    assert status["people"][0]["deferred_for"] == NEW.version
    client.turn("finish")
    assert host.t3safe("drain").status == Exit.OK
    assert ledger(host, "ann") == 32
    assert pairs(host)


def test_adopting_takes_over_without_restarting_anybody(host: EmbeddedHost) -> None:
    """Who has no selection gets the build that they run; a build that does not fit is refused."""
    serves = state(host)["serves"]
    for name in host.people:
        (host.store / "users" / name).unlink()
    (host.store / "default").unlink()
    assert host.t3safe("run").status == Exit.LATER
    said = host.t3safe("adopt", OLD.version)
    assert said.status == Exit.OK, said
    assert state(host)["selected"] == dict.fromkeys(host.people, f"../builds/{OLD.version}")
    assert state(host)["serves"] == serves
    older = release_like("0.0.23-nightly.20260501.200", schema=29)
    host.publish(older)
    refused = host.t3safe("adopt", older.version)
    assert refused.status == Exit.USAGE
    assert "30_ProjectionThreadShellArchiveIndexes" in refused.err


def test_a_move_signs_in_three_times_and_leaves_no_session(host: EmbeddedHost) -> None:
    """Before the stop, after the start, at the end of the bake; each is signed out again."""
    host.client("ann").sign_in()
    before = {name: sessions_of(host, name) for name in host.people}
    asked = len(host.dispatch.log)
    host.write_config(rollout__bake=2.0)
    assert host.t3safe("run").status == Exit.OK
    minted = [each.login for each in host.dispatch.log[asked:] if each.status == 302]
    assert {login: minted.count(login) for login in minted} == dict.fromkeys(set(minted), 3)
    assert len(minted) == 3 * len(host.people)
    # Migration 31 has dropped the sessions that were there before.
    assert {name: sessions_of(host, name) for name in host.people} == dict.fromkeys(before, 0)
    host.client("ann").sign_in()
    for command in ("verify", "run", "drain"):
        host.t3safe(command)
        assert sessions_of(host, "ann") == 1


def sessions_of(host: EmbeddedHost, name: str) -> int:
    """How many sessions a person's database holds."""
    return int(query(host, name, f"SELECT count(*) FROM {SESSIONS}")[0][0])


def test_how_the_dispatch_signs_in_is_learned_before_anybody_is_moved(host: EmbeddedHost) -> None:
    """A dispatch with one path only: the gate refuses the next protocol, and nobody is the test."""
    host.dispatch.knowledge.paths = (BOOTSTRAP,)
    host.write_config(dispatch_knows__paths=[], dispatch_knows__cookies=[])
    adopted = host.t3safe("adopt", OLD.version)
    assert "ann signs in through the dispatch" in adopted.out
    before = state(host)
    said = host.t3safe("run")
    assert said.status == Exit.REFUSED, said
    assert "update the dispatch first: it is not known to use the path" in said.out
    assert (state(host)["selected"], state(host)["serves"]) == (
        before["selected"],
        before["serves"],
    )
    host.dispatch.knowledge.paths = PATHS
    host.write_config(dispatch_knows__paths=list(PATHS))
    assert host.t3safe("run").status == Exit.OK
    assert pairs(host)


def test_no_secret_reaches_what_t3safe_keeps_or_says(host: EmbeddedHost) -> None:
    """Neither lines nor journal nor evidence hold a credential, a token or a cookie."""
    loud: FakeRelease = evolve(
        NEW, version="0.0.25-nightly.20260609.502", faults=("prints-tokens", "cookie-renamed")
    )
    host.publish(loud, tag="nightly")
    said = host.t3safe("run")
    assert said.status == Exit.REFUSED
    assert "update the dispatch first" in said.out
    kept = [path for path in (host.root / "state").rglob("*") if path.is_file()]
    evidence = [path for path in kept if "evidence" in path.parts]
    assert evidence
    text = b"".join(path.read_bytes() for path in kept).decode(errors="replace") + said.out
    client = host.client("ann")
    client.sign_in()
    assert client.cookie.partition("=")[2] not in text
    for label in ("Token: ", "Pairing URL: "):
        for line in text.splitlines():
            _, found, rest = line.partition(label)
            assert not found or "redacted" in rest
