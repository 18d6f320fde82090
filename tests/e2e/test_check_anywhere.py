"""`t3safe check` without a host: no user map, no dispatch, no serves; only npm and a registry."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from fakes.embedded import SAFE, CommandResult, EmbeddedHost, HostPerson
from fakes.native import LIBRARY
from fakes.packages import FakeRelease, release_like
from fakes.registry import RegistryServer
from fakes.t3 import populate
from t3safe.domain.checks import Check
from t3safe.domain.standalone import NO_CONTROL
from t3safe.entrypoints.exits import Exit
from t3safe.t3.files import USERDATA, V1_DATABASE
from tests.support.documents import body_of

OLD = release_like("0.0.25-nightly.20260602.440", schema=30, native=False)
NEW = release_like("0.0.25-nightly.20260608.497", native=False)
BAD = evolve(NEW, version="0.0.25-nightly.20260609.500", faults=("mint-fails",))
WORSE = evolve(BAD, version="0.0.25-nightly.20260610.510")
FOREIGN = evolve(
    NEW, version="0.0.25-nightly.20260609.501", repository="https://github.com/someone/else"
)
SLOW = evolve(NEW, version="0.0.25-nightly.20260609.502", start_time=60.0)
NATIVE = evolve(NEW, version="0.0.25-nightly.20260609.503", layout="platform")
LACKING = evolve(NATIVE, version="0.0.25-nightly.20260609.504", platform_fault="needs-library")
RELEASES: tuple[FakeRelease, ...] = (OLD, NEW, BAD, WORSE, FOREIGN, SLOW, NATIVE, LACKING)
UNPRIVILEGED: tuple[str, ...] = ()
"""What makes an ordinary user of us: as root, without root's rights, in a user namespace."""
if os.geteuid() == 0:
    UNPRIVILEGED = (
        shutil.which("unshare") or "unshare",
        "--user",
        "--map-user=1000",
        "--map-group=1000",
    )


@frozen
class BareMachine:
    """A machine that has npm and t3safe, and nothing else of a host."""

    root: Path
    registry: RegistryServer

    def check(self, *arguments: str, **extra: str) -> CommandResult:
        """Run `t3safe check` there."""
        with self.begun(*arguments, **extra) as process:
            out, err = process.communicate(timeout=120)
        return CommandResult(process.returncode, out, err)

    @contextmanager
    def begun(self, *arguments: str, **extra: str) -> Iterator[subprocess.Popen[str]]:
        """Start `t3safe check` there."""
        plain = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        environment = plain | {
            "npm_config_registry": self.registry.url,
            "T3_TMPDIR": str(self.root / "tmp"),
            "T3_USER_MAP": str(self.root / "no-user-map"),
        }
        (self.root / "tmp").mkdir(exist_ok=True)
        with subprocess.Popen(
            [*UNPRIVILEGED, *SAFE, "--config", str(self.root / "quick.toml"), "check", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment | extra,
            cwd=self.root,
        ) as process:
            yield process

    @property
    def left(self) -> list[str]:
        """What lies where throwaway places are made, without the evidence."""
        names = (path.name for path in (self.root / "tmp").iterdir())
        return sorted(name for name in names if not name.startswith("t3safe-seen-"))


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryServer]:
    """Give a registry that has every release."""
    with RegistryServer() as made:
        for release in RELEASES:
            made.publish(release)
        yield made


@pytest.fixture
def place(tmp_path: Path, registry: RegistryServer) -> BareMachine:
    """Give a machine without a host; the one setting makes rehearsals short."""
    if subprocess.run([*UNPRIVILEGED, "true"], check=False, capture_output=True).returncode:
        pytest.skip("nobody but root can be had here")
    (tmp_path / "quick.toml").write_text(
        f"npm_free_bytes = {64 * 1024**2}\n[gate]\nsoak = 0.1\ndeadline = 10.0\n"
    )
    return BareMachine(tmp_path, registry)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give a base directory with a row that only the database's log holds, left by a crash."""
    live, base = tmp_path / "live", tmp_path / "given"
    populate(live, 30)
    with closing(sqlite3.connect(live / USERDATA / V1_DATABASE)) as opened:
        opened.execute("CREATE TABLE late (x)")
        opened.commit()
        for source in sorted((live / USERDATA).rglob("*")):
            target = base / source.relative_to(live)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_file():
                target.write_bytes(source.read_bytes())
    return base


