"""The mutants that no test kills, each with the reason why that is right.

A mutant is known by its module, its function and the lines that it changes, without their
indentation: so an entry outlives every edit but one of those very lines.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import field, frozen

LISTED: Final = Path(__file__).with_name("survivors.toml")

ADDED, REMOVED = "+", "-"

_LITERAL: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_PROSE: Final = re.compile(r"[a-z',;]+ [a-z']+")
"""Two words of plain text: what a person reads.  An SQL statement has its keywords in capitals."""


@frozen(order=True)
class Mutant:
    """One change to one function, by what it changes."""

    module: str
    function: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.module}: {self.function}\n  - {self.old}\n  + {self.new}"


@frozen
class Survivor:
    """A mutant that is let live, why, and how often the function has that very line."""

    mutant: Mutant
    reason: str
    times: int = 1


@frozen
class Score:
    """How many mutants there were, by what became of them."""

    killed: int = 0
    timeout: int = 0
    survived: int = 0
    untested: int = 0
    undecided: int = 0
    """Never run, or ended in a way that says nothing."""
    wording: int = 0
    """Lived, and changed nothing but the letters of a sentence: see `only_wording`."""

    @property
    def total(self) -> int:
        """All that count: a sentence is asserted for what it means, not to the letter."""
        return self.killed + self.timeout + self.survived + self.untested + self.undecided

    @property
    def percent(self) -> float:
        """The part that was found out, in percent; a hundred where there was nothing to find."""
        return 100 * (self.killed + self.timeout) / self.total if self.total else 100.0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.killed + other.killed,
            self.timeout + other.timeout,
            self.survived + other.survived,
            self.untested + other.untested,
            self.undecided + other.undecided,
            self.wording + other.wording,
        )


@frozen
class Difference:
    """Where the list and what was seen do not agree."""

    unlisted: tuple[Mutant, ...] = field(default=())
    """Survived, more often than the list lets them."""
    gone: tuple[Mutant, ...] = field(default=())
    """Listed, and survived less often than that: killed, or no longer there."""


def listed(text: str) -> tuple[Survivor, ...]:
    """Read the list.  Raises KeyError or ValueError where it is not one."""
    return tuple(_survivor(dict(entry)) for entry in tomllib.loads(text)["survivor"])


def _survivor(entry: dict[str, object]) -> Survivor:
    mutant = Mutant(*(_lines(entry.pop(key)) for key in ("module", "function", "old", "new")))
    reason, times = entry.pop("reason"), entry.pop("times", 1)
    if entry or not isinstance(times, int) or not isinstance(reason, str) or not reason.strip():
        message = f"not an entry of the list: {mutant}"
        raise ValueError(message)
    return Survivor(mutant, reason, times)


def _lines(text: object) -> str:
    return "\n".join(line.strip() for line in str(text).strip().splitlines())


def compare(survivors: Iterable[Survivor], seen: Iterable[Mutant], modules: set[str]) -> Difference:
    """Hold what survived in these modules against the list."""
    allowed = Counter[Mutant]()
    for survivor in survivors:
        if survivor.mutant.module in modules:
            allowed[survivor.mutant] += survivor.times
    survived = Counter(seen)
    return Difference(tuple(sorted(survived - allowed)), tuple(sorted(allowed - survived)))


def change(diff: str) -> tuple[str, str]:
    """Give what a unified diff takes away and what it puts there, without indentation."""
    body = [line for line in diff.splitlines() if not line.startswith(("---", "+++", "@@"))]
    old, new = (
        "\n".join(line[1:].strip() for line in body if line.startswith(sign))
        for sign in (REMOVED, ADDED)
    )
    return old, new


def only_wording(mutant: Mutant) -> bool:
    """Tell whether a mutant changes just how one sentence is spelled: marks around it, or case."""
    olds, news = _LITERAL.findall(mutant.old), _LITERAL.findall(mutant.new)
    if _LITERAL.sub("", mutant.old) != _LITERAL.sub("", mutant.new) or len(olds) != len(news):
        return False
    changed = [(old[1:-1], new[1:-1]) for old, new in zip(olds, news, strict=True) if old != new]
    return len(changed) == 1 and all(
        _PROSE.search(old) and (new == f"XX{old}XX" or new.lower() == old.lower())
        for old, new in changed
    )
