"""Metrics of a real night, and the rules that are read against them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fakes.embedded import EmbeddedHost
from t3safe.entrypoints.exits import Exit
from tests.e2e.hosts import ANN, NEW, adopted, state

ROOT = Path(__file__).parents[2]
RULES = ROOT / "contrib" / "prometheus.rules.yml"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host of one person with a newer build on offer, which writes metrics."""
    file = tmp_path / "metrics" / "t3safe.prom"
    file.parent.mkdir()
    file.parent.chmod(0o755)
    with adopted(tmp_path, ANN, metrics_file=str(file)) as made:
        made.offer(NEW)
        yield made


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read a file of metrics by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_night_leaves_its_figures(host: EmbeddedHost) -> None:
    """A run writes the file; a freeze shows in it; what is asked by hand says the same."""
    file = host.root / "metrics" / "t3safe.prom"
    assert host.t3safe("run").status == Exit.OK
    assert file.stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in file.parent.iterdir()) == ["t3safe.prom"]
    found = samples(file.read_text())
    here = (("build", NEW.version), ("fenced", "0"), ("person", "ann"))
    assert found["t3safe_person_build_info", here] == 1
    assert found["t3safe_last_run_outcome", (("outcome", "promoted"),)] == 1
    assert found["t3safe_last_run_outcome", (("outcome", "rolled-back"),)] == 0
    assert found["t3safe_verdicts", (("ruling", "passed"),)] == 1
    assert found["t3safe_days_behind", ()] == 0
    assert found["t3safe_frozen", ()] == 0
    assert found["t3safe_person_snapshot_bytes", (("person", "ann"),)] > 0
    night = found["t3safe_last_ended_timestamp_seconds", (("command", "run"),)]
    host.t3safe("freeze", "looking")
    assert host.t3safe("drain").status == Exit.FROZEN
    assert samples(file.read_text())["t3safe_frozen", ()] == 1
    later = samples(file.read_text())
    assert later["t3safe_last_ended_timestamp_seconds", (("command", "run"),)] == night
    assert later["t3safe_last_ended_timestamp_seconds", (("command", "drain"),)] > night
    said = host.t3safe("metrics")
    assert said.status == Exit.OK
    assert set(samples(said.out)) == set(samples(file.read_text()))
    named = set(re.findall(r"\bt3safe_\w+", "\n".join(expressions())))
    waits = {"t3safe_person_deferred_seconds"}  # there only while somebody waits
    assert named - waits <= {name for name, _ in samples(said.out)}


def test_metrics_that_cannot_be_written_fail_no_run(host: EmbeddedHost) -> None:
    """A folder in which others may write gets nothing; the run ends as it would without."""
    folder = host.root / "metrics"
    folder.chmod(0o777)
    said = host.t3safe("run")
    assert said.status == Exit.OK, said
    assert "cannot write the metrics" in said.out
    assert set(state(host)["selected"].values()) == {f"../builds/{NEW.version}"}
    assert list(folder.iterdir()) == []


def expressions() -> list[str]:
    """Give the expressions of the alert rules."""
    found = re.findall(r"^ +expr: (.+)$", RULES.read_text(), re.MULTILINE)
    assert found
    return found


def test_every_rule_has_its_line_in_the_runbook() -> None:
    """Whoever is woken by a rule finds what to do."""
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    names = re.findall(r"alert: (\w+)", RULES.read_text())
    assert [name for name in names if f"| {name} |" not in runbook] == []
    assert len(names) == len(expressions())
