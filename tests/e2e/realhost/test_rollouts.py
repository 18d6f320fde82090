"""Whole nights on the real host: who is moved, who is left alone, who is taken back."""

from __future__ import annotations

import pytest
from attrs import evolve

from fakes.packages import FakeRelease
from t3safe.entrypoints.exits import Exit
from t3safe.t3.files import HOME_BASE, USERDATA, V1_DATABASE
from t3safe.t3.work import THREAD_SESSIONS, TURNS
from tests.e2e.realhost.machine import NEW, OLD, HostContainer, PersonState

pytestmark = pytest.mark.docker

BAD = "0.0.25-nightly.20260609.500"
GROUP = "$(systemctl show -p ControlGroup --value t3-serve@ben)"


def bad(*faults: str) -> FakeRelease:
    """A release like NEW with these faults."""
    return evolve(NEW, version=BAD, faults=faults)


def as_before(before: PersonState, after: PersonState) -> bool:
    """Whether a person's selection, ledger and process are what they were."""
    return (after.link, after.ledger, after.pid) == (before.link, before.ledger, before.pid)


def rename_tables(host: HostContainer, before: str, after: str) -> None:
    """Rename the tables that tell of ben's turns, as a release without them would leave it."""
    for table in (THREAD_SESSIONS, TURNS):
        change = f"ALTER TABLE {before}{table} RENAME TO {after}{table}"
        host.run("sqlite3", f"/home/ben/{HOME_BASE}/{USERDATA}/{V1_DATABASE}", change, user="ben")


def test_agent_deep_in_the_control_group_keeps_its_person(host: HostContainer) -> None:
    """Where the database tells nothing of turns, an agent in any group below the unit's is work.

    It is no child of the serve, and lies two groups deeper; the drain moves ben once it has ended.
    """
    rename_tables(host, "", "no_")
    host.sh(
        "cp /bin/sleep /opt/codex; setsid runuser -u ben -- /opt/codex 300 </dev/null >/dev/null"
        " 2>&1 & until pgrep codex; do sleep 0.1; done;"
        f' group=/sys/fs/cgroup/systemd{GROUP}/deep/deeper; mkdir -p "$group";'
        ' for pid in $(pgrep codex); do echo $pid >"$group/cgroup.procs"; done'
    )
    before = host.look()
    assert host.night().status == Exit.OK
    after = host.look()
    assert after["ann"].build == NEW.version
    assert as_before(before["ben"], after["ben"])
    assert host.run("pgrep", "codex").out.strip()
    host.sh("pkill codex; rm /opt/codex")
    rename_tables(host, "no_", "")
    assert host.drain().status == Exit.OK
    assert host.look()["ben"].build == NEW.version


def test_mint_of_a_deferred_person_leaves_their_ledger_alone(host: HostContainer) -> None:
    """Ben signs in again and again, during the rollout and after it, and stays on his build."""
    host.do(("turn", {"login": "ben", "action": "start"}))
    before = host.look()["ben"]
    script = (
        "cd /opt/fakes; for i in $(seq 200); do [ -e /tmp/enough ] && break; "
        'echo \'[["sign_in",{"login":"ben"}]]\' | python3 -B -m fakes.guest; echo; done'
        " >/tmp/sign-ins 2>&1 &"
    )
    host.sh(f"rm -f /tmp/enough; {script}")
    assert host.night().status == Exit.OK
    host.run("touch", "/tmp/enough")
    signed_in = host.read("/tmp/sign-ins")
    assert signed_in.count('"ok": true') > 3
    assert '"ok": false' not in signed_in
    after = host.look()["ben"]
    assert as_before(before, after)
    assert host.sign_in("ben")["version"] == OLD.version
    assert host.look()["ben"].ledger == before.ledger
    assert host.look()["ann"].level == 32


def attach(host: HostContainer, person: str) -> None:
    """Give a person an attachment: `breaks-with-attachments` breaks for them in production only."""
    host.sh(
        f"cd /home/{person}/{HOME_BASE}/{USERDATA}; "
        "mkdir -p attachments; echo x >attachments/a.png",
        user=person,
    )


