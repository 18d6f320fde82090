"""Figures: what was measured in turn, as ratios, with the bounds that they are held to."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import field, frozen
from rich.console import Console
from rich.table import Table


@frozen
class RatioBound:
    """What a ratio to something else may be at most."""

    beside: str
    at_most: float


@frozen
class Figure:
    """One figure, measured several times in turn with what stands beside it.

    `ours` are the samples of t3safe; `beside` those of others by name, each as many as ours, so
    that a ratio is formed of what was measured in the same minute.
    """

    name: str
    ours: tuple[float, ...]
    beside: tuple[tuple[str, tuple[float, ...]], ...] = ()
    bounds: tuple[RatioBound, ...] = ()
    unit: str = "s"
    at_most: float | None = None
    """What the figure itself may be at most, in its own unit."""
    note: str = ""

    def ratio(self, beside: str) -> float:
        """The median of the ratios, pair by pair."""
        others = dict(self.beside)[beside]
        return statistics.median(a / b for a, b in zip(self.ours, others, strict=True))

    def kept(self) -> bool:
        """Whether every bound is kept."""
        small = self.at_most is None or statistics.median(self.ours) <= self.at_most
        return small and all(self.ratio(bound.beside) <= bound.at_most for bound in self.bounds)

    def as_data(self) -> dict[str, Any]:
        """What the JSON holds: every sample, and what follows from them."""
        return {
            "figure": self.name,
            "unit": self.unit,
            "ours": {"median": statistics.median(self.ours), "samples": self.ours},
            "beside": {
                name: {
                    "median": statistics.median(samples),
                    "samples": samples,
                    "ratio": self.ratio(name),
                }
                for name, samples in self.beside
            },
            "bounds": {bound.beside: bound.at_most for bound in self.bounds},
            "at_most": self.at_most,
            "kept": self.kept(),
            "note": self.note,
        }


@frozen
class Pairs:
    """Collects samples by name, in turn."""

    samples: dict[str, list[float]] = field(factory=dict)

    def add(self, name: str, value: float) -> None:
        """Take one sample."""
        self.samples.setdefault(name, []).append(value)

    def figure(self, name: str, ours: str, *bounds: RatioBound, **more: Any) -> Figure:  # noqa: ANN401
        """Make the figure of what was collected; whatever is not ours stands beside it."""
        beside = tuple((key, tuple(v)) for key, v in self.samples.items() if key != ours)
        return Figure(name, tuple(self.samples[ours]), beside, bounds, **more)


def table(figures: Iterable[Figure]) -> Table:
    """Lay figures out for a person."""
    made = Table("figure", "t3safe", "beside", "ratio", "at most", "", box=None, pad_edge=False)
    for figure in figures:
        made.add_row(*_row(figure))
    return made


def _row(figure: Figure) -> Sequence[str]:
    bounds = {bound.beside: bound.at_most for bound in figure.bounds}
    names = [name for name, _ in figure.beside]
    medians = (statistics.median(samples) for _, samples in figure.beside)
    own = f"{_shown(statistics.median(figure.ours))} {figure.unit}"
    limit = "" if figure.at_most is None else f"{figure.at_most:g} {figure.unit}"
    return (
        figure.name,
        own,
        "\n".join(f"{n}: {_shown(m)}" for n, m in zip(names, medians, strict=True)),
        "\n".join(f"{figure.ratio(name):.2f}" for name in names),
        "\n".join(f"{bounds[name]:g}" if name in bounds else "" for name in names) or limit,
        "kept" if figure.kept() else "MISSED",
    )


def _shown(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def show(figures: Iterable[Figure]) -> None:
    """Print the table."""
    Console(width=None).print(table(figures))
