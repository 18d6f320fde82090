"""Records: what the hosts of a fleet write for one another, as values.

Rules:

1. A record holds nothing personal: counts, and reasons that went through `shareable`.  Who did
   something is the host on which it was done; that host's own log knows the person.
2. Times (`at`, `since`) are read by people and never compared: each host has a clock of its own.
3. A name is safe as a part of a key: lower-case letters, digits, dots and hyphens, no slash.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from attrs import Attribute, field, frozen

from t3safe.domain.errors import UnusableError
from t3safe.domain.lockfile import LockFile
from t3safe.domain.redaction import redact
from t3safe.domain.versions import Version

NAME_MAX: Final = 63
"""Characters of a name: the limit of a label of a host name (RFC 1035, 2.3.4)."""
REASON_MAX: Final = 300
"""Characters of a reason that is shared."""

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PERCENT_MAX: Final = 100


def check_name(what: str, text: str) -> str:
    """Return the text if it can name a fleet, ring or host (rule 3); else raise UnusableError."""
    if len(text) > NAME_MAX or not _NAME.fullmatch(text):
        message = (
            f"{what} {text[:NAME_MAX]!r}: use at most {NAME_MAX} lower-case letters, digits,"
            " dots and hyphens"
        )
        raise UnusableError(message)
    return text


def shareable(reason: str, people: Iterable[str]) -> str:
    """Return a reason without secrets and without these people's names, on one short line."""
    text = redact(reason)
    for person in sorted(set(people), key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(person)}(?![\w-])", "a person", text)
    return " ".join(text.split())[:REASON_MAX]


def _named(_: object, attribute: Attribute[str], text: str) -> None:
    check_name(attribute.name, text)


def _word(_: object, attribute: Attribute[str], text: str) -> None:
    if not _WORD.fullmatch(text):
        message = f"{attribute.name} {text[:NAME_MAX]!r} is not a plain word"
        raise UnusableError(message)


def _digest(_: object, attribute: Attribute[str], text: str) -> None:
    if not _DIGEST.fullmatch(text):
        message = f"{attribute.name} {text[:NAME_MAX]!r} is not a SHA-256 in hexadecimal"
        raise UnusableError(message)


def _brief(_: object, attribute: Attribute[str], text: str) -> None:
    if len(text) > REASON_MAX or not text.isprintable():
        message = f"{attribute.name}: use one line of at most {REASON_MAX} characters"
        raise UnusableError(message)


@frozen
class _Within:
    """Checks that a number is within these limits, both included."""

    least: float
    most: float = math.inf

    def __call__(self, _: object, attribute: Attribute[Any], number: float) -> None:
        check_number(attribute.name, number, self.least, self.most)


def check_number(name: str, number: float, least: float, most: float) -> None:
    """Raise UnusableError for a number that is not finite, or not in the limits, both included."""
    if least <= number <= most and math.isfinite(number):
        return
    limit = f"{least:g} to {most:g}" if math.isfinite(most) else f"at least {least:g}"
    message = f"{name} is {number:g}: use {limit}"
    raise UnusableError(message)


@frozen
class Ring:
    """A group of hosts that takes a build at the same stage.

    At most `limit` hosts move people at a time.  The next ring opens once `opens_next` percent of
    this ring's hosts (at least one) have promoted the build.  A host waits `wait` seconds after it
    saw the release, and `stagger` seconds more for each host whose place is before its own.
    """

    name: str = field(validator=_named)
    limit: int = field(default=1, validator=_Within(1))
    opens_next: int = field(default=_PERCENT_MAX, validator=_Within(1, _PERCENT_MAX))
    wait: float = field(default=0.0, validator=_Within(0))
    stagger: float = field(default=0.0, validator=_Within(0))