def seen(root: Path) -> dict[str, tuple[int, str]]:
    """Give every file with its time and digest."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@contextmanager
def at_work(database: Path) -> Iterator[None]:
    """Have another process hold a database open, as a serve does."""
    program = "import sqlite3, sys; held = sqlite3.connect(sys.argv[1]); "
    program += "held.execute('SELECT count(*) FROM late').fetchall(); "
    program += "print(flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", program, str(database)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield
        process.communicate()


def body(said: CommandResult) -> dict[str, Any]:
    """Read the verdict from standard output, which holds nothing else and fits its schema."""
    return dict(body_of(said.out, "verdict"))


def test_a_good_build_passes_on_a_copy_and_the_state_keeps_every_byte(
    place: BareMachine, state: Path
) -> None:
    """Every check of every rehearsal is told; evidence stays, nothing else does."""
    before = seen(state)
    said = place.check(NEW.version, "--state", str(state), "--evidence", "kept", "--json")
    assert said.status == Exit.OK, said
    verdict = body(said)
    assert (verdict["outcome"], verdict["exit"]) == ("passed", 0)
    assert [held["subject"] for held in verdict["rehearsals"]] == ["empty set", "state"]
    for held in verdict["rehearsals"]:
        assert [check["check"] for check in held["checks"]] == [check.value for check in Check]
        assert all(check["passed"] for check in held["checks"])
        assert set(held["timings"]) == {check.value for check in Check}
        assert held["ledger"] == {V1_DATABASE: 32}
        assert (Path(held["evidence"]) / "report.json").is_file()
    report = json.loads((Path(verdict["rehearsals"][1]["evidence"]) / "report.json").read_text())
    assert f"{V1_DATABASE}:late" in report["rows_before"], "the log was read"
    assert verdict["evidence"] == str(place.root / "kept")
    assert "standalone" in said.err
    assert seen(state) == before
    assert place.left == []


def test_a_native_program_is_checked_as_what_hosts_execute(place: BareMachine, state: Path) -> None:
    """Every check of both rehearsals; a library that this machine lacks is named beforehand."""
    said = place.check(NATIVE.version, "--state", str(state))
    assert said.status == Exit.OK, said
    said = place.check(LACKING.version)
    assert said.status != Exit.OK
    assert f"needs {LIBRARY}, which this host does not have" in f"{said.out}{said.err}"
    assert place.left == []


def test_a_machine_without_a_user_map_needs_no_option(place: BareMachine) -> None:
    """The first line says which check it is and why; the last one how it ended."""
    said = place.check(NEW.version)
    assert said.status == Exit.OK, said
    lines = said.out.splitlines()
    assert "standalone" in lines[0]
    assert "no-user-map" in lines[0]
    assert lines[-1] == f"passed: {NEW.version} passed the gate"
    assert place.left == []


def test_a_failure_without_a_control_is_red_and_says_what_is_not_known(place: BareMachine) -> None:
    """Status 11, with the check that failed and the option that would tell more."""
    said = place.check(BAD.version, "--json")
    assert said.status == Exit.REFUSED, said
    verdict = body(said)
    assert NO_CONTROL in verdict["reasons"]
    checks = verdict["rehearsals"][0]["checks"]
    assert checks[-1]["check"] == "paired"
    assert not checks[-1]["passed"]
    assert checks[-1]["reason"]


def test_a_control_decides_whether_the_build_or_the_gate_is_to_blame(place: BareMachine) -> None:
    """Sound control: refused. Failing control: gate broken, nothing is held against the build."""
    store = ("--store", str(place.root / "builds of mine"))
    refused = place.check(BAD.version, "--control", OLD.version, *store, "--json")
    assert refused.status == Exit.REFUSED, refused
    assert NO_CONTROL not in body(refused)["reasons"]
    broken = place.check(BAD.version, "--control", WORSE.version, *store, "--json")
    assert broken.status == Exit.GATE_BROKEN, broken
    builds = {path.name for path in (place.root / "builds of mine" / "builds").iterdir()}
    assert builds == {BAD.version, OLD.version, WORSE.version}
    place.registry.down()
    try:
        again = place.check(OLD.version, *store)
    finally:
        place.registry.up()
    assert again.status == Exit.OK, "a kept build needs no registry"


def test_a_state_that_cannot_be_used_is_named_and_left_alone(
    place: BareMachine, state: Path
) -> None:
    """In use, empty, missing, a file: one line with the option, status 2, nothing installed."""
    empty = place.root / "empty"
    empty.mkdir()
    with at_work(state / USERDATA / V1_DATABASE):
        before = seen(state)
        for given in (state, empty, place.root / "nowhere", place.root / "quick.toml"):
            said = place.check(NEW.version, "--state", str(given), "--store", "kept")
            assert said.status == Exit.USAGE, said
            assert "--state" in said.err
            assert given.name in said.err
        assert seen(state) == before
    assert not (place.root / "kept" / "builds").exists()
    assert place.left == []


def test_a_damaged_state_is_named_and_nothing_is_installed(place: BareMachine, state: Path) -> None:
    """Another try gives the same, so it is no `later`; there are no snapshots to look for."""
    database = state / USERDATA / V1_DATABASE
    data = bytearray(database.read_bytes())
    data[4096:12288] = bytes(8192)
    database.write_bytes(data)
    said = place.check(NEW.version, "--state", str(state), "--store", "kept")
    assert said.status == Exit.USAGE, said
    assert f"--state {state}: it is damaged" in said.err
    assert "snapshots" not in said.err
    assert not (place.root / "kept" / "builds").exists()
    assert place.left == []


def test_an_interrupted_check_proves_nothing_and_leaves_nothing(place: BareMachine) -> None:
    """SIGTERM in the middle of a rehearsal: status 12, no copy and no process is left."""
    with place.begun(SLOW.version, "--json") as process:
        deadline = time.monotonic() + 60
        while not any(name.startswith("t3safe-gate-") for name in place.left):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == Exit.LATER, err
    assert body_of(out, "verdict")["outcome"] == "later"
    assert place.left == []


def test_what_a_killed_check_left_behind_is_deleted_by_the_next(place: BareMachine) -> None:
    """A folder that nobody has locked goes, with the copy in it; one in use stays."""
    tmp = place.root / "tmp"
    for name in ("t3safe-check-dead", "t3safe-check-used"):
        (tmp / name / "state").mkdir(parents=True)
    used = os.open(tmp / "t3safe-check-used", os.O_RDONLY)
    fcntl.flock(used, fcntl.LOCK_EX)
    said = place.check("0.0.25-nightly.20260101.1")
    os.close(used)
    assert said.status == Exit.LATER, said
    assert place.left == ["t3safe-check-used"]


def test_where_no_namespace_can_be_made_nothing_is_rehearsed_unless_plain_is_meant(
    place: BareMachine,
) -> None:
    """As in most containers: `unshare` is not there; the setting that allows less is loud."""
    tools = place.root / "path"
    tools.mkdir()
    for name in ("node", "npm", "sh", "env"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True)
        (tools / name).symlink_to(Path(found.stdout.strip()).resolve())
    path = f"{tools}:{Path(sys.executable).parent}"
    said = place.check(NEW.version, "--json", PATH=path)
    assert said.status == Exit.LATER, said
    assert body(said)["sandbox"] is None
    assert "gate: no rehearsal can be held here: " in said.err
    assert "t3safe doctor" in said.err

    config = place.root / "quick.toml"
    config.write_text(config.read_text() + 'sandbox = "plain"\n')
    said = place.check(NEW.version, "--json", PATH=path)
    assert said.status == Exit.OK, said
    assert body(said)["sandbox"] == "plain"
    assert "rehearsals run as plain processes" in said.err


def test_on_a_host_the_options_decide_and_nobody_is_touched(tmp_path: Path) -> None:
    """With `--standalone` the host is not looked at; without, everybody is; both say which."""
    with EmbeddedHost(tmp_path, (HostPerson("ann"),), config={"gate.soak": 0.1}) as host:
        host.adopt(OLD)
        host.publish(NEW, tag="nightly")
        words = [*UNPRIVILEGED, *SAFE, "--config", str(host.config_file), "check", NEW.version]
        alone = subprocess.run(
            [*words, "--standalone"],
            check=False,
            capture_output=True,
            text=True,
            env=host.environment,
        )
        assert alone.returncode == Exit.OK, alone
        assert "asked for by --standalone" in alone.stdout
        assert "ann" not in alone.stdout.split()
        assert not (host.store / "builds" / NEW.version).exists()
        own = subprocess.run(
            [*words, "--store", str(host.store)],
            check=False,
            capture_output=True,
            text=True,
            env=host.environment,
        )
        assert own.returncode == Exit.USAGE
        assert "a host uses this store" in own.stderr
        assert host.t3safe("check", NEW.version, "--evidence", "x").status == Exit.USAGE
        hosts = host.t3safe("check", NEW.version)
        told = body_of(host.t3safe("check", NEW.version, "--json").out, "result")
        for held in told["rehearsals"]:
            assert [check["check"] for check in held["checks"]] == [each.value for each in Check]
            assert held["timings"], "each check is told on a host as without one"
        assert {held["subject"] for held in told["rehearsals"]} == {"empty set", *host.people}
        assert hosts.status == Exit.OK, hosts
        assert "copies of all people" in hosts.out
        assert f"{NEW.version} passed on ann" in hosts.out


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def rooted(place: BareMachine, *arguments: str) -> CommandResult:
    """Run the check as root itself."""
    ended = subprocess.run(
        [*SAFE, "--config", str(place.root / "quick.toml"), "check", NEW.version, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "T3_TMPDIR": str(place.root / "tmp")},
    )
    return CommandResult(ended.returncode, ended.stdout, ended.stderr)


@AS_ROOT
def test_root_without_users_for_foreign_code_is_told_what_to_do(place: BareMachine) -> None:
    """One line with both ways; no package was fetched and nothing was made."""
    (place.root / "tmp").mkdir()
    config = place.root / "quick.toml"
    config.write_text('npm_user = "nobody-at-all"\n' + config.read_text())
    said = rooted(place)
    assert said.status == Exit.USAGE, said
    assert "nobody-at-all" in said.err
    assert "t3safe units install" in said.err
    assert "as another user" in said.err
    assert list((place.root / "tmp").iterdir()) == []


@AS_ROOT
def test_root_reads_no_state_that_somebody_else_controls(place: BareMachine, state: Path) -> None:
    """The folder of another user is refused before anything in it is opened."""
    (place.root / "tmp").mkdir()
    config = place.root / "quick.toml"
    config.write_text('npm_user = "nobody"\n' + config.read_text() + 'user = "nobody"\n')
    os.chown(state, 65534, 65534)
    said = rooted(place, "--state", str(state))
    assert said.status == Exit.USAGE, said
    assert "another user controls it" in said.err
    assert place.left == []
