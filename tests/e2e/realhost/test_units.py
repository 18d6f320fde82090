"""The units, taking a host over, giving it back, and what a power cut leaves behind."""

from __future__ import annotations

import time

import pytest
from attrs import evolve

from t3safe.entrypoints.exits import Exit
from t3safe.t3.files import HOME_BASE, USERDATA
from t3safe.t3.package import NODE_PROGRAM
from tests.e2e.realhost.machine import NEW, OLD, HostContainer, published, script_until

pytestmark = pytest.mark.docker

BAD = evolve(NEW, version="0.0.25-nightly.20260609.500", faults=("breaks-with-attachments",))


def shown(host: HostContainer, unit: str, *names: str) -> dict[str, str]:
    """Read properties of a unit."""
    said = host.run("systemctl", "show", "-p", ",".join(names), unit).out
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


def test_units_are_enabled_and_not_started(host: HostContainer) -> None:
    """Installing makes users and units, and moves nobody: the timers wait for the next boot."""
    host.run("t3safe", "units", "remove")
    assert host.sh("ls /etc/systemd/system/t3safe* /etc/systemd/system/t3-a*", check=False).status
    before = host.look()
    host.run("t3safe", "units", "install")
    for timer in ("t3-autoupdate.timer", "t3-migrate-idle.timer"):
        assert host.run("systemctl", "is-enabled", timer).out.strip() == "enabled"
        assert host.run("systemctl", "is-active", timer, check=False).out.strip() == "inactive"
    assert host.run("systemctl", "is-enabled", "t3safe-recover").out.strip() == "enabled"
    users = host.run("getent", "passwd", "t3safe-npm", "t3safe-gate").out
    assert users.count("/usr/sbin/nologin") == 2
    assert host.look() == before
    assert "nothing changed" in host.run("t3safe", "units", "install").out


def test_timers_are_those_of_the_night(host: HostContainer) -> None:
    """04:00 with an hour of chance and no catching up; the drain every 20 minutes overnight."""
    timer = shown(
        host, "t3-autoupdate.timer", "Persistent", "RandomizedDelayUSec", "TimersCalendar"
    )
    assert (timer["Persistent"], timer["RandomizedDelayUSec"]) == ("no", "1h")
    assert "04:00:00" in timer["TimersCalendar"]
    drain = shown(host, "t3-migrate-idle.timer", "TimersCalendar")["TimersCalendar"]
    assert "00..06:00/20:00" in drain
    serve = shown(host, "t3-serve@ann.service", "After")
    assert "t3safe-recover.service" in serve["After"]
    identifiers = [
        shown(host, unit, "SyslogIdentifier")["SyslogIdentifier"]
        for unit in ("t3-autoupdate.service", "t3-migrate-idle.service", "t3safe-recover.service")
    ]
    assert identifiers == ["t3-autoupdate", "t3-migrate-idle", "t3-autoupdate"]


@pytest.mark.parametrize("unit", ["t3-autoupdate", "t3-migrate-idle", "t3safe-recover"])
def test_units_are_sound_and_hardened(host: HostContainer, unit: str) -> None:
    """Systemd finds nothing wrong with a unit, and calls its exposure 3.0 of 10 at most."""
    verified = host.run("systemd-analyze", "verify", f"{unit}.service")
    assert (verified.out + verified.err).strip() == ""
    overall = host.run("systemd-analyze", "security", "--no-pager", f"{unit}.service").out
    figure = float(overall.partition("Overall exposure level")[2].split(":")[1].split()[0])
    assert figure <= 3.0


def as_global(host: HostContainer) -> None:
    """Make of the host what it was before t3safe: a global t3, with everybody on it."""
    host.sh(
        "systemctl stop 't3-serve@*'; rm -rf /opt/t3safe/* /var/lib/t3-autoupdate/* /usr/bin/t3"
        " /usr/lib/node_modules; npm i -g t3@old"
    )
    host.do(("start", {"people": list(host.people)}))


def test_adoption_restarts_nobody_and_the_next_run_moves_them(host: HostContainer) -> None:
    """A host with `npm i -g t3` is taken over under running serves; a run then moves everybody."""
    as_global(host)
    before = host.look()
    rows = {name: host.sign_in(name)["rows"] for name in host.people}
    host.run("t3safe", "adopt", OLD.version)
    adopted = host.look()
    assert {name: p.pid for name, p in adopted.items()} == {n: p.pid for n, p in before.items()}
    assert {p.build for p in adopted.values()} == {OLD.version}
    assert all(host.sign_in(name)["ok"] for name in host.people)
    said = host.night()
    assert said.status == Exit.OK, said.out
    assert {p.runs for p in host.look().values()} == {NEW.version}
    for name in host.people:
        assert host.do(("holds", {"person": name, "rows": rows[name]})) == [[]]


