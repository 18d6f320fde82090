"""A person's own t3 is looked for as them, and nothing that they name is shown to anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from t3safe.adapters.clock import SystemClock
from t3safe.adapters.personaldata.local import LocalPersonalData
from t3safe.adapters.personaldata.worker.main import answer
from t3safe.domain.errors import StateError
from t3safe.t3.files import HOME_BASE
from t3safe.t3.package import PLACES


def _ask(home: Path) -> object:
    question = {"ask": "programs", "base": f"{home}/{HOME_BASE}", "places": "\n".join(PLACES)}
    return answer(question)["answer"]


def test_only_what_can_be_executed_at_a_known_place_is_told(tmp_path: Path) -> None:
    """A link to a program counts; a folder, a plain file and a link to nothing do not."""
    home = tmp_path / "ann[1]"
    for place in (".local/bin", "bin", ".bun/bin", ".yarn/bin/t3", ".nvm/versions/node/v22/bin"):
        (home / place).mkdir(parents=True)
    (home / "bin" / "t3").write_text("plain")
    (home / ".bun" / "bin" / "t3").symlink_to("gone")
    assert _ask(home) == []
    (home / "bin" / "t3").chmod(0o755)
    (home / ".local" / "bin" / "t3").symlink_to("../../bin/t3")
    (home / ".nvm" / "versions" / "node" / "v22" / "bin" / "t3").symlink_to(home / "bin" / "t3")
    assert _ask(home) == [".local/bin/t3", "bin/t3", ".nvm/versions/node/*/bin/t3"]


def _worker(tmp_path: Path, said: str) -> LocalPersonalData:
    """Give state sets whose worker a person has taken over, and lets say this."""
    worker = tmp_path / "python"
    worker.write_text(f"#!/bin/sh\nread -r question\necho '{said}'\n")
    worker.chmod(0o755)
    base = str(tmp_path / "{person}" / HOME_BASE)
    return LocalPersonalData(
        base, tmp_path / "backups", SystemClock(), switch_user=False, python=str(worker)
    )


def test_a_worker_that_lies_only_chooses_among_our_own_words(tmp_path: Path) -> None:
    """Nothing that a person's process says reaches what root reads or pastes."""
    said = '{"answer": ["$(reboot)", "bin/t3", "/etc/passwd"]}'
    assert _worker(tmp_path, said).programs("ann") == ("bin/t3",)


@pytest.mark.parametrize("said", ['{"answer": -1}', '{"answer": "much"}', '{"answer": null}'])
def test_a_weight_that_is_none_is_an_error(tmp_path: Path, said: str) -> None:
    """It is not taken for an empty set."""
    with pytest.raises(StateError, match="cannot weigh the data of ann"):
        _worker(tmp_path, said).weight("ann")


def test_a_set_that_is_not_there_weighs_nothing(tmp_path: Path) -> None:
    """Whoever has no data needs no room."""
    states = LocalPersonalData(
        str(tmp_path / "{person}" / HOME_BASE),
        tmp_path / "backups",
        SystemClock(),
        switch_user=False,
    )
    assert states.weight("ann") == 0
