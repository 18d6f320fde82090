"""Serves through commands of the host's owner: a real keeper, real processes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve, frozen

from t3safe.adapters.services.commands import CommandServices
from t3safe.adapters.services.members import MARK
from t3safe.contracts.services import STOPPED, ServicesContract
from t3safe.domain.errors import Fault, ServiceError
from tests.contract.test_services import (
    PEOPLE,
    SERVE,
    Bench,
    WaitsForAgents,
    agent_program,
    marked,
)
from tests.support import keeper
from tests.support.processes import eventually

KEEPER = (sys.executable, "-I", "-S", keeper.__file__)


@frozen(slots=False)
class KeeperServices(Bench):
    """Serves behind a keeper below one folder."""

    port: CommandServices
    codex: Path

    def describe(self, person: str, *words: str, **described: object) -> None:
        """Describe a person's serve, and how the keeper misbehaves."""
        file = self.port.run_dir / f"{person}.json"
        file.write_text(json.dumps({"argv": [*SERVE, *words], **described}))

    def begin_with(self, person: str, *words: str) -> None:
        """Let every further serve of this person be started with these words."""
        self.describe(person, *words)

    def members(self, person: str) -> list[int]:
        """The living processes of a serve."""
        return marked(MARK, str(self.port.run_dir / person))

    def calls(self) -> list[str]:
        """What the keeper was asked to do, beside looks."""
        file = self.port.run_dir / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if not line.startswith("status ")]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeeperServices]:
    """Give serves behind a keeper, which are ended by other means than the adapter's."""
    folder = tmp_path / "kept"
    folder.mkdir()
    verbs = {
        f"{verb}_command": (*KEEPER, str(folder), verb, "{person}")
        for verb in ("start", "stop", "status")
    }
    port = CommandServices(folder, **verbs, timeout=10.0, stop_timeout=10.0, settle=0.3)
    bench = KeeperServices(port, agent_program(tmp_path))
    for person in PEOPLE:
        bench.describe(person)
    yield bench
    bench.end()


class TestCommandServices(ServicesContract):
    """The contract, on commands."""

    @pytest.fixture
    def services(self, kept: KeeperServices) -> WaitsForAgents:
        """Give serves behind a keeper."""
        return WaitsForAgents(kept)


@pytest.mark.parametrize(
    ("trick", "words"),
    [
        ({"status": 1, "err": "cannot connect"}, "ended with status 1: cannot connect"),
        ({"status": 4}, "it says neither that it runs (0) nor that it does not (3)"),
        ({"status": 0, "out": "yes"}, "its first line is not a process"),
        ({"status": 0, "out": "0"}, "its first line is not a process"),
        ({"status": 0, "out": "1"}, "its first line is not a process"),
        ({"status": 0, "out": "-5"}, "its first line is not a process"),
        ({"status": 0, "out": ""}, "its first line is not a process"),
        ({"status": 0, "out": f"{os.getpid()} 2026-06-09T04:00:00"}, "ISO 8601 with an offset"),
        ({"status": 0, "out": f"{os.getpid()} at noon"}, "ISO 8601 with an offset"),
        ({"status": 0, "out": str(2**22 + 1)}, "which is not there; it must be the number that"),
        ({"status": 0, "out": "1", "sleep": 30}, "was killed after 0.5 s"),
    ],
)
def test_unknown_is_an_error_and_never_at_rest(
    kept: KeeperServices, trick: dict[str, object], words: str
) -> None:
    """Whatever `status` does beside what is documented stops everything, and changes nothing."""
    kept.describe("alice", status=trick)
    port = evolve(kept.port, timeout=0.5 if "sleep" in trick else 10.0)
    for act in (port.status, port.stop, port.start):
        with pytest.raises(ServiceError, match="the serve of alice") as caught:
            act("alice")
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    assert kept.calls() == []
    assert not kept.left("alice")


