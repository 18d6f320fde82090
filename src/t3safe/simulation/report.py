"""The report to look at: one page that needs nothing beside itself.

Everything is in the page: styles, script, data.  Its content policy forbids the network.  Of a
large host each night holds the most frequent reasons and who was hit hardest, not everybody's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from attrs import asdict, frozen
from jinja2 import Environment, PackageLoader, StrictUndefined

from t3safe.simulation.nightlog import NightFate
from t3safe.simulation.scores import (
    GENERATION_LETTERS,
    SHOWN,
    Night,
    PolicyRun,
    Simulation,
    crossed,
)
from t3safe.t3.files import V1_DATABASE, V2_DATABASE

REASONS_MAX: Final = 40
NAMES_MAX: Final = 30
PEOPLE_MAX: Final = 200
"""People of whom scores are listed one by one: the worst first."""

FATES: Final = (
    (NightFate.CALM, "calm", "nothing was to be done"),
    (NightFate.MOVED, "moved", "to the candidate, sign-in verified"),
    (NightFate.DEFERRED, "deferred", "was at work; stays on the build before"),
    (NightFate.REFUSED, "refused", "a guard or a gate said no, rightly or not"),
    (NightFate.LATER, "later", "nothing was proven either way"),
    (NightFate.FROZEN, "frozen", "the updater waits for a person"),
    (NightFate.ROLLED_BACK, "rolled back", "taken back to the build before"),
    (NightFate.BROKEN, "broken", "could not sign in or work for a minute or more"),
)
WIDTH: Final = 960.0
HEIGHT: Final = 260.0


@frozen
class ChartLine:
    """One staircase of the chart: a name, its style's number, and its path."""

    name: str
    number: int
    path: str


@frozen
class Tick:
    """A label on an axis, at a place along it."""

    at: float
    text: str


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
        shown=SHOWN,
        rows=[_row(result, key, name, meaning) for key, name, meaning in SHOWN],
        fates=FATES,
        lines=_lines(result),
        months=_months(result),
        levels=_levels(result),
        begins=_begins(result),
        crossings=[(run.name, crossed(run.crossings)) for run in result.runs],
        ways_back=_ways_back(result),
        width=WIDTH,
        height=HEIGHT,
        people=[(run.name, _worst_first(run)) for run in result.runs],
        data=_data(result),
    )


@frozen
class Cell:
    """One score of one policy: how it reads, how long its bar is, whether none is better."""

    text: str
    share: float
    best: bool


def _row(result: Simulation, key: str, name: str, meaning: str) -> tuple[str, str, list[Cell]]:
    values = [float(getattr(run.scores, key)) for run in result.runs]
    most, least = max(values), min(values)
    cells = [
        Cell(f"{value:g}", value / most if most else 0.0, value == least and most != least)
        for value in values
    ]
    return name, meaning, cells


# The chart of versions.


def _lines(result: Simulation) -> list[ChartLine]:
    places = _places(result)
    offered = [night.tag for night in result.runs[0].nights]
    lines = [
        ChartLine("on offer", 0, _stairs([places.get(tag) for tag in offered], len(result.tags)))
    ]
    for number, run in enumerate(result.runs, start=1):
        levels = [places.get(night.version) for night in run.nights]
        lines.append(ChartLine(run.name, number, _stairs(levels, len(result.tags))))
    return lines


def _places(result: Simulation) -> dict[str, int]:
    return {version: place for place, (_, version, _) in enumerate(result.tags)}


def _stairs(levels: list[int | None], count: int) -> str:
    """A path that steps from night to night; a night without a level continues the one before."""
    parts: list[str] = []
    for number, level in enumerate(levels):
        if level is None:
            continue
        height = _up(level, count)
        if not parts:
            parts.append(f"M{_along(number, len(levels)):.1f} {height:.1f}")
        else:
            parts.append(f"H{_along(number, len(levels)):.1f}V{height:.1f}")
    if parts:
        parts.append(f"H{WIDTH:.1f}")
    return "".join(parts)


def _along(number: int, count: int) -> float:
    return WIDTH * number / max(1, count)


def _up(level: int, count: int) -> float:
    return HEIGHT - 6.0 - (HEIGHT - 12.0) * level / max(1, count - 1)


def _months(result: Simulation) -> list[Tick]:
    count = len(result.nights)
    ticks: list[Tick] = []
    for number, text in enumerate(result.nights):
        day = date.fromisoformat(text)
        if day.day == 1 or number == 0:
            ticks.append(Tick(_along(number, count), f"{day:%b}"))
    close = WIDTH / 14
    return [
        tick for place, tick in enumerate(ticks)
        if place + 1 == len(ticks) or ticks[place + 1].at - tick.at > close
    ]  # fmt: skip


def _levels(result: Simulation) -> list[Tick]:
    """Where the schema changed: what makes a step one-way."""
    ticks: list[Tick] = []
    before = -1
    last = HEIGHT * 2
    for place, (_, _, schema) in enumerate(result.tags):
        height = _up(place, len(result.tags))
        if schema != before and last - height > HEIGHT / 16:
            ticks.append(Tick(height, f"schema {schema}"))
            last = height
        before = schema
    return ticks


# Generations of t3.


def _begins(result: Simulation) -> list[Tick]:
    """Where the first release of a generation was on offer."""
    names = dict(result.of_releases)
    seen: dict[str, int] = {}
    for number, night in enumerate(result.runs[0].nights if result.runs else ()):
        seen.setdefault(names.get(night.tag, ""), number)
    count = len(result.nights)
    return [Tick(_along(at, count), name) for name, at in seen.items() if name]


def _ways_back(result: Simulation) -> int:
    """How often somebody went back to an older generation."""
    order = [found.name for found in result.generations]
    return sum(
        order.index(crossing.after) < order.index(crossing.before)
        for run in result.runs
        for crossing in run.crossings
    )


# What the script shows.


def _worst_first(run: PolicyRun) -> list[Any]:
    worst = sorted(
        run.people, key=lambda p: (p.broken, p.stranded_nights, p.stale_nights), reverse=True
    )
    return worst[:PEOPLE_MAX]


def _data(result: Simulation) -> dict[str, Any]:
    return {
        "nights": result.nights,
        "people": result.people,
        "fates": {fate: name for fate, name, _ in FATES},
        "generations": {letter: name for name, letter in GENERATION_LETTERS.items()},
        "releases": dict(result.of_releases),
        "runs": [
            {"name": run.name, "nights": [_night(night) for night in run.nights]}
            for run in result.runs
        ],
    }


def _night(night: Night) -> dict[str, Any]:
    found = asdict(night, filter=lambda field, _: field.name not in {"day", "reasons", "broken"})
    worst = sorted(night.broken, key=lambda pair: pair[1], reverse=True)
    return {
        **found,
        "reasons": _grouped(night.reasons),
        "broken": worst[:NAMES_MAX],
    }


def _grouped(reasons: Iterable[tuple[str, str]]) -> list[tuple[str, list[str], int]]:
    """Each reason with those whom it met, the most frequent first, up to the limits."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, reason in reasons:
        names[reason].append(name)
    common = Counter({reason: len(found) for reason, found in names.items()})
    return [
        (reason, names[reason][:NAMES_MAX], count)
        for reason, count in common.most_common(REASONS_MAX)
    ]
