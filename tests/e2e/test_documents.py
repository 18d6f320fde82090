"""What every `--json` prints on a real host is like the example of its kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import evolve

from fakes.embedded import EmbeddedHost
from t3safe.entrypoints.exits import Exit
from tests.e2e.hosts import NEW, adopted, pairs
from tests.support.documents import body_of


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    """Give a host with two people on an old build, and a newer one on offer."""
    with adopted(tmp_path_factory.mktemp("host")) as made:
        made.offer(NEW)
        yield made


@pytest.mark.timeout(300)
def test_every_document_is_like_its_example(host: EmbeddedHost) -> None:
    """From a host that never ran through a night, a way back, a refusal and a frozen night."""

    def body(kind: str, *words: str, status: Exit = Exit.OK) -> object:
        said = host.t3safe(*words, "--json")
        assert said.status == status, said
        return body_of(said.out, kind)

    assert body("history", "history") == []
    assert body("verify", "verify")
    body("snapshot", "snapshot", "--all")
    body("verify", "snapshots", "verify")
    body("prune", "snapshots", "prune", "--dry-run")
    body("status", "status")
    body("result", "recover")
    body("result", "run", "--dry-run")
    body("result", "run")
    body("result", "drain")
    body("result", "check", NEW.version)
    assert body("snapshots", "snapshots")
    assert body("verify", "verify")
    body("doctor", "doctor")
    assert body("going-back", "rollback", "ann", "--dry-run")
    assert body("going-back-all", "rollback", "--all", "--dry-run")
    assert body("result", "rollback", "ann", "--yes")
    body("result", "rollback", "--all", "--yes")
    bad = evolve(NEW, version="0.0.25-nightly.20260609.502", faults=("cookie-renamed",))
    host.offer(bad)
    body("result", "run", status=Exit.REFUSED)
    assert body("history", "history", "--outcome", "refused")
    assert body("run", "show", "last")
    host.t3safe("freeze", "to see it")
    body("result", "run", status=Exit.FROZEN)
    body("status", "status")
    host.t3safe("thaw")
    assert pairs(host)
    words = ("--policy", "t3safe", "--until", "2026-04-20")
    body("simulation", "simulate", *words)
