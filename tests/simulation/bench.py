"""How the cost of a simulation grows: `python -m tests.simulation.bench` (make bench-simulate).

It prints figures and judges none: a machine that does other things beside it measures itself.  What
grows is measured in processor time, which bears that best.  The exponent is the slope of cost over
size in logarithms: 1 is linear, 2 would be quadratic.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from datetime import timedelta

import attrs

from t3safe.simulation import files
from t3safe.simulation.fleet import Fleet
from t3safe.simulation.replay import simulate, simulate_all
from t3safe.simulation.scenario import ReplayScenario

PEOPLE = (30, 60, 120, 240)
NIGHTS = (15, 30, 60, 119)
CROWD = 1_000


def scenario(fleet: Fleet) -> ReplayScenario:
    """The package's own history on a host."""
    return ReplayScenario.of(fleet, files.history(), files.incidents())


def seconds(made: ReplayScenario, policy: str) -> float:
    """Seconds of processor time of one policy."""
    begun = time.process_time()
    simulate(made, policy)
    return time.process_time() - begun


def exponent(sizes: tuple[int, ...], costs: list[float]) -> float:
    """The slope of a straight line through the logarithms, by least squares."""
    logs = ([math.log(value) for value in values] for values in (sizes, costs))
    return statistics.linear_regression(*logs).slope


def told(what: str, sizes: tuple[int, ...], costs: list[float]) -> None:
    """Print one row of a table."""
    cells = "".join(
        f"  {size:>4}: {cost:6.2f} s ({1000 * cost / size:5.2f} ms each)"
        for size, cost in zip(sizes, costs, strict=True)
    )
    print(f"{what}{cells}  exponent {exponent(sizes, costs):.2f}")


def main() -> None:
    """Measure and print."""
    fleet = files.fleet()
    whole = scenario(fleet)
    begun = time.perf_counter()
    simulate_all(whole, whole.chosen(()), 1)
    print(f"the whole history, 3 people, 3 policies: {time.perf_counter() - begun:.2f} s")
    first = whole.days[0]
    for policy in fleet.policies:
        crowds = [scenario(fleet.scaled(count)) for count in PEOPLE]
        told(f"{policy:>7}, people", PEOPLE, [seconds(made, policy) for made in crowds])
        crowd = fleet.scaled(60)
        spans = [attrs.evolve(crowd, until=first + timedelta(days=n - 1)) for n in NIGHTS]
        told(f"{policy:>7}, nights", NIGHTS, [seconds(scenario(span), policy) for span in spans])
    jobs = os.cpu_count() or 1
    many = scenario(fleet.scaled(CROWD))
    begun, worked = time.perf_counter(), os.times().children_user
    simulate_all(many, many.chosen(()), jobs)
    took, worked = time.perf_counter() - begun, os.times().children_user - worked
    print(f"the whole history, {CROWD} people, 3 policies, {jobs} jobs: {took:.1f} s", end="")
    print(f" ({worked:.1f} s of processor time)")


if __name__ == "__main__":
    main()
