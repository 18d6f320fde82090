"""Every guard of the script that t3safe replaces, on the real host."""

from __future__ import annotations

import pytest
from attrs import evolve

from fakes.packages import release_like
from t3safe.entrypoints.exits import Exit
from tests.e2e.realhost.machine import NEW, OLD, Machine, Person

pytestmark = pytest.mark.docker


def unmoved(host: Machine, before: dict[str, Person]) -> bool:
    """Whether everybody still runs the same process of the same build on the same migrations."""
    after = host.look()
    return all(
        (after[name].link, after[name].ledger, after[name].pid) == (p.link, p.ledger, p.pid)
        for name, p in before.items()
    )


def test_frozen_host_says_so_on_every_run_and_moves_nobody(host: Machine) -> None:
    """A freeze file stops run and drain alike, and each says FROZEN under its identifier."""
    before = host.look()
    host.run("touch", "/etc/t3-autoupdate.freeze")
    night, drain = host.night(), host.drain()
    assert (night.status, drain.status) == (Exit.FROZEN, Exit.FROZEN)
    assert "FROZEN" in night.out
    assert "FROZEN" in drain.out
    assert host.alerts() == {"FROZEN"}
    assert host.run("systemctl", "is-failed", "t3-autoupdate", check=False).out.strip() != "failed"
    assert unmoved(host, before)


def test_freeze_and_thaw_by_command(host: Machine) -> None:
    """`t3safe freeze` stops the next run, `t3safe thaw` lets the one after it move everybody."""
    host.t3safe("freeze", "looking into it")
    assert host.night().status == Exit.FROZEN
    assert host.look()["ann"].build == OLD.version
    host.t3safe("thaw")
    assert host.night().status == Exit.OK
    assert {person.build for person in host.look().values()} == {NEW.version}


def test_pin_by_the_environment_wins_over_the_tag(host: Machine) -> None:
    """T3_PIN in the unit's environment file names the target, whatever the tag says."""
    newest = release_like("0.0.26-nightly.20260701.600")
    host.publish(newest)
    host.run("tee", "/etc/default/t3-autoupdate", given=f"T3_PIN={NEW.version}\n")
    assert host.night().status == Exit.OK
    assert host.look()["ann"].build == NEW.version


def test_pin_by_command_holds_until_unpinned(host: Machine) -> None:
    """`t3safe pin` of the present build keeps everybody there, `unpin` follows the tag again."""
    before = host.look()
    host.t3safe("pin", OLD.version, "--reason", "a demo")
    assert host.night().status == Exit.OK
    assert unmoved(host, before)
    host.t3safe("unpin")
    assert host.night().status == Exit.OK
    assert host.look()["ben"].build == NEW.version


def test_held_version_is_not_taken(host: Machine) -> None:
    """`t3safe hold` keeps a version off the host until `allow`."""
    before = host.look()
    host.t3safe("hold", NEW.version)
    assert host.night().status == Exit.OK
    assert unmoved(host, before)
    host.t3safe("allow", NEW.version)
    assert host.night().status == Exit.OK


def test_tag_that_moved_back_is_refused(host: Machine) -> None:
    """The nightly tag is mutable: an older version behind it moves nobody."""
    before = host.look()
    host.publish(release_like("0.0.25-nightly.20260601.430"))
    assert host.night().status == Exit.REFUSED
    assert unmoved(host, before)
    assert host.alerts() == set()


def test_nightly_track_takes_no_other_channel(host: Machine) -> None:
    """A version behind the nightly tag that is no nightly is refused."""
    before = host.look()
    host.publish(release_like("0.0.26"))
    assert host.night().status == Exit.REFUSED
    assert unmoved(host, before)


def test_nothing_newer_is_done_at_once(host: Machine) -> None:
    """On the newest build a run does nothing, and says nothing that an alert matches."""
    before = host.look()
    host.do(("registry", {"command": "tag", "name": "nightly", "version": OLD.version}))
    assert host.night().status == Exit.OK
    assert unmoved(host, before)
    assert host.alerts() == set()


def test_registry_that_is_down_means_later(host: Machine) -> None:
    """Without a registry nobody is moved, and nothing is held against any build."""
    before = host.look()
    host.run("systemctl", "stop", "npm-registry")
    assert host.night().status == Exit.LATER
    assert unmoved(host, before)
    assert host.alerts() == set()


def test_dry_run_leaves_no_trace(host: Machine) -> None:
    """A dry run rehearses the candidate and keeps nothing: no build, no snapshot, no journal."""
    before, stored = host.look(), host.sh("ls /opt/t3safe/builds; ls -A /var/backups /var/tmp").out
    said = host.t3safe("run", T3_DRY_RUN="1")
    assert said.status == Exit.OK, said
    assert "PASSED the gate" in said.out
    assert unmoved(host, before)
    assert host.sh("ls /opt/t3safe/builds; ls -A /var/backups /var/tmp").out == stored
    assert "run" not in host.t3safe("history").out.split()[5:]


def test_install_is_checked_by_version(host: Machine) -> None:
    """A package whose program says another version than its own is thrown away."""
    before, stored = host.look(), host.sh("ls /opt/t3safe/builds").out
    host.publish(evolve(NEW, version="0.0.25-nightly.20260609.500", faults=("wrong-version",)))
    assert host.night().status == Exit.REFUSED
    assert host.sh("ls /opt/t3safe/builds").out == stored
    assert unmoved(host, before)


def test_healthy_bump_moves_everybody_and_loses_nothing(host: Machine) -> None:
    """A good nightly: snapshots before the install, each person moved, verified, then promoted."""
    host.unstage()
    kept = {name: host.sign_in(name)["rows"] for name in host.people}
    said = host.night()
    assert said.status == Exit.OK, said.out
    after = host.look()
    assert {(p.build, p.runs, p.level) for p in after.values()} == {(NEW.version, NEW.version, 32)}
    assert host.last_good() == NEW.version
    assert host.do(*(("holds", {"person": name, "rows": rows}) for name, rows in kept.items())) == [
        [],
        [],
    ]
    assert all(host.sign_in(name)["version"] == NEW.version for name in host.people)
    assert said.out.index("copying ann's data while the serve runs") < said.out.index("rehearsing")
    assert host.alerts() == set()
    assert host.sh("stat -c %U /var/backups/t3-state/ann/*").out.split() == ["ann", "ann"]


def test_a_build_with_a_native_module_is_compiled_without_a_network(host: Machine) -> None:
    """Scripts of npm have no network: node-gyp compiles with the headers of this very node."""
    compiled = release_like("0.0.26-nightly.20260702.601", compiled=True)
    host.publish(compiled)
    assert host.night().status == Exit.OK
    assert {person.build for person in host.look().values()} == {compiled.version}


def test_two_runs_at_once_are_one(host: Machine) -> None:
    """While a run acts, another says that it is locked and does nothing."""
    host.configure(rollout__bake=3.0)
    host.run("systemctl", "start", "--no-block", "t3-autoupdate")
    host.sh("until t3safe history | grep -q unfinished; do sleep 0.1; done")
    second = host.t3safe("run")
    assert second.status == Exit.LOCKED
    host.sh(
        "while systemctl is-active -q t3-autoupdate || [ $(systemctl show -p ActiveState "
        "--value t3-autoupdate) = activating ]; do sleep 0.1; done"
    )
    assert host.last_good() == NEW.version
