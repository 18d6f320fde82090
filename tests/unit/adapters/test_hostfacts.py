"""Plain facts about the machine, read and never changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from t3safe.adapters import hostfacts
from t3safe.t3 import package


def test_what_a_native_program_takes_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader and each library, as this very machine has them; what is unknown is not there."""
    loader, _ = package.wanted(os.uname().machine)
    libraries = ("libc.so.6", "libt3-nowhere.so.1")
    monkeypatch.setattr(package, "wanted", lambda _: (loader, libraries))
    assert hostfacts.native_host() == package.NativeHost(
        os.uname().machine, frozenset({loader, "libc.so.6"})
    )
    monkeypatch.setattr(package, "wanted", lambda _: ("", ()))
    assert hostfacts.native_host().there == frozenset()


@pytest.mark.parametrize(
    ("line", "installs"),
    [
        ("0 4 * * * root npm i -g t3", True),
        ("0 4 * * * root npm install --global t3@nightly", True),
        ("ExecStart=/usr/bin/npm install t3@latest -g", True),
        ("0 4 * * * root /usr/local/sbin/t3-autoupdate.sh", True),
        ("# npm i -g t3", False),
        ("0 4 * * * root npm i -g t3-other", False),
        ("0 4 * * * root npm i t3", False),
        ("ExecStart=/usr/bin/t3safe run", False),
    ],
)
def test_jobs_that_install_a_global_t3_are_found(tmp_path: Path, line: str, installs: bool) -> None:
    """Comments, other packages and local installs are none."""
    job = tmp_path / "etc" / "cron.d" / "job"
    job.parent.mkdir(parents=True)
    job.write_text(f"SHELL=/bin/sh\n{line}\n")
    assert hostfacts.callers(tmp_path) == ((str(job),) if installs else ())


def test_a_persons_own_jobs_that_install_t3_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their crontab and the units of their own systemd; a unit of another kind is none."""
    units = tmp_path / "units"
    units.mkdir()
    (units / "t3-serve.service").write_text("[Service]\nExecStart=%h/.local/bin/t3 serve\n")
    crontab = tmp_path / "crontab"
    crontab.write_text("#!/bin/sh\necho '0 3 * * * npm outdated -g t3'\n")
    crontab.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert hostfacts.own_callers(units) == ()

    job = units / "update.service"
    job.write_text("[Service]\nExecStart=/usr/bin/npm install --global t3@nightly\n")
    crontab.write_text("#!/bin/sh\necho '0 3 * * * npm i -g t3@nightly'\n")
    assert hostfacts.own_callers(units) == (str(job), "your crontab")
    assert hostfacts.own_callers(tmp_path / "none") == ("your crontab",)


def test_the_first_program_on_the_path_is_found_without_running_it(tmp_path: Path) -> None:
    """A file that cannot be executed does not count."""
    for name, mode in (("a", 0o644), ("b", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t3").touch()
        (tmp_path / name / "t3").chmod(mode)
    folders = [str(tmp_path / name) for name in "ab"]
    assert hostfacts.first_on_path("t3", folders) == str(tmp_path / "b" / "t3")
    assert hostfacts.first_on_path("t3", folders[:1]) == ""


def test_node_that_is_missing_or_fails_tells_no_version(tmp_path: Path) -> None:
    """A node that prints its version tells it without the v."""
    node = tmp_path / "node"
    assert hostfacts.node_version(str(node)) == ""
    node.write_text("#!/bin/sh\necho v24.10.0\n")
    node.chmod(0o755)
    assert hostfacts.node_version(str(node)) == "24.10.0"
    node.write_text("#!/bin/sh\necho v24.10.0\nexit 1\n")
    assert hostfacts.node_version(str(node)) == ""


def test_a_link_in_place_of_a_folder_is_no_folder(tmp_path: Path) -> None:
    """Owner and mode are those of the folder itself."""
    real = tmp_path / "real"
    real.mkdir(mode=0o711)
    (tmp_path / "link").symlink_to(real)
    assert not hostfacts.folder_facts(tmp_path / "link").there
    assert not hostfacts.folder_facts(tmp_path / "none").there
    found = hostfacts.folder_facts(real)
    assert (found.there, found.ours, found.mode) == (True, True, 0o711)


def test_users_and_room(tmp_path: Path) -> None:
    """A user that nobody has is missing, an empty name is none; room is told before a folder is."""
    assert hostfacts.missing_users(("root", "no-such-user-here", "")) == ("no-such-user-here",)
    assert hostfacts.free_bytes(tmp_path / "not" / "yet") > 0
    assert hostfacts.program("sh")
    assert hostfacts.program("no-such-program-here") == ""
