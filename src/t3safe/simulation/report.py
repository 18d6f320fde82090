"""The report to look at: one page that needs nothing beside itself.

Everything is in the page: styles, script, data.  Its content policy forbids the network.  Of a
large host each night holds the most frequent reasons and who was hit hardest, not everybody's.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date
from typing import Any, Final

from attrs import asdict, frozen
from jinja2 import Environment, PackageLoader, StrictUndefined

from t3safe.simulation.nightlog import PersonNight
from t3safe.simulation.scores import (
    GENERATION_LETTERS,
    SHOWN,
    Night,
    PersonScore,
    Simulation,
    crossed,
)
from t3safe.t3.files import V1_DATABASE, V2_DATABASE

REASONS_MAX: Final = 40
NAMES_MAX: Final = 30
PEOPLE_MAX: Final = 200
"""People of whom scores are listed one by one: the worst first."""

PERSON_NIGHTS: Final = (
    (PersonNight.CALM, "calm", "nothing was to be done"),
    (PersonNight.MOVED, "moved", "to the candidate, sign-in verified"),
    (PersonNight.DEFERRED, "deferred", "was at work; stays on the previous build"),
    (PersonNight.REFUSED, "refused", "a guard or a gate said no, rightly or not"),
    (PersonNight.LATER, "later", "nothing was proven either way"),
    (PersonNight.FROZEN, "frozen", "the updater waits for a person"),
    (PersonNight.ROLLED_BACK, "rolled back", "to the previous build"),
    (PersonNight.BROKEN, "broken", "could not sign in or work for a minute or more"),
)
WIDTH: Final = 960.0
HEIGHT: Final = 260.0


@frozen
class Tick:
    """A label on an axis, at a place along it."""

    at: float
    text: str


@frozen
class Chart:
    """Versions against time: a night's place along it, a release's height, a staircase a policy."""

    result: Simulation

    def along(self, night: int) -> float:
        """How far to the right a night is."""
        return WIDTH * night / max(1, len(self.result.nights))

    def up(self, place: int) -> float:
        """How far down a release is, by its place among those on offer."""
        return HEIGHT - 6.0 - (HEIGHT - 12.0) * place / max(1, len(self.result.tags) - 1)

    def lines(self) -> list[tuple[str, str]]:
        """Give what was on offer, and what most people ran under each policy: name and path."""
        offered = [night.tag for night in self.result.runs[0].nights]
        ran = [(run.name, [night.version for night in run.nights]) for run in self.result.runs]
        return [(name, self._stairs(versions)) for name, versions in (("on offer", offered), *ran)]

    def _stairs(self, versions: list[str]) -> str:
        """Step from night to night; a night without a known version continues the one before."""
        places = {version: place for place, (_, version, _) in enumerate(self.result.tags)}
        path = ""
        for night, version in enumerate(versions):
            if version in places:
                x, y = self.along(night), self.up(places[version])
                path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
        return f"{path}H{WIDTH:.1f}" if path else ""

    def months(self) -> list[Tick]:
        """Where a month begins, but for labels that would lie on the next one."""
        days = [date.fromisoformat(text) for text in self.result.nights]
        ticks = [
            Tick(self.along(night), f"{day:%b}")
            for night, day in enumerate(days)
            if day.day == 1 or night == 0
        ]
        following = (*(tick.at for tick in ticks[1:]), math.inf)
        return [
            tick for tick, after in zip(ticks, following, strict=True)
            if after - tick.at > WIDTH / 14
        ]  # fmt: skip

    def levels(self) -> list[Tick]:
        """Where the schema changed: what makes a step one-way."""
        ticks: list[Tick] = []
        before = -1
        for place, (_, _, schema) in enumerate(self.result.tags):
            height = self.up(place)
            if schema != before and (not ticks or ticks[-1].at - height > HEIGHT / 16):
                ticks.append(Tick(height, f"schema {schema}"))
            before = schema
        return ticks

    def begins(self) -> list[Tick]:
        """Where the first release of a generation was on offer."""
        names = dict(self.result.of_releases)
        seen: dict[str, int] = {}
        for night, found in enumerate(self.result.runs[0].nights):
            seen.setdefault(names.get(found.tag, ""), night)
        return [Tick(self.along(night), name) for name, night in seen.items() if name]


def render(result: Simulation) -> str:
    """Make the page."""
    environment = Environment(
        loader=PackageLoader("t3safe.simulation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        result=result,
        first=V1_DATABASE,
        second=V2_DATABASE,
        rows=[_row(result, key, name, meaning) for key, name, meaning in SHOWN],
        fates=PERSON_NIGHTS,
        chart=Chart(result),
        crossings=[(run.name, crossed(run.crossings)) for run in result.runs],
        ways_back=_ways_back(result),
        width=WIDTH,
        height=HEIGHT,
        people=[(run.name, sorted(run.people, key=_worst)[:PEOPLE_MAX]) for run in result.runs],
        data=_data(result),
    )


def _row(
    result: Simulation, key: str, name: str, meaning: str
) -> tuple[str, str, list[tuple[str, float, bool]]]:
    """One score of every policy: how it reads, how long its bar is, whether none is better."""
    values = [float(getattr(run.scores, key)) for run in result.runs]
    most, least = max(values), min(values)
    cells = [
        (f"{value:g}", value / most if most else 0.0, value == least and most != least)
        for value in values
    ]
    return name, meaning, cells


def _worst(person: PersonScore) -> tuple[float, int, int]:
    return -person.broken, -person.stranded_nights, -person.stale_nights


def _ways_back(result: Simulation) -> int:
    """How often somebody went back to an older generation."""
    order = [found.name for found in result.generations]
    return sum(
        order.index(crossing.after) < order.index(crossing.before)
        for run in result.runs
        for crossing in run.crossings
    )


def _data(result: Simulation) -> dict[str, Any]:
    """What the page's script shows."""
    return {
        "nights": result.nights,
        "people": result.people,
        "fates": {letter: name for letter, name, _ in PERSON_NIGHTS},
        "generations": {letter: name for name, letter in GENERATION_LETTERS.items()},
        "releases": dict(result.of_releases),
        "runs": [
            {"name": run.name, "nights": [_night(night) for night in run.nights]}
            for run in result.runs
        ],
    }


def _night(night: Night) -> dict[str, Any]:
    """Give a night with each reason and those whom it met, the most frequent first."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, reason in night.reasons:
        names[reason].append(name)
    common = sorted(names.items(), key=lambda item: len(item[1]), reverse=True)
    return {
        **asdict(night, filter=lambda field, _: field.name != "day"),
        "reasons": [(why, met[:NAMES_MAX], len(met)) for why, met in common[:REASONS_MAX]],
        "broken": sorted(night.broken, key=lambda pair: pair[1], reverse=True)[:NAMES_MAX],
    }
