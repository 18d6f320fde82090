"""Whom to tell: from the configuration or from a file that nobody else may read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from t3safe.adapters.notify import End, ends, readable_by_others
from t3safe.domain.errors import NotifyError

LINES = "# on call\n\njson://user:s3cret@host/path\n  mailto://me:pw@example.org  \n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file of URLs that only its owner may read."""
    path = tmp_path / "urls"
    path.write_text(LINES)
    path.chmod(0o600)
    return path


def test_a_file_gives_an_end_a_line(file: Path) -> None:
    """Comments and empty lines are none."""
    assert [end.name for end in ends((), file)] == ["1 json", "2 mailto"]
    assert ends((), file)[1].url == "mailto://me:pw@example.org"
    file.chmod(0o400)
    assert len(ends((), file)) == 2


def test_the_configuration_gives_them_too() -> None:
    """In their order; without any there is none."""
    assert [end.name for end in ends(("JSON://a", "nonsense"), None)] == ["1 json", "2 no-scheme"]
    assert ends((), None) == ()


def test_an_end_shows_no_secret() -> None:
    """Neither its name nor what a traceback prints."""
    end = End(1, "json://user:s3cret@host/path")
    assert "s3cret" not in f"{end!r} {end.name}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_may_use_is_refused(file: Path, mode: int) -> None:
    """One line names the key, the file and the mode, and nothing of what is in it."""
    file.chmod(mode)
    with pytest.raises(NotifyError) as caught:
        ends((), file)
    text = str(caught.value)
    assert f"notify.urls_file: {file} may be used by others (mode {mode:04o})" in text
    assert "s3cret" not in text
    assert len(text.splitlines()) == 1


def test_a_file_of_somebody_else_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns it may write who is told."""
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    with pytest.raises(NotifyError, match="belongs to another user"):
        ends((), file)


def test_what_is_no_plain_file_is_refused(file: Path, tmp_path: Path) -> None:
    """The file itself is what was looked at."""
    link = tmp_path / "link"
    link.symlink_to(file)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for path, why in (
        (link, "cannot read"),
        (tmp_path, "cannot read"),
        (tmp_path / "no", "No such file"),
        (pipe, "is no plain file"),
    ):
        with pytest.raises(NotifyError, match=why):
            ends((), path)


def test_a_file_that_is_far_too_large_is_refused(file: Path) -> None:
    """It is no list of ends."""
    file.write_text("json://host\n" * 10000)
    with pytest.raises(NotifyError, match="is larger than"):
        ends((), file)


def test_whether_others_may_read_a_file(file: Path) -> None:
    """What is not there nobody reads."""
    assert not readable_by_others(file)
    file.chmod(0o644)
    assert readable_by_others(file)
    assert not readable_by_others(file.with_name("no"))
