"""What a person with an account does to the paths that t3safe works with.

Ann attacks.  In each test her trap stands while root looks at her, copies her state and lists what
she can be put back to.  What the trap leads to must stay as it was, nobody else may be disturbed,
and nothing may wait on her for longer than it takes to say so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fakes.t3.app.state import BINDINGS
from t3safe.entrypoints.exits import Exit
from t3safe.t3.files import ENVIRONMENT_ID, HOME_BASE, RUNTIME, USERDATA, V1_DATABASE
from tests.e2e.realhost.machine import NEW, OLD, HostContainer, PersonState

pytestmark = pytest.mark.docker

OWN = "/srv/administrator"
"""A folder that nobody but root may enter."""
BENS = f"/home/ben/{HOME_BASE}/{USERDATA}"
VICTIMS = f"/etc/passwd /etc/shadow {OWN}/secret {BENS}/{ENVIRONMENT_ID}"
STATE = f"/home/ann/{HOME_BASE}/{USERDATA}"
STORE = "/var/backups/t3-state/ann"
PATIENCE = 60.0
"""Seconds on a host with nothing else to do; the looks of a whole round are bounded by 30 each and
end in a fraction of one."""
PACE = 1.0
"""Seconds that `t3safe status` takes on such a host at the most, with everything around it."""


def as_ben(person: PersonState) -> tuple[object, ...]:
    """What of ben must stay as it is."""
    return (person.link, person.ledger, person.pid, person.rows)


@contextmanager
def harmless(host: HostContainer) -> Iterator[None]:
    """See that what the block does changes nothing beyond ann's own, and takes no time.

    On a machine that has other work the time is as much longer as a look at the host is.
    """
    host.sh(f"umask 077; mkdir -p {OWN}; echo the administrator\\'s >{OWN}/secret")
    kept = host.sh(f"sha256sum {VICTIMS}; stat -c '%n %U %a %s %Y' {VICTIMS}").out
    ben = as_ben(host.look("ben")["ben"])
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < PATIENCE * max(1.0, _pace(host) / PACE)
    assert host.sh(f"sha256sum {VICTIMS}; stat -c '%n %U %a %s %Y' {VICTIMS}").out == kept
    assert as_ben(host.look("ben")["ben"]) == ben
    assert "administrator" not in host.sh(f"cat -- {STORE}/*/files/* || true", check=False).out


def _pace(host: HostContainer) -> float:
    began = time.monotonic()
    host.t3safe("status")
    return time.monotonic() - began


def rounds(host: HostContainer) -> str:
    """Have root look at ann in every way there is; what it said."""
    said = [
        host.t3safe("snapshot", "ann"),
        host.t3safe("status"),
        host.t3safe("snapshots", "ann"),
        host.t3safe("verify", "ann"),
    ]
    return "\n".join(each.out + each.err for each in said)


TRAPS = {
    "base directory is a link to root's home": f"mv {HOME_BASE} old; ln -s /root {HOME_BASE}",
    "userdata is a link to ben's": f"mv {STATE} old; ln -s {BENS} {STATE}",
    "database is a link to the shadow file": f"cd {STATE}; mv {V1_DATABASE} x; "
    f"ln -s /etc/shadow {V1_DATABASE}",
    "database is a link to ben's": f"cd {STATE}; mv {V1_DATABASE} x; "
    f"ln -s {BENS}/{V1_DATABASE} {V1_DATABASE}",
    "log is a link to the password file": f"cd {STATE}; rm -f {V1_DATABASE}-wal; "
    f"ln -s /etc/passwd {V1_DATABASE}-wal",
    "database is a pipe": f"cd {STATE}; mv {V1_DATABASE} x; mkfifo {V1_DATABASE}",
    "small file is a pipe": f"cd {STATE}; rm -f {BINDINGS}; mkfifo {BINDINGS}",
    "secrets folder is a link": f"cd {STATE}; mv secrets x; ln -s /root secrets",
    "database is a folder": f"cd {STATE}; mv {V1_DATABASE} x; mkdir {V1_DATABASE}",
    "restore marker is a link": f"ln -s /etc/passwd {STATE}/.t3safe-restore.json",
    "staging folder is a link to ben's": f"ln -s {BENS} {STATE}/.t3safe-staging",
    "runtime file names init as the serve": f"cd {STATE}; rm -f {RUNTIME}; "
    f'echo \'{{"version":1,"pid":1,"startedAt":"2026-01-01T00:00:00Z"}}\' >{RUNTIME}',
    "sparse file as large as the disk": f"truncate -s 4T {STATE}/huge.sqlite",
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())
def test_trap_in_a_persons_files_leads_nowhere(host: HostContainer, trap: str) -> None:
    """A link, a pipe or a lie in ann's own folders is refused or passed over, never followed."""
    host.run("systemctl", "stop", "t3-serve@ann")
    with harmless(host):
        host.sh(f"cd /home/ann; {trap}", user="ann")
        rounds(host)
    assert host.alerts() == set()


