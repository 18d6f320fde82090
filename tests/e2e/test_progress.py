"""What takes long is told while it lasts: in a log and at a terminal, by the real program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from fakes.embedded import EmbeddedHost
from t3safe.domain.messages import ALERT_WORDS
from t3safe.entrypoints.exits import Exit
from tests.e2e.hosts import ANN, NEW, Terminal, adopted, pairs

SLOW = evolve(
    NEW, version="0.0.25-nightly.20260609.502", scripts=(("install", "sleep 11"),), native=False
)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host on which npm and the soak of a rehearsal take longer than ten seconds."""
    with adopted(tmp_path, ANN) as made:
        made.publish(SLOW, tag="nightly")
        made.write_config(gate__soak=11.0)
        yield made


@pytest.mark.timeout(240)
def test_a_log_is_told_of_npm_and_of_each_rehearsal(host: EmbeddedHost) -> None:
    """Steady lines between the facts, none with an alert word; everybody signs in after it."""
    said = host.t3safe("run", timeout=200)
    assert said.status == Exit.OK, said
    lines = said.out.splitlines()
    npm = [line for line in lines if line.startswith("installing") and "so far" in line]
    soak = [line for line in lines if ": soak," in line]
    assert re.fullmatch(rf"installing {SLOW.version}, 1\d s so far", npm[0])
    assert any("on empty data: soak" in line and "of 11 s" in line for line in soak)
    assert any("on ann's copy: soak" in line for line in soak)
    for line in npm + soak:
        assert not any(word in line for word in ALERT_WORDS)
    assert len(npm + soak) < 8, "a log is not flooded"
    assert pairs(host)


@pytest.mark.timeout(240)
def test_quiet_is_quiet_and_a_terminal_is_told_every_second(host: EmbeddedHost) -> None:
    """`--quiet` says nothing of it; a terminal has one line that changes."""
    quiet = host.t3safe("--quiet", "check", SLOW.version, timeout=200)
    assert (quiet.status, quiet.out) == (Exit.OK, "")
    status, shown = Terminal.start(host, "check", SLOW.version).close()
    assert status == Exit.OK
    seconds = set(re.findall(r"on empty data: soak, (\d+) s of 11 s", shown))
    assert len(seconds) >= 5, seconds
