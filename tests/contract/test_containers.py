"""What `contrib/containers` offers: it parses, loads, and tells how a serve stands."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from attrs import evolve

from t3safe.adapters._support import units
from t3safe.adapters.services.commands import CommandServices
from t3safe.configuration import Manager, Verify
from t3safe.domain.errors import ServiceError
from t3safe.entrypoints.settings import load
from t3safe.entrypoints.wiring.parts import timed_by_systemd

ROOT = Path(__file__).parents[2]
OFFERED = ROOT / "contrib" / "containers"
PAGE = ROOT / "docs" / "containers.md"


def test_configuration_loads_and_names_a_container_of_everybody() -> None:
    """Every setting in it exists, and its commands reach the containers of the compose file."""
    settings = load(OFFERED / "config.toml", {})
    services = settings.services
    assert (services.manager, settings.verify) == (Manager.COMMANDS, Verify.DIRECT)
    composed = yaml.safe_load((OFFERED / "compose.yaml").read_text())["services"]
    for person, container in composed.items():
        name = container["container_name"]
        for words in (services.start, services.stop):
            assert [word.replace("{person}", person) for word in words][-1] == name
    assert services.status[0].endswith("/container-status")
    assert settings.rollout.stop_timeout > 60


def test_containers_see_what_t3safe_decides_and_nothing_of_others() -> None:
    """Store and launcher are there read-only, at the paths of the configuration."""
    settings = load(OFFERED / "config.toml", {})
    composed = yaml.safe_load((OFFERED / "compose.yaml").read_text())["services"]
    ports, users = set(), set()
    for person, container in composed.items():
        home = str(Path(settings.base_dir.replace("{person}", person)).parent)
        shared = (settings.store, settings.launcher, "/etc/passwd", "/etc/group")
        assert container["volumes"] == [*(f"{path}:{path}:ro" for path in shared), f"{home}:{home}"]
        # Docker finds no name that is in the mounted /etc/passwd alone.
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", container["user"])
        users.add(container["user"])
        assert container["command"][0] == str(settings.launcher)
        assert container["command"][-1] == settings.base_dir.replace("{person}", person)
        assert (container["network_mode"], container["restart"]) == ("host", "no")
        ports.add(container["command"][5])
    assert len(ports) == len(users) == len(composed)


@pytest.mark.parametrize("booted", [True, False])
def test_own_timers_are_systemds_where_it_is_there(
    monkeypatch: pytest.MonkeyPatch, booted: bool
) -> None:
    """Whoever runs the serves, `doctor` and `status` look at t3safe's own units then."""
    monkeypatch.setattr(units, "booted", lambda: booted)
    settings = load(OFFERED / "config.toml", {})
    assert timed_by_systemd(settings) is booted
    assert not timed_by_systemd(evolve(settings, shared_user=True))


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandServices:
    """Give the commands of the configuration, with a docker that says what `said` holds."""
    docker = tmp_path / "docker"
    docker.write_text(
        "#!/bin/sh\n"
        f'[ "$1 $2 $3 $4 $6" = "inspect --type container --format t3-alice" ] || exit 64\n'
        f"cat {tmp_path}/said; exit $(cat {tmp_path}/status)\n"
    )
    docker.chmod(0o755)
    (tmp_path / "status").write_text("0")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    settings = load(OFFERED / "config.toml", {}).services
    status = (str(OFFERED / "container-status"), *settings.status[1:])
    return CommandServices(tmp_path, settings.start, settings.stop, status, settle=0.0)


def test_running_container_is_told_with_its_process(
    services: CommandServices, tmp_path: Path
) -> None:
    """The main process as the machine knows it, and the container's own time."""
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeper:
        try:
            said = f"running {sleeper.pid} 2026-06-09T04:00:00.123456789Z\n"
            (tmp_path / "said").write_text(said)
            status = services.status("alice")
        finally:
            sleeper.kill()
    assert (status.running, status.main_pid) == (True, sleeper.pid)
    assert str(status.started) == "2026-06-09 04:00:00.123456+00:00"


@pytest.mark.parametrize("word", ["created", "exited"])
def test_container_at_rest_is_told(services: CommandServices, tmp_path: Path, word: str) -> None:
    """Docker shows process 0 then, which is none."""
    (tmp_path / "said").write_text(f"{word} 0 0001-01-01T00:00:00Z\n")
    assert not services.status("alice").running


@pytest.mark.parametrize("word", ["restarting", "paused", "removing", "dead", "odd"])
def test_container_in_between_is_unknown(
    services: CommandServices, tmp_path: Path, word: str
) -> None:
    """It neither runs nor rests, so nothing may be decided on it."""
    (tmp_path / "said").write_text(f"{word} 0 0001-01-01T00:00:00Z\n")
    with pytest.raises(ServiceError, match=f"status 4: the container t3-alice is {word}"):
        services.status("alice")


SUPERVISED = {
    0: ("RUNNING   pid {pid}, uptime 0:00:02",),
    3: ("STOPPED   Not started", "EXITED    Nov 28 11:32 AM", "FATAL     Exited too quickly"),
    4: (
        *("STARTING", "STOPPING", "UNKNOWN", "ERROR (no such process)", ""),
        "BACKOFF   Exited too quickly (process log may have details)",
    ),
}
"""What supervisor 4.2.5 says of a program, by what that means."""


@pytest.mark.parametrize(
    ("meaning", "said"), [(status, text) for status, texts in SUPERVISED.items() for text in texts]
)
def test_programs_of_supervisor_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meaning: int, said: str
) -> None:
    """Whoever is between two attempts neither runs nor rests."""
    tool = tmp_path / "supervisorctl"
    line = f"t3-alice{' ' * 25}{said.format(pid=os.getpid())}" if said else "no such file"
    tool.write_text(f"#!/bin/sh\n[ \"$*\" = 'status t3-alice' ] && echo '{line}'; exit 3\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    words = (str(OFFERED / "supervisor-status"), "{person}")
    services = CommandServices(tmp_path, ("true",), ("true",), words, settle=0.0)
    if meaning == 4:
        with pytest.raises(ServiceError, match="ended with status 4: supervisor tells of t3-alice"):
            services.status("alice")
        return
    status = services.status("alice")
    assert status.running is (meaning == 0)
    assert status.main_pid == (os.getpid() if status.running else None)


def test_docker_that_does_not_answer_is_unknown(services: CommandServices, tmp_path: Path) -> None:
    """A daemon that is down says nothing about anybody."""
    (tmp_path / "said").write_text("")
    (tmp_path / "status").write_text("1")
    with pytest.raises(ServiceError, match="ended with status 4"):
        services.status("alice")


def test_page_names_every_file_and_no_key_that_is_not_there() -> None:
    """A reader finds what the page speaks of."""
    text = PAGE.read_text()
    for file in OFFERED.iterdir():
        assert file.name in text or file.name == "compose.yaml"
    known = (ROOT / "docs" / "configuration.md").read_text()
    for table, key in re.findall(r"`(services|rollout|gate)\.([a-z_]+)", text):
        assert f"## `[{table}]`" in known
        assert f"| `{key}` |" in known
