"""Set a damaged journal aside, report it, and move no one in that command.

Rules:

1. A fenced person may be in transition, and the journal that explained it is gone: the command asks
   for a human.  Only `recover` or the next run lifts a fence, after a look at the data.
2. A frozen host still says FROZEN.
3. While a person is in transition the journal stays; the next command sets it aside.
4. The lost run may have stopped a serve: a stopped serve is named, and not started.
5. A person on a build that is not last-good is named, and t3safe signs in as them: the lost run may
   have put that build in place, and it may not pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from t3safe.domain import events as ev
from t3safe.domain.errors import DamagedJournalError
from t3safe.domain.messages import LogLevel, LogLine, frozen_line
from t3safe.domain.policy import SkipReason
from t3safe.entrypoints.app import holding
from t3safe.entrypoints.wiring.live import Live
from t3safe.usecases.host import Reader, Result, everybody
from t3safe.usecases.recover import prove_unexplained
from t3safe.usecases.survey import fenced

_T = TypeVar("_T")


def moving(wired: Live, operation: Callable[[], Result]) -> Result:
    """Run an operation that moves people, unless the journal had to be set aside."""
    if not fixed(wired):
        try:
            return operation()
        except DamagedJournalError as error:
            _set_aside(wired, error)
    return _later(wired)


def settling(wired: Live, operation: Callable[[], _T]) -> _T:
    """Run an operation that settles people, after a damaged journal was set aside."""
    fixed(wired)
    try:
        return operation()
    except DamagedJournalError as error:
        _set_aside(wired, error)
        return operation()


def fixed(wired: Live) -> bool:
    """Set a damaged journal aside; return whether it was damaged."""
    complaint = wired.journal.complaint()
    if complaint:
        _set_aside(wired, DamagedJournalError(complaint))
    return bool(complaint)


def _set_aside(wired: Live, error: DamagedJournalError) -> None:
    if wired.event_log.between:
        raise error
    kept = wired.journal.set_aside(wired.host.ports.clock.now())
    refusals = f"{kept.verdicts} verdicts on builds were saved"
    if not kept.complete:
        refusals += ", others could not be read: builds that were refused may be tried again"
    text = f"JOURNAL SET ASIDE ({error}): kept as {kept.place}, a new one is begun; {refusals}"
    wired.say(LogLine(LogLevel.WARNING, text))
    for person in _down(wired):
        text = (
            f"the serve of {person} does not run, and no run tells why; start it if it should run"
        )
        wired.say(LogLine(LogLevel.WARNING, text, person))


def _down(wired: Live) -> Iterator[str]:
    """Yield the people whose serve could run and does not (rule 4)."""
    host, read = wired.host, Reader()
    people, _ = read(partial(everybody, host)) or ((), ())
    shut = fenced(host)
    for person in people:
        status = read(partial(host.ports.services.status, person))
        if status is not None and not status.running and person not in shut:
            yield person


def _later(wired: Live) -> Result:
    """Return the result after the journal was set aside (rules 1 and 2)."""
    host = wired.host
    shut, frozen = fenced(host), host.ports.switch.frozen()
    if not shut:
        if frozen:
            return Result(None, frozen, stayed=SkipReason.FROZEN)
        proof = prove_unexplained(host)
        if proof.outcome is not None:
            return proof
        reason = "the journal was set aside; no one was moved, and the next run is an ordinary one"
        return Result(None, reason, stayed=SkipReason.LATER, warnings=proof.warnings)
    if frozen:
        wired.say(frozen_line(frozen, holding(wired)))
    text = f"{', '.join(shut)} fenced, and the journal that told why was set aside"
    text = f"NEEDS A HUMAN: {text}; `t3safe recover` looks, and lifts the fence where a build fits"
    wired.say(LogLine(LogLevel.ALERT, text))
    return Result(ev.Outcome.NEEDS_HUMAN, text)
