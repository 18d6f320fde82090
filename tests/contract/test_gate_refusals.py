"""When no rehearsal can be held: never a failed check, always a GateError that says what to do."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

import attrs
import pytest
from attrs import frozen

from fakes.native import interpreter
from t3safe.adapters.gate.sandbox import PLAIN, Sandbox, choose_sandbox
from t3safe.adapters.gate.scratch import PREFIX, ScratchSpace
from t3safe.contracts.gate import NOBODY
from t3safe.domain.allowance import Allowance
from t3safe.domain.checks import DispatchKnowledge
from t3safe.domain.effects import Subject
from t3safe.domain.errors import Fault, GateError, PersonalDataError
from t3safe.domain.versions import Version
from t3safe.t3.files import USERDATA, V1_DATABASE
from t3safe.t3.package import NODE_PROGRAM
from tests.support.gate import ExportedSet, RealGate, rehearsing_elsewhere, script, wait_until

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def bench(tmp_path: Path) -> RealGate:
    """A gate over an empty store, without sandboxes: nothing here gets far."""
    bench = RealGate(tmp_path)
    bench.tune(sandbox=PLAIN, bind_host="127.0.0.1")
    return bench


def refused(bench: RealGate, build: Version, *subjects: Subject) -> GateError:
    """Ask for a rehearsal that cannot be held, and see that nothing is left or kept of it."""
    before = bench.traces()
    with pytest.raises(GateError) as caught:
        bench.port.rehearse(build, subjects or (NOBODY,))
    assert bench.traces() == before
    assert caught.value.fault in (Fault.HOST, Fault.LATER)
    return caught.value


def test_no_space_is_seen_before_anything_is_copied(bench: RealGate) -> None:
    """Without space for a copy and its migration nothing is copied and nothing started."""
    asked: list[str] = []

    def hand_out(person: str, _: str) -> AbstractContextManager[ExportedSet]:
        asked.append(person)
        raise AssertionError

    bench.tune(free_space=lambda _: 255 * 1024**2, hand_out=hand_out)
    error = refused(bench, bench.faulty(), bench.snapshot("alice"))
    # Whichever asks first, empty data or alice's with what its migration may need.
    assert any(f"needs {mib} MiB" in str(error) for mib in (256, 258))
    assert "255 MiB are free" in str(error)
    assert "T3_TMPDIR" in str(error)
    assert asked == []


@pytest.mark.parametrize(
    ("changes", "fault", "told"),
    [
        # A worker that crashes, or answers in another form.
        ({"python": "#!/bin/sh\necho it broke >&2\nexit 3\n"}, Fault.HOST, "status 3: it broke"),
        ({"python": "#!/bin/sh\nkill -KILL $$\n"}, Fault.HOST, "status -9"),
        ({"python": "#!/bin/sh\necho '{}'\n"}, Fault.HOST, "status 0: what it printed is not"),
        (
            {"sandbox": Sandbox("plain", ("sh", "-c", "echo unshare failed: not permitted >&2"))},
            Fault.HOST,
            "unshare failed: not permitted",
        ),
        (
            {"sandbox": Sandbox("plain", ("/nowhere/unshare",))},
            Fault.HOST,
            "/nowhere/unshare cannot be run",
        ),
        ({"bind_host": "192.0.2.1"}, Fault.LATER, "of 192.0.2.1 cannot be bound"),
        ({"node": "/nowhere/node"}, Fault.HOST, "install node"),
        # No build is rehearsed as root, nor as whoever happens to be there.
        ({"user": "nobody-at-all"}, Fault.HOST, "no user"),
        ({"user": "root"}, Fault.HOST, "is root"),
        ({"tmp": Path("/nowhere/tmp")}, Fault.HOST, "set T3_TMPDIR"),
    ],
)
def test_what_the_build_has_no_part_in_is_no_verdict(
    bench: RealGate, tmp_path: Path, changes: dict[str, Any], fault: Fault, told: str
) -> None:
    """Each is said in its own words, with what to do."""
    if "python" in changes:
        changes = {"python": str(script(tmp_path / "python", changes["python"]))}
    bench.tune(**changes)
    error = refused(bench, bench.faulty())
    assert error.fault is fault
    assert told in str(error)


def test_rehearsal_that_takes_too_long_is_later(bench: RealGate, tmp_path: Path) -> None:
    """A rehearsal beyond all of its limits proves nothing either way."""
    hanging = script(tmp_path / "python", "#!/bin/sh\ncat > /dev/null\n")
    bench.tune(python=str(hanging), deadline=0.1, stop_limit=0.1, soak=0.0, slack=0.1)
    error = refused(bench, bench.faulty())
    assert error.fault is Fault.LATER
    assert "nothing is held against the build" in str(error)


OVERLOADED = "the host is overloaded: programs wait for a processor"


@pytest.mark.parametrize(
    ("fault", "changes", "told"),
    [
        ("listens-never-answers", {"deadline": 0.5}, "did not answer within 0.5 s"),
        ("never-listens", {"deadline": 0.5}, "did not answer within 0.5 s"),
        ("slow-stop:20", {"stop_limit": 0.5}, "did not stop within 0.5 s"),
    ],
)
def test_time_that_runs_out_on_an_overloaded_host_is_later(
    bench: RealGate, fault: str, changes: dict[str, float], told: str
) -> None:
    """The same failure is the build's on a host with time to spare, and nobody's without."""
    build = bench.faulty(fault)
    bench.tune(**changes)
    (rehearsal,) = bench.port.rehearse(build, (NOBODY,))
    assert told in rehearsal.reason

    bench.tune(strained=lambda: OVERLOADED)
    error = refused(bench, build)

    assert error.fault is Fault.LATER
    assert told in str(error)
    assert OVERLOADED in str(error)


@pytest.mark.parametrize("fault", ["dies-after:0", "session-never-authenticated", "mint-fails"])
def test_what_the_build_did_is_its_own_on_an_overloaded_host_too(
    bench: RealGate, fault: str
) -> None:
    """Only time that ran out is excused."""
    bench.tune(strained=lambda: OVERLOADED)
    (rehearsal,) = bench.port.rehearse(bench.faulty(fault), (NOBODY,))
    assert not rehearsal.passed


def test_copy_that_fails_is_not_the_builds_fault(bench: RealGate) -> None:
    """A snapshot that cannot be copied ends the batch, whatever it says of itself."""

    def fail(person: str, snapshot: str) -> AbstractContextManager[ExportedSet]:
        message = f"{snapshot} of {person} is damaged"
        raise PersonalDataError(message, fault=Fault.BUILD)

    bench.tune(hand_out=fail)
    error = refused(bench, bench.faulty(), bench.snapshot("alice"))
    assert "s1 of alice is damaged" in str(error)
    assert error.fault is Fault.HOST


@pytest.mark.parametrize("told", ["the disk is gone", ""])
def test_set_that_breaks_off_is_no_verdict_and_its_worker_says_why(
    bench: RealGate, told: str
) -> None:
    """One that ends too early is told with the words of who handed it out, if they have any."""

    @contextmanager
    def break_off(person: str, snapshot: str) -> Iterator[BrokenOff]:
        with bench.hand_out(person, snapshot) as whole:
            first = whole.stream.read(5000)
            reads, writes = os.pipe()
            os.write(writes, first)
            os.close(writes)
            with os.fdopen(reads, "rb") as stream:
                yield BrokenOff(stream, told)

    bench.tune(hand_out=break_off)
    error = refused(bench, bench.faulty(), bench.snapshot("alice"))
    assert (told or "it breaks off") in str(error)
    assert "alice" in str(error)


@frozen
class BrokenOff:
    """A set of which only the beginning comes."""

    stream: IO[bytes]
    told: str

    def finish(self) -> None:
        """Say what went wrong, where that is known."""
        if self.told:
            raise PersonalDataError(self.told)


def test_copy_that_was_broken_before_is_not_the_builds_fault(bench: RealGate) -> None:
    """A copy that SQLite cannot read before the build has run is held against nobody."""
    alice = bench.snapshot("alice")
    damaged = bench.root / "snapshots" / "alice" / "s1" / USERDATA / V1_DATABASE
    damaged.write_bytes(b"SQLite format 3\0" + b"garbage" * 999)
    error = refused(bench, bench.faulty(), alice)
    assert "cannot be read before the build has run" in str(error)
    assert V1_DATABASE in str(error)


def test_one_that_cannot_be_held_ends_the_others(bench: RealGate) -> None:
    """Half a batch proves nothing: the first rehearsal that cannot be held ends the rest."""
    hand_out = bench.hand_out

    def fail_for_bob(person: str, snapshot: str) -> AbstractContextManager[ExportedSet]:
        if person == "bob":
            message = "no space left on device"
            raise OSError(message)
        return hand_out(person, snapshot)

    bench.tune(hand_out=fail_for_bob, soak=0.5)
    error = refused(bench, bench.faulty(), bench.snapshot("alice"), bench.snapshot("bob"))
    assert "on bob" in str(error)


@pytest.mark.parametrize("name", ["../alice", "root", "a b"])
def test_name_that_could_be_a_path_is_refused(bench: RealGate, name: str) -> None:
    """A subject whose name is no user's reaches no file name."""
    assert "not a user name" in str(refused(bench, bench.faulty(), Subject(name, "s1")))


