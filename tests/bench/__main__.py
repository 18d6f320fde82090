"""Measure and print: `python -m tests.bench [--pairs N] [--json FILE] [FAMILY...]` (make bench).

Nothing is judged by time in the suite of tests: here a machine measures itself, side by side with
what stands beside each figure.  Ends with 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from tests.bench import copies, figures, growth, loading, nights, ticks
from tests.bench.hosts import SEED, Hosts, hosts

ALONE: Final[dict[str, Callable[[int], Iterator[figures.Figure]]]] = {
    "loading": loading.loading,
    "growth": growth.growth,
    "copies": copies.copies,
}
ON_HOSTS: Final[dict[str, Callable[[Hosts, int], Iterator[figures.Figure]]]] = {
    "ticks": ticks.ticks,
    "bumps": nights.bumps,
    "gates": nights.gates,
    "downtimes": nights.downtimes,
    "ways-back": nights.ways_back,
}


def main() -> int:
    """Measure what is asked for, all of it where nothing is named."""
    given = _arguments()
    chosen = set(given.family) or {*ALONE, *ON_HOSTS}
    found: list[figures.Figure] = []
    for name in ALONE:
        if name in chosen:
            _take(found, name, ALONE[name](given.pairs))
    if chosen & set(ON_HOSTS):
        with hosts(given.script) as both:
            for name in ON_HOSTS:
                if name in chosen:
                    _take(found, name, ON_HOSTS[name](both, given.pairs))
    figures.show(found)
    if given.json is not None:
        _write(given.json, found)
    return 0 if all(figure.kept() for figure in found) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="how often each figure is measured")
    parser.add_argument("--json", type=Path, help="where the samples are written")
    parser.add_argument("--script", type=Path, default=SEED, help="the script before t3safe")
    parser.add_argument("family", nargs="*", choices=[*ALONE, *ON_HOSTS, []])
    return parser.parse_args()


def _take(found: list[figures.Figure], family: str, measured: Iterable[figures.Figure]) -> None:
    print(f"measuring {family} ...", file=sys.stderr, flush=True)
    found.extend(measured)


def _write(path: Path, found: list[figures.Figure]) -> None:
    machine = {"processors": os.cpu_count(), "load": os.getloadavg()[0]}
    body = {"machine": machine, "figures": [figure.as_data() for figure in found]}
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
