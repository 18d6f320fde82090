"""The order of `sort -V`, which the seed script compares versions by.

It is that of GNU's filevercmp: stretches of digits by their number, everything between by letter,
letters before all other characters, `~` before anything.  SemVer orders pre-releases the other way
round: `sort -V` puts 0.0.28 below 0.0.28-nightly.20260629.685.
"""

from __future__ import annotations

import re

_PARTS = re.compile(r"(\D*)(\d*)")


def newer(target: str, current: str) -> bool:
    """What the seed calls newer: another text, and the last of the two under `sort -V`."""
    return target != current and _key(target) > _key(current)


def _key(text: str) -> list[tuple[list[int], int]]:
    """Give letters by rank, with 0 where a stretch of them ends, and the number behind them."""
    return [
        ([*map(_rank, letters), 0], int(digits or 0)) for letters, digits in _PARTS.findall(text)
    ]


def _rank(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
