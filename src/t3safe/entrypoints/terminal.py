"""What a person at a terminal sees, and what a log gets instead."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TextIO

from rich.console import Console
from rich.status import Status
from rich.table import Table

from t3safe.adapters.telling import Sink
from t3safe.domain.narrate import Level, Line
from t3safe.overview import HostStatus, PersonStatus

_STYLE = {
    Level.PROGRESS: "dim",
    Level.INFO: "",
    Level.WARNING: "yellow",
    Level.ALERT: "bold red",
}


def plain_sink(stream: TextIO) -> Sink:
    """Give a sink that prints one line a fact, as a log wants it."""

    def write(line: Line) -> None:
        print(" ".join(str(line).splitlines()), file=stream, flush=True)

    return write


@contextmanager
def lively_sink(console: Console) -> Iterator[Sink]:
    """Give a sink for a terminal: facts are printed, progress is one line that changes."""
    with Status("starting", console=console) as status:

        def write(line: Line) -> None:
            if line.level is Level.PROGRESS:
                status.update(str(line))
            else:
                console.print(
                    str(line),
                    style=_STYLE[line.level],
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )

        yield write


@contextmanager
def chosen_sink(*, quiet: bool, aside: bool) -> Iterator[Sink]:
    """Give the sink that fits where the output goes.

    `quiet` says nothing but alerts; `aside` leaves standard output to a document.
    """
    console = Console(stderr=aside)
    plain = plain_sink(sys.stderr if aside else sys.stdout)
    if quiet:
        yield lambda line: plain(line) if line.level is Level.ALERT else None
    elif console.is_terminal:
        with lively_sink(console) as sink:
            yield sink
    else:
        yield plain


def wide() -> Console:
    """Give a console for tables: what is read by a program or kept in a file is never cut."""
    console = Console()
    return console if console.is_terminal else Console(width=_FILE_WIDTH)


_FILE_WIDTH = 240


def print_json(kind: str, body: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print a document: `schema` names its shape and version, `kind` follows it."""
    document = {"schema": f"t3safe/{kind}/1", kind: body}
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False, default=str)
    print()


def print_status(status: HostStatus) -> None:
    """Print how the host stands, for a person."""
    console = wide()
    for label, text in _host_lines(status):
        console.print(f"{label:>12}  {text}", markup=False, highlight=False, soft_wrap=True)
    table = Table(*_PERSON_COLUMNS, box=None, pad_edge=False, header_style="bold")
    for person in status.people:
        table.add_row(*_person_row(person))
    console.print(table)
    for problem in status.problems:
        console.print(problem, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _host_lines(status: HostStatus) -> Iterator[tuple[str, str]]:
    yield "last-good", status.last_good or "none yet"
    yield "default", status.default or "none yet"
    yield "newest", _newest(status)
    yield "next run", status.next_run
    if status.frozen:
        yield "FROZEN", status.frozen
    if status.pin:
        yield "pinned", f"{status.pin} ({status.pin_note})"
    for version, note in status.held:
        yield "held", f"{version} ({note})"
    for version, why in status.refused:
        yield "refused", f"{version}: {why}"
    if status.unfinished:
        yield "unfinished", f"{status.unfinished}; `t3safe recover` settles it"
    if status.last_run:
        yield "last run", f"{status.last_run}: {status.last_outcome}: {status.last_reason}"


def _newest(status: HostStatus) -> str:
    if not status.newest:
        return f"not known: {status.newest_trouble}"
    lag = f"; last-good is {status.days_behind} days behind" if status.days_behind else ""
    return f"{status.newest}{lag}"


_PERSON_COLUMNS = (
    *("person", "build", "days behind", "ledger", "serve"),
    *("state", "deferred since", "snapshots"),
)


def _person_row(person: PersonStatus) -> tuple[str, ...]:
    return (
        person.person,
        "fenced" if person.fenced else person.build,
        "" if person.days_behind is None else str(person.days_behind),
        "?" if person.ledger is None else str(person.ledger),
        _serve(person),
        f"{person.readiness}: {person.why}" if person.why else person.readiness,
        _day(person.deferred_since),
        f"{person.snapshots} ({_size(person.snapshot_bytes)})",
    )


def _serve(person: PersonStatus) -> str:
    if not person.running:
        return "stopped"
    return f"since {_day(person.started)}" if person.started is not None else "running"


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else ""


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004 - binary units
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def print_table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
    """Print rows under a heading, for a person; nothing in them is markup."""
    from rich.text import Text  # noqa: PLC0415 - only when something is shown

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    wide().print(table)


def confirmed(question: str, ask: Callable[[str], bool], *, yes: bool) -> bool:
    """Ask a person unless they said yes beforehand; without a terminal the answer is no."""
    if yes:
        return True
    return sys.stdin.isatty() and ask(question)
