"""Nights of whole hosts in a fleet: the command line, npm and serves as on a host of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.embedded import EmbeddedHost
from fakes.etcd import EtcdServer
from fakes.packages import release_like
from t3safe.domain.fleet.records import FleetRuling
from t3safe.domain.versions import Version
from t3safe.entrypoints.exits import Exit
from tests.e2e.hosts import ANN, NEW, OLD, adopted, at_work
from tests.support.documents import body_of
from tests.support.etcds import fleet_at


@pytest.fixture
def etcd() -> Iterator[EtcdServer]:
    """Give an empty etcd."""
    with EtcdServer() as made:
        yield made


@contextmanager
def _in_fleet(root: Path, etcd: EtcdServer, host: str = "web1") -> Iterator[EmbeddedHost]:
    """Give a host with one person that has joined ring main of fleet lab."""
    with adopted(
        root,
        ANN,
        fleet__endpoints=[etcd.url],
        fleet__name="lab",
        fleet__ring="main",
        fleet__host=host,
    ) as made:
        for words in (("init",), ("join",)):
            said = made.t3safe("fleet", *words)
            assert said.status == Exit.OK, said
        made.offer(NEW)
        yield made


def _asked(host: EmbeddedHost, etcd: EtcdServer, *words: str) -> int:
    """Run a command that must end well; count what it asked the fleet."""
    before = len(etcd.log)
    said = host.t3safe(*words)
    assert said.status == Exit.OK, said
    return len(etcd.log) - before


def test_a_night_asks_the_fleet_a_dozen_times_and_going_back_asks_nobody(
    tmp_path: Path, etcd: EtcdServer
) -> None:
    """A rollback, a recovery, a check and a look at the host open no connection to it."""
    with _in_fleet(tmp_path, etcd) as host:
        at_work(host)
        assert 0 < _asked(host, etcd, "run") <= 12
        assert (host.store / "users" / "ann").readlink().name == NEW.version
        view = fleet_at(etcd.url).view(Version.parse(NEW.version))
        assert [(one.ruling, one.moved) for one in view.verdicts] == [(FleetRuling.PROMOTED, 1)]
        assert view.lock is not None
        assert view.lock.digest == view.verdicts[0].artifact.lock
        assert view.holders("main").holders == ()
        for words in (
            ("check", NEW.version),
            ("recover", "--boot"),
            ("recover",),
            ("status",),
            ("history",),
            ("rollback", "ann", "--yes"),
        ):
            before = len(etcd.log)
            host.t3safe(*words)
            assert len(etcd.log) == before, words
        assert (host.store / "users" / "ann").readlink().name == OLD.version


def test_a_host_that_is_cut_off_starts_nothing_and_goes_back(
    tmp_path: Path, etcd: EtcdServer
) -> None:
    """Later, with one line; the rollback works as on a host of its own."""
    with _in_fleet(tmp_path, etcd) as host:
        assert host.t3safe("run").status == Exit.OK
        host.write_config(fleet__endpoints=["http://127.0.0.1:9"], fleet__total=2.0)
        host.offer(release_like("0.0.25-nightly.20260609.500", native=False))
        said = host.t3safe("run")
        assert (said.status, "FLEET CUT OFF" in said.out) == (Exit.LATER, True), said
        assert host.t3safe("rollback", "ann", "--yes").status == Exit.OK
        assert (host.store / "users" / "ann").readlink().name == OLD.version


def _found(host: EmbeddedHost) -> tuple[str, str]:
    """Give level and words of what doctor finds of the fleet, which is one line."""
    body = body_of(host.t3safe("doctor", "--json").out, "doctor")
    (found,) = (one for one in body if one["check"] == "fleet")
    return found["level"], f"{found['seen']} | {found['fix']}"


def test_doctor_names_what_keeps_a_host_of_a_fleet_from_starting(
    tmp_path: Path, etcd: EtcdServer
) -> None:
    """In its ring, after it left, without an answer, with a file that others may read."""
    with _in_fleet(tmp_path, etcd) as host:
        assert _found(host) == ("ok", "web1 is in ring main of lab, with 1 host(s) in all | ")
        assert host.t3safe("fleet", "leave").status == Exit.OK
        level, said = _found(host)
        assert (level, "not in the fleet | run `t3safe fleet join`" in said) == ("problem", True)
        secret = tmp_path / "etcd.toml"
        secret.write_text('user = "a"\npassword = "hunter2"\n')
        secret.chmod(0o644)
        host.write_config(fleet__credentials=str(secret))
        level, said = _found(host)
        assert (level, f"run `chmod 0600 {secret}`" in said) == ("problem", True)
        secret.chmod(0o600)
        etcd.down()
        level, said = _found(host)
        assert (level, "Connection refused" in said) == ("problem", True)
        assert "hunter2" not in said


def test_a_frozen_fleet_starts_nothing_and_no_reason_names_a_person(
    tmp_path: Path, etcd: EtcdServer
) -> None:
    """Names of the user map stay on the host; the thaw lets the run start."""
    with _in_fleet(tmp_path, etcd) as host:
        said = host.t3safe("fleet", "freeze", "--reason", "ann shows it to a customer")
        assert said.status == Exit.OK, said
        assert fleet_at(etcd.url).view().frozen.startswith("a person shows it to a customer (")
        said = host.t3safe("run")
        assert (said.status, "the fleet is frozen: a person shows it" in said.out) == (
            Exit.LATER,
            True,
        ), said
        assert "the fleet is frozen" in host.t3safe("status").out
        assert host.t3safe("fleet", "thaw").status == Exit.OK
        assert host.t3safe("run").status == Exit.OK
