"""A copy of personal data that lies anywhere: byte by byte, and the original keeps every byte."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fakes.t3 import populate
from t3safe.adapters._support.personaldata.disk import Tools
from t3safe.adapters._support.personaldata.errors import DataError, ErrorKind
from t3safe.adapters.personaldata.worker.copies import copy_set, set_below
from t3safe.t3.files import USERDATA, V1_DATABASE, V2_DATABASE

QUICK = Tools(grace=0.0)


def seen(root: Path) -> dict[str, tuple[int, int, str]]:
    """Give every file with its inode, time and digest."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_ino,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Give a base directory whose database has rows that only its log holds."""
    live = tmp_path / "live"
    populate(live, 30, attachments=1)
    path = live / USERDATA / V1_DATABASE
    at_rest = tmp_path / "base"
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("CREATE TABLE late (x)")
        opened.execute("INSERT INTO late VALUES (42)")
        opened.commit()
        # As a crash leaves it: the log is beside the database, and nobody holds either.
        for source in sorted((live / USERDATA).rglob("*")):
            target = at_rest / source.relative_to(live)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_file():
                target.write_bytes(source.read_bytes())
    assert (at_rest / USERDATA / f"{V1_DATABASE}-wal").stat().st_size > 0
    return at_rest


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Give an empty folder."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_the_copy_has_the_log_too_and_the_original_keeps_every_byte(
    base: Path, target: Path
) -> None:
    """The row that only the log holds is in the copy; nothing is made beside the original."""
    before = seen(base)
    copy_set(set_below(str(base)), str(target), QUICK)
    assert seen(base) == before
    copied = seen(target)
    for name in (V1_DATABASE, f"{V1_DATABASE}-wal", f"{V1_DATABASE}-shm"):
        assert copied[name][2] == before[f"{USERDATA}/{name}"][2]
    assert not (target / "attachments").exists()
    with closing(sqlite3.connect(target / V1_DATABASE)) as opened:
        assert opened.execute("SELECT x FROM late").fetchall() == [(42,)]
    assert seen(base) == before


def test_the_given_folder_is_of_the_data_or_above_it(base: Path, tmp_path: Path) -> None:
    """A folder without a database is named, with where a database was looked for."""
    assert set_below(str(base)) == set_below(str(base / USERDATA)) == str(base / USERDATA)
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("no state")
    with pytest.raises(
        DataError, match="holds no database, neither at its top nor below userdata/"
    ):
        set_below(str(other))
    with pytest.raises(DataError, match="is not a folder"):
        set_below(str(other / "notes.txt"))


def test_what_is_not_sound_or_does_not_fit_is_refused(base: Path, target: Path) -> None:
    """An empty file would pass for an empty database; a snapshot of the copy must fit, too."""
    with pytest.raises(DataError) as raised:
        copy_set(str(base / USERDATA), str(target), QUICK._replace(free=lambda _: 1024**2))
    assert raised.value.kind is ErrorKind.SPACE
    (base / USERDATA / V2_DATABASE).touch()
    before = seen(base)
    with pytest.raises(DataError, match=r"statev2\.sqlite is empty"):
        copy_set(str(base / USERDATA), str(target), QUICK)
    assert (seen(base), list(target.iterdir())) == (before, [])


def test_a_set_that_a_process_has_open_is_refused(base: Path, target: Path) -> None:
    """Nothing is copied; the same set is taken once it is at rest."""
    with closing(sqlite3.connect(base / USERDATA / V1_DATABASE)) as opened:
        opened.execute("SELECT count(*) FROM late").fetchall()
        pid = os.fork()
        if pid == 0:
            try:
                copy_set(str(base / USERDATA), str(target), QUICK)
            except DataError as error:
                os._exit(17 if error.kind is ErrorKind.HELD else 1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 17
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("change", ["grown", "gone", "joined"])
def test_data_that_changes_while_it_is_copied_is_refused(
    base: Path, target: Path, change: str
) -> None:
    """A copy of two moments is none of either; no look sees who changed it."""
    log = base / USERDATA / f"{V1_DATABASE}-wal"

    def meanwhile(step: str) -> None:
        if step == f"copied:{V1_DATABASE}":
            if change == "grown":
                os.truncate(log, log.stat().st_size + 4)
            elif change == "gone":
                log.unlink()
            else:
                log.with_name("another.json").write_text("{}")

    with pytest.raises(DataError) as raised:
        copy_set(str(base / USERDATA), str(target), QUICK._replace(reached=meanwhile))
    assert raised.value.kind in {ErrorKind.HELD, ErrorKind.SYSTEM}
