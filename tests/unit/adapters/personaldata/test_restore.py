"""Replacing a set: whole or not at all, at every step and under every obstacle."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import pytest

from fakes.t3.app.state import BINDINGS, SIGNING_KEY
from t3safe.adapters._support.personaldata.disk import Tools
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind
from t3safe.adapters.personaldata.worker import attributes
from t3safe.adapters.personaldata.worker.restore import STAGING, restoring
from t3safe.adapters.personaldata.worker.snapshots import MARKER, take
from t3safe.contracts.personaldata import NEW, OLD
from t3safe.t3.files import RUNTIME, V1_DATABASE, V2_DATABASE
from t3safe.t3.ledger import LEDGER_TABLE
from tests.support.personaldata import (
    OpenDatabase,
    event,
    make_database,
    query,
    serving,
    tree,
)
from tests.unit.adapters.personaldata.conftest import Home, die_after, steps_of

LEDGER = f"SELECT migration_id, name FROM {LEDGER_TABLE}"
MIGRATION = f"INSERT INTO {LEDGER_TABLE} (migration_id, name) VALUES (?, ?)"
BEFORE_THE_MARKER = [
    "restore:swept",
    f"restore:staged:{BINDINGS}",
    f"restore:staged:{SIGNING_KEY}",
    f"restore:staged:{V1_DATABASE}",
]
RESTORE_STEPS = [
    *BEFORE_THE_MARKER,
    "restore:marked",
    f"restore:dropped:{V1_DATABASE}-wal",
    f"restore:dropped:{V1_DATABASE}-shm",
    f"restore:dropped:{V2_DATABASE}-wal",
    f"restore:dropped:{V2_DATABASE}-shm",
    f"restore:renamed:{BINDINGS}",
    f"restore:renamed:{SIGNING_KEY}",
    f"restore:renamed:{V1_DATABASE}",
    f"restore:dropped:{V2_DATABASE}",
    "restore:checked",
    "restore:unstaged",
]


def break_by_upgrade(home: Home) -> None:
    """Leave what a failed build does: a migration in the log only, a database, new settings.

    It was killed, so that its logs are still there.
    """
    with serving(home.database) as serve:
        serve.commit((MIGRATION, NEW[-1]), event("written by the failed build"))
        serve.kill()
    make_database(home.userdata / V2_DATABASE, events=0)
    with serving(home.userdata / V2_DATABASE) as serve:
        serve.commit(event("the first of a new kind"))
        serve.kill()
    (home.userdata / BINDINGS).write_text('{"new": true}')
    (home.userdata / SIGNING_KEY).unlink()
    (home.userdata / RUNTIME).write_text("{}")


@pytest.fixture
def upgraded(home: Home) -> Home:
    """A set with a snapshot at rest, a failed upgrade after it, and that in quarantine."""
    home.populate()
    home.take("s1")
    break_by_upgrade(home)
    home.take("q1", "quarantine")
    return home


def ledger(home: Home) -> tuple[tuple[object, ...], ...]:
    """The ledger that the next serve would find."""
    return tuple(query(home.database, LEDGER))


def as_sealed(home: Home) -> dict[str, tuple[int, bytes]]:
    """The set as it is, its database with the bytes of the copy, whose header counts a write."""
    now = tree(home.userdata)
    sealed = (home.store / "s1" / "files" / V1_DATABASE).read_bytes()
    return {**now, V1_DATABASE: (now[V1_DATABASE][0], sealed)}


def in_progress(home: Home) -> bool:
    """Whether a restore was begun and not ended."""
    return restoring(str(home.base))


def test_stale_log_does_not_bring_the_newer_schema_back(upgraded: Home) -> None:
    """The log that the failed build left is gone before the old database is in its place."""
    assert (upgraded.userdata / f"{V1_DATABASE}-wal").stat().st_size > 0
    upgraded.restore("s1")
    assert not (upgraded.userdata / f"{V1_DATABASE}-wal").exists()
    with serving(upgraded.database):
        pass
    assert ledger(upgraded) == OLD


def test_restored_set_is_the_one_that_was_sealed(home: Home) -> None:
    """Contents and modes of all files are as they were; what is not of the set stays as it is."""
    home.populate()
    home.take("s1")
    before = as_sealed(home)
    (home.userdata / "attachments").mkdir()
    (home.userdata / "attachments" / "a.png").write_bytes(b"png")
    (home.userdata / "secrets").chmod(0o755)
    break_by_upgrade(home)
    (home.userdata / "note.txt").write_text("made later")
    home.restore("s1")
    assert (home.userdata / "secrets").stat().st_mode & 0o777 == 0o700
    assert tree(home.userdata) == {
        **before,
        "attachments/a.png": (0o644, b"png"),
        "note.txt": (0o644, b"made later"),
        RUNTIME: (0o644, b"{}"),
    }


def test_userdata_that_was_lost_is_made_again(home: Home) -> None:
    """A set whose folder is gone is restored all the same."""
    home.populate()
    home.take("s1")
    before = as_sealed(home)
    os.rename(home.base, home.base.with_name("lost"))
    home.restore("s1")
    assert tree(home.userdata) == before


def test_steps_are_all_named(upgraded: Home) -> None:
    """The list above is every step of a restore: none may be left out of the tests of death."""
    assert steps_of(lambda tools: upgraded.restore("s1", tools)) == RESTORE_STEPS


@pytest.mark.parametrize("step", range(len(RESTORE_STEPS)), ids=RESTORE_STEPS)
@pytest.mark.parametrize("second", ["s1", "q1"])
def test_death_while_restoring_is_fixed_by_any_restore(
    upgraded: Home, step: int, second: str
) -> None:
    """Until the marker nothing has changed; from it on the marker stays until a restore ends."""
    before = tree(upgraded.userdata)
    die_after(step, lambda tools: upgraded.restore("s1", tools))
    if RESTORE_STEPS[step] in BEFORE_THE_MARKER:
        now = {k: v for k, v in tree(upgraded.userdata).items() if not k.startswith(STAGING)}
        assert now == before
        assert not in_progress(upgraded)
    else:
        assert in_progress(upgraded)
        with pytest.raises(DataError):
            upgraded.take("s2")
    upgraded.restore(second)
    assert not in_progress(upgraded)
    assert ledger(upgraded) == (OLD if second == "s1" else NEW)
    assert (upgraded.userdata / V2_DATABASE).exists() is (second == "q1")
    if second == "s1":
        assert (upgraded.userdata / SIGNING_KEY).read_bytes() == b"k" * 32
    assert not (upgraded.userdata / STAGING).exists()
    assert upgraded.take("s2").databases[0].ledger == ledger(upgraded)


def refused(home: Home, snapshot: str, tools: Tools | None = None) -> DataError:
    """Restore, be refused, and see that the set is as it was and nothing was begun."""
    before = tree(home.userdata)
    log = home.userdata / f"{V1_DATABASE}-wal"
    logged = log.read_bytes() if log.exists() else b""
    with pytest.raises(DataError) as caught:
        home.restore(snapshot, tools)
    assert tree(home.userdata) == before
    assert (log.read_bytes() if log.exists() else b"") == logged
    assert not in_progress(home)
    return caught.value


def test_process_that_comes_during_the_copy_is_noticed(upgraded: Home) -> None:
    """Who opens the set while the copy is staged is met before the first change."""
    started: list[OpenDatabase] = []

    def open_late(name: str) -> None:
        if name == f"restore:staged:{V1_DATABASE}":
            started.append(OpenDatabase.on(upgraded.database))

    error = refused(upgraded, "s1", Tools(reached=open_late, grace=0.0))
    started[0].kill()
    assert error.kind is ErrorKind.HELD
    assert not (upgraded.userdata / STAGING).exists()


def test_no_room_for_the_copy_changes_nothing(upgraded: Home) -> None:
    """Free space is checked before the first byte."""
    assert refused(upgraded, "s1", Tools(free=lambda _: 0, grace=0.0)).kind is ErrorKind.SPACE


def test_another_persons_snapshot_is_refused(upgraded: Home) -> None:
    """A snapshot that was taken of somebody else is never put in a person's place."""
    order = upgraded.order("b1")._replace(person="bob", kind="quarantine")
    take(order, Tools(grace=0.0))
    assert refused(upgraded, "b1").kind is ErrorKind.CLASH


