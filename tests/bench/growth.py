"""How a night's cost grows with the number of people: the real engine and journal, a fake host."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fakes.world import small_world
from fakes.world.wiring import host
from t3safe.adapters.journal import SqliteJournal
from t3safe.domain.events import Outcome
from t3safe.usecases.run import run
from tests.bench.figures import Figure
from tests.simulation.bench import exponent

PEOPLE: Final = (1, 10, 100)
EXPONENT_MAX: Final = 1.05
MIB_MAX: Final = 80.0


def growth(pairs: int) -> Iterator[Figure]:
    """Processor time of one night for 1, 10 and 100 people, and memory at 100."""
    costs, memory = [], []
    for _ in range(pairs):
        nights = [_night_elsewhere(people) for people in PEOPLE]
        # What a single person costs is taken off: the fixed part of a night is no growth.
        costs.append(exponent(PEOPLE[1:], [seconds for seconds, _ in nights[1:]]))
        memory.append(nights[-1][1])
    yield Figure(
        "growth from 10 to 100 people", tuple(costs), unit="exponent", at_most=EXPONENT_MAX
    )
    yield Figure("memory at 100 people", tuple(memory), unit="MiB", at_most=MIB_MAX)


def _night_elsewhere(people: int) -> tuple[float, float]:
    """Seconds of processor time and MiB at most, of a process of its own."""
    words = [sys.executable, "-m", "tests.bench.growth", str(people)]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    seconds, mib = json.loads(said)
    return float(seconds), float(mib)


def _night(people: int) -> tuple[float, float]:
    world = small_world(*(f"p{number:03d}" for number in range(people)))
    with tempfile.TemporaryDirectory(prefix="t3safe-bench-") as folder:
        journal = SqliteJournal(Path(folder) / "journal.sqlite")
        begun = time.process_time()
        result = run(host(world, journal=journal))
        took = time.process_time() - begun
        journal.close()
    assert result.outcome is Outcome.PROMOTED, result
    return took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print what one night for so many people cost."""
    print(json.dumps(_night(int(sys.argv[1]))))


if __name__ == "__main__":
    main()
