"""A night to a build with a native program, by the real command line and the real npm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fakes.embedded import EmbeddedHost
from fakes.packages import PLATFORM_PACKAGE, release_like
from t3safe.entrypoints.exits import Exit
from tests.e2e.test_commands import BASICS, OLD, PEOPLE

NATIVE = release_like("0.0.45-nightly.20261002.2595", schema=32, layout="platform")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host with two people on a build that node runs."""
    with EmbeddedHost(tmp_path, PEOPLE, config=dict(BASICS)) as made:
        made.adopt(OLD)
        yield made


def serves(host: EmbeddedHost) -> dict[str, str]:
    """What everybody's serve executes, below the store's builds."""
    with host.wired() as wired:
        services = wired.host.ports.services
        pids = {name: services.status(name).main_pid for name in host.people}
    builds = host.store.resolve() / "builds"
    return {
        name: str(Path(psutil.Process(pid).exe()).relative_to(builds))
        for name, pid in pids.items()
        if pid is not None
    }


def test_everybody_is_moved_to_the_native_program_and_back(host: EmbeddedHost) -> None:
    """Gate, serves and sign-ins run the ELF file itself; the way back is as from any build."""
    host.publish(NATIVE, tag="nightly")
    said = host.t3safe("run")
    assert said.status == Exit.OK, said
    program = f"{NATIVE.version}/node_modules/{PLATFORM_PACKAGE}/t3"
    assert serves(host) == dict.fromkeys(host.people, program)
    for name in host.people:
        client = host.client(name)
        client.sign_in()
        assert client.authenticated()
        assert client.work()
    recorded = json.loads((host.store / "builds" / NATIVE.version / "build.json").read_text())
    assert recorded["program"] == program.partition("/")[2]

    said = host.t3safe("rollback", "ann", "--yes")
    assert said.status == Exit.OK, said
    assert (host.store / "users" / "ann").readlink().name == OLD.version
    assert host.client("ann").sign_in()
