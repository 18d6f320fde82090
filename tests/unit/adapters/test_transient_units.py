"""What each kind of unit may see, and what none may; what comes of it is tried on a real host."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest

from t3safe.adapters._support.identity import Identity
from t3safe.adapters._support.units import (
    HARDENED,
    NO_NETWORK,
    NO_RUNTIME,
    NpmUnits,
    RehearsalUnits,
    UnitSpec,
)
from t3safe.adapters.gate.sandbox import admit, telling_who
from t3safe.adapters.personaldata.calls import WorkerUnits
from t3safe.domain.allowance import Allowance
from t3safe.t3.commands import BASE_OPTION
from t3safe.t3.files import HOME_BASE

STORE = Path("/opt/t3safe")
HIDDEN = (Path("/var/lib/t3-autoupdate"), Path("/etc/t3safe"))
ROOM = Path("/var/tmp/t3safe-gate-x")
ANN = Identity("ann", 1001, 1001, (1001,), "/home/ann", switch=True)


def rehearsal() -> UnitSpec:
    """The unit of a rehearsal."""
    shown = [str(STORE / "builds" / "0.0.24")]
    return RehearsalUnits(STORE, HIDDEN, Allowance(1000)).unit(shown, ROOM, 60, 1000)


def npm(*, trusted: bool, script_network: bool = False) -> UnitSpec:
    """A unit of npm's."""
    units = NpmUnits("t3safe-npm", STORE, HIDDEN, script_network)
    return units.unit(STORE / "builds" / ".stage-x", 900, trusted=trusted)


def worker() -> UnitSpec:
    """The unit of ann's worker."""
    return WorkerUnits(Path("/var/backups/t3-state")).unit(ANN, 30)


ALL = {"rehearsal": rehearsal(), "npm": npm(trusted=True), "worker": worker()}


@pytest.mark.parametrize("job", ALL.values(), ids=ALL.keys())
def test_no_unit_has_privileges_daemons_or_no_end(job: UnitSpec) -> None:
    """Whoever it runs as: no capability, no way to more, nothing of /run, and caps on all."""
    assert set(HARDENED) <= set(job.properties)
    assert set(NO_RUNTIME) <= set(job.properties)
    names = {each.partition("=")[0] for each in job.properties}
    assert {"MemoryMax", "TasksMax", "RuntimeMaxSec", "ProtectHome"} <= names
    assert ("DynamicUser=yes" in job.properties) != any(
        each.startswith("User=") for each in job.properties
    )


def test_rehearsal_sees_its_build_and_its_room_alone() -> None:
    """The store is empty but for the build, t3safe's own is not there, and there is no network."""
    properties = rehearsal().properties
    assert set(NO_NETWORK) <= set(properties)
    assert {"ProtectHome=yes", f"TemporaryFileSystem={STORE}:ro"} <= set(properties)
    assert f"BindReadOnlyPaths={STORE}/builds/0.0.24" in properties
    assert [each for each in properties if each.startswith("BindPaths=")] == [f"BindPaths={ROOM}"]
    assert {f"InaccessiblePaths=-{path}" for path in HIDDEN} <= set(properties)


def test_scripts_of_a_package_have_no_network_unless_the_owner_says_so() -> None:
    """Only npm itself reaches the registry: it has run nobody's code by then."""
    barred = set(NO_NETWORK)
    assert not barred & set(npm(trusted=True).properties)
    assert barred <= set(npm(trusted=False).properties)
    assert not barred & set(npm(trusted=False, script_network=True).properties)


def test_worker_sees_its_persons_home_and_snapshots_alone() -> None:
    """As the person, with empty folders where other people's are."""
    properties = set(worker().properties)
    assert {"User=ann", "ProtectHome=tmpfs", "BindPaths=-/home/ann"} <= properties
    assert "TemporaryFileSystem=/var/backups/t3-state:ro" in properties
    assert "BindPaths=-/var/backups/t3-state/ann" in properties
    assert set(NO_NETWORK) <= properties


def test_command_passes_the_words_on_unread() -> None:
    """Options of the command are not systemd-run's; each unit has a name of its own."""
    job = UnitSpec("gate", ("PrivateTmp=yes",), {"HOME": "/x"})
    words = job.command("t3", "--version", "--unit=evil")
    assert words[0] == "systemd-run"
    assert words[-4:] == ("--", "t3", "--version", "--unit=evil")
    assert "--setenv=HOME=/x" in words
    assert UnitSpec("gate", ()).name != UnitSpec("gate", ()).name


def test_a_dollar_in_a_name_is_not_expanded() -> None:
    """A `$` is a variable to systemd in what it starts; doubled it is the character."""
    job = UnitSpec("gate", ("User=build$",))
    words = job.command("t3", BASE_OPTION, f"/home/build$/{HOME_BASE}")
    assert words[-1] == f"/home/build$$/{HOME_BASE}"
    assert "--property=User=build$" in words


def test_room_is_given_to_nobody_where_the_unit_does_not_start(tmp_path: Path) -> None:
    """The room stays ours, and nobody waits for a unit that has ended."""
    (tmp_path / "inner").mkdir()
    ours, theirs = socket.socketpair()
    telling_who(ours)
    theirs.close()
    with ours, pytest.raises(ConnectionError, match="ended"):
        admit(ours, tmp_path)
    assert (tmp_path / "inner").owner() == tmp_path.owner()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("user", [61_234, 0])
def test_room_is_given_to_whom_the_kernel_names_and_never_to_root(
    tmp_path: Path, user: int
) -> None:
    """What the worker says of itself plays no part; one that runs as root gets nothing."""
    (tmp_path / "inner").mkdir()
    ours, theirs = socket.socketpair()
    telling_who(ours)
    words = ["/bin/sh", "-c", "echo >&0"]
    subprocess.run(words, stdin=theirs.fileno(), user=user, group=user, check=True)
    theirs.close()
    with ours, nullcontext() if user else pytest.raises(ConnectionError, match="root"):
        admit(ours, tmp_path)
    assert {path.stat().st_uid for path in (tmp_path, tmp_path / "inner")} == {user}
