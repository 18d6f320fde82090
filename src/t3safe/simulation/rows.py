"""Rows as runs of serial numbers: exact about what is kept where, and cheap to copy."""

from __future__ import annotations

from typing import Final

Rows = tuple[tuple[int, int], ...]
"""Half-open ranges, ascending and apart."""

NONE: Final[Rows] = ()


def upto(count: int) -> Rows:
    """The first `count` rows."""
    return ((0, count),) if count else NONE


def grown(rows: Rows, start: int, count: int) -> Rows:
    """The rows with `count` more from `start` on, which lies at or after their end."""
    if not count:
        return rows
    if rows and rows[-1][1] == start:
        return (*rows[:-1], (rows[-1][0], start + count))
    return (*rows, (start, start + count))


def size(rows: Rows) -> int:
    """How many they are."""
    return sum(end - start for start, end in rows)


def union(one: Rows, other: Rows) -> Rows:
    """The rows that are in either."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted((*one, *other)):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def missing(wanted: Rows, held: Rows) -> int:
    """How many of `wanted` are not in `held`."""
    if wanted == held:
        return 0
    return size(union(wanted, held)) - size(held)
