"""Taking, checking and removing sealed copies: real SQLite, real writers, a death at every step."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.t3.app.state import BINDINGS, SIGNING_KEY
from t3safe.adapters._support.personaldata.disk import MARGIN_BYTES, Tools
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind
from t3safe.adapters.personaldata.worker import manifest, snapshots
from t3safe.adapters.personaldata.worker.snapshots import MARKER
from t3safe.contracts.personaldata import OLD
from t3safe.t3.files import SETTINGS, USERDATA, V1_DATABASE
from t3safe.t3.generations import EVENT_LOG
from t3safe.t3.ledger import LEDGER_TABLE
from tests.support.personaldata import (
    change,
    make_database,
    query,
    serving,
    tree,
)
from tests.unit.adapters.personaldata.conftest import Home, die_after, steps_of
from tests.unit.adapters.personaldata.test_databases import overwrite_middle
from tests.unit.adapters.personaldata.test_discovery import HARD_NAMES, WAL_HEAD

SNAPSHOT_STEPS = [
    "snapshot:swept",
    "snapshot:begun",
    f"snapshot:copied:{V1_DATABASE}",
    f"snapshot:copied:{BINDINGS}",
    f"snapshot:copied:{SIGNING_KEY}",
    "snapshot:written",
    "snapshot:renamed",
]


def test_snapshot_is_a_whole_set_with_modes_in_the_manifest(home: Home) -> None:
    """`files/` mirrors userdata, closed to everybody else; the manifest has the rest."""
    home.populate()
    taken = home.take("s1")
    files = home.store / "s1" / "files"
    assert {name: oct(mode) for name, (mode, _) in tree(files).items()} == {
        V1_DATABASE: "0o600",
        BINDINGS: "0o600",
        SIGNING_KEY: "0o600",
    }
    with home.manifest("s1") as said:
        pass
    assert (said["schema"], said["person"], said["kind"]) == (1, "alice", "rest")
    assert (said["taken_at"], said["build"]) == ("2026-11-24T04:00:00+00:00", "0.0.24")
    assert said["databases"][0]["counts"][f"{V1_DATABASE}:{EVENT_LOG}"] == 3
    assert said["size"] == sum(len(data) for _, data in tree(files).values())
    assert manifest.load(str(home.store), "s1") == taken
    assert (home.store / "s1").stat().st_mode & 0o777 == 0o700


def test_manifest_of_an_earlier_t3safe_has_no_number(home: Home) -> None:
    """It is still read, and what is sealed next is numbered above it."""
    home.populate()
    home.take("s1")
    with home.manifest("s1") as said:
        assert said.pop("sequence") == 1
    assert manifest.load(str(home.store), "s1").sequence == 0
    assert [home.take(name).sequence for name in ("s2", "s3", "s2")] == [1, 2, 1]


@pytest.mark.parametrize("name", ["deep/er/cache", *HARD_NAMES])
def test_hard_names_survive_snapshot_and_restore(home: Home, name: str) -> None:
    """Databases and small files come back under any name that a file can have."""
    make_database(home.userdata / name)
    (home.userdata / f"{name} small").write_bytes(b"x")
    home.take("s1")
    shutil.rmtree(home.userdata)
    home.restore("s1")
    # By a plain connection, to a copy under a plain name.
    plain = shutil.copyfile(home.userdata / name, home.base / "plain-copy")
    assert len(query(plain, f"SELECT event_id FROM {EVENT_LOG}")) == 3
    assert (home.userdata / f"{name} small").read_bytes() == b"x"


def test_it_is_told_where_the_copy_grows_before_its_first_byte(home: Home) -> None:
    """With about how many bytes it will have, so that somebody can watch."""
    told: list[tuple[str, int, bool]] = []

    def growing(path: str, total: int) -> None:
        told.append((path, total, any(Path(path, "files").iterdir())))

    taken = home.take("s1", "online", Tools(growing=growing))
    ((path, total, begun),) = told
    assert path.endswith("/.partial-s1")
    assert total >= taken.size
    assert not begun


@pytest.mark.parametrize("kind", ["online", "rest"])
def test_corrupt_database_is_refused_and_quarantined_as_it_is(home: Home, kind: str) -> None:
    """quick_check of the copy refuses it; quarantine keeps its very bytes, marked and uncounted."""
    make_database(home.database, events=500)
    overwrite_middle(home.database)
    before = home.database.read_bytes()
    with pytest.raises(DataError, match=r"state\.sqlite") as caught:
        home.take("s1", kind)
    assert caught.value.kind is ErrorKind.BROKEN
    assert home.sealed() == []
    (kept,) = home.take("q1", "quarantine").databases
    assert kept.problem
    assert (kept.ledger, kept.counts) == ((), ())
    assert (
        (home.store / f"q1/files/{V1_DATABASE}").read_bytes()
        == before
        == home.database.read_bytes()
    )


def test_quarantine_keeps_logs_whose_database_is_lost(home: Home) -> None:
    """Even a log alone is kept: somebody may salvage it."""
    home.userdata.mkdir()
    (home.userdata / f"{V1_DATABASE}-wal").write_bytes(WAL_HEAD)
    with pytest.raises(DataError, match="is missing while its log is there"):
        home.take("s1")
    taken = home.take("q1", "quarantine")
    snapshots.verify(str(home.store), taken)
    assert (home.store / f"q1/files/{V1_DATABASE}-wal").read_bytes() == WAL_HEAD


def test_locked_database_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that stays locked is told as locked, after SQLite's own waiting time."""
    monkeypatch.setattr("t3safe.adapters._support.personaldata.databases.WAIT_SECONDS", 0.1)
    home.populate()
    change(home.database, ("PRAGMA journal_mode=DELETE", ()))
    with serving(home.database) as serve:
        serve.commit(("PRAGMA journal_mode=DELETE", ()), ("BEGIN EXCLUSIVE", ()))
        with pytest.raises(DataError, match=r"state\.sqlite: database is locked") as caught:
            home.take("s1", "online")
    assert caught.value.kind is ErrorKind.LOCKED
    assert home.sealed() == []


