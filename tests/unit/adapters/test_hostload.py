"""What is read of a host's pressure, and where: files as the kernel writes them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from t3safe.adapters.hostload import HoldUpMark, HostLoad
from t3safe.domain.pressure import Stall

NOW = datetime(2026, 6, 16, 3, 0, tzinfo=UTC)


def told(short: float, long: float) -> str:
    """Give a file of PSI with these shares."""
    return (
        f"some avg10={short:.2f} avg60={long:.2f} avg300=1.00 total=228795384\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    )


@pytest.fixture
def load(tmp_path: Path) -> HostLoad:
    """A host of which nothing can be read yet."""
    (tmp_path / "groups").mkdir()
    (tmp_path / "proc" / "pressure").mkdir(parents=True)
    return HostLoad(tmp_path / "groups", tmp_path / "proc")


def test_nothing_that_cannot_be_read_is_known(load: HostLoad) -> None:
    """A kernel without PSI, or one that forbids it: the load average alone."""
    (load.kernel / "pressure" / "cpu").mkdir()
    (load.groups / "io.pressure").write_text("nonsense")
    measured = load()
    assert (measured.cpu, measured.io) == (None, None)
    assert measured.load is not None
    assert measured.processors == len(os.sched_getaffinity(0))


def test_a_container_counts_before_the_host_below_it(load: HostLoad) -> None:
    """Where the control group tells nothing, the whole host counts."""
    (load.kernel / "pressure" / "cpu").write_text(told(10, 20))
    (load.kernel / "pressure" / "io").write_text(told(30, 40))
    (load.groups / "cpu.pressure").write_text(told(50, 60))
    measured = load()
    assert measured.cpu == Stall(50, 60)
    assert measured.io == Stall(30, 40)


@pytest.mark.parametrize(
    ("quota", "many"),
    [("max 100000", None), ("50000 100000", 1), ("garbage", None), ("1 0", None)],
)
def test_a_containers_quota_bounds_the_processors(
    load: HostLoad, quota: str, many: int | None
) -> None:
    """Half a processor is one; no quota, or one that is not understood, is all of them."""
    (load.groups / "cpu.max").write_text(f"{quota}\n")
    assert load().processors == (many or len(os.sched_getaffinity(0)))


def test_a_hold_up_is_remembered_since_its_first_run(tmp_path: Path) -> None:
    """Until a run is not held up any more."""
    mark = HoldUpMark(tmp_path / "held-up")
    assert mark.since() is None
    assert mark.begun(NOW) == NOW
    assert mark.begun(NOW + timedelta(days=2)) == NOW
    assert mark.since() == NOW
    mark.over()
    mark.over()
    assert mark.since() is None


def test_a_mark_of_a_time_to_come_begins_now(tmp_path: Path) -> None:
    """The clock was ahead when it was made."""
    mark = HoldUpMark(tmp_path / "held-up")
    mark.begun(NOW + timedelta(days=365))
    assert mark.begun(NOW) == NOW
    assert mark.since() == NOW


def test_where_nothing_can_be_kept_nothing_fails(tmp_path: Path) -> None:
    """Nobody remembers then."""
    mark = HoldUpMark(tmp_path / "missing" / "held-up")
    assert mark.begun(NOW) == NOW
    mark.over()
    assert mark.since() is None
