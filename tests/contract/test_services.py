"""Service managers with real processes; systemd is a small one with a systemctl of its own."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from attrs import evolve, frozen

from t3safe.adapters.services.commands import CommandServices
from t3safe.adapters.services.members import MARK
from t3safe.adapters.services.processes import ProcessServices
from t3safe.adapters.services.systemd import SystemdServices
from t3safe.contracts.services import STOPPED, ServicesContract
from t3safe.domain.errors import ServiceError
from t3safe.domain.people import instances_of
from t3safe.domain.ports import Services
from t3safe.t3.commands import BASE_OPTION
from tests.support import plain_serve, systemctl
from tests.support.processes import eventually, lives

SERVE = (sys.executable, "-I", "-S", plain_serve.__file__)
SYSTEMCTL = (sys.executable, "-I", "-S", systemctl.__file__)
PEOPLE = ("alice", "bob")


def marked(name: str, value: str) -> list[int]:
    """The living processes with this variable in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(name) == value and lives(process.pid):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def agent_program(tmp_path: Path) -> Path:
    """Give an agent's program: a script that an interpreter runs, as most of them are."""
    program = tmp_path / "bin" / "codex"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!{sys.executable} -IS\nimport signal\nsignal.pause()\n")
    program.chmod(0o755)
    return program


class Bench(ABC):
    """People's serves under test, of which a real agent may work in some.

    `codex` is an agent's program.
    """

    port: Services
    codex: Path

    @abstractmethod
    def begin_with(self, person: str, *words: str) -> None:
        """Let every further serve of this person be started with these words."""

    @abstractmethod
    def members(self, person: str) -> list[int]:
        """The living processes of a serve."""

    def work(self, person: str) -> None:
        """Let an agent work below the serve."""
        self.begin_with(person, f"agent={self.codex}")

    def crash(self, person: str) -> None:
        """Kill the main process alone."""
        pid = self.port.status(person).main_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not lives(pid))

    def left(self, person: str) -> bool:
        """Whether any process of the serve lives."""
        return bool(self.members(person))

    def end(self) -> None:
        """End every process by other means than the adapter's."""
        for person in PEOPLE:
            for pid in self.members(person):
                os.kill(pid, signal.SIGKILL)


@frozen(slots=False)
class Processes(Bench):
    """Plain processes; what a serve is started with lies in a file for each person."""

    port: ProcessServices
    codex: Path

    def begin_with(self, person: str, *words: str) -> None:
        """Let every further serve of this person be started with these words."""
        quoted = " ".join(f"'{word}'" for word in (*SERVE, *words))
        launcher = Path(self.port.t3.replace("{person}", person))
        launcher.write_text(f"#!/bin/sh\nexec {quoted}\n")
        launcher.chmod(0o755)

    def members(self, person: str) -> list[int]:
        """The living processes of a serve."""
        return marked(MARK, str(self.port.run_dir / person))


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Give plain processes, which are ended by other means than the adapter's."""
    port = ProcessServices(
        run_dir=tmp_path / "run",
        command=("{t3}",),
        t3=str(tmp_path / "t3-{person}"),
        base=str(tmp_path / "{person}"),
        stop_timeout=10.0,
    )
    bench = Processes(port, agent_program(tmp_path))
    for person in PEOPLE:
        bench.begin_with(person)
    yield bench
    bench.end()


@frozen(slots=False)
class Systemd(Bench):
    """Units of the small systemd."""

    port: SystemdServices
    codex: Path
    manager: systemctl.FakeSystemctl

    def describe(self, person: str, *words: str, **described: object) -> None:
        """Describe a person's unit."""
        file = self.manager.folder / "units" / f"t3-serve@{person}.service.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({"argv": [*SERVE, *words], **described}))

    def begin_with(self, person: str, *words: str) -> None:
        """Let every further serve of this person be started with these words."""
        self.describe(person, *words)

    def members(self, person: str) -> list[int]:
        """The living processes of a unit."""
        return self.manager.members(f"t3-serve@{person}.service")


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    """Give units, which are ended by other means than the adapter's."""
    folder = tmp_path / "systemd"
    folder.mkdir()
    port = SystemdServices(
        systemctl=(*SYSTEMCTL, str(folder)),
        cgroups=folder / "cgroup",
        stop_timeout=10.0,
        term_timeout=0.3,
    )
    bench = Systemd(port, agent_program(tmp_path), systemctl.FakeSystemctl(folder))
    for person in PEOPLE:
        bench.describe(person)
    yield bench
    bench.end()


