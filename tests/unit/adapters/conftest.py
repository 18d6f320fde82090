"""What tests of adapters share: real processes that say once they run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

Start = Callable[..., int]
"""Starts a process with these words; gives its pid once it has said a line."""


@pytest.fixture
def start() -> Iterator[Start]:
    """Give a start of a real process, which is killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(
        *words: str | Path, executable: Path | None = None, env: Mapping[str, str] | None = None
    ) -> int:
        process = subprocess.Popen(
            words, executable=executable, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process.pid

    yield begin
    for process in started:
        process.kill()
        process.communicate()
