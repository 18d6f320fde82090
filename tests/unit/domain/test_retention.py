from __future__ import annotations

from datetime import timedelta

from t3safe.domain.retention import (
    SnapshotKind,
    Stored,
    judged,
    prunable_builds,
    prunable_snapshots,
    ways_back,
)
from t3safe.domain.versions import Version
from tests.strategies import MOMENT

ONLINE, REST, QUARANTINE = SnapshotKind.ONLINE, SnapshotKind.REST, SnapshotKind.QUARANTINE


def stored(name: str, minute: int, kind: SnapshotKind = REST, size: int = 10) -> Stored:
    """Give a snapshot of this name, taken in this minute."""
    return Stored(name, kind, MOMENT + timedelta(minutes=minute), size)


def prune(
    *snapshots: Stored, pinned: tuple[str, ...] = (), keep: int = 99, bytes_max: int = 10_000
) -> tuple[str, ...]:
    """Ask with limits that bind only where they are given."""
    return prunable_snapshots(snapshots, frozenset(pinned), keep, bytes_max)


def test_beyond_the_count_the_oldest_go_oldest_first() -> None:
    """Whatever the order in which they are listed."""
    found = (stored("c", 3), stored("a", 1), stored("d", 4), stored("b", 2))
    assert prune(*found, keep=2) == ("a", "b")


def test_beyond_the_bytes_the_oldest_go() -> None:
    """One byte too many is too many."""
    found = (stored("a", 1), stored("b", 2), stored("c", 3))
    assert prune(*found, bytes_max=30) == ()
    assert prune(*found, bytes_max=29) == ("a",)


def test_the_newest_stays_whatever_the_limits_say() -> None:
    """A person is never left without any snapshot."""
    assert prune(stored("a", 1, size=500), stored("b", 2, size=500), keep=0, bytes_max=0) == ("a",)


def test_a_pinned_snapshot_stays_and_counts() -> None:
    """A rollback point in use takes its place from the limits of the others."""
    found = (stored("a", 1), stored("b", 2), stored("c", 3), stored("d", 4))
    assert prune(*found, pinned=("a",), keep=2) == ("b", "c")
    assert prune(*found, pinned=("a",), keep=3) == ("b",)
    assert prune(*found, pinned=("a",), bytes_max=20) == ("b", "c")
    assert prune(*found, pinned=("a", "b", "c"), keep=1) == ()


def test_a_pinned_newest_lets_an_older_one_go() -> None:
    """The newest that always stays may be the pinned one."""
    assert prune(stored("a", 1), stored("b", 2), pinned=("b",), keep=1) == ("a",)


def test_quarantined_sets_are_given_up_last() -> None:
    """Their rows exist nowhere else; online and at-rest snapshots go before them."""
    found = (stored("q", 1, QUARANTINE), stored("a", 2, ONLINE), stored("b", 3), stored("c", 4))
    assert prune(*found, bytes_max=20) == ("a", "b")


def test_quarantined_sets_are_counted_apart() -> None:
    """Rule 3: neither takes a place of the other."""
    kept = tuple(stored(name, at, QUARANTINE) for name, at in (("p", 1), ("q", 2), ("r", 5)))
    found = (*kept, stored("a", 2, ONLINE), stored("b", 3), stored("c", 4))
    assert prune(*found, keep=2) == ("p", "a")


def test_after_two_rollbacks_every_build_still_has_its_way_back() -> None:
    """Rule 7: the files of going back and forth use up the limit, the ways back stay."""
    old, new, gone = BUILDS[1], BUILDS[2], BUILDS[0]
    first = (stored("way", 1), old)
    later = [(stored(f"r{number}", 2 + number), new) for number in range(7)]
    other = [(stored("x", 0), gone), (stored("on", 30, ONLINE), old), (stored("y", 31), None)]
    ways = ways_back((first, *later, *other), {old, new})
    assert ways == {"way": f"the way back to {old}", "r6": f"the way back to {new}"}
    files = tuple(item for item, _ in (first, *later, *other))
    assert not {"way", "r6"} & set(prune(*files, pinned=tuple(ways), keep=1))


