"""Minting by a command that runs as the person."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

import pytest

from t3safe.adapters.pairing import LauncherMint
from t3safe.domain.errors import DispatchError, Fault
from t3safe.t3.files import HOME_BASE

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


def minting(script: str, timeout: float = 10.0) -> LauncherMint:
    """Give a mint whose command is a line of sh."""
    return LauncherMint(command=("/bin/sh", "-c", script), switch_user=False, timeout=timeout)


def refused(mint: LauncherMint, person: str = "alice") -> DispatchError:
    """Mint where that fails."""
    with pytest.raises(DispatchError, match=f"cannot mint for {person}: ") as caught:
        mint(person)
    return caught.value


def test_credential_is_what_the_json_says() -> None:
    """However it is laid out; a real t3 prints many lines and an empty one."""
    assert minting("""printf '{\n "id": "1",\n "credential": "ABC"\n}\n\n'""")("alice") == "ABC"


def test_command_is_filled_in_for_the_person() -> None:
    """Launcher, base folder and name are the person's own."""
    mint = LauncherMint(
        t3="/bin/t3-{person}",
        base=f"/home/{{person}}/{HOME_BASE}",
        command=("/bin/sh", "-c", """printf '{"credential":"%s"}' "$*" """, "-", "{t3}", "{base}"),
        switch_user=False,
    )
    assert mint("alice") == f"/bin/t3-alice /home/alice/{HOME_BASE}"


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("""echo "t3 v0.0.28-nightly.20260615.571$(test "$*" = --version || echo no)" """, None),
        ("echo hello", ""),
        ("echo t3 v0.0.28; exit 1", ""),
    ],
)
def test_what_mints_is_asked_for_its_version(
    tmp_path: Path, script: str, version: str | None
) -> None:
    """By the person's launcher; what is no version is none."""
    launcher = tmp_path / "t3-alice"
    launcher.write_text(f"#!/bin/sh\n{script}\n")
    launcher.chmod(0o755)
    mint = LauncherMint(t3=str(tmp_path / "t3-{person}"), switch_user=False)
    expected = "0.0.28-nightly.20260615.571" if version is None else version
    assert mint.version("alice") == expected
    assert mint.version("nobody-has-this") == ""


@pytest.mark.parametrize(
    ("script", "fault", "words"),
    [
        ("exit 75", Fault.HOST, "they are fenced, no build can run; `t3safe recover`"),
        ("exit 78", Fault.HOST, "no build is selected for them"),
        (
            "echo 'table has no column named role'; exit 1",
            Fault.BUILD,
            "status 1: table has no col",
        ),
        ("exit 1", Fault.BUILD, "the mint ended with status 1"),
        ("kill -9 $$", Fault.BUILD, "the mint was ended by signal 9"),
        ("true", Fault.BUILD, "the mint prints nothing"),
        ("echo ABC", Fault.BUILD, "the mint prints something else than a credential"),
        ("echo '{}'", Fault.BUILD, "the mint prints something else than a credential"),
        (
            """echo '{"credential": ""}'""",
            Fault.BUILD,
            "the mint prints something else than a credential",
        ),
        (
            """echo '{"credential": 5}'""",
            Fault.BUILD,
            "the mint prints something else than a credential",
        ),
        ("yes", Fault.BUILD, "the mint prints something else"),
    ],
)
def test_mint_that_fails_says_how(script: str, fault: Fault, words: str) -> None:
    """With whose fault it is: a fence or a missing selection is no build's."""
    error = refused(minting(f"{script}; :" if script == "true" else script))
    assert error.fault is fault
    assert words in str(error)


def test_secrets_of_a_mint_that_fails_are_not_told() -> None:
    """What it printed may hold a credential, and marks that move a terminal's cursor."""
    script = r"""printf 'first line\n\033[2JFailed {"credential": "ABCDEFGHJKLM"}\n'; exit 1"""
    error = refused(minting(script))
    assert "ABCDEFGHJKLM" not in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 400


def test_mint_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """Its time is bounded, and no child of it is left."""
    began = time.monotonic()
    error = refused(minting(f"sleep 60 & echo $! >{tmp_path}/child; wait", timeout=0.4))
    assert "did not end in time" in str(error)
    assert time.monotonic() - began < 5
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    deadline = time.monotonic() + 5
    while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "the child of a mint lives on"
        time.sleep(0.01)


def test_mint_gets_a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours reaches a program that a person may influence."""
    monkeypatch.setenv("T3_SECRET_OF_OURS", "1")
    mint = minting("""printf '{"credential":"%s"}' "${T3_SECRET_OF_OURS-none} $USER $PWD" """)
    assert mint("alice") == "none alice /"


def test_missing_launcher_is_the_hosts_fault() -> None:
    """Nothing was run, so nothing speaks against a build."""
    error = refused(LauncherMint(t3="/nowhere/t3", switch_user=False))
    assert error.fault is Fault.HOST


@pytest.mark.parametrize("name", ["root", "../alice", "a b", "-x", ""])
def test_only_a_person_mints(name: str, tmp_path: Path) -> None:
    """No name that could be a path, an option or root reaches a command."""
    with pytest.raises(DispatchError, match="is not a person's user name"):
        minting(f"touch {tmp_path}/ran")(name)
    assert not (tmp_path / "ran").exists()


@AS_ROOT
def test_mint_runs_as_the_person() -> None:
    """With the person's groups and home, and without root's."""
    script = """printf '{"credential":"%s"}' "$(id -un) $(id -Gn) $HOME" """
    mint = LauncherMint(command=("/bin/sh", "-c", script))
    assert mint("nobody") == f"nobody nogroup {pwd.getpwnam('nobody').pw_dir}"


@AS_ROOT
def test_person_whom_the_host_does_not_have_cannot_mint() -> None:
    """Never as somebody else in their place."""
    error = refused(LauncherMint(), "nobody-of-that-name")
    assert error.fault is Fault.HOST
    assert "there is no such user on this host" in str(error)
