"""A build on its way through many hosts: how far a bad one comes, and what a good one costs."""

from __future__ import annotations

import pytest

from fakes.fleetsim import FleetOutcome, simulated
from fakes.world import Defect

REQUESTS_MAX = 16
"""Of a host in a night, on average: a run, four drains, and what they send."""
WORST_MAX = 28
"""Of a host in its worst night: it had no slot, and each drain tried again."""


def _within_limits(found: FleetOutcome) -> bool:
    return all(found.most.get(ring, 0) <= limit for ring, limit in found.limits.items())


@pytest.mark.parametrize("hosts", [60, pytest.param(500, marks=pytest.mark.long)])
def test_a_build_that_fails_in_production_touches_one_host(hosts: int) -> None:
    """The first of the first ring; no other host moves anybody in the nights after."""
    found = simulated(hosts, Defect.MUTE, nights=3)
    assert (found.touched, found.promoted) == (1, 0)
    assert (found.most, found.nights) == ({"canary": 1, "early": 0, "rest": 0}, 3)


@pytest.mark.parametrize("hosts", [60, pytest.param(500, marks=pytest.mark.long)])
def test_a_good_build_needs_no_more_nights_than_there_are_rings(hosts: int) -> None:
    """All hosts have it then; at no moment more of them moved people than the policy allows."""
    found = simulated(hosts)
    assert found.promoted == hosts
    assert found.nights <= len(found.limits)
    assert _within_limits(found)
    assert found.mean <= REQUESTS_MAX
    assert found.worst <= WORST_MAX


def test_a_larger_fleet_costs_each_host_no_more() -> None:
    """Four times the hosts, and the same requests for each of them."""
    small, large = simulated(20), simulated(80)
    assert large.mean <= small.mean * 1.1
    assert large.worst <= WORST_MAX