def test_evidence_that_cannot_be_kept_is_no_verdict(bench: RealGate) -> None:
    """What is not on record did not happen."""
    (bench.root / "evidence").write_text("in the way")
    assert "cannot keep the evidence" in str(refused(bench, bench.faulty("wrong-version")))


def test_unknown_kind_of_sandbox_falls_to_what_works() -> None:
    """Plain is taken as asked; auto gives something that works on any host."""
    assert choose_sandbox("plain") is PLAIN
    sandbox = choose_sandbox("auto")
    subprocess.run([*sandbox.prefix, "true"], check=True)


def test_namespace_that_is_asked_for_must_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace is never silently replaced by no isolation at all."""
    monkeypatch.setenv("PATH", "/nowhere")
    for kind in ("namespace", "auto"):
        with pytest.raises(GateError, match="gate: no rehearsal can be held here") as caught:
            choose_sandbox(kind)
        assert caught.value.fault is Fault.HOST
        assert "unshare" in str(caught.value)
        assert 'gate.sandbox = "plain"' in str(caught.value)


@pytest.mark.parametrize("kind", ["plain", "auto"])
def test_gate_that_is_killed_leaves_nothing_running(bench: RealGate, kind: str) -> None:
    """When the gate dies in the middle its worker ends all; the next gate deletes the copy."""
    build = bench.faulty()
    with rehearsing_elsewhere(bench.root, build, kind) as gate:
        wait_until(lambda: any("serve --host" in line for line in bench.running()))
    wait_until(lambda: bench.running() == [])
    (left,) = (bench.root / "sandboxes").iterdir()

    bench.tune(soak=0.0)
    (rehearsal,) = bench.port.rehearse(build, (NOBODY,))

    assert gate.returncode == -9
    assert rehearsal.reason == ""
    assert not left.exists()


def test_sweeping_leaves_what_is_in_use(bench: RealGate, tmp_path: Path) -> None:
    """Only what nobody holds is swept, with what still runs in it; links are not followed."""
    space = ScratchSpace(tmp_path / "sandboxes", None)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (space.root / f"{PREFIX}link").symlink_to(elsewhere)
    stale = space.root / f"{PREFIX}stale"
    (stale / "closed" / "inner").mkdir(parents=True)
    (stale / "closed").chmod(0)
    stray = subprocess.Popen(["sleep", "60"], cwd="/", env={"HOME": str(stale / "home")})
    with space.scratch("/usr/bin/node", 0, "alice") as scratch:
        space.sweep()
        assert scratch.home.is_dir()
    assert stray.wait(10) == -9
    assert sorted(space.root.iterdir()) == [space.root / f"{PREFIX}link"]
    assert elsewhere.is_dir()


def test_rehearsals_wait_for_space_that_others_take(tmp_path: Path) -> None:
    """Where space is for one copy at a time, the second waits; it is refused only when alone."""
    space = ScratchSpace(tmp_path, None, lambda _: 300 * 1024**2)
    entered = threading.Event()

    def second() -> None:
        with space.scratch("/usr/bin/node", 0, "bob"):
            entered.set()

    with space.scratch("/usr/bin/node", 0, "alice"):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not entered.wait(0.2)
    waiting.join(10)
    assert entered.is_set()
    assert list(tmp_path.iterdir()) == []


def test_fingerprint_changes_with_what_matters(bench: RealGate) -> None:
    """A refusal is forgotten when the judgement changes, not when a folder moves."""
    fingerprint = bench.port.fingerprint()
    with pytest.raises(GateError, match="install node"):
        attrs.evolve(bench.port, node="/nowhere/node").fingerprint()
    for changes in (
        {"bind_host": "127.0.0.2"},
        {"soak": Allowance(1.0)},
        {"soak": Allowance(0.1, 1.0)},
        {"tolerance": 0.5},
        {"dispatch": DispatchKnowledge(cookies=("t3_.*",))},
        {"dispatch": DispatchKnowledge(protocols=(1, 2))},
        {"sandbox": attrs.evolve(PLAIN, kind="other")},
    ):
        assert attrs.evolve(bench.port, **changes).fingerprint() != fingerprint
    assert attrs.evolve(bench.port, jobs=lambda: 5, tmp=Path("/other")).fingerprint() == fingerprint


@pytest.fixture
def open_bench() -> Iterator[RealGate]:
    """A bench in a folder that every user can enter, as a store and a node are on a host."""
    root = Path(tempfile.mkdtemp(prefix="t3safe-gate-test-", dir="/var/tmp"))
    root.chmod(0o755)
    yield RealGate(root)
    shutil.rmtree(root)


def python_of_everybody() -> str:
    """Find an interpreter that every user may run; the test is skipped where there is none."""
    for python in (interpreter(), "/usr/bin/python3"):
        found = subprocess.run(["runuser", "-u", "nobody", "--", python, "-c", ""], check=False)
        if found.returncode == 0:
            return python
    pytest.skip("nobody may run no Python here")


@AS_ROOT
def test_program_that_its_user_may_not_execute_is_the_hosts_fault(open_bench: RealGate) -> None:
    """A store that the gate's user cannot enter says nothing about the build."""
    build = open_bench.faulty()
    open_bench.program(build).parents[2].chmod(0o700)
    open_bench.tune(user="nobody")
    assert "may not execute" in str(refused(open_bench, build))


