"""What is counted of a policy, and the nights that it is counted from."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from t3safe.t3.generations import GENERATIONS

GENERATION_LETTERS: Final = {found.name: str(n) for n, found in enumerate(GENERATIONS)}
"""How a generation is written in `Night.generations`."""
_NAMES: Final = 5
"""Names of a crowd that are said in one line."""


@frozen
class Night:
    """One night of one policy, from its timer to the next one.

    `day` is the date of the timer (UTC).  `tag` is what the registry offered, `version` what most
    people ran at the end.  `fates` has a letter (`PersonNight`) for each person, in fleet order.
    `reasons` says why, for whom there is something to say.  `broken` is minutes by person.
    `generations` has a letter for each person: of which generation the build is that they have at
    the end (0: V1 before scoped pairing, 1: V1, 2: V2).
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
    generations: str = ""


@frozen
class Crossing:
    """A person's serve starts on another generation of t3 than the one before.

    `night` is the night in which it was (UTC, until the next timer), `at` the moment.  `hidden`
    counts rows of the person that are in their set and that the new build does not show: from V2 to
    V1 the work of V2; from V1 to V2 what V1 wrote after the second database was copied.  `aside`
    counts rows that the updater keeps in a quarantine and that are not in the set any more.
    """

    night: str
    at: str
    person: str
    before: str
    after: str
    build: str
    hidden: int
    aside: int


@frozen
class GenerationShown:
    """A generation of t3 in the history that is replayed: what there is of it.

    `releases` counts those that came out up to the last night, `offered` those of them to which a
    followed tag pointed at the time of a night.
    """

    name: str
    database: str
    releases: int
    offered: int
    first: str
    since: str


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
    night or morning ran, or would have started, a build that does not know their ledger or hides
    rows of theirs (the other generation's database).
    `rows_kept` were set aside by a rollback, in a quarantine.  `stale` are nights at whose end a
    person ran something older than the tag, on average.  A refusal or an acceptance is wrong by how
    things are, whatever a gate saw, and counts once a build.  `interventions` counts manual
    interventions: once for each morning on which an operator had to act.
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
    ("broken_mean", "minutes broken, per person", "could not sign in or work, on average"),
    ("broken_worst", "minutes broken, at worst", "of the person who was hit hardest"),
    ("away_mean", "minutes away, per person", "stopped, fenced or started by the updater"),
    ("hosts_mean", "minutes lost to the host", "dispatch, reboot, hung serve: not an update"),
    ("stranded", "people stranded", "left with a build that does not fit their data"),
    ("rows_lost", "rows lost", "committed, and neither shown nor kept"),
    ("rows_kept", "rows kept aside", "in a quarantine after a rollback"),
    ("interrupted", "turns interrupted", "in flight when their serve was stopped or died"),
    ("stale", "nights stale, per person", "ran something older than the tag"),
    ("wrong_refusals", "wrong refusals", "builds refused that work for all people here"),
    ("wrong_acceptances", "wrong acceptances", "builds accepted that fail for a person here"),
    ("restores", "restores", "of a person's data from a copy"),
    ("interventions", "manual interventions", "times that an operator had to act"),
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
    crossings: tuple[Crossing, ...] = ()


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
    generations: tuple[GenerationShown, ...] = ()
    of_releases: tuple[tuple[str, str], ...] = ()
    """Each release on offer, in the order of `tags`: version, name of its generation."""


@frozen
class Crossed:
    """Everybody who went from one generation to another in one night, and what that hid."""

    night: str
    before: str
    after: str
    people: tuple[str, ...]
    hidden: int
    aside: int


def crossed(found: tuple[Crossing, ...]) -> tuple[Crossed, ...]:
    """Gather crossings by night and direction, in order."""
    gathered: dict[tuple[str, str, str], list[Crossing]] = {}
    for crossing in found:
        key = (crossing.night, crossing.before, crossing.after)
        gathered.setdefault(key, []).append(crossing)
    return tuple(
        Crossed(
            *key,
            people=tuple(dict.fromkeys(crossing.person for crossing in group)),
            hidden=sum(crossing.hidden for crossing in group),
            aside=sum(crossing.aside for crossing in group),
        )
        for key, group in gathered.items()
    )


def moved(found: Crossed) -> str:
    """Say it in one line."""
    names = ", ".join(found.people[:_NAMES])
    more = len(found.people) - _NAMES
    who = f"{names} and {more} more" if more > 0 else names
    hidden = f", {found.hidden} rows hidden from {found.after}" if found.hidden else ""
    aside = f", {found.aside} rows kept aside" if found.aside else ""
    return f"{found.night} {who} from {found.before} to {found.after}{hidden}{aside}"