def test_the_newest_way_back_to_a_build_is_found_in_any_order() -> None:
    """Rule 7: a listing from the newest on names the same one."""
    build = BUILDS[0]
    found = [(stored("new", 2), build), (stored("old", 1), build)]
    expected = {"new": f"the way back to {build}"}
    assert ways_back(found, {build}) == ways_back(reversed(found), {build}) == expected


def test_nights_that_move_nobody_do_not_push_out_the_way_back() -> None:
    """Rule 2: copies beside the serve are newer every night; the one at rest stays all the same."""
    back = stored("back", 1)
    nights = tuple(stored(f"night{number}", 2 + number, ONLINE) for number in range(7))
    assert prune(back, *nights, keep=6) == ("night0",)
    told = judged((back, *nights), {}, 6, 10_000)
    assert told[0].why == "the newest taken at rest"


def test_of_two_taken_at_once_the_later_id_is_the_newer() -> None:
    """The answer never depends on the order of a listing."""
    one, two = stored("r.0001", 1), stored("r.0002", 1)
    assert prune(one, two, keep=1) == prune(two, one, keep=1) == ("r.0001",)


def test_a_clock_that_was_ahead_for_a_night_costs_nobody_the_way_back() -> None:
    """Rule 6: what was sealed later is newer, whatever the clock said when it was taken."""
    ahead = Stored("ahead", REST, MOMENT + timedelta(days=365), 10, sequence=1)
    after = (Stored("way", REST, MOMENT, 10, sequence=2), Stored("on", ONLINE, MOMENT, 10, 3))
    assert prune(ahead, *after, keep=2) == ("ahead",)
    assert prune(ahead, *after, keep=0) == ("ahead",)
    told = judged((*after, ahead), {}, 0, 0)
    assert [item.stored.id for item in told] == ["ahead", "way", "on"]
    assert told[1].why == "the newest taken at rest"


def test_what_has_no_number_is_older_than_what_has_one() -> None:
    """Rule 6: an earlier t3safe numbered nothing; among its snapshots the clock decides."""
    unnumbered = (stored("b", 900), stored("a", 1))
    numbered = Stored("c", REST, MOMENT, 10, sequence=1)
    assert prune(*unnumbered, numbered, keep=1) == ("a", "b")


def test_of_each_it_is_told_whether_it_is_kept_and_why() -> None:
    """Oldest first, and what goes is what the limits alone would give up."""
    found = (stored("d", 4), stored("b", 2), stored("a", 1), stored("c", 3))
    told = judged(found, {"a": "the way back"}, 3, 10_000)
    assert [(item.stored.id, item.kept) for item in told] == [
        ("a", True),
        ("b", False),
        ("c", True),
        ("d", True),
    ]
    assert [item.why.split(" of ")[0] for item in told] == [
        "the way back",
        "beyond the limits",
        "within the limits",
        "the newest",
    ]
    assert judged((), {"a": "x"}, 3, 1) == ()


def test_kinds_are_named_as_the_manifests_keep_them() -> None:
    """Strings, so that a manifest of today is read tomorrow."""
    assert [kind.value for kind in SnapshotKind] == ["online", "rest", "quarantine"]


BUILDS = tuple(
    Version.parse(f"0.0.28-nightly.20260615.{run}") for run in (99, 567, 571, 1000, 1001)
)


def test_builds_in_need_stay_and_the_newest_of_the_others() -> None:
    """Of the rest the newest stay by the order of versions, not of texts."""
    listed = tuple(reversed(BUILDS))
    assert prunable_builds(listed, frozenset({BUILDS[0]}), 1) == BUILDS[1:4]
    assert prunable_builds(listed, frozenset(), 2) == BUILDS[:3]


def test_builds_in_need_take_no_place_from_the_others() -> None:
    """`keep` counts the builds that nobody needs."""
    assert prunable_builds(BUILDS, frozenset(BUILDS[:3]), 2) == ()
    assert prunable_builds(BUILDS, frozenset(BUILDS[:3]), 0) == BUILDS[3:]
    assert prunable_builds(BUILDS, frozenset(BUILDS), 0) == ()
