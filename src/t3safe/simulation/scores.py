"""What is counted of a policy, and the nights that it is counted from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from t3safe.simulation.telling import Fate


@frozen
class Night:
    """One night of one policy, from its timer to the next one.

    `day` is the date of the timer (UTC).  `tag` is what the registry offered, `version` what most
    people ran at the end.  `fates` has a letter for each person, in the fleet's order (`LETTERS`).
    `reasons` says why, for whom there is something to say.  `broken` is minutes by person.
    """

    day: str
    tag: str
    version: str
    outcome: str
    fates: str
    lines: tuple[str, ...]
    cut: int
    reasons: tuple[tuple[str, str], ...]
    broken: tuple[tuple[str, float], ...]
    happened: tuple[str, ...]


LETTERS: Final = {
    Fate.CALM: ".",
    Fate.MOVED: "m",
    Fate.DEFERRED: "d",
    Fate.REFUSED: "r",
    Fate.LATER: "l",
    Fate.FROZEN: "f",
    Fate.ROLLED_BACK: "b",
    Fate.BROKEN: "x",
}
"""How a fate is written in `Night.fates`."""


@frozen
class PersonScore:
    """One person under one policy; minutes, and counts."""

    name: str
    broken: float
    hosts: float
    away: float
    stranded_nights: int
    rows_lost: int
    interrupted: int
    stale_nights: int


@frozen
class Scores:
    """A policy's scores.

    Minutes are a person's, on average and at worst.  `stranded` are people who at the end of some
    night or morning ran, or would have started, a build that does not know their ledger.
    `rows_kept` were set aside by a rollback, in a quarantine.  `stale` are nights at whose end a
    person ran something older than the tag, on average.  A refusal or an acceptance is wrong by how
    things are, whatever a gate saw, and counts once a build.  `interventions` are mornings on which
    a person had to act.
    """

    broken_mean: float
    broken_worst: float
    hosts_mean: float
    away_mean: float
    stranded: int
    stranded_nights: int
    rows_lost: int
    rows_kept: int
    interrupted: int
    stale: float
    wrong_refusals: int
    wrong_acceptances: int
    restores: int
    interventions: int


SHOWN: Final = (
    ("broken_mean", "minutes broken, a person", "could not sign in or work, on average"),
    ("broken_worst", "minutes broken, at worst", "of the person who was hit hardest"),
    ("away_mean", "minutes away, a person", "stopped, fenced or started by the updater"),
    ("hosts_mean", "minutes of the host's own", "dispatch, reboot, wedged serve: nobody's update"),
    ("stranded", "people stranded", "binary and ledger apart when the updater was done"),
    ("rows_lost", "rows lost", "committed, and neither shown nor kept aside"),
    ("rows_kept", "rows kept aside", "in a quarantine after a rollback"),
    ("interrupted", "turns interrupted", "in flight when their serve was stopped or died"),
    ("stale", "nights stale, a person", "ran something older than the tag"),
    ("wrong_refusals", "wrong refusals", "builds refused that were good for everybody here"),
    ("wrong_acceptances", "wrong acceptances", "builds taken that were no good for somebody here"),
    ("restores", "restores", "of somebody's state from a copy"),
    ("interventions", "interventions", "mornings on which a person had to act"),
)
"""The scores as they are shown: key, name, what it means."""


@frozen
class PolicyRun:
    """What came of one policy over all nights."""

    name: str
    kind: str
    scores: Scores
    people: tuple[PersonScore, ...]
    nights: tuple[Night, ...]
    interventions: tuple[tuple[str, str], ...]
    wrong: tuple[str, ...]
    """What was refused or accepted wrongly: `DAY refused VERSION: why it is good or not`."""


@frozen
class Simulation:
    """Every policy over the same nights, and what the report needs to know about them."""

    fleet: str
    seed: int
    people: tuple[str, ...]
    nights: tuple[str, ...]
    tags: tuple[tuple[str, str, int], ...]
    """Each release on offer, in order: day, version, schema."""
    runs: tuple[PolicyRun, ...]
    assumptions: tuple[str, ...]
    incidents: tuple[tuple[str, str, str, str], ...] = field(default=())
    """Each incident: id, where it was met (or not), what can be observed, its source."""


def scored(
    people: tuple[PersonScore, ...],
    *,
    kept: int,
    wrong_refusals: int,
    wrong_acceptances: int,
    restores: int,
    interventions: int,
) -> Scores:
    """Sum up a policy's people."""
    return Scores(
        broken_mean=_mean(person.broken for person in people),
        broken_worst=round(max(person.broken for person in people), 1),
        hosts_mean=_mean(person.hosts for person in people),
        away_mean=_mean(person.away for person in people),
        stranded=sum(1 for person in people if person.stranded_nights),
        stranded_nights=sum(person.stranded_nights for person in people),
        rows_lost=sum(person.rows_lost for person in people),
        rows_kept=kept,
        interrupted=sum(person.interrupted for person in people),
        stale=_mean(person.stale_nights for person in people),
        wrong_refusals=wrong_refusals,
        wrong_acceptances=wrong_acceptances,
        restores=restores,
        interventions=interventions,
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return round(sum(found) / len(found), 1)
