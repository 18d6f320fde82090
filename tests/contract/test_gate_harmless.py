"""A rehearsal must not work: what keeps a start on a copy from the world, each kind on its own.

Every protection is shown alone, the others switched off, beside the same scene without it, in which
the harm is done: so that a test fails wherever one of them is missing.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from fakes.t3.trap import TrapListener
from t3safe.adapters.gate import scratch as layout
from t3safe.adapters.gate.copied import make_harmless
from t3safe.adapters.gate.sandbox import PLAIN, Sandbox, namespace_sandbox
from t3safe.contracts.gate import NOBODY
from t3safe.domain.checks import Check
from t3safe.domain.errors import Fault, GateError
from t3safe.domain.gate import Rehearsal
from t3safe.t3.files import SETTINGS, USERDATA, V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import OUTBOX, PROJECTS, SCHEDULES, THREADS
from tests.support.gate import NEW, RealGate
from tests.support.harm import V2, BusyPersonalData, python_without, with_tools

KINDS = (
    namespace_sandbox(),
    attrs.evolve(
        namespace_sandbox(),
        prefix=("unshare", "--user", "--map-root-user", *namespace_sandbox().prefix[-6:]),
    ),
)
"""The namespaces of whoever runs this, and those that one person without root has."""
EVERYTHING = {
    *("checkout", "ran codex", "ran cloudflared"),
    *("heard manifest", "heard tunnel", "heard webhook"),
}


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that every user can enter."""
    root = Path(tempfile.mkdtemp(prefix="t3safe-gate-test-", dir="/var/tmp"))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def busy(root: Path) -> Iterator[BusyPersonalData]:
    """A person whose t3 works at any start."""
    with TrapListener() as listener:
        yield BusyPersonalData(RealGate(root), listener)


def rehearse(
    busy: BusyPersonalData, monkeypatch: pytest.MonkeyPatch, *off: str, plain: bool = False
) -> Rehearsal:
    """Rehearse a V2 on the person's copy without some protections."""
    bench = busy.bench
    alice = busy.settle()
    for name, value in with_tools(busy.tools, *off).items():
        monkeypatch.setattr(layout, name, value)
    python = python_without(bench.root, *off, tools=busy.tools)
    shared = {"sandbox": PLAIN} if plain else {}
    bench.tune(python=python, soak=1.5, **shared)
    build = bench.faulty(version=V2, compaction="never")
    (rehearsal,) = bench.port.rehearse(build, (alice,))
    assert bench.running() == []
    return rehearsal


