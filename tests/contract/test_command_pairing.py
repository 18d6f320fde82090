"""Sign-ins as a command of the host's owner sees them: real commands, real processes of a build."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from attrs import frozen

from t3safe.adapters.pairing import CommandPairing
from t3safe.contracts.pairing import ServePairingContract
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.redaction import redact
from tests.support.pairing import (
    BUILD,
    OTHER,
    RealPairing,
    real_pairing,
    watched_through_a_restart,
)


@frozen
class Commanded:
    """Real serves, and a command that signs in unless the person's file says otherwise."""

    real: RealPairing
    port: CommandPairing
    build = BUILD
    other = OTHER

    def run(self, person: str, build: object) -> None:
        """Let the person's unit run this build from now on, started anew."""
        assert build in {BUILD, OTHER}
        self.real.run(person, BUILD if build == BUILD else OTHER)

    def end(self, person: str) -> None:
        """Let the person's serve end."""
        self.real.end(person)

    def spoil(self, person: str) -> None:
        """Let nobody sign in at the person's serve."""
        self.says(person, "echo nobody pairs there; exit 1")

    def says(self, person: str, script: str) -> None:
        """Let the command do this for a person."""
        (self.real.root / f"{person}.check").write_text(script)

    def dispatch_down(self) -> None:
        """There is none."""


@pytest.fixture
def pairing(tmp_path: Path) -> Iterator[Commanded]:
    """Give alice's and bob's serves, and a command that knows them."""
    with real_pairing(tmp_path) as real:
        real.dispatch.down()
        script = tmp_path / "check"
        script.write_text(
            f'#!/bin/sh\ncd "{tmp_path}"; echo "$1 $2" >> asked; [ ! -e $1.check ] || . ./$1.check'
        )
        script.chmod(0o755)
        same = ("store", "main_pid", "mint", "deadline", "grace", "stay", "pause", "interval")
        port = CommandPairing(
            command=(str(script), "{person}", "{build}"),
            seconds=2.0,
            **{name: getattr(real.port, name) for name in same},
        )
        yield Commanded(real, port)


class TestCommandPairing(ServePairingContract):
    """The contract, on real parts."""

    via = "command"


def refused(pairing: Commanded, deadline: float = 1.0, seconds: float = 2.0) -> ev.NotPaired:
    """Verify alice, who cannot sign in; nothing that is told holds a secret."""
    port = attrs.evolve(pairing.port, deadline=deadline, seconds=seconds)
    answer = port.verify("alice", BUILD)
    assert isinstance(answer, ev.NotPaired)
    assert redact(answer.reason) == answer.reason
    return answer


@pytest.mark.parametrize(
    ("script", "fault", "words"),
    [
        ("echo one; echo two >&2; exit 1", Fault.BUILD, "ended with status 1: two"),
        ("echo the proxy is down; exit 75", Fault.ENVIRONMENT, "status 75: the proxy is down"),
        ("exec sleep 30", Fault.ENVIRONMENT, "was killed after 0.3 s"),
        ("kill -9 $$", Fault.BUILD, "was ended by signal 9"),
        ("echo token: abcdef0123456789; exit 1", Fault.BUILD, "token: [redacted]"),
    ],
)
def test_how_the_command_ends_says_whose_fault_it_is(
    pairing: Commanded, script: str, fault: Fault, words: str
) -> None:
    """Its last line is the reason; 75 and a command that hangs speak against no build."""
    pairing.says("alice", script)
    answer = refused(pairing, seconds=0.3 if "sleep" in script else 2.0)
    assert answer.fault is fault
    assert words in answer.reason


def test_command_that_is_not_there_speaks_against_no_build(pairing: Commanded) -> None:
    """A missing program says nothing about the serve."""
    port = attrs.evolve(pairing.port, command=("/nowhere/check", "{person}"))
    answer = port.verify("alice", BUILD)
    assert isinstance(answer, ev.NotPaired)
    assert answer.fault is Fault.ENVIRONMENT
    assert "`/nowhere/check alice` cannot be run: No such file" in answer.reason


def test_command_is_tried_again_and_asked_a_second_time_after_it_said_yes(
    pairing: Commanded,
) -> None:
    """A serve takes its time to answer; once it does, it must still do so a little later."""
    pairing.says("alice", "[ $(wc -l < asked) -ge 3 ] || exit 1")
    answer = pairing.port.verify("alice", BUILD)
    assert answer == ev.Paired("command", answer.seconds if isinstance(answer, ev.Paired) else -1)
    assert (pairing.real.root / "asked").read_text().splitlines() == [f"alice {BUILD}"] * 4


def test_sign_in_that_does_not_last_is_none(pairing: Commanded) -> None:
    """Having worked once is not enough."""
    pairing.says("alice", "[ $(wc -l < asked) -lt 2 ] || { echo gone; exit 1; }")
    assert "status 1: gone" in refused(pairing).reason


def test_command_is_not_asked_about_a_process_of_another_build(pairing: Commanded) -> None:
    """What the command says counts for nothing while something else runs in the unit."""
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeper:
        try:
            pairing.real.pids["alice"] = sleeper.pid
            answer = refused(pairing, deadline=0.3)
        finally:
            sleeper.kill()
    assert answer.fault is Fault.HOST
    assert f"runs sleep, not {BUILD}" in answer.reason
    assert not (pairing.real.root / "asked").exists()


def test_watch_notices_a_restart(pairing: Commanded) -> None:
    """A crash that was fixed by whoever runs the serves breaks the bake all the same."""
    answer = watched_through_a_restart(pairing.real, pairing.port)
    assert isinstance(answer, ev.BakeBroken)
    assert (answer.person, answer.fault) == ("bob", Fault.BUILD)
