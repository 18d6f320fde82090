"""Tell people what happens: one line a fact for a log, progress for a person at a terminal.

The lines come from `domain.narrate`.  Under a unit the service manager gives them their identifier;
started by hand as root they go to the system log too, under the identifier that alert rules match.
"""

from __future__ import annotations

import syslog
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from attrs import define, field

from t3safe.domain.errors import JournalError
from t3safe.domain.events import Event
from t3safe.domain.moves import touched
from t3safe.domain.narrate import Level, Line, tell
from t3safe.domain.rollout import Rollout

Sink = Callable[[Line], None]

IDENTIFIERS: Final = {"run": "t3-autoupdate", "drain": "t3-migrate-idle"}
"""What existing alert rules select on; every other command speaks as a run does."""

_PRIORITY: Final = {
    Level.TICK: syslog.LOG_DEBUG,
    Level.PROGRESS: syslog.LOG_INFO,
    Level.INFO: syslog.LOG_INFO,
    Level.WARNING: syslog.LOG_WARNING,
    Level.ALERT: syslog.LOG_ERR,
}


@define
class Teller:
    """Implements the port Observer over any number of sinks.

    A sink that fails keeps nothing from the others, and never reaches whoever tells.
    `between` is who was in transition at the last event, empty for nobody: where the journal
    fails, no further event tells of them.
    """

    sinks: tuple[Sink, ...]
    between: str = field(default="", init=False)

    def saw(self, before: Rollout | None, event: Event, after: Rollout) -> None:
        """Hand each line of the event to every sink."""
        current = after.current
        self.between = current.person if current is not None and touched(current) else ""
        self.say(tell(before, event, after))

    def say(self, lines: Iterable[Line]) -> None:
        """Hand lines of one's own to every sink."""
        for line in lines:
            for sink in self.sinks:
                with suppress(Exception):
                    sink(line)

    def say_one(self, line: Line) -> None:
        """Hand one line of one's own to every sink."""
        self.say((line,))

    def cut_off(self, error: JournalError) -> str:
        """Tell why the journal failed, and who is left in transition until that is mended."""
        left = f"; {self.between} is in transition until then" if self.between else ""
        return f"{error}{left}"


def system_log(identifier: str) -> Sink:
    """Give a sink that writes to the system log under this identifier."""
    syslog.openlog(identifier, syslog.LOG_PID, syslog.LOG_DAEMON)

    def write(line: Line) -> None:
        if line.level is Level.TICK:
            return
        for part in str(line).splitlines():
            syslog.syslog(_PRIORITY[line.level], part)

    return write
