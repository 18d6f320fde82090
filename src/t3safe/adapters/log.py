"""The log of what the engine does: one line a fact, to a terminal, a file and the system log.

The service manager gives the lines of a unit their identifier.  What root starts by hand goes to
the system log too, under the identifier that alert rules match.
"""

from __future__ import annotations

import syslog
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from attrs import define, field

from t3safe.domain import log
from t3safe.domain.errors import JournalError
from t3safe.domain.events import Event
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.moves import touched
from t3safe.domain.rollout_state import Rollout

Sink = Callable[[LogLine], None]

IDENTIFIERS: Final = {"run": "t3-autoupdate", "drain": "t3-migrate-idle"}
"""What existing alert rules select on; every other command speaks as a run does."""

_PRIORITY: Final = {
    LogLevel.TICK: syslog.LOG_DEBUG,
    LogLevel.PROGRESS: syslog.LOG_INFO,
    LogLevel.INFO: syslog.LOG_INFO,
    LogLevel.WARNING: syslog.LOG_WARNING,
    LogLevel.ALERT: syslog.LOG_ERR,
}


@define
class EventLog:
    """Implements the port Observer over any number of sinks; a sink that fails is left out.

    `between` is the person who was in transition at the last event, empty where nobody was: where
    the journal fails, no further event names them.
    """

    sinks: tuple[Sink, ...]
    between: str = field(default="", init=False)

    def saw(self, before: Rollout | None, event: Event, after: Rollout) -> None:
        """Write each line of the event to every sink."""
        current = after.current
        self.between = current.person if current is not None and touched(current) else ""
        self.say(log.lines(before, event, after))

    def say(self, lines: Iterable[LogLine]) -> None:
        """Write other lines to every sink."""
        for line in lines:
            for sink in self.sinks:
                with suppress(Exception):
                    sink(line)

    def say_one(self, line: LogLine) -> None:
        """Write one other line to every sink."""
        self.say((line,))

    def cut_off(self, error: JournalError) -> str:
        """Say why the journal failed, and who is in transition until that is fixed."""
        left = f"; {self.between} is in transition until then" if self.between else ""
        return f"{error}{left}"


def system_log(identifier: str) -> Sink:
    """Give a sink that writes to the system log under this identifier."""
    syslog.openlog(identifier, syslog.LOG_PID, syslog.LOG_DAEMON)

    def write(line: LogLine) -> None:
        if line.level is LogLevel.TICK:
            return
        for part in str(line).splitlines():
            syslog.syslog(_PRIORITY[line.level], part)

    return write
