"""What was found, for a person: the table of figures, and a failing history told again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import attrs
from rich.console import Console
from rich.table import Table

from fakes.explorer.scenes import ExploredScene
from fakes.explorer.search import Exploration, Violation
from fakes.world import Driven, World, drive
from fakes.world.faults import Schedule

COMMAND: Final = "python -m fakes.explorer replay"
_TOLD_MAX: Final = 10


def replay(scene: ExploredScene, schedule: Schedule) -> tuple[World, Driven]:
    """Play a history as processes would: each from its start, folding the journal anew."""
    world = scene.world()
    world.terse = False
    driven = drive(
        world,
        scene.operation,
        rules=scene.rules,
        faults=schedule,
        giving_up=scene.gives_up,
    )
    return world, driven


def shrink(violation: Violation) -> Violation:
    """Leave out every fault without which something is still wrong."""
    schedule = violation.schedule
    for fault in violation.schedule:
        fewer = tuple(other for other in schedule if other != fault)
        if replay(violation.scene, fewer)[1].violations:
            schedule = fewer
    return attrs.evolve(violation, schedule=schedule)


def command(violation: Violation) -> str:
    """Give the command that shows this history again."""
    faults = " ".join(str(fault) for fault in violation.schedule)
    return f"{COMMAND} {violation.scene} {faults}".rstrip()


def story(world: World, driven: Driven) -> Iterator[str]:
    """Tell a history, a line a step."""
    for operation, who, detail in world.log:
        yield f"  {operation:16} {who:6} {detail}"
    yield f"ended: {driven.outcome or 'not begun'}, after {driven.processes} processes"
    yield from (f"WRONG: {text}" for text in driven.violations)


def table(rows: Sequence[tuple[str, Exploration]], whole: Exploration, wall: float) -> Table:
    """Lay the figures out, a row a task and one for the whole."""
    shown = Table(title="every fault at every step", title_justify="left")
    shown.add_column("explored", overflow="fold")
    for heading in ("places", "one fault", "two faults", "played", "turns", "states", "s"):
        shown.add_column(heading, justify="right")
    for name, found in rows:
        shown.add_row(name, *_figures(found), f"{found.seconds:,.1f}")
    shown.add_section()
    shown.add_row("all", *_figures(whole), f"{wall:,.1f}")
    return shown


def _figures(found: Exploration) -> tuple[str, ...]:
    figures = (
        found.points,
        found.schedules[1],
        found.schedules[2],
        found.played,
        found.turns,
        found.states,
    )
    return tuple(f"{figure:,}" for figure in figures)


def tell(console: Console, whole: Exploration, wall: float) -> None:
    """Say what was found, in words."""
    ends = ", ".join(f"{outcome} {count:,}" for outcome, count in whole.outcomes.most_common())
    covered = sum(whole.schedules.values())
    console.print(f"distinct ends: {ends}")
    console.print(
        f"{whole.scenes} scenes, {whole.points:,} fault points, {covered:,} schedules covered, "
        f"{whole.played:,} of them played ({whole.played / wall:,.0f} a second), "
        f"{whole.turns:,} turns, {whole.states:,} states, "
        f"{len(whole.violations)} violations, {wall:.1f} s"
    )
    for violation in whole.violations[:_TOLD_MAX]:
        small = shrink(violation)
        console.print(f"WRONG: {violation.text}", style="bold red")
        console.print(f"  again with: {command(small)}", soft_wrap=True)