STORE_TRAPS = {
    "snapshot is a link to the system's configuration": f"mv {STORE}/$id {STORE}/x; "
    f"ln -s /etc {STORE}/$id",
    "files of a snapshot are links": f"cd {STORE}/$id/files; chmod 700 .; rm -f {V1_DATABASE}; "
    f"ln -s /etc/shadow {V1_DATABASE}",
    "partial snapshot is a link": f"ln -s /etc {STORE}/.partial-evil",
    "trash is a link": f"ln -s /home/ben {STORE}/.trash-evil",
    "manifest names files elsewhere": f"cd {STORE}/$id; chmod 700 .; chmod 600 *.json; "
    f"sed -i 's#{V1_DATABASE}#../../../../../etc/shadow#g' *.json",
    "folder of snapshots is a link": f"rm -rf {STORE} || true; ln -s /etc {STORE} || true",
}


@pytest.mark.parametrize("trap", STORE_TRAPS.values(), ids=STORE_TRAPS.keys())
def test_trap_among_a_persons_snapshots_leads_nowhere(host: HostContainer, trap: str) -> None:
    """Ann owns her snapshots: what she makes of them is checked as ann, restored as ann or not."""
    host.t3safe("snapshot", "ann")
    name = host.sh(f"ls {STORE}").out.split()[0]
    host.run("systemctl", "stop", "t3-serve@ann")
    with harmless(host):
        host.sh(f"id={name}; {trap}", user="ann", check=False)
        rounds(host)
        host.t3safe("restore", "ann", name, "--yes", "--force")
    assert host.sign_in("ben")["ok"]


def test_names_with_blanks_and_newlines_say_nothing_of_their_own(host: HostContainer) -> None:
    """A file named like an alert, over two lines, is copied or left out and alerts nobody.

    A database of that name that no build knows holds back ann alone: ben is moved.
    """
    host.run("systemctl", "stop", "t3-serve@ann")
    with harmless(host):
        host.sh(
            f"cd {STATE}; printf x >'a b'; printf x >\"$(printf 'x\\nFROZEN rolled back')\";"
            f" cp {V1_DATABASE} \"$(printf 'ROLLBACK FAILED\\nrolling back.sqlite')\"",
            user="ann",
        )
        rounds(host)
    before = host.look("ben")["ben"].link
    host.night()
    assert host.alerts() == set()
    assert host.look("ben")["ben"].link != before
    assert host.sign_in("ben")["ok"]


def test_hard_link_to_a_file_of_the_system_is_never_written(host: HostContainer) -> None:
    """A second name of a root's file among ann's (root made it here: the kernel forbids her)."""
    host.run("systemctl", "stop", "t3-serve@ann")
    host.t3safe("snapshot", "ann")
    name = host.sh(f"ls {STORE}").out.split()[0]
    with harmless(host):
        host.sh(f"rm -f {STATE}/{ENVIRONMENT_ID}; ln /etc/passwd {STATE}/{ENVIRONMENT_ID}")
        rounds(host)
        host.t3safe("restore", "ann", name, "--yes", "--force")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{STATE}/{V1_DATABASE}", "/etc/shadow"),
        (f"{STATE}/{V1_DATABASE}", f"{BENS}/{V1_DATABASE}"),
        (STATE, BENS),
        (f"{STORE}/swap", "/etc"),
    ],
    ids=["database and shadow", "database and ben's", "userdata and ben's", "snapshot and etc"],
)
def test_swap_between_check_and_use_gains_nothing(
    host: HostContainer, one: str, other: str
) -> None:
    """Ann swaps what is hers for a link, some thousand times a second, while root works."""
    host.t3safe("snapshot", "ann")
    host.run("systemctl", "stop", "t3-serve@ann")
    host.run("tee", "/tmp/swap.py", given=SWAP)
    with harmless(host):
        host.sh(
            f"setsid python3 /tmp/swap.py {one} {other} </dev/null >/dev/null 2>&1 &", user="ann"
        )
        for _ in range(3):
            rounds(host)
        host.run("pkill", "-f", "swap.py", check=False)
    assert host.sign_in("ben")["ok"]


SWAP = """\
import os, sys
one, other = sys.argv[1:]
os.makedirs(one, exist_ok=True) if not os.path.lexists(one) else None
while True:
    try:
        os.rename(one, one + ".mine")
        os.symlink(other, one)
        os.unlink(one)
        os.rename(one + ".mine", one)
    except OSError:
        pass
"""


