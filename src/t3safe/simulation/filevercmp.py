"""The order of `sort -V`, which the seed script compares versions by.

It is that of GNU's filevercmp: stretches of digits by their number, everything between by letter,
letters before all other characters, `~` before anything.  SemVer orders pre-releases the other way
round: `sort -V` puts 0.0.28 below 0.0.28-nightly.20260629.685.
"""

from __future__ import annotations

import re
from functools import cmp_to_key
from itertools import zip_longest

_PARTS = re.compile(r"(\D*)(\d*)")


def newer(target: str, current: str) -> bool:
    """What the seed calls newer: another text, and the last of the two under `sort -V`."""
    return target != current and sorted((target, current), key=cmp_to_key(_compare))[-1] == target


def _compare(one: str, other: str) -> int:
    for mine, theirs in zip_longest(_PARTS.findall(one), _PARTS.findall(other), fillvalue=("", "")):
        text = _letters(mine[0], theirs[0])
        if text:
            return text
        number = int(mine[1] or 0) - int(theirs[1] or 0)
        if number:
            return number
    return 0


def _letters(one: str, other: str) -> int:
    for mine, theirs in zip_longest(one, other, fillvalue=""):
        difference = _rank(mine) - _rank(theirs)
        if difference:
            return difference
    return 0


def _rank(letter: str) -> int:
    if not letter:
        return 0
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
