"""`t3safe metrics`, and the metrics after each run."""

from __future__ import annotations

from pathlib import Path

import click

from t3safe.domain.errors import PortError
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.metrics import HostMetrics
from t3safe.entrypoints.app import App
from t3safe.entrypoints.wiring.live import Live
from t3safe.usecases.metrics import measure


@click.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the file there (default: standard output).",
)
@click.pass_obj
def metrics(app: App, output: Path | None) -> None:
    """Print metrics for Prometheus; use no network."""
    from t3safe.adapters.metrics import render, write  # noqa: PLC0415 - not on a timer's way

    with app.host("run", aside=True) as wired:
        vitals = measured(wired)
    if output is None:
        click.echo(render(vitals).decode(), nl=False)
    else:
        write(output, vitals)


def write_metrics(wired: Live, path: Path, vitals: HostMetrics) -> None:
    """Write the metrics; a failure is one warning."""
    from t3safe.adapters.metrics import write  # noqa: PLC0415 - only where they are asked for

    try:
        write(path, vitals)
    except PortError as error:
        wired.say(LogLine(LogLevel.WARNING, str(error)))
    except Exception as error:  # noqa: BLE001 - the run's own end outlives any error of its metrics
        text = f"cannot write the metrics to {path}: {type(error).__name__}: {error}"
        wired.say(LogLine(LogLevel.WARNING, text))


def measured(wired: Live) -> HostMetrics:
    """Measure the host without the network."""
    known = wired.notes.offer()
    newest = known.newest if known is not None else None
    return measure(wired.host, newest, wired.journal.count_verdicts, wired.notes.ends())
