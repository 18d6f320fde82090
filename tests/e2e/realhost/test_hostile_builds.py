"""A package that attacks the host it is tried on, a map and a registry that lie."""

from __future__ import annotations

import pytest
from attrs import evolve

from fakes.packages import FakeRelease
from t3safe.entrypoints.exits import Exit
from t3safe.t3.files import HOME_BASE
from t3safe.t3.package import FOLDER
from tests.e2e.realhost.machine import NEW, OLD, HostContainer

pytestmark = pytest.mark.docker

BAD = "0.0.25-nightly.20260609.500"

ATTEMPTS = r"""
try() { if "$@" >/dev/null 2>&1; then echo "PROBE $what: done"; else echo "PROBE $what: no"; fi; }
what=write-etc; try sh -c 'echo evil >/etc/t3-evil'
what=write-usr; try sh -c 'echo evil >/usr/bin/t3-evil'
what=write-builds; try sh -c 'echo evil >/opt/t3safe/builds/evil'
what=write-launcher; try sh -c 'echo evil >/usr/bin/t3'
what=write-cron; try sh -c 'echo evil >/var/spool/evil'
what=read-home; try ls /home/ann/BASE
what=list-homes; try ls /home
what=read-root; try ls /root
what=read-state; try ls /var/lib/t3-autoupdate
what=read-backups; try ls /var/backups/t3-state/ann
what=read-config; try cat /etc/t3safe/config.toml
what=read-shadow; try cat /etc/shadow
what=other-build; try ls /opt/t3safe/builds/OLDVERSION
what=dispatch; try python3 -c 'import socket; socket.create_connection(("127.0.0.1", 3780), 2)'
what=serve; try python3 -c 'import socket; socket.create_connection(("127.0.0.1", 4101), 2)'
what=registry; try python3 -c 'import socket; socket.create_connection(("127.0.0.1", 4873), 2)'
what=bus; try ls /run/dbus/system_bus_socket
what=sudo; try sudo -n true
what=other-processes; try test -e /proc/1/cmdline
what=tmp; try ls /tmp/host-only
echo "PROBE user: $(id -u)"
""".replace("OLDVERSION", OLD.version).replace("BASE", HOME_BASE)
STAY = "setsid sh -c 'trap \"\" TERM INT HUP; exec -a t3-evil-stays sleep 600' </dev/null &"


def probes(text: str) -> dict[str, str]:
    """Read what was tried and what came of it."""
    pairs = (line.partition("PROBE ")[2].partition(": ") for line in text.splitlines())
    return {what: came.strip() for what, _, came in pairs if what}


def bad(*faults: str, install: str = "") -> FakeRelease:
    """A release like NEW with these faults and this install script."""
    scripts = (("install", install),) if install else ()
    return evolve(NEW, version=BAD, faults=faults, scripts=scripts)


def marks(host: HostContainer) -> str:
    """What a hostile package would have left on the host."""
    return host.sh(
        "touch /tmp/host-only; ls -d /etc/t3-evil /usr/bin/t3-evil /opt/t3safe/builds/evil"
        " /var/spool/evil 2>/dev/null; sha256sum /usr/bin/t3; pgrep -fl t3-evil-stays || true",
        check=False,
    ).out


def evidence(host: HostContainer) -> str:
    """Everything that was kept of rehearsals."""
    return host.sh("cat /var/lib/t3-autoupdate/evidence/*/serve.log").out


def test_install_script_reaches_nothing_and_leaves_nothing(host: HostContainer) -> None:
    """It writes nowhere, reads no home and no other build, meets no network, and does not stay."""
    before, people = marks(host), host.look()
    script = f"({ATTEMPTS}) >probe.txt 2>/dev/null; {STAY} true"
    host.publish(bad(install=script))
    assert host.t3safe("check", BAD).status == Exit.OK
    found = probes(host.read(f"/opt/t3safe/builds/{BAD}/{FOLDER}/probe.txt"))
    npm = host.run("id", "-u", "t3safe-npm").out.strip()
    assert found.pop("user") == npm
    assert len(found) == 20
    assert {what for what, came in found.items() if came != "no"} == set()
    assert marks(host) == before
    assert {n: p.pid for n, p in host.look().items()} == {n: p.pid for n, p in people.items()}


