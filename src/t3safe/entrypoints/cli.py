"""The command line: `t3safe COMMAND`.

Every command that acts holds the one lock.  Exit statuses are those of `exits`.  Nothing is asked
of the network or of npm before the freeze switch has been looked at.
"""

from __future__ import annotations

import getpass
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import attrs
import click
from attrs import define, field

from t3safe import __version__
from t3safe.bootstrap import Live, live, rehearsal_only
from t3safe.configuration import Settings
from t3safe.domain import events as ev
from t3safe.domain.errors import (
    JournalError,
    LockedError,
    NoWayBackError,
    PeopleError,
    PortError,
)
from t3safe.domain.narrate import Level, Line, frozen_line, tell
from t3safe.domain.policy import No, Stay
from t3safe.domain.ports import SnapshotInfo
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.rollout import Rollout, evolve, opened
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.entrypoints import terminal
from t3safe.entrypoints.exits import Exit, exit_of
from t3safe.entrypoints.settings import DEFAULT_FILE, SettingsError, load
from t3safe.entrypoints.simulate import history_fetch, simulate
from t3safe.operations import Result
from t3safe.simulation.history import HistoryError


class VersionType(click.ParamType[Version]):
    """A version of t3, as npm prints it."""

    name = "version"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Version:
        """Read the version, or end with usage."""
        if isinstance(value, Version):
            return value
        try:
            return Version.parse(str(value))
        except InvalidVersion as error:
            self.fail(str(error), param, ctx)


VERSION = VersionType()


@define
class _StopFlag:
    """Set by SIGTERM and SIGINT: the run ends at the next safe point."""

    raised: bool = False

    def __call__(self) -> bool:
        return self.raised

    def install(self) -> None:
        """Take the two signals over; a second one changes nothing."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._raise)

    def _raise(self, *_: object) -> None:
        self.raised = True


@define
class App:
    """What every command shares: the settings, read on first use."""

    file: Path | None
    quiet: bool
    _settings: Settings | None = field(default=None, init=False)
    stop: _StopFlag = field(factory=_StopFlag, init=False)

    @property
    def settings(self) -> Settings:
        """The configuration.  Raises SettingsError."""
        if self._settings is None:
            self._settings = load(self.file, os.environ)
        return self._settings

    @contextmanager
    def host(self, command: str, *, aside: bool = False) -> Iterator[Live]:
        """Wire the host for a command that only looks; `aside` keeps standard output free."""
        with terminal.chosen_sink(quiet=self.quiet, aside=aside) as sink:
            yield live(self.settings, command, sink, self.stop)

    @contextmanager
    def acting(self, command: str, wait: float = 0.0, *, aside: bool = False) -> Iterator[Live]:
        """Wire the host for a command that acts: it holds the lock and can be asked to stop.

        Where the journal fails, whoever is left in transition is named.
        """
        self.stop.install()
        with self.host(command, aside=aside) as wired, wired.locked(wait):
            try:
                yield wired
            except JournalError as error:
                between = wired.teller.between
                whom = f"; {between} is in transition until then" if between else ""
                raise JournalError(f"{error}{whom}") from error


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


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_wait = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Wait so long for another t3safe to end, instead of saying that it is locked.",
)

_yes = click.option("--yes", is_flag=True, help="Do not ask.")


# What timers call.


@cli.command()
@click.option("--dry-run", is_flag=True, help="Only rehearse the candidate, on copies.")
@_wait
@_json
@click.pass_obj
def run(app: App, wait: float, *, dry_run: bool, as_json: bool) -> NoReturn:
    """Move everybody who is idle to the newest build that passes the gate."""
    if dry_run or app.settings.dry_run:
        _dry_run(app, wait, as_json=as_json)
    with app.acting("run", wait, aside=as_json) as wired:
        result = wired.host.run()
        _leave(wired, result, as_json=as_json)


def _dry_run(app: App, wait: float, *, as_json: bool) -> NoReturn:
    """Rehearse tonight's candidate in a throwaway store; the host is only read."""
    with (
        app.acting("run", wait, aside=as_json) as wired,
        rehearsal_only(app.settings, wired) as trial,
    ):
        choice, warnings = wired.host.candidate(wired.host.survey(mend=False))
        if isinstance(choice, Stay):
            stay = Result(None, choice.reason, stayed=choice.why, warnings=warnings)
            _leave(wired, stay, as_json=as_json)
        result = trial.host.check(choice.candidate)
        verb = "PASSED" if result.outcome is ev.Outcome.PASSED else "FAILED"
        text = f"DRY RUN: {choice.candidate} {verb} the gate; nobody was touched"
        trial.say(Line(Level.INFO, text))
        _leave(trial, result, as_json=as_json)


