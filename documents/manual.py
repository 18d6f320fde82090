"""The manual pages, made from the command line by click-man."""

from __future__ import annotations

from pathlib import Path

import click
from click_man.core import write_man_pages

from t3safe import __version__
from t3safe.entrypoints.cli import cli


def write_manual(folder: Path) -> None:
    """Write a page for each command; a page of a command that is gone is taken away.

    No day is written: the pages change when the commands do, and not otherwise.
    """
    folder.mkdir(exist_ok=True)
    _name_in_whole(cli)
    for old in folder.glob("*.1"):
        old.unlink()
    write_man_pages(
        "t3safe", cli, version=__version__, target_dir=str(folder), date=f"t3safe {__version__}"
    )
    for made in folder.glob("*.1"):
        lines = made.read_text(encoding="utf-8").splitlines()
        made.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")


def _name_in_whole(command: click.Command) -> None:
    """Have the page say the whole first sentence, which a list of commands cuts short."""
    command.short_help = (command.help or "").partition("\n")[0].removesuffix(".")
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        _name_in_whole(below)
