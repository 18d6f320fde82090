"""`t3safe history` and `t3safe show`: the runs and their steps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

import attrs
import click

from t3safe.domain import events as ev
from t3safe.domain import log, text
from t3safe.domain.events import InvalidEvent
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.rollout import evolve, opened
from t3safe.domain.rollout_state import Rollout
from t3safe.domain.run_report import (
    UNFINISHED,
    Evidence,
    EvidenceKind,
    FullRunReport,
    RunReport,
    StepReport,
    full_report,
    named,
    report_of,
    wanted,
)
from t3safe.domain.runs import RunRecord
from t3safe.entrypoints import rendering
from t3safe.entrypoints.app import (
    App,
    as_json_option,
)
from t3safe.entrypoints.wiring.live import Live

_OUTCOMES = (*(outcome.value for outcome in ev.Outcome), UNFINISHED)


@click.command()
@click.option("-n", "count", type=click.IntRange(min=1), default=20, help="Number of runs.")
@click.option("--person", default="", help="Only runs that moved or watched this person.")
@click.option("--outcome", type=click.Choice(_OUTCOMES), help="Only runs with this outcome.")
@as_json_option
@click.pass_obj
def history(app: App, count: int, person: str, outcome: str | None, *, as_json: bool) -> None:
    """List the last runs, newest first."""
    with app.host("run", aside=as_json) as wired:
        every = (report_of(record) for record in wired.host.ports.journal.runs())
        asked = (report for report in every if wanted(report, person, outcome or ""))
        found = tuple(islice(asked, count))
    if as_json:
        rendering.print_json("history", found)
    elif found:
        rendering.print_table(_COLUMNS, map(_row, found))
    else:
        click.echo("no such run" if person or outcome else "no run yet")


_COLUMNS = ("run", "kind", "candidate", "opened", "took", "outcome", "reason")


def _row(report: RunReport) -> tuple[str, ...]:
    return (
        report.run,
        report.kind.value,
        report.candidate.text,
        text.moment(report.opened),
        text.duration(report.seconds),
        report.outcome,
        report.reason,
    )


@click.command()
@click.argument("asked", metavar="RUN")
@as_json_option
@click.pass_obj
def show(app: App, asked: str, *, as_json: bool) -> None:
    """Show every step of one run, and where its evidence is.

    RUN is a run that `t3safe history` lists, the beginning of its name, or `last`.
    """
    with app.host("run", aside=as_json) as wired:
        record = _chosen(asked, wired)
        events = wired.host.ports.journal.events(record.run)
        report = full_report(record, events, lambda build: _there(wired.builds.log(build)))
    report = attrs.evolve(report, steps=tuple(map(_looked_up, report.steps)))
    if as_json:
        from t3safe.adapters.journal import codec  # noqa: PLC0415 - JSON only

        raw = tuple(codec.as_data(event) for event in events)
        rendering.print_json("run", rendering.plain(report) | {"events": raw})
        return
    _print(report, events)


def _chosen(asked: str, wired: Live) -> RunRecord:
    runs = {record.run: record for record in wired.host.ports.journal.runs()}
    found = named(asked, runs)
    if len(found) == 1:
        return runs[found[0]]
    if not found:
        raise click.UsageError(f"the journal knows no run {asked}; `t3safe history` lists them")
    several = ", ".join(found[:_NAMED_MAX])
    what = f"{len(found)} runs begin with {asked} ({several})"
    raise click.UsageError(f"{what}; name one")


_NAMED_MAX = 5


def _there(path: Path) -> str:
    return str(path) if path.exists() else ""


def _looked_up(step: StepReport) -> StepReport:
    """Mark which evidence still exists; snapshots are not checked, as only their person can."""
    return attrs.evolve(
        step,
        evidence=tuple(
            item
            if item.kind is EvidenceKind.SNAPSHOT
            else attrs.evolve(item, there=os.path.lexists(item.where))
            for item in step.evidence
        ),
    )


def _print(report: FullRunReport, events: tuple[ev.Event, ...]) -> None:
    people = ", ".join(report.people) or "no one"
    click.echo(f"{report.kind} {report.run}: {report.candidate}, {people}")
    closed = f", took {text.duration(report.seconds)}" if report.closed is not None else ""
    click.echo(f"opened {text.moment(report.opened, seconds=True)}{closed}")
    click.echo(f"{report.outcome}: {report.reason}" if report.reason else report.outcome)
    rendering.print_table(_STEP_COLUMNS, map(_step_row, report.steps))
    if not events:
        click.echo("the steps of this run were pruned")
    for step in report.steps:
        for item in step.evidence:
            click.echo(f"evidence of step {step.seq}: {_evidence(item, step.person)}")
    for moment, line in _said(events):
        click.echo(f"{text.moment(moment, seconds=True)}  {line}")


_STEP_COLUMNS = ("step", "", "person", "started", "took", "outcome", "said")


def _step_row(step: StepReport) -> tuple[str, ...]:
    return (
        str(step.seq),
        step.step,
        step.person,
        f"{step.started:%H:%M:%S}",
        text.duration(step.seconds),
        step.end.value,
        " ".join(step.said.split()),
    )


def _evidence(item: Evidence, person: str) -> str:
    gone = " (deleted since)" if item.there is False else ""
    whose = f" of {person}" if item.kind is EvidenceKind.SNAPSHOT else ""
    return f"{item.kind}{whose} {item.where}{gone}"


def _said(events: tuple[ev.Event, ...]) -> Iterator[tuple[datetime, LogLine]]:
    """Yield the log lines of the run without progress, which the steps show.

    The rules change with t3safe, so the decisions of an older version may not have lines here.
    """
    before: Rollout | None = None
    for event in events:
        try:
            after = _after(before, event)
        except InvalidEvent:
            why = "another version of t3safe did the rest; see the steps above"
            yield event.at, LogLine(LogLevel.WARNING, why)
            return
        for line in log.lines(before, event, after):
            if line.level is not LogLevel.PROGRESS:
                yield event.at, line
        before = after


def _after(before: Rollout | None, event: ev.Event) -> Rollout:
    if isinstance(event, ev.Opened):
        return opened(event.plan)
    assert before is not None, "a run's first record opens it"  # noqa: S101
    return evolve(before, event)
