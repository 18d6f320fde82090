"""What the commands of the command line share: the settings, the wired host, options, endings."""

from __future__ import annotations

import getpass
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import click
from attrs import define, field

from t3safe.adapters.people import caller_name
from t3safe.configuration import Settings
from t3safe.domain.errors import JournalError
from t3safe.domain.events import Kind, Outcome
from t3safe.domain.messages import LogLevel, LogLine, frozen_line
from t3safe.domain.move import Status
from t3safe.domain.policy import SkipReason
from t3safe.domain.scope import Scope
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.entrypoints import output, rendering
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.settings import load
from t3safe.entrypoints.wiring.live import Live, live
from t3safe.usecases.host import Result, all_people, holding


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
            # As `t3 --version` prints it, with a v before it, and as npm does.
            return Version.parse(str(value).removeprefix("v"))
        except InvalidVersion as error:
            self.fail(str(error), param, ctx)


VERSION = VersionType()


@define
class _StopFlag:
    """Set by SIGTERM and SIGINT: the run ends at the next safe point.

    SIGHUP does not ask to stop: a terminal that hung up is a reader that has gone (`output`).
    """

    raised: bool = False

    def __call__(self) -> bool:
        return self.raised

    def install(self) -> None:
        """Install the signal handlers; a second signal changes nothing.

        SIGHUP gets an empty handler: an ignored signal would be ignored in every serve we start.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._raise)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, lambda *_: None)

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
    def host(self, command: str, *, aside: bool = False, acts: bool = False) -> Iterator[Live]:
        """Wire the host for a command that changes nothing; `aside` keeps standard output free."""
        with rendering.chosen_sink(quiet=self.quiet, aside=aside) as sink:
            yield live(self.settings, command, sink, self.stop, acts=acts)

    @contextmanager
    def acting(
        self,
        command: str,
        wait: float = 0.0,
        *,
        aside: bool = False,
        journal: bool = True,
        acts: bool = True,
    ) -> Iterator[Live]:
        """Wire the host for a command that acts: it holds the lock and can be asked to stop.

        When the journal fails, the error names the person left in transition.  `journal` says that
        the command depends on the journal: it then refuses one of a newer t3safe.  Without `acts`
        it holds the lock and changes nothing of the host.
        """
        self.stop.install()
        output.act()
        with (
            self.host(command, aside=aside, acts=acts) as wired,
            wired.locked(wait, journal=journal),
        ):
            try:
                yield wired
            except JournalError as error:
                raise JournalError(wired.event_log.cut_off(error)) from error


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
wait_option = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Wait up to SECONDS for the lock.",
)

yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
force_option = click.option("--force", is_flag=True, help="Act even if the person is busy.")


def ask(question: str, *, yes: bool) -> None:
    """Ask for confirmation; without it, end with a usage error."""
    if not rendering.confirmed(question, click.confirm, yes=yes):
        raise click.UsageError("not confirmed; `--yes` confirms without a terminal")


def who() -> str:
    """Return the user at the keyboard, also behind sudo."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def leave(
    wired: Live,
    result: Result,
    *,
    as_json: bool,
    people: Mapping[str, Mapping[str, object]] | None = None,
) -> NoReturn:
    """Print how it ended, and exit with the matching status.

    `people` replaces the document's entry of these people, which is status and reason alone.
    """
    status = exit_of(result)
    for warning in result.warnings:
        wired.say(LogLine(LogLevel.WARNING, warning))
    line = ending(wired, result)
    if line is not None:
        wired.say(line)
    if as_json:
        rendering.print_json("result", _result_body(result, status, people or {}))
    sys.exit(status)


_OF_STAYED: Final[Mapping[SkipReason, Exit]] = {
    SkipReason.FROZEN: Exit.FROZEN,
    SkipReason.NOTHING: Exit.OK,
    SkipReason.REFUSED: Exit.REFUSED,
    SkipReason.LATER: Exit.LATER,
}
"""The status of an operation that opened no run."""
_OF_OUTCOME: Final[Mapping[Outcome, Exit]] = {
    Outcome.PROMOTED: Exit.OK,
    Outcome.MOVED: Exit.OK,
    Outcome.DEFERRED: Exit.OK,
    Outcome.PASSED: Exit.OK,
    Outcome.REFUSED: Exit.REFUSED,
    Outcome.LATER: Exit.LATER,
    Outcome.INTERRUPTED: Exit.LATER,
    Outcome.ROLLED_BACK: Exit.ROLLED_BACK,
    Outcome.GATE_BROKEN: Exit.GATE_BROKEN,
    Outcome.NEEDS_HUMAN: Exit.NEEDS_HUMAN,
}
"""The status of a run, by its outcome."""


def exit_of(result: Result) -> Exit:
    """Return the exit status for the end of an operation."""
    if result.stayed is not None:
        return _OF_STAYED[result.stayed]
    if result.outcome is None:
        return Exit.OK
    rollout = result.rollout
    asked = rollout is not None and rollout.plan.kind is Kind.BACK
    if asked and result.outcome is Outcome.DEFERRED:
        # A person asked for this rollback: a deferral is not "nothing to do".
        return Exit.LATER
    status = _OF_OUTCOME[result.outcome]
    moves = rollout.moves if rollout is not None else ()
    left = any(move.status in {Status.REFUSED, Status.HELD_BACK} for move in moves)
    return Exit.REFUSED if status is Exit.OK and left else status


def ending(wired: Live, result: Result) -> LogLine | None:
    """Return the last line of an operation; None when its rollout has printed everything."""
    if result.stayed is SkipReason.FROZEN:
        return frozen_line(result.reason, holding(wired.host))
    if result.rollout is None or result.outcome is None:
        return LogLine(LogLevel.INFO, result.reason)
    return None


def _result_body(
    result: Result, status: Exit, people: Mapping[str, Mapping[str, object]]
) -> dict[str, object]:
    rollout = result.rollout
    moves = rollout.moves if rollout is not None else ()
    held = (*rollout.rehearsals, *rollout.controls) if rollout is not None else ()
    ends: dict[str, Mapping[str, object]] = {
        move.person: {"status": move.status.value, "reason": move.reason} for move in moves
    }
    return {
        "outcome": result.outcome.value if result.outcome else str(result.stayed or ""),
        "reason": result.reason,
        "run": result.run,
        "exit": int(status),
        "warnings": list(result.warnings),
        "people": ends | dict(people),
        "rehearsals": [rendering.rehearsal_body(rehearsal) for rehearsal in held],
    }


def for_whom(app: App, words: tuple[str, ...], others: int) -> tuple[str, ...]:
    """Put the caller before the `others` when no person is named, in a person's own scope."""
    if len(words) == others and app.settings.scope is Scope.USER:
        return (caller_name(), *words)
    return words


def one_or_all(app: App, person: str | None, *, for_all: bool) -> str | None:
    """Return the named person, None for all; end with a usage error when neither is given."""
    if person is None and not for_all and app.settings.scope is Scope.USER:
        return caller_name()
    if for_all == (person is not None):
        raise click.UsageError("name a person, or give `--all`")
    return person


def known_person(wired: Live, person: str) -> None:
    """End with a usage error when the user map has no such person."""
    people, _ = all_people(wired.host)
    if person not in people:
        message = f"no person {person!r} in the user map; these are: {', '.join(people)}"
        raise click.UsageError(message)