def test_start_without_any_protection_does_all_of_it(
    busy: BusyPersonalData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the others tests see nothing of is done by the very same start."""
    rehearse(busy, monkeypatch, "edits", "sight", "providers", plain=True)
    assert busy.harm() == EVERYTHING


@pytest.mark.parametrize("sandbox", KINDS, ids=["root", "user"])
def test_nothing_works_in_the_sandbox(busy: BusyPersonalData, sandbox: Sandbox) -> None:
    """With everything on, the build passes, and no checkout, program or listener hears of it."""
    bench, alice = busy.bench, busy.settle()
    bench.tune(sandbox=sandbox)
    before = busy.digest()
    build = bench.faulty(version=V2, compaction="never")
    bench.tune(soak=1.0)
    (rehearsal,) = bench.port.rehearse(build, (alice,))
    assert rehearsal.reason == ""
    assert busy.harm() == set()
    assert busy.digest() == before
    deeds = [line for line in bench.kept_text().splitlines() if "start work:" in line]
    assert {line.partition("start work: ")[2].split()[0] for line in deeds} <= {"manifest"}


def test_edits_alone_leave_nothing_to_do(
    busy: BusyPersonalData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all is in reach, nothing is due: no thread, effect, schedule, pull, tunnel, webhook."""
    rehearsal = rehearse(busy, monkeypatch, "sight", "providers", plain=True)
    assert rehearsal.reason == ""
    # The model manifest is asked for at any start, and a provider is probed; both ask, none works.
    assert busy.harm() == {"heard manifest", "ran codex"}
    assert {line.partition(": ")[2] for line in busy.calls.read_text().splitlines()} == {
        "--version"
    }
    assert all(len(list(each.iterdir())) == 1 for each in busy.checkouts)


def test_sandbox_alone_keeps_all_of_it_in(
    busy: BusyPersonalData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where everything is due, no checkout is there, no program is found, nobody is reached."""
    rehearse(busy, monkeypatch, "edits", "sight", "providers")
    deeds = [line for line in busy.bench.kept_text().splitlines() if "start work:" in line]
    assert len(deeds) > 5
    assert [line for line in deeds if line.endswith(": done")] == []
    assert any("no such folder" in line for line in deeds)
    assert busy.harm() == set()


def test_path_alone_keeps_providers_away(
    busy: BusyPersonalData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where everything is due and in reach, no provider's CLI and no tunnel's is on the PATH."""
    rehearse(busy, monkeypatch, "edits", "sight", plain=True)
    assert busy.harm() == EVERYTHING - {"ran codex", "ran cloudflared"}


ATTEMPTS = r"""
try() { if "$@" >/dev/null 2>&1; then echo "PROBE $what: done"; else echo "PROBE $what: no"; fi; }
what=list-homes; try sh -c 'ls /home/*'
what=list-srv; try ls /srv
what=list-builds; try ls BUILDS/OTHER
what=list-bench; try ls BENCH/snapshots
what=read-project; try cat BENCH/project/work.txt
what=write-project; try sh -c 'echo evil >>BENCH/project/work.txt'
what=write-build; try sh -c 'echo evil >BUILDS/NEW/evil'
what=write-usr; try sh -c 'echo evil >/usr/t3-evil'
what=write-etc; try sh -c 'echo evil >/etc/t3-evil'
what=write-top; try sh -c 'mkdir /evil'
what=old-root; try ls /proc/1/root/BENCH/project
what=unmount; try umount /usr
what=mount; try mount -t tmpfs none /tmp
what=remount; try mount -o remount,rw,bind /usr
what=nested; try unshare --user --map-root-user --mount sh -c 'umount /usr || ls BENCH/project'
what=nested-write; try unshare --user --map-root-user --mount mount -o remount,rw,bind /usr
what=network; try python3 -c 'import socket; socket.create_connection(("127.0.0.1", PORT), 1)'
what=host-processes; try sh -c '[ $(ls -d /proc/[0-9]* | wc -l) -gt 40 ]'
what=sockets; try ls /run/systemd /run/dbus /run/docker.sock
what=capabilities; try sh -c '! grep -q "CapEff:.0000000000000000" /proc/self/status'
what=own-tmp; try sh -c 'echo 1 >/tmp/mine && echo 1 >/var/tmp/mine && echo 1 >"$HOME/mine"'
what=own-dev; try sh -c 'echo x >/dev/null && head -c 1 /dev/urandom && test -e /dev/pts/ptmx'
"""


@pytest.mark.parametrize("sandbox", KINDS, ids=["root", "user"])
def test_build_finds_no_way_out_of_its_view(busy: BusyPersonalData, sandbox: Sandbox) -> None:
    """No home, no project that all may write to, no mount to change, no capability, no socket."""
    bench = busy.bench
    project = bench.root / "project"
    project.mkdir()
    (project / "work.txt").write_text("mine\n")
    for path in (project, project / "work.txt"):
        path.chmod(0o777)
    other = bench.faulty(version="0.0.24")
    port = busy.listener.address.rpartition(":")[2]
    scratch = {"BUILDS": bench.root / "builds", "BENCH": bench.root, "PORT": port}
    text = ATTEMPTS.replace("OTHER", other.text)
    for name, value in scratch.items():
        text = text.replace(name, str(value))
    build = bench.faulty(f"runs:{text.replace('NEW', NEW)}")
    bench.tune(sandbox=sandbox, soak=3.0)
    (rehearsal,) = bench.port.rehearse(build, (NOBODY,))
    lines = bench.kept_text().splitlines()
    pairs = (line.partition("PROBE ")[2].partition(": ") for line in lines)
    found = {what: came for what, _, came in pairs if what}
    assert rehearsal.reason == ""
    assert len(found) == 22
    assert {what for what, came in found.items() if came == "done"} == {"own-tmp", "own-dev"}
    assert (project / "work.txt").read_text() == "mine\n"
    assert busy.listener.heard == []


# --- copies that cannot be made harmless ---------------------------------------------------------


LATER_OUTBOX = OUTBOX.replace("v2", "v3")


def garbage(userdata: Path) -> None:
    """Let settings.json be nothing that anybody can read."""
    (userdata / SETTINGS).write_text('{"defaultAutoPull": tru')


def another_form(userdata: Path) -> None:
    """Let the outbox be in a form that nobody here knows."""
    with closing(sqlite3.connect(userdata / V2_DATABASE)) as opened, opened:
        opened.execute(f"ALTER TABLE {OUTBOX} RENAME COLUMN status TO state")


def another_kind(userdata: Path) -> None:
    """Let there be an outbox of a later generation."""
    with closing(sqlite3.connect(userdata / V2_DATABASE)) as opened, opened:
        opened.execute(f"CREATE TABLE {LATER_OUTBOX} (effect_id TEXT)")


def refuses_edits(userdata: Path) -> None:
    """Let a trigger of the database be in the way of any edit."""
    with closing(sqlite3.connect(userdata / V2_DATABASE)) as opened, opened:
        opened.execute(
            f"CREATE TRIGGER stays BEFORE UPDATE ON {SCHEDULES}"
            " BEGIN SELECT RAISE(ABORT, 'the schedule is locked'); END"
        )


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (garbage, "settings.json is not JSON"),
        (another_form, f"{OUTBOX} has no column status"),
        (another_kind, f"no generation of t3 known here has a table {LATER_OUTBOX}"),
        (refuses_edits, "statev2.sqlite: the schedule is locked"),
    ],
)
def test_copy_that_cannot_be_made_harmless_holds_its_person_up(
    busy: BusyPersonalData, spoil: Callable[[Path], None], told: str
) -> None:
    """No build starts on it, whichever it is, and the others are rehearsed: nothing blames one."""
    bench, alice = busy.bench, busy.settle()
    spoil(bench.root / "snapshots" / "alice" / "s1" / USERDATA)
    build = bench.faulty(version=V2, compaction="never")
    empty, held = bench.port.rehearse(build, (NOBODY, alice))
    assert empty.reason == ""
    assert held.checks[-1].check is Check.LIVE
    assert "not started: the copy cannot be made harmless: " in held.reason
    assert told in held.reason
    assert "Listening" not in Path(held.evidence, "serve.log").read_text()
    assert busy.harm() == set()

    bench.tune(alone=True)
    with pytest.raises(GateError, match="cannot be made harmless") as caught:
        bench.port.rehearse(build, (alice,))
    assert "on alice" in str(caught.value)
    assert caught.value.fault is Fault.HOST