def test_canary_broken_after_the_gate_is_taken_back_alone(host: HostContainer) -> None:
    """Ben's serve breaks in production: he is taken back, the host frozen, ann stays unharmed.

    Ann is on the new build before, after, and after the next restart of her serve.
    """
    attach(host, "ben")
    host.publish(bad("breaks-with-attachments"))
    kept = {name: host.sign_in(name)["rows"] for name in host.people}
    before = host.look()
    said = host.night()
    assert said.status == Exit.ROLLED_BACK, said.out
    after = host.look()
    assert (after["ann"].runs, after["ann"].level) == (BAD, 32)
    assert (after["ben"].runs, after["ben"].ledger) == (OLD.version, before["ben"].ledger)
    assert host.frozen()
    assert host.last_good() == OLD.version
    assert host.alerts() == {"rolling back", "rolled back", "FROZEN"}
    host.run("systemctl", "restart", "t3-serve@ann")
    host.do(("wait_for", {"person": "ann"}))
    for name, build in (("ann", BAD), ("ben", OLD.version)):
        found = host.sign_in(name)
        assert (found["ok"], found["version"]) == (True, build)
        assert host.do(("holds", {"person": name, "rows": kept[name]})) == [[]]
    assert host.night().status == Exit.FROZEN


def test_rollback_on_purpose_gives_the_old_rows_back(host: HostContainer) -> None:
    """`t3safe rollback` takes one person back, with the registry down; what is new is kept."""
    rows = host.sign_in("ann")["rows"]
    assert host.night().status == Exit.OK
    newer = host.sign_in("ann")["rows"]
    host.run("systemctl", "stop", "npm-registry")
    said = host.t3safe("rollback", "ann", "--yes")
    assert said.status == Exit.OK, said
    after = host.look()
    assert (after["ann"].runs, after["ann"].level) == (OLD.version, 30)
    assert after["ben"].runs == NEW.version
    assert host.do(("holds", {"person": "ann", "rows": rows})) == [[]]
    assert host.do(("holds", {"person": "ann", "rows": newer})) == [newer]
    assert "rest" in host.t3safe("snapshots", "ann").out


def test_launcher_that_an_installer_replaced_is_put_back(host: HostContainer) -> None:
    """`npm i -g` puts a global t3 in its place: the next run restores the launcher and says so."""
    host.sh("rm -rf /usr/bin/t3 /usr/lib/node_modules; npm i -g t3@nightly")
    assert host.run("readlink", "/usr/bin/t3").out
    host.do(("registry", {"command": "tag", "name": "nightly", "version": OLD.version}))
    before = host.look()
    said = host.night()
    assert "LAUNCHER RESTORED" in said.out
    assert host.run("readlink", "/usr/bin/t3", check=False).out == ""
    assert all(as_before(before[name], p) for name, p in host.look().items())


def test_stop_of_the_unit_ends_the_run_at_a_safe_point(host: HostContainer) -> None:
    """`systemctl stop` in the middle: nobody is left fenced, and the next run ends the work."""
    host.configure(gate__soak=2.0)
    host.sh(
        "systemctl start --no-block t3-autoupdate;"
        " until journalctl -q -t t3-autoupdate -n 3 | grep -q rehearsing; do sleep 0.1; done;"
        " systemctl stop t3-autoupdate"
    )
    assert {p.build for p in host.look().values()} == {OLD.version}
    assert all(host.sign_in(name)["ok"] for name in host.people)
    host.configure(gate__soak=0.2)
    assert host.night().status == Exit.OK
    assert {p.build for p in host.look().values()} == {NEW.version}


@pytest.mark.parametrize("where", ["/var/backups/t3-state", "/opt/t3safe/builds"])
def test_full_disk_moves_nobody(host: HostContainer, where: str) -> None:
    """Without room for a snapshot or for a build the run refuses before anybody is touched."""
    host.unstage()
    before = host.look()
    # Shared, so that units see it; the builds that are there stay readable below it.
    host.sh(
        f"mkdir -p /tmp/kept && cp -a {where}/. /tmp/kept/ && mount -t tmpfs -o size=2m,mode=0711"
        f" none {where} && cp -a /tmp/kept/. {where}/"
    )
    try:
        said = host.night()
    finally:
        host.sh(f"umount {where}; rm -rf /tmp/kept")
    assert said.status in {Exit.REFUSED, Exit.LATER}, said.out
    assert all(as_before(before[name], p) for name, p in host.look().items())
    assert host.alerts() == set()
    assert host.night().status == Exit.OK
