"""What `contrib/` offers, read against what real nights say and write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import given

from t3safe.adapters.log import IDENTIFIERS
from t3safe.domain.messages import ALERT_WORDS, LogLevel, LogLine
from t3safe.entrypoints.exits import Exit
from tests.e2e.hosts import NEW, adopted
from tests.e2e.test_hooks import lay
from tests.e2e.test_metrics import expressions, samples
from tests.property.test_log import told
from tests.property.traces import DrawnRollout, traces

BROKEN = evolve(NEW, version="0.0.25-nightly.20260609.500", faults=("breaks-with-attachments",))
ROOT = Path(__file__).parents[2]
CONTRIB = ROOT / "contrib"
RUNBOOK = ROOT / "docs" / "runbook.md"
SELECTOR = '{syslog_identifier=~"t3-autoupdate|t3-migrate-idle|t3-watchdog"}'
OF_WORD = {
    "rolling back": "T3safeLogRollingBack",
    "rolled back": "T3safeLogRolledBack",
    "ROLLBACK FAILED": "T3safeLogRollbackFailed",
    "FROZEN": "T3safeLogFrozen",
}


def rules() -> dict[str, re.Pattern[str]]:
    """Give what each rule for Loki looks for in a line."""
    text = (CONTRIB / "loki.rules.yml").read_text()
    found = re.findall(r"alert: (\w+)\n +expr: '.*\|~ `([^`]+)` \[\w+\]\)\) > 0'", text)
    assert len(found) + 1 == text.count("- alert:"), "the one for silence looks at no line"
    return {name: re.compile(pattern) for name, pattern in found}


RULES = rules()


def raised(line: str) -> set[str]:
    """Name the alerts that a line raises."""
    return {name for name, pattern in RULES.items() if pattern.search(line)}


@frozen
class Nights:
    """What three nights said, and which metrics they left."""

    healthy: list[str]
    broken: list[str]
    frozen: list[str]
    damaged: list[str]
    metrics: set[str]

    @property
    def lines(self) -> list[str]:
        """All that was said."""
        return [*self.healthy, *self.broken, *self.frozen, *self.damaged]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    """Live through a good night, one with a bad build and a bad hook, and a frozen one."""
    root = tmp_path_factory.mktemp("nights")
    file = root / "metrics" / "t3safe.prom"
    file.parent.mkdir(mode=0o755)
    with adopted(root, metrics_file=str(file)) as host:
        host.offer(NEW)
        good = host.t3safe("run")
        assert good.status == Exit.OK, good
        host.offer(BROKEN)
        host.write_config(policy__stale_days=0.0, policy__deferred_max_days=0.0)
        lay(host, "before-canary.d/10-ask", 'echo FROZEN; [ "$T3SAFE_PERSON" != ann ]')
        bad = host.t3safe("run")
        assert bad.status == Exit.ROLLED_BACK, bad
        still = host.t3safe("run")
        assert still.status == Exit.FROZEN, still
        metrics = {name for name, _ in samples(file.read_text())}
        (root / "state" / "journal.sqlite").write_bytes(b"no database" * 400)
        aside = host.t3safe("run")
        said = [night.out.splitlines() for night in (good, bad, still, aside)]
        yield Nights(said[0], said[1], said[2], said[3], metrics)


def test_a_good_night_raises_nothing(nights: Nights) -> None:
    """Nobody is woken for what went well."""
    assert nights.healthy
    assert [line for line in nights.healthy if raised(line)] == []


def test_each_bad_thing_raises_its_alert_and_no_other(nights: Nights) -> None:
    """Each line that raises something says just that; what a hook prints raises nothing."""
    told_of = [(line, raised(line)) for line in nights.lines if raised(line)]
    assert [names for _, names in told_of if len(names) > 1] == []
    assert {name for _, names in told_of for name in names} == {
        "T3safeLogStale",
        "T3safeLogHookFailed",
        "T3safeLogRollingBack",
        "T3safeLogRolledBack",
        "T3safeLogRefused",
        "T3safeLogFrozen",
        "T3safeLogDeferredTooLong",
        "T3safeLogJournalSetAside",
    }
    assert not raised("before-canary.d/10-ask: Frozen")
    assert "before-canary.d/10-ask: Frozen" in nights.broken
    for line, names in told_of:
        for word, name in OF_WORD.items():
            assert (name in names) == line.startswith(f"{word} ")


@given(trace=traces())
def test_over_any_rollout_an_alert_word_raises_its_own_alert(trace: DrawnRollout) -> None:
    """Whatever reasons hold, and for ends that no embedded host comes to."""
    for *_, line in told(trace):
        names = raised(str(line))
        assert {name for name in names if name in OF_WORD.values()} == (
            {OF_WORD[line.alert]} if line.alert else set()
        )
        assert ("T3safeLogGateBroken" in names) == str(line).startswith("GATE BROKEN, ")
        assert ("T3safeLogNeedsHuman" in names) == str(line).startswith("NEEDS A HUMAN: ")
        assert len(names) <= 1
        assert names or line.level is not LogLevel.ALERT or line.person


def test_what_no_night_here_says_is_matched_as_it_is_written() -> None:
    """A launcher that was put back; and every alert word has a rule of its own."""
    line = "LAUNCHER RESTORED: /usr/bin/t3 was a file"
    assert raised(str(LogLine(LogLevel.WARNING, line))) == {"T3safeLogLauncherRestored"}
    unexplained = "UNEXPLAINED BUILD: no run tells why ann is on 2, not on last-good; sign-in works"
    assert raised(unexplained) == {"T3safeLogUnexplainedBuild"}
    overloaded = "HOST OVERLOADED: no run could move anybody since 2026-06-08 02:00 UTC"
    assert raised(overloaded) == {"T3safeLogHostOverloaded"}
    outside = "NOT IN THE USER MAP: ben runs t3 2 (process 7) and is not in the user map; add them"
    assert raised(outside) == {"T3safeLogNotInTheUserMap"}
    data = "held-back: ann: something is wrong with this person's data: 1 fails on it too (it died)"
    assert raised(data) == {"T3safeLogPersonData"}
    assert set(OF_WORD) == set(ALERT_WORDS)


def test_rules_for_the_log_select_what_t3safe_says_and_lead_to_the_runbook() -> None:
    """The identifiers are those that are used, and every link has its heading."""
    text = (CONTRIB / "loki.rules.yml").read_text()
    assert set(IDENTIFIERS.values()) <= set(re.findall(r"t3-[a-z-]+", SELECTOR))
    assert text.count(SELECTOR) == len(RULES)
    headings = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", RUNBOOK.read_text(), re.MULTILINE)
    }
    anchors = re.findall(r'runbook: "docs/runbook\.md#([\w-]+)"', text)
    assert len(anchors) == text.count("- alert:")
    assert set(anchors) <= headings


def panels() -> list[dict[str, Any]]:
    """Give the panels of the dashboard."""
    found: list[dict[str, Any]] = json.loads((CONTRIB / "grafana.dashboard.json").read_text())[
        "panels"
    ]
    return found


def test_every_metric_that_is_looked_at_is_written(nights: Nights) -> None:
    """By the dashboard and by the rules for Prometheus, without exception."""
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    assert len(shown) > 15
    for text in (*shown, *expressions()):
        assert set(re.findall(r"\bt3safe_\w+", text)) <= nights.metrics, text


def test_the_dashboard_can_be_imported_anywhere() -> None:
    """No panel covers another, and none names a source of data of one's own."""
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {
            (at["x"] + across, at["y"] + down)
            for across in range(at["w"])
            for down in range(at["h"])
        }
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
        source = panel["datasource"]["type"]
        assert panel["datasource"]["uid"] == f"${{{source}}}"
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert "$instance" in target["expr"] or target["expr"] == SELECTOR
    assert len({panel["id"] for panel in panels()}) == len(panels())
