"""The command line: `t3safe COMMAND`.

Every command that acts holds the one lock.  Exit statuses are those of `exits`.  Nothing is asked
of the network or of npm before the freeze switch has been looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from t3safe import __version__
from t3safe.domain.errors import (
    JournalError,
    LockedError,
    NoWayBackError,
    PeopleError,
    PortError,
)
from t3safe.entrypoints import acting, deciding, gauging, looking, returning, states
from t3safe.entrypoints.common import App
from t3safe.entrypoints.completion import completion
from t3safe.entrypoints.doctor import doctor
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.settings import DEFAULT_FILE, SettingsError
from t3safe.entrypoints.simulate import history_fetch, simulate
from t3safe.simulation.history import HistoryError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="t3safe")
@click.option(
    "--config",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Configuration file (default: {DEFAULT_FILE}, if it is there).",
)
@click.option("--quiet", is_flag=True, help="Say nothing but alerts.")
@click.pass_context
def cli(context: click.Context, file: Path | None, *, quiet: bool) -> None:
    """Move a host to the newest t3 nightly it has proven, or leave everything as it was."""
    context.obj = App(file, quiet)


for _command in (
    acting.run,
    acting.drain,
    acting.recover,
    acting.check,
    acting.adopt,
    acting.eject,
    acting.units,
    looking.status,
    looking.history,
    looking.show,
    gauging.metrics,
    deciding.freeze,
    deciding.thaw,
    deciding.pin,
    deciding.unpin,
    deciding.hold,
    deciding.allow,
    states.verify,
    states.snapshot,
    states.snapshots,
    doctor,
    returning.restore,
    returning.rollback,
    simulate,
    history_fetch,
    completion,
):
    cli.add_command(_command)


def _guarded(call: Callable[[], None]) -> int:
    """Run the command line; every trouble ends in one line and the status that fits it."""
    try:
        call()
    except (SettingsError, PeopleError, NoWayBackError, HistoryError) as error:
        return _said(str(error), Exit.USAGE)
    except LockedError as error:
        return _said(str(error), Exit.LOCKED)
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
