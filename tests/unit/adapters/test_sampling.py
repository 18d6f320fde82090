"""What runs beside helpers, and how much processor time it uses: real processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from t3safe.adapters.services.members import sampled
from t3safe.domain.idle import Looks, Process, begun, working

QUIET = timedelta(minutes=15)
BURN = "print(flush=True)\nwhile True: pass"
AGENTS = ("claude", "codex")


@contextmanager
def running(*words: str) -> Iterator[int]:
    """Have a program run that has said a line, or waits for one; its pid."""
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
            time.sleep(0.01)
        if words[-1] == BURN:
            assert process.stdout
            process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def used_until(pid: int, seconds: float) -> Looks:
    """Sample a process until it has used so much more, or half a second has passed."""
    first = sampled([pid], None, AGENTS)
    deadline = time.monotonic() + (60.0 if seconds else 0.5)
    while time.monotonic() < deadline:
        now = sampled([pid], None, AGENTS)
        if seconds and now.processes[0].used - first.processes[0].used >= seconds:
            break
        time.sleep(0.02)
    return Looks(first, sampled([pid], None, AGENTS))


def only(pid: int, main: int | None = None) -> Process:
    """Sample one process that is there."""
    (process,) = sampled([pid], main, AGENTS).processes
    return process


def test_a_program_that_computes_is_at_work() -> None:
    """Its processor time grows, and it is named."""
    with running(sys.executable, "-c", BURN) as pid:
        assert f"(process {pid}) used" in working(used_until(pid, 0.2))
        assert f"(process {pid}) began" in begun(sampled([pid], None, AGENTS), QUIET)


def test_a_program_that_sleeps_uses_nothing() -> None:
    """It is seen by its beginning alone, for as long as the quiet time is."""
    with running("sleep", "600") as pid:
        found = used_until(pid, 0.0)
        assert working(Looks(found.earlier, found.now)) == ""
        assert begun(found.now, QUIET) != ""
        assert begun(found.now, timedelta(0)) == ""
        assert not only(pid).waits


@pytest.mark.parametrize("program", ["sh", "bash", "codex"])
def test_an_open_shell_or_an_agents_session_waits(tmp_path: Path, program: str) -> None:
    """It is no work by being there; what its children used once they ended is."""
    words: tuple[str, ...] = (program,)
    if program == "codex":
        agent = tmp_path / "codex"
        agent.symlink_to("/bin/sleep")
        words = (str(agent), "600")
    with running(*words) as pid:
        assert only(pid).waits
        assert begun(sampled([pid], None, AGENTS), QUIET) == ""


def test_what_ended_children_used_counts() -> None:
    """A shell that runs one short command after another is at work by them."""
    loop = f"while :; do {sys.executable} -c 'sum(range(2000000))'; done"
    with running("sh", "-c", loop) as pid:
        assert f"(process {pid}) used" in working(used_until(pid, 0.3))


def test_helpers_and_the_serve_itself_are_left_out(tmp_path: Path) -> None:
    """The tunnel, the monitor, what lies in t3's own package, and the main process."""
    own = tmp_path / "node_modules" / "t3" / "dist"
    own.mkdir(parents=True)
    for helper in (tmp_path / "cloudflared", tmp_path / "resource-monitor", own / "worker"):
        helper.symlink_to("/bin/sleep")
        with running(str(helper), "600") as pid:
            assert sampled([pid], None, AGENTS).processes == ()
    with running("sleep", "600") as pid:
        assert sampled([pid], pid, AGENTS).processes == ()


def test_a_process_that_is_gone_is_none() -> None:
    """Between the listing and the look it ended; a dead one that nobody reaped is none either."""
    with running("sleep", "600") as pid:
        pass
    assert sampled([pid], None, AGENTS).processes == ()
    dead = subprocess.Popen(["true"])
    while Path(f"/proc/{dead.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert sampled([dead.pid], None, AGENTS).processes == ()
    dead.wait()
