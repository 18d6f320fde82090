"""What it costs to load the command line."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

from tests.bench.figures import Figure

MILLISECONDS_MAX: Final = 120.0
_LOAD: Final = "import t3safe.entrypoints.cli"
RUNS: Final = 5


def loading(pairs: int) -> Iterator[Figure]:
    """Milliseconds for which the command line is imported, the interpreter's own start taken off.

    Of a command's own module beside it: what every run needs.
    """
    alone = tuple(_cost(_LOAD) for _ in range(pairs))
    run = tuple(_cost("import t3safe.entrypoints.run") for _ in range(pairs))
    yield Figure("imports of the command line", alone, unit="ms", at_most=MILLISECONDS_MAX)
    yield Figure("imports of a whole run", run, unit="ms")


def _cost(program: str) -> float:
    return 1000 * (_least(program) - _least("pass"))


def _least(program: str) -> float:
    return min(_seconds(program) for _ in range(RUNS))


def _seconds(program: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - begun