class WaitsForAgents:
    """A bench whose agents have appeared when a start returns."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._working = bench, set[str]()
        self.port, self.crash, self.left = self, bench.crash, bench.left
        self.stop, self.status = bench.port.stop, bench.port.status
        self.sample = bench.port.sample

    def work(self, person: str) -> None:
        """Let an agent work below the serve."""
        self._working.add(person)
        self._bench.work(person)

    def start(self, person: str) -> None:
        """Start; an agent below a real process takes a moment to appear."""
        self._bench.port.start(person)
        if person in self._working:
            eventually(lambda: bool(self.status(person).agents))


class TestProcessServices(ServicesContract):
    """The contract, on plain processes."""

    @pytest.fixture
    def services(self, processes: Processes) -> WaitsForAgents:
        """Give plain processes."""
        return WaitsForAgents(processes)


class TestSystemdServices(ServicesContract):
    """The contract, on units."""

    @pytest.fixture
    def services(self, systemd: Systemd) -> WaitsForAgents:
        """Give units."""
        return WaitsForAgents(systemd)


def test_a_persons_own_manager_is_asked_each_time(systemd: Systemd) -> None:
    """Every call is `systemctl --user`, and so is every command that a message names."""
    port = evolve(systemd.port, own=True)
    port.start("alice")
    assert port.status("alice").running
    port.stop("alice")
    assert port.status("alice") == STOPPED
    calls = systemd.manager.calls.read_text().splitlines()
    assert all(line.startswith("--user ") for line in calls)
    systemd.describe("alice", load="masked")
    with pytest.raises(ServiceError, match="`systemctl --user status t3-serve@alice"):
        port.status("alice")
    systemd.describe("alice", refuses="Job for t3-serve@alice.service failed.")
    with pytest.raises(ServiceError, match="`journalctl --user -u t3-serve@alice"):
        port.start("alice")
    silent = evolve(port, systemctl=("/bin/sh", "-c", "exit 1"))
    with pytest.raises(ServiceError, match="`loginctl enable-linger` keeps your manager running"):
        silent.status("alice")


# Plain processes.


def test_serve_that_ignores_sigterm_is_killed(processes: Processes) -> None:
    """A stop ends, at the latest after its time and a kill."""
    port = evolve(processes.port, stop_timeout=0.3)
    processes.begin_with("alice", "ignores-term", f"agent={processes.codex}")
    port.start("alice")
    eventually(lambda: bool(port.status("alice").agents))

    port.stop("alice")

    assert port.status("alice") == STOPPED
    assert not processes.left("alice")


def test_stop_ends_what_detached_itself(processes: Processes) -> None:
    """A child in a session of its own is part of the serve, also when the serve is gone."""
    processes.begin_with("alice", f"detached={processes.codex}")
    processes.port.start("alice")
    eventually(lambda: bool(processes.port.status("alice").agents))
    processes.crash("alice")
    assert processes.port.status("alice").agents == ("codex",)

    processes.port.stop("alice")

    assert not processes.left("alice")


@pytest.mark.parametrize("change", [{"began": 1}, {"boot": "another"}])
def test_recycled_pid_is_never_taken_for_the_serve(
    processes: Processes, change: dict[str, object]
) -> None:
    """A process that has the pid of a serve by now is neither shown nor stopped."""
    with subprocess.Popen(SERVE, start_new_session=True) as stranger:
        try:
            processes.port.start("alice")
            processes.crash("alice")
            file = processes.port.run_dir / "alice.pid"
            record = json.loads(file.read_text()) | {"pid": stranger.pid}
            file.write_text(json.dumps(record | change))

            assert processes.port.status("alice") == STOPPED
            processes.port.stop("alice")

            assert lives(stranger.pid)
            assert not file.exists()
        finally:
            stranger.kill()


def starting(port: ProcessServices, python: str = sys.executable) -> subprocess.Popen[bytes]:
    """Have another process start alice's serve."""
    code = (
        "from pathlib import Path; from t3safe.adapters.services.processes import ProcessServices;"
        f"ProcessServices(run_dir=Path({str(port.run_dir)!r}), command=('{{t3}}',), t3={port.t3!r},"
        f" base='', python={python!r}).start('alice')"
    )
    return subprocess.Popen([sys.executable, "-c", code])


