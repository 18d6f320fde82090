"""Metrics at the end of what timers call, and on request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from t3safe.bootstrap.live import Live
from t3safe.domain.errors import PortError
from t3safe.domain.narrate import Level, Line
from t3safe.domain.vitals import Vitals
from t3safe.entrypoints.common import App


@click.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the file there (default: standard output).",
)
@click.pass_obj
def metrics(app: App, output: Path | None) -> None:
    """Measure the host for Prometheus; ask nobody outside."""
    from t3safe.adapters.metrics import render, write  # noqa: PLC0415 - not on a timer's way

    with app.host("run", aside=True) as wired:
        vitals = _measured(wired)
    if output is None:
        click.echo(render(vitals).decode(), nl=False)
    else:
        write(output, vitals)


@contextmanager
def gauged(wired: Live) -> Iterator[None]:
    """Write the metrics once the block has ended, however it ends; a failure of theirs is said."""
    try:
        yield
    finally:
        path = wired.settings.metrics_file
        if path is not None:
            _write(wired, path)


def _write(wired: Live, path: Path) -> None:
    from t3safe.adapters.metrics import write  # noqa: PLC0415 - only where they are asked for

    try:
        write(path, _measured(wired))
    except PortError as error:
        wired.say(Line(Level.WARNING, str(error)))
    except Exception as error:  # noqa: BLE001 - the run's own end outlives any trouble of its metrics
        text = f"cannot write the metrics to {path}: {type(error).__name__}: {error}"
        wired.say(Line(Level.WARNING, text))


def _measured(wired: Live) -> Vitals:
    from t3safe.measuring import measure  # noqa: PLC0415 - not on a timer's way

    return measure(wired.host, wired.newest(), wired.journal.count_verdicts)
