"""Run a build through the gate on copies of all people's data, without touching a person."""

from __future__ import annotations

import attrs

from t3safe.domain import events as ev
from t3safe.domain.policy import Proceed
from t3safe.domain.versions import Version
from t3safe.usecases.host import Host, Result, start
from t3safe.usecases.recover import settle
from t3safe.usecases.run import planned
from t3safe.usecases.survey import survey


def check(host: Host, build: Version) -> Result:
    """Run a build through the gate on a copy of each person's data; settle an open run first."""
    left = settle(host)
    if left is not None:
        return left
    seen = survey(host, repair=False)
    go = Proceed(build, tuple(person for person, _ in seen.standing.builds))
    return attrs.evolve(start(host, planned(host, ev.Kind.CHECK, go, seen)), warnings=seen.warnings)