@frozen
class FleetPolicy:
    """What the fleet's owner decided; written by `t3safe fleet policy` only.

    `rings` are in the order in which they open.  More than `failed_max` failed hosts halt a build.
    A holder that is silent for `slot_deadline` seconds counts as failed; it keeps its slot unless
    `release_silent`.  `version` counts the policies that were written.
    """

    rings: tuple[Ring, ...] = field()
    failed_max: int = field(default=0, validator=_Within(0))
    slot_deadline: float = field(default=14_400.0, validator=_Within(60))
    release_silent: bool = False
    version: int = field(default=1, validator=_Within(1))

    @rings.validator
    def _distinct(self, _: object, rings: tuple[Ring, ...]) -> None:
        names = [ring.name for ring in rings]
        if not names:
            message = "rings: the policy names no ring"
            raise UnusableError(message)
        for name in names:
            if names.count(name) > 1:
                message = f"rings: two rings have the name {name}"
                raise UnusableError(message)

    def ring(self, name: str) -> Ring | None:
        """Return the ring of this name, None if the policy has none."""
        return next((ring for ring in self.rings if ring.name == name), None)

    def before(self, name: str) -> Ring | None:
        """Return the ring that must be through before this one opens, None for the first."""
        names = [ring.name for ring in self.rings]
        place = names.index(name)
        return self.rings[place - 1] if place else None


@frozen
class Holder:
    """A host that holds a slot of its ring, for one run."""

    host: str = field(validator=_named)
    run: str = field(validator=_word)
    build: Version
    lock: str = field(validator=_digest)
    since: datetime


@frozen
class Holders:
    """The slots of a ring that are taken; `note` says who was evicted last, and why."""

    holders: tuple[Holder, ...] = ()
    note: str = field(default="", validator=_brief)


@frozen
class Halt:
    """A build failed in production somewhere: no host starts it until a person lifts this."""

    build: Version
    host: str = field(validator=_named)
    run: str = field(validator=_word)
    reason: str = field(validator=_brief)
    at: datetime


@frozen
class FleetFreeze:
    """All hosts are frozen; `host` is where this was said (rule 1)."""

    host: str = field(validator=_named)
    reason: str = field(validator=_brief)
    at: datetime


@frozen
class Artifact:
    """What a verdict is about: the same version may be other bytes.

    `lock` is the digest of npm's lock file.  `platform` names os, processor, libc, and node or the
    executable.
    """

    build: Version
    lock: str = field(validator=_digest)
    platform: str = field(validator=_word)


class FleetRuling(StrEnum):
    """What became of an artifact on one host, from the weakest to the strongest."""

    REFUSED = "refused"
    """The gate refused it."""
    PROMOTED = "promoted"
    """The bake ended well, and `moved` people run it."""
    FAILED = "failed"
    """It failed a person after the gate."""


@frozen
class FleetVerdict:
    """What one host's gate, canaries and bake found; GATE BROKEN and LATER are never shared."""

    artifact: Artifact
    host: str = field(validator=_named)
    run: str = field(validator=_word)
    ruling: FleetRuling
    at: datetime
    reason: str = field(default="", validator=_brief)
    moved: int = field(default=0, validator=_Within(0))


@frozen
class PublishedLock:
    """Which lock file the hosts install a build from: the first one that was published."""

    build: Version
    digest: str = field(validator=_digest)
    host: str = field(validator=_named)


@frozen
class HostReport:
    """What a host says of itself, for the view and for the next ring.

    `install` is made at random when the host joins: two hosts of one name differ in it.
    `position` is a set place in the ring, None for one that follows from its name.  `runs` is the
    promoted build.  `outcome` is that of `run`, the last one.  `people` and `behind` are counts.
    """

    host: str = field(validator=_named)
    install: str = field(validator=_word)
    ring: str = field(validator=_named)
    t3safe: str = field(validator=_word)
    platform: str = field(validator=_word)
    at: datetime
    position: int | None = None
    runs: Version | None = None
    run: str = field(default="", validator=_brief)
    outcome: str = field(default="", validator=_brief)
    people: int = field(default=0, validator=_Within(0))
    behind: int = field(default=0, validator=_Within(0))
    waits_for: str = field(default="", validator=_brief)


Record = (
    FleetPolicy
    | FleetFreeze
    | Halt
    | Holders
    | HostReport
    | FleetVerdict
    | PublishedLock
    | LockFile
)
"""Everything that is written to the fleet's store."""
