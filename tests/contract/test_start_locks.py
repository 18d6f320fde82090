"""The start locks on real processes: who has begun to start, and letting nobody begin."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from fakes.fixed_launcher import render_fixed_launcher
from fakes.packages import FakeRelease, unpack
from t3safe.adapters.selection.launcher import LOCK_SECONDS, render_launcher
from t3safe.adapters.selection.links import SymlinkSelection
from t3safe.adapters.selection.locks import Patience, StartLocks
from t3safe.contracts.selection import NEW, OLD
from t3safe.domain.errors import Fault, SelectionError
from t3safe.t3.commands import BASE_OPTION
from tests.contract.test_selection import NOBODY, hold, open_store
from tests.support.processes import eventually

__all__ = ["open_store"]

SHORT = Patience(by_itself=0.3, after_term=0.3, after_kill=10.0)
LONG = Patience(by_itself=60.0, after_term=60.0, after_kill=60.0)
NEVER = Patience(by_itself=0.1, after_term=0.1, after_kill=0.1)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become others")


def selection_of(tmp_path: Path, patience: Patience) -> SymlinkSelection:
    """Give a selection with one build selected for alice."""
    store = tmp_path / "store"
    locks = StartLocks(store, patience, uid_of=None)
    selection = SymlinkSelection(store, tmp_path / "state", locks=locks)
    hold(store, OLD)
    hold(store, NEW)
    selection.promote(OLD)
    selection.select("alice", OLD)
    return selection


def program(selection: SymlinkSelection, body: str) -> None:
    """Let the old build's program be this Python."""
    path = selection.store / "builds" / OLD.text / "node_modules" / ".bin" / "t3"
    path.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{body}\n")


