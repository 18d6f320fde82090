"""Real etcds, started once for each module that asks for one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.realetcd import Certificates, RealEtcd

MISSING = [name for name in ("etcd", "openssl") if shutil.which(name) is None]


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """Say aloud where there is no etcd; in CI that is a failure."""
    if MISSING:
        message = f"no {' and no '.join(MISSING)} here: apt-get install etcd-server openssl"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)


@pytest.fixture(scope="module")
def plain(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEtcd]:
    """Give an etcd without TLS and users."""
    with RealEtcd(tmp_path_factory.mktemp("etcd")) as etcd:
        yield etcd


@pytest.fixture(scope="session")
def certificates(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Give certificates for loopback."""
    return Certificates.made(tmp_path_factory.mktemp("tls") / "made")


@pytest.fixture(scope="module")
def guarded(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealEtcd]:
    """Give an etcd with TLS and users, of the fleet `lab`."""
    with RealEtcd(tmp_path_factory.mktemp("etcd"), certificates) as etcd:
        etcd.guard("lab")
        yield etcd


@pytest.fixture
def fleet_name(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give a fleet of its own to each test of a module."""
    return f"f{abs(hash((request.node.name, tmp_path))):x}"
