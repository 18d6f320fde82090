"""Saying something can never change what is done: every way in which what is said gets lost."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from fakes.embedded import SAFE, EmbeddedHost
from t3safe.entrypoints.exits import Exit
from tests.e2e.hosts import ANN, NEW, OLD, Terminal, adopted, pairs, read_until, state


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    """Give a host whose one person goes back and forth between two builds."""
    with adopted(tmp_path_factory.mktemp("output"), ANN) as made:
        made.publish(NEW, tag="nightly")
        assert made.t3safe("run").status == Exit.OK
        yield made


def started(
    host: EmbeddedHost,
    *words: str,
    **how: Any,  # noqa: ANN401 - what Popen takes
) -> subprocess.Popen[bytes]:
    """Start the real command line as somebody's shell would."""
    environment = host.environment | {"TERM": "xterm"} | how.pop("env", {})
    return subprocess.Popen(
        [*SAFE, "--config", str(host.config_file), *words],
        **{"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT, **how},
        env=environment,
        cwd=host.root,
    )


def elsewhere(host: EmbeddedHost) -> str:
    """Name the build of the two on which ann is not."""
    with host.wired() as wired:
        present = str(wired.selection.selected("ann").build)
    return OLD.version if present == NEW.version else NEW.version


def head(lines: int) -> Callable[[EmbeddedHost, tuple[str, ...]], int]:
    """`| head -n LINES`: the reader closes its end after so many lines."""

    def sink(host: EmbeddedHost, words: tuple[str, ...]) -> int:
        with started(host, *words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            read_until(process.stdout.fileno(), lambda heard: heard.count(b"\n") >= lines)
            process.stdout.close()
            return process.wait(60)

    return sink


def full_disk(host: EmbeddedHost, words: tuple[str, ...]) -> int:
    """Both streams go to a file on a disk that is full."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        return started(host, *words, stdout=full).wait(60)


def closed_at_the_start(host: EmbeddedHost, words: tuple[str, ...]) -> int:
    """`<&- >&- 2>&-`: the first file that is opened must not become standard output."""
    shell = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *SAFE, "--config", str(host.config_file))
    return subprocess.run(
        [*shell, *words], check=False, env=host.environment, cwd=host.root, timeout=60
    ).returncode


def hung_up(host: EmbeddedHost, words: tuple[str, ...]) -> int:
    """An ssh that drops: the terminal hangs up in the middle of the move, and SIGHUP comes."""
    terminal = Terminal.start(host, *words, session=True)
    terminal.read_until(lambda heard: b"rollback point" in heard or b"newest" in heard)
    return terminal.leave()


def never_read(host: EmbeddedHost, words: tuple[str, ...]) -> int:
    """A reader that stops reading, as a terminal does after Ctrl-S: what waits for it is full."""
    theirs, ours = os.pipe()
    fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, 4096)
    os.write(ours, b"." * 4096)
    try:
        process = started(host, *words, stdout=ours)
        os.close(ours)
        return process.wait(60)
    finally:
        os.close(theirs)


def ascii_only(host: EmbeddedHost, words: tuple[str, ...]) -> int:
    """A terminal that knows no character beyond ASCII, with a spinner on it."""
    terminal = Terminal.start(host, *words, PYTHONIOENCODING="ascii:strict", LC_ALL="C")
    return terminal.close()[0]


ACTING: Final = {
    "nothing read": head(0),
    "head -n 1": head(1),
    "head -n 8": head(8),
    "full disk": full_disk,
    "closed at the start": closed_at_the_start,
    "hung up": hung_up,
    "never read": never_read,
    "ascii": ascii_only,
}


@pytest.mark.parametrize("name", ACTING)
def test_whoever_is_moved_ends_served_whatever_becomes_of_the_output(
    host: EmbeddedHost, name: str
) -> None:
    """The status is that of what was done, the person is served and verified, the journal knows."""
    there = elsewhere(host)
    assert ACTING[name](host, ("rollback", "ann", "--yes", "--to", there)) == Exit.OK
    with host.wired() as wired:
        assert str(wired.selection.selected("ann").build) == there
        assert not wired.selection.selected("ann").fenced
        assert wired.journal.unfinished() is None
        events = wired.journal.events(next(iter(wired.journal.runs())).run)
    assert events[-1].ended.outcome == "moved"  # type: ignore[union-attr]
    assert pairs(host)


SHOWN: Final = [
    ("head -n 1", head(1), "doctor", Exit.OK),
    ("head -n 1", head(1), "history --json", Exit.OK),
    ("full disk", full_disk, "history", Exit.LATER),
    ("closed at the start", closed_at_the_start, "history --json", Exit.LATER),
    ("ascii", ascii_only, "status", Exit.OK),
    ("full disk", full_disk, "--help", Exit.LATER),
]


@pytest.mark.parametrize(("name", "sink", "words", "status"), SHOWN)
def test_what_only_shows_ends_quietly(
    host: EmbeddedHost,
    name: str,
    sink: Callable[[EmbeddedHost, tuple[str, ...]], int],
    words: str,
    status: Exit,
) -> None:
    """A reader that has gone had enough; what could not be written was not shown."""
    before = state(host)
    assert sink(host, tuple(words.split())) == status
    assert state(host) == before


def test_a_lost_output_is_said_where_something_still_listens(host: EmbeddedHost) -> None:
    """One line on standard error, and no trace of Python."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        process = started(host, "history", stdout=full, stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=60)
    line = b"t3safe: cannot write the output: No space left on device; run it again\n"
    assert (process.returncode, said) == (Exit.LATER, line)


def test_a_question_that_nobody_can_answer_any_more_is_a_no(host: EmbeddedHost) -> None:
    """Standard input ends while the question stands: nothing is touched."""
    before = state(host)
    terminal = Terminal.start(host, "rollback", "ann", "--to", elsewhere(host))
    terminal.read_until(lambda heard: b"[y/N]" in heard)
    assert terminal.leave() == Exit.USAGE
    assert state(host) == before


DEFECTIVE: Final = """
import t3safe.usecases.run
def broken(host):
    raise {error}
t3safe.usecases.run.run = broken
from t3safe.entrypoints.cli import main
main()
"""


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        ("KeyError('x')", Exit.DEFECT, "itself: KeyError: 'x' (at <string>:4 broken, "),
        ("OSError(28, 'No space left on device', '/x')", Exit.LATER, "/x: No space left on device"),
        ("BrokenPipeError(32, 'Broken pipe')", Exit.LATER, "Broken pipe; `t3safe doctor` looks"),
        ("KeyboardInterrupt", Exit.LATER, "interrupted; `t3safe status` shows"),
        ("EOFError", Exit.LATER, "interrupted; `t3safe status` shows"),
    ],
)
def test_nothing_ends_without_a_word(
    host: EmbeddedHost, error: str, status: Exit, said: str
) -> None:
    """One line that says what failed and what comes next, whatever it was."""
    ended = host.t3safe("run", program=DEFECTIVE.format(error=error))
    assert ended.status == status, ended
    (line,) = [line for line in ended.err.splitlines() if line]
    assert line.startswith("t3safe: ")
    assert said in line


def test_json_is_the_same_in_every_encoding(host: EmbeddedHost) -> None:
    """What a document says does not hang on the terminal it is printed at."""
    host.t3safe("freeze", "naïve → done")
    try:
        said = host.t3safe("run", "--json", PYTHONIOENCODING="ascii:strict")
    finally:
        host.t3safe("thaw")
    assert said.status == Exit.FROZEN
    assert "naïve → done" in json.loads(said.out)["result"]["reason"]
    assert "na\\xefve" in said.err
