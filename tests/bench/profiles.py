"""Pictures of where the time goes, drawn from real runs: `make profile`.

The two slowest paths: a whole night for three people, step by step, and the gate of a candidate on
100 MB for each of them, check by check.  Both on the host image, as the figures are.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tests.bench.hosts import NEW, SEED, Hosts, back, hosts
from tests.bench.nights import SIZES, events_of, prepare
from tests.e2e.realhost.machine import HostContainer

PEOPLE: Final = ("ann", "ben", "cat")
WIDTH, ROW, LABEL = 960, 20, 190
"""In the picture's own units: the width of the bars' field, the height of a row, a label's room."""
TEMPLATES: Final = Path(__file__).parent / "templates"
BEFORE: Final = "before the first check"
"""A copy of the set, a unit, and the start of the worker in it."""


@frozen
class Bar:
    """Something that lasted: from when to when, in seconds since the picture begins."""

    name: str
    begun: float
    ended: float

    @property
    def lasted(self) -> float:
        """Seconds."""
        return self.ended - self.begun


@frozen
class Lane:
    """A row of the picture: bars that follow one another."""

    label: str
    bars: tuple[Bar, ...]


def night(host: HostContainer) -> tuple[Lane, ...]:
    """Move three idle people, with npm; a lane for each step."""
    prepare(host, {name: {} for name in PEOPLE}, staged=False)
    back(host, NEW.version)
    host.run("t3safe", "run")
    return tuple(steps(events_of(host)))


def steps(events: list[tuple[float, dict[str, Any]]]) -> Iterator[Lane]:
    """Tell each step of a run: what was done, for whom, from when to when."""
    first = events[0][0]
    begun, name, whose = first, "", ""
    for at, event in events:
        match event["type"]:
            case "Started":
                effect = event["effect"]
                begun, name, whose = at, effect["type"], str(effect.get("person") or "")
            case "Finished":
                label = f"{name} {whose}".rstrip()
                yield Lane(label, (Bar(name, begun - first, at - first),))
            case _:
                continue


def gate(host: HostContainer) -> tuple[Lane, ...]:
    """Rehearse on three people with 100 MB each and on empty data; a lane for each."""
    prepare(host, {name: {"size_bytes": SIZES["100 MB"]} for name in PEOPLE}, staged=True)
    back(host, NEW.version)
    host.run("t3safe", "check", NEW.version)
    answers = (event["answer"] for _, event in events_of(host) if event["type"] == "Finished")
    held = next(answer["rehearsals"] for answer in answers if answer["type"] == "Rehearsed")
    kept = (host.run("cat", f"{each['evidence']}/report.json").out for each in held)
    return tuple(rehearsed(json.loads(report)) for report in kept)


def rehearsed(report: dict[str, Any]) -> Lane:
    """Lay the checks of a rehearsal one behind the other, after what came before the first."""
    timings: dict[str, float] = report["timings"]
    at = max(0.0, report["seconds"] - sum(timings.values()))
    bars = [Bar(BEFORE, 0.0, at)]
    for name, seconds in timings.items():
        bars.append(Bar(name, at, at + seconds))
        at += seconds
    return Lane(report["subject"], tuple(bars))


def drawn(title: str, lanes: Iterable[Lane]) -> str:
    """Draw lanes as SVG."""
    rows = tuple(lanes)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("profile.svg.j2").render(
        title=title,
        lanes=rows,
        names=list(dict.fromkeys(bar.name for lane in rows for bar in lane.bars)),
        most=max(bar.ended for lane in rows for bar in lane.bars),
        width=WIDTH,
        row=ROW,
        label=LABEL,
    )


def main() -> int:
    """Draw both pictures into a folder."""
    parser = argparse.ArgumentParser(prog="make profile")
    parser.add_argument("--script", type=Path, default=SEED, help="the script before t3safe")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    with hosts(given.script) as both:
        draw(both, given.folder)
    return 0


def draw(both: Hosts, folder: Path) -> None:
    """Run what is drawn, and draw it."""
    pictures = {
        "profile-night.svg": ("A night that moves three people", night),
        "profile-gate.svg": ("The gate of one candidate, 100 MB each", gate),
    }
    for name, (title, run) in pictures.items():
        (folder / name).write_text(drawn(title, run(both.safe)), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