def test_start_whose_caller_was_killed_is_found(processes: Processes, tmp_path: Path) -> None:
    """A serve that was begun is never begun a second time, whenever the caller dies."""
    slow = tmp_path / "slow-python"
    slow.write_text(f'#!/bin/sh\ntouch {tmp_path}/begun\nsleep 0.5\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    port = processes.port
    with starting(port, python=str(slow)) as caller:
        eventually((tmp_path / "begun").exists)
        caller.kill()

    port.start("alice")

    pid = port.status("alice").main_pid
    assert marked(MARK, str(port.run_dir / "alice")) == [pid]


def test_two_starts_at_once_make_one_serve(processes: Processes) -> None:
    """Whoever comes second finds the serve of the first."""
    port = processes.port
    with starting(port) as first, starting(port) as second:
        assert (first.wait(20), second.wait(20)) == (0, 0)
    assert len(marked(MARK, str(port.run_dir / "alice"))) == 1


def test_start_waits_no_longer_than_its_time_for_another(processes: Processes) -> None:
    """Somebody who never lets go of a person's lock is told of, and nothing is started."""
    port = evolve(processes.port, start_timeout=0.2)
    port.run_dir.mkdir()
    with (port.run_dir / "alice.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ServiceError, match="another process starts or stops"):
            port.start("alice")
    assert not processes.left("alice")


def test_missing_program_is_told_and_leaves_nothing(processes: Processes) -> None:
    """A command that cannot be executed is an error that names it, not a serve that is down."""
    port = evolve(processes.port, command=("/nowhere/t3", "serve"))
    with pytest.raises(
        ServiceError, match=r"cannot start the serve of alice: /nowhere/t3: No such"
    ):
        port.start("alice")
    assert port.status("alice") == STOPPED
    assert not (port.run_dir / "alice.pid").exists()


def test_person_without_a_port_is_told(processes: Processes) -> None:
    """A command with a port needs one for everybody."""
    port = evolve(processes.port, command=("{t3}", "{port}"), ports={"bob": 3701})
    with pytest.raises(ServiceError, match="gives alice no port"):
        port.start("alice")
    assert not processes.left("alice")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "12",
        "[]",
        '{"pid": 4000}',
        '{"pid": "4000", "began": 1, "boot": "x"}',
        '{"pid": 0, "began": 1, "boot": "x"}',
        '{"pid": 1, "began": 1, "boot": "x"}',
        '{"pid": 4000, "began": 0, "boot": "x"}',
    ],
)
def test_pid_file_of_another_form_is_not_believed(processes: Processes, content: str) -> None:
    """Unknown is neither running nor stopped: a start could make a second serve."""
    processes.port.run_dir.mkdir()
    (processes.port.run_dir / "alice.pid").write_text(content)
    for call in (processes.port.status, processes.port.start, processes.port.stop):
        with pytest.raises(ServiceError, match="no pid file of ours; remove it once"):
            call("alice")
    assert not processes.left("alice")


def test_command_and_environment_are_filled_in(processes: Processes, tmp_path: Path) -> None:
    """A serve gets what the settings say and, of ours, only what every program needs."""
    told = tmp_path / "told"
    (tmp_path / "t3-alice").write_text(
        f'#!/bin/sh\necho "$@" >{told}; env >>{told}; exec sleep 60\n'
    )
    port = evolve(
        processes.port,
        command=("{t3}", "serve", "--port={port}", BASE_OPTION, "{base}"),
        ports={"alice": 3701},
        environment={"BASE": "{base}", "WHO": "{person} by {t3}"},
    )
    os.environ["T3_SECRET_OF_OURS"] = "1"
    try:
        port.start("alice")
    finally:
        del os.environ["T3_SECRET_OF_OURS"]
    eventually(lambda: told.exists() and "WHO=" in told.read_text())
    lines = told.read_text().splitlines()
    assert lines[0] == f"serve --port=3701 {BASE_OPTION} {tmp_path}/alice"
    assert f"BASE={tmp_path}/alice" in lines
    assert f"WHO=alice by {tmp_path}/t3-alice" in lines
    assert not any(line.startswith("T3_SECRET") for line in lines)


def test_log_is_private_and_the_one_before_is_kept(processes: Processes, tmp_path: Path) -> None:
    """A serve's log holds secrets, and the one that tells why it ended is needed afterwards."""
    (tmp_path / "t3-alice").write_text("#!/bin/sh\necho first; exec sleep 60\n")
    processes.port.start("alice")
    log = processes.port.log_file("alice")
    eventually(lambda: log.read_text() == "first\n")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(processes.port.run_dir.stat().st_mode) == 0o700

    processes.port.stop("alice")
    processes.port.start("alice")

    assert (log.parent / "alice.log.1").read_text() == "first\n"
    assert processes.port.people() == ("alice",), "whose serve was started and not stopped"


# Units of systemd.


def test_stop_that_hangs_ends_in_a_kill(systemd: Systemd) -> None:
    """A stop that takes longer than its time is escalated to SIGKILL."""
    port = evolve(systemd.port, stop_timeout=0.5)
    systemd.describe("alice", "ignores-term")
    port.start("alice")

    port.stop("alice")

    assert port.status("alice") == STOPPED
    assert "kill --signal=SIGKILL t3-serve@alice.service" in systemd.manager.calls.read_text()


def test_stop_ends_what_the_unit_left_behind(systemd: Systemd) -> None:
    """A unit that kills its main process only leaves agents, which are ended too."""
    systemd.describe("alice", f"agent={systemd.codex}", kill_mode="process")
    systemd.port.start("alice")
    eventually(lambda: bool(systemd.port.status("alice").agents))

    systemd.port.stop("alice")

    assert not systemd.left("alice")


