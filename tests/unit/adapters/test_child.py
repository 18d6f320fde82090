"""Child processes: bounded in time, output and words, whatever they do."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from t3safe.adapters._support import child
from t3safe.adapters._support.child import LINE_MAX, ChildEnd, FloodError, named
from tests.support.processes import eventually, lives


def shell(script: str, seconds: float = 10.0, **more: Any) -> ChildEnd:  # noqa: ANN401
    """Run a script."""
    return child.run(["/bin/sh", "-c", script], seconds, {"PATH": os.defpath}, **more)


def parts(said: ChildEnd) -> tuple[int | None, str, str]:
    """Give the status and the lines that are shown."""
    return said.status, said.first, said.gist


def gone(file: Path) -> None:
    """Wait until the process whose number a file has ended; fails when it does not."""
    pid = int(file.read_text())
    eventually(lambda: not lives(pid))


def test_first_line_is_of_the_output_and_the_last_of_the_complaints() -> None:
    """A warning never stands before the answer."""
    said = shell("echo a warning >&2; echo 12 yes; echo more; echo; exit 3")
    assert parts(said) == (3, "12 yes", "a warning")
    assert parts(shell("echo one; echo two; echo")) == (0, "one", "two")
    assert parts(shell("exit 4")) == (4, "", "")


def test_flood_is_cut_and_both_of_its_ends_are_kept() -> None:
    """More than a pipe holds blocks nobody, and does not fill the memory."""
    said = shell("echo first; head -c 9000000 /dev/zero | tr '\\0' x; echo; echo last")
    assert parts(said) == (0, "first", "last")
    assert len(said.out) == child.KEPT
    long = shell("head -c 9000 /dev/zero | tr '\\0' ' x' >&2; exit 1")
    assert len(long.gist) <= LINE_MAX
    with pytest.raises(FloodError):
        shell("yes", 60.0, most=1000)


def test_what_is_shown_fits_one_line_and_holds_no_secret() -> None:
    """Of what it printed, how it ended, and which command it was: its first words."""
    said = shell("printf 'a\\033[31m b\\rtoken: abc123\\n'; exit 1")
    assert said.gist.isprintable()
    assert "abc123" not in said.gist
    assert shell("kill -9 $$").told == "was ended by signal 9"
    assert named(["docker", "stop", "-t", "60"]) == "`docker stop -t`"
    assert "hunter2" not in named(["check", "token=hunter2"])
    assert len(named(["x" * 999])) < 200


def test_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """Nothing of it goes on behind our back."""
    said = shell(f"sleep 60 & echo $! > {tmp_path}/child; echo working; wait", 0.5)
    assert said.status is None
    assert said.told == "was killed after 0.5 s: working"
    with pytest.raises(TimeoutError, match=r"it took longer than 0.5 s"):
        said.in_time()
    gone(tmp_path / "child")


def test_what_is_left_running_does_not_hold_us_up(tmp_path: Path) -> None:
    """Also when it keeps the output, and never stops to write there."""
    began = time.monotonic()
    said = shell(f"yes & echo $! > {tmp_path}/child; exit 0", 60.0, leave=True)
    assert said.status == 0
    assert time.monotonic() - began < 30
    # The pipe is closed, so that it ends by itself.
    gone(tmp_path / "child")


def test_closed_output_is_no_end() -> None:
    """Only the end of its process is the end of a command."""
    assert shell("exec >&- 2>&-; sleep 0.2; exit 7").status == 7


def test_environment_is_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of ours, no folder and no descriptor either."""
    monkeypatch.setenv("OURS", "a")
    kept = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(kept, True)
    assert shell(f'echo "${{OURS-none}} $(pwd)"; ls /proc/self/fd/{kept}').out == b"none /\n"
    os.close(kept)


def test_input_is_written_as_the_child_takes_it() -> None:
    """More than a pipe holds, also where nobody reads it; held, it ends with the child alone."""
    much = b"x" * 1_000_000
    assert shell("cat", stdin=much).out == much
    assert shell("exit 3", stdin=much).status == 3
    assert shell("cat", 0.3, stdin=b"1\n", hold=True).told == "was killed after 0.3 s: 1"
    assert shell("head -1", stdin=b"1\n", hold=True).out == b"1\n"


def test_streams_are_heard_while_it_runs_and_may_be_one() -> None:
    """In the order in which they were written."""
    heard: list[bytes] = []
    said = shell("echo 1; echo 2 >&2", merge=True, hear=heard.append)
    assert b"".join(heard) == said.out == b"1\n2\n"
    shell("echo 3 >&2", hear_err=heard.append)
    assert heard[-1] == b"3\n"


def test_output_of_a_descendant_is_waited_for_where_it_counts() -> None:
    """A program that becomes a daemon says how it went after its first process ended."""
    assert shell("(sleep 0.2; echo late) & exit 0", until_closed=True, leave=True).out == b"late\n"
    assert shell("sleep 60 & exit 0", 0.3, until_closed=True).status is None


def test_child_that_must_end_may_have_time_to_clear_up(tmp_path: Path) -> None:
    """It gets SIGTERM first, and what it started is its own to end."""
    script = f"trap 'echo > {tmp_path}/cleared; exit' TERM; echo; while :; do sleep 0.05; done"
    assert shell(script, 0.4, grace=10.0).status is None
    assert (tmp_path / "cleared").exists()


def test_whoever_hears_may_end_it(tmp_path: Path) -> None:
    """As may whatever interrupts us: nothing of it is left."""

    def stop(_: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shell(f"sleep 60 & echo $! > {tmp_path}/child; echo; wait", hear=stop)
    gone(tmp_path / "child")


def test_what_is_left_running_is_ended_unless_it_may_stay(tmp_path: Path) -> None:
    """While its group is known to be the child's."""
    script = f"sleep 60 >&- 2>&- & echo $! > {tmp_path}/child"
    shell(script, leave=True)
    left = psutil.Process(int((tmp_path / "child").read_text()))
    assert left.status() != psutil.STATUS_ZOMBIE
    left.kill()
    shell(script)
    gone(tmp_path / "child")


def test_program_that_cannot_be_run_leaves_nothing_open() -> None:
    """No pipe, no process."""
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            child.run(["/nowhere/at/all"], 1.0, {})
        assert child.printed([sys.executable, "-c", "print(1)"]) == "1\n"
        assert child.printed(["false"]) is child.printed(["/nowhere/at/all"]) is None
    assert len(os.listdir("/proc/self/fd")) == len(before)