@cli.command()
@_wait
@_json
@click.pass_obj
def drain(app: App, wait: float, *, as_json: bool) -> NoReturn:
    """Move people who were deferred and are idle now."""
    with app.acting("drain", wait, aside=as_json) as wired:
        _leave(wired, wired.host.drain(), as_json=as_json)


@cli.command()
@click.option("--boot", is_flag=True, help="Before the serves start: touch no serve.")
@_wait
@_json
@click.pass_obj
def recover(app: App, wait: float, *, boot: bool, as_json: bool) -> NoReturn:
    """Settle whoever an interrupted run left in transition."""
    with app.acting("run", wait, aside=as_json) as wired:
        result = wired.host.recover(boot=boot)
        nothing = Result(None, "nothing is unfinished", stayed=No.NOTHING)
        _leave(wired, result or nothing, as_json=as_json)


@cli.command()
@click.argument("build", metavar="VERSION", type=VERSION)
@_wait
@_json
@click.pass_obj
def check(app: App, build: Version, wait: float, *, as_json: bool) -> NoReturn:
    """Run a build through the gate on a copy of everybody's state; touch nobody."""
    with app.acting("run", wait, aside=as_json) as wired:
        _leave(wired, wired.host.check(build), as_json=as_json)


@cli.command()
@click.argument("build", metavar="VERSION", type=VERSION)
@_wait
@click.pass_obj
def adopt(app: App, build: Version, wait: float) -> None:
    """Take over a host on which everybody runs VERSION; restart nobody."""
    with app.acting("run", wait) as wired:
        done = wired.adopt(build)
    for line in done:
        click.echo(line)
    click.echo("serves that run go on as they are; the next run moves them when they are idle")


@cli.command()
@click.option("--to", "build", type=VERSION, help="The build to leave (default: everybody's).")
@_yes
@click.pass_obj
def eject(app: App, build: Version | None, *, yes: bool) -> None:
    """Give the host back to one global t3; restart nobody."""
    _ask("give this host back to one global t3, which any installer may replace?", yes=yes)
    with app.acting("run") as wired:
        done = wired.eject(build)
    for line in done:
        click.echo(line)
    click.echo("`t3safe units remove` takes the timers away; builds and snapshots stay")


@cli.group()
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
    click.echo("the timers start with the next boot, or now: systemctl start t3-autoupdate.timer")


@units.command("remove")
@click.pass_obj
def units_remove(app: App) -> None:
    """Stop the timers and take the units away; users, builds and snapshots stay."""
    with app.acting("run") as wired:
        done = wired.units().remove()
    for line in done or ("nothing was installed",):
        click.echo(line)


# What shows.


@cli.command()
@_json
@click.pass_obj
def status(app: App, *, as_json: bool) -> None:
    """Who runs what, and what happens next."""
    from t3safe.overview import host_status  # noqa: PLC0415 - not on a timer's way

    with app.host("run") as wired:
        found = host_status(wired.host)
    if as_json:
        terminal.print_json("status", attrs.asdict(found))
    else:
        terminal.print_status(found)


@cli.command()
@click.option("-n", "count", type=click.IntRange(min=1), default=20, help="How many runs.")
@_json
@click.pass_obj
def history(app: App, count: int, *, as_json: bool) -> None:
    """What the last runs did."""
    with app.host("run") as wired:
        records = [record for _, record in zip(range(count), wired.journal.runs(), strict=False)]
    if as_json:
        terminal.print_json("history", [_record_body(record) for record in records])
        return
    rows = (
        (r["run"], r["kind"], r["candidate"], r["outcome"], r["reason"])
        for r in map(_record_body, records)
    )
    terminal.print_table(("run", "kind", "candidate", "outcome", "reason"), rows)


def _record_body(record: Any) -> dict[str, str]:  # noqa: ANN401 - a RunRecord
    ended = record.ended
    return {
        "run": record.plan.run,
        "kind": record.plan.kind.value,
        "candidate": record.plan.candidate.text,
        "opened": record.opened.isoformat(),
        "closed": record.closed.isoformat() if record.closed else "",
        "outcome": ended.outcome.value if ended else "unfinished",
        "reason": ended.reason if ended else "",
    }


