"""What a rehearsal is allowed follows the size of its set."""

from __future__ import annotations

import pytest

from t3safe.domain.allowance import GIB, Allowance, memory_words


@pytest.mark.parametrize(
    ("size", "limit"), [(0, 30.0), (GIB // 2, 45.0), (GIB, 60.0), (10 * GIB, 330.0), (-5, 30.0)]
)
def test_a_limit_grows_with_the_set(size: int, limit: float) -> None:
    """From its base, by so much for each GiB; a set has no negative size."""
    assert Allowance(30.0, 30.0).of(size) == limit


def test_a_limit_without_growth_is_its_base() -> None:
    """Whatever the set."""
    assert Allowance(90.0).of(10 * GIB) == 90.0


LIMIT = "its limit is 1.5 GiB (`gate.memory_max`, `gate.memory_max_per_gib`)"


@pytest.mark.parametrize(
    ("exited", "said", "memory_max", "words"),
    [
        (137, "", GIB * 3 // 2, f"it was killed, perhaps for memory: {LIMIT}"),
        (-9, "", GIB * 3 // 2, f"it was killed, perhaps for memory: {LIMIT}"),
        (-6, "", GIB * 3 // 2, f"its heap follows its limit of memory: {LIMIT}"),
        (1, "heap out of memory", GIB * 3 // 2, f"its heap follows its limit of memory: {LIMIT}"),
        (1, "file is not a database", GIB, ""),
        (137, "heap out of memory", 0, ""),
    ],
)
def test_an_end_for_memory_names_its_limit(
    exited: int, said: str, memory_max: int, words: str
) -> None:
    """And its settings; where nothing limits it, nothing is named."""
    assert memory_words(exited, said, memory_max) == words
