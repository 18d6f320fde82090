"""Where exported data goes: whole and new, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from t3safe.adapters.takeaway import new_file, standard_output
from t3safe.domain.errors import PersonalDataError, UnusableError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root must be kept from such folders")


def refused(path: Path) -> str:
    """Give the line with which a file is refused; the block is never entered."""
    with pytest.raises(UnusableError) as caught, new_file(path):
        pytest.fail("it was let in")
    return str(caught.value)


def test_a_file_is_there_once_it_is_whole_and_its_owners_alone(tmp_path: Path) -> None:
    """Until then nothing bears its name, and afterwards nothing else is left."""
    path = tmp_path / "ann.tar"
    with new_file(path) as target:
        target.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, PersonalDataError])
def test_whatever_ends_it_early_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    """No half file, under no name."""

    def half() -> None:
        with new_file(tmp_path / "ann.tar") as target:
            target.write(b"half")
            raise error("no more")

    with pytest.raises(error):
        half()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_and_no_link_is_followed(tmp_path: Path) -> None:
    """What is there stays as it is, whether it leads somewhere or not."""
    there, link = tmp_path / "there", tmp_path / "link"
    there.write_text("kept")
    link.symlink_to(tmp_path / "nowhere")
    assert "is there already" in refused(there)
    assert "is there already" in refused(link)
    assert there.read_text() == "kept"
    assert sorted(tmp_path.iterdir()) == [link, there]


def test_a_file_that_came_up_meanwhile_stays(tmp_path: Path) -> None:
    """Whoever made it in between is not overwritten."""
    path = tmp_path / "ann.tar"

    def late() -> None:
        with new_file(path) as target:
            target.write(b"ours")
            path.write_text("theirs")

    with pytest.raises(UnusableError, match="is there already"):
        late()
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    """One line that says which, and nothing is made."""
    assert str(tmp_path / "none") in refused(tmp_path / "none" / "ann.tar")
    (tmp_path / "file").touch()
    assert str(tmp_path / "file") in refused(tmp_path / "file" / "ann.tar")
    assert "names no file" in refused(Path("/"))
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@as_root
@pytest.mark.parametrize("below", ["", "deeper"])
@pytest.mark.parametrize("how", ["mode", "owner"])
def test_root_writes_nowhere_that_somebody_else_may_change(
    tmp_path: Path, how: str, below: str
) -> None:
    """Neither into such a folder nor below one; a link of root's to one is no way round it."""
    folder = tmp_path / "open"
    (folder / below).mkdir(parents=True)
    if how == "mode":
        folder.chmod(0o777)
    else:
        os.chown(folder, 12345, 12345)
    (tmp_path / "link").symlink_to(folder)
    for way in (folder, tmp_path / "link"):
        assert "somebody else than root" in refused(way / below / "ann.tar")
    assert not list(folder.rglob("*.tar"))


@as_root
def test_below_a_sticky_folder_what_is_roots_is_roots(tmp_path: Path) -> None:
    """Nobody else can rename it away; the sticky folder itself is open to links."""
    folder = tmp_path / "sticky"
    (folder / "own").mkdir(parents=True)
    folder.chmod(0o1777)
    with new_file(folder / "own" / "ann.tar"):
        pass
    assert "somebody else than root" in refused(folder / "ann.tar")


def test_a_reader_that_went_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written to a pipe is an error, not an end."""
    ours, theirs = os.pipe()
    os.close(ours)
    monkeypatch.setattr(os, "dup", lambda _: theirs)
    with pytest.raises(PersonalDataError, match="standard output"), standard_output() as target:
        target.write(b"said to nobody")