@pytest.mark.parametrize("where", [V1_DATABASE, "secrets"])
def test_what_stands_in_the_way_is_told_before_anything_changes(
    upgraded: Home, tmp_path: Path, where: str
) -> None:
    """A folder in a database's place, or a link in a folder's, is refused and never followed."""
    target = upgraded.userdata / where
    elsewhere = tmp_path / "elsewhere"
    os.rename(target, upgraded.base / "aside")
    elsewhere.mkdir()
    if where == "secrets":
        target.symlink_to(elsewhere)
    else:
        target.mkdir()
    assert refused(upgraded, "s1").kind is ErrorKind.SHAPE
    assert list(elsewhere.iterdir()) == []


def test_link_in_a_files_place_is_replaced_not_followed(upgraded: Home, tmp_path: Path) -> None:
    """A link under a file's name gives way to the file; what it pointed to stays."""
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (upgraded.userdata / BINDINGS).unlink()
    (upgraded.userdata / BINDINGS).symlink_to(victim)
    upgraded.restore("s1")
    assert victim.read_text() == "untouched"
    assert (upgraded.userdata / BINDINGS).read_text() == "{}"


def test_restore_that_fails_its_last_check_keeps_the_marker(upgraded: Home) -> None:
    """A set that is not what the manifest says is never told as restored."""

    def spoil(name: str) -> None:
        if name == f"restore:dropped:{V2_DATABASE}":
            make_database(upgraded.userdata / "surprise.sqlite")

    with pytest.raises(DataError, match="appeared"):
        upgraded.restore("s1", Tools(reached=spoil, grace=0.0))
    assert (upgraded.userdata / MARKER).exists()
    upgraded.restore("s1")
    assert not in_progress(upgraded)
    assert ledger(upgraded) == OLD


