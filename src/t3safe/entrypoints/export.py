"""`t3safe export`: write a person's data as one archive, checked while it is written."""

from __future__ import annotations

import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, NoReturn

import click

from t3safe.adapters.personaldata.export import Exported
from t3safe.adapters.takeaway import new_file, standard_output
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.text import size
from t3safe.entrypoints import rendering
from t3safe.entrypoints.app import App, as_json_option, for_whom, known_person
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.snapshots import take
from t3safe.entrypoints.wiring.live import Live


@click.command()
@click.argument("words", metavar="[PERSON] [SNAPSHOT] FILE", nargs=-1, required=True)
@click.option("--live", is_flag=True, help="Take a new snapshot first; give no SNAPSHOT.")
@as_json_option
@click.pass_obj
def export(app: App, words: tuple[str, ...], *, live: bool, as_json: bool) -> NoReturn:
    """Write a person's snapshot to FILE as one tar archive.

    FILE `-` is standard output.  The archive contains the person's secrets.  It is complete if the
    exit status is 0; otherwise FILE is not created.
    """
    others = 1 if live else 2
    named = for_whom(app, words, others)
    if len(named) != others + 1:
        raise click.UsageError("give PERSON, SNAPSHOT and FILE, or PERSON, `--live` and FILE")
    person, *ids, place = named
    if place == "-" and (sys.stdout.isatty() or as_json):
        raise click.UsageError("`-` is for a pipe: not for a terminal, and not with `--json`")
    aside = as_json or place == "-"
    with app.host("run", aside=aside) as wired:
        known_person(wired, person)
        if not live:
            _require_known(wired, person, ids[0])
    try:
        with _target(place) as target:
            snapshot = _fresh(app, person, aside=aside) if live else ids[0]
            with app.host("run", aside=aside) as wired:
                wired.say(
                    LogLine(LogLevel.INFO, f"exporting snapshot {snapshot} of {person}", person)
                )
                _interruptible()
                handed = wired.export(person, snapshot, target)
    except KeyboardInterrupt:
        click.echo(f"t3safe: asked to stop: nothing of {person} was exported", err=True)
        sys.exit(Exit.LATER)
    _report(person, snapshot, place, handed, as_json=as_json)
    sys.exit(Exit.OK)


def _require_known(wired: Live, person: str, snapshot: str) -> None:
    if snapshot not in {
        info.stored.id for info in wired.host.ports.personal_data.snapshots(person)
    }:
        message = f"no snapshot {snapshot!r} of {person}; `t3safe snapshots {person}` lists them"
        raise click.UsageError(message)


def _target(place: str) -> AbstractContextManager[IO[bytes]]:
    return standard_output() if place == "-" else new_file(Path(place))


def _fresh(app: App, person: str, *, aside: bool) -> str:
    """Take a snapshot while the serve runs; hold the lock only for that."""
    with app.acting("run", aside=aside) as wired:
        return take(wired, person).snapshot


def _interruptible() -> None:
    """Let a signal end the copy at once: no person is in transition here."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


def _report(person: str, snapshot: str, place: str, handed: Exported, *, as_json: bool) -> None:
    if as_json:
        body = {"person": person, "snapshot": snapshot, "file": place}
        rendering.print_json("export", body | {"files": handed.files, "size": handed.size})
        return
    text = f"{place}: {handed.files} files, {size(handed.size)} of {person}; it contains secrets"
    click.echo(text, err=place == "-")