def test_time_of_the_start_is_taken_from_the_command(kept: KeeperServices) -> None:
    """A container's own time counts, with its nine digits; without one the process tells."""
    line = f"{os.getpid()} 2026-06-09T04:00:00.123456789Z"
    kept.describe("alice", status={"status": 0, "out": line})
    status = kept.port.status("alice")
    assert status.main_pid == os.getpid()
    assert str(status.started) == "2026-06-09 04:00:00.123456+00:00"


def test_what_runs_is_not_started_and_what_rests_is_not_stopped(kept: KeeperServices) -> None:
    """The owner's commands are called once each, and only where there is something to do."""
    kept.port.stop("alice")
    kept.port.start("alice")
    kept.port.start("alice")
    kept.port.stop("alice")
    kept.port.stop("alice")
    assert kept.calls() == ["start alice", "stop alice"]


def test_start_that_fails_says_with_what_and_for_whom(kept: KeeperServices) -> None:
    """The last line of the command is in the error, without secrets; nothing runs.

    It speaks against no build: a command fails for many reasons.
    """
    secret = "token: 7d9f0c31e2aa45b7890cc1d2e3f4a5b6"
    kept.describe("alice", start={"status": 125, "err": f"first\nno such container, {secret}"})
    with pytest.raises(ServiceError) as caught:
        kept.port.start("alice")
    assert "cannot start the serve of alice" in str(caught.value)
    assert "ended with status 125: no such container, token: [redacted]" in str(caught.value)
    assert caught.value.fault is Fault.HOST
    assert kept.port.status("alice") == STOPPED


def test_what_claims_more_than_it_did_is_an_error(kept: KeeperServices) -> None:
    """A start and a stop are done when `status` says so; nothing is killed behind its keeper."""
    kept.describe("alice", start={"status": 0})
    with pytest.raises(ServiceError, match="says that it does not run") as caught:
        evolve(kept.port, timeout=0.5).start("alice")
    assert caught.value.fault is Fault.HOST
    kept.describe("alice", stop={"status": 0})
    kept.port.start("alice")
    with pytest.raises(ServiceError, match="says that it runs"):
        evolve(kept.port, stop_timeout=0.5).stop("alice")
    assert kept.port.status("alice").running


def test_stop_that_fails_is_told_at_once(kept: KeeperServices) -> None:
    """A command that says that it failed is not waited for to the end of its time."""
    kept.describe("alice", stop={"status": 1, "err": "permission denied"})
    kept.port.start("alice")
    with pytest.raises(ServiceError, match="ended with status 1: permission denied"):
        evolve(kept.port, stop_timeout=60.0).stop("alice")
    assert kept.port.status("alice").running


def test_stop_that_fails_on_what_is_at_rest_by_then_is_done(kept: KeeperServices) -> None:
    """How a stop ended counts less than what `status` says after it."""
    kept.port.start("alice")
    kept.crash("alice")
    kept.describe("alice", stop={"status": 1})
    kept.port.stop("alice")
    assert kept.port.status("alice") == STOPPED


def test_stop_is_not_done_while_a_process_of_the_serve_is_left(kept: KeeperServices) -> None:
    """An agent that outlives its serve may still write; the error names its process."""
    kept.work("alice")
    kept.port.start("alice")
    eventually(lambda: bool(kept.port.status("alice").agents))
    with pytest.raises(ServiceError, match=r"process \[\d+\] is left"):
        evolve(kept.port, stop_timeout=0.5).stop("alice")
    # Also for whoever comes next and never saw the main process.
    assert kept.port.status("alice").agents == ("codex",)
    with pytest.raises(ServiceError, match=r"process \[\d+\] is left"):
        evolve(kept.port, stop_timeout=0.5).stop("alice")
    kept.end()
    kept.port.stop("alice")


def test_command_that_is_not_there_is_named(kept: KeeperServices) -> None:
    """The error names the program and the person."""
    port = evolve(kept.port, status_command=("/nowhere/docker", "inspect", "t3-{person}"))
    with pytest.raises(ServiceError) as caught:
        port.status("alice")
    assert "`/nowhere/docker inspect t3-alice` cannot be run: No such file" in str(caught.value)
