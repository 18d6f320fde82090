"""What ran on the host before: what is noted of it, and what is read back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from t3safe.adapters._support.adopted import Adopted, global_version, recall, remember
from t3safe.domain.versions import Version
from t3safe.t3.package import NODE_PROGRAM

NOTED = Adopted(
    Version.parse("0.0.25-nightly.20260602.440"),
    "/usr/bin/t3",
    datetime(2026, 6, 2, 4, tzinfo=UTC),
)


def test_what_is_noted_is_read_back(tmp_path: Path) -> None:
    """Version, program and moment survive."""
    remember(tmp_path / "state" / "adopted.json", NOTED)
    assert recall(tmp_path / "state" / "adopted.json") == NOTED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"build": "../x", "program": "/usr/bin/t3", "at": "2026-06-02T04:00:00+00:00"}',
        '{"build": "0.0.25", "program": "/usr/bin/t3", "at": "2026-06-02T04:00:00"}',
    ],
)
def test_note_that_nobody_can_read_adopts_nothing(tmp_path: Path, text: str) -> None:
    """Then a serve counts as of the build that it is seen to run, and as nothing else."""
    file = tmp_path / "adopted.json"
    file.write_text(text)
    assert recall(file) is None
    assert recall(tmp_path / "none") is None


def test_global_version_is_that_of_the_package_that_is_linked(tmp_path: Path) -> None:
    """The launcher's place is a link into an npm package, whose manifest tells the version."""
    package = tmp_path / "lib" / "node_modules" / "t3"
    (package / NODE_PROGRAM).parent.mkdir(parents=True)
    (package / NODE_PROGRAM).touch()
    (package / "package.json").write_text(json.dumps({"version": "0.0.24"}))
    (tmp_path / "t3").symlink_to(package / NODE_PROGRAM)
    assert global_version(tmp_path / "t3") == "0.0.24"


def test_what_is_no_global_package_has_no_version(tmp_path: Path) -> None:
    """A launcher of ours, a link to nothing, and nothing at all."""
    (tmp_path / "launcher").write_text("#!/bin/sh\n")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    assert {global_version(tmp_path / name) for name in ("launcher", "dangling", "none")} == {""}
