"""The explorer at the keyboard: `python -m fakes.explorer`, and `... replay SCENE FAULT...`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from time import perf_counter

import click
from rich.console import Console

from fakes.explorer.bounds import Exhaustiveness, ExplorerTask, explore, tasks
from fakes.explorer.report import replay, story, table, tell
from fakes.explorer.scenes import ExploredScene
from fakes.explorer.search import Exploration
from fakes.world.faults import WorldFault

USAGE = 2


@click.group(invoke_without_command=True)
@click.option(
    "--bound",
    type=click.Choice([bound.value for bound in Exhaustiveness]),
    default="whole",
    show_default=True,
)
@click.option("--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default=True)
@click.pass_context
def main(context: click.Context, bound: str, jobs: int) -> None:
    """Explore every history with few faults; exit status 1 where a promise is broken."""
    if context.invoked_subcommand is not None:
        return
    console, begun = Console(width=None if sys.stdout.isatty() else 120), perf_counter()
    whole, rows = Exploration(), []
    for task, found in _explored(tasks(Exhaustiveness(bound)), jobs):
        whole.add(found)
        rows.append((str(task), found))
        console.print(f"{len(rows)}: {task}: {found.played:,} played in {found.seconds:.1f} s")
    wall = perf_counter() - begun
    console.print(table(rows, whole, wall))
    tell(console, whole, wall)
    sys.exit(1 if whole.violations else 0)


def _explored(todo: list[ExplorerTask], jobs: int) -> Iterator[tuple[ExplorerTask, Exploration]]:
    if jobs == 1:
        yield from ((task, explore(task)) for task in todo)
        return
    with ProcessPoolExecutor(jobs, max_tasks_per_child=1) as pool:
        waiting = {pool.submit(explore, task): task for task in todo}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


@main.command("replay")
@click.argument("scene")
@click.argument("faults", nargs=-1)
def again(scene: str, faults: tuple[str, ...]) -> None:
    """Play one history again and tell it; exit status 1 where a promise is broken."""
    try:
        asked, schedule = (
            ExploredScene.parse(scene),
            tuple(WorldFault.parse(text) for text in faults),
        )
    except ValueError as error:
        click.echo(f"cannot replay: {error}", err=True)
        sys.exit(USAGE)
    world, driven = replay(asked, schedule)
    for line in story(world, driven):
        click.echo(line)
    sys.exit(1 if driven.violations else 0)


if __name__ == "__main__":
    main()