@cli.command()
@click.argument("run_id", metavar="RUN")
@_json
@click.pass_obj
def show(app: App, run_id: str, *, as_json: bool) -> None:
    """Every step of one run."""
    with app.host("run") as wired:
        events = wired.journal.events(run_id)
    if not events:
        raise click.UsageError(f"the journal knows no run {run_id}; `t3safe history` lists them")
    if as_json:
        from t3safe.adapters.journal import codec  # noqa: PLC0415 - JSON only

        terminal.print_json("run", [codec.as_data(event) for event in events])
        return
    for moment, line in _told(events):
        click.echo(f"{moment:%Y-%m-%d %H:%M:%S}  {line}")


def _told(events: tuple[ev.Event, ...]) -> Iterator[tuple[Any, Line]]:
    before: Rollout | None = None
    for event in events:
        after = (
            opened(event.plan) if isinstance(event, ev.Opened) else evolve(_known(before), event)
        )
        for line in tell(before, event, after):
            yield event.at, line
        before = after


def _known(rollout: Rollout | None) -> Rollout:
    if rollout is None:
        raise JournalError("cannot show a run that the journal never opened")
    return rollout


# What a person decides.


@cli.command()
@click.argument("reason", default="by hand")
@click.pass_obj
def freeze(app: App, reason: str) -> None:
    """Let no run act until `thaw`."""
    with app.acting("run") as wired:
        wired.host.perform.switch.freeze(f"{_who()}: {reason}")
        wired.say(frozen_line(wired.host.perform.switch.frozen(), _holding(wired)))


@cli.command()
@click.pass_obj
def thaw(app: App) -> None:
    """Let runs act again."""
    with app.acting("run") as wired:
        was = wired.host.perform.switch.thaw()
    click.echo("thawed" if was else "was not frozen")


@cli.command()
@click.argument("build", metavar="VERSION", type=VERSION)
@click.option("--reason", default="", help="Why, for whoever looks next.")
@click.pass_obj
def pin(app: App, build: Version, reason: str) -> None:
    """Make one version the target of every run."""
    with app.acting("run") as wired:
        wired.host.choices.pin(build, _note(reason))
    click.echo(f"pinned {build}; `t3safe run` goes there, `t3safe unpin` follows the track again")


@cli.command()
@click.pass_obj
def unpin(app: App) -> None:
    """Follow the track again."""
    with app.acting("run") as wired:
        was = wired.host.choices.unpin()
    click.echo("unpinned" if was else "was not pinned")


@cli.command()
@click.argument("build", metavar="VERSION", type=VERSION)
@click.option("--reason", default="", help="Why, for whoever looks next.")
@click.pass_obj
def hold(app: App, build: Version, reason: str) -> None:
    """Never take this version."""
    with app.acting("run") as wired:
        wired.host.choices.hold(build, _note(reason))
    click.echo(f"held {build}; `t3safe allow {build}` lets it be taken again")


@cli.command()
@click.argument("build", metavar="VERSION", type=VERSION)
@click.pass_obj
def allow(app: App, build: Version) -> None:
    """Let a held or refused version be tried again."""
    with app.acting("run") as wired:
        held = wired.host.choices.release(build)
        refused = wired.host.perform.verdicts.allow(build)
    click.echo(
        f"{build} may be tried again" if held or refused else f"nothing held against {build}"
    )


# State sets.


@cli.command()
@click.argument("people", nargs=-1)
@_json
@click.pass_obj
def verify(app: App, people: tuple[str, ...], *, as_json: bool) -> NoReturn:
    """Check snapshots against their manifests, and builds against what was installed."""
    with app.host("run") as wired:
        for person in people:
            _known_person(wired, person)
        found = wired.verify(people or wired.host.everybody()[0])
    if as_json:
        terminal.print_json("verify", [attrs.asdict(item) for item in found])
    for item in found if not as_json else ():
        click.echo(f"{item.what}: {item.problem or 'ok'}")
    sys.exit(Exit.REFUSED if any(item.problem for item in found) else Exit.OK)


@cli.command()
@click.argument("person")
@click.pass_obj
def snapshot(app: App, person: str) -> None:
    """Copy a person's state beside the running serve."""
    with app.acting("run") as wired:
        _known_person(wired, person)
        build = wired.host.perform.selection.selected(person).build
        name = wired.host.name_run(wired.host.engine.clock.now())
        taken = wired.host.perform.states.snapshot(person, name, SnapshotKind.ONLINE, build)
    click.echo(f"{taken.snapshot}: ledger {taken.ledger.level}, {taken.size} bytes")


