"""`t3safe doctor`: every precondition, how it stands, and the command that fixes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import assert_never

import click

from t3safe.domain.doctor.findings import SKIPPED, Finding, Health, worst
from t3safe.entrypoints import rendering
from t3safe.entrypoints.app import App, as_json_option
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.settings import DEFAULT_FILE


@click.command()
@click.option("--deep", is_flag=True, help="Verify all snapshots, not only each person's newest.")
@as_json_option
@click.pass_obj
def doctor(app: App, *, deep: bool, as_json: bool) -> None:
    """Check every precondition of a run; change nothing.

    Exit status: 15 if there is a problem, 12 if something could not be checked.
    """
    from t3safe.entrypoints.examination import Examination  # noqa: PLC0415 - not on a timer's way

    with app.host("run", aside=as_json) as wired:
        findings = Examination(wired, deep, app.file or DEFAULT_FILE).findings()
        wired.close()
    if as_json:
        rendering.print_json("doctor", findings)
    else:
        for line in _lines(findings):
            click.echo(line)
    sys.exit(_status(worst(findings)))


def _lines(findings: tuple[Finding, ...]) -> Iterator[str]:
    """Give a line for each finding; those that one cause keeps from being made share one."""
    skipped: dict[tuple[str, str], dict[str, None]] = {}
    for found in findings:
        seen = " ".join(found.seen.split())
        if seen.startswith(SKIPPED):
            skipped.setdefault((seen, found.fix), {})[found.check] = None
            continue
        yield f"{found.level:>7}  {found.check}: {seen}"
        if found.fix:
            yield f"         fix: {found.fix}"
    for (seen, fix), checks in skipped.items():
        yield f"{Health.UNKNOWN:>7}  {', '.join(checks)}: {seen}; {fix}"


def _status(level: Health) -> Exit:
    match level:
        case Health.PROBLEM:
            return Exit.NEEDS_HUMAN
        case Health.UNKNOWN:
            return Exit.LATER
        case Health.OK | Health.WARNING:
            return Exit.OK
        case never:
            assert_never(never)
