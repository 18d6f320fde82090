"""Settings that the whole suite shares."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings

# Deadlines measure the machine, not the code, and so does the health check on slow generation.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples on every run: a failure in CI is a failure at everybody's desk.
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None)
# For a night on a spare machine: HYPOTHESIS_PROFILE=explore make test
settings.register_profile("explore", settings.get_profile("dev"), max_examples=5_000)
# Few examples, always the same, and none made smaller: they are run for each mutant, by a process
# that has run them before.
settings.register_profile(
    "mutants",
    settings.get_profile("ci"),
    max_examples=10,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)

settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)


@pytest.fixture(scope="session", autouse=True)
def ready_builds(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let each release be installed by npm once, for all workers of a test run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "ready-builds"
    folder.mkdir(exist_ok=True)
    os.environ["T3SAFE_READY_BUILDS"] = str(folder)


FOLDERS: Final = {
    "e2e": "nights",
    "crashes": "crashes",
    "fleet": "fleet",
    **dict.fromkeys(("browser", "faults", "packaging"), "long"),
}
"""Whose tests have a target of their own, by the folder below this one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long by its folder, so that no new file is forgotten."""
    here = Path(__file__).parent
    for item in items:
        marker = FOLDERS.get(item.path.relative_to(here).parts[0])
        if marker is not None and item.get_closest_marker("docker") is None:
            item.add_marker(marker)
