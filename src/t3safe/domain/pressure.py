"""The load of the host, and what it allows.

Rules:

1. A value that cannot be measured holds nothing up.
2. The host is *overloaded* when the pressure has lasted: the last ten seconds and the last minute
   are both above the limit.  A short peak, such as that of our own rehearsals, is not enough.
3. The host is *strained* when one of the two is above the limit.  An exceeded time limit then
   blames the host, never a build.
4. Pressure is what the kernel measures (PSI, the share of time in which a program waited).  The
   load average for each processor counts only when the kernel has no PSI.
5. As many tasks run at a time as there are processors at most, and one on a strained host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import frozen


@frozen
class Stall:
    """The share of time in which a program waited, in percent: of the last 10 and 60 seconds."""

    short: float
    long: float


@frozen
class Pressure:
    """The measured values; None when one cannot be measured (rule 1).  `load` is per processor."""

    cpu: Stall | None = None
    io: Stall | None = None
    load: float | None = None
    processors: int | None = None


@frozen
class PressureLimits:
    """The limits above which a host is loaded: `cpu` and `io` in percent, `load` per processor."""

    cpu: float = 90.0
    io: float = 90.0
    load: float = 4.0


def overloaded(pressure: Pressure, limits: PressureLimits) -> str:
    """Say why no one should be moved now, empty when people may be (rule 2)."""
    return "; ".join(_above(pressure, limits, min))


def strained(pressure: Pressure, limits: PressureLimits) -> str:
    """Say why an exceeded time limit is the host's fault, empty when it is not (rule 3)."""
    return "; ".join(_above(pressure, limits, max))


def at_a_time(wanted: int, pressure: Pressure, limits: PressureLimits) -> int:
    """Return how many of `wanted` tasks to run at a time, at least one (rule 5)."""
    if strained(pressure, limits):
        return 1
    return max(1, wanted if pressure.processors is None else min(wanted, pressure.processors))


def shown(pressure: Pressure) -> str:
    """Return the measured values in one line."""
    return ", ".join(_measured(pressure)) or "the kernel does not measure it"


def _above(
    pressure: Pressure, limits: PressureLimits, of_both: Callable[[float, float], float]
) -> Iterator[str]:
    """Yield what is above its limit; `of_both` picks the share that counts of the two spans."""
    kinds = (
        ("a processor", pressure.cpu, limits.cpu, "pressure.cpu_max"),
        ("the disks", pressure.io, limits.io, "pressure.io_max"),
    )
    for what, waiting, limit, setting in kinds:
        if waiting is None:
            continue
        share = of_both(waiting.short, waiting.long)
        if share > limit:
            yield f"programs wait for {what} {share:.0f} % of the time (`{setting}` is {limit:g})"
    load = pressure.load if pressure.cpu is None and pressure.io is None else None
    if load is not None and load > limits.load:
        setting = f"`pressure.load_max` is {limits.load:g}"
        yield f"the load average is {load:.1f} for each processor ({setting})"


def _measured(pressure: Pressure) -> Iterator[str]:
    for what, waiting in (("a processor", pressure.cpu), ("the disks", pressure.io)):
        if waiting is not None:
            shares = f"{waiting.short:.0f} % of 10 s, {waiting.long:.0f} % of 60 s"
            yield f"programs waited for {what} {shares}"
    if pressure.load is not None:
        yield f"load average {pressure.load:.1f} for each processor"
