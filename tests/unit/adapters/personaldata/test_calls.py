"""How the worker is called: as whom, with what, for how long, and how far it is believed."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from t3safe.adapters._support import child
from t3safe.adapters.personaldata import calls
from t3safe.adapters.personaldata.local import LocalPersonalData
from t3safe.adapters.personaldata.worker import main, parent
from t3safe.domain.errors import Fault, PersonalDataError
from t3safe.domain.idle import Activity, TurnMark
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.retention import SnapshotKind
from t3safe.t3.files import HOME_BASE, SETTINGS, USERDATA, V1_DATABASE
from tests.support.personaldata import DiskWorld, Ticking, event, make_database
from tests.support.personaldata import serving as serving_on


def stand_in(world: DiskWorld, script: str) -> None:
    """Let something else than the worker answer."""
    program = world.root / "stand-in"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    world.states.python = str(program)


def refusal(world: DiskWorld) -> str:
    """Ask for a ledger, be refused, and tell how."""
    with pytest.raises(PersonalDataError, match="cannot read the ledger of alice") as caught:
        world.states.ledger("alice")
    assert caught.value.fault is Fault.HOST
    return str(caught.value)


def test_nobody_is_asked_how_large_our_own_snapshot_is(world: DiskWorld) -> None:
    """What was sealed is never written again; once it is removed there is nothing to tell."""
    taken = world.states.snapshot("alice", "s1", SnapshotKind.REST, None)
    python = world.states.python
    stand_in(world, "exit 1")
    assert world.states.size("alice", "s1") == taken.size > 0
    world.states.python = python
    world.states.remove("alice", "s1")
    with pytest.raises(PersonalDataError, match="there is no such snapshot"):
        world.states.size("alice", "s1")


def test_what_a_restore_could_not_keep_is_told(world: DiskWorld) -> None:
    """As the worker says it, in lines that can be printed, and not without end."""
    heard: list[str] = []
    world.states.lost = heard.append
    world.states.snapshot("alice", "s1", SnapshotKind.REST, None)
    (world.root / "linked").hardlink_to(world.database("alice"))
    world.states.restore("alice", "s1")
    link = "state.sqlite: another name of it (a hard link) has the old content"
    assert heard == [f"alice restored, but {link}"]
    stand_in(
        world, """echo '{"answer": ["a\\u001b", "b","c","d","e","f","g","h","i","j","k","l"]}'"""
    )
    world.states.restore("alice", "s1")
    assert heard[1] == "alice restored, but a "
    assert heard[-1] == "alice restored, but of 2 more files as well"
    assert len(heard) == 12


def test_name_that_is_no_persons_reaches_no_file(world: DiskWorld) -> None:
    """A name that could be a path or an option is refused before anything is opened or made."""
    before = sorted(world.root.rglob("*"))
    for person in ("", "root", "../alice", "a b", "-x", "a/b", "1001"):
        with pytest.raises(PersonalDataError, match="is not a person's user name"):
            world.states.snapshot(person, "s1", SnapshotKind.REST, None)
    world.states.switch_user = True
    with pytest.raises(PersonalDataError, match="there is no such user on this host"):
        world.states.snapshot("nobody-like-this", "s1", SnapshotKind.REST, None)
    assert sorted(world.root.rglob("*")) == before


@pytest.mark.parametrize(
    "script",
    [
        "echo no json",
        "echo '{}'",
        "echo '[]'",
        f'echo \'{{"answer": {{"{V1_DATABASE}": 7}}}}\'',
        f'echo \'{{"answer": {{"{V1_DATABASE}": [["x", "Name"]]}}}}\'',
        'echo \'{"answer": {"\\ud800": []}}\'',
        "head -c 200000 /dev/zero | tr '\\0' '['",
        "exit 3",
    ],
)
def test_answer_that_cannot_be_understood_is_an_error(world: DiskWorld, script: str) -> None:
    """Whatever a process of the person says in the worker's place ends as a PersonalDataError."""
    stand_in(world, script)
    assert "alice" in refusal(world)


def test_activity_that_cannot_be_understood_is_unreadable(world: DiskWorld) -> None:
    """It is an answer, never "no work"; what can be understood is printable."""
    turns = ('[[5, null, "x"]]', '[["a", "2026-06-09T05:00:00", "x"]]', '[["a"]]')
    for said in (*turns, '[["a\\u001b", null, "x"]]'):
        stand_in(world, f"""echo '{{"answer": {{"tracked": true, "turns": {said}}}}}'""")
        activity = world.states.activity("alice")
        if said in turns:
            assert "no answer that can be understood" in activity.unreadable
        else:
            assert activity == Activity(tracked=True, turns=(TurnMark("a ", None, "x"),))


