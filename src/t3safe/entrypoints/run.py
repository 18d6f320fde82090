"""The commands that timers call: `run`, `drain`, `recover`, and what follows the end of each.

Rules:

1. Metrics are written and notifications sent after the end, however the command ends.  An error of
   theirs changes nothing; it is one line.
2. A command that finds the host locked reports nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NoReturn

import click
from attrs import define

from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError, PortError, UnusableError
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.notices import Broken, Cause
from t3safe.domain.policy import Skip, SkipReason
from t3safe.entrypoints.app import App, as_json_option, leave, wait_option
from t3safe.entrypoints.metrics import measured, write_metrics
from t3safe.entrypoints.notify import tell
from t3safe.entrypoints.wiring.live import Live, rehearsal_only, sweep_trials
from t3safe.usecases.check import check
from t3safe.usecases.host import Result
from t3safe.usecases.recover import recover as recover_host
from t3safe.usecases.run import candidate
from t3safe.usecases.run import drain as drain_host
from t3safe.usecases.run import run as run_host
from t3safe.usecases.survey import survey


@click.command()
@click.option("--dry-run", is_flag=True, help="Only rehearse the candidate on copies; move no one.")
@wait_option
@as_json_option
@click.pass_obj
def run(app: App, wait: float, *, dry_run: bool, as_json: bool) -> NoReturn:
    """Move idle people to the newest build that passes the gate."""
    if dry_run or app.settings.dry_run:
        _dry_run(app, wait, as_json=as_json)
    with app.acting("run", wait, aside=as_json) as wired, reported(wired, "run") as report:
        sweep_trials(app.settings)
        report.result = wired.repair.before_moves(partial(run_host, wired.host))
        leave(wired, report.result, as_json=as_json)


def _dry_run(app: App, wait: float, *, as_json: bool) -> NoReturn:
    """Rehearse tonight's candidate in a throwaway store; the host is only read."""
    with (
        app.acting("run", wait, aside=as_json, acts=False) as wired,
        rehearsal_only(app.settings, wired) as trial,
    ):
        choice, warnings = candidate(wired.host, survey(wired.host, repair=False))
        if isinstance(choice, Skip):
            stay = Result(None, choice.reason, stayed=choice.why, warnings=warnings)
            leave(wired, stay, as_json=as_json)
        result = check(trial.host, choice.candidate)
        said = _DRY.get(result.outcome, "was not judged") if result.outcome else "was not judged"
        text = f"DRY RUN: {choice.candidate} {said}; no one was moved"
        trial.say(LogLine(LogLevel.INFO, text))
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
        report.result = wired.repair.before_moves(partial(drain_host, wired.host))
        leave(wired, report.result, as_json=as_json)


@click.command()
@click.option("--boot", is_flag=True, help="Before the serves start: start no serve.")
@wait_option
@as_json_option
@click.pass_obj
def recover(app: App, wait: float, *, boot: bool, as_json: bool) -> NoReturn:
    """Recover people whom an interrupted run left half moved."""
    with app.acting("run", wait, aside=as_json) as wired, reported(wired, "recover") as report:
        result = wired.repair.before_settling(lambda: recover_host(wired.host, boot=boot))
        report.result = result
        nothing = Result(None, "nothing is unfinished", stayed=SkipReason.NOTHING)
        leave(wired, result or nothing, as_json=as_json)


# What follows the end.


@define
class CommandEnd:
    """The report of a command; `result` is how it ended, None before its end."""

    result: Result | None = None


@contextmanager
def reported(wired: Live, command: str) -> Iterator[CommandEnd]:
    """Report after the block has ended (rules 1 and 2).

    A command that breaks off is reported, unless the next run repairs its cause by itself.
    """
    why, report = "", CommandEnd()
    try:
        yield report
    except JournalError as error:
        why = f"it broke off: {wired.event_log.cut_off(error)}"
        raise
    except (PortError, UnusableError):
        raise
    except Exception as error:
        why = f"it broke off by a defect of t3safe itself ({type(error).__name__})"
        raise
    finally:
        broken = Broken(command, why) if why else _unrecorded(command, report.result)
        try:
            _fan_out(wired, command, broken)
        except PortError as error:
            wired.say(LogLine(LogLevel.WARNING, str(error)))
        except Exception as error:  # noqa: BLE001 - the command's own end outlives any error here
            text = f"cannot report how {command} ended: {type(error).__name__}"
            wired.say(LogLine(LogLevel.WARNING, text))


def _unrecorded(command: str, result: Result | None) -> Broken | None:
    """Return the notice of an end that no run in the journal records; None for no such end."""
    if result is None or result.rollout is not None:
        return None
    if result.outcome is ev.Outcome.NEEDS_HUMAN:
        return Broken(command, result.reason)
    if result.stayed is SkipReason.REFUSED and not result.known:
        return Broken(command, result.reason, Cause.REFUSED)
    return None


def _fan_out(wired: Live, command: str, broken: Broken | None) -> None:
    wired.notes.keep_end(command, wired.host.ports.clock.now())
    path, notified = wired.settings.metrics_file, wired.settings.notify.wanted
    if path is None and not notified:
        return
    vitals = measured(wired)
    if path is not None:
        write_metrics(wired, path, vitals)
    if notified:
        tell(wired, vitals, command, broken)
