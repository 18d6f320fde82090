"""Who can run t3 here: real processes, real folders, and a list of users."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from t3safe.adapters._support import layout, units
from t3safe.adapters._support.layout import build_folder
from t3safe.adapters._support.personaldata import NOTE
from t3safe.adapters.personaldata.worker import bases
from t3safe.adapters.residents import (
    HostResidents,
    PasswdBases,
    SharedBases,
    T3Processes,
    by_mark,
    by_user,
)
from t3safe.domain.errors import PeopleError, ServiceError
from t3safe.domain.ports import Resident, Running
from t3safe.domain.versions import Version
from t3safe.t3.commands import BASE_OPTION
from t3safe.t3.files import HOME_BASE, USERDATA
from t3safe.t3.package import ENTRY
from tests.unit.adapters.conftest import Start

OLD = Version.parse("0.0.28-nightly.20260615.567")
NEW = Version.parse("0.0.28-nightly.20260616.571")
T3 = (sys.executable, "-I", "-S", "-c", "import sys; print(flush=True); sys.stdin.read()")
"""A program that is t3 by the words that follow."""


def carl(_: psutil.Process, __: list[str]) -> str:
    """Say that every process is carl's."""
    return "carl"


# Processes.


def test_a_process_of_the_store_is_found_with_its_build(tmp_path: Path, start: Start) -> None:
    """A serve is one, a mint is none; a stage of ours is no build, a rehearsal serves nobody."""
    program = f"{build_folder(tmp_path, OLD)}/{ENTRY}"
    serve = start(*T3, program, "serve", "--port", "1")
    mint = start(*T3, program, "auth", "pairing", "create")
    stage = start(*T3, f"{tmp_path}/builds/.stage-x/t3", "--version")

    def found(owner: str) -> dict[int, Running]:
        processes = T3Processes(tmp_path, lambda _, __: owner, others=False)
        return {one.pid: one for one in processes()}

    assert found("carl") == {
        serve: Running("carl", serve, OLD, serves=True),
        mint: Running("carl", mint, OLD, serves=False),
        stage: Running("carl", stage, None, serves=False),
    }
    assert found("")[serve] == Running("", serve, OLD, serves=False)


def test_another_t3_counts_where_it_serves(tmp_path: Path, start: Start) -> None:
    """One from npx or a home; a shared host looks at its own store alone."""
    serve = start(*T3, "/home/carl/.local/bin/t3", "serve")
    start(*T3, "/home/carl/.local/bin/t3", "--version")
    start(*T3, "serve", "t3")

    mine = [one for one in T3Processes(tmp_path, carl)() if one.pid == serve]

    assert mine == [Running("carl", serve, None, serves=True)]
    assert list(T3Processes(tmp_path, carl, others=False)()) == []


