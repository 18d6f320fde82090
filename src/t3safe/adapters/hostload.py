"""How hard this host is worked, and since when that has held runs up; implements Load and HoldUps.

Rules:

1. What cannot be read is unknown, and nothing fails for it.
2. The files of the control groups' root come first: in a container they are the container's own,
   elsewhere they are the host's.  Then those of /proc, which are always the whole host's.
3. Only the processors count that we may run on, and no more than the container's quota gives.
"""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.domain.pressure import Pressure, Stall

_SOME: Final = re.compile(r"^some avg10=(\d+\.\d+) avg60=(\d+\.\d+) ", re.MULTILINE)
_CAN_BE_LONG: Final = 4096


@frozen
class HostLoad:
    """Measures; `groups` is where the control groups are mounted, `kernel` where /proc is."""

    groups: Path = Path("/sys/fs/cgroup")
    kernel: Path = Path("/proc")

    def __call__(self) -> Pressure:
        """Measure now."""
        processors = self._processors()
        return Pressure(
            cpu=self._waiting("cpu"),
            io=self._waiting("io"),
            load=_load(processors),
            processors=processors,
        )

    def _waiting(self, what: str) -> Stall | None:
        for place in (self.groups / f"{what}.pressure", self.kernel / "pressure" / what):
            found = _SOME.search(_text(place))
            if found is not None:
                return Stall(float(found[1]), float(found[2]))
        return None

    def _processors(self) -> int:
        ours = len(os.sched_getaffinity(0))
        quota, _, period = _text(self.groups / "cpu.max").partition(" ")
        try:
            return max(1, min(ours, math.ceil(int(quota) / int(period))))
        except (ValueError, ZeroDivisionError):
            return ours


def _load(processors: int) -> float | None:
    try:
        return os.getloadavg()[0] / processors
    except OSError:
        return None


def _text(place: Path) -> str:
    try:
        with place.open("rb") as file:
            return file.read(_CAN_BE_LONG).decode("ascii", "replace")
    except OSError:
        return ""


@frozen
class HoldUpMark:
    """An empty file whose time of change says since when runs were held up."""

    place: Path

    def since(self) -> datetime | None:
        """Since when runs have been held up, None where none was or nobody knows."""
        with suppress(OSError):
            return datetime.fromtimestamp(self.place.lstat().st_mtime, UTC)
        return None

    def begun(self, now: datetime) -> datetime:
        """Remember that a run was held up; since when each one was."""
        since = self.since()
        if since is not None and since <= now:
            return since
        with suppress(OSError):
            self.place.touch(mode=0o644)
            os.utime(self.place, (now.timestamp(), now.timestamp()), follow_symlinks=False)
        return now

    def over(self) -> None:
        """Forget it."""
        with suppress(OSError):
            self.place.unlink(missing_ok=True)
