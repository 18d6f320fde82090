"""The command line: `t3safe COMMAND`.

Every command that acts holds the one lock.  Exit statuses are those of `exits`.  Nothing is asked
of the network or of npm before the freeze switch has been looked at.

A command's module is imported when the command is called: whoever waits for one does not wait
for what the others need.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from t3safe import __version__
from t3safe.domain.errors import (
    JournalError,
    LockedError,
    NewerJournalError,
    NoWayBackError,
    PeopleError,
    PortError,
    UnusableError,
)
from t3safe.entrypoints.exits import Exit

COMMANDS: Final = {
    "run": "acting",
    "drain": "acting",
    "recover": "acting",
    "check": "anywhere",
    "adopt": "acting",
    "eject": "acting",
    "units": "acting",
    "serves": "serving",
    "status": "status",
    "history": "looking",
    "show": "looking",
    "schema": "schema",
    "metrics": "gauging",
    "notify": "notifying",
    "freeze": "deciding",
    "thaw": "deciding",
    "pin": "deciding",
    "unpin": "deciding",
    "hold": "deciding",
    "allow": "deciding",
    "verify": "states",
    "snapshot": "states",
    "snapshots": "states",
    "export": "exporting",
    "doctor": "doctor",
    "restore": "returning",
    "rollback": "returning",
    "simulate": "simulate",
    "history-fetch": "simulate",
    "completion": "completion",
    "init": "beginning",
}
"""Each command with the module beside this one that holds it, under the command's own name."""


class _Imported(MutableMapping[str, click.Command]):
    """The commands, each imported when it is asked for."""

    def __init__(self) -> None:
        self._modules = dict(COMMANDS)
        self._added: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._added:
            module = import_module(f"t3safe.entrypoints.{self._modules[name]}")
            self._added[name] = getattr(module, name.replace("-", "_"))
        return self._added[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._added[name] = command

    def __delitem__(self, name: str) -> None:
        self._modules.pop(name, None)
        self._added.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules | self._added)

    def __len__(self) -> int:
        return len(self._modules | self._added)

    def __contains__(self, name: object) -> bool:
        return name in self._modules or name in self._added


@click.group(commands=_Imported(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="t3safe")
@click.option(
    "--config",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file (default: /etc/t3safe/config.toml, if it is there).",
)
@click.option("--quiet", is_flag=True, help="Say nothing but alerts.")
@click.pass_context
def cli(context: click.Context, file: Path | None, *, quiet: bool) -> None:
    """Move a host to the newest t3 nightly it has proven, or leave everything as it was."""
    from t3safe.entrypoints.common import App  # noqa: PLC0415 - `--help` needs no host

    context.obj = App(file, quiet)


def _guarded(call: Callable[[], None]) -> int:
    """Run the command line; every trouble ends in one line and the status that fits it."""
    try:
        call()
    except (UnusableError, PeopleError, NoWayBackError) as error:
        return _said(str(error), Exit.USAGE)
    except LockedError as error:
        return _said(str(error), Exit.LOCKED)
    except NewerJournalError as error:
        return _said(str(error), Exit.NEWER)
    except JournalError as error:
        return _said(str(error), Exit.NEEDS_HUMAN)
    except PortError as error:
        return _said(str(error), Exit.LATER)
    return Exit.OK


def _said(text: str, status: Exit) -> int:
    click.echo(f"t3safe: {text}", err=True)
    return status


def main() -> None:
    """Start the program."""
    sys.exit(_guarded(lambda: cli(prog_name="t3safe")))


if __name__ == "__main__":
    main()