def test_empty_snapshot_takes_every_database_away(home: Home) -> None:
    """Who had no set before the move has none after the way back; small files stay."""
    home.take("s1")
    home.populate()
    home.take("q1", "quarantine")
    home.restore("s1")
    assert sorted(tree(home.userdata)) == [BINDINGS, SIGNING_KEY]
    assert not in_progress(home)
    home.restore("q1")
    assert ledger(home) == OLD


def test_empty_file_comes_back_where_a_database_was_made_of_it(home: Home) -> None:
    """What the newer build made of it goes with its logs; the empty file is as it was sealed."""
    home.populate()
    (home.userdata / "x.sqlite").touch()
    home.take("s1")
    (home.userdata / "x.sqlite").unlink()
    make_database(home.userdata / "x.sqlite")
    (home.userdata / "x.sqlite-wal").write_bytes(b"")
    home.restore("s1")
    assert (home.userdata / "x.sqlite").read_bytes() == b""
    assert not (home.userdata / "x.sqlite-wal").exists()
    assert ledger(home) == OLD


# What files bear besides bytes.


def acl(*more: tuple[int, int, int]) -> bytes:
    """An access list as Linux keeps it: what the owner, the group and others may, and more."""
    entries = sorted([(0x01, 6, 2**32 - 1), (0x04, 4, 2**32 - 1), (0x20, 0, 2**32 - 1), *more])
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


SHARED_ACL = acl((0x02, 6, 12345), (0x10, 6, 2**32 - 1))
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"


@pytest.fixture
def shared(home: Home) -> Home:
    """A set whose files bear a group, an attribute and an access list, in a snapshot at rest."""
    home.populate()
    make_database(home.userdata / V2_DATABASE)
    key = home.userdata / SIGNING_KEY
    try:
        os.chown(home.database, -1, 12345)
        os.setxattr(home.database, ACCESS, SHARED_ACL)
        os.setxattr(home.userdata / "secrets", "user.note", b"of ours")
        os.setxattr(key, "user.note", bytes(range(256)))
    except OSError:
        pytest.skip("NOT TESTED: groups of others, attributes or access lists cannot be set here")
    home.database.chmod(0o660)
    (home.userdata / "secrets").chmod(0o2700)
    home.take("s1")
    return home


