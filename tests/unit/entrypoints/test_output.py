"""Streams that cannot fail and cannot hold anything up."""

from __future__ import annotations

import ast
import os
import pty
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest

from t3safe.adapters._support.child import why
from t3safe.entrypoints import output, rendering
from t3safe.entrypoints.output import Outlet


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Give a pipe: its reader, its writer."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def test_a_reader_that_has_gone_makes_a_stream_quiet(pipe: tuple[int, int]) -> None:
    """No write raises, and each says that it wrote everything."""
    reader, writer = pipe
    outlet = Outlet(writer)
    assert outlet.write(b"first") == 5
    assert os.read(reader, 9) == b"first"
    os.close(reader)
    assert [outlet.write(b"lost"), outlet.write(b"lost")] == [4, 4]
    assert isinstance(outlet.lost, BrokenPipeError)


def test_a_write_waits_for_a_pipe_that_does_not_block(pipe: tuple[int, int]) -> None:
    """Another program has set it so: what it cannot take at once is not lost."""
    reader, writer = pipe
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    outlet, heard = Outlet(writer), b""
    outlet.stop_waiting()
    outlet.write(b"." * 200_000)
    while len(heard) < 200_000:
        try:
            heard += os.read(reader, 65_536)
        except BlockingIOError:
            time.sleep(0.001)
    outlet.settle(time.monotonic() + 5)
    assert outlet.lost is None


def test_a_reader_that_does_not_read_holds_up_the_end_alone(pipe: tuple[int, int]) -> None:
    """While a command acts nothing waits; at the end it is given up in time, with its reason."""
    outlet = Outlet(pipe[1])
    outlet.stop_waiting()
    for _ in range(10):
        outlet.write(b"." * 65_536)
    outlet.settle(time.monotonic())
    assert outlet.lost is not None
    assert outlet.lost.strerror == "nobody reads it"


def test_what_waits_for_a_reader_is_bounded(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spinner that nobody sees does not fill the memory."""
    monkeypatch.setattr(output, "WAITING_MAX", 5)
    outlet = Outlet(pipe[1])
    outlet.stop_waiting()
    for _ in range(10):
        outlet.write(b"." * 65_536)
    assert outlet.lost is not None


def test_the_order_of_what_is_said_stays(pipe: tuple[int, int]) -> None:
    """Before and after the command begins to act."""
    reader, writer = pipe
    outlet = Outlet(writer)
    outlet.write(b"1")
    outlet.stop_waiting()
    for number in b"23456":
        outlet.write(bytes((number,)))
    outlet.settle(time.monotonic() + 5)
    assert os.read(reader, 99) == b"123456"


@pytest.mark.parametrize("gone", [True, False])
def test_a_question_without_an_answer_is_a_no(
    monkeypatch: pytest.MonkeyPatch, *, gone: bool
) -> None:
    """A terminal that goes away, or ends its input, while the question stands."""

    def ask(_: str) -> bool:
        raise OSError(5, "Input/output error") if gone else click.Abort

    ours, theirs = pty.openpty()
    with open(theirs, encoding="utf-8") as stdin:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr("sys.stdin", stdin)
        assert rendering.confirmed("go on?", ask, yes=False) is False
    os.close(ours)
    assert rendering.confirmed("go on?", ask, yes=True) is True


def test_every_program_that_is_started_is_out_of_the_terminals_reach() -> None:
    """Ctrl-C and a hang-up reach t3safe alone, never an npm or a systemctl in its midst."""
    calls = [
        (path.name, call)
        for path in Path(output.__file__).parents[1].rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in {"subprocess.run", "subprocess.Popen"}
    ]
    assert {name for name, _ in calls} >= {"child.py", "reaper.py"}
    own = [("start_new_session", "True")]
    assert [
        name
        for name, call in calls
        if own != [(k.arg, ast.unparse(k.value)) for k in call.keywords if k.arg == own[0][0]]
    ] == []


def test_no_command_list_reaches_a_person() -> None:
    """An error of `subprocess` tells its command as Python does: `child.why` says it instead."""
    raw = [
        (path.name, handler.lineno)
        for path in Path(output.__file__).parents[1].rglob("*.py")
        for handler in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(handler, ast.ExceptHandler)
        and handler.name
        and handler.type is not None
        and re.search(r"TimeoutExpired|SubprocessError|CalledProcess", ast.unparse(handler.type))
        and re.search(rf"str\({handler.name}\)|\{{{handler.name}[}}!]", ast.unparse(handler))
    ]
    assert raw == []
    late = subprocess.TimeoutExpired(["systemctl", "show"], 3)
    assert why(late) == "it took longer than 3 s"
    assert why(FileNotFoundError(2, "No such file or directory", "npm")) == (
        "No such file or directory: npm"
    )
    assert why(OSError("broken")) == "broken"
