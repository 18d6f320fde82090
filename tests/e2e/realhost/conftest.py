"""One host for all tests of a worker, put back between them; the engine is that of DOCKER_HOST."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pytest_docker.plugin import Services

from tests.e2e.realhost.machine import DOCKER, PEOPLE, HostContainer, project, stage, take_over

ROOT = Path(__file__).parents[3]
EVERYBODY = ("ann", "ben", "cat", "wizard")


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    """Debian's docker-compose where there is one."""
    return "docker-compose" if Path("/usr/bin/docker-compose").exists() else "docker compose"


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    """The compose file of the host image."""
    return str(ROOT / "docker" / "compose.yaml")


@pytest.fixture(scope="session")
def docker_compose_project_name() -> str:
    """A project of this worker's own."""
    return project()


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    """The image was built before; there is nothing to wait for."""
    return ["up -d --no-build"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    """Leave nothing behind, and wait for nobody."""
    return ["down -v -t 1"]


@pytest.fixture(scope="session")
def machine(docker_services: Services, docker_compose_project_name: str) -> HostContainer:
    """Give the host as an administrator leaves it: adopted, with the units installed."""
    label = f"label=com.docker.compose.project={docker_compose_project_name}"
    found = subprocess.run(
        [DOCKER, "ps", "-q", "--filter", label], check=True, capture_output=True, text=True
    )
    made = HostContainer(found.stdout.split()[0])
    take_over(made, EVERYBODY)
    # What runs is up again after a boot; the others of the image are in no test that boots.
    made.sh("systemctl enable --quiet t3-serve@ann t3-serve@ben")
    made.sh("systemctl stop 't3-serve@*'; rm /var/lib/t3-autoupdate/adopted.json")
    stage(made)
    made.do(("save", {}))
    return made


@pytest.fixture
def host(machine: HostContainer) -> HostContainer:
    """Give the host with ann and ben on OLD, and NEW on offer."""
    machine.reset(PEOPLE)
    return machine


@pytest.fixture
def alone(machine: HostContainer) -> HostContainer:
    """Give the host with ann alone on OLD, and NEW on offer."""
    machine.reset(("ann",))
    return machine
