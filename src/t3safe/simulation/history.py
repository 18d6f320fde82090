"""What was published when: releases as facts, and what is assumed where a fact is not known.

Rules:

1. A history is in the order in which its releases came out; each version is in it once.
2. What is not known of a release is said as `unknown`, never left out or guessed.  A simulation
   takes it as of the release before, and says so (`SimulatedBuild.assumed`).
3. A nightly was to be had from half an hour after its commit, and not before its own day began:
   its text names the day of publication, the data the time of the commit.  A publish time that is
   known counts more.
4. Where only the day is known, it came out at NOON of that day.  That is an assumption, and said.
5. A preview is part of the history; no tag that an updater follows ever points at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, Literal

import attrs
from attrs import frozen

from t3safe.domain.errors import UnusableError
from t3safe.domain.ledgers import Migration
from t3safe.domain.policy import Track
from t3safe.domain.versions import Channel, Version

PUBLISH_LAG: Final = timedelta(minutes=30)
"""From a commit to its build in the registry: CI builds, tests and uploads; an assumption."""

NOON: Final = time(12)
"""When a release came out of which only the day is known, in UTC (rule 4)."""


class HistoryError(UnusableError):
    """Raised when a history, a fleet or a window cannot be simulated; one line that says where."""


LoopbackCookie = Literal["plain", "scoped"]
"""How the session cookie is named on a loopback bind; `scoped` has the port and 12 hex digits."""
RemoteCookie = Literal["plain", "environment"]
"""And on a remote-reachable one; `environment` has 12 hex digits of the environment id."""
Layout = Literal["v1", "v2"]
"""Which database holds a person's state; that of V2 is a second one, made as a copy."""
PackageKind = Literal["node", "launcher"]
"""A node program with its dependencies, or a launcher over a native one in another package."""


class ReleaseLine(StrEnum):
    """Which releases it belongs to."""

    LATEST = "latest"
    NIGHTLY = "nightly"
    PREVIEW = "preview"
    """Rule 5."""

    @property
    def track(self) -> Track | None:
        """The track whose tag may point at it; None for a preview."""
        return None if self is ReleaseLine.PREVIEW else Track(self.value)


@frozen
class PastRelease:
    """One release as the history tells it; None is unknown.

    `schema` is the highest migration that it knows.  `pairing` is the path that exchanges a
    credential, empty where the release has none.  `node` is its `engines.node`.  `day` is the UTC
    day on which it came out, where no time is known.  `how` says what the row rests on.
    """

    version: Version
    channel: ReleaseLine
    committed: datetime | None
    schema: int | None
    pairing: str | None
    loopback_cookie: LoopbackCookie | None
    node: str | None
    layout: Layout | None = None
    remote_cookie: RemoteCookie | None = None
    package: PackageKind | None = None
    published: datetime | None = None
    day: date | None = None
    how: str = ""

    @property
    def out_on(self) -> date | None:
        """The UTC day on which it came out, where that is all that is known (rule 4)."""
        if self.published is not None or self.committed is not None:
            return None
        return self.day or self.version.published_on

    @property
    def available(self) -> datetime:
        """From when on the registry had it (rules 3 and 4), in UTC."""
        if self.published is not None:
            return self.published
        if self.committed is None:
            return datetime.combine(self.out_on or date.max, NOON, UTC)
        moment = self.committed + PUBLISH_LAG
        day = self.version.published_on
        if day is None:
            return moment
        return max(moment, datetime.combine(day, time(), UTC) + PUBLISH_LAG)


@frozen
class History:
    """Releases in the order in which they came out, and the migrations that they may know."""

    about: str
    migrations: tuple[Migration, ...]
    releases: tuple[PastRelease, ...]

    def check(self) -> None:
        """Raise HistoryError for what cannot be replayed (rule 1)."""
        if not self.releases:
            raise HistoryError("the history holds no release")
        known = {migration.id for migration in self.migrations}
        if len(known) != len(self.migrations):
            raise HistoryError("migrations: an id is there twice")
        seen: set[Version] = set()
        last: dict[ReleaseLine, PastRelease] = {}
        for release in self.releases:
            problem = _problem(release, known)
            before = last.get(release.channel, release)
            if release.version in seen:
                problem = "is in the history twice"
            elif not problem and release.available < before.available:
                problem = (
                    f"of {release.available:%Y-%m-%d %H:%M} stands after {before.version}"
                    f" of {before.available:%Y-%m-%d %H:%M}; order the history by time"
                )
            if problem:
                raise HistoryError(f"{release.version}: {problem}")
            seen.add(release.version)
            last[release.channel] = release


def _problem(release: PastRelease, known: set[int]) -> str:
    version, line = release.version, line_of(release.version)
    if line is not release.channel:
        return f"is said to be of {release.channel}, its text says {line or version.channel}"
    if release.published is None and release.committed is None and release.out_on is None:
        return "has no time: give `committed`, `published` or `day`"
    if release.schema is not None and release.schema not in known:
        return f"schema {release.schema} is none of the migrations"
    return ""


_LINES: Final = {Channel.NIGHTLY: ReleaseLine.NIGHTLY, Channel.LATEST: ReleaseLine.LATEST}
_PREVIEW: Final = re.compile(r"-preview\.[0-9]{8}\.[0-9]+$", re.ASCII)


def line_of(version: Version) -> ReleaseLine | None:
    """Read off a version's text to which releases it belongs; None for none of these."""
    found = _LINES.get(version.channel)
    return ReleaseLine.PREVIEW if found is None and _PREVIEW.search(version.text) else found


def told_by_registry(
    about: str, told: Iterable[tuple[Version, datetime | None, str]], known: History
) -> History:
    """Make a history of what a registry tells: versions, publish times, engines.node (or empty).

    What it cannot tell (schema, path, cookie) comes from `known` where that has the version, and is
    unknown where not.  A release without a time or of no line is left out.  Raises HistoryError.
    """
    facts = {release.version: release for release in known.releases}
    releases: list[PastRelease] = []
    for version, moment, node in told:
        line = line_of(version)
        if moment is None or line is None:
            continue
        release = facts.get(version, PastRelease(version, line, moment, None, None, None, None))
        releases.append(
            attrs.evolve(
                release,
                committed=release.committed or moment,
                node=node or release.node,
                published=moment,
                day=None,
            )
        )
    releases.sort(key=lambda release: (release.available, release.version))
    made = History(about, known.migrations, tuple(releases))
    made.check()
    return made
