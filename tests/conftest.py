"""Settings that the whole suite shares."""

from __future__ import annotations

import os

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
