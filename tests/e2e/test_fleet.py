"""`t3safe fleet` as a person types it, on an etcd that speaks the JSON gateway; no host is needed.

What the real etcd answers is in `tests/fleet`.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from fakes.etcd import EtcdFault, EtcdServer
from t3safe.adapters.fleet.notebook import NotebookFile
from t3safe.domain.fleet import orders
from t3safe.domain.fleet.records import Halt
from t3safe.domain.fleet.rings import FleetMemory
from t3safe.domain.fleet.slots import take
from t3safe.domain.fleet.view import Transaction
from t3safe.entrypoints.exits import Exit
from tests.e2e.hosts import read_until
from tests.support.etcds import fleet_at, put
from tests.support.fleetmember import FleetMember
from tests.support.fleets import AT, BUILD, holder, report

POLICY = """\
failed_max = 1

[[rings]]
name = "canary"

[[rings]]
name = "main"
limit = 2
"""
WITHOUT_EXTRA = """
import sys
sys.modules["etcd3gw"] = None
from t3safe.entrypoints.cli import main
main()
"""
"""The command line, as where the extra is not installed."""


@pytest.fixture
def etcd() -> Iterator[EtcdServer]:
    """Give an empty etcd."""
    with EtcdServer() as made:
        yield made


@pytest.fixture
def web1(etcd: EtcdServer, tmp_path: Path) -> FleetMember:
    """Give a host that has not joined."""
    return FleetMember(tmp_path, etcd.url)


def test_two_hosts_make_a_fleet(web1: FleetMember) -> None:
    """The first policy, both join, the status shows them, one leaves."""
    assert "has its first policy" in web1.done("init", "canary", "main")
    web2 = FleetMember(web1.root, web1.url, "web2", {"ring": "canary"})
    for host in (web1, web2):
        assert host.done("join").startswith(f"{host.host} joined fleet lab in ring ")
        kept = {one.name: stat.S_IMODE(one.stat().st_mode) for one in host.state.iterdir()}
        assert kept == {"fleet-install": 0o600, "fleet-memory.json": 0o600}

    found = web2.status()
    assert (found["host"], found["joined"], found["problems"]) == ("web2", True, [])
    assert [(one["host"], one["this"]) for one in found["hosts"]] == [
        ("web2", True),
        ("web1", False),
    ]
    assert [(ring["name"], ring["hosts"]) for ring in found["rings"]] == [
        ("canary", 1),
        ("main", 1),
    ]
    shown = web1.done("status")
    assert "this host  web1, in ring main" in shown

    assert web1.done("leave") == "web1 left fleet lab\n"
    assert web1.done("leave") == "web1 is not in fleet lab\n"
    assert [one["host"] for one in web2.status()["hosts"]] == ["web2"]
    assert "web1 is not in the fleet: run `t3safe fleet join`" in web1.done("status")
    (web1.state / "fleet-memory.json").write_text("{")
    assert web1.done("join").startswith("web1 joined")


def test_policy_is_shown_edited_and_given_back(web1: FleetMember) -> None:
    """It is checked before it is written, and what is in force is not written again."""
    web1.done("init")
    shown = web1.done("policy")
    file = web1.root / "policy.toml"
    file.write_text(shown)
    assert "version 1 is in force already" in web1.done("policy", str(file))

    file.write_text(POLICY)
    assert "version 2 is set" in web1.done("policy", str(file))
    assert web1.done("policy").startswith("# version 2\nfailed_max = 1\n")

    file.write_text(POLICY.replace("limit = 2", "limit = 0"))
    line = web1.fails(Exit.USAGE, "policy", str(file))
    assert f"{file}: " in line
    assert "limit is 0: use at least 1; nothing was written" in line
    assert web1.status()["policy"] == 2
    assert "no such file" in web1.fails(Exit.USAGE, "policy", str(web1.root / "none")).lower()


def test_policy_without_the_ring_of_a_host_names_the_host(web1: FleetMember) -> None:
    """The policy is set; the host cannot join such a ring."""
    web1.done("init")
    web1.done("join")
    file = web1.root / "policy.toml"
    file.write_text('[[rings]]\nname = "edge"\n')

    said = web1.fleet("policy", str(file))

    assert said.status == Exit.OK
    assert said.err == "t3safe: web1 is in ring main, which the policy does not have\n"
    line = web1.fails(Exit.LATER, "join")
    assert "web1 did not join fleet lab: the fleet's policy has no ring main, only edge" in line


def test_second_first_policy_is_refused(web1: FleetMember) -> None:
    """Nobody sets up a fleet twice by accident; before the first one nobody joins."""
    assert "write one with `t3safe fleet init`" in web1.fails(Exit.LATER, "join")
    assert "write one with `t3safe fleet init`" in web1.fails(Exit.LATER, "policy")
    web1.done("init")
    assert "has exactly this policy already" in web1.done("init")
    assert "show it with `t3safe fleet policy`" in web1.fails(Exit.LATER, "init", "edge")
    assert "use at most 63 lower-case letters" in web1.fails(Exit.USAGE, "init", "Edge")


def test_two_hosts_of_one_name_are_told(web1: FleetMember, tmp_path: Path) -> None:
    """The second one does not join, and may take the name over if the first one is gone."""
    web1.done("init")
    web1.done("join")
    (tmp_path / "other").mkdir()
    twin = FleetMember(tmp_path / "other", web1.url)

    line = twin.fails(Exit.LATER, "join")
    assert "another host has the name web1: give one of them another name" in line
    assert "another host has the name web1" in twin.status()["problems"][0]
    assert "is not this host" in twin.fails(Exit.LATER, "leave")

    assert twin.done("join", "--replace").startswith("web1 joined")
    assert not web1.status()["joined"]


def test_orders_are_given_once_and_say_so(web1: FleetMember) -> None:
    """Each again changes nothing and succeeds; no secret leaves the host."""
    web1.done("init")
    web1.done("join")
    assert "is not frozen" in web1.done("thaw")
    said = web1.done("freeze", "--reason", "token=hunter2hunter2 leaked")
    assert "fleet lab is frozen: " in said
    assert "hunter2" not in said + web1.done("status", "--json")
    assert "is frozen already: " in web1.done("freeze", "--reason", "other")
    assert "other" not in web1.status()["frozen"]
    assert "is thawed" in web1.done("thaw")
    assert web1.status()["frozen"] == ""

    build = "0.0.29-nightly.20260721.864"
    assert "holds nothing against" in web1.done("lift", build)
    assert f"`t3safe fleet lift {build}`" in web1.done(
        "halt", f"v{build}", "--reason", "lost a row"
    )
    assert "halted already" in web1.done("halt", build, "--reason", "other")
    (halted,) = web1.status()["halts"]
    assert halted == {"build": build, "reason": "lost a row (host web1, run by-hand)"}
    assert f"`t3safe allow {build}`" in web1.done("lift", build)
    assert web1.status()["halts"] == []


def test_release_takes_the_slot_of_another_host_away(web1: FleetMember) -> None:
    """It names ring and run, and says what nothing remote can do; again it finds no slot."""
    web1.done("init")
    web1.done("join")
    store = fleet_at(web1.url)
    taken = take(store.view(), "main", holder("web2", "run-7"))
    assert isinstance(taken, Transaction)
    store.transact(taken)

    said = web1.done("release", "web2", "--reason", "its disk died")
    assert "web2 lost its slot of ring main (run run-7 of " in said
    assert "web2 may still be moving people: nothing remote can stop it" in said
    assert store.view().holders("main").holders == ()
    assert web1.done("release", "web2", "--reason", "x") == "web2 holds no slot in fleet lab\n"


def test_order_that_cannot_be_given_is_one_line(web1: FleetMember, etcd: EtcdServer) -> None:
    """Without a reason nobody is asked; what is down says so, and nothing is claimed."""
    web1.done("init")
    for words in (["freeze"], ["halt", "0.0.29"], ["release", "web2"]):
        assert "--reason" in web1.fleet(*words).err
        assert web1.fleet(*words, "--reason", " ").status == Exit.USAGE
    assert web1.fleet("halt", "newest", "--reason", "x").status == Exit.USAGE
    assert web1.fleet("freeze", "--reason", "\x1b[2J").status == Exit.USAGE
    etcd.down()
    for words in (
        ["freeze", "--reason", "x"],
        ["thaw"],
        ["halt", "0.0.29", "--reason", "x"],
        ["lift", "0.0.29"],
        ["release", "web2", "--reason", "x"],
    ):
        line = web1.fails(Exit.LATER, *words)
        assert f"cannot {words[0]}" in line
        assert "Connection refused" in line


def test_status_as_a_page_needs_nothing_else(web1: FleetMember, etcd: EtcdServer) -> None:
    """No script, no network; what another host wrote is escaped; it is as the screen says."""
    web1.done("init")
    web1.done("join")
    store = fleet_at(web1.url)
    hostile = '<script>alert(1)</script> & "more"'
    store.transact(orders.halt(Halt(BUILD, "web2", "run-1", hostile, AT)))
    file = web1.root / "fleet.html"

    shown = web1.done("status", "--html", str(file))

    text = file.read_text(encoding="utf-8")
    assert hostile in shown
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; " in text
    assert "default-src 'none'" in text
    assert set(re.findall(r"(?:href|src)=\"([^\"]*)", text)) == {"data:,"}
    for word in ("web1 (this)", BUILD.text, "version 1"):
        assert word in shown
        assert word in text

    assert "cannot be written" in web1.fails(Exit.USAGE, "status", "--html", "/nowhere/x.html")
    assert web1.fleet("status", "--watch", "--html", str(file)).status == Exit.USAGE
    etcd.down()
    assert web1.fleet("status", "--html", str(file)).status == Exit.LATER
    assert file.read_text(encoding="utf-8") == text


def test_status_without_an_answer_shows_what_the_host_knows(
    web1: FleetMember, etcd: EtcdServer
) -> None:
    """Since when it is cut off, what it waits for; the document is not printed."""
    web1.done("init")
    web1.done("join")
    etcd.down()
    notebook = NotebookFile(web1.state)
    notebook.keep(FleetMemory(build=BUILD, waits="ring main waits for ring canary", cut_off=AT))

    said = web1.fleet("status")

    assert said.status == Exit.LATER
    for word in ("since 2026-07-21 04:00 UTC", "waits for ring canary", BUILD.text):
        assert word in said.out
    (line,) = said.err.splitlines()
    assert "cannot show fleet lab: cannot reach the fleet: " in line
    assert "Connection refused" in web1.fails(Exit.LATER, "status", "--json")
    notebook.file.write_text("{")
    assert "is damaged" in web1.fleet("status").out
    etcd.up()
    (problem,) = web1.status()["problems"]
    assert "is damaged" in problem


def test_status_of_a_large_fleet_costs_little(web1: FleetMember, etcd: EtcdServer) -> None:
    """500 hosts: read with one request, on one page of 200 kB, in 120 MiB."""
    web1.done("init")
    store = fleet_at(web1.url)
    view = store.view()
    for number in range(500):
        told = evolve(report(f"web{number:03}"), runs=BUILD, waits_for="w" * 100)
        store.transact(orders.join(view, told))
    file = web1.root / "fleet.html"
    asked = len(etcd.log)
    words = web1.words("status", "--html", str(file))

    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
    _, ended, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(ended)

    assert process.returncode == Exit.OK
    assert len(etcd.log) - asked == 1
    assert used.ru_maxrss < 120 * 1024
    assert file.stat().st_size < 200_000
    assert len(web1.status()["hosts"]) == 500


def test_endpoint_that_does_not_help_is_one_line(web1: FleetMember, etcd: EtcdServer) -> None:
    """Down, slow, not etcd: what could not be done, why, what to check."""
    web1.done("init")
    web1.settings = {"answer": 0.3, "total": 0.6}
    etcd.fail(EtcdFault.LATE, seconds=1.5)
    line = web1.fails(Exit.LATER, "status")
    assert f"cannot show fleet lab: cannot reach the fleet: {etcd.url} " in line
    assert "check etcd and `fleet.endpoints`, then try `t3safe fleet status`" in line

    web1.settings = {}
    for fault in (EtcdFault.HTML, EtcdFault.PROXY, EtcdFault.FOREIGN):
        etcd.fail(fault)
        line = web1.fails(Exit.LATER, "join")
        assert "web1 did not join fleet lab: " in line
        assert "etcd" in line

    etcd.down()
    line = web1.fails(Exit.LATER, "leave")
    assert "web1 did not leave fleet lab: cannot reach the fleet: " in line
    assert "Connection refused" in line


def test_users_are_refused_in_one_line(web1: FleetMember, etcd: EtcdServer) -> None:
    """A wrong password, none at all, and a file that others may read; no line shows a password."""
    state = etcd.state
    for name in ("root", "web1"):
        state.call("auth/user/add", {"name": name, "password": "s3cret"}, "")
    state.call("auth/enable", {}, "")
    line = web1.fails(Exit.LATER, "status")
    assert "user name is empty; check `fleet.credentials` and its role in etcd" in line

    file = web1.root / "etcd.toml"
    web1.settings = {"credentials": str(file)}
    assert "No such file" in web1.fails(Exit.USAGE, "status")
    for password, words in (("wrong", "invalid user ID"), ("s3cret", "permission denied")):
        file.write_text(f'user = "web1"\npassword = "{password}"\n')
        file.chmod(0o600)
        line = web1.fails(Exit.LATER, "status")
        assert words in line
        assert password not in line
    file.write_text('user = "root"\npassword = "s3cret"\n')
    file.chmod(0o644)
    assert f"run `chmod 0600 {file}`" in web1.fails(Exit.USAGE, "status")
    file.chmod(0o600)
    web1.done("init")


def test_records_of_a_newer_t3safe_are_not_written_over(web1: FleetMember) -> None:
    """The status shows what it can read, and why it cannot read the rest."""
    web1.done("init")
    web1.done("join")
    for key in ("policy", "hosts/web1"):
        put(web1.url, f"/t3safe/v1/lab/{key}", b'{"format": 2}')
    newer = "was written by a newer t3safe (format 2): update t3safe on this host"
    problems = web1.status()["problems"]
    assert len([one for one in problems if newer in one]) == 2

    file = web1.root / "policy.toml"
    file.write_text(POLICY)
    for words in (["policy"], ["policy", str(file)], ["join"]):
        assert newer in web1.fails(Exit.LATER, *words)
    assert "version 1 is set" in web1.done("policy", str(file), "--replace")
    assert newer in web1.fails(Exit.LATER, "join")


def test_orders_do_not_write_over_what_a_newer_t3safe_wrote(web1: FleetMember) -> None:
    """A freeze and a halt hold; slots are not changed, and the line says why."""
    web1.done("init")
    web1.done("join")
    for key in ("freeze", f"halt/{BUILD}", "slots/main"):
        put(web1.url, f"/t3safe/v1/lab/{key}", b'{"format": 2}')
    newer = "was written by a newer t3safe (format 2)"
    for words in (["freeze"], ["halt", BUILD.text]):
        said = web1.done(*words, "--reason", "x")
        assert "already" in said
        assert newer in said
    assert newer in web1.fails(Exit.LATER, "release", "web2", "--reason", "x")
    assert newer in "".join(web1.status()["problems"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"endpoints": []}, "fleet.endpoints: it is empty"),
        ({"endpoints": ["etcd1:2379"]}, "fleet.endpoints: 'etcd1:2379' is not an endpoint"),
        ({"endpoints": ["https://a:s3cret@etcd1:2379"]}, "'https://[redacted]@etcd1:2379' is not"),
        ({"endpoints": ["http://etcd1:99999"]}, "'http://etcd1:99999' is not an endpoint"),
        ({"name": "My Lab"}, "fleet.name: name 'My Lab': use at most 63"),
        ({"ring": ""}, "fleet.ring: name '': use at most 63"),
        ({"host": "web/1"}, "fleet.host: name 'web/1': use at most 63"),
        ({"answer": 0}, "fleet.answer: 0.0 is not between"),
        ({"leader": "web1"}, "fleet.leader: unknown key"),
        ({"ca": "/nowhere/ca.pem"}, "fleet.ca: /nowhere/ca.pem: cannot be read: No such file"),
        ({"ca": "/etc/hostname"}, "fleet.ca: /etc/hostname: holds no certificate"),
    ],
)
def test_setting_that_cannot_be_used_is_named(
    web1: FleetMember, settings: dict[str, object], said: str
) -> None:
    """Before etcd is asked; the state folder is not made."""
    web1.settings = settings
    assert said in web1.fails(Exit.USAGE, "join")
    assert not web1.state.exists()


def test_host_without_a_fleet_or_without_the_extra_is_told(web1: FleetMember) -> None:
    """Which page to read, and what to install."""
    line = web1.fails(Exit.USAGE, "status", program=WITHOUT_EXTRA)
    assert "pip install 't3safe[fleet]'" in line
    web1.url = ""
    assert "no `[fleet]` in its configuration: see docs/fleet.md" in web1.fails(
        Exit.USAGE, "status"
    )


def test_watching_shows_an_error_and_goes_on(web1: FleetMember, etcd: EtcdServer) -> None:
    """It is for a terminal only; the fleet is back when etcd is, and Ctrl-C ends well."""
    web1.done("init")
    for words in (["--watch"], ["--watch", "1", "--json"]):
        assert web1.fleet("status", *words).status == Exit.USAGE
    etcd.down()
    ours, theirs = pty.openpty()
    env = {"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "200", "LINES": "50"}
    process = subprocess.Popen(
        web1.words("status", "--watch", "0.5"), stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    os.close(theirs)
    try:
        read_until(ours, lambda seen: b"Connection refused" in seen)
        etcd.up()
        read_until(ours, lambda seen: b"policy" in seen and b"version 1" in seen)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == Exit.OK
    finally:
        process.kill()
        process.wait()
        os.close(ours)
