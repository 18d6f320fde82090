from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain.retention import SnapshotKind, Stored, prunable_builds, prunable_snapshots
from t3safe.domain.versions import Version
from tests.strategies import nightlies, snapshots

_KEEP = st.integers(0, 6)
_BYTES = st.integers(0, 120)
_PINS = st.frozensets(st.text("abcdef", min_size=1, max_size=2), max_size=4)


def _spared(stored: tuple[Stored, ...]) -> set[str]:
    """The newest snapshot, and the newest that was taken at rest."""
    at_rest = [item for item in stored if item.kind is SnapshotKind.REST]
    return {max(items, key=_age).id for items in (stored, at_rest) if items}


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
    """Rule 2: up to `keep` snapshots and `bytes_max` bytes, but for what may not be given up."""
    pruned = prunable_snapshots(stored, pinned, keep, bytes_max)
    left = [item for item in stored if item.id not in pruned]
    free = [item for item in left if item.id not in pinned | _spared(stored)]
    if free:
        counted = [item for item in left if item.id in pinned or item in free]
        assert len(counted) <= keep
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
            assert len(left) + 1 > keep or total > bytes_max


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
def test_a_quarantined_set_outlives_an_ordinary_snapshot(
    stored: tuple[Stored, ...], keep: int
) -> None:
    """Rule 3: quarantined sets are given up last."""
    pruned = prunable_snapshots(stored, frozenset(), keep, 10_000)
    spared = _spared(stored)
    if any(item.id in pruned for item in stored if item.kind is SnapshotKind.QUARANTINE):
        ordinary = [item for item in stored if item.kind is not SnapshotKind.QUARANTINE]
        assert all(item.id in pruned or item.id in spared for item in ordinary)


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
