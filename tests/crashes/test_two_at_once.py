"""Two `t3safe` at once: one acts, the other waits or says that it is locked."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.embedded import SAFE, EmbeddedHost
from fakes.kills import judge
from fakes.kills.places import SCENARIOS, Blow
from fakes.kills.striking import KILLED, Prepared, furnished, launch, scene_of
from t3safe.entrypoints.exits import Exit

GOOD = SCENARIOS["good"]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def host(prepared: Prepared, tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host with a candidate in its store."""
    root = tmp_path / "host"
    root.mkdir()
    with furnished(GOOD, root, prepared) as made:
        yield made


def started(host: EmbeddedHost, *arguments: str) -> subprocess.Popen[str]:
    """Start a command and go on."""
    return subprocess.Popen(
        [*SAFE, "--config", str(host.config_file), *arguments],
        env=host.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=host.root,
    )


@contextmanager
def running_until(host: EmbeddedHost, words: str) -> Iterator[subprocess.Popen[str]]:
    """Give a run that has just said these words."""
    with started(host, "run") as run:
        assert run.stdout is not None
        while words not in run.stdout.readline():
            assert run.poll() is None, "the run ended before it said so"
        yield run


def test_whoever_comes_second_says_locked_or_waits(host: EmbeddedHost) -> None:
    """Beside a run all others end with 16; those that wait find nothing left to do afterwards."""
    with running_until(host, "rehearsing") as run:
        # Held, so that it acts for as long as the others are asked, on a slow machine too.
        run.send_signal(signal.SIGSTOP)
        try:
            for command in (["run"], ["drain"], ["recover"], ["rollback", "ann", "--yes"]):
                said = host.t3safe(*command)
                assert said.status == Exit.LOCKED, said
                assert "another t3safe is running" in said.err
            waiting = [
                started(host, *command, "--wait", "300")
                for command in (["run"], ["drain"], ["recover"])
            ]
        finally:
            run.send_signal(signal.SIGCONT)
        out, _ = run.communicate(timeout=300)
        ends = [(each.communicate(timeout=300)[0], each.returncode) for each in waiting]
        assert run.returncode == Exit.OK, out
    assert [status for _, status in ends] == [Exit.OK] * 3, ends
    assert "nothing to do" in ends[0][0]
    assert "nobody waits to be moved" in ends[1][0]
    assert "nothing is unfinished" in ends[2][0]
    scene = scene_of(host, GOOD)
    assert len(judge.runs(scene)) == 1
    assert {stands.build for stands in judge.look(scene).values()} == {GOOD.offer.version}


def test_whoever_waits_takes_over_from_the_dead(host: EmbeddedHost) -> None:
    """The lock dies with its holder: the run that waits settles what is unfinished, then runs."""
    scene = scene_of(host, GOOD)
    blow = Blow.parse("kill:after:Started.Select.ann")
    with ThreadPoolExecutor(1) as aside:
        struck = aside.submit(launch, host, blow, "run")
        while not judge.runs(scene):
            assert not struck.done(), struck.result()
            time.sleep(0.02)
        with started(host, "run", "--wait", "300") as waiting:
            out, _ = waiting.communicate(timeout=300)
        assert struck.result().status == KILLED
    assert waiting.returncode == Exit.OK, out
    assert "resuming run" in out
    assert [run.ended["outcome"] for run in judge.runs(scene)] == ["interrupted", "promoted"]
    assert {stands.build for stands in judge.look(scene).values()} == {GOOD.offer.version}
