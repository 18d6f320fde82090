"""A first look at a host, with a stand-in for systemctl and npm."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from t3safe.adapters import hostfacts
from t3safe.domain.hostguess import UnitSeen
from t3safe.t3.package import NODE_PROGRAM

SHOWN = """\
ExecStart={ path=/usr/bin/t3 ; argv[]=/usr/bin/t3 serve --port 4001 ; ignore_errors=no ; pid=1 }
Id=t3-serve@ann.service

Id=rescue.service
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder that is the PATH, with a systemctl of one unit."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (tmp_path / "shown").write_text(SHOWN)
    tool(folder, "systemctl", f'case "$*" in *list-unit-files*) ;; *) cat {tmp_path}/shown ;; esac')
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def tool(folder: Path, name: str, body: str) -> None:
    """Write a program that notes how it is called."""
    (folder / name).write_text(f'#!/bin/sh\necho "$*" >>{folder.parent}/calls\n{body}\n')
    (folder / name).chmod(0o755)


def test_units_are_told_with_the_words_that_they_start(tools: Path) -> None:
    """A unit that starts nothing is none."""
    (found,) = hostfacts.units(own=False)
    assert found == UnitSeen("t3-serve@ann.service", ("/usr/bin/t3", "serve", "--port", "4001"))
    assert found.serves


def test_a_template_that_was_never_started_is_found_by_an_instance(tools: Path) -> None:
    """Systemd shows a template through an instance of any name."""
    listed = "echo 't3-serve@.service disabled enabled'"
    tool(tools, "systemctl", f'case "$*" in *list-unit-files*) {listed} ;; esac')
    assert hostfacts.units(own=True) == ()
    calls = (tools.parent / "calls").read_text().splitlines()
    assert all(call.startswith("--user ") for call in calls)
    assert calls[-1].endswith("t3-serve@init.service")


def test_a_host_without_systemd_has_no_units(tools: Path) -> None:
    """A manager that does not answer is none."""
    tool(tools, "systemctl", "exit 1")
    assert hostfacts.units(own=True) == ()
    assert not hostfacts.manager_answers(own=True)


def test_a_registry_with_credentials_is_not_told(tools: Path) -> None:
    """What is written into a file that others may read holds no secret, and nothing halved."""
    npm = str(tools / "npm")
    tool(tools, "npm", "echo https://me:secret@registry.example:8080/path/")
    assert hostfacts.registry(npm) == ""
    tool(tools, "npm", "echo https://registry.example:8080/path/")
    assert hostfacts.registry(npm) == "https://registry.example:8080/path/"
    tool(tools, "npm", "echo undefined")
    assert hostfacts.registry(npm) == hostfacts.registry("") == ""


def test_somebody_who_listens_is_heard() -> None:
    """And nobody else."""
    with socket.socket() as served:
        served.bind(("127.0.0.1", 0))
        port = served.getsockname()[1]
        assert not hostfacts.listens("127.0.0.1", port)
        served.listen()
        assert hostfacts.listens("127.0.0.1", port)


def test_the_version_of_a_global_t3_is_read_and_not_asked(tmp_path: Path) -> None:
    """As root nothing of t3 is executed."""
    package = tmp_path / "lib" / "t3"
    (package / NODE_PROGRAM).parent.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "t3", "version": "0.0.28"}')
    (package / NODE_PROGRAM).write_text("")
    link = tmp_path / "t3"
    link.symlink_to(package / NODE_PROGRAM)
    assert hostfacts.version_of(str(link)) == "0.0.28"
    assert hostfacts.version_of("") == ""
    assert hostfacts.there(str(link))
