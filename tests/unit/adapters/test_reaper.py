"""What supervises npm ends with whoever started it, also where it is no child of theirs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil

from t3safe.adapters.builds import reaper


def supervisor(tmp_path: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start one as a unit does, without a parent to watch, and wait until its command runs."""
    job = {
        "argv": words,
        "env": {"PATH": "/usr/bin:/bin"},
        "cwd": str(tmp_path),
        "user": None,
        "group": None,
        "timeout": 60,
        "parent": None,
    }
    process = subprocess.Popen(
        [sys.executable, "-I", str(Path(reaper.__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(json.dumps(job).encode() + b"\n")
    process.stdin.flush()
    assert process.stderr.readline() == b"begun\n"
    return process


def test_supervisor_whose_input_ends_ends_all_that_it_started(tmp_path: Path) -> None:
    """Seen on the real host: a unit outlives a t3safe that was killed; its input does not."""
    stays = "setsid sleep 50 & echo begun >&2; sleep 50"
    with supervisor(tmp_path, "sh", "-c", stays) as process:
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= 2
        said, _ = process.communicate(timeout=30)
    assert json.loads(said)["problem"] == "it was told to end"
    assert not any(child.is_running() for child in started)
