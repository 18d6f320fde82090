"""One person who keeps their own serve, under a real systemd of their own, as their page says it.

They are no person of the host's map; the host's own configuration is there, so their scope is said.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest
from attrs import evolve, frozen

from fakes.packages import FakeRelease
from t3safe.entrypoints.exits import Exit
from t3safe.t3.commands import BASE_OPTION, NO_TELEMETRY
from t3safe.t3.files import HOME_BASE, USERDATA, V1_DATABASE
from t3safe.t3.generations import EVENT_LOG
from tests.e2e.realhost.machine import NEW, OLD, HostCommand, HostContainer

pytestmark = pytest.mark.docker

NAME: Final = "otto"
HOME: Final = f"/home/{NAME}"
LINK: Final = f"{HOME}/.local/share/t3safe/users/{NAME}"
BAD: Final = evolve(NEW, version="0.0.25-nightly.20260609.500", faults=("breaks-with-attachments",))
NEXT: Final = evolve(NEW, version="0.0.25-nightly.20260610.520")
TOLD: Final = "\n".join(f"Environment={name}={value}" for name, value in NO_TELEMETRY.items())
UNIT: Final = f"""\
[Service]
ExecStart=%h/.local/bin/t3 serve --host 127.0.0.1 --port 3773 {BASE_OPTION} %h/{HOME_BASE}
{TOLD}
Restart=on-failure

[Install]
WantedBy=default.target
"""
UNMASK: Final = r"awk '$5 ~ /^\/proc\// { print $5 }' /proc/self/mountinfo | xargs -r umount --lazy"
"""Engines cover parts of /proc in a container: nobody in it may mount one, as on any machine."""
SLOW_STOP: Final = "[Service]\nExecStopPost=/bin/sleep 2\n"
"""So that the fence stands long enough to be seen from outside."""
KILLED_WHILE_FENCED: Final = f"""
systemctl --user start --no-block t3-autoupdate.service
until [ "$(readlink {LINK})" = ../fence ]; do sleep 0.01; done
systemctl --user kill -s KILL t3-autoupdate.service
"""


@frozen
class Own:
    """The person on the machine; every command is theirs."""

    machine: HostContainer
    uid: str

    def run(self, *words: str, check: bool = True, given: str = "") -> HostCommand:
        """Run a command as in a session of theirs."""
        return self.machine.run(
            *words,
            user=NAME,
            check=check,
            given=given,
            HOME=HOME,
            USER=NAME,
            PATH=f"{HOME}/.local/bin:/usr/bin:/bin",
            XDG_RUNTIME_DIR=f"/run/user/{self.uid}",
            T3SAFE_SCOPE="user",
        )

    def systemctl(self, *words: str, check: bool = True) -> str:
        """Ask their own manager."""
        return self.run("systemctl", "--user", *words, check=check).out.strip()

    def write(self, path: str, text: str) -> None:
        """Write a file of theirs."""
        self.run("install", "-D", "/dev/stdin", f"{HOME}/{path}", given=text)

    def night(self) -> int:
        """Let the unit of their timer run; the status that t3safe ended with."""
        self.systemctl("start", "t3-autoupdate.service", check=False)
        return int(self.systemctl("show", "-p", "ExecMainStatus", "--value", "t3-autoupdate"))

    def selected(self) -> str:
        """The build that they run, or the fence."""
        return self.run("readlink", LINK).out.strip().rpartition("/")[2]

    def runs(self) -> str:
        """The command line of their serve."""
        pid = self.systemctl("show", "-p", "MainPID", "--value", "t3-serve", check=False) or "0"
        return self.machine.run("cat", f"/proc/{pid}/cmdline", check=False).out

    def status(self) -> dict[str, Any]:
        """What `t3safe status` tells."""
        body: dict[str, Any] = json.loads(self.run("t3safe", "status", "--json").out)["status"]
        return body

    def threads(self) -> int:
        """How much work their database holds."""
        count = f"SELECT count(*) FROM {EVENT_LOG}"
        return int(self.run("sqlite3", f"{HOME}/{HOME_BASE}/{USERDATA}/{V1_DATABASE}", count).out)


@pytest.fixture
def own(machine: HostContainer) -> Iterator[Own]:
    """Give a person with a manager that lingers, and OLD installed below their home."""
    machine.reset(("ann",))
    machine.sh(UNMASK)
    machine.sh(
        f"useradd -m -s /bin/bash {NAME}; systemctl unmask systemd-logind;"
        f" systemctl start systemd-logind; loginctl enable-linger {NAME}"
    )
    made = Own(machine, machine.run("id", "-u", NAME).out.strip())
    try:
        machine.sh(f"until systemctl -q is-active user@{made.uid}; do sleep 0.1; done")
        publish(machine, OLD)
        made.run("npm", "install", "--global", "--prefix", f"{HOME}/.local", f"t3@{OLD.version}")
        made.write(".config/systemd/user/t3-serve.service", UNIT)
        made.write(".config/t3safe/config.toml", machine.read("/etc/t3safe/config.toml"))
        made.systemctl("daemon-reload")
        yield made
    finally:
        machine.sh(
            f"loginctl disable-linger {NAME}; systemctl stop user@{made.uid};"
            f" systemctl mask --now systemd-logind; userdel -rf {NAME}; true"
        )


def publish(machine: HostContainer, release: FakeRelease) -> None:
    """Publish a release as the newest nightly."""
    machine.publish(release)


def until_recovered(own: Own) -> None:
    """Wait until their manager has started what it starts, and their launcher became the build."""
    deadline = time.monotonic() + 40
    while (build := own.selected()) == "fence" or build not in own.runs():
        assert time.monotonic() < deadline, own.systemctl("status", "t3-serve", check=False)
        time.sleep(0.1)


def test_the_page_for_one_person_holds_under_a_real_manager_of_theirs(own: Own) -> None:
    """Adopted, moved, taken back with every row, and settled after a kill, by their units alone."""
    own.systemctl("enable", "--now", "t3-serve.service")
    own.run("t3safe", "adopt", OLD.version)
    own.run("t3safe", "units", "install")
    own.systemctl("start", "t3-autoupdate.timer", "t3-migrate-idle.timer")
    found = json.loads(own.run("t3safe", "doctor", "--json").out)["doctor"]
    assert [one for one in found if one["level"] != "ok"] == []
    assert all(timer["next"] for timer in own.status()["timers"])

    publish(own.machine, NEW)
    assert own.night() == Exit.OK
    assert own.selected() == NEW.version
    assert NEW.version in own.runs()

    own.write(f"{HOME_BASE}/{USERDATA}/attachments/note.txt", "kept")
    before = own.threads()
    publish(own.machine, BAD)
    assert own.night() == Exit.ROLLED_BACK
    assert own.selected() == NEW.version
    assert NEW.version in own.runs()
    assert own.threads() == before
    assert own.night() == Exit.FROZEN

    own.run("t3safe", "thaw")
    own.run("rm", "-r", f"{HOME}/{HOME_BASE}/{USERDATA}/attachments")
    publish(own.machine, NEXT)
    own.write(".config/systemd/user/t3-serve.service.d/slow.conf", SLOW_STOP)
    own.systemctl("daemon-reload")
    own.run("sh", "-euc", KILLED_WHILE_FENCED)
    assert own.selected() == "fence"
    own.machine.sh(f"systemctl restart user@{own.uid}")
    until_recovered(own)
    assert own.selected() == NEW.version
    assert own.night() == Exit.OK
    assert own.selected() == NEXT.version
    assert own.status()["last_good"] == NEXT.version