def borne(path: Path) -> tuple[int, int, dict[str, bytes]]:
    """Mode, group and attributes of a file."""
    status = path.stat()
    return (
        status.st_mode & 0o7777,
        status.st_gid,
        {name: os.getxattr(path, name) for name in os.listxattr(path)},
    )


def of_the_set(home: Home) -> dict[str, tuple[int, int, dict[str, bytes]]]:
    """What each file and folder of a set bears."""
    found = home.userdata.rglob("*")
    return {
        str(path.relative_to(home.userdata)): borne(path)
        for path in found
        if not path.name.endswith(("-wal", "-shm"))
    }


def test_group_attributes_and_access_lists_come_back(shared: Home) -> None:
    """What a restore puts in place bears what the files of the snapshot bore, and nothing more."""
    before = of_the_set(shared)
    assert before[V1_DATABASE][0] == 0o660
    shutil.rmtree(shared.userdata)
    shared.userdata.mkdir()
    os.setxattr(shared.userdata, DEFAULT, acl((0x02, 7, 23456), (0x10, 7, 2**32 - 1)))
    assert shared.restore("s1") == []
    assert of_the_set(shared) == before


@pytest.mark.parametrize(("call", "lost"), [("fchown", "the group"), ("setxattr", ACCESS)])
def test_what_the_person_may_not_give_is_said_and_opens_nothing(
    shared: Home, monkeypatch: pytest.MonkeyPatch, call: str, lost: str
) -> None:
    """Data is restored without; no group gets what was another one's."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    shutil.rmtree(shared.userdata)
    monkeypatch.setattr(os, call, refuse)
    assert f"{V1_DATABASE}: {lost} could not be kept" in shared.restore("s1")
    assert not in_progress(shared)
    assert shared.database.stat().st_mode & 0o777 == 0o600
    assert len(query(shared.database, LEDGER)) == len(OLD)


def test_a_set_id_bit_that_a_unit_forbids_is_no_reason_to_stop_half_way(
    shared: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the worker's unit no such bit can be set, not even one that the folder had."""
    change_mode = os.fchmod

    def refuse(fd: int, mode: int) -> None:
        if mode & 0o6000:
            raise PermissionError(1, "Operation not permitted")
        change_mode(fd, mode)

    shutil.rmtree(shared.userdata)
    monkeypatch.setattr(os, "fchmod", refuse)
    assert shared.restore("s1") == ["secrets: a set-id bit could not be kept"]
    assert (shared.userdata / "secrets").stat().st_mode & 0o7777 == 0o700
    assert not in_progress(shared)


def test_another_name_of_a_file_is_told(home: Home) -> None:
    """It leads to what was replaced, and its file is not touched."""
    home.populate()
    home.take("s1")
    other = home.base / "linked.sqlite"
    other.hardlink_to(home.database)
    before = other.read_bytes()
    said = home.restore("s1")
    assert said == ["state.sqlite: another name of it (a hard link) has the old content"]
    assert other.read_bytes() == before
    assert home.restore("s1") == []


def test_a_snapshot_of_an_earlier_t3safe_gives_the_modes_alone(home: Home) -> None:
    """It kept no more; that is no reason to refuse it."""
    home.populate()
    home.take("s1")
    with home.manifest("s1") as said:
        del said["attributes"]
    home.database.chmod(0o600)
    assert home.restore("s1") == []
    assert home.database.stat().st_mode & 0o777 == 0o644


def test_attributes_without_end_are_left_out(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person cannot make a manifest so large that it is never read again."""
    home.populate()
    try:
        os.setxattr(home.database, "user.a", b"a" * 60)
        os.setxattr(home.database, "user.b", b"b" * 60)
    except OSError:
        pytest.skip("NOT TESTED: attributes cannot be set here")
    monkeypatch.setattr(attributes, "VALUES_MAX", 100)
    kept = dict(home.take("s1").attributes)[V1_DATABASE].extended
    assert [name for name, _ in kept] == ["user.a"]
