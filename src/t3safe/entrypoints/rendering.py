"""Output for a terminal, for a log, and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import attrs
import click

from t3safe.adapters.log import Sink
from t3safe.domain.gate import Rehearsal
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.redaction import redact
from t3safe.domain.versions import Version

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WORDS: Final = frozenset({"reason", "reasons", "notes", "warnings", "said", "detail"})
"""Keys of documents whose values are messages; they are redacted."""
_STYLE = {
    LogLevel.TICK: "dim",
    LogLevel.PROGRESS: "dim",
    LogLevel.INFO: "",
    LogLevel.WARNING: "yellow",
    LogLevel.ALERT: "bold red",
}


def plain_sink(stream: TextIO) -> Sink:
    """Return a sink for a log: one line per fact."""

    def write(line: LogLine) -> None:
        if line.level is not LogLevel.TICK:
            print(" ".join(str(line).splitlines()), file=stream, flush=True)

    return write


@contextmanager
def lively_sink(console: Console) -> Iterator[Sink]:
    """Yield a sink for a terminal: facts are printed, progress is one line that changes."""
    from rich.status import Status  # noqa: PLC0415 - a log has no use for it

    spinner = "dots" if console.encoding.startswith("utf") else "line"
    with Status("starting", console=console, spinner=spinner) as status:

        def write(line: LogLine) -> None:
            if line.level in {LogLevel.TICK, LogLevel.PROGRESS}:
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
    """Yield the sink that fits the output.

    `quiet` prints alerts only; `aside` leaves standard output to a document.
    """
    stream = sys.stderr if aside else sys.stdout
    plain = plain_sink(stream)
    if quiet:
        yield lambda line: plain(line) if line.level is LogLevel.ALERT else None
    elif stream.isatty():
        from rich.console import Console  # noqa: PLC0415 - a log has no use for it

        with lively_sink(Console(stderr=aside)) as sink:
            yield sink
    else:
        yield plain


def wide() -> Console:
    """Return a console for tables; output to a program or a file is never cut."""
    from rich.console import Console  # noqa: PLC0415 - only when something is shown

    console = Console()
    return console if console.is_terminal else Console(width=_FILE_WIDTH)


_FILE_WIDTH = 240


VERSIONS: Final[Mapping[str, int]] = {"doctor": 2}
"""The version of each document whose shape is not its first; when to raise it: docs/json.md."""


def print_json(kind: str, body: object) -> None:
    """Print a document: `schema` and `version` name its shape, `kind` holds the body.

    It is ASCII, so that no encoding of a terminal or a file changes it.
    """
    version = VERSIONS.get(kind, 1)
    document = {"schema": f"t3safe/{kind}/{version}", "version": version, kind: plain(body)}
    json.dump(document, sys.stdout, indent=2)
    print()


def rehearsal_body(rehearsal: Rehearsal) -> dict[str, object]:
    """Return a rehearsal as a document's body."""
    schema = rehearsal.schema.databases if rehearsal.schema else ()
    return {
        "build": rehearsal.build.text,
        "subject": rehearsal.subject or "empty set",
        "passed": rehearsal.passed,
        "reason": rehearsal.reason,
        "seconds": rehearsal.seconds,
        "evidence": rehearsal.evidence,
        "ledger": {name: ledger.level for name, ledger in schema},
        "checks": rehearsal.checks,
        "timings": _timings(Path(rehearsal.evidence)),
    }


def _timings(evidence: Path) -> dict[str, float]:
    """Read the seconds of each part of a rehearsal from its evidence; empty when that is lost."""
    try:
        told = json.loads((evidence / "report.json").read_text(encoding="ascii"))["timings"]
        return {str(name): float(seconds) for name, seconds in told.items()}
    except (OSError, ValueError, LookupError):
        return {}


def plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Convert a value to JSON's types; times are ISO 8601.

    Raises TypeError for an unknown type.
    """
    if isinstance(value, Mapping):
        return {str(key): _told(str(key), plain(item)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    kind: Any = type(value)
    if attrs.has(kind) and not isinstance(value, Version):
        names = (each.name for each in attrs.fields(kind))
        return {name: _told(name, plain(getattr(value, name))) for name in names}
    return _scalar(value)


def _told(key: str, item: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Convert the value of a key; messages are redacted as in other output."""
    if key not in _WORDS:
        return item
    if isinstance(item, list):
        return [_told(key, each) for each in item]
    return redact(item) if isinstance(item, str) else item


def _scalar(value: object) -> Any:  # noqa: ANN401 - whatever JSON can hold
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case date():
            return value.isoformat()
        case Version():
            return value.text
        case _:
            message = f"{value!r} has no place in a document"
            raise TypeError(message)


def table_of(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Table:
    """Return rows under a heading, for a person; nothing in them is markup."""
    from rich.table import Table  # noqa: PLC0415 - only when something is shown
    from rich.text import Text  # noqa: PLC0415

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        # Folded, not cut: a person compares whole versions, also in a narrow terminal.
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    return table


def print_table(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    """Print such a table."""
    wide().print(table_of(columns, rows))


def confirmed(question: str, ask: Callable[[str], bool], *, yes: bool) -> bool:
    """Ask for confirmation, unless `yes` is given.

    Without a terminal the answer is no, also when the terminal goes away during the question.
    """
    if yes:
        return True
    try:
        return sys.stdin.isatty() and ask(question)
    except (click.Abort, OSError):
        return False