def test_failed_unit_starts_again_past_its_start_limit(systemd: Systemd) -> None:
    """Exit status 130 makes a stopped unit failed for systemd; it starts all the same."""
    systemd.describe("alice", start_limit=True)
    systemd.port.start("alice")
    systemd.port.stop("alice")
    systemd.port.start("alice")
    assert systemd.port.status("alice").running


@pytest.mark.parametrize(
    ("person", "instance"),
    [("a-b", "a-b"), ("a-b", "a\\x2db"), ("john@corp", "john\\x40corp"), ("build$", "build\\x24")],
)
def test_unit_is_found_under_either_spelling_of_its_instance(
    systemd: Systemd, person: str, instance: str
) -> None:
    """The unit that runs as the person is theirs, plain or as systemd-escape writes it."""
    for name in instances_of(person):
        systemd.describe(name, user=person if name == instance else "another")

    systemd.port.start(person)
    try:
        assert systemd.port.status(person).running
        assert systemd.left(instance)
    finally:
        systemd.port.stop(person)
    assert not systemd.left(instance)


def test_everybody_with_a_unit_is_found(systemd: Systemd, tmp_path: Path) -> None:
    """Loaded, installed or enabled, in either spelling; a name that is nobody's is left out."""
    systemd.describe("john\\x40corp")
    systemd.describe("a\\x2fb")
    systemd.port.start("alice")
    enabled = tmp_path / "etc" / "multi-user.target.wants" / "t3-serve@carl-2.service"
    enabled.parent.mkdir(parents=True)
    enabled.symlink_to("/usr/lib/systemd/system/t3-serve@.service")
    port = evolve(systemd.port, installed=(tmp_path / "etc",))

    assert port.people() == ("alice", "bob", "carl-2", "john@corp")
    assert evolve(port, unit="t3-serve.service").people() == ()


def test_unit_that_cannot_be_used_is_an_error_that_says_why(systemd: Systemd) -> None:
    """One that is missing, masked or does not start is never a serve that is down."""
    for call in (systemd.port.status, systemd.port.stop, systemd.port.start):
        with pytest.raises(ServiceError, match=r"there is no unit t3-serve@carol\.service"):
            call("carol")
    systemd.describe("alice", load="masked")
    with pytest.raises(ServiceError, match=r"cannot be used, it is masked"):
        systemd.port.start("alice")
    systemd.describe("alice", refuses="Job for t3-serve@alice.service failed.\nSee journalctl.")
    with pytest.raises(ServiceError, match=r"Job for t3-serve@alice\.service failed\. See journal"):
        systemd.port.start("alice")
    assert not systemd.left("alice")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("/nowhere/systemctl", r"/nowhere/systemctl cannot be run .*processes"),
        ("/bin/true", "unknown form"),
        ("/bin/false", "systemd says nothing about"),
    ],
)
def test_what_shows_nothing_is_no_service_manager(
    systemd: Systemd, program: str, words: str
) -> None:
    """A host without systemd is told what to set."""
    with pytest.raises(ServiceError, match=words):
        evolve(systemd.port, systemctl=(program,)).status("alice")


def test_control_group_out_of_sight_is_an_error(systemd: Systemd, tmp_path: Path) -> None:
    """Agents that cannot be looked for must not pass for none: unknown is busy."""
    systemd.port.start("alice")
    port = evolve(systemd.port, cgroups=tmp_path / "elsewhere")
    with pytest.raises(ServiceError, match="it is unknown what runs in it"):
        port.status("alice")


@pytest.mark.parametrize("name", ["root", "../etc", "a b", "--help", "", "4711"])
def test_only_a_person_has_a_serve(systemd: Systemd, processes: Processes, name: str) -> None:
    """No name that could be a path, an option or root reaches a service manager or a command."""
    touching = ("/bin/touch", str(processes.port.run_dir))
    commands = CommandServices(processes.port.run_dir, touching, touching, touching)
    for port in (systemd.port, processes.port, commands):
        for call in (port.status, port.sample, port.stop, port.start):
            with pytest.raises(ServiceError, match="is not a person's user name"):
                call(name)
    assert not systemd.manager.calls.exists()
    assert not processes.port.run_dir.exists()


def test_stop_at_boot_leaves_the_start_that_waits(systemd: Systemd) -> None:
    """A unit at rest is not stopped: seen on a real boot, where that cancelled its queued start."""
    systemd.describe("alice", queued=True)
    systemd.port.stop("alice")
    call = [*systemd.port.systemctl, "boot", "t3-serve@alice.service"]
    assert subprocess.run(call, check=False).returncode == 0
    assert systemd.port.status("alice").running