@cli.command()
@click.argument("person")
@_json
@click.pass_obj
def snapshots(app: App, person: str, *, as_json: bool) -> None:
    """List what a person can be put back to, oldest first."""
    with app.host("run") as wired:
        _known_person(wired, person)
        found = [_snapshot_body(info) for info in wired.host.perform.states.snapshots(person)]
    if as_json:
        terminal.print_json("snapshots", found)
        return
    rows = (tuple(str(body[key]) for key in _SNAPSHOT_COLUMNS) for body in found)
    terminal.print_table(_SNAPSHOT_COLUMNS, rows)


_SNAPSHOT_COLUMNS = ("id", "kind", "taken", "build", "ledger", "bytes")


def _snapshot_body(info: SnapshotInfo) -> dict[str, Any]:
    return {
        "id": info.stored.id,
        "kind": info.stored.kind.value,
        "taken": info.stored.taken.isoformat(),
        "build": str(info.build or ""),
        "ledger": info.ledger.level,
        "bytes": info.stored.size,
        "rows": dict(info.rows),
    }


def _known_person(wired: Live, person: str) -> None:
    people, _ = wired.host.everybody()
    if person not in people:
        message = f"no person {person!r} in the user map; these are: {', '.join(people)}"
        raise click.UsageError(message)


_force = click.option("--force", is_flag=True, help="Also while the person is busy.")


@cli.command()
@click.argument("person")
@click.argument("snapshot_id", metavar="SNAPSHOT")
@_force
@_yes
@_json
@click.pass_obj
def restore(
    app: App, person: str, snapshot_id: str, *, force: bool, yes: bool, as_json: bool
) -> NoReturn:
    """Put a person's state back to a snapshot, with the build that wrote it."""
    _ask(f"put {person} back to {snapshot_id}? What is there now is kept as a snapshot", yes=yes)
    with app.acting("run", aside=as_json) as wired:
        _known_person(wired, person)
        result = wired.host.go_back(person, None, snapshot_id, force=force)
        _leave(wired, result, as_json=as_json)


@cli.command()
@click.argument("person")
@click.option("--to", "build", type=VERSION, help="The build to go back to (default: before).")
@_force
@_yes
@_json
@click.pass_obj
def rollback(
    app: App, person: str, build: Version | None, *, force: bool, yes: bool, as_json: bool
) -> NoReturn:
    """Take one person back to an older build, with the state that it knows."""
    where = str(build) if build else "the build before"
    _ask(f"take {person} back to {where}? What is there now is kept as a snapshot", yes=yes)
    with app.acting("run", aside=as_json) as wired:
        _known_person(wired, person)
        result = wired.host.go_back(person, build, "", force=force)
        _leave(wired, result, as_json=as_json)


cli.add_command(simulate)
cli.add_command(history_fetch)


# Shared parts.


def _ask(question: str, *, yes: bool) -> None:
    if not terminal.confirmed(question, click.confirm, yes=yes):
        raise click.UsageError("not confirmed; `--yes` confirms without a terminal")


def _who() -> str:
    return os.environ.get("SUDO_USER") or getpass.getuser()


def _note(reason: str) -> str:
    return f"{reason} (by {_who()})" if reason else f"by {_who()}"


def _holding(wired: Live) -> str:
    return str(wired.host.perform.selection.last_good() or "what everybody runs")


def _leave(wired: Live, result: Result, *, as_json: bool) -> NoReturn:
    """Say how it ended and leave with the status that says the same."""
    status = exit_of(result)
    for warning in result.warnings:
        wired.say(Line(Level.WARNING, warning))
    if result.stayed is No.FROZEN:
        wired.say(frozen_line(result.reason, _holding(wired)))
    elif result.rollout is None or result.outcome is None:
        wired.say(Line(Level.INFO, result.reason))
    if as_json:
        terminal.print_json("result", _result_body(result, status))
    sys.exit(status)


def _result_body(result: Result, status: Exit) -> dict[str, Any]:
    moves = result.rollout.moves if result.rollout is not None else ()
    return {
        "outcome": result.outcome.value if result.outcome else str(result.stayed or ""),
        "reason": result.reason,
        "run": result.run,
        "exit": int(status),
        "warnings": list(result.warnings),
        "people": {
            move.person: {"status": move.status.value, "reason": move.reason} for move in moves
        },
    }


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
