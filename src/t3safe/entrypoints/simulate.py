"""`t3safe simulate` and `t3safe history-fetch`: what an updater would have done to a host.

Neither needs a host, root or a configuration.  `simulate` uses no network; `history-fetch` asks
the registry that npm is set to, once.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import click
from rich.console import Console
from rich.table import Table

from t3safe.adapters.registry import NpmRegistry, RegistryAddress
from t3safe.domain.policy import Track
from t3safe.entrypoints import rendering
from t3safe.simulation import files
from t3safe.simulation.fleet import Fleet, Mishap
from t3safe.simulation.history import told_by_registry
from t3safe.simulation.replay import simulate_all
from t3safe.simulation.scenario import ReplayScenario
from t3safe.simulation.scores import SHOWN, Simulation, crossed, moved
from t3safe.t3.package import REPOSITORY

_FILE = click.Path(dir_okay=False, path_type=Path)
_DAY = click.DateTime(["%Y-%m-%d"])
_LINES_MAX = 12


@click.command()
@click.option("--fleet", "fleet_file", type=_FILE, help="The simulated host (TOML).")
@click.option("--history", "history_file", type=_FILE, help="Another history of releases (JSON).")
@click.option("--incidents", "incidents_file", type=_FILE, help="Another list of incidents (JSON).")
@click.option("--people", type=int, metavar="COUNT", help="Scale the host to COUNT people.")
@click.option("--policy", "names", multiple=True, help="Only this policy; repeatable.")
@click.option("--since", type=_DAY, help="The first night.")
@click.option("--until", type=_DAY, help="The last night.")
@click.option("--start", help="The version that all people run at first.")
@click.option("--track", type=click.Choice([track.value for track in Track]), help="The tag.")
@click.option("--seed", type=int, help="Seed of the people's days.")
@click.option("--drill", is_flag=True, help="Also replay each incident that can be replayed.")
@click.option("--jobs", type=click.IntRange(min=1), help="Policies at a time (default: cores).")
@click.option("--html", "page", type=_FILE, help="Write a report as a page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def simulate(  # noqa: PLR0913 - one parameter an option
    fleet_file: Path | None,
    history_file: Path | None,
    incidents_file: Path | None,
    people: int | None,
    names: tuple[str, ...],
    jobs: int | None,
    page: Path | None,
    *,
    drill: bool,
    as_json: bool,
    **changes: Any,  # noqa: ANN401 - what the command line says of the fleet
) -> None:
    """Replay the real nightlies on a simulated host under several updaters."""
    fleet = _changed(files.fleet(fleet_file), changes, people)
    scenario = ReplayScenario.of(
        fleet, files.history(history_file), files.incidents(incidents_file), drill=drill
    )
    chosen = scenario.chosen(names)
    with Console(stderr=True).status(f"replaying {len(scenario.days)} nights"):
        result = scenario.result(simulate_all(scenario, chosen, jobs or os.cpu_count() or 1))
        if page is not None:
            from t3safe.simulation.report import render  # noqa: PLC0415 - slow to load

            _write(page, render(result))
    if as_json:
        rendering.print_json("simulation", result)
        return
    _print(result)
    if page is not None:
        click.echo(f"\n{page}: the report, night by night")


def _changed(fleet: Fleet, changes: dict[str, Any], people: int | None) -> Fleet:
    """Let the command line win over the file."""
    said: dict[str, Any] = {
        key: value.date() if isinstance(value, datetime) else value
        for key, value in changes.items()
        if value is not None
    }
    if "track" in said:
        # A named track holds to the end: changes of track in the file are dropped.
        said["track"] = Track(said["track"])
        said["events"] = tuple(event for event in fleet.events if event.kind is not Mishap.TRACK)
    fleet = attrs.evolve(fleet, **said)
    if people is not None:
        fleet = fleet.scaled(people)
    fleet.check()
    return fleet


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{file}: cannot be written: {error.strerror}"
        raise click.UsageError(message) from error


def _print(result: Simulation) -> None:
    console = rendering.wide()
    people = len(result.people)
    what = f"{people} {'person' if people == 1 else 'people'}, {len(result.nights)} nights"
    console.print(f"{result.fleet}: {what}, {result.nights[0]} to {result.nights[-1]}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for run in result.runs:
        table.add_column(run.name, justify="right")
    table.add_column("what it counts", style="dim")
    for key, name, meaning in SHOWN:
        table.add_row(name, *(f"{getattr(run.scores, key):g}" for run in result.runs), meaning)
    console.print(table)
    generations = [
        f"{found.name} ({found.database}): {found.releases} releases from {found.since} on,"
        f" {found.offered} of them on offer in a night"
        for found in result.generations
    ]
    for run in result.runs:
        nights = [moved(night) for night in crossed(run.crossings)]
        earlier = len(nights) - _LINES_MAX
        more = [f"{earlier} earlier: --json"] if earlier > 0 else []
        said = "; ".join((*more, *nights[-_LINES_MAX:])) or "nobody changed generation"
        generations.append(f"{run.name}: {said}")
    _section(console, "generations of t3", generations)
    for run in result.runs:
        lines = [f"wrong: {line}" for line in run.wrong]
        lines += [f"manual intervention: {when} {what}" for when, what in run.interventions]
        cut = len(lines) - _LINES_MAX
        more = [f"and {cut} more: --json"] if cut > 0 else []
        if lines:
            _section(console, run.name, (*lines[:_LINES_MAX], *more))
    if result.assumptions:
        console.print(f"{len(result.assumptions)} facts are not known and were assumed: --json")


def _section(console: Console, title: str, lines: Iterable[str]) -> None:
    console.print(f"\n{title}", style="bold")
    for line in lines:
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


@click.command("history-fetch")
@click.argument("file", type=_FILE)
@click.option("--npm", default="npm", show_default=True, help="The npm whose registry is asked.")
def history_fetch(file: Path, npm: str) -> None:
    """Write a history of releases from the registry's own metadata.

    A fact that the metadata lacks comes from t3safe's own history, or is marked unknown.
    """
    known = files.history()
    with tempfile.TemporaryDirectory(prefix="t3safe-history-") as folder:
        address = RegistryAddress(Path(folder) / "registry.json", npm)
        found = NpmRegistry(address).metadata()
    own = (
        (item.version, item.published, item.node)
        for item in found
        if not item.repository or REPOSITORY in item.repository
    )
    about = f"What the registry told of the npm package t3 on {datetime.now(UTC):%Y-%m-%d}"
    fresh = told_by_registry(f"{about}; {known.about}", own, known)
    _write(file, files.dump_history(fresh))
    gaps = sum(1 for release in fresh.releases if release.schema is None)
    click.echo(f"{file}: {len(fresh.releases)} releases, {gaps} of them with unknown facts")