@pytest.mark.parametrize("said", ['{"answer": -1}', '{"answer": "much"}', '{"answer": null}'])
def test_a_weight_that_is_none_is_an_error(world: DiskWorld, said: str) -> None:
    """It is not taken for no data."""
    assert world.states.weight("alice") > world.states.weight("bob") == 0
    stand_in(world, f"echo '{said}'")
    with pytest.raises(PersonalDataError, match="cannot weigh the data of alice"):
        world.states.weight("alice")


def test_how_far_a_copy_is_is_heard_and_is_no_complaint(world: DiskWorld) -> None:
    """Reports reach whoever listens; what is none, and what the worker complains of, does not."""
    heard: list[tuple[int, int]] = []
    world.states.copied = lambda done, total: heard.append((done, total))
    lines = ("t3safe-progress:copied 1 10", "no good", "t3safe-progress:copied -3 x")
    said = "; ".join(f"echo '{line}' >&2" for line in (*lines, "t3safe-progress:copied 7 10"))
    stand_in(world, f"{said}; exit 3")
    told = refusal(world)
    assert heard == [(1, 10), (7, 10)]
    assert "no good" in told
    assert "t3safe-progress" not in told


def test_what_a_person_may_have_written_is_one_printable_line(
    world: DiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line break, no control character, no novel in the log, and no end that fills memory."""
    text = "x\\nforged line\\u001b[31m" + "y" * 2000
    stand_in(world, f'echo \'{{"error": "broken", "text": "{text}"}}\'')
    said = refusal(world)
    assert said.isprintable()
    assert len(said) < 1000
    monkeypatch.setattr(calls, "ANSWER_BYTES_MAX", 100_000)
    stand_in(world, "exec cat /dev/zero")
    assert "said more than 100000 bytes" in refusal(world)
    world.states.python = str(world.root / "no-python")
    assert "no-python cannot be run as the person" in refusal(world)


def test_worker_that_takes_too_long_is_ended(world: DiskWorld) -> None:
    """A copy that outlasts its time is an error that says so, and its worker is gone."""
    world.states.snapshot("alice", "s1", SnapshotKind.REST, None)
    world.states.timeout = 0.3
    fd = os.open(world.root / "backup" / "alice", os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with pytest.raises(PersonalDataError, match=r"it took longer than 0\.3 s"):
            world.states.restore("alice", "s1")
    finally:
        os.close(fd)
        world.states.timeout = 20.0
    assert not world.states.restoring("alice")


def test_worker_dies_with_its_parent(world: DiskWorld) -> None:
    """When whoever asked goes away the worker ends at once, also in the middle of its work."""
    world.states.snapshot("alice", "s1", SnapshotKind.REST, None)
    store = world.root / "backup" / "alice"
    question = {"ask": "restoring", "uid": os.geteuid(), "store": str(store), "base": "/nowhere"}
    fd = os.open(store, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        worker = subprocess.Popen(
            child.isolated(sys.executable, calls._BOOT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert worker.stdin
        worker.stdin.write(json.dumps(question).encode() + b"\n")
        worker.stdin.close()
        assert worker.wait(20) == parent.ORPHANED
        assert worker.stdout
        worker.stdout.close()
    finally:
        os.close(fd)


def test_worker_gets_nothing_of_our_environment(
    world: DiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a secret nor a setting of t3safe's own environment reaches the person's process."""
    monkeypatch.setenv("A_SECRET", "hunter2")
    out = world.root / "environment"
    stand_in(world, f"env > {out}; pwd >> {out}; umask >> {out}")
    refusal(world)
    names = {line.partition("=")[0] for line in out.read_text().splitlines()}
    assert names - {"PWD", "_", "SHLVL", "OLDPWD"} == {"LC_ALL", "PATH", "HOME", "/", "0077"}


def test_worker_needs_only_the_standard_library(world: DiskWorld) -> None:
    """The worker starts without site packages: a person needs no access to them."""
    assert world.states.ledger("alice") != SetLedger()
    boot = calls._BOOT.replace("main()", "print(*sys.modules)")
    words = child.isolated(sys.executable, boot)
    listed = subprocess.check_output(words, text=True).split()
    ours = {name for name in listed if name.partition(".")[0] == "t3safe"}
    others = {name.partition(".")[0] for name in listed} - {"t3safe", "__main__"}
    assert others <= sys.stdlib_module_names
    rules = {name for name in ours if name.startswith("t3safe.domain")}
    assert rules <= {"t3safe.domain", "t3safe.domain.text"}, "rules take more than the library"


# As another user; needs root and an interpreter that the person can run.


@pytest.fixture
def shared_host() -> Iterator[tuple[LocalPersonalData, Path]]:
    """A host of real users with one person `nobody`; skipped where we cannot become them."""
    python = _python_for_nobody()
    if os.geteuid() != 0 or not python:
        pytest.skip("NOT TESTED: becoming the person needs root and an interpreter they can run")
    root = Path(tempfile.mkdtemp(dir="/tmp"))
    root.chmod(0o755)
    person = pwd.getpwnam("nobody")
    base = root / "home" / "nobody" / HOME_BASE
    make_database(base / USERDATA / V1_DATABASE)
    for path in (base.parent, *base.parent.rglob("*")):
        os.chown(path, person.pw_uid, person.pw_gid)
    states = LocalPersonalData(
        f"{root}/home/{{person}}/{HOME_BASE}", root / "backup", Ticking(), 20.0
    )
    states.python = python
    yield states, root
    shutil.rmtree(root)


def _python_for_nobody() -> str:
    """Name an interpreter that `nobody` can run the worker with, empty where there is none."""
    for python in (sys.executable, "/usr/bin/python3"):
        asked = [python, "-I", "-S", "-c", f"open({main.__file__!r}); import tomllib, sqlite3"]
        try:
            if subprocess.run(asked, user="nobody", check=False, stderr=-3).returncode == 0:
                return python
        except (OSError, ValueError, KeyError):
            continue
    return ""


def test_everything_of_a_person_is_done_as_the_person(
    shared_host: tuple[LocalPersonalData, Path],
) -> None:
    """Snapshots and restored files belong to the person; the destination stays root's."""
    states, root = shared_host
    person = pwd.getpwnam("nobody").pw_uid
    states.snapshot("nobody", "s1", SnapshotKind.REST, None)
    with serving_on(root / f"home/nobody/{HOME_BASE}/{USERDATA}/{V1_DATABASE}") as serve:
        serve.commit(event("later"))
        with pytest.raises(PersonalDataError, match=r"cannot restore nobody: .* (lock|open)"):
            states.restore("nobody", "s1")
        serve.stop()
    states.restore("nobody", "s1")
    for folder in (root / "backup", root / "home" / "nobody"):
        assert {path.lstat().st_uid for path in folder.rglob("*")} == {person}
    assert (root / "backup").stat().st_uid == 0
    assert stat.S_IMODE((root / "backup").stat().st_mode) == 0o711
    assert stat.S_IMODE((root / "backup" / "nobody").stat().st_mode) == 0o700


def test_link_to_what_only_root_may_read_gives_nothing_away(
    shared_host: tuple[LocalPersonalData, Path],
) -> None:
    """A person who links to somebody else's secrets gets no copy of them."""
    states, root = shared_host
    userdata = root / f"home/nobody/{HOME_BASE}/{USERDATA}"
    (userdata / SETTINGS).symlink_to("/etc/shadow")
    states.snapshot("nobody", "s1", SnapshotKind.REST, None)
    assert [path.name for path in (root / "backup/nobody/s1/files").iterdir()] == [V1_DATABASE]


def test_read_only_set_is_told(shared_host: tuple[LocalPersonalData, Path]) -> None:
    """A folder in which the person cannot write is an error that says where to look."""
    states, root = shared_host
    userdata = root / f"home/nobody/{HOME_BASE}/{USERDATA}"
    states.snapshot("nobody", "s1", SnapshotKind.REST, None)
    shutil.rmtree(userdata)
    make_database(userdata / V1_DATABASE)
    before = sorted(userdata.iterdir())
    with pytest.raises(PersonalDataError, match="check the owner and the modes"):
        states.snapshot("nobody", "s2", SnapshotKind.REST, None)
    with pytest.raises(PersonalDataError, match="check the owner and the modes"):
        states.restore("nobody", "s1")
    assert not states.restoring("nobody")
    assert sorted(userdata.iterdir()) == before


@pytest.mark.parametrize("make", ["link", "file", "foreign", "open to all"])
def test_what_is_not_the_persons_alone_is_refused(
    shared_host: tuple[LocalPersonalData, Path], make: str
) -> None:
    """A link, a file or another user's folder in the person's place; a folder all can write."""
    states, root = shared_host
    (root / "backup").mkdir()
    place = root / "backup" / "nobody"
    match make:
        case "link":
            place.symlink_to("/tmp")
        case "file":
            place.touch()
        case "foreign":
            place.mkdir()
            os.chown(place, 12345, 12345)
        case _:
            (root / "backup").chmod(0o777)
    before = sorted(root.rglob("*"))
    with pytest.raises(PersonalDataError, match="cannot be used for snapshots"):
        states.snapshot("nobody", "s1", SnapshotKind.REST, None)
    assert sorted(root.rglob("*")) == before
    assert make != "foreign" or place.stat().st_uid == 12345
