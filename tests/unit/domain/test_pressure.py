"""When a host is too loaded, and how much may be done side by side."""

from __future__ import annotations

import pytest

from t3safe.domain.pressure import (
    Pressure,
    PressureLimits,
    Stall,
    at_a_time,
    overloaded,
    shown,
    strained,
)

LIMITS = PressureLimits(cpu=80, io=70, load=4)
CALM, HIGH = Stall(5, 5), Stall(95, 95)
RISING, FALLING = Stall(95, 5), Stall(5, 95)
NOTHING = ""


@pytest.mark.parametrize(
    ("pressure", "over", "strain"),
    [
        (Pressure(), False, False),
        (Pressure(cpu=CALM, io=CALM, load=1.0), False, False),
        (Pressure(cpu=HIGH), True, True),
        (Pressure(io=HIGH), True, True),
        (Pressure(cpu=RISING), False, True),
        (Pressure(cpu=FALLING), False, True),
        (Pressure(cpu=Stall(80, 80)), False, False),
        (Pressure(load=4.0), False, False),
        (Pressure(load=4.1), True, True),
        (Pressure(cpu=CALM, load=40.0), False, False),
        (Pressure(io=CALM, load=40.0), False, False),
    ],
)
def test_what_is_too_much(pressure: Pressure, over: bool, strain: bool) -> None:
    """What lasts holds people up, a peak excuses a build; the load counts only without PSI."""
    assert bool(overloaded(pressure, LIMITS)) is over
    assert bool(strained(pressure, LIMITS)) is strain


def test_the_reason_names_the_measure_and_the_setting() -> None:
    """Whoever reads it knows what was measured, and which setting said no."""
    pressure = Pressure(cpu=HIGH, io=HIGH)
    assert overloaded(pressure, LIMITS) == strained(pressure, LIMITS)
    assert overloaded(pressure, LIMITS) == (
        "programs wait for a processor 95 % of the time (`pressure.cpu_max` is 80); "
        "programs wait for the disks 95 % of the time (`pressure.io_max` is 70)"
    )
    assert overloaded(Pressure(load=9.0), LIMITS) == (
        "the load average is 9.0 for each processor (`pressure.load_max` is 4)"
    )


@pytest.mark.parametrize(
    ("wanted", "pressure", "many"),
    [
        (4, Pressure(), 4),
        (4, Pressure(processors=2), 2),
        (4, Pressure(processors=16), 4),
        (4, Pressure(cpu=RISING, processors=16), 1),
        (0, Pressure(processors=2), 1),
        (4, Pressure(processors=0), 1),
    ],
)
def test_how_many_at_a_time(wanted: int, pressure: Pressure, many: int) -> None:
    """Never more than processors, one alone under pressure, and never none."""
    assert at_a_time(wanted, pressure, LIMITS) == many


def test_what_was_measured_is_shown_in_one_line() -> None:
    """What is unknown is left out; where all of it is, that is said."""
    assert shown(Pressure()) == "the kernel does not measure it"
    assert shown(Pressure(cpu=FALLING, io=CALM, load=0.5)) == (
        "programs waited for a processor 5 % of 10 s, 95 % of 60 s, "
        "programs waited for the disks 5 % of 10 s, 5 % of 60 s, "
        "load average 0.5 for each processor"
    )
