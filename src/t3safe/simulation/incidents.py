"""Real failures, as facts, and what each makes a release or a host do.

Rules:

1. What a release does wrong is a `Behaviour`.  The facts say what could be observed; the behaviour
   is what the simulation enacts.  Many incidents have none of their own: they follow from the
   facts of the releases and from how a host works (an old binary on a newer database).  What
   nothing here can enact says why (`not_enacted`).
2. An incident of a build hits the releases from `first` to `last`.  Where the first one is not
   known, it is the first release after the incident's date.  Where the last one is not known, it
   lasts `LASTING`, or, if it lies in somebody's data, for good.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from attrs import frozen

from t3safe.domain.versions import Version
from t3safe.simulation.history import HistoryError, PastRelease

LASTING: Final = timedelta(days=2)
"""How long a build's fault lasts that nobody dated the end of; an assumption: nightlies that broke
everybody were fixed within a day or two."""


class IncidentScope(StrEnum):
    """Where a failure lies."""

    BUILD = "build"
    DATA = "data"
    GATE = "gate"
    PACKAGE = "package"
    POLICY = "policy"
    HOST = "host"


class Behaviour(StrEnum):
    """What is enacted; the first five need nothing of a release but its own facts."""

    FACTS = "facts"
    """Follows from what the history tells of a release: path, schema, cookie, database, order."""
    ONE_WAY = "one-way"
    """Follows from the rules of every host: migrations go forward, whoever starts first; the second
    database is copied once, and neither shows what is written into the other after that."""
    HARMLESS = "harmless"
    """Was reported, and does not concern a serve on this kind of host (Linux, x64)."""
    OWN_UPDATER = "own-updater"
    """Lies in t3's own updater or service, which none of the policies uses."""
    LAYOUT = "layout"
    """The package is laid out anew; its bin entry is as good as before."""

    NO_COOKIE = "no-cookie"
    OLD_ROWS = "old-rows"
    OLD_TURNS = "old-turns"
    SISTER_DATA = "sister-data"
    ID_COLLISION = "id-collision"
    OLD_EVENTS = "old-events"
    """A new projection reads the whole log again and cannot decode an event of it."""
    LARGE_EVENTS = "large-events"
    """A page of events with large payloads exhausts the heap at the start."""
    DIES_AFTER_BOOT = "dies-after-boot"
    WORKS_ONCE = "works-once"
    UNBUILT = "unbuilt"
    IN_PARTS = "in-parts"
    FOREIGN_PACKAGE = "foreign-package"
    MINT_LOCKED = "mint-locked"

    NODE_TOO_OLD = "node-too-old"
    WEDGED = "wedged"
    DISPATCH_DOWN = "dispatch-down"


OF_HOSTS: Final = frozenset({Behaviour.NODE_TOO_OLD, Behaviour.WEDGED, Behaviour.DISPATCH_DOWN})
"""What befalls a host, whatever its release."""
BY_ITSELF: Final = frozenset({Behaviour.FACTS, Behaviour.ONE_WAY, Behaviour.OWN_UPDATER})
"""What needs no release of its own to be shown, or cannot be shown."""
OF_NOBODY: Final = BY_ITSELF | {Behaviour.HARMLESS, Behaviour.LAYOUT}
"""What a release does without being told to, or what does nothing."""


@frozen
class Incident:
    """One real failure.

    `first` and `last` bound the affected versions where known, `date` is when it was reported.
    `liveness_misses` says whether a look at `GET /` alone would have missed it.  `behaviour` None
    means that nothing here can enact it; `not_enacted` says why.
    """

    id: str
    date: date | None
    first: Version | None
    last: Version | None
    scope: IncidentScope
    observable: str
    liveness_misses: bool
    recovery: str
    source: str
    behaviour: Behaviour | None = None
    not_enacted: str = ""

    def hits(self, release: PastRelease) -> bool:
        """Whether it lies in this release (rule 2)."""
        if self.behaviour is None or self.behaviour in OF_NOBODY | OF_HOSTS:
            return False
        if self.first is not None and release.version < self.first:
            return False
        if self.last is not None:
            return self.first is not None and release.version <= self.last
        if self.date is None:
            return False
        since, moment = datetime.combine(self.date, time(), UTC), release.available
        if self.first is None and moment < since:
            return False
        return self.scope is IncidentScope.DATA or moment < since + LASTING


@frozen
class Incidents:
    """Every failure that is known, each once."""

    about: str
    incidents: tuple[Incident, ...] = ()

    def check(self) -> None:
        """Raise HistoryError where an incident is there twice."""
        names = [incident.id for incident in self.incidents]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise HistoryError(f"{twice[0]}: is there twice")

    def of(self, release: PastRelease) -> frozenset[Behaviour]:
        """What is wrong with a release."""
        return frozenset(
            incident.behaviour
            for incident in self.incidents
            if incident.behaviour is not None and incident.hits(release)
        )