def test_folder_named_like_a_rehearsals_room_is_left_alone(host: HostContainer) -> None:
    """Mallory makes what looks like a left-over of the gate: it is neither entered nor deleted."""
    host.sh(
        "cd /var/tmp; mkdir t3safe-gate-mine; echo mine >t3safe-gate-mine/file;"
        " ln -s /home/ben t3safe-gate-ben",
        user="mallory",
    )
    assert host.night().status == Exit.OK
    assert host.read("/var/tmp/t3safe-gate-mine/file") == "mine\n"
    assert host.sign_in("ben")["ok"]
    host.run("rm", "-rf", "/var/tmp/t3safe-gate-mine", "/var/tmp/t3safe-gate-ben")


def test_person_who_stops_their_own_worker_delays_for_a_bounded_time(host: HostContainer) -> None:
    """Ann stops each process that works as her; root says so when the time is over, and goes on."""
    host.configure(backup_timeout=3.0)
    host.run("tee", "/tmp/stopper.py", given=STOPPER)
    host.sh("setsid python3 /tmp/stopper.py </dev/null >/dev/null 2>&1 &", user="ann")
    with harmless(host):
        said = host.t3safe("snapshot", "ann")
        assert said.status != Exit.OK
        assert "took longer" in said.err
        assert host.t3safe("snapshot", "ben").status == Exit.OK
    host.run("pkill", "-KILL", "-f", "stopper.py")
    assert host.sh("systemctl list-units -q 't3safe-job-*'").out == ""


STOPPER = """\
import os, signal
stopped = set()
while True:
    for pid in {int(name) for name in os.listdir("/proc") if name.isdigit()} - stopped:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as words:
                if b"personaldata.worker" in words.read():
                    os.kill(pid, signal.SIGSTOP)
                    stopped.add(pid)
        except OSError:
            pass
"""


def test_root_names_no_path_of_a_persons_in_a_whole_night(host: HostContainer) -> None:
    """Every call with a path that root makes in a run is traced: none is of a home or below."""
    # A file for each thread: in one for all, a call that another one falls into is told in halves.
    said = host.sh(
        "mkdir /tmp/traces; strace -ff -qq -e trace=%file,%process -e signal=none -o /tmp/traces/of"
        " t3safe run >/tmp/said 2>&1 || true; tail -n 1 /tmp/said; cat /tmp/traces/* >/tmp/trace"
    )
    assert "promoted" in said.out, said.out
    assert host.sh("grep -c 'resumed>' /tmp/trace || true").out == "0\n"
    # The words of a started program are no paths that its caller opens, nor is what the kernel
    # tells of a process's open files.
    passed_over = r'execve\(|readlink\("/proc/[0-9]+/fd/'
    theirs = r'"/home|"/var/backups/t3-state/[^"]*/'
    traced = host.sh(f"grep -vE '{passed_over}' /tmp/trace | grep -E '{theirs}' || true").out
    assert traced == "", traced[:2000]
    assert int(host.sh("grep -c openat /tmp/trace").out) > 1000
    assert host.look()["ann"].runs == NEW.version


def test_attack_on_ones_own_state_keeps_nobody_else_from_the_night(host: HostContainer) -> None:
    """Ann's database is a link to the shadow file: she is left as she is, and ben signs in."""
    host.sh(f"cd {STATE}; mv {V1_DATABASE} x; ln -s /etc/shadow {V1_DATABASE}", user="ann")
    before = host.look("ben")["ben"]
    said = host.night()
    assert said.status in {Exit.OK, Exit.REFUSED, Exit.LATER}, said.out
    after = host.look("ben")["ben"]
    assert after.build in {OLD.version, NEW.version}
    assert after.build == NEW.version or after == before
    assert host.sign_in("ben")["ok"]
    assert not host.frozen()


def test_what_root_exports_is_a_persons_own_and_lands_where_only_root_may_write(
    host: HostContainer,
) -> None:
    """Ann's links lead nowhere, root's file is 0600 and hers never; her folders are refused."""
    host.t3safe("snapshot", "ann")
    name = host.sh(f"ls {STORE}").out.split()[0]
    with harmless(host):
        whole = host.t3safe("export", "ann", name, f"{OWN}/ann.tar")
        assert whole.status == Exit.OK, whole
        assert host.sh(f"stat -c '%a %U' {OWN}/ann.tar").out.split() == ["600", "root"]
        assert f"files/{V1_DATABASE}" in host.sh(f"tar tf {OWN}/ann.tar").out
        for place in ("/home/ann/ann.tar", "/tmp/ann.tar"):
            refused = host.t3safe("export", "ann", name, place)
            assert refused.status == Exit.USAGE, refused
            assert host.run("test", "-e", place, check=False).status != 0
        trap = f"cd {STORE}/{name}/files; chmod 700 .; rm -f {V1_DATABASE}; "
        host.sh(f"{trap} ln -s /etc/shadow {V1_DATABASE}", user="ann")
        trapped = host.t3safe("export", "ann", name, f"{OWN}/trapped.tar")
        assert trapped.status == Exit.LATER, trapped
        assert host.run("test", "-e", f"{OWN}/trapped.tar", check=False).status != 0
    host.run("rm", "-f", f"{OWN}/ann.tar")
