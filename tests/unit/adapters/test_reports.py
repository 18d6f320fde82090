"""How a worker tells how far it is: reports are told from complaints, and nothing is believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t3safe.adapters._support.reports import ReportListener, report, without
from t3safe.adapters.personaldata.worker import parent
from t3safe.t3.files import V1_DATABASE


def heard(*chunks: bytes) -> list[tuple[str, ...]]:
    """Feed these pieces, and give what was understood."""
    found: list[tuple[str, ...]] = []
    listener = ReportListener(found.append)
    for chunk in chunks:
        listener.feed(chunk)
    return found


@given(st.integers(1, 20))
def test_reports_are_understood_however_they_are_cut(length: int) -> None:
    """Between complaints, too, which stay what they are."""
    text = b"warning\n" + report("copied", 12, 400) + b"Traceback\n" + report("check", "soak")
    pieces = [text[at : at + length] for at in range(0, len(text), length)]
    assert heard(*pieces) == [("copied", "12", "400"), ("check", "soak")]
    assert without(text) == b"warning\nTraceback\n"


@pytest.mark.parametrize(
    "line",
    [
        b"t3safe-progress:\n",
        b"t3safe-progress:copied 1 2 3 4 5\n",
        b"t3safe-progress:copied \x1b[2J\n",
        b"t3safe-progress:" + b"9" * 10_000 + b"\n",
        b"copied 1 2\n",
        b"t3safe-progress:copied 1 2",
    ],
)
def test_what_is_no_report_is_not_heard(line: bytes) -> None:
    """Too long, too many words, control characters, not ended, not marked."""
    assert heard(line) == []


def test_a_copy_is_measured_until_its_folder_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files in folders count, links do not; after the rename nothing more is told."""
    folder = tmp_path / ".partial-s1"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / V1_DATABASE).write_bytes(b"x" * 700)
    (folder / "files" / "link").symlink_to("/etc/passwd")
    assert parent.grown(str(folder)) == 700
    told: list[tuple[int, int]] = []

    def passing() -> Iterator[None]:
        yield
        (folder / "manifest.json").write_bytes(b"y" * 300)
        yield
        folder.rename(tmp_path / "s1")
        yield

    time = passing()
    monkeypatch.setattr(parent, "time", SimpleNamespace(sleep=lambda _: next(time)))
    parent.watch(str(folder), 1000, lambda done, total: told.append((done, total)))
    assert told == [(700, 1000), (1000, 1000)]
