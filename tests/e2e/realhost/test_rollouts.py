"""Whole nights on the real host: who is moved, who is left alone, who is taken back."""

from __future__ import annotations

import pytest
from attrs import evolve

from fakes.packages import FakeRelease, release_like
from t3safe.entrypoints.exits import Exit
from t3safe.t3.files import HOME_BASE, USERDATA, V1_DATABASE
from t3safe.t3.sign_in import PLAIN_COOKIE
from t3safe.t3.work import THREAD_SESSIONS, TURNS
from tests.e2e.realhost.machine import NEW, OLD, Machine, Person

pytestmark = pytest.mark.docker

BAD = "0.0.25-nightly.20260609.500"
GROUP = "$(systemctl show -p ControlGroup --value t3-serve@ben)"


def bad(*faults: str) -> FakeRelease:
    """A release like NEW with these faults."""
    return evolve(NEW, version=BAD, faults=faults)


def as_before(before: Person, after: Person) -> bool:
    """Whether a person's selection, ledger and process are what they were."""
    return (after.link, after.ledger, after.pid) == (before.link, before.ledger, before.pid)


def test_person_in_a_turn_is_deferred_and_drained_when_it_ends(host: Machine) -> None:
    """Ben is in a turn: he stays, serve and sign-in; the drain waits for him and then moves him."""
    host.do(("turn", {"login": "ben", "action": "start"}))
    before = host.look()
    assert host.night().status == Exit.OK
    assert host.look()["ann"].build == NEW.version
    assert as_before(before["ben"], host.look()["ben"])
    assert host.drain().status == Exit.OK
    assert as_before(before["ben"], host.look()["ben"])
    host.do(("turn", {"login": "ben", "action": "finish"}))
    said = host.drain()
    assert said.status == Exit.OK, said.out
    assert host.look()["ben"].runs == NEW.version
    assert "moved ben" in host.journal("t3-migrate-idle")
    assert host.alerts() == set()


def rename_tables(host: Machine, before: str, after: str) -> None:
    """Rename the tables that tell of ben's turns, as a release without them would leave it."""
    for table in (THREAD_SESSIONS, TURNS):
        change = f"ALTER TABLE {before}{table} RENAME TO {after}{table}"
        host.run("sqlite3", f"/home/ben/{HOME_BASE}/{USERDATA}/{V1_DATABASE}", change, user="ben")


def test_agent_deep_in_the_control_group_keeps_its_person(host: Machine) -> None:
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


def test_mint_of_a_deferred_person_leaves_their_ledger_alone(host: Machine) -> None:
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


def test_migration_that_fails_on_one_persons_rows_moves_nobody(host: Machine) -> None:
    """Ben's rows break the candidate on his copy: refused, remembered, nobody was touched."""
    host.run("systemctl", "stop", "t3-serve@ben")
    host.do(
        ("move_in", {"people": {"ben": {"legacy_rows": 2}}}),
        ("start", {"people": ["ben"]}),
    )
    host.publish(bad("migration-fails-on-legacy-rows"))
    before = host.look()
    first = host.night()
    assert first.status == Exit.REFUSED, first.out
    assert "ben" in first.out
    assert all(as_before(before[name], p) for name, p in host.look().items())
    second = host.night()
    assert second.status in {Exit.REFUSED, Exit.OK}
    assert "rehearsing" not in second.out
    assert host.alerts() == set()


def test_person_whose_rehearsal_fails_can_be_held_back_alone(host: Machine) -> None:
    """With the policy hold-back everybody else is moved, and ben stays as he is."""
    host.run("systemctl", "stop", "t3-serve@ben")
    host.do(
        ("move_in", {"people": {"ben": {"legacy_rows": 2}}}),
        ("start", {"people": ["ben"]}),
    )
    host.configure(policy__on_person_failure="hold-back")
    host.publish(bad("migration-fails-on-legacy-rows"))
    before = host.look()
    host.night()
    after = host.look()
    assert after["ann"].runs == BAD
    assert as_before(before["ben"], after["ben"])


