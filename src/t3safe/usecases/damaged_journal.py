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

from attrs import frozen

from t3safe.domain import events as ev
from t3safe.domain.errors import DamagedJournalError
from t3safe.domain.messages import LogLevel, LogLine, frozen_line
from t3safe.domain.policy import SkipReason
from t3safe.domain.ports import RepairableJournal
from t3safe.usecases.host import Host, Reader, Result, all_people, holding
from t3safe.usecases.recover import prove_unexplained
from t3safe.usecases.survey import fenced

_T = TypeVar("_T")


@frozen
class JournalRepair:
    """Runs a use case after the journal was looked at, and set aside where it is damaged.

    `in_transition` returns the person whose move is not over, empty where nobody is (rule 3).
    """

    host: Host
    journal: RepairableJournal
    say: Callable[[LogLine], None]
    in_transition: Callable[[], str]

    def before_moves(self, operation: Callable[[], Result]) -> Result:
        """Run an operation that moves people, unless the journal had to be set aside."""
        if not self.repaired():
            try:
                return operation()
            except DamagedJournalError as error:
                self._set_aside(error)
        return self._later()

    def before_settling(self, operation: Callable[[], _T]) -> _T:
        """Run an operation that settles people, after a damaged journal was set aside."""
        self.repaired()
        try:
            return operation()
        except DamagedJournalError as error:
            self._set_aside(error)
            return operation()

    def repaired(self) -> bool:
        """Set a damaged journal aside; return whether it was damaged."""
        complaint = self.journal.complaint()
        if complaint:
            self._set_aside(DamagedJournalError(complaint))
        return bool(complaint)

    def _set_aside(self, error: DamagedJournalError) -> None:
        if self.in_transition():
            raise error
        kept = self.journal.set_aside(self.host.ports.clock.now())
        refusals = f"{kept.verdicts} verdicts on builds were saved"
        if not kept.complete:
            refusals += ", others could not be read: builds that were refused may be tried again"
        text = f"JOURNAL SET ASIDE ({error}): kept as {kept.place}, a new one is begun; {refusals}"
        self.say(LogLine(LogLevel.WARNING, text))
        for person in self._down():
            text = (
                f"the serve of {person} does not run, and no run tells why;"
                " start it if it should run"
            )
            self.say(LogLine(LogLevel.WARNING, text, person))

    def _down(self) -> Iterator[str]:
        """Yield the people whose serve could run and does not (rule 4)."""
        read = Reader()
        people, _ = read(partial(all_people, self.host)) or ((), ())
        shut = fenced(self.host)
        for person in people:
            status = read(partial(self.host.ports.services.status, person))
            if status is not None and not status.running and person not in shut:
                yield person

    def _later(self) -> Result:
        """Return the result after the journal was set aside (rules 1 and 2)."""
        shut, why = fenced(self.host), self.host.ports.switch.frozen()
        if not shut:
            if why:
                return Result(None, why, stayed=SkipReason.FROZEN)
            proof = prove_unexplained(self.host)
            if proof.outcome is not None:
                return proof
            reason = (
                "the journal was set aside; no one was moved, and the next run is an ordinary one"
            )
            return Result(None, reason, stayed=SkipReason.LATER, warnings=proof.warnings)
        if why:
            self.say(frozen_line(why, holding(self.host)))
        text = f"{', '.join(shut)} fenced, and the journal that told why was set aside"
        text = (
            f"NEEDS A HUMAN: {text}; `t3safe recover` looks, and lifts the fence where a build fits"
        )
        self.say(LogLine(LogLevel.ALERT, text))
        return Result(ev.Outcome.NEEDS_HUMAN, text)
