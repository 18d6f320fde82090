"""Fixtures of the tests of the fakes: programs, and serves that end with their test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fakes.packages import FakeRelease, unpack
from fakes.t3.process import RunningServe

Program = Callable[[FakeRelease], Path]
Start = Callable[..., RunningServe]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A function that gives the `t3` of a release, laid out once a session."""
    made: dict[FakeRelease, Path] = {}

    def give(release: FakeRelease) -> Path:
        if release not in made:
            made[release] = unpack(release, tmp_path_factory.mktemp("build"))
        return made[release]

    return give


@pytest.fixture
def start(program: Program, tmp_path: Path) -> Iterator[Start]:
    """A function that starts a release's serve on the test's base directory."""
    with ExitStack() as stack:

        def begin(release: FakeRelease, *, up: bool = True, **options: object) -> RunningServe:
            base = tmp_path / "base"
            serve = RunningServe(program(release), base, **options)  # type: ignore[arg-type]
            stack.enter_context(serve)
            return serve.wait_until_up() if up else serve

        yield begin


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """A function that runs `python -m MODULE ...` and gives the address that it serves at."""
    processes: list[subprocess.Popen[str]] = []

    def begin(module: str, *arguments: str) -> str:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip()

    yield begin
    for process in processes:
        process.terminate()
        assert process.wait(5) == 0
        if process.stdout is not None:
            process.stdout.close()
