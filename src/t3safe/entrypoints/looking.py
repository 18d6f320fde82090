"""Commands that show how the host stands and what was done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import click

from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError
from t3safe.domain.narrate import Line, tell
from t3safe.domain.rollout import Rollout, evolve, opened
from t3safe.entrypoints import terminal
from t3safe.entrypoints.common import (
    App,
    as_json_option,
)


@click.command()
@as_json_option
@click.pass_obj
def status(app: App, *, as_json: bool) -> None:
    """Who runs what, and what happens next."""
    from t3safe.overview import host_status  # noqa: PLC0415 - not on a timer's way

    with app.host("run") as wired:
        found = host_status(wired.brief())
    if as_json:
        terminal.print_json("status", attrs.asdict(found))
    else:
        terminal.print_status(found)


@click.command()
@click.option("-n", "count", type=click.IntRange(min=1), default=20, help="How many runs.")
@as_json_option
@click.pass_obj
def history(app: App, count: int, *, as_json: bool) -> None:
    """What the last runs did."""
    with app.host("run") as wired:
        records = [record for _, record in zip(range(count), wired.journal.runs(), strict=False)]
    if as_json:
        terminal.print_json("history", [_record_body(record) for record in records])
        return
    rows = (
        (r["run"], r["kind"], r["candidate"], r["outcome"], r["reason"])
        for r in map(_record_body, records)
    )
    terminal.print_table(("run", "kind", "candidate", "outcome", "reason"), rows)


def _record_body(record: Any) -> dict[str, str]:  # noqa: ANN401 - a RunRecord
    ended = record.ended
    return {
        "run": record.plan.run,
        "kind": record.plan.kind.value,
        "candidate": record.plan.candidate.text,
        "opened": record.opened.isoformat(),
        "closed": record.closed.isoformat() if record.closed else "",
        "outcome": ended.outcome.value if ended else "unfinished",
        "reason": ended.reason if ended else "",
    }


@click.command()
@click.argument("run_id", metavar="RUN")
@as_json_option
@click.pass_obj
def show(app: App, run_id: str, *, as_json: bool) -> None:
    """Every step of one run."""
    with app.host("run") as wired:
        events = wired.journal.events(run_id)
    if not events:
        raise click.UsageError(f"the journal knows no run {run_id}; `t3safe history` lists them")
    if as_json:
        from t3safe.adapters.journal import codec  # noqa: PLC0415 - JSON only

        terminal.print_json("run", [codec.as_data(event) for event in events])
        return
    for moment, line in _told(events):
        click.echo(f"{moment:%Y-%m-%d %H:%M:%S}  {line}")


def _told(events: tuple[ev.Event, ...]) -> Iterator[tuple[Any, Line]]:
    before: Rollout | None = None
    for event in events:
        after = (
            opened(event.plan) if isinstance(event, ev.Opened) else evolve(_known(before), event)
        )
        for line in tell(before, event, after):
            yield event.at, line
        before = after


def _known(rollout: Rollout | None) -> Rollout:
    if rollout is None:
        raise JournalError("cannot show a run that the journal never opened")
    return rollout
