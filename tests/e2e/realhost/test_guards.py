"""Every guard of the script that t3safe replaces, on the real host."""

from __future__ import annotations

import pytest

from fakes.packages import release_like
from t3safe.entrypoints.exits import Exit
from tests.e2e.realhost.machine import NEW, HostContainer, PersonState

pytestmark = pytest.mark.docker


def unmoved(host: HostContainer, before: dict[str, PersonState]) -> bool:
    """Whether everybody still runs the same process of the same build on the same migrations."""
    after = host.look()
    return all(
        (after[name].link, after[name].ledger, after[name].pid) == (p.link, p.ledger, p.pid)
        for name, p in before.items()
    )


def test_frozen_host_says_so_on_every_run_and_moves_nobody(host: HostContainer) -> None:
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


def test_pin_by_the_environment_wins_over_the_tag(host: HostContainer) -> None:
    """T3_PIN in the unit's environment file names the target, whatever the tag says."""
    newest = release_like("0.0.26-nightly.20260701.600")
    host.publish(newest)
    host.run("tee", "/etc/default/t3-autoupdate", given=f"T3_PIN={NEW.version}\n")
    assert host.night().status == Exit.OK
    assert host.look()["ann"].build == NEW.version


def test_dry_run_leaves_no_trace(host: HostContainer) -> None:
    """A dry run rehearses the candidate and keeps nothing: no build, no snapshot, no journal."""
    before, stored = host.look(), host.sh("ls /opt/t3safe/builds; ls -A /var/backups /var/tmp").out
    said = host.t3safe("run", T3_DRY_RUN="1")
    assert said.status == Exit.OK, said
    assert "PASSED the gate" in said.out
    assert unmoved(host, before)
    assert host.sh("ls /opt/t3safe/builds; ls -A /var/backups /var/tmp").out == stored
    assert "run" not in host.t3safe("history").out.split()[5:]


def test_healthy_bump_moves_everybody_and_loses_nothing(host: HostContainer) -> None:
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


def test_a_build_with_a_native_module_is_compiled_without_a_network(host: HostContainer) -> None:
    """Scripts of npm have no network: node-gyp compiles with the headers of this very node."""
    compiled = release_like("0.0.26-nightly.20260702.601", compiled=True)
    host.publish(compiled)
    assert host.night().status == Exit.OK
    assert {person.build for person in host.look().values()} == {compiled.version}