@contextmanager
def begun(selection: SymlinkSelection, person: str = "alice") -> Iterator[subprocess.Popen[str]]:
    """Start what is selected through the launcher, and wait until its program runs."""
    launcher = written(
        selection.store / f"t3-{person}", render_fixed_launcher(selection.store, person)
    )
    process = subprocess.Popen(
        [launcher], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "runs\n"
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process that still runs, and close what it was given."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        stream.close()


RUNS = 'print("runs", flush=True)\nsys.stdin.read()'
STUBBORN = f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{RUNS}"


def written(path: Path, text: str) -> Path:
    """Write a launcher, to be executed."""
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_what_the_launcher_started_holds_the_lock_across_exec(tmp_path: Path) -> None:
    """It is a holder for as long as it runs, whatever is selected by then."""
    selection = selection_of(tmp_path, LONG)
    program(selection, RUNS)
    assert not selection.starting("alice")
    with begun(selection) as process:
        selection.fence("alice")
        assert selection.starting("alice")
        assert not selection.starting("bob")
        process.communicate("")
    assert not selection.starting("alice")


def native(selection: SymlinkSelection, *faults: str) -> Path:
    """Let the old build be a native program; the file itself."""
    folder = selection.store / "builds" / OLD.text
    shutil.rmtree(folder / "node_modules")
    release = FakeRelease(OLD.text, layout="platform", start_time=0.0, faults=faults)
    return unpack(release, folder).resolve()


@contextmanager
def served(selection: SymlinkSelection, base: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a serve through the launcher, and wait until it runs."""
    launcher = written(
        selection.store / "t3-alice", render_fixed_launcher(selection.store, "alice")
    )
    words = [str(launcher), "serve", "--port", "0", BASE_OPTION, str(base)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_native_program_holds_the_lock_itself_and_alone(tmp_path: Path) -> None:
    """The launcher becomes it: main process, executable and holder are one; it is ended by TERM.

    What it starts and leaves behind has no lock, so that it delays no move.
    """
    selection = selection_of(tmp_path, SHORT)
    program = native(selection, f"runs:sleep 600 & echo $! >{tmp_path}/child")
    with served(selection, tmp_path / "base") as process:
        assert Path(f"/proc/{process.pid}/exe").readlink() == program
        eventually(lambda: (tmp_path / "child").exists() and bool((tmp_path / "child").read_text()))
        child = int((tmp_path / "child").read_text())
        try:
            selection.fence("alice")
            assert set(selection.locks._by_lock(selection.locks.of("alice"))) == {process.pid}
            selection.clear("alice")
            assert process.wait() == 130
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_move_waits_for_what_ends_by_itself(tmp_path: Path) -> None:
    """A sign-in in flight is let end: nothing is signalled."""
    selection = selection_of(tmp_path, LONG)
    program(selection, RUNS)
    with begun(selection) as process:
        selection.fence("alice")
        assert process.stdin is not None
        process.stdin.close()
        selection.clear("alice")
        assert process.wait() == 0


@pytest.mark.parametrize(
    ("body", "ended"), [(RUNS, signal.SIGTERM), (STUBBORN, signal.SIGKILL)], ids=["term", "kill"]
)
def test_a_move_ends_what_does_not(tmp_path: Path, body: str, ended: signal.Signals) -> None:
    """Asked first, then killed."""
    selection = selection_of(tmp_path, SHORT)
    program(selection, body)
    with begun(selection) as process:
        selection.fence("alice")
        selection.clear("alice")
        assert process.wait() == -ended


def test_a_child_that_inherited_the_lock_holds_it(tmp_path: Path) -> None:
    """Who took the lock is gone, as /proc/locks would not tell: who has it by now is ended."""
    selection = selection_of(tmp_path, SHORT)
    program(
        selection,
        "child = os.fork()\n"
        "if child: os.write(1, b'runs\\n'); os._exit(0)\n"
        "os.setsid(); sys.stdin.read()",
    )
    with begun(selection) as process:
        assert process.wait() == 0
        selection.fence("alice")
        assert selection.starting("alice")
        selection.clear("alice")
        assert not selection.starting("alice")


def test_what_cannot_be_ended_is_told_and_the_lock_given_back(tmp_path: Path) -> None:
    """The failure says that it is for later; the person's next start is not kept waiting."""
    selection = selection_of(tmp_path, NEVER)
    program(selection, "print('runs', flush=True)")
    selection.fence("alice")
    lock = selection.locks.of("alice").open()
    fcntl.flock(lock, fcntl.LOCK_SH)  # by this very process, which nobody signals
    with lock, pytest.raises(SelectionError, match="cannot clear alice") as caught:
        selection.clear("alice")
    assert caught.value.fault is Fault.LATER
    selection.select("alice", OLD)
    with begun(selection):
        pass


def test_nothing_begins_between_clear_and_select(tmp_path: Path) -> None:
    """A start waits for the lock, and then runs what is selected by then."""
    selection = selection_of(tmp_path, LONG)
    selection.fence("alice")
    selection.clear("alice")
    launcher = written(tmp_path / "t3", render_fixed_launcher(selection.store, "alice"))
    with subprocess.Popen([launcher, "x"], stdout=subprocess.PIPE, text=True) as waiting:
        eventually(lambda: bool(selection.locks._by_lock(selection.locks.of("alice"))))
        assert waiting.poll() is None
        selection.select("alice", NEW)
        said, _ = waiting.communicate()
    new = selection.store / "builds" / NEW.text / "node_modules" / ".bin" / "t3"
    assert (waiting.returncode, said) == (0, f"{new} x\n")


@pytest.mark.parametrize(
    ("was", "now", "status", "words"),
    [
        (f"-w {LOCK_SECONDS} ", "-w 0 ", 75, "being updated, try again"),
        # Trying again in a minute would not help.
        ("flock -s", "/nowhere/flock -s", 70, "cannot be taken"),
    ],
)
def test_a_start_does_not_wait_for_ever(
    tmp_path: Path, was: str, now: str, status: int, words: str
) -> None:
    """A person is told to try again, as by the fence, unless the lock cannot be taken at all."""
    selection = selection_of(tmp_path, LONG)
    selection.fence("alice")
    selection.clear("alice")
    text = render_fixed_launcher(selection.store, "alice")
    assert was in text
    launcher = written(tmp_path / "t3", text.replace(was, now))
    done = subprocess.run([launcher], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr


def test_a_cleared_person_can_be_cleared_again(tmp_path: Path) -> None:
    """After a failure behind the fence the way back clears once more; one select ends both."""
    selection = selection_of(tmp_path, LONG)
    selection.fence("alice")
    selection.clear("alice")
    selection.clear("alice")
    selection.select("alice", OLD)
    program(selection, RUNS)
    with begun(selection):
        pass


def test_a_lock_file_is_never_replaced(tmp_path: Path) -> None:
    """Whoever holds it would hold nothing then."""
    selection = selection_of(tmp_path, LONG)
    before = selection.locks.of("alice").stat().st_ino
    selection.fence("alice")
    selection.clear("alice")
    selection.select("alice", NEW)
    selection.ensure_launcher()
    assert selection.locks.of("alice").stat().st_ino == before


@pytest.mark.parametrize("launcher", ["bin/t3", None])
def test_a_host_of_an_earlier_t3safe_gets_its_locks(tmp_path: Path, launcher: str | None) -> None:
    """Every link has a lock before the launcher asks for one; so it is without one to keep."""
    earlier = selection_of(tmp_path, LONG)
    place = None if launcher is None else tmp_path / launcher
    selection = attrs.evolve(earlier, launcher=place)
    for lock in (selection.locks.of("alice"), selection.locks.of_default):
        lock.unlink()
    selection.ensure_launcher()
    assert selection.locks.of("alice").is_file()
    assert selection.locks.of_default.is_file()


def test_a_start_that_finds_the_fence_is_no_program(tmp_path: Path) -> None:
    """It holds the lock for some milliseconds: a look waits for it to end."""
    selection = selection_of(tmp_path, LONG)
    program(selection, "print('runs', flush=True); time.sleep(0.1)")
    with begun(selection):
        assert not selection.starting("alice")


def test_who_waits_for_a_lock_that_is_ours_has_not_begun(tmp_path: Path) -> None:
    """A person who tries to sign in meanwhile keeps nobody from taking them back."""
    selection = selection_of(tmp_path, LONG)
    selection.fence("alice")
    selection.clear("alice")
    launcher = written(tmp_path / "t3", render_fixed_launcher(selection.store, "alice"))
    with subprocess.Popen([launcher], stdout=subprocess.DEVNULL) as waiting:
        lock = selection.locks.of("alice")
        eventually(lambda: bool(selection.locks._by_lock(lock)))
        assert not selection.starting("alice")
        selection.clear("alice")
        assert waiting.poll() is None
        selection.select("alice", NEW)


def test_a_promotion_waits_for_a_launcher_that_is_about_to_read(tmp_path: Path) -> None:
    """And no longer than a launcher needs: whoever keeps the lock of the default stops nothing."""
    selection = selection_of(tmp_path, NEVER)
    program(selection, STUBBORN)
    with begun(selection, "bob") as process, selection.locks.of_default.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        selection.promote(NEW)
        assert selection.default() == NEW
        assert process.poll() is None


# On a host where people are users of their own.


def selection_for(store: Path, locks: StartLocks) -> SymlinkSelection:
    """Give a selection of which one build is the default, for people who are users."""
    selection = SymlinkSelection(store, store / "state", locks=locks)
    hold(store, OLD).write_text("#!/bin/sh\necho runs\nexec /bin/sleep 600\n")
    selection.promote(OLD)
    return selection


def lock_as(user: str, lock: Path) -> int:
    """Try to open a lock file as a user; the command's status."""
    words = ["/bin/sh", "-c", 'exec 9<"$0"', str(lock)]
    return subprocess.run(words, user=user, stderr=subprocess.DEVNULL, check=False).returncode


@needs_root
@pytest.mark.parametrize("lists", [True, False], ids=["access list", "no access lists"])
def test_a_lock_can_be_opened_by_its_person_alone(
    open_store: Path, monkeypatch: pytest.MonkeyPatch, *, lists: bool
) -> None:
    """Another account can neither hold anybody up nor seem to start as them."""
    if not lists:

        def refused(*_: object) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(os, "setxattr", refused)
    selection = selection_for(open_store, StartLocks(open_store))
    selection.select(NOBODY, OLD)
    lock = selection.locks.of(NOBODY)
    assert lock.stat().st_uid == (0 if lists else pwd.getpwnam(NOBODY).pw_uid)
    assert lock_as(NOBODY, lock) == 0
    assert lock_as("daemon", lock) != 0
    assert lock_as("daemon", selection.locks.of_default) == 0


def as_nobody(*words: str | Path) -> subprocess.Popen[str]:
    """Start a program as another user, and wait until it runs."""
    process = subprocess.Popen(
        words, user=NOBODY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "runs\n"
    return process


@needs_root
@pytest.mark.parametrize("how", ["launcher", "a build's own path", "the lock of the default"])
def test_a_program_of_a_person_is_ended_however_it_was_started(open_store: Path, how: str) -> None:
    """By an earlier launcher, past the launcher, or before the person had a lock of their own."""
    selection = selection_for(open_store, StartLocks(open_store, SHORT))
    launcher = written(open_store / "t3", render_launcher(open_store))
    if how == "the lock of the default":
        process = as_nobody(launcher)
        selection.select(NOBODY, OLD)
    else:
        selection.select(NOBODY, OLD)
        path = hold(open_store, OLD)
        path.write_text("#!/bin/sh\necho runs\nread line\n")
        process = as_nobody(launcher if how == "launcher" else path)
    try:
        selection.fence(NOBODY)
        assert selection.starting(NOBODY)
        selection.clear(NOBODY)
        assert process.wait() == -signal.SIGTERM
    finally:
        end(process)


@needs_root
def test_a_lock_that_lost_its_access_list_keeps_nobody_from_starting(open_store: Path) -> None:
    """A store that was copied back without its lists: the person starts, and is still found."""
    selection = selection_for(open_store, StartLocks(open_store, SHORT))
    selection.select(NOBODY, OLD)
    os.removexattr(selection.locks.of(NOBODY), "system.posix_acl_access")
    selection.locks.of(NOBODY).chmod(0o600)
    launcher = written(open_store / "t3", render_launcher(open_store))
    process = as_nobody(launcher)
    try:
        selection.fence(NOBODY)
        selection.clear(NOBODY)
        assert process.wait() == -signal.SIGTERM
    finally:
        end(process)


@needs_root
def test_a_process_of_another_user_is_never_ended(open_store: Path) -> None:
    """A person may hand the open lock to anybody's process: they are deferred for it."""
    selection = selection_for(open_store, StartLocks(open_store, NEVER))
    selection.select(NOBODY, OLD)
    lock = selection.locks.of(NOBODY)
    words = ["flock", "-s", str(lock), "sh", "-c", "echo runs; exec sleep 600"]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "runs\n"
    try:
        selection.fence(NOBODY)
        with pytest.raises(SelectionError, match="holds the start lock") as caught:
            selection.clear(NOBODY)
        assert caught.value.fault is Fault.LATER
        assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        end(process)


@needs_root
def test_a_user_whom_the_host_does_not_know_now_gets_no_lock_of_root_alone(
    open_store: Path,
) -> None:
    """A directory is away for a night: until then their start uses the lock of the default."""
    away = {"known": False}
    known = pwd.getpwnam(NOBODY).pw_uid
    locks = StartLocks(open_store, NEVER, uid_of=lambda _: known if away["known"] else None)
    selection = selection_for(open_store, locks)
    selection.select(NOBODY, OLD)
    selection.ensure_launcher()
    assert not locks.of(NOBODY).exists()
    with pytest.raises(SelectionError, match="does not know the user") as caught:
        selection.clear(NOBODY)
    assert caught.value.fault is Fault.LATER
    away["known"] = True
    selection.ensure_launcher()
    assert lock_as(NOBODY, locks.of(NOBODY)) == 0
