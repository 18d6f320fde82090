"""Commands that timers call, and those that take a host over and give it back."""

from __future__ import annotations

from functools import partial
from typing import NoReturn

import click

from t3safe.bootstrap.live import rehearsal_only, sweep_trials
from t3safe.domain import events as ev
from t3safe.domain.messages import Level, Line
from t3safe.domain.policy import No, Stay
from t3safe.domain.scope import Scope
from t3safe.domain.versions import Version
from t3safe.entrypoints.common import (
    VERSION,
    App,
    as_json_option,
    ask,
    leave,
    wait_option,
    yes_option,
)
from t3safe.entrypoints.mending import moving, settling
from t3safe.entrypoints.reporting import reported
from t3safe.usecases.check import check
from t3safe.usecases.host import Result
from t3safe.usecases.recover import recover as recover_host
from t3safe.usecases.run import candidate
from t3safe.usecases.run import drain as drain_host
from t3safe.usecases.run import run as run_host
from t3safe.usecases.standing import survey


@click.command()
@click.option("--dry-run", is_flag=True, help="Only rehearse the candidate, on copies.")
@wait_option
@as_json_option
@click.pass_obj
def run(app: App, wait: float, *, dry_run: bool, as_json: bool) -> NoReturn:
    """Move everybody who is idle to the newest build that passes the gate."""
    if dry_run or app.settings.dry_run:
        _dry_run(app, wait, as_json=as_json)
    with app.acting("run", wait, aside=as_json) as wired, reported(wired, "run") as report:
        sweep_trials(app.settings)
        result = report.result = moving(wired, partial(run_host, wired.host))
        leave(wired, result, as_json=as_json)


def _dry_run(app: App, wait: float, *, as_json: bool) -> NoReturn:
    """Rehearse tonight's candidate in a throwaway store; the host is only read."""
    with (
        app.acting("run", wait, aside=as_json) as wired,
        rehearsal_only(app.settings, wired) as trial,
    ):
        choice, warnings = candidate(wired.host, survey(wired.host, repair=False))
        if isinstance(choice, Stay):
            stay = Result(None, choice.reason, stayed=choice.why, warnings=warnings)
            leave(wired, stay, as_json=as_json)
        result = check(trial.host, choice.candidate)
        said = _DRY.get(result.outcome, "was not judged") if result.outcome else "was not judged"
        text = f"DRY RUN: {choice.candidate} {said}; nobody was touched"
        trial.say(Line(Level.INFO, text))
        leave(trial, result, as_json=as_json)


_DRY = {
    ev.Outcome.PASSED: "PASSED the gate",
    ev.Outcome.REFUSED: "FAILED the gate",
    ev.Outcome.GATE_BROKEN: "was not judged, the gate is broken",
}


@click.command()
@wait_option
@as_json_option
@click.pass_obj
def drain(app: App, wait: float, *, as_json: bool) -> NoReturn:
    """Move people who were deferred and are idle now."""
    with app.acting("drain", wait, aside=as_json) as wired, reported(wired, "drain") as report:
        result = report.result = moving(wired, partial(drain_host, wired.host))
        leave(wired, result, as_json=as_json)


@click.command()
@click.option("--boot", is_flag=True, help="Before the serves start: touch no serve.")
@wait_option
@as_json_option
@click.pass_obj
def recover(app: App, wait: float, *, boot: bool, as_json: bool) -> NoReturn:
    """Settle whoever an interrupted run left in transition."""
    with app.acting("run", wait, aside=as_json) as wired, reported(wired, "recover") as report:
        result = report.result = settling(wired, lambda: recover_host(wired.host, boot=boot))
        nothing = Result(None, "nothing is unfinished", stayed=No.NOTHING)
        leave(wired, result or nothing, as_json=as_json)


@click.command()
@click.argument("build", metavar="VERSION", type=VERSION)
@wait_option
@click.pass_obj
def adopt(app: App, build: Version, wait: float) -> None:
    """Take over a host on which everybody runs VERSION; restart nobody."""
    with app.acting("run", wait) as wired:
        done = wired.adopt(build)
    for line in done:
        click.echo(line)
    click.echo("serves that run go on as they are; the next run moves them when they are idle")


@click.command()
@click.option("--to", "build", type=VERSION, help="The build to leave (default: everybody's).")
@yes_option
@click.pass_obj
def eject(app: App, build: Version | None, *, yes: bool) -> None:
    """Give the host back to one global t3; restart nobody."""
    ask("give this host back to one global t3, which any installer may replace?", yes=yes)
    with app.acting("run") as wired:
        done = wired.eject(build)
    for line in done:
        click.echo(line)
    click.echo("`t3safe units remove` takes the timers away; builds and snapshots stay")


@click.group()
def units() -> None:
    """t3safe's own units of systemd, and the users that it needs."""


@units.command("show")
@click.pass_obj
def units_show(app: App) -> None:
    """Show what `install` writes."""
    with app.host("run") as wired:
        files = wired.units().files()
    for path, text in files:
        click.echo(f"# {path}\n{text}")


@units.command("install")
@click.pass_obj
def units_install(app: App) -> None:
    """Make the users, write the units, enable the timers; start nothing."""
    with app.acting("run") as wired:
        done = wired.units().install()
    for line in done or ("nothing changed",):
        click.echo(line)
    click.echo(_TIMERS[app.settings.scope])


_TIMERS = {
    Scope.SYSTEM: "the timers start with the next boot, or now:"
    " systemctl start t3-autoupdate.timer t3-migrate-idle.timer",
    Scope.USER: "the timers start with your next login, or now:"
    " systemctl --user start t3-autoupdate.timer t3-migrate-idle.timer\n"
    "so that they run while nobody is logged in: loginctl enable-linger",
}


@units.command("remove")
@click.pass_obj
def units_remove(app: App) -> None:
    """Stop the timers and take the units away; users, builds and snapshots stay."""
    with app.acting("run") as wired:
        done = wired.units().remove()
    for line in done or ("nothing was installed",):
        click.echo(line)
