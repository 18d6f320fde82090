"""A build with a native program on the real host: what systemd watches, stops and finds ended."""

from __future__ import annotations

import pytest

from fakes.packages import release_like
from t3safe.entrypoints.exits import Exit
from t3safe.t3.package import PLATFORMS
from tests.e2e.realhost.machine import HostContainer

pytestmark = pytest.mark.docker

NATIVE = release_like("0.0.25-nightly.20260609.500", layout="platform")


def shown(host: HostContainer, name: str) -> str:
    """Give a property of ann's unit."""
    return host.run("systemctl", "show", "-p", name, "--value", "t3-serve@ann").out.strip()


def test_native_program_is_what_the_unit_runs_and_stops(host: HostContainer) -> None:
    """The main process is the ELF file itself: it holds the start lock, and its stop is the unit's.

    After a stop nothing of the person's runs, and the port is free.
    """
    host.publish(NATIVE)
    said = host.night()
    assert said.status == Exit.OK, said.out
    for name in host.people:
        assert host.look()[name].runs == NATIVE.version
        assert host.sign_in(name)["version"] == NATIVE.version
    pid = shown(host, "MainPID")
    program = host.run("readlink", f"/proc/{pid}/exe").out.strip()
    assert program.startswith(f"/opt/t3safe/builds/{NATIVE.version}/node_modules/{PLATFORMS}")
    assert host.run("readlink", f"/proc/{pid}/fd/9").out.strip() == "/opt/t3safe/locks/ann"
    assert host.run("head", "-c", "4", program).out == "\x7fELF"

    host.run("systemctl", "stop", "t3-serve@ann")
    assert shown(host, "ExecMainStatus") == "130"
    assert host.run("pgrep", "-u", "ann", check=False).out == ""
    doctor = host.t3safe("doctor")
    assert "ok  program: " in doctor.out