@pytest.mark.parametrize(
    ("fault", "why"),
    [("pairing-moved", "path"), ("cookie-renamed", "t3_login")],
    ids=["endpoint", "cookie"],
)
def test_renamed_contract_is_refused_with_what_to_do(host: Machine, fault: str, why: str) -> None:
    """What the dispatch does not know is refused before anybody is touched, and says why."""
    host.publish(bad(fault))
    before = host.look()
    said = host.night()
    assert said.status == Exit.REFUSED
    assert why in said.out
    assert all(as_before(before[name], p) for name, p in host.look().items())
    assert host.alerts() == set()


def attach(host: Machine, person: str) -> None:
    """Give a person an attachment: `breaks-with-attachments` breaks for them in production only."""
    host.sh(
        f"cd /home/{person}/{HOME_BASE}/{USERDATA}; "
        "mkdir -p attachments; echo x >attachments/a.png",
        user=person,
    )


def test_canary_broken_after_the_gate_is_taken_back_alone(host: Machine) -> None:
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


def test_way_back_needs_no_registry(host: Machine) -> None:
    """With the registry down a person is taken back all the same: the old build is on the disk."""
    attach(host, "ben")
    host.publish(bad("breaks-with-attachments"))
    assert host.t3safe("check", BAD).status == Exit.OK
    host.t3safe("pin", BAD)
    host.run("systemctl", "stop", "npm-registry")
    said = host.night()
    assert said.status == Exit.ROLLED_BACK, said.out
    assert host.look()["ben"].runs == OLD.version
    assert host.sign_in("ben")["ok"]


def test_rollback_on_purpose_gives_the_old_rows_back(host: Machine) -> None:
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


@pytest.mark.parametrize("how", ["down", "502"])
def test_dispatch_that_does_not_work_is_not_blamed_on_the_build(host: Machine, how: str) -> None:
    """Nobody signs in before the run either: nobody is moved, nothing is held against the build."""
    if how == "down":
        host.run("systemctl", "stop", "t3-dispatch")
    else:
        host.sh('sed -i \'s/^{/{"trouble": "502",/\' /etc/t3-dispatch/config.json')
    before = host.look()
    said = host.night()
    assert said.status == Exit.LATER, said.out
    assert all(as_before(before[name], p) for name, p in host.look().items())
    assert not host.frozen()
    assert host.alerts() == set()


def test_gate_that_fails_the_present_build_too_is_broken(host: Machine) -> None:
    """A gate that refuses everything says that it is broken, and holds nothing against a build."""
    host.configure(dispatch_knows__cookies=["nobody_has_this"])
    before = host.look()
    said = host.night()
    assert said.status == Exit.GATE_BROKEN, said.out
    assert all(as_before(before[name], p) for name, p in host.look().items())
    host.configure(dispatch_knows__cookies=[PLAIN_COOKIE])
    assert host.night().status == Exit.OK


def test_launcher_that_an_installer_replaced_is_put_back(host: Machine) -> None:
    """`npm i -g` puts a global t3 in its place: the next run restores the launcher and says so."""
    host.sh("rm -rf /usr/bin/t3 /usr/lib/node_modules; npm i -g t3@nightly")
    assert host.run("readlink", "/usr/bin/t3").out
    host.do(("registry", {"command": "tag", "name": "nightly", "version": OLD.version}))
    before = host.look()
    said = host.night()
    assert "LAUNCHER RESTORED" in said.out
    assert host.run("readlink", "/usr/bin/t3", check=False).out == ""
    assert all(as_before(before[name], p) for name, p in host.look().items())


def test_stop_of_the_unit_ends_the_run_at_a_safe_point(host: Machine) -> None:
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
def test_full_disk_moves_nobody(host: Machine, where: str) -> None:
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


def test_newer_nightly_follows_a_refused_one(host: Machine) -> None:
    """A bad build is passed over, and the next good one is taken."""
    host.publish(bad("mint-fails"))
    assert host.night().status == Exit.REFUSED
    better = release_like("0.0.25-nightly.20260610.510")
    host.publish(better)
    assert host.night().status == Exit.OK
    assert {p.runs for p in host.look().values()} == {better.version}
