"""What is said while something takes long, and when, in virtual time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain import effects as fx
from t3safe.domain.messages import ALERT_WORDS, LogLevel, LogLine
from t3safe.domain.progress import (
    APART,
    SILENT,
    BytesCopied,
    LastLine,
    LongTask,
    Meter,
    RehearsalStep,
    Report,
    steady,
    text,
)
from t3safe.domain.versions import Version
from tests.unit.domain.test_messages import EFFECTS

NEW = Version.parse("0.0.28-nightly.20260616.571")
COPY = fx.SnapshotAtRest("ann", "s1", NEW)
REHEARSE = fx.Rehearse(NEW, (fx.Subject("", ""), fx.Subject("ann", "s1")))


def told(effect: fx.Effect, seconds: int, reports: dict[int, Report]) -> dict[int, str]:
    """Let so many seconds pass, one beat a second, and give what a log was told when."""
    meter, last, lines = Meter(effect), LastLine(), {}
    for second in range(seconds + 1):
        if second in reports:
            meter = meter.heard(reports[second], second)
        last, said = steady(last, meter, second)
        if said:
            lines[second] = said
    return lines


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: type(effect).__name__)
def test_no_effect_is_silent_for_a_minute_and_none_wakes_anybody(effect: fx.Effect) -> None:
    """Rules 1 to 3, without any report; a line says what, how long, and holds no alert word."""
    lines = told(effect, 200, {})
    assert list(lines) == [10, 70, 130, 190]
    for line in lines.values():
        assert not any(word.lower() in line.lower() for word in ALERT_WORDS)
        assert str(LogLine(LogLevel.PROGRESS, line)) == line
    assert "10 s" in lines[10]


def test_what_ends_soon_says_nothing() -> None:
    """Rule 1, also where it reports."""
    assert told(COPY, 9, {1: BytesCopied(1, 10), 5: BytesCopied(9, 10)}) == {}


def test_a_copy_tells_bytes_rate_and_time_left() -> None:
    """Each tenth is news, at most one line in ten seconds; the end of it is the check."""
    mega = 1024**2
    reports: dict[int, Report] = {n: BytesCopied(n * 20 * mega, 1000 * mega) for n in range(1, 51)}
    lines = told(COPY, 55, reports)
    assert lines[10] == "copying ann's data at rest: 200 MiB of 1000 MiB, 22 MiB/s, 36 s left"
    assert list(lines) == [10, 20, 30, 40, 50]
    assert lines[50] == "copying ann's data at rest: 1000 MiB of 1000 MiB, verifying, 50 s so far"


def test_a_copy_that_stands_still_is_told_without_a_guess() -> None:
    """Nothing copied yet: no rate, no time left."""
    assert told(COPY, 10, {10: BytesCopied(0, 1000)})[10].endswith(": 0 B of 1000 B, 10 s so far")
    slow = Meter(COPY).heard(BytesCopied(1, 1000), 0.0)
    assert text(slow, 50.0).endswith(": 1 B of 1000 B, 50 s so far")


@pytest.mark.parametrize(
    ("elapsed", "said"),
    [
        (0.0, "10 B of 20 B, 0 s so far"),
        (1.0, "10 B of 20 B, 10 B/s, 1 s left"),
        (10.0, "10 B of 20 B, 1 B/s, 10 s left"),
        (10.1, "10 B of 20 B, 10 s so far"),
    ],
)
def test_a_rate_is_told_from_one_byte_a_second_on(elapsed: float, said: str) -> None:
    """Below it no time left is worth a line, and at the very beginning there is none."""
    meter = Meter(COPY).heard(BytesCopied(10, 20), 0.0)
    assert text(meter, elapsed) == f"copying ann's data at rest: {said}"


def test_bytes_within_a_tenth_are_no_news() -> None:
    """Rule 4: such a copy is told once a minute; one of a single byte has two states."""
    within: dict[int, Report] = {second: BytesCopied(second, 1000) for second in range(1, 100)}
    assert list(told(COPY, 99, within)) == [10, 70]
    assert list(told(COPY, 60, {1: BytesCopied(0, 1), 15: BytesCopied(1, 1)})) == [10, 20]


def test_a_second_copy_in_one_effect_is_measured_from_its_own_beginning() -> None:
    """The rate of the first says nothing of the second."""
    meter = Meter(COPY).heard(BytesCopied(90, 100), 0.0).heard(BytesCopied(10, 100), 50.0)
    meter = meter.heard(BytesCopied(50, 100), 60.0)
    assert text(meter, 60.0).endswith(": 50 B of 100 B, 5 B/s, 10 s left")


def test_a_report_of_the_same_bytes_is_no_other_copy() -> None:
    """One that stands still for a while is as slow as it is."""
    meter = Meter(COPY).heard(BytesCopied(50, 100), 0.0).heard(BytesCopied(50, 100), 15.0)
    assert text(meter, 25.0).endswith(": 50 B of 100 B, 2 B/s, 25 s left")


def test_a_rehearsal_tells_the_step_and_how_long_it_lasts() -> None:
    """A new step is news; one that is known to take long says how far it is."""
    reports: dict[int, Report] = {
        1: RehearsalStep("ann", "live", 0),
        12: RehearsalStep("ann", "soak", 90),
    }
    lines = told(REHEARSE, 120, reports)
    assert lines[10] == f"rehearsing {NEW} on ann's copy: live, 9 s"
    assert lines[20] == f"rehearsing {NEW} on ann's copy: soak, 8 s of 90 s"
    assert lines[80].endswith("soak, 68 s of 90 s")
    assert list(lines) == [10, 20, 80]


def test_what_an_adoption_installs_is_rehearsed_and_not_waited_for() -> None:
    """Once a rehearsal tells where it is, npm is done."""
    meter = Meter(fx.StageBuild(NEW))
    assert text(meter, 4.0) == f"installing {NEW}, 4 s so far"
    meter = meter.heard(RehearsalStep("", "soak", 90), 6.0)
    assert text(meter, 10.0) == f"rehearsing {NEW} on empty data: soak, 4 s of 90 s"


def test_once_a_rehearsal_is_reported_a_copy_is_over() -> None:
    """Its bytes are not told again after the rehearsal."""
    meter = Meter(fx.StageBuild(NEW)).heard(BytesCopied(10, 20), 1.0)
    meter = meter.heard(RehearsalStep("", "live"), 2.0).heard(RehearsalStep("", ""), 3.0)
    assert text(meter, 4.0) == f"installing {NEW}, 4 s so far"


def test_a_task_that_rehearses_says_where_it_is_in_its_own_words() -> None:
    """Giving a host back measures a build on the way."""
    meter = Meter(LongTask("giving the host back to one global t3")).heard(
        RehearsalStep("", "live"), 0.0
    )
    assert text(meter, 5.0) == "giving the host back to one global t3 on empty data: live, 5 s"


def test_several_rehearsals_are_told_in_one_line() -> None:
    """The first few by name, the others counted; whoever ended is told no more."""
    meter = Meter(REHEARSE)
    for who in ("", "ann", "ben", "cid", "dan"):
        meter = meter.heard(RehearsalStep(who, "live"), 0.0)
    assert text(meter, 5.0) == (
        f"rehearsing {NEW} on empty data: live, 5 s; on ann's copy: live, 5 s; "
        "on ben's copy: live, 5 s; 2 more"
    )
    for who in ("", "ann", "ben", "cid"):
        meter = meter.heard(RehearsalStep(who, ""), 6.0)
    assert text(meter, 7.0) == f"rehearsing {NEW} on dan's copy: live, 7 s"
    assert text(meter.heard(RehearsalStep("dan", ""), 7.0), 8.0).endswith(", 8 s so far")


def test_the_bake_tells_how_long_it_will_last() -> None:
    """In minutes, once it is minutes."""
    said = told(fx.Bake(("ann",), NEW, 600.0), 240, {})[190]
    assert said == f"baking {NEW} for 10 min: ann, 3 min 10 s so far"


@given(
    st.dictionaries(
        st.integers(0, 400),
        st.one_of(
            st.builds(BytesCopied, st.integers(0, 10**12), st.integers(0, 10**12)),
            st.builds(
                RehearsalStep, st.sampled_from(["", "ann"]), st.sampled_from(["", "live", "soak"])
            ),
        ),
    )
)
def test_whatever_is_reported_lines_are_neither_too_many_nor_too_few(
    reports: dict[int, Report],
) -> None:
    """Rules 2 and 3: at least 10 s and at most a minute apart, the first not before 10 s."""
    moments = list(told(REHEARSE, 400, reports))
    gaps = [after - before for before, after in pairwise(moments)]
    assert min([moments[0], *gaps]) >= APART
    assert max([moments[0], *gaps]) <= SILENT
