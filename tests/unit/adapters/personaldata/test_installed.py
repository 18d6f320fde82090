"""A person's own t3, and traces of t3's own updater, are looked for as them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from t3safe.adapters.clock import SystemClock
from t3safe.adapters.personaldata.local import LocalPersonalData
from t3safe.adapters.personaldata.worker.main import answer
from t3safe.domain.errors import PersonalDataError
from t3safe.t3 import updater
from t3safe.t3.commands import PROGRAM
from t3safe.t3.files import HOME_BASE
from t3safe.t3.package import PLACES
from t3safe.t3.updater import NO_TRACES, ServiceState, Traces, traces_of

NEW = "0.0.46-nightly.20261010.2922"


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


def _data(tmp_path: Path, said: str = "") -> LocalPersonalData:
    """Give the port; its worker says this where it is one that the person has taken over."""
    worker = tmp_path / "python"
    worker.write_text(f"#!/bin/sh\nread -r question\necho '{said}'\n")
    worker.chmod(0o755)
    base = str(tmp_path / "{person}" / HOME_BASE)
    python = str(worker) if said else sys.executable
    return LocalPersonalData(
        base, tmp_path / "backups", SystemClock(), switch_user=False, python=python
    )


def test_a_worker_that_lies_only_chooses_among_our_own_words(tmp_path: Path) -> None:
    """Nothing that a person's process says reaches what root reads or pastes."""
    said = '{"answer": ["$(reboot)", "bin/t3", "/etc/passwd"]}'
    assert _data(tmp_path, said).programs("ann") == ("bin/t3",)


@pytest.mark.parametrize("said", ['{"answer": -1}', '{"answer": "much"}', '{"answer": null}'])
def test_a_weight_that_is_none_is_an_error(tmp_path: Path, said: str) -> None:
    """It is not taken for an empty set."""
    with pytest.raises(PersonalDataError, match="cannot weigh the data of ann"):
        _data(tmp_path, said).weight("ann")


def test_a_set_that_is_not_there_weighs_nothing(tmp_path: Path) -> None:
    """Whoever has no data needs no room."""
    assert _data(tmp_path).weight("ann") == 0


def _program(base: Path, version: str) -> Path:
    program = base / updater.VERSIONS / version / PROGRAM
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    """A home without a base directory has no trace."""
    assert _data(tmp_path).updater("ann") == NO_TRACES


def test_every_trace_is_found(tmp_path: Path) -> None:
    """Versions, the service's state, the link, the unit, and what waits for a restart."""
    home = tmp_path / "ann"
    base = home / HOME_BASE
    program = _program(base, NEW)
    (base / updater.VERSIONS / "0.0.1").mkdir()
    last = {"fromVersion": "0.0.45", "targetVersion": NEW, "status": "committed"}
    (base / updater.STATE).write_text(json.dumps({"activeVersion": NEW, "update": last}))
    (base / updater.PENDING).touch()
    for place in (updater.LINK, updater.UNIT_FILE):
        (home / place).parent.mkdir(parents=True)
    (home / updater.LINK).symlink_to(program)
    (home / updater.UNIT_FILE).touch()
    assert _data(tmp_path).updater("ann") == Traces(
        (NEW,), ServiceState(NEW, "committed", "0.0.45", NEW), NEW, unit=True, pending=True
    )


def test_a_link_that_leads_elsewhere_is_none_of_it(tmp_path: Path) -> None:
    """A person's own launcher may lie there, too."""
    home = tmp_path / "ann"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "t3").touch(0o755)
    (home / updater.LINK).parent.mkdir(parents=True)
    (home / updater.LINK).symlink_to(home / "bin" / "t3")
    assert _data(tmp_path).updater("ann") == NO_TRACES


def test_a_state_that_is_no_file_or_too_long_says_nothing(tmp_path: Path) -> None:
    """A pipe is not waited for."""
    base = tmp_path / "ann" / HOME_BASE
    (base / updater.STATE).parent.mkdir(parents=True)
    os.mkfifo(base / updater.STATE)
    question = {"ask": "updates", "base": str(base)}
    assert traces_of(answer(question)["answer"]) == NO_TRACES
    (base / updater.STATE).unlink()
    filler = " " * updater.STATE_MAX
    (base / updater.STATE).write_text(f'{{"activeVersion": "{NEW}"}}{filler}')
    assert traces_of(answer(question)["answer"]) == NO_TRACES


def test_a_worker_that_lies_tells_no_trace(tmp_path: Path) -> None:
    """Nothing that is no version reaches what root reads or pastes."""
    said = json.dumps({"answer": {"versions": ["$(reboot)", NEW], "linked": "/etc/passwd"}})
    assert _data(tmp_path, said).updater("ann") == Traces((NEW,))