@AS_ROOT
@pytest.mark.parametrize("kind", ["plain", "auto"])
def test_root_rehearses_as_somebody_else(open_bench: RealGate, kind: str) -> None:
    """Started by root, nothing of the build runs as root, and root gains nothing back."""
    python = python_of_everybody()
    bench, nobody = open_bench, pwd.getpwnam("nobody")
    alice = bench.snapshot("alice")
    build = bench.faulty()
    program = bench.program(build)
    program.unlink()
    real = program.parent.parent / "t3" / NODE_PROGRAM
    lines = (
        *("#!/bin/sh", 'id -u >>"$TMPDIR/seen"'),
        '[ "$1" != serve ] || sed "s/^/ran as /" "$TMPDIR/seen"',
        f'exec {python} -IBS {real} "$@"\n',
    )
    script(program, "\n".join(lines))

    bench.tune(user="nobody", sandbox=choose_sandbox(kind))
    (rehearsal,) = bench.port.rehearse(build, (alice,))

    assert rehearsal.reason == ""
    ran = re.findall(r"ran as (\d+)", bench.kept_text())
    assert len(ran) > 2
    assert set(ran) == {str(nobody.pw_uid)}
    assert bench.running() == []
    assert list((bench.root / "sandboxes").iterdir()) == []