def test_install_script_that_fills_memory_or_forks_is_ended(host: HostContainer) -> None:
    """A script without end is ended with all it forked when its time or its share is over."""
    bomb = "python3 -c 'import os\nwhile 1:\n try: os.fork()\n except OSError: break'; exit 1"
    host.publish(bad(install=bomb))
    people = host.look()
    assert host.t3safe("check", BAD).status in {Exit.REFUSED, Exit.LATER}
    assert host.sh("systemctl list-units -q 't3safe-job-*'").out == ""
    assert host.run("pgrep", "-u", "t3safe-npm", check=False).out == ""
    assert host.look() == people


def test_serve_under_rehearsal_reaches_nothing_and_leaves_nothing(host: HostContainer) -> None:
    """The same from a serve: what it tried stands in the evidence, and nothing of it worked."""
    before = marks(host)
    host.publish(bad(f"runs:{ATTEMPTS} {STAY}"))
    host.t3safe("check", BAD)
    found = probes(evidence(host))
    uid = int(found.pop("user"))
    assert 61184 <= uid <= 65519
    assert len(found) == 20
    assert {what for what, came in found.items() if came != "no"} == set()
    assert marks(host) == before
    assert host.sh("systemctl list-units -q 't3safe-job-*'; ls /var/tmp").out == ""


def test_tokens_of_a_serve_reach_no_evidence_log_or_argument(host: HostContainer) -> None:
    """A serve that prints its secrets in every shape: none is kept, said, or seen among words."""
    host.publish(bad("prints-tokens"))
    host.sh(
        "setsid sh -c 'while :; do ps axww -o args >>/tmp/args; sleep 0.05; done' </dev/null"
        " >/dev/null 2>&1 & echo $! >/tmp/watcher"
    )
    assert host.night().status == Exit.OK
    host.sh("pkill -F /tmp/watcher -g 0 || pkill -f /tmp/args || true", check=False)
    secrets = [host.sign_in(name)["secret"] for name in host.people]
    printed = host.sh(
        "journalctl -q -o cat -u 't3-serve@*' | sed -n 's/.*Token: \\([A-Z0-9]*\\).*/\\1/p'"
    ).out.split()
    kept = evidence(host) + host.journal() + host.read("/tmp/args")
    kept += host.sh("cat /var/lib/t3-autoupdate/evidence/*/report.json").out
    kept += host.sh("strings /var/lib/t3-autoupdate/journal.sqlite* || true", check=False).out
    assert "Token: " in kept or "[redacted]" in kept or "***" in kept
    for secret in [*printed, *secrets]:
        assert secret not in kept


def test_serve_that_eats_memory_is_ended_within_its_share(host: HostContainer) -> None:
    """What it takes is capped: the kernel ends it in its own unit, and people's serves live on."""
    host.configure(gate__memory_max=200 * 1024**2)
    host.publish(
        bad("dies-after:30", "runs:exec python3 -c 'x=[bytearray(1<<20) for _ in range(4000)]'")
    )
    people = host.look()
    host.t3safe("check", BAD)
    assert host.look() == people
    assert host.sh("systemctl list-units -q 't3safe-job-*'; ls /var/tmp").out == ""


def test_serve_that_forks_without_end_is_ended_as_a_group(host: HostContainer) -> None:
    """Tasks are capped, and the whole group ends with the rehearsal."""
    bomb = "python3 -c 'import os, time\nwhile 1:\n try: os.fork()\n except OSError: time.sleep(9)'"
    host.publish(bad(f"runs:{bomb}"))
    people = host.look()
    host.t3safe("check", BAD)
    assert host.look() == people
    assert host.sh("systemctl list-units -q 't3safe-job-*'; ls /var/tmp").out == ""