def test_a_process_belongs_to_its_user(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the user that it runs as; users of t3safe's own, root and the nameless are nobody."""
    process = psutil.Process(start(*T3))
    entry = pwd.getpwnam("nobody")
    uids = process.uids()._replace(effective=entry.pw_uid)
    monkeypatch.setattr(psutil.Process, "uids", lambda _: uids)

    assert by_user(frozenset())(process, []) == "nobody"
    assert by_user(frozenset({"nobody"}))(process, []) == ""
    monkeypatch.setattr(psutil.Process, "uids", lambda _: uids._replace(effective=4242424))
    assert by_user(frozenset())(process, []) == ""
    monkeypatch.setattr(psutil.Process, "uids", lambda _: uids._replace(effective=0))
    assert by_user(frozenset())(process, []) == ""


def test_a_process_of_a_shared_user_is_told_by_its_mark_or_its_base(
    tmp_path: Path, start: Start
) -> None:
    """A mark of another host's folder says nothing."""
    owner = by_mark("MARK", tmp_path / "run", f"/srv/{{person}}/{HOME_BASE}")
    marked = psutil.Process(start(*T3, env={"MARK": str(tmp_path / "run" / "carl")}))
    other = psutil.Process(start(*T3, env={"MARK": "/elsewhere/run/carl"}))

    assert owner(marked, []) == "carl"
    assert owner(other, []) == ""
    assert owner(other, ["t3", "serve", BASE_OPTION, f"/srv/dora/{HOME_BASE}"]) == "dora"
    assert owner(other, ["t3", "serve", BASE_OPTION, f"/home/dora/{HOME_BASE}"]) == ""


# Base directories.


def home(folder: Path, *, noted: str | None = None) -> str:
    """Make a base directory with data, and what the launcher noted there."""
    (folder / USERDATA).mkdir(parents=True)
    if noted is not None:
        (folder / NOTE).write_text(noted)
    return str(folder)


def test_data_and_the_note_are_seen(tmp_path: Path) -> None:
    """The first base directory with data counts; what cannot be looked at is unknown, not none."""
    noted = home(tmp_path / "a", noted=f"{OLD}\n")
    bare = home(tmp_path / "b")
    missing = str(tmp_path / "c")
    (tmp_path / "d").write_text("no folder")

    assert bases.look([missing, noted]) == (True, [OLD.text, ""])
    assert bases.look([bare, noted]) == (True, ["", OLD.text])
    assert bases.look([missing, str(tmp_path / "d")]) == (False, [])
    assert bases.look(["/" + "x" * 5000]) == (None, [])


def test_a_note_that_is_no_file_is_none(tmp_path: Path) -> None:
    """A link, a pipe or a folder in its place says nothing, and is not waited for."""
    (tmp_path / "secret").write_text("secret")
    places = [Path(home(tmp_path / name)) for name in ("linked", "piped", "folder")]
    (places[0] / NOTE).symlink_to(tmp_path / "secret")
    os.mkfifo(places[1] / NOTE)
    (places[2] / NOTE).mkdir()

    assert [bases.look([str(base)]) for base in places] == [(True, [""])] * 3


def users(monkeypatch: pytest.MonkeyPatch, *found: tuple[str, int, str]) -> None:
    """Let passwd list these users alone."""
    entries = [
        pwd.struct_passwd((n, "x", uid, uid, "", where, "/bin/sh")) for n, uid, where in found
    ]
    monkeypatch.setattr(pwd, "getpwall", lambda: entries)


@pytest.fixture
def top() -> Iterator[Path]:
    """Give a folder that other users reach: each session of pytest closes its own to them."""
    with TemporaryDirectory(prefix="t3safe-homes-", dir="/var/tmp") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")
def test_every_user_is_asked_as_themselves(monkeypatch: pytest.MonkeyPatch, top: Path) -> None:
    """A home that is its owner's alone is seen; root's eyes, and another's folder, are not used."""
    for name, uid in (("ann", 61001), ("ben", 61002), ("cid", 61003)):
        base = top / name / HOME_BASE
        if name != "cid":
            home(base, noted=OLD.text if name == "ann" else "../../etc")
        else:
            (top / name).mkdir()
        subprocess.run(["chown", "-R", str(uid), top / name], check=True)
        (top / name).chmod(0o700)
    users(
        monkeypatch,
        ("root", 0, str(top / "ann")),
        ("ann", 61001, str(top / "ann")),
        ("ben", 61002, str(top / "ben")),
        ("cid", 61003, str(top / "cid")),
        ("dan", 61004, str(top / "ann")),
        ("a b", 61001, str(top / "ann")),
    )

    found = PasswdBases(f"/nowhere/{{person}}/{HOME_BASE}", top)(())

    # Of ann's home dan sees nothing, so that nobody can tell: dan counts.
    assert found == {"ann": OLD, "ben": None, "dan": None}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")
@pytest.mark.parametrize(
    ("first", "noted", "build"),
    [
        (f"{NEW} 01ab", f"{OLD} 01ab", OLD),
        (f"{OLD} 01ab", None, OLD),
        (f"{NEW} 01ab", f"{OLD} 77ff", NEW),
        (f"{NEW} 01ab", f"{OLD}", NEW),
        (f"{NEW}", f"{OLD}", OLD),
        (None, f"{OLD}", OLD),
        (None, None, None),
    ],
)
def test_a_user_whom_nobody_lists_is_looked_at_by_name(
    monkeypatch: pytest.MonkeyPatch,
    top: Path,
    first: str | None,
    noted: str | None,
    build: Version | None,
) -> None:
    """Their build is the note of this era, else the default when the launcher came."""
    home(top / "eve" / HOME_BASE, noted=noted)
    subprocess.run(["chown", "-R", "61005", top / "eve"], check=True)
    if first is not None:
        (top / layout.FIRST_DEFAULT).write_text(f"{first}\n")
    users(monkeypatch)
    eve = pwd.struct_passwd(("eve", "x", 61005, 61005, "", str(top / "eve"), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", {"eve": eve}.__getitem__)
    asked = PasswdBases(f"/nowhere/{{person}}/{HOME_BASE}", top)

    assert asked(("eve", "fay")) == {"eve": build}
    assert asked(()) == {}


def test_a_look_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No answer at all is not the answer that nobody has data."""
    users(monkeypatch, ("ann", 61001, "/nowhere"))
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no room >&2; exit 1\n")
    broken.chmod(0o755)

    with pytest.raises(OSError, match="ended with status 1: no room"):
        PasswdBases("/nowhere/{person}", tmp_path, python=str(broken))(())


def test_the_look_may_become_users_and_nothing_else() -> None:
    """In its unit it has no capability to read what it may not, and no network."""
    properties = units.look(300.0).properties
    assert properties.index("CapabilityBoundingSet=") < properties.index(
        "CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL"
    )
    assert "PrivateNetwork=yes" in properties


def test_base_directories_of_a_shared_user_are_those_of_the_template(tmp_path: Path) -> None:
    """Whoever has data below it; a template of one person names nobody."""
    home(tmp_path / "homes" / "ann" / HOME_BASE)
    (tmp_path / "homes" / "ben" / HOME_BASE).mkdir(parents=True)

    assert SharedBases(f"{tmp_path}/homes/{{person}}/{HOME_BASE}")(()) == {"ann": None}
    assert SharedBases(f"{tmp_path}/{HOME_BASE}")(()) == {}


# All of it.


def test_everybody_is_found_once(tmp_path: Path, start: Start) -> None:
    """By a unit, a process or data; a name that no link can have is left out."""
    start(*T3, f"{build_folder(tmp_path, OLD)}/{ENTRY}", "serve")
    processes = T3Processes(tmp_path, carl, others=False)
    found = HostResidents(processes, lambda: ("ann", "carl"), lambda _: {"ann": OLD, "b c": None})

    assert found.found(()) == (Resident("ann", OLD), Resident("carl", None))


@pytest.mark.parametrize("error", [ServiceError("systemd tells nothing"), OSError("no room")])
def test_what_cannot_be_asked_is_an_error(tmp_path: Path, error: Exception) -> None:
    """The default must not move under somebody whom nobody could see."""

    def fails() -> tuple[str, ...]:
        raise error

    processes = T3Processes(tmp_path, carl, others=False)
    with pytest.raises(PeopleError, match=str(error)):
        HostResidents(processes, fails, lambda _: {}).found(())


def test_the_answer_is_what_the_worker_says() -> None:
    """The program that looks speaks JSON on its pipes, for nobody too."""
    program = "from t3safe.adapters.personaldata.worker.bases import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", program], input="[]", capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == {}
