"""Strikes the real command line everywhere: `make kills`.

    python -m fakes.kills                  every place, with the draws of --seed inside the steps
    python -m fakes.kills --list           only name them
    python -m fakes.kills PLACE ...        just these: what a failure prints

Ends with 1 where any promise was broken.  Places with a full disk need root, and mounts of our own
that nobody else sees; without them they are left out, and that is said.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NoReturn

from fakes.kills.everywhere import everywhere
from fakes.kills.judge import processes
from fakes.kills.places import SCENARIOS, KillPlace
from fakes.kills.striking import KillReport, Prepared, remove, strike, trace

SEED: Final = 20260609
APART: Final = "T3SAFE_KILLS_APART"
"""Set where the mounts that we make are seen by nobody else and go when we end."""
JOBS: Final = 4
"""Hosts at a time: most of a run is waiting."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Strike the places that are asked for, say how each went, and count."""
    given = _parsed(arguments)
    if APART not in os.environ and _can_mount():
        _apart()
    signal.signal(signal.SIGTERM, _end)
    begun = time.monotonic()
    with ExitStack() as stack:
        root = Path(tempfile.mkdtemp(prefix="t3safe-kills-"))
        stack.callback(_leave_nothing, root)
        prepared = Prepared(given.prepared or root / "prepared")
        places = [KillPlace.parse(text) for text in given.places] or _all(
            prepared, root, given.seed
        )
        if given.list:
            print(*places, sep="\n")
            return 0
        going = partial(strike, again=not given.once)
        reports = list(_struck(places, going, prepared, root, given.jobs))
    return _summary(reports, given.seed, time.monotonic() - begun)


def _end(*_: object) -> NoReturn:
    """Leave by way of all that tidies up; a second wish to end changes nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fakes.kills", description=__doc__)
    parser.add_argument("places", nargs="*", metavar="PLACE")
    parser.add_argument("--list", action="store_true", help="only name the places")
    parser.add_argument("--seed", type=int, default=SEED, help="of the draws inside the steps")
    parser.add_argument("--jobs", type=int, default=JOBS, help="hosts at a time")
    parser.add_argument("--once", action="store_true", help="without the further night")
    parser.add_argument("--prepared", type=Path, help="where prepared hosts are kept and found")
    return parser.parse_args(arguments)


def _can_mount() -> bool:
    unshare = ("unshare", "--mount", "--propagation", "private", "true")
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(unshare, capture_output=True, check=False).returncode == 0


def _apart() -> NoReturn:
    """Go on in a mount namespace of our own."""
    words = ("unshare", "--mount", "--propagation", "private", *sys.orig_argv)
    os.environ[APART] = "1"
    os.execvp(words[0], words)


def _all(prepared: Prepared, root: Path, seed: int) -> list[KillPlace]:
    traces = {
        name: trace(scenario, prepared, root / "trace") for name, scenario in SCENARIOS.items()
    }
    disks = APART in os.environ
    if not disks:
        print("NOT SHOWN: full disks; they need root and unshare(1)", file=sys.stderr)
    return list(everywhere(traces, seed, disks=disks))


def _struck(
    places: Sequence[KillPlace],
    going: Callable[[KillPlace, Prepared, Path], KillReport],
    prepared: Prepared,
    root: Path,
    jobs: int,
) -> Iterator[KillReport]:
    for place in places:
        prepared.folder(place.scenario, staged=not place.early)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        ends = {
            pool.submit(going, place, prepared, root / f"host-{number}"): place
            for number, place in enumerate(places)
        }
        try:
            for number, end in enumerate(as_completed(ends), 1):
                error = end.exception()
                report = end.result() if error is None else _broken(ends[end], error)
                _say(report, f"{number}/{len(places)}")
                yield report
        finally:
            for end in ends:
                end.cancel()


def _broken(place: KillPlace, error: BaseException) -> KillReport:
    """Tell of a place where we ourselves failed: nothing is known of it then."""
    told = "".join(traceback.format_exception(error))
    return KillReport(str(place), "", "unknown", (f"HARNESS {error!r}",), 0.0, told)


def _say(report: KillReport, count: str) -> None:
    print(f"{count} {report.place}: {report.outcome} ({report.seconds:.0f} s)", flush=True)
    if report.found:
        print(f"  struck {report.struck}")
        for line in report.found:
            print(f"  VIOLATION {line}")
        print("\n".join(f"  | {line}" for line in report.said.splitlines()))
        print(f"  again: python -m fakes.kills '{report.place}'", flush=True)


def _summary(reports: Sequence[KillReport], seed: int, seconds: float) -> int:
    broken = [report for report in reports if report.found]
    faults = Counter(str(KillPlace.parse(report.place).first.fault) for report in reports)
    outcomes = Counter(report.outcome for report in reports)
    kills = sum(report.place.count("kill") for report in reports)
    print(f"places      {len(reports)}: {_counted(faults)}; seed {seed}")
    print(f"kills       {kills}")
    print(f"outcomes    {_counted(outcomes)}")
    print(f"violations  {sum(len(report.found) for report in reports)}")
    print(f"seconds     {seconds:.0f}")
    for report in broken:
        print(f"again: python -m fakes.kills '{report.place}'")
    return 1 if broken or not reports else 0


def _counted(tally: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(tally.items()))


def _leave_nothing(root: Path) -> None:
    """End what runs below a folder, also where those who began it were killed, and delete it."""
    for pid in processes(root):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    remove(root)


if __name__ == "__main__":
    sys.exit(main())
