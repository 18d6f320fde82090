"""What was published when: releases as facts, and what is assumed where a fact is not known.

Rules:

1. A history is in the order in which its releases came out; each version is in it once.
2. What is not known of a release is said as `unknown`, never left out or guessed.  A simulation
   takes it as of the release before, and says so (`Resolved.assumed`).
3. A nightly was to be had from half an hour after its commit, and not before its own day began:
   its text names the day of publication, the data the time of the commit.  A publish time that the
   registry told counts more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Final

import attrs
from attrs import field, frozen

from t3safe.domain.errors import UnusableError
from t3safe.domain.ledgers import Migration
from t3safe.domain.policy import Track
from t3safe.domain.versions import Channel, Version

PUBLISH_LAG: Final = timedelta(minutes=30)
"""From a commit to its build in the registry: CI builds, tests and uploads; an assumption."""

UNKNOWN: Final = "unknown"
NO_PAIRING: Final = ""


class HistoryError(UnusableError):
    """Raised when a history, a fleet or a window cannot be simulated; one line that says where."""


class Naming(StrEnum):
    """How the session cookie is named on a loopback bind."""

    PLAIN = "plain"
    """`t3_session`."""
    SCOPED = "scoped"
    """`t3_session_<port>_<12 hex>`."""
    UNKNOWN = "unknown"


@frozen
class PastRelease:
    """One release as the history tells it; None is unknown.

    `schema` is the highest migration that it knows.  `pairing` is the path that exchanges a
    credential, NO_PAIRING where the release has none.  `node` is its `engines.node`.
    """

    version: Version
    channel: Track
    committed: datetime
    schema: int | None
    pairing: str | None
    loopback_cookie: Naming
    node: str | None
    published: datetime | None = None

    @property
    def available(self) -> datetime:
        """From when on the registry had it (rule 3), in UTC."""
        if self.published is not None:
            return self.published
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

    def __attrs_post_init__(self) -> None:
        """Raise HistoryError for what cannot be replayed (rule 1)."""
        if not self.releases:
            raise HistoryError("the history holds no release")
        known = {migration.id for migration in self.migrations}
        if len(known) != len(self.migrations):
            raise HistoryError("migrations: an id is there twice")
        _ordered(self.releases)
        for release in self.releases:
            _sound(release, known)

    def of(self, track: Track) -> tuple[PastRelease, ...]:
        """The releases of one track, in order."""
        return tuple(release for release in self.releases if release.channel is track)


def _ordered(releases: tuple[PastRelease, ...]) -> None:
    seen: set[Version] = set()
    last: dict[Track, PastRelease] = {}
    for release in releases:
        if release.version in seen:
            message = f"{release.version}: is in the history twice"
            raise HistoryError(message)
        seen.add(release.version)
        before = last.get(release.channel)
        if before is not None and release.committed < before.committed:
            message = (
                f"{release.version}: of {release.committed:%Y-%m-%d %H:%M} stands after"
                f" {before.version} of {before.committed:%Y-%m-%d %H:%M}; order the history by time"
            )
            raise HistoryError(message)
        last[release.channel] = release


def _sound(release: PastRelease, known: set[int]) -> None:
    version = release.version
    wanted = {Track.NIGHTLY: Channel.NIGHTLY, Track.LATEST: Channel.LATEST}[release.channel]
    if version.channel is not wanted:
        message = f"{version}: is said to be of {release.channel}, its text says {version.channel}"
        raise HistoryError(message)
    if release.schema is not None and release.schema not in known:
        message = f"{version}: schema {release.schema} is none of the migrations"
        raise HistoryError(message)


@frozen
class Resolved:
    """A release of which everything is known or assumed; `assumed` says what was, and whence."""

    release: PastRelease
    schema: int
    pairing: str
    loopback_cookie: Naming
    node: str
    assumed: tuple[str, ...] = field(default=())


_FIRST: Final = ("schema", "pairing", "loopback_cookie", "node")
_MISSING: Final = {"schema": 0, "pairing": NO_PAIRING, "loopback_cookie": Naming.PLAIN, "node": ""}
"""What is assumed before anything is known."""


def resolved(history: History) -> Iterator[Resolved]:
    """Give every release with its gaps filled from the nearest release before it (rule 2)."""
    facts: dict[str, object] = dict(_MISSING)
    source = "nothing"
    for release in history.releases:
        gaps: list[str] = []
        for name in _FIRST:
            told = getattr(release, name)
            if told is None or told is Naming.UNKNOWN:
                gaps.append(f"{name} {facts[name]} as of {source}")
            else:
                facts[name] = told
        if len(gaps) < len(_FIRST):
            source = release.version.text
        yield Resolved(release, assumed=tuple(gaps), **facts)  # type: ignore[arg-type]


def told_by_registry(
    about: str, told: Iterable[tuple[Version, datetime | None, str]], known: History
) -> History:
    """Make a history of what a registry tells: versions, publish times, engines.node (or empty).

    What it cannot tell (schema, path, cookie) comes from `known` where that has the version, and is
    unknown where not.  A release without a time or of neither track is left out.
    """
    fresh = [
        PastRelease(version, track, moment, None, None, Naming.UNKNOWN, node or None, moment)
        for version, moment, node in told
        if moment is not None and (track := _TRACKS.get(version.channel)) is not None
    ]
    filled = merged(fresh, known)
    ordered = sorted(filled, key=lambda release: (release.committed, release.version))
    return History(about, known.migrations, tuple(ordered))


_TRACKS: Final = {Channel.NIGHTLY: Track.NIGHTLY, Channel.LATEST: Track.LATEST}


def merged(fresh: Iterable[PastRelease], known: History) -> Iterator[PastRelease]:
    """Fill what fresh releases do not know from a history that does, version by version."""
    facts = {release.version: release for release in known.releases}
    for release in fresh:
        yield _filled(release, facts[release.version]) if release.version in facts else release


def _filled(fresh: PastRelease, known: PastRelease) -> PastRelease:
    return attrs.evolve(
        fresh,
        committed=known.committed,
        schema=known.schema if fresh.schema is None else fresh.schema,
        pairing=known.pairing if fresh.pairing is None else fresh.pairing,
        loopback_cookie=(
            known.loopback_cookie
            if fresh.loopback_cookie is Naming.UNKNOWN
            else fresh.loopback_cookie
        ),
        node=known.node if fresh.node is None else fresh.node,
    )
