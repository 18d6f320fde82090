"""`t3safe doctor` on the embedded host: what is broken is found, and the fix fixes it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from fakes.embedded import EmbeddedHost, HostPerson
from fakes.packages import release_like
from t3safe.domain.doctor.findings import Precondition
from t3safe.entrypoints.exits import Exit
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.sign_in import BOOTSTRAP, PLAIN_COOKIE

OLD = release_like("0.0.25-nightly.20260602.440", schema=30, native=False)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    """Give a host with two people, adopted and sound."""
    people = (HostPerson("ann"), HostPerson("ben"))
    with EmbeddedHost(tmp_path_factory.mktemp("host"), people) as made:
        made.adopt(OLD)
        assert made.t3safe("snapshot", "ann").status == Exit.OK
        assert made.t3safe("allow", OLD.version).status == Exit.OK, "it makes the journal"
        yield made


def levels(host: EmbeddedHost, *options: str) -> tuple[int, dict[str, str]]:
    """The exit status, and the worst level of each check that is not ok."""
    said = host.t3safe("doctor", "--json", *options)
    body = json.loads(said.out)
    assert body["schema"] == "t3safe/doctor/2"
    assert {found["check"] for found in body["doctor"]} == set(Precondition)
    assert all(found["fix"] for found in body["doctor"] if found["level"] != "ok")
    return said.status, {f["check"]: f["level"] for f in body["doctor"] if f["level"] != "ok"}


def test_a_sound_host_has_nothing_to_mend(host: EmbeddedHost) -> None:
    """Every check is ok, and the text says so a line each."""
    assert levels(host) == (Exit.OK, {})
    said = host.t3safe("doctor")
    assert (said.status, said.err) == (Exit.OK, "")
    assert "ok  registry: the registry offers" in said.out
    assert "fix" not in said.out


def test_a_missing_user_map_is_told_once(host: EmbeddedHost) -> None:
    """What needs it is skipped, on one line; the same in JSON for each check."""
    kept = host.user_map.rename(host.root / "kept-map")
    try:
        status, found = levels(host)
        said = host.t3safe("doctor")
    finally:
        kept.rename(host.user_map)
    assert (status, said.status) == (Exit.NEEDS_HUMAN, Exit.NEEDS_HUMAN)
    skipped = {check for check, level in found.items() if level == "unknown"}
    assert {"serves", "snapshots", "disk", "cookies", "paths"} <= skipped
    lines = [line for line in said.out.splitlines() if "skipped: " in line]
    assert len(lines) == 1
    assert all(check in lines[0] for check in skipped)
    told = [line for line in said.out.splitlines() if str(host.user_map) in line]
    assert len(told) == 3, "the cause, what fixes it, and what is skipped for it"


def test_a_dispatch_that_is_down_is_found(host: EmbeddedHost) -> None:
    """Once it is back all is well."""
    host.dispatch.down()
    assert levels(host) == (Exit.NEEDS_HUMAN, {"dispatch": "problem"})
    host.dispatch.up()
    assert levels(host) == (Exit.OK, {})


def test_what_keeps_one_persons_data_from_being_moved_is_found(host: EmbeddedHost) -> None:
    """A process that has it open, and a database that is none; an empty file beside it is neither.

    `status` says it in the same words.
    """
    empty = host.database("ann").with_name("x.sqlite")
    empty.touch()
    assert levels(host) == (Exit.OK, {})
    with closing(sqlite3.connect(host.database("ann"))) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        assert levels(host) == (Exit.NEEDS_HUMAN, {"data": "problem"})
        seen = f"process {os.getpid()} ("
        assert seen in host.t3safe("doctor").out
        body = json.loads(host.t3safe("status", "--json").out)
        why = body["status"]["people"][0]["why"]
        assert why.startswith(seen)
        assert "state.sqlite open: close it" in why
    empty.write_bytes(b"no database")
    assert levels(host) == (Exit.NEEDS_HUMAN, {"data": "problem"})
    assert "x.sqlite is not a database" in host.t3safe("doctor").out
    empty.unlink()
    assert levels(host) == (Exit.OK, {})


def test_a_registry_that_is_down_is_found(host: EmbeddedHost) -> None:
    """The other checks are made all the same."""
    host.registry.down()
    assert levels(host) == (Exit.NEEDS_HUMAN, {"registry": "problem"})
    host.registry.up()
    assert levels(host) == (Exit.OK, {})


def test_a_cookie_that_the_dispatch_does_not_know_is_found(host: EmbeddedHost) -> None:
    """What the serve publishes is held against the configuration."""
    host.write_config(dispatch_knows__cookies=["other"])
    assert levels(host) == (Exit.NEEDS_HUMAN, {"cookies": "problem"})
    host.write_config(dispatch_knows__cookies=[PLAIN_COOKIE])
    assert levels(host) == (Exit.OK, {})


def test_a_path_that_the_dispatch_does_not_know_is_found(host: EmbeddedHost) -> None:
    """Each serve is asked which of the known paths it has; nobody is signed in by that."""
    host.write_config(dispatch_knows__paths=[f"{BOOTSTRAP}-other"])
    assert levels(host) == (Exit.NEEDS_HUMAN, {"paths": "problem"})
    assert "the serve of ann has none of the paths" in host.t3safe("doctor").out
    host.write_config(dispatch_knows__paths=[f"{BOOTSTRAP}-other", BOOTSTRAP])
    assert levels(host) == (Exit.OK, {})


def test_a_serve_that_is_down_and_a_line_that_is_malformed_are_warnings(host: EmbeddedHost) -> None:
    """A warning alone is no failure."""
    text = host.user_map.read_text()
    host.user_map.write_text(f"{text}nonsense\n")
    with host.wired() as wired:
        wired.host.ports.services.stop("ben")
    assert levels(host) == (Exit.OK, {"serves": "warning", "user-map": "warning"})
    host.user_map.write_text(text)
    host.start_serves()
    assert levels(host) == (Exit.OK, {})


def test_a_damaged_snapshot_is_found(host: EmbeddedHost) -> None:
    """A byte that changed is a problem, and a new snapshot fixes it."""
    (database,) = host.backups.glob(f"ann/*/**/{V1_DATABASE}")
    content = database.read_bytes()
    database.chmod(0o600)
    database.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert levels(host) == (Exit.NEEDS_HUMAN, {"snapshots": "problem"})
    assert host.t3safe("snapshot", "ann").status == Exit.OK
    assert levels(host) == (Exit.OK, {})
    assert levels(host, "--deep") == (Exit.NEEDS_HUMAN, {"snapshots": "problem"})
    database.write_bytes(content)
    assert levels(host, "--deep") == (Exit.OK, {})


def test_a_folder_that_others_may_write_is_found(host: EmbeddedHost) -> None:
    """Whoever may write into the store may choose what people run."""
    host.store.chmod(0o777)
    assert levels(host) == (Exit.NEEDS_HUMAN, {"folders": "problem"})
    host.store.chmod(0o755)
    assert levels(host) == (Exit.OK, {})


def test_a_hook_that_would_not_run_at_night_is_found(host: EmbeddedHost) -> None:
    """By day, and without running it: what others may write, a plain file, a folder misspelt."""
    hook = host.root / "hooks" / "before-run.d" / "10-mark"
    hook.parent.mkdir(mode=0o755, parents=True)
    hook.write_text(f"#!/bin/sh\ntouch {host.root}/mark\n")
    for mode, status, found in (
        (0o755, Exit.OK, {}),
        (0o644, Exit.OK, {"hooks": "warning"}),
        (0o775, Exit.NEEDS_HUMAN, {"hooks": "problem"}),
    ):
        hook.chmod(mode)
        assert levels(host) == (status, found)
    hook.unlink()
    hook.parent.rename(hook.parent.with_name("before_run.d"))
    assert levels(host) == (Exit.OK, {"hooks": "warning"})
    hook.parent.with_name("before_run.d").rmdir()
    assert levels(host) == (Exit.OK, {})
    assert not (host.root / "mark").exists()


def test_a_broken_journal_hides_nothing_else(host: EmbeddedHost) -> None:
    """It is a problem, what only it tells is unknown, and the rest is looked at."""
    journal = host.root / "state" / "journal.sqlite"
    content = journal.read_bytes()
    journal.write_bytes(b"no database at all" * 400)
    found = {"journal": "problem", "clock": "unknown", "unfinished": "unknown"}
    assert levels(host) == (Exit.NEEDS_HUMAN, found)
    journal.write_bytes(content)
    assert levels(host) == (Exit.OK, {})


def test_a_host_that_never_ran_gets_no_journal_and_its_missing_folder_is_told(
    host: EmbeddedHost, tmp_path: Path
) -> None:
    """What was missing before the look is missing in what is told; nothing is begun."""
    before = host.root / "state"
    host.write_config(state_dir=str(tmp_path / "state"))
    status, found = levels(host)
    assert (status, found) == (Exit.NEEDS_HUMAN, {"folders": "problem"})
    assert not (tmp_path / "state" / "journal.sqlite").exists()
    host.write_config(state_dir=str(before))
    assert levels(host) == (Exit.OK, {})


def test_a_t3_of_a_persons_own_is_found_and_looked_for_as_them(host: EmbeddedHost) -> None:
    """It is named by the place alone: whatever a person calls a folder is not shown."""
    folder = host.base("ann").parent / ".nvm" / "versions" / "node" / "$(reboot)" / "bin"
    folder.mkdir(parents=True)
    (folder / "t3").write_text("#!/bin/sh\n")
    assert levels(host) == (Exit.OK, {}), "it cannot be executed"
    (folder / "t3").chmod(0o755)
    assert levels(host) == (Exit.OK, {"installers": "warning"})
    said = host.t3safe("doctor").out
    assert "ann has another t3 in the home (.nvm/versions/node/*/bin/t3)" in said
    assert "reboot" not in said
    (folder / "t3").unlink()
    assert levels(host) == (Exit.OK, {})


def test_a_folder_of_snapshots_that_others_may_read_is_found(host: EmbeddedHost) -> None:
    """What a person wrote is in there."""
    folder = host.backups / "ann"
    folder.chmod(0o755)
    assert levels(host) == (Exit.NEEDS_HUMAN, {"folders": "problem"})
    folder.chmod(0o700)
    assert levels(host) == (Exit.OK, {})


def test_the_room_for_a_night_counts_whoever_has_no_snapshot_yet(host: EmbeddedHost) -> None:
    """Their data is weighed where it lies."""
    assert not (host.backups / "ben").exists()
    with host.wired() as wired:
        weight = wired.personal_data().weight("ben")
    assert weight >= host.database("ben").stat().st_size
    host.write_config(backup_dest=str(host.root / "none"))
    said = json.loads(host.t3safe("doctor", "--json").out)["doctor"]
    host.write_config(backup_dest=str(host.backups))
    (seen,) = (found["seen"] for found in said if "a night's snapshots" in found["seen"])
    assert "take 0 B" not in seen


def test_an_offered_build_that_needs_another_node_is_told_before_it_is_installed(
    host: EmbeddedHost,
) -> None:
    """The present build runs on; the gate would refuse the new one."""
    needy = evolve(release_like("0.0.25-nightly.20260608.497", native=False), engines=">=99.1")
    host.publish(needy, tag="nightly")
    assert levels(host) == (Exit.OK, {"node": "warning"})
    assert "install a node that satisfies >=99.1" in host.t3safe("doctor").out
    host.registry.tag("nightly", OLD.version)
    assert levels(host) == (Exit.OK, {})
