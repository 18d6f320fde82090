"""Pairing at the serve itself, on real parts: real processes, real HTTP, the fake t3."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from attrs import frozen

from t3safe.adapters.pairing import DirectPairing
from t3safe.contracts.pairing import ServePairingContract
from t3safe.domain import events as ev
from t3safe.domain.errors import DispatchError, Fault, ServiceError
from t3safe.domain.redaction import redact
from t3safe.domain.versions import Version
from tests.support.pairing import (
    BUILD,
    OTHER,
    RealPairing,
    real_pairing,
    watched_through_a_restart,
)


@frozen
class Direct:
    """The same serves, met without the dispatch, which is down."""

    real: RealPairing
    port: DirectPairing
    build: Version = BUILD
    other: Version = OTHER

    def run(self, person: str, build: Version) -> None:
        """Let the person's unit run this build from now on, started anew."""
        self.real.run(person, build)

    def end(self, person: str) -> None:
        """Let the person's serve end."""
        self.real.end(person)

    def spoil(self, person: str) -> None:
        """Let the person's serve pair nobody."""
        self.real.spoil(person)

    def dispatch_down(self) -> None:
        """It is down from the beginning."""


@pytest.fixture
def pairing(tmp_path: Path) -> Iterator[Direct]:
    """Give alice's and bob's serves; nobody listens where the dispatch would be."""
    with real_pairing(tmp_path) as bench:
        bench.dispatch.down()
        yield Direct(bench, bench.direct())


class TestDirectPairing(ServePairingContract):
    """The contract, on real parts."""

    via = "serve"


def refused(pairing: Direct) -> ev.NotPaired:
    """Verify alice, who does not pair; nothing that is told holds a secret."""
    answer = pairing.port.verify("alice", BUILD)
    assert isinstance(answer, ev.NotPaired)
    assert redact(answer.reason) == answer.reason
    return answer


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (("session-never-authenticated",), "the cookie t3_session does not authenticate"),
        (
            ("cookie-missing",),
            "POST /api/auth/browser-session answers 200 without a session cookie",
        ),
        (("pairing-moved",), "no path takes the credential"),
        (("mint-fails",), "ended with status 1: Error: Failed to create pairing credential."),
        (("session-once",), "a second request with the cookie is not authenticated"),
    ],
)
def test_serve_that_does_not_pair_is_told_with_what_it_does(
    pairing: Direct, faults: tuple[str, ...], words: str
) -> None:
    """The reason says what the person would have met."""
    pairing.real.run("alice", BUILD, *faults)
    answer = refused(pairing)
    assert answer.fault is Fault.BUILD
    assert words in answer.reason


def test_cookie_of_any_name_pairs(pairing: Direct) -> None:
    """A browser keeps whatever cookie it is given; there is no dispatch that must know it."""
    pairing.real.run("alice", BUILD, "cookie-renamed")
    assert isinstance(pairing.port.verify("alice", BUILD), ev.Paired)


def test_serve_that_dies_after_it_paired_is_found_out(pairing: Direct) -> None:
    """Answering once is not enough: the process must stay."""
    pairing.real.run("alice", BUILD, "dies-after:4")
    port = attrs.evolve(pairing.port, stay=8.0)
    answer = port.verify("alice", BUILD)
    assert isinstance(answer, ev.NotPaired)
    assert answer.fault is Fault.BUILD
    assert "the serve of alice ended right after it had paired" in answer.reason


def test_foreign_process_in_the_unit_does_not_count(pairing: Direct) -> None:
    """A unit that runs something else than the build is not the build."""
    port = attrs.evolve(pairing.port, deadline=0.3)
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeper:
        try:
            pairing.real.pids["alice"] = sleeper.pid
            answer = port.verify("alice", BUILD)
        finally:
            sleeper.kill()
    assert isinstance(answer, ev.NotPaired)
    assert answer.fault is Fault.HOST
    assert f"runs sleep, not {BUILD}" in answer.reason


def test_fenced_person_is_not_the_builds_fault(pairing: Direct) -> None:
    """A mint while fenced says that a fence is there, and blames no build."""
    assert pairing.real.main_pid("alice")
    pairing.real.fence("alice")
    answer = refused(pairing)
    assert answer.fault is Fault.HOST
    assert "they are fenced" in answer.reason


def test_watch_notices_a_restart(pairing: Direct) -> None:
    """A crash that was fixed by the service manager breaks the bake all the same."""
    answer = watched_through_a_restart(pairing.real, pairing.port)
    assert isinstance(answer, ev.BakeBroken)
    assert (answer.person, answer.fault) == ("bob", Fault.BUILD)


def test_trouble_of_others_is_told_as_our_own(pairing: Direct) -> None:
    """One family of errors leaves the adapter."""

    def fail(_: str) -> int:
        raise ServiceError("systemd is gone")

    with pytest.raises(DispatchError, match="cannot try to pair alice: systemd is gone"):
        attrs.evolve(pairing.port, main_pid=fail).verify("alice", BUILD)


LOOK = """
import sys
from pathlib import Path
from t3safe.adapters.pairing.check import look
from t3safe.domain.versions import Version
look(Path(sys.argv[1]), int(sys.argv[2]), Version.parse(sys.argv[3]))
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root with setpriv(1) can do without a capability",
)
def test_root_of_a_container_without_ptrace_is_told_which_capability_it_needs(
    tmp_path: Path,
) -> None:
    """Docker leaves SYS_PTRACE out: root sees the process, and not what it runs."""
    without = ("setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace")
    become = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    with subprocess.Popen([*become, "sleep", "60"]) as sleeper:
        try:
            words = (sys.executable, "-c", LOOK, str(tmp_path), str(sleeper.pid), str(BUILD))
            ran = subprocess.run(
                [*without, *words], capture_output=True, text=True, timeout=60, check=False
            )
        finally:
            sleeper.kill()
    assert ran.returncode != 0
    assert f"cannot look at process {sleeper.pid}: root may not here" in ran.stderr
    assert "SYS_PTRACE" in ran.stderr