def test_checkout_that_the_sandbox_shows_holds_its_person_up(busy: BusyPersonalData) -> None:
    """A project where something of the host must be shown is said by its path."""
    bench, alice = busy.bench, busy.settle()
    build = bench.faulty(version=V2, compaction="never")
    shown = Path(sys.prefix) / "lib"
    userdata = bench.root / "snapshots" / "alice" / "s1" / USERDATA
    with closing(sqlite3.connect(userdata / V2_DATABASE)) as opened, opened:
        opened.execute(f"UPDATE {PROJECTS} SET workspace_root = '/proc/self/cwd'")
    (held,) = bench.port.rehearse(build, (alice,))
    assert "names the checkout /proc/self/cwd, which is in sight of the sandbox" in held.reason
    with closing(sqlite3.connect(userdata / V2_DATABASE)) as opened, opened:
        # Shown read-only, as the interpreter is there: nobody can work in it.
        opened.execute(f"UPDATE {PROJECTS} SET workspace_root = ?", (str(shown),))
    (held,) = bench.port.rehearse(build, (alice,))
    assert "in sight" not in held.reason


def test_copy_with_nothing_due_is_left_as_it_is(busy: BusyPersonalData) -> None:
    """A set of V1 with no settings reaches the build byte for byte, and its log beside it."""
    bench = busy.bench
    bench.snapshot("alice")
    userdata = bench.root / "snapshots" / "alice" / "s1" / USERDATA
    live = sqlite3.connect(userdata / V1_DATABASE)
    live.execute(f"UPDATE {THREADS} SET title = 'in the log'")
    live.commit()
    copy = bench.root / "copy"
    shutil.copytree(userdata, copy)
    names = (V1_DATABASE, f"{V1_DATABASE}-wal")
    before = [(copy / name).read_bytes() for name in names]
    make_harmless(copy)
    assert [(copy / name).read_bytes() for name in names] == before
    live.close()
