"""Two containers of the host image, side by side: one as before t3safe, one that t3safe keeps."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from fakes.packages import FakeRelease
from tests.e2e.realhost import machine
from tests.e2e.realhost.machine import DOCKER, HostContainer, inhabit, published, take_over


def _as_slow_as_t3(release: FakeRelease) -> FakeRelease:
    """Give a release the times that were measured (facts of t3, "Start" and "Command line").

    The first answer comes after 1.0 to 1.4 s, and what arrives in the last 0.17 to 0.29 s of that
    is never answered; `--version` takes 0.85 to 1.2 s, a mint 0.8 to 1.1 s.  The interpreter of
    the fake takes the rest, about a tenth of a second.
    """
    return evolve(release, start_time=0.85, listen_window=0.23, command_time=0.8)


OLD: Final = _as_slow_as_t3(machine.OLD)
NEW: Final = _as_slow_as_t3(machine.NEW)
PEOPLE: Final = ("ann", "ben", "cat")
IMAGE: Final = "t3safe-host"
SEED: Final = Path(__file__).parents[3] / "shared" / "seed" / "t3-autoupdate.sh"
"""Where the script before t3safe lies beside the project; elsewhere it is named."""
SCRIPT: Final = "/usr/local/sbin/t3-autoupdate"
_OPTIONS: Final = (
    *("--network", "none", "--add-host", "t3host:127.0.0.1", "--hostname", "t3host"),
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"),
    *("--volume", "/sys/fs/cgroup:/sys/fs/cgroup", "--env", "container=docker"),
)
"""Those of docker/compose.yaml."""


@frozen
class Hosts:
    """The two hosts; the same people on the same build, with the same data."""

    seed: HostContainer
    safe: HostContainer

    def both(self) -> tuple[HostContainer, HostContainer]:
        """Both, the older first."""
        return self.seed, self.safe


@contextmanager
def hosts(script: Path) -> Iterator[Hosts]:
    """Start both, with `script` installed on the one; they are gone afterwards."""
    with _container() as first, _container() as second:
        made = Hosts(HostContainer(first, PEOPLE), HostContainer(second, PEOPLE))
        inhabit(made.seed, PEOPLE, OLD)
        # Not by `docker cp`, which leaves mounts behind in the container.
        made.seed.run("tee", SCRIPT, given=script.read_text(encoding="utf-8"))
        made.seed.run("chmod", "0755", SCRIPT)
        take_over(made.safe, PEOPLE, OLD)
        # Every serve runs from the store, none from before it was taken over.
        made.safe.do(*(("bare_move", {"person": person}) for person in PEOPLE))
        made.safe.run("rm", "/var/lib/t3-autoupdate/adopted.json")
        for host in made.both():
            host.do(("save", {}))
        yield made


@contextmanager
def _container() -> Iterator[str]:
    words = [DOCKER, "run", "--detach", "--rm", *_OPTIONS, IMAGE]
    name = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield name
    finally:
        subprocess.run([DOCKER, "rm", "--force", name], check=False, capture_output=True)


def back(host: HostContainer, tag: str = OLD.version) -> None:
    """Go back to the host as it was saved; the registry's tag points at OLD, or at NEW."""
    lines = "".join(f"{name}@example.org={name}\n" for name in host.people)
    host.do(
        ("restore", {"running": host.people, "user_map": lines}),
        published(OLD, "nightly" if tag == OLD.version else "old"),
        published(NEW, "nightly" if tag == NEW.version else "next"),
    )
