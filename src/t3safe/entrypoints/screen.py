"""A screen that refreshes until Ctrl-C: `--watch`."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, NoReturn

import click
from rich.console import Console, Group
from rich.live import Live as Screen
from rich.table import Table
from rich.text import Text

from t3safe.entrypoints import output
from t3safe.entrypoints.exits import Exit

_EVERY: Final = 5.0
"""Seconds between two refreshes."""
_SHORTEST: Final = 0.5

watch_option = click.option(
    "--watch",
    type=click.FloatRange(min=_SHORTEST),
    is_flag=False,
    flag_value=_EVERY,
    metavar="[SECONDS]",
    help=f"Refresh every SECONDS (default {_EVERY:.0f}) until Ctrl-C.",
)


def terminal(command: str, *, as_json: bool) -> Console:
    """Return the terminal for `--watch`; end with a usage error without one, or with `--json`."""
    if as_json:
        raise click.UsageError("`--watch` is for a person to look at; it does not go with `--json`")
    console = Console()
    if not console.is_terminal:
        message = f"`--watch` needs a terminal; without it `{command}` prints once"
        raise click.UsageError(message)
    return console


def look_on(
    console: Console, seconds: float, look: Callable[[], Iterable[Text | Table]]
) -> NoReturn:
    """Show what `look` yields, again and again, until Ctrl-C."""
    # Also when the parent process ignores them; the screen is always restored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with Screen(console=console, screen=True, auto_refresh=False) as screen:
            while output.heard():
                seen = Text(f"{datetime.now().astimezone():%H:%M:%S}  Ctrl-C ends", style="dim")
                screen.update(Group(seen, *look()), refresh=True)
                time.sleep(seconds)
    except KeyboardInterrupt:
        pass
    sys.exit(Exit.OK)
