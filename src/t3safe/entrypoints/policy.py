"""Commands for a person's decisions: freeze, pin, hold, and their undo."""

from __future__ import annotations

import click

from t3safe.domain.messages import frozen_line
from t3safe.domain.versions import Version
from t3safe.entrypoints.app import VERSION, App, who
from t3safe.entrypoints.notify import forgive
from t3safe.usecases.host import holding


@click.command()
@click.argument("reason", default="by hand")
@click.pass_obj
def freeze(app: App, reason: str) -> None:
    """Block all runs until `t3safe thaw`."""
    with app.acting("run", journal=False) as wired:
        wired.host.ports.switch.freeze(f"{who()}: {reason}")
        wired.say(frozen_line(wired.host.ports.switch.frozen(), holding(wired.host)))


@click.command()
@click.pass_obj
def thaw(app: App) -> None:
    """Allow runs again."""
    with app.acting("run") as wired:
        was = wired.host.ports.switch.thaw()
    click.echo("thawed" if was else "was not frozen")


@click.command()
@click.argument("build", metavar="VERSION", type=VERSION)
@click.option("--reason", default="", help="Why: shown by `t3safe status`.")
@click.pass_obj
def pin(app: App, build: Version, reason: str) -> None:
    """Make VERSION the target of every run."""
    with app.acting("run") as wired:
        wired.host.ports.choices.pin(build, _note(reason))
    click.echo(f"pinned {build}; `t3safe run` moves people on an older build to it")
    click.echo(f"`t3safe rollback --all --to {build}` rolls back people on a newer one")
    click.echo("`t3safe unpin` follows the track again")


@click.command()
@click.pass_obj
def unpin(app: App) -> None:
    """Follow the track again."""
    with app.acting("run") as wired:
        was = wired.host.ports.choices.unpin()
    click.echo("unpinned" if was else "was not pinned")


@click.command()
@click.argument("build", metavar="VERSION", type=VERSION)
@click.option("--reason", default="", help="Why: shown by `t3safe status`.")
@click.pass_obj
def hold(app: App, build: Version, reason: str) -> None:
    """Never move anyone to VERSION."""
    with app.acting("run") as wired:
        wired.host.ports.choices.hold(build, _note(reason))
    click.echo(f"held {build}; `t3safe allow {build}` lets it be taken again")


@click.command()
@click.argument("build", metavar="VERSION", type=VERSION)
@click.pass_obj
def allow(app: App, build: Version) -> None:
    """Allow a held or refused VERSION again."""
    with app.acting("run") as wired:
        held = wired.host.ports.choices.release(build)
        refused = wired.host.ports.verdicts.allow(build)
        if app.settings.notify.wanted:
            forgive(wired, build)
    click.echo(
        f"{build} may be tried again" if held or refused else f"nothing held against {build}"
    )


def _note(reason: str) -> str:
    """Return a reason with its author."""
    return f"{reason} (by {who()})" if reason else f"by {who()}"
