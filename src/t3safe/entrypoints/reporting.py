"""What follows the end of whatever timers call, however it ends: metrics, then notifications.

No trouble of theirs changes how the command ends; it is said in one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import define

from t3safe.bootstrap.live import Live
from t3safe.domain.errors import JournalError, PortError, UnusableError
from t3safe.domain.events import Outcome
from t3safe.domain.messages import Level, Line
from t3safe.domain.policy import No
from t3safe.usecases.host import Result

if TYPE_CHECKING:
    from t3safe.domain.notices import Broken


@define
class Report:
    """What is to be reported of; `result` is how the command ended, once that is known."""

    result: Result | None = None

    def unrecorded(self, command: str) -> Broken | None:
        """What to tell of an end of which no run tells: a person is needed, or a guard said no."""
        from t3safe.domain.notices import Broken, Cause  # noqa: PLC0415 - only where asked for

        result = self.result
        if result is None or result.rollout is not None:
            return None
        if result.outcome is Outcome.NEEDS_HUMAN:
            return Broken(command, result.reason)
        if result.stayed is No.REFUSED and not result.known:
            return Broken(command, result.reason, Cause.REFUSED)
        return None


@contextmanager
def reported(wired: Live, command: str) -> Iterator[Report]:
    """Report once the block has ended; `command` is `run`, `drain` or `recover`.

    One that finds the host locked never gets here.  A command that breaks off is told of, where
    its trouble is none of those that the next run mends.
    """
    why, report = "", Report()
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
        _report(wired, command, why, report)


def _report(wired: Live, command: str, why: str, report: Report) -> None:
    try:
        _fan_out(wired, command, why, report)
    except PortError as error:
        wired.say(Line(Level.WARNING, str(error)))
    except Exception as error:  # noqa: BLE001 - the command's own end outlives any trouble here
        text = f"cannot report how {command} ended: {type(error).__name__}"
        wired.say(Line(Level.WARNING, text))


def _fan_out(wired: Live, command: str, why: str, report: Report) -> None:
    wired.ended.mark(command, wired.host.ports.clock.now())
    path, told = wired.settings.metrics_file, wired.settings.notify
    if path is None and not told.wanted:
        return
    from t3safe.entrypoints import gauging, notifying  # noqa: PLC0415 - only where asked for

    vitals = gauging.measured(wired)
    if path is not None:
        gauging.write_metrics(wired, path, vitals)
    if told.wanted:
        broken = _broken_off(command, why) if why else report.unrecorded(command)
        notifying.tell(wired, vitals, command, broken)


def _broken_off(command: str, why: str) -> Broken:
    from t3safe.domain.notices import Broken  # noqa: PLC0415 - only where asked for

    return Broken(command, why)