def test_adoption_of_another_version_than_the_hosts_is_refused(host: HostContainer) -> None:
    """What is adopted must be what people run; else nothing is changed."""
    as_global(host)
    said = host.t3safe("adopt", NEW.version)
    assert said.status == Exit.USAGE
    assert OLD.version in said.err
    assert host.run("readlink", "/usr/bin/t3").out.strip().endswith(NODE_PROGRAM)
    assert host.sh("ls /opt/t3safe").out == ""


def test_ejection_restarts_nobody_and_leaves_one_global_t3(host: HostContainer) -> None:
    """The host is given back: the same processes, one `t3` for all, and an installer may follow."""
    before = host.look()
    host.run("t3safe", "eject", "--yes")
    assert "was given back" in host.run("t3safe", "eject", "--yes").out
    host.run("t3safe", "units", "remove")
    assert {name: p.pid for name, p in host.look().items()} == {n: p.pid for n, p in before.items()}
    assert host.run("t3", "--version", user="cat").out.strip() == f"t3 v{OLD.version}"
    assert all(host.sign_in(name)["ok"] for name in host.people)
    host.run("systemctl", "restart", "t3-serve@ann")
    host.do(("wait_for", {"person": "ann"}))
    assert host.sign_in("ann")["version"] == OLD.version
    host.sh("rm /usr/bin/t3; npm i -g t3@nightly")
    assert host.run("t3", "--version", user="cat").out.strip() == f"t3 v{NEW.version}"
    host.run("t3safe", "units", "install")


def test_ejection_to_a_build_that_somebody_outgrew_is_refused(host: HostContainer) -> None:
    """One global build must know everybody's migrations: else nothing is changed."""
    host.do(("turn", {"login": "ben", "action": "start"}))
    assert host.night().status == Exit.OK
    before = host.look()
    said = host.t3safe("eject", "--yes")
    assert said.status == Exit.USAGE
    assert "`t3safe eject --to VERSION` leaves that one to everybody" in said.err
    said = host.t3safe("eject", "--yes", "--to", OLD.version)
    assert said.status == Exit.USAGE
    assert "ann" in said.err
    assert host.look() == before


PLACES = (
    "installing",
    "copying ann's data while the serve runs",
    "rehearsing",
    "verifying pairing as ann on 0.0.25-nightly.20260602",
    "stopping ann",
    "copying ann's data at rest",
    "starting ann",
    "verifying pairing as ann on 0.0.25-nightly.20260608",
    "moved ann",
    "baking",
)


def cut_off(host: HostContainer, words: str) -> None:
    """Begin a run, and cut the power once it says these words."""
    if words == "installing":
        host.unstage()
    script = script_until(words)
    host.run("sh", "-euc", script)
    host.restart(running=host.people)


@pytest.mark.parametrize("words", PLACES)
def test_power_cut_at_any_phase_is_settled_at_boot(alone: HostContainer, words: str) -> None:
    """After the boot everybody signs in, on a build that knows their rows; the next run goes on."""
    kept = {name: alone.sign_in(name)["rows"] for name in alone.people}
    cut_off(alone, words)
    for name, person in alone.look().items():
        assert person.build in {OLD.version, NEW.version}, f"{name} is left behind a fence"
        assert person.runs == person.build
        assert person.level == (30 if person.build == OLD.version else 32) or (
            person.build == NEW.version
        )
    assert all(alone.sign_in(name)["ok"] for name in alone.people)
    alone.do(published(OLD, "old"), published(NEW, "nightly"))
    said = alone.night()
    assert said.status == Exit.OK, said.out
    if {p.build for p in alone.look().values()} != {NEW.version}:
        assert alone.night().status == Exit.OK
    assert {p.runs for p in alone.look().values()} == {NEW.version}
    for name in alone.people:
        assert alone.do(("holds", {"person": name, "rows": kept[name]})) == [[]]


@pytest.mark.parametrize("words", ["rolling back", "quarantined", "restoring ben", "starting ben"])
def test_power_cut_on_the_way_back_is_settled_at_boot(host: HostContainer, words: str) -> None:
    """Cut off while ben is taken back: he ends on his old build, with every row of before."""
    host.sh(
        f"cd /home/ben/{HOME_BASE}/{USERDATA}; mkdir -p attachments; echo x >attachments/a.png",
        user="ben",
    )
    host.publish(BAD)
    rows = host.sign_in("ben")["rows"]
    cut_off(host, words)
    found = host.sign_in("ben")
    if not found["ok"]:
        host.do(published(OLD, "old"), published(BAD, "nightly"))
        host.night()
        found = host.sign_in("ben")
    assert found["ok"], found
    assert found["version"] == OLD.version
    assert host.do(("holds", {"person": "ben", "rows": rows})) == [[]]
    assert host.look()["ben"].level == 30


def test_container_that_is_only_restarted_keeps_everybody(host: HostContainer) -> None:
    """A reboot without any run changes nothing, and starts everybody on the same build."""
    before = host.look()
    began = time.monotonic()
    host.restart(running=("ann", "ben"))
    assert time.monotonic() - began < 90
    assert {n: p.build for n, p in host.look().items()} == {n: p.build for n, p in before.items()}
    assert all(host.sign_in(name)["ok"] for name in host.people)