def test_replaced_set_is_not_snapshotted_half_way(home: Home) -> None:
    """While a restore is begun and not ended only a quarantine may be taken."""
    home.populate()
    (home.userdata / MARKER).write_text("{}")
    for kind in ("online", "rest"):
        with pytest.raises(DataError) as caught:
            home.take("s1", kind)
        assert caught.value.kind is ErrorKind.UNFINISHED
    assert home.take("q1", "quarantine").databases


# The disk.


def test_space_is_checked_before_the_first_byte(home: Home) -> None:
    """For the copy and a margin; at rest for the way back, too."""
    home.populate()
    with pytest.raises(DataError, match=r"\d+ \w+ free, \d+ MiB are needed") as caught:
        home.take("s1", "online", Tools(free=lambda _: 1000))
    assert caught.value.kind is ErrorKind.SPACE
    assert home.sealed() == []
    size = home.found.size
    room = Tools(free=lambda _: MARGIN_BYTES + size + size // 2, grace=0.0)
    home.take("s1", "online", room)
    with pytest.raises(DataError) as caught:
        home.take("s2", "rest", room)
    assert caught.value.kind is ErrorKind.SPACE


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; skipped where none can be mounted."""
    mount = shutil.which("mount")
    target = tmp_path / "small"
    target.mkdir()
    asked = [mount or "mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(target)]
    if mount is None or os.geteuid() != 0 or subprocess.run(asked, check=False).returncode:
        pytest.skip("NOT TESTED: a full disk needs the right to mount a tmpfs")
    yield target
    subprocess.run([shutil.which("umount") or "umount", str(target)], check=True)


@pytest.mark.parametrize("large", [V1_DATABASE, SETTINGS])
def test_full_disk_leaves_nothing_behind(home: Home, small_disk: Path, large: str) -> None:
    """When the disk fills up in the middle of a copy that is told, and nothing of it stays."""
    home.populate()
    if large == V1_DATABASE:
        change(home.database, ("CREATE TABLE b AS SELECT zeroblob(3000000)", ()))
    else:
        for number in range(4):
            (home.userdata / f"settings{number}.json").write_bytes(b"x" * 500_000)
    home.store = small_disk
    with pytest.raises(DataError, match="full") as caught:
        home.take("s1", "rest", Tools(free=lambda _: 10**12, grace=0.0))
    assert caught.value.kind is ErrorKind.SPACE
    assert home.sealed() == []


# Death at every step.


def test_steps_are_all_named(home: Home) -> None:
    """The list below is every step of a snapshot: none may be left out of the tests of death."""
    home.populate()
    assert steps_of(lambda tools: home.take("s1", tools=tools)) == SNAPSHOT_STEPS


@pytest.mark.parametrize("step", range(len(SNAPSHOT_STEPS)), ids=SNAPSHOT_STEPS)
def test_death_while_taking_is_fixed_by_the_next(home: Home, step: int) -> None:
    """After a death at any step the set is untouched and any next snapshot clears the rest away."""
    home.populate()
    before = tree(home.userdata)
    die_after(step, lambda tools: home.take("s1", tools=tools))
    assert tree(home.userdata) == before
    listed = [item.id for item in snapshots.listing(str(home.store))]
    assert listed == (["s1"] if SNAPSHOT_STEPS[step] == "snapshot:renamed" else [])
    home.take("s2")
    assert home.sealed() == [*listed, "s2"]
    assert home.take("s1").databases[0].ledger == OLD
    assert home.sealed() == ["s1", "s2"]


def test_death_while_removing_is_fixed_by_the_next(home: Home) -> None:
    """A snapshot that is being removed counts no more, and the next removal ends it."""
    home.populate()
    home.take("s1")
    die_after(0, lambda tools: snapshots.remove(str(home.store), "s1", tools))
    assert snapshots.listing(str(home.store)) == ()
    snapshots.remove(str(home.store), "s1", Tools())
    assert home.sealed() == []


# Sealed snapshots that were touched.


@pytest.mark.parametrize("name", [V1_DATABASE, SIGNING_KEY])
@pytest.mark.parametrize("how", ["changed", "gone", "link"])
def test_touched_snapshot_fails_its_check(home: Home, name: str, how: str) -> None:
    """A file that was changed, taken away or replaced by a link is found."""
    home.populate()
    taken = home.take("s1")
    path = home.store / "s1" / "files" / name
    content = path.read_bytes()
    path.unlink()
    if how == "changed":
        path.write_bytes(content[:-1] + b"!")
    elif how == "link":
        path.symlink_to(home.userdata / name)
    with pytest.raises(DataError, match="snapshot s1 fails") as caught:
        snapshots.verify(str(home.store), taken)
    assert caught.value.kind is ErrorKind.DAMAGED


def test_what_an_earlier_t3safe_counted_is_still_what_is_checked(home: Home) -> None:
    """It counted the ledger and indexes too: a snapshot of its is sound, if the counts are."""
    home.populate()
    change(home.database, ("CREATE VIRTUAL TABLE words USING fts5(text)", ()))
    home.take("s1")
    words = f"{V1_DATABASE}:words_data"
    with home.manifest("s1") as said:
        said["databases"][0]["counts"] |= {f"{V1_DATABASE}:{LEDGER_TABLE}": 2, words: 2}
    snapshots.verify(str(home.store), manifest.load(str(home.store), "s1"))
    home.restore("s1")
    with home.manifest("s1") as said:
        said["databases"][0]["counts"][words] = 3
    with pytest.raises(DataError, match="has other row counts"):
        snapshots.verify(str(home.store), manifest.load(str(home.store), "s1"))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": 2}', "{" * 100_000, '{"schema": 1, "id": "other"}']
)
def test_garbage_manifest_is_an_error_and_not_listed(home: Home, text: str) -> None:
    """A manifest that cannot be read is told by the check and spoils no listing."""
    home.populate()
    home.take("s1")
    home.take("s2")
    (home.store / "s1" / "manifest.json").write_text(text)
    with pytest.raises(DataError, match="s1") as caught:
        manifest.load(str(home.store), "s1")
    assert caught.value.kind is ErrorKind.DAMAGED
    assert [item.id for item in snapshots.listing(str(home.store))] == ["s2"]


def test_manifest_may_not_name_what_is_outside(home: Home) -> None:
    """A name that leads out of the snapshot makes the manifest garbage."""
    home.populate()
    home.take("s1")
    for name in (f"../../{USERDATA}/x", "/etc/passwd", "a/../../b", "", "a//b", "."):
        with home.manifest("s1") as said:
            said["files"][0]["name"] = name
        with pytest.raises(DataError, match="garbage"):
            manifest.load(str(home.store), "s1")


def test_id_must_be_a_plain_name(home: Home) -> None:
    """An id that could be a path, an option or our own garbage is refused before anything else."""
    home.populate()
    for snapshot in ("", ".", "..", "../s1", "-rf", ".partial-x", "a b", "a" * 200):
        with pytest.raises(DataError, match="is not a snapshot's id"):
            home.take(snapshot)
        with pytest.raises(DataError, match="is not a snapshot's id"):
            snapshots.remove(str(home.store), snapshot, Tools())
    assert home.sealed() == []
