"""Runs mutmut on the core, prints the score, and holds what survives to the list.

Needs a quarter of an hour or more.  Each mutant is a process that runs the tests which reach it,
the quickest first, until one fails.  First the quick tests have their try; on whatever they let
live, all that are set in pyproject.toml.
Ends with status 1 where a mutant survives that is not listed, where a listed one does not, and
where one was not decided.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

from tests.mutation.survivors import (
    LISTED,
    Mutant,
    Score,
    Survivor,
    change,
    compare,
    listed,
    only_wording,
)

WORK: Final = Path("mutants")
"""Where mutmut keeps its copies and what it found."""

SLOW: Final = (
    "tests/faults",
    "tests/scenarios",
    "tests/property/test_log.py",
)
"""Whole nights, each of many steps: tried only on what the others let live."""

FIELDS: Final = {
    "killed": "killed",
    "timeout": "timeout",
    "survived": "survived",
    "no tests": "untested",
}
LIVE: Final = ("survived", "untested")


@click.command()
@click.argument("modules", nargs=-1)
@click.option("--jobs", default=2, show_default=True, help="How many mutants at once.")
@click.option("--again", is_flag=True, help="Run only what survived, or was not decided, before.")
@click.option("--told", is_flag=True, help="Run nothing: tell of what was run before.")
def main(modules: tuple[str, ...], jobs: int, *, again: bool, told: bool) -> None:
    """Run the mutants of MODULES (such as domain.moves), or of the whole core.

    With --again whatever was killed before counts as killed, also where its test has changed since.
    """
    chosen = tuple(f"t3safe.{module}" for module in modules) or tuple(_all())
    if unknown := sorted(set(chosen) - set(_all())):
        raise click.UsageError(f"not mutated: {', '.join(unknown)}")
    if not told and not again:
        shutil.rmtree(WORK, ignore_errors=True)
        _run([f"{module}.*" for module in chosen], jobs, without=SLOW)
    if not told:
        _run([name for module in chosen for name in _left(module)], jobs)
    sys.exit(_tell(chosen))


def _all() -> Iterator[str]:
    """The modules that mutmut is set to mutate."""
    for path in sorted(walk_mutatable_files()):
        if path.stem != "__init__":
            yield _module(path)


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts[1:])


def _left(module: str) -> list[str]:
    """The mutants of a module that no test has killed so far."""
    found = _data(module).exit_code_by_key.items()
    return [name for name, status in found if _field(status) not in {"killed", "timeout"}]


def _run(names: list[str], jobs: int, without: tuple[str, ...] = ()) -> None:
    """Let mutmut run these, at a low priority.  Ends the program where it cannot."""
    if not names:
        return
    command = ["nice", "-n", "10", "mutmut", "run", "--max-children", str(jobs), *names]
    environment = os.environ | {
        "HYPOTHESIS_PROFILE": "mutants",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTEST_ADDOPTS": " ".join(f"--deselect={path}" for path in without),
    }
    ended = subprocess.run(command, check=False, env=environment)
    if ended.returncode:
        raise click.ClickException(f"mutmut ended with status {ended.returncode}")


def _data(module: str) -> SourceFileMutationData:
    data = SourceFileMutationData(path=Path("src", *module.split(".")).with_suffix(".py"))
    data.load()
    return data


def _field(status: int | None) -> str:
    return FIELDS.get(status_by_exit_code[status], "undecided")


def _score(module: str) -> Score:
    fields = Counter(_field(status) for status in _data(module).exit_code_by_key.values())
    words = {field: sum(map(only_wording, _mutants(module, field))) for field in LIVE}
    return Score(
        killed=fields["killed"],
        timeout=fields["timeout"],
        survived=fields["survived"] - words["survived"],
        untested=fields["untested"] - words["untested"],
        undecided=fields["undecided"],
        wording=sum(words.values()),
    )


def _mutants(module: str, *fields: str) -> Iterator[Mutant]:
    data = _data(module)
    for name, status in data.exit_code_by_key.items():
        if _field(status) in fields:
            function, owner = orig_function_and_class_names_from_key(name)
            qualified = f"{owner}.{function}" if owner else function
            yield Mutant(module, qualified, *change(get_diff_for_mutant(name, path=data.path)))


def _tell(modules: tuple[str, ...]) -> int:
    """Print the score and whatever is not as listed; give the exit status."""
    total = Score()
    click.echo(f"{'module':28} mutants  killed timeout survived untested undecided wording   score")
    for module in modules:
        score = _score(module)
        total += score
        if score.total:
            click.echo(_row(module, score))
    click.echo(_row("in all", total))
    seen = [
        mutant
        for module in modules
        for mutant in _mutants(module, *LIVE)
        if not only_wording(mutant)
    ]
    survivors = listed(LISTED.read_text(encoding="utf-8"))
    difference = compare(survivors, seen, set(modules))
    _show("survived and is not listed", difference.unlisted)
    _show("is listed and did not survive", difference.gone)
    for module in modules:
        _show(
            "ran out of time, killed if it loops",
            _mutants(module, "timeout"),
        )
        _show("was not decided", _mutants(module, "undecided"))
    click.echo(_let_live(survivors, set(modules)))
    return 1 if difference.unlisted or difference.gone or total.undecided else 0


def _let_live(survivors: tuple[Survivor, ...], modules: set[str]) -> str:
    here = sum(survivor.times for survivor in survivors if survivor.mutant.module in modules)
    return f"let live, each for a reason: {here} ({LISTED.name})"


def _row(name: str, score: Score) -> str:
    return (
        f"{name:28} {score.total:7} {score.killed:7} {score.timeout:7} {score.survived:8} "
        f"{score.untested:8} {score.undecided:9} {score.wording:7} {score.percent:6.1f}%"
    )


def _show(what: str, mutants: Iterable[Mutant]) -> None:
    for mutant in mutants:
        click.echo(f"{what}: {mutant}")


if __name__ == "__main__":
    main()
