"""Versions of t3 and their order.

Rules:

1. A version is SemVer 2.0.0 text without build metadata.  Build metadata is refused, because npm
   drops it and two texts would then name one release.
2. The order is SemVer 2.0.0 precedence (section 11) on everything that parses.  `packaging` orders
   the release part; the pre-release part follows section 11.4.  `sort -V` and PEP 440 order both
   get it wrong: they disagree with SemVer on `0.0.28` and `0.0.28-nightly.20260629.685`.
3. The channel is read off the text: no pre-release is `latest`, `nightly.<UTC date>.<run>` is
   `nightly`, `alpha.<n>` is `alpha`, anything else is `other`.

The grammar has no slash, no space and no dot-only part, so a parsed version is safe as a folder
name.  What this module does not do: say whether a build may be taken (see `policy`), or whether it
fits a person's data (see `ledgers`; 0.0.25 outranks 0.0.25-nightly.20260608.497 and knows less).
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from functools import total_ordering
from typing import Final

from attrs import field, frozen
from packaging.version import Version as ReleasePart

LENGTH_MAX: Final = 256
"""npm's own limit for the length of a version (node-semver, MAX_LENGTH)."""

_NUMERIC: Final = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER: Final = rf"(?:{_NUMERIC}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER: Final = re.compile(
    rf"(?P<release>{_NUMERIC}\.{_NUMERIC}\.{_NUMERIC})"
    rf"(?:-(?P<pre>{_IDENTIFIER}(?:\.{_IDENTIFIER})*))?",
    re.ASCII,
)
_NIGHTLY: Final = re.compile(rf"nightly\.(?P<day>[0-9]{{8}})\.(?P<run>{_NUMERIC})", re.ASCII)
_ALPHA: Final = re.compile(rf"alpha\.{_NUMERIC}", re.ASCII)

_Identifier = tuple[bool, int | str]
"""Sort key of one pre-release identifier: (False, number) below (True, text)."""


class InvalidVersion(ValueError):  # noqa: N818 - named as in `packaging`
    """Raised when a text is not a version that t3safe accepts; the message says why."""


class Channel(StrEnum):
    """The line of releases that a version belongs to."""

    LATEST = "latest"
    NIGHTLY = "nightly"
    ALPHA = "alpha"
    OTHER = "other"


@total_ordering
@frozen(order=False)
class Version:
    """One published version of t3: equal by text, ordered by SemVer 2.0.0 precedence."""

    text: str
    _release: ReleasePart = field(eq=False, repr=False)
    _prerelease: tuple[_Identifier, ...] = field(eq=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version as npm prints it, without a leading `v`.

        Raises InvalidVersion with the reason when the text is anything else.
        """
        if len(text) > LENGTH_MAX:
            message = f"a version is at most {LENGTH_MAX} characters long, this one has {len(text)}"
            raise InvalidVersion(message)
        if "+" in text:
            message = f"{text!r} carries build metadata, which npm drops; name the plain version"
            raise InvalidVersion(message)
        match = _SEMVER.fullmatch(text)
        if match is None:
            message = f"{text!r} is not a SemVer 2.0.0 version such as 0.0.28-nightly.20260615.567"
            raise InvalidVersion(message)
        return cls(text, ReleasePart(match["release"]), _identifiers(match["pre"]))

    @property
    def channel(self) -> Channel:
        """The line of releases that the text names; a nightly needs a real UTC date."""
        _, _, pre = self.text.partition("-")
        if not pre:
            return Channel.LATEST
        if self.published_on is not None:
            return Channel.NIGHTLY
        return Channel.ALPHA if _ALPHA.fullmatch(pre) else Channel.OTHER

    @property
    def published_on(self) -> date | None:
        """The UTC day in a nightly's text; None for every other channel."""
        _, _, pre = self.text.partition("-")
        match = _NIGHTLY.fullmatch(pre)
        if match is None:
            return None
        day = match["day"]
        try:
            return date(int(day[:4]), int(day[4:6]), int(day[6:]))
        except ValueError:
            return None

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._precedence() < other._precedence()

    def _precedence(self) -> tuple[ReleasePart, bool, tuple[_Identifier, ...]]:
        return self._release, not self._prerelease, self._prerelease

    def __str__(self) -> str:
        return self.text


def _identifiers(pre: str | None) -> tuple[_Identifier, ...]:
    if pre is None:
        return ()
    return tuple(
        (False, int(part)) if part.isdecimal() else (True, part) for part in pre.split(".")
    )


def days_behind(present: Version | None, newest: Version | None) -> int | None:
    """How many days a build lags; None where either does not tell its day."""
    here = present.published_on if present is not None else None
    there = newest.published_on if newest is not None else None
    if here is None or there is None:
        return None
    return max(0, (there - here).days)
