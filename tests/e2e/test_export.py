"""A person's data to take away: unpacked, opened, and every row counted."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fakes.embedded import SAFE, EmbeddedHost
from t3safe.entrypoints.exits import Exit
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.generations import EVENT_LOG
from tests.e2e.hosts import ANN, adopted, at_work, state
from tests.support.documents import body_of


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host with one person at work, and a folder for what is exported."""
    with adopted(tmp_path, ANN) as made:
        at_work(made)
        (tmp_path / "out").mkdir(mode=0o700)
        yield made


def count(root: Path) -> dict[str, int]:
    """Count every row of every database below a folder."""
    found: dict[str, int] = {}
    for path in sorted(root.rglob("*.sqlite")):
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as opened:
            assert opened.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            listed = "SELECT name FROM sqlite_master WHERE type = 'table'"
            for (table,) in opened.execute(listed).fetchall():
                (rows,) = opened.execute(f'SELECT count(*) FROM "{table}"').fetchone()
                found[f"{path.relative_to(root)}:{table}"] = rows
    return found


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpack an archive as anybody would; give the one folder in it."""
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


def test_what_is_taken_away_holds_every_row(host: EmbeddedHost, tmp_path: Path) -> None:
    """The databases open, and hold the rows that manifest and snapshot tell; nothing changed."""
    before, out = state(host), tmp_path / "out"
    said = host.t3safe("export", "ann", "--live", str(out / "ann.tar"))
    assert said.status == Exit.OK, said
    (listed,) = json.loads(host.t3safe("snapshots", "--json").out)["snapshots"]
    assert state(host) == before
    assert list(out.iterdir()) == [out / "ann.tar"]
    assert (out / "ann.tar").stat().st_mode & 0o777 == 0o600
    top = unpacked(out / "ann.tar", tmp_path / "unpacked")
    assert top.name == f"t3-ann-{listed['id']}"
    assert sorted(path.name for path in top.iterdir()) == ["README.txt", "files", "manifest.json"]
    told = json.loads((top / "manifest.json").read_text())
    rows = {name: n for item in told["databases"] for name, n in item["counts"].items()}
    counted = count(top / "files")
    assert {name: counted[name] for name in rows} == rows == listed["rows"]
    assert rows[f"{V1_DATABASE}:{EVENT_LOG}"] > 0
    again = host.t3safe("export", "ann", listed["id"], str(out / "again.tar"), "--json")
    assert again.status == Exit.OK, again
    assert body_of(again.out, "export")["size"] == listed["bytes"]
    other = unpacked(out / "again.tar", tmp_path / "other")
    assert count(other / "files") == counted


def test_a_pipe_gets_the_archive_alone_and_one_that_breaks_is_told(
    host: EmbeddedHost, tmp_path: Path
) -> None:
    """Standard output is the archive; a reader that goes away is an error, not a success."""
    assert host.t3safe("snapshot", "ann").status == Exit.OK
    (listed,) = json.loads(host.t3safe("snapshots", "--json").out)["snapshots"]
    words = [*SAFE, "--config", str(host.config_file), "export", "ann", listed["id"], "-"]
    piped = subprocess.run(
        words, capture_output=True, check=True, env=host.environment, cwd=host.root
    )
    (tmp_path / "piped.tar").write_bytes(piped.stdout)
    assert count(unpacked(tmp_path / "piped.tar", tmp_path / "unpacked") / "files")
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=host.environment,
        cwd=host.root,
    ) as broken:
        assert broken.stdout
        assert broken.stderr
        broken.stdout.close()
        said = broken.stderr.read().decode()
    assert broken.returncode == Exit.LATER, said
    assert "Traceback" not in said


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    host: EmbeddedHost, tmp_path: Path
) -> None:
    """A damaged snapshot, a file that is there, an unknown name: one line each, and no file."""
    out = tmp_path / "out"
    assert host.t3safe("snapshot", "ann").status == Exit.OK
    (listed,) = json.loads(host.t3safe("snapshots", "--json").out)["snapshots"]
    place = str(out / "ann.tar")
    refused = (
        ("zoe", "--live", place),
        ("ann", "nope", place),
        ("ann", place),
        ("ann", listed["id"], place, "--live"),
        ("ann", listed["id"], "-", "--json"),
        ("ann", listed["id"], str(out / "none" / "ann.tar")),
    )
    for words in refused:
        assert host.t3safe("export", *words).status == Exit.USAGE, words
    database = host.backups / "ann" / listed["id"] / "files" / V1_DATABASE
    data = bytearray(database.read_bytes())
    data[-1] ^= 0xFF
    database.write_bytes(data)
    said = host.t3safe("export", "ann", listed["id"], place)
    assert said.status == Exit.LATER, said
    assert "not what was sealed" in said.err
    assert "`t3safe snapshots ann` lists others" in said.err
    assert list(out.iterdir()) == []
