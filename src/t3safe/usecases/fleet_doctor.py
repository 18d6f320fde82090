"""Examine how this host stands in its fleet; change nothing.

Rules:

1. What keeps this host from starting a run is a problem; what concerns other hosts is a warning.
2. Each finding names the next command.
3. Reports are dated by the clocks of their hosts: a date to come means that a clock is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from t3safe.domain.doctor.findings import Finding, Precondition, ok, problem, warning
from t3safe.domain.errors import FleetError, UnusableError
from t3safe.domain.text import duration, moment
from t3safe.usecases.fleet_status import FleetStatus

AHEAD: Final = timedelta(minutes=10)
"""How far ahead of this host's clock a report may be dated."""
_LOOK: Final = "t3safe fleet status"


def judge_unusable(error: UnusableError) -> Finding:
    """Judge a configuration, a file or an installation with which no fleet can be asked."""
    return _finding(problem, str(error), "correct `[fleet]` in the configuration: docs/fleet.md")


def judge_unreached(error: FleetError) -> Finding:
    """Judge a store that does not answer, or refuses this host: no run starts."""
    return _finding(problem, str(error))


def _finding(
    judged: Callable[[Precondition, str, str], Finding], line: str, how: str = _LOOK
) -> Finding:
    """Make a finding of a line, which may end with what to do."""
    for mark in ("; ", ": run ", ": change ", ": write "):
        seen, found, rest = line.rpartition(mark)
        if found:
            return judged(Precondition.FLEET, seen, f"{mark[2:]}{rest}")
    return judged(Precondition.FLEET, line, how)


def judge_fleet(found: FleetStatus, now: datetime) -> tuple[Finding, ...]:
    """Judge the fleet as this host sees it."""
    return tuple(_against(found, now)) or (
        ok(
            Precondition.FLEET,
            f"{found.host} is in ring {found.ring} of {found.fleet}, with"
            f" {len(found.hosts)} host(s) in all",
        ),
    )


def _against(found: FleetStatus, now: datetime) -> Iterator[Finding]:
    if found.stopped:
        yield _finding(problem, found.stopped)
    if found.cut_off is not None:
        seen = f"the fleet answers now; runs could not ask it since {moment(found.cut_off)}"
        yield warning(Precondition.FLEET, seen, "t3safe fleet sync")
    for ring in found.rings:
        for slot in ring.slots:
            if slot.silent is not None:
                seen = f"{slot.host} holds a slot of ring {ring.name} for run {slot.run}"
                quiet = f"no report for {duration(slot.silent)}"
                how = f"look at that host, then `t3safe fleet release {slot.host} --reason TEXT`"
                yield warning(Precondition.FLEET, f"{seen}, {quiet}", how)
    for host in found.hosts:
        if host.reported - now > AHEAD:
            seen = f"{host.host} reported at {moment(host.reported)}, which is to come here"
            yield warning(Precondition.FLEET, seen, "compare the clocks: `timedatectl` on both")
    for line in found.problems:
        if line != found.stopped:
            yield _finding(warning, line)
