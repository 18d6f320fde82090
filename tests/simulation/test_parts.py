"""The parts of the simulation, each alone."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain.versions import Version
from t3safe.simulation import files, rows
from t3safe.simulation.builds import Data, Schemas, builds
from t3safe.simulation.diary import DAY, Diary
from t3safe.simulation.filevercmp import newer
from t3safe.simulation.fleet import PersonSettings
from tests.simulation.hosts import fleet, replayed

WORDS = [release.version.text for release in files.history().releases]


@given(st.sampled_from(WORDS), st.sampled_from(WORDS))
def test_newer_is_what_the_script_calls_newer(target: str, current: str) -> None:
    """`sort -V | tail -1` of the two, as the script asks it."""
    text = f"{target}\n{current}\n"
    done = subprocess.run(
        ["sort", "-V"], input=text, capture_output=True, text=True, check=True, env={"LC_ALL": "C"}
    )
    last = done.stdout.splitlines()[-1]
    assert newer(target, current) == (target != current and last == target)


def test_sort_puts_a_stable_release_below_its_nightlies() -> None:
    """Where SemVer has it above: the defect that holds the seed back on a change of track."""
    stable, nightly = "0.0.28", "0.0.28-nightly.20260629.685"
    assert newer(nightly, stable)
    assert Version.parse(stable) > Version.parse(nightly)


@given(st.lists(st.integers(0, 60)), st.lists(st.integers(0, 60)))
def test_rows_are_sets(one: list[int], other: list[int]) -> None:
    """Union, difference and size are those of sets of serial numbers."""
    mine = rows.union(*(_of(one), rows.NONE))
    theirs = rows.union(*(_of(other), rows.NONE))
    assert rows.size(rows.union(mine, theirs)) == len(set(one) | set(other))
    assert rows.missing(mine, theirs) == len(set(one) - set(other))


def _of(numbers: list[int]) -> rows.Rows:
    found: rows.Rows = rows.NONE
    for number in numbers:
        found = rows.union(found, ((number, number + 1),))
    return found


def test_a_day_of_turns_is_the_same_each_time_and_another_with_another_seed() -> None:
    """Drawn from seed, person and day alone."""
    person = PersonSettings("ann", busy=0.5)
    day = int(datetime(2026, 6, 3, tzinfo=UTC).timestamp())
    first = [Diary(1, person).rows(day, day + DAY) for _ in range(2)]
    assert first[0] == first[1] > 0
    assert Diary(2, person).rows(day, day + DAY) != first[0]


def test_rows_of_two_halves_are_those_of_the_whole() -> None:
    """However often somebody looks, no row is counted twice or not at all."""
    diary = Diary(1, PersonSettings("zoe", time(0), time(0), busy=0.9, weekends=True))
    begin = int(datetime(2026, 6, 3, 22, 13, tzinfo=UTC).timestamp())
    parts = sum(diary.rows(begin + n * 977, begin + (n + 1) * 977) for n in range(200))
    assert parts == diary.rows(begin, begin + 200 * 977)


def test_a_busy_person_is_in_flight_most_of_the_time() -> None:
    """The share of the time is what the fleet says, within a few per cent."""
    diary = Diary(3, PersonSettings("zoe", time(0), time(0), busy=0.9, weekends=True))
    begin = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())
    looks = [diary.in_flight(begin + minute * 60) is not None for minute in range(7 * 1440)]
    assert sum(looks) / len(looks) == pytest.approx(0.9, abs=0.04)


def test_what_a_build_knows_is_the_domains_own_ledger() -> None:
    """Names and all; a set of a newer level is strange to it."""
    history = files.history()
    schemas = Schemas.of(history)
    old, new = (
        next(b for b in builds(history, files.incidents()) if b.version.text == text)
        for text in ("0.0.24", "0.0.26")
    )
    strange = schemas.of_data(Data(new.schema, rows.NONE)).unknown_to(schemas.of_build(old))
    assert strange == (
        "state.sqlite: 31_AuthAuthorizationScopes",
        "state.sqlite: 32_AuthPairingProofKeyThumbprint",
    )


def test_everything_of_the_releases_that_were_read_off_tags_is_known() -> None:
    """Nothing is assumed of them: what is assumed lies in the rows that third parties named."""
    history = files.history()
    found = zip(history.releases, builds(history, files.incidents()), strict=True)
    assumed = [release for release, build in found if build.assumed]
    assert len(assumed) == 64
    assert all(release.committed is None for release in assumed)


def test_what_a_policy_costs_in_virtual_time_is_of_the_measured_order() -> None:
    """A person is away for seconds a night, not minutes."""
    run = replayed(fleet(), "t3safe")
    moved = sum(night.fates.count("m") for night in run.nights)
    seconds = sum(person.away for person in run.people) * 60.0 / moved
    assert 1.0 < seconds < 5.0
