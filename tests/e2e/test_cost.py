"""What a tick costs, in counts that no machine changes: modules, processes, files, requests."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from fakes.embedded import EmbeddedHost, HostPerson
from fakes.etcd import EtcdServer
from fakes.packages import release_like
from t3safe.adapters.fleet.notebook import NotebookFile
from t3safe.domain.fleet.rings import FleetMemory
from t3safe.domain.versions import Version
from tests.support.documents import body_of

BUILD: Final = release_like("0.0.25-nightly.20260608.497")
COUNTING: Final = """
import atexit, sys
counted = {}
workers = []
def hear(event, said):
    counted[event] = counted.get(event, 0) + 1
    if event == "subprocess.Popen":
        words = " ".join(map(str, said[1]))
        known = ("worker.main", "worker.export", "gate.rehearsal")
        workers.extend(name for name in known if name in words)
def tell(place=sys.argv[2] + ".cost"):
    loaded = sorted(sys.modules)
    import json
    with open(place, "w") as handle:
        json.dump({"modules": loaded, "events": counted, "workers": workers}, handle)
sys.addaudithook(hear)
atexit.register(tell)
from t3safe.entrypoints.cli import main
main()
"""
"""A run that writes down what it loaded, every event that Python's audit tells of, and which
workers it started."""
NEVER_ON_A_TICK: Final = {
    *("apprise", "etcd3gw", "jinja2", "prometheus_client", "multiprocessing.pool"),
    *("t3safe.simulation.world", "t3safe.entrypoints.examination", "t3safe.adapters.metrics"),
    *("rich", "tarfile", "semantic_version", "t3safe.domain.run_report"),
    *("t3safe.adapters.fleet", "t3safe.domain.fleet", "t3safe.usecases.fleet"),
}
"""What a run that moves nobody has no use for."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    """Give a host on the newest build, with a journal, on which a run has found nothing to do."""
    with EmbeddedHost(
        tmp_path_factory.mktemp("host"), (HostPerson("ann"), HostPerson("ben"))
    ) as made:
        made.adopt(BUILD)
        for words in (("check", BUILD.version), ("run",)):
            assert made.t3safe(*words).status == 0
        yield made


def cost(host: EmbeddedHost, *command: str) -> dict[str, Any]:
    """Run a tick; gives its modules, its audit events by name, and the registry's requests."""
    asked = len(host.registry.log)
    said = host.t3safe(*(command or ("run",)), program=COUNTING)
    assert said.status in {0, 10}, said
    told = json.loads(Path(f"{host.config_file}.cost").read_text(encoding="utf-8"))
    return {
        "modules": set(told["modules"]),
        "processes": sum(told["events"].get(name, 0) for name in ("subprocess.Popen", "os.fork")),
        "databases": told["events"].get("sqlite3.connect", 0),
        "requests": len(host.registry.log) - asked,
        "workers": Counter(told["workers"]),
    }


def test_a_tick_with_nothing_to_do_costs_one_question_and_one_database(host: EmbeddedHost) -> None:
    """No npm, no t3; which gate this is asks two short programs.

    They are node for its version, and unshare for what the sandbox may do.
    """
    found = cost(host)
    assert found["requests"] == 1
    assert found["databases"] == 1
    assert found["processes"] <= 2
    assert not found["modules"] & NEVER_ON_A_TICK


def test_a_drain_on_which_nobody_waits_asks_nobody(host: EmbeddedHost) -> None:
    """It comes every twenty minutes at night."""
    found = cost(host, "drain")
    assert found["requests"] == 0
    assert found["processes"] <= 2


def test_a_frozen_tick_asks_nobody(host: EmbeddedHost) -> None:
    """The switch comes before the registry and before npm."""
    host.freeze_file.touch()
    try:
        found = cost(host)
    finally:
        host.freeze_file.unlink()
    assert (found["requests"], found["processes"]) == (0, 0)


def test_a_tick_of_a_host_with_a_fleet_asks_it_little(host: EmbeddedHost) -> None:
    """Where nothing is to be done: the fleet is read once, and nothing is written by a stranger."""
    before = dict(host.config)
    with EtcdServer() as etcd:
        host.write_config(fleet__endpoints=[etcd.url], fleet__name="lab", fleet__ring="main")
        try:
            found = cost(host)
        finally:
            host.config = before
            host.write_config()
        assert len(etcd.log) == 1
    assert found["requests"] == 1


def test_a_look_at_a_host_with_a_fleet_does_not_ask_it(host: EmbeddedHost) -> None:
    """It shows what its last run left, in text and as a document."""
    before = dict(host.config)
    with EtcdServer() as etcd:
        host.write_config(fleet__endpoints=[etcd.url], fleet__name="lab", fleet__ring="main")
        NotebookFile(host.root / "state").keep(
            FleetMemory(
                build=Version.parse(BUILD.version),
                place=1,
                waits="its turn",
                trouble=("b is silent",),
            )
        )
        try:
            shown = host.t3safe("status").out
            found = body_of(host.t3safe("status", "--json").out, "status")["fleet"]
        finally:
            NotebookFile(host.root / "state").file.unlink()
            host.config = before
            host.write_config()
        assert etcd.log == []
    for words in (f"ring main, place 2 for {BUILD.version}", "its turn", "b is silent"):
        assert words in shown
    assert (found["place"], found["waits"]) == (2, "its turn")


def test_a_check_asks_about_each_person_no_more_than_it_must(host: EmbeddedHost) -> None:
    """A copy is taken, handed out, rehearsed on and thrown away; nobody is asked how large it is.

    Empty data is rehearsed as well.
    """
    found = cost(host, "check", BUILD.version)
    assert found["workers"] == {
        "worker.main": 2 * 2,
        "worker.export": 2,
        "gate.rehearsal": 2 + 1,
    }


def test_a_check_of_an_installed_build_does_not_ask_for_its_version(host: EmbeddedHost) -> None:
    """It was asked when it was installed, under the same node; each rehearsal starts two serves."""
    program = host.store / "builds" / BUILD.version / "node_modules" / ".bin" / "t3"
    real, evidence = program.resolve(), host.root / "state" / "evidence"
    before = set(evidence.glob("*/serve.log"))
    kept = program.readlink()
    program.unlink()
    # The second serve of a rehearsal says in its log what was run before.
    lines = (
        *("#!/bin/sh", 'echo "asked $1" >>"$TMPDIR/seen"'),
        '[ "$1" != serve ] || ! grep -q auth "$TMPDIR/seen" || cat "$TMPDIR/seen"',
        f'exec {real} "$@"\n',
    )
    program.write_text("\n".join(lines))
    program.chmod(0o755)
    try:
        assert host.t3safe("check", BUILD.version).status == 0
    finally:
        program.unlink()
        program.symlink_to(kept)
    logs = [path.read_text() for path in set(evidence.glob("*/serve.log")) - before]
    asked = Counter(found for log in logs for found in re.findall(r"^asked (\S+)", log, re.M))
    assert asked == {"serve": 2 * 3, "auth": 3}
