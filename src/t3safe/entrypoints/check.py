"""`check`: run a build through the gate, on this host's people or without a host."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import click
from attrs import evolve

from t3safe.configuration import Settings
from t3safe.domain import events as ev
from t3safe.domain.errors import LockedError, PortError
from t3safe.domain.messages import UNPROTECTED, LogLevel, LogLine
from t3safe.domain.scope import Scope
from t3safe.domain.standalone import Asked, which, why_alone
from t3safe.domain.versions import Version
from t3safe.entrypoints import rendering
from t3safe.entrypoints.app import VERSION, App, as_json_option, leave, wait_option
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.wiring.standalone import StandaloneFolders, StandaloneGate, standalone_gate
from t3safe.usecases.check import check as check_host
from t3safe.usecases.standalone import Proof, StandaloneCheck, prove

_EXIT: Final = {
    ev.Outcome.PASSED: Exit.OK,
    ev.Outcome.REFUSED: Exit.REFUSED,
    ev.Outcome.GATE_BROKEN: Exit.GATE_BROKEN,
    ev.Outcome.LATER: Exit.LATER,
}
_FOLDER: Final = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("build", metavar="VERSION", type=VERSION)
@click.option(
    "--state",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Also rehearse on a copy of this state; DIR is never changed. Needs no host.",
)
@click.option(
    "--store",
    metavar="DIR",
    type=_FOLDER,
    help="Keep installed builds here, not in a temporary store. Needs no host.",
)
@click.option(
    "--control",
    metavar="VERSION",
    type=VERSION,
    help="A build known to work: if it fails too, the gate is broken. Needs no host.",
)
@click.option(
    "--evidence",
    metavar="DIR",
    type=_FOLDER,
    help="Keep the evidence here, not in a new folder. Only without a host.",
)
@click.option("--standalone", is_flag=True, help="Ignore this host, even if it has a user map.")
@wait_option
@as_json_option
@click.pass_obj
def check(  # noqa: PLR0913 - one for each option
    app: App,
    build: Version,
    state: Path | None,
    store: Path | None,
    control: Version | None,
    evidence: Path | None,
    wait: float,
    *,
    standalone: bool,
    as_json: bool,
) -> NoReturn:
    """Run a build through the gate on copies of the data; move no one.

    On a host it rehearses on a copy of each person's data. Without one, in a container or a
    pipeline, it rehearses on empty data and on a copy of DIR.
    """
    named = {"--state": state, "--store": store, "--control": control}
    options = [name for name, value in named.items() if value is not None]
    options += ["--standalone"] if standalone else []
    if control == build:
        message = f"--control {control}: a build is no control for itself; name one that works"
        raise click.UsageError(message)
    asked = _asked(app.settings, build, tuple(options))
    if why_alone(asked):
        places, first = (
            StandaloneFolders(state, store, evidence),
            LogLine(LogLevel.INFO, which(asked)),
        )
        _alone(app, StandaloneCheck(build, control, ()), places, first, wait, as_json=as_json)
    if evidence is not None:
        message = "--evidence is for a check without a host: a host keeps its own; `--standalone`"
        raise click.UsageError(message)
    with app.acting("run", wait, aside=as_json) as wired:
        wired.say(LogLine(LogLevel.INFO, which(asked)))
        result = wired.repair.before_moves(lambda: check_host(wired.host, build))
        leave(wired, result, as_json=as_json)


def _asked(settings: Settings, build: Version, options: tuple[str, ...]) -> Asked:
    """Return the request, with what a check on this host would run on."""
    if settings.scope is Scope.USER:
        return Asked(build, options, "a copy of your own state")
    file = settings.user_map
    missing = "" if file.exists() else f"no user map {file} on this machine"
    return Asked(build, options, f"copies of all people in {file}", missing)


def _alone(
    app: App,
    order: StandaloneCheck,
    places: StandaloneFolders,
    first: LogLine,
    wait: float,
    *,
    as_json: bool,
) -> NoReturn:
    """Prove a build without a host, and exit with the matching status."""
    used: StandaloneGate | None = None
    with _ended_by_signals(), rendering.chosen_sink(quiet=app.quiet, aside=as_json) as say:
        say(first)
        try:
            with standalone_gate(app.settings, places, wait, say) as used:
                if used.sandbox == "plain":
                    say(LogLine(LogLevel.WARNING, UNPROTECTED))
                proof = prove(evolve(order, subjects=used.subjects), used.perform, say)
        except KeyboardInterrupt:
            proof = Proof(order, ev.Outcome.LATER, "interrupted: nothing is proven either way")
        except LockedError:
            raise
        except PortError as error:
            proof = Proof(order, ev.Outcome.LATER, str(error))
        for line in _last(proof, used):
            say(line)
    if as_json:
        rendering.print_json("verdict", _body(proof, places, used))
    sys.exit(_EXIT[proof.outcome])


def _last(proof: Proof, used: StandaloneGate | None) -> Iterator[LogLine]:
    """Yield the lines about the evidence and the outcome."""
    if used is not None and proof.rehearsals:
        yield LogLine(LogLevel.INFO, f"evidence: {used.evidence}")
    level = LogLevel.INFO if proof.outcome is ev.Outcome.PASSED else LogLevel.WARNING
    yield LogLine(level, f"{proof.outcome}: {proof.reason}")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Handle SIGTERM and SIGHUP as SIGINT, so that temporary files are removed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _body(
    proof: Proof, places: StandaloneFolders, used: StandaloneGate | None
) -> dict[str, object]:
    control = proof.order.control
    return {
        "version": proof.order.build.text,
        "outcome": proof.outcome.value,
        "exit": int(_EXIT[proof.outcome]),
        "reason": proof.reason,
        "reasons": list(proof.verdict.reasons) if proof.verdict else [],
        "control": control.text if control else None,
        "state": str(places.state) if places.state else None,
        "sandbox": used.sandbox if used else None,
        "evidence": str(used.evidence) if used and proof.rehearsals else None,
        "rehearsals": [rendering.rehearsal_body(rehearsal) for rehearsal in proof.rehearsals],
    }
