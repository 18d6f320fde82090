"""Commands of the host's owner: bounded in time and words, whatever they do."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from t3safe.adapters._support.commands import LINE_MAX, Ran, named, run


def shell(script: str, seconds: float = 10.0, **environment: str) -> Ran:
    """Run a script."""
    return run(["/bin/sh", "-c", script], seconds, environment)


def lives(pid: int) -> bool:
    """Whether a process runs; one that nobody reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pid: int) -> None:
    """Wait until a process has ended; fails when it does not."""
    deadline = time.monotonic() + 10
    while lives(pid):
        assert time.monotonic() < deadline, f"process {pid} goes on"
        time.sleep(0.01)


def test_first_line_is_of_the_output_and_the_last_of_the_complaints() -> None:
    """A warning never stands before the answer."""
    said = shell("echo a warning >&2; echo 12 yes; echo more; echo; exit 3")
    assert said == Ran(3, "12 yes", "a warning")
    assert shell("echo one; echo two; echo") == Ran(0, "one", "two")
    assert shell("exit 4") == Ran(4)


def test_flood_is_cut_and_both_of_its_ends_are_kept() -> None:
    """More than a pipe holds blocks nobody, and does not fill the memory."""
    said = shell("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last")
    assert (said.status, said.first, said.last) == (0, "first", "last")
    long = shell("head -c 9000 /dev/zero | tr '\\0' ' x' >&2; exit 1")
    assert len(long.last) <= LINE_MAX


def test_control_characters_and_secrets_are_not_shown() -> None:
    """What is told fits one line of a log."""
    said = shell("printf 'a\\033[31m b\\rtoken: abc123\\n'; exit 1")
    assert said.last.isprintable()
    assert "abc123" not in said.last


def test_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """Nothing of it goes on behind our back."""
    said = shell(f"sleep 60 & echo $! > {tmp_path}/child; echo working; wait", 0.5)
    assert said.status is None
    assert said.told(0.5) == "was killed after 0.5 s: working"
    gone(int((tmp_path / "child").read_text()))


def test_what_is_left_running_does_not_hold_us_up(tmp_path: Path) -> None:
    """Also when it keeps the output, and never stops to write there."""
    began = time.monotonic()
    said = shell(f"yes & echo $! > {tmp_path}/child; exit 0", 60.0)
    assert said.status == 0
    assert time.monotonic() - began < 30
    # The pipe is closed, so that it ends by itself.
    gone(int((tmp_path / "child").read_text()))


def test_closed_output_is_no_end() -> None:
    """Only the end of its process is the end of a command."""
    assert shell("exec >&- 2>&-; sleep 0.2; exit 7") == Ran(7)


def test_environment_is_ours_and_what_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command finds its own settings as it would from our shell."""
    monkeypatch.setenv("OURS", "a")
    assert shell('echo "$OURS $MORE $(pwd)"', MORE="b").first == "a b /"


def test_signal_is_told() -> None:
    """A command that was killed says so."""
    assert shell("kill -9 $$").told(1) == "was ended by signal 9"


def test_name_of_a_command_is_short_and_holds_no_secret() -> None:
    """Its first words tell which it is."""
    assert named(["docker", "stop", "-t", "60"]) == "`docker stop -t`"
    assert "hunter2" not in named(["check", "token=hunter2"])
    assert len(named(["x" * 999])) < 200
