"""Hooks of a real host: each moment in order, and what a hook that fails keeps from happening."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.embedded import EmbeddedHost
from t3safe.domain.hook_events import Moment
from t3safe.entrypoints.exits import Exit
from tests.e2e.hosts import NEW, OLD, adopted, pairs, state

ROOT = Path(__file__).parents[2]
MOMENTS = [moment.value for moment in Moment]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host of two people with a newer build on offer, where every moment is written down."""
    with adopted(tmp_path) as made:
        for moment in MOMENTS:
            words = '"$T3SAFE_EVENT $T3SAFE_PERSON $T3SAFE_FROM $T3SAFE_TO $T3SAFE_OUTCOME"'
            lay(made, f"{moment}.d/50-note", f"echo {words} >> {tmp_path}/noted")
        yield made


def lay(host: EmbeddedHost, name: str, body: str) -> None:
    """Lay a hook down."""
    path = host.root / "hooks" / name
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def noted(host: EmbeddedHost) -> list[str]:
    """Read what the hooks wrote down, and forget it."""
    file = host.root / "noted"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


def test_every_moment_of_a_night_and_of_going_back_in_order(host: EmbeddedHost) -> None:
    """A check and a dry run call nothing; a night and a way back call each moment once."""
    host.offer(NEW)
    assert host.t3safe("run", "--dry-run").status == Exit.OK
    assert noted(host) == []
    assert host.t3safe("run").status == Exit.OK
    way = f"{OLD.version} {NEW.version}"
    assert noted(host) == [
        f"before-run  {way} ",
        f"before-canary ann {way} ",
        f"after-canary ann {way} moved",
        f"before-canary ben {way} ",
        f"after-canary ben {way} moved",
        f"after-run  {way} promoted",
    ]
    assert host.t3safe("run").status == Exit.OK
    assert noted(host) == [], "nothing to do, nothing to tell"
    assert host.t3safe("rollback", "ben", "--yes").status == Exit.OK
    back = f"{NEW.version} {OLD.version}"
    assert noted(host) == [f"before-rollback ben {back} ", f"after-rollback ben {back} moved"]


def test_a_failing_hook_before_a_run_stops_it_before_anybody_is_touched(
    host: EmbeddedHost,
) -> None:
    """Exit status "later", one line that says which hook; no run is opened."""
    host.offer(NEW)
    lay(host, "before-run.d/10-backup", "echo the backup did not run; exit 4")
    before = state(host)
    said = host.t3safe("run")
    assert said.status == Exit.LATER, said
    assert "before-run.d/10-backup: the backup did not run" in said.out
    assert "before-run.d/10-backup failed with exit status 4" in said.out
    assert state(host) == before
    assert json.loads(host.t3safe("history", "--json").out)["history"] == []
    assert noted(host) == [f"after-run  {OLD.version} {NEW.version} later"]


def test_a_failing_or_hanging_hook_before_a_canary_leaves_that_person_alone(
    host: EmbeddedHost,
) -> None:
    """One is deferred with their serve as it was, the other is moved; the next night moves both."""
    host.offer(NEW)
    host.write_config(hooks__timeout=1.0)
    lay(host, "before-canary.d/10-ask", '[ "$T3SAFE_PERSON" != ann ] || sleep 100')
    before, began = state(host), time.monotonic()
    said = host.t3safe("run")
    assert said.status == Exit.OK, said
    assert time.monotonic() - began < 90
    assert "before-canary.d/10-ask was killed after 1 s" in said.out
    assert "deferring ann: hook before-canary.d/10-ask was killed" in said.out
    after = state(host)
    assert after["serves"]["ann"] == before["serves"]["ann"]
    assert after["selected"] == {
        "ann": before["selected"]["ann"],
        "ben": f"../builds/{NEW.version}",
    }
    assert pairs(host)
    assert f"after-canary ann {OLD.version} {NEW.version} deferred" in noted(host)
    (host.root / "hooks" / "before-canary.d" / "10-ask").unlink()
    assert host.t3safe("drain").status == Exit.OK
    assert state(host)["selected"]["ann"] == f"../builds/{NEW.version}"


def test_what_a_killed_run_began_is_ended_by_whoever_takes_over(host: EmbeddedHost) -> None:
    """A hook that outlives its t3safe; the next process calls what comes after it."""
    host.offer(NEW)
    lay(host, "before-canary.d/60-kill", 'kill -9 "$PPID"')
    before = state(host)
    assert host.t3safe("run").status == -signal.SIGKILL
    way = f"{OLD.version} {NEW.version}"
    assert noted(host) == [f"before-run  {way} ", f"before-canary ann {way} "]
    assert host.t3safe("recover").status == Exit.LATER
    assert noted(host) == [
        f"after-canary ann {way} deferred",
        f"after-run  {way} interrupted",
    ]
    assert state(host)["serves"] == before["serves"]
    (host.root / "hooks" / "before-canary.d" / "60-kill").unlink()
    assert host.t3safe("run").status == Exit.OK
    assert set(state(host)["selected"].values()) == {f"../builds/{NEW.version}"}


def test_the_notice_of_contrib_keeps_nobody_from_being_moved(host: EmbeddedHost) -> None:
    """These people are at no terminal, and have no user: it fails, and says nothing."""
    host.offer(NEW)
    notice = ROOT / "contrib" / "hooks" / "before-canary.d" / "50-notice"
    copied = host.root / "hooks" / "before-canary.d" / "55-notice"
    copied.write_bytes(notice.read_bytes())
    copied.chmod(0o755)
    said = host.t3safe("run")
    assert said.status == Exit.OK, said
    assert "55-notice" not in said.out
    assert set(state(host)["selected"].values()) == {f"../builds/{NEW.version}"}
