from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain.retention import (
    SnapshotKind,
    Stored,
    prunable_builds,
    prunable_snapshots,
    ways_back,
)
from t3safe.domain.versions import Version
from tests.strategies import nightlies, snapshots

_KEEP = st.integers(0, 6)
_BYTES = st.integers(0, 120)
_PINS = st.frozensets(st.text("abcdef", min_size=1, max_size=2), max_size=4)


def _spared(stored: tuple[Stored, ...]) -> set[str]:
    """The newest snapshot, and the newest that was taken at rest."""
    at_rest = [item for item in stored if item.kind is SnapshotKind.REST]
    return {max(items, key=_age).id for items in (stored, at_rest) if items}


def _quarantined(item: Stored) -> bool:
    return item.kind is SnapshotKind.QUARANTINE


def _at_rest(item: Stored) -> bool:
    return item.kind is SnapshotKind.REST


def _age(item: Stored) -> tuple[object, ...]:
    return item.sequence, item.taken, item.id


@given(stored=snapshots(), pinned=_PINS, keep=_KEEP, bytes_max=_BYTES)
def test_what_is_pinned_or_newest_is_never_given_up(
    stored: tuple[Stored, ...], pinned: frozenset[str], keep: int, bytes_max: int
) -> None:
    """Rules 1 and 2: neither a pinned one, nor the newest of all, nor the newest at rest."""
    pruned = prunable_snapshots(stored, pinned, keep, bytes_max)
    assert not set(pruned) & pinned
    assert set(pruned) <= {item.id for item in stored}
    assert not set(pruned) & _spared(stored)


@given(stored=snapshots(), pinned=_PINS, keep=_KEEP, bytes_max=_BYTES)
def test_the_limits_are_respected(
    stored: tuple[Stored, ...], pinned: frozenset[str], keep: int, bytes_max: int
) -> None:
    """Rule 2: up to `keep` snapshots and `bytes_max` bytes, but for what may not be given up.

    Rule 3: and up to `keep` quarantined sets.
    """
    pruned = prunable_snapshots(stored, pinned, keep, bytes_max)
    left = [item for item in stored if item.id not in pruned]
    free = [item for item in left if item.id not in pinned | _spared(stored)]
    counted = [item for item in left if item.id in pinned or item in free]
    for apart in (False, True):
        if any(_quarantined(item) is apart for item in free):
            assert sum(_quarantined(item) is apart for item in counted) <= keep
    if free:
        assert sum(item.size for item in counted) <= bytes_max


@given(stored=snapshots(), pinned=_PINS, keep=_KEEP, bytes_max=_BYTES)
def test_nothing_is_given_up_that_would_have_fitted(
    stored: tuple[Stored, ...], pinned: frozenset[str], keep: int, bytes_max: int
) -> None:
    """Rule 2: of the rest the newest are kept; what goes would have broken a limit."""
    pruned = prunable_snapshots(stored, pinned, keep, bytes_max)
    left = [item for item in stored if item.id not in pruned]
    for item in stored:
        if item.id in pruned:
            total = sum(kept.size for kept in left) + item.size
            alike = sum(_quarantined(kept) is _quarantined(item) for kept in left)
            assert alike + 1 > keep or total > bytes_max


@given(stored=snapshots(), pinned=_PINS, keep=_KEEP, bytes_max=_BYTES)
def test_pruning_what_was_pruned_gives_up_nothing_more(
    stored: tuple[Stored, ...], pinned: frozenset[str], keep: int, bytes_max: int
) -> None:
    """Retention is applied on every write, so it must come to rest."""
    pruned = prunable_snapshots(stored, pinned, keep, bytes_max)
    left = tuple(item for item in stored if item.id not in pruned)
    assert prunable_snapshots(left, pinned, keep, bytes_max) == ()


@given(stored=snapshots(), pinned=_PINS, keep=_KEEP, bytes_max=_BYTES)
def test_the_order_of_a_listing_does_not_matter(
    stored: tuple[Stored, ...], pinned: frozenset[str], keep: int, bytes_max: int
) -> None:
    """Oldest first, whatever order the folder is read in."""
    pruned = prunable_snapshots(stored, pinned, keep, bytes_max)
    assert prunable_snapshots(tuple(reversed(stored)), pinned, keep, bytes_max) == pruned
    by_id = {item.id: item for item in stored}
    assert list(pruned) == sorted(pruned, key=lambda name: _age(by_id[name]))


@given(stored=snapshots(), keep=_KEEP)
def test_quarantined_sets_and_others_push_out_none_of_each_other(
    stored: tuple[Stored, ...], keep: int
) -> None:
    """Rule 3: what is given up for its number is what would be given up without the others."""
    pruned = prunable_snapshots(stored, frozenset(), keep, 10_000)
    spared = _spared(stored)
    for apart in (False, True):
        alike = tuple(item for item in stored if _quarantined(item) is apart)
        alone = set(prunable_snapshots(alike, frozenset(), keep, 10_000))
        assert {item.id for item in alike} & set(pruned) - spared >= alone - spared


@given(stored=snapshots(), builds=st.lists(nightlies, min_size=1, max_size=3, unique=True))
def test_of_each_build_that_stays_one_way_back_is_kept(
    stored: tuple[Stored, ...], builds: list[Version]
) -> None:
    """Rule 7: the newest at rest of each build in the store, and nothing of any other."""
    wrote = [(item, builds[place % len(builds)]) for place, item in enumerate(stored)]
    ways = ways_back(wrote, builds[:1])
    at_rest = [item for item, build in wrote if _at_rest(item) and build == builds[0]]
    assert set(ways) == {max(at_rest, key=_age).id for _ in at_rest[:1]}
    assert not set(prunable_snapshots(stored, frozenset(ways), 0, 0)) & set(ways)


@given(
    builds=st.lists(nightlies, max_size=8).map(tuple),
    needed=st.frozensets(nightlies, max_size=4),
    keep=_KEEP,
)
def test_a_build_that_is_needed_is_never_given_up(
    builds: tuple[Version, ...], needed: frozenset[Version], keep: int
) -> None:
    """Rule 4: builds in need are never pruned; of the rest the newest `keep` stay."""
    pruned = prunable_builds(builds, needed, keep)
    left = set(builds) - set(pruned) - needed
    assert not set(pruned) & needed
    assert len(left) == min(keep, len(set(builds) - needed))
    assert list(pruned) == sorted(set(pruned))
    assert all(gone < kept for gone in pruned for kept in left)
    assert prunable_builds(tuple(set(builds) - set(pruned)), needed, keep) == ()
