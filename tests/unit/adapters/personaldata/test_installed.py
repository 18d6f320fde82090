"""A person's own t3, and traces of t3's own updater, are looked for as them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from t3safe.adapters.clock import SystemClock
from t3safe.adapters.personaldata.local import LocalPersonalData
from t3safe.adapters.personaldata.worker.main import answer
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


def test_every_trace_is_found(tmp_path: Path) -> None:
    """Versions, the service's state, the link, the unit, and what waits for a restart."""
    home = tmp_path / "ann"
    base = home / HOME_BASE
    assert _data(tmp_path).updater("ann") == NO_TRACES, "a home without a base directory"
    program = base / updater.VERSIONS / NEW / PROGRAM
    program.parent.mkdir(parents=True)
    program.touch(0o755)
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


def test_what_only_lies_at_the_place_of_a_trace_is_none(tmp_path: Path) -> None:
    """A person's own launcher; a pipe, which is not waited for; a state that is too long."""
    home = tmp_path / "ann"
    base = home / HOME_BASE
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "t3").touch(0o755)
    (home / updater.LINK).parent.mkdir(parents=True)
    (home / updater.LINK).symlink_to(home / "bin" / "t3")
    (base / updater.STATE).parent.mkdir(parents=True)
    question = {"ask": "updates", "base": str(base)}
    os.mkfifo(base / updater.STATE)
    assert traces_of(answer(question)["answer"]) == NO_TRACES
    (base / updater.STATE).unlink()
    filler = " " * updater.STATE_MAX
    (base / updater.STATE).write_text(f'{{"activeVersion": "{NEW}"}}{filler}')
    assert traces_of(answer(question)["answer"]) == NO_TRACES


def test_a_worker_that_lies_tells_no_trace(tmp_path: Path) -> None:
    """Nothing that is no version reaches what root reads or pastes."""
    said = json.dumps({"answer": {"versions": ["$(reboot)", NEW], "linked": "/etc/passwd"}})
    assert _data(tmp_path, said).updater("ann") == Traces((NEW,))
