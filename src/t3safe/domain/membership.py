"""What this host knows of its fleet without asking it; a host of its own has none."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from t3safe.domain.versions import Version


@frozen
class Membership:
    """What the last run or sync left.

    `build` is the release that a run asked for last, `place` that of this host in its ring for it,
    from 1.  `waits` says why the last run could not start, empty if it could.  `cut_off` is since
    when (UTC) runs cannot ask the fleet, None if the last one could.  `trouble` is what a person
    must know, one line each.
    """

    ring: str
    build: Version | None = None
    place: int | None = None
    waits: str = ""
    cut_off: datetime | None = None
    trouble: tuple[str, ...] = ()
