"""The command line: `t3safe COMMAND`.

Every command that acts holds the one lock.  Exit statuses are those of `exits`.  No command uses
the network or npm before it has read the freeze switch.

A command's module is imported when the command is called, so that no command waits for the imports
of the others.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

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
from t3safe.entrypoints import output
from t3safe.entrypoints.exits import Exit

COMMANDS: Final = {
    "run": "run",
    "drain": "run",
    "recover": "run",
    "check": "check",
    "adopt": "host",
    "eject": "host",
    "units": "host",
    "serves": "host",
    "status": "status",
    "history": "history",
    "show": "history",
    "metrics": "metrics",
    "notify": "notify",
    "freeze": "policy",
    "thaw": "policy",
    "pin": "policy",
    "unpin": "policy",
    "hold": "policy",
    "allow": "policy",
    "verify": "snapshots",
    "snapshot": "snapshots",
    "snapshots": "snapshots",
    "export": "export",
    "doctor": "doctor",
    "restore": "rollback",
    "rollback": "rollback",
    "simulate": "simulate",
    "history-fetch": "simulate",
    "completion": "completion",
    "init": "init",
    "fleet": "fleet",
}
"""Each command with the module beside this one that holds it, under the command's own name."""


class _Imported(Mapping[str, click.Command]):
    """The commands, each imported on first use."""

    def __getitem__(self, name: str) -> click.Command:
        module = import_module(f"t3safe.entrypoints.{COMMANDS[name]}")
        found: click.Command = getattr(module, name.replace("-", "_"))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Commands(click.Group):
    """The command line; it reports an error of the system as one line, too."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command.  Raises PortError for an unforeseen error of the system."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            # Not left to click, which ends silently on a broken pipe.
            what = f"{error.filename}: " if error.filename else ""
            text = f"{what}{error.strerror or error}; `t3safe doctor` looks at the host"
            raise PortError(text) from error


@click.group(
    cls=_Commands,
    commands=_Imported(),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="t3safe")
@click.option(
    "--config",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file (default: /etc/t3safe/config.toml, if it exists).",
)
@click.option("--quiet", is_flag=True, help="Print alerts only.")
@click.pass_context
def cli(context: click.Context, file: Path | None, *, quiet: bool) -> None:
    """Move a host to the newest t3 nightly it has proven, or leave everything as it was."""
    from t3safe.entrypoints.app import App  # noqa: PLC0415 - `--help` needs no host

    context.obj = App(file, quiet)


_STATUS: Final[Mapping[type, Exit]] = {
    UnusableError: Exit.USAGE,
    PeopleError: Exit.USAGE,
    NoWayBackError: Exit.USAGE,
    LockedError: Exit.LOCKED,
    NewerJournalError: Exit.NEWER,
    JournalError: Exit.NEEDS_HUMAN,
    PortError: Exit.LATER,
}
"""The exit status of each error; a class without an entry has that of its base class."""


def _guarded(call: Callable[[], object]) -> int:
    """Run the command line; every error ends in one line and the matching status."""
    try:
        call()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return _said("interrupted; `t3safe status` shows the host's state", Exit.LATER)
    except (UnusableError, PortError) as error:
        status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
        return _said(str(error), status)
    except Exception as error:  # noqa: BLE001 - every error is reported
        return _said(_defect(error), Exit.DEFECT)
    return Exit.OK


def _defect(error: Exception) -> str:
    """Say in one line what the defect is, where (innermost call first), and the next command."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-_FRAMES:])
    where = ", ".join(f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in frames)
    what = " ".join(traceback.format_exception_only(error)[-1].split())
    how = "`t3safe recover` settles people whom it left in transition"
    return f"a defect of t3safe {__version__} itself: {what} (at {where}); {how}"


_FRAMES = 3


def _said(text: str, status: Exit) -> int:
    click.echo(f"t3safe: {text}", err=True)
    return status


def main() -> NoReturn:
    """Start the program."""
    call = partial(cli, prog_name="t3safe", standalone_mode=False)
    sys.exit(output.run(lambda: sys.exit(_guarded(call))))


if __name__ == "__main__":
    main()
